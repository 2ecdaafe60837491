#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| lrnnet_fuzz::targets::words(bytes));
