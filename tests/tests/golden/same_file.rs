//! One file, pinned: every machine packs the same bytes
//!
//! A file's id covers all of its bytes: the header's checksum covers the section table, which holds the checksums of
//! the sections, and one of those the checksums of the payload. The constants were computed on x86-64; the suite runs
//! under emulated Arm cores too.

use ternlet::pack::HeadForm;

use crate::case::{CASES, Case, EMBEDDING};

/// Ids of the file with the head as stored and with the int8 head in one plane and in two, which an embedding model does not
/// have.
const FILE_IDS: [(Case, [u64; 3]); 7] = [
    (CASES[0], [0xc68f_f17b_e23e_0976, 0x9b59_6414_6f24_f683, 0x46ab_80ea_2ef5_fd3d]),
    (CASES[1], [0xe229_e14a_0e01_6d3a, 0x9ed6_3e6b_d67d_4ab6, 0x1f15_e507_e9cf_b0f7]),
    (CASES[2], [0x44dd_ec93_cdb3_0563, 0xfeb9_b91d_507b_e116, 0x048a_21da_79a9_e638]),
    (CASES[3], [0x4fbf_6079_b96a_2c1a, 0xeb06_0d41_d31d_66fc, 0x076f_f4d7_fe29_29a0]),
    (CASES[4], [0x9cfe_80bb_f2c5_708c, 0x82ea_fab6_0b83_e9b3, 0x277c_9805_5158_9f03]),
    (CASES[5], [0x6460_fc3f_8d54_d4fc, 0x58a0_23c1_10b9_e7e4, 0x964e_f9d9_1929_9b16]),
    (EMBEDDING, [0xbc88_f34d_769d_b406; 3]),
];

#[test]
fn every_checkpoint_gives_the_same_file_on_every_machine() {
    let mut differences = Vec::new();
    for (case, expected) in FILE_IDS {
        for (head, expected) in
            [HeadForm::Source, HeadForm::Int8Whole, HeadForm::Int8].into_iter().zip(expected)
        {
            case.with_model(head, |model| {
                model.verify_payload().expect("no damage");
                let (name, found) = (case.name, model.file_id());
                if found != expected {
                    differences.push(format!("{name}, {head:?}: {found:016x}, expected {expected:016x}"));
                }
            });
        }
    }
    assert!(differences.is_empty(), "{differences:#?}");
}
