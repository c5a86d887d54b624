//! What the module remembers of a request: its last decision, and all that has been begun for it.
//!
//! nginx clears module contexts at every internal redirect, but variables must outlive `error_page`. So the state
//! hangs on a cleanup of the request's pool, where it can be found again (as in `ngx_http_realip_module.c`).

use core::cell::{Cell, OnceCell, RefCell};
use core::ptr::NonNull;

use std::rc::Rc;

use authz::{Awaited, Decision, Denied, Examined, Identity, Input, KeySet};
use directives::ErrorBody;
use nginx_sys::{ngx_int_t, ngx_table_elt_t};

use crate::conf::Active;
use crate::ffi::{Captures, Fetch, Request, Wake};
use crate::keyset::{Refresh, Waiting, same_sets};

/// State of a request. Shared, since a variable read while a decision is made finds it too.
#[derive(Default)]
pub struct State {
    /// The last decision, if one was made.
    last: RefCell<Option<Decision>>,
    /// What was found out for a decision before the access phase, and of what. Seldom, so it takes no room else.
    early: RefCell<Option<Box<Early>>>,
    /// The access phase has decided since nginx last chose a location.
    settled: Cell<bool>,
    /// A decision is being made: a variable read for it must not ask for another one.
    deciding: Cell<bool>,
    /// The verified identity that the decision being made is about.
    pending: RefCell<Option<(Rc<Identity>, Option<usize>)>>,
    /// The handler that refused, by its place in nginx's table.
    pub refused_in: Cell<ngx_int_t>,
    /// nginx has not redirected the request internally.
    pub in_first_pass: Cell<bool>,
    /// The guard has judged this request of a client.
    pub judged: Cell<bool>,
    /// The refusal of the access phase, where that was since nobody could decide.
    pub undecided: RefCell<Option<Undecided>>,
    /// What the guard still wants of the access phase.
    pub awaited: Cell<Option<Awaited>>,
    /// Fetches that this request has started.
    fetches: RefCell<Vec<Rc<Fetch>>>,
    /// What it waits for.
    pub waiting: RefCell<Option<Waiting>>,
    /// Fetches again that it has started.
    pub refreshes: RefCell<Vec<Refresh>>,
    /// Its timer, once it waits.
    pub wake: OnceCell<Wake>,
    /// Captures as they were when nginx selected the location.
    pub captures: Cell<Captures>,
    /// Values of variables, for which nginx had no memory.
    held: OnceCell<Box<Held>>,
    /// The challenge of an earlier refusal in this request.
    pub challenge: Cell<Option<NonNull<ngx_table_elt_t>>>,
}

/// A refusal since nobody could decide, and what it was about.
pub struct Undecided {
    pub denied: Denied,
    pub uri: Box<[u8]>,
    pub user: Box<[u8]>,
    pub body: ErrorBody,
}

/// Values that stay where they are, one behind another.
struct Held {
    value: Box<[u8]>,
    next: OnceCell<Box<Held>>,
}

/// What was examined, and what was found out.
type Early = (Question, Result<Examined, Denied>);

/// Everything that examining a request depends on. Equal questions have equal answers.
pub struct Question {
    /// The configuration, by its address.
    active: *const Active,
    raw: Box<[u8]>,
    uri: Box<[u8]>,
    rewritten: bool,
    preflight: bool,
    token: Option<Box<[u8]>>,
    second_token: Option<Box<[u8]>>,
    key_sets: Box<[Option<Rc<KeySet>>]>,
    now: u64,
}

impl PartialEq for Question {
    fn eq(&self, other: &Self) -> bool {
        let Self { active, raw, uri, rewritten, preflight, token, second_token, key_sets, now } = self;
        *active == other.active
            && *raw == other.raw
            && *uri == other.uri
            && *rewritten == other.rewritten
            && *preflight == other.preflight
            && *token == other.token
            && *second_token == other.second_token
            && same_sets(key_sets, &other.key_sets)
            && *now == other.now
    }
}

impl Question {
    pub fn new(active: &Active, input: &Input, now: u64) -> Self {
        Self {
            active,
            raw: input.path.raw.into(),
            uri: input.path.uri.into(),
            rewritten: input.path.rewritten,
            preflight: input.preflight,
            token: input.token.map(Into::into),
            second_token: input.second_token.map(Into::into),
            key_sets: input.key_sets.into(),
            now,
        }
    }
}

