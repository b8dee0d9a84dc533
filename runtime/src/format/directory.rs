//! The tensor directory: role, shape, layout and place of every tensor
//!
//! Entries follow the [`Schedule`] of the config, one for one, and tensors follow each other in the payload at the next
//! multiple of 64 bytes: as for sections, a valid directory leaves no freedom for holes or overlaps.

use super::error::LoadError;
use super::field::{f32_at, put, u16_at, u64_at};
use super::layout::{Layout, Order};
use super::schedule::{ExpectedTensor, Schedule, TableForm, TensorKind};
use super::sections::SectionId;
use super::{ALIGN, align_up};
use crate::config::{Config, HiddenAct};

/// Size of one directory entry in bytes.
pub const ENTRY_BYTES: usize = 48;
/// The `layer` of tensors that belong to none.
pub const NO_LAYER: u16 = 0xffff;

/// Declares [`Role`] with its codes and names in one table.
macro_rules! roles {
    ($($(#[$doc:meta])* $variant:ident = $code:literal, $name:literal;)*) => {
        /// A tensor's part in the model. The numbers are the codes in the file.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        #[repr(u16)]
        pub enum Role { $($(#[$doc])* $variant = $code,)* }

        impl Role {
            /// The tensor's name, in the words of the runtime.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
        }
    };
}

roles! {
    /// `[vocab_size, dim]`.
    TokenEmbedding = 1, "token_embedding";
    /// `[vocab_size]`, one factor per row of an i8 or split embedding.
    TokenEmbeddingScale = 2, "token_embedding_scale";
    /// `[dim]`.
    FinalNorm = 3, "final_norm";
    /// `[head_dim / 2]`.
    RopeInvFreq = 4, "rope_inv_freq";
    /// `[vocab_size, dim]`, untied models only.
    LmHead = 5, "lm_head";
    /// `[vocab_size]`, one factor per row of an i8 or split head.
    LmHeadScale = 6, "lm_head_scale";
    /// `[vocab_size]`, what bounds the low plane's rows of a split embedding.
    TokenEmbeddingBound = 7, "token_embedding_bound";
    /// `[vocab_size, dim]`, the low plane of a split embedding.
    TokenEmbeddingLow = 8, "token_embedding_low";
    /// `[vocab_size]`, what bounds the low plane's rows of a split head.
    LmHeadBound = 9, "lm_head_bound";
    /// `[vocab_size, dim]`, the low plane of a split head.
    LmHeadLow = 10, "lm_head_low";
    /// `[dim]`.
    AttnNorm = 16, "attn_norm";
    /// `[q_dim, dim]`.
    Wq = 17, "wq";
    /// `[kv_dim, dim]`.
    Wk = 18, "wk";
    /// `[kv_dim, dim]`.
    Wv = 19, "wv";
    /// `[q_dim]`.
    AttnSubNorm = 20, "attn_sub_norm";
    /// `[dim, q_dim]`.
    Wo = 21, "wo";
    /// `[dim]`.
    FfnNorm = 22, "ffn_norm";
    /// `[hidden_dim, dim]`.
    WGate = 23, "w_gate";
    /// `[hidden_dim, dim]`.
    WUp = 24, "w_up";
    /// `[hidden_dim]`.
    FfnSubNorm = 25, "ffn_sub_norm";
    /// `[dim, hidden_dim]`.
    WDown = 26, "w_down";
    /// `[head_dim]`, of every query head.
    QNorm = 27, "q_norm";
    /// `[head_dim]`, of every key head.
    KNorm = 28, "k_norm";
    /// `[dim]`, of the input of `wq`.
    WqNorm = 29, "wq_norm";
    /// `[dim]`, of the input of `wk`.
    WkNorm = 30, "wk_norm";
    /// `[dim]`, of the input of `wv`.
    WvNorm = 31, "wv_norm";
    /// `[q_dim]`, of the input of `wo`.
    WoNorm = 32, "wo_norm";
    /// `[dim]`, of the input of `w_gate`.
    WGateNorm = 33, "w_gate_norm";
    /// `[dim]`, of the input of `w_up`.
    WUpNorm = 34, "w_up_norm";
    /// `[hidden_dim]`, of the input of `w_down`.
    WDownNorm = 35, "w_down_norm";
}

mod at {
    pub(super) const ROLE: usize = 0;
    pub(super) const LAYER: usize = 2;
    pub(super) const LAYOUT: usize = 4;
    pub(super) const ORDER: usize = 6;
    pub(super) const RESERVED: usize = 7;
    pub(super) const TILES: usize = 8;
    pub(super) const SCALE: usize = 12;
    pub(super) const N: usize = 16;
    pub(super) const K: usize = 24;
    pub(super) const OFFSET: usize = 32;
    pub(super) const LENGTH: usize = 40;
}

/// One tensor: what it is and where it lies.
///
/// `tile_n` and `tile_k` are stored as zero: the tile of a layout that has one is a fact of the layout.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct TensorEntry {
    /// The tensor's part in the model.
    pub role: Role,
    /// The layer, or [`NO_LAYER`].
    pub layer: u16,
    /// How its elements lie.
    pub layout: Layout,
    /// Whether its rows or its columns lie together.
    pub order: Order,
    /// Factor of every trit of a ternary tensor; 1 for other layouts.
    pub scale: f32,
    /// Rows; 1 for vectors.
    pub n: u64,
    /// Columns; the length for vectors.
    pub k: u64,
    /// From the start of TENSORS, in bytes; a multiple of 64.
    pub offset: u64,
    /// In bytes: [`Layout::tensor_bytes`].
    pub length: u64,
}

impl TensorEntry {
    /// The entry for `expected` in `layout` and `order`, placed after a tensor that ended at `previous_end`.
    ///
    /// `None` if the payload would exceed 2⁶⁴ bytes.
    #[must_use]
    pub fn place(
        expected: &ExpectedTensor,
        layout: Layout,
        order: Order,
        scale: f32,
        previous_end: u64,
    ) -> Option<Self> {
        Some(Self {
            role: expected.role,
            layer: expected.layer,
            layout,
            order,
            scale,
            n: expected.n,
            k: expected.k,
            offset: align_up(previous_end, ALIGN)?,
            length: layout.tensor_bytes(order, expected.n, expected.k)?,
        })
    }

    /// The entry's bytes.
    #[must_use]
    pub fn encode(&self) -> [u8; ENTRY_BYTES] {
        let mut record = [0; ENTRY_BYTES];
        put(&mut record, at::ROLE, &(self.role as u16).to_le_bytes());
        put(&mut record, at::LAYER, &self.layer.to_le_bytes());
        put(&mut record, at::LAYOUT, &self.layout.code().to_le_bytes());
        put(&mut record, at::ORDER, &[self.order.code()]);
        put(&mut record, at::SCALE, &self.scale.to_le_bytes());
        put(&mut record, at::N, &self.n.to_le_bytes());
        put(&mut record, at::K, &self.k.to_le_bytes());
        put(&mut record, at::OFFSET, &self.offset.to_le_bytes());
        put(&mut record, at::LENGTH, &self.length.to_le_bytes());
        record
    }

    /// Reads entry `index`, which must be `expected`, placed after a tensor that ended at `previous_end`.
    fn decode(
        record: &[u8],
        index: u32,
        expected: &ExpectedTensor,
        hidden_act: HiddenAct,
        previous_end: u64,
    ) -> Result<Self, LoadError> {
        let (role, layer) = (u16_at(record, at::ROLE), u16_at(record, at::LAYER));
        if (role, layer) != (expected.role as u16, expected.layer) {
            return Err(LoadError::WrongTensor { index, expected: expected.role, role, layer });
        }
        let layout = Layout::from_code(u16_at(record, at::LAYOUT), index)?;
        let allowed = match expected.kind {
            TensorKind::Ternary => layout.is_ternary(),
            TensorKind::Vector => layout == Layout::F32,
            TensorKind::Table => !layout.is_ternary() && layout != Layout::I8Low,
            TensorKind::LowPlane => layout == Layout::I8Low,
        };
        if !allowed {
            return Err(LoadError::WrongLayout { index, role: expected.role, found: layout });
        }
        let order = match Order::from_code(record[at::ORDER]) {
            Some(order)
                if record[at::TILES..at::SCALE] == [0; 4]
                    && may_have(expected.role, layout, order, hidden_act) =>
            {
                order
            }
            _ => return Err(LoadError::UnsupportedOrder { index }),
        };
        if record[at::RESERVED] != 0 {
            return Err(LoadError::TensorReservedNotZero { index });
        }
        let scale = f32_at(record, at::SCALE);
        let scale_is_valid =
            if layout.is_ternary() { scale.is_finite() && scale.is_sign_positive() } else { scale == 1.0 };
        if !scale_is_valid {
            return Err(LoadError::BadScale { index, found: scale });
        }
        let (n, k) = (u64_at(record, at::N), u64_at(record, at::K));
        if (n, k) != (expected.n, expected.k) {
            return Err(LoadError::WrongShape { index, expected: (expected.n, expected.k), found: (n, k) });
        }
        let out_of_bounds = LoadError::TensorOutOfBounds { index, need: u64::MAX, have: 0 };
        let placed = Self::place(expected, layout, order, scale, previous_end).ok_or(out_of_bounds)?;
        let (offset, length) = (u64_at(record, at::OFFSET), u64_at(record, at::LENGTH));
        if (offset, length) != (placed.offset, placed.length) {
            return Err(LoadError::TensorPlacement {
                index,
                expected: (placed.offset, placed.length),
                found: (offset, length),
            });
        }
        Ok(placed)
    }
}

/// A directory whose entries all match the config and lie within the payload.
#[derive(Debug, Clone, Copy)]
pub struct Directory<'a> {
    records: &'a [u8],
    schedule: Schedule,
}

impl<'a> Directory<'a> {
    /// Checks every entry of `records` against `config` and a payload of `tensors_len` bytes.
    ///
    /// # Errors
    /// Rejections R18 and R25 to R32 of FORMAT.md.
    pub fn decode(records: &'a [u8], config: &Config, tensors_len: u64) -> Result<Self, LoadError> {
        let embedding = table_form(records, 0);
        let head_index = Schedule::new(config, embedding, TableForm::Float).lm_head_index();
        let schedule = Schedule::new(config, embedding, table_form(records, head_index));
        let expected_len = u64::from(schedule.len()) * ENTRY_BYTES as u64;
        if records.len() as u64 != expected_len {
            return Err(LoadError::SectionLength {
                id: SectionId::Directory,
                expected: expected_len,
                found: records.len() as u64,
            });
        }
        let mut end = 0;
        for ((index, expected), record) in (0..).zip(schedule.iter()).zip(records.chunks_exact(ENTRY_BYTES)) {
            let entry = TensorEntry::decode(record, index, &expected, config.hidden_act, end)?;
            end = match entry.offset.checked_add(entry.length) {
                Some(end) if end <= tensors_len => end,
                _ => {
                    let need = entry.offset.saturating_add(entry.length);
                    return Err(LoadError::TensorOutOfBounds { index, need, have: tensors_len });
                }
            };
        }
        if end != tensors_len {
            return Err(LoadError::PayloadNotCovered { expected: end, found: tensors_len });
        }
        Ok(Self { records, schedule })
    }

    /// The schedule that the entries follow.
    #[must_use]
    pub const fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Entry `index`; `None` past the last.
    #[must_use]
    pub fn get(&self, index: u32) -> Option<TensorEntry> {
        let expected = self.schedule.get(index)?;
        let start = index as usize * ENTRY_BYTES;
        let record = &self.records[start..start + ENTRY_BYTES];
        Some(TensorEntry {
            role: expected.role,
            layer: expected.layer,
            layout: Layout::from_code(u16_at(record, at::LAYOUT), index).ok()?,
            order: Order::from_code(record[at::ORDER])?,
            scale: f32_at(record, at::SCALE),
            n: expected.n,
            k: expected.k,
            offset: u64_at(record, at::OFFSET),
            length: u64_at(record, at::LENGTH),
        })
    }

    /// All entries in file order.
    pub fn iter(&self) -> impl Iterator<Item = TensorEntry> + use<'a> {
        let directory = *self;
        (0..self.schedule.len()).filter_map(move |index| directory.get(index))
    }
}

/// Whether a tensor of this role and layout may lie in `order`.
///
/// Columns lie together only where inputs are skipped: in `w_down` behind a squared ReLU, most of whose outputs are 0. The
/// rows of tl1 lie 32 together, so its columns cannot be told apart.
fn may_have(role: Role, layout: Layout, order: Order, hidden_act: HiddenAct) -> bool {
    match order {
        Order::RowMajor => true,
        Order::ColumnMajor => role == Role::WDown && hidden_act == HiddenAct::Relu2 && layout != Layout::Tl1,
    }
}

/// The form of the table that entry `index` says it is, if there is one.
fn table_form(records: &[u8], index: u32) -> TableForm {
    let start = index as usize * ENTRY_BYTES;
    let layout = records.get(start..start + ENTRY_BYTES).map(|record| u16_at(record, at::LAYOUT));
    let layout = layout.and_then(|code| Layout::from_code(code, index).ok());
    layout.map_or(TableForm::Float, TableForm::of)
}
