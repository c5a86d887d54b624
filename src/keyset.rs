//! Key sets that are fetched: when, by whom, and what a request does without them.
//!
//! One worker fetches for all. The text goes to shared memory, and every location parses it when its generation has
//! changed, so that a request looks at a few numbers only.

mod waiting;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use authz::{Algorithms, KeySet};
use nginx_sys::{NGX_LOG_ERR, ngx_int_t};

pub use self::waiting::{Lack, Refresh, Waiting, refresh, wait_for, wait_on};
use crate::conf::KeyRequest;
use crate::ffi::{self, Attempt, Fetch, MAX_TEXT, Moment, Request, Tick, Turn, Zone};
use crate::handler::DECLINED;
use crate::state::State;
use crate::status::{Status, place_of_request};
use crate::{INTERNAL_ERROR, alloc};

/// A key set of a location.
pub struct FetchedSet {
    request: Rc<KeyRequest>,
    zone: &'static Zone,
    allowed: Option<Algorithms>,
    status: Option<&'static Status>,
    parsed: RefCell<Option<Rc<KeySet>>>,
    generation: Cell<u64>,
}

impl FetchedSet {
    pub fn new(
        request: Rc<KeyRequest>,
        zone: &'static Zone,
        allowed: Option<Algorithms>,
        status: Option<&'static Status>,
    ) -> Self {
        Self { request, zone, allowed, status, parsed: RefCell::default(), generation: Cell::new(0) }
    }

    /// The set as of now; `None` when it was never fetched, or too long ago.
    fn current(&self, now: Moment) -> Option<Rc<KeySet>> {
        // Before the generation: the time of a newer set would not be that of the one at hand.
        let mut age = self.zone.age(now);
        let generation = self.zone.generation();
        if generation != self.generation.get() {
            let Some(stored) = self.zone.load(now) else {
                // The memory is gone.
                self.generation.set(generation);
                return None;
            };
            let set = KeySet::from_jwks(&stored.text, self.allowed, self.request.issuer.as_deref());
            if let (Some(status), Ok(set)) = (self.status, &set) {
                status.count_fetched_keys(set.iter(), &place_of_request(&self.request.uri, &self.request.args));
            }
            // It would stay on the reserve.
            if alloc::is_short() {
                return None;
            }
            self.parsed.replace(set.ok().map(Rc::new));
            self.generation.set(stored.generation);
            age = Some(stored.age);
        }
        // Without an age there is nothing that says it may be used.
        let may_be_used = age.is_some_and(|age| age < self.request.stale.saturating_mul(1000));
        if may_be_used { self.parsed.borrow().clone() } else { None }
    }

    /// Whether there is a set that was to be fetched again by then.
    fn is_due(&self, now: Moment) -> bool {
        self.zone.age(now).is_some_and(|age| age >= self.valid())
    }

    /// Milliseconds for which a set counts as fresh.
    fn valid(&self) -> u64 {
        self.request.valid.saturating_mul(1000)
    }

    /// Starts a fetch, unless one has begun within `floor` milliseconds or has ended since `finished` was read.
    fn fetch(&self, r: Request, state: &State, floor: u64, finished: u64) -> Fetching {
        let turn = match self.zone.attempt(floor, finished) {
            Attempt::Begins(turn) => turn,
            Attempt::UnderWay => return Fetching::UnderWay,
            Attempt::Early => return Fetching::Early,
            Attempt::Lost => return Fetching::Lost,
            Attempt::Over => return Fetching::Not,
        };
        let mut kept = KeptTurn { zone: self.zone, turn, ended: false };
        let uri = String::from_utf8_lossy(&self.request.uri).into_owned();
        let fetch = Fetch::new(&self.request.uri, &self.request.args, MAX_TEXT, move |answer| {
            kept.ended = true;
            let stored = answer.and_then(|text| kept.store(&text));
            kept.zone.count_fetch(stored.is_ok());
            if let Err(problem) = stored {
                ffi::log_to_cycle(
                    NGX_LOG_ERR,
                    format_args!("jwt_user_scope: key set \"{uri}\" was not fetched: {problem}"),
                );
            }
        });
        // Kept first: nginx may end the subrequest at once.
        state.keep_fetch(&fetch);
        let started = r.start_fetch(&fetch);
        if started {
            return Fetching::Begun(fetch);
        }
        fetch.abandon();
        Fetching::Not
    }
}

/// Whether a set is fetched now.
enum Fetching {
    /// It is, by this request, from now on.
    Begun(Rc<Fetch>),
    /// It is, by this request or another's.
    UnderWay,
    /// It is not, and it is too early for another fetch.
    Early,
    /// It is not, since whoever fetched it is gone, and it is too early for another fetch.
    Lost,
    /// It is not.
    Not,
}

/// A turn that is given back when its fetch ends, or is dropped with the request that fetched.
struct KeptTurn {
    zone: &'static Zone,
    turn: Turn,
    ended: bool,
}

impl KeptTurn {
    /// Stores an answer, once it has proved to be a key set.
    fn store(&self, text: &[u8]) -> Result<(), String> {
        let set = KeySet::from_jwks(text, None, None).map_err(|error| format!("its answer {error}"))?;
        // No good reason to forget the keys at hand: it may be a provider that has lost its own.
        if set.is_empty() {
            return Err("its answer holds no key that can be used".into());
        }
        if self.zone.store(self.turn, text) { Ok(()) } else { Err("it came too late".into()) }
    }
}

impl Drop for KeptTurn {
    fn drop(&mut self) {
        self.zone.give_back(self.turn, self.ended);
    }
}

/// The state of several sets at one moment; `None` for one that may not be used.
pub type SetsNow = Rc<[Option<Rc<KeySet>>]>;

/// The key sets of a location, in the order in which it has them.
#[derive(Default)]
pub struct FetchedSets {
    sets: Vec<FetchedSet>,
    /// As they were at the last look.
    known: RefCell<SetsNow>,
    looked_at: Cell<Option<(Tick, Moment)>>,
}

impl FetchedSets {
    pub fn new(sets: Vec<FetchedSet>) -> Self {
        let known = sets.iter().map(|_| None).collect();
        Self { sets, known: RefCell::new(known), looked_at: Cell::default() }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The sets as of now.
    pub fn current(&self) -> SetsNow {
        let mut known = self.known.borrow_mut();
        if !self.is_empty() {
            let now = self.moment();
            let current = || self.sets.iter().map(|set| set.current(now));
            if !current().zip(known.iter()).all(|(one, other)| is_same(&one, other)) {
                *known = current().collect();
            }
        }
        known.clone()
    }

    /// The moment of a look at the sets. The clocks are read once for as long as nginx's time stays the same: a token's `exp`
    /// is compared with a time as old.
    fn moment(&self) -> Moment {
        let tick = Tick::now();
        if let Some((same, moment)) = self.looked_at.get()
            && same == tick
        {
            return moment;
        }
        let moment = Moment::now();
        self.looked_at.set(Some((tick, moment)));
        moment
    }
}

fn is_same(one: &Option<Rc<KeySet>>, other: &Option<Rc<KeySet>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Rc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Before a subrequest goes on in its location: a fetch works without threads.
pub fn before_subrequest(r: Request) -> ngx_int_t {
    match !State::is_of_fetch(r) || r.turn_aio_off().is_some() {
        true => DECLINED,
        false => INTERNAL_ERROR,
    }
}

/// Whether these are the very same sets.
pub fn same_sets(one: &[Option<Rc<KeySet>>], other: &[Option<Rc<KeySet>>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
}
