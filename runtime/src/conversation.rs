//! A conversation as token ids, and the rule for a full context
//!
//! Turns are encoded once and stay as ids: an answer as the model gave it, behind the words that
//! asked for it, even where the template writes other words before an answer that it is given, or
//! takes white space from it. Template text and content that touch are joined before
//! they are tokenised; only special ids separate. Content is encoded with specials as text: a
//! user who types `<|eot_id|>` has typed text. When a prompt no longer fits, whole turns are
//! dropped from the oldest on, the system message stays, and everything behind the unchanged
//! prefix is prefilled again: rotated keys depend on their context and cannot be moved exactly.

mod saved;
#[cfg(test)]
mod tests;

use core::fmt;

use crate::chat_template::{ChatTemplate, Content, Item};
use crate::tokenizer::{Before, EncodeError, SinkFull, Specials, Tokenizer};

/// Turns that are remembered one by one; older ones are dropped first when there are more.
const MAX_TURNS: usize = 256;

/// Why a prompt was not taken. The conversation stays as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PromptError {
    /// The prompt, with its system message, is longer than the context.
    TooLong {
        /// Tokens needed, with room for one of the answer.
        need: usize,
        /// Tokens that the context holds.
        have: usize,
    },
    /// The text between two special tokens exceeds the text buffer.
    TextTooLong {
        /// Bytes of the buffer, `max_prompt_bytes` of the plan and some room for the template.
        have: usize,
    },
    /// The tokenizer refused.
    Encode(EncodeError),
    /// There is nothing to encode.
    Empty,
}

impl fmt::Display for PromptError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooLong { need, have } => {
                write!(f, "the prompt needs {need} tokens, the context holds {have}; shorten it")
            }
            Self::TextTooLong { have } => {
                write!(f, "the prompt is longer than the text buffer of {have} bytes; shorten it")
            }
            Self::Encode(e) => e.fmt(f),
            Self::Empty => f.write_str("the prompt has no tokens; type some text"),
        }
    }
}

impl core::error::Error for PromptError {}

/// Where ids are collected: stored while they fit, counted always.
struct IdSink<'h> {
    ids: &'h mut [u32],
    n: usize,
}

impl IdSink<'_> {
    fn push(&mut self, id: u32) {
        if let Some(slot) = self.ids.get_mut(self.n) {
            *slot = id;
        }
        self.n += 1;
    }
}

/// Joins template text and content and encodes them at each special id.
struct Encoder<'e, 'a> {
    tokenizer: &'e Tokenizer<'a>,
    text: &'e mut [u8],
    n_text: usize,
    bpe: &'e mut [u32],
    sink: IdSink<'e>,
    /// What stands before the pending text; ids that the tokenizer puts before every text do not count.
    before: Before,
}

impl Encoder<'_, '_> {
    fn text(&mut self, text: &str) -> Result<(), PromptError> {
        let have = self.text.len();
        let room = self
            .text
            .get_mut(self.n_text..self.n_text + text.len())
            .ok_or(PromptError::TextTooLong { have })?;
        room.copy_from_slice(text.as_bytes());
        self.n_text += text.len();
        Ok(())
    }

    fn items<'i>(&mut self, items: impl Iterator<Item = Item<'i>>) -> Result<(), PromptError> {
        for item in items {
            match item {
                Item::Text(text) => self.text(text)?,
                Item::Special(id) => {
                    self.flush()?;
                    self.sink.push(id);
                    self.before = Before::Token;
                }
            }
        }
        Ok(())
    }

    /// What a conversation starts with, up to the user's turn; the end of it may be pending text.
    fn opening(&mut self, template: &ChatTemplate<'_>, system: &str) -> Result<(), PromptError> {
        let with_system = !system.is_empty();
        // What the tokenizer puts before a text stands once, whether the template writes it or not.
        let first = self.tokenizer.prefix_ids().next();
        if !first.is_some_and(|id| template.starts_with(id, with_system)) {
            self.tokenizer.prefix_ids().for_each(|id| self.sink.push(id));
        }
        self.items(template.opening(with_system))?;
        if with_system {
            self.text(template.trim(Content::System, system))?;
            self.items(template.after_system())?;
        }
        Ok(())
    }

    /// Encodes the pending text.
    fn flush(&mut self) -> Result<(), PromptError> {
        let n = core::mem::take(&mut self.n_text);
        if n == 0 {
            return Ok(());
        }
        // Only whole `str`s were copied in, so this never fails.
        let text = core::str::from_utf8(&self.text[..n]).unwrap_or_default();
        let sink = &mut self.sink;
        let mut push = |id| -> Result<(), SinkFull> {
            sink.push(id);
            Ok(())
        };
        let before = core::mem::replace(&mut self.before, Before::Text);
        let encoded = self.tokenizer.encode_after(before, text, Specials::AsText, self.bpe, &mut push);
        encoded.map_err(PromptError::Encode)
    }
}

