//! SentencePiece vocabularies in every pipeline, against the `tokenizers` crate

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value, json};
use ternlet::import::{tokenizer_file, tokenizer_json};
use ternlet_runtime::{Specials, StreamDecoder, Tokenizer};

use super::damage::SMALL_PIECES;
use super::support::{self, decode, encode, golden_file};
use super::work::assert_quick;

/// Pieces that spaces, marks, bytes and added tokens are made of.
const AWKWARD: [&str; 36] = [
    " ",
    "  ",
    "   ",
    "\u{2581}",
    " \u{2581}",
    "\u{2580}",
    "\t",
    "\n",
    "\r\n",
    "\u{a0}",
    "\u{3000}",
    "\0",
    "\u{feff}",
    "e\u{301}",
    "½",
    "你好",
    "👋🏽",
    "\u{10ffff}",
    "1234",
    "the",
    " the",
    "Hello",
    "a",
    "aa",
    "--",
    "----",
    "=",
    "!?",
    "<s>",
    "</s>",
    "<unk>",
    "<0x0A>",
    "<pad>",
    "<pa",
    "[x]",
    "zz",
];

/// A file of the golden tokenizer.
pub(crate) fn spm_file(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizer_spm_bytefallback").join(name)
}

/// Texts of awkward pieces and of characters from all of Unicode.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&AWKWARD[..]).prop_map(str::to_owned),
        3 => "[a-zA-Z ]{1,8}",
        1 => any::<char>().prop_map(String::from),
        1 => prop::char::range('\u{80}', '\u{2fff}').prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..16).prop_map(|pieces| pieces.concat())
}

/// The golden file, changed by `change`.
fn variant(change: impl FnOnce(&mut Value)) -> Value {
    let text = std::fs::read(spm_file("tokenizer.json")).expect("a file of the repository");
    let mut file = serde_json::from_slice(&text).expect("a JSON file");
    change(&mut file);
    file
}

fn metaspace(scheme: &str, split: bool) -> Value {
    json!({"type": "Metaspace", "replacement": "▁", "prepend_scheme": scheme, "split": split})
}

/// The pipeline that transformers 5 writes: no normalizer, `Metaspace` in front of the model.
fn with_metaspace(file: &mut Value, scheme: &str, split: bool) {
    file["normalizer"] = Value::Null;
    file["pre_tokenizer"] = metaspace(scheme, split);
}

/// Adds tokens behind the vocabulary: (content, special, normalized, lstrip, rstrip, `single_word`).
fn add_tokens(file: &mut Value, tokens: &[(&str, bool, bool, bool, bool, bool)]) {
    for (index, (content, special, normalized, lstrip, rstrip, single_word)) in tokens.iter().enumerate() {
        file["added_tokens"].as_array_mut().expect("a list").push(json!({
            "id": 1800 + index, "content": content, "special": special, "normalized": normalized,
            "lstrip": lstrip, "rstrip": rstrip, "single_word": single_word,
        }));
    }
}

/// Leaves only those tokens of bytes in the vocabulary that `keep` wants, others under another name.
fn rename_bytes(file: &mut Value, keep: impl Fn(u8) -> bool) {
    let vocab = file["model"]["vocab"].as_object_mut().expect("a map");
    for byte in (0..=255u8).filter(|byte| !keep(*byte)) {
        let id = vocab.remove(&format!("<0x{byte:02X}>")).expect("a token for each byte");
        vocab.insert(format!("<gone {byte}>"), id);
    }
}

