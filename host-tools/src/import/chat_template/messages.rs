//! A conversation as JSON: what `ternlet render` reads
//!
//! A list of objects, each with a `role` and a `content` (a string, or a list of parts with a `type`, those of type
//! `text` with a `text`). Other keys are the template's own affair.

use serde_json::Value;
use ternlet_runtime::{ChatTemplate, Role, Tokenizer};

use super::replay::replay;
use super::{TokenNames, jinja};

/// Roles that templates know. Another is more likely a slip than a message.
const ROLES: [&str; 7] = ["system", "developer", "user", "assistant", "tool", "function", "ipython"];

/// A conversation that was checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Messages(Vec<Value>);

impl Messages {
    /// Reads a JSON list of messages.
    ///
    /// # Errors
    /// What was expected and found, for people.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let list: Value = serde_json::from_slice(json)
            .map_err(|e| format!("expected a JSON list of messages, found: {e}"))?;
        let Value::Array(messages) = list else {
            return Err(format!("expected a JSON list of messages, found {}", kind(&list)));
        };
        if messages.is_empty() {
            return Err("expected at least one message, found an empty list".into());
        }
        for (message, number) in messages.iter().zip(1..) {
            check(message).map_err(|problem| format!("message {number}: {problem}"))?;
        }
        Ok(Self(messages))
    }

    /// What the Jinja `source` writes for the conversation, as transformers would; `asks` is its
    /// `add_generation_prompt`.
    ///
    /// # Errors
    /// Why there is no text, for people.
    pub fn render(&self, source: &str, names: TokenNames<'_>, asks: bool) -> Result<String, String> {
        jinja::on_deep_stack(|| {
            let template = jinja::Template::new(source, names, jinja::Purpose::Read)?;
            template.render(self.0.iter().map(jinja::value).collect(), asks)
        })
    }

    /// What the compiled template of a packed model writes.
    ///
    /// # Errors
    /// A conversation that is none of those that a template is compiled for, in words.
    pub fn replay(
        &self,
        compiled: &ChatTemplate<'_>,
        tokenizer: &Tokenizer<'_>,
        asks: bool,
    ) -> Result<String, String> {
        let mut known = Vec::new();
        for (message, number) in self.0.iter().zip(1..) {
            let role = role(message, known.last().map(|(role, _)| *role), compiled);
            let content = role.and_then(|role| Ok((role, plain_content(message)?)));
            known.push(content.map_err(|problem| format!("message {number}: {problem}"))?);
        }
        if known.iter().all(|(role, _)| *role == Role::System) {
            return Err("expected a user's message, found none".into());
        }
        let known: Vec<(Role, &str)> = known.iter().map(|(role, content)| (*role, &**content)).collect();
        Ok(replay(compiled, tokenizer, &known, asks))
    }
}

/// That a message has what every template reads.
fn check(message: &Value) -> Result<(), String> {
    let Value::Object(fields) = message else {
        return Err(format!("expected an object with a role and a content, found {}", kind(message)));
    };
    let role = match fields.get("role") {
        Some(Value::String(role)) => role,
        Some(other) => return Err(format!("expected a role that is a string, found {}", kind(other))),
        None => return Err("expected a role, found none".into()),
    };
    if !ROLES.contains(&&**role) {
        return Err(format!("expected a role among {}, found {role:?}", ROLES.join(", ")));
    }
    match fields.get("content") {
        Some(Value::String(_)) => Ok(()),
        Some(Value::Array(parts)) => parts.iter().try_for_each(check_part),
        // An answer that only calls tools says nothing.
        Some(Value::Null) | None if fields.contains_key("tool_calls") => Ok(()),
        Some(other) => {
            Err(format!("expected a content that is a string or a list of parts, found {}", kind(other)))
        }
        None => Err("expected a content, found none".into()),
    }
}

fn check_part(part: &Value) -> Result<(), String> {
    match (part.get("type").and_then(Value::as_str), part.get("text")) {
        (Some("text"), Some(Value::String(_))) => Ok(()),
        (Some("text"), _) => Err("expected a text in each part of type text, found none".into()),
        (Some(_), _) => Ok(()),
        (None, _) => Err(format!("expected parts that are objects with a type, found {}", kind(part))),
    }
}

/// The role of a message behind one of role `before`, if a compiled template has a place for it.
fn role(message: &Value, before: Option<Role>, compiled: &ChatTemplate<'_>) -> Result<Role, String> {
    let name = message.get("role").and_then(Value::as_str).unwrap_or_default();
    let expected = match before {
        None => [Some(Role::System).filter(|_| !compiled.refuses_system()), Some(Role::User)],
        Some(Role::System | Role::Assistant) => [Some(Role::User), None],
        Some(Role::User) => [Some(Role::Assistant), None],
    };
    let mut expected = expected.into_iter().flatten();
    expected.clone().find(|role| role.name() == name).ok_or_else(|| {
        let first = expected.next().map_or("", Role::name);
        let second = expected.next().map_or_else(String::new, |role| format!(" or {}", role.name()));
        format!("expected the role {first}{second}, found {name}: the model's template is packed for a system message (if it takes one) and turns of user and assistant")
    })
}

/// The text of a content; parts are joined.
fn plain_content(message: &Value) -> Result<String, String> {
    match message.get("content") {
        Some(Value::String(text)) => Ok(text.clone()),
        Some(Value::Array(parts)) => parts
            .iter()
            .map(|part| {
                part.get("text").and_then(Value::as_str).ok_or("expected parts of type text, found another")
            })
            .collect::<Result<_, &str>>()
            .map_err(String::from),
        _ => Err("expected a content, found none".into()),
    }
}

/// The kind of a JSON value, in words.
fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "true or false",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
