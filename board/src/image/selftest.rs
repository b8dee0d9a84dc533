//! Does this board compute the packer's bits, and how fast?

use ternlet_runtime::Session;

use crate::arch;
use crate::driver::say;

/// Runs the model's self-test and prints the line that owners of boards can show around.
pub(super) fn run(session: &mut Session<'_>) {
    let start = arch::uptime_ns();
    let report = match session.self_test() {
        Ok(report) => report,
        Err(error) => {
            say!("selftest: FAIL {error}\n");
            return;
        }
    };
    let elapsed_ns = (arch::uptime_ns() - start).max(1);
    let verdict = if report.passed() { "PASS" } else { "FAIL" };
    let read_bytes = session.model().weight_bytes_per_token() * u64::from(report.n_tokens);
    // Bytes per nanosecond are gigabytes per second; both figures in integers, with two decimals.
    let mtok_per_s = u64::from(report.n_tokens) * 1_000_000_000_000 / elapsed_ns;
    let mgb_per_s = read_bytes * 1000 / elapsed_ns;
    say!(
        "selftest: {verdict} logits_hash {:016x} (expected {:016x}), {} tokens, {}.{:02} tok/s, {}.{:02} GB/s, {}\n",
        report.found,
        report.expected,
        report.n_tokens,
        mtok_per_s / 1000,
        mtok_per_s % 1000 / 10,
        mgb_per_s / 1000,
        mgb_per_s % 1000 / 10,
        session.kernels().name()
    );
}