/// Every pipeline, with a name for messages.
fn variants() -> Vec<(&'static str, Value)> {
    let plain = [("[x]", false, false, false, false, false), ("<pad>", true, false, false, false, false)];
    let stripping = [("[x]", false, true, true, true, false), ("zz", false, false, true, false, true)];
    let normalized =
        [("[x]", false, true, false, false, false), ("the \u{2581}", false, true, false, false, false)];
    let mut variants = vec![
        ("prepend and replace", variant(|_| ())),
        ("added tokens", variant(|file| add_tokens(file, &plain))),
        ("normalised added tokens", variant(|file| add_tokens(file, &normalized))),
        (
            "special tokens normalised",
            variant(|file| {
                file["added_tokens"].as_array_mut().expect("a list").iter_mut().for_each(|token| {
                    token["normalized"] = json!(true);
                });
            }),
        ),
        (
            "replace alone",
            variant(|file| {
                add_tokens(file, &normalized);
                file["normalizer"] = json!({"type": "Replace", "pattern": {"String": " "}, "content": "▁"});
                file["decoder"]["decoders"].as_array_mut().expect("a list").pop();
            }),
        ),
        (
            "replace before prepend",
            variant(|file| file["normalizer"]["normalizers"].as_array_mut().expect("a list").reverse()),
        ),
        (
            "decoder metaspace",
            variant(|file| {
                with_metaspace(file, "always", true);
                file["decoder"] = metaspace("always", true);
            }),
        ),
        (
            "decoder metaspace with bytes, nothing in front",
            variant(|file| {
                with_metaspace(file, "never", false);
                file["decoder"] = json!({"type": "Sequence", "decoders": [metaspace("never", true), {"type": "ByteFallback"}]});
            }),
        ),
        (
            "decoder metaspace with bytes",
            variant(|file| {
                file["decoder"] = json!({"type": "Sequence", "decoders": [metaspace("first", true), {"type": "ByteFallback"}]});
            }),
        ),
        (
            "merges across spaces",
            variant(|file| {
                for (content, id, left, right) in [("e▁", 1800, "e", "▁"), ("s▁t", 1801, "s", "▁t")] {
                    file["model"]["vocab"][content] = json!(id);
                    file["model"]["merges"].as_array_mut().expect("a list").insert(0, json!([left, right]));
                }
            }),
        ),
        (
            "whole stretches that are tokens",
            variant(|file| {
                file["model"]["ignore_merges"] = json!(true);
                file["model"]["vocab"]["▁Hello▁the"] = json!(1800);
            }),
        ),
        (
            "no unknown token",
            variant(|file| {
                file["model"]["unk_token"] = Value::Null;
                rename_bytes(file, |byte| byte < 0xe0);
            }),
        ),
        ("unknown tokens fused, some bytes", variant(|file| rename_bytes(file, |byte| byte < 0xe0))),
        (
            "unknown tokens apart, some bytes",
            variant(|file| {
                rename_bytes(file, |byte| byte < 0xe0);
                file["model"]["fuse_unk"] = json!(false);
            }),
        ),
        (
            "no bytes",
            variant(|file| {
                rename_bytes(file, |_| false);
                file["model"]["byte_fallback"] = json!(false);
            }),
        ),
    ];
    for scheme in ["always", "first", "never"] {
        for split in [true, false] {
            variants.push((
                "metaspace",
                variant(|file| {
                    with_metaspace(file, scheme, split);
                    add_tokens(file, if split { &plain } else { &stripping });
                }),
            ));
        }
    }
    variants
}

fn random<S: Strategy>(strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    support::random(200, strategy, check);
}

/// The runtime's tokenizer and the crate's, for one file.
fn both(file: &Value) -> (Vec<u8>, tokenizers::Tokenizer) {
    let json = file.to_string().into_bytes();
    let section = tokenizer_json::read(&json).and_then(|vocabulary| vocabulary.section());
    (
        section.expect("a supported file"),
        tokenizers::Tokenizer::from_bytes(&json).expect("a file of the crate"),
    )
}

#[test]
fn random_texts_encode_to_the_same_ids_in_every_pipeline() {
    for (name, file) in variants() {
        let (section, mut theirs) = both(&file);
        let ours = Tokenizer::parse(&section).unwrap();
        for specials in [Specials::Recognise, Specials::AsText] {
            theirs.set_encode_special_tokens(specials == Specials::AsText);
            random(&text(), |text| {
                let expected = theirs.encode(text.as_str(), false).unwrap();
                prop_assert_eq!(encode(&ours, &text, specials), expected.get_ids(), "{}: {:?}", name, text);
                Ok(())
            });
        }
    }
}

