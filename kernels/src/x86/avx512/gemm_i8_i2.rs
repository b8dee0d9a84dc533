//! Ternary GEMM over i2: packed bytes are transposed, four elements to a lane, and unpacked after.

use core::arch::x86_64::{
    __m512i, _mm512_add_epi8, _mm512_and_si512, _mm512_or_si512, _mm512_set1_epi8, _mm512_setzero_si512,
    _mm512_srli_epi16, _mm512_ternarylogic_epi32, _mm512_test_epi8_mask, _mm512_xor_si512,
};

use super::gemm_few_i8_i2::gemm_few;
use super::gemm_rows::gemm_rows;
use super::gemv_i8_i2::gemv_i8_i2;
use super::load;
use super::transpose::transpose16;
use super::winograd::{GROUP, GROUPS, ROWS, STRIP, Tile};
use crate::layout::i2::{BLOCK, BLOCK_BYTES, row_bytes};

/// Bytes of a strip of one row: one register.
const STRIP_BYTES: usize = STRIP / BLOCK * BLOCK_BYTES;

/// Tokens up to which nothing is decoded: 50 products a cycle, where tiles have 27 for 4 tokens, 49 for 12, 59 for 24.
const FEW: usize = 12;

#[target_feature(enable = "avx2,avx512f,avx512bw,avx512vl,avx512vnni,avx512vbmi")]
pub(super) fn gemm_i8_i2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]) {
    if m == 1 {
        return gemv_i8_i2(w, n, k, x, out);
    }
    if m <= FEW {
        return gemm_few(w, k, m, x, out);
    }
    gemm_rows(k, m, x, out, |first_row, strip, tile| decode(w, n, row_bytes(k), first_row, strip, tile));
}

/// Rows `first_row..` of strip `strip`; past the last row, that row again.
#[inline]
#[target_feature(enable = "avx512f,avx512bw,avx512vnni")]
fn decode(w: &[u8], n: usize, row_bytes: usize, first_row: usize, strip: usize, tile: &mut Tile) {
    let first_byte = strip * STRIP_BYTES;
    let len = STRIP_BYTES.min(row_bytes - first_byte);
    // The next tile is asked for as one stream, a part with each strip.
    let next = (first_row + ROWS) * row_bytes + ROWS * first_byte;
    let mut fourth_codes = _mm512_setzero_si512();
    let mut sums = [_mm512_setzero_si512(); GROUPS];
    for g in 0..GROUPS.min((n - first_row).div_ceil(GROUP)) {
        let mut rows = [_mm512_setzero_si512(); GROUP];
        for (r, row) in rows.iter_mut().enumerate() {
            let at = first_row + g * GROUP + r;
            *row = load::u8_up_to_64(&w[at.min(n - 1) * row_bytes + first_byte..][..len]);
            load::prefetch_after(&w[0], next + (g * GROUP + r) * STRIP_BYTES);
            // The row's next strip: the second level has it since the tile before asked for it.
            load::prefetch_near(&w[0], at * row_bytes + first_byte + STRIP_BYTES);
            fourth_codes = _mm512_or_si512(fourth_codes, fourth_codes_in(*row));
        }
        for (d, quads) in transpose16(rows).into_iter().enumerate().take(len / 4) {
            // Four bytes of each row, a block's at `4 (d mod 4)`: planes 0 and 1 pair, and planes 2 and 3.
            let (trits, plus_128) = (planes(quads, 0), planes(quads, i8::MIN));
            let lower = d / 4 * 8 + d % 4;
            tile.put(lower, g, trits[0], plus_128[1], &mut sums[g]);
            tile.put(lower + 4, g, trits[2], plus_128[3], &mut sums[g]);
        }
    }
    tile.finish(sums, _mm512_test_epi8_mask(fourth_codes, fourth_codes) == 0);
}

/// Bits are left where a plane holds the code that is never written.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn fourth_codes_in(w: __m512i) -> __m512i {
    // With bit 6 flipped the code is 11 in the top plane too.
    let flipped = _mm512_xor_si512(w, _mm512_set1_epi8(0x40));
    // a & b & c
    _mm512_ternarylogic_epi32::<0x80>(flipped, _mm512_srli_epi16::<1>(flipped), _mm512_set1_epi8(0x55))
}

/// The trits of each plane, plus `offset`.
#[inline]
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn planes(w: __m512i, offset: i8) -> [__m512i; 4] {
    let plane = |shifted, code_of_zero: i8| {
        let code = _mm512_and_si512(shifted, _mm512_set1_epi8(3));
        _mm512_add_epi8(code, _mm512_set1_epi8(offset.wrapping_sub(code_of_zero)))
    };
    // The top plane's sign bit flipped: the code is `trit + 2`.
    let top = _mm512_xor_si512(w, _mm512_set1_epi8(i8::MIN));
    [
        plane(w, 1),
        plane(_mm512_srli_epi16::<2>(w), 1),
        plane(_mm512_srli_epi16::<4>(w), 1),
        plane(_mm512_srli_epi16::<6>(top), 2),
    ]
}
