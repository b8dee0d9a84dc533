//! Tokenizers out of metadata: the section that the same model's `tokenizer.json` gives, byte for byte
//!
//! Equal sections encode and decode alike, and `tests/tests/tokenizer.rs` compares those of `tokenizer.json` files with
//! Hugging Face's package.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use ternlet::import::foreign_model::ImportOptions;
use ternlet::import::gguf::Gguf as Importer;
use ternlet::import::sentencepiece::{self, TokenizerOptions};
use ternlet::import::tokenizer_json;
use ternlet::pack::Source as _;
use ternlet_runtime::Tokenizer;

use crate::model::{file, open};
use crate::writer::{Field, Gguf};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("golden").join(name)
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&fs::read(golden(name)).expect("a golden file")).expect("JSON")
}

/// The section that a `tokenizer.json` gives.
fn section(json: &Value) -> Vec<u8> {
    tokenizer_json::read(json.to_string().as_bytes()).expect("a tokenizer").section().expect("a section")
}

/// Enters the tokenizer of `json` as llama.cpp's converter does: every token by its id with its kind, merges in one
/// string each, padding up to `n` tokens.
fn enter(file: &mut Gguf, json: &Value, n: usize) {
    let mut tokens: Vec<(String, i32)> = (0..n).map(|id| (format!("[PAD{id}]"), 5)).collect();
    for (text, id) in json["model"]["vocab"].as_object().expect("a vocabulary") {
        tokens[index(id)] = (text.clone(), 1);
    }
    for token in json["added_tokens"].as_array().expect("added tokens") {
        let kind = if token["special"] == true { 3 } else { 4 };
        tokens[index(&token["id"])] = (token["content"].as_str().expect("text").into(), kind);
    }
    let merges = json["model"]["merges"].as_array().expect("merges").iter().map(|merge| match merge {
        Value::String(both) => Field::text(both),
        pair => {
            Field::text(&format!("{} {}", pair[0].as_str().expect("text"), pair[1].as_str().expect("text")))
        }
    });
    file.set("tokenizer.ggml.model", Field::text("gpt2"));
    file.set("tokenizer.ggml.merges", Field::List(merges.collect()));
    file.set(
        "tokenizer.ggml.tokens",
        Field::List(tokens.iter().map(|(text, _)| Field::text(text)).collect()),
    );
    file.set(
        "tokenizer.ggml.token_type",
        Field::List(tokens.iter().map(|(_, kind)| Field::I32(*kind)).collect()),
    );
}

fn index(id: &Value) -> usize {
    usize::try_from(id.as_u64().expect("an id")).expect("small")
}

fn imported(file: &Gguf) -> Result<Vec<u8>, String> {
    let source = open(with_vocab(file).bytes()).map_err(|e| e.to_string())?;
    let (section, _) = source.tokenizer().map_err(|e| e.to_string())?;
    Ok(section.expect("the file has a tokenizer"))
}

/// The file with an embedding of as many rows as it has tokens.
fn with_vocab(file: &Gguf) -> Gguf {
    let mut file = file.clone();
    let n = file.pairs.iter().find_map(|(key, field)| match field {
        Field::List(tokens) if key == "tokenizer.ggml.tokens" => Some(tokens.len()),
        _ => None,
    });
    let embedding = file.tensor("token_embd.weight");
    let n = n.unwrap_or(4).max(4);
    embedding.dims[1] = n as u64;
    embedding.data = vec![0; n * 256 * 4];
    file
}

#[test]
fn a_llama_3_vocabulary_is_that_of_its_tokenizer_json() {
    let json = json("tokenizer_llama3_like/tokenizer.json");
    for (architecture, pre) in [
        ("bitnet", Some("llama-bpe")),
        ("bitnet-b1.58", None),
        ("bitnet-25", None),
        ("llama", Some("llama3")),
    ] {
        let mut file = file(architecture);
        enter(&mut file, &json, 2048);
        file.set("tokenizer.ggml.bos_token_id", Field::U32(2038));
        file.set("tokenizer.ggml.eos_token_id", Field::U32(2039));
        if let Some(pre) = pre {
            file.set("tokenizer.ggml.pre", Field::text(pre));
        }
        assert!(imported(&file) == Ok(section(&json)), "{architecture}");
        // The end of a turn ends an answer, although only the end of the text is named.
        let source = open(with_vocab(&file).bytes()).expect("a model");
        assert_eq!(source.config().bos_token_id, Some(2038));
        assert_eq!(source.config().eos_token_ids[..], [2039, 2047]);
    }
}

