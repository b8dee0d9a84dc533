//! Target: model files
//!
//! An input is a whole file. Checksums would refuse nearly every mutation at the door, so a file that is refused is
//! sealed anew (its checksums made right) and read once more. A model that parses is verified, run for a few tokens and
//! talked to, whatever its payload holds.

use core::convert::Infallible;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::format::{
    HEADER_BYTES, MAX_SECTIONS, SECTION_ENTRY_BYTES, SYSTEM_HEAD_BYTES, SectionId,
};
use ternlet_runtime::{
    ARENA_ALIGN, Console, ConsoleOptions, KvType, MemoryPlan, Model, OutputHash, PlanOptions, Sampler,
    SamplerOptions, Serial, Session, checksum,
};

use super::tokenizer;
use crate::aligned_arena;

/// The largest arena that is run: far beyond what an input's payload needs to be read once.
const MAX_ARENA: usize = 64 << 20;
/// Positions that are run.
const CONTEXT: u32 = 12;
/// What is encoded and typed.
const TEXT: &str = "ab <s>a b<|eot_id|> \u{e9}\u{4e2d} 123\t'll\u{301}";

/// Parses a model file, verifies it, runs it.
///
/// # Panics
/// A panic is a finding.
pub fn model(data: &[u8]) -> bool {
    let mut memory = Vec::new();
    let file = aligned_arena(&mut memory, data.len());
    file.copy_from_slice(data);
    exercise(file) || {
        seal(file);
        exercise(file)
    }
}

/// Whether `file` parses; then everything is done with it.
fn exercise(file: &[u8]) -> bool {
    let Ok(model) = Model::parse(file) else { return false };
    let _ = model.verify_payload();
    let _ = model.verify_system();
    for index in (0..).zip(model.tensors()).map(|(index, _)| index) {
        let _ = model.verify_tensor(index);
    }
    if let Some(tokenizer) = model.tokenizer() {
        tokenizer::exercise(&tokenizer, TEXT);
    }
    for (kv, max_prompt_bytes) in [(KvType::F16, 64), (KvType::F32, 0), (KvType::I8, 0)] {
        run(&model, kv, max_prompt_bytes);
    }
    true
}

/// Self-test, a prompt, a sampled token, and a conversation where there is room for text.
fn run(model: &Model<'_>, kv: KvType, max_prompt_bytes: u32) {
    let context = CONTEXT.min(model.config().max_seq_len);
    let options = PlanOptions {
        context,
        max_batch: 3,
        max_logit_rows: 1,
        max_top_k: model.usual_top_k(),
        n_slots: 1,
        n_workers: 1,
        kv,
        max_prompt_bytes,
    };
    let Ok(plan) = MemoryPlan::new(model.config(), &options) else { return };
    if plan.bytes() > MAX_ARENA {
        return;
    }
    let mut memory = Vec::with_capacity(plan.bytes() + ARENA_ALIGN);
    let arena = aligned_arena(&mut memory, plan.bytes());
    let kernels = Kernels::best(CpuFeatures::detect());
    let mut session = Session::new(model.clone(), kernels, &Serial, &plan, arena).expect("the plan's arena");
    let _ = session.self_test();
    session.truncate(0);
    let ids: Vec<u32> = (0..context.min(4)).map(|i| i * 7 % model.config().vocab_size).collect();
    let sampling = model.config().sampling;
    let warm = SamplerOptions {
        temperature: sampling.temperature,
        top_k: sampling.top_k,
        top_p: sampling.top_p,
        seed: 1,
    };
    let sampler = Sampler::new(warm).expect("a parsed config is in range");
    session.prepare_for(&sampler);
    if session.prefill(&ids, |_| true).is_ok() {
        let id = session.sample(&sampler, &mut OutputHash::new());
        assert!(id < model.config().vocab_size, "sampled {id}");
    }
    let _ = session.embed(&ids);
    session.truncate(0);
    let options = ConsoleOptions {
        interactive: false,
        newline: "\n",
        sampler: SamplerOptions::GREEDY,
        max_answer_tokens: 3,
    };
    if let Ok(mut console) = Console::new(session, options) {
        let mut wire =
            Typist { typed: format!("{TEXT}\n/system b\na\n/stats\n/reset\nb\n").into_bytes(), at: 0 };
        console.run(&mut wire, &|| 0).unwrap_or_else(|e| match e {});
    }
}

