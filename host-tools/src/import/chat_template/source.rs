//! The chat template that comes with a foreign model
//!
//! A checkpoint has `chat_template.jinja`, which wins, or a string in `tokenizer_config.json`, or several by name, of which
//! the one called `default` counts. Those beside it, for tools and the like (`additional_chat_templates/` among them),
//! have no place on a device.

use std::fs;
use std::path::Path;

use super::TokenNames;
use crate::error::Error;
use crate::import::tokenizer_config::TokenizerConfig;

/// The chat template of a foreign model, and the names of tokens that a template may write.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChatSource {
    /// Where it was found, or looked for, for messages.
    pub origin: String,
    /// The Jinja program, if there is one.
    pub template: Option<String>,
    /// The names of several templates of which none is called `default`.
    pub others: Vec<String>,
    /// The text of the token that begins a sequence.
    pub bos_token: Option<String>,
    /// The text of the token that ends one.
    pub eos_token: Option<String>,
}

impl ChatSource {
    /// What stands beside a checkpoint.
    ///
    /// # Errors
    /// A file that cannot be read, or is not what its name says.
    pub fn read_directory(directory: &Path) -> Result<Self, Error> {
        let read = |name: &str| {
            let path = directory.join(name);
            let bytes = path.exists().then(|| fs::read(&path)).transpose();
            bytes.map_err(|e| Error::unreadable(path.display(), &e))
        };
        let config_path = directory.join("tokenizer_config.json");
        let config = match read("tokenizer_config.json")? {
            Some(json) => TokenizerConfig::read(&json).map_err(|e| Error::new(config_path.display(), e))?,
            None => TokenizerConfig::default(),
        };
        let jinja_path = directory.join("chat_template.jinja");
        let (path, template, others) = match read("chat_template.jinja")? {
            Some(source) => (&jinja_path, Some(source_text(&jinja_path, source)?), Vec::new()),
            None => (&config_path, config.chat_template, config.other_templates),
        };
        Ok(Self {
            origin: path.display().to_string(),
            template,
            others,
            bos_token: config.bos_token,
            eos_token: config.eos_token,
        })
    }

    /// The names of tokens.
    #[must_use]
    pub fn names(&self) -> TokenNames<'_> {
        TokenNames { bos_token: self.bos_token.as_deref(), eos_token: self.eos_token.as_deref() }
    }
}

/// The text of the template in `bytes`, which were read from `path`.
pub(super) fn source_text(path: &Path, bytes: Vec<u8>) -> Result<String, Error> {
    String::from_utf8(bytes).map_err(|e| {
        let at = e.utf8_error().valid_up_to();
        Error::new(path.display(), format!("expected a template in UTF-8, found a byte that is not at {at}"))
    })
}
