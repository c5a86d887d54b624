//! A server of a key set that is well, slow, silent, gone, or talks garbage; and what nginx may know of it.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;

use crate::clock::now;
use crate::keyring::{KeyId, Keyring, hs256};

/// Names and keys that are published together.
pub type Keys = Arc<Vec<(Arc<str>, KeyId)>>;

/// Seconds that nginx may take to read an answer that was sent and to store it.
const SETTLE: f64 = 2.0;

/// Seconds after which a set that is fetched again each second must be the one of a server that is well.
const CATCH_UP: f64 = 6.0;

/// Seconds between two early fetches, and what clocks may differ by.
const QUIET: f64 = 11.5;

/// nginx takes whole seconds, when it wakes up.
pub const TICK: f64 = 1.0;

/// The secret that every set publishes, and that nothing may be verified with.
pub const PUBLISHED_SECRET: KeyId = hs256(900);

#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Mode {
    Well,
    /// Answers after a pause.
    Slow(Duration),
    /// Takes requests and does not answer.
    Silent,
    /// Answers with something else than a set.
    Garbage(u8),
    /// Does not listen.
    Stopped,
}

pub const KINDS_OF_GARBAGE: u8 = 11;

/// What the configuration says of a set.
#[derive(Clone, Copy)]
pub struct Source {
    pub name: &'static str,
    pub stale: f64,
    pub is_renewed: bool,
}

pub struct KeySet {
    pub name: &'static str,
    socket: PathBuf,
    /// Seconds after which nginx may no longer use what it has.
    stale: f64,
    /// nginx asks again each second, not only for names that it does not know.
    is_renewed: bool,
    keyring: Arc<Keyring>,
    mode: watch::Sender<Mode>,
    history: Mutex<History>,
}

#[derive(Default)]
struct History {
    published: Vec<(f64, Keys)>,
    /// Nobody had asked for a while when the last keys were published.
    was_quiet: bool,
    /// When the server became well; none while it is not.
    well_since: Option<f64>,
    requests: Vec<f64>,
    fetches: Vec<Fetch>,
}

struct Fetch {
    asked: f64,
    answered: f64,
    keys: Keys,
    /// nginx may have given up waiting.
    doubtful: bool,
}

impl KeySet {
    pub fn new(source: Source, prefix: &Path, keyring: Arc<Keyring>, keys: Keys) -> Arc<KeySet> {
        let history = History { published: vec![(now(), keys)], well_since: Some(now()), ..History::default() };
        let Source { name, stale, is_renewed } = source;
        let socket = prefix.join(format!("keys-{name}.sock"));
        let mode = watch::Sender::new(Mode::Well);
        Arc::new(KeySet { name, socket, stale, is_renewed, keyring, mode, history: history.into() })
    }

    pub fn publish(&self, keys: Keys) {
        let (mut history, now) = (self.history(), now());
        history.was_quiet = !history.requests.last().is_some_and(|at| now - at < QUIET);
        history.published.push((now, keys));
    }

    /// Whether nobody has asked for so long that an unknown name would be worth a fetch.
    pub fn is_quiet(&self) -> bool {
        !self.history().requests.last().is_some_and(|at| now() - at < QUIET)
    }

    /// Whether a token of this name, brought at this time, must find its key, by an early fetch if need be.
    pub fn must_be_found(&self, kid: &str, sent: f64) -> bool {
        let history = self.history();
        let (at, keys) = history.published.last().expect("never empty");
        history.was_quiet && *at < sent && keys.iter().any(|(known, _)| **known == *kid)
    }

    /// Names and keys that were published last before the present ones, and are not any more.
    pub fn withdrawn(&self, versions: usize) -> Vec<(Arc<str>, KeyId)> {
        let history = self.history();
        let (present, past) = history.published.split_last().expect("never empty");
        let recent = past.iter().rev().take(versions).flat_map(|(_, keys)| keys.iter());
        recent.filter(|key| !present.1.contains(key)).cloned().collect()
    }

    /// The keys that are published, and since when.
    pub fn published(&self) -> (f64, Keys) {
        self.history().published.last().expect("never empty").clone()
    }

    pub fn set_mode(&self, mode: Mode) {
        let mut history = self.history();
        history.well_since = match (mode, history.well_since) {
            (Mode::Well, Some(since)) => Some(since),
            (Mode::Well, None) => Some(now()),
            _ => None,
        };
        drop(history);
        self.mode.send_replace(mode);
    }

    pub fn requests(&self) -> usize {
        self.history().requests.len()
    }

    pub fn sets_served(&self) -> usize {
        self.history().fetches.len()
    }