#[test]
fn random_ids_decode_to_the_same_text_in_every_pipeline() {
    // Half of the ids are special tokens and bytes.
    let id = prop_oneof![0u32..262, 0u32..1810];
    for (name, file) in variants() {
        let (section, theirs) = both(&file);
        let ours = Tokenizer::parse(&section).unwrap();
        // The crate does not know a normalised special token as special.
        let may_skip = name != "special tokens normalised";
        random(&(prop::collection::vec(id.clone(), 0..24), any::<bool>()), |(ids, skip_special)| {
            let skip_special = skip_special && may_skip;
            let expected = theirs.decode(&ids, skip_special).unwrap();
            prop_assert_eq!(decode(&ours, &ids, skip_special), expected, "{}: {:?}", name, ids);
            Ok(())
        });
    }
}

#[test]
fn golden_strings_encode_and_decode_as_in_the_crate_from_json_and_from_the_model_file() {
    let cases: Value = serde_json::from_slice(&std::fs::read(golden_file("cases.json")).unwrap()).unwrap();
    let texts = cases["cases"].as_array().unwrap().iter().map(|case| case["text"].as_str().unwrap());
    let theirs = tokenizers::Tokenizer::from_file(spm_file("tokenizer.json")).unwrap();
    let sections = ["tokenizer.json", "tokenizer.model"]
        .map(|name| tokenizer_file::read_file(&spm_file(name)).expect("a supported file"));
    for text in texts {
        let expected = theirs.encode(text, true).unwrap();
        for section in &sections {
            let ours = Tokenizer::parse(section).unwrap();
            let ids = encode(&ours, text, Specials::Recognise);
            let with_special: Vec<u32> = ours.prefix_ids().chain(ids).chain(ours.suffix_ids()).collect();
            assert_eq!(with_special, expected.get_ids(), "{text:?}");
            for skip_special in [false, true] {
                let text = theirs.decode(&with_special, skip_special).unwrap();
                assert_eq!(decode(&ours, &with_special, skip_special), text);
            }
        }
    }
}

