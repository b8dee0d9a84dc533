//! What absent keys mean, and the spellings of two versions of transformers

use ternlet_runtime::config::HiddenAct;

use super::{Architecture, HfConfig, JsonFields, WeightForm};
use crate::error::Error;
use crate::pack::RopeScaling;

fn read(config: &str) -> Result<HfConfig, Error> {
    HfConfig::from_json(&JsonFields::parse("config.json".into(), config.as_bytes())?, None, "model", false)
}

/// A Llama configuration with `more` keys.
fn llama(more: &str) -> Result<HfConfig, Error> {
    read(&format!(
        r#"{{"architectures": ["LlamaForCausalLM"], "quantization_config": {{"quant_method": "bitnet"}} {more}}}"#
    ))
}

#[test]
fn absent_keys_have_the_defaults_of_bitnet() {
    let found = read(
        r#"{"architectures": ["BitNetForCausalLM"], "quantization_config": {"quant_method": "bitnet"}}"#,
    )
    .expect("a configuration");
    let config = &found.config;
    assert_eq!((config.dim, config.hidden_dim, config.n_layers), (2560, 6912, 30));
    assert_eq!((config.n_heads, config.n_kv_heads, config.head_dim), (20, 5, 128));
    assert_eq!((config.vocab_size, config.max_seq_len), (128_256, 2048));
    assert_eq!((config.norm_eps, config.rope_theta), (1e-5, 500_000.0));
    assert_eq!(
        (config.hidden_act, config.has_sub_norms, config.tied_embedding),
        (HiddenAct::Relu2, true, false)
    );
    assert_eq!((config.bos_token_id, &config.eos_token_ids[..]), (Some(128_000), &[128_001][..]));
    assert_eq!((found.architecture, found.rope_scaling), (Architecture::BitNet, RopeScaling::None));
    assert_eq!(found.quantization.weight_form, WeightForm::PackedDivide);
}

