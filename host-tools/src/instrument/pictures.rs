//! Two pictures of a report: speed over context, and where it stands under the roofline
//!
//! Roofline: S. Williams et al., "Roofline: an insightful visual performance model", CACM 52(4), 2009. The slope is the
//! plain read beside the cases, the flat part the ternary GEMM on weights that stay in the caches.

use std::fs;
use std::path::Path;

use super::report::{CaseReport, Report, Roof};
use super::svg::{Chart, Series};
use crate::error::Error;

/// Writes `speed.svg` and `roofline.svg` into the folder `target`, which is made if need be; a target that ends in
/// `.svg` gets the speed alone.
pub(crate) fn draw(report: &Report, target: &Path) -> Result<(), Error> {
    if target.extension().is_some_and(|extension| extension == "svg") {
        return write(target, &speed(report));
    }
    fs::create_dir_all(target).map_err(|e| {
        Error::new(target.display(), format!("expected a folder to write pictures in, found: {e}"))
            .hint("choose another place with --svg")
    })?;
    write(&target.join("speed.svg"), &speed(report))?;
    write(&target.join("roofline.svg"), &roofline(report))
}

fn write(target: &Path, chart: &Chart) -> Result<(), Error> {
    fs::write(target, chart.svg()).map_err(|e| {
        Error::new(target.display(), format!("expected to write a picture, found: {e}"))
            .hint("choose another place with --svg")
    })
}

/// What a series of cases has in common.
fn name(case: &CaseReport) -> String {
    format!("{} threads, {} slots", case.threads, case.slots)
}

/// Decoding speed of every number of threads and slots, and of the peers, over the context.
fn speed(report: &Report) -> Chart {
    let mut series: Vec<Series> = Vec::new();
    let mut add = |name: String, point: (f64, f64)| match series.iter_mut().find(|line| line.name == name) {
        Some(line) => line.points.push(point),
        None => series.push(Series { name, points: vec![point], is_line: false }),
    };
    for case in &report.cases {
        let context = f64::from(case.prompt_tokens);
        add(name(case), (context, case.decode_tok_per_s));
        for (at, peer) in case.peers.iter().enumerate() {
            if let Some(ratio) = peer.decode_ratio {
                add(
                    format!("peer {}, {} threads", at + 1, case.threads),
                    (context, case.decode_tok_per_s / ratio.median),
                );
            }
        }
    }
    Chart {
        title: format!("{}, {}: decoding", report.model, report.backend),
        x_label: "tokens of context".into(),
        y_label: "tok/s".into(),
        is_logarithmic: false,
        series,
    }
}

/// Operations a second over operations per byte, of decoding and of prefill as if it read the weights once a batch.
#[expect(clippy::cast_precision_loss, reason = "figures of four digits")]
fn roofline(report: &Report) -> Chart {
    /// Operations per byte of the picture's ends: decoding in one slot is at about 5, large batches at some hundreds.
    const INTENSITIES: [f64; 2] = [1.0, 1000.0];
    let per_token = 2.0 * report.ternary_weights as f64;
    let mut series = Vec::new();
    let widest = report.cases.iter().max_by_key(|case| case.threads);
    if let (Some(case), Some(Roof { threads, gops: roof })) = (widest, report.roof) {
        let slope = case.stream_gb_per_s;
        let ridge = (roof / slope).clamp(INTENSITIES[0], INTENSITIES[1]);
        let under = |intensity: f64| (intensity, (intensity * slope).min(roof));
        series.push(Series {
            name: format!("roof of {threads} threads"),
            points: [INTENSITIES[0], ridge, INTENSITIES[1]].map(under).to_vec(),
            is_line: true,
        });
    }
    for case in &report.cases {
        let intensity = per_token * f64::from(case.slots) / case.bytes_per_pass.total() as f64;
        series.push(Series {
            name: format!("{}, {}", name(case), case.prompt_tokens),
            points: vec![(intensity, per_token * case.decode_tok_per_s / 1e9)],
            is_line: false,
        });
    }
    Chart {
        title: format!("{}, {}: roofline", report.model, report.backend),
        x_label: "operations per byte".into(),
        y_label: "10⁹ operations/s".into(),
        is_logarithmic: true,
        series,
    }
}
