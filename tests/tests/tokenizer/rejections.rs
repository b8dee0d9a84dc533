//! One test for each numbered rejection of a TOKENIZER section in `runtime/FORMAT.md`

use ternlet_runtime::tokenizer::layout::{HEADER_BYTES, Header};
use ternlet_runtime::{Tokenizer, TokenizerError};

use super::damage::{small_pieces_section, small_section};

/// Writes `value` at byte `at` and returns the refusal.
fn refusal(at: usize, value: u32) -> TokenizerError {
    refusal_in(small_section(), at, value)
}

/// The same in the SentencePiece section.
fn pieces_refusal(at: usize, value: u32) -> TokenizerError {
    refusal_in(small_pieces_section(), at, value)
}

fn refusal_in(section: Vec<u8>, at: usize, value: u32) -> TokenizerError {
    refusal_of(&changed(section, at, value))
}

fn changed(mut section: Vec<u8>, at: usize, value: u32) -> Vec<u8> {
    section[at..at + 4].copy_from_slice(&value.to_le_bytes());
    section
}

fn refusal_of(section: &[u8]) -> TokenizerError {
    Tokenizer::parse(section).map(|_| ()).expect_err("a refusal")
}

/// Where the arrays start, by the table in `layout.rs`.
struct Offsets {
    token_starts: usize,
    special_bits: usize,
    byte_ids: usize,
    merge_starts: usize,
    merge_pairs: usize,
    merge_ids: usize,
    characters: usize,
    word_slots: usize,
    added_ids: usize,
    added_starts: usize,
    added_flags: usize,
    prefix_ids: usize,
    added_bytes: usize,
}

fn offsets() -> Offsets {
    offsets_in(&small_section())
}

fn offsets_in(section: &[u8]) -> Offsets {
    let header = Header::decode(section).expect("a small section");
    let n = |count: u32| count as usize;
    let token_starts = HEADER_BYTES;
    let special_bits = token_starts + 4 * (n(header.n_tokens) + 1);
    let byte_ids = special_bits + 4 * n(header.n_tokens).div_ceil(32);
    let merge_starts = byte_ids + 4 * 256;
    let merge_pairs = merge_starts + 4 * (n(header.n_tokens) + 1);
    let merge_ids = merge_pairs + 8 * n(header.n_merges);
    let characters = merge_ids + 4 * n(header.n_ranks);
    let word_slots = characters + 8 * n(header.n_characters);
    let added_ids = word_slots + 4 * n(header.n_word_slots);
    let added_starts = added_ids + 4 * n(header.n_added);
    let added_flags = added_starts + 4 * (n(header.n_added) + 1);
    let prefix_ids = added_flags + 4 * n(header.n_added);
    Offsets {
        token_starts,
        special_bits,
        byte_ids,
        merge_starts,
        merge_pairs,
        merge_ids,
        characters,
        word_slots,
        added_ids,
        added_starts,
        added_flags,
        prefix_ids,
        added_bytes: section.len() - n(header.n_added_bytes),
    }
}

#[test]
fn t01_a_section_shorter_than_its_header() {
    let error = refusal_of(&small_section()[..HEADER_BYTES - 1]);
    assert_eq!(error, TokenizerError::Truncated { need: HEADER_BYTES, have: HEADER_BYTES - 1 });
}

#[test]
fn t02_another_length_than_the_counts_demand() {
    let section = small_section();
    let have = section.len() - 1;
    assert_eq!(refusal_of(&section[..have]), TokenizerError::WrongLength { need: section.len(), have });
}

#[test]
fn t03_an_unknown_kind() {
    assert_eq!(refusal(0, 3), TokenizerError::UnknownModel { found: 3 });
}

#[test]
fn t04_an_unknown_pre_tokenizer() {
    assert_eq!(refusal(4, 0), TokenizerError::UnknownSplit { found: 0 });
    assert_eq!(refusal(4, 99), TokenizerError::UnknownSplit { found: 99 });
    // SentencePiece has none.
    assert_eq!(pieces_refusal(4, 1), TokenizerError::UnknownSplit { found: 1 });
}

#[test]
fn t05_a_count_out_of_range() {
    let (min, max) = (1, 1 << 20);
    assert_eq!(refusal(8, 0), TokenizerError::CountOutOfRange { name: "n_tokens", min, max, found: 0 });
    let names = [
        "n_token_bytes",
        "n_merges",
        "n_ranks",
        "n_word_slots",
        "max_word_bytes",
        "n_added",
        "n_added_bytes",
    ];
    for (index, expected) in (3..).zip(names.into_iter().chain(["n_prefix", "n_suffix"])) {
        match refusal(4 * index, u32::MAX) {
            TokenizerError::CountOutOfRange { name, .. } => assert_eq!(name, expected),
            other => panic!("{expected}: {other}"),
        }
    }
    let not_a_power =
        TokenizerError::CountOutOfRange { name: "n_word_slots", min: 0, max: 1 << 22, found: 3 };
    assert_eq!(refusal(24, 3), not_a_power);
    let too_many = TokenizerError::CountOutOfRange { name: "n_characters", min: 0, max: 10, found: 11 };
    assert_eq!(pieces_refusal(56, 11), too_many);
}

