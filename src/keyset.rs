//! Key sets that are fetched: when, by whom, and what a request does without them.
//!
//! One worker fetches for all. The text goes to shared memory, and every location parses it when its generation has
//! changed, so that a request looks at a few numbers only.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use authz::{Algorithms, KeySet};
use nginx_sys::{NGX_LOG_ERR, ngx_int_t};

use crate::alloc;
use crate::conf::KeyRequest;
use crate::ffi::{self, Attempt, FETCH_TIMEOUT, Fetch, MAX_TEXT, Moment, Request, Tick, Turn, Wake, Zone};
use crate::state::State;
use crate::status::{Status, place_of_request};

/// Milliseconds between the starts of two fetches that an unknown `kid` asks for, or a set that is due. Junk in tokens
/// must not become a load on the identity provider.
const EARLY_FETCH_FLOOR: u64 = 10_000;

/// Milliseconds between the starts of two fetches while there is no set that may be used.
const FIRST_FETCH_FLOOR: u64 = 1_000;

/// Milliseconds between two looks at a fetch under way, at first. A provider that does not answer must not keep a worker
/// busy with those who wait for it.
const POLL: u64 = 10;

/// The most milliseconds between two such looks.
const SLOWEST_POLL: u64 = 100;

/// In between, the next look comes after the time that a request has waited, divided by this.
const POLLED_LATE: u64 = 16;

/// Milliseconds for which the request that fetches a set again waits for it, though it has keys to be judged by. Nearly
/// every fetch ends within them, and then no timer and no delay of the client's connection is in its way.
const HELD: u64 = 500;

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
            return Fetching::Begun;
        }
        fetch.abandon();
        Fetching::Not
    }
}

/// Whether a set is fetched now.
enum Fetching {
    /// It is, by this request, from now on.
    Begun,
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

/// Whether these are the very same sets.
pub fn same_sets(one: &[Option<Rc<KeySet>>], other: &[Option<Rc<KeySet>>]) -> bool {
    one.len() == other.len() && one.iter().zip(other).all(|(one, other)| is_same(one, other))
}

/// What a request lacks, apart from sets that may not be used.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Lack {
    /// Nothing: only such a set could hold the key.
    Set,
    /// The sets may be older than the key.
    Key,
}

/// What a request knows of the fetches that it waits for.
pub struct Waiting {
    since: Moment,
    /// Milliseconds for which it waits.
    limit: u64,
    sets: Box<[Watched]>,
    /// Something has changed, so that it decides again, whatever is under way.
    outdated: bool,
}

/// What a request knows of one set.
struct Watched {
    /// That of the set that it was decided on.
    generation: u64,
    fetch: Awaited,
}

/// What a request knows of the fetch of one set.
#[derive(Clone, Copy)]
enum Awaited {
    /// None that it waits for.
    Nothing,
    /// The one behind this one, which has ended.
    Behind(u64),
    /// It has ended. The request waits for no other.
    Ended,
}

impl Waiting {
    /// Begins to wait, for nothing yet.
    fn new(sets: &FetchedSets) -> Self {
        let watched = |set: &FetchedSet| Watched { generation: set.generation.get(), fetch: Awaited::Nothing };
        Self { since: Moment::now(), limit: 0, sets: sets.sets.iter().map(watched).collect(), outdated: false }
    }

    /// Milliseconds until the next look; `None` when it has waited for as long as it may.
    fn pause(&self) -> Option<u64> {
        let waited = Moment::now().elapsed_since(self.since);
        (waited < self.limit).then(|| (waited / POLLED_LATE).clamp(POLL, SLOWEST_POLL))
    }
}

