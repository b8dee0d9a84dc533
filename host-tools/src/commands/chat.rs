//! `ternlet chat`, and `ternlet` alone: a prompt on a model

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Instant;

use clap::Args;
use embedded_io::{ErrorType, Write};
use ternlet_runtime::{Console, ConsoleOptions, SaveFolder, Terminal};

use crate::error::Error;
use crate::open::{Gives, HeadFlags, LookupFlag, Needs, RunFlags, display_name, with_session};
use crate::sampling::SamplingFlags;

/// Flags of `chat`.
#[derive(Debug, Args)]
pub(crate) struct ChatArgs {
    /// Packed model
    file: PathBuf,
    #[command(flatten)]
    chat: ChatFlags,
}

/// Flags of a conversation.
#[derive(Debug, Args)]
pub(crate) struct ChatFlags {
    /// Longest answer, in tokens
    #[arg(short, long, value_name = "N", default_value_t = 512, value_parser = clap::value_parser!(u32).range(1..))]
    n_tokens: u32,
    /// Positions to plan memory for [default: the model's maximum, at most 4096]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    ctx: Option<u32>,
    /// Folder where /save keeps conversations and /restore finds them
    #[arg(long, value_name = "FOLDER")]
    saves: Option<PathBuf>,
    #[command(flatten)]
    sampling: SamplingFlags,
    #[command(flatten)]
    lookup: LookupFlag,
    #[command(flatten)]
    head: HeadFlags,
    #[command(flatten)]
    run: RunFlags,
}

/// Longest line that is taken as a prompt.
const MAX_PROMPT_BYTES: u32 = 64 * 1024;

/// What the shipped model was trained for; it takes anything else for a command.
const SHIPPED_HINT: &str = "Try: Tell me a story about a robot.   or: set gpio 17 high\r\n";

/// Messages about the session go to stderr when answers go to a pipe.
#[derive(Debug)]
struct Stderr;

impl ErrorType for Stderr {
    type Error = io::Error;
}

impl Write for Stderr {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        io::Write::write(&mut io::stderr(), buf)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Runs `ternlet chat FILE`.
pub(crate) fn run(args: &ChatArgs) -> Result<(), Error> {
    converse(Some(&args.file), &args.chat)
}

/// Opens a prompt on the model at `path`, or on the shipped one.
pub(crate) fn converse(path: Option<&Path>, flags: &ChatFlags) -> Result<(), Error> {
    let open = |path: &PathBuf| {
        SaveFolder::open(path.clone()).map_err(|e| {
            Error::new(path.display(), format!("expected a folder for saved conversations, found: {e}"))
                .hint("make the folder first, or name another with --saves")
        })
    };
    let mut saves = flags.saves.as_ref().map(open).transpose()?;
    let needs = Needs {
        gives: Gives::Logits,
        context: flags.ctx,
        max_batch: 32,
        max_logit_rows: flags.lookup.logit_rows(),
        max_prompt_bytes: MAX_PROMPT_BYTES,
        head: flags.head.head,
    };
    with_session(path, &flags.run, needs, |mut session| {
        flags.lookup.apply(&mut session)?;
        let config = session.model().config();
        let sampler = flags.sampling.over(&config.sampling);
        let greeting = format!(
            "{}, {} threads, {}. /help lists the commands, Ctrl-D leaves.\r\n{}",
            config.name,
            session.plan().options().n_workers,
            session.kernels().name(),
            if path.is_none() { SHIPPED_HINT } else { "" }
        );
        let mut terminal = Terminal::stdio().map_err(|e| Error::new("terminal", e))?;
        let interactive = terminal.is_interactive();
        let options = ConsoleOptions {
            interactive,
            newline: if interactive { "\r\n" } else { "\n" },
            sampler,
            max_answer_tokens: flags.n_tokens,
        };
        let mut console = Console::new(session, options).map_err(|e| Error::new(display_name(path), e))?;
        if let Some(saves) = &mut saves {
            console.set_storage(saves);
        }
        let start = Instant::now();
        let clock = || u64::try_from(start.elapsed().as_nanos()).unwrap_or(u64::MAX);
        let ended = if interactive {
            terminal.write_all(greeting.as_bytes()).map_err(|e| Error::new("terminal", e))?;
            console.run(&mut terminal, &clock)
        } else {
            console.run_split(&mut terminal, Some(&mut Stderr), &clock)
        };
        drop(terminal);
        match ended {
            // The reader of our answers has left: nothing more to do.
            Err(e) if e.kind() == ErrorKind::BrokenPipe => Ok(()),
            Err(e) => Err(Error::new("terminal", e)),
            Ok(_) if interactive => Ok(()),
            Ok(_) => match console.n_failed() {
                0 => Ok(()),
                n => Err(Error::new("stdin", format!("{n} of the lines failed, see above"))),
            },
        }
    })
}