#[test]
fn t06_a_reserved_byte_that_is_used() {
    // What SentencePiece has there means nothing to bytes.
    for offset in [52, 56, 60] {
        assert_eq!(refusal(offset, 1), TokenizerError::ReservedNotZero { offset });
    }
    assert_eq!(pieces_refusal(48, 1), TokenizerError::ReservedNotZero { offset: 48 });
}

#[test]
fn t07_starts_that_do_not_ascend_to_the_end() {
    let Offsets { token_starts, merge_starts, added_starts, .. } = offsets();
    let tables =
        [(token_starts, "token_starts"), (merge_starts, "merge_starts"), (added_starts, "added_starts")];
    for (at, table) in tables {
        assert_eq!(refusal(at, 1), TokenizerError::BadStarts { table, index: 0 });
        assert_eq!(refusal(at + 4, 1000), TokenizerError::BadStarts { table, index: 1 });
    }
    assert_eq!(refusal(added_starts + 8, 5), TokenizerError::BadStarts { table: "added_starts", index: 2 });
}

#[test]
fn t08_an_id_outside_the_vocabulary() {
    let Offsets { byte_ids, merge_pairs, merge_ids, word_slots, added_ids, prefix_ids, .. } = offsets();
    let tables = [
        (byte_ids, "byte_ids"),
        (merge_pairs, "merge_pairs"),
        (merge_ids, "merge_ids"),
        (word_slots, "word_slots"),
        (added_ids, "added_ids"),
        (prefix_ids, "prefix_ids"),
    ];
    for (at, table) in tables {
        assert_eq!(refusal(at, 10), TokenizerError::IdOutOfRange { table, index: 0, found: 10 });
    }
    let at = offsets_in(&small_pieces_section()).characters;
    let of_pieces = [(at + 4, "characters"), (60, "unknown_id")];
    for (at, table) in of_pieces {
        assert_eq!(pieces_refusal(at, 10), TokenizerError::IdOutOfRange { table, index: 0, found: 10 });
    }
}

#[test]
fn t09_pairs_of_one_left_token_that_do_not_ascend() {
    // The left token "a" has the pairs (a, a) and (a, b).
    assert_eq!(refusal(offsets().merge_pairs + 8, 0), TokenizerError::MergeOrder { index: 1 });
}

#[test]
fn t10_a_rank_that_is_not_below_their_number() {
    let error = TokenizerError::RankOutOfRange { index: 0, found: 3 };
    assert_eq!(refusal(offsets().merge_pairs + 4, 3), error);
}

#[test]
fn t11_added_tokens_that_do_not_ascend() {
    let mut section = small_section();
    // `<s>` and `<sx`: the second becomes equal to the first.
    let last = section.len() - 1;
    section[last] = b'>';
    assert_eq!(refusal_of(&section), TokenizerError::AddedOrder { index: 1 });
}

#[test]
fn t12_an_added_token_that_is_empty_or_not_utf_8() {
    let Offsets { added_starts, added_bytes, .. } = offsets();
    assert_eq!(refusal(added_starts + 4, 0), TokenizerError::BadAddedToken { index: 0 });
    let mut section = small_section();
    section[added_bytes] = 0xff;
    assert_eq!(refusal_of(&section), TokenizerError::BadAddedToken { index: 0 });
}

#[test]
fn t13_an_undefined_flag() {
    let Offsets { special_bits, added_flags, .. } = offsets();
    let error = |table| TokenizerError::UnknownFlag { table, index: 0 };
    assert_eq!(refusal(special_bits, 1 << 10), error("special_bits"));
    assert_eq!(refusal(added_flags, 16), error("added_flags"));
    // A second pass behind a space put in front (settings bit 3) strips nothing; ` <sx` is of it and sorts first.
    let pieces = small_pieces_section();
    let at = offsets_in(&pieces).added_flags;
    for flags in [0b11, 0b101, 0b1001] {
        assert_eq!(pieces_refusal(at, flags), error("added_flags"));
        assert!(Tokenizer::parse(&changed(pieces.clone(), at, flags & !1)).is_ok());
    }
}

#[test]
fn t14_an_undefined_setting() {
    for found in [3, 3 << 4, 3 << 7, 1 << 9, 1 << 31] {
        assert_eq!(pieces_refusal(52, found), TokenizerError::UnknownSetting { found });
    }
}

#[test]
fn t15_characters_that_do_not_ascend_or_are_none() {
    let at = offsets_in(&small_pieces_section()).characters;
    // A space, a, b; then their ids.
    assert_eq!(pieces_refusal(at + 8, 32), TokenizerError::BadCharacter { index: 1 });
    for surrogate_or_beyond in [0xd800, 0x11_0000] {
        assert_eq!(pieces_refusal(at + 16, surrogate_or_beyond), TokenizerError::BadCharacter { index: 2 });
    }
}

#[test]
fn t16_an_unknown_normaliser() {
    assert_eq!(refusal(48, 2), TokenizerError::UnknownNormaliser { found: 2 });
}
