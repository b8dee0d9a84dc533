//! The filters that measure values, and the count of what is written
//!
//! A value is at most a little larger than the bound, and only for the moment before it is measured. Namespaces may not
//! be held by values: they could hold themselves.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use minijinja::value::{Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind};

use super::python;

/// What a place of a value in a container costs beside its text.
const ITEM_BYTES: usize = 16;

// Names that no template can write.

/// Gives its value back if that is within the bound.
pub(super) const CHECKED: &str = "measured-value";
/// The same for a value that becomes an attribute.
pub(super) const HELD: &str = "measured-attribute";
/// `~`.
pub(super) const CONCATENATED: &str = "measured-concatenation";
/// `*`.
pub(super) const MULTIPLIED: &str = "measured-product";

/// Adds the filters for values of at most `max_value_bytes`, and what writes values; `written` counts
/// the bytes of one rendering, of which there may be `max_written`.
pub(super) fn add_to(
    environment: &mut Environment<'_>,
    max_value_bytes: usize,
    written: Arc<AtomicUsize>,
    max_written: usize,
) {
    environment.add_filter(CHECKED, move |value: Value| {
        measure(&value, false, max_value_bytes)?;
        Ok::<_, Error>(value)
    });
    environment.add_filter(HELD, move |value: Value| {
        measure(&value, true, max_value_bytes)?;
        Ok::<_, Error>(value)
    });
    environment.add_filter(CONCATENATED, move |left: &Value, right: &Value| {
        let mut text = String::new();
        for value in [left, right] {
            python::write_text(value, &mut |part| {
                text.push_str(part);
                if text.len() > max_value_bytes { Err(too_large()) } else { Ok(()) }
            })?;
        }
        Ok::<_, Error>(Value::from(text))
    });
    environment
        .add_filter(MULTIPLIED, move |left: &Value, right: &Value| multiply(left, right, max_value_bytes));
    environment.set_formatter(move |out, _, value| {
        python::write_text(value, &mut |part| {
            if written.fetch_add(part.len(), Ordering::Relaxed) + part.len() > max_written {
                let problem = format!("it writes more than {max_written} bytes");
                return Err(Error::new(ErrorKind::InvalidOperation, problem));
            }
            out.write_str(part).map_err(Error::from)
        })
    });
}

/// The error of a value beyond its bound.
pub(super) fn too_large() -> Error {
    Error::new(ErrorKind::InvalidOperation, "it makes values larger than any prompt")
}

/// That a value, with all that it holds, is at most `max_bytes`. A namespace may only stand alone (unless it `is_held`).
fn measure(value: &Value, is_held: bool, max_bytes: usize) -> Result<(), Error> {
    let mut n_bytes = 0;
    let mut rest = vec![(value.clone(), is_held)];
    while let Some((value, is_held)) = rest.pop() {
        n_bytes += ITEM_BYTES + value.as_str().map_or(0, str::len) + value.as_bytes().map_or(0, <[u8]>::len);
        if n_bytes > max_bytes {
            return Err(too_large());
        }
        let is_namespace = value.as_object().is_some_and(|object| object.type_name().ends_with("Namespace"));
        match (is_namespace, value.kind()) {
            (true, _) if is_held => {
                let problem = "it keeps a namespace inside a value";
                return Err(Error::new(ErrorKind::InvalidOperation, problem));
            }
            (false, ValueKind::Seq | ValueKind::Iterable) => {
                for item in value.try_iter()? {
                    n_bytes += ITEM_BYTES;
                    if n_bytes > max_bytes {
                        return Err(too_large());
                    }
                    rest.push((item, true));
                }
            }
            (false, ValueKind::Map) => {
                for key in value.try_iter()? {
                    n_bytes += 2 * ITEM_BYTES;
                    if n_bytes > max_bytes {
                        return Err(too_large());
                    }
                    rest.push((value.get_item(&key)?, true));
                    rest.push((key, true));
                }
            }
            _ => {}
        }
    }
    Ok(())
}

/// `left * right`, of numbers, or of a string and a number.
fn multiply(left: &Value, right: &Value, max_bytes: usize) -> Result<Value, Error> {
    let failed = |problem| Error::new(ErrorKind::InvalidOperation, problem);
    let whole = |value: &Value| i64::try_from(value.clone()).ok().filter(|_| value.is_integer());
    let (text, n) = if left.as_str().is_some() { (left, right) } else { (right, left) };
    if let Some(text) = text.as_str() {
        let n = whole(n).ok_or_else(|| failed("strings are only multiplied with whole numbers"))?;
        let n = usize::try_from(n.max(0)).unwrap_or(usize::MAX);
        return match text.len().checked_mul(n) {
            Some(n_bytes) if n_bytes <= max_bytes => Ok(text.repeat(n).into()),
            _ => Err(too_large()),
        };
    }
    match (whole(left), whole(right)) {
        (Some(left), Some(right)) => {
            left.checked_mul(right).map(Value::from).ok_or_else(|| failed("a product beyond 64 bits"))
        }
        _ => match (f64::try_from(left.clone()), f64::try_from(right.clone())) {
            (Ok(left), Ok(right)) => Ok(Value::from(left * right)),
            _ => Err(failed("only numbers and strings are multiplied")),
        },
    }
}
