//! See `ternlet_tests::fuzz::gguf`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ternlet_tests::fuzz::gguf(data);
});
