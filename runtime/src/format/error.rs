//! Why a model file is refused
//!
//! One variant per numbered rejection of `runtime/FORMAT.md`, with the numbers needed to act on it. Small, `Copy`,
//! without heap; `Display` says what was expected and what was found.

use super::directory::Role;
use super::layout::Layout;
use super::sections::SectionId;
use super::system::SystemError;
use crate::chat_template::ChatTemplateError;
use crate::tokenizer::TokenizerError;
use core::fmt;

/// Why a model file is refused.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
#[expect(missing_docs, reason = "the fields are the numbers of the message that each variant displays")]
pub enum LoadError {
    /// R1: the file's first byte is not at a multiple of 64 in memory.
    MisalignedBase { remainder: usize },
    /// R2: shorter than the header and section table.
    Truncated { need: u64, have: u64 },
    /// R3: not a model file.
    BadMagic { found: u64 },
    /// R4: a version this reader does not know.
    UnsupportedVersion { expected: u32, found: u32 },
    /// R5: cut short, or followed by something else.
    WrongLength { need: u64, have: u64 },
    /// R6: no section, or more than there are ids.
    BadSectionCount { max: u32, found: u32 },
    /// R7: header or section table damaged.
    HeaderChecksum { expected: u64, found: u64 },
    /// R8: a reserved byte of the header or section table is used.
    ReservedNotZero { offset: u64 },
    /// R9: the file needs features this reader does not have.
    UnsupportedFeatures { bits: u64 },
    /// R10: a section id this version does not define.
    UnknownSection { found: u32 },
    /// R11: section ids do not ascend, or repeat.
    SectionOrder { previous: u32, found: u32 },
    /// R12: a required section is absent.
    MissingSection { id: SectionId },
    /// R13: a section is not at the first aligned offset after the one before.
    SectionPlacement { id: SectionId, expected: u64, found: u64 },
    /// R14: a section ends beyond the file.
    SectionOutOfBounds { id: SectionId, offset: u64, length: u64 },
    /// R15: the last section does not end where the file does.
    TrailingBytes { expected: u64, found: u64 },
    /// R16: padding between sections is used.
    GapNotZero { offset: u64 },
    /// R17: a section is damaged.
    SectionChecksum { id: SectionId, expected: u64, found: u64 },
    /// R18: a section's length is not what its contents demand.
    SectionLength { id: SectionId, expected: u64, found: u64 },
    /// R19: a config field is out of range.
    ConfigOutOfRange { field: &'static str, min: u64, max: u64, found: u64 },
    /// R20: a config field does not divide as it must.
    ConfigNotMultiple { field: &'static str, found: u32, divisor: u32 },
    /// R21: a config field is not finite or out of its range.
    ConfigBadFloat { field: &'static str, found: f64 },
    /// R22: a config field holds an undefined code.
    ConfigUnknownCode { field: &'static str, found: u32 },
    /// R23: the model's name is not printable UTF-8.
    ConfigBadName,
    /// R24: a reserved or unused byte of the config record is used.
    ConfigReservedNotZero { offset: u64 },
    /// R25: another tensor than the config demands at this place.
    WrongTensor { index: u32, expected: Role, role: u16, layer: u16 },
    /// R26: a layout code this version does not define.
    UnknownLayout { index: u32, found: u16 },
    /// R26: a layout that this tensor may not have.
    WrongLayout { index: u32, role: Role, found: Layout },
    /// R27: an undefined order, columns together where rows must be, or tiled, which this version does not define.
    UnsupportedOrder { index: u32 },
    /// R28: a reserved byte of a directory entry is used.
    TensorReservedNotZero { index: u32 },
    /// R29: a scale that is negative or not finite, or not 1 for a layout without scale.
    BadScale { index: u32, found: f32 },
    /// R30: another shape than the config demands.
    WrongShape { index: u32, expected: (u64, u64), found: (u64, u64) },
    /// R31: not at the next multiple of 64, or not as long as its shape demands.
    TensorPlacement { index: u32, expected: (u64, u64), found: (u64, u64) },
    /// R32: a tensor ends beyond the payload.
    TensorOutOfBounds { index: u32, need: u64, have: u64 },
    /// R32: the payload goes on after the last tensor.
    PayloadNotCovered { expected: u64, found: u64 },
    /// R33: a self-test without ids, or with too many.
    SelfTestCount { max: u32, found: u32 },
    /// R34: the self-test's reserved bytes are used.
    SelfTestReserved,
    /// R35: a self-test id outside the vocabulary.
    SelfTestId { found: u32, vocab_size: u32 },
    /// R36: a chunk of the payload is damaged.
    ChunkChecksum { index: u64, expected: u64, found: u64 },
    /// R37: a ternary row (column, tile) with an unused code or non-zero padding.
    InvalidTrits { index: u32, row: u64 },
    /// R38: a stored float that is not finite.
    NotFinite { index: u32, element: u64 },
    /// R39: padding between tensors is used.
    TensorGapNotZero { index: u32 },
    /// R40: the tokenizer section is refused, by its own numbered rejections.
    Tokenizer(TokenizerError),
    /// R41: the tokenizer has more ids than the model.
    TokenizerIds { vocab_size: u32, found: u32 },
    /// R42: the chat template section is refused, by its own numbered rejections.
    ChatTemplate(ChatTemplateError),
    /// R43: a chat template without a tokenizer.
    ChatTemplateAlone,
    /// R44: a chat template writes an id outside the vocabulary.
    ChatTemplateId { found: u32, vocab_size: u32 },
    /// R45: an embedding model, which gives no logits, with a head of its own.
    ConfigPoolingWithHead,
    /// R46: the system message's section is refused, by its own numbered rejections.
    System(SystemError),
    /// R47: a row of a split table's plane whose padding is not weight 0.
    PlanePaddingNotZero { index: u32, row: u64 },
    /// R48: a bound that is not what its row of the low plane demands.
    WrongBound { index: u32, row: u64, expected: u32, found: f32 },
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match *self {
            Self::MisalignedBase { remainder } => {
                write!(f, "base address: expected a multiple of 64, found remainder {remainder}")
            }
            Self::Truncated { need, have } => {
                write!(f, "file length: expected at least {need} bytes, found {have}")
            }
            Self::BadMagic { found } => {
                write!(f, "magic: expected \"TERNLET\", found bytes {:02x?}", found.to_le_bytes())
            }
            Self::UnsupportedVersion { expected, found } => {
                write!(f, "format version: expected {expected}, found {found}")
            }
            Self::WrongLength { need, have } => write!(f, "file length: expected {need} bytes, found {have}"),
            Self::BadSectionCount { max, found } => {
                write!(f, "section count: expected 1 to {max}, found {found}")
            }
            Self::HeaderChecksum { expected, found } => {
                write!(f, "header checksum: expected {expected:016x}, found {found:016x}")
            }
            Self::ReservedNotZero { offset } => {
                write!(f, "reserved byte {offset}: expected 0, found another value")
            }
            Self::UnsupportedFeatures { bits } => {
                write!(f, "required features: expected none that this version lacks, found bits {bits:#x}")
            }
            Self::UnknownSection { found } => write!(f, "section id: expected 1 to 8, found {found}"),
            Self::SectionOrder { previous, found } => {
                write!(f, "section ids: expected one above {previous}, found {found}")
            }
            Self::MissingSection { id } => write!(f, "section {}: expected one, found none", id.name()),
            Self::SectionPlacement { id, expected, found } => {
                write!(f, "section {} offset: expected {expected}, found {found}", id.name())
            }
            Self::SectionOutOfBounds { id, offset, length } => {
                write!(
                    f,
                    "section {}: expected to end within the file, found {length} bytes at {offset}",
                    id.name()
                )
            }
            Self::TrailingBytes { expected, found } => {
                write!(f, "end of the last section: expected at {found}, found at {expected}")
            }
            Self::GapNotZero { offset } => {
                write!(f, "padding byte {offset}: expected 0, found another value")
            }
            Self::SectionChecksum { id, expected, found } => {
                write!(f, "section {} checksum: expected {expected:016x}, found {found:016x}", id.name())
            }
            Self::SectionLength { id, expected, found } => {
                write!(f, "section {} length: expected {expected}, found {found}", id.name())
            }
            Self::ConfigOutOfRange { field, min, max, found } => {
                write!(f, "config {field}: expected {min} to {max}, found {found}")
            }
            Self::ConfigNotMultiple { field, found, divisor } => {
                write!(f, "config {field}: expected a multiple of {divisor}, found {found}")
            }
            Self::ConfigBadFloat { field, found } => {
                write!(f, "config {field}: expected a finite number in range, found {found}")
            }
            Self::ConfigUnknownCode { field, found } => {
                write!(f, "config {field}: expected a defined code, found {found}")
            }
            Self::ConfigBadName => f.write_str("config name: expected printable UTF-8, found other bytes"),
            Self::ConfigReservedNotZero { offset } => {
                write!(f, "config byte {offset}: expected 0, found another value")
            }
            Self::WrongTensor { index, expected, role, layer } => {
                write!(f, "tensor {index}: expected {}, found role {role} of layer {layer}", expected.name())
            }
            Self::UnknownLayout { index, found } => {
                write!(f, "tensor {index} layout: expected a defined code, found {found}")
            }
            Self::WrongLayout { index, role, found } => {
                write!(f, "tensor {index} layout: expected one for {}, found {}", role.name(), found.name())
            }
            Self::UnsupportedOrder { index } => {
                write!(f, "tensor {index} order: expected row-major without tiles (w_down behind a squared ReLU, but for tl1: or \
                     column-major), found another")
            }
            Self::TensorReservedNotZero { index } => {
                write!(f, "tensor {index} reserved byte: expected 0, found another value")
            }
            Self::BadScale { index, found } => {
                write!(
                    f,
                    "tensor {index} scale: expected finite and positive (1 if not ternary), found {found}"
                )
            }
            Self::WrongShape { index, expected, found } => {
                let ((n, k), (found_n, found_k)) = (expected, found);
                write!(f, "tensor {index} shape: expected [{n}, {k}], found [{found_n}, {found_k}]")
            }
            Self::TensorPlacement { index, expected, found } => {
                let ((offset, length), (found_offset, found_length)) = (expected, found);
                write!(
                    f,
                    "tensor {index}: expected {length} bytes at {offset}, found {found_length} bytes at {found_offset}"
                )
            }
            Self::TensorOutOfBounds { index, need, have } => {
                write!(f, "tensor {index}: expected to end within {have} bytes of payload, found end {need}")
            }
            Self::PayloadNotCovered { expected, found } => {
                write!(f, "payload length: expected {expected} bytes, found {found}")
            }
            Self::SelfTestCount { max, found } => {
                write!(f, "self-test: expected 1 to {max} ids, found {found}")
            }
            Self::SelfTestReserved => {
                f.write_str("self-test reserved field: expected 0, found another value")
            }
            Self::SelfTestId { found, vocab_size } => {
                write!(f, "self-test: expected ids below {vocab_size}, found {found}")
            }
            Self::ChunkChecksum { index, expected, found } => {
                write!(f, "payload chunk {index} checksum: expected {expected:016x}, found {found:016x}")
            }
            Self::InvalidTrits { index, row } => {
                write!(
                    f,
                    "tensor {index} row {row}: expected valid trits and zero padding, found another code"
                )
            }
            Self::NotFinite { index, element } => {
                write!(f, "tensor {index} element {element}: expected a finite number, found NaN or infinity")
            }
            Self::TensorGapNotZero { index } => {
                write!(f, "padding before tensor {index}: expected 0, found another value")
            }
            Self::Tokenizer(e) => write!(f, "tokenizer: {e}"),
            Self::TokenizerIds { vocab_size, found } => {
                write!(
                    f,
                    "tokenizer: expected at most {vocab_size} ids, the model's vocabulary, found {found}"
                )
            }
            Self::ChatTemplate(e) => fmt::Display::fmt(&e, f),
            Self::ChatTemplateAlone => {
                f.write_str("chat template: expected a tokenizer beside it, found none")
            }
            Self::ChatTemplateId { found, vocab_size } => {
                write!(f, "chat template: expected ids below {vocab_size}, found {found}")
            }
            Self::System(e) => write!(f, "system message: {e}"),
            Self::PlanePaddingNotZero { index, row } => {
                write!(f, "tensor {index} row {row}: expected padding of weight 0, found another code")
            }
            Self::WrongBound { index, row, expected, found } => {
                write!(f, "tensor {index} row {row}: expected the bound {expected}, found {found}")
            }
            Self::ConfigPoolingWithHead => f.write_str(
                "config tied_embedding: expected it set in an embedding model, which has no head, found it clear",
            ),
        }
    }
}

impl core::error::Error for LoadError {}
