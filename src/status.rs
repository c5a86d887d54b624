//! `jwt_user_scope_status`: what is counted, and the page that shows it, in Prometheus' text format.
//!
//! A request is counted once, in the log phase, by the result that the access log shows too. What was done to examine a
//! token is counted when it is done. Without the directive nothing is.

use core::fmt::{self, Display, Write as _};
use core::num::NonZero;
use std::cell::RefCell;
use std::rc::Rc;

use authz::{KeyView, Trace, WORDS};
use nginx_sys::{NGX_LOG_WARN, ngx_int_t};

use crate::alloc;
use crate::conf::LocConf;
use crate::ffi::{self, Conf, CounterZone, Counters, Moment, Request, Series, Zone, now};
use crate::state::State;

/// The numbers of a server: one for each result word, and behind them the remembered tokens.
const CACHE_HITS: usize = WORDS.len();

/// What stands around the labels in a line, at most.
const LINE_AROUND: usize = 96;

/// The numbers of a key.
const VERIFICATIONS: usize = 0;
const LAST_USED: usize = 1;

/// Prometheus' text format, version 0.0.4.
const CONTENT_TYPE: &[u8] = b"text/plain; version=0.0.4; charset=utf-8";

/// What a configuration counts.
pub struct Status {
    zone: &'static CounterZone,
    servers: RefCell<Vec<Rc<Series>>>,
    /// Servers with a check or a guard in force.
    shown: RefCell<Vec<Rc<Series>>>,
    /// Keys, by their notes: those of the configuration, then those of fetched sets as they come.
    keys: RefCell<Vec<Rc<Series>>>,
    sets: RefCell<Vec<FetchedSet>>,
}

/// A key set that is fetched, with its labels and the place of its keys.
struct FetchedSet {
    labels: String,
    place: String,
    zone: &'static Zone,
}

/// A label's value, as the format writes it.
struct Quoted<'t>(&'t str);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_char('"')?;
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('"')
    }
}

/// Labels of a key.
fn key_labels(algorithm: &str, kid: &str, place: &str) -> String {
    format!("algorithm={},kid={},{}", Quoted(algorithm), Quoted(kid), place_label(place))
}

/// The last label of a key: where it comes from.
fn place_label(place: &str) -> String {
    format!("key={}", Quoted(place))
}

/// The place of the keys that are fetched from a location.
pub fn place_of_request(uri: &[u8], args: &[u8]) -> String {
    format!("request:{}", request(uri, args))
}

fn request(uri: &[u8], args: &[u8]) -> String {
    let mark = if args.is_empty() { "" } else { "?" };
    format!("{}{mark}{}", String::from_utf8_lossy(uri), String::from_utf8_lossy(args))
}

impl Status {
    /// What is counted from now on. `None` after an error that nginx has logged.
    pub fn new(cf: Conf) -> Option<Self> {
        let zone = CounterZone::register(cf)?;
        let (servers, shown, keys, sets) = Default::default();
        Some(Self { zone, servers, shown, keys, sets })
    }

    /// The series of a server. Those of one name share it.
    pub fn server(&self, name: &str) -> Rc<Series> {
        let labels = format!("server={}", Quoted(name));
        let mut servers = self.servers.borrow_mut();
        if let Some(known) = servers.iter().rev().find(|server| server.labels == labels) {
            return known.clone();
        }
        let server = Series::new(labels, CACHE_HITS + 1);
        servers.push(server.clone());
        server
    }

    /// Counts a server, which has something to count.
    pub fn show(&self, server: &Rc<Series>) {
        let mut shown = self.shown.borrow_mut();
        if !shown.iter().rev().any(|one| Rc::ptr_eq(one, server)) {
            self.zone.want(server);
            shown.push(server.clone());
        }
    }

    /// Shows a key set of a server.
    pub fn show_set(&self, server: &str, (uri, args): (&[u8], &[u8]), zone: &'static Zone) {
        let labels = format!("server={},uri={}", Quoted(server), Quoted(&request(uri, args)));
        let mut sets = self.sets.borrow_mut();
        if !sets.iter().any(|set| core::ptr::eq(set.zone, zone)) {
            sets.push(FetchedSet { labels, place: place_of_request(uri, args), zone });
        }
    }

