//! A request, its variables and its answer.

use core::ffi::{CStr, c_void};
use core::fmt::Arguments;
use core::iter;
use core::marker::PhantomData;
use core::mem;
use core::ptr::{self, NonNull};
use core::slice;

use authz::{Path, is_preflight};
use nginx_sys::{
    NGX_HTTP_OPTIONS, NGX_HTTP_SATISFY_ANY, NGX_HTTP_VERSION_11, NGX_OK, ngx_http_complex_value,
    ngx_http_complex_value_t, ngx_http_core_loc_conf_t, ngx_http_get_flushed_variable, ngx_http_request_t,
    ngx_http_variable_value_t, ngx_int_t, ngx_list_part_t, ngx_palloc, ngx_pnalloc, ngx_pool_cleanup_add, ngx_str_t,
    ngx_table_elt_t, ngx_uint_t,
};
use smallvec::SmallVec;

use super::{bytes, index_of_core_module, index_of_module, log_to};
use crate::conf::{LocConf, MainConf};
use crate::state::State;

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

    pub(super) fn as_ptr(self) -> *mut ngx_http_request_t {
        self.r.as_ptr()
    }

    pub(super) fn get(self) -> &'r ngx_http_request_t {
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

    /// The request, and those that it is a subrequest of.
    pub fn and_its_parents(self) -> impl Iterator<Item = Request<'r>> {
        // SAFETY: null, or a request that outlives its subrequests.
        iter::successors(Some(self), |one| unsafe { Some(Self::from_ptr(one.get().parent.as_mut()?)) })
    }

    /// Whether nginx still has to read of its body, and bounds that with the timer of the connection, which other versions
    /// than HTTP/1 do not.
    pub fn reads_body(self) -> bool {
        let r = self.get();
        // SAFETY: over HTTP/1, what has been read of the connection; the end of a buffer is not before its place.
        let has_read = || unsafe { (*r.header_in).last.offset_from((*r.header_in).pos) };
        r.http_version <= NGX_HTTP_VERSION_11 as ngx_uint_t
            && (r.headers_in.chunked() == 1 || r.headers_in.content_length_n > has_read() as i64)
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
        Path { raw: self.bytes(&r.unparsed_uri), uri: self.bytes(&r.uri), rewritten: self.is_rewritten() }
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
        self.bytes(&self.core_loc_conf().name)
    }

    fn core_loc_conf(self) -> &'r ngx_http_core_loc_conf_t {
        // SAFETY: the core module has a structure for every location.
        unsafe { &*(*self.get().loc_conf.add(index_of_core_module())).cast::<ngx_http_core_loc_conf_t>() }
    }

    pub fn satisfies_any(self) -> bool {
        self.core_loc_conf().satisfy == NGX_HTTP_SATISFY_ANY as ngx_uint_t
    }

    /// A variable's value now; empty when it has none.
    pub fn variable(self, index: usize) -> &'r [u8] {
        // SAFETY: nginx gave the index; the value is null or one of the request's variables, its data as long-lived.
        self.failing_without_memory(|| unsafe {
            match ngx_http_get_flushed_variable(self.r.as_ptr(), index).as_ref() {
                Some(v) if v.not_found() == 0 && v.valid() == 1 => bytes(v.data, v.len() as usize),
                _ => &[],
            }
        })
    }

    /// Copies variables as they are now. `None` when there is no memory.
    pub fn save_captures(self, indexes: &[usize]) -> Option<Captures> {
        // SAFETY: nginx gave the indexes when the configuration was read; the memory is the request's.
        unsafe {
            let size =
                mem::size_of_val(indexes) / mem::size_of::<usize>() * mem::size_of::<ngx_http_variable_value_t>();
            let saved = NonNull::new(ngx_palloc(self.get().pool, size).cast::<ngx_http_variable_value_t>())?;
            for (i, &index) in indexes.iter().enumerate() {
                saved.add(i).write(*self.get().variables.add(index));
            }
            let uri = &self.get().uri;
            Some(Captures(Some(Saved { values: saved, count: indexes.len(), path: (uri.data, uri.len) })))
        }
    }

    /// Puts variables back as they were. `false` when they were not kept.
    pub fn restore_captures(self, indexes: &[usize], captures: Captures) -> bool {
        if indexes.is_empty() {
            return true;
        }
        match captures.0 {
            Some(saved) if saved.count == indexes.len() => {
                for (i, &index) in indexes.iter().enumerate() {
                    // SAFETY: as for `save_captures`, with as many values.
                    unsafe { *self.get().variables.add(index) = saved.values.add(i).read() };
                }
                true
            }
            _ => false,
        }
    }

    /// The path from which nginx has captured variables, and the places of these in it.
    pub fn places_of(self, captures: Captures) -> Option<(&'r [u8], impl Iterator<Item = usize>)> {
        let saved = captures.0?;
        // SAFETY: as for `save_captures`; the path is in the request's memory, which nginx does not write to again.
        let (values, path) =
            unsafe { (slice::from_raw_parts(saved.values.as_ptr(), saved.count), bytes(saved.path.0, saved.path.1)) };
        let place = |value: &ngx_http_variable_value_t| value.data.addr().checked_sub(path.as_ptr().addr());
        let places = values.iter().filter(|value| value.len() > 0).filter_map(place);
        Some((path, places.filter(|place| *place < path.len())))
    }

    /// A CORS preflight, and nothing that a backend could take for another method.
    pub fn is_preflight(self) -> bool {
        self.get().method == NGX_HTTP_OPTIONS as ngx_uint_t && is_preflight(self.headers())
    }

    fn headers(self) -> impl Iterator<Item = (&'r [u8], &'r [u8])> + Clone {
        let first: *const ngx_list_part_t = &self.get().headers_in.headers.part;
        // SAFETY: a list ends with null; each part holds `nelts` headers.
        let parts = iter::successors(unsafe { first.as_ref() }, |part| unsafe { part.next.as_ref() });
        parts.flat_map(move |part| {
            (0..part.nelts).map(move |i| {
                // SAFETY: as above.
                let header = unsafe { &*part.elts.cast::<ngx_table_elt_t>().add(i) };
                (self.bytes(&header.key), self.bytes(&header.value))
            })
        })
    }

    /// A value with variables. `None` when nginx cannot compute it.
    pub fn evaluate(self, value: NonNull<ngx_http_complex_value_t>) -> Option<&'r [u8]> {
        self.evaluate_after(value, || true)
    }

    /// A value with variables, put together of what these are after `settle`. `None` when that says so, or nginx cannot
    /// compute it.
    ///
    /// nginx measures a value before it copies it, and asks variables that are not cacheable anew in between. One that
    /// changes others then (a `map` by a regex with named captures) would make it copy what it has not measured. So all
    /// are evaluated first, and held while nginx puts them together.
    pub fn evaluate_after(
        self,
        value: NonNull<ngx_http_complex_value_t>,
        settle: impl FnOnce() -> bool,
    ) -> Option<&'r [u8]> {
        self.failing_without_memory(|| self.put_together(value, settle))
    }

    fn put_together(self, value: NonNull<ngx_http_complex_value_t>, settle: impl FnOnce() -> bool) -> Option<&'r [u8]> {
        // SAFETY: the value was compiled by `Conf::compile` and lives as long as the configuration; nginx gave the indexes.
        unsafe {
            let indexes = indexes_of(value.as_ref());
            for index in indexes.clone() {
                ngx_http_get_flushed_variable(self.r.as_ptr(), index);
            }
            if !settle() {
                return None;
            }
            let variables = self.get().variables;
            let held: SmallVec<[usize; 8]> =
                indexes.filter(|&index| (*variables.add(index)).no_cacheable() == 1).collect();
            held.iter().for_each(|&index| (*variables.add(index)).set_no_cacheable(0));
            let mut text = ngx_str_t::empty();
            let done = ngx_http_complex_value(self.r.as_ptr(), value.as_ptr(), &mut text);
            held.iter().for_each(|&index| (*variables.add(index)).set_no_cacheable(1));
            (done == NGX_OK as ngx_int_t).then(|| self.bytes(&text))
        }
    }

    /// Indexes of the module's variables.
    pub fn own_variables(self) -> &'r [usize] {
        self.main_conf().variables.get().map_or(&[], Vec::as_slice)
    }

    /// Where the mark of a failure is.
    pub(super) fn failure_mark(self) -> *mut ngx_http_variable_value_t {
        // SAFETY: nginx gave the index when the configuration was read; a request has that many variables.
        unsafe { self.get().variables.add(self.main_conf().failure_mark.get()) }
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
    pub(super) fn slot(self, module: usize) -> *mut *mut c_void {
        // SAFETY: a request has a slot for each module.
        unsafe { self.get().ctx.add(module) }
    }

    /// Notes that the client has just sent the request. nginx forgets it with the contexts, at an internal redirect.
    pub fn begin_first_pass(self) {
        // SAFETY: the slot is ours; the mark is only compared with.
        unsafe { *self.slot(index_of_module()) = first_pass() }
    }

    /// Whether nginx is still where the client's request has led it, without an internal redirect.
    pub fn is_first_pass(self) -> bool {
        // SAFETY: the slot is ours.
        let slot = unsafe { *self.slot(index_of_module()) };
        // A module before ours may have ended the phase that sets the mark.
        slot == first_pass() || !self.is_internal() || self.context().is_some_and(|state| state.in_first_pass.get())
    }

    /// Whether nginx has redirected a client's request.
    pub fn was_redirected(self) -> bool {
        self.is_internal() && !self.is_subrequest()
    }

    pub fn context(self) -> Option<&'r State> {
        // SAFETY: null, the mark of the first pass, or what `set_context` put there.
        unsafe {
            let slot = *self.slot(index_of_module());
            if slot == first_pass() { None } else { slot.cast::<State>().as_ref() }
        }
    }

    pub fn set_context(self, state: &'r State) {
        // SAFETY: the slot is ours; only shared references are made of it.
        unsafe { *self.slot(index_of_module()) = ptr::from_ref(state).cast_mut().cast() }
    }

    /// The state made before nginx cleared the contexts.
    pub fn state_from_cleanups(self) -> Option<&'r State> {
        let r = self.get();
        if !self.is_internal() && !self.is_ended_by_filter() {
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
        const { assert!(mem::align_of::<Attached>() <= mem::align_of::<usize>()) };
        // SAFETY: the pool is the request's; the memory is nginx's for that size, and aligned to words (`ngx_palloc`).
        unsafe {
            let cleanup = ngx_pool_cleanup_add(self.get().pool, mem::size_of::<Attached>()).as_mut()?;
            let attached = cleanup.data.cast::<Attached>();
            let state = State::default();
            state.in_first_pass.set(self.is_first_pass());
            attached.write(Attached { mark: attached, state });
            cleanup.handler = Some(drop_attached);
            Some(&(*attached).state)
        }
    }

    /// Writes to the log of the connection.
    pub fn log(self, level: u32, message: Arguments) {
        // SAFETY: a request has a connection, and that a log.
        unsafe { log_to((*self.get().connection).log, level, message) }
    }
}

