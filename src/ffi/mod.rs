//! Where Rust meets nginx's structures: every cast and every pointer that is followed.
//!
//! [`Request`] and [`Conf`] are made from pointers in the callbacks, and safe to use from there on: nginx keeps what
//! they point to alive for as long as a callback runs, and everything runs on one thread.

mod answer;
mod clock;
mod conf;
mod counters;
mod failure;
mod fetch;
mod request;
mod server;
mod versions;
mod wait;
mod zone;

use core::cell::Cell;
use core::fmt::Arguments;
use core::mem::MaybeUninit;
use core::ptr;
use core::slice;

use nginx_sys::{
    ngx_chain_t, ngx_cycle, ngx_cycle_t, ngx_http_conf_ctx_t, ngx_http_core_main_conf_t, ngx_http_core_module,
    ngx_http_module, ngx_http_output_body_filter_pt, ngx_http_output_header_filter_pt, ngx_http_request_t,
    ngx_http_top_body_filter, ngx_http_top_header_filter, ngx_http_variable_t, ngx_http_variable_value_t, ngx_int_t,
    ngx_log_t, ngx_str_t, ngx_time, ngx_uint_t,
};
use ngx::log::{LOG_BUFFER_SIZE, log_error, write_fmt};

pub use self::clock::{Moment, Tick, keep_time};
pub use self::conf::{Conf, End, Position};
pub use self::counters::{CounterZone, Counters, Series};
pub use self::fetch::Fetch;
pub use self::request::{Captures, Request, VariableValue};
pub use self::server::{Identities, Server, ServerId};
pub use self::wait::Wake;
pub use self::zone::{Attempt, FETCH_TIMEOUT, MAX_TEXT, Turn, Zone, forget_freed};
use crate::conf::MainConf;
use crate::variables::is_own;
use crate::{ngx_http_jwt_user_scope_filter_module, ngx_http_jwt_user_scope_module};

/// What is set when the configuration is read, and found faster than a thread's own: nginx runs on one thread.
pub struct ConfCell<T>(Cell<T>);

// SAFETY: nginx reads its configuration and calls its modules on one thread; a thread of a thread pool runs nothing of ours.
unsafe impl<T: Send> Sync for ConfCell<T> {}

impl<T: Copy> ConfCell<T> {
    pub const fn new(value: T) -> Self {
        Self(Cell::new(value))
    }

    pub fn get(&self) -> T {
        self.0.get()
    }

    pub fn set(&self, value: T) {
        self.0.set(value);
    }
}

/// A handler of a phase.
pub type Handler = unsafe extern "C" fn(*mut ngx_http_request_t) -> ngx_int_t;

/// A variable's get handler.
pub type Getter = unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_http_variable_value_t, usize) -> ngx_int_t;

/// A body filter.
pub type BodyFilter = unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_chain_t) -> ngx_int_t;

/// nginx's cached time, in seconds since the epoch.
pub fn now() -> u64 {
    u64::try_from(ngx_time()).unwrap_or(u64::MAX)
}

fn index_of_module() -> usize {
    // SAFETY: nginx sets the index before the first callback, and never again.
    unsafe { (*ptr::addr_of!(ngx_http_jwt_user_scope_module)).ctx_index }
}

fn index_of_filter_module() -> usize {
    // SAFETY: as above.
    unsafe { (*ptr::addr_of!(ngx_http_jwt_user_scope_filter_module)).ctx_index }
}

fn index_of_core_module() -> usize {
    // SAFETY: as above.
    unsafe { (*ptr::addr_of!(ngx_http_core_module)).ctx_index }
}

/// A string for nginx, which never writes to it.
fn str_of(bytes: &[u8]) -> ngx_str_t {
    ngx_str_t { len: bytes.len(), data: bytes.as_ptr().cast_mut() }
}

/// Finds the indexes of the module's variables, once nginx has given all.
///
/// # Safety
/// `cycle` is a configuration that has been read.
pub unsafe fn collect_variables(cycle: *mut ngx_cycle_t) {
    // SAFETY: the caller's duty; without an `http` block the pointer is null.
    let (names, conf) = unsafe {
        let http = *(*cycle).conf_ctx.add((*ptr::addr_of!(ngx_http_module)).index);
        let Some(http) = http.cast::<ngx_http_conf_ctx_t>().as_ref() else { return };
        let core = &*(*http.main_conf.add(index_of_core_module())).cast::<ngx_http_core_main_conf_t>();
        let conf = &*(*http.main_conf.add(index_of_module())).cast::<MainConf>();
        let name = |variable: &ngx_http_variable_t| bytes(variable.name.data, variable.name.len);
        (core.variables.as_slice().iter().map(name), conf)
    };
    let set_variables = &conf.gathered.borrow().set_variables;
    let own = names.enumerate().filter(|(_, name)| is_own(name, set_variables));
    conf.variables.get_or_init(|| own.map(|(index, _)| index).collect());
}

/// Logs outside any request; silent before nginx has a log.
pub fn log_to_cycle(level: u32, message: Arguments) {
    // SAFETY: null, or the running configuration, which has a log.
    unsafe {
        if let Some(cycle) = ngx_cycle.as_ref() {
            log_to(cycle.log, level, message);
        }
    }
}

/// # Safety
/// `log` is null or valid.
unsafe fn log_to(log: *mut ngx_log_t, level: u32, message: Arguments) {
    let level = level as ngx_uint_t;
    // SAFETY: the caller's duty.
    unsafe {
        if log.as_ref().is_some_and(|log| log.log_level >= level) {
            let mut buffer = [MaybeUninit::uninit(); LOG_BUFFER_SIZE];
            log_error(level, log, 0, write_fmt(&mut buffer, message));
        }
    }
}

/// Puts filters in front of nginx's, and gives those that were there.
pub fn replace_top_filters(
    header: Handler,
    body: BodyFilter,
) -> (ngx_http_output_header_filter_pt, ngx_http_output_body_filter_pt) {
    // SAFETY: configuration is read on one thread, before any request.
    unsafe {
        let next = (ngx_http_top_header_filter, ngx_http_top_body_filter);
        ngx_http_top_header_filter = Some(header);
        ngx_http_top_body_filter = Some(body);
        next
    }
}

/// Calls the next header filter.
pub fn call_header_filter(filter: Handler, r: Request) -> ngx_int_t {
    // SAFETY: a filter of nginx, called with the request that ours was called with.
    unsafe { filter(r.as_ptr()) }
}

/// Calls the next body filter.
pub fn call_body_filter(filter: BodyFilter, r: Request, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: as above, with its chain or one of `last_chain`.
    unsafe { filter(r.as_ptr(), chain) }
}

/// # Safety
/// `data` points to `len` bytes that outlive `'a`, or `len` is 0.
unsafe fn bytes<'a>(data: *const u8, len: usize) -> &'a [u8] {
    if len == 0 {
        return &[];
    }
    // SAFETY: the caller's duty.
    unsafe { slice::from_raw_parts(data, len) }
}

/// A text of the configuration.
fn text(text: &ngx_str_t) -> String {
    // SAFETY: it lives as long as the configuration.
    String::from_utf8_lossy(unsafe { bytes(text.data, text.len) }).into_owned()
}
