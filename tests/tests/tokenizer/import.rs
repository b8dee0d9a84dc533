//! What the importer accepts, and how it refuses the rest: by name, with what it expected

use serde_json::{Value, json};
use ternlet::import::tokenizer_json;
use ternlet_runtime::{Specials, Tokenizer};

use super::damage::SMALL;
use super::support::encode;

/// `SMALL` with the value at `pointer` (RFC 6901) replaced.
fn with(pointer: &str, value: Value) -> Vec<u8> {
    let mut file: Value = serde_json::from_str(SMALL).expect("SMALL is JSON");
    let (parent, key) = pointer.rsplit_once('/').expect("a pointer to a member");
    match file.pointer_mut(parent).expect("a part of SMALL") {
        Value::Object(members) => {
            members.insert(key.into(), value);
        }
        Value::Array(elements) => elements[key.parse::<usize>().expect("an index")] = value,
        _ => panic!("{parent} has no members"),
    }
    file.to_string().into_bytes()
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "use_regex": true});
    let spaced = json!({"type": "ByteLevel", "add_prefix_space": true, "use_regex": true});
    let falcon = |behavior: &str, digits: &str| {
        json!({"type": "Sequence", "pretokenizers": [
            {"type": "Punctuation", "behavior": behavior}, byte_level,
            {"type": "Digits", "individual_digits": false},
            {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex": digits}}]})
    };
    let cases = [
        ("/model/type", json!("Unigram"), "model: expected BPE, found Unigram"),
        ("/model/dropout", json!(0.1), "dropout"),
        ("/model/byte_fallback", json!(true), "SentencePiece"),
        ("/model/end_of_word_suffix", json!("</w>"), "end_of_word_suffix"),
        ("/model/continuing_subword_prefix", json!("##"), "continuing_subword_prefix"),
        ("/model/unk_token", json!("a"), "unk_token"),
        ("/model/vocab", json!({}), "the vocabulary is empty"),
        ("/model/vocab/b", json!(0), "\"a\" and \"b\" have the same id 0"),
        ("/model/vocab/b", json!(1_048_576), "expected ids below 1048576, found 1048576"),
        ("/model/merges/0", json!(["a", "x"]), "merge 0: \"x\" is not in the vocabulary"),
        ("/model/merges/0", json!(["b", "b"]), "merge 0: \"bb\" is not in the vocabulary"),
        ("/model/merges/0", json!("a b c"), "merge 0: expected two tokens"),
        ("/normalizer", json!({"type": "NFKC"}), "normalizer: expected none or NFC, found NFKC"),
        ("/pre_tokenizer", json!({"type": "Whitespace"}), "found [Whitespace]"),
        (
            "/pre_tokenizer",
            Value::Null,
            "pre_tokenizer: expected [Split, ByteLevel] (Llama 3, Qwen2), [ByteLevel] (GPT-2) or [Punctuation, \
             ByteLevel, Digits, Split] (Falcon), found []",
        ),
        ("/pre_tokenizer/pretokenizers/1", byte_level.clone(), "expected use_regex false, found true"),
        ("/pre_tokenizer", spaced, "add_prefix_space"),
        ("/pre_tokenizer", falcon("Isolated", "[0-9][0-9][0-9]"), "found Punctuation (\"Isolated\")"),
        ("/pre_tokenizer", falcon("Contiguous", "[0-9]"), "Split ([0-9])"),
        ("/pre_tokenizer/pretokenizers/0/pattern", json!({"Regex": "\\p{L}+"}), "found \\p{L}+"),
        ("/pre_tokenizer/pretokenizers/0/behavior", json!("Removed"), "Isolated"),
        ("/pre_tokenizer/pretokenizers/0/invert", json!(true), "not inverted"),
        ("/post_processor", json!({"type": "Unknown"}), "post_processor: Unknown is not supported"),
        (
            "/post_processor",
            json!({"type": "BertProcessing"}),
            "post_processor: BertProcessing: \"cls\" has no id",
        ),
        ("/post_processor/single", json!([]), "found it 0 times"),
        ("/post_processor/special_tokens", json!({}), "token \"<s>\" has no ids"),
        ("/post_processor/special_tokens/<s>/ids", json!([10]), "id 10 is outside the vocabulary of 10"),
        ("/decoder", Value::Null, "decoder: expected ByteLevel, found nothing"),
        ("/added_tokens/0/content", json!("ab"), "expected its id 3 in the vocabulary, found 8"),
        ("/added_tokens/0/id", json!(4_000_000_000u32), "is too large"),
        ("/added_tokens/1/content", json!("<s>"), "expected one id, found 8 and 9"),
        ("/added_tokens/1/id", json!(10), "expected its id 9 after the vocabulary, found 10"),
        ("/model/vocab/ab", json!(8), "added token \"<s>\": its id 8 is that of \"ab\""),
        ("/added_tokens/0/content", json!("x".repeat(513)), "must be 1 to 512 bytes"),
    ];
    for (pointer, value, reason) in cases {
        let section = tokenizer_json::read(&with(pointer, value)).and_then(|vocabulary| vocabulary.section());
        let found = section.expect_err(pointer);
        assert!(found.contains(reason), "{pointer}: {found}");
    }
    assert!(tokenizer_json::read(b"{}").unwrap_err().starts_with("not a tokenizer.json"));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for end in 0..SMALL.len() {
        assert!(tokenizer_json::read(&SMALL.as_bytes()[..end]).is_err(), "{end}");
    }
}

#[test]
fn older_spellings_and_repeats_mean_the_same() {
    let expected = super::damage::small_section();
    let same = [
        with("/model/merges", json!(["a b", "a a", "Ġ ab"])),
        with("/normalizer", json!({"type": "Sequence", "normalizers": []})),
        with(
            "/post_processor",
            json!({"type": "Sequence", "processors": [{"type": "ByteLevel"}, {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [8], "tokens": ["<s>"]}}}]}),
        ),
        with(
            "/added_tokens",
            json!([
                {"id": 8, "content": "<s>", "special": true, "normalized": true, "lstrip": true},
                {"id": 9, "content": "<sx", "special": false, "normalized": true},
                {"id": 8, "content": "<s>", "special": true, "normalized": false},
            ]),
        ),
        with("/truncation", json!({"max_length": 5, "strategy": "LongestFirst", "stride": 0})),
    ];
    for json in same {
        assert_eq!(
            tokenizer_json::read(&json).and_then(|vocabulary| vocabulary.section()),
            Ok(expected.clone())
        );
    }
}

#[test]
fn two_tokens_around_a_text_may_be_named_in_each_way() {
    let special = |id: &str| json!({"SpecialToken": {"id": id, "type_id": 0}});
    let pairs = json!({"cls": ["<s>", 8], "sep": ["<sx", 9], "trim_offsets": true, "add_prefix_space": true});
    let with_type = |name: &str| {
        let mut step = pairs.clone();
        step["type"] = json!(name);
        step
    };
    let same = [
        with_type("BertProcessing"),
        with_type("RobertaProcessing"),
        json!({"type": "TemplateProcessing",
            "single": [special("<s>"), {"Sequence": {"id": "A", "type_id": 0}}, special("<sx")],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [8]}, "<sx": {"id": "<sx", "ids": [9]}}}),
    ];
    for step in same {
        let vocabulary = tokenizer_json::read(&with("/post_processor", step)).unwrap();
        assert_eq!((vocabulary.prefix_ids, vocabulary.suffix_ids), (vec![8], vec![9]));
    }
    let twice = json!({"type": "Sequence",
        "processors": [with_type("BertProcessing"), with_type("BertProcessing")]});
    let error = tokenizer_json::read(&with("/post_processor", twice)).unwrap_err();
    assert!(error.contains("expected one step that adds tokens, found two"), "{error}");
}

