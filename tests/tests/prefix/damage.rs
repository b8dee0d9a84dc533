//! Every rejection of prefix files, and every cut and flip; the session goes on afterwards

use core::convert::Infallible;

use ternlet_runtime::format::{NUMERICS_VERSION, PREFIX_HEADER_BYTES, PREFIX_VERSION};
use ternlet_runtime::{KvType, Model, PlanOptions, PrefixError, Restored, Serial, Session, checksum};
use ternlet_tests::open_session;

use super::support::{PLAN, best, go_on, ids, prefix_of, with_shipped, with_small};

type Outcome = Result<Restored, PrefixError<Infallible>>;

/// What a session that holds other ids makes of `file`; afterwards it holds those still, or nothing, and works.
fn restore(session: &mut Session<'_>, file: &[u8], wanted: &[u32]) -> Outcome {
    let own = [wanted[0], wanted[0] ^ 1, 2];
    session.truncate(0);
    session.prefill(&own, |_| true).expect("three ids fit");
    let found = session.restore_prefix(&mut &file[..], wanted);
    match &found {
        Ok(_) => {}
        Err(PrefixError::RowsChecksum { .. }) => assert!(session.cached_ids().is_empty()),
        // Only an end within the rows has touched them.
        Err(PrefixError::Truncated) if file.len() >= PREFIX_HEADER_BYTES + 4 * wanted.len() + 8 => {
            assert!(session.cached_ids().is_empty());
        }
        Err(_) => assert_eq!(session.cached_ids(), own),
    }
    found
}

/// Runs `body` with a small model, a session on it, six ids and their prefix file.
fn with_file(body: impl FnOnce(&Model<'_>, &mut Session<'_>, &[u32], Vec<u8>)) {
    with_small(1, |model| {
        let ids = ids(model, 6);
        let file = prefix_of(model, KvType::F16, &ids);
        open_session(model, best(), &Serial, &PLAN, |mut session| body(model, &mut session, &ids, file));
    });
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    with_file(|_, session, ids, file| {
        for len in 0..file.len() {
            assert_eq!(restore(session, &file[..len], ids), Err(PrefixError::Truncated), "cut at {len}");
        }
        assert!(restore(session, &file, ids).is_ok());
    });
}

#[test]
fn every_flipped_byte_is_found_and_the_session_goes_on() {
    with_file(|_, session, ids, mut file| {
        session.prefill(ids, |_| true).unwrap();
        session.truncate(0);
        let expected = go_on(session, ids);
        for index in 0..file.len() {
            for mask in [1, 0x80, 0xff] {
                file[index] ^= mask;
                assert!(restore(session, &file, ids).is_err(), "byte {index}, mask {mask}");
                file[index] ^= mask;
            }
            if index % 97 == 0 {
                session.truncate(0);
                assert_eq!(go_on(session, ids), expected);
            }
        }
    });
}

#[test]
fn positions_that_changed_places_are_found() {
    with_file(|_, session, ids, mut file| {
        let start = PREFIX_HEADER_BYTES + 4 * ids.len() + 8;
        let len = (file.len() - start) / ids.len();
        let (first, second) = file[start..].split_at_mut(len);
        first.swap_with_slice(&mut second[..len]);
        let found = restore(session, &file, ids);
        assert!(matches!(found, Err(PrefixError::RowsChecksum { pos: 0, .. })), "{found:?}");
    });
}

/// The file with `bytes` at `at` of its header, and the header's checksum made right.
fn with_field(file: &[u8], at: usize, bytes: &[u8]) -> Vec<u8> {
    let mut file = file.to_vec();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let sum = checksum(&file[..56]);
    file[56..64].copy_from_slice(&sum.to_le_bytes());
    file
}

/// The rejection's number in FORMAT.md, a file, and what is expected of the error.
type Case = (&'static str, Vec<u8>, fn(&PrefixError<Infallible>) -> bool);

#[test]
fn every_field_of_the_header_has_its_own_refusal() {
    with_file(|model, session, ids, file| {
        let config = model.config();
        let shape = [config.n_layers, config.n_kv_heads, config.head_dim];
        let length = file.len() as u64;
        let id = model.file_id();
        let header_sum = checksum(&with_field(&file, 8, &1u32.to_le_bytes())[..56]);
        let mut bad_sum = file.clone();
        bad_sum[56..64].copy_from_slice(&(!header_sum).to_le_bytes());
        let mut bad_ids = file.clone();
        bad_ids[64] ^= 1;
        let cases: [Case; 11] = [
            ("P2", with_field(&file, 0, b"TERNLET\0"), |e| matches!(e, PrefixError::BadMagic { .. })),
            ("P3", with_field(&file, 8, &2u32.to_le_bytes()), |e| {
                *e == PrefixError::UnsupportedVersion { expected: PREFIX_VERSION, found: 2 }
            }),
            ("P4", bad_sum, |e| matches!(e, PrefixError::HeaderChecksum { .. })),
            ("P5", with_field(&file, 12, &9u32.to_le_bytes()), |e| {
                *e == PrefixError::Numerics { expected: NUMERICS_VERSION, found: 9 }
            }),
            ("P6", with_field(&file, 16, &(id ^ 1).to_le_bytes()), |e| {
                matches!(e, PrefixError::Model { .. })
            }),
            ("P7", with_field(&file, 24, &1u32.to_le_bytes()), |e| {
                *e == PrefixError::KvType { expected: KvType::F16, found: 1 }
            }),
            ("P8", with_field(&file, 28, &(shape[0] + 1).to_le_bytes()), |e| {
                matches!(e, PrefixError::Shape { .. })
            }),
            ("P9", with_field(&file, 40, &u32::MAX.to_le_bytes()), |e| {
                *e == PrefixError::TooManyIds { max: 1 << 20, found: u32::MAX }
            }),
            ("P10", with_field(&file, 48, &(length + 1).to_le_bytes()), |e| {
                matches!(e, PrefixError::Length { .. })
            }),
            ("P11", with_field(&file, 44, &1u32.to_le_bytes()), |e| *e == PrefixError::ReservedNotZero),
            ("P12", bad_ids, |e| matches!(e, PrefixError::IdsChecksum { .. })),
        ];
        for (number, file, is_expected) in cases {
            let found = restore(session, &file, ids).unwrap_err();
            assert!(is_expected(&found), "{number}: {found:?}");
            assert!(found.to_string().contains("expected") && found.to_string().contains("found"), "{found}");
        }
    });
}

#[test]
fn files_of_other_models_and_caches_are_refused() {
    with_file(|model, session, ids, file| {
        let other = with_small(2, |other| prefix_of(other, KvType::F16, ids));
        let (expected, found) = (model.file_id(), with_small(2, |other| other.file_id()));
        assert_eq!(restore(session, &other, ids), Err(PrefixError::Model { expected, found }));
        let shipped = with_shipped(|shipped| prefix_of(shipped, KvType::F16, &ids[..2]));
        assert!(matches!(restore(session, &shipped, ids), Err(PrefixError::Model { .. })));
        let f32_cache = prefix_of(model, KvType::F32, ids);
        let expected = Err(PrefixError::KvType { expected: KvType::F16, found: KvType::F32.code() });
        assert_eq!(restore(session, &f32_cache, ids), expected);
        let plan = PlanOptions { kv: KvType::F32, ..PLAN };
        open_session(model, best(), &Serial, &plan, |mut session| {
            let expected = Err(PrefixError::KvType { expected: KvType::F32, found: KvType::F16.code() });
            assert_eq!(restore(&mut session, &file, ids), expected);
        });
    });
}
