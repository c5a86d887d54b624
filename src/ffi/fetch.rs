//! A subrequest whose answer is kept, and never reaches the client.

use core::cell::{Cell, RefCell};
use core::ffi::c_void;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};
use std::rc::Rc;

use nginx_sys::{
    NGX_AGAIN, NGX_ERROR, NGX_HTTP_SUBREQUEST_BACKGROUND, NGX_OK, ngx_buf_t, ngx_chain_t, ngx_connection_t,
    ngx_event_handler_pt, ngx_event_pipe_t, ngx_event_t, ngx_http_core_loc_conf_t, ngx_http_core_main_conf_t,
    ngx_http_core_srv_conf_t, ngx_http_finalize_request, ngx_http_headers_in_t, ngx_http_max_module,
    ngx_http_post_subrequest_t, ngx_http_request_t, ngx_http_subrequest, ngx_http_upstream_conf_t,
    ngx_http_variable_value_t, ngx_int_t, ngx_list_init, ngx_palloc, ngx_pcalloc, ngx_str_t, ngx_table_elt_t,
    ngx_uint_t,
};

use super::clock::Moment;
use super::zone::FETCH_TIMEOUT;
use super::{Request, bytes, index_of_core_module, str_of};
use crate::boundary::catch;
use crate::state::State;

/// Takes a complete body, or what went wrong.
type End = Box<dyn FnOnce(Result<Vec<u8>, String>)>;

const METHOD: &[u8] = b"GET ";
const PROTOCOL: &[u8] = b" HTTP/1.1";

/// What a fetch has brought so far.
pub struct Fetch {
    subrequest: Cell<*mut ngx_http_request_t>,
    /// Its request line.
    line: Vec<u8>,
    began: Moment,
    limit: usize,
    status: Cell<ngx_uint_t>,
    problem: Cell<Option<Problem>>,
    /// What `read_in_time` stands before.
    on_read: Cell<ngx_event_handler_pt>,
    /// The filter that `bounded` stands before.
    input: Cell<Option<InputFilter>>,
    /// What chooses that filter.
    init: Cell<Option<InputFilterInit>>,
    body: RefCell<Vec<u8>>,
    /// Called once.
    end: RefCell<Option<End>>,
}

/// What makes an answer useless, whatever its status.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Problem {
    TooLarge,
    TooSlow,
    Encoded,
    Stale,
    Unbuffered,
    NoMemory,
}

impl Fetch {
    /// A fetch of at most `limit` bytes from a location. `end` is given a complete body, or what went wrong; it is dropped
    /// unused when the client goes first.
    pub fn new(uri: &[u8], args: &[u8], limit: usize, end: impl FnOnce(Result<Vec<u8>, String>) + 'static) -> Rc<Self> {
        let mark: &[u8] = if args.is_empty() { b"" } else { b"?" };
        Rc::new(Self {
            subrequest: Cell::new(ptr::null_mut()),
            line: [METHOD, uri, mark, args, PROTOCOL].concat(),
            began: Moment::now(),
            limit,
            status: Cell::new(0),
            problem: Cell::new(None),
            on_read: Cell::new(None),
            input: Cell::new(None),
            init: Cell::new(None),
            body: RefCell::default(),
            end: RefCell::new(Some(Box::new(end))),
        })
    }

    /// What it asks for, as `$request_uri` has it.
    fn target(&self) -> &[u8] {
        &self.line[METHOD.len()..self.line.len() - PROTOCOL.len()]
    }

    /// The location and its query string.
    fn uri_and_args(&self) -> (&[u8], &[u8]) {
        let target = self.target();
        let mark = target.iter().position(|&b| b == b'?');
        mark.map_or((target, b""), |mark| (&target[..mark], &target[mark + 1..]))
    }

    /// Whether a request is this fetch's.
    pub fn is_of(&self, r: Request) -> bool {
        ptr::eq(self.subrequest.get(), r.as_ptr())
    }

    /// When it began.
    pub fn began(&self) -> Moment {
        self.began
    }

    /// Whether it has come to its end.
    pub fn is_over(&self) -> bool {
        self.end.borrow().is_none()
    }

    /// Gives up a fetch that nginx could not start, and the turn with it.
    pub fn abandon(&self) {
        self.end.take();
    }

