//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("frame"), |input: &[u8]| {
    kobling_tests::fuzz::frame(input);
});
