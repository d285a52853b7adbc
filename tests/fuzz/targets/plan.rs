//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::plan`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("plan"), |input: &[u8]| {
    kobling_tests::fuzz::plan(input);
});
