//! One file per subcommand

pub(crate) mod bench;
pub(crate) mod logits;
pub(crate) mod perplexity;
pub(crate) mod selftest;
pub(crate) mod tokenize;
