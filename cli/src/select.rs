//! Which location of a server answers a request, as nginx chooses it by its path (`ngx_http_core_find_location`).

use directives::Check;

use crate::Failure;
use crate::conf::{Kind, Level, Matcher, Settings};
use crate::neighbours::{Content, Neighbours};
use crate::pattern::Captures;

/// The levels that a request has come to, outermost first, and what is in force there.
#[derive(Clone)]
pub struct Place<'c> {
    pub levels: Vec<&'c Level>,
    pub settings: Settings,
}

/// A location that was found for a path.
pub struct Located<'c> {
    pub place: Place<'c>,
    /// What the regexes on the way captured, in their order.
    pub captures: Vec<Captures>,
    /// nginx answers with a redirect to the final slash before it asks anybody.
    pub redirected: bool,
}

/// A search for a location.
struct Way<'c> {
    levels: Vec<&'c Level>,
    captures: Vec<Captures>,
    redirected: bool,
}

/// What a search for a location came to.
#[derive(PartialEq, Eq)]
enum Found {
    /// For good.
    Done,
    /// For good, but that the final slash is missing.
    Redirect,
    /// A prefix, unless a regex matches.
    Prefix,
    Nothing,
}

/// The location of a server for a path and a method.
pub fn location<'c>(server: &Place<'c>, uri: &[u8], method: &[u8]) -> Located<'c> {
    let mut way = Way { levels: server.levels.clone(), captures: Vec::new(), redirected: false };
    way.find_location(uri);
    limit_method(&mut way.levels, method);
    Located { place: Place::of(way.levels), captures: way.captures, redirected: way.redirected }
}

/// The location of a server with this name: `@name`.
pub fn named<'c>(server: &Place<'c>, wanted: &[u8], method: &[u8]) -> Option<Place<'c>> {
    let is_it =
        |level: &&Level| matches!(&level.kind, Kind::Location { matcher: Matcher::Named(name), .. } if name == wanted);
    let mut levels = server.levels.clone();
    levels.push(server.last().levels.iter().find(is_it)?);
    limit_method(&mut levels, method);
    Some(Place::of(levels))
}

/// The one level with a check of its own.
pub fn select_only(top: &Level) -> Result<Place<'_>, Failure> {
    let mut ways = Vec::new();
    checked(&mut vec![top], &mut ways);
    if ways.len() > 1 {
        return Err(Failure("there are several checks in the file: choose one with --path <path>".into()));
    }
    Ok(Place::of(ways.pop().unwrap_or_else(|| vec![top])))
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

impl<'c> Place<'c> {
    pub fn of(levels: Vec<&'c Level>) -> Self {
        let mut settings = Settings::default();
        for level in &levels {
            let outer = std::mem::replace(&mut settings, level.settings.clone());
            settings.inherit(&outer);
        }
        Self { levels, settings }
    }

    /// The block of an `if` of this place.
    pub fn within(&self, block: &'c Level) -> Self {
        Self::of(self.levels.iter().copied().chain([block]).collect())
    }

    pub fn last(&self) -> &'c Level {
        self.levels[self.levels.len() - 1]
    }

    /// What the innermost level says that says something.
    pub fn inherited<T>(&self, said: impl Fn(&'c Neighbours) -> Option<T>) -> Option<T> {
        self.levels.iter().rev().find_map(|level| said(&level.neighbours))
    }

    pub fn satisfies_any(&self) -> bool {
        self.inherited(|own| own.satisfies_any).unwrap_or(false)
    }

    /// Who answers. A block of `if` leaves that to its location, and one of `limit_except` to a backend of it.
    pub fn content(&self) -> Option<Content> {
        let mut levels = self.levels.iter().rev();
        let last = levels.next()?;
        let is_block = |level: &Level| matches!(level.kind, Kind::If(_) | Kind::LimitExcept(_));
        if last.neighbours.content.is_some() || !is_block(last) {
            return last.neighbours.content;
        }
        let location = levels.find(|level| !is_block(level))?;
        location.neighbours.content.filter(|content| *content == Content::Backend || matches!(last.kind, Kind::If(_)))
    }

    /// The location, where this is in one.
    pub fn location(&self) -> Option<&'c Level> {
        self.levels.iter().rev().copied().find(|level| matches!(level.kind, Kind::Location { .. }))
    }

    /// Variables that the regexes of the locations capture.
    pub fn captured(&self) -> Vec<Vec<u8>> {
        let regex = |level: &&'c Level| match &level.kind {
            Kind::Location { matcher: Matcher::Regex(pattern), .. } => Some(pattern.names().collect::<Vec<_>>()),
            _ => None,
        };
        self.levels.iter().filter_map(regex).flatten().collect()
    }

    /// The innermost block, as it is written, and where.
    pub fn shown(&self) -> String {
        shown(&self.levels)
    }
}

