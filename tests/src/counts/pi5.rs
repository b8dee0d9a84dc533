//! What a Raspberry Pi 5 is predicted to do, from bytes, cycles and public measurements of its memory
//!
//! A token takes the longer of two times: that of reading its bytes, and that of computing on four cores. The first is
//! bytes over a bandwidth that others measured; rows and columns between skipped ones count at half of it. The second is
//! the predicted cycles of every kernel's inner loops, and half a cycle for each instruction outside of them: a core has
//! two vector pipes, and more of the others. Work that no kernel does, the joining of threads and whatever else the
//! machine does are not in it.

use core::fmt::Write as _;

use ternlet::pack::{Layouts, Target};
use ternlet_runtime::Config;
use ternlet_runtime::format::{Order, Role, Schedule, TensorKind};

use super::bytes::{TokenBytes, Zeros, token_bytes};
use super::cycles::Prediction;
use super::kernels::KernelCount;

const CORES: f64 = 4.0;
const HZ: f64 = 2.4e9;
/// Cycles of an instruction outside of innermost loops, for which there is no prediction.
const OUTSIDE_CYCLES: f64 = 0.5;
/// Cached positions while decoding.
const CONTEXT: u64 = 128;
/// Tokens of a prompt, in one batch.
const PROMPT: u64 = 128;
/// Of single rows and columns, in the bandwidth of long streams.
const SKIPPED_SPEED: f64 = 0.5;

/// Reading speeds of this board in bytes per second, and whose they are.
pub const BANDWIDTHS: [(f64, &str); 4] = [
    (9.7e9, "what engines reach today"),
    (11.6e9, "four threads, plain reads (llama.cpp issue 26484)"),
    (13.2e9, "two threads, plain reads, the best of several cores (the same)"),
    (14.9e9, "one core's vector loads (sbc-bench, firmware of 2024)"),
];

/// Cycles for one unit of every kernel of the board's backend, by the name that the counts have.
#[derive(Debug)]
pub struct CycleTable(Vec<(String, f64)>);

impl CycleTable {
    /// Cycles of the loops and of the instructions outside of them.
    #[must_use]
    pub fn new(kernels: &[KernelCount], predictions: &[Prediction]) -> Self {
        let cycles = |p: &Prediction| (p.loop_cycles_per_1000 + OUTSIDE_CYCLES * p.outside_per_1000) / 1e3;
        Self(kernels.iter().zip(predictions).map(|(kernel, p)| (kernel.name.clone(), cycles(p))).collect())
    }

    /// # Panics
    /// If there is not exactly one kernel whose name starts with `start`.
    fn of(&self, start: &str) -> f64 {
        let mut found = self.0.iter().filter(|(name, _)| name.starts_with(start));
        let (Some((_, cycles)), None) = (found.next(), found.next()) else {
            panic!("expected one kernel that starts with {start:?}");
        };
        *cycles
    }
}

/// One way of decoding.
#[derive(Debug)]
pub struct Decode {
    /// Rows and columns that are skipped.
    pub zeros: Zeros,
    /// What it reads.
    pub bytes: TokenBytes,
    /// What it computes, on one core.
    pub cycles: f64,
}

impl Decode {
    /// A token of a model of `config`, packed for this board.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "numbers of weights are below 2^53")]
    pub fn new(config: &Config, zeros: Zeros, table: &CycleTable) -> Self {
        let layouts = Layouts::for_target(Target::Pi5, config.hidden_act);
        let mut cycles = 0.0;
        for tensor in ternary_tensors(config) {
            let (placement, weights) =
                (layouts.of(tensor.role, config.hidden_act), (tensor.n * tensor.k) as f64);
            let layout = placement.layout;
            cycles += match (tensor.role, placement.order) {
                (Role::WUp, _) if zeros.gates > 0 => {
                    weights * (100 - zeros.gates) as f64 / 100.0 * table.of(&format!("row list {layout} "))
                }
                (_, Order::ColumnMajor) => {
                    let live = weights * (100 - zeros.inputs) as f64 / 100.0;
                    live * table.of(&format!("columns {layout} "))
                }
                _ => weights * table.of(&format!("gemv {layout} 640x2560,")),
            };
        }
        cycles += f64::from(config.vocab_size) * f64::from(config.dim) * table.of("head high plane ");
        cycles += attention(config, CONTEXT, table) + vectors(config, table);
        Self { zeros, bytes: token_bytes(config, Target::Pi5, zeros, CONTEXT), cycles }
    }

    /// Milliseconds of reading at `bytes_per_s`.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "bytes of a token are below 2^53")]
    pub fn reading_ms(&self, bytes_per_s: f64) -> f64 {
        let streams = (self.bytes.streamed + self.bytes.kv) as f64;
        1e3 * (streams + self.bytes.skipped_through as f64 / SKIPPED_SPEED) / bytes_per_s
    }

    /// Milliseconds of computing on all cores.
    #[must_use]
    pub fn computing_ms(&self) -> f64 {
        1e3 * self.cycles / (CORES * HZ)
    }

    /// Tokens per second.
    #[must_use]
    pub fn tok_per_s(&self, bytes_per_s: f64) -> f64 {
        1e3 / self.reading_ms(bytes_per_s).max(self.computing_ms())
    }
}

