//! `ternlet pack` on checkpoints that can be packed and look wrong: a warning with a count and an example

use serde_json::json;

use crate::pack_refuses::checkpoint::{Checkpoint, Form, Tensor};
use crate::program::{Folder, ternlet};

/// Packs a checkpoint, which must succeed, and returns what was said on stderr.
fn said(form: Form, change: impl FnOnce(&mut Checkpoint)) -> String {
    let folder = Folder::new();
    let mut checkpoint = Checkpoint::new(form);
    change(&mut checkpoint);
    checkpoint.write(&folder.path().join("checkpoint"));
    let mut pack = ternlet();
    pack.args(["pack", "--no-tokenizer", &folder.file("checkpoint"), "-o", &folder.file("out.tern")]);
    let output = pack.output().expect("it runs");
    let stderr = String::from_utf8(output.stderr).expect("UTF-8");
    assert!(output.status.success(), "{stderr}");
    stderr
}

#[test]
fn honest_checkpoints_raise_no_doubt() {
    for form in [Form::Master, Form::PackedMultiply, Form::PackedDivide, Form::OneBitLlm, Form::Llama] {
        assert_eq!(said(form, |_| ()), "", "{form:?}");
    }
}

#[test]
fn a_scale_that_looks_like_its_reciprocal_is_named() {
    let large = |c: &mut Checkpoint| {
        for tensor in
            c.tensors.iter_mut().filter(|(name, _)| name.ends_with("_scale")).map(|(_, tensor)| tensor)
        {
            tensor.put_float(0, 20.0);
        }
    };
    let stderr = said(Form::PackedMultiply, large);
    // q, k, v, gate and up of two layers; what joins the residual stream may have any size.
    assert!(stderr.contains("WARNING: 10 of 14 ternary matrices have a scale that looks like"), "{stderr}");
    assert!(stderr.contains("model.layers.0.self_attn.q_proj.weight_scale"), "{stderr}");
    assert!(stderr.contains("weight_scale multiplies"), "{stderr}");
    assert_eq!(said(Form::PackedDivide, large), "");

    let lost = said(Form::PackedMultiply, |c| {
        for (name, tensor) in c.tensors.iter_mut().filter(|(name, _)| name.ends_with("_scale")) {
            tensor.put_float(0, if name.contains("up_proj") { 0.02 } else { 1.0 });
        }
        c.config["quantization_config"] = json!({"quant_method": "bitnet"});
    });
    assert!(lost.contains("WARNING: 2 of 14") && lost.contains("weight_scale divides"), "{lost}");
}

#[test]
fn matrices_of_zeros_are_named() {
    let down = "model.layers.1.mlp.down_proj.weight";
    let packed =
        said(Form::PackedMultiply, |c| drop(c.tensors.insert(down.into(), Tensor::bytes(&[4, 24], 0x55))));
    let masters = said(Form::Master, |c| drop(c.tensors.insert(down.into(), Tensor::floats(&[16, 24], 0.0))));
    for stderr in [packed, masters] {
        assert!(stderr.contains("WARNING: 1 of 14 ternary matrices hold nothing but zeros"), "{stderr}");
        assert!(stderr.contains(down), "{stderr}");
    }
}

#[test]
fn masters_that_are_ternary_already_are_named() {
    let up = "model.layers.0.mlp.up_proj.weight";
    let stderr = said(Form::Master, |c| {
        let tensor = c.tensors.get_mut(up).expect("there");
        (0..24 * 16).for_each(|i| tensor.put_float(i, [0.25, 0.0, -0.25][i % 3]));
    });
    assert!(stderr.contains("WARNING: 1 of 14 ternary matrices are ternary already"), "{stderr}");
    assert!(stderr.contains(up), "{stderr}");
}
