//! How much time has passed, whatever is done to the machine's time of day.

use core::ptr;

use libc::clockid_t;
use nginx_sys::{ngx_current_msec, ngx_msec_t, ngx_time, ngx_time_update, time_t};

use super::ConfCell;

// A few milliseconds behind the precise ones, and a fraction of their price: the kernel keeps them at every tick.
#[cfg(target_os = "linux")]
const CLOCKS: [clockid_t; 2] = [libc::CLOCK_MONOTONIC_COARSE, libc::CLOCK_REALTIME_COARSE];
#[cfg(not(target_os = "linux"))]
const CLOCKS: [clockid_t; 2] = [libc::CLOCK_MONOTONIC, libc::CLOCK_REALTIME];

/// nginx's cached time: the seconds of day, and the milliseconds of a clock that is never set. It is that of the last look at
/// nginx's events, or of the last decision with a look of its own.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Tick(time_t, ngx_msec_t);

impl Tick {
    pub fn now() -> Self {
        // SAFETY: a number, which one thread writes.
        Self(ngx_time(), unsafe { ptr::addr_of!(ngx_current_msec).read_volatile() })
    }
}

/// Decisions of a worker from one look at the clock to the next.
const DECISIONS: u32 = 64;

static DECIDED: ConfCell<u32> = ConfCell::new(0);

/// Has nginx look at the clock, at one decision in many. It does so itself only when it looks for events, and pipelined
/// requests, however many, are all served before that (`ngx_event_process_posted`).
pub fn keep_time() {
    let decided = DECIDED.get() + 1;
    DECIDED.set(decided % DECISIONS);
    if decided == DECISIONS {
        // SAFETY: made to be called at any time; it looks at the clock and writes down what it says.
        unsafe { ngx_time_update() };
    }
}

/// A moment as two clocks have it, in milliseconds. The same for all processes of the machine.
///
/// It is read anew each time: nginx's cached time is that of the last look at its events, in each worker another.
#[derive(Clone, Copy, Default)]
pub struct Moment {
    /// Never set, but it may stand still while the machine is suspended.
    pub running: u64,
    /// Since 1970. It may be set.
    pub of_day: u64,
}

impl Moment {
    pub fn now() -> Self {
        let [running, of_day] = CLOCKS.map(read);
        Self { running, of_day }
    }

    /// Milliseconds that have passed since another moment, without those of a suspended machine. 0 when it is still to
    /// come.
    pub fn elapsed_since(self, other: Self) -> u64 {
        passed(other.running, self.running)
    }

    /// Milliseconds since another moment by the clock that says more: nothing is younger for a time of day that was set
    /// back, nor for a machine that has slept.
    pub fn age_since(self, other: Self) -> u64 {
        self.elapsed_since(other).max(passed(other.of_day, self.of_day))
    }
}

/// By a clock that cannot be read, everything is old.
fn passed(from: u64, to: u64) -> u64 {
    if to == UNREADABLE { UNREADABLE } else { to.saturating_sub(from) }
}

const UNREADABLE: u64 = u64::MAX;

/// Milliseconds of a clock.
fn read(clock: clockid_t) -> u64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the kernel writes the time, or nothing when it says so.
    if unsafe { libc::clock_gettime(clock, &raw mut time) } != 0 {
        return UNREADABLE;
    }
    let milliseconds = i128::from(time.tv_sec) * 1000 + i128::from(time.tv_nsec) / 1_000_000;
    u64::try_from(milliseconds).unwrap_or(UNREADABLE)
}
