//! Resident memory: the file, the plan, and little else

use std::fs;

use serde_json::{Value, json};

use crate::program::{Folder, run};

/// What the program itself may take beside the model and the arena.
const SLACK_BYTES: u64 = 12_000_000;

#[test]
fn a_session_takes_its_file_its_plan_and_at_most_twelve_megabytes() {
    let folder = Folder::new();
    let [config, model] = ["config.json", "model.tern"].map(|name| folder.file(name));
    // Few layers, so that it is soon packed, and a cache as large as the weights.
    let shape = json!({
        "architectures": ["BitNetForCausalLM"], "model_type": "bitnet", "hidden_act": "relu2",
        "hidden_size": 1024, "intermediate_size": 2048, "num_hidden_layers": 4, "num_attention_heads": 16,
        "num_key_value_heads": 16, "vocab_size": 8192, "max_position_embeddings": 4096, "rope_theta": 10000.0,
        "rms_norm_eps": 1e-5, "tie_word_embeddings": true, "torch_dtype": "bfloat16",
        "quantization_config": { "quant_method": "bitnet", "linear_class": "autobitlinear",
                                 "quantization_mode": "offline" },
    });
    fs::write(&config, shape.to_string()).expect("written");
    let packed = run(&["synth", "--shape", &config, "-o", &model]);
    assert!(packed.status.success(), "{}", String::from_utf8_lossy(&packed.stderr));
    for kv in ["f16", "i8"] {
        let output = run(&["bench", &model, "-p", "512", "-n", "8", "--kv", kv, "--json"]);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        let bytes = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("figures in {report}"));
        let (peak, arena) = (bytes(&report["peak_memory_bytes"]), bytes(&report["cases"][0]["arena_bytes"]));
        let most = fs::metadata(&model).expect("packed").len() + arena + SLACK_BYTES;
        assert!(peak <= most, "{kv}: {peak} bytes at the peak, at most {most} may be");
    }
}
