//! `tojson` as transformers defines it: `json.dumps` of Python, no escaping of HTML

use minijinja::value::{Kwargs, Value, ValueKind};
use minijinja::{Error, ErrorKind};

use super::python;

/// Deepest nesting, and widest indentation: beyond any tool's description.
const MAX_DEPTH: usize = 64;

/// How `json.dumps` was told to write.
struct Style {
    indent: Option<usize>,
    item: String,
    key: String,
    ensure_ascii: bool,
    sort_keys: bool,
}

/// The filter.
pub(super) fn to_json(value: &Value, options: Kwargs) -> Result<String, Error> {
    let indent: Option<Value> = options.get("indent")?;
    let indent = match indent.filter(|indent| !indent.is_none() && !indent.is_undefined()) {
        None => None,
        Some(indent) => {
            let spaces = usize::try_from(indent).ok().filter(|spaces| *spaces <= MAX_DEPTH);
            Some(spaces.ok_or_else(|| failed("expects an indent of at most 64 spaces"))?)
        }
    };
    let separators: Option<Vec<String>> = options.get("separators")?;
    let [item, key] = match separators.as_deref() {
        None => [if indent.is_none() { ", " } else { "," }, ": "].map(String::from),
        Some([item, key]) => [item.clone(), key.clone()],
        Some(_) => return Err(failed("expects two separators")),
    };
    let style = Style {
        indent,
        item,
        key,
        ensure_ascii: options.get::<Option<bool>>("ensure_ascii")?.unwrap_or(false),
        sort_keys: options.get::<Option<bool>>("sort_keys")?.unwrap_or(false),
    };
    options.assert_all_used()?;
    let mut text = String::new();
    style.write(value, 0, &mut text)?;
    Ok(text)
}

impl Style {
    fn write(&self, value: &Value, depth: usize, text: &mut String) -> Result<(), Error> {
        if depth > MAX_DEPTH || text.len() > python::MAX_TEXT_BYTES {
            return Err(failed("expects less: deeper or longer than any tool"));
        }
        match value.kind() {
            ValueKind::None => text.push_str("null"),
            ValueKind::Bool => text.push_str(if value.is_true() { "true" } else { "false" }),
            ValueKind::Number => text.push_str(&python::text(value)?),
            ValueKind::String => self.string(value.as_str().unwrap_or_default(), text),
            ValueKind::Seq | ValueKind::Iterable => {
                let items: Vec<Value> = value.try_iter()?.take(python::MAX_TEXT_BYTES).collect();
                self.list(['[', ']'], items.len(), depth, text, |index, text| {
                    self.write(&items[index], depth + 1, text)
                })?;
            }
            ValueKind::Map => {
                let mut keys: Vec<Value> = value.try_iter()?.take(python::MAX_TEXT_BYTES).collect();
                if self.sort_keys {
                    keys.sort();
                }
                self.list(['{', '}'], keys.len(), depth, text, |index, text| {
                    self.string(&python::text(&keys[index])?, text);
                    text.push_str(&self.key);
                    self.write(&value.get_item(&keys[index])?, depth + 1, text)
                })?;
            }
            other => return Err(failed(&format!("expects a value that JSON has, found {other}"))),
        }
        Ok(())
    }

    fn list(
        &self,
        [open, close]: [char; 2],
        n: usize,
        depth: usize,
        text: &mut String,
        item: impl Fn(usize, &mut String) -> Result<(), Error>,
    ) -> Result<(), Error> {
        text.push(open);
        let line = |depth: usize, text: &mut String| {
            if let Some(indent) = self.indent.filter(|_| n > 0) {
                text.push('\n');
                text.push_str(&" ".repeat(indent * depth));
            }
        };
        for index in 0..n {
            if index > 0 {
                text.push_str(&self.item);
            }
            line(depth + 1, text);
            item(index, text)?;
        }
        line(depth, text);
        text.push(close);
        Ok(())
    }

    fn string(&self, string: &str, text: &mut String) {
        let quoted = serde_json::Value::from(string).to_string();
        if !self.ensure_ascii {
            text.push_str(&quoted);
            return;
        }
        for c in quoted.chars() {
            match c {
                ' '..='~' => text.push(c),
                _ => c.encode_utf16(&mut [0; 2]).iter().for_each(|unit| *text += &format!("\\u{unit:04x}")),
            }
        }
    }
}

fn failed(problem: &str) -> Error {
    Error::new(ErrorKind::InvalidOperation, format!("tojson {problem}"))
}
