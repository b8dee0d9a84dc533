//! How a conversation becomes one text: the compiled chat template
//!
//! The packer runs the checkpoint's Jinja template on probes and stores what it writes around each message; the device
//! only replays it. A conversation is [`start`], then for each message [`before`] its role, the content, [`after`], and
//! last [`generation_prompt`] where an answer is wanted. Roles without a place ([`has_place`]) leave nothing.
//!
//! Each list holds stretches of text and special tokens. Stretches that meet, contents among them, are joined before
//! they are encoded: only special tokens separate.
//!
//! [`start`]: ChatTemplate::start
//! [`before`]: ChatTemplate::before
//! [`after`]: ChatTemplate::after
//! [`generation_prompt`]: ChatTemplate::generation_prompt
//! [`has_place`]: ChatTemplate::has_place

use core::fmt;

use crate::config::MAX_VOCAB;

/// Bytes of the section's header: flags, text length, the ends of [`N_LISTS`] lists, two reserved.
pub const HEADER_BYTES: usize = 48;
/// Lists of a template: start, generation prompt, before and after for each role.
pub const N_LISTS: usize = 8;
/// Flag: white space at both ends of contents is left out.
pub const TRIMS_CONTENT: u32 = 1;
/// Flag of the first role that has no place; the others follow.
pub const NO_PLACE: u32 = 2;
/// In place of an id: the item is text.
pub const TEXT_ITEM: u32 = u32::MAX;

/// Who speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The instructions that a conversation may begin with.
    System,
    /// The person.
    User,
    /// The model.
    Assistant,
}

impl Role {
    /// All roles, in the order of the file.
    pub const ALL: [Self; 3] = [Self::System, Self::User, Self::Assistant];

    /// The name that templates know the role by.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }

    const fn index(self) -> usize {
        match self {
            Self::System => 0,
            Self::User => 1,
            Self::Assistant => 2,
        }
    }
}

/// One thing that a template writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Item<'a> {
    /// Text, not empty.
    Text(&'a str),
    /// A special token.
    Special(u32),
}

/// Why a CHAT_TEMPLATE section is refused; one variant per numbered rejection of `runtime/FORMAT.md`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the numbers of the message that each variant displays")]
pub enum ChatTemplateError {
    /// C1: another length than the header and its counts demand.
    WrongLength { need: u64, have: u64 },
    /// C2: an undefined flag or a reserved byte is used.
    ReservedNotZero { offset: usize },
    /// C3: list ends that do not ascend.
    BadListEnd { list: usize },
    /// C4: an item whose text does not start where the one before ends, is empty, or lies outside the text.
    BadItem { item: usize },
    /// C5: text that is not UTF-8, or is cut within a character.
    NotUtf8 { item: usize },
    /// C6: a token id beyond any vocabulary.
    IdOutOfRange { item: usize, found: u32 },
}

impl fmt::Display for ChatTemplateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::WrongLength { need, have } => {
                write!(f, "chat template needs {need} bytes, the section has {have}")
            }
            Self::ReservedNotZero { offset } => write!(f, "chat template byte {offset}: undefined bit set"),
            Self::BadListEnd { list } => write!(f, "chat template list {list}: ends must ascend"),
            Self::BadItem { item } => {
                write!(f, "chat template item {item}: text must follow the item before, not empty")
            }
            Self::NotUtf8 { item } => write!(f, "chat template item {item}: text must be UTF-8"),
            Self::IdOutOfRange { item, found } => {
                write!(f, "chat template item {item}: id must be below {MAX_VOCAB}, found {found}")
            }
        }
    }
}

impl core::error::Error for ChatTemplateError {}

/// A checked CHAT_TEMPLATE section, borrowed. Cheap to copy.
#[derive(Debug, Clone, Copy)]
pub struct ChatTemplate<'a> {
    flags: u32,
    list_ends: [usize; N_LISTS],
    /// (id or `TEXT_ITEM`, end of its text), little-endian.
    items: &'a [[u8; 8]],
    text: &'a str,
}

