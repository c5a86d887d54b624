//! The clock that nginx has too.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the epoch. nginx decides by whole ones, taken when it last woke up: never ahead of this clock.
pub fn now() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs_f64()
}
