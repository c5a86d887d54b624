//! `$jwt_user_scope_user` and `$jwt_user_scope_result`.
//!
//! Read before the access phase they make the decision of the configuration then in force; read later, they show the
//! last one. Values are copied: a decision may be replaced while nginx holds a variable.

use authz::Decision;
use nginx_sys::{NGX_HTTP_VAR_NOCACHEABLE, NGX_OK, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t};

use crate::boundary::guard;
use crate::conf::{Failed, LocConf};
use crate::ffi::{Conf, Getter, Request, VariableValue};
use crate::handler;
use crate::state::State;

/// Registers the variables.
///
/// # Errors
/// nginx has no memory, or another module has taken a name.
pub fn add(cf: Conf) -> Result<(), Failed> {
    let variables: [(&[u8], Getter); 2] = [(b"jwt_user_scope_user", get_user), (b"jwt_user_scope_result", get_result)];
    for (name, getter) in variables {
        let index = cf.add_variable(name, getter, NGX_HTTP_VAR_NOCACHEABLE).ok_or(Failed)?;
        cf.main_conf().variables.push(index);
    }
    Ok(())
}

/// Makes nginx ask again for values that it holds: the log reads them without regard to "no cacheable".
pub fn forget(r: Request) {
    for &index in r.own_variables() {
        r.forget_variable(index);
    }
}

unsafe extern "C" fn get_user(r: *mut ngx_http_request_t, v: *mut ngx_http_variable_value_t, _: usize) -> ngx_int_t {
    // SAFETY: nginx calls a getter with a request and the value to fill.
    unsafe { get(r, v, |decision| decision.identity.as_ref()?.user()) }
}

unsafe extern "C" fn get_result(r: *mut ngx_http_request_t, v: *mut ngx_http_variable_value_t, _: usize) -> ngx_int_t {
    // SAFETY: as for `get_user`.
    unsafe { get(r, v, |decision| Some(word(decision))) }
}

fn word(decision: &Decision) -> &'static str {
    match decision.outcome {
        Ok(granted) => granted.word(),
        Err(denied) => denied.word(),
    }
}

/// # Safety
/// `r` is a request, `v` the value to fill.
unsafe fn get(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    show: impl FnOnce(&Decision) -> Option<&str>,
) -> ngx_int_t {
    // SAFETY: the caller's duty.
    let (r, mut v) = unsafe { (Request::from_ptr(r), VariableValue::from_ptr(v)) };
    v.set_missing();
    guard((), || {
        with_decision(r, |decision| {
            if let Some(value) = show(decision) {
                v.set(r, value.as_bytes());
            }
        });
    });
    NGX_OK as ngx_int_t
}

/// Looks at the decision that a variable shows now.
fn with_decision(r: Request, look: impl FnOnce(&Decision)) {
    let subrequest = r.is_subrequest();
    let r = r.main();
    let mut state = State::find(r);
    if state.is_some_and(State::is_deciding) {
        return;
    }
    let final_one = subrequest || r.is_being_logged() || state.is_some_and(State::is_settled);
    if !final_one && let Some(active) = LocConf::active(r) {
        state = State::of(r);
        if let Some(state) = state {
            handler::decide_early(r, active, state);
        }
    }
    if let Some(state) = state {
        state.with_last(look);
    }
}
