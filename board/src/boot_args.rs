//! Options on the kernel command line
//!
//! The loader passes one string (`/chosen/bootargs`; QEMU: `-append`). Words that start with
//! `ternlet.` are ours, all others belong to somebody else and are ignored.
//!
//! | word                           | meaning                                                     |
//! |--------------------------------|-------------------------------------------------------------|
//! | `ternlet.selftest=1`           | run the model's self-test before the prompt                 |
//! | `ternlet.exit=psci`            | power off instead of opening (or after closing) the prompt  |
//! | `ternlet.on-fault=park`        | after a fault or panic: wait for ever (the default)         |
//! | `ternlet.on-fault=reset`       | after a fault or panic: PSCI SYSTEM_RESET                   |
//! | `ternlet.on-fault=off`         | after a fault or panic: PSCI SYSTEM_OFF                     |
//! | `ternlet.context=N`            | positions in the KV cache                                   |
//! | `ternlet.drill=null-read`      | fault on purpose once everything is up, to see the report;  |
//! |                                | also `code-write`, `panic`, `stack-overflow`, `allocate`    |

/// What follows a fault or a panic, once it is reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFault {
    /// Wait for ever: the report stays on the screen.
    #[default]
    Park,
    /// Restart the machine.
    Reset,
    /// Power the machine off.
    Off,
}

/// A fault on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Drill {
    /// Read near address 0.
    NullRead,
    /// Write to the image's code.
    CodeWrite,
    /// Panic.
    Panic,
    /// Recurse until the stack is used up.
    StackOverflow,
    /// Allocate after the heap was sealed.
    Allocate,
}

/// The parsed command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BootArgs<'a> {
    /// Run the self-test at start.
    pub runs_selftest: bool,
    /// Power off when there is nothing more to do.
    pub exits: bool,
    /// What follows a fault.
    pub on_fault: OnFault,
    /// Context length in tokens, if given.
    pub context: Option<u32>,
    /// A fault to cause.
    pub drill: Option<Drill>,
    /// The first word that starts with `ternlet.` and means nothing, for a message.
    pub unknown: Option<&'a str>,
}

impl<'a> BootArgs<'a> {
    /// Reads the command line; every string is accepted.
    #[must_use]
    pub fn parse(line: &'a str) -> Self {
        let mut args = Self::default();
        for word in line.split_ascii_whitespace() {
            let Some(option) = word.strip_prefix("ternlet.") else { continue };
            match option.split_once('=') {
                Some(("selftest", "1")) => args.runs_selftest = true,
                Some(("selftest", "0")) => args.runs_selftest = false,
                Some(("exit", "psci")) => args.exits = true,
                Some(("on-fault", "park")) => args.on_fault = OnFault::Park,
                Some(("on-fault", "reset")) => args.on_fault = OnFault::Reset,
                Some(("on-fault", "off")) => args.on_fault = OnFault::Off,
                Some(("drill", "null-read")) => args.drill = Some(Drill::NullRead),
                Some(("drill", "code-write")) => args.drill = Some(Drill::CodeWrite),
                Some(("drill", "panic")) => args.drill = Some(Drill::Panic),
                Some(("drill", "stack-overflow")) => args.drill = Some(Drill::StackOverflow),
                Some(("drill", "allocate")) => args.drill = Some(Drill::Allocate),
                Some(("context", number)) if number.parse::<u32>().is_ok() => {
                    args.context = number.parse().ok();
                }
                _ => args.unknown = args.unknown.or(Some(word)),
            }
        }
        args
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn our_words_are_read_and_others_ignored() {
        let args = BootArgs::parse(
            "console=ttyAMA0 ternlet.selftest=1  ternlet.exit=psci ternlet.context=256 quiet",
        );
        assert_eq!(
            args,
            BootArgs { runs_selftest: true, exits: true, context: Some(256), ..BootArgs::default() }
        );
    }

    #[test]
    fn the_first_unknown_word_is_reported() {
        let args = BootArgs::parse("ternlet.on-fault=reset ternlet.exit=later ternlet.context=many ternlet");
        assert_eq!(args.unknown, Some("ternlet.exit=later"));
        assert_eq!(args.on_fault, OnFault::Reset);
        assert_eq!(args.context, None);
    }
}
