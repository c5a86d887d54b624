//! What all parts of a run share: the places, the keys, the time line of what was done to nginx; and the judgement.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use fastrand::Rng;

use crate::answer::{self, Answer};
use crate::asked::Asked;
use crate::clock::now;
use crate::key_set::{KeySet, Keys, TICK};
use crate::keyring::{KeyId, Keyring};
use crate::model::{Circumstances, Verdict, decide};
use crate::place::{Place, Set};
use crate::tally::Tally;
use crate::token::Token;

/// Tokens that clients share.
const SHARED: usize = 64;

/// Seconds within which connections are closed by a reload, or lost with a worker.
const AFTERMATH: f64 = 4.0;

pub struct World {
    pub seed: u64,
    pub prefix: PathBuf,
    pub keyring: Arc<Keyring>,
    pub places: Vec<Arc<Place>>,
    /// The sum of the places' weights.
    pub weight: u32,
    pub sets: Vec<Arc<KeySet>>,
    pub tally: Tally,
    /// The last configuration that was put in place.
    pub generation: AtomicU32,
    pub stopping: AtomicBool,
    /// Tokens of the early set's last key may be brought: they do not spoil its next rotation.
    pub early_old_allowed: AtomicBool,
    ids: AtomicU64,
    disturbances: Mutex<Vec<f64>>,
    kills: Mutex<Vec<f64>>,
    shared: Mutex<Vec<Arc<Token>>>,
}

impl World {
    pub fn new(seed: u64, prefix: PathBuf, keyring: Arc<Keyring>, sets: Vec<Arc<KeySet>>) -> World {
        let places = crate::place::all();
        World {
            seed,
            prefix,
            keyring,
            weight: places.iter().map(|place| place.weight).sum(),
            places,
            sets,
            tally: Tally::default(),
            generation: AtomicU32::new(1),
            stopping: AtomicBool::new(false),
            early_old_allowed: AtomicBool::new(false),
            ids: AtomicU64::new(1),
            disturbances: Mutex::default(),
            kills: Mutex::default(),
            shared: Mutex::default(),
        }
    }

    pub fn next_id(&self) -> u64 {
        self.ids.fetch_add(1, Ordering::Relaxed)
    }

    pub fn set(&self, set: Set) -> &KeySet {
        &self.sets[set as usize]
    }

