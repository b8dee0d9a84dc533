//! Chat templates: Jinja programs, compiled by watching what they write
//!
//! A template is run on a few conversations whose contents are marks that occur nowhere else; what it writes between the
//! marks is what stands between messages, at the start and at the end. Whether that is all there is to the template is
//! then put to the proof: 200 random conversations, rendered by the template and replayed from the compiled lists, must
//! give the same text. A template that depends on more than role and place (the date, tools, the number of turns, what
//! a message says) fails one or the other, and is refused with the reason.

mod choice;
mod documented;
mod jinja;
mod messages;
mod probes;
mod proof;
mod replay;
mod section;
mod source;

use minijinja::context;
use ternlet_runtime::{ChatTemplate, Tokenizer};

pub use choice::{ChatChoice, Chosen};
pub use documented::BuiltIn;
use jinja::{Purpose, Template};
pub use messages::Messages;
pub use source::ChatSource;

/// A message: its role's name and its content.
type Message = (&'static str, String);

/// The names of special tokens that a template may write.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenNames<'n> {
    /// The variable `bos_token`.
    pub bos_token: Option<&'n str>,
    /// The variable `eos_token`.
    pub eos_token: Option<&'n str>,
}

/// What a template writes between contents: the whole of a template that compiles.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Gaps {
    /// Before the first user's content where there is no system message.
    opening: String,
    system: System,
    /// From a user's content to an answer.
    between: String,
    /// From an answer to the next user's content.
    between_turns: String,
    /// Behind a user's content at the end: without and with a generation prompt.
    user_end: [String; 2],
    /// Behind an answer at the end: without and with a generation prompt.
    answer_end: [String; 2],
    user: Trims,
    answer: Trims,
}

/// What becomes of a system message.
#[derive(Debug, Clone, PartialEq, Eq)]
enum System {
    /// An error.
    Refused,
    /// Nothing.
    LeftOut,
    /// It is written.
    Written {
        /// Before its content.
        opening: String,
        /// From its content to the first user's.
        after: String,
        /// Its own white space.
        content: Trims,
        /// That of the user's message behind it.
        user: Trims,
    },
}

/// Where white space is taken from a content.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Trims {
    start: bool,
    end: bool,
}

/// Compiles the Jinja `source` into a CHAT_TEMPLATE section. Special tokens of `tokenizer` become ids.
///
/// # Errors
/// Why the template does not reduce to lists, for people.
pub fn compile(source: &str, names: TokenNames<'_>, tokenizer: &Tokenizer<'_>) -> Result<Vec<u8>, String> {
    jinja::on_deep_stack(|| {
        let template = Template::new(source, names, Purpose::Compile)?;
        let gaps = probes::gaps(&template)?;
        let section = section::lay_out(&gaps, tokenizer);
        let compiled = ChatTemplate::parse(&section).map_err(|e| e.to_string())?;
        proof::check(&template, &compiled, tokenizer)?;
        Ok(section)
    })
}

/// What the template writes for a conversation of the kind that a device has.
fn rendered(template: &Template<'_>, messages: &[Message], asks: bool) -> Result<String, String> {
    let plain = messages.iter().map(|(role, content)| context! { role => *role, content => content });
    template
        .render(plain.collect(), asks)
        .map_err(|e| format!("it refuses a conversation of {}: {e}", roles(messages)))
}

/// The roles of a conversation, in words.
fn roles(messages: &[Message]) -> String {
    let roles: Vec<&str> = messages.iter().map(|(role, _)| *role).collect();
    format!("[{}]", roles.join(", "))
}
