//! The session on bare metal: the host's bits, whatever the core; damaged models; an untouched heap

use core::convert::Infallible;
use std::collections::VecDeque;
use std::fs;
use std::path::PathBuf;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use ternlet_board::{EntryLevel, Machine, console_options, shipped_model};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{ARENA_ALIGN, Console, MemoryPlan, Model, ModelFile, PlanOptions, Serial, Session};
use ternlet_tests::VirtualBoard;

/// Prompts of one conversation. The last line ends the session.
const PROMPTS: [&str; 4] =
    ["Hello, who are you?", "Set a timer for ten minutes.", "Danke schön! 🦀", "/stats"];

fn machine(boot_args: &str) -> Machine {
    Machine { model: Some(shipped_model()), boot_args: boot_args.to_owned(), ..Machine::default() }
}

/// Opens a session on this host as the image does, and hands it to `body`.
fn on_host<R>(body: impl FnOnce(Session<'_>) -> R) -> R {
    let file = ModelFile::open(&shipped_model()).expect("the shipped model");
    let model = Model::parse(file.bytes()).expect("a whole model");
    let context = model.config().max_seq_len.min(4096);
    let options = PlanOptions { context, max_top_k: model.usual_top_k(), ..PlanOptions::default() };
    let plan = MemoryPlan::new(model.config(), &options).expect("the options suit the model");
    let mut memory = vec![0; plan.bytes() + ARENA_ALIGN];
    let offset = memory.as_ptr().align_offset(ARENA_ALIGN);
    let arena = &mut memory[offset..offset + plan.bytes()];
    let kernels = Kernels::best(CpuFeatures::detect());
    body(Session::new(model, kernels, &Serial, &plan, arena).expect("the arena fits"))
}

/// A person who has typed everything already.
struct Script {
    input: VecDeque<u8>,
    output: Vec<u8>,
}

impl ErrorType for Script {
    type Error = Infallible;
}

impl Read for Script {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        let n_read = buffer.len().min(self.input.len());
        for (slot, byte) in buffer.iter_mut().zip(self.input.drain(..n_read)) {
            *slot = byte;
        }
        Ok(n_read)
    }
}

impl ReadReady for Script {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(false)
    }
}

impl Write for Script {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        self.output.extend(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// The lines of a conversation that do not depend on speed or backend: all but figures and names.
fn lasting_lines(transcript: &str) -> Vec<&str> {
    let is_figure =
        |line: &&str| ["prefill:", "decode:", "memory:"].iter().any(|start| line.starts_with(start));
    transcript.split("\r\n").filter(|line| !is_figure(line)).collect()
}

#[test]
fn every_core_computes_the_hosts_bits_and_leaves_the_heap_alone() {
    let report = on_host(|mut session| session.self_test().expect("the stored self-test"));
    assert!(report.passed());
    let pass = format!("selftest: PASS logits_hash {:016x}", report.found);
    for cpu in ["cortex-a53", "cortex-a72", "cortex-a76", "max"] {
        for level in [EntryLevel::El1, EntryLevel::El2] {
            let boot_args = "ternlet.selftest=1 ternlet.on-fault=off ternlet.exit=psci";
            let board = VirtualBoard::boot(&Machine { cpu: cpu.to_owned(), level, ..machine(boot_args) });
            let text = board.wait_for_power_off();
            for part in [&pass, "of heap in use after 1 calls"] {
                assert!(text.contains(part), "{cpu}: expected {part:?}, found\n{text}");
            }
        }
    }
}

#[test]
fn a_conversation_on_the_uart_is_the_hosts_to_the_letter() {
    let typed: String = PROMPTS.map(|prompt| format!("{prompt}\r")).concat();
    let expected = on_host(|session| {
        let options = console_options(session.model().config(), true);
        let mut console = Console::new(session, options).expect("a model that talks");
        let mut script = Script { input: typed.bytes().collect(), output: Vec::new() };
        let Ok(_) = console.run(&mut script, &|| 0);
        String::from_utf8(script.output).expect("whole characters")
    });
    let expected = expected.strip_suffix("> ").expect("a prompt after the last answer");

    let mut board = VirtualBoard::boot(&machine("ternlet.on-fault=off"));
    board.wait_for("ready ");
    board.wait_for("\r\n");
    let mut found = String::new();
    for prompt in PROMPTS {
        found += &board.wait_for("> ");
        board.send(format!("{prompt}\r").as_bytes());
    }
    found += board.wait_for("\r\n> ").strip_suffix("> ").expect("the text that was waited for");
    assert_eq!(lasting_lines(&found), lasting_lines(expected));
    assert!(found.contains("ids_hash: "), "{found}");

    board.send(b"/quit\r");
    board.wait_for("board> ");
    board.send(b"/poweroff\r");
    board.wait_for("of heap in use after 1 calls");
    let _ = board.wait_for_power_off();
}

#[test]
fn ctrl_c_and_typing_ahead_leave_the_session_usable() {
    let mut board = VirtualBoard::boot(&machine("ternlet.on-fault=off"));
    board.wait_for("> ");
    board.send(b"Tell me a long story about a robot.\r\x03");
    board.wait_for("\r\n> ");
    board.send(b"Hello\r/selftest\r");
    board.wait_for("selftest: PASS");
    board.wait_for("> ");
    // Longer than the line buffer: refused by its length, and the session goes on.
    board.send(&[b'x'; 10_000]);
    board.send(b"\r");
    board.wait_for("10000 bytes");
    board.wait_for("> ");
    board.send(b"/selftest\r");
    board.wait_for("selftest: PASS");
}

#[test]
fn a_damaged_model_is_named_and_the_board_stays_usable() {
    let whole = fs::read(shipped_model()).expect("the shipped model");
    let mut flipped_weight = whole.clone();
    *flipped_weight.last_mut().expect("some bytes") ^= 1;
    let mut flipped_header = whole.clone();
    flipped_header[9] ^= 1;
    let cases = [
        ("cut.tern", &whole[..whole.len() - 1000], "expected"),
        ("cut-head.tern", &whole[..50], "expected"),
        ("weight.tern", &flipped_weight[..], "chunk"),
        ("header.tern", &flipped_header[..], "expected"),
    ];
    for (name, bytes, part) in cases {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        fs::write(&path, bytes).expect("a writable folder");
        let mut board = VirtualBoard::boot(&Machine { model: Some(path), ..machine("ternlet.on-fault=off") });
        let text = board.wait_for("board> ");
        assert!(text.contains("model: ") && text.contains(part), "{name}: {text}");
        assert!(text.contains("ternlet verify"), "{name}: {text}");
        board.send(b"/poweroff\r");
        let _ = board.wait_for_power_off();
    }
}

#[test]
fn too_little_memory_is_said_with_the_bytes_it_takes() {
    // The largest context that fits is chosen; one that was asked for and does not fit is refused.
    let small = Machine { memory_mib: Some(130), ..machine("ternlet.exit=psci ternlet.selftest=1") };
    let text = VirtualBoard::boot(&small).wait_for_power_off();
    assert!(text.contains("selftest: PASS"), "{text}");
    let text = VirtualBoard::boot(&machine("ternlet.exit=psci ternlet.context=100000")).wait_for_power_off();
    assert!(text.contains("100000") && text.contains("ternlet.context=N"), "{text}");
}
