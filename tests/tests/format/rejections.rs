//! One test per numbered rejection of FORMAT.md; those of the config, layouts and SYSTEM have files of their own

use core::mem::discriminant;
use std::path::Path;

use ternlet_runtime::format::{Layout, Role, SectionId, SystemError};
use ternlet_runtime::{LoadError, Model, ModelFile};

use super::image::{
    Bytes, CHAT_TEMPLATE, CHUNK_CHECKSUMS, CONFIG, DIRECTORY, Image, MAX_SEQ_LEN, SELF_TEST, SYSTEM, Section,
    TENSORS, TOKENIZER, VOCAB_SIZE,
};

/// Parses the forged image.
pub(crate) fn parse(forge: impl FnOnce(&mut Image)) -> Result<(), LoadError> {
    let mut image = Image::tiny();
    forge(&mut image);
    Model::parse(Bytes::new(&image.build(), 0).get()).map(|_| ())
}

/// The forged image must be refused with an error like `expected`; its numbers are in the message.
pub(crate) fn refused(expected: LoadError, forge: impl FnOnce(&mut Image)) {
    let found = parse(forge).expect_err("the forged file was accepted");
    assert_eq!(discriminant(&found), discriminant(&expected), "expected {expected:?}, found {found:?}");
    assert!(found.to_string().contains("expected"), "{found}");
}

/// The payload check of the forged image must refuse it, and parsing must not.
pub(crate) fn payload_refused(expected: LoadError, forge: impl FnOnce(&mut Image)) {
    payload_of_refused(Image::tiny(), expected, forge);
}

fn payload_of_refused(mut image: Image, expected: LoadError, forge: impl FnOnce(&mut Image)) {
    forge(&mut image);
    let bytes = Bytes::new(&image.build(), 0);
    let model = Model::parse(bytes.get()).expect("only the payload is forged");
    let tensors = (0..).zip(model.tensors()).try_for_each(|(index, _)| model.verify_tensor(index));
    assert_eq!(model.verify_payload().and(tensors), Err(expected));
}

#[test]
fn r00_the_unforged_file_is_accepted_and_verifies() {
    let bytes = Bytes::new(&Image::tiny().build(), 0);
    let model = Model::parse(bytes.get()).unwrap();
    model.verify_payload().unwrap();
    (0..).zip(model.tensors()).for_each(|(index, _)| model.verify_tensor(index).unwrap());
    assert_eq!(model.self_test().unwrap().ids, [3, 9]);
    assert_eq!(model.config().name, "tiny");
    assert_eq!(model.layer(0).w_down.weight.k, 12);
}

#[test]
fn r01_misaligned_base() {
    let file = Image::tiny().build();
    for misalignment in 1..64 {
        let bytes = Bytes::new(&file, misalignment);
        let found = Model::parse(bytes.get()).unwrap_err();
        assert_eq!(found, LoadError::MisalignedBase { remainder: misalignment });
    }
}

#[test]
fn r02_shorter_than_header_and_table() {
    let found = Model::parse(Bytes::new(&[], 0).get()).unwrap_err();
    assert_eq!(found, LoadError::Truncated { need: 64, have: 0 });
    let file = Image::tiny().build();
    let found = Model::parse(Bytes::new(&file[..63], 0).get()).unwrap_err();
    assert_eq!(found, LoadError::Truncated { need: 64, have: 63 });
    let mut head = Image { total_len: Some(80), ..Image::tiny() }.build();
    head.truncate(80);
    let found = Model::parse(Bytes::new(&head, 0).get()).unwrap_err();
    assert_eq!(found, LoadError::Truncated { need: 64 + 5 * 32, have: 80 });
}

#[test]
fn r03_magic() {
    refused(LoadError::BadMagic { found: 0 }, |image| image.magic = *b"GGUF\0\0\0\0");
}

#[test]
fn r04_version() {
    for version in [0, 2, 1 << 24, u32::MAX] {
        refused(LoadError::UnsupportedVersion { expected: 1, found: 0 }, |image| image.version = version);
    }
}

#[test]
fn r05_total_len() {
    for total_len in [0, 64, 4095, 1 << 40, u64::MAX] {
        refused(LoadError::WrongLength { need: 0, have: 0 }, |image| image.total_len = Some(total_len));
    }
}

#[test]
fn r06_section_count() {
    for n in [0, 9, u32::MAX] {
        refused(LoadError::BadSectionCount { max: 0, found: 0 }, |image| image.n_sections = Some(n));
    }
}

#[test]
fn r07_header_checksum() {
    refused(LoadError::HeaderChecksum { expected: 0, found: 0 }, |image| image.checksum = Some(1));
}

