#![doc = include_str!("../README.md")]
#![no_std]

#[cfg(any(test, feature = "std"))]
extern crate std;

mod arena;
pub mod chat_template;
mod checksum;
pub mod config;
mod console;
mod conversation;
pub mod format;
mod kv_cache;
mod logit_key;
mod logits_hash;
mod model;
mod ops;
mod parallel;
mod plan;
mod run_state;
mod sampler;
mod session;
mod skip;
pub mod tokenizer;
mod transformer;
// In the folder `std`, but not by that name: a module `std` would hide the library.
#[cfg(feature = "std")]
#[path = "std/hosted.rs"]
mod hosted;

pub use arena::{ARENA_ALIGN, Arena, ArenaError, Plain, align_up, cast_slice, cast_slice_mut};
pub use chat_template::{ChatTemplate, ChatTemplateError, Content as ChatContent, Item as ChatItem, Role};
pub use checksum::{Checksum, checksum};
pub use config::{Config, HiddenAct, Pooling, SamplingDefaults};
pub use console::{Console, ConsoleError, ConsoleOptions, Ended, Storage};
pub use conversation::{PromptError, encode_system};
pub use format::{LoadError, PrefixError};
#[cfg(feature = "std")]
pub use hosted::{ModelFile, Releasing, SaveFolder, StdStream, Terminal, ThreadPool};
pub use logits_hash::{LogitsHash, OutputHash};
pub use model::{Layer, Linear, Model, SplitTable, Table, Ternary};
pub use parallel::{
    Body, ColumnRange, Parallel, Rows, RowsMut, Serial, for_column_groups, for_column_ranges, for_each_row,
    for_ranges,
};
pub use plan::{KvType, MAX_TOP_K, MemoryPlan, PlanError, PlanOptions};
pub use sampler::{Sampler, SamplerError, SamplerOptions, argmax};
pub use session::{
    DecodeCounts, LOOKUP_ROWS, LookupError, Restored, SelfTestError, SelfTestReport, Session, SessionError,
};
pub use skip::{SkipCounts, SkipLimits};
pub use tokenizer::{Before, EncodeError, SinkFull, Specials, StreamDecoder, Tokenizer, TokenizerError};
pub use transformer::{ForwardError, HeadWork, Row, Transformer};
