//! The template engine with the settings of transformers
//!
//! `trim_blocks` and `lstrip_blocks`, loop controls, `raise_exception`, the `tojson` filter, a few methods of Python's
//! strings; `tools` and `documents` are none. `strftime_now` is left out on purpose: a prompt that changes with the date
//! cannot be compiled. Source: `_compile_jinja_template` and `render_jinja_template` of transformers.

use minijinja::syntax::SyntaxConfig;
use minijinja::value::{Value, from_args};
use minijinja::{Environment, Error, ErrorKind, State, UndefinedBehavior, context};

use ternlet_runtime::chat_template::is_white_space;

use super::{Message, TokenNames};

/// Steps that one rendering may take: ample for any template, and an end for an endless one.
const FUEL: u64 = 1_000_000;

/// A template that parsed.
pub(super) struct Template<'n> {
    environment: Environment<'n>,
    names: TokenNames<'n>,
}

impl<'n> Template<'n> {
    pub(super) fn new(source: &str, names: TokenNames<'n>) -> Result<Self, String> {
        if source.contains("strftime_now") {
            return Err("it writes the date (strftime_now), which is another each day".into());
        }
        let mut environment = Environment::new();
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        environment.set_syntax(syntax.map_err(|e| reason(&e))?);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(FUEL));
        environment.set_unknown_method_callback(string_method);
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
        template.render(variables).map_err(|e| reason(&e))
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
