//! `ternlet pack` and chat templates: refused with the reason, chosen by flag

use std::fs;
use std::path::Path;
use std::process::Output;

use serde_json::json;

use crate::pack_refuses::checkpoint::{Checkpoint, Form, Tensor};
use crate::program::{Folder, ternlet};

/// A template that compiles, in the manner of Llama 3.
const GOOD: &str = "{% for m in messages %}{{ bos_token }}<|start_header_id|>{{ m.role }}<|end_header_id|>{{ m.content \
    }}<|eot_id|>{% endfor %}";

/// One that writes how many messages there are.
const BAD: &str = "{{ messages | length }}{% for m in messages %}{{ m.content }}{% endfor %}";

/// Writes a checkpoint with the golden tokenizer and `tokenizer_config.json`.
fn checkpoint(folder: &Folder, tokenizer_config: &serde_json::Value) {
    let mut checkpoint = Checkpoint::new(Form::Master);
    checkpoint.config["vocab_size"] = json!(2048);
    checkpoint.tensors.insert("model.embed_tokens.weight".into(), Tensor::floats(&[2048, 16], 0.5));
    let source = folder.path().join("checkpoint");
    checkpoint.write(&source);
    let golden = "../tests/golden/tokenizer_llama3_like/tokenizer.json";
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(golden), source.join("tokenizer.json"))
        .expect("copied");
    fs::write(source.join("tokenizer_config.json"), tokenizer_config.to_string()).expect("written");
}

/// Packs the checkpoint in `folder`; the file is `out.tern`.
fn pack(folder: &Folder, flags: &[&str]) -> Output {
    let command = &mut ternlet();
    command.arg("pack").arg(folder.path().join("checkpoint")).arg("-o").arg(folder.path().join("out.tern"));
    command.args(flags).output().expect("ternlet starts")
}

/// The bytes of the template in `out.tern`, 0 for none.
fn template_bytes(folder: &Folder) -> u64 {
    let output = ternlet().args(["inspect", "--json"]).arg(folder.path().join("out.tern")).output();
    let report: serde_json::Value =
        serde_json::from_slice(&output.expect("ternlet starts").stdout).expect("JSON");
    report["chat_template_bytes"].as_u64().expect("a number")
}

#[test]
fn a_template_that_does_not_compile_is_an_error_unless_another_or_none_is_named() {
    let folder = Folder::new();
    checkpoint(&folder, &json!({ "chat_template": BAD, "bos_token": "<|begin_of_text|>" }));
    let output = pack(&folder, &[]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    for word in ["tokenizer_config.json", "expected", "found", "--chat-template FILE", "--chat-template none"]
    {
        assert!(stderr.contains(word), "{word}: {stderr}");
    }
    assert!(!folder.path().join("out.tern").exists());

    let file = folder.write("good.jinja", GOOD.as_bytes());
    let named = [("none", false), ("llama3", true), (&*file, true)];
    for (name, has_template) in named {
        let output = pack(&folder, &["--chat-template", name]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && stderr.is_empty(), "{name}: {stderr}");
        assert_eq!(template_bytes(&folder) > 0, has_template, "{name}");
    }
}

#[test]
fn a_template_named_by_flag_must_be_there_and_fit_the_tokenizer() {
    let folder = Folder::new();
    checkpoint(&folder, &json!({ "chat_template": GOOD }));
    let bad = folder.write("bad.jinja", BAD.as_bytes());
    let binary = folder.write("binary.jinja", b"a\xffb");
    for (name, words) in [
        ("no-such-file.jinja", ["no-such-file.jinja", "bitnet-2b-4t, chatml, llama3"]),
        ("chatml", ["<|im_start|>", "found none"]),
        (&bad, ["bad.jinja", "depends on"]),
        (&binary, ["UTF-8", "at 1"]),
    ] {
        let output = pack(&folder, &["--chat-template", name]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
        assert!(words.iter().all(|word| stderr.contains(word)), "{name}: {stderr}");
    }
    let output = pack(&folder, &["--chat-template", "llama3", "--no-tokenizer"]);
    assert_eq!(output.status.code(), Some(2));
}

#[test]
fn the_jinja_file_wins_over_the_configuration_and_the_default_over_its_neighbours() {
    let folder = Folder::new();
    checkpoint(&folder, &json!({ "chat_template": [{ "name": "rag", "template": BAD }] }));
    let source = folder.path().join("checkpoint");
    let stderr = String::from_utf8_lossy(&pack(&folder, &[]).stderr).into_owned();
    assert!(stderr.contains("name default, found rag") && stderr.contains("hint"), "{stderr}");
    let named = json!([{ "name": "rag", "template": BAD }, { "name": "default", "template": GOOD }]);
    let config = json!({ "chat_template": named });
    fs::write(source.join("tokenizer_config.json"), config.to_string()).expect("written");
    assert!(pack(&folder, &[]).status.success());
    fs::write(source.join("chat_template.jinja"), BAD).expect("written");
    let stderr = String::from_utf8_lossy(&pack(&folder, &[]).stderr).into_owned();
    assert!(stderr.contains("chat_template.jinja"), "{stderr}");
    fs::write(source.join("chat_template.jinja"), GOOD).expect("written");
    fs::create_dir(source.join("additional_chat_templates")).expect("created");
    fs::write(source.join("additional_chat_templates/rag.jinja"), BAD).expect("written");
    assert!(pack(&folder, &[]).status.success());
}
