//! A small model file whose every field can be forged, checksums kept right unless forged too

use ternlet::pack::{Placement, from_i2_rows};
use ternlet_kernels::layout::{TernaryLayout, i8_split};
use ternlet_runtime::checksum;

pub(crate) const CONFIG: u32 = 1;
pub(crate) const TOKENIZER: u32 = 2;
pub(crate) const CHAT_TEMPLATE: u32 = 3;
pub(crate) const SELF_TEST: u32 = 4;
pub(crate) const DIRECTORY: u32 = 5;
pub(crate) const CHUNK_CHECKSUMS: u32 = 6;
pub(crate) const TENSORS: u32 = 7;
pub(crate) const SYSTEM: u32 = 8;

const DIM: u32 = 8;
const HIDDEN_DIM: u32 = 12;
const Q_DIM: u32 = 8;
const KV_DIM: u32 = 4;
const HALF_HEAD_DIM: u32 = 2;
pub(crate) const VOCAB_SIZE: u32 = 10;
pub(crate) const MAX_SEQ_LEN: u32 = 16;

/// Places of two ternary tensors, `[HIDDEN_DIM, DIM]` and its transpose's shape, in the directory.
pub(crate) const W_UP: usize = 9;
pub(crate) const W_DOWN: usize = 11;

const F32: u16 = 1;
const I8_SPLIT: u16 = 5;
const I8_LOW: u16 = 6;
const I2: u16 = 16;
const GLOBAL: u16 = 0xffff;

/// One section, with what the table says about it where that is forged.
#[derive(Debug, Clone, Default)]
pub(crate) struct Section {
    pub(crate) id: u32,
    pub(crate) bytes: Vec<u8>,
    pub(crate) reserved: u32,
    pub(crate) offset: Option<u64>,
    pub(crate) length: Option<u64>,
    pub(crate) checksum: Option<u64>,
}

/// A file in the making.
#[derive(Debug, Clone)]
pub(crate) struct Image {
    pub(crate) magic: [u8; 8],
    pub(crate) version: u32,
    pub(crate) n_sections: Option<u32>,
    pub(crate) total_len: Option<u64>,
    pub(crate) required_features: u64,
    pub(crate) reserved: [u8; 16],
    pub(crate) checksum: Option<u64>,
    pub(crate) sections: Vec<Section>,
    /// Value of every byte between sections.
    pub(crate) gap: u8,
    /// Bytes after TENSORS.
    pub(crate) trailing: usize,
}

/// Bytes at a multiple of 64, or a little off it.
#[derive(Debug)]
pub(crate) struct Bytes {
    memory: Vec<u8>,
    start: usize,
}

impl Bytes {
    pub(crate) fn new(bytes: &[u8], misalignment: usize) -> Self {
        let mut memory = vec![0; bytes.len() + 128];
        let start = memory.as_ptr().align_offset(64) + misalignment;
        memory[start..start + bytes.len()].copy_from_slice(bytes);
        memory.truncate(start + bytes.len());
        Self { memory, start }
    }

    pub(crate) fn get(&self) -> &[u8] {
        &self.memory[self.start..]
    }

    pub(crate) fn flip(&mut self, index: usize, mask: u8) {
        self.memory[self.start + index] ^= mask;
    }
}

impl Image {
    /// One layer, grouped queries, sub-norms, a tied f32 embedding and a self-test.
    pub(crate) fn tiny() -> Self {
        Self::with_table(&[(1, GLOBAL, F32, VOCAB_SIZE, DIM)])
    }

    /// The same with its embedding in two planes: tensors 0 to 3.
    pub(crate) fn tiny_split() -> Self {
        Self::with_table(&[
            (1, GLOBAL, I8_SPLIT, VOCAB_SIZE, DIM),
            (2, GLOBAL, F32, 1, VOCAB_SIZE),
            (7, GLOBAL, F32, 1, VOCAB_SIZE),
            (8, GLOBAL, I8_LOW, VOCAB_SIZE, DIM),
        ])
    }

    fn with_table(table: &[(u16, u16, u16, u32, u32)]) -> Self {
        let (directory, tensors) = tensors(table);
        let section = |id, bytes| Section { id, bytes, ..Section::default() };
        let mut image = Self {
            magic: *b"TERNLET\0",
            version: 1,
            n_sections: None,
            total_len: None,
            required_features: 0,
            reserved: [0; 16],
            checksum: None,
            sections: vec![
                section(CONFIG, config()),
                section(SELF_TEST, words(&[2, 0, 0x0123_4567, 0x89ab_cdef, 3, 9])),
                section(DIRECTORY, directory),
                section(CHUNK_CHECKSUMS, Vec::new()),
                section(TENSORS, tensors),
            ],
            gap: 0,
            trailing: 0,
        };
        image.seal_payload();
        image
    }

