//! Streams of random tokens against what the same tokens mean as a whole

use std::{string::String, vec::Vec};

use super::super::layout::{Header, Kind, NONE, Normaliser};
use super::super::sentencepiece::{Leading, Prefix, SentencePiece, WordStart};
use super::super::split::Split;
use super::super::vocabulary::Tokenizer;
use super::StreamDecoder;

/// Bytes that start, continue, complete and break characters of every length.
const BYTES: [u8; 16] =
    [0x41, 0x80, 0xbf, 0xc3, 0xa9, 0xe2, 0x82, 0xac, 0xed, 0xa0, 0xf0, 0x9f, 0x98, 0xf4, 0x90, 0xff];

/// A generator of small numbers.
struct Draw(u32);

impl Draw {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (self.0 >> 16) as usize % n
    }
}

/// A section of nothing but `tokens`; those of SentencePiece that are one byte stand for it.
fn section(kind: Kind, tokens: &[Vec<u8>]) -> Vec<u8> {
    let n = |n: usize| u32::try_from(n).unwrap();
    let header = Header {
        kind,
        n_tokens: n(tokens.len()),
        n_token_bytes: n(tokens.concat().len()),
        n_merges: 0,
        n_ranks: 0,
        n_word_slots: 0,
        max_word_bytes: 0,
        n_added: 0,
        n_added_bytes: 0,
        n_prefix: 0,
        n_suffix: 0,
        n_characters: 0,
    };
    let starts = (0..=tokens.len()).map(|end| n(tokens[..end].concat().len()));
    let special_bits = core::iter::repeat_n(0, tokens.len().div_ceil(32));
    let byte_ids = (0..=255).map(|byte| {
        let place = tokens.iter().position(|token| *token == [byte]);
        place.map_or(NONE, n)
    });
    let merge_starts_and_added_starts = core::iter::repeat_n(0, tokens.len() + 2);
    let words = starts.chain(special_bits).chain(byte_ids).chain(merge_starts_and_added_starts);
    let mut section = header.encode().to_vec();
    section.extend(words.flat_map(u32::to_le_bytes));
    section.extend(tokens.concat());
    section
}

fn pieces(leading: Leading) -> Kind {
    Kind::SentencePiece(SentencePiece {
        prefix: Prefix::Never,
        prefix_spares_spaces: false,
        second_pass_sees_prefix: false,
        word_start: WordStart::Nowhere,
        fuses_unknown: false,
        leading,
        unknown_id: None,
    })
}

fn stream(tokenizer: &Tokenizer<'_>, ids: &[u32]) -> String {
    let mut text = String::new();
    let mut decoder = StreamDecoder::new(tokenizer);
    ids.iter().for_each(|id| decoder.push(*id, &mut |piece| text.push_str(piece)));
    decoder.finish(&mut |piece| text.push_str(piece));
    text
}

fn decode(tokenizer: &Tokenizer<'_>, ids: &[u32]) -> String {
    let mut text = String::new();
    tokenizer.decode(ids, false, &mut |piece| text.push_str(piece));
    text
}

#[test]
fn any_division_of_any_bytes_gives_the_lossy_text() {
    let mut draw = Draw(1);
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..draw.below(24)).map(|_| BYTES[draw.below(16)]).collect();
        let mut tokens = Vec::new();
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let (token, after) = rest.split_at(draw.below(rest.len() + 1));
            tokens.push(token.to_vec());
            rest = after;
        }
        tokens.push(Vec::new());
        let ids: Vec<u32> = (0..).take(tokens.len()).collect();
        let section = section(Kind::ByteLevel(Normaliser::None, Split::Llama3), &tokens);
        let tokenizer = Tokenizer::parse(&section).unwrap();
        assert_eq!(stream(&tokenizer, &ids), String::from_utf8_lossy(&bytes));
        assert_eq!(decode(&tokenizer, &ids), String::from_utf8_lossy(&bytes));
    }
}

#[test]
fn runs_of_byte_tokens_are_text_or_one_replacement_for_each_byte() {
    let mut tokens: Vec<Vec<u8>> = BYTES.iter().map(|byte| [*byte].to_vec()).collect();
    tokens.extend(["é", " the", "€"].map(|text| text.as_bytes().to_vec()));
    let section = section(pieces(Leading::Keep), &tokens);
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let mut draw = Draw(2);
    for _ in 0..5000 {
        let ids: Vec<u32> = (0..draw.below(12)).map(|_| u32::try_from(draw.below(20)).unwrap()).collect();
        let (mut whole, mut parts) = (String::new(), String::new());
        let is_byte = |id: &u32| *id < 16;
        for run in ids.chunk_by(|a, b| is_byte(a) == is_byte(b)) {
            let bytes = run.iter().filter_map(|id| tokens.get(*id as usize)).flatten().copied();
            let bytes: Vec<u8> = bytes.collect();
            for chunk in bytes.utf8_chunks() {
                parts.push_str(chunk.valid());
                parts.extend(chunk.invalid().iter().map(|_| '\u{fffd}'));
            }
            match String::from_utf8(bytes) {
                Ok(text) => whole.push_str(&text),
                Err(_) => whole.extend(run.iter().map(|_| '\u{fffd}')),
            }
        }
        // Id 19 is outside the vocabulary and ends no run.
        if !ids.contains(&19) {
            assert_eq!(decode(&tokenizer, &ids), whole, "{ids:?}");
            assert_eq!(stream(&tokenizer, &ids), parts, "{ids:?}");
        }
    }
    assert_eq!(decode(&tokenizer, &[3, 19, 4]), "é");
    assert_eq!(stream(&tokenizer, &[3, 19, 4]), "é");
}

#[test]
fn spaces_at_the_start_go_as_the_vocabulary_says() {
    let tokens = ["  a b", " ", "\u{e9}", "c"].map(|text| text.as_bytes().to_vec());
    let cases: [(Leading, &[u32], &str); 8] = [
        (Leading::Keep, &[0, 0], "  a b  a b"),
        (Leading::OneSpace, &[0, 0], " a b  a b"),
        (Leading::OneSpace, &[1, 0], "  a b"),
        (Leading::OneSpace, &[2, 1], "\u{e9} "),
        (Leading::OneSpace, &[], ""),
        (Leading::SpacesOfFirstToken, &[0, 0], "ab  a b"),
        (Leading::SpacesOfFirstToken, &[3, 0], "c  a b"),
        (Leading::SpacesOfFirstToken, &[9, 0], "ab"),
    ];
    for (leading, ids, expected) in cases {
        let section = section(pieces(leading), &tokens);
        let tokenizer = Tokenizer::parse(&section).unwrap();
        assert_eq!(stream(&tokenizer, ids), expected, "{leading:?} {ids:?}");
        assert_eq!(decode(&tokenizer, ids), expected, "{leading:?} {ids:?}");
    }
}
