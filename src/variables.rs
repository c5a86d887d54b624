//! The module's variables.
//!
//! Read before the access phase they make the decision of the configuration then in force; read later, they show the
//! last one. Values are copied: a decision may be replaced while nginx holds a variable.

use std::borrow::Cow;
use std::rc::Rc;

use authz::{ClaimName, Identity, Object, Verified, is_whole_in_a_header};
use directives::ClaimVariable;
use directives::variables::{CLAIM, HEADER, OWN, PAYLOAD, RESULT, USER};
use nginx_sys::{
    NGX_HTTP_VAR_NOCACHEABLE, NGX_HTTP_VAR_PREFIX, NGX_OK, ngx_http_request_t, ngx_http_variable_value_t, ngx_int_t,
    ngx_str_t,
};

use crate::alloc;
use crate::boundary::catch;
use crate::conf::{Failed, LocConf};
use crate::ffi::{Conf, Getter, Request, VariableValue};
use crate::handler;
use crate::state::State;

/// Registers the variables.
///
/// # Errors
/// nginx has no memory, or another module has taken a name.
pub fn add(cf: Conf) -> Result<(), Failed> {
    let prefix = NGX_HTTP_VAR_PREFIX;
    let variables: [(&str, Getter, u32); 5] = [
        (USER, get_user, 0),
        (RESULT, get_result, 0),
        (PAYLOAD, get_payload, 0),
        (CLAIM, get_claim, prefix),
        (HEADER, get_header, prefix),
    ];
    cf.add_failure_mark().ok_or(Failed)?;
    for (name, getter, flags) in variables {
        cf.add_variable(name.as_bytes(), getter, NGX_HTTP_VAR_NOCACHEABLE | flags, 0).ok_or(Failed)?;
    }
    Ok(())
}

/// Whether a variable is the module's own.
pub fn is_own(name: &[u8], set_variables: &[ClaimVariable]) -> bool {
    name.starts_with(OWN) || set_variables.iter().any(|(set, _)| **set == *name)
}

/// Makes nginx ask again for values that it holds: the log reads them without regard to "no cacheable".
pub fn forget(r: Request) {
    for &index in r.own_variables() {
        r.forget_variable(index);
    }
}

/// The getter of what is no variable to the configuration.
pub unsafe extern "C" fn get_nothing(
    _: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    _: usize,
) -> ngx_int_t {
    // SAFETY: nginx calls a getter with the value to fill.
    unsafe { VariableValue::from_ptr(v) }.set_missing();
    NGX_OK as ngx_int_t
}

unsafe extern "C" fn get_user(r: *mut ngx_http_request_t, v: *mut ngx_http_variable_value_t, _: usize) -> ngx_int_t {
    // SAFETY: nginx calls a getter with a request and the value to fill.
    unsafe {
        get(r, v, |state, show| {
            // The backend would know somebody else.
            state.with_user(|user| is_whole_in_a_header(user).then(|| show(user.into())));
        })
    }
}

unsafe extern "C" fn get_result(r: *mut ngx_http_request_t, v: *mut ngx_http_variable_value_t, _: usize) -> ngx_int_t {
    // SAFETY: as for `get_user`.
    unsafe {
        get(r, v, |state, show| {
            if !state.is_deciding() {
                state.with_last(|decision| show(decision.word().into()));
            }
        })
    }
}

unsafe extern "C" fn get_payload(r: *mut ngx_http_request_t, v: *mut ngx_http_variable_value_t, _: usize) -> ngx_int_t {
    // SAFETY: as for `get_user`.
    unsafe { get_of_identity(r, v, |identity| Some(identity.token().claims().text().into())) }
}

unsafe extern "C" fn get_claim(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: as for `get_user`; the data of a prefix variable is its whole name.
    unsafe { get_member(r, v, member_name(data, CLAIM), Verified::claims) }
}

unsafe extern "C" fn get_header(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: as for `get_claim`.
    unsafe { get_member(r, v, member_name(data, HEADER), Verified::header) }
}

/// A member of a part of the token.
///
/// # Safety
/// `r` is a request, `v` the value to fill.
unsafe fn get_member(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    name: Option<&str>,
    part: fn(&Verified) -> &Object,
) -> ngx_int_t {
    // SAFETY: the caller's duty.
    unsafe { get_of_identity(r, v, |identity| part(identity.token()).get_folded(name?)?.into_shown()) }
}

/// A variable of `jwt_user_scope_set`; `data` is its `Rc<ClaimName>`.
pub unsafe extern "C" fn get_set(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    data: usize,
) -> ngx_int_t {
    // SAFETY: as for `get_user`; the name was allocated with the configuration.
    unsafe {
        let claim = &*(data as *const Rc<ClaimName>);
        get(r, v, |state, show| {
            state.with_identity(|identity| identity.shown(claim).map(|value| show(Cow::Borrowed(&*value))));
        })
    }
}

/// What stands behind a prefix; nginx has lower-cased it.
///
/// # Safety
/// `data` is the address of a variable's name.
unsafe fn member_name<'a>(data: usize, prefix: &str) -> Option<&'a str> {
    // SAFETY: the caller's duty.
    let name = unsafe { &*(data as *const ngx_str_t) };
    name.to_str().ok()?.get(prefix.len()..)
}

/// # Safety
/// `r` is a request, `v` the value to fill.
unsafe fn get_of_identity(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    find: impl FnOnce(&Identity) -> Option<Cow<str>>,
) -> ngx_int_t {
    // SAFETY: the caller's duty.
    unsafe {
        get(r, v, |state, show| {
            state.with_identity(|identity| find(identity).map(show));
        })
    }
}

/// # Safety
/// `r` is a request, `v` the value to fill.
unsafe fn get(
    r: *mut ngx_http_request_t,
    v: *mut ngx_http_variable_value_t,
    look: impl FnOnce(&State, &mut dyn FnMut(Cow<str>)),
) -> ngx_int_t {
    // SAFETY: the caller's duty.
    let (r, mut v) = unsafe { (Request::from_ptr(r), VariableValue::from_ptr(v)) };
    v.set_missing();
    let shown = catch(None, || {
        if let Some(state) = current(r)? {
            look(state, &mut |value| {
                // nginx writes variables into headers as they are.
                if !value.bytes().any(|b| b.is_ascii_control()) && !v.copy(r, value.as_bytes()) {
                    // What was sent without it, or with less, might mean something else.
                    v.refer_to(state.hold(value.as_bytes()));
                    r.fail();
                }
            });
            // What was found for it would stay on the reserve as long as the token is remembered.
            if alloc::is_short() {
                state.with_identity(Identity::forget_found);
            }
        }
        Some(())
    });
    // The access phase refuses what follows from it.
    if shown.is_none() {
        r.fail();
    }
    NGX_OK as ngx_int_t
}

/// The state that a variable shows now, with a decision made for it where the access phase is still to come. `None` when
/// there is no memory.
fn current<'r>(r: Request<'r>) -> Option<Option<&'r State>> {
    // Whoever publishes keys is told nothing of the client, who could have the answer depend on it.
    if State::is_of_fetch(r) {
        return Some(None);
    }
    let subrequest = r.is_subrequest();
    let r = r.main();
    let state = State::find(r);
    let made =
        subrequest || r.is_being_logged() || state.is_some_and(|state| state.is_settled() || state.is_deciding());
    match LocConf::active(r) {
        Some(active) if !made => {
            let state = State::of(r)?;
            handler::decide_early(r, active, state);
            Some(Some(state))
        }
        _ => Some(state),
    }
}
