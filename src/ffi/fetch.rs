//! A subrequest whose answer is kept, and never reaches the client.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::mem::{self, MaybeUninit};
use core::ptr;
use std::rc::Rc;

use nginx_sys::{
    NGX_AGAIN, NGX_HTTP_INTERNAL_SERVER_ERROR, NGX_HTTP_SUBREQUEST_BACKGROUND, NGX_OK, ngx_add_timer, ngx_chain_t,
    ngx_handle_read_event, ngx_handle_write_event, ngx_http_block_reading, ngx_http_core_run_phases,
    ngx_http_core_srv_conf_t, ngx_http_finalize_request, ngx_http_headers_in_t, ngx_http_post_subrequest_t,
    ngx_http_request_t, ngx_http_subrequest, ngx_http_test_reading, ngx_int_t, ngx_list_init, ngx_msec_t, ngx_palloc,
    ngx_post_event, ngx_posted_events, ngx_str_t, ngx_table_elt_t, ngx_uint_t,
};

use super::{Request, index_of_core_module, str_of};
use crate::boundary::catch;

/// Takes a complete body, or what went wrong.
type End = Box<dyn FnOnce(Result<Vec<u8>, String>)>;

/// What a fetch has brought so far.
pub struct Fetch {
    subrequest: Cell<*mut ngx_http_request_t>,
    limit: usize,
    status: Cell<ngx_uint_t>,
    encoded: Cell<bool>,
    too_large: Cell<bool>,
    body: RefCell<Vec<u8>>,
    /// Called once.
    end: RefCell<Option<End>>,
}

impl Fetch {
    /// A fetch of at most `limit` bytes. `end` is given a complete body, or what went wrong; it is dropped unused when the
    /// client goes first.
    pub fn new(limit: usize, end: impl FnOnce(Result<Vec<u8>, String>) + 'static) -> Rc<Self> {
        Rc::new(Self {
            subrequest: Cell::new(ptr::null_mut()),
            limit,
            status: Cell::new(0),
            encoded: Cell::new(false),
            too_large: Cell::new(false),
            body: RefCell::default(),
            end: RefCell::new(Some(Box::new(end))),
        })
    }

    /// Whether a request is this fetch's.
    pub fn is_of(&self, r: Request) -> bool {
        ptr::eq(self.subrequest.get(), r.as_ptr())
    }

    /// Notes the header, and has nginx read files into memory.
    pub fn take_header(&self, r: Request) {
        // SAFETY: the header filter is called with a request whose header is complete.
        unsafe {
            let headers = &(*r.as_ptr()).headers_out;
            self.status.set(headers.status);
            self.encoded.set(headers.content_encoding.as_ref().is_some_and(|h| h.hash != 0 && h.value.len > 0));
            (*r.as_ptr()).set_filter_need_in_memory(1);
        }
    }

    /// Keeps the body, and marks it as sent.
    pub fn take_body(&self, mut chain: *mut ngx_chain_t) {
        let mut body = self.body.borrow_mut();
        // SAFETY: nginx passes a chain that ends with null, whose buffers are in memory as asked for.
        unsafe {
            while let Some(link) = chain.as_ref() {
                let buf = &mut *link.buf;
                if !buf.pos.is_null() && buf.last > buf.pos {
                    let part = core::slice::from_raw_parts(buf.pos, buf.last.offset_from(buf.pos) as usize);
                    let room = self.limit.saturating_sub(body.len());
                    self.too_large.set(self.too_large.get() || part.len() > room);
                    body.extend_from_slice(&part[..part.len().min(room)]);
                }
                buf.pos = buf.last;
                buf.file_pos = buf.file_last;
                chain = link.next;
            }
        }
    }

    /// The end of the subrequest; nginx may tell it twice.
    fn finish(&self, rc: ngx_int_t) {
        let Some(end) = self.end.take() else { return };
        end(match self.status.get() {
            _ if rc != NGX_OK as ngx_int_t => Err(format!("it failed with {rc}")),
            200 if self.encoded.get() => Err("its answer is compressed".into()),
            200 if self.too_large.get() => Err(format!("its answer is larger than {} KiB", self.limit / 1024)),
            200 => Ok(self.body.take()),
            status => Err(format!("its answer has status {status}")),
        });
    }
}

