//! `ngx_http_jwt_user_scope_module`: each user reaches only their own paths, by the JWT they carry.
//!
//! This crate is the shell: module tables and callbacks in nginx's order. What a request may do is decided in `authz`.

mod alloc;
mod boundary;
mod conf;
mod ffi;
mod guard;
mod handler;
mod keyset;
mod log;
mod reserve;
mod response;
mod state;
mod status;
mod variables;

use core::ffi::{c_char, c_void};
use core::ptr;

use nginx_sys::{
    NGX_HTTP_MODULE, NGX_OK, ngx_chain_t, ngx_conf_t, ngx_cycle_t, ngx_http_module_t,
    ngx_http_phases_NGX_HTTP_ACCESS_PHASE, ngx_http_phases_NGX_HTTP_LOG_PHASE,
    ngx_http_phases_NGX_HTTP_POST_READ_PHASE, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE,
    ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, ngx_http_phases_NGX_HTTP_REWRITE_PHASE, ngx_http_request_t, ngx_int_t,
    ngx_module_t, ngx_uint_t,
};

use crate::boundary::{catch, catch_conf};
use crate::conf::directives::COMMANDS;
use crate::conf::{Failed, LocConf, MainConf};
use crate::ffi::{Conf, End, Request};
use crate::response::Passage;

/// The access check. It must be registered before `ngx_http_access_module`, since the handlers of a phase run in reverse.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static mut ngx_http_jwt_user_scope_module: ngx_module_t = ngx_module_t {
    ctx: ptr::addr_of!(MODULE_CTX).cast_mut().cast(),
    commands: ptr::addr_of!(COMMANDS).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    init_module: Some(init_module),
    ..ngx_module_t::default()
};

/// What must come later than the check may: the bodies of refusals, since a filter registered that early would be lost,
/// and the first handler of the rewrite phase.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static mut ngx_http_jwt_user_scope_filter_module: ngx_module_t = ngx_module_t {
    ctx: ptr::addr_of!(FILTER_MODULE_CTX).cast_mut().cast(),
    type_: NGX_HTTP_MODULE as ngx_uint_t,
    ..ngx_module_t::default()
};

static MODULE_CTX: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: Some(preconfiguration),
    postconfiguration: Some(postconfiguration),
    create_main_conf: Some(create_main_conf),
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: Some(create_loc_conf),
    merge_loc_conf: Some(merge_loc_conf),
};

static FILTER_MODULE_CTX: ngx_http_module_t = ngx_http_module_t {
    preconfiguration: None,
    postconfiguration: Some(filter_postconfiguration),
    create_main_conf: None,
    init_main_conf: None,
    create_srv_conf: None,
    merge_srv_conf: None,
    create_loc_conf: None,
    merge_loc_conf: None,
};

/// A pointer in a table that nginx reads after `dlopen`.
#[repr(transparent)]
pub struct Entry<T>(*const T);

// SAFETY: the tables are constant, and what they point to is static.
unsafe impl<T> Sync for Entry<T> {}

/// The modules in this library (nginx: `ngx_load_module`).
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static ngx_modules: [Entry<ngx_module_t>; 3] = [
    Entry(ptr::addr_of!(ngx_http_jwt_user_scope_module)),
    Entry(ptr::addr_of!(ngx_http_jwt_user_scope_filter_module)),
    Entry(ptr::null()),
];

/// Their names.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static ngx_module_names: [Entry<c_char>; 3] = [
    Entry(c"ngx_http_jwt_user_scope_module".as_ptr()),
    Entry(c"ngx_http_jwt_user_scope_filter_module".as_ptr()),
    Entry(ptr::null()),
];

/// Where they go among nginx's own: each before the first later name that is there. So checks run allow/deny, ours,
/// `auth_basic`, `auth_request`, and the filter stands where third-party filters do.
#[unsafe(no_mangle)]
#[allow(non_upper_case_globals)]
pub static ngx_module_order: [Entry<c_char>; 5] = [
    Entry(c"ngx_http_jwt_user_scope_module".as_ptr()),
    Entry(c"ngx_http_access_module".as_ptr()),
    Entry(c"ngx_http_jwt_user_scope_filter_module".as_ptr()),
    Entry(c"ngx_http_copy_filter_module".as_ptr()),
    Entry(ptr::null()),
];

