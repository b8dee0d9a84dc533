//! Random texts and ids, encoded and decoded by the `tokenizers` crate and by the runtime

use proptest::prelude::*;
use ternlet::import::byte_alphabet;
use ternlet_runtime::tokenizer::nfc;
use ternlet_runtime::tokenizer::unicode::{Class, class, is_punctuation};
use ternlet_runtime::{Specials, Tokenizer};
use tokenizers::tokenizer::pattern::Pattern;
use tokenizers::utils::SysRegex;
use tokenizers::{
    NormalizedString, Normalizer as _, OffsetReferential, OffsetType, PreTokenizedString, PreTokenizer as _,
};

use super::kinds::kinds;
use super::support::{self, decode, encode};

/// Pieces that pre-tokenizers, normalisers and added tokens trip over.
const AWKWARD: [&str; 74] = [
    "'s",
    "'S",
    "'ſ",
    "'re",
    "'VE",
    "'ll",
    "'",
    "\n",
    "\r\n",
    "\r",
    " ",
    "  ",
    "\t",
    "\u{a0}",
    "\u{85}",
    "\u{2028}",
    "\u{3000}",
    "\u{200b}",
    "\u{feff}",
    "\u{180e}",
    "e\u{301}",
    "½",
    "Ⅷ",
    "٣٤٥",
    "1234",
    "the",
    "Hello",
    "!?",
    "你好",
    "👋🏽",
    "<|eot_id|>",
    "<|begin_of_text|>",
    "<|reserved_special_token_1",
    "<|",
    "<ls>",
    "<rs>",
    "<both>",
    "<word>",
    "wor",
    "  <ws>",
    "<ws>",
    "_",
    "²",
    "12²345",
    "ò",
    "ò",
    "\u{be}",
    "$+",
    "…",
    "–",
    "\u{301}",
    "\u{323}",
    "\u{307}",
    "\u{316}",
    "\u{345}",
    "\u{344}",
    "\u{f73}",
    "\u{5b0}",
    "\u{94d}",
    "\u{93c}",
    "\u{958}",
    "\u{9c7}",
    "\u{9be}",
    "\u{1100}",
    "\u{1161}",
    "\u{11a7}",
    "\u{11a8}",
    "가",
    "각",
    "\u{212b}",
    "\u{1d160}",
    "\u{f900}",
    "s\u{323}\u{307}",
    "\u{fb2c}",
];

/// Texts of awkward pieces and of characters from all of Unicode.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        8 => prop::sample::select(&AWKWARD[..]).prop_map(str::to_owned),
        4 => "[a-zA-Z ]{1,8}",
        2 => any::<char>().prop_map(String::from),
        2 => prop::char::range('\u{80}', '\u{2fff}').prop_map(String::from),
        1 => prop::char::range('\u{300}', '\u{36f}').prop_map(String::from),
        1 => prop::char::range('\u{1100}', '\u{11ff}').prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn random<S: Strategy>(strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    support::random(2000, strategy, check);
}

#[test]
fn random_texts_encode_to_the_same_ids() {
    for kind in kinds() {
        let section = kind.section();
        let ours = Tokenizer::parse(&section).unwrap();
        let mut theirs = kind.oracle();
        for specials in [Specials::Recognise, Specials::AsText] {
            theirs.set_encode_special_tokens(specials == Specials::AsText);
            random(&text(), |text| {
                let expected = theirs.encode(text.as_str(), false).unwrap();
                prop_assert_eq!(encode(&ours, &text, specials), expected.get_ids(), "{}", kind.name);
                Ok(())
            });
        }
    }
}

#[test]
fn random_texts_are_cut_into_the_same_words() {
    for kind in kinds() {
        let split = kind.split();
        let theirs = kind.oracle();
        let theirs = theirs.get_pre_tokenizer().expect("all kinds have one");
        random(&text(), |text| {
            let mut expected = PreTokenizedString::from(text.as_str());
            theirs.pre_tokenize(&mut expected).unwrap();
            let expected: Vec<Vec<u8>> = expected
                .get_splits(OffsetReferential::Normalized, OffsetType::None)
                .iter()
                .map(|(word, ..)| byte_alphabet::bytes(word).unwrap())
                .collect();
            prop_assert!(split.words(&text).eq(&expected), "{}: {:?}: {:?}", kind.name, text, expected);
            Ok(())
        });
    }
}

