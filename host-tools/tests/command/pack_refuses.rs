//! `ternlet pack` on bad checkpoints: one clear line, status 1, no file
//!
//! Checkpoints are made here by code, spoiled in one place each, and given to the real program.

pub(crate) mod checkpoint;

use std::fs;
use std::path::Path;
use std::process::Output;

use checkpoint::{Checkpoint, Form, Tensor};
use serde_json::json;

use crate::program::{Folder, run, ternlet};

/// Runs `ternlet pack` and returns its output.
fn pack(source: &Path, target: &Path) -> Output {
    ternlet().arg("pack").arg(source).arg("-o").arg(target).output().expect("it runs")
}

/// Runs `ternlet pack` on a spoiled checkpoint. It must fail with one line that holds each of `words`, then a hint, and
/// leave neither a new file nor a changed old one.
fn refused(name: &str, form: Form, words: &[&str], spoil: impl FnOnce(&mut Checkpoint)) {
    let folder = Folder::new();
    let mut checkpoint = Checkpoint::new(form);
    spoil(&mut checkpoint);
    let source = folder.path().join("checkpoint");
    checkpoint.write(&source);
    let target = folder.path().join("out.tern");
    fs::write(&target, "an older file").expect("written");
    let output = pack(&source, &target);
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    let error: Vec<&str> = stderr.lines().collect();
    assert_eq!(output.status.code(), Some(1), "{name}: {stderr}");
    assert!(error[0].starts_with("ternlet: pack: "), "{name}: {stderr}");
    assert!(error.len() == 2 && error[1].starts_with("  hint: "), "{name}: {stderr}");
    for word in ["expected", "found"].iter().chain(words) {
        assert!(error[0].contains(word), "{name}: expected \"{word}\" in: {}", error[0]);
    }
    assert_eq!(fs::read(&target).expect("still there"), b"an older file", "{name}");
    assert_eq!(fs::read_dir(folder.path()).expect("a folder").count(), 2, "{name}: a left-over file");
}

#[test]
fn every_form_of_an_honest_checkpoint_packs_and_verifies() {
    for form in [Form::Master, Form::PackedMultiply, Form::PackedDivide, Form::OneBitLlm, Form::Llama] {
        for n_shards in [1, 2] {
            let folder = Folder::new();
            let checkpoint = Checkpoint { n_shards, ..Checkpoint::new(form) };
            checkpoint.write(&folder.path().join("checkpoint"));
            let target = folder.path().join("out.tern");
            let output = pack(&folder.path().join("checkpoint"), &target);
            assert!(output.status.success(), "{form:?}: {}", String::from_utf8_lossy(&output.stderr));
            let verified = ternlet().arg("verify").arg(&target).output().expect("it runs");
            assert!(verified.status.success(), "{form:?}: {}", String::from_utf8_lossy(&verified.stderr));
        }
    }
}

