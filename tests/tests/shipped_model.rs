//! The model in the repository is whole, and has all that the first command needs

use std::path::Path;

use ternlet_runtime::{Model, ModelFile};

#[test]
fn the_shipped_model_verifies_and_has_all_its_sections() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tools/model/demo.tern");
    let file = ModelFile::open(&path).unwrap();
    let model = Model::parse(file.bytes()).unwrap();
    model.verify_payload().unwrap();
    for (index, _) in (0..).zip(model.tensors()) {
        model.verify_tensor(index).unwrap();
    }
    assert!(model.tokenizer().is_some(), "tokenizer");
    assert!(model.chat_template_bytes().is_some(), "chat template");
    assert!(model.self_test().is_some(), "self-test");
    assert_eq!(model.config().name, "ternlet-demo");
}
