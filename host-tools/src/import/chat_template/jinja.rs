//! The template engine with the settings of transformers
//!
//! `trim_blocks` and `lstrip_blocks`, loop controls, `raise_exception`, `strftime_now`, `generation` blocks, `tojson` and
//! the text of values as Python writes them; `tools` and `documents` are none. Source: `_compile_jinja_template` and
//! `render_jinja_template` of transformers.

mod bounded;
mod clock;
mod json;
mod measured;
mod python;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use minijinja::machinery::{eval, make_string_output};
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Value;
use minijinja::{AutoEscape, Environment, Error, ErrorKind, UndefinedBehavior, context};

use super::TokenNames;

/// What a template is rendered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// To be compiled: the conversations are short, and what it writes may not depend on the date.
    Compile,
    /// To be read: a conversation of the user's, of any length, at the date of this machine's clock (UTC).
    Read,
}

impl Purpose {
    /// Steps that one rendering may take: ample for any template, and an end for an endless one.
    const fn fuel(self) -> u64 {
        match self {
            Self::Compile => 100_000,
            Self::Read => 100_000_000,
        }
    }

    /// Bytes of the largest value, its parts together.
    const fn max_value_bytes(self) -> usize {
        match self {
            Self::Compile => 1 << 17,
            Self::Read => 1 << 26,
        }
    }

    /// Bytes that one rendering may write, those caught in variables among them.
    const fn max_written_bytes(self) -> usize {
        match self {
            Self::Compile => 1 << 20,
            Self::Read => 1 << 27,
        }
    }
}

/// Steps that all renderings of a template may take together.
const MAX_STEPS: u64 = 10_000_000;
/// Deepest nesting of calls and loops.
const MAX_DEPTH: usize = 64;
/// Bytes of a template's source: several times the longest in the field, and a bound on how deep its syntax can nest.
const MAX_SOURCE_BYTES: usize = 64 * 1024;
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
    source: String,
    syntax: SyntaxConfig,
    environment: Environment<'static>,
    names: TokenNames<'n>,
    /// Bytes written by the rendering at hand.
    written: Arc<AtomicUsize>,
    /// Steps taken by all of them.
    n_steps: Cell<u64>,
}

impl<'n> Template<'n> {
    pub(super) fn new(source: &str, names: TokenNames<'n>, purpose: Purpose) -> Result<Self, String> {
        if source.len() > MAX_SOURCE_BYTES {
            let found = source.len();
            return Err(format!("expected at most {MAX_SOURCE_BYTES} bytes of Jinja, found {found}"));
        }
        let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
        let syntax = syntax.map_err(|e| reason(&e))?;
        let written = Arc::new(AtomicUsize::new(0));
        let mut environment = Environment::new();
        environment.remove_global("debug");
        environment.set_recursion_limit(MAX_DEPTH);
        environment.set_undefined_behavior(UndefinedBehavior::Lenient);
        environment.set_fuel(Some(purpose.fuel()));
        for filter in UNBOUNDED_FILTERS {
            environment.remove_filter(filter);
        }
        let counter = Arc::clone(&written);
        measured::add_to(&mut environment, purpose.max_value_bytes(), counter, purpose.max_written_bytes());
        python::add_to(&mut environment);
        environment.add_filter("tojson", json::to_json);
        environment.add_function("raise_exception", |message: String| -> Result<String, Error> {
            Err(Error::new(ErrorKind::InvalidOperation, message))
        });
        environment.add_function("strftime_now", move |format: &str| match purpose {
            Purpose::Compile => {
                let problem = "it writes the date (strftime_now), which is another each day";
                Err(Error::new(ErrorKind::InvalidOperation, problem))
            }
            Purpose::Read => clock::now(format).map_err(|e| Error::new(ErrorKind::InvalidOperation, e)),
        });
        let source = without_generation_tags(source);
        bounded::compile(&source, syntax.clone())
            .map_err(|e| format!("it is not valid Jinja: {}", reason(&e)))?;
        Ok(Self { source, syntax, environment, names, written, n_steps: Cell::new(0) })
    }

