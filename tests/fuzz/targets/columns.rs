//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::columns`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("columns"), |input: &[u8]| {
    kobling_tests::fuzz::columns(input);
});
