//! Damaged sections: a typed error, or a tokenizer that still ends and never panics

use ternlet_runtime::tokenizer::layout::HEADER_BYTES;
use ternlet_runtime::{Specials, Tokenizer, TokenizerError};

use super::support::{decode, encode};
use ternlet::import::tokenizer_json;

/// A complete tokenizer of few tokens, so that every byte of its section can be damaged.
pub(crate) const SMALL: &str = r#"{
    "added_tokens": [
        {"id": 8, "content": "<s>", "special": true, "normalized": false},
        {"id": 9, "content": "<sx", "special": false, "normalized": true}
    ],
    "normalizer": null,
    "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
        {"type": "Split", "behavior": "Isolated", "invert": false, "pattern": {"Regex":
            "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"}},
        {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [8], "tokens": ["<s>"]}}},
    "decoder": {"type": "ByteLevel"},
    "model": {"type": "BPE", "vocab": {"a": 0, "b": 1, "Ġ": 2, "ab": 3, "aa": 4, "Ġab": 5, "Ã": 6, "©": 7},
        "merges": [["a", "b"], ["a", "a"], ["Ġ", "ab"]]}
}"#;

/// The same of the SentencePiece kind: characters, bytes, an unknown token, added tokens of both passes.
pub(crate) const SMALL_PIECES: &str = r#"{
    "added_tokens": [
        {"id": 0, "content": "<unk>", "special": true, "normalized": false},
        {"id": 1, "content": "<s>", "special": true, "normalized": false},
        {"id": 9, "content": "<sx", "special": false, "normalized": true}
    ],
    "normalizer": {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]},
    "pre_tokenizer": null,
    "post_processor": {"type": "TemplateProcessing",
        "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
        "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
    "decoder": {"type": "Sequence", "decoders": [
        {"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"},
        {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
    "model": {"type": "BPE", "byte_fallback": true, "fuse_unk": true, "unk_token": "<unk>",
        "vocab": {"<unk>": 0, "<s>": 1, "<0xC3>": 2, "<0xA9>": 3, "▁": 4, "a": 5, "b": 6, "ab": 7, "▁ab": 8},
        "merges": [["a", "b"], ["▁", "ab"]]}
}"#;

/// The TOKENIZER section of `SMALL`.
pub(crate) fn small_section() -> Vec<u8> {
    section_of(SMALL)
}

/// The TOKENIZER section of `SMALL_PIECES`.
pub(crate) fn small_pieces_section() -> Vec<u8> {
    section_of(SMALL_PIECES)
}

fn section_of(json: &str) -> Vec<u8> {
    let vocabulary = tokenizer_json::read(json.as_bytes()).expect("a complete file");
    vocabulary.section().expect("a complete vocabulary")
}

/// Uses every table of whatever tokenizer the section gives.
fn exercise(section: &[u8]) {
    let Ok(tokenizer) = Tokenizer::parse(section) else { return };
    for specials in [Specials::Recognise, Specials::AsText] {
        let ids = encode(&tokenizer, "aabab ab<s>ab<sx é 123 <s\n\n  aaaaaaaa", specials);
        decode(&tokenizer, &ids, specials == Specials::AsText);
    }
    let all: Vec<u32> = (0..tokenizer.vocab_size().min(100)).chain([u32::MAX]).collect();
    decode(&tokenizer, &all, true);
    assert!(tokenizer.special_id(b"<s>").is_none_or(|id| id < tokenizer.vocab_size()));
    assert!(tokenizer.prefix_ids().chain(tokenizer.suffix_ids()).all(|id| id < tokenizer.vocab_size()));
}

#[test]
fn the_small_tokenizer_works() {
    let section = small_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    assert_eq!(encode(&tokenizer, "<s>aab ab<sxé", Specials::Recognise), [8, 0, 3, 5, 9, 6, 7]);
    assert_eq!(encode(&tokenizer, "<s>ab", Specials::AsText), [3]);
    assert_eq!((tokenizer.special_id(b"<s>"), tokenizer.special_id(b"<sx")), (Some(8), None));
    assert_eq!(decode(&tokenizer, &[8, 5, 6, 7, 9, 6], true), " abé<sx\u{fffd}");
}

#[test]
fn the_small_pieces_work() {
    let section = small_pieces_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    assert_eq!(encode(&tokenizer, "<s>ab ab▁a", Specials::Recognise), [1, 8, 8, 4, 5]);
    assert_eq!(encode(&tokenizer, "é <sx!?b", Specials::Recognise), [4, 2, 3, 9, 0, 6]);
    assert_eq!(encode(&tokenizer, "<s>", Specials::AsText), [4, 0]);
    assert_eq!((tokenizer.special_id(b"<s>"), tokenizer.special_id(b"<sx")), (Some(1), None));
    assert_eq!(decode(&tokenizer, &[1, 8, 2, 3, 9, 2], true), "abé <sx\u{fffd}");
}

#[test]
fn a_section_cut_or_extended_is_refused() {
    [small_section(), small_pieces_section()].iter().for_each(|section| cut_and_extend(section));
}

fn cut_and_extend(section: &[u8]) {
    for end in 0..section.len() {
        let error = Tokenizer::parse(&section[..end]).map(|_| ()).expect_err("a section without its end");
        let expected = if end < HEADER_BYTES {
            TokenizerError::Truncated { need: HEADER_BYTES, have: end }
        } else {
            TokenizerError::WrongLength { need: section.len(), have: end }
        };
        assert_eq!(error, expected);
    }
    let longer = [section, &[0]].concat();
    let expected = TokenizerError::WrongLength { need: section.len(), have: longer.len() };
    assert_eq!(Tokenizer::parse(&longer).map(|_| ()), Err(expected));
}

#[test]
fn any_damaged_byte_gives_an_error_or_a_tokenizer_that_ends() {
    for section in [small_section(), small_pieces_section()] {
        let mut damaged = section.clone();
        for at in 0..section.len() {
            // Every bit, and the values that make counts and ids extreme.
            let flips = (0..8).map(|bit| section[at] ^ 1 << bit);
            for byte in flips.chain([0, 1, 0x7f, 0xff]) {
                damaged[at] = byte;
                exercise(&damaged);
            }
            damaged[at] = section[at];
        }
        assert_eq!(damaged, section);
    }
}
