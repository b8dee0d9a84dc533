//! From model bytes to an open session in one allocation

use core::fmt;

use alloc::vec::Vec;
use ternlet_kernels::Kernels;
use ternlet_runtime::{
    ARENA_ALIGN, LoadError, MemoryPlan, Model, PlanError, PlanOptions, Serial, Session, SessionError,
};

use crate::arch;
use crate::driver::say;

/// Positions of a session where nobody asked for a number: as much as the command `ternlet` takes.
const DEFAULT_CONTEXT: u32 = 4096;
/// Models with more chunks (of 1 MiB) than this get a progress line while they are checked.
const QUIET_CHUNKS: u64 = 16;

/// Why there is no session.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum OpenError {
    /// The bytes are no whole, undamaged model.
    Load(LoadError),
    /// The session's options do not suit the model.
    Plan(PlanError),
    /// The heap cannot hold the arena.
    Memory {
        /// Bytes of the arena.
        need: usize,
        /// Bytes that the heap can serve at once.
        have: usize,
    },
    /// The session refused its arena.
    Session(SessionError),
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Load(error) => write!(
                f,
                "model: {error}\n\
                 check the file with `ternlet verify FILE` and load it again; loaders are known to cut large files"
            ),
            Self::Plan(error) => {
                write!(f, "model: {error}\nchange `ternlet.context=N` in the boot arguments")
            }
            Self::Memory { need, have } => write!(
                f,
                "memory: expected {need} bytes for the session, found {have}\n\
                 give the machine more memory, or `ternlet.context=N` with a smaller N in the boot arguments"
            ),
            Self::Session(error) => write!(f, "session: {error}"),
        }
    }
}

/// Checks the model and opens a session with as much context as asked for, or as fits.
pub(super) fn open(file: &'static [u8], context: Option<u32>) -> Result<Session<'static>, OpenError> {
    let model = Model::parse(file).map_err(OpenError::Load)?;
    verify(&model).map_err(OpenError::Load)?;
    // `arena` asks for a little more, to align what it gets.
    let have = arch::heap_capacity().saturating_sub(ARENA_ALIGN);
    let plan = plan(&model, context, have).map_err(OpenError::Plan)?;
    let arena = arena(plan.bytes()).ok_or(OpenError::Memory { need: plan.bytes(), have })?;
    let kernels = Kernels::best(arch::kernel_features());
    let session = Session::new(model, kernels, &Serial, &plan, arena).map_err(OpenError::Session)?;
    let config = session.model().config();
    say!(
        "model   {}, {} layers, {} ids, {} bytes\n",
        config.name,
        config.n_layers,
        config.vocab_size,
        file.len()
    );
    say!("session {} bytes, context {}, {}\n", plan.bytes(), plan.options().context, kernels.name());
    Ok(session)
}

/// Compares all weights with their checksums.
fn verify(model: &Model<'_>) -> Result<(), LoadError> {
    let n_chunks = model.n_chunks();
    let is_long = n_chunks > QUIET_CHUNKS;
    for index in 0..n_chunks {
        model.verify_chunk(index)?;
        if is_long && (index + 1).is_multiple_of(QUIET_CHUNKS) {
            say!("\rchecking the model: {} of {n_chunks} MiB", index + 1);
        }
    }
    if is_long {
        say!("\rchecking the model: {n_chunks} of {n_chunks} MiB\n");
    }
    Ok(())
}

/// The asked-for context; else the default, halved until the arena fits into `have` bytes.
fn plan(model: &Model<'_>, context: Option<u32>, have: usize) -> Result<MemoryPlan, PlanError> {
    let config = model.config();
    let max_top_k = model.usual_top_k();
    let plan =
        |context| MemoryPlan::new(config, &PlanOptions { context, max_top_k, ..PlanOptions::default() });
    if let Some(context) = context {
        return plan(context);
    }
    let mut context = config.max_seq_len.min(DEFAULT_CONTEXT);
    loop {
        let candidate = plan(context)?;
        if candidate.bytes() <= have || context <= 1 {
            return Ok(candidate);
        }
        context /= 2;
    }
}

/// The one allocation, aligned and never given back.
fn arena(n_bytes: usize) -> Option<&'static mut [u8]> {
    let padded = n_bytes.checked_add(ARENA_ALIGN)?;
    let mut memory = Vec::new();
    memory.try_reserve_exact(padded).ok()?;
    memory.resize(padded, 0);
    let offset = memory.as_ptr().align_offset(ARENA_ALIGN);
    memory.leak().get_mut(offset..offset + n_bytes)
}
