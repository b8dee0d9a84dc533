//! The table of kernels: which function serves each operation on this CPU.
//!
//! A `&'static Kernels` exists only if the CPU features it needs were shown ([`Kernels::for_backend`] is the one gate),
//! so calling through it is sound. Detection is in `features.rs`, choice is here, and nowhere else.
#![expect(unsafe_code, reason = "a table entry needs CPU features, which holding the table proves")]

use core::ops::Range;

use crate::{Backend, CpuFeatures, scalar};

mod elementwise;
mod half;
mod integer;
mod reduction;
mod split_head;
mod ternary;

/// Declares the table's entries, and one safe function per entry that calls it.
macro_rules! entries {
    ($($name:ident($($arg:ident: $type:ty),* $(,)?) $(-> $result:ty)?;)*) => {
        /// One function per operation, for one backend. Shapes are checked before the call.
        pub(crate) struct Entries {
            $(pub(crate) $name: unsafe fn($($type),*) $(-> $result)?,)*
        }

        impl Entries {
            $(#[inline]
            fn $name(&self, $($arg: $type),*) $(-> $result)? {
                // SAFETY: entries are reached through a `Kernels`, which is only handed out for a CPU that has the
                // entries' target features; `shape.rs` checked the lengths.
                unsafe { (self.$name)($($arg),*) }
            })*
        }
    };
}

entries! {
    gemv_i8_i2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]);
    gemv_i8_tl1(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]);
    gemv_i8_tl2(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]);
    gemv_i8_t5(w: &[u8], n: usize, k: usize, x: &[i8], out: &mut [i32]);
    gemm_i8_i2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]);
    gemm_i8_tl1(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]);
    gemm_i8_tl2(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]);
    gemm_i8_t5(w: &[u8], n: usize, k: usize, m: usize, x: &[i8], out: &mut [i32]);
    gemv_rows_i8_i2(w: &[u8], n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]);
    gemv_rows_i8_tl2(w: &[u8], n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]);
    gemv_rows_i8_t5(w: &[u8], n: usize, k: usize, rows: &[u32], x: &[i8], out: &mut [i32]);
    gemm_columns_i8_i2(
        w: &[u8], n: usize, k: usize, outputs: Range<usize>, columns: &[u32], m: usize, x: &[i8], acc: &mut [i32],
    );
    gemm_columns_i8_tl2(
        w: &[u8], n: usize, k: usize, outputs: Range<usize>, columns: &[u32], m: usize, x: &[i8], acc: &mut [i32],
    );
    gemm_columns_i8_t5(
        w: &[u8], n: usize, k: usize, outputs: Range<usize>, columns: &[u32], m: usize, x: &[i8], acc: &mut [i32],
    );
    gemv_i16_i8(
        w: &[i8], row_scale: &[f32], n: usize, k: usize, x_high: &[i8], x_low: &[i8], x_scale: f32, out: &mut [f32],
    );
    gemv_i16_u5(w: &[u8], n: usize, k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]);
    gemv_i16_u3(w: &[u8], n: usize, k: usize, x_high: &[i8], x_low: &[i8], out: &mut [i64]);
    gemv_f32_f32(w: &[f32], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]);
    gemv_f32_bf16(w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]);
    gemv_f32_f16(w: &[u16], n: usize, k: usize, stride: usize, x: &[f32], out: &mut [f32]);
    gemm_f32_f32(
        w: &[f32], n: usize, k: usize, stride: usize, m: usize, x: &[f32], out: &mut [f32], out_stride: usize,
    );
    gemm_f32_f16(
        w: &[u16], n: usize, k: usize, stride: usize, m: usize, x: &[f32], out: &mut [f32], out_stride: usize,
    );
    gemm_f32_i8(
        w: &[i8], n: usize, k: usize, stride: usize, m: usize, x: &[f32], out: &mut [f32], out_stride: usize,
    );
    gevm_f32_f32(
        a: &[f32], a_stride: usize, m: usize, w: &[f32], n: usize, k: usize, stride: usize, out: &mut [f32],
    );
    gevm_f32_f16(
        a: &[f32], a_stride: usize, m: usize, w: &[u16], n: usize, k: usize, stride: usize, out: &mut [f32],
    );
    gevm_f32_i8(
        a: &[f32], a_stride: usize, m: usize, w: &[i8], n: usize, k: usize, stride: usize, out: &mut [f32],
    );
    sum_squares(x: &[f32]) -> f32;
    softmax(x: &mut [f32]);
    quantise_i8(x: &[f32], q: &mut [i8]) -> f32;
    quantise_i16(x: &[f32], high: &mut [i8], low: &mut [i8]) -> f32;
    rescale(acc: &[i32], scale: f32, out: &mut [f32]);
    scale_mul(x: &[f32], s: f32, w: &[f32], out: &mut [f32]);
    add_assign(x: &mut [f32], y: &[f32]);
    mul_assign(x: &mut [f32], y: &[f32]);
    relu2_mul(gate: &mut [f32], up: &[f32]);
    silu_mul(gate: &mut [f32], up: &[f32]);
    rope(head: &mut [f32], cos: &[f32], sin: &[f32]);
    f32_to_f16(x: &[f32], out: &mut [u16]);
    widen_f16(x: &[u16], out: &mut [f32]);
    widen_bf16(x: &[u16], out: &mut [f32]);
}

