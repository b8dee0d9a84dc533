//! A vocabulary in memory, and the TOKENIZER section it becomes
//!
//! Importers fill a [`Vocabulary`]; [`Vocabulary::section`] lays it out as `ternlet_runtime::tokenizer::layout` defines
//! and lets the runtime check the result. The layout is a function of the vocabulary alone: equal input, equal bytes.

use std::collections::BTreeMap;

use ternlet_runtime::Tokenizer;
use ternlet_runtime::tokenizer::layout::{Header, Kind, MAX_WORD_SLOTS, NONE};
use ternlet_runtime::tokenizer::words::{MAX_PROBES, first_slot};

/// A token that is recognised in raw text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedToken {
    /// Its id.
    pub id: u32,
    /// What is recognised; not empty, and normalised if it is looked for in normalised text (`ADDED_SECOND_PASS`).
    pub content: String,
    /// The `ADDED_` flags of [`ternlet_runtime::tokenizer::layout`]; 0 for a token that is just looked for.
    pub flags: u32,
}

/// A vocabulary of byte-level or SentencePiece BPE.
#[derive(Debug, Clone)]
pub struct Vocabulary {
    /// What tokens are made of.
    pub kind: Kind,
    /// The bytes that each id decodes to; empty for ids left out. A SentencePiece mark is a space here, the token of a
    /// byte is that byte.
    pub tokens: Vec<Vec<u8>>,
    /// The token of each single byte, if there is one; of SentencePiece the token that stands for it.
    pub byte_ids: [Option<u32>; 256],
    /// Pairs that merge: left and right token to rank. Several may share a rank.
    pub merges: BTreeMap<(u32, u32), u32>,
    /// The token that pairs of each rank become.
    pub merge_ids: Vec<u32>,
    /// The tokens of single characters, of SentencePiece only; a mark is a space here.
    pub characters: BTreeMap<char, u32>,
    /// The ids that a whole word may become: those that the model's own vocabulary (not an added token) writes.
    pub word_ids: Vec<u32>,
    /// Whether a word that is a token becomes that token without merging.
    pub ignore_merges: bool,
    /// Tokens that are recognised in raw text.
    pub added: Vec<AddedToken>,
    /// Ids that decoding may skip and that may be read as text.
    pub special_ids: Vec<u32>,
    /// Ids that go before a text.
    pub prefix_ids: Vec<u32>,
    /// Ids that go after a text.
    pub suffix_ids: Vec<u32>,
}

impl Vocabulary {
    /// The bytes of the section, checked by the runtime's own reader.
    ///
    /// # Errors
    /// What the reader would refuse, in words.
    pub fn section(&self) -> Result<Vec<u8>, String> {
        let check = |section: &[u8]| match Tokenizer::parse(section) {
            Ok(_) => Ok(()),
            Err(e) => Err(e.to_string()),
        };
        let word_ids = if self.ignore_merges {
            self.word_ids.clone()
        } else {
            let section = self.lay_out(&[])?;
            check(&section)?;
            self.rebuilt_by_merging(&section)
        };
        let section = self.lay_out(&word_ids)?;
        check(&section)?;
        Ok(section)
    }

    /// The word ids whose bytes merge into just that id, according to a `section` without a word table.
    fn rebuilt_by_merging(&self, section: &[u8]) -> Vec<u32> {
        let Ok(tokenizer) = Tokenizer::parse(section) else { return Vec::new() };
        let longest = self.tokens.iter().map(Vec::len).max().unwrap_or(0);
        let mut scratch = vec![0; Tokenizer::scratch_len(longest)];
        let mut is_rebuilt = |id: u32| {
            let mut ids = Vec::new();
            let merged = tokenizer.merge_word(&self.tokens[id as usize], &mut scratch, &mut |id| {
                ids.push(id);
                Ok(())
            });
            merged.is_ok() && ids == [id]
        };
        self.word_ids.iter().copied().filter(|id| is_rebuilt(*id)).collect()
    }

