//! The bare-metal image on whole machines in QEMU

use std::fs;
use std::path::PathBuf;
use std::process::Command;

use ternlet_board::{EntryLevel, Machine};
use ternlet_tests::{VirtualBoard, image, small_tree};

const POWER_OFF: &str = "ternlet.on-fault=off ternlet.exit=psci";

fn machine(boot_args: &str) -> Machine {
    Machine { boot_args: boot_args.to_owned(), ..Machine::default() }
}

/// A file of this test alone, in cargo's folder for such files.
fn scratch(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name)
}

#[test]
fn the_image_boots_on_every_core_and_from_every_level() {
    let cores = [
        ("cortex-a53", "Cortex-A53", "neon\r"),
        ("cortex-a72", "Cortex-A72", "neon\r"),
        ("cortex-a76", "Cortex-A76", "neon dotprod\r"),
        ("max", "QEMU max", "neon dotprod\r"),
    ];
    for (cpu, name, features) in cores {
        for (level, number) in [(EntryLevel::El1, 1), (EntryLevel::El2, 2)] {
            let board = VirtualBoard::boot(&Machine { cpu: cpu.to_owned(), level, ..machine(POWER_OFF) });
            let text = board.wait_for_power_off();
            for part in [name, features, &format!("entered at EL{number}"), "power off"] {
                assert!(text.contains(part), "{cpu} at EL{number}: expected {part:?}, found\n{text}");
            }
        }
    }
}

#[test]
fn the_image_boots_from_the_highest_level() {
    // With `-kernel` QEMU goes down to EL2 or EL1 by itself.
    for name in ["virt,secure=on", "virt,secure=on,virtualization=on"] {
        let mut board = VirtualBoard::start(without_loader(name, RAM, "el3.bin"));
        board.wait_for("entered at EL3");
        board.wait_for("board> ");
    }
}

#[test]
fn a_tree_smaller_than_a_page_leaves_the_memory_behind_it_usable() {
    const AT: u64 = 0x4800_0000;
    let tree = scratch("small.dtb");
    fs::write(&tree, small_tree(POWER_OFF)).expect("a writable folder");
    let mut qemu = without_loader("virt", AT, "small.bin");
    qemu.arg("-device").arg(format!("loader,file={},addr={AT:#x},force-raw=on", tree.display()));
    // The heap begins in the page after the tree's.
    let text = VirtualBoard::start(qemu).wait_for_power_off();
    assert!(text.contains("on small") && text.contains("0 bytes of heap in use"), "{text}");
}

/// Where RAM starts; QEMU puts its own tree there when it loads no kernel.
const RAM: u64 = 0x4000_0000;

/// A machine whose core starts, at its highest level, at a program that does what a loader does: `tree`
/// into x0, and into the image.
fn without_loader(machine: &str, tree: u64, program: &str) -> Command {
    let loader = scratch(program);
    let tree_high = u32::try_from(tree >> 16).expect("an address below 4 GiB");
    let program = [
        0xd2a0_0000 | tree_high << 5, // mov x0, #(tree_high << 16)
        0xd2a8_0401,                  // mov x1, #0x40200000
        0xd61f_0020,                  // br  x1
    ];
    fs::write(&loader, program.map(u32::to_le_bytes).concat()).expect("a writable folder");
    let mut qemu = Command::new("qemu-system-aarch64");
    qemu.args(["-M", machine, "-cpu", "cortex-a76", "-m", "512M", "-nographic", "-nic", "none"]);
    qemu.arg("-device").arg(format!("loader,file={},addr=0x40200000,force-raw=on", image().display()));
    qemu.arg("-device")
        .arg(format!("loader,file={},addr=0x50000000,force-raw=on,cpu-num=0", loader.display()));
    qemu
}

#[test]
fn without_a_model_the_board_says_what_to_do_and_stays_usable() {
    let mut board = VirtualBoard::boot(&machine(""));
    board.wait_for("no model: expected one as initrd, found none");
    board.wait_for("add `-initrd");
    board.wait_for("board> ");
    board.send(b"hello\r");
    board.wait_for("no model, so no answers; type /help");
    board.send(b"/helpx\x7f\r");
    board.wait_for("/poweroff  power the machine off");
    board.wait_for("board> ");
    board.send(b"/poweroff\r");
    board.wait_for("power off");
    let _ = board.wait_for_power_off();
}

