//! Sessions on the shipped model and on small shapes, and prefix files as byte vectors

use core::convert::Infallible;

use embedded_io::{ErrorType, Write};
use ternlet::pack::synth::Synth;
use ternlet::pack::{HeadForm, Layouts};
use ternlet_kernels::layout::TernaryLayout;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    Config, KvType, Model, ModelFile, OutputHash, PlanOptions, Sampler, SamplerOptions, Serial, Session,
};
use ternlet_tests::{open_session, packed_synth, shipped_model, variants};

pub(crate) const PLAN: PlanOptions = PlanOptions {
    context: 64,
    max_batch: 8,
    max_logit_rows: 1,
    max_top_k: 0,
    n_slots: 1,
    n_workers: 1,
    kv: KvType::F16,
    max_prompt_bytes: 0,
};

/// Every element type of the cache.
pub(crate) const KV_TYPES: [KvType; 3] = [KvType::F16, KvType::F32, KvType::I8];

pub(crate) fn best() -> &'static Kernels {
    Kernels::best(CpuFeatures::detect())
}

pub(crate) fn with_shipped<R>(body: impl FnOnce(&Model<'_>) -> R) -> R {
    let file = ModelFile::open(&shipped_model()).expect("the shipped model");
    body(&Model::parse(file.bytes()).expect("a whole model"))
}

/// A small shape that predicts tokens, with every norm.
pub(crate) fn small_config() -> Config {
    let mut all = variants().into_iter().filter(|config| config.pooling.is_none());
    all.next_back().expect("variants that predict tokens")
}

pub(crate) fn with_small<R>(seed: u64, body: impl FnOnce(&Model<'_>) -> R) -> R {
    let file =
        packed_synth(&Synth::new(small_config(), seed), HeadForm::Source, Layouts::all(TernaryLayout::I2));
    body(&Model::parse(file.bytes()).expect("a whole model"))
}

/// Ids spread over the vocabulary.
pub(crate) fn ids(model: &Model<'_>, n: u32) -> Vec<u32> {
    (0..n).map(|i| (i * 67 + 5) % model.config().vocab_size).collect()
}

/// A vector as a stream.
#[derive(Debug, Default)]
struct Bytes(Vec<u8>);

impl ErrorType for Bytes {
    type Error = Infallible;
}

impl Write for Bytes {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        // Short writes are allowed, so they happen.
        let n = buf.len().min(7);
        self.0.extend_from_slice(&buf[..n]);
        Ok(n)
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// What slot 0 holds, as a prefix file.
pub(crate) fn save(session: &Session<'_>) -> Vec<u8> {
    let mut bytes = Bytes::default();
    let n = session.save_prefix(&mut bytes).unwrap_or_else(|e| match e {});
    assert_eq!(n, bytes.0.len() as u64);
    bytes.0
}

/// The prefix file of `ids`, prefilled with `kv`.
pub(crate) fn prefix_of(model: &Model<'_>, kv: KvType, ids: &[u32]) -> Vec<u8> {
    open_session(model, best(), &Serial, &PlanOptions { kv, ..PLAN }, |mut session| {
        session.prefill(ids, |_| true).expect("they fit");
        save(&session)
    })
}

/// Appends what of `ids` is not cached, decodes a few tokens; returns them and the logits hash.
pub(crate) fn go_on(session: &mut Session<'_>, ids: &[u32]) -> (Vec<u32>, u64) {
    let sampler =
        Sampler::new(SamplerOptions { temperature: 0.9, top_k: 20, top_p: 0.95, seed: 3 }).expect("in range");
    session.prefill(&ids[session.n_cached() as usize..], |_| true).expect("they fit");
    let mut hash = OutputHash::new();
    for _ in 0..6 {
        let id = session.sample(&sampler, &mut hash);
        session.append(id).expect("it fits");
    }
    (session.cached_ids().to_vec(), hash.logits_hash().expect("all logits"))
}
