//! From a path and some flags to an open session

use std::path::Path;
use std::thread::available_parallelism;

use clap::{Args, ValueEnum};
use ternlet_kernels::{Backend, CpuFeatures, Kernels};
use ternlet_runtime::{
    ARENA_ALIGN, ForwardError, KvType, LOOKUP_ROWS, MemoryPlan, Model, ModelFile, PlanOptions, Session,
    SkipLimits, ThreadPool,
};

use crate::error::Error;
use crate::shipped;

/// Element type of the KV cache, as a flag.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum KvFlag {
    /// Half precision.
    F16,
    /// Single precision.
    F32,
    /// Eight bits and a scale per position and head.
    I8,
}

impl From<KvFlag> for KvType {
    fn from(kv: KvFlag) -> Self {
        match kv {
            KvFlag::F16 => Self::F16,
            KvFlag::F32 => Self::F32,
            KvFlag::I8 => Self::I8,
        }
    }
}

/// What is read of a head in two planes, as a flag; other heads are always read whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HeadPath {
    /// Its high plane, and the low plane of rows that can decide the token; the same tokens as with all of it.
    Split,
    /// All of it: every logit, and their hash.
    Full,
}

/// The flag of commands that choose tokens.
#[derive(Debug, Clone, Args)]
pub(crate) struct HeadFlags {
    /// What is read of a head in two planes where the sampler allows a choice
    #[arg(long, value_enum, default_value = "split")]
    pub(crate) head: HeadPath,
}

/// Flags of every command that runs a model.
#[derive(Debug, Clone, Args)]
pub(crate) struct RunFlags {
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) threads: Option<u32>,
    #[command(flatten)]
    pub(crate) how: HowFlags,
}

/// Flags of how a model runs, whatever the number of threads.
#[derive(Debug, Clone, Args)]
pub(crate) struct HowFlags {
    /// Kernels to use [default: the fastest this CPU has]
    #[arg(long, value_name = "NAME", value_parser = parse_backend)]
    pub(crate) backend: Option<Backend>,
    /// Element type of the KV cache
    #[arg(long, value_enum, default_value = "f16")]
    pub(crate) kv: KvFlag,
    /// Skip the checksums of the weights
    #[arg(long)]
    pub(crate) trust: bool,
    /// Whether rows and columns that meet zeros stay unread: on, off, or up to which shares of live rows and live columns
    /// in percent, as in 60,70. No result depends on it
    #[arg(long, value_name = "on|off|ROWS,COLUMNS", default_value = "on", value_parser = parse_skip)]
    pub(crate) skip: SkipFlag,
}

/// What is left unread, as a flag.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SkipFlag(pub(crate) Option<SkipLimits>);

fn parse_skip(text: &str) -> Result<SkipFlag, String> {
    let percent = |text: &str| text.parse().ok().filter(|percent| *percent <= 100);
    match text {
        "on" => Ok(SkipFlag(Some(SkipLimits::default()))),
        "off" => Ok(SkipFlag(None)),
        _ => text
            .split_once(',')
            .and_then(|(rows, columns)| {
                Some(SkipLimits { rows_percent: percent(rows)?, columns_percent: percent(columns)? })
            })
            .map(|limits| SkipFlag(Some(limits)))
            .ok_or_else(|| {
                format!("expected on, off or two shares in percent as in 60,70, found \"{text}\"")
            }),
    }
}

pub(crate) fn parse_backend(name: &str) -> Result<Backend, String> {
    Backend::from_name(name).ok_or_else(|| {
        format!("expected one of {}, found \"{name}\"", Backend::ALL.map(Backend::name).join(", "))
    })
}

impl RunFlags {
    /// Worker threads: as flagged, else one per core.
    pub(crate) fn n_threads(&self) -> u32 {
        self.threads.unwrap_or_else(n_cores)
    }
}

/// Cores of this machine.
pub(crate) fn n_cores() -> u32 {
    available_parallelism().map_or(1, |n| u32::try_from(n.get()).unwrap_or(1))
}

impl HowFlags {
    /// The kernels to use.
    pub(crate) fn kernels(&self) -> Result<&'static Kernels, Error> {
        kernels_of(self.backend)
    }
}

