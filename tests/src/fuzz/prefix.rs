//! Target: prefix files
//!
//! An input is a prefix file of a small model that is packed here. Checksums would refuse nearly every mutation, so a file
//! that is refused is sealed anew: its header made that of this model and its checksums right. What a session takes it
//! goes on from, whatever the rows hold; what it refuses leaves it usable.

use std::sync::OnceLock;

use ternlet::pack::synth::Synth;
use ternlet::pack::{HeadForm, Layouts};
use ternlet_kernels::layout::TernaryLayout;
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::format::{ChainedChecksum, PREFIX_HEADER_BYTES, PrefixHeader};
use ternlet_runtime::{
    KvType, Model, ModelFile, OutputHash, PlanOptions, Sampler, SamplerOptions, Serial, Session,
};

use crate::{open_session, packed_synth, variants};

/// Positions that are restored at most.
const CONTEXT: u32 = 12;

fn model_file() -> &'static ModelFile {
    static FILE: OnceLock<ModelFile> = OnceLock::new();
    FILE.get_or_init(|| {
        let config = variants().into_iter().find(|config| config.pooling.is_none());
        let source = Synth::new(config.expect("one that predicts tokens"), 1);
        packed_synth(&source, HeadForm::Source, Layouts::all(TernaryLayout::I2))
    })
}

/// Restores a prefix file and goes on from it.
///
/// # Panics
/// A panic is a finding.
pub fn prefix(data: &[u8]) -> bool {
    let model = Model::parse(model_file().bytes()).expect("a packed model parses");
    let mut is_taken = false;
    for kv in [KvType::F16, KvType::F32, KvType::I8] {
        let options =
            PlanOptions { context: CONTEXT, max_batch: 4, kv, max_prompt_bytes: 0, ..PlanOptions::default() };
        let kernels = Kernels::best(CpuFeatures::detect());
        is_taken |= open_session(&model, kernels, &Serial, &options, |mut session| {
            exercise(&mut session, data) || {
                let mut sealed = data.to_vec();
                seal(&mut sealed, &session);
                exercise(&mut session, &sealed)
            }
        });
    }
    is_taken
}

/// Whether `file` is taken; the session goes on either way.
fn exercise(session: &mut Session<'_>, file: &[u8]) -> bool {
    let ids: Vec<u32> = file
        .get(PREFIX_HEADER_BYTES..)
        .into_iter()
        .flat_map(|rest| rest.as_chunks().0)
        .map(|id| u32::from_le_bytes(*id))
        .take(CONTEXT as usize)
        .collect();
    let before = session.cached_ids().to_vec();
    let restored = session.restore_prefix(&mut &*file, &ids);
    match &restored {
        Ok(restored) => {
            assert_eq!(session.cached_ids(), &ids[..restored.n_restored as usize]);
            let mut again = Vec::new();
            session.save_prefix(&mut again).expect("a vector grows");
        }
        Err(_) => assert!(session.cached_ids() == before || session.cached_ids().is_empty()),
    }
    let n = session.n_cached().min(CONTEXT - 2);
    session.truncate(n);
    // Rows may hold anything: infinite logits are an answer too.
    if session.append(1).is_ok() {
        let sampler = Sampler::new(SamplerOptions::GREEDY).expect("greedy options are in range");
        let id = session.sample(&sampler, &mut OutputHash::new());
        assert!(id < session.model().config().vocab_size);
    }
    restored.is_ok()
}

/// Gives `file` the header of this session and makes every checksum right; ids and rows stay.
fn seal(file: &mut [u8], session: &Session<'_>) {
    let config = session.model().config();
    let kv = session.plan().options().kv;
    let row_bytes = match kv {
        KvType::I8 => u64::from(config.head_dim) + 4,
        _ => u64::from(config.head_dim) * kv.size_bytes(),
    };
    let position_bytes = 2 * u64::from(config.n_layers) * u64::from(config.n_kv_heads) * row_bytes;
    let Some(room) = file.len().checked_sub(PREFIX_HEADER_BYTES + 8) else { return };
    let n_ids = room as u64 / (4 + position_bytes + 8);
    let header = PrefixHeader {
        model: session.model().file_id(),
        kv,
        shape: [config.n_layers, config.n_kv_heads, config.head_dim],
        position_bytes,
        n_ids: u32::try_from(n_ids).expect("inputs are short"),
    };
    let bytes = header.encode();
    file[..PREFIX_HEADER_BYTES].copy_from_slice(&bytes);
    let sum = bytes.last_chunk().map_or(0, |sum| u64::from_le_bytes(*sum));
    let mut chain = ChainedChecksum::new(sum);
    let n = |bytes: u64| usize::try_from(bytes).expect("within the input");
    let parts = core::iter::once(n(4 * n_ids)).chain((0..n_ids).map(|_| n(position_bytes)));
    let mut rest = &mut file[PREFIX_HEADER_BYTES..];
    for len in parts {
        let (part, behind) = rest.split_at_mut(len);
        let (sum, behind) = behind.split_at_mut(8);
        chain.update(part);
        sum.copy_from_slice(&chain.end_part().to_le_bytes());
        rest = behind;
    }
}
