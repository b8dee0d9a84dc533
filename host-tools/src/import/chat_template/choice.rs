//! Which chat template a model is packed with
//!
//! Its own, unless the user names another or none. One that does not compile is an error, for a model packed without
//! would take no conversation and nobody would know why. BitNet b1.58 2B-4T is packed with its documented template where
//! it brings none that can be used.

use std::fs;
use std::path::PathBuf;

use ternlet_runtime::{Config, Tokenizer};

use super::documented::{BITNET_2B_4T, BUILT_IN, BuiltIn, is_bitnet_2b_4t, is_known_bad};
use super::source::source_text;
use super::{ChatSource, compile};
use crate::error::Error;

/// What the user wants.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum ChatChoice {
    /// The model's own template.
    #[default]
    Own,
    /// No template: the model continues text.
    Nothing,
    /// A template that comes with ternlet.
    BuiltIn(BuiltIn),
    /// A Jinja file.
    File(PathBuf),
}

/// What a model is packed with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Chosen {
    /// The CHAT_TEMPLATE section, if there is a template.
    pub section: Option<Vec<u8>>,
    /// What the user should know, a sentence.
    pub note: Option<String>,
}

const HINT: &str =
    "--chat-template FILE packs another Jinja template, --chat-template none packs without one";

impl ChatChoice {
    /// Reads the value of `--chat-template`: `none`, the name of a template that comes with ternlet, or a file.
    #[must_use]
    pub fn named(value: &str) -> Self {
        let built_in = BUILT_IN.iter().find(|built_in| built_in.name == value);
        match built_in {
            Some(built_in) => Self::BuiltIn(*built_in),
            None if value == "none" => Self::Nothing,
            None => Self::File(value.into()),
        }
    }

    /// Compiles the chosen template for the model of `config` and `tokenizer`; `source` is what it brings itself.
    ///
    /// # Errors
    /// A template that cannot be read or does not compile.
    pub fn compile(
        &self,
        source: &ChatSource,
        config: &Config,
        tokenizer: &Tokenizer<'_>,
    ) -> Result<Chosen, Error> {
        let compiled = |origin: &str, template: &str| {
            compile(template, source.names(), tokenizer).map_err(|reason| {
                let problem = "expected a chat template that depends on roles and places alone, found that";
                Error::new(origin, format!("{problem} {reason}")).hint(HINT)
            })
        };
        let section = match self {
            // An embedding model answers nobody; its tokenizer is often a chat model's.
            Self::Own if config.pooling.is_some() => None,
            Self::Own if is_bitnet_2b_4t(config, tokenizer) => return documented(source, &compiled),
            Self::Own => own(source, &compiled)?,
            Self::Nothing => None,
            Self::BuiltIn(built_in) => {
                let origin = format!("--chat-template {}", built_in.name);
                if let Some(token) = built_in.missing_token(tokenizer) {
                    let problem = format!("expected a tokenizer with the special token {token}, found none");
                    return Err(Error::new(origin, problem).hint(HINT));
                }
                Some(compiled(&origin, built_in.template)?)
            }
            Self::File(path) => {
                let bytes = fs::read(path).map_err(|e| {
                    let names = BUILT_IN.map(|built_in| built_in.name).join(", ");
                    Error::unreadable(path.display(), &e)
                        .hint(format!("--chat-template takes a Jinja file, none, or one of {names}"))
                })?;
                Some(compiled(&path.display().to_string(), &source_text(path, bytes)?)?)
            }
        };
        Ok(Chosen { section, note: None })
    }
}

/// Compiles a template, with its origin for messages.
type Compile<'c> = dyn Fn(&str, &str) -> Result<Vec<u8>, Error> + 'c;

/// The template that the model brings.
fn own(source: &ChatSource, compiled: &Compile<'_>) -> Result<Option<Vec<u8>>, Error> {
    match &source.template {
        Some(template) => compiled(&source.origin, template).map(Some),
        None if source.others.is_empty() => Ok(None),
        None => {
            let names = source.others.join(", ");
            let problem = format!("expected a chat template with the name default, found {names}");
            Err(Error::new(&source.origin, problem).hint(HINT))
        }
    }
}

/// The template that BitNet b1.58 2B-4T brings, or the documented one if that is of no use.
fn documented(source: &ChatSource, compiled: &Compile<'_>) -> Result<Chosen, Error> {
    let found = match &source.template {
        Some(template) if is_known_bad(template) => {
            "has one that leaves out system messages and ends the text before the answer".into()
        }
        _ => match own(source, compiled) {
            Ok(None) => "has none".into(),
            Ok(section) => return Ok(Chosen { section, note: None }),
            Err(e) => format!("has none that can be used ({})", e.problem()),
        },
    };
    let note = format!(
        "chat template: {} {found}; packed with the one that the model card of BitNet b1.58 2B-4T documents \
         (--chat-template none packs without)",
        source.origin
    );
    let section = compiled(BITNET_2B_4T.name, BITNET_2B_4T.template)?;
    Ok(Chosen { section: Some(section), note: Some(note) })
}
