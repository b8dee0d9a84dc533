//! `strftime_now`: the date and time of this machine's clock, in UTC
//!
//! The fields that templates use; C's names of days and months. Source: days from civil by H. Hinnant.

use std::time::{SystemTime, UNIX_EPOCH};

const DAYS: [&str; 7] = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"];
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// The time as `format` has it.
///
/// # Errors
/// A field that is not known here.
pub(super) fn now(format: &str) -> Result<String, String> {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|_| "the clock is before 1970")?;
    formatted(format, elapsed.as_secs())
}

/// `format` at `seconds` since 1970.
fn formatted(format: &str, seconds: u64) -> Result<String, String> {
    let (days, of_day) = (seconds / 86400, seconds % 86400);
    // Years run from March to February, eras have 400 of them.
    let shifted = days + 719_468;
    let (era, of_era) = (shifted / 146_097, shifted % 146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146_096) / 365;
    let day_of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = era * 400 + year_of_era + u64::from(month <= 2);
    let name = |names: &[&'static str], index: u64| usize::try_from(index).map_or("", |index| names[index]);
    let (month_name, day_name) = (name(&MONTHS, month - 1), name(&DAYS, (days + 4) % 7));
    let (hour, minute, second) = (of_day / 3600, of_day / 60 % 60, of_day % 60);
    let mut text = String::new();
    let mut fields = format.chars();
    while let Some(c) = fields.next() {
        if c != '%' {
            text.push(c);
            continue;
        }
        match fields.next() {
            Some('Y') => text += &year.to_string(),
            Some('y') => text += &format!("{:02}", year % 100),
            Some('m') => text += &format!("{month:02}"),
            Some('d') => text += &format!("{day:02}"),
            Some('B') => text += month_name,
            Some('b') => text += &month_name[..3],
            Some('A') => text += day_name,
            Some('a') => text += &day_name[..3],
            Some('H') => text += &format!("{hour:02}"),
            Some('I') => text += &format!("{:02}", (hour + 11) % 12 + 1),
            Some('p') => text += if hour < 12 { "AM" } else { "PM" },
            Some('M') => text += &format!("{minute:02}"),
            Some('S') => text += &format!("{second:02}"),
            Some('%') => text.push('%'),
            other => {
                let found = other.map_or_else(|| "the end".into(), |c| format!("%{c}"));
                return Err(format!("strftime_now expects fields among %YymdBbAaHIpMS%%, found {found}"));
            }
        }
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::formatted;

    #[test]
    fn dates_are_those_of_python() {
        let cases = [
            (0, "01 Jan 1970 Thursday 00:00:00"),
            (951_782_399, "28 Feb 2000 Monday 23:59:59"),
            (951_782_400, "29 Feb 2000 Tuesday 00:00:00"),
            (1_721_995_200, "26 Jul 2024 Friday 12:00:00"),
            (4_107_542_399, "28 Feb 2100 Sunday 23:59:59"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(formatted("%d %b %Y %A %H:%M:%S", seconds).as_deref(), Ok(expected));
        }
        assert_eq!(formatted("%I%p %y %m %B %a %%", 1_721_995_200).as_deref(), Ok("12PM 24 07 July Fri %"));
        assert!(formatted("%q", 0).is_err() && formatted("%", 0).is_err());
    }
}