/// Indexes of the variables of a compiled value. nginx ends them with -1; null stands for none.
///
/// # Safety
/// The value was compiled by nginx.
pub(super) unsafe fn indexes_of(value: &ngx_http_complex_value_t) -> impl Iterator<Item = usize> + Clone + use<> {
    let first = value.flushes;
    (0..).map_while(move |i| {
        // SAFETY: the caller's duty; the iterator stops at the end mark.
        let index = unsafe { first.as_ref().map(|_| *first.add(i)) };
        index.filter(|&index| index != ngx_uint_t::MAX)
    })
}

/// What stands for a state before there is one, in the first pass of a request.
fn first_pass() -> *mut c_void {
    static MARK: u8 = 0;
    ptr::addr_of!(MARK).cast_mut().cast()
}

/// Variables as they were, in the request's memory, and the path that they may be parts of.
#[derive(Clone, Copy, Default)]
pub struct Captures(Option<Saved>);

#[derive(Clone, Copy)]
struct Saved {
    values: NonNull<ngx_http_variable_value_t>,
    count: usize,
    path: (*const u8, usize),
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

/// The value that a get handler fills, for a request that lives as long as `'r`.
pub struct VariableValue<'r> {
    v: NonNull<ngx_http_variable_value_t>,
    request: PhantomData<Request<'r>>,
}

