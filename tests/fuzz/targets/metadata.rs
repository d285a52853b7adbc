//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::metadata`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("metadata"), |input: &[u8]| {
    kobling_tests::fuzz::metadata(input);
});
