//! One file per subcommand

pub(crate) mod bench;
pub(crate) mod chat;
pub(crate) mod embed;
pub(crate) mod inspect;
pub(crate) mod logits;
pub(crate) mod models;
pub(crate) mod pack;
pub(crate) mod perplexity;
pub(crate) mod render;
pub(crate) mod repack;
pub(crate) mod run;
pub(crate) mod selftest;
pub(crate) mod synth;
pub(crate) mod tokenize;
pub(crate) mod tune;
pub(crate) mod verify;