    /// Notes the header, and has nginx read files into memory.
    ///
    /// # Errors
    /// nginx would hand the answer on as it comes, and stop the client's timers with it.
    pub fn take_header(&self, r: Request) -> Result<(), ()> {
        // SAFETY: the header filter is called with a request whose header is complete.
        unsafe {
            let headers = &(*r.as_ptr()).headers_out;
            self.status.set(headers.status);
            let encoding = headers.content_encoding.as_ref().filter(|header| header.hash != 0);
            let encoding = encoding.map_or(&[][..], |header| bytes(header.value.data, header.value.len));
            let is_encoded = !encoding.is_empty() && !encoding.eq_ignore_ascii_case(b"identity");
            // Each time: an error page may come after an answer, and has no problem of that one.
            self.problem.set(match () {
                () if is_encoded => Some(Problem::Encoded),
                () if r.is_stale() => Some(Problem::Stale),
                () => None,
            });
            r.need_in_memory();
            self.body.borrow_mut().clear();
            self.keep_in_memory(r);
        }
        if self.problem.get() == Some(Problem::Unbuffered) { Err(()) } else { Ok(()) }
    }

    /// Bounds the answer of an upstream in time, and has nginx take all of it into its buffers, whatever the location says:
    /// it hands on nothing of a background request before its end, and without buffering it would stop the client's timers.
    fn keep_in_memory(&self, r: Request) {
        // SAFETY: the header filter runs before the upstream is given its buffers; its configuration is shared, so a copy
        // is changed. Sizes are nginx's own, and not 0. nginx sets a connection's handler when it takes it into use.
        unsafe {
            let Some(u) = (*r.as_ptr()).upstream.as_mut() else { return };
            let connection = u.peer.connection.as_ref();
            if let Some(connection) = connection {
                self.on_read.set((*connection.read).handler.replace(read_in_time));
            }
            // nginx's own modules that pipe give their request as context, which ours goes by.
            let Some(pipe) = u.pipe.as_mut().filter(|pipe| ptr::eq(pipe.input_ctx, r.as_ptr().cast())) else {
                // Where there is no connection, it is not the upstream that answers.
                self.problem.set(connection.map_or(self.problem.get(), |_| Some(Problem::Unbuffered)));
                return;
            };
            let copy = ngx_palloc((*r.as_ptr()).pool, mem::size_of::<ngx_http_upstream_conf_t>());
            let copy = copy.cast::<ngx_http_upstream_conf_t>();
            if copy.is_null() {
                self.problem.set(Some(Problem::NoMemory));
                return;
            }
            ptr::copy_nonoverlapping(u.conf, copy, 1);
            let enough = (self.limit + READ_AHEAD) / (*copy).bufs.size.max(1) + 4;
            (*copy).bufs.num = (*copy).bufs.num.max(enough as ngx_int_t);
            u.conf = copy;
            u.set_buffering(1);
            // The module chooses its filter later, by the header: so ours is put before it then.
            self.init.set(u.input_filter_init);
            self.input.set(pipe.input_filter);
            pipe.input_filter = Some(bounded);
            if u.input_filter_init.is_some() {
                u.input_filter_init = Some(bound);
            }
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
                    if part.len() > room {
                        self.problem.set(Some(Problem::TooLarge));
                    }
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
        let is_late = Moment::now().elapsed_since(self.began) >= FETCH_TIMEOUT;
        let problem = self.problem.get().or(is_late.then_some(Problem::TooSlow));
        end(match (self.status.get(), problem) {
            (_, Some(Problem::TooLarge)) => Err(format!("its answer is larger than {} KiB", self.limit / 1024)),
            (_, Some(Problem::Unbuffered)) => {
                Err("its location does not buffer: use proxy_pass, fastcgi_pass, uwsgi_pass or scgi_pass".into())
            }
            _ if rc != NGX_OK as ngx_int_t && problem != Some(Problem::TooSlow) => Err(format!("it failed with {rc}")),
            (200, None) => Ok(self.body.take()),
            (200, Some(Problem::Encoded)) => Err("its answer is compressed".into()),
            (200, Some(Problem::Stale)) => Err("its answer is a stale one of nginx's cache".into()),
            (200, Some(Problem::NoMemory)) => Err("nginx has no memory for its answer".into()),
            (200, Some(Problem::TooSlow)) => {
                Err(format!("its answer takes more than {} seconds", FETCH_TIMEOUT / 1000))
            }
            (status, _) => Err(format!("its answer has status {status}")),
        });
    }
}

/// What an upstream module does with the bytes that it reads.
type InputFilter = unsafe extern "C" fn(*mut ngx_event_pipe_t, *mut ngx_buf_t) -> ngx_int_t;

/// What an upstream module does before it reads.
type InputFilterInit = unsafe extern "C" fn(*mut c_void) -> ngx_int_t;

/// Lets the module choose its filter, and puts `bounded` before it.
unsafe extern "C" fn bound(data: *mut c_void) -> ngx_int_t {
    // SAFETY: nginx gives the context of the pipe, which is the request: `keep_in_memory` has looked.
    unsafe {
        let r = Request::from_ptr(data.cast());
        let fetch = catch(None, || State::find(r.main()).and_then(|state| state.fetch_of(r)));
        let (Some(fetch), Some(u)) = (fetch, (*r.as_ptr()).upstream.as_mut()) else { return NGX_ERROR as ngx_int_t };
        let (Some(init), Some(pipe)) = (fetch.init.get(), u.pipe.as_mut()) else { return NGX_ERROR as ngx_int_t };
        pipe.input_filter = fetch.input.get();
        let done = init(data);
        fetch.input.set(pipe.input_filter);
        pipe.input_filter = Some(bounded);
        done
    }
}

/// More than the limit that an answer may bring besides its body: nginx reads ahead in whole buffers.
const READ_AHEAD: usize = 64 * 1024;

/// Stops an answer that will not fit, before the module's own filter.
unsafe extern "C" fn bounded(p: *mut ngx_event_pipe_t, buf: *mut ngx_buf_t) -> ngx_int_t {
    // SAFETY: as for `bound`; the filter is the one that the module has set.
    unsafe {
        let r = Request::from_ptr((*p).input_ctx.cast());
        let fetch = catch(None, || State::find(r.main()).and_then(|state| state.fetch_of(r)));
        let Some(fetch) = fetch else { return NGX_ERROR as ngx_int_t };
        if usize::try_from((*p).read_length).unwrap_or(usize::MAX) > fetch.limit + READ_AHEAD {
            fetch.problem.set(Some(Problem::TooLarge));
            return NGX_ERROR as ngx_int_t;
        }
        match fetch.input.get() {
            Some(next) => next(p, buf),
            None => NGX_ERROR as ngx_int_t,
        }
    }
}

/// Ends an answer that comes byte by byte, as nginx ends one that does not come: its own timeouts begin anew with each byte.
unsafe extern "C" fn read_in_time(event: *mut ngx_event_t) {
    // SAFETY: the event is that of an upstream connection, whose data is its request. What nginx had there is called with
    // what nginx would have given it.
    unsafe {
        let r = Request::from_ptr((*(*event).data.cast::<ngx_connection_t>()).data.cast());
        let fetch = catch(None, || State::find(r.main()).and_then(|state| state.fetch_of(r)));
        let Some(fetch) = fetch else { return };
        if Moment::now().elapsed_since(fetch.began) >= FETCH_TIMEOUT {
            fetch.problem.set(Some(Problem::TooSlow));
            (*event).set_timedout(1);
        }
        if let Some(handler) = fetch.on_read.get() {
            handler(event);
        }
    }
}

/// nginx's call at the end of a subrequest. Whatever came of it, the main request goes on.
unsafe extern "C" fn done(_: *mut ngx_http_request_t, data: *mut c_void, rc: ngx_int_t) -> ngx_int_t {
    // These end the client's request, if they are returned.
    const FATAL: [ngx_int_t; 3] = [408, 444, 499];
    // Not at its end yet: nginx waits for a file, or makes an error page of the status, or goes to one.
    if rc == NGX_AGAIN as ngx_int_t || rc >= 201 && !FATAL.contains(&rc) {
        return rc;
    }
    // SAFETY: the fetch is kept by the state of the main request, which outlives its subrequests.
    catch((), || unsafe { &*data.cast::<Fetch>() }.finish(rc));
    NGX_OK as ngx_int_t
}

impl Request<'_> {
    /// Starts a subrequest to the location of `fetch`, in the same server. The caller keeps it as long as the request
    /// lives. It takes nothing of the client's request along. `false` when nginx cannot start it.
    pub fn start_fetch(self, fetch: &Fetch) -> bool {
        let (uri, args) = fetch.uri_and_args();
        // SAFETY: the request is a main one in its access phase; nginx keeps the texts, which the fetch has, and
        // the call-back: both live as long as the request. nginx has only noted the subrequest to be run later.
        unsafe {
            let r = self.as_ptr();
            let call = ngx_palloc((*r).pool, mem::size_of::<ngx_http_post_subrequest_t>());
            let Some(call) = call.cast::<ngx_http_post_subrequest_t>().as_mut() else { return false };
            call.handler = Some(done);
            call.data = ptr::from_ref(fetch).cast_mut().cast();

            let core = &*(*(*r).main_conf.add(index_of_core_module())).cast::<ngx_http_core_main_conf_t>();
            let size = core.variables.nelts.max(1) * mem::size_of::<ngx_http_variable_value_t>();
            let variables = ngx_pcalloc((*r).pool, size).cast::<ngx_http_variable_value_t>();
            if variables.is_null() {
                return false;
            }
            // A fetch that `limit_req` delays would not be woken: nginx keeps one delay for a client's request. And what
            // `limit_conn` counts, it counts until the client's request ends, which may be a download.
            self.pass_limits();

            let (mut uri, mut args) = (str_of(uri), str_of(args));
            let mut subrequest = ptr::null_mut();
            let flags = NGX_HTTP_SUBREQUEST_BACKGROUND as ngx_uint_t;
            let count = self.count();
            if ngx_http_subrequest(r, &mut uri, &mut args, &mut subrequest, call, flags) != NGX_OK as ngx_int_t {
                // nginx counts a subrequest that it then has no memory to run: the request would wait for it for ever.
                self.set_count(count);
                return false;
            }
            fetch.subrequest.set(subrequest);
            (*subrequest).request_body = ptr::null_mut();
            Request::from_ptr(subrequest).forget_port();
            // Directives of the server go by these, and would go where the client wants.
            (*subrequest).request_line = str_of(&fetch.line);
            (*subrequest).unparsed_uri = str_of(fetch.target());
            // nginx shares the variables of a request with its subrequests: the fetch would see the client's headers in
            // them, and the client's request what the fetch has made of them.
            (*subrequest).variables = variables;
            (*subrequest).headers_in = without_headers(r);
            // In its place: a list knows its own address.
            let headers = &raw mut (*subrequest).headers_in.headers;
            if ngx_list_init(headers, (*r).pool, 4, mem::size_of::<ngx_table_elt_t>()) != NGX_OK as ngx_int_t {
                // Without a list to walk, it must not run.
                (*subrequest).write_event_handler = Some(fail_without_memory);
            }
            true
        }
    }
}

