//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::ticket`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("ticket"), |input: &[u8]| {
    kobling_tests::fuzz::ticket(input);
});
