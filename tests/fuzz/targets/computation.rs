//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::computation`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("computation"), |input: &[u8]| {
    kobling_tests::fuzz::computation(input);
});
