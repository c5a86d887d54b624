//! The module's decision on a request, where it has come to: the core is asked, and its answer told step by step.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;

use authz::{Decision, Denied, Granted, Identity, Input, Path, Policy, Scope, bearer, decide, tokens};
use directives::{Check, Requirement};

use crate::conf::{Position, Settings};
use crate::details::Details;
use crate::keys::KeyRing;
use crate::report::{By, Event, Fetched, State, Step, Told};
use crate::template::Template;
use crate::variables::Watched;
use crate::walk::Walk;
use crate::{Failure, hint};

/// A decision, and what is to be said of it.
pub struct Decided {
    pub decision: Decision,
    pub steps: Vec<Told>,
    /// Nothing is refused: `jwt_user_scope_mode report`.
    pub reports: bool,
}

/// A check in force.
pub struct Active<'s> {
    pub scope: Scope,
    pub expected: Option<&'s Template>,
    position: &'s Position,
}

impl Active<'_> {
    /// The check of these settings.
    pub fn of(settings: &Settings) -> Option<Active<'_>> {
        match &settings.check {
            Some(Check::On { scope, expected, position }) => {
                Some(Active { scope: *scope, expected: expected.as_ref(), position })
            }
            _ => None,
        }
    }
}

/// What the module remembers of a request.
#[derive(Default)]
pub struct Record {
    /// The last decision.
    pub last: RefCell<Option<Rc<Decided>>>,
    /// The access phase has decided since nginx last chose a location.
    pub settled: Cell<bool>,
    /// Why it has refused the request, where that was since nobody could decide, its path and the compared user.
    pub undecided: RefCell<Option<Undecided>>,
    is_deciding: Cell<bool>,
    /// Whom the decision that is being made is about.
    pending: RefCell<Option<(Rc<Identity>, Option<usize>)>>,
    /// The key sets of the locations that have decided.
    pub key_sets: RefCell<Vec<Fetched>>,
}

/// A refusal, the path that it was about, and the compared user.
type Undecided = (Denied, Vec<u8>, Vec<u8>);

/// What variables of the module show.
#[derive(Default)]
pub struct Shown {
    pub identity: Option<Rc<Identity>>,
    pub user: Option<String>,
    pub word: Option<&'static str>,
}

impl Decided {
    /// A refusal of the guard, which has looked at no token.
    pub fn uncovered(steps: Vec<Told>, reports: bool) -> Self {
        Self { decision: Decision::without_identity(Err(Denied::UncoveredPath)), steps, reports }
    }

    pub fn shown(&self) -> Shown {
        Shown {
            identity: self.decision.identity.clone(),
            user: self.decision.user().map(str::to_owned),
            word: Some(self.decision.word()),
        }
    }

    /// The status of a refusal.
    pub fn status(&self) -> Option<u16> {
        self.decision.outcome.err().map(Denied::status)
    }
}

