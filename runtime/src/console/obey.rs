//! What each command does
//!
//! A command that cannot be obeyed changes nothing, says why, and counts as a failed line.

use core::fmt;

use embedded_io::{Read, ReadReady, Write};

use super::command::{Command, HELP, Setting};
use super::wire::Wire;
use super::{Console, MAX_SYSTEM_BYTES, stats};
use crate::chat_template::Role;
use crate::sampler::{Sampler, SamplerOptions};

impl Console<'_> {
    /// Obeys any command but `/quit`, which ends the run before this is called.
    pub(super) fn obey<IO, N>(
        &mut self,
        command: Command<'_>,
        wire: &mut Wire<'_, IO, N>,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        match command {
            Command::Help => wire.notice(format_args!("{HELP}")),
            Command::Reset => {
                self.reset();
                wire.notice(format_args!("the conversation is forgotten"))
            }
            Command::System(text) => self.set_system(text, wire),
            Command::Set(setting) => self.set(setting, wire),
            Command::Stats => {
                self.stats.report(&self.session, self.conversation.ids().len(), &self.hash, wire)
            }
            Command::Save(name) => self.save(name, wire),
            Command::Restore(name) => self.restore(name, wire),
            Command::SelfTest => self.self_test(wire, clock),
            Command::Quit => Ok(()),
        }
    }

    /// Says why a line was not obeyed.
    pub(super) fn refuse<IO, N>(
        &mut self,
        wire: &mut Wire<'_, IO, N>,
        why: fmt::Arguments<'_>,
    ) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        self.n_failed += 1;
        wire.notice(format_args!("error: {why}"))
    }

    fn set_system<IO, N>(&mut self, text: &str, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        if !self.template.is_some_and(|template| template.has_place(Role::System)) {
            return self.refuse(wire, format_args!("this model has no place for a system message"));
        }
        if text.len() > MAX_SYSTEM_BYTES {
            let (found, have) = (text.len(), MAX_SYSTEM_BYTES);
            return self.refuse(
                wire,
                format_args!("the system message has {found} bytes, at most {have} fit; it stays as it was"),
            );
        }
        self.system.clear();
        // Room was checked above.
        let pushed = self.system.push_str(text);
        debug_assert!(pushed.is_ok());
        self.reset();
        match text.is_empty() {
            true => wire.notice(format_args!("there is no system message; the conversation starts over")),
            false => wire.notice(format_args!("the system message is set; the conversation starts over")),
        }
    }

    fn set<IO, N>(&mut self, setting: Setting, wire: &mut Wire<'_, IO, N>) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let mut options = *self.sampler.options();
        match setting {
            Setting::Temperature(v) => options.temperature = v,
            Setting::TopK(v) => options.top_k = v,
            Setting::TopP(v) => options.top_p = v,
            Setting::Seed(v) => options.seed = v,
            Setting::MaxTokens(0) => {
                return self.refuse(wire, format_args!("tokens: expected at least 1, found 0"));
            }
            Setting::MaxTokens(v) => self.options.max_answer_tokens = v,
            Setting::Lookup(is_on) => {
                return match self.session.set_lookup(is_on) {
                    Ok(()) if is_on => {
                        wire.notice(format_args!("lookup on: repeated text takes fewer passes"))
                    }
                    Ok(()) => wire.notice(format_args!("lookup off: one pass for each token")),
                    Err(e) => self.refuse(wire, format_args!("{e}")),
                };
            }
        }
        match Sampler::new(options) {
            Ok(sampler) => self.sampler = sampler,
            Err(e) => return self.refuse(wire, format_args!("{e}")),
        }
        let SamplerOptions { temperature, top_k, top_p, seed } = options;
        let tokens = self.options.max_answer_tokens;
        wire.notice(format_args!(
            "temperature {temperature}, top-k {top_k}, top-p {top_p}, seed {seed}, tokens {tokens}"
        ))
    }

    fn self_test<IO, N>(
        &mut self,
        wire: &mut Wire<'_, IO, N>,
        clock: &dyn Fn() -> u64,
    ) -> Result<(), IO::Error>
    where
        IO: Read + ReadReady + Write,
        N: Write,
    {
        let start = clock();
        // The test uses slot 0; the next prompt prefills the conversation again.
        match self.session.self_test() {
            Ok(report) => {
                self.n_failed += u32::from(!report.passed());
                stats::self_test_line(&self.session, report, clock().saturating_sub(start), wire)
            }
            Err(e) => {
                self.n_failed += 1;
                wire.notice(format_args!("selftest: no result: {e}"))
            }
        }
    }
}
