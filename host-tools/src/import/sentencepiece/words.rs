//! What `tokenizer.json` and SentencePiece models have in common on their way into a section

use std::collections::BTreeMap;

use ternlet_runtime::tokenizer::sentencepiece::{MARK, WordStart};

/// The byte that a token such as `<0x0A>` stands for. The `tokenizers` crate reads either case of the digits, and even a
/// sign, when it decodes, but looks only for upper case when it encodes.
pub(crate) fn named_byte(text: &str) -> Option<u8> {
    let digits = text.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}

/// The text of a token as the section has it: with spaces for marks.
pub(crate) fn as_decoded(text: &str) -> String {
    text.replace(MARK, " ")
}

/// The character that a token consists of, as the section has it. A token of a literal space is never met: text has
/// marks by then.
pub(crate) fn single_character(text: &str) -> Option<char> {
    let mut characters = text.chars();
    match (characters.next()?, characters.next()) {
        (' ', _) | (_, Some(_)) => None,
        (MARK, None) => Some(' '),
        (c, None) => Some(c),
    }
}

/// Where a stretch may be cut without another id coming out: before each space that follows another character, unless a
/// merge joins two such neighbours, spaces are no tokens, or the vocabulary drops characters, so that their neighbours
/// meet (`drops_characters`).
pub(crate) fn word_start(
    texts: &[String],
    merges: &BTreeMap<(u32, u32), u32>,
    characters: &BTreeMap<char, u32>,
    drops_characters: bool,
) -> WordStart {
    let text = |id: u32| texts.get(id as usize).map_or("", String::as_str);
    let joins = |(left, right): &(u32, u32)| !text(*left).ends_with(MARK) && text(*right).starts_with(MARK);
    if !drops_characters && characters.contains_key(&' ') && !merges.keys().any(joins) {
        WordStart::SpaceAfterText
    } else {
        WordStart::Nowhere
    }
}

#[cfg(test)]
mod tests {
    use super::{named_byte, single_character, word_start};
    use std::collections::BTreeMap;
    use ternlet_runtime::tokenizer::sentencepiece::WordStart;

    #[test]
    fn tokens_of_bytes_are_known_by_their_text() {
        let cases = [
            ("<0x0A>", Some(10)),
            ("<0xff>", Some(255)),
            ("<0x+A>", Some(10)),
            ("<0xFFF>", None),
            ("<0xF>", None),
            ("<0xG0>", None),
            ("<0xé>", None),
            ("0x0A", None),
        ];
        for (text, expected) in cases {
            assert_eq!(named_byte(text), expected, "{text}");
        }
    }

    #[test]
    fn a_mark_is_the_character_space_and_a_space_is_none() {
        let cases = [("▁", Some(' ')), (" ", None), ("é", Some('é')), ("▁a", None), ("", None)];
        for (text, expected) in cases {
            assert_eq!(single_character(text), expected, "{text:?}");
        }
    }

    #[test]
    fn words_are_cut_only_where_no_merge_crosses() {
        let texts = ["▁", "a", "▁a", "a▁", "▁▁"].map(String::from);
        let characters = BTreeMap::from([(' ', 0), ('a', 1)]);
        let inside = BTreeMap::from([((0, 1), 0), ((0, 0), 1), ((4, 2), 2)]);
        let across = BTreeMap::from([((1, 0), 0)]);
        assert_eq!(word_start(&texts, &inside, &characters, false), WordStart::SpaceAfterText);
        assert_eq!(word_start(&texts, &inside, &characters, true), WordStart::Nowhere);
        assert_eq!(word_start(&texts, &across, &characters, false), WordStart::Nowhere);
        assert_eq!(word_start(&texts, &inside, &BTreeMap::new(), false), WordStart::Nowhere);
    }
}
