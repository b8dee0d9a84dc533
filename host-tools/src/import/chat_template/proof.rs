//! Random conversations, rendered by the template and replayed from the compiled lists

use ternlet_runtime::{ChatItem, ChatTemplate, Role, Tokenizer};

use super::Message;
use super::jinja::Template;

/// Conversations that must agree.
const N_CONVERSATIONS: u64 = 200;

/// What contents are put together from: white space at every place, other scripts, and what templates and markup use.
const PIECES: [&str; 20] = [
    "Hello",
    " ",
    "\n",
    "\n\n",
    "  ",
    "\t",
    "what is 2+2?",
    "é",
    "你好",
    "👋🏽",
    "\u{a0}",
    "{{ x }}",
    "{% if %}",
    "<b>",
    "&amp;",
    "'quoted'",
    "\"",
    "\\n",
    "User:",
    "a.b",
];

/// Compares renderings and replays.
///
/// Conversations alternate between user and assistant, with and without a system message in front (if `with_system`),
/// end with either, and ask for an answer or do not.
pub(super) fn check(
    template: &Template<'_>,
    compiled: &ChatTemplate<'_>,
    tokenizer: &Tokenizer<'_>,
    with_system: bool,
) -> Result<(), String> {
    for seed in 0..N_CONVERSATIONS {
        let mut draw = Draw(seed);
        let messages = conversation(&mut draw, with_system);
        let add_generation_prompt = draw.below(2) == 0;
        let rendered = template
            .render(&messages, add_generation_prompt)
            .map_err(|e| format!("it refuses a conversation of {} messages: {e}", messages.len()))?;
        let replayed = replay(compiled, tokenizer, &messages, add_generation_prompt);
        if rendered != replayed {
            let roles: Vec<&str> = messages.iter().map(|(role, _)| *role).collect();
            return Err(format!(
                "it depends on more than roles: for [{}]{} it writes {}, its parts give {}",
                roles.join(", "),
                if add_generation_prompt { " and a generation prompt" } else { "" },
                difference(&rendered, &replayed),
                difference(&replayed, &rendered),
            ));
        }
    }
    Ok(())
}

/// The text that the device would encode.
fn replay(
    compiled: &ChatTemplate<'_>,
    tokenizer: &Tokenizer<'_>,
    messages: &[Message],
    add_generation_prompt: bool,
) -> String {
    let mut text = String::new();
    let write = |text: &mut String, item: ChatItem<'_>| match item {
        ChatItem::Text(stretch) => text.push_str(stretch),
        ChatItem::Special(id) => {
            text.push_str(&String::from_utf8_lossy(tokenizer.token_bytes(id).unwrap_or_default()));
        }
    };
    compiled.start().for_each(|item| write(&mut text, item));
    for (name, content) in messages {
        let Some(role) = Role::ALL.into_iter().find(|role| role.name() == *name) else { continue };
        if compiled.has_place(role) {
            compiled.before(role).for_each(|item| write(&mut text, item));
            text.push_str(if compiled.trims_content() { content.trim() } else { content });
            compiled.after(role).for_each(|item| write(&mut text, item));
        }
    }
    if add_generation_prompt {
        compiled.generation_prompt().for_each(|item| write(&mut text, item));
    }
    text
}

fn conversation(draw: &mut Draw, with_system: bool) -> Vec<Message> {
    let mut messages = Vec::new();
    if with_system && draw.below(2) == 0 {
        messages.push(("system", content(draw)));
    }
    for turn in 0..=draw.below(7) {
        messages.push((if turn % 2 == 0 { "user" } else { "assistant" }, content(draw)));
    }
    messages
}

fn content(draw: &mut Draw) -> String {
    (0..draw.below(8)).map(|_| PIECES[draw.below(PIECES.len())]).collect()
}

/// The text around the first difference.
fn difference(text: &str, other: &str) -> String {
    let same = text.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let around: String = text.chars().skip(same.saturating_sub(16)).take(48).collect();
    format!("{around:?}")
}

/// `SplitMix64`: a proof that fails does so each time.
struct Draw(u64);

impl Draw {
    /// A number below `n`.
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 33).unwrap_or(0) % n
    }
}
