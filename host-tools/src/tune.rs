//! Layouts and kernels, measured on this machine for the matrices of one model
//!
//! For each shape a GEMV of one token is timed in every layout; for `w_up` and `w_down` of a squared `ReLU` in the form
//! that the skip reads them in, with some of the rows or columns live, and with other shares too, to find from
//! which one on the whole matrix is read as fast. Matrices come from memory as in decoding: copies are walked that
//! together are larger than a cache, as far as the model is. Layouts take turns in every round, and the fastest round of
//! each counts. Prefill is not measured.

use std::time::Instant;

use ternlet_kernels::Kernels;
use ternlet_kernels::layout::{TernaryLayout, i2};
use ternlet_runtime::format::{Order, Role};
use ternlet_runtime::{
    ARENA_ALIGN, HiddenAct, LoadError, Model, Parallel, SkipLimits, Ternary, for_column_ranges, for_ranges,
};

use crate::pack::{Placement, Profile, TERNARY_ROLES, from_i2_rows, i2_rows};

/// Live rows and columns in percent by which layouts are chosen: about what trained models leave.
const LIVE_PERCENT: usize = 30;
/// Shares in percent that are tried for the limits of the skip.
const SHARES: [usize; 9] = [20, 30, 40, 50, 60, 70, 80, 90, 100];
/// Bytes that are walked: more than the last cache of a small machine.
const WALKED_BYTES: usize = 96 << 20;
/// A layout that once took so many times as long as the fastest is not measured again.
const HOPELESS: f64 = 4.0;
/// Rows of a worker's share are a multiple of this: the widest tile.
const ROW_GRAIN: usize = 32;
/// Rows that a kernel is called for at once.
const ROWS_AT_ONCE: usize = 64;

/// What [`tune`] found.
#[derive(Debug)]
pub struct Tuning {
    /// The fastest layouts.
    pub profile: Profile,
    /// The limits of the skip that fit them, where there is one: behind a squared `ReLU`.
    pub limits: Option<SkipLimits>,
    /// What they were chosen from.
    pub choices: Vec<Choice>,
}

/// One matrix, measured.
#[derive(Debug)]
pub struct Choice {
    /// Role, shape and how it was read.
    pub matrix: String,
    /// Forms with microseconds for one token.
    pub measured: Vec<(String, f64)>,
}

/// Measures the matrices of `model`'s first layer on the workers of `parallel`.
///
/// # Errors
/// A matrix that holds what no packer writes.
pub fn tune(
    model: &Model<'_>,
    kernels: &Kernels,
    parallel: &dyn Parallel,
    rounds: u32,
) -> Result<Tuning, LoadError> {
    let hidden_act = model.config().hidden_act;
    let (mut choices, mut limits) = (Vec::new(), SkipLimits::default());
    let mut by_role = [Placement::rows(TernaryLayout::I2); TERNARY_ROLES.len()];
    let mut known: Vec<(usize, usize, Placement)> = Vec::new();
    for (placement, role) in by_role.iter_mut().zip(TERNARY_ROLES) {
        let Some((index, _)) = (0..).zip(model.tensors()).find(|(_, entry)| entry.role == role) else {
            continue;
        };
        model.verify_tensor(index)?;
        let w = model.ternary(index);
        let bench = Bench { kernels, parallel, rounds, n_layers: model.config().n_layers as usize, w };
        let is_skipped = hidden_act == HiddenAct::Relu2 && matches!(role, Role::WUp | Role::WDown);
        if !is_skipped && let Some(same) = known.iter().find(|(n, k, _)| (*n, *k) == (w.n, w.k)) {
            *placement = same.2;
            continue;
        }
        let candidates = candidates(role, is_skipped);
        let live = if is_skipped { LIVE_PERCENT } else { 100 };
        let times = bench.times(&candidates, &[live]);
        let fastest = (0..times.len()).min_by(|&a, &b| times[a][0].total_cmp(&times[b][0])).unwrap_or(0);
        *placement = candidates[fastest];
        let measured = candidates.iter().zip(&times).map(|(c, times)| (c.to_string(), times[0])).collect();
        let how = if is_skipped { format!(", {live} % live") } else { String::new() };
        choices.push(Choice { matrix: format!("{} [{}, {}]{how}", role.name(), w.n, w.k), measured });
        if !is_skipped {
            known.push((w.n, w.k, *placement));
            continue;
        }
        let times = bench.times(&[*placement], &SHARES).remove(0);
        let whole = times[SHARES.len() - 1];
        let percent =
            SHARES.iter().zip(&times).rev().find(|(_, us)| **us < whole).map_or(0, |(share, _)| *share);
        let percent = u32::try_from(percent).unwrap_or(100);
        if role == Role::WUp {
            limits.rows_percent = percent;
        } else {
            limits.columns_percent = percent;
        }
        let measured = SHARES.iter().zip(times).map(|(share, us)| (format!("{share} %"), us)).collect();
        choices
            .push(Choice { matrix: format!("{} {placement}, by share that is live", role.name()), measured });
    }
    let machine = format!("{}, {} threads", kernels.name(), parallel.n_workers());
    let limits = (hidden_act == HiddenAct::Relu2).then_some(limits);
    Ok(Tuning { profile: Profile::new(machine, by_role), limits, choices })
}

/// The placements that a matrix of `role` may have, where those of skipped ones are known by row or column.
fn candidates(role: Role, is_skipped: bool) -> Vec<Placement> {
    let layouts = TernaryLayout::ALL.into_iter();
    match (role, is_skipped) {
        (Role::WDown, true) => {
            layouts.filter(|layout| layout.tile_rows() == 1).map(Placement::columns).collect()
        }
        (_, true) => layouts.filter(|layout| layout.tile_rows() == 1).map(Placement::rows).collect(),
        _ => layouts.map(Placement::rows).collect(),
    }
}

