//! Winograd's inner product: one `VPDPBUSD` for eight weights of sixteen rows, not for four.
//!
//! For a pair of elements `x₀w₀ + x₁w₁ = (x₀ + w₁)(x₁ + w₀) - x₀x₁ - w₀w₁`. The last two terms belong to the token alone
//! and to the row alone, so a pair costs one multiplication and two additions, and bytes are added at twice the rate at
//! which they are multiplied: at best 85 products a cycle on Zen 4, where `VPDPBUSD` by itself ends at 64. Measured,
//! inner loops alone: 84 and 64. Rejected: tables of the ternary sums of 32 tokens (73 to 87, without building them)
//! and `VPERMW` on tables of 27 sums (77).
//!
//! A [`Tile`] of 64 rows is transposed: a lane holds four elements of one row, activations are broadcast and nothing is
//! summed across lanes. One factor must be unsigned, so the pair is `(x₀ + 128 + w₁)(x₁ + w₀)`; each factor is one byte
//! unless an activation is 127 or -128. Those few are listed ([`Activations`]) and mended. Where the list would be long,
//! or a weight is no trit, the plain product stands in.
//!
//! Source: S. Winograd, "A New Algorithm for Inner Product", IEEE Transactions on Computers C-17(7), 1968.

use core::arch::x86_64::{
    __m512i, _mm_set_epi64x, _mm512_add_epi8, _mm512_add_epi32, _mm512_and_si512, _mm512_cmple_epi8_mask,
    _mm512_dpbusd_epi32, _mm512_min_epi8, _mm512_mullo_epi32, _mm512_set_epi64, _mm512_set1_epi8,
    _mm512_set1_epi32, _mm512_setzero_si512, _mm512_shuffle_i32x4, _mm512_sll_epi32, _mm512_slli_epi32,
    _mm512_srai_epi32, _mm512_sub_epi32, _mm512_ternarylogic_epi32, _mm512_xor_si512,
};

use super::{load, sum};

/// Elements of a strip: 64 rows of them are 16 KiB of tile, half of the first-level cache.
pub(super) const STRIP: usize = 256;
/// Rows of a group: the int32 lanes of a register.
pub(super) const GROUP: usize = 16;
/// Groups of a tile. With four tokens: 16 sums, 8 registers of weights, 2 of activations, 2 factors, 28 of 32.
pub(super) const GROUPS: usize = 4;
/// Rows of a tile.
pub(super) const ROWS: usize = GROUPS * GROUP;
/// Tokens that are prepared together; more of them amortise a tile's decoding over more products.
pub(super) const MAX_TOKENS: usize = 128;

/// Tokens whose sums are kept in registers.
const TOKENS: usize = 4;
/// Elements that make sixteen pairs: each of the first sixteen and the one sixteen further.
const PAIRS: usize = 32;
/// Elements of a step: four pairs, one lane of each of two registers.
const STEP: usize = 8;
/// Positions that are listed for a strip. A token has its largest activation in one of them; where a channel is the
/// largest in every token, one strip has those of all.
const MAX_POSITIONS: usize = 2 * MAX_TOKENS;

/// Four pairs of elements of each row: the first ones as `w₀`, the second ones as `w₁ + 128`.
#[derive(Clone, Copy)]
struct Step {
    first: [__m512i; GROUPS],
    second: [__m512i; GROUPS],
}

/// A strip of 64 rows. Step `s` holds elements `32 ⌊s / 4⌋ + 4 (s mod 4)` to `+ 3`, and those sixteen further.
pub(super) struct Tile {
    steps: [Step; STRIP / STEP],
    /// `Σ w₀w₁ + 128 w₀` of each row.
    rows: [__m512i; GROUPS],
    is_ternary: bool,
}

impl Tile {
    #[inline]
    #[target_feature(enable = "avx512f")]
    pub(super) fn new() -> Self {
        let zero = [_mm512_setzero_si512(); GROUPS];
        Self { steps: [Step { first: zero, second: zero }; STRIP / STEP], rows: zero, is_ternary: true }
    }

