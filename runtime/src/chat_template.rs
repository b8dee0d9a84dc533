//! How a conversation becomes one text: the compiled chat template
//!
//! The packer runs the checkpoint's Jinja template on probes and stores what it writes around the contents; the device
//! only replays it. A conversation is an optional system message and then turns, a user's message and an answer each:
//!
//! ```text
//! opening  [system content  after_system]  before_user  user content  between  answer  after_answer  before_user …
//! ```
//!
//! and last, behind a user's message or an answer, [`end`] with or without the words that ask for an answer. A role
//! without a place ([`has_place`]) leaves nothing.
//!
//! Each list holds stretches of text and special tokens. Stretches that meet, contents among them, are joined before
//! they are encoded: only special tokens separate. What content reads as is the template's affair alone: a template
//! that looks into contents does not compile.
//!
//! [`end`]: ChatTemplate::end
//! [`has_place`]: ChatTemplate::has_place

use core::fmt;

use crate::config::MAX_VOCAB;

/// Bytes of the section's header: flags, text length, the ends of up to [`MAX_LISTS`] lists.
pub const HEADER_BYTES: usize = 48;
/// Lists of a template by role: start, generation prompt, before and after for each role.
pub const N_LISTS: usize = 8;
/// Lists of a template by place, in the order of [`place`].
pub const MAX_LISTS: usize = 10;
/// Flag: white space at both ends of contents is left out.
pub const TRIMS_CONTENT: u32 = 1;
/// Flag of the first role that has no place; the others follow.
pub const NO_PLACE: u32 = 2;
/// Flag: the lists are those of [`place`].
pub const BY_PLACE: u32 = 1 << 4;
/// Flag, by place only: the first user's message behind a system message has no `before_user`.
pub const SYSTEM_OPENS_TURN: u32 = 1 << 5;
/// Flag: the template refuses a system message, rather than leaving it out.
pub const REFUSES_SYSTEM: u32 = 1 << 6;
/// Flags of two bits for each [`Content`], lowest first: white space is left out at its start, at its end.
pub const TRIMS_SHIFT: u32 = 8;
/// In place of an id: the item is text.
pub const TEXT_ITEM: u32 = u32::MAX;

/// The lists of a template by place.
pub mod place {
    /// Before the first turn of a conversation without a system message.
    pub const OPENING: usize = 0;
    /// Before the content of a system message.
    pub const SYSTEM_OPENING: usize = 1;
    /// Between the content of a system message and the first turn.
    pub const AFTER_SYSTEM: usize = 2;
    /// Before a user's content.
    pub const BEFORE_USER: usize = 3;
    /// Between a user's content and an answer.
    pub const BETWEEN: usize = 4;
    /// Between an answer and the turn after it.
    pub const AFTER_ANSWER: usize = 5;
    /// The end behind a user's content, and the same with the words that ask for an answer.
    pub const USER_END: usize = 6;
    /// The end behind an answer, and the same with the words that ask for another.
    pub const ANSWER_END: usize = 8;
}

/// White space as templates take it away: `str.isspace` of Python, which counts the four separators of ASCII.
#[must_use]
pub const fn is_white_space(c: char) -> bool {
    c.is_whitespace() || matches!(c, '\u{1c}'..='\u{1f}')
}

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

/// A content that a template may take white space from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// A system message.
    System,
    /// A user's message.
    User,
    /// An answer.
    Answer,
    /// The user's message directly behind a system message.
    UserBehindSystem,
}

impl Content {
    /// All contents, in the order of the file.
    pub const ALL: [Self; 4] = [Self::System, Self::User, Self::Answer, Self::UserBehindSystem];

    /// Where its two flags are.
    #[must_use]
    pub const fn trims_shift(self) -> u32 {
        let index = match self {
            Self::System => 0,
            Self::User => 1,
            Self::Answer => 2,
            Self::UserBehindSystem => 3,
        };
        TRIMS_SHIFT + 2 * index
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
    /// Those of lists that the form does not have are zero.
    list_ends: [usize; MAX_LISTS],
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
        let [flags, n_text, list_ends @ ..] = words;
        if flags & !known_flags(flags) != 0 {
            return Err(ChatTemplateError::ReservedNotZero { offset: 0 });
        }
        let n_lists = if flags & BY_PLACE == 0 { N_LISTS } else { MAX_LISTS };
        if let Some(list) = (n_lists..MAX_LISTS).find(|list| list_ends[*list] != 0) {
            return Err(ChatTemplateError::ReservedNotZero { offset: 8 + 4 * list });
        }
        let list_ends = list_ends.map(|end| end as usize);
        if let Some(list) = (1..n_lists).find(|list| list_ends[list - 1] > list_ends[*list]) {
            return Err(ChatTemplateError::BadListEnd { list });
        }
        let n_items = list_ends[n_lists - 1];
        let need = HEADER_BYTES as u64 + 8 * n_items as u64 + u64::from(n_text);
        if have != need {
            return Err(ChatTemplateError::WrongLength { need, have });
        }
        // The items are within the section, so their length is a usize.
        let (items, text) = rest.split_at(8 * n_items);
        let items = items.as_chunks().0;
        check_items(items, text)?;
        match core::str::from_utf8(text) {
            Ok(text) => Ok(Self { flags, list_ends, items, text }),
            Err(_) => Err(ChatTemplateError::NotUtf8 { item: 0 }),
        }
    }

