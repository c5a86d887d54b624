//! What a request waits for: a key that a fetch may bring, or a fetch of its own.

use std::ptr;
use std::rc::Rc;

use authz::KeySet;
use nginx_sys::ngx_int_t;

use super::{FetchedSet, FetchedSets, Fetching, is_same};
use crate::ffi::{FETCH_TIMEOUT, Fetch, Moment, Request, Wake, Zone};
use crate::state::State;

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
const HELD: u64 = 300;

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
    sets: Box<[Watched]>,
    /// Something has changed, so that it decides again, whatever is under way.
    outdated: bool,
}

/// What a request knows of one set.
struct Watched {
    /// That of the set that it was decided on.
    generation: u64,
    fetch: Watch,
}

/// What a request knows of the fetch of one set.
#[derive(Clone, Copy)]
enum Watch {
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
        let watched = |set: &FetchedSet| Watched { generation: set.generation.get(), fetch: Watch::Nothing };
        Self { since: Moment::now(), sets: sets.sets.iter().map(watched).collect(), outdated: false }
    }

    /// Milliseconds until the next look; `None` when it has waited for as long as it may.
    fn pause(&self) -> Option<u64> {
        pause(self.since, FETCH_TIMEOUT)
    }

    /// Whether it has waited for a fetch of one of the sets.
    fn knows(&self, place: usize) -> bool {
        self.sets.get(place).is_some_and(|watched| !matches!(watched.fetch, Watch::Nothing))
    }
}

/// Milliseconds until the next look of who waits since then, for so many milliseconds at most.
fn pause(since: Moment, limit: u64) -> Option<u64> {
    let waited = Moment::now().elapsed_since(since);
    (waited < limit).then(|| (waited / POLLED_LATE).clamp(POLL, SLOWEST_POLL))
}

impl Watched {
    /// Looks at a set again, of which `used` was decided on, and has it fetched where the request lacks something of it.
    fn look(&mut self, r: Request, set: &FetchedSet, used: &Option<Rc<KeySet>>, lack: Lack, state: &State) -> Look {
        // Before the set is looked at: nobody fetches what another's fetch has brought by then.
        let finished = set.zone.finished();
        if !is_same(&set.current(Moment::now()), used) {
            return Look { outdated: true, pending: false };
        }
        self.generation = set.generation.get();
        let is_wanted = used.is_none() || lack == Lack::Key;
        self.fetch = match self.fetch {
            Watch::Behind(last) if last != finished => Watch::Ended,
            // If it is lost, nobody here will fetch it again.
            Watch::Behind(_) if !is_wanted => Watch::Nothing,
            fetch => fetch,
        };
        let again = match self.fetch {
            _ if !is_wanted => return Look::default(),
            Watch::Nothing => false,
            Watch::Behind(_) => true,
            Watch::Ended => return Look::default(),
        };
        // Whoever fetched what it has waited for may be gone, and have left nothing.
        let floor = if used.is_some() && !again { EARLY_FETCH_FLOOR } else { FIRST_FETCH_FLOOR };
        let pending = match set.fetch(r, state, floor, finished) {
            // Nobody will bring what was lost: whoever needs it waits until it may be fetched again.
            Fetching::Begun(_) | Fetching::UnderWay | Fetching::Lost => {
                self.fetch = Watch::Behind(finished);
                true
            }
            // Somebody has to fetch again, as soon as the floor allows.
            Fetching::Early => again,
            Fetching::Not => false,
        };
        // What has ended since may have brought the key; and what is under way may be the fetch behind it.
        let outdated = set.zone.finished() != finished || set.zone.generation() != self.generation;
        if outdated && !again {
            self.fetch = Watch::Nothing;
        }
        Look { pending, outdated }
    }
}

/// What has come of a look at a set.
#[derive(Default)]
struct Look {
    /// A fetch may bring what the request lacks.
    pending: bool,
    /// The set is another one by now, or may be.
    outdated: bool,
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
    let pause = waiting.pause()?;
    waiting.outdated = false;
    let mut is_pending = false;
    for ((set, watched), used) in sets.sets.iter().zip(&mut waiting.sets).zip(decided_on) {
        let Look { pending, outdated } = watched.look(r, set, used, lack, state);
        is_pending |= pending;
        waiting.outdated |= outdated;
    }
    let pause = if waiting.outdated { POLL } else { pause };
    (is_pending || waiting.outdated).then(|| look_again(r, state, pause))
}