    /// Puts a step of sixteen rows in its place and adds to their `row` sum what belongs to the rows alone.
    #[inline]
    #[target_feature(enable = "avx512f,avx512vnni")]
    pub(super) fn put(&mut self, s: usize, g: usize, w0: __m512i, w1_plus_128: __m512i, row: &mut __m512i) {
        self.steps[s].first[g] = w0;
        self.steps[s].second[g] = w1_plus_128;
        *row = _mm512_dpbusd_epi32(*row, w1_plus_128, w0);
    }

    /// To be called when every step is put. `is_ternary` says that all weights are trits; others are at most 2 in
    /// magnitude.
    #[inline]
    pub(super) fn finish(&mut self, rows: [__m512i; GROUPS], is_ternary: bool) {
        self.rows = rows;
        self.is_ternary = is_ternary;
    }
}

/// A pair of elements in which an activation is too large for the factors.
#[derive(Clone, Copy)]
struct Position {
    token: u8,
    step: u8,
    /// Of the step's lanes.
    byte: u8,
}
const _: () = assert!(MAX_TOKENS <= 256 && STRIP / STEP <= 256);

/// What a strip needs to know of its activations: a sum for each token, and the positions to be mended.
#[derive(Clone, Copy)]
pub(super) struct Activations {
    /// `Σ x₀x₁ + 128 x₁` of each token.
    tokens: [i32; MAX_TOKENS],
    positions: [Position; MAX_POSITIONS],
    /// How many there are: over [`MAX_POSITIONS`], not all are listed.
    n_positions: usize,
}

impl Activations {
    pub(super) const NONE: Self = Self {
        tokens: [0; MAX_TOKENS],
        positions: [Position { token: 0, step: 0, byte: 0 }; MAX_POSITIONS],
        n_positions: 0,
    };

    /// Looks at the tokens of a strip.
    #[inline]
    #[target_feature(enable = "avx2,avx512f,avx512bw,avx512vnni")]
    pub(super) fn prepare(&mut self, strip: Strip<'_>) {
        let (one, most, unsigned) = (_mm512_set1_epi8(1), _mm512_set1_epi8(-127), _mm512_set1_epi8(i8::MIN));
        let firsts = _mm512_set_epi64(0, 0, -1, -1, 0, 0, -1, -1);
        self.n_positions = 0;
        for first_token in (0..strip.n_tokens).step_by(4) {
            let mut sums = [_mm512_setzero_si512(); 4];
            for (t, sum) in (first_token..strip.n_tokens).zip(&mut sums) {
                // The token's next strip, which a jump from token to token hides from the hardware.
                for line in (0..strip.len).step_by(64) {
                    load::prefetch_after(&strip.x[0], t * strip.stride + strip.len + line);
                }
                let (blocks, _) = strip.token(t).as_chunks::<64>();
                let mut smallest = _mm512_setzero_si512();
                for x in blocks {
                    let x = load::i8x64(x);
                    // (x ^ 128) & firsts, times the elements sixteen further.
                    let first = _mm512_ternarylogic_epi32::<0x28>(x, unsigned, firsts);
                    *sum = _mm512_dpbusd_epi32(*sum, first, _mm512_shuffle_i32x4::<0xb1>(x, x));
                    smallest = _mm512_min_epi8(smallest, _mm512_add_epi8(x, one));
                }
                // Plus one, modulo 256, 127 and -128 are the two smallest.
                if _mm512_cmple_epi8_mask(smallest, most) != 0 {
                    for (block, x) in blocks.iter().enumerate() {
                        let large = _mm512_cmple_epi8_mask(_mm512_add_epi8(load::i8x64(x), one), most);
                        self.list(t, block, large);
                    }
                }
            }
            self.tokens[first_token..first_token + 4].copy_from_slice(&sum::across4(sums));
        }
    }

