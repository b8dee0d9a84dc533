//! A user made of bytes and moments, and the console that this user talks to

use core::convert::Infallible;
use std::collections::VecDeque;

use embedded_io::{ErrorType, Read, ReadReady, Write};
use ternlet_kernels::{CpuFeatures, Kernels};
use ternlet_runtime::{
    Console, ConsoleOptions, Ended, KvType, Model, ModelFile, PlanOptions, SamplerOptions, Serial, Storage,
};
use ternlet_tests::{open_session, shipped_model};

/// When the user types.
#[derive(Debug, Clone, Copy)]
pub(crate) enum When {
    /// When the console waits for input.
    Asked,
    /// While the model works: from the n-th time on that the console looks for input without waiting.
    AtLook(u32),
}

/// What both sides of the wire do.
struct Script {
    typed: VecDeque<(When, VecDeque<u8>)>,
    n_looks: u32,
    screen: Vec<u8>,
}

impl ErrorType for Script {
    type Error = Infallible;
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> Result<usize, Infallible> {
        while let Some((_, bytes)) = self.typed.front_mut() {
            if let Some(byte) = bytes.pop_front() {
                buf[0] = byte;
                return Ok(1);
            }
            self.typed.pop_front();
            self.n_looks = 0;
        }
        Ok(0)
    }
}

impl ReadReady for Script {
    fn read_ready(&mut self) -> Result<bool, Infallible> {
        // What has been read to its end says nothing about the moment of what follows.
        while self.typed.front().is_some_and(|(_, bytes)| bytes.is_empty()) {
            self.typed.pop_front();
            self.n_looks = 0;
        }
        self.n_looks += 1;
        Ok(match self.typed.front() {
            Some((When::AtLook(n), _)) => self.n_looks >= *n,
            _ => false,
        })
    }
}

impl Write for Script {
    fn write(&mut self, buf: &[u8]) -> Result<usize, Infallible> {
        self.screen.extend_from_slice(buf);
        Ok(buf.len())
    }

    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// How a conversation ended.
pub(crate) struct Transcript {
    /// All that the console wrote.
    pub(crate) screen: String,
    /// Lines that failed.
    pub(crate) n_failed: u32,
    pub(crate) ended: Ended,
}

impl Transcript {
    /// What stands between one prompt sign and the next, without line ends around it: echo, answer, notices.
    pub(crate) fn turns(&self) -> Vec<&str> {
        self.screen.split("> ").skip(1).map(str::trim).collect()
    }
}

/// Talks to the shipped model in a terminal of `context` tokens, answers of at most `n_tokens`.
pub(crate) fn talk(context: u32, n_tokens: u32, typed: &[(When, &str)]) -> Transcript {
    talk_with(context, n_tokens, typed, None)
}

/// As [`talk`], with a place for conversations.
pub(crate) fn talk_with(
    context: u32,
    n_tokens: u32,
    typed: &[(When, &str)],
    storage: Option<&mut dyn Storage>,
) -> Transcript {
    let file = ModelFile::open(&shipped_model()).expect("the shipped model");
    let model = Model::parse(file.bytes()).expect("a whole model");
    let kernels = Kernels::best(CpuFeatures::detect());
    let plan = PlanOptions { context, kv: KvType::F16, max_prompt_bytes: 512, ..PlanOptions::default() };
    let options = ConsoleOptions {
        interactive: true,
        newline: "\r\n",
        sampler: SamplerOptions::GREEDY,
        max_answer_tokens: n_tokens,
    };
    let typed = typed.iter().map(|(when, text)| (*when, text.bytes().collect())).collect();
    let mut script = Script { typed, n_looks: 0, screen: Vec::new() };
    open_session(&model, kernels, &Serial, &plan, |session| {
        let mut console = Console::new(session, options).expect("a model with a tokenizer");
        if let Some(storage) = storage {
            console.set_storage(storage);
        }
        let ended = console.run(&mut script, &|| 0).unwrap_or_else(|e| match e {});
        let screen = String::from_utf8(script.screen).expect("whole characters");
        Transcript { screen, n_failed: console.n_failed(), ended }
    })
}

/// As [`talk`] for a user who types each line when asked.
pub(crate) fn talk_in_turns(context: u32, n_tokens: u32, lines: &[&str]) -> Transcript {
    let typed: Vec<String> = lines.iter().map(|line| format!("{line}\r")).collect();
    let typed: Vec<(When, &str)> = typed.iter().map(|line| (When::Asked, line.as_str())).collect();
    talk(context, n_tokens, &typed)
}