impl<'r> VariableValue<'r> {
    /// # Safety
    /// `v` is the value that nginx calls a get handler with, for a request that does not outlive `'r`.
    pub unsafe fn from_ptr(v: *mut ngx_http_variable_value_t) -> Self {
        // SAFETY: nginx never passes null.
        Self { v: unsafe { NonNull::new_unchecked(v) }, request: PhantomData }
    }

    /// No value: nginx logs `-` and takes it for empty elsewhere.
    pub fn set_missing(&mut self) {
        // SAFETY: the value is ours to fill.
        unsafe { self.v.as_mut() }.set_not_found(1);
    }

    /// A copy of the value in the request's memory. `false` when there is none left.
    pub fn copy(&mut self, r: Request, value: &[u8]) -> bool {
        // SAFETY: the copy lives as long as the request.
        unsafe {
            let copy = ngx_pnalloc(r.get().pool, value.len()).cast::<u8>();
            if copy.is_null() {
                return false;
            }
            ptr::copy_nonoverlapping(value.as_ptr(), copy, value.len());
            self.set(core::slice::from_raw_parts(copy, value.len()));
            true
        }
    }

    /// The value itself, which the state of the request keeps.
    pub fn refer_to(&mut self, value: &'r [u8]) {
        // SAFETY: it lives as long as the request.
        unsafe { self.set(value) }
    }

    /// # Safety
    /// The value lives as long as the request.
    unsafe fn set(&mut self, value: &[u8]) {
        // SAFETY: the value is ours to fill.
        let v = unsafe { self.v.as_mut() };
        v.set_len(value.len() as u32);
        v.set_valid(1);
        v.set_no_cacheable(0);
        v.set_not_found(0);
        v.data = value.as_ptr().cast_mut();
    }
}
