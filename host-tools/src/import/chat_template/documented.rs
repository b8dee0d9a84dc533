//! Templates that come with ternlet, and the models that are packed with one
//!
//! The model card of BitNet b1.58 2B-4T documents its prompt: the beginning of the text, then `System: `, `User: ` and
//! `Assistant: `, each message without the white space around it and with `<|eot_id|>` behind it. The token that begins
//! the text comes from the tokenizer, which puts it before every text.

use ternlet_runtime::{Config, HiddenAct, Tokenizer};

/// A template that comes with ternlet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BuiltIn {
    /// What `--chat-template` calls it.
    pub name: &'static str,
    /// The Jinja program.
    pub template: &'static str,
    /// The special tokens that it needs.
    pub tokens: &'static [&'static str],
}

/// The documented template of BitNet b1.58 2B-4T.
pub(super) const BITNET_2B_4T: BuiltIn = BuiltIn {
    name: "bitnet-2b-4t",
    template: "{% for message in messages %}{{ message.role | capitalize }}: {{ message.content | trim }}<|eot_id|>\
        {% endfor %}{% if add_generation_prompt %}Assistant: {% endif %}",
    tokens: &["<|eot_id|>"],
};

/// All of them.
pub(super) const BUILT_IN: [BuiltIn; 3] = [
    BITNET_2B_4T,
    BuiltIn {
        name: "chatml",
        template: "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{{ '' }}\
            {% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{{ '' }}{% endif %}",
        tokens: &["<|im_start|>", "<|im_end|>"],
    },
    BuiltIn {
        name: "llama3",
        template: "{{ '<|begin_of_text|>' }}{% for message in messages %}<|start_header_id|>{{ message.role }}\
            <|end_header_id|>\n\n{{ message.content | trim }}<|eot_id|>{% endfor %}\
            {% if add_generation_prompt %}<|start_header_id|>assistant<|end_header_id|>\n\n{{ '' }}{% endif %}",
        tokens: &["<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>"],
    },
];

impl BuiltIn {
    /// The first token that it needs and `tokenizer` lacks.
    pub(super) fn missing_token(&self, tokenizer: &Tokenizer<'_>) -> Option<&'static str> {
        self.tokens.iter().copied().find(|token| tokenizer.special_id(token.as_bytes()).is_none())
    }
}

/// Whether this is BitNet b1.58 2B-4T, or a model tuned from it: its shape and its special tokens.
pub(super) fn is_bitnet_2b_4t(config: &Config, tokenizer: &Tokenizer<'_>) -> bool {
    let shape = [
        config.dim,
        config.hidden_dim,
        config.n_layers,
        config.n_heads,
        config.n_kv_heads,
        config.vocab_size,
    ];
    shape == [2560, 6912, 30, 20, 5, 128_256]
        && config.has_sub_norms
        && config.hidden_act == HiddenAct::Relu2
        && tokenizer.special_id(b"<|begin_of_text|>") == Some(128_000)
        && tokenizer.special_id(b"<|eot_id|>") == Some(128_009)
}

/// Whether `template` is the one that bitnet.cpp's converter writes into GGUF files of that model: it leaves system
/// messages out and ends the text before the answer, which the model was never trained on.
pub(super) fn is_known_bad(template: &str) -> bool {
    template.contains("BITNETAssistant: ")
}
