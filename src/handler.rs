//! The access phase: gather input, ask `authz`, act. Variables that are read earlier ask the same way.

use std::rc::Rc;

use authz::{
    Conditions, Decision, Denied, Examined, Granted, Identity, Input, KeySet, Trace, bearer, conclude, examine_traced,
    may_lack_key, tokens,
};
use directives::ErrorBody;
use nginx_sys::{NGX_DECLINED, NGX_OK, ngx_int_t};

use crate::alloc;
use crate::conf::{Active, Expected, LocConf, Value};
use crate::ffi::{Request, keep_time, now};
use crate::keyset::Lack;
use crate::state::{Question, State, Undecided};
use crate::{INTERNAL_ERROR, keyset, log, response, status, variables};

const OK: ngx_int_t = NGX_OK as ngx_int_t;
pub const DECLINED: ngx_int_t = NGX_DECLINED as ngx_int_t;
const UNDECIDED: Decision = Decision::without_identity(Err(Denied::Internal));

/// The handler at the start of the rewrite phase: a location has been selected, and no directive of its has run. Keeps
/// the captures that will be compared, since any later regex may set a variable of the same name.
pub fn location_selected(r: Request, active: &Active) -> ngx_int_t {
    if r.is_subrequest() {
        return DECLINED;
    }
    let Some(state) = State::of(r) else { return INTERNAL_ERROR };
    let Some(captures) = r.save_captures(&active.captures) else { return INTERNAL_ERROR };
    state.captures.set(captures);
    DECLINED
}

/// The access handler. It runs again after it has waited for a key set.
pub fn access<'r>(r: Request<'r>, active: &'r Active) -> ngx_int_t {
    let Some(state) = State::of(r) else { return INTERNAL_ERROR };
    if let Some(again) = keyset::wait_on(r, &active.sets, state) {
        return again;
    }
    response::clear(r, state);
    if r.has_failed() {
        return failed(r);
    }
    keep_time();
    let key_sets = active.sets.current();
    let (decision, lack) = state
        .deciding(|| {
            let input = gather(r, active, state, &key_sets)?;
            let examined = state.take_examined(|| Question::new(active, &input, now()));
            let examined = examined.unwrap_or_else(|| examine_in(r, active, input));
            let decision = conclude_in(r, active, state, examined, input);
            let lack = lack(active, input, &decision);
            Some((decision, lack))
        })
        // A condition may have taken what could not be had for an empty value.
        .filter(|_| !r.has_failed())
        .unwrap_or((UNDECIDED, None));
    r.restore_captures(&active.captures, state.captures.get());
    if let Some(again) = lack.and_then(|lack| keyset::wait_for(r, &active.sets, &key_sets, state, lack)) {
        return again;
    }
    // Refused requests too: a key may have been replaced under the same `kid`.
    if let Some(again) = keyset::refresh(r, &active.sets, state) {
        return again;
    }
    answer(r, active, state, decision)
}

/// What a fetch could bring that this decision lacks.
fn lack(active: &Active, input: Input, decision: &Decision) -> Option<Lack> {
    let denied = decision.outcome.err().filter(|_| !active.sets.is_empty())?;
    if may_lack_key(&active.policy, input, denied) {
        return Some(Lack::Key);
    }
    (denied == Denied::KeysUnavailable).then_some(Lack::Set)
}

fn examine_in(r: Request, active: &Active, input: Input) -> Result<Examined, Denied> {
    let mut trace = Trace::default();
    let examined = examine_traced(&active.policy, input, now(), &mut trace);
    status::count_examination(r, trace, examined.is_ok());
    examined
}

fn conclude_in(
    r: Request,
    active: &Active,
    state: &State,
    examined: Result<Examined, Denied>,
    input: Input,
) -> Decision {
    let decision = conclude(&active.policy, examined, input, now(), &mut Values { r, active, state });
    // A token that is remembered would stay on the reserve.
    if alloc::is_short() {
        active.policy.forget_tokens();
    }
    decision
}

/// The decision for a variable that is read before the access phase of its location. Nothing is refused yet, and nothing
/// fetched.
pub fn decide_early(r: Request, active: &Active, state: &State) {
    keep_time();
    let key_sets = active.sets.current();
    let decision = state.deciding(|| {
        let input = gather(r, active, state, &key_sets)?;
        // The token is verified once; conditions may have changed since, and are evaluated anew.
        let examined = state.examined(Question::new(active, &input, now()), || examine_in(r, active, input));
        Some(conclude_in(r, active, state, examined, input))
    });
    state.keep(decision.filter(|_| !r.has_failed()).unwrap_or(UNDECIDED));
}

