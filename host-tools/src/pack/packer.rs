//! Drives a source into a model file

use std::fs;
use std::path::Path;

use ternlet_runtime::Config;
use ternlet_runtime::format::{CHUNK_BYTES, ExpectedTensor, Layout, Role, Schedule, TableForm, TensorKind};

use super::i8_table::{Derived, I8Rows};
use super::layouts::{Layouts, Target};
use super::self_test;
use super::source::Source;
use super::system::SystemHead;
use super::ternary_ahead::{TernaryAhead, with_ternary_ahead};
use super::writer::{self, Front, ModelWriter};
use crate::error::Error;
use crate::output_file::OutputFile;

/// How the output head is stored (and the embedding, where the two are one). An embedding model has no head.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadForm {
    /// As the source has it: the exact one.
    Source,
    /// One byte a weight and one scale a row: half of bf16's bytes, with a measured loss. In two planes, of which choosing
    /// a token reads the first and few rows of the second.
    Int8,
    /// The same bytes in one plane: less work where every token needs all logits.
    Int8Whole,
}

impl HeadForm {
    /// How the table `role` is stored.
    fn of_table(self, config: &Config, role: Role) -> TableForm {
        let embedding_is_head = config.tied_embedding && config.pooling.is_none();
        let is_head = role == Role::LmHead || (role == Role::TokenEmbedding && embedding_is_head);
        match self {
            Self::Int8 if is_head => TableForm::I8Split,
            Self::Int8Whole if is_head => TableForm::I8,
            _ => TableForm::Float,
        }
    }

    /// The tensors of a model of `config`.
    fn schedule(self, config: &Config) -> Schedule {
        let form = |role| self.of_table(config, role);
        Schedule::new(config, form(Role::TokenEmbedding), form(Role::LmHead))
    }
}

/// Length of the file of a model of `config`, packed for any machine, whose tables come in the layout `stored`, without
/// a tokenizer and a chat template.
///
/// # Errors
/// A model of 2^63 bytes or more.
pub fn file_bytes(config: &Config, stored: Layout, head: HeadForm) -> Result<u64, Error> {
    let front = Front {
        config: config.clone(),
        tokenizer: None,
        chat_template: None,
        self_test_ids: self_test::ids(config),
        system: None,
    };
    let layouts = Layouts::for_target(Target::Any, config.hidden_act);
    let layout = |tensor: &ExpectedTensor| table_layout(head.of_table(config, tensor.role), stored);
    writer::file_bytes(&front, &head.schedule(config), &layouts, layout)
}

/// The layout of a table of `form` that comes in the layout `stored`.
const fn table_layout(form: TableForm, stored: Layout) -> Layout {
    match form {
        TableForm::Float => stored,
        TableForm::I8 => Layout::I8,
        TableForm::I8Split => Layout::I8Split,
    }
}

/// What to pack and how.
#[derive(Debug)]
pub struct PackRequest<'a> {
    /// The weights.
    pub source: &'a dyn Source,
    /// A TOKENIZER section, if there is a tokenizer.
    pub tokenizer: Option<Vec<u8>>,
    /// A CHAT_TEMPLATE section, if there is a template.
    pub chat_template: Option<Vec<u8>>,
    /// A system message to prefill, if there is a template that has a place for it.
    pub system: Option<&'a str>,
    /// How the head is stored.
    pub head: HeadForm,
    /// How the ternary matrices are stored.
    pub layouts: Layouts,
    /// The file to write; replaced if it exists, untouched if packing fails.
    pub target: &'a Path,
}

impl<'a> PackRequest<'a> {
    /// The weights of `source` alone, to be run on ids, in the layouts for any machine.
    #[must_use]
    pub fn weights(source: &'a dyn Source, head: HeadForm, target: &'a Path) -> Self {
        let layouts = Layouts::for_target(Target::Any, source.config().hidden_act);
        Self { source, tokenizer: None, chat_template: None, system: None, head, layouts, target }
    }
}

