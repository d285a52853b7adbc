//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::partial`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("partial"), |input: &[u8]| {
    kobling_tests::fuzz::partial(input);
});