    /// The text of a conversation, or why the template refuses it.
    pub(super) fn render(&self, messages: Value, add_generation_prompt: bool) -> Result<String, String> {
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
        if self.n_steps.get() > MAX_STEPS {
            return Err("it takes more steps than any template".into());
        }
        self.written.store(0, Ordering::Relaxed);
        let program = bounded::compile(&self.source, self.syntax.clone()).map_err(|e| reason(&e))?;
        let mut text = String::new();
        let mut out = make_string_output(&mut text);
        let (_, state) =
            eval(&self.environment, &program.main, variables, &program.blocks, &mut out, AutoEscape::None)
                .map_err(|e| reason(&e))?;
        let n_steps = state.fuel_levels().map_or(0, |(consumed, _)| consumed);
        self.n_steps.set(self.n_steps.get() + n_steps);
        drop(state);
        drop(out);
        Ok(text)
    }
}

/// JSON as a template sees it.
pub(super) fn value(json: &serde_json::Value) -> Value {
    match json {
        serde_json::Value::Null => Value::from(()),
        serde_json::Value::Bool(truth) => Value::from(*truth),
        serde_json::Value::Number(number) => match (number.as_i64(), number.as_u64(), number.as_f64()) {
            (Some(number), _, _) => Value::from(number),
            (_, Some(number), _) => Value::from(number),
            (_, _, number) => number.map_or(Value::UNDEFINED, Value::from),
        },
        serde_json::Value::String(text) => Value::from(&**text),
        serde_json::Value::Array(items) => items.iter().map(value).collect(),
        serde_json::Value::Object(fields) => {
            Value::from_pairs(fields.iter().map(|(key, json)| (key.clone(), value(json))))
        }
    }
}

/// The message without the engine's own location lines.
fn reason(error: &Error) -> String {
    match error.detail() {
        Some(detail) => detail.to_owned(),
        None => error.kind().to_string(),
    }
}

/// `generation` blocks mark answers for training and write what is inside; a block that is always taken stands for one,
/// with the same marks of white space.
fn without_generation_tags(source: &str) -> String {
    let mut text = String::with_capacity(source.len());
    let mut rest = source;
    while let Some((before, tag)) = rest.split_once("{%") {
        let Some((inside, behind)) = tag.split_once("%}") else { break };
        let (left, word) = marks(inside, '-', '+');
        let (word, right) = marks_behind(word);
        text.push_str(before);
        match word.trim() {
            "generation" => text.push_str(&format!("{{%{left} if true {right}%}}")),
            "endgeneration" => text.push_str(&format!("{{%{left} endif {right}%}}")),
            _ => {
                // Only the opening is passed over: a tag may hold one in a string.
                text.push_str("{%");
                rest = tag;
                continue;
            }
        }
        rest = behind;
    }
    text + rest
}

/// The mark of white space at the start of a tag, and the rest.
fn marks(inside: &str, minus: char, plus: char) -> (&str, &str) {
    let n = usize::from(inside.starts_with([minus, plus]));
    inside.split_at(n)
}

/// What stands before the mark of white space at the end of a tag, and the mark.
fn marks_behind(inside: &str) -> (&str, &str) {
    let n = usize::from(inside.ends_with(['-', '+']));
    inside.split_at(inside.len() - n)
}

#[cfg(test)]
mod tests {
    use super::{MAX_SOURCE_BYTES, Purpose, Template, TokenNames, on_deep_stack};