#[test]
fn harmless_extra_tensors_are_passed_over() {
    let folder = Folder::new();
    let mut checkpoint = Checkpoint::new(Form::Master);
    let head = checkpoint.tensors["model.embed_tokens.weight"].clone();
    checkpoint.tensors.insert("lm_head.weight".into(), head);
    checkpoint
        .tensors
        .insert("model.layers.0.self_attn.rotary_emb.inv_freq".into(), Tensor::floats(&[4], 1.0));
    checkpoint.write(&folder.path().join("checkpoint"));
    let output = pack(&folder.path().join("checkpoint"), &folder.path().join("out.tern"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn absurd_or_missing_configuration() {
    let cases = [
        ("no width", "hidden_size", json!(null), "hidden_size"),
        ("width 0", "hidden_size", json!(0), "0"),
        ("negative", "num_hidden_layers", json!(-3), "-3"),
        ("fraction", "intermediate_size", json!(12.5), "12.5"),
        ("text", "vocab_size", json!("many"), "many"),
        ("too many layers", "num_hidden_layers", json!(100_000), "100000"),
        ("too many heads", "num_attention_heads", json!(4_294_967_295_u64), "num_attention_heads"),
        ("heads that do not divide", "num_key_value_heads", json!(3), "n_heads"),
        ("odd head", "head_dim", json!(5), "head_dim"),
        ("huge vocabulary", "vocab_size", json!(4_000_000_000_u64), "vocab_size"),
        ("eps 0", "rms_norm_eps", json!(0.0), "norm_eps"),
        ("no theta", "rope_theta", json!(null), "rope_theta"),
        ("theta below 0", "rope_theta", json!(-1.0), "rope_theta"),
        ("bos outside", "bos_token_id", json!(1000), "bos_token_id"),
        ("eos outside", "eos_token_id", json!([1, 1000]), "eos_token_id"),
        ("nine eos", "eos_token_id", json!([0, 1, 2, 3, 4, 5, 6, 7, 8]), "eos_token_id"),
        ("activation", "hidden_act", json!("gelu"), "gelu"),
        ("biases", "attention_bias", json!(true), "attention_bias"),
        (
            "half a scaled rope",
            "rope_scaling",
            json!({"rope_type": "llama3", "factor": 8.0}),
            "low_freq_factor",
        ),
        ("yarn", "rope_scaling", json!({"type": "yarn", "factor": 8.0}), "yarn"),
        ("dynamic", "rope_parameters", json!({"rope_type": "dynamic", "factor": 2.0}), "dynamic"),
        ("a rope factor of 0", "rope_parameters", json!({"rope_type": "linear", "factor": 0}), "factor"),
        ("a rope without a kind", "rope_scaling", json!({"rope_type": null, "type": "linear"}), "rope_type"),
        ("a rope for each kind of layers", "rope_parameters", json!({"full": {"rope_theta": 5}}), "full"),
        ("part of a head", "partial_rotary_factor", json!(0.5), "partial_rotary_factor"),
        ("architecture", "architectures", json!(["MiniCPMForCausalLM"]), "MiniCPMForCausalLM"),
        ("unquantised", "quantization_config", json!(null), "quantization_config"),
        ("other method", "quantization_config", json!({"quant_method": "gptq"}), "gptq"),
        (
            "unknown class",
            "quantization_config",
            json!({"quant_method": "bitnet", "linear_class": "trilinear"}),
            "trilinear",
        ),
        ("no method", "quantization_config", json!({"linear_class": "bitlinear"}), "quant_method"),
        (
            "a ternary head",
            "quantization_config",
            json!({"quant_method": "bitnet", "modules_to_not_convert": []}),
            "modules_to_not_convert",
        ),
        (
            "a float linear",
            "quantization_config",
            json!({"quant_method": "bitnet", "modules_to_not_convert": ["lm_head", "model.layers.0.mlp"]}),
            "model.layers.0.mlp",
        ),
        (
            "a pattern",
            "quantization_config",
            json!({"quant_method": "bitnet", "modules_to_not_convert": [".*_proj"]}),
            "modules_to_not_convert",
        ),
    ];
    for (name, key, value, word) in cases {
        refused(name, Form::Master, &["config.json", word], |checkpoint| {
            checkpoint.config[key] = value;
        });
    }
    refused("no architecture", Form::Master, &["config.json", "architectures"], |checkpoint| {
        checkpoint.config["architectures"] = json!([]);
        checkpoint.config["model_type"] = json!("gpt2");
    });
}

#[test]
fn one_architecture_under_the_name_of_another() {
    refused("sub-norms in a Llama", Form::Master, &["sub_norm"], |c| {
        c.config["architectures"] = json!(["LlamaForCausalLM"]);
    });
    refused("a BitNet without sub-norms", Form::Llama, &["attn_sub_norm"], |c| {
        c.config["architectures"] = json!(["BitNetForCausalLM"]);
    });
    refused("an untied head that is not there", Form::Llama, &["lm_head.weight"], |c| {
        c.config["tie_word_embeddings"] = json!(false);
    });
}

#[test]
fn damaged_files() {
    refused("no JSON", Form::Master, &["config.json"], |c| {
        c.raw_config = Some("{\"hidden_size\": 16".into());
    });
    refused("a list", Form::Master, &["config.json"], |c| c.raw_config = Some("[1, 2]".into()));
    for keep in [0, 4, 100, 2000] {
        refused("cut", Form::Master, &["model.safetensors"], |c| c.keep_bytes = Some(keep));
    }
    refused("no weights", Form::Master, &["model.safetensors"], |c| c.n_shards = 0);
}

#[test]
fn missing_left_over_and_misshapen_tensors() {
    let wq = "model.layers.1.self_attn.q_proj.weight";
    refused("missing", Form::Master, &[wq], |c| drop(c.tensors.remove(wq)));
    refused("missing scale", Form::PackedMultiply, &[wq, "weight_scale"], |c| {
        c.tensors.remove(&format!("{wq}_scale"));
    });
    refused("missing embedding", Form::Master, &["embed_tokens"], |c| {
        c.tensors.remove("model.embed_tokens.weight");
    });
    refused("bias", Form::Master, &["q_proj.bias"], |c| {
        c.tensors.insert("model.layers.0.self_attn.q_proj.bias".into(), Tensor::floats(&[16], 0.0));
    });
    refused("a layer too many", Form::Master, &["model.layers.2."], |c| {
        c.tensors.insert("model.layers.2.input_layernorm.weight".into(), Tensor::floats(&[16], 1.0));
    });
    refused("another head", Form::Master, &["lm_head.weight"], |c| {
        c.tensors.insert("lm_head.weight".into(), Tensor::floats(&[32, 16], 0.25));
    });
    refused("wrong shape", Form::Master, &[wq, "[16, 16]", "[16, 15]"], |c| {
        c.tensors.insert(wq.into(), Tensor::floats(&[16, 15], 0.5));
    });
    refused("transposed", Form::Master, &["down_proj", "[16, 24]", "[24, 16]"], |c| {
        c.tensors.insert("model.layers.0.mlp.down_proj.weight".into(), Tensor::floats(&[24, 16], 0.5));
    });
    refused("wrong dtype", Form::Master, &[wq, "U8"], |c| {
        c.tensors.insert(wq.into(), Tensor::bytes(&[16, 16], 0));
    });
    refused("masters where packed", Form::PackedMultiply, &[wq, "U8", "F32"], |c| {
        c.tensors.insert(wq.into(), Tensor::floats(&[4, 16], 0.5));
    });
}

#[test]
fn norms_inside_linears_must_all_be_there() {
    let norm = "model.layers.1.mlp.down_proj.rms_norm.weight";
    refused("no norm inside", Form::Llama, &["q_proj.rms_norm.weight"], |c| {
        c.config["quantization_config"]["use_rms_norm"] = json!(true);
    });
    refused("a norm that nobody asked for", Form::Llama, &[norm], |c| {
        c.tensors.insert(norm.into(), Tensor::floats(&[24], 1.0));
    });
}

#[test]
fn values_that_are_no_weights() {
    let wq = "model.layers.1.self_attn.q_proj.weight";
    for value in [f32::NAN, f32::INFINITY] {
        for name in
            [wq, "model.embed_tokens.weight", "model.norm.weight", "model.layers.0.mlp.ffn_sub_norm.weight"]
        {
            refused("not finite", Form::Master, &[name], |c| {
                c.tensors.get_mut(name).expect("such a tensor").put_float(5, value);
            });
        }
    }
    let scale = "model.layers.1.self_attn.q_proj.weight_scale";
    for form in [Form::PackedMultiply, Form::PackedDivide] {
        for value in [f32::NAN, f32::INFINITY, 0.0, -1.0, f32::MIN_POSITIVE / 8.0] {
            // A tiny scale is fine where it multiplies; its reciprocal is not.
            if form == Form::PackedMultiply && value > 0.0 && value.is_finite() {
                continue;
            }
            refused("scale", form, &[scale], |c| {
                c.tensors.get_mut(scale).expect("such a tensor").put_float(0, value);
            });
        }
        refused("code 3", form, &[wq, "3"], |c| {
            c.tensors.get_mut(wq).expect("such a tensor").bytes[7] = 0b0011_0101;
        });
    }
}

#[test]
fn shards_that_disagree_with_their_index() {
    refused("a missing shard", Form::Master, &["model-2.safetensors"], |c| {
        c.n_shards = 2;
        c.omit_last_shard = true;
    });
    refused("a path in the index", Form::Master, &["weight_map", "../"], |c| {
        c.n_shards = 2;
        c.index_prefix = "../".into();
    });
    refused("a tensor in two shards", Form::Master, &["two"], |c| {
        c.n_shards = 2;
        c.doubled = Some("model.norm.weight".into());
    });
}

#[test]
fn wrong_usage_is_status_2_and_bad_paths_are_status_1() {
    assert_eq!(run(&["pack"]).status.code(), Some(2));
    assert_eq!(run(&["pack", "x", "-o", "y", "--head", "int3"]).status.code(), Some(2));
    for args in
        [["pack", "/nowhere", "-o", "/nowhere/out.tern"], ["synth", "--shape=3b", "-o", "/nowhere/out.tern"]]
    {
        let output = run(&args);
        assert_eq!(output.status.code(), Some(1), "{args:?}");
        assert!(String::from_utf8_lossy(&output.stderr).starts_with("ternlet: "), "{args:?}");
    }
    let folder = Folder::new();
    Checkpoint::new(Form::Master).write(&folder.path().join("checkpoint"));
    for target in ["missing/out.tern", "checkpoint"] {
        let output = pack(&folder.path().join("checkpoint"), &folder.path().join(target));
        assert_eq!(output.status.code(), Some(1), "{target}");
    }
}

#[test]
fn an_unusable_tokenizer_is_refused_unless_it_is_left_out() {
    let folder = Folder::new();
    let source = folder.path().join("checkpoint");
    Checkpoint::new(Form::Master).write(&source);
    fs::write(source.join("tokenizer.json"), "{\"model\": 3}").expect("written");
    let target = folder.path().join("out.tern");
    let output = pack(&source, &target);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("tokenizer.json") && stderr.contains("--no-tokenizer"), "{stderr}");
    assert!(!target.exists());
    let mut without = ternlet();
    let output = without
        .arg("pack")
        .arg(&source)
        .arg("-o")
        .arg(&target)
        .arg("--no-tokenizer")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_name_twice_in_a_weights_file_is_refused() {
    let folder = Folder::new();
    let source = folder.path().join("checkpoint");
    Checkpoint::new(Form::Master).write(&source);
    // Renaming one tensor to another's name of the same length leaves the header's length as it is.
    let path = source.join("model.safetensors");
    let file = fs::read(&path).expect("read");
    let header_len =
        usize::try_from(u64::from_le_bytes(file[..8].try_into().expect("8 bytes"))).expect("small");
    let header = String::from_utf8(file[8..8 + header_len].to_vec()).expect("JSON");
    let doubled = header.replace("layers.1.self_attn.k_proj", "layers.1.self_attn.v_proj");
    fs::write(&path, [&file[..8], doubled.as_bytes(), &file[8 + header_len..]].concat()).expect("written");
    let output = pack(&source, &folder.path().join("out.tern"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("expected") && stderr.contains("found"), "{stderr}");
}

#[test]
fn verify_finds_a_flipped_byte_anywhere() {
    let folder = Folder::new();
    Checkpoint::new(Form::PackedMultiply).write(&folder.path().join("checkpoint"));
    let target = folder.path().join("out.tern");
    assert!(pack(&folder.path().join("checkpoint"), &target).status.success());
    let file = fs::read(&target).expect("written");
    let last = file.len() - 1;
    for index in [0, 9, 70, 300, 1000, 4096, last / 2 + 2048, last] {
        let mut damaged = file.clone();
        damaged[index] ^= 0x10;
        fs::write(&target, damaged).expect("written");
        let mut verify = ternlet();
        let output = verify.arg("verify").arg(&target).output().expect("it runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "byte {index}");
        assert!(stderr.starts_with("ternlet: verify: "), "byte {index}: {stderr}");
    }
}

#[test]
fn a_tokenizer_of_a_larger_vocabulary_is_refused_before_packing() {
    let folder = Folder::new();
    let source = folder.path().join("checkpoint");
    Checkpoint::new(Form::Master).write(&source);
    let golden = "../tests/golden/tokenizer_llama3_like/tokenizer.json";
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join(golden), source.join("tokenizer.json"))
        .expect("copied");
    let output = pack(&source, &folder.path().join("out.tern"));
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.starts_with("ternlet: pack: tokenizer: expected at most"), "{stderr}");
    assert!(stderr.contains("found 2048") && stderr.contains("--no-tokenizer"), "{stderr}");
}
