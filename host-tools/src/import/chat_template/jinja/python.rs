//! What Python's strings, dictionaries and `str` do, as far as chat templates call it
//!
//! Methods that are not here are refused by name.

use minijinja::value::{Rest, Value, ValueKind, from_args};
use minijinja::{Environment, Error, ErrorKind, State};
use ternlet_runtime::chat_template::is_white_space;

use super::measured::too_large;

/// Bytes that one value may become text of.
pub(super) const MAX_TEXT_BYTES: usize = 1 << 24;

/// Adds methods, filters and the text of values.
pub(super) fn add_to(environment: &mut Environment<'_>) {
    environment.set_unknown_method_callback(method);
    environment
        .add_filter("trim", |text: &str, chars: Option<&str>| strip(text, chars, true, true).to_owned());
    environment.add_filter("string", text);
    environment.add_filter("join", |parts: &Value, between: Option<&str>| {
        join(between.unwrap_or_default(), parts, true)
    });
    environment.add_filter("replace", replace);
}

/// `str(value)`.
pub(super) fn text(value: &Value) -> Result<String, Error> {
    let mut text = String::new();
    write_text(value, &mut |part| {
        text.push_str(part);
        if text.len() > MAX_TEXT_BYTES { Err(too_large()) } else { Ok(()) }
    })?;
    Ok(text)
}

/// Where text goes, in parts.
type Sink<'s> = dyn FnMut(&str) -> Result<(), Error> + 's;

/// Writes `str(value)`.
pub(super) fn write_text(value: &Value, sink: &mut Sink<'_>) -> Result<(), Error> {
    write_at(value, 0, sink)
}

/// `str` of a value at the top, `repr` of one inside another.
fn write_at(value: &Value, depth: usize, sink: &mut Sink<'_>) -> Result<(), Error> {
    if depth > 32 {
        return Err(too_large());
    }
    match value.kind() {
        ValueKind::Undefined => Ok(()),
        ValueKind::None => sink("None"),
        ValueKind::Bool => sink(if value.is_true() { "True" } else { "False" }),
        ValueKind::Number => sink(&number(value)),
        ValueKind::String if depth == 0 => sink(value.as_str().unwrap_or_default()),
        ValueKind::String => sink(&repr(value.as_str().unwrap_or_default())),
        ValueKind::Seq | ValueKind::Iterable => {
            sink("[")?;
            for (index, item) in value.try_iter()?.enumerate() {
                if index > 0 {
                    sink(", ")?;
                }
                write_at(&item, depth + 1, sink)?;
            }
            sink("]")
        }
        ValueKind::Map => {
            sink("{")?;
            for (index, key) in value.try_iter()?.enumerate() {
                if index > 0 {
                    sink(", ")?;
                }
                write_at(&key, depth + 1, sink)?;
                sink(": ")?;
                write_at(&value.get_item(&key)?, depth + 1, sink)?;
            }
            sink("}")
        }
        _ => sink(&value.to_string()),
    }
}

/// Floats keep their point, and have an exponent from 1e16 on and below 1e-4.
fn number(value: &Value) -> String {
    if value.is_integer() {
        return value.to_string();
    }
    let Ok(number) = f64::try_from(value.clone()) else { return value.to_string() };
    match number.abs() {
        _ if number.is_nan() => "nan".into(),
        _ if number.is_infinite() => if number > 0.0 { "inf" } else { "-inf" }.into(),
        size if size != 0.0 && !(1e-4..1e16).contains(&size) => {
            let text = format!("{number:e}");
            match text.split_once('e') {
                Some((digits, exponent)) => {
                    let (sign, exponent) = match exponent.strip_prefix('-') {
                        Some(exponent) => ('-', exponent),
                        None => ('+', exponent),
                    };
                    format!("{digits}e{sign}{exponent:0>2}")
                }
                None => text,
            }
        }
        _ => format!("{number:?}"),
    }
}

/// A string in quotes: single ones unless it holds some and no double ones.
fn repr(text: &str) -> String {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    let mut quoted = String::from(quote);
    for c in text.chars() {
        match c {
            '\n' => quoted += "\\n",
            '\r' => quoted += "\\r",
            '\t' => quoted += "\\t",
            '\\' => quoted += "\\\\",
            c if c == quote => {
                quoted.push('\\');
                quoted.push(c);
            }
            c if c.is_control() => quoted += &format!("\\x{:02x}", u32::from(c)),
            c => quoted.push(c),
        }
    }
    quoted.push(quote);
    quoted
}

fn strip<'t>(text: &'t str, chars: Option<&str>, start: bool, end: bool) -> &'t str {
    let goes = |c: char| chars.map_or_else(|| is_white_space(c), |chars| chars.contains(c));
    let text = if start { text.trim_start_matches(goes) } else { text };
    if end { text.trim_end_matches(goes) } else { text }
}

fn method(_: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let unknown = || Error::new(ErrorKind::UnknownMethod, format!("the method {method} is not supported"));
    match (value.as_str(), value.kind()) {
        (Some(text), _) => string_method(text, method, args)?.ok_or_else(unknown),
        (None, ValueKind::Map) => map_method(value, method, args)?.ok_or_else(unknown),
        _ => Err(unknown()),
    }
}

