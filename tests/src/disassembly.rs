//! An Arm program as the compiler left it: instructions and innermost loops

use std::path::Path;
use std::process::Command;

/// One instruction of a disassembly.
#[derive(Debug, Clone, Copy)]
pub struct Instruction<'a> {
    /// Symbol that it belongs to.
    pub function: &'a str,
    /// Where it stands.
    pub address: u64,
    /// Mnemonic.
    pub name: &'a str,
    /// The rest of its line.
    pub operands: &'a str,
}

/// The disassembly of a program, as binutils print it.
///
/// # Panics
/// If it cannot be made: `tests/setup.sh` installs what does it.
#[must_use]
pub fn disassemble(elf: &Path) -> String {
    let output = Command::new("aarch64-linux-gnu-objdump")
        .args(["--disassemble", "--no-show-raw-insn"])
        .arg(elf)
        .output()
        .expect("aarch64-linux-gnu-objdump runs: bash tests/setup.sh installs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).expect("text")
}

/// The instructions of `text`, where `40 <gemv>:` opens a function and `  40:\tldr\tx0, [x1]` is one of its lines.
#[must_use]
pub fn instructions(text: &str) -> Vec<Instruction<'_>> {
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

/// Where a branch within the program leads; `None` for anything else.
#[must_use]
pub fn branch_target(instruction: &Instruction<'_>) -> Option<u64> {
    let is_branch = instruction.name.starts_with("b.")
        || matches!(instruction.name, "b" | "cbz" | "cbnz" | "tbz" | "tbnz");
    // `443070 <name+0x10>`, behind a register or none, and perhaps before a comment.
    let address = instruction.operands.split(" <").next()?.rsplit([',', ' ', '\t']).next()?;
    u64::from_str_radix(address, 16).ok().filter(|_| is_branch)
}

/// Innermost loops: bodies of backward branches that hold no other backward branch.
#[must_use]
pub fn loops<'a, 'b>(code: &'b [Instruction<'a>]) -> Vec<&'b [Instruction<'a>]> {
    let mut found = Vec::new();
    let mut after_last_branch = 0;
    for (i, branch) in code.iter().enumerate() {
        let Some(target) = branch_target(branch).filter(|&target| target <= branch.address) else { continue };
        let start = code.partition_point(|instruction| instruction.address < target);
        if start >= after_last_branch {
            found.push(&code[start..=i]);
        }
        after_last_branch = i + 1;
    }
    found
}
