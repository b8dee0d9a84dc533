//! A QEMU machine and its command line

use std::path::{Path, PathBuf};
use std::process::Command;
use std::string::{String, ToString};
use std::vec::Vec;
use std::{format, fs};

/// The model that ships with the repository.
#[must_use]
pub fn shipped_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../host-tools/model/demo.tern")
}

/// The exception level that the loader enters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum EntryLevel {
    /// As a guest.
    #[default]
    El1,
    /// As firmware does on real boards.
    El2,
}

impl EntryLevel {
    /// QEMU's words for it.
    fn machine(self) -> &'static str {
        match self {
            Self::El1 => "virt",
            Self::El2 => "virt,virtualization=on",
        }
    }
}

/// A QEMU `virt` machine that boots the image.
///
/// `-nic none` because nothing here speaks network (and QEMU would want a ROM for it); the console
/// is the terminal, with QEMU's own keys behind Ctrl-A.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Core, as QEMU names it: `cortex-a76`.
    pub cpu: String,
    /// Number of cores.
    pub n_cores: u32,
    /// Exception level that the loader enters; real boards use EL2.
    pub level: EntryLevel,
    /// RAM in MiB; `None` sizes it for the model.
    pub memory_mib: Option<u64>,
    /// The file that QEMU puts into memory as initrd.
    pub model: Option<PathBuf>,
    /// The kernel command line.
    pub boot_args: String,
    /// Further arguments of QEMU.
    pub extra: Vec<String>,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            cpu: "cortex-a76".to_string(),
            n_cores: 1,
            level: EntryLevel::El1,
            memory_mib: None,
            model: None,
            boot_args: String::new(),
            extra: Vec::new(),
        }
    }
}

impl Machine {
    /// Command line that boots the flat image at `image`.
    #[must_use]
    pub fn command(&self, image: &Path) -> Command {
        let mut qemu = Command::new("qemu-system-aarch64");
        qemu.args(["-M", self.level.machine()]);
        qemu.args(["-cpu", &self.cpu, "-smp", &self.n_cores.to_string()]);
        qemu.args(["-m", &format!("{}M", self.memory_mib.unwrap_or_else(|| self.memory_for_model()))]);
        qemu.args(["-nographic", "-nic", "none", "-no-reboot", "-kernel"]).arg(image);
        if let Some(model) = &self.model {
            qemu.arg("-initrd").arg(model);
        }
        if !self.boot_args.is_empty() {
            qemu.args(["-append", &self.boot_args]);
        }
        qemu.args(&self.extra);
        qemu
    }

    /// The model sits 128 MiB into RAM; 512 MiB more hold image and arena.
    fn memory_for_model(&self) -> u64 {
        let metadata = self.model.as_ref().and_then(|model| fs::metadata(model).ok());
        let model_mib = metadata.map_or(0, |metadata| metadata.len().div_ceil(1 << 20));
        (model_mib + 640).next_power_of_two()
    }
}
