//! From a packed model to a packed model in other layouts, without the checkpoint
//!
//! Every trit, scale, vector and table, the tokenizer, the chat template, the system message and the self-test stay what
//! they are; only how ternary matrices lie changes. The file that comes out has run the self-test of the one that went in.

use std::fs;
use std::path::Path;

use ternlet_runtime::Model;
use ternlet_runtime::format::{CHUNK_BYTES, Layout, Role, Schedule, TableForm};

use super::convert::{from_i2_rows, i2_rows};
use super::layouts::Layouts;
use super::self_test;
use super::system::SystemHead;
use super::writer::{Front, ModelWriter};
use crate::error::Error;
use crate::output_file::OutputFile;

/// Writes `model` in `layouts` to `target` and returns the file's length in bytes. `source` is what errors call the
/// model's file; `progress` hears payload bytes done and to do.
///
/// # Errors
/// A model whose payload is damaged, a self-test that gives another hash, or a file that cannot be written. The target
/// then is as it was before.
pub fn repack(
    model: &Model<'_>,
    source: &str,
    layouts: &Layouts,
    target: &Path,
    progress: &dyn Fn(u64, u64),
) -> Result<u64, Error> {
    let damaged = |e| Error::new(source, e).hint("the file is damaged: copy it or pack it again");
    model.verify_payload().map_err(damaged)?;
    let config = model.config();
    let form = |role| {
        let table = model.tensors().find(|entry| entry.role == role);
        table.map_or(TableForm::Float, |entry| TableForm::of(entry.layout))
    };
    let schedule = Schedule::new(config, form(Role::TokenEmbedding), form(Role::LmHead));
    let self_test = model.self_test();
    let tokenizer = model.tokenizer_bytes().map(<[u8]>::to_vec);
    let chat_template = model.chat_template_bytes().map(<[u8]>::to_vec);
    // The keys and values behind a system message are computed once more: the same bits, as every result is.
    let system = match model.system() {
        Some(system) => Some(SystemHead::new(config, &tokenizer, &chat_template, system.text)?),
        None => None,
    };
    let front = Front {
        config: config.clone(),
        tokenizer,
        chat_template,
        self_test_ids: self_test.map_or_else(Vec::new, |test| test.ids.to_vec()),
        system: system.clone(),
    };
    let output = OutputFile::create(target)?;
    let table_layout = |role| model.tensors().find(|entry| entry.role == role).map(|entry| entry.layout);
    let mut writer = ModelWriter::new(&output, front, &schedule, layouts, |tensor| {
        // The schedule is that of the model, so there is one.
        table_layout(tensor.role).unwrap_or(Layout::F32)
    })?;
    let total = writer.payload_bytes();
    for (index, entry) in (0..).zip(model.tensors()) {
        // A checksum says that bytes are as they were written, not that a packer wrote them.
        model.verify_tensor(index).map_err(damaged)?;
        writer.begin(entry.scale)?;
        let (_, stored) = model.tensor(index);
        let bytes = if entry.layout.is_ternary() {
            let w = model.ternary(index);
            match layouts.of(entry.role, config.hidden_act) {
                placement if placement.stored() == (entry.layout, entry.order) => stored.into(),
                placement => from_i2_rows(i2_rows(&w), w.n, w.k, placement),
            }
        } else {
            stored.into()
        };
        for bytes in bytes.chunks(CHUNK_BYTES) {
            writer.write(bytes)?;
            progress(writer.position(), total);
        }
    }
    let expected = self_test.map_or(0, |test| test.logits_hash);
    let front = writer.front(expected)?;
    if let (Some(system), Some(entry)) = (&system, writer.system_entry()) {
        system.write(&output, &entry, &front)?;
    }
    if self_test.is_some() {
        let found = self_test::logits_hash(output.path(), &front)?;
        if found != expected {
            let problem =
                format!("expected the hash {expected:016x} that the packer stored, found {found:016x}");
            return Err(Error::new("self-test", problem).hint(
                "check the input with: ternlet selftest FILE; if it passes, this is a bug: please report it",
            ));
        }
    }
    writer.finish(&front)?;
    output.publish()?;
    fs::metadata(target).map(|file| file.len()).map_err(|e| Error::new(target.display(), e))
}