/// The kernels of one backend, and the proof that this CPU can run them.
///
/// Every method gives the same bits on every backend (the payload and sign of a NaN excepted), allocates nothing,
/// starts no thread and takes at most 16 KiB of stack (128 KiB in the GEMMs of AVX-512, which no board runs). To split work between threads, call a method on ranges of rows:
/// rows are independent, and one row's reduction is never to be split.
pub struct Kernels {
    backend: Backend,
    name: &'static str,
    entries: &'static Entries,
}

const SCALAR_NAME: &str = if cfg!(target_arch = "x86_64") {
    "x86_64-i8i2i32-scalar"
} else if cfg!(target_arch = "aarch64") {
    "aarch64-i8i2i32-scalar"
} else {
    "portable-i8i2i32-scalar"
};

#[cfg(target_arch = "x86_64")]
static AVX2: Kernels =
    Kernels { backend: Backend::Avx2, name: "x86_64-i8i2i32-avx2", entries: &crate::x86::avx2::ENTRIES };

#[cfg(target_arch = "x86_64")]
static AVX512: Kernels = Kernels {
    backend: Backend::Avx512,
    name: "x86_64-i8i2i32-avx512",
    entries: &crate::x86::avx512::ENTRIES,
};

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
static NEON: Kernels = Kernels {
    backend: Backend::Neon,
    name: "aarch64-i8i2i32-neon",
    entries: &crate::neon::baseline::ENTRIES,
};

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
static DOTPROD: Kernels = Kernels {
    backend: Backend::Dotprod,
    name: "aarch64-i8i2i32-dotprod",
    entries: &crate::neon::dotprod::ENTRIES,
};

#[cfg(all(target_arch = "aarch64", target_endian = "little"))]
static I8MM: Kernels =
    Kernels { backend: Backend::I8mm, name: "aarch64-i8i2i32-i8mm", entries: &crate::neon::i8mm::ENTRIES };

static SCALAR: Kernels = Kernels { backend: Backend::Scalar, name: SCALAR_NAME, entries: &scalar::ENTRIES };

impl Kernels {
    /// The fastest kernels for a CPU with these features.
    #[must_use]
    pub fn best(features: CpuFeatures) -> &'static Self {
        Self::all(features).last().unwrap_or(&SCALAR)
    }

    /// The kernels of one backend, if the CPU has what it needs.
    #[must_use]
    pub fn for_backend(backend: Backend, features: CpuFeatures) -> Option<&'static Self> {
        match backend {
            Backend::Scalar => Some(&SCALAR),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 if features.has_avx2_fma_f16c() => Some(&AVX2),
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 if features.has_avx2_fma_f16c() && features.has_avx512_vnni_vbmi() => {
                Some(&AVX512)
            }
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Backend::Neon if features.has_neon() => Some(&NEON),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Backend::Dotprod if features.has_dotprod() => Some(&DOTPROD),
            #[cfg(all(target_arch = "aarch64", target_endian = "little"))]
            Backend::I8mm if features.has_i8mm() => Some(&I8MM),
            _ => None,
        }
    }

    /// Every backend that a CPU with these features can run, slowest first. Scalar is always there.
    pub fn all(features: CpuFeatures) -> impl Iterator<Item = &'static Self> {
        Backend::ALL.into_iter().filter_map(move |backend| Self::for_backend(backend, features))
    }

    /// The backend these kernels are written for.
    #[must_use]
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The printable name `{arch}-{lhs}{rhs}{out}-{variant}` of the ternary kernels, e.g. `aarch64-i8i2i32-dotprod`.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

impl core::fmt::Debug for Kernels {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("Kernels").field(&self.name).finish()
    }
}
