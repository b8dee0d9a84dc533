//! Lines that start with `/`: what the console does besides talking to the model

use core::fmt;

/// A parsed command.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Command<'l> {
    Help,
    Reset,
    System(&'l str),
    Set(Setting),
    Stats,
    Save(&'l str),
    Restore(&'l str),
    SelfTest,
    Quit,
}

/// One sampling or answer setting.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Setting {
    Temperature(f32),
    TopK(u32),
    TopP(f32),
    Seed(u64),
    MaxTokens(u32),
    Lookup(bool),
}

/// Why a line is no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommandError<'l> {
    Unknown(&'l str),
    UnknownSetting(&'l str),
    Value { setting: &'l str, value: &'l str, expected: &'static str },
}

impl fmt::Display for CommandError<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::Unknown(word) => {
                write!(f, "unknown command {word}: /help lists them; start a prompt with // to send a slash")
            }
            Self::UnknownSetting(word) => write!(
                f,
                "unknown setting \"{word}\": expected temperature, top-k, top-p, seed, tokens or lookup, then a value"
            ),
            Self::Value { setting, value, expected } => {
                write!(f, "{setting}: expected {expected}, found \"{value}\"")
            }
        }
    }
}

/// What `/help` prints.
pub(crate) const HELP: &str = "\
/help                  this list
/reset                 forget the conversation
/system TEXT           set the system message (empty: none) and start over
/set temperature 0.7   0 is greedy; also: top-k 40, top-p 0.95, seed 7, tokens 256, lookup on
/stats                 speed, memory and the hash so far
/save NAME             keep the conversation; /restore NAME goes on with it
/selftest              compare this machine's bits with the packer's
/quit                  leave
Ctrl-C stops an answer. // at the start of a line sends a slash to the model.";

/// Parses a line that starts with one `/`.
pub(crate) fn parse(line: &str) -> Result<Command<'_>, CommandError<'_>> {
    let (word, rest) = match line.split_once(char::is_whitespace) {
        Some((word, rest)) => (word, rest.trim()),
        None => (line.trim_end(), ""),
    };
    match word {
        "/help" => Ok(Command::Help),
        "/reset" => Ok(Command::Reset),
        "/system" => Ok(Command::System(rest)),
        "/set" => setting(rest).map(Command::Set),
        "/stats" => Ok(Command::Stats),
        "/save" => Ok(Command::Save(rest)),
        "/restore" => Ok(Command::Restore(rest)),
        "/selftest" => Ok(Command::SelfTest),
        "/quit" => Ok(Command::Quit),
        _ => Err(CommandError::Unknown(word)),
    }
}

fn setting(text: &str) -> Result<Setting, CommandError<'_>> {
    let (name, value) = match text.split_once(char::is_whitespace) {
        Some((name, value)) => (name, value.trim()),
        None => (text, ""),
    };
    fn number<'l, T: core::str::FromStr>(
        setting: &'l str,
        value: &'l str,
        expected: &'static str,
    ) -> Result<T, CommandError<'l>> {
        value.parse().map_err(|_| CommandError::Value { setting, value, expected })
    }
    match name {
        "temperature" => number(name, value, "a number of 0 or more").map(Setting::Temperature),
        "top-k" => number(name, value, "a whole number (0 keeps all)").map(Setting::TopK),
        "top-p" => number(name, value, "a number above 0, at most 1").map(Setting::TopP),
        "seed" => number(name, value, "a whole number").map(Setting::Seed),
        "tokens" => number(name, value, "a whole number").map(Setting::MaxTokens),
        "lookup" => match value {
            "on" => Ok(Setting::Lookup(true)),
            "off" => Ok(Setting::Lookup(false)),
            _ => Err(CommandError::Value { setting: name, value, expected: "on or off" }),
        },
        _ => Err(CommandError::UnknownSetting(name)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_and_settings_parse() {
        let cases = [
            ("/help", Ok(Command::Help)),
            ("/reset ", Ok(Command::Reset)),
            ("/system  Be brief. ", Ok(Command::System("Be brief."))),
            ("/system", Ok(Command::System(""))),
            ("/save monday-1 ", Ok(Command::Save("monday-1"))),
            ("/restore", Ok(Command::Restore(""))),
            ("/set temperature 0.5", Ok(Command::Set(Setting::Temperature(0.5)))),
            ("/set top-k  40 ", Ok(Command::Set(Setting::TopK(40)))),
            ("/set seed 18446744073709551615", Ok(Command::Set(Setting::Seed(u64::MAX)))),
            ("/set lookup on", Ok(Command::Set(Setting::Lookup(true)))),
            (
                "/set lookup maybe",
                Err(CommandError::Value { setting: "lookup", value: "maybe", expected: "on or off" }),
            ),
            ("/what", Err(CommandError::Unknown("/what"))),
            ("/set colour red", Err(CommandError::UnknownSetting("colour"))),
            ("/set", Err(CommandError::UnknownSetting(""))),
            (
                "/set top-k -1",
                Err(CommandError::Value {
                    setting: "top-k",
                    value: "-1",
                    expected: "a whole number (0 keeps all)",
                }),
            ),
        ];
        for (line, expected) in cases {
            assert_eq!(parse(line), expected, "{line}");
        }
    }
}
