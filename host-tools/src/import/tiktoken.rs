//! Rank files: Llama 3's `tokenizer.model`, lines of a token in base64 and its rank
//!
//! A rank file lists tokens and nothing else. Any two neighbours whose joint bytes are a token merge, the least rank
//! first, then leftmost; a word that is a token needs no merging. Pre-tokenizer and special tokens are not in the file:
//! those of Llama 3 are taken, as its own loader does (also that of BitNet b1.58 2B-4T), and only its 128,000 ranks are
//! accepted.

use std::collections::{BTreeMap, HashMap};

use ternlet_runtime::tokenizer::layout::{Kind, Normaliser};
use ternlet_runtime::tokenizer::split::Split;

use super::tokenizer_section::{AddedToken, Vocabulary};

/// Ranks in Llama 3's file.
const LLAMA3_RANKS: usize = 128_000;
/// Longest token in bytes, eight times Llama 3's: every division of a token is looked up, in quadratic time.
const MAX_TOKEN_BYTES: usize = 1024;
/// Special tokens after the ranks.
const N_SPECIALS: u32 = 256;

/// Reads a rank file of Llama 3.
///
/// # Errors
/// What was expected and found, for people.
pub fn read(file: &str) -> Result<Vocabulary, String> {
    let tokens = ranks(file)?;
    if tokens.len() != LLAMA3_RANKS {
        return Err(format!(
            "expected the {LLAMA3_RANKS} ranks of Llama 3, found {}; a rank file does not say its pre-tokenizer and \
             special tokens, the model's tokenizer.json does",
            tokens.len()
        ));
    }
    vocabulary(tokens)
}

/// The vocabulary of `tokens` in rank order, followed by Llama 3's special tokens.
fn vocabulary(mut tokens: Vec<Vec<u8>>) -> Result<Vocabulary, String> {
    let too_many = |_| "expected fewer than 2³² ranks".to_owned();
    let n_ranks = u32::try_from(tokens.len()).map_err(too_many)?;
    let ids: HashMap<&[u8], u32> = tokens.iter().map(Vec::as_slice).zip(0..).collect();
    if ids.len() != tokens.len() {
        return Err("expected each token once, found one twice".into());
    }
    let mut merges = BTreeMap::new();
    let mut byte_ids = [None; 256];
    for (token, id) in tokens.iter().zip(0..) {
        if let [byte] = token[..] {
            byte_ids[usize::from(byte)] = Some(id);
        }
        for (left, right) in (1..token.len()).map(|at| token.split_at(at)) {
            if let (Some(left), Some(right)) = (ids.get(left), ids.get(right)) {
                merges.insert((*left, *right), id);
            }
        }
    }
    let added: Vec<AddedToken> = (0..N_SPECIALS)
        .map(|index| AddedToken { id: n_ranks + index, content: special(index), flags: 0 })
        .collect();
    tokens.extend(added.iter().map(|token| token.content.clone().into_bytes()));
    Ok(Vocabulary {
        kind: Kind::ByteLevel(Normaliser::None, Split::Llama3),
        characters: BTreeMap::new(),
        byte_ids,
        // A rank is the id of the token that its pairs become.
        merge_ids: (0..n_ranks).collect(),
        merges,
        word_ids: (0..n_ranks).collect(),
        ignore_merges: true,
        special_ids: added.iter().map(|token| token.id).collect(),
        prefix_ids: vec![added[0].id],
        suffix_ids: Vec::new(),
        added,
        tokens,
    })
}

/// The special token with this number. Source: `special_tokens` in the tokenizer of Llama 3's reference code.
fn special(index: u32) -> String {
    match index {
        0 => "<|begin_of_text|>".into(),
        1 => "<|end_of_text|>".into(),
        6 => "<|start_header_id|>".into(),
        7 => "<|end_header_id|>".into(),
        9 => "<|eot_id|>".into(),
        2..=5 => format!("<|reserved_special_token_{}|>", index - 2),
        8 => "<|reserved_special_token_4|>".into(),
        _ => format!("<|reserved_special_token_{}|>", index - 5),
    }
}

