//! A request that waits in its access phase.
//!
//! It has a timer of its own: that of its connection belongs to whoever writes to the client, subrequests among them.

use core::cell::UnsafeCell;
use core::mem::MaybeUninit;
use core::ptr;

use nginx_sys::{
    NGX_AGAIN, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_OK, ngx_add_timer, ngx_del_timer, ngx_event_t,
    ngx_handle_read_event, ngx_http_block_reading, ngx_http_core_run_phases, ngx_http_log_ctx_t,
    ngx_http_request_empty_handler, ngx_http_request_t, ngx_http_run_posted_requests, ngx_http_test_reading, ngx_int_t,
    ngx_msec_t, ngx_post_event, ngx_posted_events,
};

use super::Request;

/// The timer of a request. nginx holds its address while it is set, so it stays in its place until it is dropped.
pub struct Wake(Box<UnsafeCell<Timer>>);

#[repr(C)]
struct Timer {
    event: ngx_event_t,
    request: *mut ngx_http_request_t,
}

impl Default for Wake {
    fn default() -> Self {
        // SAFETY: all zero is an event that is not set, and no request.
        Self(Box::new(UnsafeCell::new(unsafe { MaybeUninit::zeroed().assume_init() })))
    }
}

impl Drop for Wake {
    fn drop(&mut self) {
        // SAFETY: the request ends, and nobody but nginx's timers refers to the event.
        unsafe {
            let event = &raw mut (*self.0.get()).event;
            if (*event).timer_set() != 0 {
                ngx_del_timer(event);
            }
        }
    }
}

impl Request<'_> {
    /// Lets the access phase wait, and run again after `milliseconds`. `stays`: others wait for what this request has
    /// begun, and a client that goes must not take it along.
    pub fn wait(self, wake: &Wake, stays: bool, milliseconds: u64) -> ngx_int_t {
        // SAFETY: a main request in its access phase, with its connection; its state keeps the timer, and drops it first.
        unsafe {
            let r = &mut *self.as_ptr();
            let c = &mut *r.connection;
            if (*c.read).ready() != 0 {
                ngx_post_event(c.read, &raw mut ngx_posted_events);
            } else if ngx_handle_read_event(c.read, 0) != NGX_OK as ngx_int_t {
                return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
            }
            r.read_event_handler = Some(if stays { ngx_http_block_reading } else { ngx_http_test_reading });
            r.write_event_handler = Some(ngx_http_request_empty_handler);
            let timer = wake.0.get();
            (*timer).request = self.as_ptr();
            (*timer).event.data = r.connection.cast();
            (*timer).event.log = c.log;
            (*timer).event.handler = Some(resume);
            ngx_add_timer(&raw mut (*timer).event, milliseconds as ngx_msec_t);
            NGX_AGAIN as ngx_int_t
        }
    }
}

/// Runs the access phase again, once the time has passed.
unsafe extern "C" fn resume(event: *mut ngx_event_t) {
    // SAFETY: the event is the first field of a timer, which is dropped with its request. The connection outlives the
    // phases, as in `ngx_http_request_handler`.
    unsafe {
        let r = (*event.cast::<Timer>()).request;
        let c = (*r).connection;
        // The log is the connection's, and says of whom the last that wrote to it was: a fetch.
        (*(*(*c).log).data.cast::<ngx_http_log_ctx_t>()).current_request = r;
        (*(*c).log).action = ptr::null_mut();
        (*r).read_event_handler = Some(ngx_http_block_reading);
        (*r).write_event_handler = Some(ngx_http_core_run_phases);
        ngx_http_core_run_phases(r);
        ngx_http_run_posted_requests(c);
    }
}