/// Writes the model file and returns its length in bytes. `progress` hears payload bytes done and to do.
///
/// # Errors
/// Weights that cannot be packed, logits that are not finite, or a file that cannot be written. The target then is as
/// it was before.
pub fn pack(request: PackRequest<'_>, progress: &dyn Fn(u64, u64)) -> Result<u64, Error> {
    let source = request.source;
    let config = source.config();
    let as_stored = Schedule::of_floats(config);
    let form = |role| request.head.of_table(config, role);
    for tensor in as_stored.iter().filter(|tensor| tensor.kind == TensorKind::Table) {
        source.table_layout(&tensor)?;
    }
    let layout = |tensor: &ExpectedTensor| {
        table_layout(form(tensor.role), source.table_layout(tensor).unwrap_or(Layout::F32))
    };
    let schedule = request.head.schedule(config);
    let output = OutputFile::create(request.target)?;
    let system = match request.system {
        Some(text) => Some(SystemHead::new(config, &request.tokenizer, &request.chat_template, text)?),
        None => None,
    };
    let front = Front {
        config: config.clone(),
        tokenizer: request.tokenizer,
        chat_template: request.chat_template,
        self_test_ids: self_test::ids(config),
        system: system.clone(),
    };
    let mut writer = ModelWriter::new(&output, front, &schedule, &request.layouts, layout)?;
    let ternary: Vec<ExpectedTensor> =
        schedule.iter().filter(|tensor| tensor.kind == TensorKind::Ternary).collect();
    with_ternary_ahead(source, &ternary, &request.layouts, |ahead| {
        write_payload(&mut writer, source, &schedule, form, ahead, progress)
    })?;
    // The file gets its front when all is known: until then it is no model, whatever ends this process.
    let trial = writer.front(0)?;
    if let (Some(system), Some(entry)) = (&system, writer.system_entry()) {
        system.write(&output, &entry, &trial)?;
    }
    let logits_hash = self_test::logits_hash(output.path(), &trial)?;
    let front = writer.front(logits_hash)?;
    writer.finish(&front)?;
    output.publish()?;
    fs::metadata(request.target).map(|file| file.len()).map_err(|e| Error::new(request.target.display(), e))
}

/// Writes every tensor in order.
fn write_payload(
    writer: &mut ModelWriter<'_>,
    source: &dyn Source,
    schedule: &Schedule,
    form: impl Fn(Role) -> TableForm,
    mut ahead: TernaryAhead,
    progress: &dyn Fn(u64, u64),
) -> Result<(), Error> {
    let total = writer.payload_bytes();
    let mut derived = Derived::default();
    for tensor in schedule.iter() {
        match tensor.kind {
            TensorKind::Ternary => {
                let matrix = ahead.next()?;
                writer.begin(matrix.scale)?;
                for bytes in matrix.bytes.chunks(CHUNK_BYTES) {
                    writer.write(bytes)?;
                    progress(writer.position(), total);
                }
            }
            TensorKind::Table if form(tensor.role) != TableForm::Float => {
                let mut rows = I8Rows::new(source.table_layout(&tensor)?, form(tensor.role));
                writer.begin(1.0)?;
                source.table_rows(&tensor, &mut |row| {
                    progress(writer.position(), total);
                    writer.write(rows.quantise(row))
                })?;
                derived = rows.into_derived();
                source.release(&tensor);
            }
            TensorKind::Table => {
                writer.begin(1.0)?;
                source.table_rows(&tensor, &mut |row| {
                    progress(writer.position(), total);
                    writer.write(row)
                })?;
                source.release(&tensor);
            }
            TensorKind::LowPlane => {
                writer.begin(1.0)?;
                for bytes in std::mem::take(&mut derived.low).chunks(CHUNK_BYTES) {
                    writer.write(bytes)?;
                    progress(writer.position(), total);
                }
            }
            TensorKind::Vector => {
                let values = match tensor.role {
                    Role::TokenEmbeddingScale | Role::LmHeadScale => std::mem::take(&mut derived.scales),
                    Role::TokenEmbeddingBound | Role::LmHeadBound => std::mem::take(&mut derived.bounds),
                    _ => source.vector(&tensor)?,
                };
                writer.begin(1.0)?;
                let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
                writer.write(&bytes)?;
            }
        }
    }
    progress(total, total);
    Ok(())
}
