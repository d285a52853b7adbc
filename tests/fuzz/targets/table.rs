//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::table`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("table"), |input: &[u8]| {
    kobling_tests::fuzz::table(input);
});
