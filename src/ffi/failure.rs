//! The mark of a request in which a variable could not be computed.
//!
//! An empty value may pass for an answer, so nothing that follows from it may be trusted, whatever redirects come in between.
//! nginx keeps the values of variables across these, in memory that a request has from its beginning. So the mark is
//! one of them, under a name that no configuration can write.

use super::{Conf, Request};
use crate::variables;

const NAME: &[u8] = b" jwt_user_scope failed";

impl Conf<'_> {
    /// Makes room for the mark. `None` after an error that nginx has logged.
    pub fn add_failure_mark(self) -> Option<()> {
        self.add_variable(NAME, variables::get_nothing, 0, 0)?;
        self.main_conf().failure_mark.set(self.variable_index(NAME)?);
        Some(())
    }
}

#[cfg(target_os = "linux")]
use libc::__errno_location as place_of_errno;
#[cfg(not(target_os = "linux"))]
use libc::__error as place_of_errno;

impl Request<'_> {
    /// Evaluates variables, and marks the request if memory was lacking. nginx does not tell: a `map` then gives its
    /// default value, which may be the one that lets in. But a failed allocation leaves its trace in `errno`.
    pub(super) fn failing_without_memory<T>(self, evaluate: impl FnOnce() -> T) -> T {
        // SAFETY: the C library keeps `errno` for the thread.
        let errno = || unsafe { &mut *place_of_errno() };
        let before = core::mem::replace(errno(), 0);
        let value = evaluate();
        match *errno() {
            libc::ENOMEM => self.fail(),
            // A variable may be evaluated for another one, which has lacked memory before.
            _ => *errno() = before,
        }
        value
    }

    /// Marks a client's request.
    pub fn fail(self) {
        // SAFETY: nginx gave the index when the configuration was read; a request has that many variables.
        unsafe { (*self.main().failure_mark()).set_valid(1) }
    }

    /// Whether it is marked.
    pub fn has_failed(self) -> bool {
        // SAFETY: as above.
        unsafe { (*self.main().failure_mark()).valid() == 1 }
    }
}
