//! The guard: requests that some backend could take for a user's, and that no comparison with that user covers.
//!
//! It judges before the access phase. Where only the access phase can tell, it looks at the decision afterwards.

use authz::{Awaited, Comparison, Cover, Decision, Denied, Guard, Judgement};
use nginx_sys::ngx_int_t;

use crate::conf::{Guarded, LocConf};
use crate::ffi::Request;
use crate::handler::{DECLINED, compared, decide_early};
use crate::state::State;
use crate::{INTERNAL_ERROR, log, response, variables};

/// The handler of the preaccess phase.
pub fn before_access(r: Request, guarded: &Guarded) -> ngx_int_t {
    if r.is_subrequest() || State::find(r).is_some_and(|state| state.judged.get()) {
        return DECLINED;
    }
    let path = r.path();
    let path = path.guarded(path.rewritten && !r.is_first_pass());
    let judgement = guarded.guard.judge_request(path);
    if !guarded.guard.asks_for_cover(&judgement, path, guarded.exempts) {
        return DECLINED;
    }
    let Some(state) = State::of(r) else { return INTERNAL_ERROR };
    let cover = cover(r, &guarded.guard, state, &judgement);
    state.judged.set(cover.is_final(guarded.answers.report));
    match cover {
        Cover::Covered | Cover::Refused => DECLINED,
        Cover::Awaited(awaited) => {
            state.awaited.set(Some(awaited));
            DECLINED
        }
        Cover::Uncovered => refuse(r, guarded, state),
    }
}

/// What the guard has wanted of the access phase, if anything.
pub fn awaited<'r>(r: Request<'r>) -> Option<(&'r State, Awaited)> {
    let state = r.context()?;
    Some((state, state.awaited.take()?))
}

/// The handler of the precontent phase.
pub fn after_access(r: Request, state: &State, awaited: Awaited) -> ngx_int_t {
    // Another module has let the request in, and ours was not asked.
    if !state.is_settled()
        && let Some(active) = LocConf::active(r)
    {
        decide_early(r, active, state);
    }
    let granted = state.with_last(|decision| decision.outcome.is_ok_and(|granted| awaited.is_met_by(granted)));
    match LocConf::guarded(r) {
        Some(guarded) if granted != Some(true) => refuse(r, guarded, state),
        _ => DECLINED,
    }
}

fn cover(r: Request, guard: &Guard, state: &State, judgement: &Judgement) -> Cover {
    let Some((active, expected)) = LocConf::active(r).and_then(|active| Some((active, active.expected?))) else {
        return Cover::Uncovered;
    };
    let enforced = !active.answers.report;
    let satisfies_any = r.satisfies_any();
    let comparison = Comparison {
        enforced,
        satisfies_any,
        refuses_path: enforced && !satisfies_any && !judgement.is_plain && active.policy.refuses_path(r.path()),
        may_bypass: !active.bypass.values.is_empty(),
        guard_reports: reports(r),
    };
    let is_elsewhere = || {
        let captured = r.places_of(state.captures.get()).filter(|_| !active.captures.is_empty());
        captured.is_some_and(|(path, mut places)| places.any(|place| guard.is_elsewhere(path, place)))
    };
    comparison.cover(judgement, || state.deciding(|| compared(r, active, state, expected)).filter(|_| !is_elsewhere()))
}

fn reports(r: Request) -> bool {
    LocConf::guarded(r).is_some_and(|guarded| guarded.answers.report)
}

fn refuse(r: Request, guarded: &Guarded, state: &State) -> ngx_int_t {
    let denied = Denied::UncoveredPath;
    let decision = Decision::without_identity(Err(denied));
    log::refusal(r, &guarded.answers, denied, &decision);
    if guarded.answers.report {
        state.keep(decision);
        variables::forget(r);
        return DECLINED;
    }
    response::clear(r, state);
    state.settle(decision);
    variables::forget(r);
    response::refuse(r, &guarded.answers, state, denied)
}
