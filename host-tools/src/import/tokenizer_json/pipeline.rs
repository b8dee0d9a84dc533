//! What stands around the model: normalizer, pre-tokenizer, post-processor, decoder

use serde_json::Value;
use ternlet_runtime::tokenizer::layout::Normaliser;
use ternlet_runtime::tokenizer::split::Split;

/// The expressions that splits are known by.
const EXPRESSIONS: [(&str, Split); 3] = [
    (
        concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|",
            r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        Split::Llama3,
    ),
    (
        concat!(
            r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}|",
            r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
        ),
        Split::Qwen2,
    ),
    (r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+", Split::Gpt2),
];
/// Falcon's last step: digits in threes.
const THREE_DIGITS: &str = "[0-9][0-9][0-9]";

/// The ids before and after a text.
type Affixes = (Vec<u32>, Vec<u32>);

/// What is done to text before it is split.
pub(super) fn normaliser(normalizer: &Value) -> Result<Normaliser, String> {
    let steps = steps(normalizer, "normalizers");
    match steps.iter().find(|step| kind(step) != "NFC") {
        Some(other) => Err(format!("normalizer: expected none or NFC, found {}", kind(other))),
        None if steps.is_empty() => Ok(Normaliser::None),
        None => Ok(Normaliser::Nfc),
    }
}

/// The split that the pre-tokenizer asks for.
pub(super) fn split(pre_tokenizer: &Value) -> Result<Split, String> {
    let steps = steps(pre_tokenizer, "pretokenizers");
    let kinds: Vec<&str> = steps.iter().map(|step| kind(step)).collect();
    match (&kinds[..], &steps[..]) {
        (["ByteLevel"], [byte_level]) => {
            check_byte_level(byte_level, true)?;
            Ok(Split::Gpt2)
        }
        (["Split", "ByteLevel"], [split, byte_level]) => {
            check_byte_level(byte_level, false)?;
            let found = expression(split)?;
            let known = EXPRESSIONS.iter().find(|(expression, _)| *expression == found);
            known.map(|(_, split)| *split).ok_or_else(|| {
                format!("pre_tokenizer: expected the expression of Llama 3, Qwen2 or GPT-2, found {found}")
            })
        }
        (["Punctuation", "ByteLevel", "Digits", "Split"], [punctuation, byte_level, digits, split]) => {
            check_byte_level(byte_level, true)?;
            let found = expression(split)?;
            if punctuation["behavior"] != "Contiguous"
                || digits["individual_digits"] != false
                || found != THREE_DIGITS
            {
                return Err(format!(
                    "pre_tokenizer: expected Falcon's Punctuation (Contiguous), Digits (not individual) and \
                     Split ({THREE_DIGITS}), found Punctuation ({}), Digits ({}) and Split ({found})",
                    punctuation["behavior"], digits["individual_digits"]
                ));
            }
            Ok(Split::Falcon)
        }
        _ => Err(format!(
            "pre_tokenizer: expected [Split, ByteLevel] (Llama 3, Qwen2), [ByteLevel] (GPT-2) or \
             [Punctuation, ByteLevel, Digits, Split] (Falcon), found [{}]",
            kinds.join(", ")
        )),
    }
}

/// Checks the switches of a `ByteLevel` step; both are on unless the file says otherwise.
fn check_byte_level(step: &Value, use_regex: bool) -> Result<(), String> {
    let is_on = |switch: &str| step.get(switch).is_none_or(|value| *value != false);
    if is_on("add_prefix_space") {
        return Err("pre_tokenizer: ByteLevel with add_prefix_space is not supported".into());
    }
    if is_on("use_regex") != use_regex {
        let (expected, found) = (use_regex, !use_regex);
        return Err(format!("pre_tokenizer: ByteLevel: expected use_regex {expected}, found {found}"));
    }
    Ok(())
}

/// The regular expression of a `Split` step.
fn expression(split: &Value) -> Result<&str, String> {
    if split["behavior"] != "Isolated" || split.get("invert").is_some_and(|invert| *invert != false) {
        return Err("pre_tokenizer: Split other than Isolated, not inverted, is not supported".into());
    }
    let expression = split["pattern"]["Regex"].as_str();
    expression.ok_or_else(|| "pre_tokenizer: expected a Split with a regular expression, found none".into())
}

/// Only the byte-level decoder is supported.
pub(super) fn check_decoder(decoder: &Value) -> Result<(), String> {
    match steps(decoder, "decoders")[..] {
        [step] if kind(step) == "ByteLevel" => Ok(()),
        _ => Err(format!("decoder: expected ByteLevel, found {}", kind(decoder))),
    }
}

/// The ids that the post-processor puts around one text.
pub(super) fn affixes(post_processor: &Value) -> Result<Affixes, String> {
    let mut affixes = None;
    for step in steps(post_processor, "processors") {
        match kind(step) {
            // Trims offsets, which nobody asks for here.
            "ByteLevel" => {}
            "TemplateProcessing" | "BertProcessing" | "RobertaProcessing" if affixes.is_some() => {
                return Err("post_processor: expected one step that adds tokens, found two".into());
            }
            "TemplateProcessing" => affixes = Some(template_affixes(step)?),
            "BertProcessing" | "RobertaProcessing" => affixes = Some(cls_and_sep(step)?),
            other => return Err(format!("post_processor: {other} is not supported")),
        }
    }
    Ok(affixes.unwrap_or_default())
}

/// The token before and the token after a text, each as its text and id.
fn cls_and_sep(step: &Value) -> Result<Affixes, String> {
    let id = |name: &str| {
        let id = step[name][1].as_u64().and_then(|id| u32::try_from(id).ok());
        id.ok_or_else(|| format!("post_processor: {}: {name:?} has no id", kind(step)))
    };
    Ok((vec![id("cls")?], vec![id("sep")?]))
}

fn template_affixes(template: &Value) -> Result<Affixes, String> {
    let mut parts = [Vec::new(), Vec::new()];
    let mut n_texts = 0;
    for item in template["single"].as_array().into_iter().flatten() {
        if item["Sequence"]["id"] == "A" {
            n_texts += 1;
            continue;
        }
        let name = item["SpecialToken"]["id"].as_str().unwrap_or_default();
        let ids = template["special_tokens"][name]["ids"].as_array();
        let ids: Option<Vec<u32>> =
            ids.and_then(|ids| ids.iter().map(|id| u32::try_from(id.as_u64()?).ok()).collect());
        let ids = ids.ok_or_else(|| format!("post_processor: the template's token {name:?} has no ids"))?;
        parts[n_texts.min(1)].extend(ids);
    }
    let [prefix, suffix] = parts;
    match n_texts {
        1 => Ok((prefix, suffix)),
        n => Err(format!("post_processor: expected the text once in the template, found it {n} times")),
    }
}

/// The steps of a component: those of a sequence, itself, or none for null.
pub(super) fn steps<'v>(component: &'v Value, list: &str) -> Vec<&'v Value> {
    match component {
        Value::Null => Vec::new(),
        _ if kind(component) == "Sequence" => {
            component[list].as_array().into_iter().flatten().flat_map(|step| steps(step, list)).collect()
        }
        _ => vec![component],
    }
}

pub(super) fn kind(component: &Value) -> &str {
    component["type"].as_str().unwrap_or("nothing")
}
