//! Which key sets the module may have had in force when it decided on a request, from what key servers have answered.
//!
//! Mostly it is one. Where a set came while the request was under way, it is one of a few: the module may have looked
//! before it came, or behind it.

use super::setup::Setup;
use super::timeline::{self, Answer};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Combinations of sets that are tried for one request.
const MOST: usize = 16;

/// Key sets of places that are no key server, by the directory of nginx and the URI that they are fetched with.
static ELSEWHERE: Mutex<BTreeMap<(PathBuf, String), Vec<u8>>> = Mutex::new(BTreeMap::new());

/// All that was published to one nginx.
pub struct Published {
    /// By the names of sockets, in the order of time.
    answers: BTreeMap<String, Vec<Answer>>,
    files: BTreeMap<Vec<u8>, PathBuf>,
    elsewhere: BTreeMap<String, Vec<u8>>,
    sockets: Mutex<BTreeMap<String, Option<String>>>,
}

/// The file of a set, or none: it was never fetched, or has lapsed.
pub type InForce<'p> = Option<&'p Path>;

/// When a request was answered, in seconds.
pub struct Time {
    start: f64,
    end: f64,
    /// How far the times may be wrong.
    slack: f64,
    pub is_exact: bool,
}

/// A key set that a location wants.
pub struct Wanted {
    pub uri: String,
    stale: u64,
    /// Where it is fetched from, if that is a key server.
    pub socket: Option<String>,
}

/// Tells the harness what set a location gives that passes no fetch on to a key server as it comes. Whoever needs the set
/// waits for it, so that it is in force from the beginning.
pub fn gives(directory: &Path, uri: &str, set: &[u8]) {
    ELSEWHERE.lock().expect("no panic").insert((directory.into(), uri.into()), set.into());
}

impl Published {
    /// What was published to an nginx that has ended.
    pub fn to(setup: &Setup) -> Published {
        let directory = setup.path("");
        let name = |socket: PathBuf| socket.file_name().expect("a name").to_string_lossy().into_owned();
        let answers = timeline::take_of(&directory).into_iter().map(|(socket, answers)| (name(socket), answers));
        let answers: BTreeMap<_, Vec<Answer>> = answers.collect();
        let elsewhere: BTreeMap<_, _> = {
            let all = ELSEWHERE.lock().expect("no panic");
            let own = all.iter().filter(|((prefix, _), _)| *prefix == directory);
            own.map(|((_, uri), set)| (uri.clone(), set.clone())).collect()
        };
        let mut files = BTreeMap::new();
        for set in answers.values().flatten().filter_map(|answer| answer.set.as_ref()).chain(elsewhere.values()) {
            let file = directory.join(format!("published-{}", files.len()));
            files.entry(set.clone()).or_insert_with(|| {
                fs::write(&file, set).expect("a file in the prefix");
                file
            });
        }
        Published { answers, files, elsewhere, sockets: Mutex::default() }
    }

    /// The socket that was found once for this key, or is now.
    pub fn socket(&self, key: &str, find: impl FnOnce() -> Option<String>) -> Option<String> {
        let mut sockets = self.sockets.lock().expect("no panic");
        sockets.entry(key.into()).or_insert_with(find).clone()
    }

    /// Sets that may have been in force together, the newest first.
    pub fn in_force(&self, wanted: &[Wanted], time: &Time) -> Vec<Vec<InForce<'_>>> {
        let candidates: Vec<_> = wanted.iter().map(|wanted| self.candidates(wanted, time)).collect();
        let product = candidates.iter().try_fold(1usize, |product, some| product.checked_mul(some.len()));
        if product.is_some_and(|product| product <= MOST) {
            let none = vec![Vec::new()];
            return candidates.iter().fold(none, |all, some| {
                let longer = |one: &Vec<_>| some.iter().map(|last| [&one[..], &[*last]].concat()).collect::<Vec<_>>();
                all.iter().flat_map(longer).collect()
            });
        }
        // Sets of one age.
        let longest = candidates.iter().map(Vec::len).max().unwrap_or_default();
        (0..longest).map(|age| candidates.iter().map(|some| some[age.min(some.len() - 1)]).collect()).collect()
    }

    /// Each set that one directive may have had, the newest first.
    fn candidates(&self, wanted: &Wanted, time: &Time) -> Vec<InForce<'_>> {
        if let Some(set) = self.elsewhere.get(&wanted.uri) {
            return vec![self.file(set)];
        }
        let answers = wanted.socket.as_ref().and_then(|socket| self.answers.get(socket)).into_iter().flatten();
        let own: Vec<_> = answers.filter(|answer| answer.target == wanted.uri).collect();
        let (start, end) = (time.start - time.slack, time.end + time.slack);
        let mut candidates = Vec::new();
        let mut is_known = time.has_awaited(own.first().copied());
        for (answer, set) in own.iter().rev().filter_map(|answer| Some((answer, answer.set.as_ref()?))) {
            let lapses = |since: f64| since.floor() + wanted.stale as f64;
            if answer.from <= end && start.floor() < lapses(answer.until) {
                candidates.push(self.file(set));
            }
            if answer.from <= end && end.floor() >= lapses(answer.from) {
                candidates.push(None);
            }
            if answer.is_read && answer.until < start {
                is_known = true;
                break;
            }
        }
        if !is_known {
            candidates.push(None);
        }
        candidates.dedup();
        candidates
    }

    fn file(&self, set: &[u8]) -> InForce<'_> {
        self.files.get(set).map(PathBuf::as_path)
    }
}

