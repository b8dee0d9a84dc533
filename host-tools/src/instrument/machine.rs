//! Facts of the machine that a figure is worth nothing without

use std::fs;
use std::thread::available_parallelism;

use serde::Serialize;

/// What can be known; absent where the system does not tell.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Machine {
    /// Name of the processor.
    pub(crate) cpu: Option<String>,
    /// Cores that this process may use.
    pub(crate) cores: Option<usize>,
    /// As Rust calls it.
    pub(crate) architecture: &'static str,
    /// How the clock is governed.
    pub(crate) governor: Option<String>,
    /// One-minute load average before and after.
    pub(crate) load_average: [Option<f64>; 2],
    /// Version of this program.
    pub(crate) version: &'static str,
}

impl Machine {
    /// Reads them, with the load average before measuring.
    pub(crate) fn read() -> Self {
        Self {
            cpu: fs::read_to_string("/proc/cpuinfo").ok().and_then(|text| cpu_name(&text)),
            cores: available_parallelism().ok().map(usize::from),
            architecture: std::env::consts::ARCH,
            governor: fs::read_to_string("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
                .ok()
                .map(|text| text.trim().to_owned()),
            load_average: [load_average(), None],
            version: env!("CARGO_PKG_VERSION"),
        }
    }

    /// Notes the load average after measuring.
    pub(crate) fn finish(&mut self) {
        self.load_average[1] = load_average();
    }
}

/// The first figure of Linux's `/proc/loadavg`.
fn load_average() -> Option<f64> {
    fs::read_to_string("/proc/loadavg").ok()?.split_whitespace().next()?.parse().ok()
}

/// The processor by name, or of Arm cores, which have none there, by the numbers of designer and part.
fn cpu_name(cpuinfo: &str) -> Option<String> {
    let field = |name: &str| {
        cpuinfo.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            (key.trim() == name).then(|| value.trim().to_owned())
        })
    };
    let of_family = || {
        let family =
            format!("{}, family {} model {}", field("model name")?, field("cpu family")?, field("model")?);
        Some(family)
    };
    let of_arm =
        || Some(format!("Arm implementer {}, part {}", field("CPU implementer")?, field("CPU part")?));
    of_family().or_else(of_arm)
}

/// Peak resident set of this process: `VmHWM` of Linux's `/proc/self/status`.
pub(crate) fn peak_resident_bytes() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processors_have_a_name() {
        let x86 = "processor\t: 0\ncpu family\t: 25\nmodel\t\t: 17\nmodel name\t: AMD EPYC\n";
        assert_eq!(cpu_name(x86).as_deref(), Some("AMD EPYC, family 25 model 17"));
        let arm = "processor\t: 0\nCPU implementer\t: 0x41\nCPU part\t: 0xd0b\n";
        assert_eq!(cpu_name(arm).as_deref(), Some("Arm implementer 0x41, part 0xd0b"));
        assert_eq!(cpu_name("processor: 0\n"), None);
    }
}
