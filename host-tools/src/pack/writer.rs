//! Lays a model file down in one pass over the payload
//!
//! All lengths follow from the config, so the payload's place is known before the first weight: tensors stream to it, and
//! what stands before them (tables with scales and checksums) is written last.

use std::io::{self, Seek as _, SeekFrom, Write as _};

use ternlet_runtime::checksum;
use ternlet_runtime::format::{
    CHUNK_BYTES, CONFIG_RECORD_BYTES, ENTRY_BYTES, ExpectedTensor, Header, Layout, Order,
    SELF_TEST_HEAD_BYTES, Schedule, SectionEntry, SectionId, TensorEntry, TensorKind, align_up,
    encode_config, encode_self_test_head, n_chunks, section_table_end,
};

use super::layouts::Layouts;
use super::system::SystemHead;
use crate::error::Error;
use crate::output_file::OutputFile;

/// The sections before the tensor tables.
#[derive(Debug, Clone)]
pub(super) struct Front {
    pub(super) config: ternlet_runtime::Config,
    pub(super) tokenizer: Option<Vec<u8>>,
    pub(super) chat_template: Option<Vec<u8>>,
    pub(super) self_test_ids: Vec<u32>,
    pub(super) system: Option<SystemHead>,
}

/// A model file being written.
#[derive(Debug)]
pub(super) struct ModelWriter<'a> {
    output: &'a OutputFile,
    front: Front,
    entries: Vec<TensorEntry>,
    /// Where each section lies; checksums are filled in at the end.
    sections: Vec<SectionEntry>,
    next: usize,
    /// Payload bytes written, buffered ones included.
    position: u64,
    buffer: Vec<u8>,
    sums: Vec<u64>,
}

impl<'a> ModelWriter<'a> {
    /// Places every section and tensor; `layouts` those of ternary matrices, `table_layout` of the embedding and head.
    pub(super) fn new(
        output: &'a OutputFile,
        front: Front,
        schedule: &Schedule,
        layouts: &Layouts,
        table_layout: impl Fn(&ExpectedTensor) -> Layout,
    ) -> Result<Self, Error> {
        let (entries, sections) = place(&front, schedule, layouts, table_layout)?;
        let tensors_offset = tensors_of(&sections).offset;
        output.file().seek(SeekFrom::Start(tensors_offset)).map_err(|e| output.error(&e))?;
        let buffer = Vec::with_capacity(CHUNK_BYTES);
        Ok(Self { output, front, entries, sections, next: 0, position: 0, buffer, sums: Vec::new() })
    }

    /// Length of the payload in bytes.
    pub(super) fn payload_bytes(&self) -> u64 {
        self.entries.last().map_or(0, |last| last.offset + last.length)
    }

    /// Payload bytes written so far.
    pub(super) const fn position(&self) -> u64 {
        self.position
    }

    /// Starts the next tensor of the schedule; `scale` is 1 for all but ternary ones.
    pub(super) fn begin(&mut self, scale: f32) -> Result<(), Error> {
        let entry = &mut self.entries[self.next];
        entry.scale = scale;
        let padding = usize::try_from(entry.offset - self.position).expect("less than the alignment");
        self.next += 1;
        self.write(&[0; ternlet_runtime::format::ALIGN][..padding])
    }