/// Methods of `dict`.
fn map_method(map: &Value, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    let keys = || map.try_iter();
    Ok(Some(match method {
        "keys" => keys()?.collect(),
        "values" => keys()?.map(|key| map.get_item(&key)).collect::<Result<Vec<Value>, Error>>()?.into(),
        "items" => {
            let pair = |key: Value| Ok(Value::from(vec![key.clone(), map.get_item(&key)?]));
            keys()?.map(pair).collect::<Result<Vec<Value>, Error>>()?.into()
        }
        "get" => {
            let (key, default): (&Value, Option<Value>) = from_args(args)?;
            let found = map.get_item(key)?;
            if found.is_undefined() { default.unwrap_or(Value::from(())) } else { found }
        }
        _ => return Ok(None),
    }))
}

/// Methods of `str`.
fn string_method(text: &str, method: &str, args: &[Value]) -> Result<Option<Value>, Error> {
    Ok(Some(match method {
        "strip" | "lstrip" | "rstrip" => {
            let (chars,): (Option<&str>,) = from_args(args)?;
            strip(text, chars, method != "rstrip", method != "lstrip").into()
        }
        "upper" | "lower" | "capitalize" | "title" => {
            let () = from_args(args)?;
            match method {
                "upper" => text.to_uppercase().into(),
                "lower" => text.to_lowercase().into(),
                "capitalize" => capitalize(text).into(),
                _ => minijinja::filters::title(text.into()).into(),
            }
        }
        "startswith" | "endswith" => {
            let (parts,): (&Value,) = from_args(args)?;
            let parts: Vec<Value> =
                if parts.as_str().is_some() { vec![parts.clone()] } else { parts.try_iter()?.collect() };
            let fits = |part: &Value| {
                part.as_str().is_some_and(|part| match method {
                    "startswith" => text.starts_with(part),
                    _ => text.ends_with(part),
                })
            };
            parts.iter().any(fits).into()
        }
        "removeprefix" | "removesuffix" => {
            let (part,): (&str,) = from_args(args)?;
            let rest =
                if method == "removeprefix" { text.strip_prefix(part) } else { text.strip_suffix(part) };
            rest.unwrap_or(text).into()
        }
        "replace" => {
            let (from, to, n) = from_args(args)?;
            replace(text, from, to, n)?.into()
        }
        "split" | "rsplit" => split(text, method == "rsplit", args)?,
        "splitlines" => {
            let () = from_args(args)?;
            text.lines().collect()
        }
        "find" | "count" => {
            let (part,): (&str,) = from_args(args)?;
            match (method, text.find(part)) {
                ("count", _) => text.matches(part).count().into(),
                (_, Some(at)) => text[..at].chars().count().into(),
                (_, None) => Value::from(-1),
            }
        }
        "join" => {
            let (parts,): (&Value,) = from_args(args)?;
            join(text, parts, false)?.into()
        }
        "isdigit" => (!text.is_empty() && text.chars().all(|c| c.is_ascii_digit())).into(),
        "isspace" => (!text.is_empty() && text.chars().all(is_white_space)).into(),
        _ => return Ok(None),
    }))
}

/// `from` in `text` by `to`, at most `n` times.
fn replace(text: &str, from: &str, to: &str, n: Option<usize>) -> Result<String, Error> {
    let n = n.unwrap_or(usize::MAX);
    let n_found = text.matches(from).take(n).count();
    if n_found.saturating_mul(to.len()) > MAX_TEXT_BYTES {
        return Err(too_large());
    }
    Ok(text.replacen(from, to, n))
}

/// Strings, or (if `takes_any`) the texts of any values, with `between` between them.
fn join(between: &str, parts: &Value, takes_any: bool) -> Result<String, Error> {
    let mut joined = String::new();
    for (index, part) in parts.try_iter()?.enumerate() {
        if index > 0 {
            joined.push_str(between);
        }
        if part.as_str().is_none() && !takes_any {
            return Err(Error::new(ErrorKind::InvalidOperation, "join expects strings, found another value"));
        }
        joined.push_str(&text(&part)?);
        if joined.len() > MAX_TEXT_BYTES {
            return Err(too_large());
        }
    }
    Ok(joined)
}

/// The first letter upper case, the others lower case.
fn capitalize(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().into_iter().flat_map(char::to_uppercase);
    first.chain(chars.as_str().to_lowercase().chars()).collect()
}

/// `split` and `rsplit`, at white space or a separator, at most so many times.
fn split(text: &str, from_end: bool, args: &[Value]) -> Result<Value, Error> {
    let (separator, n, Rest(_)): (Option<&str>, Option<i64>, Rest<Value>) = from_args(args)?;
    let n = n.and_then(|n| usize::try_from(n).ok()).map_or(usize::MAX, |n| n.saturating_add(1));
    Ok(match (separator, from_end) {
        (Some(""), _) => return Err(Error::new(ErrorKind::InvalidOperation, "empty separator")),
        (Some(separator), false) => text.splitn(n, separator).collect(),
        (Some(separator), true) => {
            let mut parts: Vec<&str> = text.rsplitn(n, separator).collect();
            parts.reverse();
            parts.into_iter().collect()
        }
        (None, _) if n == usize::MAX => text.split(is_white_space).filter(|part| !part.is_empty()).collect(),
        (None, _) => {
            let problem = "split at white space, at most so many times, is not supported";
            return Err(Error::new(ErrorKind::InvalidOperation, problem));
        }
    })
}
