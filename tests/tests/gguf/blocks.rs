//! Embeddings in the block types of quantising tools: the values that gguf-py's `dequantize` gives, bit for bit
//!
//! `tests/golden/gguf/blocks.json` holds two rows of 256 weights in each type, random bytes with scales of ordinary
//! size, and their values as that package computes them.

use std::fs;
use std::path::Path;

use serde_json::{Map, Value};
use ternlet::pack::Source as _;
use ternlet_runtime::format::{Layout, Role};

use crate::model::{DIM, expected, file, hex, open, table};
use crate::writer::type_id;

#[test]
fn quantised_embeddings_widen_to_the_values_of_gguf_py() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/gguf/blocks.json");
    let types: Map<String, Value> = serde_json::from_slice(&fs::read(path).expect("vectors")).expect("JSON");
    assert_eq!(types.len(), 6);
    for (name, vectors) in types {
        let type_id = serde_json::from_value(vectors["id"].clone()).expect("an id");
        for role in [Role::TokenEmbedding, Role::LmHead] {
            let mut file = file("llama");
            let rows = file.tensor("token_embd.weight");
            (rows.dims, rows.data) = (vec![DIM, 2], vec![0; 2 * 256 * 4]);
            file.add("output.weight", &[DIM, 2], type_id::F32, vec![0; 2 * 256 * 4]);
            let tensor = match role {
                Role::LmHead => "output.weight",
                _ => "token_embd.weight",
            };
            let tensor = file.tensor(tensor);
            (tensor.type_id, tensor.data) = (type_id, hex(&vectors["bytes"]));
            let source = open(file.bytes()).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!(source.table_layout(&expected(&source, role)), Ok(Layout::F32));
            let [warning] = source.warnings() else { panic!("{name}: {:?}", source.warnings()) };
            assert!(warning.contains(&name) && warning.contains("becomes f32"), "{warning}");
            assert!(table(&source, role) == Ok(hex(&vectors["values"])), "{name}: {}", role.name());
        }
    }
}
