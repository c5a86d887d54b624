//! Where Rust meets nginx's structures: every cast and every pointer that is followed.
//!
//! [`Request`] and [`Conf`] are made from pointers in the callbacks, and safe to use from there on: nginx keeps what
//! they point to alive for as long as a callback runs, and everything runs on one thread.

use core::ffi::{CStr, c_void};
use core::fmt::{self, Arguments, Display};
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};
use core::slice;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use authz::Path;
use nginx_sys::{
    NGX_OK, NGX_PROCESS_SIGNALLER, ngx_alloc_chain_link, ngx_array_push, ngx_buf_t, ngx_chain_t, ngx_conf_full_name,
    ngx_conf_log_error, ngx_conf_t, ngx_cycle, ngx_hash_key_t, ngx_http_add_variable, ngx_http_compile_complex_value,
    ngx_http_compile_complex_value_t, ngx_http_complex_value, ngx_http_complex_value_t, ngx_http_conf_ctx_t,
    ngx_http_core_access_phase, ngx_http_core_loc_conf_t, ngx_http_core_main_conf_t, ngx_http_core_module,
    ngx_http_core_post_access_phase, ngx_http_get_flushed_variable, ngx_http_get_variable_index, ngx_http_handler_pt,
    ngx_http_output_body_filter_pt, ngx_http_output_header_filter_pt, ngx_http_phase_handler_t, ngx_http_request_t,
    ngx_http_top_body_filter, ngx_http_top_header_filter, ngx_http_variable_value_t, ngx_int_t, ngx_list_push,
    ngx_log_t, ngx_palloc, ngx_pcalloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_process, ngx_str_t, ngx_table_elt_t,
    ngx_time, ngx_uint_t,
};
use ngx::log::{LOG_BUFFER_SIZE, log_error, write_fmt};

use crate::conf::{LocConf, MainConf};
use crate::response::Answer;
use crate::state::State;
use crate::{ngx_http_jwt_user_scope_filter_module, ngx_http_jwt_user_scope_module};

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
fn str_of(bytes: &'static [u8]) -> ngx_str_t {
    ngx_str_t { len: bytes.len(), data: bytes.as_ptr().cast_mut() }
}

/// A request, in a callback.
#[derive(Clone, Copy)]
pub struct Request<'r> {
    r: NonNull<ngx_http_request_t>,
    lifetime: PhantomData<&'r ngx_http_request_t>,
}

impl<'r> Request<'r> {
    /// # Safety
    /// `r` is the request that nginx calls back with, and outlives `'r`.
    pub unsafe fn from_ptr(r: *mut ngx_http_request_t) -> Self {
        // SAFETY: nginx never passes null.
        Self { r: unsafe { NonNull::new_unchecked(r) }, lifetime: PhantomData }
    }

