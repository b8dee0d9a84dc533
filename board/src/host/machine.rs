//! A QEMU machine and its command line

use std::path::{Path, PathBuf};
use std::process::Command;
use std::string::{String, ToString};
use std::{format, fs};

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
    /// Start at EL2, as real boards do, instead of EL1.
    pub starts_at_el2: bool,
    /// RAM in MiB; `None` sizes it for the model.
    pub memory_mib: Option<u64>,
    /// The file that QEMU puts into memory as initrd.
    pub model: Option<PathBuf>,
    /// The kernel command line.
    pub boot_args: String,
}

impl Default for Machine {
    fn default() -> Self {
        Self {
            cpu: "cortex-a76".to_string(),
            n_cores: 1,
            starts_at_el2: false,
            memory_mib: None,
            model: None,
            boot_args: String::new(),
        }
    }
}

impl Machine {
    /// Command line that boots the flat image at `image`.
    #[must_use]
    pub fn command(&self, image: &Path) -> Command {
        let mut qemu = Command::new("qemu-system-aarch64");
        qemu.args(["-M", if self.starts_at_el2 { "virt,virtualization=on" } else { "virt" }]);
        qemu.args(["-cpu", &self.cpu, "-smp", &self.n_cores.to_string()]);
        qemu.args(["-m", &format!("{}M", self.memory_mib.unwrap_or_else(|| self.memory_for_model()))]);
        qemu.args(["-nographic", "-nic", "none", "-no-reboot", "-kernel"]).arg(image);
        if let Some(model) = &self.model {
            qemu.arg("-initrd").arg(model);
        }
        if !self.boot_args.is_empty() {
            qemu.args(["-append", &self.boot_args]);
        }
        qemu
    }

    /// The model sits 128 MiB into RAM; 512 MiB more hold image and arena.
    fn memory_for_model(&self) -> u64 {
        let metadata = self.model.as_ref().and_then(|model| fs::metadata(model).ok());
        let model_mib = metadata.map_or(0, |metadata| metadata.len().div_ceil(1 << 20));
        (model_mib + 640).next_power_of_two()
    }
}
