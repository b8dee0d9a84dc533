//! What makes a checkpoint of the BitNet Embedding kind give the vector that its authors meant
//!
//! `modules.json` lists what a text passes through, in the convention of sentence-transformers: the transformer, a
//! pooling whose folder says which token counts, a normalisation. Any other chain computes another vector and is
//! refused. Source: microsoft/BitNet, `docs/bitnet-embeddings-i2s-guide.md` sections 1 to 3.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::error::Error;
use crate::import::json_fields::JsonFields;

/// The list of modules.
pub(super) const MODULES: &str = "modules.json";
/// The one mode of pooling that these models were trained with.
const LAST_TOKEN: &str = "lasttoken";

/// Checks that the checkpoint in `directory` is pooled at its last token and that nothing follows but the normalisation.
pub(super) fn check_modules(directory: &Path) -> Result<(), Error> {
    let path = directory.join(MODULES);
    let refuse = |problem: String| Error::new(path.display(), problem);
    let hint = "it belongs to the checkpoint, with 1_Pooling/config.json; it says which token an embedding is read at";
    let text =
        fs::read(&path).map_err(|e| refuse(format!("expected a readable file, found: {e}")).hint(hint))?;
    let modules: Vec<Value> = serde_json::from_slice(&text)
        .map_err(|e| refuse(format!("expected a JSON list of modules, found: {e}")).hint(hint))?;
    let mut is_pooled = false;
    for module in &modules {
        let kind = module["type"].as_str().unwrap_or("no type");
        match kind.rsplit('.').next() {
            Some("Transformer" | "Normalize") => {}
            Some("Pooling") => {
                let folder = module["path"].as_str().unwrap_or_default();
                check_pooling(&JsonFields::read(&directory.join(folder).join("config.json"))?)?;
                is_pooled = true;
            }
            _ => {
                return Err(refuse(format!("expected Transformer, Pooling and Normalize, found {kind}"))
                    .hint("the checkpoint computes something that this version would leave out"));
            }
        }
    }
    match is_pooled {
        true => Ok(()),
        false => Err(refuse("expected a Pooling among the modules, found none".into()).hint(hint)),
    }
}

/// Both spellings: a switch for each mode, or the mode's name.
fn check_pooling(json: &JsonFields) -> Result<(), Error> {
    const PREFIX: &str = "pooling_mode";
    let mut modes: Vec<&str> = json.string(PREFIX)?.into_iter().collect();
    for (key, value) in json.iter() {
        if let Some(mode) = key.strip_prefix("pooling_mode_").filter(|_| value == &Value::Bool(true)) {
            modes.push(mode);
        }
    }
    match modes.iter().all(|&mode| mode == LAST_TOKEN) && !modes.is_empty() {
        true => Ok(()),
        false => {
            let found = if modes.is_empty() { "none".into() } else { modes.join(", ") };
            Err(json
                .error(PREFIX, format!("expected {LAST_TOKEN} alone, found {found}"))
                .hint("only pooling at the last token is supported by this version"))
        }
    }
}

/// Every layer sees the whole text.
pub(super) fn refuse_windows(json: &JsonFields) -> Result<(), Error> {
    let hint = "attention over a sliding window is not supported by this version";
    if json.bool_or("use_sliding_window", false)? {
        return Err(json.error("use_sliding_window", "expected false, found true").hint(hint));
    }
    let kinds = json.get("layer_types").and_then(Value::as_array);
    match kinds.into_iter().flatten().find(|kind| *kind != "full_attention") {
        None => Ok(()),
        Some(kind) => Err(json
            .error("layer_types", format!("expected full_attention throughout, found {kind}"))
            .hint(hint)),
    }
}
