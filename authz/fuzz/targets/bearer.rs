//! The header value.

#![no_main]

use fuzz::{check, properties::bearer};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|input: &[u8]| check(bearer::check, input));