/// The tokens in rank order.
fn ranks(file: &str) -> Result<Vec<Vec<u8>>, String> {
    let mut tokens = Vec::new();
    for (line, number) in file.lines().zip(1..).filter(|(line, _)| !line.is_empty()) {
        let bad = || format!("line {number}: expected a token in base64 and the rank {}", tokens.len());
        let (token, rank) = line.split_once(' ').ok_or_else(bad)?;
        let token = base64(token).filter(|token| !token.is_empty()).ok_or_else(bad)?;
        if token.len() > MAX_TOKEN_BYTES {
            let found = token.len();
            return Err(format!(
                "line {number}: expected a token of at most {MAX_TOKEN_BYTES} bytes, found {found}"
            ));
        }
        if rank.trim_end().parse() != Ok(tokens.len()) {
            return Err(bad());
        }
        tokens.push(token);
    }
    Ok(tokens)
}

/// Decodes standard base64 (RFC 4648, section 4) with its padding.
fn base64(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_end_matches('=').as_bytes();
    if !text.len().is_multiple_of(4) || text.len() - digits.len() > 2 {
        return None;
    }
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for group in digits.chunks(4) {
        let mut bits = 0u32;
        for digit in group {
            bits = bits << 6 | u32::from(sextet(*digit)?);
        }
        // k digits hold k - 1 whole bytes, at the top of their 6k bits.
        let [_, high, middle, low] = (bits << (6 * (4 - group.len()))).to_be_bytes();
        bytes.extend(&[high, middle, low][..group.len() - 1]);
    }
    Some(bytes)
}

const fn sextet(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::{base64, ranks, read, special, vocabulary};
    use ternlet_runtime::{Specials, Tokenizer};

    #[test]
    fn base64_is_decoded_and_anything_else_is_not() {
        let cases: [(&str, Option<&[u8]>); 8] = [
            ("IQ==", Some(b"!")),
            ("aGk=", Some(b"hi")),
            ("w6l0", Some("ét".as_bytes())),
            ("//79+w==", Some(&[0xff, 0xfe, 0xfd, 0xfb])),
            ("", Some(b"")),
            ("IQ=", None),
            ("I===", None),
            ("I-==", None),
        ];
        for (text, expected) in cases {
            assert_eq!(base64(text).as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn pairs_merge_by_rank_then_leftmost() {
        let tokens = ["a", "b", "aa", "ab", "aab"].map(|token| token.as_bytes().to_vec());
        let section = vocabulary(tokens.to_vec()).unwrap().section().unwrap();
        let tokenizer = Tokenizer::parse(&section).unwrap();
        let encode = |text| {
            let mut ids = Vec::new();
            let mut push = |id| {
                ids.push(id);
                Ok(())
            };
            tokenizer.encode(text, Specials::Recognise, &mut [0; 70], &mut push).unwrap();
            ids
        };
        assert_eq!(encode("aab"), [4]);
        assert_eq!(encode("aaaab"), [2, 4]);
        assert_eq!(encode("abab<|eot_id|>c"), [3, 3, 14]);
        assert_eq!(tokenizer.prefix_ids().collect::<Vec<_>>(), [5]);
    }

    #[test]
    fn special_tokens_have_llama_3_numbers() {
        assert_eq!(special(5), "<|reserved_special_token_3|>");
        assert_eq!(special(10), "<|reserved_special_token_5|>");
        assert_eq!(special(255), "<|reserved_special_token_250|>");
    }

    #[test]
    fn other_rank_files_are_refused_with_the_line() {
        assert!(read("IQ== 0\n").unwrap_err().contains("128000 ranks of Llama 3, found 1"));
        assert!(ranks("IQ== 0\nIg== 2\n").unwrap_err().starts_with("line 2:"));
        assert!(ranks("IQ== 0\n?\n").unwrap_err().starts_with("line 2:"));
        let long = format!("{} 0\n", "YWFh".repeat(400));
        assert!(ranks(&long).unwrap_err().ends_with("at most 1024 bytes, found 1200"));
    }
}