    /// Lists the pairs of block `block` of a token in which a bit of `large` is set.
    #[cold]
    #[expect(clippy::cast_possible_truncation, reason = "tokens and steps are at most 256")]
    fn list(&mut self, token: usize, block: usize, large: u64) {
        let mut pairs = (large | large >> 16) & 0x0000_ffff_0000_ffff;
        while pairs != 0 {
            let element = pairs.trailing_zeros() as usize;
            if let Some(position) = self.positions.get_mut(self.n_positions) {
                let step = block * 8 + element / PAIRS * 4 + element % 16 / 4;
                *position = Position { token: token as u8, step: step as u8, byte: (element % 4) as u8 };
            }
            self.n_positions += 1;
            pairs &= pairs - 1;
        }
    }
}

/// Where the activations of a strip stand.
#[derive(Clone, Copy)]
pub(super) struct Strip<'a> {
    /// The first element of the first token.
    pub(super) x: &'a [i8],
    /// From token to token.
    pub(super) stride: usize,
    /// Elements: a multiple of 64, at most [`STRIP`].
    pub(super) len: usize,
    /// At most [`MAX_TOKENS`].
    pub(super) n_tokens: usize,
}

impl<'a> Strip<'a> {
    #[inline]
    fn token(&self, t: usize) -> &'a [i8] {
        &self.x[t * self.stride..][..self.len]
    }
}

/// `acc[t, j] += Σ w[j, i] · x[t, i]` for the first `16 R` rows of a tile and all tokens of a strip; `acc` has `stride`
/// elements from token to token.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
pub(super) fn multiply<const R: usize>(
    tile: &Tile,
    strip: Strip<'_>,
    activations: &Activations,
    acc: &mut [i32],
    stride: usize,
) {
    let n = strip.n_tokens;
    if !tile.is_ternary || activations.n_positions > MAX_POSITIONS {
        for t in 0..n {
            plain::<R>(tile, strip.token(t), &mut acc[t * stride..]);
        }
        return;
    }
    let mut t = 0;
    while t + TOKENS <= n {
        products::<R, TOKENS>(tile, strip, activations, t, acc, stride);
        t += TOKENS;
    }
    match n - t {
        3 => products::<R, 3>(tile, strip, activations, t, acc, stride),
        2 => products::<R, 2>(tile, strip, activations, t, acc, stride),
        1 => products::<R, 1>(tile, strip, activations, t, acc, stride),
        _ => {}
    }
    for position in &activations.positions[..activations.n_positions] {
        let t = usize::from(position.token);
        mend::<R>(tile, *position, strip.token(t), &mut acc[t * stride..]);
    }
}

/// Tokens `t..t + T` by pairs. Inlined nowhere: the registers are spoken for.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn products<const R: usize, const T: usize>(
    tile: &Tile,
    strip: Strip<'_>,
    activations: &Activations,
    t: usize,
    acc: &mut [i32],
    stride: usize,
) {
    let (steps, _) = tile.steps[..strip.len / STEP].as_chunks::<4>();
    let mut x: [&[[i8; PAIRS]]; T] = [&[]; T];
    let mut sums = [[_mm512_setzero_si512(); R]; T];
    for i in 0..T {
        x[i] = &strip.token(t + i).as_chunks().0[..steps.len()];
        let of_token = _mm512_set1_epi32(activations.tokens[t + i]);
        let (acc, _) = acc[(t + i) * stride..][..R * GROUP].as_chunks();
        for r in 0..R {
            let of_both = _mm512_add_epi32(tile.rows[r], of_token);
            sums[i][r] = _mm512_sub_epi32(load::i32x16(&acc[r]), of_both);
        }
    }
    for (c, steps) in steps.iter().enumerate() {
        for (s, step) in steps.iter().enumerate() {
            for i in 0..T {
                let (quads, _) = x[i][c].as_chunks::<4>();
                let (x0, x1) = (load::i8x4_everywhere(&quads[s]), load::i8x4_everywhere(&quads[4 + s]));
                for r in 0..R {
                    let unsigned = _mm512_add_epi8(x0, step.second[r]);
                    let signed = _mm512_add_epi8(x1, step.first[r]);
                    sums[i][r] = _mm512_dpbusd_epi32(sums[i][r], unsigned, signed);
                }
            }
        }
    }
    for i in 0..T {
        let (acc, _) = acc[(t + i) * stride..][..R * GROUP].as_chunks_mut();
        for r in 0..R {
            load::store_i32x16(&mut acc[r], sums[i][r]);
        }
    }
}