#[test]
fn normalised_tokens_are_written_in_normal_form() {
    let mut file: Value = serde_json::from_str(SMALL).unwrap();
    file["normalizer"] = json!({"type": "Sequence", "normalizers": [{"type": "NFC"}]});
    file["added_tokens"][1]["content"] = json!("<d\u{323}");
    let section = tokenizer_json::read(file.to_string().as_bytes()).unwrap().section().unwrap();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    for text in ["a<ḍ", "a<d\u{323}"] {
        assert_eq!(encode(&tokenizer, text, Specials::AsText), [0, 9]);
    }
    assert_eq!(tokenizer.token_bytes(9), Some("<ḍ".as_bytes()));

    file["added_tokens"][1]["special"] = json!(true);
    let error = tokenizer_json::read(file.to_string().as_bytes()).unwrap_err();
    assert!(error.contains("special and not in normal form is not supported"), "{error}");
}

#[test]
fn words_are_looked_up_before_merging_only_where_that_changes_nothing() {
    // Merging "aab" gives "a", "ab": with ignore_merges the token "aab" wins, without it merging does.
    let mut file: Value = serde_json::from_str(SMALL).unwrap();
    file["model"]["vocab"]["aab"] = json!(8);
    file["added_tokens"] = json!([]);
    file["post_processor"] = Value::Null;
    for (ignore_merges, expected) in [(true, &[8][..]), (false, &[0, 3])] {
        file["model"]["ignore_merges"] = json!(ignore_merges);
        let vocabulary = tokenizer_json::read(file.to_string().as_bytes()).unwrap();
        let section = vocabulary.section().unwrap();
        let tokenizer = Tokenizer::parse(&section).unwrap();
        assert_eq!(encode(&tokenizer, "aab", Specials::AsText), expected);
    }
}
