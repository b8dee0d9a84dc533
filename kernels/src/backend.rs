//! The instruction sets that kernels are written for.

/// An instruction set that a table of kernels uses. Every backend computes the same bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Backend {
    /// Portable Rust, written to be read: the oracle for the others.
    Scalar,
    /// Armv8.0 Advanced SIMD: Cortex-A53, A72 and everything after.
    Neon,
    /// Armv8.2 `SDOT` on top of [`Backend::Neon`]: Cortex-A55, A76 and everything after.
    Dotprod,
    /// Armv8.6 `SMMLA` on top of [`Backend::Dotprod`]: Neoverse N2, Cortex-A510, A710 and everything after.
    I8mm,
    /// x86-64 with AVX2, FMA and F16C: Haswell, Zen and everything after.
    Avx2,
    /// AVX-512 F, BW, VL, VNNI and VBMI on top of [`Backend::Avx2`]: Ice Lake, Zen 4 and everything after.
    Avx512,
}

impl Backend {
    /// Every backend, slowest first.
    pub const ALL: [Self; 6] =
        [Self::Scalar, Self::Neon, Self::Dotprod, Self::I8mm, Self::Avx2, Self::Avx512];

    /// The word people type: `scalar`, `neon`, `dotprod`, `i8mm`, `avx2` or `avx512`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Neon => "neon",
            Self::Dotprod => "dotprod",
            Self::I8mm => "i8mm",
            Self::Avx2 => "avx2",
            Self::Avx512 => "avx512",
        }
    }

    /// The inverse of [`name`](Self::name); `None` for any other word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|backend| backend.name() == name)
    }
}

impl core::fmt::Display for Backend {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.pad(self.name())
    }
}
