//! Key sets that are fetched: when, by whom, and what a request does without them.
//!
//! One worker fetches for all. The text goes to shared memory, and every location parses it when its generation has
//! changed, so that a request looks at a few numbers only.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::{SystemTime, UNIX_EPOCH};

use authz::{Algorithms, KeySet};
use nginx_sys::{NGX_LOG_ERR, ngx_int_t};

use crate::alloc;
use crate::conf::KeyRequest;
use crate::ffi::{self, Fetch, MAX_TEXT, Request, Turn, Wake, Zone, now};
use crate::state::State;
use crate::status::{Status, place_of_request};

/// Seconds between the starts of two fetches that an unknown `kid` asks for, or a set that is due. Junk in tokens must not
/// become a load on the identity provider.
const EARLY_FETCH_FLOOR: u64 = 10;

/// Seconds between the starts of two fetches while there is no set that may be used.
const FIRST_FETCH_FLOOR: u64 = 1;

/// Seconds after which a fetch is given up, by those who wait for it and by those who would start another.
const FETCH_TIMEOUT: u64 = 60;

/// Milliseconds between two looks at a fetch under way.
const POLL: usize = 10;

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
    fn current(&self, now: u64) -> Option<Rc<KeySet>> {
        let generation = self.zone.generation();
        if generation != self.generation.get()
            && let Some((generation, text)) = self.zone.load()
        {
            let set = KeySet::from_jwks(&text, self.allowed, self.request.issuer.as_deref());
            if let (Some(status), Ok(set)) = (self.status, &set) {
                status.count_fetched_keys(set.iter(), &place_of_request(&self.request.uri, &self.request.args));
            }
            // It would stay on the reserve.
            if alloc::is_short() {
                return None;
            }
            self.parsed.replace(set.ok().map(Rc::new));
            self.generation.set(generation);
        }
        let lapsed = now >= self.zone.fetched_at().saturating_add(self.request.stale);
        if lapsed { None } else { self.parsed.borrow().clone() }
    }

    /// Whether a set has been stored that this location has not looked at.
    fn is_outdated(&self) -> bool {
        self.generation.get() != self.zone.generation()
    }

    /// Starts a fetch, unless one has begun within `floor` seconds or is under way.
    fn fetch(&self, r: Request, state: &State, floor: u64) -> bool {
        let last = self.zone.started_at();
        // Looked at behind that start. nginx's cached time may be of long before it, in a worker that was held up.
        let now = clock();
        // A start in the future is one of a clock that has been set back since.
        if now.checked_sub(last).is_some_and(|elapsed| elapsed < floor) {
            return false;
        }
        let Some(turn) = self.zone.take_turn(last, now, now + FETCH_TIMEOUT) else { return false };
        let mut kept = KeptTurn { zone: self.zone, turn, ended: false };
        let uri = String::from_utf8_lossy(&self.request.uri).into_owned();
        let fetch = Fetch::new(MAX_TEXT, move |answer| {
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
        let started = r.start_fetch(&self.request.uri, &self.request.args, &fetch);
        if !started {
            fetch.abandon();
        }
        started
    }
}

/// The time as [`now`] has it, but read anew: nginx's own is that of the last look at its events.
fn clock() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
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
        if self.zone.store(self.turn, text, now()) { Ok(()) } else { Err("it came too late".into()) }
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
    /// As they were at the last request.
    known: RefCell<SetsNow>,
}

impl FetchedSets {
    pub fn new(sets: Vec<FetchedSet>) -> Self {
        let known = sets.iter().map(|_| None).collect();
        Self { sets, known: RefCell::new(known) }
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.sets.is_empty()
    }

    /// The sets as of now.
    pub fn current(&self) -> SetsNow {
        let mut known = self.known.borrow_mut();
        if !self.is_empty() {
            let now = now();
            let current = || self.sets.iter().map(|set| set.current(now));
            if !current().zip(known.iter()).all(|(one, other)| is_same(&one, other)) {
                *known = current().collect();
            }
        }
        known.clone()
    }
}

fn is_same(one: &Option<Rc<KeySet>>, other: &Option<Rc<KeySet>>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => Rc::ptr_eq(one, other),
        (one, other) => one.is_none() && other.is_none(),
    }
}

/// Whether these are the very same sets.
pub fn same_sets(one: &[Option<Rc<KeySet>>], other: &[Option<Rc<KeySet>>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
}

/// Why a request waits for a fetch.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// There is no set that could hold the key.
    Set,
    /// The set may be older than the key.
    Key,
}

/// What a request knows of the fetches that it waits for.
pub struct Waiting {
    /// When it has waited enough.
    until: u64,
    /// Ended fetches of each set, when it began to wait.
    finished: Vec<u64>,
}

/// Makes a request wait for a key, if a fetch is under way or can begin. `None` when there is nothing left to wait for.
pub fn wait_for(
    r: Request,
    sets: &FetchedSets,
    decided_on: &[Option<Rc<KeySet>>],
    state: &State,
    lack: Lack,
) -> Option<ngx_int_t> {
    let now = now();
    let mut waiting = state.waiting.borrow_mut();
    let again = waiting.is_some();
    let waiting = waiting.get_or_insert_with(|| Waiting {
        until: now + FETCH_TIMEOUT,
        finished: sets.sets.iter().map(|set| set.zone.finished()).collect(),
    });
    if now >= waiting.until {
        return None;
    }
    let floor = match lack {
        // Whoever fetched may be gone, and have left nothing.
        Lack::Key if !again => EARLY_FETCH_FLOOR,
        _ => FIRST_FETCH_FLOOR,
    };
    let mut pending = false;
    for ((set, &finished), used) in sets.sets.iter().zip(&waiting.finished).zip(decided_on) {
        if lack == Lack::Set && used.is_some() {
            continue;
        }
        let ended = set.zone.finished() != finished;
        // Somebody has to fetch again, as soon as the floor allows.
        let soon = again && now < set.zone.started_at().saturating_add(floor);
        // Asked twice: another worker may begin in between.
        let fetching = || set.zone.is_fetching(now);
        pending |= !ended && (fetching() || set.fetch(r, state, floor) || soon || fetching());
    }
    // Last: whatever another worker has stored until now is worth another decision.
    pending |= !same_sets(&sets.current(), decided_on);
    pending.then(|| wait_on(r, state))
}

/// Whether nothing has changed since the request began to wait, so that there is nothing new to decide on.
pub fn is_pending(sets: &FetchedSets, state: &State) -> bool {
    if sets.is_empty() {
        return false;
    }
    let now = now();
    state.waiting.borrow().as_ref().is_some_and(|waiting| {
        let same = |(set, finished): (&FetchedSet, &u64)| !set.is_outdated() && set.zone.finished() == *finished;
        now < waiting.until
            && sets.sets.iter().zip(&waiting.finished).all(same)
            && sets.sets.iter().any(|set| set.zone.is_fetching(now))
    })
}

/// Lets a request wait on.
pub fn wait_on(r: Request, state: &State) -> ngx_int_t {
    r.wait(state.wake.get_or_init(Wake::default), state.is_fetching(), POLL)
}

/// Fetches sets again whose time has come. The request goes on with the keys at hand.
pub fn refresh(r: Request, sets: &FetchedSets, state: &State) {
    let now = now();
    for set in &sets.sets {
        let due = set.zone.fetched_at().saturating_add(set.request.valid);
        if set.zone.generation() > 0 && now >= due && !set.zone.is_fetching(now) {
            set.fetch(r, state, EARLY_FETCH_FLOOR.min(set.request.valid));
        }
    }
}
