//! The kernels' loops in the bare-metal image, as the compiler left them
//!
//! The target forbids unaligned accesses, and a load that the compiler cannot prove aligned becomes a
//! row of byte loads: forty instructions instead of one. No other test would notice. Kernels that
//! also serve rows at odd addresses have a slow loop for those, beside the fast one.

use std::collections::BTreeMap;
use std::process::Command;

use ternlet_tests::image;

/// One instruction of a disassembly.
struct Instruction<'a> {
    function: &'a str,
    address: u64,
    name: &'a str,
    operands: &'a str,
}

fn disassembly() -> String {
    let elf = image().with_file_name("ternlet-image");
    let output = Command::new("aarch64-linux-gnu-objdump")
        .args(["--disassemble", "--no-show-raw-insn"])
        .arg(elf)
        .output()
        .expect("aarch64-linux-gnu-objdump runs: bash tests/setup.sh installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The instructions of `text`, where `40 <gemv>:` opens a function and `  40:\tldr\tx0, [x1]` is one of its lines.
fn instructions(text: &str) -> Vec<Instruction<'_>> {
    let mut function = "";
    let mut code = Vec::new();
    for line in text.lines() {
        if let Some((_, name)) = line.strip_suffix(">:").and_then(|line| line.split_once('<')) {
            function = name;
        } else if let Some((address, rest)) = line.trim().split_once(":\t")
            && let Ok(address) = u64::from_str_radix(address, 16)
        {
            let (name, operands) = rest.split_once('\t').unwrap_or((rest, ""));
            code.push(Instruction { function, address, name: name.trim(), operands });
        }
    }
    code
}

/// Innermost loops: bodies of backward branches that hold no other backward branch.
fn loops<'a, 'b>(code: &'b [Instruction<'a>]) -> Vec<&'b [Instruction<'a>]> {
    let mut found = Vec::new();
    let mut after_last_branch = 0;
    for (i, branch) in code.iter().enumerate() {
        let is_branch =
            branch.name.starts_with("b.") || matches!(branch.name, "b" | "cbz" | "cbnz" | "tbz" | "tbnz");
        let target =
            branch.operands.split([',', ' ']).rev().find_map(|word| u64::from_str_radix(word, 16).ok());
        let Some(target) = target.filter(|&target| is_branch && target <= branch.address) else { continue };
        let start = code.partition_point(|instruction| instruction.address < target);
        if start >= after_last_branch {
            found.push(&code[start..=i]);
        }
        after_last_branch = i + 1;
    }
    found
}

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
    let text = disassembly();
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
