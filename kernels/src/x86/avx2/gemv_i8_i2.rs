//! Ternary GEMV with `VPMADDUBSW`: unsigned weight codes × signed activations, pairs summed in int16.
//!
//! Two blocks (32 bytes, 128 weights) fill a register. With the top plane's sign bit flipped its code is `trit + 2`,
//! so all planes are unsigned and the result is corrected once per row by `Σ x (planes 0-2) + 2 Σ x (plane 3)`, the
//! same for every row. Planes 1 and 3 stay where they are in their nibble, four times too large, in accumulators of
//! their own: one shift and four masks decode 128 weights.

use core::arch::x86_64::{
    __m256i, _mm256_add_epi16, _mm256_add_epi32, _mm256_and_si256, _mm256_madd_epi16, _mm256_maddubs_epi16,
    _mm256_permute2x128_si256, _mm256_set1_epi8, _mm256_set1_epi16, _mm256_setzero_si256, _mm256_srli_epi16,
    _mm256_xor_si256, _mm256_zextsi128_si256,
};

use super::{load, sum};
use crate::layout::i2::{BLOCK, BLOCK_BYTES, OFFSET_ELEMENTS, row_bytes};

/// Rows that share the loads of activations: 4 × 2 accumulators, 4 planes of x and 3 constants fill the 16 registers.
const ROWS: usize = 4;

/// Pairs of blocks summed in int16 before widening. A code in place is at most 12, so one product pair is at most
/// `2 · 12 · 128`; ten of them (two planes, five pairs) stay under 2¹⁵ for every byte.
const PAIRS: usize = 5;
const _: () = assert!(PAIRS * 2 * (2 * 12 * 128) < 1 << 15);

/// Turns the top plane's two's complement into `trit + 2`.
pub(super) const FLIP_TOP: i8 = 0x80_u8.cast_signed();
/// Rows of bytes ahead of the loads that are asked for, so that memory answers in time. The hardware follows lines
/// within a page; here four rows advance together.
const AHEAD: usize = 2 * ROWS;

#[target_feature(enable = "avx2,fma,f16c")]
pub(super) fn gemv_i8_i2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    let row_bytes = row_bytes(k);
    let (x, _) = x.as_chunks::<BLOCK>();
    let offset = offset(x);
    for (tile, out) in out.chunks_mut(ROWS).enumerate() {
        // Past the last row, that row again: its sums are dropped.
        let row = |r: usize| &w[(tile * ROWS + r).min(n - 1) * row_bytes..][..row_bytes];
        let sums = dot_rows([row(0), row(1), row(2), row(3)], x);
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = sum - offset;
        }
    }
}

/// What unsigned codes add to every row: `Σ x` over planes 0 to 2 and `2 Σ x` over plane 3.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn offset(x: &[[i8; BLOCK]]) -> i32 {
    let mut sum = 0;
    for block in x {
        for (i, x) in block.iter().enumerate() {
            sum += if i < OFFSET_ELEMENTS { i32::from(*x) } else { 2 * i32::from(*x) };
        }
    }
    sum
}

/// `Σ code · x` of four rows.
#[inline]
#[target_feature(enable = "avx2")]
fn dot_rows([a, b, c, d]: [&[u8]; ROWS], x: &[[i8; BLOCK]]) -> [i32; ROWS] {
    let (x_pairs, x_last) = x.as_chunks::<2>();
    let pairs = |row| &<[u8]>::as_chunks::<{ 2 * BLOCK_BYTES }>(row).0[..x_pairs.len()];
    let rows = [pairs(a), pairs(b), pairs(c), pairs(d)];
    let mut sums = [_mm256_setzero_si256(); ROWS];
    let mut start = 0;
    while start < x_pairs.len() {
        let end = x_pairs.len().min(start + PAIRS);
        let mut group = Group::new();
        for i in start..end {
            let x = planes(&x_pairs[i]);
            for part in 0..2 {
                load::prefetch(a.as_ptr().wrapping_add(AHEAD * a.len() + i * 128 + part * 64));
            }
            for r in 0..ROWS {
                group.add(r, load::u8x32(&rows[r][i]), x);
            }
        }
        group.widen_into(&mut sums);
        start = end;
    }
    if let [x_last] = x_last {
        // An odd block: the upper halves of the activations are zero, whatever the weights' are.
        let (x_last, _) = x_last.as_chunks::<BLOCK_BYTES>();
        let x = |plane: usize| _mm256_zextsi128_si256(load::i8x16(&x_last[plane]));
        let x = [x(0), x(1), x(2), x(3)];
        let mut group = Group::new();
        for (r, row) in [a, b, c, d].into_iter().enumerate() {
            let last = &row.as_chunks::<BLOCK_BYTES>().0[2 * x_pairs.len()];
            group.add(r, _mm256_zextsi128_si256(load::u8x16(last)), x);
        }
        group.widen_into(&mut sums);
    }
    let [a, b, c, d] = sum::across4(sums);
    [a >> 2, b >> 2, c >> 2, d >> 2]
}

/// The planes of two blocks of activations: the first block's in the lower halves, the second's in the upper.
#[inline]
#[target_feature(enable = "avx2")]
fn planes([a, b]: &[[i8; BLOCK]; 2]) -> [__m256i; 4] {
    let (a, b) = (a.as_chunks::<32>().0, b.as_chunks::<32>().0);
    let (a01, a23, b01, b23) =
        (load::i8x32(&a[0]), load::i8x32(&a[1]), load::i8x32(&b[0]), load::i8x32(&b[1]));
    [
        _mm256_permute2x128_si256::<0x20>(a01, b01),
        _mm256_permute2x128_si256::<0x31>(a01, b01),
        _mm256_permute2x128_si256::<0x20>(a23, b23),
        _mm256_permute2x128_si256::<0x31>(a23, b23),
    ]
}

/// Int16 accumulators of up to [`PAIRS`] pairs of blocks.
struct Group {
    /// Planes 0 and 2.
    once: [__m256i; ROWS],
    /// Planes 1 and 3, four times too large.
    four_times: [__m256i; ROWS],
}

impl Group {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new() -> Self {
        Self { once: [_mm256_setzero_si256(); ROWS], four_times: [_mm256_setzero_si256(); ROWS] }
    }

    #[inline]
    #[target_feature(enable = "avx2")]
    fn add(&mut self, r: usize, w: __m256i, x: [__m256i; 4]) {
        let (even, odd) = (_mm256_set1_epi8(0x03), _mm256_set1_epi8(0x0c));
        let low = w;
        let high = _mm256_srli_epi16::<4>(_mm256_xor_si256(w, _mm256_set1_epi8(FLIP_TOP)));
        let product = |mask, w, x| _mm256_maddubs_epi16(_mm256_and_si256(w, mask), x);
        let once = _mm256_add_epi16(product(even, low, x[0]), product(even, high, x[2]));
        let four_times = _mm256_add_epi16(product(odd, low, x[1]), product(odd, high, x[3]));
        self.once[r] = _mm256_add_epi16(self.once[r], once);
        self.four_times[r] = _mm256_add_epi16(self.four_times[r], four_times);
    }

    /// Adds four times the group's sums to int32 lanes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn widen_into(self, sums: &mut [__m256i; ROWS]) {
        let (one, four) = (_mm256_set1_epi16(1), _mm256_set1_epi16(4));
        for r in 0..ROWS {
            let wide = _mm256_add_epi32(
                _mm256_madd_epi16(self.once[r], four),
                _mm256_madd_epi16(self.four_times[r], one),
            );
            sums[r] = _mm256_add_epi32(sums[r], wide);
        }
    }
}
