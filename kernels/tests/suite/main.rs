//! The one suite that every backend runs: integers bit-exact to scalar, floats bit-exact to scalar and within the
//! tolerance table of an f64 reference.
#![expect(
    clippy::cast_possible_truncation,
    reason = "inputs are drawn from bits, references rounded on purpose"
)]

mod columns;
mod elementwise;
mod inputs;
mod integer;
mod quantise;
mod reduction;
mod shapes;
mod split_head;
mod ternary;
mod tolerance;

use ternlet_kernels::{Backend, CpuFeatures, Kernels};

/// The oracle.
fn scalar() -> &'static Kernels {
    Kernels::for_backend(Backend::Scalar, CpuFeatures::none()).expect("scalar is always there")
}

/// Every backend this CPU can run, scalar included.
fn all() -> impl Iterator<Item = &'static Kernels> {
    Kernels::all(CpuFeatures::detect())
}

#[test]
fn backends_have_distinct_names_and_the_best_is_the_last() {
    let names: Vec<_> = all().map(Kernels::name).collect();
    let words: Vec<_> = all().map(|kernels| kernels.backend().name()).collect();
    for (i, name) in names.iter().enumerate() {
        assert!(!names[..i].contains(name), "{name} twice");
        assert_eq!(Backend::from_name(words[i]).map(Backend::name), Some(words[i]));
        assert!(name.ends_with(words[i]), "{name}");
    }
    assert_eq!(Kernels::best(CpuFeatures::detect()).name(), *names.last().expect("scalar"));
    assert!(Backend::from_name("avx3").is_none());
}

#[test]
fn a_cpu_without_features_gets_the_oracle_and_nothing_else() {
    let none = CpuFeatures::none();
    assert_eq!(Kernels::best(none).backend(), Backend::Scalar);
    for backend in [Backend::Neon, Backend::Dotprod, Backend::I8mm, Backend::Avx2, Backend::Avx512] {
        assert!(Kernels::for_backend(backend, none).is_none(), "{backend}");
    }
}
