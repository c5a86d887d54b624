//! The configuration while it is read.

use core::cell::RefMut;
use core::ffi::{CStr, c_void};
use core::fmt::{self, Arguments, Display};
use core::marker::PhantomData;
use core::mem::{self, MaybeUninit};
use core::ptr::{self, NonNull};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use directives::{Choice, Location};
use nginx_sys::{
    NGX_HTTP_SATISFY_ANY, NGX_OK, NGX_PROCESS_SIGNALLER, ngx_array_push, ngx_conf_full_name, ngx_conf_log_error,
    ngx_conf_t, ngx_hash_key_t, ngx_http_add_variable, ngx_http_compile_complex_value,
    ngx_http_compile_complex_value_t, ngx_http_complex_value_t, ngx_http_conf_ctx_t, ngx_http_core_loc_conf_t,
    ngx_http_core_main_conf_t, ngx_http_get_variable_index, ngx_http_handler_pt, ngx_http_regex_variable_t,
    ngx_http_upstream_conf_t, ngx_http_variable_t, ngx_int_t, ngx_module_t, ngx_palloc, ngx_parse_time, ngx_pcalloc,
    ngx_pool_cleanup_add, ngx_process, ngx_str_t, ngx_uint_t,
};
use ngx::log::{LOG_BUFFER_SIZE, write_fmt};

use super::request::indexes_of;
use super::server::{Identities, Server, ServerId, slashes_are_merged};
use super::{Getter, Handler, bytes, index_of_core_module, index_of_module, log_to, str_of, text};
use crate::conf::{Expected, Gathered, MainConf};

/// The configuration while it is read.
#[derive(Clone, Copy)]
pub struct Conf<'c> {
    cf: NonNull<ngx_conf_t>,
    lifetime: PhantomData<&'c ngx_conf_t>,
}

/// The end of a phase at which a handler is put.
pub enum End {
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

    pub(super) fn as_ptr(self) -> *mut ngx_conf_t {
        self.cf.as_ptr()
    }