#[test]
fn a_stream_of_an_encoded_text_is_the_decoded_text() {
    let section = tokenizer_file::read_file(&spm_file("tokenizer.json")).unwrap();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    random(&text(), |text| {
        let ids = encode(&tokenizer, &text, Specials::AsText);
        let mut streamed = String::new();
        let mut decoder = StreamDecoder::new(&tokenizer);
        ids.iter().for_each(|id| decoder.push(*id, &mut |piece| streamed.push_str(piece)));
        decoder.finish(&mut |piece| streamed.push_str(piece));
        prop_assert_eq!(&streamed, &decode(&tokenizer, &ids, false));
        prop_assert_eq!(streamed, text.replace('\u{2581}', " "));
        Ok(())
    });
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let sequence = |steps: Value| json!({"type": "Sequence", "decoders": steps});
    let spaces = json!({"type": "Replace", "pattern": {"String": "▁"}, "content": " "});
    let with_space = json!({"id": 9, "content": "< >", "normalized": false});
    let strips = json!({"id": 9, "content": "<sx", "normalized": true, "rstrip": true});
    let cases = [
        ("/normalizer", json!({"type": "NFKC"}), "normalizer: NFKC is not supported"),
        (
            "/normalizer/normalizers/0",
            json!({"type": "Precompiled", "precompiled_charsmap": "AAAA"}),
            "Precompiled",
        ),
        ("/normalizer/normalizers/0/prepend", json!("_"), "expected a mark (▁) prepended once"),
        ("/normalizer/normalizers/1/content", json!("_"), "expected a mark (▁) prepended once"),
        (
            "/normalizer",
            json!({"type": "Prepend", "prepend": "▁"}),
            "expected Replace, which writes spaces as marks",
        ),
        ("/normalizer", Value::Null, "found the normalizer [] and the pre_tokenizer []"),
        (
            "/pre_tokenizer",
            metaspace("always", true),
            "found the normalizer [Prepend, Replace] and the pre_tokenizer [M",
        ),
        ("/decoder", json!({"type": "Fuse"}), "decoder: expected marks to become spaces first, found"),
        (
            "/decoder",
            sequence(json!([spaces, {"type": "Fuse"}, {"type": "ByteFallback"}])),
            "found [Replace, Fuse, B",
        ),
        (
            "/decoder",
            sequence(json!([])),
            "decoder: expected [Replace, ByteFallback, Fuse, Strip] or [Metaspace]",
        ),
        ("/decoder/decoders/3/start", json!(2), "decoder: expected Strip of one space at the start"),
        ("/decoder/decoders/0", metaspace("first", true), "Metaspace that drops marks, with Strip"),
        ("/model/unk_token", json!("<?>"), "model: unk_token \"<?>\" is not in the vocabulary"),
        (
            "/model/vocab/<0xa9>",
            json!(10),
            "expected ByteFallback to concern the model's tokens of bytes alone",
        ),
        (
            "/model/byte_fallback",
            json!(false),
            "expected ByteFallback to concern the model's tokens of bytes alone",
        ),
        (
            "/added_tokens/2",
            strips,
            "lstrip, rstrip and single_word are not supported together with normalized",
        ),
        ("/post_processor/special_tokens/<s>/ids", json!([10]), "id 10 is outside the vocabulary of 10"),
    ];
    for (pointer, value, reason) in cases {
        let found = read_with(&[(pointer, value)]).expect_err(pointer);
        assert!(found.contains(reason), "{pointer}: {found}");
    }
    let decoder = ("/decoder", metaspace("always", true));
    let found = read_with(&[decoder, ("/added_tokens/2", with_space)]).unwrap_err();
    assert!(found.contains("decoder: expected marks in place of spaces, found \"< >\""), "{found}");
    let mut pipeline = [("/normalizer", Value::Null), ("/pre_tokenizer", metaspace("always", true))];
    pipeline[1].1["prepend_scheme"] = json!("second");
    assert!(read_with(&pipeline).unwrap_err().contains("always, first or never, found second"));
    pipeline[1].1["replacement"] = json!("_");
    assert!(read_with(&pipeline).unwrap_err().contains("expected Metaspace with ▁, found \"_\""));
}

/// Reads `SMALL_PIECES` with the values at some pointers (RFC 6901) replaced or added.
fn read_with(changes: &[(&str, Value)]) -> Result<Vec<u8>, String> {
    let mut file: Value = serde_json::from_str(SMALL_PIECES).expect("SMALL_PIECES is JSON");
    for (pointer, value) in changes {
        let (parent, key) = pointer.rsplit_once('/').expect("a pointer to a member");
        match file.pointer_mut(parent).expect("a part of SMALL_PIECES") {
            Value::Object(members) => drop(members.insert(key.into(), value.clone())),
            Value::Array(elements) => elements[key.parse::<usize>().expect("an index")] = value.clone(),
            _ => panic!("{parent} has no members"),
        }
    }
    tokenizer_json::read(file.to_string().as_bytes()).and_then(|vocabulary| vocabulary.section())
}

#[test]
fn a_text_of_200_kb_without_a_cut_encodes_in_under_a_second() {
    let across =
        variants().into_iter().find(|(name, _)| *name == "merges across spaces").expect("a variant").1;
    let (section, _) = both(&across);
    let tokenizer = Tokenizer::parse(&section).unwrap();
    for text in ["a".repeat(200_000), " ".repeat(200_000), "the e ".repeat(33_334), "你👋".repeat(28_572)]
    {
        assert_quick(&tokenizer, &text, Specials::AsText);
    }
}