/// One matrix to be measured.
struct Bench<'a> {
    kernels: &'a Kernels,
    parallel: &'a dyn Parallel,
    rounds: u32,
    n_layers: usize,
    w: Ternary<'a>,
}

/// One form of a matrix, in as many copies as are walked.
struct Copies {
    placement: Placement,
    memory: Vec<u8>,
    start: usize,
    stride: usize,
    len: usize,
    n: usize,
}

impl Copies {
    fn new(bytes: &[u8], placement: Placement, n_layers: usize) -> Self {
        let stride = bytes.len().next_multiple_of(ARENA_ALIGN);
        let n = n_layers.min(WALKED_BYTES.div_ceil(stride)).max(1);
        let mut memory = vec![0; n * stride + ARENA_ALIGN];
        let start = memory.as_ptr().align_offset(ARENA_ALIGN);
        memory[start..start + n * stride]
            .chunks_exact_mut(stride)
            .for_each(|copy| copy[..bytes.len()].copy_from_slice(bytes));
        Self { placement, memory, start, stride, len: bytes.len(), n }
    }

    fn get(&self, i: usize) -> &[u8] {
        &self.memory[self.start + i * self.stride..][..self.len]
    }
}

impl Bench<'_> {
    /// Microseconds for one token: `[candidates, shares]`, of rows or columns that are live.
    fn times(&self, candidates: &[Placement], shares: &[usize]) -> Vec<Vec<f64>> {
        let Ternary { n, k, .. } = self.w;
        let rows = i2_rows(&self.w);
        let forms: Vec<Copies> = candidates
            .iter()
            .map(|&placement| {
                let bytes = from_i2_rows(rows.as_ref().into(), n, k, placement);
                Copies::new(&bytes, placement, self.n_layers)
            })
            .collect();
        let mut memory = vec![0_i8; i2::k_padded(k) + ARENA_ALIGN];
        let start = memory.as_ptr().align_offset(ARENA_ALIGN);
        let x = &mut memory[start..start + i2::k_padded(k)];
        // Seven steps through -127..=127, none of them zero.
        x[..k].iter_mut().enumerate().for_each(|(i, x)| *x = [-127, 3, 90, -14, 61, -77, 127][i % 7]);
        let mut best = vec![vec![f64::INFINITY; shares.len()]; forms.len()];
        for _ in 0..self.rounds {
            let fastest = best.iter().map(|times| times[0]).fold(f64::INFINITY, f64::min);
            for (form, best) in forms.iter().zip(&mut best) {
                // A layout far behind will not win: on some backends a layout has no kernel but the portable one.
                if best[0].is_finite() && best[0] > HOPELESS * fastest {
                    continue;
                }
                for (&share, best) in shares.iter().zip(best) {
                    let start = Instant::now();
                    (0..form.n).for_each(|i| self.gemv(form, form.get(i), share, x, i));
                    #[expect(clippy::cast_precision_loss, reason = "at most 512 copies")]
                    let us = start.elapsed().as_secs_f64() * 1e6 / form.n as f64;
                    *best = best.min(us);
                }
            }
        }
        best
    }

    /// One product, as the runtime splits it; `seed` decides which rows or columns are live.
    fn gemv(&self, form: &Copies, w: &[u8], share: usize, x: &[i8], seed: usize) {
        let Ternary { n, k, .. } = self.w;
        let Placement { layout, order } = form.placement;
        let n_workers = self.parallel.n_workers();
        if order == Order::ColumnMajor {
            let columns = live(k, share, seed);
            let mut acc = vec![0_i32; n * n_workers];
            for_ranges(self.parallel, columns.len(), 16, &mut acc, |range, acc| {
                self.kernels.gemm_columns_i8(layout, w, n, k, 0..n, &columns[range], 1, x, acc);
            });
            core::hint::black_box(&acc);
            return;
        }
        let mut out = vec![0_i32; n];
        let rows = if share < 100 { live(n, share, seed) } else { Vec::new() };
        if !rows.is_empty() {
            let out = &mut out[..rows.len()];
            for_column_ranges(self.parallel, 8, out, rows.len(), &mut [(); 0], |mut out, _| {
                let range = out.range();
                self.kernels.gemv_rows_i8(layout, w, n, k, &rows[range.clone()], x, out.segment(0, range));
            });
        } else {
            for_column_ranges(self.parallel, ROW_GRAIN, &mut out, n, &mut [(); 0], |mut out, _| {
                let whole = out.range();
                for start in whole.clone().step_by(ROWS_AT_ONCE) {
                    let rows = start..whole.end.min(start + ROWS_AT_ONCE);
                    let bytes = &w[layout.matrix_bytes(rows.start, k)..layout.matrix_bytes(rows.end, k)];
                    self.kernels.gemv_i8(layout, bytes, rows.len(), k, x, out.segment(0, rows));
                }
            });
        }
        core::hint::black_box(&out);
    }
}

/// About `share` percent of the indices below `n`, ascending, at no fixed distance.
fn live(n: usize, share: usize, seed: usize) -> Vec<u32> {
    let is_live = |i: u32| {
        // A multiplicative hash (Knuth, The Art of Computer Programming 3, section 6.4).
        let hash = (u64::from(i) + (seed as u64) * 65_537).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 40;
        hash % 100 < share as u64
    };
    (0..u32::try_from(n).unwrap_or(u32::MAX)).filter(|&i| is_live(i)).collect()
}
