//! What this core is: identification registers

#![expect(unsafe_code, reason = "labelled room: reads system registers")]

use core::fmt;

use ternlet_kernels::CpuFeatures;

/// Reads one 64-bit system register.
macro_rules! read_register {
    ($name:literal) => {{
        let value: u64;
        // SAFETY: a plain read of a register that every Armv8 core has at EL1; no side effect.
        unsafe { core::arch::asm!(concat!("mrs {}, ", $name), out(reg) value, options(nomem, nostack, preserves_flags)) };
        value
    }};
}
pub(super) use read_register;

/// What the kernels may use on this core.
pub(crate) fn kernel_features() -> CpuFeatures {
    let (isar0, isar1) = (read_register!("id_aa64isar0_el1"), read_register!("id_aa64isar1_el1"));
    let pfr0 = read_register!("id_aa64pfr0_el1");
    // SAFETY: the values are those of this core, the only one that runs kernels.
    unsafe { CpuFeatures::from_aarch64_id(isar0, isar1, pfr0) }
}

/// Bits of a physical address (`ID_AA64MMFR0_EL1.PARange`).
pub(crate) fn physical_bits() -> u32 {
    const BITS: [u32; 7] = [32, 36, 40, 42, 44, 48, 52];
    let range = read_register!("id_aa64mmfr0_el1") & 0xf;
    BITS.get(range as usize).copied().unwrap_or(32)
}

/// The name that Arm gave this core (`MIDR_EL1`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct CoreName(u64);

impl CoreName {
    /// Of the core that runs this code.
    pub(crate) fn of_this_core() -> Self {
        Self(read_register!("midr_el1"))
    }
}

impl fmt::Display for CoreName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const ARM: u64 = 0x41;
        let (implementer, part) = (self.0 >> 24 & 0xff, self.0 >> 4 & 0xfff);
        let name = match (implementer, part) {
            (ARM, 0xd03) => "Cortex-A53",
            (ARM, 0xd04) => "Cortex-A35",
            (ARM, 0xd05) => "Cortex-A55",
            (ARM, 0xd07) => "Cortex-A57",
            (ARM, 0xd08) => "Cortex-A72",
            (ARM, 0xd09) => "Cortex-A73",
            (ARM, 0xd0a) => "Cortex-A75",
            (ARM, 0xd0b) => "Cortex-A76",
            (ARM, 0xd0c) => "Neoverse N1",
            (ARM, 0xd40) => "Neoverse V1",
            (ARM, 0xd41) => "Cortex-A78",
            (ARM, 0xd46) => "Cortex-A510",
            (ARM, 0xd47) => "Cortex-A710",
            (ARM, 0xd49) => "Neoverse N2",
            // What QEMU calls `max`.
            (0, 0x51) => "QEMU max",
            _ => return write!(f, "core {implementer:#04x}:{part:#05x}"),
        };
        f.write_str(name)
    }
}
