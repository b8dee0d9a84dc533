//! Why a pass over rows gave no result
//!
//! Typed, `Copy` and without heap: the numbers needed to act, and a sentence for people.

use core::fmt;

/// Why a forward pass was refused or failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ForwardError {
    /// More rows than the plan's `max_batch`.
    TooManyRows {
        /// Rows given.
        n_rows: usize,
        /// The plan's `max_batch`.
        max_batch: u32,
    },
    /// More rows want logits than the plan's `max_logit_rows`.
    TooManyLogitRows {
        /// Rows that want logits.
        n_rows: usize,
        /// The plan's `max_logit_rows`.
        max_logit_rows: u32,
    },
    /// A slot that the plan does not have.
    Slot {
        /// The row's slot.
        slot: u32,
        /// The plan's `n_slots`.
        n_slots: u32,
    },
    /// A position past the planned context.
    ContextFull {
        /// The row's position.
        pos: u32,
        /// The plan's `context`.
        context: u32,
    },
    /// A position that leaves a gap or does not follow the slot's previous row in the batch.
    Gap {
        /// The row's position.
        pos: u32,
        /// The position expected, or the last one allowed.
        expected: u32,
    },
    /// A token id outside the vocabulary.
    TokenId {
        /// The id given.
        token_id: u32,
        /// The model's vocabulary size.
        vocab_size: u32,
    },
    /// A logit is infinite or not a number: the weights or scales are damaged.
    NonFiniteLogits {
        /// Position whose logits are not finite.
        pos: u32,
    },
    /// Logits asked of an embedding model.
    NoLogits,
    /// An embedding asked of a model that predicts tokens.
    NoEmbedding,
    /// An embedding asked for of no tokens.
    NoTokens,
    /// The pooled state is zero, infinite or not a number, so it has no direction.
    NoDirection {
        /// Position of the token whose state was pooled.
        pos: u32,
    },
}

impl fmt::Display for ForwardError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::TooManyRows { n_rows, max_batch } => {
                write!(f, "a pass takes at most {max_batch} rows, got {n_rows}")
            }
            Self::TooManyLogitRows { n_rows, max_logit_rows } => {
                write!(f, "a pass gives logits for at most {max_logit_rows} rows, {n_rows} want them")
            }
            Self::Slot { slot, n_slots } => write!(f, "slot {slot} of {n_slots}"),
            Self::ContextFull { pos, context } => {
                write!(f, "position {pos} is past the context of {context} tokens")
            }
            Self::Gap { pos, expected } => write!(f, "position {pos} leaves a gap, expected {expected}"),
            Self::TokenId { token_id, vocab_size } => {
                write!(f, "token id {token_id} is outside the vocabulary of {vocab_size}")
            }
            Self::NonFiniteLogits { pos } => write!(
                f,
                "the logits at position {pos} are not finite: expected numbers, found infinity or NaN; \
                 the model file is damaged or its scales are wrong"
            ),
            Self::NoLogits => f.write_str(
                "expected a model that predicts tokens, found an embedding model: it gives one vector for a text and \
                 no logits",
            ),
            Self::NoEmbedding => f.write_str(
                "expected an embedding model, found one that predicts tokens: it gives logits and no vector for a text",
            ),
            Self::NoTokens => f.write_str("an embedding needs at least one token, found none"),
            Self::NoDirection { pos } => write!(
                f,
                "the state at position {pos} has no direction: expected finite numbers that are not all zero; \
                 the model file is damaged or its scales are wrong"
            ),
        }
    }
}

impl core::error::Error for ForwardError {}