    fn get(self) -> &'r ngx_http_request_t {
        // SAFETY: valid by `from_ptr`; references are not held across calls into nginx.
        unsafe { self.r.as_ref() }
    }

    fn bytes(self, s: &ngx_str_t) -> &'r [u8] {
        // SAFETY: nginx's strings point into the request's pool or buffers, which live as long as the request.
        unsafe { bytes(s.data, s.len) }
    }

    /// The main request of a subrequest; of a main request, itself.
    pub fn main(self) -> Self {
        // SAFETY: `main` is set in every request, and outlives its subrequests.
        unsafe { Self::from_ptr(self.get().main) }
    }

    pub fn is_subrequest(self) -> bool {
        !ptr::eq(self.get().main, self.r.as_ptr())
    }

    /// Whether nginx is writing the access log (`ngx_http_free_request` in ngx_http_request.c).
    pub fn is_being_logged(self) -> bool {
        // SAFETY: a request has a connection, and that a log, whose action is null or a constant string.
        unsafe {
            let action = (*(*self.get().connection).log).action;
            !action.is_null() && CStr::from_ptr(action) == c"logging request"
        }
    }

    /// The path as sent and as nginx reads it.
    pub fn path(self) -> Path<'r> {
        let r = self.get();
        Path { raw: self.bytes(&r.unparsed_uri), uri: self.bytes(&r.uri), rewritten: r.valid_unparsed_uri() == 0 }
    }

    /// The value of the `Authorization` header.
    pub fn authorization(self) -> Option<&'r [u8]> {
        // SAFETY: null, or an element of the request's list of headers.
        let header = unsafe { self.get().headers_in.authorization.as_ref() }?;
        Some(self.bytes(&header.value))
    }

    pub fn loc_conf(self) -> &'r LocConf {
        // SAFETY: `create_loc_conf` has made one for every location.
        unsafe { &*(*self.get().loc_conf.add(index_of_module())).cast::<LocConf>() }
    }

    fn main_conf(self) -> &'r MainConf {
        // SAFETY: `create_main_conf` has made it.
        unsafe { &*(*self.get().main_conf.add(index_of_module())).cast::<MainConf>() }
    }

    /// The location as the configuration writes it; empty for a server.
    pub fn location_name(self) -> &'r [u8] {
        // SAFETY: the core module has a structure for every location.
        let core = unsafe { &*(*self.get().loc_conf.add(index_of_core_module())).cast::<ngx_http_core_loc_conf_t>() };
        self.bytes(&core.name)
    }

    /// A variable's value now; empty when it has none.
    pub fn variable(self, index: usize) -> &'r [u8] {
        // SAFETY: nginx gave the index; the value is null or one of the request's variables, its data as long-lived.
        unsafe {
            match ngx_http_get_flushed_variable(self.r.as_ptr(), index).as_ref() {
                Some(v) if v.not_found() == 0 && v.valid() == 1 => bytes(v.data, v.len() as usize),
                _ => &[],
            }
        }
    }

    /// A value with variables. `None` when nginx cannot compute it.
    pub fn evaluate(self, value: NonNull<ngx_http_complex_value_t>) -> Option<&'r [u8]> {
        let mut text = ngx_str_t::empty();
        // SAFETY: the value was compiled by `Conf::compile` and lives as long as the configuration.
        let done = unsafe { ngx_http_complex_value(self.r.as_ptr(), value.as_ptr(), &mut text) };
        (done == NGX_OK as ngx_int_t).then(|| self.bytes(&text))
    }

    /// Indexes of the module's variables.
    pub fn own_variables(self) -> &'r [usize] {
        &self.main_conf().variables
    }

    /// Makes nginx call the get handler again.
    pub fn forget_variable(self, index: usize) {
        // SAFETY: nginx gave the index when the configuration was read; a request has that many variables.
        unsafe {
            let v = self.get().variables.add(index);
            (*v).set_valid(0);
            (*v).set_not_found(0);
        }
    }

    /// A slot for a module's data. nginx clears it at internal redirects.
    fn slot(self, module: usize) -> *mut *mut c_void {
        // SAFETY: a request has a slot for each module.
        unsafe { self.get().ctx.add(module) }
    }

    pub fn context(self) -> Option<&'r State> {
        // SAFETY: null, or what `set_context` put there.
        unsafe { (*self.slot(index_of_module())).cast::<State>().as_ref() }
    }

    pub fn set_context(self, state: &'r State) {
        // SAFETY: the slot is ours; only shared references are made of it.
        unsafe { *self.slot(index_of_module()) = ptr::from_ref(state).cast_mut().cast() }
    }

    /// The state made before nginx cleared the contexts.
    pub fn state_from_cleanups(self) -> Option<&'r State> {
        let r = self.get();
        if r.internal() == 0 && r.filter_finalize() == 0 {
            return None;
        }
        // SAFETY: the pool's list of cleanups ends with null. `drop_attached` is this module's own, and the mark tells
        // its data from another's, should the compiler ever have merged two functions.
        unsafe {
            let mut cleanup = (*r.pool).cleanup;
            while let Some(c) = cleanup.as_ref() {
                let is_ours = |handler| ptr::fn_addr_eq(handler, drop_attached as unsafe extern "C" fn(*mut c_void));
                if c.handler.is_some_and(is_ours) {
                    let attached = c.data.cast::<Attached>();
                    if (*attached).mark == attached {
                        return Some(&(*attached).state);
                    }
                }
                cleanup = c.next;
            }
        }
        None
    }

    /// A new state, dropped with the request's pool. `None` when there is no memory.
    pub fn attach_state(self) -> Option<&'r State> {
        // SAFETY: the pool is the request's; the memory is nginx's for that size, and aligned for any type.
        unsafe {
            let cleanup = ngx_pool_cleanup_add(self.get().pool, mem::size_of::<Attached>()).as_mut()?;
            let attached = cleanup.data.cast::<Attached>();
            attached.write(Attached { mark: attached, state: State::default() });
            cleanup.handler = Some(drop_attached);
            Some(&(*attached).state)
        }
    }

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
    pub fn push_challenge(self, value: &'static [u8]) -> Option<NonNull<ngx_table_elt_t>> {
        // SAFETY: the list is the request's. Its memory is not zeroed, so every field is written.
        unsafe {
            let headers_out = &raw mut (*self.r.as_ptr()).headers_out;
            let header = NonNull::new(ngx_list_push(&raw mut (*headers_out).headers).cast::<ngx_table_elt_t>())?;
            header.write(ngx_table_elt_t {
                hash: 1,
                key: str_of(b"WWW-Authenticate"),
                value: str_of(value),
                lowcase_key: ptr::null_mut(),
                #[cfg(nginx_1_23)]
                next: ptr::null_mut(),
            });
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
            let headers_out = &raw mut (*self.r.as_ptr()).headers_out;
            if (*headers_out).www_authenticate == header.as_ptr() {
                (*headers_out).www_authenticate = ptr::null_mut();
            }
        }
    }

    pub fn err_status(self) -> ngx_uint_t {
        self.get().err_status
    }

    /// Whether nginx finalised the request in its access phase: what is sent is a refusal, not a content.
    pub fn ended_in_access_phase(self) -> bool {
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
            let headers_out = &raw mut (*self.r.as_ptr()).headers_out;
            (*headers_out).content_type = str_of(content_type);
            (*headers_out).content_type_len = content_type.len();
            (*headers_out).content_type_lowcase = ptr::null_mut();
            (*headers_out).content_length_n = length as nginx_sys::off_t;
        }
    }

    /// A whole body of constant bytes. `None` when there is no memory.
    pub fn last_chain(self, body: &'static [u8]) -> Option<*mut ngx_chain_t> {
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

    /// Writes to the log of the connection.
    pub fn log(self, level: u32, message: Arguments) {
        // SAFETY: a request has a connection, and that a log.
        unsafe { log_to((*self.get().connection).log, level, message) }
    }
}

