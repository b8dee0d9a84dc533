//! Rejections S1 to S10 of the SYSTEM section; S11 needs rows and stands in `tests/tests/system.rs`

use ternlet_runtime::format::{LoadError, SystemError};
use ternlet_runtime::{Model, checksum};

use super::image::{Bytes, Image, MAX_SEQ_LEN, SYSTEM, Section, VOCAB_SIZE};

/// Keys and values of one position of the tiny model in f16, and their checksum.
const POSITION_BYTES: usize = 2 * 4 * 2 + 8;

/// A section of the text `Be.` and two ids; the rows are zeros, which parsing does not read.
fn section() -> Vec<u8> {
    let mut bytes: Vec<u8> = [3, 2, 1, 0, 0, 0].iter().flat_map(|word: &u32| word.to_le_bytes()).collect();
    bytes.extend(b"Be.\0");
    bytes.extend([4u32, 9].iter().flat_map(|id| id.to_le_bytes()));
    bytes.extend([0; 2 * POSITION_BYTES]);
    seal(&mut bytes);
    bytes
}

/// Makes the checksum of text and ids right.
fn seal(bytes: &mut [u8]) {
    let covered = [&bytes[..16], &bytes[24..36]].concat();
    bytes[16..24].copy_from_slice(&checksum(&covered).to_le_bytes());
}

/// What parsing says of the tiny model with `bytes` as its SYSTEM section.
fn found(bytes: Vec<u8>) -> Result<(), LoadError> {
    let mut image = Image::tiny();
    image.sections.push(Section { id: SYSTEM, bytes, ..Section::default() });
    Model::parse(Bytes::new(&image.build(), 0).get()).map(|_| ())
}

/// What parsing says after `forge`, with the checksum made right.
fn forged(forge: impl FnOnce(&mut Vec<u8>)) -> Result<(), LoadError> {
    let mut bytes = section();
    forge(&mut bytes);
    seal(&mut bytes);
    found(bytes)
}

fn refused(error: SystemError) -> Result<(), LoadError> {
    Err(LoadError::System(error))
}

#[test]
fn s01_truncated() {
    for have in [0, 1, 23] {
        assert_eq!(found(section()[..have].to_vec()), refused(SystemError::Truncated { need: 24, have }));
    }
}

#[test]
fn s02_text_length() {
    for n in [0, 1025, u32::MAX] {
        let expected = refused(SystemError::TextLength { max: 1024, found: n });
        assert_eq!(forged(|bytes| bytes[..4].copy_from_slice(&n.to_le_bytes())), expected);
    }
}

#[test]
fn s03_id_count() {
    for n in [0, MAX_SEQ_LEN, u32::MAX] {
        let expected = refused(SystemError::IdCount { max: MAX_SEQ_LEN - 1, found: n });
        assert_eq!(forged(|bytes| bytes[4..8].copy_from_slice(&n.to_le_bytes())), expected);
    }
}

#[test]
fn s04_length() {
    let expected = section().len() as u64;
    for len in [36, section().len() - 1] {
        let expected = refused(SystemError::Length { expected, found: len as u64 });
        assert_eq!(found(section()[..len].to_vec()), expected);
    }
    let longer = [section(), vec![0]].concat();
    assert_eq!(found(longer), refused(SystemError::Length { expected, found: expected + 1 }));
}

#[test]
fn s05_reserved_bytes() {
    for at in [12, 15, 27] {
        assert_eq!(forged(|bytes| bytes[at] = 1), refused(SystemError::ReservedNotZero), "byte {at}");
    }
}

#[test]
fn s06_checksum() {
    for at in [8, 16, 23, 24, 28, 35] {
        let mut bytes = section();
        bytes[at] ^= 1;
        let found = found(bytes);
        assert!(
            matches!(found, Err(LoadError::System(SystemError::Checksum { .. }))),
            "byte {at}: {found:?}"
        );
    }
}

#[test]
fn s07_numerics() {
    let expected = refused(SystemError::Numerics { expected: 1, found: 2 });
    assert_eq!(forged(|bytes| bytes[8] = 2), expected);
}

#[test]
fn s08_text_that_is_not_utf_8() {
    assert_eq!(forged(|bytes| bytes[25] = 0xff), refused(SystemError::NotUtf8));
}

#[test]
fn s09_id_outside_the_vocabulary() {
    for id in [VOCAB_SIZE, u32::MAX] {
        let expected = refused(SystemError::Id { found: id, vocab_size: VOCAB_SIZE });
        assert_eq!(forged(|bytes| bytes[32..36].copy_from_slice(&id.to_le_bytes())), expected);
    }
}

#[test]
fn s10_without_a_chat_template() {
    assert_eq!(found(section()), refused(SystemError::NoTemplate));
}
