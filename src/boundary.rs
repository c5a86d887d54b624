//! Where panics end, and where what had no memory is refused. A panic that reached nginx's C frames would abort the worker.

use std::panic::{self, AssertUnwindSafe, PanicHookInfo};

use crate::alloc::Callback;
use crate::log;

/// Runs the body of a callback; a panic in it, or a lack of memory, gives `fallback`, which must refuse.
pub fn catch<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    run(body, || log::cycle_crit(format_args!("jwt_user_scope: out of memory"))).unwrap_or(fallback)
}

/// The same where a configuration is read, which fails with the reason that nginx wants.
pub fn catch_conf<T>(fallback: T, body: impl FnOnce() -> T) -> T {
    run(body, || log::cycle_emerg(format_args!("jwt_user_scope: out of memory"))).unwrap_or_else(|| {
        log::cycle_emerg(format_args!("jwt_user_scope: the configuration cannot be used"));
        fallback
    })
}

/// `None` after a panic, or when the body has lived on the reserve. An outer callback is told of the latter too.
///
/// By itself, so that a callback that has nothing to do is over in a few instructions: all requests come to it.
#[inline(never)]
fn run<T>(body: impl FnOnce() -> T, report_shortage: impl FnOnce()) -> Option<T> {
    let callback = Callback::enter();
    let result = panic::catch_unwind(AssertUnwindSafe(body)).ok();
    match callback.leave() {
        (false, _) => result,
        (true, outermost) => {
            if outermost {
                report_shortage();
            }
            None
        }
    }
}

/// Sends panics to nginx's log, at `crit`. The message stays out of it: it could quote what a client sent.
pub fn install_hook() {
    panic::set_hook(Box::new(|info: &PanicHookInfo| {
        let (file, line) = info.location().map_or(("?", 0), |place| (place.file(), place.line()));
        log::cycle_crit(format_args!("jwt_user_scope: panic in {file}:{line}, the request is refused"));
    }));
}
