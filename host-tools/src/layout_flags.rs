//! Flags that say in which layouts ternary matrices are written

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use ternlet::pack::{Layouts, Profile, Target};
use ternlet_runtime::HiddenAct;

use crate::error::Error;

/// What a file is packed for, as a flag.
#[derive(Debug, Clone, Copy, Default, ValueEnum)]
enum TargetFlag {
    /// Any machine: two bits a weight.
    #[default]
    Any,
    /// Raspberry Pi 5: 1.6 to 1.7 bits a weight.
    Pi5,
    /// Raspberry Pi 4.
    Pi4,
    /// Raspberry Pi 3.
    Pi3,
    /// A laptop or server.
    X86,
}

/// The machine's name, or what was measured on it. Results are the same bits with every choice.
#[derive(Debug, Clone, Args)]
#[group(multiple = false)]
pub(crate) struct LayoutFlags {
    /// The machine whose layouts the ternary matrices get; results are the same bits with each [default: any]
    #[arg(long, value_enum)]
    target: Option<TargetFlag>,
    /// The layouts that ternlet tune printed
    #[arg(long, value_name = "PROFILE")]
    profile: Option<PathBuf>,
}

impl LayoutFlags {
    /// The layouts for a model of `hidden_act`.
    pub(crate) fn layouts(&self, hidden_act: HiddenAct) -> Result<Layouts, Error> {
        if let Some(path) = &self.profile {
            return Profile::read(path)?.layouts().map_err(|problem| Error::new(path.display(), problem));
        }
        let target = match self.target.unwrap_or_default() {
            TargetFlag::Any => Target::Any,
            TargetFlag::Pi5 => Target::Pi5,
            TargetFlag::Pi4 => Target::Pi4,
            TargetFlag::Pi3 => Target::Pi3,
            TargetFlag::X86 => Target::X86,
        };
        Ok(Layouts::for_target(target, hidden_act))
    }
}