#[test]
fn random_ids_decode_to_the_same_text() {
    for kind in kinds() {
        let section = kind.section();
        let ours = Tokenizer::parse(&section).unwrap();
        let theirs = kind.oracle();
        random(&(prop::collection::vec(0u32..2100, 0..40), any::<bool>()), |(ids, skip_special)| {
            prop_assert_eq!(decode(&ours, &ids, skip_special), theirs.decode(&ids, skip_special).unwrap());
            Ok(())
        });
    }
}

/// The normal form of `text`, by the runtime.
fn normalise(text: &str) -> String {
    let mut out = vec![0; text.len() * nfc::MAX_EXPANSION];
    let n = nfc::normalise(text, &mut out).expect("room for the longest normal form");
    if nfc::is_normal(text) {
        assert_eq!(text.as_bytes(), &out[..n]);
    }
    String::from_utf8(out[..n].to_vec()).expect("text")
}

/// The normal form of `text`, by the `tokenizers` crate.
fn expected_normal_form(text: &str) -> String {
    let mut text = NormalizedString::from(text);
    tokenizers::normalizers::NFC.normalize(&mut text).expect("always succeeds");
    text.get().to_owned()
}

#[test]
fn random_texts_have_the_same_normal_form() {
    random(&text(), |text| {
        prop_assert_eq!(normalise(&text), expected_normal_form(&text));
        Ok(())
    });
}

#[test]
fn every_character_and_every_pair_that_may_compose_have_the_same_normal_form() {
    // What may compose with a character before, or changes itself; ideographs only change.
    let seconds: Vec<char> = ('\0'..'\u{20000}')
        .filter(|c| !nfc::is_normal(&c.to_string()) && !('\u{f900}'..='\u{faff}').contains(c))
        .collect();
    assert!(seconds.len() > 150);
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for some in all.chunks(500) {
        let text: String = some.iter().map(|c| format!("{c}x\u{323}{c}\u{301}y")).collect();
        assert_eq!(normalise(&text), expected_normal_form(&text), "{:?}", some[0]);
    }
    // Nothing outside these ranges and the syllables composes with a character after.
    for c in ('\0'..'\u{3400}').chain('\u{11000}'..'\u{12000}').chain(['가', '각', '힣', '\u{d788}']) {
        let text: String = seconds.iter().flat_map(|second| [c, *second]).collect();
        assert_eq!(normalise(&text), expected_normal_form(&text), "{c:?}");
    }
}

#[test]
fn every_character_has_the_class_that_the_regex_engine_gives_it() {
    let engines = [(Class::Letter, r"\p{L}"), (Class::Number, r"\p{N}"), (Class::Space, r"\s")]
        .map(|(class, pattern)| (class, SysRegex::new(pattern).unwrap()));
    for c in '\0'..=char::MAX {
        let text = String::from(c);
        let is_match = |engine: &SysRegex| engine.find_matches(&text).unwrap().iter().any(|found| found.1);
        let theirs =
            engines.iter().find(|(_, engine)| is_match(engine)).map_or(Class::Other, |(class, _)| *class);
        assert_eq!(class(c), theirs, "{c:?}");
    }
}

#[test]
fn every_character_is_punctuation_as_the_crate_has_it() {
    let punctuation = tokenizers::pre_tokenizers::punctuation::Punctuation::default();
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for some in all.chunks(500) {
        // Each is cut off the letters around it, or is not.
        let text: String = some.iter().flat_map(|c| ['a', *c]).collect();
        let mut cut = PreTokenizedString::from(text.as_str());
        punctuation.pre_tokenize(&mut cut).unwrap();
        let alone: Vec<String> = cut
            .get_splits(OffsetReferential::Original, OffsetType::None)
            .iter()
            .filter(|(word, ..)| !word.starts_with('a'))
            .map(|(word, ..)| (*word).to_owned())
            .collect();
        let expected: Vec<String> =
            some.iter().filter(|c| is_punctuation(**c)).map(char::to_string).collect();
        assert_eq!(alone, expected);
    }
}

#[test]
fn a_token_that_stands_alone_knows_the_word_characters_of_the_crate() {
    let kind = kinds().remove(0);
    let section = kind.section();
    let ours = Tokenizer::parse(&section).unwrap();
    let theirs = kind.oracle();
    // All others are unassigned or for private use.
    let all: Vec<char> = ('\0'..'\u{32000}').chain('\u{e0000}'..'\u{e0200}').collect();
    for some in all.chunks(20) {
        let text: String = some.iter().map(|c| format!("{c}<word> <word>{c} ")).collect();
        let expected = theirs.encode(text.as_str(), false).unwrap();
        assert_eq!(encode(&ours, &text, Specials::Recognise), expected.get_ids(), "{:?}", some[0]);
    }
}
