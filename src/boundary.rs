//! Where panics end. One that reached nginx's C frames would abort the worker.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use crate::log;

/// Runs the body of a callback; a panic in it gives `fallback`, which must refuse.
pub fn catch<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    panic::catch_unwind(AssertUnwindSafe(body)).unwrap_or(fallback)
}

/// Sends panics to nginx's log, at `crit`. The message stays out of it: it could quote what a client sent.
pub fn install_hook() {
    panic::set_hook(Box::new(|info: &PanicHookInfo| {
        let (file, line) = info.location().map_or(("?", 0), |place| (place.file(), place.line()));
        log::cycle_crit(format_args!("jwt_user_scope: panic in {file}:{line}, the request is refused"));
    }));
}
