//! The guard.

#![no_main]

use fuzz::{check, mutate, properties::guard};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::guarded(data, size, max_size, seed)
});
fuzz_target!(|input: &[u8]| check(guard::check, input));
