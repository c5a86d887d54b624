//! JSON objects.

#![no_main]

use fuzz::{check, mutate, properties::object};
use libfuzzer_sys::{fuzz_mutator, fuzz_target};

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    mutate::object(data, size, max_size, seed)
});
fuzz_target!(|input: &[u8]| check(object::check, input));