    /// Counts keys of the configuration; `places` are those that they come from.
    pub fn count_keys<'k>(&self, keys: impl Iterator<Item = KeyView<'k>>, places: &[String]) {
        for key in keys {
            let place = places.get(key.place()).map_or("", String::as_str);
            let place = key.part().map_or_else(|| place.to_owned(), |part| format!("{place}#{part}"));
            let labels = key_labels(key.algorithm(), key.kid().unwrap_or_default(), &place);
            key.set_note(self.note_of(labels, |series| self.zone.want(series)));
        }
    }

    /// Counts keys of a set that was fetched. Their names are the publisher's, so there are not more than a few hundred.
    pub fn count_fetched_keys<'k>(&self, keys: impl Iterator<Item = KeyView<'k>>, place: &str) {
        let known = self.keys.borrow().len();
        for key in keys {
            let mut labels = key_labels(key.algorithm(), key.kid().unwrap_or_default(), place);
            let series = Series::new(labels.clone(), LAST_USED + 1);
            if !self.zone.add_late(&series) {
                labels = key_labels(key.algorithm(), "other", place);
            }
            key.set_note(self.note_of(labels, |series| {
                self.zone.add(series);
                if series.counters().is_none() {
                    let text = format_args!("jwt_user_scope: \"jwt_user_scope_status\" has no room for a key");
                    ffi::log_to_cycle(NGX_LOG_WARN, text);
                }
            }));
        }
        // They would stay on the reserve, and the caller keeps nothing of these keys either.
        if alloc::is_short() {
            self.keys.borrow_mut().truncate(known);
        }
    }

    /// The note of the series of these labels, which is made known where it is new.
    fn note_of(&self, labels: String, make_known: impl FnOnce(&Rc<Series>)) -> NonZero<u32> {
        let mut keys = self.keys.borrow_mut();
        let index = keys.iter().position(|series| series.labels == labels).unwrap_or_else(|| {
            let series = Series::new(labels, LAST_USED + 1);
            make_known(&series);
            keys.push(series);
            keys.len() - 1
        });
        u32::try_from(index)
            .ok()
            .and_then(|index| NonZero::<u32>::MIN.checked_add(index))
            .unwrap_or(NonZero::<u32>::MAX)
    }

    fn key(&self, note: NonZero<u32>) -> Option<Counters> {
        self.keys.borrow().get(note.get() as usize - 1)?.counters()
    }

    /// The page.
    fn text(&self) -> String {
        let shown = self.shown.borrow();
        let mut page = Page::default();
        let names: usize = shown.iter().map(|server| server.labels.len()).sum();
        // Too much for the reserve, where memory is lacking: to ask for it ends no worker, to need it would.
        if page.0.try_reserve((names + shown.len() * LINE_AROUND) * CACHE_HITS).is_err() {
            return String::new();
        }
        let servers = || shown.iter().filter_map(|series| Some((series.labels.as_str(), series.counters()?)));
        page.family(
            REQUESTS,
            servers().flat_map(|(labels, counters)| {
                let of_word = move |(number, word)| (format!("{labels},result=\"{word}\""), counters.sum(number));
                WORDS.iter().enumerate().map(of_word)
            }),
        );
        page.family(CACHE, servers().map(|(labels, counters)| (labels.to_owned(), counters.sum(CACHE_HITS))));
        let keys = self.shown_keys();
        let of_keys =
            |number: fn(Counters) -> u64| keys.iter().map(move |(labels, one)| (labels.clone(), number(*one)));
        page.family(KEY_VERIFICATIONS, of_keys(|counters| counters.sum(VERIFICATIONS)));
        page.family(KEY_LAST_USED, of_keys(|counters| counters.latest(LAST_USED)));
        let sets = self.shown_sets();
        let fetched = sets.iter().filter(|set| set.is_there);
        page.family(SET_AGE, fetched.map(|set| (set.labels.clone(), set.age)));
        page.family(SET_FETCHES, sets.iter().map(|set| (set.labels.clone(), set.fetches)));
        page.family(SET_FAILURES, sets.iter().map(|set| (set.labels.clone(), set.failures)));
        if page.0.is_empty() {
            page.line(format_args!("# no check is in force"));
        }
        page.0
    }

    /// The keys of the configuration, used or not, and those of fetched sets that any worker has seen.
    fn shown_keys(&self) -> Vec<(String, Counters)> {
        let keys = self.keys.borrow();
        let mut shown: Vec<_> =
            keys.iter().filter_map(|series| Some((series.labels.clone(), series.counters()?))).collect();
        let sets = self.sets.borrow();
        let mut ends: Vec<_> = sets.iter().map(|set| format!(",{}", place_label(&set.place))).collect();
        ends.sort();
        ends.dedup();
        self.zone.for_each(|labels, counters| {
            let labels = String::from_utf8_lossy(labels);
            if ends.iter().any(|end| labels.ends_with(end.as_str())) && !keys.iter().any(|key| key.labels == labels) {
                shown.push((labels.into_owned(), counters));
            }
        });
        shown
    }

    /// The key sets; those of servers of one name are one, as old as the oldest.
    fn shown_sets(&self) -> Vec<ShownSet> {
        let mut shown: Vec<ShownSet> = Vec::new();
        for FetchedSet { labels, zone, .. } in &*self.sets.borrow() {
            let age = zone.age(Moment::now());
            let (is_there, age) = (age.is_some(), age.unwrap_or_default() / 1000);
            let (fetches, failures) = (zone.fetches(), zone.failures());
            match shown.iter_mut().find(|set| set.labels == *labels) {
                Some(set) => {
                    set.is_there |= is_there;
                    set.age = set.age.max(age);
                    set.fetches += fetches;
                    set.failures += failures;
                }
                None => shown.push(ShownSet { labels: labels.clone(), is_there, age, fetches, failures }),
            }
        }
        shown
    }
}

