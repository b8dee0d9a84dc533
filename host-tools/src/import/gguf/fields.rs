//! Metadata by key and type, with errors that name the key

use std::collections::BTreeMap;

use super::value::{List, Value};
use crate::error::Error;

/// The metadata of a file.
#[derive(Debug, Clone, Default)]
pub struct Fields<'a> {
    values: BTreeMap<&'a str, Value<'a>>,
}

impl<'a> Fields<'a> {
    pub(super) const fn new(values: BTreeMap<&'a str, Value<'a>>) -> Self {
        Self { values }
    }

    /// The keys in alphabetical order.
    pub fn keys(&self) -> impl Iterator<Item = &'a str> + '_ {
        self.values.keys().copied()
    }

    /// The value under `key`.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<Value<'a>> {
        self.values.get(key).copied()
    }

    /// The whole number under `key`.
    ///
    /// # Errors
    /// A value of another type or size.
    pub fn u32(&self, key: &str) -> Result<Option<u32>, Error> {
        self.typed(key, "a whole number from 0 to 4294967295", |value| match value {
            Value::Integer(number) => u32::try_from(number).ok(),
            _ => None,
        })
    }

    /// The number under `key`.
    ///
    /// # Errors
    /// A value of another type.
    pub fn f64(&self, key: &str) -> Result<Option<f64>, Error> {
        self.typed(key, "a floating-point number", |value| match value {
            Value::Float(number) => Some(number),
            _ => None,
        })
    }

    /// The truth value under `key`.
    ///
    /// # Errors
    /// A value of another type.
    pub fn bool(&self, key: &str) -> Result<Option<bool>, Error> {
        self.typed(key, "true or false", |value| match value {
            Value::Bool(truth) => Some(truth),
            _ => None,
        })
    }

    /// The text under `key`.
    ///
    /// # Errors
    /// A value of another type, or text that is not UTF-8.
    pub fn text(&self, key: &str) -> Result<Option<&'a str>, Error> {
        self.typed(key, "UTF-8 text", |value| match value {
            Value::Text(bytes) => str::from_utf8(bytes).ok(),
            _ => None,
        })
    }

    /// The list under `key`.
    ///
    /// # Errors
    /// A value that is no list.
    pub fn list(&self, key: &str) -> Result<Option<List<'a>>, Error> {
        self.typed(key, "a list", |value| match value {
            Value::List(list) => Some(list),
            _ => None,
        })
    }

    fn typed<T>(
        &self,
        key: &str,
        expected: &str,
        read: impl FnOnce(Value<'a>) -> Option<T>,
    ) -> Result<Option<T>, Error> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match read(value) {
            Some(read) => Ok(Some(read)),
            None => Err(Error::new(key, format!("expected {expected}, found {}", brief(value)))),
        }
    }
}

/// A value as one short line.
pub(super) fn brief(value: Value<'_>) -> String {
    const MAX_CHARS: usize = 60;
    match value {
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Bool(truth) => truth.to_string(),
        Value::Text(bytes) => {
            let text = String::from_utf8_lossy(&bytes[..bytes.len().min(4 * MAX_CHARS)]);
            format!("{:?}", text.chars().take(MAX_CHARS).collect::<String>())
        }
        Value::List(list) => format!("a list of {}", list.len()),
    }
}