    /// What a conversation starts with: before its first turn, or before the content of its system message.
    #[must_use]
    pub fn opening(&self, with_system: bool) -> Lists<'a> {
        match (self.is_by_place(), with_system) {
            (true, false) => self.list(place::OPENING).into(),
            (true, true) => self.list(place::SYSTEM_OPENING).into(),
            (false, false) => self.list(START).into(),
            (false, true) => self.list(START).then(self.list(BEFORE + Role::System.index())),
        }
    }

    /// Whether a conversation, with or without a system message, starts with the token `id`.
    #[must_use]
    pub fn starts_with(&self, id: u32, with_system: bool) -> bool {
        let mut start = self.opening(with_system);
        let first = if with_system { start.next() } else { start.chain(self.before_user()).next() };
        first == Some(Item::Special(id))
    }

    /// Between the content of the system message and the first turn.
    #[must_use]
    pub fn after_system(&self) -> Items<'a> {
        let by_role = AFTER + Role::System.index();
        self.list(if self.is_by_place() { place::AFTER_SYSTEM } else { by_role })
    }

    /// Before a user's content; nothing where [`Self::system_opens_turn`] and the message is the first behind a system
    /// message.
    #[must_use]
    pub fn before_user(&self) -> Items<'a> {
        let by_role = BEFORE + Role::User.index();
        self.list(if self.is_by_place() { place::BEFORE_USER } else { by_role })
    }

    /// Whether a system message is a part of the first turn.
    #[must_use]
    pub const fn system_opens_turn(&self) -> bool {
        self.flags & SYSTEM_OPENS_TURN != 0
    }

    /// Between a user's content and an answer that is known.
    #[must_use]
    pub fn between(&self) -> Lists<'a> {
        match self.is_by_place() {
            true => self.list(place::BETWEEN).into(),
            false => self.after(Role::User).then(self.list(BEFORE + Role::Assistant.index())),
        }
    }

    /// Between an answer and the turn after it.
    #[must_use]
    pub fn after_answer(&self) -> Items<'a> {
        match self.is_by_place() {
            true => self.list(place::AFTER_ANSWER),
            false => self.after(Role::Assistant),
        }
    }

    /// What ends the text, behind an answer (if `is_answered`) or a user's message, and asks for an answer (if
    /// `asks`).
    #[must_use]
    pub fn end(&self, is_answered: bool, asks: bool) -> Lists<'a> {
        if self.is_by_place() {
            let first = if is_answered { place::ANSWER_END } else { place::USER_END };
            return self.list(first + usize::from(asks)).into();
        }
        let after = self.after(if is_answered { Role::Assistant } else { Role::User });
        if asks { after.then(self.list(GENERATION_PROMPT)) } else { after.into() }
    }

    /// `text` without the white space that the template takes from a content of its kind.
    #[must_use]
    pub fn trim<'t>(&self, content: Content, text: &'t str) -> &'t str {
        let flags = if self.flags & TRIMS_CONTENT == 0 { self.flags >> content.trims_shift() } else { 3 };
        let text = if flags & 1 == 0 { text } else { text.trim_start_matches(is_white_space) };
        if flags & 2 == 0 { text } else { text.trim_end_matches(is_white_space) }
    }

    /// Whether a message of `role` appears at all. Messages of a role without a place are left out, or refused.
    #[must_use]
    pub const fn has_place(&self, role: Role) -> bool {
        self.flags >> role.index() & NO_PLACE == 0
    }

    /// Whether the template refuses a conversation with a system message, which then has no place.
    #[must_use]
    pub const fn refuses_system(&self) -> bool {
        self.flags & REFUSES_SYSTEM != 0
    }

    /// Every special token that any list writes.
    pub fn special_ids(&self) -> impl Iterator<Item = u32> + use<'a> {
        self.items.iter().map(|bytes| item(*bytes).0).filter(|id| *id != TEXT_ITEM)
    }

    const fn is_by_place(&self) -> bool {
        self.flags & BY_PLACE != 0
    }

    /// After the content of a message of `role`, in a template by role.
    fn after(&self, role: Role) -> Items<'a> {
        self.list(AFTER + role.index())
    }

    fn list(&self, list: usize) -> Items<'a> {
        let first = if list == 0 { 0 } else { self.list_ends[list - 1] };
        let text_start = if first == 0 { 0 } else { item(self.items[first - 1]).1 };
        Items { items: &self.items[first..self.list_ends[list]], text: self.text, text_start }
    }
}

// The lists of a template by role.
const START: usize = 0;
const GENERATION_PROMPT: usize = 1;
const BEFORE: usize = 2;
const AFTER: usize = 5;

/// The flags that mean something beside `flags`.
const fn known_flags(flags: u32) -> u32 {
    // A template by place knows the place of users and answers.
    let mut known = TRIMS_CONTENT | NO_PLACE | BY_PLACE;
    known |= if flags & BY_PLACE == 0 { NO_PLACE << 1 | NO_PLACE << 2 } else { SYSTEM_OPENS_TURN };
    known |= if flags & NO_PLACE == 0 { 0 } else { REFUSES_SYSTEM };
    known | if flags & TRIMS_CONTENT == 0 { 0xff << TRIMS_SHIFT } else { 0 }
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

impl<'a> Items<'a> {
    fn then(self, second: Self) -> Lists<'a> {
        Lists { first: self, second: Some(second) }
    }
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

/// The items of one list, or of two that meet.
#[derive(Debug, Clone)]
pub struct Lists<'a> {
    first: Items<'a>,
    second: Option<Items<'a>>,
}

impl<'a> From<Items<'a>> for Lists<'a> {
    fn from(first: Items<'a>) -> Self {
        Self { first, second: None }
    }
}

impl<'a> Iterator for Lists<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        self.first.next().or_else(|| self.second.as_mut()?.next())
    }
}