    pub(crate) fn section(&mut self, id: u32) -> &mut Section {
        self.sections.iter_mut().find(|section| section.id == id).expect("such a section")
    }

    /// Overwrites bytes of a section.
    pub(crate) fn put(&mut self, id: u32, at: usize, bytes: &[u8]) {
        self.section(id).bytes[at..at + bytes.len()].copy_from_slice(bytes);
    }

    /// Overwrites bytes of directory entry `index`.
    pub(crate) fn put_entry(&mut self, index: usize, at: usize, bytes: &[u8]) {
        self.put(DIRECTORY, index * 48 + at, bytes);
    }

    /// Where in TENSORS tensor `index` starts.
    pub(crate) fn tensor_offset(&mut self, index: usize) -> usize {
        let entry = &self.section(DIRECTORY).bytes[index * 48..][..48];
        usize::try_from(u64::from_le_bytes(entry[32..40].try_into().expect("small"))).expect("small")
    }

    /// Stores ternary tensor `index` in another layout and order, and moves what lies behind it.
    pub(crate) fn store(&mut self, index: usize, code: u16, order: u8) {
        let directory = self.section(DIRECTORY).bytes.clone();
        let payload = core::mem::take(&mut self.section(TENSORS).bytes);
        let field = |entry: &[u8], at: usize| {
            usize::try_from(u64::from_le_bytes(entry[at..at + 8].try_into().expect("small"))).expect("small")
        };
        let (mut entries, mut tensors) = (Vec::new(), Vec::new());
        for (i, entry) in directory.chunks_exact(48).enumerate() {
            let (n, k, offset, length) =
                (field(entry, 16), field(entry, 24), field(entry, 32), field(entry, 40));
            let mut bytes = payload[offset..offset + length].to_vec();
            let mut entry = entry.to_vec();
            if i == index {
                let layout = TernaryLayout::ALL[usize::from(code - I2)];
                let order = [Placement::rows(layout), Placement::columns(layout)][usize::from(order)];
                bytes = from_i2_rows(bytes.into(), n, k, order).into_owned();
                entry[4..6].copy_from_slice(&code.to_le_bytes());
                entry[6] = u8::from(order == Placement::columns(layout));
            }
            tensors.resize(tensors.len().next_multiple_of(64), 0);
            entry[32..40].copy_from_slice(&(tensors.len() as u64).to_le_bytes());
            entry[40..48].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
            tensors.extend(bytes);
            entries.extend(entry);
        }
        self.section(DIRECTORY).bytes = entries;
        self.section(TENSORS).bytes = tensors;
        self.seal_payload();
    }

    /// Makes the chunk checksums match TENSORS.
    pub(crate) fn seal_payload(&mut self) {
        let sums = self
            .section(TENSORS)
            .bytes
            .chunks(1 << 20)
            .flat_map(|chunk| checksum(chunk).to_le_bytes())
            .collect();
        self.section(CHUNK_CHECKSUMS).bytes = sums;
    }

    pub(crate) fn build(&self) -> Vec<u8> {
        let table_end = 64 + 32 * self.sections.len();
        let mut file = vec![self.gap; table_end];
        let mut table = Vec::new();
        for section in &self.sections {
            let align = if section.id == TENSORS { 4096 } else { 64 };
            file.resize(file.len().next_multiple_of(align), self.gap);
            let sum =
                if section.id == TENSORS || section.id == SYSTEM { 0 } else { checksum(&section.bytes) };
            table.extend(section.id.to_le_bytes());
            table.extend(section.reserved.to_le_bytes());
            table.extend(section.offset.unwrap_or(file.len() as u64).to_le_bytes());
            table.extend(section.length.unwrap_or(section.bytes.len() as u64).to_le_bytes());
            table.extend(section.checksum.unwrap_or(sum).to_le_bytes());
            file.extend(&section.bytes);
        }
        file.resize(file.len() + self.trailing, 0);
        let mut head = self.magic.to_vec();
        head.extend(self.version.to_le_bytes());
        head.extend(
            self.n_sections.unwrap_or(u32::try_from(self.sections.len()).expect("small")).to_le_bytes(),
        );
        head.extend(self.total_len.unwrap_or(file.len() as u64).to_le_bytes());
        head.extend(self.required_features.to_le_bytes());
        head.extend(0_u64.to_le_bytes());
        head.extend(self.reserved);
        let covered: Vec<u8> = head.iter().chain(&table).copied().collect();
        head.extend(self.checksum.unwrap_or_else(|| checksum(&covered)).to_le_bytes());
        file[..64].copy_from_slice(&head);
        file[64..table_end].copy_from_slice(&table);
        file
    }
}

