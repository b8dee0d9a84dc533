//! From a few renderings to what stands between contents
//!
//! Marks stand for contents; what the template writes between them is read off:
//!
//! ```text
//! [u]         opening m end            with and without a generation prompt
//! [u, a]      opening m between m end  with and without a generation prompt
//! [u, a, u]   opening m between m between_turns m end
//! [s, u]      system_opening m after_system m end
//! ```
//!
//! A conversation is a chain of these gaps: whatever a template does at its start, at its end or between two roles is
//! in one of them. What depends on more is found by the proof.

use std::array;

use super::jinja::Template;
use super::{Gaps, Message, System, Trims, rendered};

/// Marks: private-use characters and a number, in no template.
fn mark(number: usize) -> String {
    format!("\u{e000}{number}\u{e001}")
}

/// White space around a mark, to see which of it the template takes away.
const BEFORE_MARK: &str = " \n";
const AFTER_MARK: &str = "\t ";

/// What the template writes around contents.
pub(super) fn gaps(template: &Template<'_>) -> Result<Gaps, String> {
    let ([opening], user_end) = probe(template, ["user"], false)?;
    let (_, user_end_asking) = probe(template, ["user"], true)?;
    let ([_, between], answer_end) = probe(template, ["user", "assistant"], false)?;
    let (_, answer_end_asking) = probe(template, ["user", "assistant"], true)?;
    let ([_, _, between_turns], _) = probe(template, ["user", "assistant", "user"], false)?;
    let [user, answer] = trims(template, ["user", "assistant"])?;
    let system = system(template, &format!("{opening}{user_end}"))?;
    Ok(Gaps {
        opening,
        system,
        between,
        between_turns,
        user_end: [user_end, user_end_asking],
        answer_end: [answer_end, answer_end_asking],
        user,
        answer,
    })
}

/// What becomes of a system message.
fn system(template: &Template<'_>, user_alone: &str) -> Result<System, String> {
    let roles = ["system", "user"];
    let Ok(text) = rendered(template, &marked(roles, "", ""), false) else { return Ok(System::Refused) };
    if !text.contains(&mark(0)) {
        return if text.replace(&mark(1), "") == user_alone {
            Ok(System::LeftOut)
        } else {
            Err("a system message changes the text without appearing in it".into())
        };
    }
    let ([opening, after], _) = cut_at_marks(&text, roles)?;
    let [content, user] = trims(template, roles)?;
    Ok(System::Written { opening, after, content, user })
}

/// Which white space the template takes from the contents of `roles`.
fn trims<const N: usize>(template: &Template<'_>, roles: [&'static str; N]) -> Result<[Trims; N], String> {
    let gaps = |before: &str, after: &str| {
        let text = rendered(template, &marked(roles, before, after), false)?;
        let (gaps, end) = cut_at_marks(&text, roles)?;
        Ok::<_, String>([&gaps[..], &[end]].concat())
    };
    let plain = gaps("", "")?;
    let spaced = gaps(BEFORE_MARK, AFTER_MARK)?;
    Ok(array::from_fn(|index| Trims {
        start: !spaced[index].ends_with(&format!("{}{BEFORE_MARK}", plain[index])),
        end: !spaced[index + 1].starts_with(&format!("{AFTER_MARK}{}", plain[index + 1])),
    }))
}

/// What stands before each mark of a conversation of `roles`, and behind the last.
fn probe<const N: usize>(
    template: &Template<'_>,
    roles: [&'static str; N],
    asks: bool,
) -> Result<([String; N], String), String> {
    cut_at_marks(&rendered(template, &marked(roles, "", ""), asks)?, roles)
}

fn marked<const N: usize>(roles: [&'static str; N], before: &str, after: &str) -> Vec<Message> {
    roles.iter().zip(0..).map(|(role, number)| (*role, format!("{before}{}{after}", mark(number)))).collect()
}

/// The stretches before the marks, each of which stands once and in order, and the stretch behind the last.
fn cut_at_marks<const N: usize>(text: &str, roles: [&str; N]) -> Result<([String; N], String), String> {
    let mut gaps = array::from_fn(|_| String::new());
    let mut rest = text;
    for (number, gap) in gaps.iter_mut().enumerate() {
        let mark = mark(number);
        let (before, behind) =
            rest.split_once(&mark).filter(|(_, behind)| !behind.contains(&mark)).ok_or_else(|| {
                let role = roles[number];
                format!("it does not write the content of each {role} message once and in order")
            })?;
        *gap = before.to_owned();
        rest = behind;
    }
    Ok((gaps, rest.to_owned()))
}