#[test]
fn r08_reserved_header_bytes() {
    refused(LoadError::ReservedNotZero { offset: 0 }, |image| image.reserved[15] = 1);
    refused(LoadError::ReservedNotZero { offset: 0 }, |image| image.section(DIRECTORY).reserved = 1);
}

#[test]
fn r09_required_features() {
    for bit in [0, 63] {
        refused(LoadError::UnsupportedFeatures { bits: 0 }, |image| image.required_features = 1 << bit);
    }
}

#[test]
fn r10_unknown_section() {
    for id in [0, 9, u32::MAX] {
        refused(LoadError::UnknownSection { found: 0 }, |image| image.section(SELF_TEST).id = id);
    }
}

#[test]
fn r11_section_order() {
    refused(LoadError::SectionOrder { previous: 0, found: 0 }, |image| image.sections.swap(1, 2));
    refused(LoadError::SectionOrder { previous: 0, found: 0 }, |image| {
        let twice = image.sections[0].clone();
        image.sections.insert(1, twice);
    });
}

#[test]
fn r12_missing_section() {
    for id in [CONFIG, DIRECTORY, CHUNK_CHECKSUMS, TENSORS] {
        let section = SectionId::Config;
        refused(LoadError::MissingSection { id: section }, |image| image.sections.retain(|s| s.id != id));
    }
}

#[test]
fn r13_section_placement() {
    let id = SectionId::Config;
    for offset in [0, 1, 64, 255, 320, u64::MAX] {
        let expected = LoadError::SectionPlacement { id, expected: 0, found: 0 };
        refused(expected, |image| image.section(CONFIG).offset = Some(offset));
        refused(expected, |image| image.section(TENSORS).offset = Some(offset));
    }
}

#[test]
fn r14_section_out_of_bounds() {
    let id = SectionId::Tensors;
    for length in [1 << 20, 1 << 62, u64::MAX] {
        let expected = LoadError::SectionOutOfBounds { id, offset: 0, length: 0 };
        refused(expected, |image| image.section(TENSORS).length = Some(length));
        refused(expected, |image| image.section(CONFIG).length = Some(length));
    }
}

#[test]
fn r15_trailing_bytes() {
    refused(LoadError::TrailingBytes { expected: 0, found: 0 }, |image| image.trailing = 1);
}

#[test]
fn r16_gap() {
    refused(LoadError::GapNotZero { offset: 0 }, |image| image.gap = 1);
}

#[test]
fn r17_section_checksum() {
    for id in [CONFIG, SELF_TEST, DIRECTORY, CHUNK_CHECKSUMS, TENSORS] {
        let section = SectionId::Config;
        let expected = LoadError::SectionChecksum { id: section, expected: 0, found: 0 };
        refused(expected, |image| image.section(id).checksum = Some(1));
    }
}

#[test]
fn r18_section_length() {
    let section = SectionId::Config;
    for id in [CONFIG, SELF_TEST, DIRECTORY, CHUNK_CHECKSUMS] {
        let expected = LoadError::SectionLength { id: section, expected: 0, found: 0 };
        refused(expected, |image| image.section(id).bytes.push(0));
        refused(expected, |image| {
            image.section(id).bytes.pop();
        });
    }
}

#[test]
fn r25_another_tensor() {
    let role = Role::Wq;
    let expected = LoadError::WrongTensor { index: 0, expected: role, role: 0, layer: 0 };
    refused(expected, |image| image.put_entry(2, 0, &18_u16.to_le_bytes()));
    refused(expected, |image| image.put_entry(2, 2, &1_u16.to_le_bytes()));
    refused(expected, |image| image.put_entry(0, 0, &99_u16.to_le_bytes()));
}

/// A flag that says that layers have more tensors than the directory lists.
#[test]
fn r18_norms_that_the_directory_lacks() {
    let expected = LoadError::SectionLength { id: SectionId::Directory, expected: 0, found: 0 };
    refused(expected, |image| image.put(CONFIG, 40, &0b1_0111_u32.to_le_bytes()));
    refused(expected, |image| {
        image.put(CONFIG, 40, &0b10_0111_u32.to_le_bytes());
        image.put(CONFIG, 172, &1e-6_f32.to_le_bytes());
    });
}

