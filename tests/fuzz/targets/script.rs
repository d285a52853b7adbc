//! Shows libFuzzer's inputs to [`kobling_tests::fuzz::script`].
#![no_main]

libfuzzer_sys::fuzz_target!(init: kobling_tests::fuzz::write_seeds("script"), |input: &[u8]| {
    kobling_tests::fuzz::script(input);
});