/// Adds to one token's sums what its factors lost at `position` when they did not fit in a byte.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw")]
fn mend<const R: usize>(tile: &Tile, position: Position, x: &[i8], acc: &mut [i32]) {
    let (s, byte) = (usize::from(position.step), usize::from(position.byte));
    let element = s / 4 * PAIRS + s % 4 * 4 + byte;
    let x0 = _mm512_set1_epi32(x[element].into());
    let x1 = _mm512_set1_epi32(x[element + 16].into());
    let to_top = _mm_set_epi64x(0, [24, 16, 8, 0][byte]);
    let low_byte = _mm512_set1_epi32(0xff);
    let (acc, _) = acc[..R * GROUP].as_chunks_mut();
    for r in 0..R {
        let w0 = _mm512_srai_epi32::<24>(_mm512_sll_epi32(tile.steps[s].first[r], to_top));
        let w1 = _mm512_srai_epi32::<24>(_mm512_sll_epi32(tile.steps[s].second[r], to_top));
        let w1 = _mm512_and_si512(w1, low_byte); // w₁ + 128
        let (unsigned, signed) = (_mm512_add_epi32(x0, w1), _mm512_add_epi32(x1, w0));
        let found = _mm512_mullo_epi32(
            _mm512_and_si512(unsigned, low_byte),
            _mm512_srai_epi32::<24>(_mm512_slli_epi32::<24>(signed)),
        );
        let lost = _mm512_sub_epi32(_mm512_mullo_epi32(unsigned, signed), found);
        let sum = _mm512_add_epi32(load::i32x16(&acc[r]), lost);
        load::store_i32x16(&mut acc[r], sum);
    }
}

/// One token by single elements, for weights of at most 2 in magnitude and any activations.
#[inline(never)]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn plain<const R: usize>(tile: &Tile, x: &[i8], acc: &mut [i32]) {
    let (x, _) = x.as_chunks::<PAIRS>();
    let (unsigned, one) = (_mm512_set1_epi8(i8::MIN), _mm512_set1_epi8(1));
    let mut sums = [_mm512_setzero_si512(); R];
    let mut total = _mm512_setzero_si512();
    for (x, steps) in x.iter().zip(tile.steps.as_chunks::<4>().0) {
        let (quads, _) = x.as_chunks::<4>();
        for (s, step) in steps.iter().enumerate() {
            let (x0, x1) = (load::i8x4_everywhere(&quads[s]), load::i8x4_everywhere(&quads[4 + s]));
            total = _mm512_dpbusd_epi32(_mm512_dpbusd_epi32(total, one, x0), one, x1);
            for r in 0..R {
                let w0 = _mm512_xor_si512(step.first[r], unsigned);
                sums[r] = _mm512_dpbusd_epi32(sums[r], w0, x0);
                sums[r] = _mm512_dpbusd_epi32(sums[r], step.second[r], x1);
            }
        }
    }
    let offset = _mm512_slli_epi32::<7>(total);
    let (acc, _) = acc[..R * GROUP].as_chunks_mut();
    for r in 0..R {
        let sum = _mm512_add_epi32(load::i32x16(&acc[r]), _mm512_sub_epi32(sums[r], offset));
        load::store_i32x16(&mut acc[r], sum);
    }
}
