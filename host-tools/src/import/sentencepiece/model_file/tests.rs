//! Models of a few pieces: both conventions, the files beside them, and every refusal

use prost::Message;
use ternlet_runtime::{Specials, Tokenizer};

use super::{ModelProto, NormalizerProto, PieceProto, TrainerProto, read};
use crate::import::sentencepiece::{Convention, PieceType, Pieces, TokenizerOptions};

/// Special tokens, bytes, and a few pieces.
fn model() -> ModelProto {
    let control = [("<unk>", 2), ("<s>", 3), ("</s>", 3)].map(|(text, kind)| (text.to_owned(), 0.0, kind));
    let bytes = (0..=255u8).map(|byte| (format!("<0x{byte:02X}>"), 0.0, 6));
    let pieces =
        [("▁", -9.0, 1), ("a", -9.0, 1), ("aa", -1.0, 1), ("aaa", -2.0, 1), ("▁a", -3.0, 1), ("[x]", 0.0, 4)]
            .map(|(text, score, kind)| (text.to_owned(), score, kind));
    let piece = |(text, score, kind)| PieceProto { text: Some(text), score: Some(score), kind: Some(kind) };
    ModelProto {
        pieces: control.into_iter().chain(bytes).chain(pieces).map(piece).collect(),
        trainer: Some(TrainerProto { model_type: Some(2), ..TrainerProto::default() }),
        normalizer: Some(NormalizerProto {
            name: Some("identity".into()),
            add_dummy_prefix: Some(true),
            remove_extra_whitespaces: Some(false),
            ..NormalizerProto::default()
        }),
    }
}

const MARK: u32 = 259;
const A: u32 = 260;
const MARK_A: u32 = 263;
const X: u32 = 264;

/// What stands beside the model: a `tokenizer_config.json` and an `added_tokens.json`.
fn options(config: &str, added: &str) -> TokenizerOptions {
    TokenizerOptions::read(config.as_bytes(), added.as_bytes()).expect("valid files")
}

/// The ids of `text` with those around it, as a file with `config` beside it gives them.
fn ids(config: &str, added: &str, text: &str) -> Vec<u32> {
    let section = read(&model().encode_to_vec(), &options(config, added)).unwrap().section().unwrap();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let mut ids: Vec<u32> = tokenizer.prefix_ids().collect();
    let mut scratch = vec![0; Tokenizer::scratch_len(text.len())];
    let mut push = |id| {
        ids.push(id);
        Ok(())
    };
    tokenizer.encode(text, Specials::Recognise, &mut scratch, &mut push).unwrap();
    ids.extend(tokenizer.suffix_ids());
    ids
}

#[test]
fn the_convention_comes_from_the_tokenizer_class() {
    const LLAMA: &str = r#"{"tokenizer_class": "LlamaTokenizerFast"}"#;
    const LLAMA_LEGACY: &str = r#"{"tokenizer_class": "LlamaTokenizer", "legacy": true}"#;
    const WRAPPER: &str = r#"{"tokenizer_class": "BitnetTokenizer"}"#;
    const WRAPPER_NOT_LEGACY: &str = r#"{"tokenizer_class": "BitnetTokenizer", "legacy": false}"#;
    let cases: [(&str, &str, &[u32]); 15] = [
        ("", "a", &[1, MARK_A]),
        ("", " a", &[1, MARK, MARK_A]),
        ("", "a</s>a", &[1, MARK_A, 2, MARK_A]),
        ("", "\n", &[1, MARK, 3 + 10]),
        // Found in the text as SentencePiece sees it: no space in front of what follows.
        ("", "a[x]a", &[1, MARK_A, X, A]),
        (WRAPPER, "a</s>a", &[1, MARK_A, 2, MARK_A]),
        (WRAPPER_NOT_LEGACY, "a</s>a", &[1, MARK_A, 2, A]),
        (WRAPPER_NOT_LEGACY, " a", &[1, MARK, MARK_A]),
        (LLAMA, "a</s>a", &[1, MARK_A, 2, A]),
        (LLAMA, " a", &[1, MARK_A]),
        (LLAMA, "a[x]a", &[1, MARK_A, X, A]),
        (LLAMA_LEGACY, "a</s>a", &[1, MARK_A, 2, MARK_A]),
        (LLAMA_LEGACY, "a[x]a", &[1, MARK_A, X, MARK_A]),
        (r#"{"add_prefix_space": false, "add_bos_token": false, "add_eos_token": true}"#, "a", &[A, 2]),
        (r#"{"bos_token": {"content": "</s>"}}"#, "a", &[2, MARK_A]),
    ];
    for (config, text, expected) in cases {
        assert_eq!(ids(config, "", text), expected, "{config} {text:?}");
    }
}

#[test]
fn divisions_of_a_piece_share_a_rank_or_follow_each_other() {
    let pieces = |convention| Pieces {
        texts: ["a", "b", "ab", "ba", "aba", "ca", "c"].map(String::from).to_vec(),
        scores: vec![-9.0, -9.0, -1.0, -1.0, -2.0, -0.5, -9.0],
        types: vec![PieceType::Normal; 7],
        convention,
        prefix: ternlet_runtime::tokenizer::sentencepiece::Prefix::Never,
        unknown_id: None,
        extra: Vec::new(),
        prefix_ids: Vec::new(),
        suffix_ids: Vec::new(),
    };
    let ranks = |convention| {
        let vocabulary = pieces(convention).vocabulary().unwrap();
        let rank = |left, right| vocabulary.merges[&(left, right)];
        (rank(0, 3), rank(2, 0), vocabulary.merge_ids.len())
    };
    // "aba" is (a, ba) and (ab, a); best are ca, then ab and ba.
    assert_eq!(ranks(Convention::SentencePiece), (3, 3, 4));
    assert_eq!(ranks(Convention::Transformers5), (2, 3, 5));
}

#[test]
fn added_tokens_come_from_both_files() {
    let config = r#"{"pad_token": "<pad>", "added_tokens_decoder": {
        "1": {"content": "<s>", "lstrip": true, "normalized": true, "special": true},
        "265": {"content": "<more>", "normalized": true}}}"#;
    let added = r#"{"<pad>": 266, "<more>": 265}"#;
    assert_eq!(ids(config, added, "<pad>a<more>a \n<s>"), [1, 266, MARK_A, 265, MARK_A, 1]);
    let vocabulary = read(&model().encode_to_vec(), &options(config, added)).unwrap();
    assert_eq!(vocabulary.special_ids, [0, 1, 2, 266]);
}

