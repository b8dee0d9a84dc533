//! `ternlet selftest`: does this machine compute the packer's bits?

use std::path::PathBuf;
use std::time::Instant;

use clap::Args;
use ternlet_runtime::SelfTestError;

use crate::error::Error;
use crate::open::{Gives, HeadPath, Needs, RunFlags, display_name, with_session};
use crate::output::out;

/// Flags of `selftest`.
#[derive(Debug, Args)]
pub(crate) struct SelftestArgs {
    /// Packed model [default: the shipped one]
    file: Option<PathBuf>,
    #[command(flatten)]
    run: RunFlags,
}

/// Runs the command.
pub(crate) fn run(args: &SelftestArgs) -> Result<(), Error> {
    let path = args.file.as_deref();
    let needs = Needs {
        gives: Gives::Either,
        context: None,
        max_batch: 1,
        max_logit_rows: 1,
        max_prompt_bytes: 0,
        head: HeadPath::Full,
    };
    with_session(path, &args.run, needs, |mut session| {
        let start = Instant::now();
        let report = session.self_test().map_err(|e| {
            Error::new(display_name(path), e).hint(match e {
                SelfTestError::KvType { .. } => "leave --kv out: the stored hash is of an f16 cache",
                _ => "pack the checkpoint again: a sound file has a self-test that runs",
            })
        })?;
        let tok_per_s = f64::from(report.n_tokens) / start.elapsed().as_secs_f64();
        let verdict = if report.passed() { "PASS" } else { "FAIL" };
        out(format_args!(
            "selftest: {verdict} logits_hash {:016x} (expected {:016x}), {} tokens, {tok_per_s:.1} tok/s, {}, {} threads\n",
            report.found,
            report.expected,
            report.n_tokens,
            session.kernels().name(),
            session.plan().options().n_workers,
        ))?;
        if report.passed() {
            return Ok(());
        }
        Err(Error::new(
            display_name(path),
            format!("expected logits hash {:016x}, found {:016x}", report.expected, report.found),
        )
        .hint("compare with --backend scalar --threads 1; a difference is a bug worth reporting"))
    })
}
