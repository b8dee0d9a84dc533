//! A conversation replayed from compiled lists: the text that a device encodes

use ternlet_runtime::{ChatContent, ChatItem, ChatTemplate, Role, Tokenizer};

/// The text of `messages`: perhaps a system message, then users' messages and answers in turn.
pub(super) fn replay(
    compiled: &ChatTemplate<'_>,
    tokenizer: &Tokenizer<'_>,
    messages: &[(Role, &str)],
    asks: bool,
) -> String {
    let mut text = Text { text: String::new(), tokenizer };
    let (system, turns) = match messages.split_first() {
        Some(((Role::System, content), turns)) => {
            (Some(content).filter(|_| compiled.has_place(Role::System)), turns)
        }
        _ => (None, messages),
    };
    text.items(compiled.opening(system.is_some()));
    if let Some(content) = system {
        text.text.push_str(compiled.trim(ChatContent::System, content));
        text.items(compiled.after_system());
    }
    for (index, (role, content)) in turns.iter().enumerate() {
        let follows_system = index == 0 && system.is_some();
        let kind = match role {
            Role::Assistant => {
                text.items(compiled.between());
                ChatContent::Answer
            }
            _ => {
                if index > 0 {
                    text.items(compiled.after_answer());
                }
                if !(follows_system && compiled.system_opens_turn()) {
                    text.items(compiled.before_user());
                }
                if follows_system { ChatContent::UserBehindSystem } else { ChatContent::User }
            }
        };
        text.text.push_str(compiled.trim(kind, content));
    }
    let is_answered = turns.last().is_some_and(|(role, _)| *role == Role::Assistant);
    text.items(compiled.end(is_answered, asks));
    text.text
}

/// Text in the making.
struct Text<'t, 'a> {
    text: String,
    tokenizer: &'t Tokenizer<'a>,
}

impl Text<'_, '_> {
    fn items<'i>(&mut self, items: impl Iterator<Item = ChatItem<'i>>) {
        for item in items {
            match item {
                ChatItem::Text(stretch) => self.text.push_str(stretch),
                ChatItem::Special(id) => {
                    let bytes = self.tokenizer.token_bytes(id).unwrap_or_default();
                    self.text.push_str(&String::from_utf8_lossy(bytes));
                }
            }
        }
    }
}
