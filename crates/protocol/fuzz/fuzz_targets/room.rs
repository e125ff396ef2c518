#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| rtjam_fuzz::room(bytes));
