//! Which level answers a request: the server by its name, the location by its path, as nginx chooses them
//! (`ngx_http_core_find_location`).

use std::collections::{BTreeMap, BTreeSet};

use directives::Check;

use crate::Failure;
use crate::conf::{Kind, Level, Matcher, Settings};
use crate::request::Request;
use crate::uri;

/// The settings in force for a request, and what led there.
pub struct Selected {
    pub settings: Settings,
    /// The innermost block, as it is written, and where.
    pub shown: String,
    /// What the regexes on the way captured.
    pub captures: BTreeMap<Vec<u8>, Vec<u8>>,
    pub satisfies_any: bool,
    pub not_followed: BTreeSet<&'static str>,
    /// A `return` of the server or the location answers before any check.
    pub returns: bool,
    /// nginx answers with a redirect to the final slash before it asks anybody.
    pub redirected: bool,
}

/// How a file with several servers is to be read.
#[derive(Default)]
pub struct Address {
    pub host: Option<Vec<u8>>,
    pub listen: Option<Vec<u8>>,
}

/// The levels that a request passes, outermost first.
struct Way<'c> {
    levels: Vec<&'c Level>,
    captures: BTreeMap<Vec<u8>, Vec<u8>>,
    redirected: bool,
}

/// What a search for a location came to.
#[derive(PartialEq, Eq)]
enum Found {
    /// For good.
    Done,
    /// A prefix, unless a regex matches.
    Prefix,
    Nothing,
}

/// Finds the level for a request, and gives the request its `$uri`.
pub fn select(top: &Level, address: &Address, request: &mut Request) -> Result<Selected, Failure> {
    let mut way = Way { levels: vec![top], captures: BTreeMap::new(), redirected: false };
    way.descend_to_server(address)?;
    let merges_slashes = way.levels.iter().rev().find_map(|level| level.merges_slashes).unwrap_or(true);
    request.uri = uri::normalise(&request.raw, merges_slashes).ok_or_else(|| {
        Failure("nginx itself answers this path with 400: it is no path, or leads above the root".into())
    })?;
    way.find_location(&request.uri);
    way.limit_method(&request.method);
    Ok(way.end())
}

/// The one level with a check of its own.
pub fn select_only(top: &Level) -> Result<Selected, Failure> {
    let mut ways = Vec::new();
    checked(&mut vec![top], &mut ways);
    if ways.len() > 1 {
        return Err(Failure("there are several checks in the file: choose one with --path <path>".into()));
    }
    let levels = ways.pop().unwrap_or_else(|| vec![top]);
    Ok(Way { levels, captures: BTreeMap::new(), redirected: false }.end())
}

fn checked<'c>(way: &mut Vec<&'c Level>, ways: &mut Vec<Vec<&'c Level>>) {
    let Some(last) = way.last().copied() else { return };
    if matches!(last.settings.check, Some(Check::On { .. })) {
        ways.push(way.clone());
    }
    for level in &last.levels {
        way.push(level);
        checked(way, ways);
        way.pop();
    }
}

impl<'c> Way<'c> {
    fn last(&self) -> &'c Level {
        self.levels[self.levels.len() - 1]
    }

    fn descend_to_server(&mut self, address: &Address) -> Result<(), Failure> {
        let mut servers: Vec<Vec<&Level>> = Vec::new();
        for level in &self.last().levels {
            match level.kind {
                Kind::Http => servers.extend(servers_of(level).map(|server| vec![level, server])),
                Kind::Server { .. } => servers.push(vec![level]),
                _ => {}
            }
        }
        let http = self.last().levels.iter().find(|level| matches!(level.kind, Kind::Http));
        if servers.is_empty() {
            // A file of locations, of one location's directives, or of an "http" without a server.
            self.levels.extend(http);
            return Ok(());
        }
        let many = servers.len() > 1;
        if many && address.host.is_none() && address.listen.is_none() {
            return Err(Failure(
                "there are several servers: choose one with --host <name> or --listen <address>".into(),
            ));
        }
        let mut fitting = servers.into_iter().filter(|way| way.last().is_some_and(|server| server.listens_on(address)));
        let fitting: Vec<_> = fitting.by_ref().collect();
        let named = best_named(&fitting, address);
        let default = fitting.iter().find(|way| way.last().is_some_and(|server| server.is_default()));
        let chosen = named.or(default).or(fitting.first());
        self.levels.extend(chosen.ok_or_else(|| Failure("no server listens there: see --listen".into()))?);
        Ok(())
    }

    fn find_location(&mut self, uri: &[u8]) -> Found {
        let level = self.last();
        let (mut found, location) = static_location(level, uri);
        let mut noregex = false;
        if let Some(location) = location {
            self.levels.push(location);
            self.redirected = is_redirected(location, uri);
            if found == Found::Prefix && !self.redirected {
                noregex =
                    matches!(location.kind, Kind::Location { matcher: Matcher::Prefix { noregex: true, .. }, .. });
                let inner = self.find_location(uri);
                found = if inner == Found::Nothing { Found::Prefix } else { inner };
            }
        }
        if found == Found::Done || self.redirected || noregex {
            return found;
        }
        let depth = self.levels.iter().position(|one| std::ptr::eq(*one, level)).unwrap_or_default();
        for location in &level.levels {
            if self.try_regex(location, uri) {
                self.levels.drain(depth + 1..self.levels.len() - 1);
                self.find_location(uri);
                return Found::Done;
            }
        }
        found
    }

    /// Takes a location whose regex matches, with what it captures.
    fn try_regex(&mut self, location: &'c Level, uri: &[u8]) -> bool {
        let Kind::Location { matcher: Matcher::Regex(regex), .. } = &location.kind else { return false };
        let Ok(Some(captures)) = regex.captures(uri) else { return false };
        for name in regex.capture_names().iter().flatten() {
            let value = captures.name(name).map(|found| found.as_bytes().to_vec()).unwrap_or_default();
            self.captures.insert(name.to_ascii_lowercase().into_bytes(), value);
        }
        self.levels.push(location);
        true
    }

    fn limit_method(&mut self, method: &[u8]) {
        let limits = |level: &&Level| match &level.kind {
            Kind::LimitExcept(methods) => {
                // Who may GET may HEAD.
                !methods.iter().any(|one| *one == method || (one == b"GET" && method == b"HEAD"))
            }
            _ => false,
        };
        self.levels.extend(self.last().levels.iter().find(limits));
    }

    /// The directives of the rewrite module are not inherited: those of the server run, then those of the location.
    fn returns(&self) -> bool {
        let is_place = |level: &&&Level| !matches!(level.kind, Kind::LimitExcept(_));
        let last = self.levels.iter().rev().find(is_place);
        let server = self.levels.iter().find(|level| matches!(level.kind, Kind::Server { .. }));
        last.into_iter().chain(server).any(|level| level.not_followed.contains("return"))
    }

    fn end(self) -> Selected {
        let mut settings = Settings::default();
        for level in &self.levels {
            let outer = std::mem::replace(&mut settings, level.settings.clone());
            settings.inherit(&outer);
        }
        let inner_first = || self.levels.iter().rev();
        Selected {
            settings,
            shown: shown(&self.levels),
            satisfies_any: inner_first().find_map(|level| level.satisfies_any).unwrap_or(false),
            not_followed: inner_first().flat_map(|level| level.not_followed.iter().copied()).collect(),
            returns: self.returns(),
            redirected: self.redirected,
            captures: self.captures,
        }
    }
}

