//! Conversations over a tokenizer of single bytes: what starts them, what is dropped, what is empty

use std::vec;
use std::{string::String, vec::Vec};

use super::{Conversation, EncodeBuffers, PromptError};
use crate::chat_template::{BY_PLACE, ChatTemplate, SYSTEM_OPENS_TURN, TEXT_ITEM, TRIMS_CONTENT};
use crate::tokenizer::Tokenizer;
use crate::tokenizer::layout::{Header, Kind, Normaliser};
use crate::tokenizer::sentencepiece::{Leading, Prefix, SentencePiece, WordStart};
use crate::tokenizer::split::Split;

const BOS: u32 = 256;
const EOT: u32 = 257;

fn bytes_of(words: impl IntoIterator<Item = u32>) -> Vec<u8> {
    words.into_iter().flat_map(u32::to_le_bytes).collect()
}

/// One token for each byte, and two special ones without bytes; the first of those stands before every text.
fn tokenizer_section() -> Vec<u8> {
    section_of_kind(Kind::ByteLevel(Normaliser::None, Split::Llama3))
}

/// The same ids for SentencePiece, where all of ASCII are characters and a space is put in front.
fn pieces_section(prefix: Prefix) -> Vec<u8> {
    section_of_kind(Kind::SentencePiece(SentencePiece {
        prefix,
        prefix_spares_spaces: false,
        second_pass_sees_prefix: false,
        word_start: WordStart::Nowhere,
        fuses_unknown: false,
        leading: Leading::OneSpace,
        unknown_id: None,
    }))
}

fn section_of_kind(kind: Kind) -> Vec<u8> {
    let n_characters = match kind {
        Kind::ByteLevel(..) => 0,
        Kind::SentencePiece(_) => 128,
    };
    let header = Header {
        kind,
        n_tokens: 258,
        n_token_bytes: 256,
        n_merges: 0,
        n_ranks: 0,
        n_word_slots: 0,
        max_word_bytes: 0,
        n_added: 0,
        n_added_bytes: 0,
        n_prefix: 1,
        n_suffix: 0,
        n_characters,
    };
    let token_starts = (0..=256).chain([256, 256]);
    let special_bits = [0; 8].into_iter().chain([3]);
    let characters = (0..n_characters).flat_map(|code_point| [code_point, code_point]);
    let arrays =
        token_starts.chain(special_bits).chain(0..256).chain([0; 259]).chain(characters).chain([0, BOS]);
    [&header.encode()[..], &bytes_of(arrays), &(0..=255).collect::<Vec<u8>>()].concat()
}

/// `start`, then "S:" or "U:", the trimmed content, and `EOT`.
fn template_section(start: Option<u32>) -> Vec<u8> {
    let n = u32::from(start.is_some());
    let list_ends = [n, n, n + 1, n + 2, n + 2, n + 3, n + 4, n + 4];
    let header = [TRIMS_CONTENT, 4].into_iter().chain(list_ends).chain([0, 0]);
    let items =
        start.map(|id| [id, 0]).into_iter().chain([[TEXT_ITEM, 2], [TEXT_ITEM, 4], [EOT, 4], [EOT, 4]]);
    [bytes_of(header.chain(items.flatten())), b"S:U:".to_vec()].concat()
}

#[test]
fn a_conversation_starts_with_the_tokenizers_prefix_exactly_once() {
    let section = tokenizer_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    for start in [None, Some(BOS)] {
        let section = template_section(start);
        let template = ChatTemplate::parse(&section).unwrap();
        let (mut history, mut text, mut bpe) = ([0; 64], [0; 64], [0; 64]);
        let mut buffers = EncodeBuffers { text: &mut text, bpe: &mut bpe };
        let mut conversation = Conversation::new(&mut history);
        conversation.push_user(&tokenizer, &template, " be ", "\nhi ", 0, &mut buffers).unwrap();
        let text = |text: &'static str| text.bytes().map(u32::from);
        let expected = [BOS].into_iter().chain(text("S:be")).chain([EOT]).chain(text("U:hi")).chain([EOT]);
        assert!(conversation.ids().iter().copied().eq(expected), "{:?}", conversation.ids());
    }
}

