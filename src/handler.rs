//! The access phase: gather input, ask `authz`, act. Variables that are read earlier ask the same way.

use authz::{Decision, Denied, Input, decide};
use nginx_sys::{NGX_DECLINED, NGX_OK, ngx_int_t};

use crate::conf::{Active, Expected, LocConf};
use crate::ffi::{Request, now};
use crate::state::{Key, State};
use crate::{INTERNAL_ERROR, log, response, variables};

/// The access handler.
pub fn access(r: Request) -> ngx_int_t {
    let Some(active) = LocConf::active(r) else { return NGX_DECLINED as ngx_int_t };
    let Some(state) = State::of(r) else { return INTERNAL_ERROR };
    response::clear_challenge(r, state);
    let decision = state.deciding(|| {
        let input = gather(r, active)?;
        let early = state.is_early(|| Key::new(active, &input, now()));
        early.then(|| state.take()).flatten().or_else(|| Some(decide(&active.policy, input, now())))
    });
    answer(r, state, decision.unwrap_or(UNDECIDED))
}

/// The decision for a variable that is read before the access phase of its location. Nothing is refused yet.
pub fn decide_early(r: Request, active: &Active, state: &State) {
    let made = state.deciding(|| {
        let Some(input) = gather(r, active) else { return Some((None, UNDECIDED)) };
        let key = Key::new(active, &input, now());
        let known = state.is_early(|| Key::new(active, &input, now()));
        (!known).then(|| (Some(key), decide(&active.policy, input, now())))
    });
    if let Some((key, decision)) = made {
        state.keep_early(key, decision);
    }
}

/// The answer to a panic, after it was logged.
pub fn failed(r: Request) -> ngx_int_t {
    if let Some(state) = State::find(r) {
        state.settle(UNDECIDED);
        variables::forget(r);
    }
    INTERNAL_ERROR
}

const UNDECIDED: Decision = Decision { outcome: Err(Denied::Internal), identity: None };

fn answer(r: Request, state: &State, decision: Decision) -> ngx_int_t {
    let outcome = decision.outcome;
    if let Err(denied) = outcome {
        log::refusal(r, denied, &decision);
    }
    state.settle(decision);
    variables::forget(r);
    match outcome {
        Ok(_) => NGX_OK as ngx_int_t,
        Err(denied) => response::refuse(r, state, denied),
    }
}

/// What the decision needs. `None` when the compared value cannot be had.
fn gather<'r>(r: Request<'r>, active: &Active) -> Option<Input<'r>> {
    let user = match active.expected {
        None => &[],
        Some(Expected::Variable(index)) => r.variable(index),
        Some(Expected::Value(value)) => r.evaluate(value)?,
    };
    Some(Input { path: r.path(), token: r.authorization().and_then(authz::bearer), user })
}
