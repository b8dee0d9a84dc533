//! Generates the Unicode tables of the tokenizers

use std::{env, fs, path::PathBuf};

#[path = "build/classes.rs"]
mod classes;
#[path = "build/nfc.rs"]
mod nfc;
#[path = "build/two_stage.rs"]
mod two_stage;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=build");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR"));
    fs::write(out.join("unicode_classes.rs"), classes::source()).expect("OUT_DIR is writable");
    fs::write(out.join("nfc_tables.rs"), nfc::source()).expect("OUT_DIR is writable");
}
