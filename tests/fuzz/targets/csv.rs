//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::csv`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("csv"), |input: &[u8]| {
    kobling_tests::fuzz::csv(input);
});
