//! One token times listed columns of `t5`: six sums serve five digits.
//!
//! `256 w[i] = 3 s[i] - s[i + 1]` (`layout/t5.rs`), and all columns of an output share its digit, so with
//! `A[i] = Σ s[i] x` over the columns, the outputs of digit `i` are `(3 A[i] - A[i + 1]) / 256`: six `SDOT` and ten
//! additions for five outputs, where a GEMV by rows needs ten `SDOT`. Sums stand on the stack until all columns are
//! in; they wrap modulo 2^32, and 256 times an output is below 2^31.

use core::arch::aarch64::{int32x4_t, vdupq_n_s32, vmlaq_n_s32, vnegq_s32, vreinterpretq_s8_u8, vshrq_n_s32};

use super::tile::{of_columns, sdot_by_element, triple};
use crate::layout::t5::{BLOCK, DIGITS};
use crate::neon::columns::Columns;
use crate::neon::gemm_rows::add_some;
use crate::neon::load::{Aligned, Load, prefetch_lines};
use crate::neon::ternary_rows::Packed;

/// Columns of a pass over the sums: two operands, which share the loads and stores of sums.
const PASS: usize = 8;
/// Blocks whose sums stand on the stack at once, 12 KiB of them: a whole column of 2560.
const PART: usize = 32;
/// Blocks of a cache line.
const LINE: usize = 4;

/// Sums of a block: for each four bytes, of the byte and of what it is after each tripling.
type Sums = [[int32x4_t; DIGITS + 1]; 4];

#[target_feature(enable = "neon,dotprod")]
pub(super) fn gemv(columns: &Columns<'_>, x: &[i8], acc: &mut [i32]) {
    let start = columns.outputs.start / BLOCK;
    for (part, acc) in acc.chunks_mut(PART * BLOCK).enumerate() {
        let first = start + part * PART;
        let mut sums = [[[vdupq_n_s32(0); DIGITS + 1]; 4]; PART];
        let sums = &mut sums[..acc.len().div_ceil(BLOCK)];
        for (pass, list) in columns.list.chunks(PASS).enumerate() {
            let mut values = [0; 16];
            for (value, column) in values.iter_mut().zip(list) {
                *value = x[*column as usize];
            }
            let each = |pass: usize| {
                core::array::from_fn(|i| columns.part(pass * PASS + i, first..first + sums.len()))
            };
            add_columns(sums, each(pass), each(pass + 1), &Aligned(values));
        }
        for (sums, acc) in sums.iter().zip(acc.chunks_mut(BLOCK)) {
            for (digit, acc) in acc.chunks_mut(16).enumerate() {
                for (sums, acc) in sums.iter().zip(acc.chunks_mut(4)) {
                    let carried = vmlaq_n_s32(vnegq_s32(sums[digit + 1]), sums[digit], 3);
                    add_some(acc, vshrq_n_s32::<8>(carried));
                }
            }
        }
    }
}

/// Adds eight columns to the sums of their blocks, and asks for the next eight.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn add_columns(
    sums: &mut [Sums],
    columns: [&[Packed]; PASS],
    next: [&[Packed]; PASS],
    x: &Aligned<[i8; 16]>,
) {
    let x = x.load();
    let [a, b, c, d, e, f, g, h] = columns.map(|column| &column[..sums.len()]);
    for (i, sums) in sums.iter_mut().enumerate() {
        if i.is_multiple_of(LINE) {
            for column in next {
                prefetch_lines::<1>(column.as_ptr().wrapping_add(i).cast());
            }
        }
        let bytes = |column: &Packed| vreinterpretq_s8_u8(column.load());
        let first = of_columns([bytes(&a[i]), bytes(&b[i]), bytes(&c[i]), bytes(&d[i])]);
        let second = of_columns([bytes(&e[i]), bytes(&f[i]), bytes(&g[i]), bytes(&h[i])]);
        for (q, sums) in sums.iter_mut().enumerate() {
            let (mut first, mut second) = (first[q], second[q]);
            for (tripled, sum) in sums.iter_mut().enumerate() {
                if tripled > 0 {
                    (first, second) = (triple(first), triple(second));
                }
                *sum = sdot_by_element::<1>(sdot_by_element::<0>(*sum, first, x), second, x);
            }
        }
    }
}