fn servers_of(http: &Level) -> impl Iterator<Item = &Level> {
    http.levels.iter().filter(|level| matches!(level.kind, Kind::Server { .. }))
}

fn shown(levels: &[&Level]) -> String {
    let Some(last) = levels.last() else { return String::new() };
    let place = &last.position;
    match &last.kind {
        Kind::File => format!("the directives of {place}"),
        Kind::Http => format!("http in {place}"),
        Kind::Server { .. } => format!("server in {place}"),
        Kind::Location { shown, .. } => format!("{shown} in {place}"),
        Kind::LimitExcept(_) => format!("limit_except of {}", shown(&levels[..levels.len() - 1])),
    }
}

/// The exact location, or the longest prefix.
fn static_location<'c>(level: &'c Level, uri: &[u8]) -> (Found, Option<&'c Level>) {
    let (mut best, mut length) = (None, 0);
    for location in &level.levels {
        let Kind::Location { matcher, .. } = &location.kind else { continue };
        match matcher {
            Matcher::Exact(name) if *name == uri => return (Found::Done, Some(location)),
            // nginx looks for a location with the final slash first.
            Matcher::Prefix { name, .. } if is_redirected(location, uri) && name.len() > length => {
                (best, length) = (Some(location), name.len());
            }
            Matcher::Prefix { name, .. } if uri.starts_with(name) && (best.is_none() || name.len() > length) => {
                (best, length) = (Some(location), name.len());
            }
            _ => {}
        }
    }
    (if best.is_some() { Found::Prefix } else { Found::Nothing }, best)
}

fn is_redirected(location: &Level, uri: &[u8]) -> bool {
    let Kind::Location { matcher: Matcher::Prefix { name, .. } | Matcher::Exact(name), .. } = &location.kind else {
        return false;
    };
    location.redirects && name.strip_suffix(b"/") == Some(uri)
}

impl Level {
    fn is_default(&self) -> bool {
        matches!(self.kind, Kind::Server { is_default: true, .. })
    }

    fn listens_on(&self, address: &Address) -> bool {
        let (Kind::Server { listens, .. }, Some(wanted)) = (&self.kind, &address.listen) else { return true };
        listens.iter().any(|listen| listen == wanted || port(listen) == Some(wanted))
    }

    /// How well a name of the server fits: by itself, by a wildcard at its beginning or at its end.
    fn fits(&self, host: &[u8]) -> u8 {
        let Kind::Server { names, .. } = &self.kind else { return 0 };
        let fit = |name: &Vec<u8>| match &name[..] {
            name if name == host => 3,
            [b'*', suffix @ ..] if host.ends_with(suffix) => 2,
            [b'.', domain @ ..] if host == domain => 3,
            suffix @ [b'.', ..] if host.ends_with(suffix) => 2,
            [prefix @ .., b'*'] if host.starts_with(prefix) => 1,
            _ => 0,
        };
        names.iter().map(fit).max().unwrap_or(0)
    }
}

fn port(listen: &[u8]) -> Option<&[u8]> {
    if listen.iter().all(u8::is_ascii_digit) {
        return Some(listen);
    }
    let port = listen.rsplit(|&b| b == b':').next()?;
    port.iter().all(u8::is_ascii_digit).then_some(port)
}

fn best_named<'v, 'c>(servers: &'v [Vec<&'c Level>], address: &Address) -> Option<&'v Vec<&'c Level>> {
    let host = address.host.as_ref()?.to_ascii_lowercase();
    let fit = |way: &&Vec<&Level>| way.last().map_or(0, |server| server.fits(&host));
    // Of equal ones the first.
    servers.iter().rev().filter(|way| fit(way) > 0).max_by_key(fit)
}
