//! A restored prefix goes on as a computed one, on other kernels, threads, batches and machines

use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::format::PREFIX_HEADER_BYTES;
use ternlet_runtime::{Checksum, KvType, PlanOptions, Restored, Serial, ThreadPool};
use ternlet_tests::open_session;

use super::support::{KV_TYPES, PLAN, best, go_on, ids, prefix_of, save, with_shipped, with_small};

#[test]
fn restored_and_computed_prefixes_give_one_hash_everywhere() {
    with_shipped(|model| {
        let ids = ids(model, 24);
        for kv in KV_TYPES {
            let plan = PlanOptions { kv, ..PLAN };
            let file = prefix_of(model, kv, &ids[..20]);
            let expected = open_session(model, best(), &Serial, &plan, |mut s| go_on(&mut s, &ids));
            for kernels in Kernels::all(CpuFeatures::detect()) {
                for (n_workers, max_batch, n_wanted) in [(1, 1, 20), (2, 8, 13), (3, 5, 1)] {
                    let pool = ThreadPool::new(n_workers as usize).unwrap();
                    let plan = PlanOptions { n_workers, max_batch, ..plan };
                    let found = open_session(model, kernels, &pool, &plan, |mut session| {
                        let restored = session.restore_prefix(&mut &file[..], &ids[..n_wanted]).unwrap();
                        let n = u32::try_from(n_wanted).unwrap();
                        assert_eq!(restored, Restored { n_restored: n, n_held: 20 });
                        assert_eq!(session.cached_ids(), &ids[..n_wanted]);
                        go_on(&mut session, &ids)
                    });
                    assert_eq!(found, expected, "{}, {kv:?}, {n_workers} threads", kernels.name());
                }
            }
        }
    });
}

/// The rows that this machine computes are those that every machine computes: the suite runs on several.
#[test]
fn the_rows_are_the_same_on_every_machine() {
    with_shipped(|model| {
        for (kv, expected) in [(KvType::F16, F16_ROWS), (KvType::F32, F32_ROWS)] {
            let file = prefix_of(model, kv, &ids(model, 9));
            let rows = &file[PREFIX_HEADER_BYTES + 9 * 4 + 8..];
            let mut sum = Checksum::new();
            // Checksums cover the model's id, which is another whenever the model is packed again.
            rows.chunks_exact(rows.len() / 9)
                .for_each(|position| sum.update(&position[..position.len() - 8]));
            assert_eq!(format!("{:016x}", sum.value()), expected, "{kv:?}");
        }
    });
}

const F16_ROWS: &str = "5313cac988a0119c";
const F32_ROWS: &str = "16ef8b998e84613a";

#[test]
fn a_restored_prefix_saves_as_the_file_it_came_from() {
    with_small(1, |model| {
        for kv in KV_TYPES {
            let ids = ids(model, 7);
            let file = prefix_of(model, kv, &ids);
            open_session(model, best(), &Serial, &PlanOptions { kv, ..PLAN }, |mut session| {
                session.restore_prefix(&mut &file[..], &ids).unwrap();
                assert_eq!(save(&session), file);
            });
        }
    });
}

#[test]
fn only_what_is_common_and_fits_is_restored() {
    with_small(1, |model| {
        let held = ids(model, 10);
        let file = prefix_of(model, KvType::F16, &held);
        let mut other = held.clone();
        other[4] += 1;
        let longer: Vec<u32> = held.iter().copied().chain([1, 2]).collect();
        for (context, wanted, n_restored) in
            [(64, &held, 10), (64, &other, 4), (64, &longer, 10), (6, &held, 6), (64, &Vec::new(), 0)]
        {
            let plan = PlanOptions { context, ..PLAN };
            open_session(model, best(), &Serial, &plan, |mut session| {
                let found = session.restore_prefix(&mut &file[..], wanted);
                assert_eq!(found, Ok(Restored { n_restored, n_held: 10 }));
                assert_eq!(session.cached_ids(), &wanted[..n_restored as usize]);
            });
        }
    });
}

#[test]
fn an_empty_session_is_a_file_without_positions() {
    with_small(1, |model| {
        let file = prefix_of(model, KvType::F16, &[]);
        assert_eq!(file.len(), PREFIX_HEADER_BYTES + 8);
        open_session(model, best(), &Serial, &PLAN, |mut session| {
            let found = session.restore_prefix(&mut &file[..], &[1, 2]);
            assert_eq!(found, Ok(Restored { n_restored: 0, n_held: 0 }));
        });
    });
}
