//! The CONFIG section: one fixed record of 192 bytes
//!
//! Unused bytes (absent ids, the tail of the name) are zero and checked, so a config has exactly one encoding.

use super::error::LoadError;
use super::field::{f32_at, f64_at, first_non_zero, put, u32_at};
use super::sections::SectionId;
use crate::config::{Config, HiddenAct, MAX_EOS_TOKENS, MAX_NAME_BYTES, Pooling, SamplingDefaults};

/// Size of the record in bytes.
pub const CONFIG_RECORD_BYTES: usize = 192;

mod at {
    pub(super) const DIM: usize = 0;
    pub(super) const HIDDEN_DIM: usize = 4;
    pub(super) const N_LAYERS: usize = 8;
    pub(super) const N_HEADS: usize = 12;
    pub(super) const N_KV_HEADS: usize = 16;
    pub(super) const HEAD_DIM: usize = 20;
    pub(super) const VOCAB_SIZE: usize = 24;
    pub(super) const MAX_SEQ_LEN: usize = 28;
    pub(super) const NORM_EPS: usize = 32;
    pub(super) const HIDDEN_ACT: usize = 36;
    pub(super) const FLAGS: usize = 40;
    pub(super) const BOS: usize = 44;
    pub(super) const ROPE_THETA: usize = 48;
    pub(super) const N_EOS: usize = 56;
    pub(super) const EOS: usize = 60;
    pub(super) const TEMPERATURE: usize = 92;
    pub(super) const TOP_K: usize = 96;
    pub(super) const TOP_P: usize = 100;
    pub(super) const NAME_LEN: usize = 104;
    pub(super) const NAME: usize = 108;
    pub(super) const LINEAR_NORM_EPS: usize = 172;
    pub(super) const POOLING: usize = 176;
    pub(super) const RESERVED: usize = 180;
}

const HAS_SUB_NORMS: u32 = 1;
const TIED_EMBEDDING: u32 = 1 << 1;
const HAS_BOS: u32 = 1 << 2;
const DO_SAMPLE: u32 = 1 << 3;
const HAS_QK_NORM: u32 = 1 << 4;
const HAS_LINEAR_NORMS: u32 = 1 << 5;
const ALL_FLAGS: u32 = HAS_SUB_NORMS | TIED_EMBEDDING | HAS_BOS | DO_SAMPLE | HAS_QK_NORM | HAS_LINEAR_NORMS;

const _: () = assert!(at::EOS + MAX_EOS_TOKENS * 4 == at::TEMPERATURE);
const _: () = assert!(at::NAME + MAX_NAME_BYTES == at::LINEAR_NORM_EPS);

/// Reads and checks a config record.
///
/// # Errors
/// Rejections R18 to R24 and R45 of FORMAT.md.
pub fn decode_config(record: &[u8]) -> Result<Config, LoadError> {
    if record.len() != CONFIG_RECORD_BYTES {
        return Err(LoadError::SectionLength {
            id: SectionId::Config,
            expected: CONFIG_RECORD_BYTES as u64,
            found: record.len() as u64,
        });
    }
    let int = |offset| u32_at(record, offset);
    let flags = int(at::FLAGS);
    if flags & !ALL_FLAGS != 0 {
        return Err(LoadError::ConfigUnknownCode { field: "flags", found: flags });
    }
    let hidden_act = match int(at::HIDDEN_ACT) {
        0 => HiddenAct::Relu2,
        1 => HiddenAct::Silu,
        found => return Err(LoadError::ConfigUnknownCode { field: "hidden_act", found }),
    };
    let pooling = match int(at::POOLING) {
        0 => None,
        1 => Some(Pooling::LastToken),
        found => return Err(LoadError::ConfigUnknownCode { field: "pooling", found }),
    };
    let config = Config {
        name: name(record)?,
        dim: int(at::DIM),
        hidden_dim: int(at::HIDDEN_DIM),
        n_layers: int(at::N_LAYERS),
        n_heads: int(at::N_HEADS),
        n_kv_heads: int(at::N_KV_HEADS),
        head_dim: int(at::HEAD_DIM),
        vocab_size: int(at::VOCAB_SIZE),
        max_seq_len: int(at::MAX_SEQ_LEN),
        norm_eps: f32_at(record, at::NORM_EPS),
        hidden_act,
        has_sub_norms: flags & HAS_SUB_NORMS != 0,
        has_qk_norm: flags & HAS_QK_NORM != 0,
        linear_norm_eps: (flags & HAS_LINEAR_NORMS != 0).then(|| f32_at(record, at::LINEAR_NORM_EPS)),
        tied_embedding: flags & TIED_EMBEDDING != 0,
        pooling,
        rope_theta: f64_at(record, at::ROPE_THETA),
        bos_token_id: (flags & HAS_BOS != 0).then(|| int(at::BOS)),
        eos_token_ids: eos_token_ids(record)?,
        sampling: SamplingDefaults {
            do_sample: flags & DO_SAMPLE != 0,
            temperature: f32_at(record, at::TEMPERATURE),
            top_k: int(at::TOP_K),
            top_p: f32_at(record, at::TOP_P),
        },
    };
    if config.bos_token_id.is_none() {
        unused(record, at::BOS, at::ROPE_THETA)?;
    }
    if config.linear_norm_eps.is_none() {
        unused(record, at::LINEAR_NORM_EPS, at::POOLING)?;
    }
    unused(record, at::RESERVED, CONFIG_RECORD_BYTES)?;
    config.check()?;
    Ok(config)
}

