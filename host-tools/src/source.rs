//! A source that the user named, brought to this machine
//!
//! Every command that reads foreign models takes hub addresses through here, and says the same things meanwhile.

use std::path::Path;

use indicatif::ProgressBar;
use ternlet::hub::{Event, Resolved, resolve};

use crate::error::Error;
use crate::output::note;
use crate::progress::file_bar;

/// Downloads `source` if it is an address on the hub; a path is left as it is.
pub(crate) fn fetch(source: &Path) -> Result<Resolved, Error> {
    let shown = source.display();
    let mut bar: Option<(String, ProgressBar)> = None;
    let resolved = resolve(source, &mut |event| match event {
        Event::Progress { file, done, total } => {
            if bar.as_ref().is_none_or(|(name, _)| name != file) {
                bar = Some((file.into(), file_bar(file, done, total)));
            }
            if let Some((_, bar)) = &bar {
                bar.set_position(done);
                if done == total {
                    bar.finish_and_clear();
                }
            }
        }
        Event::Pinned { commit } => note(format_args!("ternlet: {shown}: commit {commit}")),
        Event::Note(text) => match &bar {
            Some((_, bar)) => bar.suspend(|| note(format_args!("ternlet: {shown}: {text}"))),
            None => note(format_args!("ternlet: {shown}: {text}")),
        },
    });
    if let Some((_, bar)) = bar {
        bar.finish_and_clear();
    }
    resolved
}
