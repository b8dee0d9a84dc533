//! Damage never panics and never goes unnoticed
//!
//! Run in a debug build, with overflow checks.

use ternlet_runtime::format::LoadError;
use ternlet_runtime::{Model, Table};

use super::image::{Bytes, DIRECTORY, Image};

#[test]
fn a_file_cut_at_any_length_is_a_typed_error() {
    let file = Image::tiny().build();
    for len in 0..file.len() {
        let bytes = Bytes::new(&file[..len], 0);
        assert!(Model::parse(bytes.get()).is_err(), "cut at {len}");
    }
    let longer: Vec<u8> = file.iter().copied().chain([0]).collect();
    assert!(Model::parse(Bytes::new(&longer, 0).get()).is_err());
}

#[test]
fn every_flipped_bit_before_the_payload_is_a_typed_error() {
    let mut image = Image::tiny();
    let file = image.build();
    let payload = file.len() - image.section(super::image::TENSORS).bytes.len();
    let mut bytes = Bytes::new(&file, 0);
    for index in 0..payload {
        for mask in [1, 2, 4, 8, 16, 32, 64, 128, 255] {
            bytes.flip(index, mask);
            assert!(Model::parse(bytes.get()).is_err(), "byte {index}, mask {mask}");
            bytes.flip(index, mask);
        }
    }
}

#[test]
fn every_flipped_payload_byte_is_found_by_its_checksum_and_by_no_panic() {
    let mut image = Image::tiny();
    let file = image.build();
    let payload = file.len() - image.section(super::image::TENSORS).bytes.len();
    let mut bytes = Bytes::new(&file, 0);
    for index in payload..file.len() {
        bytes.flip(index, 0xa5);
        let model = Model::parse(bytes.get()).expect("parsing does not read the payload");
        let found = model.verify_payload();
        assert!(matches!(found, Err(LoadError::ChunkChecksum { index: 0, .. })), "byte {index}: {found:?}");
        let _ = (0..).zip(model.tensors()).try_for_each(|(tensor, _)| model.verify_tensor(tensor));
        bytes.flip(index, 0xa5);
    }
}

/// Every flip of a byte with the checksums forged to match: a typed error, or a model whose every accessor works.
#[test]
fn forged_tables_are_refused_or_harmless() {
    for id in [super::image::CONFIG, super::image::SELF_TEST, DIRECTORY] {
        let len = Image::tiny().section(id).bytes.len();
        for index in 0..len {
            for mask in [1, 0x80, 0xff] {
                let mut image = Image::tiny();
                image.section(id).bytes[index] ^= mask;
                let bytes = Bytes::new(&image.build(), 0);
                if let Ok(model) = Model::parse(bytes.get()) {
                    read_everything(&model);
                }
            }
        }
    }
}

/// Calls every accessor.
fn read_everything(model: &Model<'_>) {
    for layer in 0..model.config().n_layers as usize {
        let layer = model.layer(layer);
        assert_eq!(layer.w_up.weight.bytes.len() % layer.w_up.weight.n, 0);
    }
    match model.lm_head() {
        Table::F32(head) => assert!(!head.is_empty()),
        other => panic!("a forged layout was accepted: {other:?}"),
    }
    assert!(!model.final_norm().is_empty() && !model.rope_inv_freq().is_empty());
    assert!(model.weight_bytes_per_token() > 0);
    let _ = model.verify_payload();
    let _ = (0..).zip(model.tensors()).try_for_each(|(tensor, _)| model.verify_tensor(tensor));
    let _ = model.self_test();
}
