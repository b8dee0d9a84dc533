//! The line-mode session: a prompt for people on any byte stream
//!
//! One state machine over `embedded-io` for UARTs, serial ports, terminals and pipes. Each line is
//! a prompt or a `/command`; the answer streams back in whole characters. Bad input (overlong
//! lines, invalid UTF-8, prompts longer than the context, unknown commands) gets one clear line,
//! and the session goes on.

mod command;
mod line;
mod obey;
mod stats;
mod storage;
mod wire;

pub use storage::Storage;

use core::fmt;

use embedded_io::{Read, ReadReady, Write};

use self::command::Command;
use self::line::{LineEditor, LineEvent, read_plain};
use self::stats::Stats;
use self::wire::Wire;
use crate::chat_template::ChatTemplate;
use crate::conversation::{Conversation, EncodeBuffers, PromptError};
use crate::format::MAX_SYSTEM_TEXT_BYTES;
use crate::logits_hash::OutputHash;
use crate::sampler::{Sampler, SamplerError, SamplerOptions};
use crate::session::Session;
use crate::tokenizer::{StreamDecoder, Tokenizer};
use crate::transformer::ForwardError;

/// Bytes of a system message, typed or the model file's own.
const MAX_SYSTEM_BYTES: usize = MAX_SYSTEM_TEXT_BYTES;

/// How a console behaves.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ConsoleOptions {
    /// Whether a person types: prompts, echo and line editing. Off for pipes: each line is a prompt
    /// of its own, and only answers are written.
    pub interactive: bool,
    /// Line end on the stream: `"\r\n"` on UARTs and raw terminals, `"\n"` in pipes.
    pub newline: &'static str,
    /// How answers are sampled.
    pub sampler: SamplerOptions,
    /// Longest answer, in tokens.
    pub max_answer_tokens: u32,
}

/// Why a console could not open.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum ConsoleError {
    /// The model predicts no tokens.
    EmbeddingModel,
    /// The model file holds no tokenizer.
    NoTokenizer,
    /// The session was planned without text buffers (`max_prompt_bytes` is 0).
    NoTextBuffers,
    /// A sampling option is out of range.
    Sampler(SamplerError),
}

impl fmt::Display for ConsoleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmbeddingModel => ForwardError::NoLogits.fmt(f),
            Self::NoTokenizer => {
                f.write_str("the model file has no tokenizer: pack it with tokenizer.json beside the weights")
            }
            Self::NoTextBuffers => {
                f.write_str("the session was planned for ids only (max_prompt_bytes is 0)")
            }
            Self::Sampler(e) => e.fmt(f),
        }
    }
}

impl core::error::Error for ConsoleError {}

/// Why a console's run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The input ended.
    EndOfInput,
    /// The user typed `/quit`.
    Quit,
}

/// A session with a prompt; see the module text.
#[derive(Debug)]
pub struct Console<'a> {
    session: Session<'a>,
    tokenizer: Tokenizer<'a>,
    template: Option<ChatTemplate<'a>>,
    conversation: Conversation<'a>,
    line: &'a mut [u8],
    buffers: EncodeBuffers<'a>,
    system: heapless::String<MAX_SYSTEM_BYTES>,
    storage: Option<&'a mut dyn Storage>,
    sampler: Sampler,
    options: ConsoleOptions,
    stats: Stats,
    hash: OutputHash,
    n_failed: u32,
}

/// Why an answer ended.
enum AnswerEnd {
    StopToken,
    MaxTokens,
    ContextFull,
    Interrupted,
}

/// What stopped a turn: the stream (ends the run) or the prompt (reported, and the run goes on).
enum TurnError<E> {
    Stream(E),
    Prompt(PromptError),
    Forward(ForwardError),
}

impl<E> From<PromptError> for TurnError<E> {
    fn from(e: PromptError) -> Self {
        Self::Prompt(e)
    }
}

