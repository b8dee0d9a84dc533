//! See `ternlet_tests::fuzz::prefix`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ternlet_tests::fuzz::prefix(data);
});
