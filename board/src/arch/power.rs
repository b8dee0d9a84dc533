//! The end: power off, reset, or wait for ever
//!
//! Source: Arm Power State Coordination Interface, DEN 0022, `SYSTEM_OFF` and `SYSTEM_RESET`.

use core::cell::Cell;

use critical_section::Mutex;
use smccc::{Hvc, Smc, psci};

use super::wait_for_event;
use crate::boot_args::OnFault;
use crate::bsp::Conduit;

/// How to end, and whether a fault should.
static POWER: Mutex<Cell<(Option<Conduit>, OnFault)>> = Mutex::new(Cell::new((None, OnFault::Park)));

/// Sets the way to call PSCI and what follows a fault.
pub(crate) fn configure_power(conduit: Option<Conduit>, on_fault: OnFault) {
    critical_section::with(|cs| POWER.borrow(cs).set((conduit, on_fault)));
}

fn power() -> (Option<Conduit>, OnFault) {
    critical_section::with(|cs| POWER.borrow(cs).get())
}

/// Powers the machine off; parks where it cannot.
pub(crate) fn power_off() -> ! {
    // An error means that the firmware cannot: nothing is left but to park.
    let _ = match power().0 {
        Some(Conduit::Hvc) => psci::system_off::<Hvc>(),
        Some(Conduit::Smc) => psci::system_off::<Smc>(),
        None => Ok(()),
    };
    park()
}

/// Restarts the machine; parks where it cannot.
pub(crate) fn reset() -> ! {
    // As in `power_off`.
    let _ = match power().0 {
        Some(Conduit::Hvc) => psci::system_reset::<Hvc>(),
        Some(Conduit::Smc) => psci::system_reset::<Smc>(),
        None => Ok(()),
    };
    park()
}

/// What the boot arguments want after a fault or a panic.
pub(crate) fn after_fault() -> ! {
    match power().1 {
        OnFault::Park => park(),
        OnFault::Reset => reset(),
        OnFault::Off => power_off(),
    }
}

fn park() -> ! {
    loop {
        wait_for_event();
    }
}