#[test]
fn absent_keys_have_the_defaults_of_llama() {
    let of_1bitllm = read(r#"{"architectures": ["BitnetForCausalLM"], "model_type": "bitnet"}"#);
    let of_type = read(r#"{"model_type": "llama", "quantization_config": {"quant_method": "bitnet"}}"#);
    for (found, has_sub_norms) in [(llama(""), false), (of_1bitllm, true), (of_type, false)] {
        let config = found.expect("a configuration").config;
        assert_eq!((config.dim, config.hidden_dim, config.n_layers), (4096, 11_008, 32));
        assert_eq!((config.n_heads, config.n_kv_heads, config.head_dim), (32, 32, 128));
        assert_eq!((config.vocab_size, config.max_seq_len), (32_000, 2048));
        assert_eq!((config.norm_eps, config.rope_theta), (1e-6, 10_000.0));
        assert_eq!((config.hidden_act, config.tied_embedding), (HiddenAct::Silu, false));
        assert_eq!((config.bos_token_id, &config.eos_token_ids[..]), (Some(1), &[2][..]));
        assert_eq!(config.has_sub_norms, has_sub_norms);
    }
}

#[test]
fn null_is_no_value_where_one_is_optional_and_refused_where_not() {
    let optional = r#", "bos_token_id": null, "eos_token_id": null, "num_key_value_heads": null, "head_dim": null,
        "rope_scaling": null, "rope_parameters": null, "torch_dtype": null"#;
    let config = llama(optional).expect("a configuration").config;
    assert_eq!((config.bos_token_id, config.eos_token_ids.len()), (None, 0));
    assert_eq!((config.n_kv_heads, config.head_dim), (32, 128));
    for key in
        ["hidden_size", "hidden_act", "rms_norm_eps", "rope_theta", "tie_word_embeddings", "vocab_size"]
    {
        let error = llama(&format!(r#", "{key}": null"#)).expect_err(key).to_string();
        assert!(error.contains(key) && error.contains("found null"), "{error}");
    }
}

#[test]
fn default_ids_beyond_the_vocabulary_are_left_out() {
    let config = llama(r#", "vocab_size": 2"#).expect("a configuration").config;
    assert_eq!((config.bos_token_id, config.eos_token_ids.len()), (Some(1), 0));
}

#[test]
fn rope_has_one_meaning_in_every_spelling() {
    let llama3 = RopeScaling::Llama3 {
        factor: 8.0,
        low_freq_factor: 1.0,
        high_freq_factor: 4.0,
        original_context: 64.0,
    };
    let numbers = r#""factor": 8.0, "low_freq_factor": 1, "high_freq_factor": 4.0"#;
    let context = r#""original_max_position_embeddings": 64"#;
    for (text, theta, scaling) in [
        (r#""rope_theta": 7"#.into(), 7.0, RopeScaling::None),
        (r#""rope_parameters": {"rope_theta": 7.5}, "rope_theta": 3"#.into(), 7.5, RopeScaling::None),
        (r#""rope_parameters": {"rope_type": "default"}, "rope_theta": 3"#.into(), 3.0, RopeScaling::None),
        (
            r#""rope_scaling": {"type": "linear", "factor": 2}"#.into(),
            10_000.0,
            RopeScaling::Linear { factor: 2.0 },
        ),
        // An empty dictionary counts as none; a full one wins over `rope_parameters`.
        (r#""rope_scaling": {}, "rope_parameters": {"rope_theta": 5}"#.into(), 5.0, RopeScaling::None),
        (
            r#""rope_scaling": {"rope_type": "default"}, "rope_parameters": {"rope_theta": 5}"#.into(),
            10_000.0,
            RopeScaling::None,
        ),
        (format!(r#""rope_scaling": {{"rope_type": "llama3", {numbers}, {context}}}"#), 10_000.0, llama3),
        (
            format!(r#""rope_parameters": {{"rope_type": "llama3", "rope_theta": 9, {numbers}, {context}}}"#),
            9.0,
            llama3,
        ),
        (
            format!(r#""max_position_embeddings": 64, "rope_scaling": {{"type": "llama3", {numbers}}}"#),
            10_000.0,
            llama3,
        ),
        (format!(r#"{context}, "rope_scaling": {{"type": "llama3", {numbers}}}"#), 10_000.0, llama3),
    ] {
        let found = llama(&format!(", {text}")).expect("a configuration");
        assert_eq!((found.config.rope_theta, found.rope_scaling), (theta, scaling), "{text}");
    }
}

#[test]
fn norms_inside_linears_have_an_epsilon_of_their_own() {
    for (keys, eps) in [
        ("", None),
        (r#", "use_rms_norm": false, "rms_norm_eps": 3e-4"#, None),
        (r#", "use_rms_norm": true"#, Some(1e-6)),
        (r#", "use_rms_norm": true, "rms_norm_eps": 3e-4"#, Some(3e-4)),
    ] {
        let quantization = format!(r#"{{"quant_method": "bitnet" {keys}}}"#);
        let config = format!(r#"{{"model_type": "llama", "quantization_config": {quantization}}}"#);
        assert_eq!(read(&config).expect(keys).config.linear_norm_eps, eps, "{keys}");
    }
}

#[test]
fn every_form_of_weights_is_told_by_the_configuration_alone() {
    for (keys, form) in [
        ("", WeightForm::PackedDivide),
        (r#", "linear_class": "bitlinear", "modules_to_not_convert": null"#, WeightForm::PackedDivide),
        (r#", "linear_class": "bitlinear", "quantization_mode": "online""#, WeightForm::PackedDivide),
        (r#", "linear_class": "autobitlinear""#, WeightForm::PackedMultiply),
        (r#", "linear_class": "autobitlinear", "quantization_mode": "online""#, WeightForm::Master),
        (r#", "modules_to_not_convert": ["lm_head", "model.norm"]"#, WeightForm::PackedDivide),
    ] {
        let quantization = format!(r#"{{"quant_method": "bitnet" {keys}}}"#);
        let config = format!(r#"{{"model_type": "bitnet", "quantization_config": {quantization}}}"#);
        assert_eq!(read(&config).expect(keys).quantization.weight_form, form, "{keys}");
    }
}
