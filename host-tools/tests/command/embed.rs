//! `ternlet embed` from outside: a golden checkpoint packed, texts in, vectors out; and what each kind of model refuses

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::program::{Folder, feed, model, refusal, run, ternlet};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/golden/embedding_qwen3")
}

/// Packs the golden embedding model into `folder` and returns its path.
fn packed(folder: &Folder) -> String {
    let target = folder.file("embedding.tern");
    let output = ternlet().arg("pack").arg(golden()).args(["-o", &target]).output().expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.stderr.is_empty(), "a warning: {}", String::from_utf8_lossy(&output.stderr));
    target
}

/// The lines of a successful run.
fn lines(output: &std::process::Output) -> Vec<Value> {
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    let stdout = String::from_utf8_lossy(&output.stdout);
    stdout.lines().map(|line| serde_json::from_str(line).expect("a JSON line")).collect()
}

fn numbers(json: &Value) -> Vec<f64> {
    serde_json::from_value(json.clone()).expect("numbers")
}

#[test]
fn texts_and_ids_give_the_references_vectors() {
    let folder = Folder::new();
    let file = packed(&folder);
    let expected: Value =
        serde_json::from_slice(&fs::read(golden().join("expected.json")).expect("there")).expect("JSON");
    let cases = expected["cases"].as_array().expect("cases");
    assert!(cases.iter().any(|case| case["text"].is_string()), "no text among the cases");
    for case in cases {
        let ids = folder.write("ids.json", case["ids"].to_string().as_bytes());
        let of_ids = lines(&run(&["embed", &file, "--kv", "f32", "--ids-file", &ids]));
        let (found, expected) = (numbers(&of_ids[0]["embedding"]), numbers(&case["embedding"]));
        assert_eq!((of_ids.len(), found.len()), (1, expected.len()));
        let worst = found.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        assert!(worst <= 1e-6, "{}: elements differ by {worst:e}", case["ids"]);
        if let Some(text) = case["text"].as_str() {
            let of_text = lines(&run(&["embed", &file, "--kv", "f32", "--text", text]));
            assert_eq!(of_text, of_ids, "{text:?}");
        }
    }
}

#[test]
fn every_line_is_a_text_and_gives_one_line() {
    let folder = Folder::new();
    let file = packed(&folder);
    let mut command = ternlet();
    command.args(["embed", &file]);
    let piped = lines(&feed(command, b"one text\r\n\nanother <|endoftext|>"));
    let flagged =
        lines(&run(&["embed", &file, "--text", "one text", "--text", "", "--text", "another <|endoftext|>"]));
    assert_eq!(piped, flagged);
    let inputs: Vec<&Value> = piped.iter().map(|line| &line["input"]).collect();
    assert_eq!(inputs, [&json!(1), &json!(2), &json!(3)]);
    // The token that the tokenizer puts behind a text is all there is of the empty one.
    assert_eq!(piped[1]["n_tokens"], json!(1));
}

#[test]
fn threads_and_backends_give_the_same_line() {
    let folder = Folder::new();
    let file = packed(&folder);
    let embed = |more: &[&str]| lines(&run(&[&["embed", &file, "--text", "the same"], more].concat()));
    let expected = embed(&[]);
    assert_eq!(embed(&["--backend", "scalar", "--threads", "1"]), expected);
    assert_eq!(embed(&["--threads", "3"]), expected);
}

#[test]
fn a_text_that_cannot_be_embedded_is_named_and_the_others_are_answered() {
    let folder = Folder::new();
    let file = packed(&folder);
    let mut command = ternlet();
    command.args(["embed", &file, "--ctx", "6"]);
    let output = feed(command, b"ab\n\xff\nzzzzzzzzzzzzzzzz\ncd\n");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{errors}");
    for words in [
        "stdin line 2: expected UTF-8, found another byte at 0",
        "stdin line 3: expected at most 6 tokens, the context, found ",
        "raise --ctx, here at most 512",
        "2 of the texts failed, see above",
    ] {
        assert!(errors.contains(words), "expected {words:?}, found {errors}");
    }
    let answered: Vec<Value> = String::from_utf8_lossy(&output.stdout)
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).expect("a JSON line")["input"].clone())
        .collect();
    assert_eq!(answered, [json!(1), json!(4)]);
}

#[test]
fn wrong_inputs_are_refused() {
    let folder = Folder::new();
    let file = packed(&folder);
    let too_long = format!("{:?}", [1; 513]);
    for (list, expected) in [
        ("[]", "expected at least 1 id, found 0"),
        ("[384]", "expected ids below 384, the vocabulary, found 384 at index 0"),
        (&too_long, "expected at most 512 ids, the model's longest context, found 513"),
    ] {
        let ids = folder.write("ids.json", list.as_bytes());
        let errors = refusal(&run(&["embed", &file, "--ids-file", &ids]), 1);
        assert!(errors.contains(expected), "expected {expected:?}, found {errors}");
    }
    refusal(&run(&["embed", &file, "--ids-file", "i", "--text", "t"]), 2);
    refusal(&run(&["embed", &file, "--ctx", "0"]), 2);
    let errors = refusal(&run(&["embed", &file, "--ctx", "513", "--text", "t"]), 1);
    assert!(errors.contains("at most 512"), "{errors}");
}