impl Time {
    /// By nginx's clock: it keeps the time at which it began to work.
    pub fn of_clock(start: f64, end: f64) -> Time {
        Time { start, end, slack: 0.02, is_exact: true }
    }

    /// The same on a machine that is busy with something else.
    pub fn of_stall(start: f64, end: f64) -> Time {
        Time { slack: 2.0, is_exact: false, ..Time::of_clock(start, end) }
    }

    /// Whether there was a set before the end, as the first answer of all: whoever lacks one waits for it.
    fn has_awaited(&self, first: Option<&Answer>) -> bool {
        const MILLISECOND: f64 = 0.001;
        let is_good = |answer: &Answer| answer.set.is_some() && answer.is_read;
        self.is_exact && first.is_some_and(|first| is_good(first) && first.from < self.end + MILLISECOND)
    }
}

impl Wanted {
    /// The sets of a location, in the order of its directives, as the program tells them. `socket` finds where the
    /// location of a URI fetches from.
    pub fn by(report: &Value, mut socket: impl FnMut(&str) -> Option<String>) -> Vec<Wanted> {
        let sets = report["key_sets"].as_array().into_iter().flatten();
        let wanted = sets.map(|set| {
            let uri = set["uri"].as_str().expect("a URI").to_owned();
            Wanted { stale: set["stale"].as_u64().expect("a time"), socket: socket(&uri), uri }
        });
        wanted.collect()
    }
}

/// The socket that a location of a configuration passes requests on to; `place` is how the program names the location.
pub fn socket_of(conf: &str, place: &str) -> Option<String> {
    let (location, at) = place.rsplit_once(" in ")?;
    let line: usize = at.rsplit_once(':')?.1.parse().ok()?;
    let rest: String = conf.lines().skip(line - 1).flat_map(|line| [line, "\n"]).collect();
    let block = rest.split_once(&format!("{location} {{"))?.1;
    let end = block.find('}')?;
    let (_, socket) = block[..end].split_once("proxy_pass http://unix:")?;
    Some(socket.split([':', ';']).next()?.to_owned())
}

/// Two sets of one URI, and a third answer of which nginx has not read all.
fn two_sets() -> Published {
    let answer = |from: f64, until: f64, set: &str, is_read| {
        let set = Some(set).filter(|set| !set.is_empty()).map(|set| set.as_bytes().to_vec());
        Answer { target: "/_jwks".into(), from, until, set, is_read }
    };
    let answers = vec![
        answer(100.0, 100.1, "", true),
        answer(200.0, 200.1, "old", true),
        answer(300.0, 300.1, "new", true),
        answer(400.0, 400.1, "lost", false),
    ];
    let file = |set: &str| (set.as_bytes().to_vec(), set.into());
    Published {
        answers: BTreeMap::from([("keys.sock".into(), answers)]),
        files: ["old", "new", "lost"].map(file).into(),
        elsewhere: BTreeMap::new(),
        sockets: Mutex::default(),
    }
}

#[test]
fn the_timeline_tells_the_set_in_force() {
    let published = two_sets();
    let set = |uri: &str, socket: Option<&str>, time: &Time| {
        let wanted = Wanted { uri: uri.into(), stale: 50, socket: socket.map(str::to_owned) };
        let name = |set: &InForce| set.map_or("none", |file| file.to_str().expect("text")).to_owned();
        published.candidates(&wanted, time).iter().map(name).collect::<Vec<_>>().join(" ")
    };
    for (start, end, expected) in [
        (90.0, 90.0, "none"),
        (100.0, 100.2, "none"),
        (150.0, 150.0, "none"),
        (199.9, 200.2, "old none"),
        (200.2, 200.2, "old"),
        (249.0, 249.5, "old"),
        (249.0, 250.0, "old none"),
        (250.5, 251.0, "none"),
        (299.0, 300.05, "new none"),
        (310.0, 310.0, "new"),
        (200.2, 310.0, "new old none"),
        (400.2, 401.0, "lost none"),
    ] {
        assert_eq!(set("/_jwks", Some("keys.sock"), &Time::of_clock(start, end)), expected, "{start} to {end}");
    }
    assert_eq!(set("/_jwks", Some("keys.sock"), &Time::of_clock(200.13, 200.2)), "old");
    assert_eq!(set("/_jwks", Some("keys.sock"), &Time::of_stall(200.13, 200.2)), "old none");
    for (uri, socket) in [("/_jwks?2", Some("keys.sock")), ("/_jwks", Some("other.sock")), ("/_jwks", None)] {
        assert_eq!(set(uri, socket, &Time::of_clock(210.0, 210.0)), "none", "{uri} at {socket:?}");
    }
}