/// The record of a config that passed [`Config::check`].
#[must_use]
pub fn encode_config(config: &Config) -> [u8; CONFIG_RECORD_BYTES] {
    let flag = |bit: u32, set: bool| if set { bit } else { 0 };
    let flags = flag(HAS_SUB_NORMS, config.has_sub_norms)
        | flag(TIED_EMBEDDING, config.tied_embedding)
        | flag(HAS_BOS, config.bos_token_id.is_some())
        | flag(DO_SAMPLE, config.sampling.do_sample)
        | flag(HAS_QK_NORM, config.has_qk_norm)
        | flag(HAS_LINEAR_NORMS, config.linear_norm_eps.is_some());
    let hidden_act: u32 = match config.hidden_act {
        HiddenAct::Relu2 => 0,
        HiddenAct::Silu => 1,
    };
    let pooling: u32 = match config.pooling {
        None => 0,
        Some(Pooling::LastToken) => 1,
    };
    let mut record = [0; CONFIG_RECORD_BYTES];
    for (offset, value) in [
        (at::DIM, config.dim),
        (at::HIDDEN_DIM, config.hidden_dim),
        (at::N_LAYERS, config.n_layers),
        (at::N_HEADS, config.n_heads),
        (at::N_KV_HEADS, config.n_kv_heads),
        (at::HEAD_DIM, config.head_dim),
        (at::VOCAB_SIZE, config.vocab_size),
        (at::MAX_SEQ_LEN, config.max_seq_len),
        (at::NORM_EPS, config.norm_eps.to_bits()),
        (at::HIDDEN_ACT, hidden_act),
        (at::FLAGS, flags),
        (at::BOS, config.bos_token_id.unwrap_or(0)),
        (at::N_EOS, config.eos_token_ids.iter().fold(0, |count, _| count + 1)),
        (at::TEMPERATURE, config.sampling.temperature.to_bits()),
        (at::TOP_K, config.sampling.top_k),
        (at::TOP_P, config.sampling.top_p.to_bits()),
        (at::NAME_LEN, config.name.bytes().fold(0, |count, _| count + 1)),
        (at::LINEAR_NORM_EPS, config.linear_norm_eps.map_or(0, f32::to_bits)),
        (at::POOLING, pooling),
    ] {
        put(&mut record, offset, &value.to_le_bytes());
    }
    for (slot, id) in config.eos_token_ids.iter().enumerate() {
        put(&mut record, at::EOS + slot * 4, &id.to_le_bytes());
    }
    put(&mut record, at::ROPE_THETA, &config.rope_theta.to_le_bytes());
    put(&mut record, at::NAME, config.name.as_bytes());
    record
}

fn eos_token_ids(record: &[u8]) -> Result<heapless::Vec<u32, MAX_EOS_TOKENS>, LoadError> {
    let n = count(record, at::N_EOS, "n_eos", MAX_EOS_TOKENS)?;
    let used_end = at::EOS + n * 4;
    unused(record, used_end, at::TEMPERATURE)?;
    // `n` is at most the capacity, so every id is collected.
    Ok((0..n).map(|slot| u32_at(record, at::EOS + slot * 4)).collect())
}

fn name(record: &[u8]) -> Result<heapless::String<MAX_NAME_BYTES>, LoadError> {
    let n = count(record, at::NAME_LEN, "name_len", MAX_NAME_BYTES)?;
    unused(record, at::NAME + n, at::LINEAR_NORM_EPS)?;
    let text = core::str::from_utf8(&record[at::NAME..at::NAME + n]).map_err(|_| LoadError::ConfigBadName)?;
    heapless::String::try_from(text).map_err(|_| LoadError::ConfigBadName)
}

/// The count stored at `offset`, at most `max`.
fn count(record: &[u8], offset: usize, field: &'static str, max: usize) -> Result<usize, LoadError> {
    let found = u32_at(record, offset);
    match usize::try_from(found) {
        Ok(n) if n <= max => Ok(n),
        _ => Err(LoadError::ConfigOutOfRange { field, min: 0, max: max as u64, found: u64::from(found) }),
    }
}

/// Bytes `from..to` must be zero.
fn unused(record: &[u8], from: usize, to: usize) -> Result<(), LoadError> {
    match first_non_zero(&record[from..to]) {
        None => Ok(()),
        Some(index) => Err(LoadError::ConfigReservedNotZero { offset: (from + index) as u64 }),
    }
}