#[test]
fn r26_layout() {
    for code in [0, 7, 15, 20, u16::MAX] {
        let expected = LoadError::UnknownLayout { index: 0, found: 0 };
        refused(expected, |image| image.put_entry(2, 4, &code.to_le_bytes()));
    }
    let (role, found) = (Role::Wq, Layout::I8);
    // A float matrix, a ternary embedding, one that is a low plane, a half-precision norm.
    for (index, code) in [(2, 1_u16), (0, 16), (0, 6), (1, 2)] {
        let expected = LoadError::WrongLayout { index: 0, role, found };
        refused(expected, |image| image.put_entry(index, 4, &code.to_le_bytes()));
    }
}

#[test]
fn r27_order_and_tiles() {
    for offset in [6, 8, 9, 10, 11] {
        refused(LoadError::UnsupportedOrder { index: 0 }, |image| image.put_entry(2, offset, &[1]));
    }
}

#[test]
fn r28_tensor_reserved() {
    refused(LoadError::TensorReservedNotZero { index: 0 }, |image| image.put_entry(2, 7, &[1]));
}

#[test]
fn r29_scale() {
    let expected = LoadError::BadScale { index: 0, found: 0.0 };
    for scale in [f32::NAN, f32::INFINITY, -0.0, -1.0] {
        refused(expected, |image| image.put_entry(2, 12, &scale.to_le_bytes()));
    }
    refused(expected, |image| image.put_entry(0, 12, &2_f32.to_le_bytes()));
}

#[test]
fn r30_shape() {
    let expected = LoadError::WrongShape { index: 0, expected: (0, 0), found: (0, 0) };
    for offset in [16, 24] {
        for value in [0, 7, u64::MAX] {
            refused(expected, |image| image.put_entry(2, offset, &value.to_le_bytes()));
        }
    }
}

#[test]
fn r31_tensor_placement() {
    let expected = LoadError::TensorPlacement { index: 0, expected: (0, 0), found: (0, 0) };
    for offset in [32, 40] {
        for value in [0, 1, 64, u64::MAX - 63] {
            refused(expected, |image| image.put_entry(2, offset, &value.to_le_bytes()));
        }
    }
}

#[test]
fn r32_payload_and_tensors_end_together() {
    refused(LoadError::TensorOutOfBounds { index: 0, need: 0, have: 0 }, |image| {
        image.section(TENSORS).bytes.truncate(64);
        image.seal_payload();
    });
    refused(LoadError::PayloadNotCovered { expected: 0, found: 0 }, |image| {
        image.section(TENSORS).bytes.extend([0; 64]);
        image.seal_payload();
    });
}

#[test]
fn r33_self_test_count() {
    for n in [0, MAX_SEQ_LEN + 1, u32::MAX] {
        let expected = LoadError::SelfTestCount { max: 0, found: 0 };
        refused(expected, |image| image.put(SELF_TEST, 0, &n.to_le_bytes()));
    }
}

#[test]
fn r34_self_test_reserved() {
    refused(LoadError::SelfTestReserved, |image| image.put(SELF_TEST, 4, &[1]));
}

#[test]
fn r35_self_test_id() {
    let expected = LoadError::SelfTestId { found: 0, vocab_size: 0 };
    refused(expected, |image| image.put(SELF_TEST, 16, &VOCAB_SIZE.to_le_bytes()));
}

#[test]
fn r36_chunk_checksum() {
    let mut image = Image::tiny();
    image.section(TENSORS).bytes[5] ^= 1;
    let bytes = Bytes::new(&image.build(), 0);
    let found = Model::parse(bytes.get()).unwrap().verify_payload();
    assert!(matches!(found, Err(LoadError::ChunkChecksum { index: 0, .. })), "{found:?}");
}

#[test]
fn r37_trits() {
    // A fourth code in each plane of row 1, and padding that is not zero.
    for (byte, value) in
        [(0, 0b0001_0111), (0, 0b0001_1101), (0, 0b0011_0101), (0, 0b1001_0101), (15, 0b0001_0110)]
    {
        payload_refused(LoadError::InvalidTrits { index: 2, row: 1 }, |image| {
            let offset = image.tensor_offset(2) + 16 + byte;
            image.put(TENSORS, offset, &[value]);
            image.seal_payload();
        });
    }
}

#[test]
fn r38_floats() {
    for value in [f32::NAN, f32::NEG_INFINITY] {
        for index in [0, 1, 13] {
            payload_refused(LoadError::NotFinite { index, element: 1 }, |image| {
                let offset = image.tensor_offset(index as usize) + 4;
                image.put(TENSORS, offset, &value.to_le_bytes());
                image.seal_payload();
            });
        }
    }
}

#[test]
fn r39_tensor_gap() {
    payload_refused(LoadError::TensorGapNotZero { index: 2 }, |image| {
        let offset = image.tensor_offset(2) - 1;
        image.put(TENSORS, offset, &[1]);
        image.seal_payload();
    });
}

