//! BitNet b1.58 2B-4T is packed with its documented template where its own is of no use

use std::sync::LazyLock;

use serde_json::json;
use ternlet::import::chat_template::{ChatChoice, ChatSource, Chosen};
use ternlet::import::tokenizer_json;
use ternlet_runtime::{ChatItem, ChatTemplate, Config, HiddenAct, SamplingDefaults, Tokenizer};

use crate::BITNET;

/// The published shape.
fn config() -> Config {
    Config {
        name: Default::default(),
        dim: 2560,
        hidden_dim: 6912,
        n_layers: 30,
        n_heads: 20,
        n_kv_heads: 5,
        head_dim: 128,
        vocab_size: 128_256,
        max_seq_len: 4096,
        norm_eps: 1e-5,
        hidden_act: HiddenAct::Relu2,
        has_sub_norms: true,
        has_qk_norm: false,
        linear_norm_eps: None,
        tied_embedding: true,
        pooling: None,
        rope_theta: 5e5,
        bos_token_id: Some(128_000),
        eos_token_ids: Default::default(),
        sampling: SamplingDefaults::default(),
    }
}

/// A section with the special tokens of Llama 3 at their ids.
fn tokenizer_section() -> Vec<u8> {
    let vocab: serde_json::Map<_, _> = (0..128_000).map(|id| (format!("a{id}"), id.into())).collect();
    let name = |id| match id {
        128_000 => "<|begin_of_text|>".into(),
        128_001 => "<|end_of_text|>".into(),
        128_009 => "<|eot_id|>".into(),
        _ => format!("<|reserved_{id}|>"),
    };
    let added = (128_000..128_010)
        .map(|id| json!({"id": id, "content": name(id), "special": true, "normalized": false}));
    let byte_level =
        json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let file = json!({
        "added_tokens": added.collect::<Vec<_>>(),
        "pre_tokenizer": byte_level,
        "decoder": {"type": "ByteLevel"},
        "model": {"type": "BPE", "vocab": vocab, "merges": []},
    });
    tokenizer_json::read(file.to_string().as_bytes()).expect("a tokenizer").section().expect("a section")
}

/// What a checkpoint with `template` is packed with.
fn chosen(config: &Config, template: Option<&str>) -> Result<Chosen, String> {
    static SECTION: LazyLock<Vec<u8>> = LazyLock::new(tokenizer_section);
    let tokenizer = Tokenizer::parse(&SECTION).expect("a section");
    let source = ChatSource {
        origin: "tokenizer_config.json".into(),
        template: template.map(String::from),
        bos_token: Some("<|begin_of_text|>".into()),
        eos_token: Some("<|end_of_text|>".into()),
        ..ChatSource::default()
    };
    ChatChoice::Own.compile(&source, config, &tokenizer).map_err(|e| e.to_string())
}

/// What `convert-ms-to-gguf-bitnet.py` of bitnet.cpp writes.
const OF_THE_GGUF: &str = "{% for message in messages %}{% if loop.first %}{{ bos_token }}{% endif %}\
    {% if message['role'] == 'user' %}{{ 'Human: ' + message['content'] + '\n\nBITNETAssistant: ' + eos_token }}\
    {% elif message['role'] == 'assistant' %}{{ message['content'] + eos_token }}{% endif %}{% endfor %}";

#[test]
fn none_the_known_bad_one_and_one_that_does_not_compile_are_replaced_with_a_note() {
    let own = chosen(&config(), Some(BITNET)).unwrap();
    assert_eq!(own.note, None);
    for (template, word) in [
        (None, "has none;"),
        (Some(OF_THE_GGUF), "leaves out system messages"),
        (Some("{{ messages | length }}"), "has none that can be used (expected a chat template"),
    ] {
        let chosen = chosen(&config(), template).unwrap();
        let note = chosen.note.expect("a note");
        assert!(note.contains(word) && note.contains("--chat-template none"), "{note}");
        assert_eq!(chosen.section, own.section, "{word}");
    }
    let section = own.section.expect("a template");
    let template = ChatTemplate::parse(&section).unwrap();
    let eot = ChatItem::Special(128_009);
    assert!(template.opening(true).eq([ChatItem::Text("System: ")]));
    assert!(template.end(false, true).eq([eot, ChatItem::Text("Assistant: ")]));
}

#[test]
fn other_models_keep_what_they_bring() {
    let other = Config { n_layers: 24, ..config() };
    assert_eq!(chosen(&other, None).unwrap(), Chosen::default());
    let chosen_for_other = chosen(&other, Some(OF_THE_GGUF)).unwrap();
    assert!(chosen_for_other.section.is_some() && chosen_for_other.note.is_none());
    assert!(chosen(&other, Some("{{ messages | length }}")).unwrap_err().contains("--chat-template"));
    let embedding = Config { pooling: Some(ternlet_runtime::Pooling::LastToken), ..other };
    assert_eq!(chosen(&embedding, Some(BITNET)).unwrap(), Chosen::default());
}