/// A state with what proves that it is one.
struct Attached {
    mark: *const Attached,
    state: State,
}

/// Ends a state with its request.
unsafe extern "C" fn drop_attached(data: *mut c_void) {
    // SAFETY: nginx calls a cleanup once, with the data of `attach_state`. What a state owns cannot panic when dropped.
    unsafe { ptr::drop_in_place(data.cast::<Attached>()) }
}

/// The value that a get handler fills.
pub struct VariableValue {
    v: NonNull<ngx_http_variable_value_t>,
}

impl VariableValue {
    /// # Safety
    /// `v` is the value that nginx calls a get handler with.
    pub unsafe fn from_ptr(v: *mut ngx_http_variable_value_t) -> Self {
        // SAFETY: nginx never passes null.
        Self { v: unsafe { NonNull::new_unchecked(v) } }
    }

    /// No value: nginx logs `-` and takes it for empty elsewhere.
    pub fn set_missing(&mut self) {
        // SAFETY: the value is ours to fill.
        unsafe { self.v.as_mut() }.set_not_found(1);
    }

    /// A copy of the value in the request's memory; stays missing when there is none left.
    pub fn set(&mut self, r: Request, value: &[u8]) {
        // SAFETY: the copy lives as long as the request, and the value is ours to fill.
        unsafe {
            let copy = ngx_pnalloc(r.get().pool, value.len()).cast::<u8>();
            if copy.is_null() {
                return;
            }
            ptr::copy_nonoverlapping(value.as_ptr(), copy, value.len());
            let v = self.v.as_mut();
            v.set_len(value.len() as u32);
            v.set_valid(1);
            v.set_no_cacheable(0);
            v.set_not_found(0);
            v.data = copy;
        }
    }
}

