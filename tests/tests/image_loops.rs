//! The kernels' loops in the bare-metal image, as the compiler left them
//!
//! The target forbids unaligned accesses, and a load that the compiler cannot prove aligned becomes a
//! row of byte loads: forty instructions instead of one. No other test would notice. Kernels that
//! also serve rows at odd addresses have a slow loop for those, beside the fast one.

use std::collections::BTreeMap;

use ternlet_tests::disassembly::{Instruction, disassemble, instructions, loops};
use ternlet_tests::image;

fn multiplies(instruction: &Instruction<'_>) -> bool {
    matches!(instruction.name, "sdot" | "smull" | "smull2" | "smlal" | "smlal2" | "sadalp")
        || (instruction.name == "fmla" && instruction.operands.contains(".4s"))
}

fn loads_bytes(instruction: &Instruction<'_>) -> bool {
    matches!(instruction.name, "ldrb" | "ldurb" | "ldrsb")
        || (instruction.name == "ld1" && instruction.operands.contains(".b}["))
}

#[test]
fn every_vector_kernel_has_a_loop_without_byte_loads() {
    let text = disassemble(&image().with_file_name("ternlet-image"));
    let code = instructions(&text);
    // Per kernel: its multiplying loops, and those of them that load bytes.
    let mut kernels: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for body in loops(&code) {
        if body[0].function.contains("neon") && body.iter().any(multiplies) {
            let (n_loops, n_slow) = kernels.entry(body[0].function).or_default();
            *n_loops += 1;
            *n_slow += usize::from(body.iter().any(loads_bytes));
        }
    }
    let ternary: Vec<_> = kernels.iter().filter(|(name, _)| name.contains("i8_i2")).collect();
    assert!(ternary.len() >= 2, "expected the ternary kernels, found {:?}", kernels.keys());
    for (name, (_, n_slow)) in ternary {
        assert_eq!(*n_slow, 0, "{name}: i2 rows are always aligned, and a loop loads them byte by byte");
    }
    for (name, (n_loops, n_slow)) in &kernels {
        assert!(n_slow < n_loops, "{name}: all {n_loops} loops load byte by byte");
    }
}
