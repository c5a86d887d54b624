//! The path rule.

#![no_main]

use fuzz::{check, properties::path};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| check(path::check, input));
