//! Models that tests run

use core::sync::atomic::{AtomicU32, Ordering};
use std::path::{Path, PathBuf};
use std::{env, fs};

use ternlet::pack::synth::{Synth, shape_125m};
use ternlet::pack::{HeadForm, Layouts, PackRequest, Source, Target, pack};
use ternlet_kernels::layout::{TernaryLayout, i8_split};
use ternlet_runtime::config::HiddenAct;
use ternlet_runtime::{Config, Model, ModelFile, Pooling, Table};

/// The model that ships with the repository.
#[must_use]
pub fn shipped_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tools/model/demo.tern")
}

/// Small shapes for every combination of the block's variations: widths that fill no block, grouped queries, three
/// layers. The name says what a shape has.
#[must_use]
pub fn variants() -> Vec<Config> {
    let heads = [("own-head", false, None), ("tied", true, None), ("pooled", true, Some(Pooling::LastToken))];
    let mut all = Vec::new();
    for (head, tied_embedding, pooling) in heads {
        for bits in 0..8 {
            let (has_sub_norms, has_qk_norm, has_linear_norms) =
                (bits & 1 != 0, bits & 2 != 0, bits & 4 != 0);
            let mut name = String::from(head);
            for (has, part) in [(has_sub_norms, "-sub"), (has_qk_norm, "-qk"), (has_linear_norms, "-linear")]
            {
                name.push_str(if has { part } else { "" });
            }
            all.push(Config {
                name: name.chars().collect(),
                dim: 72,
                hidden_dim: 200,
                n_layers: 3,
                n_heads: 4,
                n_kv_heads: 2,
                head_dim: 10,
                vocab_size: 77,
                max_seq_len: 64,
                hidden_act: if has_sub_norms { HiddenAct::Relu2 } else { HiddenAct::Silu },
                has_sub_norms,
                has_qk_norm,
                linear_norm_eps: has_linear_norms.then_some(1e-6),
                tied_embedding,
                pooling,
                ..shape_125m()
            });
        }
    }
    all
}

/// The layouts of every target, and every layout everywhere: by name.
#[must_use]
pub fn layout_mixes(hidden_act: HiddenAct) -> Vec<(String, Layouts)> {
    let targets = [Target::Any, Target::Pi5, Target::Pi4, Target::Pi3, Target::X86];
    let targets = targets.map(|target| (format!("{target:?}"), Layouts::for_target(target, hidden_act)));
    let everywhere = TernaryLayout::ALL.map(|layout| (format!("all {layout}"), Layouts::all(layout)));
    targets.into_iter().chain(everywhere).collect()
}

/// Packs random weights for any machine and hands the model to `body`.
///
/// # Panics
/// If they cannot be packed or the packed file is refused.
pub fn with_synth<R>(source: &Synth, head: HeadForm, body: impl FnOnce(&Model<'_>) -> R) -> R {
    let layouts = Layouts::for_target(Target::Any, source.config().hidden_act);
    with_synth_in(source, head, layouts, body)
}

/// Packs random weights in `layouts` and hands the model to `body`.
///
/// # Panics
/// If they cannot be packed or the packed file is refused.
pub fn with_synth_in<R>(
    source: &Synth,
    head: HeadForm,
    layouts: Layouts,
    body: impl FnOnce(&Model<'_>) -> R,
) -> R {
    let file = packed_synth(source, head, layouts);
    body(&Model::parse(file.bytes()).unwrap_or_else(|e| panic!("{e}")))
}

/// Packs random weights into a file without a name.
///
/// # Panics
/// If they cannot be packed.
#[must_use]
pub fn packed_synth(source: &dyn Source, head: HeadForm, layouts: Layouts) -> ModelFile {
    static N_PACKED: AtomicU32 = AtomicU32::new(0);
    let n = N_PACKED.fetch_add(1, Ordering::Relaxed);
    let target = env::temp_dir().join(format!("ternlet-synth-{}-{n}.tern", std::process::id()));
    let request = PackRequest { layouts, ..PackRequest::weights(source, head, &target) };
    let written = pack(request, &|_, _| {}).unwrap_or_else(|e| panic!("{e}"));
    let file = ModelFile::open(&target).unwrap_or_else(|e| panic!("{}: {e}", target.display()));
    // Mapped, the file needs no name any more; without one nothing is left behind when a test fails.
    fs::remove_file(&target).expect("a file of this test");
    assert_eq!(written, file.bytes().len() as u64);
    file
}

/// The codes `[vocab_size, dim]` and row scales of an int8 table, in one plane or in two.
///
/// # Panics
/// If the table is not int8.
#[must_use]
pub fn i8_rows(table: &Table<'_>, dim: usize) -> (Vec<i8>, Vec<f32>) {
    match table {
        Table::I8 { rows, row_scale } => (rows.to_vec(), row_scale.to_vec()),
        Table::I8Split(split) => {
            let mut rows = vec![0; split.row_scale.len() * dim];
            for (id, row) in rows.chunks_exact_mut(dim).enumerate() {
                let (high, low) = split.row(id);
                i8_split::unpack_row(high, low, row);
            }
            (rows, split.row_scale.to_vec())
        }
        other => panic!("expected an int8 table, found {other:?}"),
    }
}
