//! A model file of more than 4 GB: every offset and length has 64 bits
//!
//! The file is sparse: its embedding is 4.5 GB of zeros but for two rows, and takes no room on the disk. All other
//! weights lie behind it. The same model with a vocabulary of 16 is a small file; both must give one embedding.

use core::ops::Range;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use ternlet::pack::synth::{Synth, shape_125m};
use ternlet::pack::{Source, TernaryRows};
use ternlet_kernels::layout::i2;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::format::{
    CHUNK_BYTES, CONFIG_RECORD_BYTES, ENTRY_BYTES, Header, Layout, Order, Schedule, SectionEntry, SectionId,
    TableForm, TensorEntry, TensorKind, align_up, encode_config, n_chunks, section_table_end,
};
use ternlet_runtime::{Config, Model, ModelFile, PlanOptions, Pooling, Serial, checksum};
use ternlet_tests::open_session;

const MAX_VOCAB: u32 = 1 << 20;
const DIM: u32 = 1088;

fn config(vocab_size: u32) -> Config {
    Config {
        dim: DIM,
        hidden_dim: 200,
        n_layers: 1,
        n_heads: 2,
        n_kv_heads: 1,
        head_dim: 32,
        vocab_size,
        max_seq_len: 16,
        pooling: Some(Pooling::LastToken),
        ..shape_125m()
    }
}

/// The rows of the embedding that are not zero, with what is in them.
fn rows(vocab_size: u32) -> [(u32, f32); 2] {
    [(7, 0.25), (vocab_size - 1, -1.5)]
}

/// Bytes of a tensor that are not in a hole, with their place in it.
fn contents(source: &Synth, entry: &TensorEntry, kind: TensorKind, index: u32) -> Vec<(u64, Vec<u8>)> {
    let tensor = Schedule::new(source.config(), TableForm::Float, TableForm::Float)
        .get(index)
        .expect("of the schedule");
    match kind {
        TensorKind::Table => rows(source.config().vocab_size)
            .into_iter()
            .map(|(row, value)| {
                let row_bytes = entry.length / entry.n;
                let values = (0_u8..=250).cycle().take(DIM as usize).map(|i| value + f32::from(i) / 64.0);
                (u64::from(row) * row_bytes, values.flat_map(f32::to_le_bytes).collect())
            })
            .collect(),
        TensorKind::LowPlane => unreachable!("a table of floats has none"),
        TensorKind::Vector => {
            let values = source.vector(&tensor).expect("a vector");
            vec![(0, values.into_iter().flat_map(f32::to_le_bytes).collect())]
        }
        TensorKind::Ternary => {
            let mut stored = source.ternary(&tensor).expect("rows");
            let row_bytes = i2::row_bytes(usize::try_from(entry.k).expect("small"));
            let mut bytes = vec![0; usize::try_from(entry.length).expect("small")];
            for (row, packed) in bytes.chunks_exact_mut(row_bytes).enumerate() {
                TernaryRows::pack_row(&mut *stored, row, packed).expect("a row");
            }
            vec![(0, bytes)]
        }
    }
}

