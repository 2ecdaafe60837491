#![no_main]

use lrnnet_fuzz::{mutate, targets};

libfuzzer_sys::fuzz_target!(|pickle: &[u8]| targets::pickles(pickle));

libfuzzer_sys::fuzz_mutator!(|bytes: &mut [u8], size: usize, max_size: usize, seed: u32| {
    // Half of the changes are libFuzzer's own, which knows what the code compares with; the others keep opcodes whole.
    if seed % 2 == 0 {
        return libfuzzer_sys::fuzzer_mutate(bytes, size, max_size);
    }
    let mut pickle = bytes[..size].to_vec();
    mutate::pickle(&mut pickle, &mut mutate::Random(seed.into()));
    pickle.truncate(max_size);
    bytes[..pickle.len()].copy_from_slice(&pickle);
    pickle.len()
});