fn config() -> Vec<u8> {
    let mut record = words(&[DIM, HIDDEN_DIM, 1, 2, 1, 4, VOCAB_SIZE, MAX_SEQ_LEN]);
    record.extend(1e-5_f32.to_le_bytes());
    // relu2; sub-norms, tied, with a bos id; bos 1.
    record.extend(words(&[0, 0b111, 1]));
    record.extend(10_000_f64.to_le_bytes());
    record.extend(words(&[1, 2, 0, 0, 0, 0, 0, 0, 0]));
    record.extend(1_f32.to_le_bytes());
    record.extend(words(&[0]));
    record.extend(1_f32.to_le_bytes());
    record.extend(words(&[4]));
    record.extend(b"tiny");
    record.resize(192, 0);
    record
}

/// The directory and payload.
fn tensors(table: &[(u16, u16, u16, u32, u32)]) -> (Vec<u8>, Vec<u8>) {
    let others = [
        (16, 0, F32, 1, DIM),
        (17, 0, I2, Q_DIM, DIM),
        (18, 0, I2, KV_DIM, DIM),
        (19, 0, I2, KV_DIM, DIM),
        (20, 0, F32, 1, Q_DIM),
        (21, 0, I2, DIM, Q_DIM),
        (22, 0, F32, 1, DIM),
        (23, 0, I2, HIDDEN_DIM, DIM),
        (24, 0, I2, HIDDEN_DIM, DIM),
        (25, 0, F32, 1, HIDDEN_DIM),
        (26, 0, I2, DIM, HIDDEN_DIM),
        (3, GLOBAL, F32, 1, DIM),
        (4, GLOBAL, F32, 1, HALF_HEAD_DIM),
    ];
    let (mut directory, mut payload) = (Vec::new(), Vec::new());
    for &(role, layer, layout, n, k) in table.iter().chain(&others) {
        payload.resize(payload.len().next_multiple_of(64), 0);
        let offset = payload.len() as u64;
        for row in 0..n {
            if layout == I2 {
                payload.extend(i2_row(row, k));
            } else if layout == I8_SPLIT {
                payload.extend(i8_row(row, k).0);
            } else if layout == I8_LOW {
                payload.extend(i8_row(row, k).1);
            } else if role == 7 {
                let bound = |row| i8_split::low_norm(&i8_row(row, DIM).1, DIM as usize) as f32;
                payload.extend((0..k).flat_map(|row| bound(row).to_le_bytes()));
            } else {
                payload.extend((0..k).flat_map(|column| {
                    (1.0 + f32::from(u8::try_from(row + column).expect("small"))).to_le_bytes()
                }));
            }
        }
        let scale: f32 = if layout == I2 { 0.25 } else { 1.0 };
        directory.extend([role, layer, layout, 0, 0, 0].map(u16::to_le_bytes).concat());
        directory.extend(scale.to_le_bytes());
        directory.extend(
            [u64::from(n), u64::from(k), offset, payload.len() as u64 - offset]
                .map(u64::to_le_bytes)
                .concat(),
        );
    }
    (directory, payload)
}

/// Both planes of a row.
fn i8_row(row: u32, k: u32) -> (Vec<u8>, Vec<u8>) {
    let weights: Vec<i8> = (0..k).map(|i| i8::try_from(row * 7 + i * 3).expect("small") - 40).collect();
    let (mut high, mut low) = (vec![0; 80], vec![0; 48]);
    i8_split::pack_row(&weights, &mut high, &mut low);
    (high, low)
}

/// One block: k trits in the lowest plane, zeros in the others.
fn i2_row(row: u32, k: u32) -> Vec<u8> {
    let code = |j: u32| if j < k { u8::try_from((row + j) % 3).expect("small") } else { 1 };
    (0..16).map(|j| 0b0001_0100 | code(j)).collect()
}

fn words(values: &[u32]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}