    fn lay_out(&self, word_ids: &[u32]) -> Result<Vec<u8>, String> {
        let n_tokens = self.tokens.len();
        let word_slots = self.word_slots(word_ids)?;
        let max_word_bytes = word_ids.iter().map(|id| self.tokens[*id as usize].len()).max().unwrap_or(0);
        let mut added: Vec<&AddedToken> = self.added.iter().collect();
        added.sort_by_key(|token| token.content.as_bytes());
        added.dedup();
        let token_bytes = self.tokens.concat();
        let added_bytes: Vec<u8> = added.iter().flat_map(|token| token.content.bytes()).collect();

        let header = Header {
            kind: self.kind,
            n_tokens: count("tokens", n_tokens)?,
            n_token_bytes: count("token bytes", token_bytes.len())?,
            n_merges: count("merges", self.merges.len())?,
            n_ranks: count("ranks", self.merge_ids.len())?,
            n_word_slots: count("word slots", word_slots.len())?,
            max_word_bytes: count("bytes in a word", max_word_bytes)?,
            n_added: count("added tokens", added.len())?,
            n_added_bytes: count("added bytes", added_bytes.len())?,
            n_prefix: count("prefix ids", self.prefix_ids.len())?,
            n_suffix: count("suffix ids", self.suffix_ids.len())?,
            n_characters: count("characters", self.characters.len())?,
        };
        let mut special_bits = vec![0; n_tokens.div_ceil(32)];
        for id in &self.special_ids {
            special_bits[(id / 32) as usize] |= 1 << (id % 32);
        }
        let mut merge_starts = vec![0; n_tokens + 1];
        for (left, _) in self.merges.keys() {
            merge_starts[*left as usize + 1] += 1;
        }
        accumulate(&mut merge_starts);

        let mut section = Section(header.encode().to_vec());
        section.starts(self.tokens.iter().map(Vec::len));
        section.words(special_bits);
        section.words(self.byte_ids.iter().map(|id| id.unwrap_or(NONE)));
        section.words(merge_starts);
        // The map's order is the table's: by left token, then by right token.
        section.words(self.merges.iter().flat_map(|((_, right), rank)| [*right, *rank]));
        section.words(self.merge_ids.iter().copied());
        section.words(self.characters.iter().flat_map(|(c, id)| [u32::from(*c), *id]));
        section.words(word_slots);
        section.words(added.iter().map(|token| token.id));
        section.starts(added.iter().map(|token| token.content.len()));
        section.words(added.iter().map(|token| token.flags));
        section.words(self.prefix_ids.iter().copied());
        section.words(self.suffix_ids.iter().copied());
        section.0.extend(token_bytes);
        section.0.extend(added_bytes);
        Ok(section.0)
    }

    /// The smallest hash table, at most half full, in which every word is found within the allowed probes.
    fn word_slots(&self, word_ids: &[u32]) -> Result<Vec<u32>, String> {
        if word_ids.is_empty() {
            return Ok(Vec::new());
        }
        let mut n_slots = (2 * word_ids.len()).next_power_of_two();
        while n_slots <= MAX_WORD_SLOTS as usize {
            if let Some(slots) = self.fill_slots(word_ids, n_slots) {
                return Ok(slots);
            }
            n_slots *= 2;
        }
        Err(format!("{} words do not fit the word table", word_ids.len()))
    }

    fn fill_slots(&self, word_ids: &[u32], n_slots: usize) -> Option<Vec<u32>> {
        let mut slots = vec![NONE; n_slots];
        for &id in word_ids {
            let first = first_slot(&self.tokens[id as usize], n_slots);
            let mut probes = (first..first + MAX_PROBES).map(|slot| slot % n_slots);
            let free = probes.find(|slot| slots[*slot] == NONE)?;
            slots[free] = id;
        }
        Some(slots)
    }
}

/// A section as it grows.
struct Section(Vec<u8>);

impl Section {
    fn words(&mut self, words: impl IntoIterator<Item = u32>) {
        self.0.extend(words.into_iter().flat_map(u32::to_le_bytes));
    }

    /// The starts of elements of the given lengths, and their end.
    fn starts(&mut self, lengths: impl Iterator<Item = usize>) {
        let mut starts = vec![0];
        starts.extend(lengths.map(|length| u32::try_from(length).unwrap_or(u32::MAX)));
        accumulate(&mut starts);
        self.words(starts);
    }
}

/// Replaces each element by the sum of all up to it.
fn accumulate(counts: &mut [u32]) {
    let mut sum = 0u32;
    for count in counts {
        sum = sum.saturating_add(*count);
        *count = sum;
    }
}

fn count(what: &str, n: usize) -> Result<u32, String> {
    u32::try_from(n).map_err(|_| format!("{n} {what} are too many"))
}
