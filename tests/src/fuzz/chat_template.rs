//! Target: chat templates
//!
//! An input is a Jinja template, then the texts of the tokens that begin and end a sequence. The compiler itself puts
//! whatever it accepts to the proof against the template.

use std::sync::LazyLock;

use ternlet::import::chat_template::{TokenNames, compile};
use ternlet::import::tokenizer_json;
use ternlet_runtime::{ChatTemplate, Role, Tokenizer};

use super::parts::parts;

/// A tokenizer with the special tokens that templates in the field write.
const TOKENIZER: &str = r#"{
    "added_tokens": [
        {"id": 4, "content": "<s>", "special": true, "normalized": false},
        {"id": 5, "content": "</s>", "special": true, "normalized": false},
        {"id": 6, "content": "<|eot_id|>", "special": true, "normalized": false},
        {"id": 7, "content": "<|start_header_id|>", "special": true, "normalized": false}
    ],
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
    "post_processor": null,
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3}, "merges": [["a", "b"]]}
}"#;

/// Compiles a template and walks what it became.
///
/// # Panics
/// A panic is a finding.
pub fn chat_template(data: &[u8]) -> bool {
    static SECTION: LazyLock<Vec<u8>> = LazyLock::new(|| {
        let vocabulary = tokenizer_json::read(TOKENIZER.as_bytes()).expect("a whole tokenizer");
        vocabulary.section().expect("a small vocabulary")
    });
    let tokenizer = Tokenizer::parse(&SECTION).expect("a checked section");
    let texts = parts::<3>(data).map(str::from_utf8);
    let [Ok(source), Ok(bos), Ok(eos)] = texts else { return false };
    let token = |text| Some(text).filter(|text: &&str| !text.is_empty());
    let names = TokenNames { bos_token: token(bos), eos_token: token(eos) };
    let Ok(section) = compile(source, names, &tokenizer) else { return false };
    let template = ChatTemplate::parse(&section).expect("the compiler checked its own section");
    assert!(template.special_ids().all(|id| id < tokenizer.vocab_size()));
    assert!(template.has_place(Role::System) || template.after_system().count() == 0);
    true
}