/// The ids that every conversation with the message `system` starts with, up to where the user's words may change them,
/// into `ids`; returns how many.
///
/// `text` holds the message with the template's text around it, `bpe` is the tokenizer's scratch for as much.
///
/// # Errors
/// [`PromptError`]: a buffer that is too small, or a tokenizer that refuses.
pub fn encode_system(
    tokenizer: &Tokenizer<'_>,
    template: &ChatTemplate<'_>,
    system: &str,
    ids: &mut [u32],
    text: &mut [u8],
    bpe: &mut [u32],
) -> Result<usize, PromptError> {
    let have = ids.len();
    let sink = IdSink { ids, n: 0 };
    let mut e = Encoder { tokenizer, text, n_text: 0, bpe, sink, before: Before::Nothing };
    e.opening(template, system)?;
    if !template.system_opens_turn() {
        e.items(template.before_user())?;
    }
    // What is pending will be one text with the user's.
    match e.sink.n {
        n if n > have => Err(PromptError::TooLong { need: n, have }),
        n => Ok(n),
    }
}

/// Buffers that encoding works in.
#[derive(Debug)]
pub(crate) struct EncodeBuffers<'a> {
    pub(crate) text: &'a mut [u8],
    pub(crate) bpe: &'a mut [u32],
}

/// The ids of a conversation; see the module text.
#[derive(Debug)]
pub(crate) struct Conversation<'a> {
    history: &'a mut [u32],
    n: usize,
    /// End of the system message, which is never dropped.
    n_system: usize,
    /// Whether the system message was tokenised as one piece with the first turn: they can only go together.
    system_is_joined: bool,
    /// Where each turn starts, oldest first.
    turns: heapless::Deque<usize, MAX_TURNS>,
    /// Whether the last turn has an answer that its closing items must follow.
    is_answered: bool,
}

/// What taking a prompt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Taken {
    /// Turns dropped to make room.
    pub(crate) n_dropped: usize,
    /// Ids of the history that are unchanged: the cache is valid up to here.
    pub(crate) n_kept: usize,
}

impl<'a> Conversation<'a> {
    pub(crate) fn new(history: &'a mut [u32]) -> Self {
        Self {
            history,
            n: 0,
            n_system: 0,
            system_is_joined: false,
            turns: heapless::Deque::new(),
            is_answered: false,
        }
    }

    /// Forgets everything.
    pub(crate) fn reset(&mut self) {
        self.n = 0;
        self.n_system = 0;
        self.system_is_joined = false;
        self.turns.clear();
        self.is_answered = false;
    }

    pub(crate) fn ids(&self) -> &[u32] {
        &self.history[..self.n]
    }

    /// Appends one id of the answer; false when the context is full.
    pub(crate) fn push_answer(&mut self, id: u32) -> bool {
        self.is_answered = true;
        let Some(slot) = self.history.get_mut(self.n) else { return false };
        *slot = id;
        self.n += 1;
        self.n < self.history.len()
    }

    /// Ends the answer, also an empty or interrupted one: the next turn starts with its closing items.
    pub(crate) fn close_turn(&mut self) {
        self.is_answered = true;
    }

    /// Appends a user's turn, dropping the oldest turns if it must; `reserve` tokens are left free
    /// for the answer where the context allows.
    pub(crate) fn push_user(
        &mut self,
        tokenizer: &Tokenizer<'_>,
        template: &ChatTemplate<'_>,
        system: &str,
        content: &str,
        reserve: usize,
        buffers: &mut EncodeBuffers<'_>,
    ) -> Result<Taken, PromptError> {
        let have = self.history.len();
        // What the prompt needs on its own decides whether it can be taken at all.
        let alone = self.encode_user(tokenizer, template, system, content, true, buffers)?;
        if alone.total == alone.turn_start {
            return Err(PromptError::Empty);
        }
        if alone.total >= have {
            return Err(PromptError::TooLong { need: alone.total + 1, have });
        }
        let wanted = (alone.total + reserve).min(have);
        let reserve = wanted - alone.total;
        let mut taken = Taken { n_dropped: 0, n_kept: self.n };
        loop {
            let is_first = self.n == 0;
            let turn = self.encode_user(tokenizer, template, system, content, is_first, buffers)?;
            if turn.total + reserve <= have && !self.turns.is_full() {
                if is_first {
                    self.n_system = turn.turn_start;
                    self.system_is_joined = turn.system_is_joined;
                }
                // Room was checked above.
                let pushed = self.turns.push_back(turn.turn_start);
                debug_assert!(pushed.is_ok());
                self.n = turn.total;
                self.is_answered = false;
                return Ok(taken);
            }
            taken.n_dropped += self.drop_oldest_turn();
            taken.n_kept = taken.n_kept.min(self.n_system).min(self.n);
        }
    }

