//! The smallest model that has every tensor, and a few readers of what the importer makes of it

use serde_json::Value;
use ternlet::error::Error;
use ternlet::import::foreign_model::ImportOptions;
use ternlet::import::gguf;
use ternlet::pack::Source;
use ternlet_kernels::layout::i2;
use ternlet_runtime::format::{ExpectedTensor, Role, Schedule};

use crate::writer::{Field, Gguf, type_id};

/// Width of the model: one block of the largest block types.
pub(crate) const DIM: u64 = 256;
/// Rows of the matrices that read the residual stream: one head of eight elements.
pub(crate) const ROWS: u64 = 8;
const VOCAB: u64 = 4;

/// A file of architecture `name`; all matrices zero, of type F32.
pub(crate) fn file(name: &str) -> Gguf {
    let mut file = Gguf { version: 3, alignment: 32, pairs: Vec::new(), tensors: Vec::new() };
    file.set("general.architecture", Field::text(name));
    let numbers = [
        ("context_length", 64),
        ("embedding_length", 256),
        ("block_count", 1),
        ("feed_forward_length", 8),
        ("attention.head_count", 1),
        ("attention.head_count_kv", 1),
        ("attention.key_length", 8),
        ("attention.value_length", 8),
        ("rope.dimension_count", 8),
    ];
    for (key, number) in numbers {
        file.set(&format!("{name}.{key}"), Field::U32(number));
    }
    file.set(&format!("{name}.attention.layer_norm_rms_epsilon"), Field::F32(1e-5));
    file.set(&format!("{name}.rope.freq_base"), Field::F32(10_000.0));
    let f32s = |n: u64, value: f32| value.to_le_bytes().repeat(usize::try_from(n).expect("small"));
    file.add("token_embd.weight", &[DIM, VOCAB], type_id::F32, f32s(DIM * VOCAB, 0.5));
    let matrices = [
        ("attn_q", DIM, ROWS),
        ("attn_k", DIM, ROWS),
        ("attn_v", DIM, ROWS),
        ("attn_output", ROWS, DIM),
        ("ffn_gate", DIM, ROWS),
        ("ffn_up", DIM, ROWS),
        ("ffn_down", ROWS, DIM),
    ];
    for (matrix, k, n) in matrices {
        file.add(&format!("blk.0.{matrix}.weight"), &[k, n], type_id::F32, f32s(k * n, 0.0));
    }
    let sub_norms = [("attn_sub_norm", ROWS), ("ffn_sub_norm", ROWS)];
    let norms = [("attn_norm", DIM), ("ffn_norm", DIM)];
    let has_sub_norms = name != "llama";
    for (norm, k) in norms.into_iter().chain(sub_norms.into_iter().filter(|_| has_sub_norms)) {
        file.add(&format!("blk.0.{norm}.weight"), &[k], type_id::F32, f32s(k, 1.0));
    }
    file.add("output_norm.weight", &[DIM], type_id::F32, f32s(DIM, 1.0));
    file
}

/// The bytes that a JSON string of hex digits writes.
pub(crate) fn hex(json: &Value) -> Vec<u8> {
    let digits = json.as_str().expect("hex digits").as_bytes();
    let digit = |c: u8| u8::try_from(char::from(c).to_digit(16).expect("a hex digit")).expect("below 16");
    digits.as_chunks().0.iter().map(|&[high, low]| digit(high) << 4 | digit(low)).collect()
}

/// Opens a file's bytes.
pub(crate) fn open(bytes: Vec<u8>) -> Result<gguf::Gguf<Vec<u8>>, Error> {
    gguf::Gguf::read(bytes, "test", &ImportOptions::default())
}

/// The tensor of `role`, of the first layer or of none.
pub(crate) fn expected(source: &dyn Source, role: Role) -> ExpectedTensor {
    Schedule::of_floats(source.config()).iter().find(|tensor| tensor.role == role).expect("in the schedule")
}

/// The scale and the packed rows of the matrix of `role`.
pub(crate) fn matrix(source: &dyn Source, role: Role) -> Result<(f32, Vec<Vec<u8>>), Error> {
    let tensor = expected(source, role);
    let (n, k) = (usize::try_from(tensor.n).expect("small"), usize::try_from(tensor.k).expect("small"));
    let mut rows = source.ternary(&tensor)?;
    let mut packed = vec![0; i2::row_bytes(k)];
    let all = (0..n).map(|row| rows.pack_row(row, &mut packed).map(|()| packed.clone()));
    let all = all.collect::<Result<_, _>>()?;
    Ok((rows.scale(), all))
}

/// The rows of the embedding or head, as bytes in the source's layout.
pub(crate) fn table(source: &dyn Source, role: Role) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    let mut visit = |row: &[u8]| {
        bytes.extend(row);
        Ok(())
    };
    source.table_rows(&expected(source, role), &mut visit)?;
    Ok(bytes)
}

/// Reads everything that a packer would read.
pub(crate) fn read_all(source: &dyn Source) -> Result<(), Error> {
    use ternlet_runtime::format::TensorKind;
    for tensor in Schedule::of_floats(source.config()).iter() {
        match tensor.kind {
            TensorKind::Ternary => drop(matrix(source, tensor.role)?),
            TensorKind::Table | TensorKind::LowPlane => drop(table(source, tensor.role)?),
            TensorKind::Vector => drop(source.vector(&tensor)?),
        }
    }
    Ok(())
}