/// The answer to a panic or a lack of memory, after it was logged.
pub fn failed(r: Request) -> ngx_int_t {
    if let Some(state) = State::find(r) {
        response::clear(r, state);
        state.settle(UNDECIDED);
        let refusal = |uri: &[u8]| {
            let (denied, body, user) = (Denied::Internal, ErrorBody::Off, Box::default());
            state.undecided.replace(Some(Undecided { denied, uri: uri.into(), user, body }));
        };
        // There may be no memory for the path.
        refusal(&[]);
        refusal(r.path().uri);
        variables::forget(r);
    }
    INTERNAL_ERROR
}

/// The handler of the preaccess phase, where nginx has redirected a request. What was refused since nobody could decide, an
/// `error_page` does not lead on: who writes `error_page 503 = @fallback` thinks of a backend that fails. Pages have paths of
/// their own. A location that checks decides for itself.
pub fn before_access_again(r: Request) -> ngx_int_t {
    if LocConf::active(r).is_some_and(|active| !active.answers.report) {
        return DECLINED;
    }
    let Some(state) = State::find(r) else { return DECLINED };
    match &*state.undecided.borrow() {
        Some(Undecided { denied, uri, user, body }) if r.path().still_holds(uri, user) => {
            log::not_passed_on(r, *denied);
            response::refuse_again(r, state, *denied, *body)
        }
        _ => DECLINED,
    }
}

fn answer(r: Request, active: &Active, state: &State, decision: Decision) -> ngx_int_t {
    let outcome = decision.outcome;
    match outcome {
        Err(denied) => log::refusal(r, &active.answers, denied, &decision),
        Ok(Granted::Bypassed) => log::bypass(r, &decision),
        Ok(_) => {}
    }
    state.settle(decision);
    let undecided = outcome.err().filter(|denied| denied.status() >= 500 && !active.answers.report);
    state.undecided.replace(undecided.map(|denied| undecided_of(r, active, state, denied)));
    variables::forget(r);
    match outcome {
        // To agree would let the request in under `satisfy any`, on behalf of modules that have not been asked.
        _ if active.answers.report => DECLINED,
        Ok(Granted::Preflight) => DECLINED,
        Ok(Granted::Ok | Granted::Bypassed) => OK,
        Err(denied) => response::refuse(r, &active.answers, state, denied),
    }
}

fn undecided_of(r: Request, active: &Active, state: &State, denied: Denied) -> Undecided {
    let user = active.expected.and_then(|expected| compared(r, active, state, expected)).unwrap_or_default();
    Undecided { denied, uri: r.path().uri.into(), user: user.into(), body: active.answers.error_body }
}

/// What the decision needs. `None` when a value cannot be had.
fn gather<'r>(r: Request<'r>, active: &Active, state: &State, key_sets: &'r [Option<Rc<KeySet>>]) -> Option<Input<'r>> {
    let user = match active.expected {
        None => &[],
        Some(expected) => compared(r, active, state, expected)?,
    };
    let authorization = r.authorization().and_then(bearer);
    let own = match active.token {
        None => None,
        Some(value) => Some(r.evaluate(value)?),
    };
    let (token, second_token) = tokens(own, authorization);
    Some(Input { path: r.path(), preflight: r.is_preflight(), token, second_token, user, key_sets })
}

/// The compared value, with captures as they were when the location was selected. `None` when it cannot be had.
pub fn compared<'r>(r: Request<'r>, active: &Active, state: &State, expected: Expected) -> Option<&'r [u8]> {
    let restore = || r.restore_captures(&active.captures, state.captures.get());
    match expected {
        Expected::Variable(index) => restore().then(|| r.variable(index)),
        // A `map` in it may run a regex; it must have done so before the captures are put back.
        Expected::Value(value) => r.evaluate_after(value, restore),
    }
}

/// The values of `bypass` and `require`, evaluated when their turn comes.
struct Values<'r, 'a> {
    r: Request<'r>,
    active: &'a Active,
    state: &'a State,
}

impl Values<'_, '_> {
    /// A value that cannot be had does not.
    fn holds(&self, value: Value) -> bool {
        self.r.evaluate(value).is_some_and(directives::holds)
    }
}

impl Conditions for Values<'_, '_> {
    fn bypass(&mut self, identity: &Rc<Identity>) -> bool {
        let bypass = &self.active.bypass.values;
        if bypass.is_empty() {
            return false;
        }
        self.state.show_pending(identity, None);
        bypass.iter().any(|&value| self.holds(value))
    }

    fn requirement(&mut self, identity: &Rc<Identity>, matched: Option<usize>) -> Result<(), Denied> {
        let require = &self.active.require;
        if require.values.is_empty() {
            return Ok(());
        }
        self.state.show_pending(identity, matched);
        require.check(|&value| self.holds(value))
    }
}