#[test]
fn a_sentencepiece_vocabulary_is_that_of_its_model() {
    let json = json("tokenizer_spm_bytefallback/tokenizer.json");
    let vocab = json["model"]["vocab"].as_object().expect("a vocabulary");
    let mut tokens = vec![Field::text(""); vocab.len()];
    for (text, id) in vocab {
        tokens[index(id)] = Field::text(text);
    }
    // The unknown token, two control tokens, 256 bytes; then pieces, each scored by its place as training leaves it.
    let kind = |id| match id {
        0 => 2,
        1 | 2 => 3,
        3..259 => 6,
        _ => 1,
    };
    let score = |id: u16| if id < 259 { 0.0 } else { 259.0 - f32::from(id) };
    let mut file = file("bitnet");
    file.set("tokenizer.ggml.model", Field::text("llama"));
    file.set(
        "tokenizer.ggml.scores",
        Field::List((0..).take(vocab.len()).map(|id| Field::F32(score(id))).collect()),
    );
    file.set(
        "tokenizer.ggml.token_type",
        Field::List((0..vocab.len()).map(|id| Field::I32(kind(id))).collect()),
    );
    file.set("tokenizer.ggml.tokens", Field::List(tokens));
    let model = fs::read(golden("tokenizer_spm_bytefallback/tokenizer.model")).expect("a golden file");
    let vocabulary = sentencepiece::read(&model, &TokenizerOptions::default()).expect("a tokenizer");
    assert!(imported(&file) == vocabulary.section());

    file.set("tokenizer.ggml.scores", Field::List(vec![Field::F32(-1000.0); vocab.len()]));
    let error = imported(&file).expect_err("scores without an order");
    assert!(error.contains("tokenizer.ggml.scores") && error.contains("the same for all"), "{error}");
}

#[test]
fn a_file_by_another_hand_has_the_tokenizer_beside_it() {
    let bytes = fs::read(golden("gguf/llama_i2_s.gguf")).expect("a golden file");
    let source = Importer::read(bytes, "golden", &ImportOptions::default()).expect("a model");
    let (found, chat) = source.tokenizer().expect("a tokenizer");
    assert!(found == Some(section(&json("gguf/llama_i2_s.tokenizer.json"))));
    assert_eq!(chat.expect("names of tokens").template, None);
}

#[test]
fn other_names_stand_for_other_rules() {
    let mut json = json("tokenizer_llama3_like/tokenizer.json");
    json["post_processor"] = Value::Null;
    json["model"]["ignore_merges"] = false.into();
    let byte_level = serde_json::json!({"type": "ByteLevel", "add_prefix_space": false});
    let falcon = serde_json::json!({"type": "Sequence", "pretokenizers": [
        {"type": "Punctuation", "behavior": "Contiguous"},
        byte_level.clone(),
        {"type": "Digits", "individual_digits": false},
        {"type": "Split", "pattern": {"Regex": "[0-9][0-9][0-9]"}, "behavior": "Isolated"},
    ]});
    let llama_3 = json["pre_tokenizer"].clone();
    let mut qwen_2 = llama_3.clone();
    let expression = &mut qwen_2["pretokenizers"][0]["pattern"]["Regex"];
    *expression = expression.as_str().expect("an expression").replace("{1,3}", "").into();
    let (none, nfc) = (Value::Null, serde_json::json!({"type": "NFC"}));
    for (pre, normalizer, pre_tokenizer, ignore_merges) in [
        ("gpt-2", &none, &byte_level, false),
        ("olmo", &nfc, &byte_level, false),
        ("falcon", &none, &falcon, false),
        ("falcon3", &none, &llama_3, true),
        ("falcon_e", &none, &llama_3, true),
        ("qwen2", &nfc, &qwen_2, false),
    ] {
        json["normalizer"] = normalizer.clone();
        json["pre_tokenizer"] = pre_tokenizer.clone();
        json["model"]["ignore_merges"] = ignore_merges.into();
        let mut file = file("llama");
        enter(&mut file, &json, 2048);
        file.set("tokenizer.ggml.pre", Field::text(pre));
        file.set("tokenizer.ggml.bos_token_id", Field::U32(2038));
        assert!(imported(&file) == Ok(section(&json)), "{pre}");
    }
}

#[test]
fn the_architecture_of_2b_4t_around_a_vocabulary_of_1bitllm_is_suspicious() {
    let warnings = |change: fn(&mut Gguf)| {
        let mut file = file("bitnet-b1.58");
        change(&mut file);
        open(file.bytes()).expect("a model").warnings().to_vec()
    };
    let suspicious = warnings(|f| f.set("tokenizer.ggml.model", Field::text("llama")));
    assert!(suspicious.iter().any(|warning| warning.contains("SiLU")), "{suspicious:?}");
    assert!(warnings(|f| f.set("tokenizer.ggml.model", Field::text("gpt2"))).is_empty());
    let spoken = warnings(|f| {
        f.set("tokenizer.ggml.model", Field::text("llama"));
        f.set("bitnet-b1.58.hidden_activation", Field::text("silu"));
    });
    assert!(spoken.is_empty(), "{spoken:?}");
}

