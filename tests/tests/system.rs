//! A system message in the model file: answers and bits are those of one that is typed and computed

use core::convert::Infallible;
use std::path::{Path, PathBuf};
use std::{env, fs};

use embedded_io::{ErrorType, Read, ReadReady, Write};
use ternlet::import::chat_template::{TokenNames, compile};
use ternlet::import::tokenizer_file;
use ternlet::pack::synth::{Synth, shape_125m};
use ternlet::pack::{HeadForm, PackRequest, pack};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::format::{LoadError, SystemError};
use ternlet_runtime::{
    Config, Console, ConsoleOptions, KvType, Model, ModelFile, PlanOptions, SamplerOptions, Serial,
    Tokenizer, checksum,
};
use ternlet_tests::open_session;

const MESSAGE: &str = "You are a robot. Be brief.";

/// In the manner of Llama 3.
const HEADERS: &str = "{% for m in messages %}{% if loop.first %}{{ bos_token }}{% endif %}<|start_header_id|>{{ m.role \
    }}<|end_header_id|>\n\n{{ m.content | trim }}<|eot_id|>{% endfor %}{% if add_generation_prompt %}<|start_header_id|>\
    assistant<|end_header_id|>\n\n{% endif %}";

/// One text from the first word on: nothing separates the message from the user's words.
const JOINED: &str = "{% for m in messages %}{% if m.role == 'system' %}{{ m.content }} {% elif m.role == 'user' %}Q: {{ \
    m.content }}{% else %} A: {{ m.content }} {% endif %}{% endfor %}{% if add_generation_prompt %} A:{% endif %}";

fn config() -> Config {
    Config {
        name: "small".chars().collect(),
        dim: 64,
        hidden_dim: 96,
        n_layers: 2,
        n_heads: 4,
        n_kv_heads: 2,
        head_dim: 16,
        vocab_size: 2048,
        max_seq_len: 256,
        ..shape_125m()
    }
}

/// Packs random weights with the golden tokenizer, `template` and `system`.
fn packed(name: &str, template: &str, system: Option<&str>) -> Result<ModelFile, String> {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("golden/tokenizer_llama3_like/tokenizer.json");
    let section = tokenizer_file::read_file(&golden).expect("a supported tokenizer");
    let names = TokenNames { bos_token: Some("<|begin_of_text|>"), eos_token: Some("<|eot_id|>") };
    let tokenizer = Tokenizer::parse(&section).expect("a section");
    let chat_template = compile(template, names, &tokenizer).expect("it compiles");
    let target: PathBuf = env::temp_dir().join(format!("ternlet-system-{}-{name}.tern", std::process::id()));
    let source = Synth::new(config(), 11);
    let request = PackRequest {
        tokenizer: Some(section),
        chat_template: Some(chat_template),
        system,
        ..PackRequest::weights(&source, HeadForm::Int8, &target)
    };
    pack(request, &|_, _| {}).map_err(|e| e.to_string())?;
    let file = ModelFile::open(&target).expect("the packed file");
    fs::remove_file(&target).expect("a file of this test");
    Ok(file)
}

/// Lines from a pipe, and what came back.
struct Script<'s> {
    typed: &'s [u8],
    screen: Vec<u8>,
}

impl ErrorType for Script<'_> {
    type Error = Infallible;
}

impl Read for Script<'_> {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        Ok(self.typed.read(buf).unwrap_or(0))
    }
}

impl ReadReady for Script<'_> {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(false)
    }
}

impl Write for Script<'_> {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.screen.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What the console shows for `lines`, one conversation or a line each.
fn talk(file: &[u8], kernels: &'static Kernels, kv: KvType, interactive: bool, lines: &str) -> String {
    let model = Model::parse(file).expect("a whole model");
    let plan = PlanOptions { context: 200, kv, max_prompt_bytes: 256, ..PlanOptions::default() };
    let sampler = SamplerOptions { temperature: 0.9, top_k: 50, top_p: 0.95, seed: 4 };
    let options = ConsoleOptions { interactive, newline: "\n", sampler, max_answer_tokens: 8 };
    let mut script = Script { typed: lines.as_bytes(), screen: Vec::new() };
    open_session(&model, kernels, &Serial, &plan, |session| {
        let mut console = Console::new(session, options).expect("a model with a tokenizer");
        console.run(&mut script, &|| 0).unwrap_or_else(|e| match e {});
        assert_eq!(console.n_failed(), 0, "{}", String::from_utf8_lossy(&script.screen));
    });
    String::from_utf8_lossy(&script.screen).into_owned()
}

/// The answers, and the figure before "restored" in the last `/stats`.
fn parts(screen: &str) -> (Vec<String>, u32) {
    let restored = screen.lines().rev().find(|line| line.contains(" restored;")).expect("stats");
    let n = restored.split(" restored;").next().and_then(|start| start.rsplit(' ').next());
    // What is typed and what depends on how the message came in.
    let differs = ["> /system", "the system message is set", "prefill:", "decode:", "memory:"];
    let kept = screen.lines().filter(|line| !differs.iter().any(|start| line.starts_with(start)));
    (kept.map(str::to_owned).collect(), n.expect("a figure").parse().expect("a number"))
}

