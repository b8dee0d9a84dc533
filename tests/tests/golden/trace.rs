//! Inside a layer: the int8 activations and the output of every linear, from the reference's own inputs
//!
//! The trace holds what went in and out of each linear of the first and the last layer. `.q8` must come out exactly:
//! integers leave no room. `.out` is an exact integer times two scales: the reference divides by their product in f32,
//! the runtime multiplies by it, so a few roundings lie between them and no more.

use std::fs;

use safetensors::SafeTensors;
use ternlet::pack::{HeadForm, i2_rows};
use ternlet_kernels::layout::{TernaryLayout, i2};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{KvType, Model, Ternary};
use ternlet_tests::aligned_arena;

use crate::case::{DIVIDING, ids, logits};
use crate::error::max_abs;

/// Largest difference of an output, as a part of its own value: eight roundings of f32, where 2.7e-7 was found.
const RELATIVE: f64 = 1e-6;

/// Widest input of a traced linear, padded.
const MAX_K: usize = 448;

/// Activations where the kernels want them.
#[repr(align(64))]
struct Aligned([i8; MAX_K]);

/// The rows of f32 tensor `name` and their length.
fn floats(trace: &SafeTensors<'_>, name: &str) -> (Vec<f32>, usize) {
    let view = trace.tensor(name).unwrap_or_else(|e| panic!("{name}: {e}"));
    assert_eq!(view.dtype(), safetensors::Dtype::F32, "{name}");
    let (words, _) = view.data().as_chunks();
    (words.iter().copied().map(f32::from_le_bytes).collect(), view.shape().last().copied().unwrap_or(1))
}

/// The linears of a layer under the names of the trace.
fn linears<'a>(model: &Model<'a>, layer: usize) -> [(String, Ternary<'a>); 7] {
    let weights = model.layer(layer);
    [
        ("self_attn.q_proj", weights.wq.weight),
        ("self_attn.k_proj", weights.wk.weight),
        ("self_attn.v_proj", weights.wv.weight),
        ("self_attn.o_proj", weights.wo.weight),
        ("mlp.gate_proj", weights.w_gate.weight),
        ("mlp.up_proj", weights.w_up.weight),
        ("mlp.down_proj", weights.w_down.weight),
    ]
    .map(|(name, w)| (format!("layers.{layer}.{name}"), w))
}

/// Runs the linear on the traced inputs and returns the largest relative error of its outputs.
fn check(kernels: &Kernels, trace: &SafeTensors<'_>, name: &str, w: Ternary<'_>) -> f64 {
    let (x, k) = floats(trace, &format!("{name}.in"));
    let (expected, n) = floats(trace, &format!("{name}.out"));
    assert_eq!((n, k), (w.n, w.k), "{name}: shape");
    let q8 = trace.tensor(&format!("{name}.q8")).unwrap_or_else(|e| panic!("{name}.q8: {e}"));
    let mut q = Aligned([0; MAX_K]);
    let q = &mut q.0[..i2::k_padded(k)];
    // A vector is as aligned as its elements, a kernel wants 16 bytes.
    let mut memory = Vec::new();
    let rows = aligned_arena(&mut memory, n * i2::row_bytes(k));
    rows.copy_from_slice(&i2_rows(&w));
    let mut acc = vec![0i32; n];
    let mut out = vec![0f32; n];
    let mut worst = 0.0;
    let tokens = x.chunks_exact(k).zip(q8.data().chunks_exact(k)).zip(expected.chunks_exact(n));
    for (token, ((x, q8), expected)) in tokens.enumerate() {
        let x_scale = kernels.quantise_i8(x, q);
        let q8: Vec<i8> = q8.iter().map(|byte| byte.cast_signed()).collect();
        assert_eq!(q[..k], q8[..], "{}: {name}.q8 of token {token}", kernels.name());
        kernels.gemv_i8(TernaryLayout::I2, rows, n, k, q, &mut acc);
        kernels.rescale(&acc, w.scale * x_scale, &mut out);
        for (out, expected) in out.iter().zip(expected) {
            let error = f64::from(out - expected).abs();
            worst = f64::max(worst, if error == 0.0 { 0.0 } else { error / f64::from(expected.abs()) });
        }
    }
    worst
}

#[test]
fn every_traced_linear_gives_its_int8_inputs_and_its_outputs() {
    let bytes = fs::read(DIVIDING.file("trace.safetensors")).expect("the trace");
    let trace = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    DIVIDING.with_model(HeadForm::Source, |model| {
        for kernels in Kernels::all(CpuFeatures::detect()) {
            let mut worst = 0.0;
            for layer in [0, model.config().n_layers as usize - 1] {
                for (name, w) in linears(model, layer) {
                    let error = check(kernels, &trace, &name, w);
                    assert!(
                        error <= RELATIVE,
                        "{}: {name}.out: relative error {error:e}, at most {RELATIVE:e} may be",
                        kernels.name()
                    );
                    worst = f64::max(worst, error);
                }
            }
            eprintln!("{}: {}: .q8 equal, .out within {worst:.1e}", DIVIDING.name, kernels.name());
        }
    });
}

#[test]
fn the_traced_tokens_give_their_logits() {
    let bytes = fs::read(DIVIDING.file("trace.safetensors")).expect("the trace");
    let (_, header) = SafeTensors::read_metadata(&bytes).expect("a safetensors file");
    let metadata = header.metadata().as_ref().expect("the ids among the metadata");
    let ids = ids(&serde_json::from_str(&metadata["input_ids"]).expect("a JSON array"));
    let trace = SafeTensors::deserialize(&bytes).expect("a safetensors file");
    DIVIDING.with_model(HeadForm::Source, |model| {
        let error = max_abs(&logits(model, KvType::F32, &ids), &floats(&trace, "logits").0);
        assert!(error <= 2e-4, "{}: trace: logits differ by {error:e}, at most 2e-4 may", DIVIDING.name);
    });
}