#[test]
fn a_space_is_put_before_text_where_a_whole_conversation_would_have_it() {
    // A special token behind both sides, behind the user alone, behind neither.
    let both = section_of([0, 0, 0, 1, 1, 1, 2, 3], &[[TEXT_ITEM, 2], [EOT, 2], [EOT, 2]], "U:");
    let user = section_of([0, 0, 0, 1, 1, 1, 2, 2], &[[TEXT_ITEM, 2], [EOT, 2]], "U:");
    let neither = section_of([0, 0, 0, 1, 1, 1, 2, 2], &[[TEXT_ITEM, 2], [TEXT_ITEM, 3]], "U:;");
    let cases: [(Prefix, &[u8], &str); 6] = [
        (Prefix::Never, &both, "^U:hi$ok$U:hi$"),
        (Prefix::TextStart, &both, "^ U:hi$ok$U:hi$"),
        (Prefix::EveryStretch, &both, "^ U:hi$ok$ U:hi$"),
        (Prefix::EveryStretch, &user, "^ U:hi$okU:hi$"),
        (Prefix::TextStart, &neither, "^ U:hi;okU:hi;"),
        (Prefix::EveryStretch, &neither, "^ U:hi;okU:hi;"),
    ];
    for (prefix, template, expected) in cases {
        let section = pieces_section(prefix);
        let tokenizer = Tokenizer::parse(&section).unwrap();
        let template = ChatTemplate::parse(template).unwrap();
        let (mut history, mut text, mut bpe) = ([0; 64], [0; 64], [0; 128]);
        let mut buffers = EncodeBuffers { text: &mut text, bpe: &mut bpe };
        let mut conversation = Conversation::new(&mut history);
        conversation.push_user(&tokenizer, &template, "", "hi", 0, &mut buffers).unwrap();
        b"ok".iter().for_each(|byte| assert!(conversation.push_answer(u32::from(*byte))));
        conversation.close_turn();
        conversation.push_user(&tokenizer, &template, "", "hi", 0, &mut buffers).unwrap();
        let written = conversation.ids().iter().map(|id| match *id {
            BOS => '^',
            EOT => '$',
            id => char::from_u32(id).unwrap(),
        });
        assert_eq!(written.collect::<String>(), expected, "{prefix:?}");
    }
}

/// What a section of these lists and items writes, as `template_section` does for its own.
fn section_of(list_ends: [u32; 8], items: &[[u32; 2]], text: &str) -> Vec<u8> {
    let n_text = u32::try_from(text.len()).unwrap();
    let header = [TRIMS_CONTENT, n_text].into_iter().chain(list_ends).chain([0, 0]);
    [bytes_of(header.chain(items.iter().copied().flatten())), text.as_bytes().to_vec()].concat()
}

#[test]
fn the_system_message_stays_whether_special_tokens_set_it_apart_or_not() {
    let section = tokenizer_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let apart = template_section(None);
    // "S:" system "U:" content EOT: the system message runs into the first turn.
    let joined = section_of([0, 0, 1, 2, 2, 2, 3, 3], &[[TEXT_ITEM, 2], [TEXT_ITEM, 4], [EOT, 4]], "S:U:");
    for (section, n_dropped_at_once) in [(apart, 1), (joined, 3)] {
        let template = ChatTemplate::parse(&section).unwrap();
        let (mut history, mut text, mut bpe) = ([0; 40], [0; 64], [0; 64]);
        let mut buffers = EncodeBuffers { text: &mut text, bpe: &mut bpe };
        let mut conversation = Conversation::new(&mut history);
        let mut n_dropped = Vec::new();
        for _ in 0..20 {
            let taken =
                conversation.push_user(&tokenizer, &template, "be", "12345", 4, &mut buffers).unwrap();
            n_dropped.push(taken.n_dropped);
            assert!(taken.n_kept <= conversation.ids().len());
            let system = [BOS].into_iter().chain("S:be".bytes().map(u32::from));
            assert!(conversation.ids().iter().copied().take(5).eq(system), "{:?}", conversation.ids());
            assert!(conversation.ids().len() + 4 <= 40);
            assert!(conversation.push_answer(u32::from(b'y')));
            conversation.close_turn();
        }
        assert_eq!(n_dropped.iter().max(), Some(&n_dropped_at_once), "{n_dropped:?}");
    }
}

