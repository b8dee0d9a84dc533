//! One matrix in every type that holds trits: the same trits and the same scale come out
//!
//! `tests/golden/gguf/packing.json` holds the matrix and its bytes, made by the `gguf` package and by an independent
//! writer of `I2_S`.

use std::fs;
use std::path::Path;

use serde_json::Value;
use ternlet::import::foreign_model::ImportOptions;
use ternlet::import::gguf::{Gguf as Importer, I2sOrder};
use ternlet_kernels::layout::i2;
use ternlet_runtime::format::Role;

use crate::model::{DIM, ROWS, file, hex, matrix, open};
use crate::writer::{Field, Gguf, type_id};

/// The matrix of the vectors.
pub(crate) struct Vectors {
    json: Value,
    pub(crate) trits: Vec<Vec<i8>>,
    pub(crate) scale: f32,
}

impl Vectors {
    pub(crate) fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gguf/packing.json");
        let json: Value = serde_json::from_slice(&fs::read(path).expect("vectors")).expect("JSON");
        let trits = serde_json::from_value(json["ternary"].clone()).expect("rows of trits");
        let scale = serde_json::from_value(json["scale"].clone()).expect("a number");
        Self { json, trits, scale }
    }

    /// The matrix's bytes in one form.
    pub(crate) fn bytes(&self, form: &str) -> Vec<u8> {
        hex(&self.json[form])
    }

    fn packed(&self) -> Vec<Vec<u8>> {
        let pack = |row: &Vec<i8>| {
            let mut packed = vec![0; i2::row_bytes(row.len())];
            i2::pack_row(row, &mut packed);
            packed
        };
        self.trits.iter().map(pack).collect()
    }

    /// The weights, each through `element`.
    fn floats<const N: usize>(&self, element: impl Fn(f32) -> [u8; N]) -> Vec<u8> {
        self.trits.iter().flatten().flat_map(|trit| element(f32::from(*trit) * self.scale)).collect()
    }
}

/// The vectors' scale, its negative or zero as f16.
fn f16_bytes(value: f32) -> [u8; 2] {
    // 1.484375 / 4: an exponent of 13 above 496 / 1024.
    const SCALE: u16 = 13 << 10 | 496;
    let bits = match value {
        0.0 => 0,
        0.371_093_75 => SCALE,
        -0.371_093_75 => 1 << 15 | SCALE,
        other => panic!("{other} is no weight of the vectors"),
    };
    bits.to_le_bytes()
}

/// The upper half of a float whose lower half is zero.
fn bf16_bytes(value: f32) -> [u8; 2] {
    let [low @ .., third, fourth] = value.to_le_bytes();
    assert_eq!(low, [0, 0]);
    [third, fourth]
}

fn with_matrix(type_id: u32, data: Vec<u8>) -> Gguf {
    let mut file = file("bitnet");
    for name in ["attn_q", "attn_k", "attn_v", "ffn_gate", "ffn_up"] {
        let tensor = file.tensor(&format!("blk.0.{name}.weight"));
        tensor.type_id = type_id;
        tensor.data.clone_from(&data);
    }
    file
}

