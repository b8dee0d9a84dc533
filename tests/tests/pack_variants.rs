//! What the packer writes, the reader sees: every combination of head and of the block's variations
//!
//! The weights come from the generator, whose rows can be asked for again and compared with the file's.

use ternlet::pack::synth::Synth;
use ternlet::pack::{HeadForm, Source, i2_rows};
use ternlet_kernels::layout::i2;
use ternlet_runtime::format::{Layout, Schedule, TensorKind};
use ternlet_runtime::{Model, Table};
use ternlet_tests::{i8_rows, layout_mixes, variants, with_synth, with_synth_in};

#[test]
fn every_variant_reads_back_as_it_was_packed() {
    for config in variants() {
        for head in [HeadForm::Source, HeadForm::Int8Whole, HeadForm::Int8] {
            let source = Synth::new(config.clone(), 3);
            with_synth(&source, head, |model| {
                model.verify_payload().expect("no damage");
                (0..).zip(model.tensors()).for_each(|(index, _)| model.verify_tensor(index).expect("valid"));
                assert_eq!(model.config(), source.config());
                check_layers(model, &source);
                check_tables(model, &source, head);
            });
        }
    }
}

#[test]
fn every_mix_of_layouts_reads_back_as_it_was_packed() {
    for config in variants().into_iter().filter(|config| config.linear_norm_eps.is_some()) {
        for (mix, layouts) in layout_mixes(config.hidden_act) {
            let source = Synth::new(config.clone(), 4);
            with_synth_in(&source, HeadForm::Source, layouts, |model| {
                model.verify_payload().expect("no damage");
                (0..).zip(model.tensors()).for_each(|(index, _)| model.verify_tensor(index).expect("valid"));
                check_layers(model, &source);
                for entry in model.tensors().filter(|entry| entry.layout.is_ternary()) {
                    let role = entry.role;
                    let expected = layouts.of(role, config.hidden_act).stored();
                    assert_eq!((entry.layout, entry.order), expected, "{mix}: {}", role.name());
                }
            });
        }
    }
}

/// Every tensor of every layer, byte for byte, through the accessor that the transformer uses.
fn check_layers(model: &Model<'_>, source: &Synth) {
    let config = source.config();
    let schedule: Vec<_> = Schedule::of_floats(config).iter().collect();
    for layer in 0..config.n_layers as usize {
        let of_layer =
            |kind| schedule.iter().filter(move |t| usize::from(t.layer) == layer && t.kind == kind);
        let weights = model.layer(layer);
        let linears =
            [weights.wq, weights.wk, weights.wv, weights.wo, weights.w_gate, weights.w_up, weights.w_down];
        for (tensor, found) in of_layer(TensorKind::Ternary).zip(linears.map(|linear| linear.weight)) {
            let mut rows = source.ternary(tensor).expect("rows");
            assert_eq!((found.n as u64, found.k as u64, found.scale), (tensor.n, tensor.k, rows.scale()));
            let mut row = vec![0; i2::row_bytes(found.k)];
            for (index, bytes) in i2_rows(&found).chunks(row.len()).enumerate() {
                rows.pack_row(index, &mut row).expect("a row");
                assert_eq!(bytes, row, "{} row {index}", tensor.role.name());
            }
        }
        // In the order of use, as FORMAT.md lists them.
        let vectors = [
            Some(weights.attn_norm),
            weights.wq.norm,
            weights.wk.norm,
            weights.wv.norm,
            weights.q_norm,
            weights.k_norm,
            weights.attn_sub_norm,
            weights.wo.norm,
            Some(weights.ffn_norm),
            weights.w_gate.norm,
            weights.w_up.norm,
            weights.ffn_sub_norm,
            weights.w_down.norm,
        ];
        let found: Vec<&[f32]> = vectors.into_iter().flatten().collect();
        let expected: Vec<Vec<f32>> =
            of_layer(TensorKind::Vector).map(|tensor| source.vector(tensor).expect("a vector")).collect();
        assert_eq!(found, expected, "{}: vectors of layer {layer}", config.name);
        let count = |has: bool, n: usize| if has { n } else { 0 };
        let norms = count(config.has_sub_norms, 2)
            + count(config.has_qk_norm, 2)
            + count(config.linear_norm_eps.is_some(), 7);
        assert_eq!(found.len(), 2 + norms, "{}", config.name);
    }
}

/// The embedding and head: exact as stored, or within half a step of it.
fn check_tables(model: &Model<'_>, source: &Synth, head: HeadForm) {
    let (tied, has_head) = (source.config().tied_embedding, source.config().pooling.is_none());
    let tables = Schedule::of_floats(source.config());
    let found = [model.token_embedding(), model.lm_head()];
    for (tensor, found) in tables.iter().filter(|t| t.kind == TensorKind::Table).zip(found) {
        assert_eq!(source.table_layout(&tensor).expect("a table"), Layout::Bf16);
        let mut stored: Vec<u16> = Vec::new();
        let mut visit = |row: &[u8]| {
            stored.extend(row.as_chunks().0.iter().map(|&b| u16::from_le_bytes(b)));
            Ok(())
        };
        source.table_rows(&tensor, &mut visit).expect("rows");
        match found {
            Table::Bf16(found) => assert_eq!(found, stored),
            Table::I8 { .. } | Table::I8Split(_) => {
                let (rows, row_scale) = i8_rows(&found, 72);
                for (index, (&code, &bits)) in rows.iter().zip(&stored).enumerate() {
                    let scale = row_scale[index / 72];
                    let weight = f32::from_bits(u32::from(bits) << 16);
                    let error = (f32::from(code) * scale - weight).abs();
                    assert!(error <= 0.5001 * scale, "element {index}: {weight} became {code} x {scale}");
                }
            }
            other => panic!("another layout: {other:?}"),
        }
    }
    let form = |table| match table {
        Table::I8 { .. } => HeadForm::Int8Whole,
        Table::I8Split(_) => HeadForm::Int8,
        _ => HeadForm::Source,
    };
    assert_eq!(form(model.lm_head()), if has_head { head } else { HeadForm::Source });
    let expected = if tied && has_head { head } else { HeadForm::Source };
    assert_eq!(form(model.token_embedding()), expected, "an embedding that is no head stays as stored");
}

#[test]
fn the_same_seed_gives_the_same_file() {
    let config = variants().remove(0);
    // Equal for equal bytes, payload included.
    let id = |seed| with_synth(&Synth::new(config.clone(), seed), HeadForm::Int8, |model| model.file_id());
    assert_eq!(id(1), id(1));
    assert_ne!(id(1), id(2));
}
