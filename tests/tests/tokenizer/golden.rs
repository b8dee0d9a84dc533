//! Every golden string and id sequence, ids and text equal

use serde::Deserialize;
use ternlet_runtime::{Specials, Tokenizer};

use super::support::{decode, encode, golden_file, golden_section};

#[derive(Deserialize)]
struct Golden {
    cases: Vec<Case>,
    decode_cases: Vec<DecodeCase>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    ids_with_special: Vec<u32>,
    decoded: String,
    decoded_skip_special: String,
}

#[derive(Deserialize)]
struct DecodeCase {
    ids: Vec<u32>,
    text: String,
    text_skip_special: String,
}

fn golden() -> Golden {
    let json = std::fs::read(golden_file("cases.json")).expect("a file of the repository");
    serde_json::from_slice(&json).expect("the golden format")
}

#[test]
fn all_strings_encode_to_the_golden_ids() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let golden = golden();
    assert_eq!(golden.cases.len(), 400);
    for case in &golden.cases {
        let ids = encode(&tokenizer, &case.text, Specials::Recognise);
        assert_eq!(ids, case.ids, "{:?}", case.text);
        let with_special: Vec<u32> =
            tokenizer.prefix_ids().chain(ids).chain(tokenizer.suffix_ids()).collect();
        assert_eq!(with_special, case.ids_with_special, "{:?}", case.text);
    }
}

#[test]
fn all_ids_decode_to_the_golden_text() {
    let section = golden_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let golden = golden();
    for case in &golden.cases {
        assert_eq!(decode(&tokenizer, &case.ids, false), case.decoded);
        assert_eq!(decode(&tokenizer, &case.ids, true), case.decoded_skip_special);
    }
    assert!(!golden.decode_cases.is_empty());
    for case in &golden.decode_cases {
        assert_eq!(decode(&tokenizer, &case.ids, false), case.text, "{:?}", case.ids);
        assert_eq!(decode(&tokenizer, &case.ids, true), case.text_skip_special, "{:?}", case.ids);
    }
}
