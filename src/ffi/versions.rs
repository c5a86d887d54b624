//! What differs between the versions of nginx, and nothing else does so in the shell.
//!
//! Since 1.23.0 headers of one name are linked. Since 1.29.3 the bit-fields of a request do not begin at a word, and
//! nginx-sys misplaces them: `versions.c` reads and writes them, and none of the methods that nginx-sys has for those of
//! `ngx_http_request_t` may be called.

use core::ffi::c_uint;
use core::ptr;

use nginx_sys::{ngx_http_request_t, ngx_str_t, ngx_table_elt_t};

use super::Request;

/// A header to be sent, with every field written.
pub(super) fn header_line(key: ngx_str_t, value: ngx_str_t) -> ngx_table_elt_t {
    ngx_table_elt_t {
        hash: 1,
        key,
        value,
        lowcase_key: ptr::null_mut(),
        #[cfg(nginx_1_23)]
        next: ptr::null_mut(),
    }
}

// SAFETY: as versions.c defines them.
unsafe extern "C" {
    fn jwt_user_scope_internal(r: *const ngx_http_request_t) -> c_uint;
    fn jwt_user_scope_filter_finalize(r: *const ngx_http_request_t) -> c_uint;
    fn jwt_user_scope_valid_unparsed_uri(r: *const ngx_http_request_t) -> c_uint;
    fn jwt_user_scope_pass_limits(r: *mut ngx_http_request_t);
    fn jwt_user_scope_need_in_memory(r: *mut ngx_http_request_t);
    fn jwt_user_scope_header_only(r: *const ngx_http_request_t) -> c_uint;
    fn jwt_user_scope_is_stale(r: *const ngx_http_request_t) -> c_uint;
    fn jwt_user_scope_forget_port(r: *mut ngx_http_request_t);
    fn jwt_user_scope_keep_page(r: *mut ngx_http_request_t);
    fn jwt_user_scope_count(r: *const ngx_http_request_t) -> c_uint;
    fn jwt_user_scope_set_count(r: *mut ngx_http_request_t, count: c_uint);
}

impl Request<'_> {
    /// nginx has made this request of another: by a redirect within, or as a subrequest.
    pub(super) fn is_internal(self) -> bool {
        // SAFETY: the request lives for as long as this value.
        unsafe { jwt_user_scope_internal(self.as_ptr()) != 0 }
    }

    /// A filter has ended the request with a page of its own.
    pub(super) fn is_ended_by_filter(self) -> bool {
        // SAFETY: as above.
        unsafe { jwt_user_scope_filter_finalize(self.as_ptr()) != 0 }
    }

    /// nginx forwards another path than the client has sent.
    pub(super) fn is_rewritten(self) -> bool {
        // SAFETY: as above.
        unsafe { jwt_user_scope_valid_unparsed_uri(self.as_ptr()) == 0 }
    }

    /// Spares a request, and the subrequests of it, `limit_req` and `limit_conn`, unless one of these has looked at it.
    pub(super) fn pass_limits(self) {
        // SAFETY: as above; nginx looks at the fields when a handler of them runs.
        unsafe { jwt_user_scope_pass_limits(self.as_ptr()) }
    }

    /// The answer has no body: that to `HEAD`.
    pub(super) fn has_no_body(self) -> bool {
        // SAFETY: as above.
        unsafe { jwt_user_scope_header_only(self.as_ptr()) != 0 }
    }

    /// The answer is one of nginx's cache whose time is over.
    pub(super) fn is_stale(self) -> bool {
        // SAFETY: as above.
        unsafe { jwt_user_scope_is_stale(self.as_ptr()) != 0 }
    }

    /// Forgets the port that the client has named in `Host`, which newer versions hand on to subrequests.
    pub(super) fn forget_port(self) {
        // SAFETY: as above; `$request_port` shows it.
        unsafe { jwt_user_scope_forget_port(self.as_ptr()) }
    }

    /// Has nginx look for no `error_page` any more.
    pub fn keep_page(self) {
        // SAFETY: as above.
        unsafe { jwt_user_scope_keep_page(self.as_ptr()) }
    }

    /// How many still work on this request, by nginx's count.
    pub(super) fn count(self) -> c_uint {
        // SAFETY: as above.
        unsafe { jwt_user_scope_count(self.as_ptr()) }
    }

    /// # Safety
    /// So many do work on it.
    pub(super) unsafe fn set_count(self, count: c_uint) {
        // SAFETY: as above.
        unsafe { jwt_user_scope_set_count(self.as_ptr(), count) }
    }

    /// Has nginx read files into memory for the filters.
    pub(super) fn need_in_memory(self) {
        // SAFETY: as above; nginx looks at the field when the body comes.
        unsafe { jwt_user_scope_need_in_memory(self.as_ptr()) }
    }
}