const OK: ngx_int_t = NGX_OK as ngx_int_t;
const ERROR: ngx_int_t = nginx_sys::NGX_ERROR as ngx_int_t;
const CONF_OK: *mut c_char = ptr::null_mut();
const CONF_ERROR: *mut c_char = ptr::without_provenance_mut(usize::MAX);

/// The status of an answer that no rule gives: nginx's own 500 page.
const INTERNAL_ERROR: ngx_int_t = nginx_sys::NGX_HTTP_INTERNAL_SERVER_ERROR as ngx_int_t;

fn code(result: Result<(), Failed>) -> ngx_int_t {
    if result.is_ok() { OK } else { ERROR }
}

unsafe extern "C" fn preconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    catch_conf(ERROR, || {
        boundary::install_hook();
        // SAFETY: nginx calls with the configuration being read.
        code(variables::add(unsafe { Conf::from_ptr(cf) }))
    })
}

unsafe extern "C" fn postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    catch_conf(ERROR, || {
        // SAFETY: nginx calls with the configuration being read.
        let cf = unsafe { Conf::from_ptr(cf) };
        let uses = cf.gathered().uses;
        let add = |used: bool, phase, handler, place| !used || cf.add_phase_handler(phase as usize, handler, place);
        let handlers = add(uses.guards, ngx_http_phases_NGX_HTTP_POST_READ_PHASE, begin_handler, End::Last)
            && add(uses.guards, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, guard_handler, End::Last)
            && add(uses.fetches, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, fetch_handler, End::Last)
            && add(uses.checks, ngx_http_phases_NGX_HTTP_PREACCESS_PHASE, redirect_handler, End::Last)
            && add(uses.checks, ngx_http_phases_NGX_HTTP_ACCESS_PHASE, access_handler, End::Last)
            && add(uses.any(), ngx_http_phases_NGX_HTTP_LOG_PHASE, log_handler, End::First);
        conf::check_servers(cf);
        code(if handlers { conf::check_user_id(cf) } else { Err(Failed) })
    })
}

unsafe extern "C" fn create_main_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls with the configuration being read.
    catch_conf(ptr::null_mut(), || unsafe { Conf::from_ptr(cf) }.allocate(MainConf::default()).cast())
}

unsafe extern "C" fn create_loc_conf(cf: *mut ngx_conf_t) -> *mut c_void {
    // SAFETY: nginx calls with the configuration being read.
    catch_conf(ptr::null_mut(), || unsafe { Conf::from_ptr(cf) }.allocate(LocConf::default()).cast())
}

unsafe extern "C" fn merge_loc_conf(cf: *mut ngx_conf_t, prev: *mut c_void, conf: *mut c_void) -> *mut c_char {
    catch_conf(CONF_ERROR, || {
        // SAFETY: nginx calls with the configuration being read and two structures of `create_loc_conf`, of different
        // levels and so not the same.
        let (cf, prev, conf) = unsafe { (Conf::from_ptr(cf), &*prev.cast::<LocConf>(), &mut *conf.cast::<LocConf>()) };
        if conf.merge(cf, prev).is_ok() { CONF_OK } else { CONF_ERROR }
    })
}

unsafe extern "C" fn init_module(cycle: *mut ngx_cycle_t) -> ngx_int_t {
    // nginx's master would end with an error here, at a reload too. So a lack of memory is none: what little is kept may
    // stay on the reserve.
    let mut done = false;
    catch((), || {
        // SAFETY: nginx calls with the configuration that has been read, as the last thing that might fail.
        unsafe {
            ffi::collect_variables(cycle);
            ffi::forget_freed(cycle);
        }
        done = true;
    });
    if done { OK } else { ERROR }
}

