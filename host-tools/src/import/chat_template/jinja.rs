//! The template engine with the settings of transformers
//!
//! `trim_blocks` and `lstrip_blocks`, loop controls, `raise_exception`, the `tojson` filter, a few methods of Python's
//! strings; `tools` and `documents` are none. `strftime_now` is left out on purpose: a prompt that changes with the date
//! cannot be compiled. Source: `_compile_jinja_template` and `render_jinja_template` of transformers.

use std::error::Error as _;
use std::io::{self, Write};
use std::thread;

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, from_args};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, context};

use ternlet_runtime::chat_template::is_white_space;

use super::{Message, TokenNames};

/// Steps that one rendering may take: ample for any template, and an end for an endless one.
const FUEL: u64 = 1_000_000;

/// Bytes of a template's source: several times the longest in the field, and a bound on how deep its syntax can nest.
const MAX_SOURCE_BYTES: usize = 64 * 1024;
/// Bytes that one rendering may write.
const MAX_TEXT_BYTES: usize = 1 << 20;
/// Filters that make as many bytes as a number in the template says; no template in the field uses them.
const UNBOUNDED_FILTERS: [&str; 4] = ["batch", "format", "indent", "slice"];
/// The engine recurses once per operator of a chain, some kilobytes each time: this holds [`MAX_SOURCE_BYTES`] of them.
const STACK_BYTES: usize = 1 << 29;

/// Runs `work`, which compiles and renders templates, where a long chain of operators cannot overflow the stack.
pub(super) fn on_deep_stack<R: Send>(work: impl FnOnce() -> Result<R, String> + Send) -> Result<R, String> {
    thread::scope(|scope| {
        let worker = thread::Builder::new().stack_size(STACK_BYTES).spawn_scoped(scope, work);
        match worker.map_err(|e| format!("no thread to run it in: {e}"))?.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// A template that parsed.
pub(super) struct Template<'n> {
    environment: Environment<'n>,
    names: TokenNames<'n>,
}

impl<'n> Template<'n> {
    pub(super) fn new(source: &str, names: TokenNames<'n>) -> Result<Self, String> {
        if source.len() > MAX_SOURCE_BYTES {
            let found = source.len();
            return Err(format!("expected at most {MAX_SOURCE_BYTES} bytes of Jinja, found {found}"));
        }
        if source.contains("strftime_now") {
            return Err("it writes the date (strftime_now), which is another each day".into());
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| reason(&e))?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(string_method);
        for filter in UNBOUNDED_FILTERS {
            environment.remove_filter(filter);
        }
        environment.add_filter("trim", |text: &str| text.trim_matches(is_white_space).to_owned());
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment
            .add_template_owned("chat_template", source.to_owned())
            .map_err(|e| format!("it is not valid Jinja: {}", reason(&e)))?;
        Ok(Self { environment, names })
    }

    /// The text of a conversation, or why the template refuses it.
    pub(super) fn render(&self, messages: &[Message], add_generation_prompt: bool) -> Result<String, String> {
        let messages: Vec<Value> =
            messages.iter().map(|(role, content)| context! { role => *role, content => content }).collect();
        // A token that the tokenizer does not name is undefined and writes nothing.
        let token = |name: Option<&str>| name.map_or(Value::UNDEFINED, Value::from);
        let variables = context! {
            messages,
            add_generation_prompt,
            bos_token => token(self.names.bos_token),
            eos_token => token(self.names.eos_token),
            tools => (),
            documents => (),
        };
        let template = self.environment.get_template("chat_template").map_err(|e| reason(&e))?;
        let mut text = Text(Vec::new());
        // The engine keeps an output's error as the source of its own.
        let words = |e: Error| e.source().map_or_else(|| reason(&e), ToString::to_string);
        template.render_captured_to(variables, &mut text).map_err(words)?;
        String::from_utf8(text.0).map_err(|e| e.to_string())
    }
}

/// What a rendering wrote; it ends at [`MAX_TEXT_BYTES`].
struct Text(Vec<u8>);

impl Write for Text {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > MAX_TEXT_BYTES {
            return Err(io::Error::other(format!("it writes more than {MAX_TEXT_BYTES} bytes")));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The message without the engine's own location lines.
fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

/// Methods that templates call on strings as if they were Python's.
fn string_method(_: &mut State<'_, '_>, value: &Value, method: &str, args: &[Value]) -> Result<Value, Error> {
    let unknown = || Error::new(ErrorKind::UnknownMethod, format!("the method {method} is not supported"));
    let text = value.as_str().ok_or_else(unknown)?;
    let result = match method {
        "strip" | "lstrip" | "rstrip" | "upper" | "lower" => {
            let () = from_args(args)?;
            Value::from(match method {
                "strip" => text.trim_matches(is_white_space).to_owned(),
                "lstrip" => text.trim_start_matches(is_white_space).to_owned(),
                "rstrip" => text.trim_end_matches(is_white_space).to_owned(),
                "upper" => text.to_uppercase(),
                _ => text.to_lowercase(),
            })
        }
        "startswith" | "endswith" => {
            let (part,): (&str,) = from_args(args)?;
            Value::from(if method == "startswith" { text.starts_with(part) } else { text.ends_with(part) })
        }
        _ => return Err(unknown()),
    };
    Ok(result)
}

#[cfg(test)]
mod tests {
    use super::{MAX_SOURCE_BYTES, Template, TokenNames, on_deep_stack};

    fn rendered(source: &str) -> Result<String, String> {
        on_deep_stack(|| Template::new(source, TokenNames::default())?.render(&[("user", "u".into())], false))
    }

    #[test]
    fn chains_of_operators_do_not_overflow_the_stack() {
        let chains =
            [("{{ ", "-", "1 }}"), ("{{ ", "not ", "1 }}"), ("{{ 1", "+1", " }}"), ("{{ a", ".b", " }}")];
        for (start, link, end) in chains {
            let n_links = (MAX_SOURCE_BYTES - start.len() - end.len()) / link.len();
            let source = format!("{start}{}{end}", link.repeat(n_links));
            // What it gives is the engine's affair, and that it returns ours.
            let _ = rendered(&source);
            let longer = format!("{source}{}", " ".repeat(link.len() + 1));
            assert_eq!(rendered(&longer).map_err(|e| e.contains("bytes of Jinja")), Err(true), "{link}");
        }
    }

    #[test]
    fn what_a_template_writes_is_bounded() {
        let endless = "{% for i in range(99999) %}{{ 'a' * 9999 }}{% endfor %}";
        assert_eq!(rendered(endless).map_err(|e| e.contains("writes more")), Err(true));
        assert!(rendered("{{ 'a' | indent(99999999999, true) }}").is_err());
        assert_eq!(rendered("{{ messages[0].content }}"), Ok("u".into()));
    }
}