impl<'a> ChatTemplate<'a> {
    /// Checks a CHAT_TEMPLATE section. That its ids are in the model's vocabulary is [`Model::parse`]'s to check.
    ///
    /// [`Model::parse`]: crate::Model::parse
    ///
    /// # Errors
    /// Rejections C1 to C6 of `FORMAT.md`.
    pub fn parse(section: &'a [u8]) -> Result<Self, ChatTemplateError> {
        let have = section.len() as u64;
        let Some((header, rest)) = section.split_first_chunk::<HEADER_BYTES>() else {
            return Err(ChatTemplateError::WrongLength { need: HEADER_BYTES as u64, have });
        };
        let (words, _) = header.as_chunks::<4>();
        let words: [u32; HEADER_BYTES / 4] = core::array::from_fn(|index| u32::from_le_bytes(words[index]));
        let [flags, n_text, list_ends @ .., reserved_0, reserved_1] = words;
        let known = TRIMS_CONTENT | NO_PLACE | NO_PLACE << 1 | NO_PLACE << 2;
        for (offset, bits) in [(0, flags & !known), (40, reserved_0), (44, reserved_1)] {
            if bits != 0 {
                return Err(ChatTemplateError::ReservedNotZero { offset });
            }
        }
        let list_ends = list_ends.map(|end| end as usize);
        if let Some(list) = (1..N_LISTS).find(|list| list_ends[list - 1] > list_ends[*list]) {
            return Err(ChatTemplateError::BadListEnd { list });
        }
        let n_items = list_ends[N_LISTS - 1] as u64;
        let need = HEADER_BYTES as u64 + 8 * n_items + u64::from(n_text);
        if have != need {
            return Err(ChatTemplateError::WrongLength { need, have });
        }
        // The items are within the section, so their length is a usize.
        let (items, text) = rest.split_at(8 * list_ends[N_LISTS - 1]);
        let items = items.as_chunks().0;
        check_items(items, text)?;
        match core::str::from_utf8(text) {
            Ok(text) => Ok(Self { flags, list_ends, items, text }),
            Err(_) => Err(ChatTemplateError::NotUtf8 { item: 0 }),
        }
    }

    /// What every conversation starts with.
    #[must_use]
    pub fn start(&self) -> Items<'a> {
        self.list(0)
    }

    /// Whether every conversation starts with the token `id`.
    #[must_use]
    pub fn starts_with(&self, id: u32) -> bool {
        self.start().next() == Some(Item::Special(id))
    }

    /// What asks for an answer, after the last message.
    #[must_use]
    pub fn generation_prompt(&self) -> Items<'a> {
        self.list(1)
    }

    /// What stands before the content of a message of `role`.
    #[must_use]
    pub fn before(&self, role: Role) -> Items<'a> {
        self.list(2 + role.index())
    }

    /// What stands after the content of a message of `role`.
    #[must_use]
    pub fn after(&self, role: Role) -> Items<'a> {
        self.list(5 + role.index())
    }

    /// Whether white space at both ends of a content is left out ([`str::trim`]).
    #[must_use]
    pub const fn trims_content(&self) -> bool {
        self.flags & TRIMS_CONTENT != 0
    }

    /// Whether a message of `role` appears at all. Messages of a role without a place are left out.
    #[must_use]
    pub const fn has_place(&self, role: Role) -> bool {
        self.flags >> role.index() & NO_PLACE == 0
    }

    /// Every special token that any list writes.
    pub fn special_ids(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.items.iter().map(|bytes| item(*bytes).0).filter(|id| *id != TEXT_ITEM)
    }

    fn list(&self, list: usize) -> Items<'a> {
        let first = if list == 0 { 0 } else { self.list_ends[list - 1] };
        let text_start = if first == 0 { 0 } else { item(self.items[first - 1]).1 };
        Items { items: &self.items[first..self.list_ends[list]], text: self.text, text_start }
    }
}

/// Text follows text without gaps to the end, in whole characters; ids are ids.
fn check_items(items: &[[u8; 8]], text: &[u8]) -> Result<(), ChatTemplateError> {
    let mut start = 0;
    for (index, (id, end)) in items.iter().map(|bytes| item(*bytes)).enumerate() {
        let is_text = id == TEXT_ITEM;
        let Some(stretch) = text.get(start..end).filter(|stretch| stretch.is_empty() != is_text) else {
            return Err(ChatTemplateError::BadItem { item: index });
        };
        if core::str::from_utf8(stretch).is_err() {
            return Err(ChatTemplateError::NotUtf8 { item: index });
        }
        if !is_text && id >= MAX_VOCAB {
            return Err(ChatTemplateError::IdOutOfRange { item: index, found: id });
        }
        start = end;
    }
    if start == text.len() { Ok(()) } else { Err(ChatTemplateError::BadItem { item: items.len() }) }
}

/// The id and end of text that an item holds.
const fn item(bytes: [u8; 8]) -> (u32, usize) {
    let [a, b, c, d, e, f, g, h] = bytes;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]) as usize)
}

/// The items of one list, in order.
#[derive(Debug, Clone)]
pub struct Items<'a> {
    items: &'a [[u8; 8]],
    text: &'a str,
    text_start: usize,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let (&bytes, rest) = self.items.split_first()?;
        let (id, text_end) = item(bytes);
        let text = &self.text[self.text_start..text_end];
        self.items = rest;
        self.text_start = text_end;
        Some(if id == TEXT_ITEM { Item::Text(text) } else { Item::Special(id) })
    }
}