unsafe extern "C" fn filter_postconfiguration(cf: *mut ngx_conf_t) -> ngx_int_t {
    catch_conf(ERROR, || {
        // SAFETY: nginx calls with the configuration being read.
        let cf = unsafe { Conf::from_ptr(cf) };
        let uses = cf.gathered().uses;
        let add = |used: bool, phase, handler| !used || cf.add_phase_handler(phase as usize, handler, End::Last);
        let handlers = add(uses.captures, ngx_http_phases_NGX_HTTP_REWRITE_PHASE, location_handler)
            && add(uses.guards, ngx_http_phases_NGX_HTTP_PRECONTENT_PHASE, content_handler);
        if !uses.any() {
            return OK;
        }
        code(if handlers { response::install_filters() } else { Err(Failed) })
    })
}

unsafe extern "C" fn location_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request in its rewrite phase.
    let r = unsafe { Request::from_ptr(r) };
    match LocConf::active(r) {
        Some(active) if !active.captures.is_empty() => catch(INTERNAL_ERROR, || handler::location_selected(r, active)),
        _ => handler::DECLINED,
    }
}

unsafe extern "C" fn begin_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request that it has just read.
    unsafe { Request::from_ptr(r) }.begin_first_pass();
    handler::DECLINED
}

unsafe extern "C" fn redirect_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request in its preaccess phase.
    let r = unsafe { Request::from_ptr(r) };
    if !r.was_redirected() {
        return handler::DECLINED;
    }
    catch(INTERNAL_ERROR, || handler::before_access_again(r))
}

unsafe extern "C" fn fetch_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request in its preaccess phase.
    let r = unsafe { Request::from_ptr(r) };
    if !r.is_subrequest() {
        return handler::DECLINED;
    }
    catch(INTERNAL_ERROR, || keyset::before_subrequest(r))
}

unsafe extern "C" fn guard_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request in its preaccess phase.
    let r = unsafe { Request::from_ptr(r) };
    let Some(guarded) = LocConf::guarded(r) else { return handler::DECLINED };
    catch(INTERNAL_ERROR, || guard::before_access(r, guarded))
}

unsafe extern "C" fn content_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request in its precontent phase.
    let r = unsafe { Request::from_ptr(r) };
    let Some((state, awaited)) = guard::awaited(r) else { return handler::DECLINED };
    catch(INTERNAL_ERROR, || guard::after_access(r, state, awaited))
}

unsafe extern "C" fn access_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request in its access phase.
    let r = unsafe { Request::from_ptr(r) };
    let Some(active) = LocConf::active(r) else { return handler::DECLINED };
    match catch(None, || Some(handler::access(r, active))) {
        Some(status) => status,
        None => catch(INTERNAL_ERROR, || handler::failed(r)),
    }
}

unsafe extern "C" fn log_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request in its log phase.
    let r = unsafe { Request::from_ptr(r) };
    if r.own_variables().is_empty() && LocConf::counted(r).is_none() {
        return OK;
    }
    catch((), || {
        variables::forget(r);
        status::count_request(r);
    });
    OK
}

unsafe extern "C" fn status_handler(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request for the content of its location.
    catch(INTERNAL_ERROR, || status::page(unsafe { Request::from_ptr(r) }))
}

unsafe extern "C" fn header_filter(r: *mut ngx_http_request_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request whose header is to be sent.
    let r = unsafe { Request::from_ptr(r) };
    if !response::is_filtered(r) {
        return response::next_header_filter(r);
    }
    match catch(Err(()), || Ok(response::filter_header(r))) {
        Ok(Passage::Next) => response::next_header_filter(r),
        Ok(Passage::Kept) => OK,
        Ok(Passage::Refused) | Err(()) => ERROR,
    }
}

unsafe extern "C" fn body_filter(r: *mut ngx_http_request_t, chain: *mut ngx_chain_t) -> ngx_int_t {
    // SAFETY: nginx calls with a request whose body is to be sent.
    let r = unsafe { Request::from_ptr(r) };
    if !response::is_filtered(r) {
        return response::next_body_filter(r, chain);
    }
    match catch(Err(()), || response::filter_body(r, chain)) {
        Ok(Some(chain)) => response::next_body_filter(r, chain),
        Ok(None) => OK,
        Err(()) => ERROR,
    }
}