impl State {
    /// The state of a request, if it has one. One found again after an internal redirect decides anew.
    pub fn find<'r>(r: Request<'r>) -> Option<&'r Self> {
        if let Some(state) = r.context() {
            return Some(state);
        }
        let state = r.state_from_cleanups()?;
        r.set_context(state);
        state.settled.set(false);
        state.early.take();
        state.awaited.take();
        state.in_first_pass.set(false);
        state.waiting.take();
        Some(state)
    }

    /// The state of a request, made when there is none. `None` when there is no memory.
    pub fn of<'r>(r: Request<'r>) -> Option<&'r Self> {
        if let Some(state) = Self::find(r) {
            return Some(state);
        }
        let state = r.attach_state()?;
        r.set_context(state);
        Some(state)
    }

    /// Runs what makes a decision. Variables read meanwhile show none, but for claims that are verified by then.
    pub fn deciding<T>(&self, make: impl FnOnce() -> T) -> T {
        self.deciding.set(true);
        let made = make();
        self.stop_deciding();
        made
    }

    fn stop_deciding(&self) {
        self.deciding.set(false);
        self.pending.take();
    }

    /// Lets variables show an identity, whose conditions are to be evaluated.
    pub fn show_pending(&self, identity: &Rc<Identity>, matched: Option<usize>) {
        self.pending.replace(Some((identity.clone(), matched)));
    }

    /// Looks at the user that variables show.
    pub fn with_user<T>(&self, look: impl FnOnce(&str) -> T) -> Option<T> {
        if self.is_deciding() {
            let pending = self.pending.borrow();
            return pending.as_ref().and_then(|(identity, matched)| identity.user(*matched)).map(look);
        }
        self.last.borrow().as_ref().and_then(Decision::user).map(look)
    }

    /// Looks at the identity that variables show.
    pub fn with_identity<T>(&self, look: impl FnOnce(&Identity) -> T) -> Option<T> {
        if self.is_deciding() {
            return self.pending.borrow().as_ref().map(|(identity, _)| look(identity));
        }
        self.last.borrow().as_ref().and_then(|decision| decision.identity.as_deref()).map(look)
    }

    /// Keeps a fetch as long as the request lives.
    pub fn keep_fetch(&self, fetch: &Rc<Fetch>) {
        self.fetches.borrow_mut().push(fetch.clone());
    }

    /// Whether a fetch of this request is under way.
    pub fn is_fetching(&self) -> bool {
        self.fetches.borrow().iter().any(|fetch| !fetch.is_over())
    }

    /// The fetch whose subrequest this is.
    pub fn fetch_of(&self, r: Request) -> Option<Rc<Fetch>> {
        self.fetches.borrow().iter().find(|fetch| fetch.is_of(r)).cloned()
    }

    /// Whether a request is a fetch of its main request's, or a subrequest of one.
    pub fn is_of_fetch(r: Request) -> bool {
        r.is_subrequest()
            && Self::find(r.main()).is_some_and(|state| {
                let fetches = state.fetches.borrow();
                r.and_its_parents().any(|one| fetches.iter().any(|fetch| fetch.is_of(one)))
            })
    }

    /// Whether a decision is being made.
    pub fn is_deciding(&self) -> bool {
        self.deciding.get()
    }

    /// Whether the access phase has decided since nginx last chose a location.
    pub fn is_settled(&self) -> bool {
        self.settled.get()
    }

    /// Looks at the last decision.
    pub fn with_last<T>(&self, look: impl FnOnce(&Decision) -> T) -> Option<T> {
        self.last.borrow().as_ref().map(look)
    }

    /// Keeps a decision, which the access phase has not made.
    pub fn keep(&self, decision: Decision) {
        self.last.replace(Some(decision));
    }

    /// Examines a request, or remembers what the same examination found before the access phase.
    pub fn examined(
        &self,
        question: Question,
        examine: impl FnOnce() -> Result<Examined, Denied>,
    ) -> Result<Examined, Denied> {
        if let Some((known, examined)) = self.early.borrow().as_deref()
            && *known == question
        {
            return examined.clone();
        }
        let examined = examine();
        self.early.replace(Some(Box::new((question, examined.clone()))));
        examined
    }

    /// What was found out before the access phase, if it is of exactly this. Where nothing was, no question is made.
    pub fn take_examined(&self, question: impl FnOnce() -> Question) -> Option<Result<Examined, Denied>> {
        let (known, examined) = *self.early.take()?;
        (known == question()).then_some(examined)
    }

    /// Keeps the value of a variable, for which nginx has no memory.
    pub fn hold(&self, value: &[u8]) -> &[u8] {
        let mut end = &self.held;
        while let Some(held) = end.get() {
            end = &held.next;
        }
        &end.get_or_init(|| Box::new(Held { value: value.into(), next: OnceCell::new() })).value
    }

    /// Keeps the decision of the access phase.
    pub fn settle(&self, decision: Decision) {
        self.early.take();
        self.keep(decision);
        self.settled.set(true);
        self.stop_deciding();
    }
}
