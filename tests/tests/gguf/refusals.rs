//! What is not computed right is refused by name, with the way out

use crate::model::{DIM, file, open};
use crate::writer::{Field, Gguf, type_id};

struct Case {
    architecture: &'static str,
    forge: fn(&mut Gguf),
    /// What the message must say.
    parts: &'static [&'static str],
}

/// A matrix of 8 rows in `bytes` bytes under `id`.
fn retyped(file: &mut Gguf, id: u32, bytes: usize) {
    let tensor = file.tensor("blk.0.attn_q.weight");
    (tensor.type_id, tensor.data) = (id, vec![0; bytes]);
}

#[test]
fn every_refusal_names_its_object_and_the_way_out() {
    // 8 rows of 256 weights.
    const N: usize = 2048;
    let cases = [
        case("bitnet", |f| f.version = 1, &["header", "found 1", "convert the original"]),
        case("bitnet", |f| f.version = 4, &["header", "version 2 or 3, found 4"]),
        case("bitnet", |f| f.version = 3u32.swap_bytes(), &["big-endian", "gguf_convert_endian"]),
        case("gemma3", |_| (), &["general.architecture", "found \"gemma3\""]),
        case("bitnet", |f| f.set("general.type", Field::text("adapter")), &["general.type", "\"adapter\""]),
        case("bitnet", |f| f.set("split.count", Field::U32(3)), &["split.count", "3 parts", "--merge"]),
        case("bitnet", |f| f.set("general.alignment", Field::U32(33)), &["power of two", "33"]),
        case("bitnet", |f| f.set("general.alignment", Field::U32(128)), &["multiple of 128"]),
        case("bitnet", |f| f.set("general.file_type", Field::Raw(13, vec![0; 16])), &["value type", "13"]),
        case("bitnet", |f| f.set("general.nested", nested()), &["general.nested", "list of lists"]),
        case("bitnet", |f| f.set("general.flag", Field::Bool(2)), &["general.flag", "found 2"]),
        case("bitnet", |f| f.pairs.push(f.pairs[0].clone()), &["general.architecture", "twice"]),
        case("bitnet", |f| f.tensors.push(f.tensors[0].clone()), &["token_embd.weight", "twice"]),
        case("bitnet", |f| f.tensors[1].name = "blk.0.\u{1b}[2J".into(), &["tensor name", "printable"]),
        case("bitnet", |f| f.tensors[1].dims = vec![2; 5], &["at most 4 dimensions, found 5"]),
        case("bitnet", |f| f.tensors[1].dims = vec![DIM, 0], &["above 0"]),
        case(
            "bitnet",
            |f| f.tensors[1].dims = vec![DIM, 9],
            &["blk.0.attn_q.weight", "9216 bytes of data, found 8192"],
        ),
        case("bitnet", |f| f.tensors[1].dims = vec![8, DIM], &["blk.0.attn_q.weight", "[256, 8, 1, 1]"]),
        case("bitnet", |f| f.remove("bitnet.block_count"), &["bitnet.block_count", "no such key"]),
        case(
            "bitnet",
            |f| f.set("bitnet.block_count", Field::F32(1.0)),
            &["bitnet.block_count", "whole number"],
        ),
        case(
            "bitnet",
            |f| f.set("bitnet.block_count", Field::U32(2)),
            &["blk.1.attn_norm.weight", "found none"],
        ),
        case(
            "bitnet",
            |f| f.set("bitnet.rope.dimension_count", Field::U32(4)),
            &["rope.dimension_count", "found 4"],
        ),
        case(
            "bitnet",
            |f| f.set("bitnet.rope.scaling.type", Field::text("yarn")),
            &["scaling.type", "\"yarn\""],
        ),
        case("bitnet", |f| f.set("bitnet.rope.scaling.factor", Field::F32(-1.0)), &["scaling.factor", "-1"]),
        case(
            "bitnet",
            |f| f.set("bitnet.hidden_activation", Field::text("gelu")),
            &["relu2 or silu", "gelu"],
        ),
        case("bitnet", |f| f.set("bitnet.expert_count", Field::U32(8)), &["bitnet.expert_count", "found 8"]),
        case(
            "llama",
            |f| f.set("llama.logit_scale", Field::F32(0.5)),
            &["llama.logit_scale", "known", "0.5"],
        ),
        case("llama", |f| f.set("llama.vocab_size", Field::U32(9)), &[]),
        case(
            "bitnet-25",
            |f| f.remove("bitnet-25.rope.freq_base"),
            &["bitnet-25.rope.freq_base", "no such key"],
        ),
        case("llama", |f| f.remove("llama.rope.freq_base"), &[]),
        case("llama", |f| f.set("llama.pooling_type", Field::U32(1)), &["llama.pooling_type", "found 1"]),
        case("qwen3", |_| (), &["qwen3.pooling_type", "no such key", "1_Pooling"]),
        case("qwen3", |f| f.set("qwen3.pooling_type", Field::U32(1)), &["qwen3.pooling_type", "found 1"]),
        case("qwen3", |f| f.set("qwen3.pooling_type", Field::U32(3)), &["norm", "found none"]),
        case("bitnet", |f| f.remove("bitnet.attention.key_length"), &["value_length", "256", "found 8"]),
        case(
            "bitnet",
            |f| f.add("blk.0.attn_q.bias", &[8], type_id::F32, vec![0; 32]),
            &["blk.0.attn_q.bias"],
        ),
        case(
            "llama",
            |f| f.add("blk.0.attn_sub_norm.weight", &[8], type_id::F32, vec![0; 32]),
            &["attn_sub_norm"],
        ),
        case(
            "llama",
            |f| f.add("rope_freqs.weight", &[4], type_id::F32, vec![0; 16]),
            &["rope_freqs", "4 finite"],
        ),
        case(
            "bitnet",
            |f| f.add("blk.0.attn_q.scale", &[1], type_id::F32, vec![0; 4]),
            &["attn_q.scale", "above 0"],
        ),
        case(
            "bitnet",
            |f| retyped(f, 38, N / 4 + 32),
            &["TL1", "lookup-table", "pack the original checkpoint"],
        ),
        case("bitnet", |f| retyped(f, 39, N / 3), &["TL2", "lookup-table", "pack the original checkpoint"]),
        case("bitnet", |f| retyped(f, 39, N / 32 * 17), &["MXFP4", "per group"]),
        case("bitnet", |f| retyped(f, 36, N / 32 * 18), &["IQ4_NL"]),
        case("bitnet", |f| retyped(f, 36, N / 4), &["I2_S without its n/4 + 32 bytes"]),
        case("bitnet", |f| retyped(f, 42, N / 64 * 18), &["Q2_0", "per group"]),
        case("bitnet", |f| retyped(f, 41, N / 128 * 18), &["Q1_0", "per group"]),
        case("bitnet", |f| retyped(f, 142, N / 128 * 34), &["PQ2_0", "per group"]),
        case("bitnet", |f| retyped(f, 10, N), &["Q2_K", "type id 10"]),
        case("bitnet", |f| retyped(f, 4711, N), &["unknown type", "type id 4711"]),
    ];
    for Case { architecture, forge, parts } in cases {
        let mut file = file(architecture);
        forge(&mut file);
        match open(file.bytes()) {
            Ok(_) => assert!(parts.is_empty(), "{parts:?}: the file was accepted"),
            Err(e) => {
                let error = e.to_string();
                assert!(!parts.is_empty(), "{error}");
                for part in parts {
                    assert!(error.contains(part), "expected {part:?} in: {error}");
                }
            }
        }
    }
}

fn case(architecture: &'static str, forge: fn(&mut Gguf), parts: &'static [&'static str]) -> Case {
    Case { architecture, forge, parts }
}

/// A list of one list of nothing.
fn nested() -> Field {
    Field::Raw(
        9,
        [&9u32.to_le_bytes()[..], &1u64.to_le_bytes(), &4u32.to_le_bytes(), &0u64.to_le_bytes()].concat(),
    )
}
