//! `ternlet`: pack, inspect, run and benchmark ternary language models
//!
//! Results go to stdout, everything else to stderr. Exit status 0: done; 1: failed, or numbers that
//! differ; 2: wrong usage.
#![expect(clippy::std_instead_of_core, reason = "a host program uses std throughout")]

mod commands;
mod ids;
mod instrument;
mod layout_flags;
mod npy;
mod open;
mod output;
mod progress;
mod prompt_cache;
mod sampling;
mod shipped;
mod source;
mod text;

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use ternlet::error;

use crate::commands::{
    bench, chat, embed, inspect, logits, models, pack, perplexity, render, repack, run, selftest, synth,
    tokenize, tune, verify,
};
use crate::output::note;

/// Runs ternary (BitNet b1.58) language models, and packs them for small Arm boards.
#[derive(Debug, Parser)]
#[command(version, about, long_about = None, args_conflicts_with_subcommands = true)]
#[command(
    after_help = "Without a command: a prompt on the model that ships with ternlet. When stdin is no terminal, \
    each line is a prompt of its own and its answer, which may hold newlines, goes to stdout; a line \
    that cannot be answered says so on stderr, and the exit status is 1."
)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
    #[command(flatten)]
    chat: chat::ChatFlags,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Turn a checkpoint into one file for a device
    Pack(pack::PackArgs),
    /// Give a model file the layouts that another machine wants, without its checkpoint
    Repack(repack::RepackArgs),
    /// List models on the hub that can be packed, with what they need
    Models(models::ModelsArgs),
    /// Say what a model file holds, and the memory it needs
    Inspect(inspect::InspectArgs),
    /// Check every byte of a model file
    Verify(verify::VerifyArgs),
    /// Write a model of a given shape with random weights
    Synth(synth::SynthArgs),
    /// Open a prompt on a model
    Chat(chat::ChatArgs),
    /// Continue one prompt
    Run(run::RunArgs),
    /// Turn texts into vectors with an embedding model
    Embed(embed::EmbedArgs),
    /// Write all logits of a list of ids, and print their hash
    Logits(logits::LogitsArgs),
    /// Mean negative log-likelihood and perplexity of a list of ids
    Perplexity(perplexity::PerplexityArgs),
    /// Measure speed, bytes read and memory
    Bench(bench::BenchArgs),
    /// Measure every layout on this machine, and print a profile that pack and repack take
    Tune(tune::TuneArgs),
    /// Compare this machine's bits with the packer's
    Selftest(selftest::SelftestArgs),
    /// Write what a chat template makes of a conversation
    Render(render::RenderArgs),
    /// Turn text into token ids and back, as JSON lines from stdin to stdout
    Tokenize(tokenize::TokenizeArgs),
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let Some(command) = cli.command else { return finish(chat::converse(None, &cli.chat)) };
    finish(match command {
        Command::Chat(args) => chat::run(&args),
        Command::Run(args) => run::run(&args),
        Command::Embed(args) => embed::run(&args),
        Command::Pack(args) => pack::run(&args),
        Command::Repack(args) => repack::run(&args),
        Command::Tune(args) => tune::run(&args),
        Command::Models(args) => models::run(&args),
        Command::Inspect(args) => inspect::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Synth(args) => synth::run(&args),
        Command::Logits(args) => logits::run(&args),
        Command::Perplexity(args) => perplexity::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Selftest(args) => selftest::run(&args),
        Command::Render(args) => render::run(&args),
        Command::Tokenize(args) => tokenize::run(&args),
    })
}

/// The exit status of an outcome, with its message on stderr.
fn finish(outcome: Result<(), error::Error>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            note(e);
            ExitCode::FAILURE
        }
    }
}
