//! The house rules that a compiler does not check
//!
//! Which files may hold `unsafe`, how large a file may grow, which packages the runtime may lean on. The compiler
//! does the rest: `unsafe_code` is denied for the workspace, so a file without an opt-in has none.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The labelled rooms: files that may opt in to `unsafe`, as prefixes of paths from the repository's root.
const UNSAFE_ROOMS: [&str; 11] = [
    "kernels/src/neon",
    "kernels/src/x86",
    "kernels/src/dispatch.rs",
    "kernels/src/features.rs",
    "runtime/src/arena.rs",
    "runtime/src/parallel.rs",
    "runtime/src/std/",
    "board/src/arch/",
    "board/src/driver/",
    // Programs whose allocator counts or refuses: the trait `GlobalAlloc` is unsafe to implement.
    "tests/tests/memory.rs",
    // A fork-join that counts its calls: the trait `Parallel` is unsafe to implement.
    "tests/tests/fork_joins.rs",
];

/// Every package that the runtime without `std` may link, its own dependencies included. All are `no_std`.
const RUNTIME_PACKAGES: [&str; 9] = [
    "ternlet-runtime",
    "ternlet-kernels",
    "libm",
    "heapless",
    "hash32",
    "byteorder",
    "stable_deref_trait",
    "embedded-io",
    "twox-hash",
];

const MAX_FILE_BYTES: u64 = 6_000_000;

/// Folders at the root that hold what people write, and none that a build makes.
const ROOMS: [&str; 7] = [".cargo", ".ci", "kernels", "runtime", "board", "host-tools", "tests"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package is a folder of the repository").into()
}

/// All files of the repository, as paths from its root with `/` between the parts.
fn files() -> Vec<String> {
    let mut found = Vec::new();
    let mut folders: Vec<PathBuf> = ROOMS.iter().map(|room| root().join(room)).collect();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("a folder of the repository") {
            let path = entry.expect("a readable entry").path();
            if path.is_dir() {
                if path.file_name().is_some_and(|name| name != "target") {
                    folders.push(path);
                }
            } else {
                let from_root = path.strip_prefix(root()).expect("below the root");
                found.push(from_root.to_string_lossy().replace('\\', "/"));
            }
        }
    }
    found.sort();
    found
}

/// Rust sources with their text.
fn sources() -> Vec<(String, String)> {
    let rust = files().into_iter().filter(|path| path.ends_with(".rs"));
    rust.map(|path| (path.clone(), fs::read_to_string(root().join(path)).expect("UTF-8"))).collect()
}

#[test]
fn unsafe_code_is_only_in_the_labelled_rooms() {
    let sources = sources();
    assert!(sources.len() > 10, "expected the sources of the workspace, found {}", sources.len());
    let opt_ins = ["expect", "allow", "warn"].map(|level| format!("{level}(unsafe_code"));
    for (path, text) in sources {
        let opts_in = opt_ins.iter().any(|opt_in| text.contains(opt_in));
        let is_room = UNSAFE_ROOMS.iter().any(|room| path.starts_with(room));
        assert!(!opts_in || is_room, "{path}: opts in to unsafe code and is no labelled room");
    }
}

#[test]
fn every_package_inherits_the_workspace_lints() {
    for package in ROOMS.iter().filter(|room| !room.starts_with('.')) {
        let manifest = fs::read_to_string(root().join(package).join("Cargo.toml")).expect("a manifest");
        assert!(manifest.contains("[lints]\nworkspace = true"), "{package}/Cargo.toml: no workspace lints");
    }
}

#[test]
fn no_test_is_switched_off() {
    let attribute = concat!("#[", "ignore");
    for (path, text) in sources() {
        assert!(!text.contains(attribute), "{path}: a test is switched off");
    }
}

#[test]
fn no_file_is_larger_than_six_megabytes() {
    for path in files() {
        let bytes = fs::metadata(root().join(&path)).expect("a file").len();
        assert!(bytes <= MAX_FILE_BYTES, "{path}: expected at most {MAX_FILE_BYTES} bytes, found {bytes}");
    }
}

#[test]
fn the_runtime_without_std_leans_on_few_packages() {
    // Cargo names itself to the tests it runs; under an emulator the call leaves it and runs on the host.
    let cargo = std::env::var_os("CARGO").expect("run by cargo test");
    let tree = ["tree", "--package", "ternlet-runtime", "--no-default-features", "--edges", "normal"];
    let listing = ["--prefix", "none", "--format", "{p}", "--target", "aarch64-unknown-none"];
    let output =
        Command::new(cargo).args(tree).args(listing).current_dir(root()).output().expect("cargo runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "cargo tree: {}", String::from_utf8_lossy(&output.stderr));
    let packages: Vec<&str> = text.lines().filter_map(|line| line.split(' ').next()).collect();
    assert!(packages.contains(&"ternlet-kernels"), "expected a list of packages, found {text:?}");
    for package in packages {
        assert!(RUNTIME_PACKAGES.contains(&package), "ternlet-runtime without std links {package}");
    }
}
