//! Target: safetensors checkpoints
//!
//! An input is `config.json`, the header of a safetensors file, its data, and `generation_config.json`. They are
//! written to a folder, opened as a user would open it, and packed. A header that starts with `{` gets its length
//! written before it; another is a file's first bytes as they are.

use core::sync::atomic::{AtomicU32, Ordering};
use std::fs;
use std::path::Path;

use ternlet::import::foreign_model::{ForeignModel, ImportOptions};
use ternlet::pack::{HeadForm, PackRequest, pack};
use ternlet_runtime::{Model, ModelFile, Tokenizer};

use super::parts::parts;
use super::tokenizer;

/// Opens a checkpoint, packs it, reads what was packed.
///
/// # Panics
/// A panic is a finding.
pub fn safetensors(data: &[u8]) -> bool {
    let [config, header, payload, generation_config] = parts(data);
    let mut weights = Vec::new();
    if header.starts_with(b"{") {
        weights.extend((header.len() as u64).to_le_bytes());
    }
    weights.extend(header);
    weights.extend(payload);
    in_folder(|folder| {
        let write = |name: &str, bytes: &[u8]| fs::write(folder.join(name), bytes).expect("room for a file");
        write("config.json", config);
        write("model.safetensors", &weights);
        if !generation_config.is_empty() {
            write("generation_config.json", generation_config);
        }
        pack_and_read(folder, &folder.join("model.tern"))
    })
}

/// Whether what lies at `source` can be packed; then into files that the runtime accepts in full.
pub(super) fn pack_and_read(source: &Path, target: &Path) -> bool {
    let Ok(model) = ForeignModel::open(source, &ImportOptions::default()) else { return false };
    // The chat template has a target of its own: compiling one takes longer than all the rest.
    if let Some(section) = &model.tokenizer {
        let tokenizer = Tokenizer::parse(section).expect("the importer checked its own section");
        tokenizer::exercise(&tokenizer, "ab <s>a b\u{e9} 12");
    }
    let mut is_packed = true;
    for head in [HeadForm::Source, HeadForm::Int8] {
        let request = PackRequest {
            tokenizer: model.tokenizer.clone(),
            ..PackRequest::weights(&*model.weights, head, target)
        };
        if pack(request, &|_, _| ()).is_err() {
            assert!(!target.exists(), "a refused checkpoint leaves no file");
            is_packed = false;
            continue;
        }
        let file = ModelFile::open(target).expect("the packed file");
        let packed = Model::parse(file.bytes()).expect("a packed file parses");
        packed.verify_payload().expect("a packed file's checksums are right");
        for index in (0..).zip(packed.tensors()).map(|(index, _)| index) {
            packed.verify_tensor(index).expect("a packed file holds trits and finite numbers");
        }
        fs::remove_file(target).expect("a file of this run");
    }
    is_packed
}

/// Hands an empty folder to `body` and removes it afterwards.
pub(super) fn in_folder<R>(body: impl FnOnce(&Path) -> R) -> R {
    static N_FOLDERS: AtomicU32 = AtomicU32::new(0);
    let n = N_FOLDERS.fetch_add(1, Ordering::Relaxed);
    // Memory, where there is such a folder: some ten thousand checkpoints a second are no work for a disk.
    let shared_memory = Path::new("/dev/shm");
    let parent = if shared_memory.is_dir() { shared_memory.into() } else { std::env::temp_dir() };
    let folder = parent.join(format!("ternlet-fuzz-{}-{n}", std::process::id()));
    fs::create_dir(&folder).expect("a folder for the checkpoint");
    let result = body(&folder);
    fs::remove_dir_all(&folder).expect("a folder of this run");
    result
}