    /// Appends to the tensor.
    pub(super) fn write(&mut self, mut bytes: &[u8]) -> Result<(), Error> {
        self.position += bytes.len() as u64;
        while !bytes.is_empty() {
            let (now, later) = bytes.split_at(bytes.len().min(CHUNK_BYTES - self.buffer.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() == CHUNK_BYTES {
                self.flush_chunk()?;
            }
        }
        Ok(())
    }

    /// Ends the payload and returns what stands before it, with `logits_hash` in the self-test.
    ///
    /// # Panics
    /// If tensors are missing or of another length than placed: a bug of the packer.
    pub(super) fn front(&mut self, logits_hash: u64) -> Result<Vec<u8>, Error> {
        assert_eq!(
            (self.next, self.position),
            (self.entries.len(), self.payload_bytes()),
            "tensors, payload bytes"
        );
        if !self.buffer.is_empty() {
            self.flush_chunk()?;
        }
        Ok(self.encode_front(logits_hash))
    }

    /// Writes `front`; until then the file is no model.
    pub(super) fn finish(self, front: &[u8]) -> Result<(), Error> {
        let write = || -> io::Result<()> {
            let mut file = self.output.file();
            file.seek(SeekFrom::Start(0))?;
            file.write_all(front)
        };
        write().map_err(|e| self.output.error(&e))
    }

    /// Where the SYSTEM section lies, if there is to be one.
    pub(super) fn system_entry(&self) -> Option<SectionEntry> {
        self.sections.iter().find(|section| section.id == SectionId::System).copied()
    }

    fn flush_chunk(&mut self) -> Result<(), Error> {
        self.sums.push(checksum(&self.buffer));
        self.output.file().write_all(&self.buffer).map_err(|e| self.output.error(&e))?;
        self.buffer.clear();
        Ok(())
    }

    /// Header, table and all sections before TENSORS, with their padding.
    fn encode_front(&self, logits_hash: u64) -> Vec<u8> {
        let mut sections = self.sections.clone();
        let table_end = section_table_end(u32::try_from(sections.len()).expect("at most 8"));
        let mut bytes = vec![0; table_end];
        for section in &mut sections {
            if section.id == SectionId::System {
                continue;
            }
            bytes.resize(usize::try_from(section.offset).expect("tables fit in memory"), 0);
            if section.id == SectionId::Tensors {
                continue;
            }
            let contents = self.section(section.id, logits_hash);
            section.checksum = checksum(&contents);
            bytes.extend(contents);
        }
        let table: Vec<u8> = sections.iter().flat_map(SectionEntry::encode).collect();
        let last = sections.last().expect("TENSORS is always there");
        let header = Header {
            n_sections: u32::try_from(sections.len()).expect("at most 8"),
            total_len: last.offset + last.length,
            required_features: 0,
            optional_features: 0,
            checksum: 0,
        };
        let head = header.encode(&table);
        bytes[..head.len()].copy_from_slice(&head);
        bytes[head.len()..table_end].copy_from_slice(&table);
        bytes
    }

    fn section(&self, id: SectionId, logits_hash: u64) -> Vec<u8> {
        let front = &self.front;
        match id {
            SectionId::Config => encode_config(&front.config).to_vec(),
            SectionId::Tokenizer => front.tokenizer.clone().unwrap_or_default(),
            SectionId::ChatTemplate => front.chat_template.clone().unwrap_or_default(),
            SectionId::SelfTest => {
                let n_ids = u32::try_from(front.self_test_ids.len()).expect("at most 1024");
                let head = encode_self_test_head(n_ids, logits_hash);
                head.into_iter().chain(front.self_test_ids.iter().flat_map(|id| id.to_le_bytes())).collect()
            }
            SectionId::Directory => self.entries.iter().flat_map(TensorEntry::encode).collect(),
            SectionId::ChunkChecksums => self.sums.iter().flat_map(|sum| sum.to_le_bytes()).collect(),
            SectionId::Tensors | SectionId::System => Vec::new(),
        }
    }
}

/// The TENSORS entry of a placed table.
fn tensors_of(sections: &[SectionEntry]) -> SectionEntry {
    *sections.iter().find(|section| section.id == SectionId::Tensors).expect("TENSORS is always there")
}

/// Length of the file that a [`ModelWriter`] of the same arguments writes.
pub(super) fn file_bytes(
    front: &Front,
    schedule: &Schedule,
    layouts: &Layouts,
    table_layout: impl Fn(&ExpectedTensor) -> Layout,
) -> Result<u64, Error> {
    let (_, sections) = place(front, schedule, layouts, table_layout)?;
    Ok(sections.last().map_or(0, |tensors| tensors.offset + tensors.length))
}

/// Places every section and tensor; checksums and scales are yet to come.
fn place(
    front: &Front,
    schedule: &Schedule,
    layouts: &Layouts,
    table_layout: impl Fn(&ExpectedTensor) -> Layout,
) -> Result<(Vec<TensorEntry>, Vec<SectionEntry>), Error> {
    let too_large = || Error::new("model", "expected less than 2^63 bytes, found more");
    let mut entries = Vec::new();
    let mut end = 0;
    for tensor in schedule.iter() {
        let (layout, order) = match tensor.kind {
            TensorKind::Ternary => layouts.of(tensor.role, front.config.hidden_act).stored(),
            TensorKind::Vector => (Layout::F32, Order::RowMajor),
            TensorKind::Table => (table_layout(&tensor), Order::RowMajor),
            TensorKind::LowPlane => (Layout::I8Low, Order::RowMajor),
        };
        let entry = TensorEntry::place(&tensor, layout, order, 1.0, end).ok_or_else(too_large)?;
        end = entry.offset + entry.length;
        entries.push(entry);
    }
    let sections = place_sections(front, entries.len(), end).ok_or_else(too_large)?;
    Ok((entries, sections))
}

/// The section table, without checksums, for a payload of `payload_bytes`.
fn place_sections(front: &Front, n_tensors: usize, payload_bytes: u64) -> Option<Vec<SectionEntry>> {
    let optional = |section: &Option<Vec<u8>>| section.as_ref().map(|bytes| bytes.len() as u64);
    let ids = front.self_test_ids.len();
    let lengths = [
        (SectionId::Config, Some(CONFIG_RECORD_BYTES as u64)),
        (SectionId::Tokenizer, optional(&front.tokenizer)),
        (SectionId::ChatTemplate, optional(&front.chat_template)),
        (SectionId::SelfTest, (ids > 0).then_some((SELF_TEST_HEAD_BYTES + ids * 4) as u64)),
        (SectionId::Directory, Some((n_tensors * ENTRY_BYTES) as u64)),
        (SectionId::ChunkChecksums, Some(n_chunks(payload_bytes) * 8)),
        (SectionId::Tensors, Some(payload_bytes)),
        (SectionId::System, front.system.as_ref().map(|system| system.section_bytes(&front.config))),
    ];
    let present: Vec<(SectionId, u64)> =
        lengths.into_iter().filter_map(|(id, length)| Some((id, length?))).collect();
    let mut end = section_table_end(u32::try_from(present.len()).ok()?) as u64;
    let mut table = Vec::new();
    for (id, length) in present {
        let offset = align_up(end, id.align())?;
        table.push(SectionEntry { id, offset, length, checksum: 0 });
        end = offset.checked_add(length)?;
    }
    Some(table)
}