    fn rendered(source: &str) -> Result<String, String> {
        on_deep_stack(|| {
            let messages = vec![minijinja::context! { role => "user", content => "u" }];
            Template::new(source, TokenNames::default(), Purpose::Compile)?.render(messages.into(), false)
        })
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
    fn what_a_template_writes_and_keeps_is_bounded() {
        let double = |step: &str, end: &str| {
            format!(
                "{{% set ns = namespace(s='ab', l=[1]) %}}{{% for i in range(64) %}}{step}{{% endfor %}}{end}"
            )
        };
        let macros =
            "{% macro f(s, n) %}{% if n %}{{ f(s ~ s, n - 1) }}{% endif %}{% endmacro %}{{ f('ab', 60) }}";
        let cases = [
            ("{% for i in range(1000) %}{{ 'a' * 9999 }}{% endfor %}".into(), "writes more"),
            (
                format!(
                    "{{% set x %}}{{% for i in range(2000) %}}{}{{% endfor %}}{{% endset %}}",
                    "raw".repeat(999)
                ),
                "writes more",
            ),
            (double("{% set ns.s = ns.s ~ ns.s %}", ""), "values larger"),
            (double("{% set ns.s = ns.s + ns.s %}", ""), "values larger"),
            (double("{% set ns.s = ns.s | replace('a', ns.s) %}", ""), "values larger"),
            (double("{% set ns.s = ns.s.replace('a', ns.s) %}", ""), "values larger"),
            (double("{% set ns.s = [ns.s, ns.s] | join %}", ""), "values larger"),
            (double("{% set ns.s %}{{ ns.s }}{{ ns.s }}{% endset %}", ""), "writes more"),
            (double("{% set ns.l = ns.l + ns.l %}", ""), "values larger"),
            (double("{% set ns.l = [ns.l, ns.l] %}", "{{ ns.l }}"), "values larger"),
            (double("{% set ns.l = {'a': ns.l, 'b': ns.l} %}", "{{ ns.l == ns.l }}"), "values larger"),
            (double("{% set ns.l = ns %}", "{{ ns == ns }}"), "namespace inside"),
            (double("{% set ns.l = [ns] %}", ""), "namespace inside"),
            (macros.into(), "recursion"),
            ("{{ 'a' * 99999999 }}".into(), "values larger"),
            ("{{ [1] * 99999999 }}".into(), "only numbers and strings"),
            ("{{ (1, 2) * 99999999 }}".into(), "only numbers and strings"),
            ("{{ range(99999) | list | length }}".into(), "values larger"),
            ("{% for a in range(2000) %}{% for b in range(2000) %}{% endfor %}{% endfor %}".into(), "fuel"),
            ("{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}".into(), "recursion"),
            ("{% include 'a' %}".into(), "several templates"),
            ("{{ 'a' | indent(99999999999, true) }}".into(), "filter"),
        ];
        for (source, expected) in cases {
            let found = rendered(&source).expect_err(&source);
            assert!(found.contains(expected), "{source}: {found}");
        }
    }

    #[test]
    fn rebuilt_trees_compute_what_was_written() {
        for (source, expected) in [
            ("{{ messages[0].content }}", "u"),
            ("{{ 'a' ~ 1 ~ none ~ true ~ [1, 'b'] }}", "a1NoneTrue[1, 'b']"),
            ("{{ 2 * 3 + 4 * 0.5 }} {{ 'ab' * 2 }}{{ -1 * 'x' }}", "8.0 abab"),
            ("{{ 'x' if false }}{% set a, b = [1, 2] %}{{ a }}{{ b }}{{ 'abc'[::-1] }}", "12cba"),
            (
                "{% set ns = namespace(n=1) %}{% for i in range(3) %}{% set ns.n = ns.n * 2 %}{% endfor %}{{ ns.n }}",
                "8",
            ),
            (
                "{% macro m(a, b='x') %}{{ a }}{{ b }}{{ caller() }}{% endmacro %}{% call m(1) %}in{% endcall %}",
                "1xin",
            ),
            ("{% filter upper | trim %} a {% endfilter %}{% set x | upper %}b{% endset %}{{ x }}", "AB"),
            ("{% for i in [1, [2, 3]] recursive %}{{ loop(i) if i is sequence else i }}{% endfor %}", "123"),
            (
                "{{ {'b': 1, 'a': 'x'} | tojson }}{{ ['a', 'b'] | map('upper') | join('-') }}",
                "{\"b\": 1, \"a\": \"x\"}A-B",
            ),
            ("a\n  {%- generation -%}\n b\n{% endgeneration %}\nc", "ab\nc"),
        ] {
            assert_eq!(rendered(source).as_deref(), Ok(expected), "{source}");
        }
    }
}