#[test]
fn every_type_gives_the_same_trits_and_scale() {
    let vectors = Vectors::read();
    let cases = [
        ("F32", type_id::F32, vectors.floats(f32::to_le_bytes)),
        ("F16", type_id::F16, vectors.floats(f16_bytes)),
        ("BF16", type_id::BF16, vectors.floats(bf16_bytes)),
        ("TQ1_0", type_id::TQ1_0, vectors.bytes("tq1_0_hex")),
        ("TQ2_0", type_id::TQ2_0, vectors.bytes("tq2_0_hex")),
        ("I2_S", type_id::I2_S, vectors.bytes("i2_s_128_hex")),
    ];
    for (name, type_id, data) in cases {
        let source = open(with_matrix(type_id, data).bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
        for role in [Role::Wq, Role::Wk, Role::Wv, Role::WGate, Role::WUp] {
            let found = matrix(&source, role).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(found, (vectors.scale, vectors.packed()), "{name} {}", role.name());
        }
    }
}

#[test]
fn i2_s_under_another_id_is_known_by_its_size() {
    let vectors = Vectors::read();
    // Of a larger matrix: 16 times the rows, so that no other type has its size.
    let mut file = file("bitnet");
    file.set("bitnet.feed_forward_length", Field::U32(128));
    let codes = vectors.bytes("i2_s_128_hex");
    let (codes, tail) = codes.split_at(codes.len() - 32);
    for name in ["ffn_gate", "ffn_up"] {
        let tensor = file.tensor(&format!("blk.0.{name}.weight"));
        (tensor.dims, tensor.type_id) = (vec![DIM, 16 * ROWS], 42);
        tensor.data = [codes.repeat(16), tail.to_vec()].concat();
    }
    let down = file.tensor("blk.0.ffn_down.weight");
    (down.dims, down.data) = (vec![16 * ROWS, DIM], vec![0; 16 * down.data.len()]);
    let norm = file.tensor("blk.0.ffn_sub_norm.weight");
    (norm.dims, norm.data) = (vec![16 * ROWS], 1f32.to_le_bytes().repeat(128));
    let source = open(file.bytes()).expect("a model");
    let (scale, rows) = matrix(&source, Role::WGate).expect("trits");
    assert_eq!(
        (scale, &rows[..8], &rows[120..]),
        (vectors.scale, &vectors.packed()[..], &vectors.packed()[..])
    );
}

#[test]
fn the_orders_of_i2_s_are_read_when_the_user_names_them() {
    let vectors = Vectors::read();
    let code = |row: usize, column: usize| (vectors.trits[row][column] + 1).cast_unsigned();
    // Four rows side by side, written from the description of the layout.
    let mut four_rows: Vec<u8> = (0..2)
        .flat_map(|group| {
            let byte = move |c| (0..4).fold(0, |byte, r| byte << 2 | code(4 * group + r, c));
            (0..256).map(byte)
        })
        .collect();
    four_rows.extend(vectors.scale.to_le_bytes());
    four_rows.resize(four_rows.len() + 28, 0);
    for (order, data) in [(I2sOrder::Blocks64, vectors.bytes("i2_s_64_hex")), (I2sOrder::FourRows, four_rows)]
    {
        let options = ImportOptions { i2s_order: Some(order), ..ImportOptions::default() };
        let bytes = with_matrix(type_id::I2_S, data).bytes();
        let source = Importer::read(bytes, "test", &options).expect("a model");
        let found = matrix(&source, Role::Wq).expect("trits");
        assert_eq!(found, (vectors.scale, vectors.packed()), "{order:?}");
    }
}

#[test]
fn a_scale_beside_a_matrix_multiplies_its_own() {
    let vectors = Vectors::read();
    let mut file = with_matrix(type_id::TQ2_0, vectors.bytes("tq2_0_hex"));
    file.add("blk.0.attn_q.scale", &[1], type_id::F32, 0.5f32.to_le_bytes().to_vec());
    let source = open(file.bytes()).expect("a model");
    assert_eq!(matrix(&source, Role::Wq).expect("trits"), (vectors.scale * 0.5, vectors.packed()));
    assert_eq!(matrix(&source, Role::Wk).expect("trits").0, vectors.scale);
}

#[test]
fn queries_and_keys_of_llama_files_get_their_rows_back() {
    let vectors = Vectors::read();
    let mut file = file("llama");
    // Row h·d + p·d/2 + j is stored at h·d + 2j + p; here one head of eight.
    let stored = [0, 4, 1, 5, 2, 6, 3, 7].map(|row: usize| &vectors.trits[row]);
    let data =
        stored.into_iter().flatten().flat_map(|trit| f32::from(*trit).to_le_bytes()).collect::<Vec<u8>>();
    for name in ["attn_q", "attn_k", "attn_v"] {
        file.tensor(&format!("blk.0.{name}.weight")).data.clone_from(&data);
    }
    let source = open(file.bytes()).expect("a model");
    for role in [Role::Wq, Role::Wk] {
        assert_eq!(matrix(&source, role).expect("trits"), (1.0, vectors.packed()), "{}", role.name());
    }
    let permuted = [0, 4, 1, 5, 2, 6, 3, 7].map(|row: usize| vectors.packed()[row].clone()).to_vec();
    assert_eq!(matrix(&source, Role::Wv).expect("trits"), (1.0, permuted), "values are stored as they are");
}

#[test]
fn a_matrix_of_zeros_has_a_scale_that_a_file_may_have() {
    let source = open(file("bitnet").bytes()).expect("a model");
    let (scale, rows) = matrix(&source, Role::Wo).expect("trits");
    assert_eq!(scale, 1e-5);
    let mut zeros = vec![0; rows[0].len()];
    i2::pack_row(&[0; 8], &mut zeros);
    assert!(rows.iter().all(|row| *row == zeros));
}