#[test]
fn r40_tokenizer() {
    for bytes in [vec![], vec![0; 64], vec![0xff; 4096]] {
        let section = Section { id: TOKENIZER, bytes, ..Section::default() };
        let found = parse(|image| image.sections.insert(1, section)).unwrap_err();
        assert!(matches!(found, LoadError::Tokenizer(_)), "{found:?}");
    }
}

#[test]
fn r41_tokenizer_ids() {
    let (tokenizer, _) = shipped_sections();
    refused(LoadError::TokenizerIds { vocab_size: 0, found: 0 }, |image| image.sections.insert(1, tokenizer));
}

#[test]
fn r42_chat_template() {
    for bytes in [vec![], vec![0xff; 64]] {
        let section = Section { id: CHAT_TEMPLATE, bytes, ..Section::default() };
        let found = parse(|image| image.sections.insert(1, section)).unwrap_err();
        assert!(matches!(found, LoadError::ChatTemplate(_)), "{found:?}");
    }
}

#[test]
fn r43_chat_template_without_tokenizer() {
    let (_, template) = shipped_sections();
    refused(LoadError::ChatTemplateAlone, |image| image.sections.insert(1, template));
}

#[test]
fn r44_chat_template_id() {
    // Flags and text length 0, eight lists that all end behind one item, reserved; the item: an id, no text.
    let mut words = vec![0, 0];
    words.extend([1; 8]);
    words.extend([0, 0, 1 << 19, 0]);
    let bytes = words.into_iter().flat_map(u32::to_le_bytes).collect();
    let section = Section { id: CHAT_TEMPLATE, bytes, ..Section::default() };
    let error = LoadError::ChatTemplateId { found: 0, vocab_size: 0 };
    refused(error, |image| image.sections.insert(1, section));
}

/// The TOKENIZER and CHAT_TEMPLATE of the shipped model.
fn shipped_sections() -> (Section, Section) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tools/model/demo.tern");
    let file = ModelFile::open(&path).expect("the shipped model");
    let model = Model::parse(file.bytes()).expect("a whole model");
    let section = |id, bytes: Option<&[u8]>| Section {
        id,
        bytes: bytes.expect("both sections").to_vec(),
        ..Section::default()
    };
    (section(TOKENIZER, model.tokenizer_bytes()), section(CHAT_TEMPLATE, model.chat_template_bytes()))
}

#[test]
fn r45_pooling_with_a_head() {
    refused(LoadError::ConfigPoolingWithHead, |image| {
        image.put(CONFIG, 40, &0b101_u32.to_le_bytes());
        image.put(CONFIG, 176, &1_u32.to_le_bytes());
    });
    assert_eq!(parse(|image| image.put(CONFIG, 176, &1_u32.to_le_bytes())), Ok(()));
}

#[test]
fn r46_system_message() {
    let section = Section { id: SYSTEM, bytes: vec![0; 24], ..Section::default() };
    let expected = LoadError::System(SystemError::TextLength { max: 0, found: 0 });
    refused(expected, |image| image.sections.push(section));
}

#[test]
fn r47_padding_of_a_split_table() {
    let build = Image::tiny_split().build();
    let bytes = Bytes::new(&build, 0);
    let model = Model::parse(bytes.get()).expect("a split table");
    model.verify_payload().expect("sealed");
    (0..).zip(model.tensors()).for_each(|(index, _)| model.verify_tensor(index).expect("sound"));
    // Row 3 of the high plane, row 5 of the low: byte 9 belongs to no weight below 8.
    for (index, row, row_bytes) in [(0, 3, 80), (3, 5, 48)] {
        payload_of_refused(Image::tiny_split(), LoadError::PlanePaddingNotZero { index, row }, |image| {
            let row = usize::try_from(row).expect("small");
            let offset = image.tensor_offset(index as usize) + row * row_bytes + 9;
            image.section(TENSORS).bytes[offset] ^= 1;
            image.seal_payload();
        });
    }
}

#[test]
fn r48_bound_of_a_split_table() {
    for found in [0.0, -3.0, 12.5, 1e9] {
        let mut image = Image::tiny_split();
        let offset = image.tensor_offset(2) + 4 * 6;
        let stored = image.section(TENSORS).bytes[offset..offset + 4].try_into().expect("four bytes");
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a bound is a small integer"
        )]
        let expected = f32::from_le_bytes(stored) as u32;
        payload_of_refused(image, LoadError::WrongBound { index: 2, row: 6, expected, found }, |image| {
            image.put(TENSORS, offset, &found.to_le_bytes());
            image.seal_payload();
        });
    }
}