impl<E> From<ForwardError> for TurnError<E> {
    fn from(e: ForwardError) -> Self {
        Self::Forward(e)
    }
}

impl<'a> Console<'a> {
    /// Opens the console of a session whose model predicts tokens and has a tokenizer.
    ///
    /// # Errors
    /// [`ConsoleError`].
    pub fn new(mut session: Session<'a>, options: ConsoleOptions) -> Result<Self, ConsoleError> {
        if session.model().config().pooling.is_some() {
            return Err(ConsoleError::EmbeddingModel);
        }
        let tokenizer = session.model().tokenizer().ok_or(ConsoleError::NoTokenizer)?;
        let sampler = Sampler::new(options.sampler).map_err(ConsoleError::Sampler)?;
        let text = &mut session.text;
        if text.line.is_empty() {
            return Err(ConsoleError::NoTextBuffers);
        }
        let conversation = Conversation::new(core::mem::take(&mut text.history));
        let line = core::mem::take(&mut text.line);
        let buffers =
            EncodeBuffers { text: core::mem::take(&mut text.text), bpe: core::mem::take(&mut text.bpe) };
        let template = session.model().chat_template();
        let mut system = heapless::String::new();
        if let Some(stored) = session.model().system() {
            // Parsing allows no longer text than fits.
            let pushed = system.push_str(stored.text);
            debug_assert!(pushed.is_ok());
        }
        Ok(Self {
            session,
            tokenizer,
            template,
            conversation,
            line,
            buffers,
            system,
            storage: None,
            sampler,
            options,
            stats: Stats::default(),
            hash: OutputHash::new(),
            n_failed: 0,
        })
    }

    /// Lines that failed so far: prompts, commands and settings.
    #[must_use]
    pub fn n_failed(&self) -> u32 {
        self.n_failed
    }

    /// Serves `io` until its input ends or the user quits. `clock` gives nanoseconds.
    ///
    /// # Errors
    /// The stream's own error; nothing else ends a run.
    pub fn run<IO>(&mut self, io: &mut IO, clock: &dyn Fn() -> u64) -> Result<Ended, IO::Error>
    where
        IO: Read + ReadReady + Write,
    {
        self.run_split::<IO, IO>(io, None, clock)
    }

