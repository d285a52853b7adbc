//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::audit`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("audit"), |input: &[u8]| {
    kobling_tests::fuzz::audit(input);
});
