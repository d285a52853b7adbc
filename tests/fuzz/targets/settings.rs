//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::settings`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("settings"), |input: &[u8]| {
    kobling_tests::fuzz::settings(input);
});