    /// Every state that a decision between these times may have been based on: keys, or none that may be used. A fetch
    /// counts for sure once it is settled, and no worker was killed that could have lost it.
    pub fn possible(&self, sent: f64, received: f64, kills: &[f64]) -> Vec<Option<Keys>> {
        let history = self.history();
        let lost = |fetch: &Fetch| kills.iter().any(|at| (fetch.asked - 0.5..fetch.answered + SETTLE).contains(at));
        let mut states: Vec<Option<Keys>> = Vec::new();
        let mut add = |state: Option<Keys>| {
            if !states.iter().any(|known| same(known, &state)) {
                states.push(state);
            }
        };
        let mut is_certain = false;
        for fetch in history.fetches.iter().rev().filter(|fetch| fetch.asked <= received) {
            let (may_lapse, may_last) = self.lapse(fetch, sent, received);
            if may_last {
                add(Some(fetch.keys.clone()));
            }
            is_certain = !fetch.doubtful && fetch.answered + SETTLE <= sent && !lost(fetch);
            if may_lapse && is_certain {
                add(None);
            }
            if is_certain {
                break;
            }
        }
        if !is_certain {
            add(None);
        }
        let (published, keys) = history.published.last().expect("never empty");
        let caught_up = history.well_since.is_some_and(|since| sent > since.max(*published) + CATCH_UP);
        if caught_up && self.is_renewed {
            states.retain(|state| state.as_ref().is_some_and(|state| Arc::ptr_eq(state, keys)));
            // A lapsed set is fetched again within that time as well, so nothing is left to chance.
            if states.is_empty() {
                states.push(Some(keys.clone()));
            }
        }
        states
    }

    /// Whether a set may have lapsed in this time, and whether it may have lasted.
    fn lapse(&self, fetch: &Fetch, sent: f64, received: f64) -> (bool, bool) {
        let earliest = fetch.asked.floor() - TICK + self.stale;
        let latest = (fetch.answered + SETTLE).floor() + self.stale;
        (received.floor() >= earliest, (sent - TICK).floor() < latest)
    }

    fn history(&self) -> std::sync::MutexGuard<'_, History> {
        self.history.lock().expect("no panic")
    }

    /// Serves until the program ends.
    pub async fn serve(self: Arc<Self>) {
        let mut mode = self.mode.subscribe();
        loop {
            if *mode.borrow_and_update() == Mode::Stopped {
                let _ = mode.changed().await;
                continue;
            }
            let listener = match UnixListener::bind(&self.socket) {
                Ok(listener) => listener,
                // The run is over, and its directory removed.
                Err(_) if !self.socket.parent().is_some_and(Path::exists) => return,
                Err(error) => panic!("{}: {error}", self.socket.display()),
            };
            loop {
                tokio::select! {
                    accepted = listener.accept() => {
                        if let Ok((stream, _)) = accepted {
                            tokio::spawn(self.clone().answer(stream));
                        }
                    }
                    _ = mode.changed() => {
                        if *mode.borrow_and_update() == Mode::Stopped { break }
                    }
                }
            }
            let _ = std::fs::remove_file(&self.socket);
        }
    }

    async fn answer(self: Arc<Self>, mut stream: UnixStream) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if stream.read_buf(&mut head).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let asked = now();
        self.history().requests.push(asked);
        let mode = *self.mode.borrow();
        let keys = self.published().1;
        match mode {
            Mode::Silent => {
                // Until nginx gives up.
                let _ = stream.read_buf(&mut head).await;
                return;
            }
            Mode::Garbage(kind) => {
                let _ = stream.write_all(&garbage(kind, &self.text(&keys))).await;
                return;
            }
            Mode::Slow(pause) => tokio::time::sleep(pause).await,
            Mode::Well | Mode::Stopped => {}
        }
        // Known before it is sent: nginx may use it before this task runs again.
        let doubtful = mode != Mode::Well;
        let at = {
            let mut history = self.history();
            history.fetches.push(Fetch { asked, answered: f64::MAX, keys: keys.clone(), doubtful });
            history.fetches.len() - 1
        };
        let _ = stream.write_all(&answer("200 OK", "Content-Type: application/json\r\n", &self.text(&keys))).await;
        let _ = stream.shutdown().await;
        self.history().fetches[at].answered = now();
    }

    /// The set, with members in it that nobody can use.
    fn text(&self, keys: &Keys) -> String {
        let mut members: Vec<String> = keys.iter().map(|(kid, key)| self.keyring.jwk(*key, kid)).collect();
        members.push(self.keyring.jwk(PUBLISHED_SECRET, "published"));
        members.push(r#"{"kty":"OKP","crv":"X25519","kid":"x","x":"AAAA"}"#.into());
        members.push(r#"{"kty":"unheard-of","kid":"y"}"#.into());
        format!(r#"{{"keys":[{}]}}"#, members.join(","))
    }
}

fn same(one: &Option<Keys>, other: &Option<Keys>) -> bool {
    match (one, other) {
        (Some(one), Some(other)) => one == other,
        (one, other) => one.is_none() && other.is_none(),
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len()).into()
}

fn garbage(kind: u8, set: &str) -> Vec<u8> {
    match kind {
        0 => answer("200 OK", "", "mallory"),
        1 => answer("200 OK", "Content-Type: text/html\r\n", "<html></html>"),
        2 => answer("200 OK", "", "{}"),
        3 => answer("200 OK", "", r#"{"keys":[]}"#),
        4 => answer("200 OK", "", r#"{"keys":[{"kty":"oct","k":"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUE"}]}"#),
        5 => answer("200 OK", "Content-Encoding: gzip\r\n", set),
        6 => answer("302 Found", "Location: /\r\n", set),
        7 => answer("500 Internal Server Error", "", set),
        8 => answer("200 OK", "", set)[..200].into(),
        9 => answer("200 OK", "", &format!("{set}{}", " ".repeat(256 * 1024))),
        _ => Vec::new(),
    }
}
