//! `tokenizer_config.json`: names of the special tokens, and the chat template

use serde::Deserialize;

/// What the packer needs of the file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TokenizerConfig {
    /// The text of the token that begins a sequence.
    pub bos_token: Option<String>,
    /// The text of the token that ends one.
    pub eos_token: Option<String>,
    /// Whether encoding puts the first before a text, if the file says.
    pub add_bos_token: Option<bool>,
    /// The Jinja source of the chat template.
    pub chat_template: Option<String>,
    /// The names of several templates of which none is the default.
    pub other_templates: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct File {
    bos_token: Option<Token>,
    eos_token: Option<Token>,
    add_bos_token: Option<bool>,
    chat_template: Option<Template>,
}

/// A token by its text, or with the flags of an added token.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Token {
    Text(String),
    Flagged { content: String },
}

/// One template, or several by name.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Template {
    One(String),
    Named(Vec<NamedTemplate>),
}

#[derive(Debug, Deserialize)]
struct NamedTemplate {
    name: String,
    template: String,
}

impl TokenizerConfig {
    /// Reads the file. Of several chat templates, the one named `default` counts.
    ///
    /// # Errors
    /// What was expected and found, for people.
    pub fn read(json: &[u8]) -> Result<Self, String> {
        let file: File =
            serde_json::from_slice(json).map_err(|e| format!("not a tokenizer_config.json: {e}"))?;
        let text = |token| match token {
            Token::Text(text) | Token::Flagged { content: text } => text,
        };
        let (chat_template, other_templates) = match file.chat_template {
            None => (None, Vec::new()),
            Some(Template::One(source)) => (Some(source), Vec::new()),
            Some(Template::Named(named)) => match named.iter().find(|named| named.name == "default") {
                Some(default) => (Some(default.template.clone()), Vec::new()),
                None => (None, named.into_iter().map(|named| named.name).collect()),
            },
        };
        Ok(Self {
            bos_token: file.bos_token.map(text),
            eos_token: file.eos_token.map(text),
            add_bos_token: file.add_bos_token,
            chat_template,
            other_templates,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::TokenizerConfig;

    #[test]
    fn both_spellings_of_tokens_and_templates_are_read() {
        let config = TokenizerConfig::read(
            br#"{"bos_token": {"content": "<s>", "lstrip": false}, "eos_token": "</s>", "add_bos_token": true,
                "chat_template": [{"name": "tool_use", "template": "t"}, {"name": "default", "template": "d"}]}"#,
        );
        let expected = TokenizerConfig {
            bos_token: Some("<s>".into()),
            eos_token: Some("</s>".into()),
            add_bos_token: Some(true),
            chat_template: Some("d".into()),
            other_templates: Vec::new(),
        };
        assert_eq!(config, Ok(expected));
        let plain = TokenizerConfig::read(br#"{"chat_template": "x", "bos_token": null}"#).unwrap();
        assert_eq!(plain, TokenizerConfig { chat_template: Some("x".into()), ..TokenizerConfig::default() });
        let named =
            br#"{"chat_template": [{"name": "a", "template": "x"}, {"name": "rag", "template": "y"}]}"#;
        let found = TokenizerConfig::read(named).unwrap();
        assert_eq!((found.chat_template, found.other_templates), (None, vec!["a".into(), "rag".into()]));
        assert!(TokenizerConfig::read(b"[").is_err());
    }
}
