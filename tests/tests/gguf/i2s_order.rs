//! The orders of `I2_S`, told apart by what training leaves in weights: the shipped model, written in each

use core::cell::Cell;

use ternlet::import::foreign_model::ImportOptions;
use ternlet::import::gguf::{Gguf as Importer, I2sOrder};
use ternlet::pack::{Source as _, i2_rows};
use ternlet_kernels::layout::i2;
use ternlet_runtime::format::{Role, Schedule, TensorKind};
use ternlet_runtime::{Model, ModelFile, Ternary};
use ternlet_tests::shipped_model;

use crate::model::DIM;
use crate::writer::{Field, Gguf, type_id};

const ORDERS: [I2sOrder; 3] = [I2sOrder::Blocks128, I2sOrder::Blocks64, I2sOrder::FourRows];

/// The trits of a matrix, row-major.
fn trits(matrix: &Ternary<'_>) -> Vec<i8> {
    let mut trits = vec![0; matrix.n * matrix.k];
    let rows = i2_rows(matrix);
    let rows = rows.chunks_exact(i2::row_bytes(matrix.k));
    rows.zip(trits.chunks_exact_mut(matrix.k)).for_each(|(row, trits)| i2::unpack_row(row, trits));
    trits
}

/// The bytes of a matrix of `k` columns in `order`, written from the descriptions of the orders.
fn i2_s(trits: &[i8], k: usize, scale: f32, order: I2sOrder) -> Vec<u8> {
    let mut bytes = vec![0; trits.len() / 4];
    for (index, trit) in trits.iter().enumerate() {
        let (byte, field) = match order {
            I2sOrder::Blocks128 => (index / 128 * 32 + index % 32, index % 128 / 32),
            I2sOrder::Blocks64 => (index / 64 * 16 + index % 16, index % 64 / 16),
            I2sOrder::FourRows => (index / (4 * k) * k + index % k, index / k % 4),
        };
        bytes[byte] |= (trit + 1).cast_unsigned() << (6 - 2 * field);
    }
    bytes.extend(scale.to_le_bytes());
    bytes.resize(bytes.len() + 28, 0);
    bytes
}

/// The shipped model as a file of type `I2_S`, its trits through `change`.
fn file(model: &Model<'_>, order: I2sOrder, change: impl Fn(i8) -> i8) -> Gguf {
    let config = model.config();
    let mut file = crate::model::file("bitnet-b1.58");
    file.tensors.retain(|tensor| !tensor.name.starts_with("blk.") && tensor.name != "token_embd.weight");
    let numbers = [
        ("context_length", config.max_seq_len),
        ("embedding_length", config.dim),
        ("block_count", config.n_layers),
        ("feed_forward_length", config.hidden_dim),
        ("attention.head_count", config.n_heads),
        ("attention.head_count_kv", config.n_kv_heads),
        ("attention.key_length", config.head_dim),
        ("attention.value_length", config.head_dim),
        ("rope.dimension_count", config.head_dim),
    ];
    for (key, number) in numbers {
        file.set(&format!("bitnet-b1.58.{key}"), Field::U32(number));
    }
    file.add("token_embd.weight", &[DIM, 1], type_id::F32, vec![0; 4 * 256]);
    for layer in 0..config.n_layers {
        let weights = model.layer(layer as usize);
        let matrices = [
            ("attn_q", weights.wq.weight),
            ("attn_k", weights.wk.weight),
            ("attn_v", weights.wv.weight),
            ("attn_output", weights.wo.weight),
            ("ffn_gate", weights.w_gate.weight),
            ("ffn_up", weights.w_up.weight),
            ("ffn_down", weights.w_down.weight),
        ];
        for (name, matrix) in matrices {
            let changed: Vec<i8> = trits(&matrix).into_iter().map(&change).collect();
            let data = i2_s(&changed, matrix.k, matrix.scale, order);
            let dims = [matrix.k as u64, matrix.n as u64];
            file.add(&format!("blk.{layer}.{name}.weight"), &dims, type_id::I2_S, data);
        }
        let norms = [
            ("attn_norm", config.dim),
            ("attn_sub_norm", config.q_dim()),
            ("ffn_norm", config.dim),
            ("ffn_sub_norm", config.hidden_dim),
        ];
        for (name, k) in norms {
            let ones = 1f32.to_le_bytes().repeat(k as usize);
            file.add(&format!("blk.{layer}.{name}.weight"), &[k.into()], type_id::F32, ones);
        }
    }
    file
}

