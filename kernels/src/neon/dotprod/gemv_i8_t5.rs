//! Ternary GEMV of `t5` with `SDOT`: digits come out of sums, not out of bytes.
//!
//! `256 w = 3 s - s'`, `s'` being the tripled byte (`layout/t5.rs`), so `256 Σ w x = 3 Σ s x - Σ s' x`: two additions
//! triple sixteen bytes, and two `SDOT` take them as they are. Twenty instructions per 80 weights, 10 cycles on
//! Cortex-A76, where compares would take 28. Sums wrap modulo 2^32; what comes out is 256 times a sum below 2^23
//! (`k` at most 65536, activations at most 127), so it is exact.
#![expect(unsafe_code, reason = "SDOT has no stable intrinsic")]

use core::arch::aarch64::{
    int8x16_t, int32x4_t, uint8x16_t, vdupq_n_s8, vdupq_n_s32, vmlaq_n_s32, vnegq_s32,
};
use core::arch::asm;

use crate::layout::t5::{BLOCK_BYTES, DIGITS, row_bytes};
use crate::neon::load::{Load, prefetch_lines};
use crate::neon::rows::ROWS;
use crate::neon::sum;
use crate::neon::ternary_rows::{Packed, RowGroup, X, gemv, vectors};
use crate::shape::MAX_K;

/// Blocks of a step: two load with one instruction.
const STEP: usize = 2;
/// Cache lines that a step reads.
const LINES: usize = ROWS * STEP * BLOCK_BYTES / 64;

const _: () = assert!(BLOCK_BYTES == size_of::<Packed>());
const _: () = assert!(MAX_K as u64 * 127 * 256 < 1 << 31);

/// `Σ s x` and `Σ s' x` of a row.
type Sums = [int32x4_t; 2];
/// The activations of a block, by digit.
type XBlock = [int8x16_t; DIGITS];

#[target_feature(enable = "neon,dotprod")]
pub(in crate::neon) fn gemv_i8_t5(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    products::<false>(w, k, &[], x, out);
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv_rows_i8_t5(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    products::<true>(w, k, rows, x, out);
}

#[target_feature(enable = "neon,dotprod")]
fn products<const LISTED: bool>(w: &[u8], k: usize, list: &[u32], x: &[i8], out: &mut [i32]) {
    let digits = vectors(x);
    gemv::<LISTED>(w, row_bytes(k), list, x, out, |group| dot_rows(group, digits));
}

/// `Σ w · x` of four rows. Activations may end inside the last block, or zeros go on past it.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_rows(group: RowGroup<'_>, x: &[X]) -> [i32; ROWS] {
    let mut acc = [[vdupq_n_s32(0); 2]; ROWS];
    let (x_steps, x_rest) = x.as_chunks::<{ STEP * DIGITS }>();
    let rows = group.rows.map(|row| row.split_at(x_steps.len() * STEP));
    let [a, b, c, d] = rows.map(|(steps, _)| &steps.as_chunks::<STEP>().0[..x_steps.len()]);
    let mut ahead = group.ahead;
    for ((((x, a), b), c), d) in x_steps.iter().zip(a).zip(b).zip(c).zip(d) {
        prefetch_lines::<LINES>(ahead);
        ahead = ahead.wrapping_add(64 * LINES);
        let x: [XBlock; STEP] =
            core::array::from_fn(|b| core::array::from_fn(|digit| x[b * DIGITS + digit].load()));
        for (r, row) in [a, b, c, d].into_iter().enumerate() {
            let [first, second] = row.each_ref().map(Load::load);
            acc[r] = block(acc[r], first, &x[0]);
            acc[r] = block(acc[r], second, &x[1]);
        }
    }
    for (i, x) in x_rest.chunks(DIGITS).enumerate().take(rows[0].1.len()) {
        let x = core::array::from_fn(|digit| x.get(digit).map_or(vdupq_n_s8(0), |x| x.load()));
        for r in 0..ROWS {
            acc[r] = block(acc[r], rows[r].1[i].load(), &x);
        }
    }
    let carried = acc.map(|[sums, tripled]| -> int32x4_t { vmlaq_n_s32(vnegq_s32(tripled), sums, 3) });
    sum::across4(carried).map(|sum| sum >> 8)
}

/// One block of one row. In assembly, or the compiler triples by `MUL`, which A76 starts every second cycle.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn block([mut sums, mut tripled]: Sums, bytes: uint8x16_t, x: &XBlock) -> Sums {
    // SAFETY: the caller's target features include dotprod; the instructions work on registers alone.
    unsafe {
        asm!(
            // The first digit: its byte, twice it, three times it.
            "sdot {sums:v}.4s, {s:v}.16b, {x0:v}.16b",
            "add {twice:v}.16b, {s:v}.16b, {s:v}.16b",
            "add {s:v}.16b, {s:v}.16b, {twice:v}.16b",
            "sdot {tripled:v}.4s, {s:v}.16b, {x0:v}.16b",
            // The second.
            "add {twice:v}.16b, {s:v}.16b, {s:v}.16b",
            "sdot {sums:v}.4s, {s:v}.16b, {x1:v}.16b",
            "add {s:v}.16b, {s:v}.16b, {twice:v}.16b",
            "sdot {tripled:v}.4s, {s:v}.16b, {x1:v}.16b",
            // The third.
            "add {twice:v}.16b, {s:v}.16b, {s:v}.16b",
            "sdot {sums:v}.4s, {s:v}.16b, {x2:v}.16b",
            "add {s:v}.16b, {s:v}.16b, {twice:v}.16b",
            "sdot {tripled:v}.4s, {s:v}.16b, {x2:v}.16b",
            // The fourth.
            "add {twice:v}.16b, {s:v}.16b, {s:v}.16b",
            "sdot {sums:v}.4s, {s:v}.16b, {x3:v}.16b",
            "add {s:v}.16b, {s:v}.16b, {twice:v}.16b",
            "sdot {tripled:v}.4s, {s:v}.16b, {x3:v}.16b",
            // The fifth.
            "add {twice:v}.16b, {s:v}.16b, {s:v}.16b",
            "sdot {sums:v}.4s, {s:v}.16b, {x4:v}.16b",
            "add {s:v}.16b, {s:v}.16b, {twice:v}.16b",
            "sdot {tripled:v}.4s, {s:v}.16b, {x4:v}.16b",
            sums = inout(vreg) sums, tripled = inout(vreg) tripled,
            s = inout(vreg) bytes => _, twice = out(vreg) _,
            x0 = in(vreg) x[0], x1 = in(vreg) x[1], x2 = in(vreg) x[2], x3 = in(vreg) x[3], x4 = in(vreg) x[4],
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    [sums, tripled]
}