/// Makes a request wait for a key, if a fetch is under way or can begin. `None` when there is nothing left to wait for.
pub fn wait_for(
    r: Request,
    sets: &FetchedSets,
    decided_on: &[Option<Rc<KeySet>>],
    state: &State,
    lack: Lack,
) -> Option<ngx_int_t> {
    let mut waiting = state.waiting.borrow_mut();
    let waiting = waiting.get_or_insert_with(|| Waiting::new(sets));
    waiting.limit = FETCH_TIMEOUT;
    let pause = waiting.pause()?;
    waiting.outdated = false;
    let mut pending = false;
    for ((set, watched), used) in sets.sets.iter().zip(&mut waiting.sets).zip(decided_on) {
        // Before the set is looked at: nobody fetches what another's fetch has brought by then.
        let finished = set.zone.finished();
        if !is_same(&set.current(Moment::now()), used) {
            waiting.outdated = true;
            continue;
        }
        watched.generation = set.generation.get();
        let is_wanted = used.is_none() || lack == Lack::Key;
        watched.fetch = match watched.fetch {
            Awaited::Behind(last) if last != finished => Awaited::Ended,
            // If it is lost, nobody here will fetch it again.
            Awaited::Behind(_) if !is_wanted => Awaited::Nothing,
            fetch => fetch,
        };
        let again = match watched.fetch {
            _ if !is_wanted => continue,
            Awaited::Nothing => false,
            Awaited::Behind(_) => true,
            Awaited::Ended => continue,
        };
        // Whoever fetched what it has waited for may be gone, and have left nothing.
        let floor = if used.is_some() && !again { EARLY_FETCH_FLOOR } else { FIRST_FETCH_FLOOR };
        match set.fetch(r, state, floor, finished) {
            // Nobody will bring what was lost: whoever needs it waits until it may be fetched again.
            Fetching::Begun | Fetching::UnderWay | Fetching::Lost => {
                pending = true;
                watched.fetch = Awaited::Behind(finished);
            }
            // Somebody has to fetch again, as soon as the floor allows.
            Fetching::Early => pending |= again,
            Fetching::Not => {}
        }
        // What has ended since may have brought the key; and what is under way may be the fetch behind it.
        if set.zone.finished() != finished || set.zone.generation() != watched.generation {
            waiting.outdated = true;
            if !again {
                watched.fetch = Awaited::Nothing;
            }
        }
    }
    let pause = if waiting.outdated { POLL } else { pause };
    (pending || waiting.outdated).then(|| look_again(r, state, pause))
}

/// Lets a request wait on if nothing has changed since it began to, so that there is nothing new to decide on.
pub fn wait_on(r: Request, sets: &FetchedSets, state: &State) -> Option<ngx_int_t> {
    let waiting = state.waiting.borrow();
    let waiting = waiting.as_ref().filter(|waiting| !waiting.outdated)?;
    let pause = waiting.pause()?;
    let mut any = false;
    let is_pending = sets.sets.iter().zip(&waiting.sets).all(|(set, watched)| match watched.fetch {
        _ if set.zone.generation() != watched.generation => false,
        Awaited::Behind(last) => {
            any = true;
            set.zone.finished() == last && (set.zone.has_begun_within(FIRST_FETCH_FLOOR) || set.zone.is_fetching())
        }
        Awaited::Nothing | Awaited::Ended => true,
    });
    (is_pending && any).then(|| look_again(r, state, pause))
}

/// Has the access phase run again after so many milliseconds.
fn look_again(r: Request, state: &State, milliseconds: u64) -> ngx_int_t {
    r.wait(state.wake.get_or_init(Wake::default), state.is_fetching(), milliseconds)
}

/// Fetches sets again whose time had come when they were last looked at. Other requests go on with the keys at hand; the one
/// that fetches waits for a moment.
///
/// It waits until the end if the last fetch went with the client whose request fetched, since nginx does not notice before
/// that its client leaves: who signs with a withdrawn key could keep it in use otherwise, by fetching and leaving again and
/// again. And if its body is still to come, since a fetch that goes to another upstream later would stop the timer that
/// bounds the reading of it (`ngx_http_upstream_init`).
pub fn refresh(r: Request, sets: &FetchedSets, state: &State) -> Option<ngx_int_t> {
    let (_, now) = sets.looked_at.get()?;
    let mut is_held = false;
    for (place, set) in sets.sets.iter().enumerate() {
        // Before the set is looked at: nobody fetches what another's fetch has brought by then.
        let finished = set.zone.finished();
        if !set.is_due(now) {
            continue;
        }
        let is_lost = set.zone.is_lost();
        let floor = if is_lost { FIRST_FETCH_FLOOR } else { EARLY_FETCH_FLOOR }.min(set.valid());
        // The second look spares every request another at whose fetch is under way.
        if set.zone.has_begun_within(floor) || !matches!(set.fetch(r, state, floor, finished), Fetching::Begun) {
            continue;
        }
        let mut waiting = state.waiting.borrow_mut();
        let waiting = waiting.get_or_insert_with(|| Waiting::new(sets));
        waiting.limit = waiting.limit.max(if is_lost || r.has_body() { FETCH_TIMEOUT } else { HELD });
        waiting.sets[place].fetch = Awaited::Behind(finished);
        is_held = true;
    }
    is_held.then(|| look_again(r, state, POLL))
}