#[test]
fn memory_of_any_size_is_found_and_mapped() {
    // Less than a gibibyte, not a whole number of 2 MiB, and several whole gibibytes.
    for (memory_mib, text) in [(65, "memory  65 MiB"), (1025, "memory  1025 MiB"), (5120, "memory  5120 MiB")]
    {
        let machine = Machine { memory_mib: Some(memory_mib), ..machine(POWER_OFF) };
        let found = VirtualBoard::boot(&machine).wait_for_power_off();
        assert!(found.contains(text) && found.contains("0 bytes of heap in use"), "{found}");
    }
}

#[test]
fn noise_on_the_line_leaves_the_board_usable() {
    let mut board = VirtualBoard::boot(&machine(""));
    board.wait_for("board> ");
    // Painted bytes of all values, but for Ctrl-A, which QEMU keeps for itself.
    let noise: Vec<u8> = (0..10_000_u32).map(|i| (i % 251) as u8).filter(|&byte| byte != 1).collect();
    board.send(&noise);
    board.send(b"\r/heap\r");
    board.wait_for("0 bytes of heap in use after 0 calls");
}

#[test]
fn faults_are_reported_and_end_as_the_boot_arguments_say() {
    let drills = [
        ("null-read", &["data abort", "FAR 0x0000000000000010", "ELR 0x", "= image + 0x", "x30 0x"][..]),
        ("code-write", &["data abort", "FAR 0x"]),
        ("stack-overflow", &["data abort", "sp  0x"]),
        ("panic", &["a panic as the boot arguments asked"]),
        ("allocate", &["the session asked for 64 bytes of heap after it opened"]),
    ];
    for (drill, parts) in drills {
        let boot_args = format!("ternlet.on-fault=off ternlet.drill={drill}");
        let text = VirtualBoard::boot(&machine(&boot_args)).wait_for_power_off();
        for part in parts {
            assert!(text.contains(part), "{drill}: expected {part:?}, found\n{text}");
        }
    }
    // QEMU is told to end where a machine would start again.
    let text =
        VirtualBoard::boot(&machine("ternlet.on-fault=reset ternlet.drill=panic")).wait_for_power_off();
    assert!(text.contains("a panic"), "{text}");
}

#[test]
fn a_file_at_an_odd_address_is_moved() {
    // QEMU always aligns an initrd. So it writes its tree down, the test moves the file in
    // it, and a second machine gets that tree and the file at that place.
    let (file, tree) = (scratch("odd.bin"), scratch("odd.dtb"));
    fs::write(&file, [b'x'; 5000]).expect("a writable folder");
    let dump = Machine {
        model: Some(file.clone()),
        memory_mib: Some(512),
        extra: vec!["-machine".into(), format!("dumpdtb={}", tree.display())],
        ..machine(POWER_OFF)
    };
    assert!(dump.command(image()).status().expect("QEMU starts").success());
    let mut bytes = fs::read(&tree).expect("the tree");
    // The properties for start and end stand side by side: 12 bytes of head, 4 or 8 of value.
    let end = find(&bytes, &(0x4800_0000_u32 + 5000).to_be_bytes()).next().expect("the end of the initrd");
    let is_near = |&at: &usize| at.abs_diff(end) <= 20;
    let start = find(&bytes, &0x4800_0000_u32.to_be_bytes()).find(is_near).expect("the start of the initrd");
    bytes[start..start + 4].copy_from_slice(&0x4a00_0001_u32.to_be_bytes());
    bytes[end..end + 4].copy_from_slice(&(0x4a00_0001_u32 + 5000).to_be_bytes());
    // QEMU pads a tree to 1 MiB and doubles what it is given, beyond the 2 MiB that a loader may pass:
    // cut it after its last block, the strings.
    let word = |at: usize| u32::from_be_bytes(*bytes[at..].first_chunk().expect("a header"));
    let total = word(12) + word(32);
    bytes.truncate(total as usize);
    bytes[4..8].copy_from_slice(&total.to_be_bytes());
    fs::write(&tree, bytes).expect("a writable folder");
    let odd = Machine {
        model: None,
        memory_mib: Some(512),
        extra: vec![
            "-dtb".into(),
            tree.display().to_string(),
            "-device".into(),
            format!("loader,file={},addr=0x4a000001,force-raw=on", file.display()),
        ],
        ..machine(POWER_OFF)
    };
    let text = VirtualBoard::boot(&odd).wait_for_power_off();
    assert!(text.contains("model moved from 0x4a000001"), "{text}");
}

/// The places in `bytes` where `pattern` stands.
fn find(bytes: &[u8], pattern: &[u8]) -> impl Iterator<Item = usize> {
    bytes.windows(pattern.len()).enumerate().filter(move |(_, window)| *window == pattern).map(|(at, _)| at)
}
