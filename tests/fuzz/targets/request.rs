//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::request`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("request"), |input: &[u8]| {
    kobling_tests::fuzz::request(input);
});
