//! What the CPU can execute, stated once and then carried as a value.
//!
//! A [`CpuFeatures`] with a flag set is a promise that the instructions exist on every core that will run kernels.
//! It comes from the operating system (`detect`, feature `std`) or, on bare metal, from the ID registers that the
//! caller read (`from_aarch64_id`). There is no other way to set a flag.
#![expect(unsafe_code, reason = "from_aarch64_id makes a promise that only its caller can check")]

/// Instruction set extensions that kernels may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CpuFeatures {
    has_avx2_fma_f16c: bool,
    has_avx512_vnni_vbmi: bool,
    has_neon: bool,
    has_dotprod: bool,
    has_i8mm: bool,
}

impl CpuFeatures {
    /// A CPU with nothing but its base instructions: only the scalar backend.
    #[must_use]
    pub const fn none() -> Self {
        Self {
            has_avx2_fma_f16c: false,
            has_avx512_vnni_vbmi: false,
            has_neon: false,
            has_dotprod: false,
            has_i8mm: false,
        }
    }

    /// Asks the operating system what this CPU has.
    #[cfg(feature = "std")]
    #[must_use]
    pub fn detect() -> Self {
        #[cfg(target_arch = "x86_64")]
        return Self {
            has_avx2_fma_f16c: std::arch::is_x86_feature_detected!("avx2")
                && std::arch::is_x86_feature_detected!("fma")
                && std::arch::is_x86_feature_detected!("f16c"),
            has_avx512_vnni_vbmi: std::arch::is_x86_feature_detected!("avx512f")
                && std::arch::is_x86_feature_detected!("avx512bw")
                && std::arch::is_x86_feature_detected!("avx512vl")
                && std::arch::is_x86_feature_detected!("avx512vnni")
                && std::arch::is_x86_feature_detected!("avx512vbmi"),
            ..Self::none()
        };
        #[cfg(target_arch = "aarch64")]
        return Self {
            has_neon: std::arch::is_aarch64_feature_detected!("neon"),
            has_dotprod: std::arch::is_aarch64_feature_detected!("dotprod"),
            has_i8mm: std::arch::is_aarch64_feature_detected!("dotprod")
                && std::arch::is_aarch64_feature_detected!("i8mm"),
            ..Self::none()
        };
        #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
        Self::none()
    }

    /// Decodes the Arm ID registers `ID_AA64ISAR0_EL1`, `ID_AA64ISAR1_EL1` and `ID_AA64PFR0_EL1`.
    ///
    /// Advanced SIMD is absent when PFR0 bits 23:20 are `0b1111`; `SDOT` is present when ISAR0 bits 47:44 (DP) are
    /// not zero, and `SMMLA` when ISAR1 bits 55:52 (I8MM) are not (Arm ARM DDI 0487, the registers' descriptions).
    ///
    /// # Safety
    /// The values must come from the registers of the cores that will run kernels; where cores differ, combine them
    /// first so that only what all of them have is left.
    #[must_use]
    pub const unsafe fn from_aarch64_id(isar0: u64, isar1: u64, pfr0: u64) -> Self {
        let has_neon = (pfr0 >> 20) & 0xf != 0xf;
        let has_dotprod = has_neon && (isar0 >> 44) & 0xf != 0;
        let has_i8mm = has_dotprod && (isar1 >> 52) & 0xf != 0;
        Self { has_neon, has_dotprod, has_i8mm, ..Self::none() }
    }

    /// AVX2, FMA and F16C (x86-64).
    #[must_use]
    pub const fn has_avx2_fma_f16c(self) -> bool {
        self.has_avx2_fma_f16c
    }

    /// AVX-512 F, BW, VL, VNNI and VBMI (x86-64).
    #[must_use]
    pub const fn has_avx512_vnni_vbmi(self) -> bool {
        self.has_avx512_vnni_vbmi
    }

    /// Advanced SIMD (`AArch64`).
    #[must_use]
    pub const fn has_neon(self) -> bool {
        self.has_neon
    }

    /// `SDOT` and `UDOT` (`AArch64`).
    #[must_use]
    pub const fn has_dotprod(self) -> bool {
        self.has_dotprod
    }

    /// `SMMLA` and `SDOT` (`AArch64`).
    #[must_use]
    pub const fn has_i8mm(self) -> bool {
        self.has_i8mm
    }
}

#[cfg(test)]
mod tests {
    use super::CpuFeatures;

    #[test]
    fn id_registers_of_known_cores_decode_to_their_features() {
        struct Case {
            core: &'static str,
            isar0: u64,
            isar1: u64,
            pfr0: u64,
            neon: bool,
            dotprod: bool,
            i8mm: bool,
        }
        let cases = [
            Case {
                core: "Cortex-A53",
                isar0: 0x0001_1120,
                isar1: 0,
                pfr0: 0x2222,
                neon: true,
                dotprod: false,
                i8mm: false,
            },
            Case {
                core: "Cortex-A76",
                isar0: 0x1000_1021_1120,
                isar1: 0x0010_0001,
                pfr0: 0x1100_0000_1111_2222,
                neon: true,
                dotprod: true,
                i8mm: false,
            },
            Case {
                core: "Neoverse N2",
                isar0: 0x0221_1001_1021_2120,
                isar1: 0x0011_1110_0021_1032,
                pfr0: 0x1201_1111_2011_1112,
                neon: true,
                dotprod: true,
                i8mm: true,
            },
            Case {
                core: "no SIMD",
                isar0: 0x1000_1021_1120,
                isar1: 0x0010_0000_0000_0000,
                pfr0: 0x00ff_2222,
                neon: false,
                dotprod: false,
                i8mm: false,
            },
        ];
        for Case { core, isar0, isar1, pfr0, neon, dotprod, i8mm } in cases {
            // SAFETY: the flags are only looked at; no kernel runs because of them.
            let features = unsafe { CpuFeatures::from_aarch64_id(isar0, isar1, pfr0) };
            let found = (features.has_neon(), features.has_dotprod(), features.has_i8mm());
            assert_eq!(found, (neon, dotprod, i8mm), "{core}");
        }
    }
}