    /// Replaces everything by plain text for a base model to continue, behind what the tokenizer puts before every text,
    /// or else behind `bos` if there is one.
    pub(crate) fn push_plain(
        &mut self,
        tokenizer: &Tokenizer<'_>,
        bos: Option<u32>,
        text: &str,
        buffers: &mut EncodeBuffers<'_>,
    ) -> Result<(), PromptError> {
        self.reset();
        let have = self.history.len();
        let sink = IdSink { ids: &mut *self.history, n: 0 };
        let before = Before::Nothing;
        let mut e = Encoder { tokenizer, text: buffers.text, n_text: 0, bpe: buffers.bpe, sink, before };
        let prefix = tokenizer.prefix_ids();
        let bos = bos.filter(|_| prefix.len() == 0);
        prefix.chain(bos).for_each(|id| e.sink.push(id));
        e.text(text)?;
        e.flush()?;
        let n = e.sink.n;
        if n == 0 {
            return Err(PromptError::Empty);
        }
        if n >= have {
            return Err(PromptError::TooLong { need: n + 1, have });
        }
        self.n = n;
        Ok(())
    }

    /// Removes the oldest turn; with only one left, or if the system message would go with it, everything. Returns
    /// the number of turns that went: the next prompt writes the system message again.
    fn drop_oldest_turn(&mut self) -> usize {
        let n_turns = self.turns.len();
        // The first turn starts where the system message ends.
        self.turns.pop_front();
        let next = match self.turns.front() {
            Some(&next) if !self.system_is_joined => next,
            _ => {
                self.reset();
                return n_turns;
            }
        };
        self.history.copy_within(next..self.n, self.n_system);
        let shift = next - self.n_system;
        self.n -= shift;
        self.turns.iter_mut().for_each(|start| *start -= shift);
        1
    }

    /// Encodes behind the history (or, if `is_first`, from its start) without committing.
    fn encode_user(
        &mut self,
        tokenizer: &Tokenizer<'_>,
        template: &ChatTemplate<'_>,
        system: &str,
        content: &str,
        is_first: bool,
        buffers: &mut EncodeBuffers<'_>,
    ) -> Result<EncodedTurn, PromptError> {
        let before = match self.history[..self.n].last() {
            Some(last) if !is_first && tokenizer.is_special(*last) => Before::Token,
            Some(_) if !is_first => Before::Text,
            _ => Before::Nothing,
        };
        // A first turn is tried out beside an existing history: it must not overwrite it.
        let (ids, n) = match (is_first, self.n) {
            (true, 0) => (&mut *self.history, 0),
            (true, _) => (&mut [][..], 0),
            (false, n) => (&mut *self.history, n),
        };
        let sink = IdSink { ids, n };
        let mut e = Encoder { tokenizer, text: buffers.text, n_text: 0, bpe: buffers.bpe, sink, before };
        let with_system = !system.is_empty();
        if is_first {
            e.opening(template, system)?;
        } else if self.is_answered {
            e.items(template.after_answer())?;
        }
        let is_in_system_turn = is_first && with_system && template.system_opens_turn();
        if !is_in_system_turn && matches!(template.before_user().next(), Some(Item::Special(_))) {
            e.flush()?;
        }
        // A turn boundary inside text that is tokenised as one piece lies behind that piece's start.
        let turn_start = e.sink.n;
        let system_is_joined = is_in_system_turn || e.n_text > 0;
        if !is_in_system_turn {
            e.items(template.before_user())?;
        }
        let kind = if is_first && with_system { Content::UserBehindSystem } else { Content::User };
        e.text(template.trim(kind, content))?;
        e.items(template.end(false, true))?;
        e.flush()?;
        Ok(EncodedTurn { total: e.sink.n, turn_start, system_is_joined })
    }
}

/// Ids of a turn that was encoded but not yet taken.
#[derive(Debug, Clone, Copy)]
struct EncodedTurn {
    total: usize,
    /// Where the turn starts: of a first turn, where the system message ends.
    turn_start: usize,
    system_is_joined: bool,
}