impl Request<'_> {
    /// Has nginx read and write files without threads in this location: what a thread has done, nginx tells to a request
    /// whose client's connection is not held back by `limit_rate` or `auth_delay`, and to no other. The configuration is
    /// shared, so a copy is changed. `None` when there is no memory.
    pub fn turn_aio_off(self) -> Option<()> {
        // SAFETY: the table has a structure of each module; the copies have their size, and live as long as the request.
        unsafe {
            let r = &mut *self.as_ptr();
            let size = ngx_http_max_module * mem::size_of::<*mut c_void>();
            let table = NonNull::new(ngx_palloc(r.pool, size).cast::<*mut c_void>())?;
            let core = ngx_palloc(r.pool, mem::size_of::<ngx_http_core_loc_conf_t>());
            let core = NonNull::new(core.cast::<ngx_http_core_loc_conf_t>())?;
            table.copy_from_nonoverlapping(NonNull::new(r.loc_conf)?, ngx_http_max_module);
            let shared = table.add(index_of_core_module());
            core.copy_from_nonoverlapping(NonNull::new(shared.read().cast())?, 1);
            (*core.as_ptr()).aio = 0;
            (*core.as_ptr()).aio_write = 0;
            shared.write(core.as_ptr().cast());
            r.loc_conf = table.as_ptr();
        }
        Some(())
    }
}

/// Ends a subrequest that could not be prepared.
unsafe extern "C" fn fail_without_memory(r: *mut ngx_http_request_t) {
    // SAFETY: nginx runs the write handler of a posted subrequest; this is how one ends.
    unsafe { ngx_http_finalize_request(r, NGX_ERROR as ngx_int_t) }
}

/// The header of a request that brings none, for the server that the client has reached. Its list is still to be made.
///
/// # Safety
/// `r` is a main request.
unsafe fn without_headers(r: *mut ngx_http_request_t) -> ngx_http_headers_in_t {
    // SAFETY: all zero is how nginx begins to read a header.
    unsafe {
        let mut headers = MaybeUninit::<ngx_http_headers_in_t>::zeroed().assume_init();
        headers.content_length_n = -1;
        headers.keep_alive_n = -1;
        let server = &*(*(*r).srv_conf.add(index_of_core_module())).cast::<ngx_http_core_srv_conf_t>();
        headers.server = ngx_str_t { len: server.server_name.len, data: server.server_name.data };
        headers
    }
}
