//! See `ternlet_tests::fuzz::chat_template`
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    ternlet_tests::fuzz::chat_template(data);
});
