//! From a few renderings to what stands around messages
//!
//! With user u, assistant a, before b, after f and marks m the probes write:
//!
//! ```text
//! [u]         start b(u) m f(u)
//! [u, a]      start b(u) m f(u) b(a) m f(a)
//! [u, a, u]   … f(a) b(u) m f(u)
//! [s, u]      start b(s) m f(s) b(u) m f(u)
//! ```
//!
//! so that each part is what is left when the known part is taken away.

use super::jinja::Template;
use super::{Message, Segments};

/// Marks: private-use characters and a number, in no template.
fn mark(number: usize) -> String {
    format!("\u{e000}{number}\u{e001}")
}

/// What the template writes around messages, and whether it refuses system messages with an error.
pub(super) fn segments(template: &Template<'_>) -> Result<(Segments, bool), String> {
    let probe = |roles: &[&'static str], prompt: bool| -> Result<Vec<String>, String> {
        let messages: Vec<Message> =
            roles.iter().zip(0..).map(|(role, number)| (*role, mark(number))).collect();
        let text = template.render(&messages, prompt)?;
        cut_at_marks(&text, roles)
    };
    let refused = |e: String| format!("it refuses a conversation of user and assistant: {e}");
    let user = probe(&["user"], false).map_err(refused)?;
    let answered = probe(&["user", "assistant"], false).map_err(refused)?;
    let asked_again = probe(&["user", "assistant", "user"], false).map_err(refused)?;
    let prompted = probe(&["user"], true).map_err(refused)?;

    let after_user = &user[1];
    let after_assistant = &answered[2];
    let before_assistant = without_start(&answered[1], after_user, "what follows a user message")?;
    let before_user = without_start(&asked_again[2], after_assistant, "what follows an answer")?;
    let start = without_end(&user[0], before_user, "what precedes a user message")?;
    let generation_prompt = without_start(&prompted[1], after_user, "what follows a user message")?;

    let (system, refuses_system) = match system_probe(template, &user.concat())? {
        SystemProbe::Refused => (None, true),
        SystemProbe::LeftOut => (None, false),
        SystemProbe::Written(parts) => {
            let before = without_start(&parts[0], start, "the start")?;
            let after = without_end(&parts[1], before_user, "what precedes a user message")?;
            (Some((before.to_owned(), after.to_owned())), false)
        }
    };
    let segments = Segments {
        start: start.to_owned(),
        generation_prompt: generation_prompt.to_owned(),
        around: [
            system,
            Some((before_user.to_owned(), after_user.clone())),
            Some((before_assistant.to_owned(), after_assistant.clone())),
        ],
        trims_content: trims_content(template)?,
    };
    Ok((segments, refuses_system))
}

/// What becomes of a system message.
enum SystemProbe {
    /// An error.
    Refused,
    /// Nothing.
    LeftOut,
    /// The parts around both marks.
    Written(Vec<String>),
}

fn system_probe(template: &Template<'_>, user_alone: &str) -> Result<SystemProbe, String> {
    let roles = ["system", "user"];
    let messages: Vec<Message> = vec![(roles[0], mark(0)), (roles[1], mark(1))];
    let Ok(text) = template.render(&messages, false) else { return Ok(SystemProbe::Refused) };
    if !text.contains(&mark(0)) {
        let around_user = text.replace(&mark(1), "");
        return if around_user == user_alone {
            Ok(SystemProbe::LeftOut)
        } else {
            Err("a system message changes the text without appearing in it".into())
        };
    }
    Ok(SystemProbe::Written(cut_at_marks(&text, &roles)?))
}

fn trims_content(template: &Template<'_>) -> Result<bool, String> {
    let render = |content: String| template.render(&[("user", content)], false);
    Ok(render(format!(" \n{}\t ", mark(0)))? == render(mark(0))?)
}

/// The stretches before, between and after the marks, each of which stands once and in order.
fn cut_at_marks(text: &str, roles: &[&str]) -> Result<Vec<String>, String> {
    let mut parts = Vec::new();
    let mut rest = text;
    for (number, role) in roles.iter().enumerate() {
        let mark = mark(number);
        let (part, after) = rest
            .split_once(&mark)
            .filter(|(_, after)| !after.contains(&mark))
            .ok_or_else(|| format!("it does not write the content of each {role} message once, in order"))?;
        parts.push(part.to_owned());
        rest = after;
    }
    parts.push(rest.to_owned());
    Ok(parts)
}

fn without_start<'t>(text: &'t str, start: &str, what: &str) -> Result<&'t str, String> {
    text.strip_prefix(start).ok_or_else(|| depends(what, start, text))
}

fn without_end<'t>(text: &'t str, end: &str, what: &str) -> Result<&'t str, String> {
    text.strip_suffix(end).ok_or_else(|| depends(what, end, text))
}

fn depends(what: &str, one: &str, other: &str) -> String {
    format!("{what} depends on the rest of the conversation ({one:?} and {other:?})")
}
