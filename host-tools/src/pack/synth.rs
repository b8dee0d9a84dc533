//! A source of random ternary weights, for benchmarks and tests
//!
//! Shapes are real, weights are noise: trits uniform, norms near 1, scales such that activations keep unit size through
//! the layers. Every row comes from its own counter-based stream, so the same seed gives the same file on every machine.
//! [`Knobs`] set what random weights do not show: the share of zeros that relu² leaves, and a logit that stands out.

mod knobs;
mod shapes;
mod stream;

use half::bf16;
use ternlet_kernels::layout::i2;
use ternlet_runtime::Config;
use ternlet_runtime::format::{ExpectedTensor, Layout, Role};

use super::rope::{RopeScaling, rope_inv_freq};
use super::source::{Source, TernaryRows};
use crate::error::Error;
use knobs::{N_BIAS, Settings};
use stream::Stream;

pub use knobs::Knobs;
pub use shapes::{SHAPE_NAMES, shape, shape_2b4t, shape_125m};

/// A generator in the place of a checkpoint.
#[derive(Debug, Clone)]
pub struct Synth {
    config: Config,
    rope_scaling: RopeScaling,
    settings: Settings,
    seed: u64,
}

impl Synth {
    /// Random weights of the shape `config`, which must have passed its check.
    ///
    /// # Panics
    /// Never: only knobs can ask for too much.
    #[must_use]
    pub fn new(config: Config, seed: u64) -> Self {
        let settings = Settings::new(&config, Knobs::default()).expect("no knob is set");
        Self { config, rope_scaling: RopeScaling::None, settings, seed }
    }

    /// The same with `knobs` set.
    ///
    /// # Errors
    /// A shape that does not allow it, or a share out of range.
    pub fn with_knobs(self, knobs: Knobs) -> Result<Self, Error> {
        Ok(Self { settings: Settings::new(&self.config, knobs)?, ..self })
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
        let mut norm: Vec<f32> = (0..tensor.k).map(|_| 1.0 + 0.1 * stream.unit()).collect();
        self.settings.shape_norm(&self.config, tensor, &mut stream, &mut norm);
        Ok(norm)
    }

    fn table_rows(
        &self,
        tensor: &ExpectedTensor,
        visit: &mut dyn FnMut(&[u8]) -> Result<(), Error>,
    ) -> Result<(), Error> {
        // Without knobs logits get a standard deviation of about 3.
        let amplitude = self.settings.embedding_amplitude();
        let rows_of = match tensor.role {
            Role::LmHead if self.settings.head_is_embedding() => {
                ExpectedTensor { role: Role::TokenEmbedding, ..*tensor }
            }
            _ => *tensor,
        };
        let mut bytes = Vec::new();
        for row in 0..tensor.n {
            let mut stream = self.stream(&rows_of, row);
            bytes.clear();
            bytes.extend((0..tensor.k).flat_map(|_| bf16::from_f32(amplitude * stream.unit()).to_le_bytes()));
            if self.settings.has_bias() {
                bytes[..2 * N_BIAS].as_chunks_mut().0.fill(bf16::from_f32(amplitude).to_le_bytes());
            }
            visit(&bytes)?;
        }
        Ok(())
    }
}

/// A byte of four trits that are -1.
const MINUS_BYTE: u8 = 0b11_00_00_00;

const _: () = assert!(N_BIAS == i2::BLOCK);

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
        if self.synth.settings.is_plain() {
            for eight in packed.chunks_mut(8) {
                for (byte, random) in eight.iter_mut().zip(stream.next().to_le_bytes()) {
                    *byte = self.codes[usize::from(random)];
                }
            }
        } else {
            // Bytes above the last whole 81 would make -1 more frequent than +1, and shift all sums of a matrix alike.
            let mut fair = core::iter::repeat_with(|| stream.next().to_le_bytes())
                .flatten()
                .filter(|random| *random < 243);
            for (byte, random) in packed.iter_mut().zip(&mut fair) {
                *byte = self.codes[usize::from(random)];
            }
        }
        clear_padding(packed, usize::try_from(self.tensor.k).expect("at most MAX_DIM"));
        if self.synth.settings.has_bias() {
            match self.tensor.role {
                // The bias of every gate: one block of -1.
                Role::WGate => packed[..i2::BLOCK_BYTES].fill(MINUS_BYTE),
                // Nothing is added to what stands for the bias.
                Role::Wo | Role::WDown if row < N_BIAS => {
                    packed.fill(i2::ZERO_BYTE);
                }
                _ => {}
            }
        }
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
