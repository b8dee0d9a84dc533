//! Linker arguments of the bare-metal image.

use std::{env, path::PathBuf};

fn main() {
    let script = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default()).join("link/image.ld");
    println!("cargo::rerun-if-changed={}", script.display());
    if env::var("CARGO_CFG_TARGET_OS").as_deref() != Ok("none") {
        return;
    }
    // Position independent without a dynamic linker: start.s applies the relocations. `notext`
    // allows them in constants too, because `core` for this target is compiled for a fixed address.
    for argument in ["-pie", "-znotext", "--no-dynamic-linker", "-zmax-page-size=4096", "--build-id=none"] {
        println!("cargo::rustc-link-arg-bin=ternlet-image={argument}");
    }
    println!("cargo::rustc-link-arg-bin=ternlet-image=-T{}", script.display());
}