/// Flag of every command that decodes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct LookupFlag {
    /// Check repeated text several tokens a pass; the output stays the same
    #[arg(long)]
    pub(crate) lookup: bool,
}

impl LookupFlag {
    /// Rows of a pass that want logits.
    pub(crate) const fn logit_rows(self) -> u32 {
        if self.lookup { LOOKUP_ROWS } else { 1 }
    }

    /// Turns look-up on in a session planned with [`logit_rows`](Self::logit_rows).
    pub(crate) fn apply(self, session: &mut Session<'_>) -> Result<(), Error> {
        session.set_lookup(self.lookup).map_err(|e| Error::new("--lookup", e))
    }
}

/// The kernels of `backend`, or the fastest.
pub(crate) fn kernels_of(backend: Option<Backend>) -> Result<&'static Kernels, Error> {
    let features = CpuFeatures::detect();
    let Some(backend) = backend else { return Ok(Kernels::best(features)) };
    Kernels::for_backend(backend, features).ok_or_else(|| {
        let there: Vec<&str> = Kernels::all(features).map(|k| k.backend().name()).collect();
        Error::new(
            format!("--backend {}", backend.name()),
            format!("expected a backend of this CPU ({}), found one it lacks", there.join(", ")),
        )
        .hint("leave the flag out to get the fastest")
    })
}

/// What a model must give for a command to work with it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Gives {
    /// Logits: it predicts tokens.
    Logits,
    /// One vector for a text: an embedding model.
    Embeddings,
    /// The one or the other.
    Either,
}

impl Gives {
    /// Refuses a model of the other kind, with the command that takes it.
    pub(crate) fn check(self, name: &str, model: &Model<'_>) -> Result<(), Error> {
        match (self, model.config().pooling) {
            (Self::Logits, Some(_)) => Err(Error::new(name, ForwardError::NoLogits)
                .hint(format!("ternlet embed {name} --text TEXT gives the vector"))),
            (Self::Embeddings, None) => Err(Error::new(name, ForwardError::NoEmbedding)
                .hint(format!("ternlet run {name} --prompt TEXT continues the text"))),
            _ => Ok(()),
        }
    }
}

/// What a command needs of its session, beside the flags.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Needs {
    /// What the model must give.
    pub(crate) gives: Gives,
    /// Positions; `None`: 4096 or the model's own maximum, if that is less.
    pub(crate) context: Option<u32>,
    /// Rows of one pass.
    pub(crate) max_batch: u32,
    /// Rows of one pass that get logits.
    pub(crate) max_logit_rows: u32,
    /// Longest prompt in bytes; 0 for ids only.
    pub(crate) max_prompt_bytes: u32,
    /// What of a split head is read.
    pub(crate) head: HeadPath,
}

/// Context of a session where nobody asked for one: enough to talk, small enough for a 1 GB board.
const DEFAULT_CONTEXT: u32 = 4096;

