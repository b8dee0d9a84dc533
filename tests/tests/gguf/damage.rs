//! Files that are cut short, flipped or made up: refused in words, and never a panic

use ternlet::import::gguf::parse;
use ternlet_runtime::format::Role;

use crate::model::{file, matrix, open, read_all};
use crate::ternary::Vectors;
use crate::writer::{Field, Gguf, type_id};

/// A file with every type of value and of trits.
fn whole() -> Gguf {
    let vectors = Vectors::read();
    let mut file = file("bitnet-b1.58");
    let forms = [
        ("attn_q", type_id::TQ1_0, "tq1_0_hex"),
        ("attn_k", type_id::TQ2_0, "tq2_0_hex"),
        ("attn_v", type_id::I2_S, "i2_s_128_hex"),
    ];
    for (name, type_id, form) in forms {
        let tensor = file.tensor(&format!("blk.0.{name}.weight"));
        (tensor.type_id, tensor.data) = (type_id, vectors.bytes(form));
    }
    file.set("general.alignment", Field::U32(32));
    file.set("general.name", Field::text("whole"));
    file.set("tokenizer.ggml.add_bos_token", Field::Bool(1));
    file.set("tokenizer.ggml.tokens", Field::List(vec![Field::text("a"), Field::text("bc")]));
    file.set("tokenizer.ggml.token_type", Field::List(vec![Field::I32(1), Field::I32(3)]));
    file
}

#[test]
fn the_whole_file_is_read() {
    let source = open(whole().bytes()).expect("a model");
    read_all(&source).expect("all weights");
}

#[test]
fn a_file_cut_at_any_length_is_refused_or_whole() {
    let bytes = whole().bytes();
    let header = whole().header().len();
    let data_end = {
        let contents = parse(&bytes).expect("contents");
        let last = contents.tensors.last().expect("a tensor");
        usize::try_from(last.start + 4 * last.len()).expect("small")
    };
    assert!(header < data_end && data_end == bytes.len());
    // Every length through the header, then a sample: within the data all cuts look alike.
    for length in (0..header + 64).chain((header + 64..data_end).step_by(97)).chain([data_end - 1]) {
        let error = open(bytes[..length].to_vec()).expect_err("a file without its end").to_string();
        assert!(error.contains("expected") && error.contains("found"), "{length}: {error}");
    }
}

#[test]
fn a_flipped_byte_anywhere_before_the_weights_never_panics() {
    let bytes = whole().bytes();
    let mut n_read = 0;
    for at in 0..whole().header().len() {
        for flip in [0x01, 0x10, 0x80, 0xff] {
            let mut damaged = bytes.clone();
            damaged[at] ^= flip;
            if let Ok(source) = open(damaged) {
                n_read += usize::from(read_all(&source).is_ok());
            }
        }
    }
    assert!(n_read > 0, "a flip in the name of the model, for one, does no harm");
}

#[test]
fn flipped_weights_are_other_weights_or_refused() {
    let whole = whole();
    let bytes = whole.bytes();
    let start = bytes.len() - whole.tensors.iter().map(|t| t.data.len().next_multiple_of(32)).sum::<usize>();
    for at in (start..bytes.len()).step_by(13) {
        let mut damaged = bytes.clone();
        damaged[at] ^= 0xff;
        let source = open(damaged).expect("the table of contents is whole");
        // Whatever comes of it, it comes as a result.
        let _ = read_all(&source);
    }
}

#[test]
fn counts_and_lengths_beyond_the_file_allocate_nothing() {
    for n in [1 << 20, 1 << 40, u64::MAX / 24, u64::MAX] {
        let forged = |at: usize| {
            let mut bytes = whole().bytes();
            bytes[at..at + 8].copy_from_slice(&n.to_le_bytes());
            open(bytes).expect_err("a count beyond the file").to_string()
        };
        // Tensors, pairs, and the length of the first key.
        for at in [8, 16, 24] {
            assert!(forged(at).contains(&format!("{n}")), "{}", forged(at));
        }
        let mut file = whole();
        let list = [&4u32.to_le_bytes()[..], &n.to_le_bytes()].concat();
        file.set("general.tags", Field::Raw(9, list));
        let error = open(file.bytes()).expect_err("a list beyond the file").to_string();
        assert!(error.contains("general.tags") && error.contains(&format!("{n}")), "{error}");
        let mut file = whole();
        file.tensor("blk.0.attn_q.weight").dims = vec![n, n];
        let error = open(file.bytes()).expect_err("a tensor beyond the file").to_string();
        assert!(error.contains("blk.0.attn_q.weight"), "{error}");
    }
}

#[test]
fn weights_that_are_no_trits_are_refused_with_their_place() {
    let vectors = Vectors::read();
    let cases: [(u32, Vec<u8>, &str); 6] = [
        (type_id::F32, floats(&[0.5, -0.5, 0.0, 0.25]), "s = 0.5, found 0.25 at row 0, column 3"),
        (type_id::F32, floats(&[0.5, f32::NAN]), "found NaN at row 0, column 1"),
        (type_id::TQ2_0, patched(vectors.bytes("tq2_0_hex"), 66 * 3 + 65), "one scale in all blocks"),
        (type_id::TQ1_0, patched(vectors.bytes("tq1_0_hex"), 54 * 3 + 53), "one scale in all blocks"),
        (
            type_id::TQ2_0,
            with(vectors.bytes("tq2_0_hex"), 0, 3),
            "expected codes 0 to 2, found 3 at row 0, column 0",
        ),
        (type_id::I2_S, with(vectors.bytes("i2_s_128_hex"), 0, 0xc0), "found 3 at row 0, column 0"),
    ];
    for (type_id, data, expected) in cases {
        let mut file = whole();
        let tensor = file.tensor("blk.0.ffn_up.weight");
        (tensor.type_id, tensor.data) = (type_id, data);
        let source = open(file.bytes()).expect("the table of contents is whole");
        let error = matrix(&source, Role::WUp).expect_err("no ternary matrix").to_string();
        assert!(error.contains("blk.0.ffn_up.weight") && error.contains(expected), "{error}");
    }
}

/// A matrix of zeros that starts with `values`.
fn floats(values: &[f32]) -> Vec<u8> {
    let mut bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    bytes.resize(8 * 256 * 4, 0);
    bytes
}

/// `bytes` with another exponent in the f16 that ends at `at`.
fn patched(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    bytes[at] ^= 0x04;
    bytes
}

fn with(mut bytes: Vec<u8>, at: usize, byte: u8) -> Vec<u8> {
    bytes[at] = byte;
    bytes
}
