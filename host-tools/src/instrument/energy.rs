//! Joules, where the machine tells
//!
//! x86 counts microjoules of each package (RAPL, `/sys/class/powercap`; since 2020 for root alone). The Raspberry Pi 5's
//! power chip gives volts and amperes of each rail (`vcgencmd pmic_read_adc`), which a thread samples four times a second;
//! the rails it sees do not include the USB ports and what hangs on them. Elsewhere there is a reason and no figure.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

const POWERCAP: &str = "/sys/class/powercap";
const SAMPLE_EVERY: Duration = Duration::from_millis(250);

/// What can tell energy on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// Counters of packages.
    Rapl(Vec<PathBuf>),
    /// The Pi's power chip.
    Pmic,
    /// Nothing, and why.
    None(String),
}

impl Source {
    /// Looks for one.
    pub(crate) fn find() -> Self {
        match rapl_packages(Path::new(POWERCAP)) {
            Ok(packages) => Self::Rapl(packages),
            Err(_) if watts().is_some() => Self::Pmic,
            Err(reason) => Self::None(format!("{reason}; and no vcgencmd that reads a Pi's power chip")),
        }
    }

    /// Its name, or why there is none.
    pub(crate) fn name(&self) -> &str {
        match self {
            Self::Rapl(_) => "rapl",
            Self::Pmic => "pmic",
            Self::None(reason) => reason,
        }
    }

    /// Starts to count.
    pub(crate) fn start(&self) -> Meter {
        match self {
            Self::Rapl(packages) => {
                let counters =
                    packages.iter().map(|package| (package.clone(), microjoules(package))).collect();
                Meter::Rapl(counters)
            }
            Self::Pmic => Meter::pmic(),
            Self::None(_) => Meter::None,
        }
    }
}

/// Energy being counted.
#[derive(Debug)]
pub(crate) enum Meter {
    /// Counters at the start.
    Rapl(Vec<(PathBuf, Option<u64>)>),
    /// A thread that samples watts until told to stop, and gives their mean.
    Pmic { stop: Arc<AtomicBool>, sampler: JoinHandle<Option<f64>>, start: Instant },
    /// Nothing to count with.
    None,
}

impl Meter {
    fn pmic() -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let sampler = thread::Builder::new().name("watts".into()).spawn(move || {
            let (mut sum, mut n) = (0.0, 0.0);
            while !stopped.load(Ordering::Relaxed) {
                sum += watts()?;
                n += 1.0;
                thread::sleep(SAMPLE_EVERY);
            }
            (n > 0.0).then_some(sum / n)
        });
        match sampler {
            Ok(sampler) => Self::Pmic { stop, sampler, start: Instant::now() },
            Err(_) => Self::None,
        }
    }

    /// Joules since the start.
    pub(crate) fn stop(self) -> Option<f64> {
        match self {
            Self::Rapl(counters) => counters.into_iter().try_fold(0.0, |sum, (package, before)| {
                let range = number(&package.join("max_energy_range_uj"));
                #[expect(clippy::cast_precision_loss, reason = "a figure of four digits")]
                let used = passed(before?, microjoules(&package)?, range?) as f64 / 1e6;
                Some(sum + used)
            }),
            Self::Pmic { stop, sampler, start } => {
                let seconds = start.elapsed().as_secs_f64();
                stop.store(true, Ordering::Relaxed);
                sampler.join().ok().flatten().map(|watts| watts * seconds)
            }
            Self::None => None,
        }
    }
}

/// Packages of `powercap` whose counters can be read.
fn rapl_packages(powercap: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(powercap).map_err(|e| format!("no {}: {e}", powercap.display()))?;
    // `intel-rapl:0` is a package (AMD's too); `intel-rapl:0:0` is a part of it.
    let is_package = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_prefix("intel-rapl:").is_some_and(|number| !number.contains(':'))
    };
    let packages: Vec<PathBuf> =
        entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_package).collect();
    if packages.is_empty() {
        return Err(format!(
            "no package in {}: the kernel or a virtual machine hides it",
            powercap.display()
        ));
    }
    let readable =
        |package: &PathBuf| -> io::Result<String> { fs::read_to_string(package.join("energy_uj")) };
    match packages.iter().map(readable).find_map(Result::err) {
        None => Ok(packages),
        Some(e) => Err(format!("energy counters are there and cannot be read: {e}; root may")),
    }
}

fn microjoules(package: &Path) -> Option<u64> {
    number(&package.join("energy_uj"))
}

fn number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// What a counter that starts again above `range` has counted.
const fn passed(before: u64, after: u64, range: u64) -> u64 {
    if after >= before { after - before } else { range.saturating_sub(before).saturating_add(after) }
}

/// Watts that the Pi's power chip sees.
fn watts() -> Option<f64> {
    let output = Command::new("vcgencmd")
        .arg("pmic_read_adc")
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output()
        .ok()?;
    pmic_watts(&String::from_utf8_lossy(&output.stdout))
}

/// The sum of volts times amperes over the rails, each of which has a line for both.
fn pmic_watts(text: &str) -> Option<f64> {
    let values: Vec<(&str, f64)> = text
        .lines()
        .filter_map(|line| {
            let (rail, rest) = line.trim().split_once(' ')?;
            let (_, value) = rest.split_once('=')?;
            Some((rail, value.trim_end_matches(['A', 'V']).parse().ok()?))
        })
        .collect();
    let volts_of = |rail: &str| values.iter().find(|(name, _)| name.strip_suffix("_V") == Some(rail));
    let products: Vec<f64> = values
        .iter()
        .filter_map(|(name, amperes)| Some(amperes * volts_of(name.strip_suffix("_A")?)?.1))
        .collect();
    (!products.is_empty()).then(|| products.iter().sum())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn watts_are_volts_times_amperes_of_every_rail() {
        let text = "   3V7_WL_SW_A current(0)=0.09757440A\n   VDD_CORE_A current(7)=1.50000000A\n   \
                    3V7_WL_SW_V volt(8)=3.70000000V\n   VDD_CORE_V volt(15)=0.80000000V\n   EXT5V_V volt(24)=5.1V\n";
        let watts = pmic_watts(text).unwrap();
        assert!((watts - (0.097_574_4 * 3.7 + 1.2)).abs() < 1e-9, "{watts}");
        assert_eq!(pmic_watts("error: VCHI initialization failed\n"), None);
    }

    #[test]
    fn counters_go_on_after_their_end() {
        assert_eq!(passed(10, 25, 100), 15);
        assert_eq!(passed(90, 5, 100), 15);
    }

    #[test]
    fn packages_are_found_and_counted() {
        let folder = std::env::temp_dir().join(format!("ternlet-powercap-{}", std::process::id()));
        let package = folder.join("intel-rapl:0");
        fs::create_dir_all(&package).unwrap();
        fs::create_dir_all(folder.join("intel-rapl:0:0")).unwrap();
        fs::write(package.join("energy_uj"), "1000000\n").unwrap();
        fs::write(package.join("max_energy_range_uj"), "5000000\n").unwrap();
        let source = Source::Rapl(rapl_packages(&folder).unwrap());
        assert_eq!(source, Source::Rapl(vec![package.clone()]));
        let meter = source.start();
        fs::write(package.join("energy_uj"), "500000\n").unwrap();
        assert_eq!(meter.stop(), Some(4.5));
        fs::remove_dir_all(&folder).unwrap();
        assert!(rapl_packages(&folder).unwrap_err().contains("powercap"));
    }
}
