//! Bytes that decoding one token reads from memory, from shapes alone
//!
//! By the arithmetic that lays files out: what a packed model would report, without packing one. What the exact skip
//! leaves out is given as shares of zeros; a skipped matrix is read in whole cache lines.

use ternlet::pack::{Layouts, Target};
use ternlet_kernels::layout::i8_split;
use ternlet_runtime::Config;
use ternlet_runtime::format::{Layout, Order, Role, Schedule, TensorKind};

/// Of a cache line.
const LINE: u64 = 64;

/// Of a row of an int8 table: its scale, and the bound of its low plane.
const SCALE_BYTES: u64 = 4;
const BOUND_BYTES: u64 = 4;

/// How many of a hundred are zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Zeros {
    /// Of the gates: rows of `w_up` that are not read.
    pub gates: u64,
    /// Of the inputs of `w_down`: its columns that are not read.
    pub inputs: u64,
}

impl Zeros {
    /// Every matrix is read whole.
    pub const NONE: Self = Self { gates: 0, inputs: 0 };
}

/// Bytes of one token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TokenBytes {
    /// Read as long streams: matrices, the head, norms, scales, one row of the embedding.
    pub streamed: u64,
    /// Read as single rows and columns, where others are skipped.
    pub skipped_through: u64,
    /// Keys and values of the positions before.
    pub kv: u64,
}

impl TokenBytes {
    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.streamed + self.skipped_through + self.kv
    }
}

/// What one token of a model of `config` reads, packed for `target` with an int8 head in two planes, behind `context`
/// cached positions of f16. Rows of the head's low plane that are completed come on top: `dim * 3 / 8` bytes each.
///
/// # Panics
/// If the shape is beyond what a file can hold.
#[must_use]
pub fn token_bytes(config: &Config, target: Target, zeros: Zeros, context: u64) -> TokenBytes {
    let layouts = Layouts::for_target(target, config.hidden_act);
    let mut bytes = TokenBytes { streamed: head_bytes(config), ..TokenBytes::default() };
    for tensor in Schedule::of_floats(config).iter() {
        let (layout, order) = match tensor.kind {
            TensorKind::Ternary => layouts.of(tensor.role, config.hidden_act).stored(),
            TensorKind::Vector => (Layout::F32, Order::RowMajor),
            // Counted with the head.
            _ => continue,
        };
        let length = layout.tensor_bytes(order, tensor.n, tensor.k).expect("a shape that fits a file");
        match tensor.role {
            Role::WUp if zeros.gates > 0 => {
                bytes.skipped_through += listed(tensor.n, length / tensor.n, zeros.gates);
            }
            Role::WDown if zeros.inputs > 0 && order == Order::ColumnMajor => {
                bytes.skipped_through += listed(tensor.k, length / tensor.k, zeros.inputs);
            }
            _ => bytes.streamed += length,
        }
    }
    let head_dim = u64::from(config.head_dim.next_multiple_of(32));
    bytes.kv = context * u64::from(config.n_layers) * 2 * u64::from(config.n_kv_heads) * head_dim * 2;
    bytes
}

/// The high plane, a scale and a bound of every row; and one row of the embedding, which is in the same two planes if it
/// is the head, and else in bf16.
fn head_bytes(config: &Config) -> u64 {
    let dim = config.dim as usize;
    let (high, low) = (i8_split::high_row_bytes(dim) as u64, i8_split::low_row_bytes(dim) as u64);
    let embedding_row = match config.tied_embedding {
        true => high + low + SCALE_BYTES,
        false => 2 * u64::from(config.dim),
    };
    u64::from(config.vocab_size) * (high + SCALE_BYTES + BOUND_BYTES) + embedding_row
}

/// Bytes of those of `n` runs that are live, each in whole cache lines, which it shares with none.
const fn listed(n: u64, run_bytes: u64, zeros_percent: u64) -> u64 {
    let n_live = (n * (100 - zeros_percent)).div_ceil(100);
    n_live * run_bytes.div_ceil(LINE) * LINE
}