fn open(file: &Gguf, said: Option<I2sOrder>) -> Importer<Vec<u8>> {
    let options = ImportOptions { i2s_order: said, ..ImportOptions::default() };
    Importer::read(file.bytes(), "test", &options).unwrap_or_else(|e| panic!("{e}"))
}

#[test]
fn a_trained_model_is_read_in_its_own_order_and_the_user_hears_of_an_unusual_one() {
    let shipped = ModelFile::open(&shipped_model()).expect("the shipped model");
    let model = Model::parse(shipped.bytes()).expect("the shipped model");
    for order in ORDERS {
        let file = file(&model, order, |trit| trit);
        let source = open(&file, None);
        match (order, source.warnings()) {
            (I2sOrder::Blocks128, []) => {}
            (_, [warning]) if order != I2sOrder::Blocks128 => {
                assert!(
                    warning.contains(&order.to_string()) && warning.contains("--i2s-order 128"),
                    "{warning}"
                );
            }
            (_, warnings) => panic!("{order}: {warnings:?}"),
        }
        for tensor in Schedule::of_floats(source.config()).iter() {
            if tensor.kind != TensorKind::Ternary {
                continue;
            }
            let weights = model.layer(usize::from(tensor.layer));
            let expected = match tensor.role {
                Role::Wq => weights.wq.weight,
                Role::Wk => weights.wk.weight,
                Role::Wv => weights.wv.weight,
                Role::Wo => weights.wo.weight,
                Role::WGate => weights.w_gate.weight,
                Role::WUp => weights.w_up.weight,
                _ => weights.w_down.weight,
            };
            let mut rows = source.ternary(&tensor).expect("rows");
            assert_eq!(rows.scale(), expected.scale);
            let mut packed = vec![0; i2::row_bytes(expected.k)];
            for (row, bytes) in i2_rows(&expected).chunks_exact(packed.len()).enumerate() {
                rows.pack_row(row, &mut packed).expect("a row");
                assert!(packed == bytes, "{order}: {} row {row}", tensor.role.name());
            }
        }
        // What the user says goes, with a warning where the weights say otherwise.
        let insisted = open(&file, Some(I2sOrder::Blocks128));
        assert_eq!(insisted.warnings().is_empty(), order == I2sOrder::Blocks128, "{:?}", insisted.warnings());
    }
}

#[test]
fn random_weights_show_nothing_and_are_read_as_published_files_are() {
    let shipped = ModelFile::open(&shipped_model()).expect("the shipped model");
    let model = Model::parse(shipped.bytes()).expect("the shipped model");
    for order in ORDERS {
        let state = Cell::new(1);
        let file = file(&model, order, |_| random_trit(&state));
        let source = open(&file, None);
        let [warning] = source.warnings() else { panic!("{:?}", source.warnings()) };
        assert!(warning.contains("blocks of 128") && warning.contains("--i2s-order 64"), "{warning}");
        assert!(open(&file, Some(order)).warnings().is_empty());
    }
}

#[test]
fn an_order_for_tensors_that_are_not_there_is_refused() {
    let options = ImportOptions { i2s_order: Some(I2sOrder::Blocks64), ..ImportOptions::default() };
    let refusal =
        Importer::read(crate::model::file("bitnet").bytes(), "test", &options).expect_err("no I2_S");
    let refusal = refusal.to_string();
    assert!(refusal.contains("--i2s-order") && refusal.contains("leave the flag out"), "{refusal}");
}

/// The next trit of a xorshift generator (Marsaglia, "Xorshift RNGs", 2003).
fn random_trit(state: &Cell<u64>) -> i8 {
    let mut x = state.get();
    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    state.set(x);
    [-1, 0, 1][usize::try_from((x >> 32) % 3).expect("below 3")]
}