#[test]
fn a_stored_message_answers_as_a_typed_one_bit_for_bit() {
    let stored = packed("stored", HEADERS, Some(MESSAGE)).expect("it packs");
    let plain = packed("plain", HEADERS, None).expect("it packs");
    let n_ids = Model::parse(stored.bytes()).expect("a model").system().expect("a message").ids.len();
    let n_ids = u32::try_from(n_ids).expect("few");
    assert!(n_ids > 10);
    let prompts = "hello\nset gpio 17 high\n/stats\n";
    let typed = format!("/system {MESSAGE}\n{prompts}");
    for interactive in [true, false] {
        for kv in [KvType::F16, KvType::F32] {
            let best = Kernels::best(CpuFeatures::detect());
            let (expected, none) = parts(&talk(plain.bytes(), best, kv, interactive, &typed));
            assert_eq!(none, 0);
            for kernels in Kernels::all(CpuFeatures::detect()) {
                let (found, n) = parts(&talk(stored.bytes(), kernels, kv, interactive, prompts));
                // In a pipe every line is a conversation of its own.
                let times = if interactive { 1 } else { 2 };
                assert_eq!(n, if kv == KvType::F16 { times * n_ids } else { 0 }, "{kv:?}");
                assert_eq!(found, expected, "{}, {kv:?}", kernels.name());
            }
        }
    }
}

#[test]
fn another_message_or_none_is_computed_and_the_stored_one_comes_back() {
    let stored = packed("other", HEADERS, Some(MESSAGE)).expect("it packs");
    let plain = packed("other-plain", HEADERS, None).expect("it packs");
    let best = Kernels::best(CpuFeatures::detect());
    let talk = |file: &ModelFile, lines: &str| parts(&talk(file.bytes(), best, KvType::F16, true, lines));
    for set in ["/system Be long.", "/system"] {
        let lines = format!("{set}\nhello\n/stats\n");
        let (expected, found) = (talk(&plain, &lines), talk(&stored, &lines));
        assert_eq!(found, expected, "{set}");
        assert_eq!(found.1, 0, "{set}");
    }
    let (_, n) = talk(
        &stored,
        &format!("/system Be long.\nhello\n/system {MESSAGE}\nhello\n/selftest\nhello\n/reset\nhi\n/stats\n"),
    );
    let n_ids = Model::parse(stored.bytes()).expect("a model").system().expect("a message").ids.len();
    assert_eq!(n as usize, 3 * n_ids, "set again, after the self-test, after the reset");
}

#[test]
fn packing_is_deterministic_and_leaves_the_rest_of_the_file_as_it_was() {
    let (a, b) = (packed("a", HEADERS, Some(MESSAGE)), packed("b", HEADERS, Some(MESSAGE)));
    let (a, b) = (a.expect("it packs"), b.expect("it packs"));
    assert!(a.bytes() == b.bytes());
    let model = Model::parse(a.bytes()).expect("a model");
    model.verify_system().expect("as packed");
    let system = model.system().expect("a message");
    assert_eq!(system.text, MESSAGE);
    // Computed on any machine, with any kernels, these are the bytes.
    assert_eq!(format!("{:016x}", checksum(system.positions)), POSITIONS);
    let plain = packed("c", HEADERS, None).expect("it packs");
    let plain = Model::parse(plain.bytes()).expect("a model");
    assert!(plain.system().is_none());
    assert_eq!(plain.self_test(), model.self_test());
}

const POSITIONS: &str = "eb778df9034c6079";

#[test]
fn every_flipped_byte_of_the_rows_is_found_by_verify_and_by_the_session() {
    let file = packed("flipped", HEADERS, Some(MESSAGE)).expect("it packs");
    let mut memory = vec![0; file.bytes().len() + 64];
    let start = memory.as_ptr().align_offset(64);
    let bytes = &mut memory[start..start + file.bytes().len()];
    bytes.copy_from_slice(file.bytes());
    let model = Model::parse(file.bytes()).expect("a model");
    let (ids, n_rows) =
        (model.system().expect("a message").ids, model.system().expect("a message").positions.len());
    let mut longer = ids.to_vec();
    longer.push(5);
    let first = bytes.len() - n_rows;
    for index in (first..bytes.len()).step_by(61).chain([bytes.len() - 1]) {
        bytes[index] ^= 0x40;
        let model = Model::parse(bytes).expect("parsing does not read the rows");
        let pos = u32::try_from((index - first) / (n_rows / ids.len())).expect("few");
        assert_eq!(model.verify_system(), Err(LoadError::System(SystemError::Rows { pos })), "byte {index}");
        let best = Kernels::best(CpuFeatures::detect());
        open_session(
            &model,
            best,
            &Serial,
            &PlanOptions { context: 200, ..PlanOptions::default() },
            |mut session| {
                session.restore_system(&longer).expect_err("damaged");
                assert_eq!(session.n_cached(), 0);
            },
        );
        let screen = talk(bytes, best, KvType::F16, true, "hello\n/stats\n");
        assert!(screen.contains("are damaged and are computed"), "{screen}");
        bytes[index] ^= 0x40;
    }
}

#[test]
fn a_message_that_cannot_be_stored_is_refused_with_the_reason() {
    for (name, template, system, expected) in [
        ("joined", JOINED, MESSAGE, "makes it one text with the user's words"),
        ("empty", HEADERS, "", "expected 1 to 1024 bytes of text, found 0"),
        ("long", HEADERS, &"x".repeat(1025), "expected 1 to 1024 bytes of text, found 1025"),
        ("empty", HEADERS, "", "hint: give a text of 1 to 1024 bytes"),
        // More tokens than the model's context has.
        ("many tokens", HEADERS, &"q~".repeat(512), "hint: shorten the system message"),
    ] {
        let found = packed(name, template, Some(system)).map(|_| ()).expect_err("refused");
        assert!(found.contains("--system") && found.contains(expected), "{name}: {found}");
    }
}