impl Walk<'_> {
    /// The files of a location's key sets. One that several locations fetch is given once.
    fn jwks(&self, settings: &Settings) -> Vec<Option<PathBuf>> {
        let mut known = self.record.key_sets.borrow_mut();
        let requests = settings.keys.iter().flat_map(|keys| &keys.requests);
        let mut file = |set: Fetched| {
            let number = known.iter().position(|one| one.uri == set.uri).unwrap_or(known.len());
            if number == known.len() {
                known.push(set);
            }
            self.question.jwks.get(number).cloned().flatten()
        };
        requests.map(|request| file(Fetched::by(&request.uri, &request.args, request.stale))).collect()
    }

    /// The user that the path belongs to.
    pub fn expected(&self, active: &Active) -> Result<Vec<u8>, Failure> {
        match (&self.question.user, active.expected) {
            (_, None) => Ok(Vec::new()),
            (Some(user), Some(_)) => Ok(user.clone()),
            (None, Some(expected)) => self.compared(expected),
        }
    }

    /// Asks the core about the request as it is now.
    pub fn ask(&self, settings: &Settings, active: &Active) -> Result<Decided, Failure> {
        let ring = KeyRing::read(settings, active.position, self.environment, &self.jwks(settings))?;
        let policy = self.policy(settings, active, &ring)?;
        let user = self.expected(active)?;
        let own_token = self.own_token(settings)?;
        let (token, second_token) = self.tokens(own_token.as_deref());
        let request = self.request.borrow().clone();
        let input = Input {
            path: Path { raw: &request.raw, uri: &request.uri, rewritten: request.rewritten },
            preflight: request.is_preflight(),
            token,
            second_token,
            user: &user,
            key_sets: &ring.sets,
        };
        let (bypass, require) = (settings.bypass.clone().unwrap_or_default(), settings.require.clone());
        let none = Requirement::default();
        let require = require.as_deref().unwrap_or(&none);
        let mut watched = Watched::of(self, &bypass.values, require);
        let decision = decide(&policy, input, self.now, &mut watched);
        let Watched { bypassed, required, failure, .. } = watched;
        if let Some(failure) = failure {
            return Err(failure);
        }
        let details = Details {
            settings,
            scope: active.scope,
            policy: &policy,
            input,
            ring: &ring,
            now: self.now,
            bypassed: &bypassed,
            required: &required,
        };
        let steps = steps(&details, &decision);
        Ok(Decided { decision, steps, reports: settings.report.unwrap_or(false) })
    }

    /// The rules of a location, with its keys.
    fn policy(&self, settings: &Settings, active: &Active, ring: &KeyRing) -> Result<Policy, Failure> {
        if active.scope == Scope::User {
            settings.check_bypass(&self.conf.set_variables).map_err(Failure)?;
        }
        let policy = settings.policy(active.scope, ring.keys.clone());
        policy.map_err(|error| Failure(format!("{error} in {}", active.position)))
    }

    /// The token of the place that `jwt_user_scope_token` names, if it is there.
    fn own_token(&self, settings: &Settings) -> Result<Option<Vec<u8>>, Failure> {
        match settings.token.as_ref().and_then(Option::as_ref) {
            Some(value) => self.token_of(value).map(Some),
            // Standard input is a header of its own.
            None if self.presented.bare.is_some() && self.presented.authorization.is_some() => {
                Err(Failure("the token would be a second \"Authorization\" header here: leave one of them out".into()))
            }
            None => Ok(None),
        }
    }

    /// The token, and a second one of `Authorization` that must be the same.
    fn tokens<'t>(&'t self, own: Option<&'t [u8]>) -> (Option<&'t [u8]>, Option<&'t [u8]>) {
        let authorization = self.presented.authorization.as_deref().and_then(bearer);
        match (own, &self.presented.bare) {
            (None, Some(bare)) => (Some(bare), None),
            _ => tokens(own, authorization),
        }
    }

    /// The token where `jwt_user_scope_token` says: the bare one of standard input, or what the request's own variables
    /// come to.
    fn token_of(&self, value: &Template) -> Result<Vec<u8>, Failure> {
        match &self.presented.bare {
            Some(bare) => Ok(bare.clone()),
            None => self.evaluate(value),
        }
    }

    /// Makes a decision. Variables that are read meanwhile show none, but for claims that are verified by then.
    pub fn deciding<T>(&self, make: impl FnOnce() -> T) -> T {
        self.record.is_deciding.set(true);
        let made = make();
        self.record.is_deciding.set(false);
        self.record.pending.take();
        made
    }

    /// Lets variables show an identity, whose conditions are to be evaluated.
    pub fn show(&self, identity: &Rc<Identity>, matched: Option<usize>) {
        self.record.pending.replace(Some((identity.clone(), matched)));
    }

    /// What variables of the module show.
    pub fn shown(&self) -> Shown {
        if self.record.is_deciding.get() {
            let pending = self.record.pending.borrow();
            let Some((identity, matched)) = &*pending else { return Shown::default() };
            let user = identity.user(*matched).map(str::to_owned);
            return Shown { identity: Some(identity.clone()), user, word: None };
        }
        self.record.last.borrow().as_ref().map(|decided| decided.shown()).unwrap_or_default()
    }

    /// The decision for a variable that is read before the access phase of its location.
    pub fn decide_for(&self, variable: &[u8]) -> Result<(), Failure> {
        self.decide_unless_settled(By::Variable(String::from_utf8_lossy(variable).into_owned()))
    }

    pub fn decide_unless_settled(&self, by: By) -> Result<(), Failure> {
        if self.record.settled.get() || self.record.is_deciding.get() {
            return Ok(());
        }
        let place = self.place();
        let Some(active) = Active::of(&place.settings) else { return Ok(()) };
        let decided = self.deciding(|| self.ask(&place.settings, &active))?;
        self.keep(decided, by);
        Ok(())
    }

    /// Keeps a decision.
    pub fn keep(&self, decided: Decided, by: By) {
        let decided = Rc::new(decided);
        self.record.last.replace(Some(decided.clone()));
        self.events.borrow_mut().push(Event::Decided(decided, by));
    }

    /// Takes a decision back, which another takes the place of.
    pub fn take_last(&self) -> Option<Rc<Decided>> {
        self.events.borrow_mut().pop_if(|event| matches!(event, Event::Decided(..)));
        self.record.last.take()
    }
}

/// The steps of the core, as far as they were asked.
fn steps(details: &Details, decision: &Decision) -> Vec<Told> {
    let last = match decision.outcome {
        Ok(Granted::Preflight) => Step::Preflight,
        Ok(Granted::Ok | Granted::Bypassed) => Step::Require,
        Err(denied) => hint::step_of(denied),
    };
    let tell = |step: Step| {
        let (state, detail) = match decision.outcome {
            _ if step > last => (State::NotAsked, String::new()),
            Err(denied) if step == last => (State::Refused, details.refused(step, denied)),
            _ => details.passed(step, decision),
        };
        Told { step, state, detail }
    };
    Step::ALL.into_iter().filter(|step| *step != Step::Guard).map(tell).collect()
}
