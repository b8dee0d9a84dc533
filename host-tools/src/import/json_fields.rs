//! Typed fields of a JSON object, with errors that name the key
//!
//! `null` counts as absent where a value is optional. Where absence means a default it is refused, as it is by the
//! checked configurations of transformers.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::error::Error;

/// A JSON object and the name it has in messages.
#[derive(Debug, Clone)]
pub(super) struct JsonFields {
    name: String,
    fields: Map<String, Value>,
}

impl JsonFields {
    /// Reads the object in the file at `path`.
    pub(super) fn read(path: &Path) -> Result<Self, Error> {
        let name = path.display().to_string();
        let text = fs::read(path).map_err(|e| Error::unreadable(&name, &e))?;
        Self::parse(name, &text)
    }

    /// The object that `text` is, called `name` in messages.
    pub(super) fn parse(name: String, text: &[u8]) -> Result<Self, Error> {
        match serde_json::from_slice(text) {
            Ok(Value::Object(fields)) => Ok(Self { name, fields }),
            Ok(other) => Err(Error::new(&name, format!("expected a JSON object, found {}", brief(&other)))),
            Err(e) => Err(Error::new(&name, format!("expected JSON, found: {e}"))),
        }
    }

    /// The object under `key`.
    pub(super) fn object(&self, key: &str) -> Result<Option<Self>, Error> {
        self.typed(key, "an object", |value| {
            Some(Self { name: format!("{}: {key}", self.name), fields: value.as_object()?.clone() })
        })
    }

    /// The value under `key`, unless absent or null.
    pub(super) fn get(&self, key: &str) -> Option<&Value> {
        self.fields.get(key).filter(|value| !value.is_null())
    }

    /// Whether there is such a key, even if its value is null.
    pub(super) fn has(&self, key: &str) -> bool {
        self.fields.contains_key(key)
    }

    /// Whether there are no keys at all.
    pub(super) fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// The object's keys and values.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&String, &Value)> {
        self.fields.iter()
    }

    pub(super) fn u32(&self, key: &str) -> Result<Option<u32>, Error> {
        self.typed(key, "a whole number from 0 to 4294967295", |value| u32::try_from(value.as_u64()?).ok())
    }

    /// The number under `key`, or `absent` where there is no such key.
    pub(super) fn u32_or(&self, key: &str, absent: u32) -> Result<u32, Error> {
        self.or(key, absent, Self::u32)
    }

    pub(super) fn f64(&self, key: &str) -> Result<Option<f64>, Error> {
        self.typed(key, "a number", Value::as_f64)
    }

    /// The number under `key`, or `absent` where there is no such key.
    pub(super) fn f64_or(&self, key: &str, absent: f64) -> Result<f64, Error> {
        self.or(key, absent, Self::f64)
    }

    pub(super) fn bool(&self, key: &str) -> Result<Option<bool>, Error> {
        self.typed(key, "true or false", Value::as_bool)
    }

    /// The switch under `key`, or `absent` where there is no such key.
    pub(super) fn bool_or(&self, key: &str, absent: bool) -> Result<bool, Error> {
        self.or(key, absent, Self::bool)
    }

    pub(super) fn string(&self, key: &str) -> Result<Option<&str>, Error> {
        self.typed(key, "a string", Value::as_str)
    }

    /// The text under `key`, or `absent` where there is no such key.
    pub(super) fn string_or<'a>(&'a self, key: &str, absent: &'a str) -> Result<&'a str, Error> {
        self.or(key, absent, Self::string)
    }

    /// One id or a list of ids.
    pub(super) fn ids(&self, key: &str) -> Result<Option<Vec<u32>>, Error> {
        let id = |value: &Value| u32::try_from(value.as_u64()?).ok();
        self.typed(key, "a token id or a list of token ids", |value| match value {
            Value::Array(list) => list.iter().map(id).collect(),
            one => Some(vec![id(one)?]),
        })
    }

    /// An error about `key`.
    pub(super) fn error(&self, key: &str, problem: impl std::fmt::Display) -> Error {
        Error::new(format!("{}: {key}", self.name), problem)
    }

    /// What `read` finds under `key`, or `absent` where there is no such key.
    fn or<'a, T>(
        &'a self,
        key: &str,
        absent: T,
        read: impl FnOnce(&'a Self, &str) -> Result<Option<T>, Error>,
    ) -> Result<T, Error> {
        if !self.has(key) {
            return Ok(absent);
        }
        read(self, key)?.ok_or_else(|| self.error(key, "expected a value or no such key, found null"))
    }

    fn typed<'a, T>(
        &'a self,
        key: &str,
        expected: &str,
        read: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(value) => Ok(Some(value)),
            None => Err(self.error(key, format!("expected {expected}, found {}", brief(value)))),
        }
    }
}

/// A value as one short line.
pub(super) fn brief(value: &Value) -> String {
    const MAX_CHARS: usize = 60;
    let text = value.to_string();
    if text.chars().count() <= MAX_CHARS {
        return text;
    }
    text.chars().take(MAX_CHARS).chain("…".chars()).collect()
}
