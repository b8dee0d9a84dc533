//! Reading token ids, and what makes a list of them fit for a model

use std::path::Path;

use ternlet_runtime::Model;

use crate::error::Error;
use crate::open::with_model;

/// What a command asks of its list of ids.
#[derive(Debug, Clone, Copy)]
pub(crate) struct IdsNeeded {
    /// Fewest ids that make sense.
    pub(crate) min: usize,
    /// Tokens that will be generated behind them.
    pub(crate) n_more: u32,
}

/// The ids of a JSON array such as `[1, 15043, 29889]`, all of them fit for the model at `model_path`.
pub(crate) fn read_ids(path: &Path, model_path: &Path, needed: IdsNeeded) -> Result<Vec<u32>, Error> {
    let refuse = |problem: String| Error::new(path.display(), problem);
    let text = std::fs::read(path)
        .map_err(|e| refuse(format!("expected a JSON array of token ids, found no readable file: {e}")))?;
    let ids: Vec<u32> = serde_json::from_slice(&text).map_err(|e| {
        refuse(format!("expected a JSON array of token ids, found: {e}"))
            .hint("the file looks like: [1, 15043, 29889]")
    })?;
    with_model(Some(model_path), |model| check(path, &ids, needed, &model))?;
    Ok(ids)
}

/// Checks the count, the values and the room, before anything runs or is written.
fn check(path: &Path, ids: &[u32], needed: IdsNeeded, model: &Model<'_>) -> Result<(), Error> {
    let refuse = |problem: String| Err(Error::new(path.display(), problem));
    let config = model.config();
    let (n, min, n_more) = (ids.len(), needed.min, needed.n_more);
    if n < min {
        let noun = if min == 1 { "id" } else { "ids" };
        return refuse(format!("expected at least {min} {noun}, found {n}"));
    }
    if let Some((index, id)) = ids.iter().enumerate().find(|(_, id)| **id >= config.vocab_size) {
        let vocab_size = config.vocab_size;
        return refuse(format!(
            "expected ids below {vocab_size}, the vocabulary, found {id} at index {index}"
        ))
        .map_err(|e| e.hint("were they made with another model's tokenizer? see: ternlet tokenize --help"));
    }
    let max = config.max_seq_len;
    if n as u64 + u64::from(n_more) <= u64::from(max) {
        return Ok(());
    }
    let and_more = if n_more > 0 { format!(" and {n_more} to generate") } else { String::new() };
    refuse(format!("expected at most {max} ids, the model's longest context, found {n}{and_more}"))
        .map_err(|e| e.hint("shorten the list, or lower --greedy where there is one"))
}
