//! Random conversations, rendered by the template and replayed from the compiled lists

use ternlet_runtime::{ChatTemplate, Role, Tokenizer};

use super::jinja::Template;
use super::replay::replay;
use super::{Message, rendered, roles};

/// Conversations that must agree.
const N_CONVERSATIONS: u64 = 200;

/// What contents are put together from: white space at every place, other scripts, and what templates and markup use.
const PIECES: [&str; 24] = [
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
    "\u{1c}",
    "<think>",
    "</think>",
    "<|im_end|>",
];

/// Compares renderings and replays.
///
/// Conversations alternate between user and assistant, with and without a system message in front (if the template takes
/// one), end with either, and ask for an answer or do not.
pub(super) fn check(
    template: &Template<'_>,
    compiled: &ChatTemplate<'_>,
    tokenizer: &Tokenizer<'_>,
) -> Result<(), String> {
    for seed in 0..N_CONVERSATIONS {
        let mut draw = Draw(seed);
        let messages = conversation(&mut draw, !compiled.refuses_system());
        let asks = draw.below(2) == 0;
        let rendered = rendered(template, &messages, asks)?;
        let known: Vec<(Role, &str)> =
            messages.iter().map(|(name, content)| (role(name), &**content)).collect();
        let replayed = replay(compiled, tokenizer, &known, asks);
        if rendered != replayed {
            return Err(format!(
                "it depends on more than roles: for {}{} it writes {}, its parts give {}",
                roles(&messages),
                if asks { " and a generation prompt" } else { "" },
                difference(&rendered, &replayed),
                difference(&replayed, &rendered),
            ));
        }
    }
    Ok(())
}

/// The role that `conversation` names.
fn role(name: &str) -> Role {
    match name {
        "system" => Role::System,
        "user" => Role::User,
        _ => Role::Assistant,
    }
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