/// Writes the model with this vocabulary, its embedding in f32 and its matrices in rows of i2.
fn write(path: &Path, vocab_size: u32) -> u64 {
    let source = Synth::new(config(vocab_size), 8);
    let schedule = Schedule::new(source.config(), TableForm::Float, TableForm::Float);
    let (mut entries, mut end) = (Vec::new(), 0);
    for (index, tensor) in (0..).zip(schedule.iter()) {
        let is_ternary = tensor.kind == TensorKind::Ternary;
        let layout = if is_ternary { Layout::I2 } else { Layout::F32 };
        let scale = if is_ternary { source.ternary(&tensor).expect("rows").scale() } else { 1.0 };
        let entry = TensorEntry::place(&tensor, layout, Order::RowMajor, scale, end).expect("below 2^64");
        end = entry.offset + entry.length;
        entries.push((index, entry, tensor.kind));
    }
    let lengths = [
        (SectionId::Config, CONFIG_RECORD_BYTES as u64),
        (SectionId::Directory, (entries.len() * ENTRY_BYTES) as u64),
        (SectionId::ChunkChecksums, n_chunks(end) * 8),
        (SectionId::Tensors, end),
    ];
    let mut at = section_table_end(4) as u64;
    let mut table: Vec<SectionEntry> = Vec::new();
    for (id, length) in lengths {
        let offset = align_up(at, id.align()).expect("below 2^64");
        table.push(SectionEntry { id, offset, length, checksum: 0 });
        at = offset + length;
    }
    let file = File::options().read(true).write(true).create_new(true).open(path).expect("created");
    file.set_len(at).expect("a sparse file");
    let tensors = table[3].offset;
    let mut written: Vec<Range<u64>> = Vec::new();
    for (index, entry, kind) in &entries {
        for (place, bytes) in contents(&source, entry, *kind, *index) {
            let start = entry.offset + place;
            file.write_all_at(&bytes, tensors + start).expect("written");
            written.push(start..start + bytes.len() as u64);
        }
    }
    let chunk_bytes = CHUNK_BYTES as u64;
    let empty = checksum(&vec![0; CHUNK_BYTES]);
    let sum = |chunk: u64| {
        let (start, end) = (chunk * chunk_bytes, end.min((chunk + 1) * chunk_bytes));
        if end - start == chunk_bytes && !written.iter().any(|w| w.start < end && start < w.end) {
            return empty;
        }
        let mut bytes = vec![0; usize::try_from(end - start).expect("a chunk")];
        file.read_exact_at(&mut bytes, tensors + start).expect("read");
        checksum(&bytes)
    };
    let sections = [
        encode_config(source.config()).to_vec(),
        entries.iter().flat_map(|(_, entry, _)| entry.encode()).collect(),
        (0..n_chunks(end)).flat_map(|chunk| sum(chunk).to_le_bytes()).collect(),
    ];
    for (section, bytes) in table.iter_mut().zip(&sections) {
        section.checksum = checksum(bytes);
        file.write_all_at(bytes, section.offset).expect("written");
    }
    let table: Vec<u8> = table.iter().flat_map(SectionEntry::encode).collect();
    let header =
        Header { n_sections: 4, total_len: at, required_features: 0, optional_features: 0, checksum: 0 };
    file.write_all_at(&header.encode(&table), 0).expect("written");
    file.write_all_at(&table, (section_table_end(4) - table.len()) as u64).expect("written");
    at
}

/// The embedding of two ids, the last of the vocabulary among them, from a file of `vocab_size` that is then gone.
fn embedding(vocab_size: u32, min_bytes: u64) -> Vec<u32> {
    let name = format!("large-{}-{vocab_size}.tern", std::process::id());
    let path: PathBuf = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let written = write(&path, vocab_size);
    let file = ModelFile::open(&path).expect("mapped");
    fs::remove_file(&path).expect("a file of this test");
    assert!(written >= min_bytes, "{written} bytes");
    let model = Model::parse(file.bytes()).expect("a whole model");
    // All but the embedding, whose holes would become pages of zeros.
    for (index, _) in (0..).zip(model.tensors()).skip(1) {
        model.verify_tensor(index).expect("valid");
    }
    for chunk in [0, model.n_chunks() / 2, model.n_chunks() - 1] {
        model.verify_chunk(chunk).expect("no damage");
    }
    let options = PlanOptions { context: 4, max_prompt_bytes: 0, ..PlanOptions::default() };
    let kernels = Kernels::best(CpuFeatures::detect());
    open_session(&model, kernels, &Serial, &options, |mut session| {
        let embedding = session.embed(&[7, vocab_size - 1]).expect("a direction");
        embedding.iter().map(|value| value.to_bits()).collect()
    })
}

#[test]
fn a_model_beyond_four_gigabytes_gives_the_bits_of_its_small_twin() {
    let small = embedding(16, 0);
    let large = embedding(MAX_VOCAB, u64::from(u32::MAX) + (200 << 20));
    assert_eq!(small.len(), DIM as usize);
    assert_eq!(large, small);
}
