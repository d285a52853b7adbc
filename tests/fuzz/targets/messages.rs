//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::messages`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("messages"), |input: &[u8]| {
    kobling_tests::fuzz::messages(input);
});