#[test]
fn padding_has_no_text_and_the_file_says_what_goes_around_one() {
    let mut json = json("tokenizer_llama3_like/tokenizer.json");
    // A token that is no special one, in a place above a gap.
    let added = serde_json::json!({"id": 2060, "content": "<tool>", "special": false, "normalized": true});
    json["added_tokens"].as_array_mut().expect("a list").push(added);
    let mut file = file("bitnet");
    enter(&mut file, &json, 2064);
    file.set("tokenizer.ggml.pre", Field::text("llama-bpe"));
    file.set("tokenizer.ggml.bos_token_id", Field::U32(2038));
    file.set("tokenizer.ggml.eos_token_id", Field::U32(2039));
    file.set("tokenizer.ggml.add_bos_token", Field::Bool(0));
    file.set("tokenizer.ggml.add_eos_token", Field::Bool(1));
    let section = imported(&file).expect("a tokenizer");
    let tokenizer = Tokenizer::parse(&section).expect("checked");
    assert_eq!(tokenizer.vocab_size(), 2061);
    assert_eq!(tokenizer.prefix_ids().count(), 0);
    assert_eq!(tokenizer.suffix_ids().collect::<Vec<_>>(), [2039]);
}

#[test]
fn a_chat_template_comes_with_the_texts_of_its_tokens() {
    let mut file = file("bitnet");
    enter(&mut file, &json("tokenizer_llama3_like/tokenizer.json"), 2048);
    file.set("tokenizer.ggml.pre", Field::text("llama-bpe"));
    file.set("tokenizer.ggml.bos_token_id", Field::U32(2038));
    file.set("tokenizer.ggml.eos_token_id", Field::U32(2047));
    file.set("tokenizer.chat_template", Field::text("{{ bos_token }}"));
    let source = open(with_vocab(&file).bytes()).expect("a model");
    let chat = source.tokenizer().expect("a tokenizer").1.expect("a template");
    assert_eq!(chat.template.as_deref(), Some("{{ bos_token }}"));
    assert_eq!(chat.bos_token.as_deref(), Some("<|begin_of_text|>"));
    assert_eq!(chat.eos_token.as_deref(), Some("<|eot_id|>"));
}

/// A change of a file.
type Forge = fn(&mut Gguf);

#[test]
fn tokenizers_that_would_encode_otherwise_are_refused_by_name() {
    let json = json("tokenizer_llama3_like/tokenizer.json");
    let cases: [(Forge, &str); 10] = [
        (|f| f.set("tokenizer.ggml.model", Field::text("t5")), "tokenizer.ggml.model: expected gpt2"),
        (|f| f.set("tokenizer.ggml.pre", Field::text("tekken")), "tokenizer.ggml.pre: expected llama-bpe"),
        (|f| f.remove("tokenizer.ggml.pre"), "tokenizer.ggml.pre: expected llama-bpe"),
        (|f| f.remove("tokenizer.ggml.merges"), "tokenizer.ggml.merges: expected a list"),
        (
            |f| f.set("tokenizer.ggml.merges", Field::List(vec![Field::U32(7)])),
            "UTF-8 text, found none in element 0",
        ),
        (|f| f.set("tokenizer.ggml.merges", Field::List(vec![Field::text("a")])), "merge 0"),
        (
            |f| f.set("tokenizer.ggml.token_type", Field::List(vec![Field::I32(1)])),
            "each of 2048 tokens, found 1",
        ),
        (
            |f| f.set("tokenizer.ggml.token_type", Field::List(vec![Field::I32(9); 2048])),
            "from 1 to 6, found 9",
        ),
        (|f| f.set("tokenizer.ggml.tokens", Field::List(vec![Field::text("a"); 2048])), "\"a\" twice"),
        (|f| f.set("tokenizer.ggml.bos_token_id", Field::U32(2048)), "2048"),
    ];
    for (forge, expected) in cases {
        let mut file = file("llama");
        enter(&mut file, &json, 2048);
        file.set("tokenizer.ggml.pre", Field::text("llama-bpe"));
        file.set("tokenizer.ggml.bos_token_id", Field::U32(2038));
        forge(&mut file);
        let error = imported(&file).expect_err(expected);
        assert!(error.contains(expected), "expected {expected:?} in: {error}");
    }
}