#[test]
fn what_is_not_supported_is_refused_by_name() {
    type Change = fn(&mut ModelProto);
    fn trainer(model: &mut ModelProto) -> &mut TrainerProto {
        model.trainer.get_or_insert_default()
    }
    fn normalizer(model: &mut ModelProto) -> &mut NormalizerProto {
        model.normalizer.get_or_insert_default()
    }
    let cases: [(Change, &str); 12] = [
        (|m| trainer(m).model_type = Some(1), "expected a SentencePiece model of type BPE, found Unigram"),
        (|m| trainer(m).model_type = None, "found Unigram"),
        (|m| trainer(m).model_type = Some(9), "found type 9"),
        (|m| trainer(m).treat_whitespace_as_suffix = Some(true), "treat_whitespace_as_suffix"),
        (|m| normalizer(m).precompiled_charsmap = Some(vec![1]), "Unicode normalisation (identity)"),
        (|m| normalizer(m).remove_extra_whitespaces = None, "remove_extra_whitespaces"),
        (|m| normalizer(m).escape_whitespaces = Some(false), "spaces without marks"),
        (|m| m.pieces[5].kind = Some(7), "piece 5: expected a type from 1 to 6, found 7"),
        (
            |m| m.pieces[5].text = Some("x".into()),
            "piece 5: expected byte pieces to be written <0x00> to <0xFF>",
        ),
        (
            |m| m.pieces[260].text = Some("▁".into()),
            "expected each piece once, found \"▁\" as 259 and as 260",
        ),
        (|m| m.pieces[261].kind = Some(5), "unused pieces that others merge into"),
        (|m| m.pieces[262].score = Some(f32::NAN), "piece 262, \"aaa\": expected a score, found none (NaN)"),
    ];
    for (change, reason) in cases {
        let mut model = model();
        change(&mut model);
        let found = read(&model.encode_to_vec(), &TokenizerOptions::default()).unwrap_err();
        assert!(found.contains(reason), "{reason}: {found}");
    }
    let clash = options(r#"{"added_tokens_decoder": {"260": {"content": "b"}}}"#, "");
    let found = read(&model().encode_to_vec(), &clash).unwrap_err();
    assert!(found.contains("added token \"b\": its id 260 is that of \"a\""), "{found}");
    let far = options("", r#"{"b": 4000000000}"#);
    let found = read(&model().encode_to_vec(), &far).unwrap_err();
    assert!(found.contains("id 4000000000 is too large"), "{found}");
}

#[test]
fn a_file_cut_anywhere_is_refused_or_a_shorter_model_of_another_kind() {
    let file = model().encode_to_vec();
    for end in 0..file.len() {
        // Cut before the trainer's settings, it is a Unigram model.
        assert!(read(&file[..end], &TokenizerOptions::default()).is_err(), "{end}");
    }
}