/// The configuration while it is read.
#[derive(Clone, Copy)]
pub struct Conf<'c> {
    cf: NonNull<ngx_conf_t>,
    lifetime: PhantomData<&'c ngx_conf_t>,
}

/// Where to put a handler among those of its phase.
pub enum Place {
    First,
    Last,
}

/// A place in the configuration, shown as nginx shows it.
#[derive(Clone, Default)]
pub struct Position {
    file: String,
    line: usize,
}

impl Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

impl<'c> Conf<'c> {
    /// # Safety
    /// `cf` is the configuration that nginx calls back with, and outlives `'c`.
    pub unsafe fn from_ptr(cf: *mut ngx_conf_t) -> Self {
        // SAFETY: nginx never passes null.
        Self { cf: unsafe { NonNull::new_unchecked(cf) }, lifetime: PhantomData }
    }

    fn get(self) -> &'c ngx_conf_t {
        // SAFETY: valid by `from_ptr`.
        unsafe { self.cf.as_ref() }
    }

    /// The directive and its arguments.
    pub fn args(self) -> &'c mut [ngx_str_t] {
        // SAFETY: while a directive is read, `args` holds its words; nobody else looks at them.
        unsafe { (*self.get().args).as_slice_mut() }
    }

    /// Memory with the configuration's lifetime, dropped with it. Null when there is none.
    pub fn allocate<T>(self, value: T) -> *mut T {
        // SAFETY: the pool is the configuration's; its memory is aligned for any type.
        unsafe {
            let cleanup = ngx_pool_cleanup_add(self.get().pool, mem::size_of::<T>());
            let Some(cleanup) = cleanup.as_mut() else { return ptr::null_mut() };
            let place = cleanup.data.cast::<T>();
            place.write(value);
            cleanup.handler = Some(drop_value::<T>);
            place
        }
    }

    /// The module's structure of the `http` block.
    #[allow(clippy::mut_from_ref)]
    pub fn main_conf(self) -> &'c mut MainConf {
        // SAFETY: `create_main_conf` has made it; callers use it at once and do not keep it.
        unsafe { &mut *(*(*self.http()).main_conf.add(index_of_module())).cast::<MainConf>() }
    }

    fn core_main_conf(self) -> *mut ngx_http_core_main_conf_t {
        // SAFETY: the core module has made it before any other.
        unsafe { (*(*self.http()).main_conf.add(index_of_core_module())).cast() }
    }

    fn http(self) -> *mut ngx_http_conf_ctx_t {
        self.get().ctx.cast()
    }

    /// Whether this process only sends a signal (`nginx -s`).
    pub fn is_signaller(self) -> bool {
        // SAFETY: nginx sets it once, at its start.
        unsafe { ngx_process == NGX_PROCESS_SIGNALLER as ngx_uint_t }
    }

    /// The place that is being read.
    pub fn position(self) -> Position {
        // SAFETY: null, or the file that is being read.
        match unsafe { self.get().conf_file.as_ref() } {
            // SAFETY: the name lives as long as the configuration.
            Some(file) => Position {
                file: String::from_utf8_lossy(unsafe { bytes(file.file.name.data, file.file.name.len) }).into_owned(),
                line: file.line,
            },
            None => Position::default(),
        }
    }

    /// A path, from the configuration's directory when it is relative. `None` when there is no memory.
    pub fn full_path(self, path: &[u8]) -> Option<PathBuf> {
        // SAFETY: nginx wants the name to end with a zero byte and replaces it by one of its own.
        unsafe {
            let copy = ngx_pcalloc(self.get().pool, path.len() + 1).cast::<u8>();
            if copy.is_null() {
                return None;
            }
            ptr::copy_nonoverlapping(path.as_ptr(), copy, path.len());
            let mut name = ngx_str_t { len: path.len(), data: copy };
            let done = ngx_conf_full_name(self.get().cycle, &mut name, 1);
            (done == NGX_OK as ngx_int_t).then(|| OsStr::from_bytes(bytes(name.data, name.len)).into())
        }
    }

    /// The index of a variable, which may be defined later. `None` when there is no memory.
    pub fn variable_index(self, name: &'static [u8]) -> Option<usize> {
        // SAFETY: nginx copies the name.
        let index = unsafe { ngx_http_get_variable_index(self.cf.as_ptr(), &mut str_of(name)) };
        usize::try_from(index).ok()
    }

    /// Whether a variable of this name has been defined. For `postconfiguration`, when all directives have been read.
    pub fn defines_variable(self, name: &[u8]) -> bool {
        // SAFETY: the keys are there until nginx has initialised its variables, after `postconfiguration`.
        unsafe {
            let Some(keys) = (*self.core_main_conf()).variables_keys.as_ref() else { return false };
            keys.keys.as_slice::<ngx_hash_key_t>().iter().any(|key| bytes(key.key.data, key.key.len) == name)
        }
    }

    /// Adds a variable, and gives its index. `None` after an error that nginx has logged.
    pub fn add_variable(self, name: &'static [u8], getter: Getter, flags: u32) -> Option<usize> {
        // SAFETY: nginx copies the name.
        unsafe {
            let variable = ngx_http_add_variable(self.cf.as_ptr(), &mut str_of(name), flags as ngx_uint_t).as_mut()?;
            variable.get_handler = Some(getter);
        }
        self.variable_index(name)
    }

    /// Compiles a value with variables. `None` after an error that nginx has logged.
    pub fn compile(self, value: &mut ngx_str_t) -> Option<NonNull<ngx_http_complex_value_t>> {
        // SAFETY: all zero is nginx's own way to begin; the compiled value is the configuration's.
        unsafe {
            let compiled = ngx_palloc(self.get().pool, mem::size_of::<ngx_http_complex_value_t>()).cast();
            let compiled = NonNull::new(compiled)?;
            let mut ccv = MaybeUninit::<ngx_http_compile_complex_value_t>::zeroed().assume_init();
            ccv.cf = self.cf.as_ptr();
            ccv.value = value;
            ccv.complex_value = compiled.as_ptr();
            (ngx_http_compile_complex_value(&mut ccv) == NGX_OK as ngx_int_t).then_some(compiled)
        }
    }

    /// Adds a handler to a phase. `false` when there is no memory.
    pub fn add_phase_handler(self, phase: usize, handler: Handler, place: Place) -> bool {
        // SAFETY: the arrays hold handlers; `ngx_array_push` makes room for one more, and may move them.
        unsafe {
            let handlers = &raw mut (*self.core_main_conf()).phases[phase].handlers;
            let last = ngx_array_push(handlers).cast::<ngx_http_handler_pt>();
            if last.is_null() {
                return false;
            }
            *last = Some(handler);
            if let Place::First = place {
                (*handlers).as_slice_mut::<ngx_http_handler_pt>().rotate_right(1);
            }
            true
        }
    }

    /// Logs with the place that is being read.
    pub fn log_here(self, level: u32, message: Arguments) {
        let mut buffer = [MaybeUninit::uninit(); LOG_BUFFER_SIZE];
        let message = write_fmt(&mut buffer, message);
        // SAFETY: the format takes a length and a pointer, as given.
        unsafe {
            ngx_conf_log_error(
                level as ngx_uint_t,
                self.cf.as_ptr(),
                0,
                c"%*s".as_ptr(),
                message.len(),
                message.as_ptr(),
            );
        }
    }

    /// Logs as it is.
    pub fn log(self, level: u32, message: Arguments) {
        // SAFETY: a configuration has a log.
        unsafe { log_to(self.get().log, level, message) }
    }
}

/// Ends a structure with its configuration.
unsafe extern "C" fn drop_value<T>(data: *mut c_void) {
    // SAFETY: nginx calls a cleanup once, with the data of `allocate`. What the structures own cannot panic when dropped.
    unsafe { ptr::drop_in_place(data.cast::<T>()) }
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
    unsafe { filter(r.r.as_ptr()) }
}

/// Calls the next body filter.
pub fn call_body_filter(filter: BodyFilter, r: Request, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: as above, with its chain or one of `last_chain`.
    unsafe { filter(r.r.as_ptr(), chain) }
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