/// nginx's call at the end of a subrequest. Whatever came of it, the main request goes on.
unsafe extern "C" fn done(_: *mut ngx_http_request_t, data: *mut c_void, rc: ngx_int_t) -> ngx_int_t {
    // SAFETY: the fetch is kept by the state of the main request, which outlives its subrequests.
    catch((), || unsafe { &*data.cast::<Fetch>() }.finish(rc));
    NGX_OK as ngx_int_t
}

impl Request<'_> {
    /// Starts a subrequest to a location of the same server, for `fetch`, which the caller keeps as long as the request
    /// lives. It takes nothing of the client's request along. `false` when nginx cannot start it.
    pub fn start_fetch(self, uri: &[u8], args: &[u8], fetch: &Fetch) -> bool {
        // SAFETY: the request is a main one in its access phase; nginx keeps the texts, which live as long as the
        // configuration, and the call-back, which is the request's.
        unsafe {
            let r = self.as_ptr();
            let call = ngx_palloc((*r).pool, mem::size_of::<ngx_http_post_subrequest_t>());
            let Some(call) = call.cast::<ngx_http_post_subrequest_t>().as_mut() else { return false };
            call.handler = Some(done);
            call.data = ptr::from_ref(fetch).cast_mut().cast();
            let headers = without_headers(r);
            let Some(headers) = headers else { return false };

            let (mut uri, mut args) = (str_of(uri), str_of(args));
            let mut subrequest = ptr::null_mut();
            let flags = NGX_HTTP_SUBREQUEST_BACKGROUND as ngx_uint_t;
            if ngx_http_subrequest(r, &mut uri, &mut args, &mut subrequest, call, flags) != NGX_OK as ngx_int_t {
                return false;
            }
            (*subrequest).headers_in = headers;
            (*subrequest).request_body = ptr::null_mut();
            fetch.subrequest.set(subrequest);
            true
        }
    }

    /// Lets the access phase wait, and run again after `milliseconds`, as `limit_req` delays a request.
    pub fn wait(self, milliseconds: usize) -> ngx_int_t {
        // SAFETY: a main request in its access phase, with its connection.
        unsafe {
            let r = &mut *self.as_ptr();
            let c = &mut *r.connection;
            if (*c.read).ready() != 0 {
                ngx_post_event(c.read, &raw mut ngx_posted_events);
            } else if ngx_handle_read_event(c.read, 0) != NGX_OK as ngx_int_t {
                return NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;
            }
            r.read_event_handler = Some(ngx_http_test_reading);
            r.write_event_handler = Some(resume);
            (*c.write).set_delayed(1);
            ngx_add_timer(c.write, milliseconds as ngx_msec_t);
            NGX_AGAIN as ngx_int_t
        }
    }
}

/// Runs the access phase again, once the time has passed.
unsafe extern "C" fn resume(r: *mut ngx_http_request_t) {
    // SAFETY: nginx calls the write handler of a live request.
    unsafe {
        let c = &*(*r).connection;
        let failed = |rc| rc != NGX_OK as ngx_int_t;
        if (*c.write).delayed() != 0 {
            if failed(ngx_handle_write_event(c.write, 0)) {
                ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t);
            }
            return;
        }
        if failed(ngx_handle_read_event(c.read, 0)) {
            ngx_http_finalize_request(r, NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t);
            return;
        }
        (*r).read_event_handler = Some(ngx_http_block_reading);
        (*r).write_event_handler = Some(ngx_http_core_run_phases);
        ngx_http_core_run_phases(r);
    }
}

/// The header of a request that brings none, for the server that the client has reached.
///
/// # Safety
/// `r` is a main request.
unsafe fn without_headers(r: *mut ngx_http_request_t) -> Option<ngx_http_headers_in_t> {
    // SAFETY: all zero is how nginx begins to read a header; the list is the request's.
    unsafe {
        let mut headers = MaybeUninit::<ngx_http_headers_in_t>::zeroed().assume_init();
        let size = mem::size_of::<ngx_table_elt_t>();
        let listed = ngx_list_init(&raw mut headers.headers, (*r).pool, 1, size);
        headers.content_length_n = -1;
        headers.keep_alive_n = -1;
        let server = &*(*(*r).srv_conf.add(index_of_core_module())).cast::<ngx_http_core_srv_conf_t>();
        headers.server = ngx_str_t { len: server.server_name.len, data: server.server_name.data };
        (listed == NGX_OK as ngx_int_t).then_some(headers)
    }
}
