//! What `/stats` and `/selftest` print

use core::time::Duration;

use embedded_io::{Read, ReadReady, Write};

use super::wire::Wire;
use crate::logits_hash::OutputHash;
use crate::session::{SelfTestReport, Session};

/// Tokens and time since the console opened.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Stats {
    n_prefill: u64,
    n_restored: u64,
    first_token_ns: u64,
    prefill_ns: u64,
    n_decode: u64,
    decode_ns: u64,
}

impl Stats {
    pub(crate) fn add_prefill(&mut self, n_tokens: usize, ns: u64) {
        self.n_prefill += n_tokens as u64;
        self.prefill_ns += ns;
    }

    /// Positions that were not computed but read from the model file.
    pub(crate) fn add_restored(&mut self, n_positions: u32) {
        self.n_restored += u64::from(n_positions);
    }

    /// Time from the latest prompt to the first token of its answer.
    pub(crate) fn set_first_token(&mut self, ns: u64) {
        self.first_token_ns = ns;
    }

    pub(crate) fn add_decode(&mut self, n_tokens: u32, ns: u64) {
        self.n_decode += u64::from(n_tokens);
        self.decode_ns += ns;
    }

    pub(crate) fn report<IO, N>(
        &self,
        session: &Session<'_>,
        n_context: usize,
        hash: &OutputHash,
        wire: &mut Wire<'_, IO, N>,
    ) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let options = session.plan().options();
        wire.notice(format_args!(
            "prefill: {} tokens, {:.1} tok/s; {} restored; latest answer's first token after {:.3} s",
            self.n_prefill,
            per_second(self.n_prefill, self.prefill_ns),
            self.n_restored,
            Duration::from_nanos(self.first_token_ns).as_secs_f64()
        ))?;
        let counts = session.decode_counts();
        wire.notice(format_args!(
            "decode: {} tokens, {:.1} tok/s, {:.2} tokens per pass, {:.2} GB/s of weights",
            self.n_decode,
            per_second(self.n_decode, self.decode_ns),
            counts.tokens_per_pass(),
            per_second(counts.n_passes * session.model().weight_bytes_per_token(), self.decode_ns) / 1e9
        ))?;
        if session.model().has_split_head() {
            wire.notice(format_args!(
                "head: {:.2} % of its rows read whole",
                100.0 * session.head_work().share()
            ))?;
        }
        wire.notice(format_args!(
            "context: {n_context} of {} tokens, KV cache {}",
            options.context,
            options.kv.name()
        ))?;
        wire.notice(format_args!(
            "memory: {} bytes of arena; backend {}, {} threads",
            session.used_bytes(),
            session.kernels().backend().name(),
            options.n_workers
        ))?;
        if let Some(logits_hash) = hash.logits_hash() {
            wire.notice(format_args!("logits_hash: {logits_hash:016x}"))?;
        }
        wire.notice(format_args!("ids_hash: {:016x}", hash.ids_hash()))
    }
}

/// The line that owners of boards paste.
pub(crate) fn self_test_line<IO, N>(
    session: &Session<'_>,
    report: SelfTestReport,
    ns: u64,
    wire: &mut Wire<'_, IO, N>,
) -> Result<(), IO::Error>
where
    IO: Read + ReadReady + Write,
    N: Write,
{
    let n_tokens = u64::from(report.n_tokens);
    wire.notice(format_args!(
        "selftest: {} logits_hash {:016x} (expected {:016x}), {} tokens one by one, {:.1} tok/s, {:.2} GB/s, \
         {}, {} threads",
        if report.passed() { "PASS" } else { "FAIL" },
        report.found,
        report.expected,
        n_tokens,
        per_second(n_tokens, ns),
        per_second(n_tokens * session.model().weight_bytes_per_token(), ns) / 1e9,
        session.kernels().name(),
        session.plan().options().n_workers
    ))
}

/// `n` per second; 0 if no time has passed.
#[expect(clippy::cast_precision_loss, reason = "shown to people with a few digits")]
fn per_second(n: u64, ns: u64) -> f64 {
    if ns == 0 { 0.0 } else { n as f64 * 1e9 / ns as f64 }
}
