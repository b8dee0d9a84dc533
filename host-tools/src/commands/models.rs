//! `ternlet models`: which models of the hub can be packed, and what each needs

use std::fmt::Write as _;

use clap::Args;
use serde::Serialize;
use ternlet::footprint::{Footprint, USUAL_CONTEXT, parameters};
use ternlet::known_models::{KNOWN_MODELS, KnownModel};
use ternlet::pack::HeadForm;
use ternlet_runtime::KvType;
use ternlet_runtime::format::Layout;

use crate::error::Error;
use crate::output::out;

/// Flags of `models`.
#[derive(Debug, Args)]
pub(crate) struct ModelsArgs {
    /// For programs
    #[arg(long)]
    json: bool,
}

/// One model, field for field as JSON has it. What is not known is null.
#[derive(Debug, Serialize)]
struct Row {
    source: String,
    licence: &'static str,
    parameters: Option<u64>,
    ternary_parameters: Option<u64>,
    max_seq_len: Option<u32>,
    download_bytes: Option<u64>,
    packed_bytes: Option<u64>,
    memory_bytes: Option<u64>,
    packed_int8_head_bytes: Option<u64>,
    memory_int8_head_bytes: Option<u64>,
    memory_context: Option<u32>,
    memory_kv: &'static str,
}

/// Runs the command.
pub(crate) fn run(args: &ModelsArgs) -> Result<(), Error> {
    let listed = || {
        let rows = KNOWN_MODELS.iter().map(Row::new).collect::<Result<Vec<_>, _>>()?;
        if args.json {
            let json = serde_json::to_string_pretty(&rows).map_err(|e| Error::new("--json", e))?;
            return out(format_args!("{json}\n"));
        }
        out(format_args!("{}", table(&rows)))
    };
    listed().map_err(|e| e.during("models"))
}

impl Row {
    fn new(model: &KnownModel) -> Result<Self, Error> {
        let config = model.config();
        let footprint = |head, layout| match (&config, layout) {
            (Some(config), Some(layout)) => Footprint::new(config, layout, head).map(Some),
            _ => Ok(None),
        };
        let stored = model.table_layout();
        // The one table of a tied model is the head: in int8 its length is known whatever was published.
        let is_one_table =
            config.as_ref().is_some_and(|config| config.tied_embedding && config.pooling.is_none());
        let source = footprint(HeadForm::Source, stored)?;
        let int8 = footprint(HeadForm::Int8, stored.or(is_one_table.then_some(Layout::I8)))?;
        let counts = config.as_ref().map(parameters);
        Ok(Self {
            source: format!("hf:{}", model.hub_name),
            licence: model.licence,
            parameters: counts.map(|(all, _)| all),
            ternary_parameters: counts.map(|(_, ternary)| ternary),
            max_seq_len: config.as_ref().map(|config| config.max_seq_len),
            download_bytes: model.download_bytes(),
            packed_bytes: source.map(|footprint| footprint.file_bytes),
            memory_bytes: source.map(|footprint| footprint.memory_bytes),
            packed_int8_head_bytes: int8.map(|footprint| footprint.file_bytes),
            memory_int8_head_bytes: int8.map(|footprint| footprint.memory_bytes),
            memory_context: config.as_ref().map(|config| USUAL_CONTEXT.min(config.max_seq_len)),
            memory_kv: KvType::F16.name(),
        })
    }
}

/// The list for people.
fn table(rows: &[Row]) -> String {
    let mut text = format!(
        "{:<44}{:>8}{:>10}{:>10}{:>10}{:>10}  {}\n",
        "source", "weights", "download", "packed", "memory", "int8 head", "licence"
    );
    for row in rows {
        let giga = |n: Option<u64>, unit: &str| {
            n.map_or_else(|| "?".into(), |n| format!("{} {unit}", hundredths(n)))
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            text,
            "{:<44}{:>8}{:>10}{:>10}{:>10}{:>10}  {}",
            row.source,
            giga(row.parameters, "B"),
            giga(row.download_bytes, "GB"),
            giga(row.packed_bytes, "GB"),
            giga(row.memory_bytes, "GB"),
            giga(row.memory_int8_head_bytes, "GB"),
            row.licence
        );
    }
    let _ = write!(
        text,
        "\nmemory: the packed file and a session of {USUAL_CONTEXT} tokens with a KV cache of {}; int8 head: memory when\n\
        packed with --head int8. Sizes follow from the models' shapes, without tokenizers; ?: not known here. None of\n\
        these weights was run by this program's tests: small models of the same forms are compared with transformers.\n\
        To pack one: ternlet pack {} -o model.tern\n",
        KvType::F16.name(),
        rows[0].source
    );
    text
}

/// Billions with two digits after the point, rounded to the nearest.
fn hundredths(n: u64) -> String {
    let rounded = (n + 5_000_000) / 10_000_000;
    format!("{}.{:02}", rounded / 100, rounded % 100)
}
