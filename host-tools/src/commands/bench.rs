//! `ternlet bench`: speed, bytes, memory and energy of a model on this machine, alone or beside other programs

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use crate::error::Error;
use crate::instrument::{Instrument, Peer, cases, draw, run as measure};
use crate::open::{
    Gives, HeadFlags, HeadPath, HowFlags, LookupFlag, check_payload, display_name, n_cores, with_model,
};
use crate::output::{note, out};

/// Flags of `bench`. Lists are separated by commas; every combination is measured.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs {
    /// Packed model [default: the shipped one]
    file: Option<PathBuf>,
    /// Tokens of the prompt: the context that decoding starts with
    #[arg(short, long, value_name = "N,..", value_delimiter = ',', default_value = "128", value_parser = clap::value_parser!(u32).range(1..))]
    prompt_tokens: Vec<u32>,
    /// Tokens to generate
    #[arg(short, long, value_name = "N", default_value_t = 64, value_parser = clap::value_parser!(u32).range(1..))]
    n_tokens: u32,
    /// Worker threads [default: one per core]
    #[arg(long, value_name = "N,..", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..=1024))]
    threads: Vec<u32>,
    /// Conversations that decode together
    #[arg(long, value_name = "N,..", value_delimiter = ',', default_value = "1", value_parser = clap::value_parser!(u32).range(1..=1024))]
    slots: Vec<u32>,
    /// Times that everything is measured, one after the other
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Another program to run beside each case of one slot, as a shell command in which {threads}, {prompt} and {tokens}
    /// are filled in; its speed is read from llama-bench's or llama-cli's output, else from the clock
    #[arg(long, value_name = "COMMAND")]
    peer: Vec<String>,
    /// Seconds after which a peer counts as hanging
    #[arg(long, value_name = "S", default_value_t = 600, value_parser = clap::value_parser!(u64).range(1..))]
    peer_timeout: u64,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Draw speed over context and the roofline into a folder, or the first alone into a file
    #[arg(long, value_name = "DIR or FILE.svg")]
    svg: Option<PathBuf>,
    #[command(flatten)]
    head: HeadFlags,
    #[command(flatten)]
    lookup: LookupFlag,
    #[command(flatten)]
    how: HowFlags,
}

/// Runs the command.
pub(crate) fn run(args: &BenchArgs) -> Result<(), Error> {
    let path = args.file.as_deref();
    let name = display_name(path);
    if args.lookup.lookup && args.slots.iter().any(|&slots| slots > 1) {
        return Err(Error::new("--lookup", "expected --slots 1, of which it checks drafts, found more")
            .hint("leave one of the two out"));
    }
    let threads = if args.threads.is_empty() { vec![n_cores()] } else { args.threads.clone() };
    let cases = cases(&threads, &args.slots, &args.prompt_tokens, args.n_tokens);
    let timeout = Duration::from_secs(args.peer_timeout);
    let peers: Vec<Peer> =
        args.peer.iter().map(|command| Peer { command: command.clone(), timeout }).collect();
    let kernels = args.how.kernels()?;
    let report = with_model(path, |model| {
        Gives::Logits.check(&name, &model)?;
        check_payload(path, &model, &args.how, n_cores())?;
        let instrument = Instrument {
            name: &name,
            model: &model,
            kernels,
            kv: args.how.kv.into(),
            cases: &cases,
            rounds: args.rounds,
            peers: &peers,
            logit_rows: args.lookup.logit_rows(),
            is_head_split: args.head.head == HeadPath::Split,
            needs_roof: args.svg.is_some(),
        };
        measure(&instrument, &|session| {
            session.transformer().set_skip(args.how.skip.0);
            args.lookup.apply(session)
        })
    })?;
    if let Some(target) = &args.svg {
        draw(&report, target)?;
    }
    if report.cases.iter().any(|case| !case.hashes_agree) {
        note(
            "ternlet: bench: expected the same logits in every round, found others: that is a bug worth reporting",
        );
    }
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(|e| Error::new("bench", e))?;
        return out(format_args!("{json}\n"));
    }
    out(format_args!("{}", report.text()))
}
