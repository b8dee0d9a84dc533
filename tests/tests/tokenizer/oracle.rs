//! Random texts and ids, encoded and decoded by the `tokenizers` crate and by the runtime

use proptest::prelude::*;
use ternlet_runtime::tokenizer::unicode::{Class, class};
use ternlet_runtime::{Specials, Tokenizer};
use tokenizers::tokenizer::pattern::Pattern;
use tokenizers::utils::SysRegex;

use super::support::{decode, encode, golden_file, golden_section};

/// Pieces that pre-tokenizers and added tokens trip over.
const AWKWARD: [&str; 34] = [
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
];

/// Texts of awkward pieces and of characters from all of Unicode.
fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => prop::sample::select(&AWKWARD[..]).prop_map(str::to_owned),
        3 => "[a-zA-Z ]{1,8}",
        1 => any::<char>().prop_map(String::from),
        1 => prop::char::range('\u{80}', '\u{2fff}').prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..24).prop_map(|pieces| pieces.concat())
}

fn oracle() -> tokenizers::Tokenizer {
    tokenizers::Tokenizer::from_file(golden_file("tokenizer.json")).expect("a file of that crate")
}

/// Runs `check` on as many cases as fit the test command; a fixed seed makes failures repeatable.
fn random<S: Strategy>(strategy: &S, check: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = ProptestConfig { cases: 3000, failure_persistence: None, ..ProptestConfig::default() };
    let rng = proptest::test_runner::TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    proptest::test_runner::TestRunner::new_with_rng(config, rng).run(strategy, check).expect("no difference");
}

#[test]
fn random_texts_encode_to_the_same_ids() {
    let section = golden_section();
    let ours = Tokenizer::parse(&section).unwrap();
    let mut theirs = oracle();
    for specials in [Specials::Recognise, Specials::AsText] {
        theirs.set_encode_special_tokens(specials == Specials::AsText);
        random(&text(), |text| {
            let expected = theirs.encode(text.as_str(), false).unwrap();
            prop_assert_eq!(encode(&ours, &text, specials), expected.get_ids());
            Ok(())
        });
    }
}

#[test]
fn random_ids_decode_to_the_same_text() {
    let section = golden_section();
    let ours = Tokenizer::parse(&section).unwrap();
    let theirs = oracle();
    random(&(prop::collection::vec(0u32..2100, 0..40), any::<bool>()), |(ids, skip_special)| {
        prop_assert_eq!(decode(&ours, &ids, skip_special), theirs.decode(&ids, skip_special).unwrap());
        Ok(())
    });
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