    /// As [`run`](Self::run), with messages about the session on a stream of their own.
    ///
    /// # Errors
    /// The error of `io`; errors of `notices` are ignored.
    pub fn run_split<IO, N>(
        &mut self,
        io: &mut IO,
        notices: Option<&mut N>,
        clock: &dyn Fn() -> u64,
    ) -> Result<Ended, IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let ConsoleOptions { interactive, newline, .. } = self.options;
        let mut wire = Wire::new(io, notices, newline, interactive);
        let mut after_return = false;
        loop {
            let event = if interactive {
                wire.raw(b"> ")?;
                LineEditor::new(self.line).read(&mut wire, &mut after_return, newline)?
            } else {
                read_plain(&mut wire, self.line)?
            };
            match event {
                LineEvent::Line(len) => {
                    if let Some(ended) = self.take_line(len, &mut wire, clock)? {
                        return Ok(ended);
                    }
                }
                LineEvent::TooLong { found } => {
                    let have = self.line.len();
                    self.refuse(
                        &mut wire,
                        format_args!(
                            "the line has {found} bytes, at most {have} fit; it was not sent, shorten it"
                        ),
                    )?;
                }
                LineEvent::Cancelled => {}
                LineEvent::End => return Ok(Ended::EndOfInput),
            }
        }
    }

    /// One line: a command or a prompt.
    fn take_line<IO, N>(
        &mut self,
        len: usize,
        wire: &mut Wire<'_, IO, N>,
        clock: &dyn Fn() -> u64,
    ) -> Result<Option<Ended>, IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        // The line moves out of `self` while it is used and back afterwards.
        let line = core::mem::take(&mut self.line);
        let outcome = match core::str::from_utf8(&line[..len]) {
            Ok(text) => self.take_text(text, wire, clock),
            Err(e) => {
                let at = e.valid_up_to();
                let byte = line[at];
                let why = format_args!("the line is not UTF-8: byte {at} is 0x{byte:02x}; it was not sent");
                self.refuse(wire, why).map(|()| None)
            }
        };
        self.line = line;
        outcome
    }

    fn take_text<IO, N>(
        &mut self,
        text: &str,
        wire: &mut Wire<'_, IO, N>,
        clock: &dyn Fn() -> u64,
    ) -> Result<Option<Ended>, IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        if text.trim().is_empty() {
            return Ok(None);
        }
        if let Some(escaped) = text.strip_prefix("//") {
            // "//" stands for one slash of the prompt.
            let slash = &text[1..];
            debug_assert_eq!(slash.len(), escaped.len() + 1);
            return self.take_prompt(slash, wire, clock).map(|()| None);
        }
        if !text.starts_with('/') {
            return self.take_prompt(text, wire, clock).map(|()| None);
        }
        match command::parse(text) {
            Ok(Command::Quit) => return Ok(Some(Ended::Quit)),
            Ok(command) => self.obey(command, wire, clock)?,
            Err(e) => self.refuse(wire, format_args!("{e}"))?,
        }
        Ok(None)
    }

    fn reset(&mut self) {
        self.conversation.reset();
        self.session.truncate(0);
        self.hash = OutputHash::new();
    }

    /// Answers a prompt; reports what went wrong with it.
    fn take_prompt<IO, N>(
        &mut self,
        prompt: &str,
        wire: &mut Wire<'_, IO, N>,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        match self.turn(prompt, wire, clock) {
            Ok(AnswerEnd::StopToken) => wire.text("\n"),
            Ok(AnswerEnd::MaxTokens) => {
                wire.text("\n")?;
                if self.options.interactive {
                    let n = self.options.max_answer_tokens;
                    wire.notice(format_args!("(stopped after {n} tokens; /set tokens N changes that)"))?;
                }
                Ok(())
            }
            Ok(AnswerEnd::ContextFull) => {
                wire.text("\n")?;
                let n = self.session.plan().options().context;
                wire.notice(format_args!(
                    "(the context of {n} tokens is full; the next prompt drops the oldest turns)"
                ))
            }
            Ok(AnswerEnd::Interrupted) => wire.text("\n"),
            Err(TurnError::Stream(e)) => Err(e),
            Err(TurnError::Prompt(e)) => self.refuse(wire, format_args!("{e}")),
            Err(TurnError::Forward(e)) => {
                self.reset();
                wire.text("\n")?;
                self.refuse(wire, format_args!("{e}; the conversation was reset"))
            }
        }
    }

    fn turn<IO, N>(
        &mut self,
        prompt: &str,
        wire: &mut Wire<'_, IO, N>,
        clock: &dyn Fn() -> u64,
    ) -> Result<AnswerEnd, TurnError<IO::Error>>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        if !self.options.interactive {
            self.reset();
        }
        let start = clock();
        self.append_prompt(prompt, wire)?;
        self.restore_system(wire).map_err(TurnError::Stream)?;
        let prefill_start = clock();
        let mut stream_error = None;
        let mut interrupted = false;
        let n_cached = self.session.n_cached() as usize;
        let pending = &self.conversation.ids()[n_cached..];
        let interactive = self.options.interactive;
        self.session.prepare_for(&self.sampler);
        let n_done = self.session.prefill(pending, |_| {
            if interactive {
                match wire.poll_interrupt() {
                    Ok(hit) => interrupted = hit,
                    Err(e) => stream_error = Some(e),
                }
            }
            !interrupted && stream_error.is_none()
        })?;
        if let Some(e) = stream_error {
            return Err(TurnError::Stream(e));
        }
        self.stats.add_prefill(n_done, clock().saturating_sub(prefill_start));
        if interrupted {
            self.conversation.close_turn();
            return Ok(AnswerEnd::Interrupted);
        }
        self.answer(wire, clock, start)
    }

    /// Takes the system message's keys and values from the model file, if they are there and not cached.
    fn restore_system<IO, N>(&mut self, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        if self.session.n_cached() > 0 {
            return Ok(());
        }
        match self.session.restore_system(self.conversation.ids()) {
            Ok(n) => self.stats.add_restored(n),
            Err(e) => wire.notice(format_args!(
                "(the system message's keys and values in the model file are damaged and are computed: {e})"
            ))?,
        }
        Ok(())
    }

    /// Puts the prompt's ids behind the conversation.
    fn append_prompt<IO, N>(
        &mut self,
        prompt: &str,
        wire: &mut Wire<'_, IO, N>,
    ) -> Result<(), TurnError<IO::Error>>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let Some(template) = &self.template else {
            // A base model completes each line on its own.
            self.reset();
            let bos = self.session.model().config().bos_token_id;
            self.conversation.push_plain(&self.tokenizer, bos, prompt, &mut self.buffers)?;
            return Ok(());
        };
        let context = self.session.plan().options().context;
        let reserve = self.options.max_answer_tokens.min(context / 8) as usize;
        let taken = self.conversation.push_user(
            &self.tokenizer,
            template,
            &self.system,
            prompt,
            reserve,
            &mut self.buffers,
        )?;
        if taken.n_dropped > 0 {
            match taken.n_dropped {
                1 => wire.notice(format_args!("(the context is full: the oldest turn was dropped)")),
                n => wire.notice(format_args!("(the context is full: the oldest {n} turns were dropped)")),
            }
            .map_err(TurnError::Stream)?;
        }
        self.session.truncate(u32::try_from(taken.n_kept).unwrap_or(u32::MAX));
        Ok(())
    }

    /// Samples, shows and appends tokens until the answer ends; the prompt came at `asked`.
    fn answer<IO, N>(
        &mut self,
        wire: &mut Wire<'_, IO, N>,
        clock: &dyn Fn() -> u64,
        asked: u64,
    ) -> Result<AnswerEnd, TurnError<IO::Error>>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let start = clock();
        let mut decoder = StreamDecoder::new(&self.tokenizer);
        let mut n_tokens = 0;
        let end = loop {
            let id = self.session.sample(&self.sampler, &mut self.hash);
            n_tokens += 1;
            if n_tokens == 1 {
                self.stats.set_first_token(clock().saturating_sub(asked));
            }
            if self.session.model().config().eos_token_ids.contains(&id) {
                break AnswerEnd::StopToken;
            }
            if !self.tokenizer.is_special(id) {
                show(wire, |out| decoder.push(id, out)).map_err(TurnError::Stream)?;
            }
            if !self.conversation.push_answer(id) {
                break AnswerEnd::ContextFull;
            }
            if n_tokens >= self.options.max_answer_tokens {
                break AnswerEnd::MaxTokens;
            }
            if self.options.interactive && wire.poll_interrupt().map_err(TurnError::Stream)? {
                break AnswerEnd::Interrupted;
            }
            self.session.append(id)?;
        };
        show(wire, |out| decoder.finish(out)).map_err(TurnError::Stream)?;
        self.conversation.close_turn();
        self.stats.add_decode(n_tokens, clock().saturating_sub(start));
        Ok(end)
    }
}

/// Writes each piece of text that `decode` gives; the first error wins.
fn show<IO, N>(wire: &mut Wire<'_, IO, N>, decode: impl FnOnce(&mut dyn FnMut(&str))) -> Result<(), IO::Error>
where
    IO: Read + ReadReady + Write,
    N: Write,
{
    let mut outcome = Ok(());
    decode(&mut |text| {
        if outcome.is_ok() {
            outcome = wire.text(text);
        }
    });
    outcome
}
