//! Ternary GEMV of `tl2` with `SDOT`: three look-ups turn sixteen indices into 48 weights.
//!
//! 62 vector instructions per 384 weights and row: 14 assemble eight vectors of indices, 24 look up, 24 multiply and
//! add. That is 31 cycles on Cortex-A76, whose two vector pipes both look up in two registers; seven of the 62 are
//! shifts, which only one of the pipes has. Vectors are taken in the order that keeps fewest of them alive, or four
//! rows would not fit the registers.
#![expect(unsafe_code, reason = "SDOT has no stable intrinsic")]

use core::arch::aarch64::{
    int8x16_t, int32x4_t, uint8x16_t, vandq_u8, vbslq_u8, vdupq_n_s32, vdupq_n_u8, vshrq_n_u8, vsriq_n_u8,
};
use core::arch::asm;

use super::gemv_i8_i2;
use crate::layout::tl2::{BLOCK, BLOCK_BYTES, row_bytes};
use crate::neon::gemv_i8_i2::{XBlock, offset};
use crate::neon::load::{Load, prefetch_lines};
use crate::neon::rows::ROWS;
use crate::neon::sum;
use crate::neon::ternary_rows::{Packed, RowGroup, X, gemv, vectors};
use crate::neon::tl2::{Tables, VECTORS, X_VECTORS, tables};

/// Cache lines of a block of four rows.
const LINES: usize = ROWS * BLOCK_BYTES / 64;

#[target_feature(enable = "neon,dotprod")]
pub(in crate::neon) fn gemv_i8_tl2(w: &[u8], _n: usize, k: usize, x: &[i8], out: &mut [i32]) {
    products::<false>(w, k, &[], x, out);
}

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv_rows_i8_tl2(w: &[u8], _n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]) {
    products::<true>(w, k, rows, x, out);
}

#[target_feature(enable = "neon,dotprod")]
fn products<const LISTED: bool>(w: &[u8], k: usize, list: &[u32], x: &[i8], out: &mut [i32]) {
    let activations = Activations::new(x, k);
    gemv::<LISTED>(w, row_bytes(k), list, x, out, |group| dot_rows(group, &activations));
}

/// The activations of whole blocks, and those of the row's i2 tail.
struct Activations<'x> {
    blocks: &'x [[X; X_VECTORS]],
    tail: &'x [XBlock],
    tail_offset: i32,
}

impl<'x> Activations<'x> {
    #[inline]
    #[target_feature(enable = "neon")]
    fn new(x: &'x [i8], k: usize) -> Self {
        let (blocks, tail) = vectors(x).split_at(k / BLOCK * X_VECTORS);
        let (tail, _) = tail.as_chunks();
        Self { blocks: blocks.as_chunks().0, tail, tail_offset: offset(tail) }
    }
}

/// `Σ w · x` of four rows.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot_rows(group: RowGroup<'_>, x: &Activations<'_>) -> [i32; ROWS] {
    let tables = tables();
    let mut acc = [vdupq_n_s32(0); ROWS];
    let rows = group.rows.map(|row| row.split_at(x.blocks.len() * VECTORS));
    let [a, b, c, d] = rows.map(|(blocks, _)| &blocks.as_chunks::<VECTORS>().0[..x.blocks.len()]);
    let mut ahead = group.ahead;
    for ((((x, a), b), c), d) in x.blocks.iter().zip(a).zip(b).zip(c).zip(d) {
        prefetch_lines::<LINES>(ahead);
        ahead = ahead.wrapping_add(64 * LINES);
        block(&mut acc, [a, b, c, d], x, &tables);
    }
    let mut sums = sum::across4(acc);
    if !x.tail.is_empty() {
        let tail = RowGroup { rows: rows.map(|(_, tail)| tail), ahead };
        for (sum, tail) in sums.iter_mut().zip(gemv_i8_i2::dot_rows(tail, x.tail, x.tail_offset)) {
            *sum += tail;
        }
    }
    sums
}

/// One block of four rows.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn block(acc: &mut [int32x4_t; ROWS], rows: [&[Packed; VECTORS]; ROWS], x: &[X; X_VECTORS], tables: &Tables) {
    let mut products = |q: usize, indices: [uint8x16_t; ROWS]| {
        let x = [x[3 * q].load(), x[3 * q + 1].load(), x[3 * q + 2].load()];
        for r in 0..ROWS {
            acc[r] = triples(acc[r], indices[r], x, tables);
        }
    };
    let vector = |i: usize| rows.map(|row| row[i].load());
    let whole = vdupq_n_u8(31);
    let low = |v: [uint8x16_t; ROWS]| v.map(|v| vandq_u8(v, whole));

    let (v0, v1) = (vector(0), vector(1));
    products(0, low(v0));
    products(1, low(v1));
    products(5, core::array::from_fn(|r| vsriq_n_u8::<5>(vshrq_n_u8::<3>(v1[r]), v0[r])));
    // Bit 3 of vector 7 is in place, bit 4 comes from v3.
    let upper = v1.map(|v1| vshrq_n_u8::<2>(v1));
    let (v2, v3) = (vector(2), vector(3));
    products(2, low(v2));
    products(3, low(v3));
    products(6, core::array::from_fn(|r| vsriq_n_u8::<5>(vshrq_n_u8::<3>(v3[r]), v2[r])));
    let four = vdupq_n_u8(0x10);
    let upper: [_; ROWS] = core::array::from_fn(|r| vbslq_u8(four, vshrq_n_u8::<1>(v3[r]), upper[r]));
    let v4 = vector(4);
    products(4, low(v4));
    products(7, low(core::array::from_fn(|r| vsriq_n_u8::<5>(upper[r], v4[r]))));
}

/// `Σ w · x` of sixteen triples. In assembly with the tables in fixed registers, or the compiler moves them about.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn triples(mut acc: int32x4_t, indices: uint8x16_t, x: [int8x16_t; 3], tables: &Tables) -> int32x4_t {
    // SAFETY: the caller's target features include dotprod; the instructions work on registers alone.
    unsafe {
        asm!(
            // The first, second and third weight of each triple.
            "tbl {first:v}.16b, {{v26.16b, v27.16b}}, {indices:v}.16b",
            "tbl {second:v}.16b, {{v28.16b, v29.16b}}, {indices:v}.16b",
            "tbl {indices:v}.16b, {{v30.16b, v31.16b}}, {indices:v}.16b",
            "sdot {acc:v}.4s, {first:v}.16b, {x0:v}.16b",
            "sdot {acc:v}.4s, {second:v}.16b, {x1:v}.16b",
            "sdot {acc:v}.4s, {indices:v}.16b, {x2:v}.16b",
            acc = inout(vreg) acc, indices = inout(vreg) indices => _,
            first = out(vreg) _, second = out(vreg) _,
            x0 = in(vreg) x[0], x1 = in(vreg) x[1], x2 = in(vreg) x[2],
            in("v26") tables[0].0, in("v27") tables[0].1,
            in("v28") tables[1].0, in("v29") tables[1].1,
            in("v30") tables[2].0, in("v31") tables[2].1,
            options(pure, nomem, nostack, preserves_flags),
        );
    }
    acc
}
