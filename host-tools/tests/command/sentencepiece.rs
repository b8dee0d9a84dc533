//! A checkpoint as 1bitLLM publishes them, with a SentencePiece model: packed, tokenized, run

use std::fs;
use std::path::Path;

use crate::program::{Folder, feed, run, ternlet};

/// One field of a protocol buffer: its key, a length below 128, its bytes.
fn field(key: u8, bytes: &[u8]) -> Vec<u8> {
    let length = u8::try_from(bytes.len()).expect("a short field");
    [&[key, length], bytes].concat()
}

/// A `tokenizer.model` of special tokens, bytes, ASCII and two merged pieces: `▁t` and `▁the`.
fn model_file() -> Vec<u8> {
    let piece = |text: &str, score: f32, kind: u8| {
        let parts =
            [field(0x0a, text.as_bytes()), vec![0x15], score.to_le_bytes().to_vec(), vec![0x18, kind]];
        field(0x0a, &parts.concat())
    };
    let mut file = [piece("<unk>", 0.0, 2), piece("<s>", 0.0, 3), piece("</s>", 0.0, 3)].concat();
    for byte in 0..=255u8 {
        file.extend(piece(&format!("<0x{byte:02X}>"), 0.0, 6));
    }
    for (text, score) in [("▁t", -1.0), ("he", -2.0), ("▁the", -3.0), ("▁", -4.0)] {
        file.extend(piece(text, score, 1));
    }
    for c in '!'..='~' {
        file.extend(piece(&c.to_string(), -5.0, 1));
    }
    // BPE; a space in front, no other normalisation.
    file.extend(field(0x12, &[0x18, 2]));
    file.extend(field(0x1a, &[0x18, 1, 0x20, 0, 0x28, 1]));
    file
}

/// The checkpoint, with the files that 1bitLLM's tokenizers consist of.
fn checkpoint() -> Folder {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/f_1bitllm_style_f16");
    let folder = Folder::new();
    fs::copy(golden.join("model.safetensors"), folder.file("model.safetensors")).expect("copied");
    let config = fs::read_to_string(golden.join("config.json")).expect("a file of the repository");
    let config = config.replace("\"bos_token_id\": 444", "\"bos_token_id\": 1");
    folder.write("config.json", config.replace("\"eos_token_id\": 445", "\"eos_token_id\": 2").as_bytes());
    folder.write("tokenizer.model", &model_file());
    let tokenizer_config = r#"{"tokenizer_class": "BitnetTokenizer", "add_bos_token": true, "pad_token": "<pad>",
        "added_tokens_decoder": {"357": {"content": "<pad>", "special": true}}}"#;
    folder.write("tokenizer_config.json", tokenizer_config.as_bytes());
    folder
}

#[test]
fn a_checkpoint_with_a_sentencepiece_model_is_packed_tokenized_and_run() {
    let folder = checkpoint();
    let (source, packed) = (folder.path().to_str().expect("a path in UTF-8"), folder.file("model.tern"));
    let output = run(&["pack", source, "-o", &packed]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));

    let tokenize = |flags: &[&str], lines: &str| {
        let mut command = ternlet();
        command.args(["tokenize", &packed]).args(flags);
        let output = feed(command, lines.as_bytes());
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    // 259 ▁t, 260 he, 261 ▁the, 262 ▁, then ASCII from 263 on; é is two bytes.
    let lines = "\"the the\"\n\"he<pad>t\"\n\"\u{e9}!\"\n";
    let ids = "[1,261,261]\n[1,262,260,357,259]\n[1,262,198,172,263]\n";
    assert_eq!(tokenize(&[], lines), ids);
    assert_eq!(tokenize(&["--decode", "--skip-special"], ids), "\"the the\"\n\"he t\"\n\"\u{e9}!\"\n");

    // What `run` continues, a console answers: the same ids, streamed by each.
    let output =
        run(&["run", &packed, "--prompt", "the the", "-n", "24", "--temperature", "0", "--threads", "1"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let continued = String::from_utf8(output.stdout).expect("whole characters");
    assert!(continued.len() > 1);
    let mut console = ternlet();
    console.args(["chat", &packed, "-n", "24", "--temperature", "0", "--threads", "1"]);
    let output = feed(console, b"the the\n");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim_end(), continued.trim_end());
}
