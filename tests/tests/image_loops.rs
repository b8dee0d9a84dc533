//! The kernels' loops in the bare-metal image, as the compiler left them
//!
//! The target forbids unaligned accesses, and a load that the compiler cannot prove aligned becomes a
//! row of byte loads: forty instructions instead of one. No other test would notice. Kernels that
//! also serve rows at odd addresses have a slow loop for those, beside the fast one.

use std::collections::BTreeMap;

use ternlet_tests::disassembly::{Instruction, disassemble, instructions, loops};
use ternlet_tests::image;

/// Kernels whose rows are aligned by contract: their loops load vectors, and bytes only to gather activations.
const ALIGNED: [(&str, &[&str]); 2] = [
    (
        "baseline",
        &[
            "gemv_i8_i2",
            "gemv_i8_tl1",
            "gemv_i8_tl2",
            "gemv_i8_t5",
            "gemv_rows_i8_i2",
            "gemv_rows_i8_tl2",
            "gemv_rows_i8_t5",
            "gemm_i8_i2",
            "gemm_i8_tl1",
            "gemm_i8_tl2",
            "gemm_i8_t5",
            "gemm_columns_i8_i2",
            "gemm_columns_i8_tl2",
            "gemm_columns_i8_t5",
            "gemv_i16_u5",
            "gemv_i16_u3",
        ],
    ),
    (
        "dotprod",
        &[
            "gemv_i8_i2",
            "gemv_i8_tl2",
            "gemv_i8_t5",
            "gemv_rows_i8_i2",
            "gemv_rows_i8_tl2",
            "gemv_rows_i8_t5",
            "gemm_i8_i2",
            "gemm_i8_tl1",
            "gemm_i8_tl2",
            "gemm_i8_t5",
            "gemm_columns_i8_i2",
            "gemm_columns_i8_tl2",
            "gemm_columns_i8_t5",
            "gemv_i16_u5",
            "gemv_i16_u3",
        ],
    ),
];

fn multiplies(instruction: &Instruction<'_>) -> bool {
    matches!(instruction.name, "sdot" | "smull" | "smull2" | "smlal" | "smlal2" | "sadalp" | "tbl")
        || (instruction.name == "fmla" && instruction.operands.contains(".4s"))
}

fn loads_bytes(instruction: &Instruction<'_>) -> bool {
    matches!(instruction.name, "ldrb" | "ldurb" | "ldrsb")
        || (instruction.name == "ld1" && instruction.operands.contains(".b}["))
}

/// Whether a loop puts a vector together from bytes: by shifting them into words, or lane by lane.
fn assembles_vectors(body: &[Instruction<'_>]) -> bool {
    let shifts = |i: &Instruction<'_>| i.name == "orr" && i.operands.contains("lsl #8");
    body.iter().any(shifts) || body.iter().filter(|i| loads_bytes(i)).count() >= 16
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
    assert!(kernels.len() >= 10, "expected the vector kernels, found {:?}", kernels.keys());
    for (name, (n_loops, n_slow)) in &kernels {
        assert!(n_slow < n_loops, "{name}: all {n_loops} loops load byte by byte");
    }
}

#[test]
fn no_kernel_of_aligned_rows_loads_them_byte_by_byte() {
    let text = disassemble(&image().with_file_name("ternlet-image"));
    let code = instructions(&text);
    let loops = loops(&code);
    for (backend, kernels) in ALIGNED {
        for kernel in kernels {
            // The name stands alone: with its length before it and a hash behind.
            let symbol = format!("{}{kernel}17h", kernel.len());
            let is_kernel = |function: &str| function.contains(backend) && function.contains(&symbol);
            let mut bodies = loops.iter().filter(|body| is_kernel(body[0].function)).peekable();
            assert!(bodies.peek().is_some(), "{backend} {kernel}: no loop of it is in the image");
            for body in bodies {
                let (start, gathers) = (body[0].address, kernel.contains("columns"));
                let slow = assembles_vectors(body)
                    || (!gathers && body.iter().any(multiplies) && body.iter().any(loads_bytes));
                assert!(!slow, "{backend} {kernel}: the loop at {start:#x} loads byte by byte");
            }
        }
    }
}
