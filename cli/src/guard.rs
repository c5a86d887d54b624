//! The guard: requests that some backend could take for a user's, and that no comparison with that user covers.

use authz::{Awaited, Comparison, Cover, Denied, Guard, Judgement, Path, Readings};
use directives::Guarding;

use crate::Failure;
use crate::decide::{Active, Decided};
use crate::report::{By, State, Step, Told};
use crate::select::Place;
use crate::walk::{Answer, Walk};

impl Walk<'_> {
    /// Before the access phase.
    pub fn guard_before(&self) -> Result<Option<Answer>, Failure> {
        let place = self.place();
        let guard = place.settings.guard.clone();
        let Some((guard, exempts)) = guard.as_ref().and_then(Guarding::in_force) else { return Ok(None) };
        let reports = place.settings.report.unwrap_or(false);
        if self.judged.get() {
            return Ok(None);
        }
        let request = self.request.borrow().clone();
        let path = Path { raw: &request.raw, uri: &request.uri, rewritten: request.rewritten };
        let path = path.guarded(request.was_redirected);
        let judgement = guard.judge_request(path);
        if judgement.readings == Readings::NotUnder {
            self.tell_guard(State::Ok, "no backend takes the path for a user's");
            return Ok(None);
        }
        if !guard.asks_for_cover(&judgement, path, exempts) {
            return Ok(None);
        }
        let cover = self.cover(&place, guard, &judgement)?;
        self.judged.set(cover.is_final(reports));
        match cover {
            Cover::Refused => self.tell_guard(State::Ok, "the path rule will refuse it"),
            Cover::Covered => self.tell_guard(State::Ok, "the comparison with the path's user covers it"),
            Cover::Awaited(awaited) => {
                self.awaited.set(Some(awaited));
                let detail = match awaited {
                    Awaited::Grant => "if the token is let through",
                    Awaited::Bypass => "if a bypass applies",
                };
                self.tell_guard(State::Ok, detail);
            }
            Cover::Uncovered => {
                self.tell_guard(State::Refused, Denied::UncoveredPath.reason());
                let told = self.guarded.borrow().clone();
                return Ok(self.guard_refuses(reports, told.into_iter().collect()));
            }
        }
        Ok(None)
    }

    /// Behind the access phase, where only that could tell.
    pub fn guard_after(&self) -> Result<Option<Answer>, Failure> {
        let Some(awaited) = self.awaited.take() else { return Ok(None) };
        let place = self.place();
        // Another module has let the request in, and this one was not asked.
        self.decide_unless_settled(By::Guard)?;
        let granted = self
            .record
            .last
            .borrow()
            .as_ref()
            .is_some_and(|decided| decided.decision.outcome.is_ok_and(|granted| awaited.is_met_by(granted)));
        if granted || place.settings.guard.as_ref().and_then(Guarding::in_force).is_none() {
            return Ok(None);
        }
        self.tell_guard(State::Refused, Denied::UncoveredPath.reason());
        let told = self.guarded.take();
        let decided = self.take_last().map(|decided| decided.steps.clone()).unwrap_or_default();
        let steps = told.into_iter().chain(decided.into_iter().filter(|told| told.step != Step::Guard)).collect();
        Ok(self.guard_refuses(place.settings.report.unwrap_or(false), steps))
    }

    fn cover(&self, place: &Place, guard: &Guard, judgement: &Judgement) -> Result<Cover, Failure> {
        let settings = &place.settings;
        let active = Active::of(settings).filter(|active| active.expected.is_some());
        let Some(active) = active else { return Ok(Cover::Uncovered) };
        let reports = settings.report.unwrap_or(false);
        let is_ambiguous = {
            let request = self.request.borrow();
            !Path { raw: &request.raw, uri: &request.uri, rewritten: request.rewritten }.is_unambiguous()
        };
        let comparison = Comparison {
            enforced: !reports,
            satisfies_any: place.satisfies_any(),
            refuses_path: !settings.any_path.unwrap_or(false) && is_ambiguous,
            may_bypass: settings.bypass.as_ref().is_some_and(|bypass| !bypass.values.is_empty()),
            guard_reports: reports,
        };
        let user = self.deciding(|| self.expected(&active))?;
        let store = self.store.borrow();
        let is_captured = self.question.user.is_none();
        let is_elsewhere =
            is_captured && store.places_of_captures().any(|place| guard.is_elsewhere(&store.path, place));
        Ok(comparison.cover(judgement, || Some(&*user).filter(|_| !is_elsewhere)))
    }

    fn tell_guard(&self, state: State, detail: &str) {
        self.guarded.replace(Some(Told { step: Step::Guard, state, detail: detail.into() }));
    }

    /// A refusal, unless it is only reported.
    fn guard_refuses(&self, reports: bool, steps: Vec<Told>) -> Option<Answer> {
        self.keep(Decided::uncovered(steps, reports), By::Guard);
        if reports {
            return None;
        }
        self.record.settled.set(true);
        Some(Answer::of_module(Denied::UncoveredPath.status()))
    }
}
