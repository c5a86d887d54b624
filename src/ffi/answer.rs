//! What a refusal changes in a request: its challenge, and the answer that waits for nginx's page.

use core::mem;
use core::ptr::{self, NonNull};

use nginx_sys::{
    NGX_ERROR, NGX_HTTP_GET, NGX_HTTP_HEAD, NGX_HTTP_NOT_ALLOWED, NGX_HTTP_OK, NGX_OK, ngx_alloc_chain_link, ngx_buf_t,
    ngx_chain_t, ngx_http_core_access_phase, ngx_http_core_main_conf_t, ngx_http_core_post_access_phase,
    ngx_http_discard_request_body, ngx_http_output_filter, ngx_http_phase_handler_t, ngx_http_request_t,
    ngx_http_send_header, ngx_int_t, ngx_list_push, ngx_palloc, ngx_pcalloc, ngx_table_elt_t, ngx_uint_t,
};

use super::versions::header_line;
use super::{Request, bytes, index_of_core_module, index_of_filter_module, str_of};
use crate::response::Answer;
use crate::{INTERNAL_ERROR, alloc};

impl<'r> Request<'r> {
    pub fn answer(self) -> Option<&'static Answer> {
        // SAFETY: null, or what `set_answer` put there.
        unsafe { (*self.slot(index_of_filter_module())).cast::<Answer>().as_ref() }
    }

    pub fn set_answer(self, answer: Option<&'static Answer>) {
        let answer = answer.map_or(ptr::null(), ptr::from_ref);
        // SAFETY: the slot is ours; an answer is only read.
        unsafe { *self.slot(index_of_filter_module()) = answer.cast_mut().cast() }
    }

    /// Adds a `WWW-Authenticate` header. `None` when there is no memory.
    pub fn push_challenge(self, value: &'r [u8]) -> Option<NonNull<ngx_table_elt_t>> {
        // SAFETY: the list is the request's. Its memory is not zeroed, so every field is written.
        unsafe {
            let headers_out = &raw mut (*self.as_ptr()).headers_out;
            let header = NonNull::new(ngx_list_push(&raw mut (*headers_out).headers).cast::<ngx_table_elt_t>())?;
            header.write(header_line(str_of(b"WWW-Authenticate"), str_of(value)));
            // `satisfy any` takes the challenge back from here once another module lets the request in.
            (*headers_out).www_authenticate = header.as_ptr();
            Some(header)
        }
    }

    /// Takes back a header of `push_challenge`.
    pub fn remove_challenge(self, header: NonNull<ngx_table_elt_t>) {
        // SAFETY: the header is in the list of this request, and stays there: a hash of 0 only hides it.
        unsafe {
            (*header.as_ptr()).hash = 0;
            let headers_out = &raw mut (*self.as_ptr()).headers_out;
            if (*headers_out).www_authenticate == header.as_ptr() {
                (*headers_out).www_authenticate = ptr::null_mut();
            }
        }
    }

    pub fn err_status(self) -> ngx_uint_t {
        self.get().err_status
    }

    /// The handler that runs, or has run last, by its place in nginx's table.
    pub fn phase(self) -> ngx_int_t {
        self.get().phase_handler
    }

    /// Whether nginx is, or has ended the request, in its access phase: what is sent is a refusal, not a content.
    pub fn is_in_access_phase(self) -> bool {
        let r = self.get();
        let Ok(index) = usize::try_from(r.phase_handler) else { return false };
        // SAFETY: nginx keeps the index within its table, which is read only.
        let checker = unsafe {
            let core = &*(*r.main_conf.add(index_of_core_module())).cast::<ngx_http_core_main_conf_t>();
            (*core.phase_engine.handlers.add(index)).checker
        };
        type Checker = unsafe extern "C" fn(*mut ngx_http_request_t, *mut ngx_http_phase_handler_t) -> ngx_int_t;
        let is = |phase: Checker| checker.is_some_and(|checker| ptr::fn_addr_eq(checker, phase));
        is(ngx_http_core_access_phase) || is(ngx_http_core_post_access_phase)
    }

    /// Describes the body that will be sent.
    pub fn set_content(self, content_type: &'static [u8], length: usize) {
        // SAFETY: the header has not been sent; nothing else refers to these fields.
        unsafe {
            let headers_out = &raw mut (*self.as_ptr()).headers_out;
            (*headers_out).content_type = str_of(content_type);
            (*headers_out).content_type_len = content_type.len();
            (*headers_out).content_type_lowcase = ptr::null_mut();
            (*headers_out).content_length_n = length as nginx_sys::off_t;
        }
    }

    /// Answers a content request with a text, which is made when it is known to be wanted.
    pub fn send_text(self, content_type: &'static [u8], text: impl FnOnce() -> String) -> ngx_int_t {
        // SAFETY: a content handler answers the request that nginx calls it with; the text is copied to its memory.
        unsafe {
            let r = self.as_ptr();
            if (*r).method & (NGX_HTTP_GET | NGX_HTTP_HEAD) as ngx_uint_t == 0 {
                return NGX_HTTP_NOT_ALLOWED as ngx_int_t;
            }
            let discarded = ngx_http_discard_request_body(r);
            if discarded != NGX_OK as ngx_int_t {
                return discarded;
            }
            let text = text();
            // What lives on the reserve is not sent: it may be a part.
            if alloc::is_short() {
                return INTERNAL_ERROR;
            }
            let copy = ngx_palloc((*r).pool, text.len().max(1)).cast::<u8>();
            if copy.is_null() {
                return INTERNAL_ERROR;
            }
            ptr::copy_nonoverlapping(text.as_ptr(), copy, text.len());
            (*r).headers_out.status = NGX_HTTP_OK as ngx_uint_t;
            self.set_content(content_type, text.len());
            // Without its parameters, as `gzip_types` names it.
            let name = content_type.iter().position(|&b| b == b';').unwrap_or(content_type.len());
            (*r).headers_out.content_type_len = name;
            let sent = ngx_http_send_header(r);
            if sent == NGX_ERROR as ngx_int_t || sent > NGX_OK as ngx_int_t || self.has_no_body() {
                return sent;
            }
            match self.last_chain(bytes(copy, text.len())) {
                Some(chain) => ngx_http_output_filter(r, chain),
                None => NGX_ERROR as ngx_int_t,
            }
        }
    }

    /// A whole body, of bytes that live as long as the request. `None` when there is no memory.
    pub fn last_chain(self, body: &[u8]) -> Option<*mut ngx_chain_t> {
        // SAFETY: buffer and link are the pool's; nginx reads memory buffers only.
        unsafe {
            let pool = self.get().pool;
            let buf = ngx_pcalloc(pool, mem::size_of::<ngx_buf_t>()).cast::<ngx_buf_t>().as_mut()?;
            let link = ngx_alloc_chain_link(pool).as_mut()?;
            buf.pos = body.as_ptr().cast_mut();
            buf.last = buf.pos.add(body.len());
            buf.set_memory(1);
            buf.set_last_buf(u32::from(!self.is_subrequest()));
            buf.set_last_in_chain(1);
            link.buf = buf;
            link.next = ptr::null_mut();
            Some(link)
        }
    }
}