/// Opens the model at `path` (or the shipped one) and hands `body` the session.
pub(crate) fn with_session<R>(
    path: Option<&Path>,
    flags: &RunFlags,
    needs: Needs,
    body: impl FnOnce(Session<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    with_model(path, |model| {
        needs.gives.check(&display_name(path), &model)?;
        check_payload(path, &model, &flags.how, flags.n_threads())?;
        with_model_session(path, model, flags, needs, body)
    })
}

/// The name of the model in messages.
pub(crate) fn display_name(path: Option<&Path>) -> String {
    path.map_or_else(|| "the shipped model".into(), |path| path.display().to_string())
}

/// Maps and parses the model at `path`, or takes the shipped one.
pub(crate) fn with_model<R>(
    path: Option<&Path>,
    body: impl FnOnce(Model<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let parse = |bytes| {
        Model::parse(bytes).map_err(|e| {
            Error::new(display_name(path), e)
                .hint("copy the file again, or pack it again with: ternlet pack SOURCE -o FILE")
        })
    };
    match path {
        None => body(parse(shipped::MODEL)?),
        Some(path) => {
            let file = ModelFile::open(path).map_err(|e| {
                Error::new(path.display(), format!("expected a model file, found none: {e}"))
                    .hint("ternlet pack SOURCE -o FILE makes one of a checkpoint")
            })?;
            body(parse(file.bytes())?)
        }
    }
}

/// Checks the weights, unless the flags trust them.
pub(crate) fn check_payload(
    path: Option<&Path>,
    model: &Model<'_>,
    flags: &HowFlags,
    n_threads: u32,
) -> Result<(), Error> {
    if flags.trust { Ok(()) } else { verify_payload(path, model, n_threads) }
}

/// Checks every chunk of the weights, on up to `n_threads`.
fn verify_payload(path: Option<&Path>, model: &Model<'_>, n_threads: u32) -> Result<(), Error> {
    let n_shares = u64::from(n_threads).clamp(1, model.n_chunks().max(1));
    let verify = |share: u64| {
        let mut chunks = (share..model.n_chunks()).step_by(usize::try_from(n_shares).unwrap_or(usize::MAX));
        chunks.try_for_each(|i| model.verify_chunk(i))
    };
    let outcome = std::thread::scope(|scope| {
        let mut threads = Vec::new();
        let mut own = Ok(());
        for share in 1..n_shares {
            match std::thread::Builder::new().spawn_scoped(scope, move || verify(share)) {
                Ok(thread) => threads.push(thread),
                // A system that has no thread left still has this one.
                Err(_) => own = own.and(verify(share)),
            }
        }
        own = own.and(verify(0));
        threads.into_iter().fold(own, |all, t| all.and(t.join().expect("verify_chunk does not panic")))
    });
    outcome.map_err(|e| {
        Error::new(display_name(path), e).hint("copy or pack the file again; --trust runs it as it is")
    })
}

fn with_model_session<R>(
    path: Option<&Path>,
    model: Model<'_>,
    flags: &RunFlags,
    needs: Needs,
    body: impl FnOnce(Session<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let kernels = flags.how.kernels()?;
    let n_threads = flags.n_threads();
    let options = PlanOptions {
        context: needs.context.unwrap_or_else(|| model.config().max_seq_len.min(DEFAULT_CONTEXT)),
        max_batch: needs.max_batch,
        max_logit_rows: needs.max_logit_rows,
        max_top_k: if needs.head == HeadPath::Split { model.usual_top_k() } else { 0 },
        n_slots: 1,
        n_workers: n_threads,
        kv: flags.how.kv.into(),
        max_prompt_bytes: needs.max_prompt_bytes,
    };
    let pool = ThreadPool::new(n_threads as usize).map_err(|e| {
        Error::new("threads", format!("expected {n_threads}, the system refused one: {e}"))
            .hint("choose fewer with --threads")
    })?;
    open_session(
        &display_name(path),
        model,
        kernels,
        &pool,
        &options,
        "choose a smaller --ctx, or --kv f16",
        |mut session| {
            session.transformer().set_skip(flags.how.skip.0);
            body(session)
        },
    )
}

/// Opens a session of `options` on `model`, called `name` in messages, and hands it to `body`;
/// `hint` says what takes less memory.
pub(crate) fn open_session<R>(
    name: &str,
    model: Model<'_>,
    kernels: &'static Kernels,
    pool: &ThreadPool,
    options: &PlanOptions,
    hint: &str,
    body: impl FnOnce(Session<'_>) -> Result<R, Error>,
) -> Result<R, Error> {
    let plan = MemoryPlan::new(model.config(), options)
        .map_err(|e| Error::new(name, e).hint("ask for fewer tokens, with --ctx where there is one"))?;
    let mut memory: Vec<u8> = Vec::new();
    memory.try_reserve_exact(plan.bytes() + ARENA_ALIGN).map_err(|_| {
        Error::new("memory", format!("expected {} free bytes, the system refused them", plan.bytes()))
            .hint(hint)
    })?;
    memory.resize(plan.bytes() + ARENA_ALIGN, 0);
    let offset = memory.as_ptr().align_offset(ARENA_ALIGN);
    let arena = &mut memory[offset..offset + plan.bytes()];
    let session = Session::new(model, kernels, pool, &plan, arena).map_err(|e| Error::new(name, e))?;
    body(session)
}
