//! The CHAT_TEMPLATE section: header, items, text

use ternlet_runtime::Tokenizer;
use ternlet_runtime::chat_template::{HEADER_BYTES, NO_PLACE, TEXT_ITEM, TRIMS_CONTENT};
use ternlet_runtime::tokenizer::layout::MAX_ADDED_TOKEN_BYTES;

use super::Segments;

/// Lays out the section that `ternlet_runtime::ChatTemplate` reads.
pub(super) fn lay_out(segments: &Segments, tokenizer: &Tokenizer<'_>) -> Vec<u8> {
    let mut flags = if segments.trims_content { TRIMS_CONTENT } else { 0 };
    for (around, bit) in segments.around.iter().zip(0..) {
        flags |= if around.is_none() { NO_PLACE << bit } else { 0 };
    }
    let before = segments.around.iter().map(|around| around.as_ref().map_or("", |(before, _)| before));
    let after = segments.around.iter().map(|around| around.as_ref().map_or("", |(_, after)| after));
    let lists = [&*segments.start, &*segments.generation_prompt].into_iter().chain(before).chain(after);

    let mut items = Vec::new();
    let mut text = String::new();
    let mut list_ends = Vec::new();
    for list in lists {
        for item in items_of(list, tokenizer) {
            let id = match item {
                Found::Special(id) => id,
                Found::Text(stretch) => {
                    text.push_str(stretch);
                    TEXT_ITEM
                }
            };
            items.push([id, length(text.len())]);
        }
        list_ends.push(length(items.len()));
    }
    let mut section = Vec::with_capacity(HEADER_BYTES + 8 * items.len() + text.len());
    let header = [flags, length(text.len())].into_iter().chain(list_ends).chain([0, 0]);
    section.extend(header.chain(items.into_iter().flatten()).flat_map(u32::to_le_bytes));
    section.extend(text.bytes());
    section
}

/// A part of a list's text.
enum Found<'t> {
    Text(&'t str),
    Special(u32),
}

/// Cuts `text` at special tokens: leftmost first, then longest.
fn items_of<'t>(text: &'t str, tokenizer: &Tokenizer<'_>) -> Vec<Found<'t>> {
    let mut items = Vec::new();
    let mut text_start = 0;
    let mut at = 0;
    while at < text.len() {
        let longest = (1..=(text.len() - at).min(MAX_ADDED_TOKEN_BYTES as usize))
            .rev()
            .find_map(|bytes| Some((bytes, tokenizer.special_id(&text.as_bytes()[at..at + bytes])?)));
        let Some((bytes, id)) = longest else {
            at += 1;
            continue;
        };
        if text_start < at {
            items.push(Found::Text(&text[text_start..at]));
        }
        items.push(Found::Special(id));
        at += bytes;
        text_start = at;
    }
    if text_start < text.len() {
        items.push(Found::Text(&text[text_start..]));
    }
    items
}

/// Lengths of templates are far below 2³²; one that is not fails the reader's check of the whole.
fn length(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}