    /// A copy in the configuration's memory. `None` when there is none.
    pub(super) fn copy(self, bytes: &[u8]) -> Option<&'c [u8]> {
        // SAFETY: the pool is the configuration's, and the copy initialised whole.
        unsafe {
            let copy = NonNull::new(ngx_palloc(self.get().pool, bytes.len()).cast::<u8>())?;
            ptr::copy_nonoverlapping(bytes.as_ptr(), copy.as_ptr(), bytes.len());
            Some(core::slice::from_raw_parts(copy.as_ptr(), bytes.len()))
        }
    }

    /// Makes a handler answer the requests of the location that is read. `false` when it does already.
    pub fn set_content_handler(self, handler: Handler) -> bool {
        // SAFETY: the core module has made the structure of every location; nothing refers to it while it is read.
        unsafe {
            let core = (*(*self.http()).loc_conf.add(index_of_core_module())).cast::<ngx_http_core_loc_conf_t>();
            let is_set = (*core).handler.is_some_and(|set| ptr::fn_addr_eq(set, handler));
            (*core).handler = Some(handler);
            !is_set
        }
    }

    /// The server that is read.
    pub fn server(self) -> Server<'c> {
        // SAFETY: the core module has made and merged it before any other; it lives as long.
        Server::new(unsafe { &*(*(*self.http()).srv_conf.add(index_of_core_module())).cast() })
    }

    /// What it is known by after a reload. For when the servers are merged, which have all been read by then.
    pub fn server_identity(self) -> String {
        let all = || Identities::of(self.all_servers());
        self.gathered().identities.get_or_insert_with(all).find(self.server())
    }

    /// What the core module knows of all servers. For when nothing is added to it any more.
    fn all_servers(self) -> &'c ngx_http_core_main_conf_t {
        // SAFETY: the core module has made it, and nobody changes it meanwhile.
        unsafe { &*self.core_main_conf() }
    }

    fn get(self) -> &'c ngx_conf_t {
        // SAFETY: valid by `from_ptr`.
        unsafe { self.cf.as_ref() }
    }

    /// The directive and its arguments.
    pub fn args(self) -> &'c [ngx_str_t] {
        // SAFETY: while a directive is read, `args` holds its words.
        unsafe { (*self.get().args).as_slice() }
    }

    /// Memory with the configuration's lifetime, dropped with it. Null when there is none.
    pub fn allocate<T>(self, value: T) -> *mut T {
        const { assert!(mem::align_of::<T>() <= mem::align_of::<usize>()) };
        // SAFETY: the pool is the configuration's; its memory is aligned to words (`ngx_palloc`).
        unsafe {
            let cleanup = ngx_pool_cleanup_add(self.get().pool, mem::size_of::<T>());
            let Some(cleanup) = cleanup.as_mut() else { return ptr::null_mut() };
            let place = cleanup.data.cast::<T>();
            place.write(value);
            cleanup.handler = Some(drop_value::<T>);
            place
        }
    }

    /// The same, for what is not changed. It lives as long as the configuration, and so must what keeps it.
    pub fn keep<T>(self, value: T) -> Option<&'static T> {
        // SAFETY: null, or a value that is dropped with the configuration.
        unsafe { self.allocate(value).as_ref() }
    }

    /// The module's structure of the `http` block.
    pub(super) fn main_conf(self) -> &'c MainConf {
        // SAFETY: `create_main_conf` has made it.
        unsafe { &*(*(*self.http()).main_conf.add(index_of_module())).cast::<MainConf>() }
    }

    /// What has been gathered so far, to be looked at and added to at once: nobody else can meanwhile.
    pub fn gathered(self) -> RefMut<'c, Gathered> {
        self.main_conf().gathered.borrow_mut()
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
        let Some(file) = (unsafe { self.get().conf_file.as_ref() }) else { return Position::default() };
        Position { file: text(&file.file.name), line: file.line }
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
    pub fn variable_index(self, name: &[u8]) -> Option<usize> {
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

    /// Adds a variable. `None` after an error that nginx has logged.
    pub fn add_variable(self, name: &[u8], getter: Getter, flags: u32, data: usize) -> Option<()> {
        let mut name = ngx_str_t { len: name.len(), data: name.as_ptr().cast_mut() };
        // SAFETY: nginx copies the name, but for a prefix, which is static.
        let variable = unsafe { ngx_http_add_variable(self.cf.as_ptr(), &mut name, flags as ngx_uint_t).as_mut()? };
        variable.get_handler = Some(getter);
        variable.data = data;
        Some(())
    }

    /// Indexes of the variables that a compared value uses.
    pub fn variables_of(self, expected: Expected) -> Vec<usize> {
        match expected {
            Expected::Variable(index) => vec![index],
            // SAFETY: compiled by `compile`.
            Expected::Value(value) => unsafe { indexes_of(value.as_ref()) }.collect(),
        }
    }

    /// The name of a variable.
    pub fn variable_name(self, index: usize) -> &'c [u8] {
        // SAFETY: the array of variables is there while the configuration is read; the names live as long as it.
        unsafe {
            let variables = (*self.core_main_conf()).variables.as_slice::<ngx_http_variable_t>();
            variables.get(index).map_or(&[], |variable| bytes(variable.name.data, variable.name.len))
        }
    }

    fn core_loc_conf(self) -> &'c ngx_http_core_loc_conf_t {
        // SAFETY: the core module has made and merged it before any other.
        unsafe { &*(*(*self.http()).loc_conf.add(index_of_core_module())).cast() }
    }

    /// The variables that the regex of the location captures.
    pub fn regex_captures(self) -> Vec<usize> {
        // SAFETY: null, or a compiled regex with that many variables, which live as long as the configuration.
        let variables: &[ngx_http_regex_variable_t] = unsafe {
            match self.core_loc_conf().regex.as_ref() {
                Some(regex) if regex.nvariables > 0 => core::slice::from_raw_parts(regex.variables, regex.nvariables),
                _ => &[],
            }
        };
        variables.iter().filter_map(|variable| usize::try_from(variable.index).ok()).collect()
    }

    /// An `if` or `limit_except` block within a location.
    pub fn is_unnamed_block(self) -> bool {
        self.core_loc_conf().noname() == 1
    }

    /// The location as it is written; empty for a server.
    pub fn location_name(self) -> &'c [u8] {
        let name = &self.core_loc_conf().name;
        // SAFETY: the name lives as long as the configuration.
        unsafe { bytes(name.data, name.len) }
    }

    /// The location, as a part of its server; `parent` is the place of the one around it. `None` for a server, for a
    /// location that only nginx itself chooses, and for a block without a name.
    pub fn location(self, parent: Option<usize>, open: bool, judged: bool) -> Option<Location<ServerId>> {
        let location = self.core_loc_conf();
        let choice = match () {
            () if self.location_name().is_empty() || location.noname() == 1 || location.named() == 1 => return None,
            () if !location.regex.is_null() => Choice::Regex,
            () if location.exact_match() == 1 => Choice::Exact,
            () if location.noregex() == 1 => Choice::FinalPrefix,
            () => Choice::Prefix,
        };
        Some(Location {
            server: self.server().id(),
            parent,
            choice,
            name: String::from_utf8_lossy(self.location_name()).into(),
            internal: location.internal == 1,
            passes_on: location.handler.is_some(),
            upstream: self.upstream(),
            open,
            judged,
        })
    }

    /// The servers that the location passes requests on to, where the configuration names them: the address of what nginx
    /// keeps of them, once for all locations. The structure of each of these modules begins with that of the upstream.
    fn upstream(self) -> Option<usize> {
        const PASSING: [&CStr; 5] = [
            c"ngx_http_proxy_module",
            c"ngx_http_fastcgi_module",
            c"ngx_http_uwsgi_module",
            c"ngx_http_scgi_module",
            c"ngx_http_grpc_module",
        ];
        // SAFETY: nginx has named its modules, and those made the structures of the location when it was begun.
        unsafe {
            let cycle = &*self.get().cycle;
            let modules = core::slice::from_raw_parts(cycle.modules, cycle.modules_n);
            let passing = modules.iter().filter(|module| PASSING.contains(&CStr::from_ptr((***module).name)));
            let conf = |module: &*mut ngx_module_t| *(*self.http()).loc_conf.add((**module).ctx_index);
            let upstreams = passing.filter_map(|module| conf(module).cast::<ngx_http_upstream_conf_t>().as_ref());
            upstreams.map(|conf| conf.upstream.addr()).find(|address| *address != 0)
        }
    }

    /// The text of the location's regex, if it has one.
    pub fn location_regex(self) -> Option<&'c [u8]> {
        (!self.core_loc_conf().regex.is_null()).then(|| self.location_name())
    }

    pub fn satisfies_any(self) -> bool {
        self.core_loc_conf().satisfy == NGX_HTTP_SATISFY_ANY as ngx_uint_t
    }

    /// Whether slashes are merged in every path that the server is asked for. For when all servers have been read.
    pub fn merges_slashes(self) -> bool {
        slashes_are_merged(self.all_servers(), self.server())
    }

    /// A time in seconds, as nginx writes times.
    pub fn parse_seconds(self, time: &str) -> Option<u64> {
        let mut time = str_of(time.as_bytes());
        // SAFETY: nginx reads the text only.
        let seconds = unsafe { ngx_parse_time(&mut time, 1) };
        u64::try_from(seconds).ok()
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
    pub fn add_phase_handler(self, phase: usize, handler: Handler, end: End) -> bool {
        // SAFETY: the arrays hold handlers; `ngx_array_push` makes room for one more, and may move them.
        unsafe {
            let handlers = &raw mut (*self.core_main_conf()).phases[phase].handlers;
            let last = ngx_array_push(handlers).cast::<ngx_http_handler_pt>();
            if last.is_null() {
                return false;
            }
            *last = Some(handler);
            if let End::First = end {
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