/// Tokens per second of a prompt of [`PROMPT`] tokens in one batch, all weights read once for it.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "numbers of weights are below 2^53")]
pub fn prefill_tok_per_s(config: &Config, bytes_per_s: f64, table: &CycleTable) -> f64 {
    let layouts = Layouts::for_target(Target::Pi5, config.hidden_act);
    let matrices = ternary_tensors(config).map(|tensor| {
        let placement = layouts.of(tensor.role, config.hidden_act);
        let kernel = match placement.order {
            Order::RowMajor => format!("gemm {} 32x2560 m=128,", placement.layout),
            Order::ColumnMajor => format!("columns, tile of 320, {} m=128,", placement.layout),
        };
        (tensor.n * tensor.k) as f64 * table.of(&kernel)
    });
    // A position attends to half of the prompt on average; every token passes the vector kernels.
    let cycles = matrices.sum::<f64>() + attention(config, PROMPT / 2, table) + vectors(config, table);
    let computing = cycles / (CORES * HZ);
    let bytes = token_bytes(config, Target::Pi5, Zeros::NONE, PROMPT / 2);
    let reading = (bytes.streamed as f64 / PROMPT as f64 + bytes.kv as f64) / bytes_per_s;
    1.0 / reading.max(computing)
}

fn ternary_tensors(config: &Config) -> impl Iterator<Item = ternlet_runtime::format::ExpectedTensor> {
    Schedule::of_floats(config).iter().filter(|tensor| tensor.kind == TensorKind::Ternary)
}

/// Cycles of scores, softmax and values behind `context` positions.
#[expect(clippy::cast_precision_loss, reason = "a context is below 2^20")]
fn attention(config: &Config, context: u64, table: &CycleTable) -> f64 {
    let heads = f64::from(config.n_layers * config.n_heads) * context as f64;
    let products = table.of("attention scores f16 ") + table.of("attention values f16 ");
    heads * (f64::from(config.head_dim) * products + table.of("softmax "))
}

/// Cycles of norms, quantisers, activation and rescaling.
fn vectors(config: &Config, table: &CycleTable) -> f64 {
    let norm_and_quantise =
        table.of("sum of squares ") + table.of("scale and multiply ") + table.of("quantise i8 ");
    // Two norms over `dim`, one each over the attention's and the gate's output.
    let inputs = 2 * config.dim + config.q_dim() + config.hidden_dim;
    let outputs = config.q_dim() + 2 * config.kv_dim() + 2 * config.dim + 2 * config.hidden_dim;
    let layer = f64::from(inputs) * norm_and_quantise
        + f64::from(config.hidden_dim) * table.of("relu2 ")
        + f64::from(outputs) * table.of("rescale ");
    f64::from(config.n_layers) * layer + f64::from(config.dim) * table.of("quantise i16 ")
}

/// The record's text.
#[must_use]
pub fn report(config: &Config, table: &CycleTable, made_with: &str) -> String {
    let zeros = [(0, 0), (55, 80), (80, 80)].map(|(gates, inputs)| Zeros { gates, inputs });
    let ways = zeros.map(|zeros| Decode::new(config, zeros, table));
    let mut text = format!(
        "PREDICTED, not measured: {} on a Raspberry Pi 5, four cores at 2.4 GHz, packed with --target pi5 and an\n\
         int8 head in two planes, {CONTEXT} cached positions in f16. Made with {made_with}.\n\n\
         {:24}{:>10}{:>10}{:>10}\n",
        config.name, "zero gates/inputs, %", "0/0", "55/80", "80/80"
    );
    let mut row = |name: &str, value: &dyn Fn(&Decode) -> f64, digits: usize| {
        let _ = write!(text, "{name:24}");
        for way in &ways {
            let _ = write!(text, "{:10.digits$}", value(way));
        }
        text.push('\n');
    };
    #[expect(clippy::cast_precision_loss, reason = "shown with one digit behind the point")]
    let mega = |bytes: u64| bytes as f64 / 1e6;
    row("MB, long streams", &|way| mega(way.bytes.streamed), 1);
    row("MB, rows and columns", &|way| mega(way.bytes.skipped_through), 1);
    row("MB, KV cache", &|way| mega(way.bytes.kv), 1);
    row("MB in all", &|way| mega(way.bytes.total()), 1);
    row("million cycles", &|way| way.cycles / 1e6, 1);
    row("ms computing, 4 cores", &Decode::computing_ms, 1);
    for (bandwidth, _) in BANDWIDTHS {
        row(&format!("ms reading, {} GB/s", bandwidth / 1e9), &|way| way.reading_ms(bandwidth), 1);
    }
    for (bandwidth, _) in BANDWIDTHS {
        row(&format!("tok/s, {} GB/s", bandwidth / 1e9), &|way| way.tok_per_s(bandwidth), 1);
    }
    let _ = writeln!(text, "\nprefill of {PROMPT} tokens, tok/s");
    for (bandwidth, _) in BANDWIDTHS {
        let speed = prefill_tok_per_s(config, bandwidth, table);
        let _ = writeln!(text, "{:24}{speed:10.1}", format!("{} GB/s", bandwidth / 1e9));
    }
    text.push_str("\nwhere the bandwidths are from\n");
    for (bandwidth, source) in BANDWIDTHS {
        let _ = writeln!(text, "{:24}  {source}", format!("{} GB/s", bandwidth / 1e9));
    }
    text
}
