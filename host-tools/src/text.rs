//! Text to ids for commands that work on plain prompts

use ternlet_runtime::tokenizer::nfc;
use ternlet_runtime::{Model, Specials, Tokenizer};

use crate::error::Error;

/// The ids of `prompt` as a model expects its input: with the tokenizer's own prefix, or else with
/// the config's start token in front, unless the text starts with it.
pub(crate) fn encode_prompt(name: &str, model: &Model<'_>, prompt: &str) -> Result<Vec<u32>, Error> {
    let tokenizer = tokenizer_of(name, model)?;
    let mut ids: Vec<u32> = tokenizer.prefix_ids().collect();
    let text = encode(&tokenizer, prompt, Specials::Recognise)?;
    if let (true, Some(bos)) = (ids.is_empty(), model.config().bos_token_id)
        && text.first() != Some(&bos)
    {
        ids.push(bos);
    }
    ids.extend(text);
    if ids.is_empty() {
        return Err(Error::new("--prompt", "expected some text, found none"));
    }
    Ok(ids)
}

/// The tokenizer of the model called `name`.
pub(crate) fn tokenizer_of<'a>(name: &str, model: &Model<'a>) -> Result<Tokenizer<'a>, Error> {
    model.tokenizer().ok_or_else(|| {
        let on_ids = match model.config().pooling {
            None => "ternlet logits --ids-file",
            Some(_) => "ternlet embed --ids-file",
        };
        Error::new(name, "expected a tokenizer in the model file, found none")
            .hint(format!("pack with tokenizer.json beside the weights, or use `{on_ids}`"))
    })
}

/// The ids of `text` alone.
pub(crate) fn encode(tokenizer: &Tokenizer<'_>, text: &str, specials: Specials) -> Result<Vec<u32>, Error> {
    let mut scratch = vec![0; Tokenizer::scratch_len(nfc::MAX_EXPANSION * text.len())];
    let mut ids = Vec::new();
    tokenizer
        .encode(text, specials, &mut scratch, &mut |id| {
            ids.push(id);
            Ok(())
        })
        .map_err(|e| Error::new("text", e))?;
    Ok(ids)
}
