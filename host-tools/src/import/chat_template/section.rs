//! The CHAT_TEMPLATE section: header, items, text
//!
//! Gaps between contents are cut into lists: by role where what stands around a message is the same at every place, as
//! with most templates, and by place otherwise.

use ternlet_runtime::Tokenizer;
use ternlet_runtime::chat_template::{
    BY_PLACE, Content, HEADER_BYTES, MAX_LISTS, NO_PLACE, REFUSES_SYSTEM, SYSTEM_OPENS_TURN, TEXT_ITEM,
    TRIMS_CONTENT,
};
use ternlet_runtime::tokenizer::layout::MAX_ADDED_TOKEN_BYTES;

use super::{Gaps, System, Trims};

/// Lays out the section that `ternlet_runtime::ChatTemplate` reads.
pub(super) fn lay_out(gaps: &Gaps, tokenizer: &Tokenizer<'_>) -> Vec<u8> {
    let (form, lists) = match by_role(gaps) {
        Some(lists) => (0, lists.to_vec()),
        None => by_place(gaps, tokenizer),
    };
    let system = match gaps.system {
        System::Written { .. } => 0,
        System::LeftOut => NO_PLACE,
        System::Refused => NO_PLACE | REFUSES_SYSTEM,
    };
    let flags = form | system | trims_flags(gaps);

    let mut items = Vec::new();
    let mut text = String::new();
    let mut list_ends = [0; MAX_LISTS];
    for (list, end) in lists.iter().zip(&mut list_ends) {
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
        *end = length(items.len());
    }
    let mut section = Vec::with_capacity(HEADER_BYTES + 8 * items.len() + text.len());
    let header = [flags, length(text.len())].into_iter().chain(list_ends);
    section.extend(header.chain(items.into_iter().flatten()).flat_map(u32::to_le_bytes));
    section.extend(text.bytes());
    section
}

/// Start, generation prompt, before and then after each role; `None` if some gap is not the sum of such parts.
fn by_role(gaps: &Gaps) -> Option<[&str; 8]> {
    let [after_user, asking] = gaps.user_end.each_ref().map(String::as_str);
    let after_answer = &*gaps.answer_end[0];
    let generation_prompt = asking.strip_prefix(after_user)?;
    if gaps.answer_end[1].strip_prefix(after_answer)? != generation_prompt {
        return None;
    }
    let before_answer = gaps.between.strip_prefix(after_user)?;
    let before_user = gaps.between_turns.strip_prefix(after_answer)?;
    let start = gaps.opening.strip_suffix(before_user)?;
    let (before_system, after_system) = match &gaps.system {
        System::Written { opening, after, .. } => {
            (opening.strip_prefix(start)?, after.strip_suffix(before_user)?)
        }
        System::LeftOut | System::Refused => ("", ""),
    };
    let before = [before_system, before_user, before_answer];
    let [s, u, a] = before;
    Some([start, generation_prompt, s, u, a, after_system, after_user, after_answer])
}

/// The form's flags, and the lists in the order of `ternlet_runtime::chat_template::place`.
fn by_place<'g>(gaps: &'g Gaps, tokenizer: &Tokenizer<'_>) -> (u32, Vec<&'g str>) {
    let before_user = common_end(&gaps.opening, &gaps.between_turns, tokenizer);
    let without = |gap: &'g str| &gap[..gap.len() - before_user.len()];
    let (system_opening, after_system, form) = match &gaps.system {
        System::Written { opening, after, .. } => match ends_with(after, before_user, tokenizer) {
            true => (&**opening, without(after), BY_PLACE),
            false => (&**opening, &**after, BY_PLACE | SYSTEM_OPENS_TURN),
        },
        System::LeftOut | System::Refused => ("", "", BY_PLACE),
    };
    let start = [without(&gaps.opening), system_opening, after_system, before_user];
    let middle = [&*gaps.between, without(&gaps.between_turns)];
    let ends = gaps.user_end.iter().chain(&gaps.answer_end).map(String::as_str);
    (form, start.into_iter().chain(middle).chain(ends).collect())
}

/// The longest text that both end with and that begins inside no special token of either.
fn common_end<'g>(gap: &'g str, other: &str, tokenizer: &Tokenizer<'_>) -> &'g str {
    let starts = gap.char_indices().map(|(at, _)| at);
    let ends = starts.map(|at| &gap[at..]);
    let mut fitting = ends.filter(|end| ends_with(gap, end, tokenizer) && ends_with(other, end, tokenizer));
    fitting.next().unwrap_or("")
}

/// Whether `gap` ends with `end`, and cutting it there leaves its special tokens whole.
fn ends_with(gap: &str, end: &str, tokenizer: &Tokenizer<'_>) -> bool {
    let Some(start) = gap.strip_suffix(end) else { return false };
    let mut at = 0;
    for item in items_of(gap, tokenizer) {
        if at == start.len() {
            return true;
        }
        let (bytes, is_special) = match item {
            Found::Special(id) => (tokenizer.token_bytes(id).map_or(0, <[u8]>::len), true),
            Found::Text(stretch) => (stretch.len(), false),
        };
        if start.len() < at + bytes {
            return !is_special;
        }
        at += bytes;
    }
    true
}

/// White space: one flag if all of it goes, and one for each end of each content otherwise.
fn trims_flags(gaps: &Gaps) -> u32 {
    let (system, behind_system) = match gaps.system {
        System::Written { content, user, .. } => (content, user),
        // Contents that are not written do as the others do.
        System::LeftOut | System::Refused => (gaps.user, gaps.user),
    };
    let contents = [system, gaps.user, gaps.answer, behind_system];
    if contents.iter().all(|trims| trims.start && trims.end) {
        return TRIMS_CONTENT;
    }
    let bits = |trims: Trims| u32::from(trims.start) | u32::from(trims.end) << 1;
    Content::ALL.iter().zip(contents).map(|(content, trims)| bits(trims) << content.trims_shift()).sum()
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
