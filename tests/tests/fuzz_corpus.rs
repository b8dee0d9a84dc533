//! The fuzzer's committed inputs, each through its target
//!
//! Seeds show that a target reaches what it is for; inputs that once were findings stay fixed. `tests/fuzz/run.sh` is
//! what looks for more.

use std::fs;
use std::path::{Path, PathBuf};

use ternlet_tests::fuzz::TARGETS;

const MAX_FILES_BYTES: u64 = 300_000;

fn corpus(target: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = folder.read_dir().unwrap_or_else(|e| panic!("{}: {e}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a readable entry").path()).collect();
    files.sort();
    files
}

#[test]
#[expect(clippy::print_stdout, reason = "shown only when the test fails")]
fn every_committed_input_passes_its_target() {
    for (name, target) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "{name}: no inputs");
        let taken = files.iter().filter(|file| {
            // A panic in the target names the code; this line names the input.
            println!("{}", file.display());
            target(&fs::read(file).expect("a readable input"))
        });
        let n_taken = taken.count();
        assert!(n_taken > 0, "{name}: none of {} inputs gets past the first check", files.len());
    }
}

#[test]
fn the_committed_inputs_are_small_and_each_belongs_to_a_target() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus");
    for entry in folder.read_dir().expect("the corpora") {
        let name = entry.expect("a readable entry").file_name();
        assert!(TARGETS.iter().any(|(target, _)| *target == name), "{name:?}: no such target");
    }
    let bytes = |path: &PathBuf| fs::metadata(path).expect("a file").len();
    let total: u64 = TARGETS.iter().flat_map(|(name, _)| corpus(name)).map(|path| bytes(&path)).sum();
    assert!(total <= MAX_FILES_BYTES, "expected at most {MAX_FILES_BYTES} bytes of inputs, found {total}");
}