#[test]
fn a_system_message_that_opens_the_first_turn_takes_its_place_and_goes_with_it() {
    let section = tokenizer_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    // BOS "[" system ">" user "]" answer EOT, and BOS "[" user "]" from the second turn on.
    let items =
        [[BOS, 0], [TEXT_ITEM, 1], [TEXT_ITEM, 2], [BOS, 2], [TEXT_ITEM, 3], [EOT, 3], [TEXT_ITEM, 4]];
    let header = [BY_PLACE | SYSTEM_OPENS_TURN, 4, 0, 2, 3, 5, 5, 6, 6, 7, 7, 7];
    let section =
        [bytes_of(header.into_iter().chain(items.into_iter().flatten())), b"[>[]".to_vec()].concat();
    let template = ChatTemplate::parse(&section).unwrap();
    let (mut history, mut text, mut bpe) = ([0; 20], [0; 64], [0; 64]);
    let mut buffers = EncodeBuffers { text: &mut text, bpe: &mut bpe };
    let mut conversation = Conversation::new(&mut history);
    let text = |text: &'static str| text.bytes().map(u32::from).collect::<Vec<u32>>();
    let first = [vec![BOS], text("[be>hi]")].concat();
    let second = [first.clone(), text("y"), vec![EOT, BOS], text("[ho]")].concat();
    for (content, expected, n_dropped) in [("hi", &first, 0), ("ho", &second, 0), ("hi", &first, 2)] {
        let taken = conversation.push_user(&tokenizer, &template, "be", content, 0, &mut buffers).unwrap();
        assert_eq!((conversation.ids(), taken.n_dropped), (&expected[..], n_dropped));
        assert!(conversation.push_answer(u32::from(b'y')));
        conversation.close_turn();
    }
}

#[test]
fn plain_text_stands_behind_the_tokenizers_prefix_or_else_the_start_token_of_the_config() {
    let with_prefix = tokenizer_section();
    // n_prefix is 0, and its one id is gone from between the other arrays and the 256 token bytes.
    let mut without = with_prefix.clone();
    let end = without.len() - 256;
    without.drain(end - 4..end);
    without[40..44].copy_from_slice(&[0; 4]);
    let cases: [(&[u8], Option<u32>, &[u32]); 4] = [
        (&with_prefix, None, &[BOS]),
        (&with_prefix, Some(EOT), &[BOS]),
        (&without, Some(EOT), &[EOT]),
        (&without, None, &[]),
    ];
    for (section, bos, expected) in cases {
        let tokenizer = Tokenizer::parse(section).unwrap();
        let (mut history, mut text, mut bpe) = ([0; 8], [0; 8], [0; 64]);
        let mut buffers = EncodeBuffers { text: &mut text, bpe: &mut bpe };
        let mut conversation = Conversation::new(&mut history);
        conversation.push_plain(&tokenizer, bos, "a", &mut buffers).unwrap();
        assert_eq!(conversation.ids(), [expected, &[97][..]].concat(), "{bos:?}");
    }
}

#[test]
fn a_prompt_that_leaves_no_ids_is_empty_and_not_answered() {
    let section = tokenizer_section();
    let tokenizer = Tokenizer::parse(&section).unwrap();
    let section = section_of([0; 8], &[], "");
    let template = ChatTemplate::parse(&section).unwrap();
    let (mut history, mut text, mut bpe) = ([0; 40], [0; 64], [0; 64]);
    let mut buffers = EncodeBuffers { text: &mut text, bpe: &mut bpe };
    let mut conversation = Conversation::new(&mut history);
    let outcome = conversation.push_user(&tokenizer, &template, "", "  ", 0, &mut buffers);
    assert_eq!(outcome, Err(PromptError::Empty));
    assert!(conversation.ids().is_empty());
}