    pub fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }

    /// Notes a reload that is about to happen.
    pub fn disturb(&self) {
        self.disturbances.lock().expect("no panic").push(now());
    }

    /// Notes the death of a worker that is about to happen.
    pub fn kill(&self) {
        self.kills.lock().expect("no panic").push(now());
        self.disturb();
    }

    /// Whether a connection of this age may have been closed without an answer.
    pub fn may_be_cut(&self, opened: f64) -> bool {
        self.disturbances.lock().expect("no panic").last().is_some_and(|at| at + AFTERMATH >= opened)
    }

    /// Whether a connection of this age may have been lost amid an answer.
    pub fn may_be_lost(&self, opened: f64) -> bool {
        self.kills.lock().expect("no panic").last().is_some_and(|at| at + AFTERMATH >= opened)
    }

    /// Keys that were withdrawn a while ago, and may be brought.
    pub fn withdrawn(&self, set: Set) -> impl Iterator<Item = (Arc<str>, KeyId)> {
        let keys = match set {
            Set::Rotating => self.set(set).withdrawn(2),
            Set::Early if self.early_old_allowed.load(Ordering::Relaxed) => self.set(set).withdrawn(1),
            _ => Vec::new(),
        };
        keys.into_iter()
    }

    /// Whether bringing the token to the early set's place spoils nothing.
    pub fn is_for_early(&self, token: &Token) -> bool {
        let Some(kid) = &token.kid else { return true };
        let is_it = |(known, _): &(Arc<str>, KeyId)| known == kid;
        self.set(Set::Early).published().1.iter().any(is_it) || self.withdrawn(Set::Early).any(|key| is_it(&key))
    }

    pub fn shared_token(&self, random: &mut Rng) -> Option<Arc<Token>> {
        random.choice(self.shared.lock().expect("no panic").iter()).cloned()
    }

    pub fn share_token(&self, random: &mut Rng, token: Arc<Token>) {
        let mut shared = self.shared.lock().expect("no panic");
        if shared.len() < SHARED {
            return shared.push(token);
        }
        let at = random.usize(..SHARED);
        shared[at] = token;
    }

    /// Checks an answer to a request that was sent, and answered, at these times. nginx decided in between, by a second
    /// that may be the one before.
    pub fn judge(&self, asked: &Asked, answer: &Answer, sent: f64, received: f64) {
        let name = asked.place.as_ref().map_or("open", |place| place.name);
        match self.verdict(asked, answer, sent, received) {
            Ok((word, is_close)) => {
                self.tally.count(name, word);
                self.follow(asked, word);
                self.tally.close_calls.fetch_add(u64::from(is_close), Ordering::Relaxed);
            }
            Err(problems) => {
                self.tally.count(name, "wrong");
                self.tally.wrong(format!(
                    "{name}: {problems:?}\n  asked between {sent:.3} and {received:.3}: {asked}\n  answered: {} {:?} {:?}",
                    answer.status,
                    answer.headers,
                    String::from_utf8_lossy(&answer.body),
                ));
            }
        }
    }

    /// Counts tokens that were let in and are not any more.
    fn follow(&self, asked: &Asked, word: &str) {
        let (Some(token), Some(place)) = (asked.token(), &asked.place) else { return };
        let counter = match word {
            "ok" => return token.was_good.store(true, Ordering::Relaxed),
            "expired" => &self.tally.ran_out,
            "unknown_key" | "bad_signature" if matches!(place.set, Some(Set::Rotating | Set::Early)) => {
                &self.tally.lost_key
            }
            _ => return,
        };
        counter.fetch_add(u64::from(token.was_good.swap(false, Ordering::Relaxed)), Ordering::Relaxed);
    }

    fn verdict(
        &self,
        asked: &Asked,
        answer: &Answer,
        sent: f64,
        received: f64,
    ) -> Result<(&'static str, bool), Vec<String>> {
        let mut problems: Vec<String> = Vec::new();
        let mut seen: Vec<Verdict> = Vec::new();
        let states = self.states(asked, sent, received);
        let mut second = received.floor();
        while second >= (sent - TICK).floor() {
            for state in &states {
                let verdict = self.decide(asked, answer, second, state.as_ref());
                if seen.contains(&verdict) || self.breaks_promise(asked, &verdict, sent) {
                    continue;
                }
                match answer::matches(asked, answer, &verdict) {
                    Ok(()) => return Ok((verdict.word, !seen.is_empty())),
                    Err(problem) => problems.push(problem),
                }
                seen.push(verdict);
            }
            second -= 1.0;
        }
        Err(problems)
    }

    fn states(&self, asked: &Asked, sent: f64, received: f64) -> Vec<Option<Keys>> {
        match asked.place.as_ref().and_then(|place| place.set) {
            Some(set) => self.set(set).possible(sent, received, &self.kills.lock().expect("no panic")),
            None => vec![None],
        }
    }

    fn decide(&self, asked: &Asked, answer: &Answer, now: f64, fetched: Option<&Keys>) -> Verdict {
        let Some(place) = &asked.place else { return Verdict::none() };
        // nginx refuses a header that is too large before it knows of any location.
        let generation = answer.generation().unwrap_or_default();
        decide(place, asked, Circumstances { now, generation, fetched })
    }

    /// A key that was published while no fetch was near must be found by an early one.
    fn breaks_promise(&self, asked: &Asked, verdict: &Verdict, sent: f64) -> bool {
        let is_early = asked.place.as_ref().is_some_and(|place| place.set == Some(Set::Early));
        let kid = asked.token().and_then(|token| token.kid.as_deref());
        is_early
            && verdict.word == "unknown_key"
            && kid.is_some_and(|kid| self.set(Set::Early).must_be_found(kid, sent))
    }
}