#[test]
fn each_kind_of_model_refuses_the_commands_of_the_other() {
    let folder = Folder::new();
    let file = packed(&folder);
    let ids = folder.write("ids.json", b"[1, 2]");
    let out = folder.file("logits.npy");
    for arguments in [
        &["run", &file, "--prompt", "a"][..],
        &["chat", &file],
        &["logits", &file, "--ids-file", &ids, "--out", &out],
        &["perplexity", &file, "--ids-file", &ids],
        &["bench", &file],
    ] {
        let errors = refusal(&run(arguments), 1);
        for words in ["expected a model that predicts tokens, found an embedding model", "ternlet embed "] {
            assert!(errors.contains(words), "{arguments:?}: expected {words:?}, found {errors}");
        }
    }
    assert!(fs::metadata(&out).is_err(), "a file was written");
    let errors = refusal(&run(&["embed", model(), "--text", "a"]), 1);
    assert!(errors.contains("expected an embedding model, found one that predicts tokens"), "{errors}");
}

#[test]
fn an_embedding_model_is_inspected_verified_and_tested_like_any_other() {
    let folder = Folder::new();
    let file = packed(&folder);
    let output = run(&["inspect", &file]);
    let text = String::from_utf8_lossy(&output.stdout);
    for words in ["an embedding of 64 numbers, last token pooled", "no head", "normed queries and keys"] {
        assert!(text.contains(words), "expected {words:?}, found {text}");
    }
    for command in ["verify", "selftest"] {
        let output = run(&[command, &file]);
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

/// A copy of the golden checkpoint with one file spoiled must be refused with `words`.
fn refused(name: &str, words: &[&str], spoil: impl FnOnce(&Path)) {
    let folder = Folder::new();
    let copy = folder.path().join("checkpoint");
    fs::create_dir_all(copy.join("1_Pooling")).expect("created");
    for file in ["config.json", "model.safetensors", "modules.json", "1_Pooling/config.json"] {
        fs::copy(golden().join(file), copy.join(file)).expect("copied");
    }
    spoil(&copy);
    let target = folder.file("out.tern");
    let errors =
        refusal(&ternlet().arg("pack").arg(&copy).args(["-o", &target]).output().expect("it runs"), 1);
    for words in words {
        assert!(errors.contains(words), "{name}: expected {words:?}, found {errors}");
    }
    assert!(fs::metadata(&target).is_err(), "{name}: a file was written");
}

/// Changes the JSON in `file`.
fn edit(folder: &Path, file: &str, change: impl FnOnce(&mut Value)) {
    let path = folder.join(file);
    let mut json = serde_json::from_slice(&fs::read(&path).expect("there")).expect("JSON");
    change(&mut json);
    fs::write(&path, json.to_string()).expect("written");
}

#[test]
fn checkpoints_that_compute_another_vector_are_refused() {
    refused("no modules", &["modules.json: expected a readable file"], |folder| {
        fs::remove_file(folder.join("modules.json")).expect("removed");
    });
    refused("modules of another kind", &["expected a JSON list of modules"], |folder| {
        fs::write(folder.join("modules.json"), "{}").expect("written");
    });
    refused("no pooling", &["expected a Pooling among the modules, found none"], |folder| {
        edit(folder, "modules.json", |json| {
            json.as_array_mut().expect("a list").remove(1);
        });
    });
    refused("one module more", &["expected Transformer, Pooling and Normalize, found", "Dense"], |folder| {
        edit(folder, "modules.json", |json| {
            let dense = json!({"path": "3_Dense", "type": "sentence_transformers.models.Dense"});
            json.as_array_mut().expect("a list").push(dense);
        });
    });
    refused("mean pooling", &["expected lasttoken alone, found mean_tokens"], |folder| {
        edit(folder, "1_Pooling/config.json", |json| {
            json["pooling_mode_lasttoken"] = json!(false);
            json["pooling_mode_mean_tokens"] = json!(true);
        });
    });
    refused("two poolings", &["expected lasttoken alone, found cls, lasttoken"], |folder| {
        edit(folder, "1_Pooling/config.json", |json| json["pooling_mode"] = json!("cls"));
    });
    refused("a window", &["use_sliding_window: expected false, found true"], |folder| {
        edit(folder, "config.json", |json| json["use_sliding_window"] = json!(true));
    });
    refused("windows in some layers", &["layer_types: expected full_attention throughout"], |folder| {
        let kinds = json!(["full_attention", "sliding_attention"]);
        edit(folder, "config.json", |json| json["layer_types"] = kinds);
    });
    refused("another depth", &["layers.2.input_layernorm.weight: expected such a tensor"], |folder| {
        edit(folder, "config.json", |json| json["num_hidden_layers"] = json!(3));
    });
    refused(
        "float weights",
        &["q_proj.norm.weight: expected such a tensor", "a norm in every linear"],
        |folder| {
            let path = folder.join("model.safetensors");
            let mut bytes = fs::read(&path).expect("there");
            let name = b"layers.0.self_attn.q_proj.norm.weight";
            let at = bytes.windows(name.len()).position(|window| window == name).expect("in the header");
            bytes[at + name.len() - b"norm.weight".len()] = b'f';
            fs::write(&path, bytes).expect("written");
        },
    );
    for kind in ["Gemma3TextModel", "Gemma3ForCausalLM"] {
        refused(kind, &["architectures: expected", kind, "GELU"], |folder| {
            edit(folder, "config.json", |json| {
                json["architectures"] = json!([kind]);
                json["model_type"] = json!("gemma3_text");
            });
        });
    }
}

#[test]
fn the_mode_of_pooling_has_two_spellings() {
    let folder = Folder::new();
    let copy = folder.path().join("checkpoint");
    fs::create_dir_all(copy.join("1_Pooling")).expect("created");
    for file in ["config.json", "model.safetensors", "modules.json"] {
        fs::copy(golden().join(file), copy.join(file)).expect("copied");
    }
    let pooling = json!({"word_embedding_dimension": 64, "pooling_mode": "lasttoken"});
    fs::write(copy.join("1_Pooling/config.json"), pooling.to_string()).expect("written");
    let target = folder.file("out.tern");
    let output = ternlet().arg("pack").arg(&copy).args(["-o", &target]).output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
}