/// Lets a request wait on if nothing has changed since it began to, so that there is nothing new to decide on.
pub fn wait_on(r: Request, sets: &FetchedSets, state: &State) -> Option<ngx_int_t> {
    wait_on_others(r, sets, state).or_else(|| hold(r, state))
}

fn wait_on_others(r: Request, sets: &FetchedSets, state: &State) -> Option<ngx_int_t> {
    let waiting = state.waiting.borrow();
    let waiting = waiting.as_ref().filter(|waiting| !waiting.outdated)?;
    let pause = waiting.pause()?;
    let mut any = false;
    let is_pending = sets.sets.iter().zip(&waiting.sets).all(|(set, watched)| match watched.fetch {
        _ if set.zone.generation() != watched.generation => false,
        Watch::Behind(last) => {
            any = true;
            set.zone.finished() == last && (set.zone.has_begun_within(FIRST_FETCH_FLOOR) || set.zone.is_fetching())
        }
        Watch::Nothing | Watch::Ended => true,
    });
    (is_pending && any).then(|| look_again(r, state, pause))
}

/// Has the access phase run again after so many milliseconds.
fn look_again(r: Request, state: &State, milliseconds: u64) -> ngx_int_t {
    r.wait(state.wake.get_or_init(Wake::default), state.is_fetching(), milliseconds)
}

/// A fetch of a set that was at hand, which this request has begun.
pub struct Refresh {
    zone: *const Zone,
    fetch: Rc<Fetch>,
    /// Milliseconds for which the request waits for it.
    limit: u64,
}

/// Fetches sets again whose time had come when they were last looked at, each once for a request. Other requests go on with
/// the keys at hand; the one that fetches waits for a moment.
///
/// It waits until the end if the last fetch went with the client whose request fetched, since nginx does not notice before
/// that its client leaves: who signs with a withdrawn key could keep it in use otherwise, by fetching and leaving again and
/// again. And if its body is still to come, since a fetch that goes to another upstream later would stop the timer that
/// bounds the reading of it (`ngx_http_upstream_init`).
pub fn refresh(r: Request, sets: &FetchedSets, state: &State) -> Option<ngx_int_t> {
    let (_, now) = sets.looked_at.get()?;
    for (place, set) in sets.sets.iter().enumerate() {
        // Before the set is looked at: nobody fetches what another's fetch has brought by then.
        let finished = set.zone.finished();
        if !set.is_due(now) {
            continue;
        }
        let is_lost = set.zone.is_lost();
        let floor = if is_lost { FIRST_FETCH_FLOOR } else { EARLY_FETCH_FLOOR }.min(set.valid());
        // The second look spares every request another at whose fetch is under way.
        if set.zone.has_begun_within(floor) || has_fetched(state, place, set) {
            continue;
        }
        if let Fetching::Begun(fetch) = set.fetch(r, state, floor, finished) {
            let limit = if is_lost || r.reads_body() { FETCH_TIMEOUT } else { HELD };
            state.refreshes.borrow_mut().push(Refresh { zone: set.zone, fetch, limit });
        }
    }
    hold(r, state)
}

/// Whether a request has fetched a set, or has waited for another's fetch of it.
fn has_fetched(state: &State, place: usize, set: &FetchedSet) -> bool {
    state.waiting.borrow().as_ref().is_some_and(|waiting| waiting.knows(place))
        || state.refreshes.borrow().iter().any(|refresh| ptr::eq(refresh.zone, set.zone))
}

/// Lets a request wait for the fetches that it has begun of sets that were at hand.
fn hold(r: Request, state: &State) -> Option<ngx_int_t> {
    let refreshes = state.refreshes.borrow();
    let under_way = refreshes.iter().filter(|refresh| !refresh.fetch.is_over());
    let pause = under_way.filter_map(|refresh| pause(refresh.fetch.began(), refresh.limit)).min()?;
    Some(look_again(r, state, pause))
}