impl<'c> Way<'c> {
    fn last(&self) -> &'c Level {
        self.levels[self.levels.len() - 1]
    }

    fn find_location(&mut self, uri: &[u8]) -> Found {
        let level = self.last();
        let (mut found, location) = static_location(level, uri);
        let mut noregex = false;
        if let Some(location) = location {
            self.levels.push(location);
            self.redirected = found == Found::Redirect;
            if found == Found::Prefix {
                noregex =
                    matches!(location.kind, Kind::Location { matcher: Matcher::Prefix { noregex: true, .. }, .. });
                let inner = self.find_location(uri);
                found = if inner == Found::Nothing { Found::Prefix } else { inner };
            }
        }
        if matches!(found, Found::Done | Found::Redirect) || noregex {
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
        let Kind::Location { matcher: Matcher::Regex(pattern), .. } = &location.kind else { return false };
        let Some(captures) = pattern.captures(uri) else { return false };
        self.captures.push(captures);
        self.levels.push(location);
        true
    }
}

fn limit_method(levels: &mut Vec<&Level>, method: &[u8]) {
    let limits = |level: &&Level| match &level.kind {
        Kind::LimitExcept(methods) => {
            // Who may GET may HEAD.
            !methods.iter().any(|one| *one == method || (one == b"GET" && method == b"HEAD"))
        }
        _ => false,
    };
    let block = levels.last().and_then(|level| level.levels.iter().find(limits));
    levels.extend(block);
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
        Kind::If(shown) => format!("{shown} in {place}"),
    }
}

/// The exact location, or the longest prefix, or one that only lacks the final slash of its name
/// (`ngx_http_core_find_static_location`).
fn static_location<'c>(level: &'c Level, uri: &[u8]) -> (Found, Option<&'c Level>) {
    let (mut prefix, mut length) = (None, 0);
    for location in &level.levels {
        let Kind::Location { matcher, .. } = &location.kind else { continue };
        match matcher {
            Matcher::Exact(name) if *name == uri => return (Found::Done, Some(location)),
            Matcher::Prefix { name, .. } if uri.starts_with(name) && (prefix.is_none() || name.len() > length) => {
                (prefix, length) = (Some(location), name.len());
            }
            _ => {}
        }
    }
    let redirecting = if prefix.is_some() && length == uri.len() { None } else { redirecting(level, uri) };
    match redirecting.or(prefix) {
        Some(location) if redirecting.is_some() => (Found::Redirect, Some(location)),
        Some(location) => (Found::Prefix, Some(location)),
        None => (Found::Nothing, None),
    }
}

/// The location of a backend that only lacks the final slash: the exact one, where there are two of the name.
fn redirecting<'c>(level: &'c Level, uri: &[u8]) -> Option<&'c Level> {
    let is_it = |level: &&Level| match &level.kind {
        Kind::Location { matcher: Matcher::Prefix { name, .. } | Matcher::Exact(name), .. } => {
            name.strip_suffix(b"/") == Some(uri)
        }
        _ => false,
    };
    let is_exact = |level: &&Level| matches!(level.kind, Kind::Location { matcher: Matcher::Exact(_), .. });
    let mut named = level.levels.iter().filter(is_it);
    let asks_backend = named.clone().any(|level| level.neighbours.content == Some(Content::Backend));
    let exact = named.clone().find(is_exact);
    exact.or_else(|| named.next()).filter(|_| asks_backend)
}

impl Level {
    /// Whether tokens are looked for in another place than `Authorization`, here or within.
    pub fn takes_other_tokens(&self) -> bool {
        self.settings.token.as_ref().is_some_and(Option::is_some) || self.levels.iter().any(Self::takes_other_tokens)
    }

    /// A server, or a file that is the inside of one.
    pub fn is_server(&self) -> bool {
        match self.kind {
            Kind::Server { .. } => true,
            Kind::File => self.levels.iter().any(|level| matches!(level.kind, Kind::Location { .. })),
            _ => false,
        }
    }
}