struct ShownSet {
    labels: String,
    is_there: bool,
    age: u64,
    fetches: u64,
    failures: u64,
}

/// Name, type and meaning of a family of metrics.
type Family = (&'static str, &'static str, &'static str);

const REQUESTS: Family =
    ("jwt_user_scope_requests_total", "counter", "Requests by the last decision made, in the word of the access log.");
const CACHE: Family =
    ("jwt_user_scope_cache_hits_total", "counter", "Tokens whose signature was remembered, and not checked again.");
const KEY_VERIFICATIONS: Family =
    ("jwt_user_scope_verifications_total", "counter", "Signatures that were checked and held.");
const KEY_LAST_USED: Family = (
    "jwt_user_scope_key_last_used_timestamp_seconds",
    "gauge",
    "When a token of the key was last found valid, 0 for never.",
);
const SET_AGE: Family = ("jwt_user_scope_key_set_age_seconds", "gauge", "Time since the key set was last fetched.");
const SET_FETCHES: Family =
    ("jwt_user_scope_key_set_fetches_total", "counter", "Fetches of the key set that have ended.");
const SET_FAILURES: Family =
    ("jwt_user_scope_key_set_fetch_failures_total", "counter", "Fetches that have brought no usable key set.");

#[derive(Default)]
struct Page(String);

impl Page {
    /// A family, unless it is empty.
    fn family(&mut self, (name, kind, help): Family, samples: impl Iterator<Item = (String, u64)>) {
        let mut samples = samples.peekable();
        if samples.peek().is_some() {
            self.line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}"));
            samples.for_each(|(labels, value)| self.line(format_args!("{name}{{{labels}}} {value}")));
        }
    }

    fn line(&mut self, line: fmt::Arguments) {
        // Writing to a string does not fail.
        let _ = writeln!(self.0, "{line}");
    }
}

/// Counts what was done to examine a token.
pub fn count_examination(r: Request, trace: Trace, is_valid: bool) {
    let Some((status, server)) = LocConf::counted(r) else { return };
    if !trace.signed {
        return;
    }
    if trace.remembered
        && let Some(server) = server.counters()
    {
        server.count(CACHE_HITS);
    }
    let Some(key) = trace.note.and_then(|note| status.key(note)) else { return };
    if !trace.remembered {
        key.count(VERIFICATIONS);
    }
    if is_valid {
        key.note(LAST_USED, now());
    }
}

/// Counts a request, whose last decision has been made.
pub fn count_request(r: Request) {
    let Some((_, server)) = LocConf::counted(r) else { return };
    if r.is_subrequest() {
        return;
    }
    let word = State::find(r).and_then(|state| state.with_last(authz::Decision::word_index));
    if let (Some(word), Some(server)) = (word, server.counters()) {
        server.count(word);
    }
}

/// The content handler.
pub fn page(r: Request) -> ngx_int_t {
    r.send_text(CONTENT_TYPE, || LocConf::counted(r).map_or_else(String::new, |(status, _)| status.text()))
}
