//! A source of random ternary weights, for benchmarks and tests
//!
//! Shapes are real, weights are noise: trits uniform, norms near 1, scales such that activations keep unit size through
//! the layers. Every row comes from its own counter-based stream, so the same seed gives the same file on every machine.

use half::bf16;
use ternlet_kernels::layout::i2;
use ternlet_runtime::Config;
use ternlet_runtime::config::{HiddenAct, SamplingDefaults};
use ternlet_runtime::format::{ExpectedTensor, Layout, Role};

use super::rope::{RopeScaling, rope_inv_freq};
use super::source::{Source, TernaryRows};
use crate::error::Error;

/// A generator in the place of a checkpoint.
#[derive(Debug, Clone)]
pub struct Synth {
    config: Config,
    rope_scaling: RopeScaling,
    seed: u64,
}

impl Synth {
    /// Random weights of the shape `config`, which must have passed its check.
    #[must_use]
    pub const fn new(config: Config, seed: u64) -> Self {
        Self { config, rope_scaling: RopeScaling::None, seed }
    }

    /// The same with scaled rotary frequencies.
    #[must_use]
    pub fn with_rope_scaling(self, rope_scaling: RopeScaling) -> Self {
        Self { rope_scaling, ..self }
    }

    /// The stream for one row of one tensor.
    fn stream(&self, tensor: &ExpectedTensor, row: u64) -> Stream {
        let mut key = Stream(self.seed);
        for part in [tensor.role as u64, u64::from(tensor.layer), row] {
            key = Stream(key.next() ^ part);
        }
        Stream(key.next())
    }
}

/// The shape of microsoft/bitnet-b1.58-2B-4T.
#[must_use]
pub fn shape_2b4t() -> Config {
    Config {
        name: name("synth-2b4t"),
        dim: 2560,
        hidden_dim: 6912,
        n_layers: 30,
        n_heads: 20,
        n_kv_heads: 5,
        head_dim: 128,
        vocab_size: 128_256,
        max_seq_len: 4096,
        rope_theta: 500_000.0,
        ..shape_125m()
    }
}

/// A small shape that public engines were measured with: 104 million ternary weights.
#[must_use]
pub fn shape_125m() -> Config {
    Config {
        name: name("synth-125m"),
        dim: 768,
        hidden_dim: 3072,
        n_layers: 11,
        n_heads: 12,
        n_kv_heads: 12,
        head_dim: 64,
        vocab_size: 32_000,
        max_seq_len: 2048,
        norm_eps: 1e-5,
        hidden_act: HiddenAct::Relu2,
        has_sub_norms: true,
        has_qk_norm: false,
        linear_norm_eps: None,
        tied_embedding: true,
        pooling: None,
        rope_theta: 10_000.0,
        bos_token_id: None,
        eos_token_ids: heapless::Vec::new(),
        sampling: SamplingDefaults::default(),
    }
}

fn name(text: &str) -> heapless::String<{ ternlet_runtime::config::MAX_NAME_BYTES }> {
    text.chars().collect()
}

impl Source for Synth {
    fn config(&self) -> &Config {
        &self.config
    }

    fn table_layout(&self, _: &ExpectedTensor) -> Result<Layout, Error> {
        Ok(Layout::Bf16)
    }

    fn ternary(&self, tensor: &ExpectedTensor) -> Result<Box<dyn TernaryRows + '_>, Error> {
        Ok(Box::new(SynthRows { synth: self, tensor: *tensor, codes: codes() }))
    }

    fn vector(&self, tensor: &ExpectedTensor) -> Result<Vec<f32>, Error> {
        if tensor.role == Role::RopeInvFreq {
            return Ok(rope_inv_freq(self.config.rope_theta, self.config.head_dim, self.rope_scaling));
        }
        let mut stream = self.stream(tensor, 0);
        Ok((0..tensor.k).map(|_| 1.0 + 0.1 * stream.unit()).collect())
    }

    fn table_rows(
        &self,
        tensor: &ExpectedTensor,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Uniform on ±amplitude has a third of its square as variance: logits get a standard deviation of about 3.
        let amplitude = 3.0 * (3.0 / width(tensor.k)).sqrt();
        let mut bytes = Vec::new();
        for row in 0..tensor.n {
            let mut stream = self.stream(tensor, row);
            bytes.clear();
            bytes.extend((0..tensor.k).flat_map(|_| bf16::from_f32(amplitude * stream.unit()).to_le_bytes()));
            visit(&bytes)?;
        }
        Ok(())
    }
}

/// The rows of one random matrix.
struct SynthRows<'a> {
    synth: &'a Synth,
    tensor: ExpectedTensor,
    codes: [u8; 256],
}

impl TernaryRows for SynthRows<'_> {
    /// Two thirds of the trits are ±1: this keeps the variance of a unit input.
    fn scale(&self) -> f32 {
        (1.5 / width(self.tensor.k)).sqrt()
    }

    fn pack_row(&mut self, row: usize, packed: &mut [u8]) -> Result<(), Error> {
        let mut stream = self.synth.stream(&self.tensor, row as u64);
        for eight in packed.chunks_mut(8) {
            for (byte, random) in eight.iter_mut().zip(stream.next().to_le_bytes()) {
                *byte = self.codes[usize::from(random)];
            }
        }
        clear_padding(packed, usize::try_from(self.tensor.k).expect("at most MAX_DIM"));
        Ok(())
    }
}

/// Maps a random byte to four valid trits, each digit of `byte mod 81` in base 3.
fn codes() -> [u8; 256] {
    let mut codes = [0; 256];
    for (byte, code) in (0..=u8::MAX).zip(&mut codes) {
        let digits = [byte % 3, byte / 3 % 3, byte / 9 % 3, byte / 27 % 3];
        // The top plane holds the trit itself, the others the trit plus one: see the layout's definition.
        *code = digits[0] | digits[1] << 2 | digits[2] << 4 | digits[3].wrapping_sub(1) << 6;
    }
    codes
}

/// Sets the elements from `k` on to trit 0.
fn clear_padding(packed: &mut [u8], k: usize) {
    let tail = k % i2::BLOCK;
    if tail == 0 {
        return;
    }
    let start = packed.len() - i2::BLOCK_BYTES;
    for (j, byte) in packed[start..].iter_mut().enumerate() {
        for plane in (0..4).filter(|plane| plane * i2::BLOCK_BYTES + j >= tail) {
            let mask = 3 << (2 * plane);
            *byte = (*byte & !mask) | (i2::ZERO_BYTE & mask);
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "at most MAX_DIM, exact in f32")]
const fn width(k: u64) -> f32 {
    k as f32
}

/// `SplitMix64` (Steele, Lea, Flood, "Fast splittable pseudorandom number generators", 2014).
#[derive(Debug, Clone)]
struct Stream(u64);

impl Stream {
    const fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in [-1, 1), from 16 bits: as fine as a bf16 can show.
    fn unit(&mut self) -> f32 {
        let random = self.next().to_le_bytes();
        let sixteen = i16::from_le_bytes([random[6], random[7]]);
        f32::from(sixteen) / 32768.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_random_row_is_valid_for_every_width() {
        for k in 1..=130 {
            let mut packed = vec![0; i2::row_bytes(k)];
            for (byte, code) in packed.iter_mut().zip(codes().iter().cycle().skip(k)) {
                *byte = *code;
            }
            clear_padding(&mut packed, k);
            assert!(i2::is_valid(&packed, k), "k = {k}");
        }
        assert!(codes().iter().all(|&code| i2::is_valid(&[code; 16], 64)));
    }
}