/// A user who typed everything in advance and does not look.
struct Typist {
    typed: Vec<u8>,
    at: usize,
}

impl ErrorType for Typist {
    type Error = Infallible;
}

impl Read for Typist {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        let n = buf.len().min(self.typed.len() - self.at);
        buf[..n].copy_from_slice(&self.typed[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl ReadReady for Typist {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        Ok(false)
    }
}

impl Write for Typist {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Makes length and checksums right, as far as the section table can be followed.
fn seal(file: &mut [u8]) {
    const TOTAL_LEN: usize = 16;
    const CHECKSUM: usize = 56;
    if file.len() < HEADER_BYTES {
        return;
    }
    let total_len = file.len() as u64;
    file[TOTAL_LEN..][..8].copy_from_slice(&total_len.to_le_bytes());
    let n_sections = u32_at(file, 12).min(MAX_SECTIONS) as usize;
    let table_end = HEADER_BYTES + n_sections * SECTION_ENTRY_BYTES;
    if file.len() < table_end {
        return;
    }
    let entries: Vec<usize> = (HEADER_BYTES..table_end).step_by(SECTION_ENTRY_BYTES).collect();
    let section = |file: &[u8], entry: usize| {
        let start = usize::try_from(u64_at(file, entry + 8)).ok()?;
        let end = start.checked_add(usize::try_from(u64_at(file, entry + 16)).ok()?)?;
        (start >= table_end && end <= file.len()).then_some(start..end)
    };
    let find = |file: &[u8], id: SectionId| {
        let entry = entries.iter().find(|entry| u32_at(file, **entry) == id as u32)?;
        section(file, *entry)
    };
    if let (Some(sums), Some(tensors)) =
        (find(file, SectionId::ChunkChecksums), find(file, SectionId::Tensors))
    {
        let found: Vec<u8> =
            file[tensors].chunks(1 << 20).flat_map(|chunk| checksum(chunk).to_le_bytes()).collect();
        if sums.len() == found.len() {
            file[sums].copy_from_slice(&found);
        }
    }
    if let Some(system) = find(file, SectionId::System) {
        seal_system(&mut file[system]);
    }
    for &entry in &entries {
        let id = u32_at(file, entry);
        let is_payload = id == SectionId::Tensors as u32 || id == SectionId::System as u32;
        if let Some(range) = section(file, entry).filter(|_| !is_payload) {
            let sum = checksum(&file[range]);
            file[entry + 24..][..8].copy_from_slice(&sum.to_le_bytes());
        }
    }
    let covered = [&file[..CHECKSUM], &file[HEADER_BYTES..table_end]].concat();
    file[CHECKSUM..HEADER_BYTES].copy_from_slice(&checksum(&covered).to_le_bytes());
}

/// Makes the checksum over the text and ids of a SYSTEM section right.
fn seal_system(section: &mut [u8]) {
    if section.len() < SYSTEM_HEAD_BYTES {
        return;
    }
    let (n_text, n_ids) = (u32_at(section, 0) as usize, u32_at(section, 4) as usize);
    let end = SYSTEM_HEAD_BYTES + n_text.next_multiple_of(4) + 4 * n_ids;
    if let Some(contents) = section.get(SYSTEM_HEAD_BYTES..end) {
        let sum = checksum(&[&section[..16], contents].concat());
        section[16..24].copy_from_slice(&sum.to_le_bytes());
    }
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
