//! What the targets share: the properties, mutators that know how an input is built, and a count of what was reached.

#[path = "../../tests/paths/backends.rs"]
mod backends;
#[path = "../../tests/paths/habits.rs"]
mod habits;
pub mod mutate;
#[path = "../../tests/paths/nginx.rs"]
mod nginx;
#[path = "../../tests/properties/mod.rs"]
pub mod properties;

use std::sync::Once;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use properties::{Property, Reached};

static REACHED: [AtomicU64; 3] = [const { AtomicU64::new(0) }; 3];

/// Puts one input to the test. libFuzzer ends by `exit`, so what was reached is told from there.
pub fn check(property: Property, input: &[u8]) {
    static START: Once = Once::new();
    START.call_once(|| {
        // SAFETY: `tell` is a function without arguments, as `atexit` wants it, and unwinds on no path.
        unsafe { atexit(tell) };
    });
    REACHED[property(input) as usize].fetch_add(1, Relaxed);
}

extern "C" fn tell() {
    let count = |reached: Reached| REACHED[reached as usize].load(Relaxed);
    let (accepted, refused) = (count(Reached::Accepted), count(Reached::Refused));
    eprintln!("reached: accepted {accepted} refused {refused} nothing {}", count(Reached::Nothing));
}

// SAFETY: as C has it (C11 section 7.22.4.2).
unsafe extern "C" {
    fn atexit(function: extern "C" fn()) -> i32;
}
