//! Where the locations of the servers stand, and which of them take requests that another is to check.

use std::rc::Rc;

use authz::{literal_start, swallows};

/// How a location is chosen (nginx: `ngx_http_core_find_location`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Choice {
    /// `location = /uri`
    Exact,
    /// `location /uri`
    Prefix,
    /// `location ^~ /uri`: regexes are not tried.
    FinalPrefix,
    /// `location ~ regex`, `location ~* regex`
    Regex,
}

/// A location of a server `S`.
#[derive(Clone, Debug)]
pub struct Location<S> {
    /// The server.
    pub server: S,
    /// The location that it stands in, by its place in the layout.
    pub parent: Option<usize>,
    /// How it is chosen.
    pub choice: Choice,
    /// The path or the regex.
    pub name: Rc<str>,
    /// Only for requests within nginx.
    pub internal: bool,
    /// It passes requests on, rather than serving files.
    pub passes_on: bool,
    /// The servers that it passes them on to, by a number that other locations with the same ones have.
    pub upstream: Option<usize>,
    /// Nobody compares a user there, and its own directives do not say that this is meant.
    pub open: bool,
    /// A guard judges its requests, or a comparison does.
    pub judged: bool,
}

/// The locations, in the order of the configuration.
#[derive(Debug)]
pub struct Layout<S>(Vec<Location<S>>);

/// Why a regex location does not get requests that match it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shadow {
    /// A prefix location is final.
    FinalPrefix(Rc<str>),
    /// A prefix location is longer than the one around it: its name, and that one's.
    Longer(Rc<str>, Rc<str>),
    /// A regex within a prefix location: its name, and the location's.
    Inner(Rc<str>, Rc<str>),
    /// A regex before it.
    Earlier(Rc<str>),
}

impl<S> Default for Layout<S> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<S: Copy + PartialEq> Layout<S> {
    /// Adds a location; its place is returned.
    pub fn add(&mut self, location: Location<S>) -> usize {
        self.0.push(location);
        self.0.len() - 1
    }

    /// The path or the regex of the location at a place.
    pub fn name(&self, place: usize) -> &str {
        self.0.get(place).map_or("", |location| &location.name)
    }

    /// The locations without a check that take requests from the regex location at a place. Of those that take some, only
    /// who passes them on.
    pub fn shadows(&self, place: usize) -> Vec<Shadow> {
        let Some(checked) = self.0.get(place).filter(|location| location.choice == Choice::Regex) else {
            return Vec::new();
        };
        let start = literal_start(checked.name.as_bytes());
        let siblings = || self.within(checked.server, checked.parent);
        let takes_some = |one: &Location<S>| {
            one.choice == Choice::Regex && one.open && one.passes_on && swallows(one.name.as_bytes(), &start)
        };
        let around = checked.parent.and_then(|parent| self.longer_than(parent, &start));
        let prefix = self.longest(checked.server, checked.parent, &start).and_then(|(prefix, one)| match one.choice {
            Choice::FinalPrefix => one.open.then(|| Shadow::FinalPrefix(one.name.clone())),
            _ => {
                let (_, inner) = self.within(checked.server, Some(prefix)).find(|(_, one)| takes_some(one))?;
                Some(Shadow::Inner(inner.name.clone(), one.name.clone()))
            }
        });
        let earlier = siblings().find(|(other, one)| *other < place && takes_some(one));
        let earlier = earlier.map(|(_, one)| Shadow::Earlier(one.name.clone()));
        around.into_iter().chain(prefix).chain(earlier).collect()
    }

    /// A location that passes requests on to the same servers as the one at a place, and that nobody judges. A path that
    /// nginx resolves to it may be under the other one to them.
    pub fn beside(&self, place: usize) -> Option<Rc<str>> {
        let checked = self.0.get(place)?;
        let is_beside = |one: &&Location<S>| {
            one.server == checked.server && one.upstream == checked.upstream && !one.internal && !one.judged
        };
        // A check may stand in a block of a location that has none itself, and that says so.
        let mut others = self.0.iter().enumerate().filter(|(other, _)| *other != place).map(|(_, one)| one);
        checked.upstream.and_then(|_| others.find(is_beside)).map(|one| one.name.clone())
    }

    /// The location without a check that nginx prefers to this one, or to one around it, since its prefix is longer.
    fn longer_than(&self, place: usize, start: &[u8]) -> Option<Shadow> {
        let this = self.0.get(place)?;
        let (longest, one) = self.longest(this.server, this.parent, start)?;
        if longest != place && this.choice != Choice::Regex {
            return one.open.then(|| Shadow::Longer(one.name.clone(), this.name.clone()));
        }
        self.longer_than(this.parent?, start)
    }

    /// The prefix location at this level that nginx chooses for paths that begin so.
    fn longest(&self, server: S, parent: Option<usize>, start: &[u8]) -> Option<(usize, &Location<S>)> {
        self.within(server, parent)
            .filter(|(_, one)| matches!(one.choice, Choice::Prefix | Choice::FinalPrefix))
            .filter(|(_, one)| start.starts_with(one.name.as_bytes()))
            .max_by_key(|(_, one)| one.name.len())
    }

    /// Whether a server has a location for a path, other than the one for all.
    pub fn has_place_for(&self, server: S, path: &str) -> bool {
        self.0.iter().filter(|one| one.server == server).any(|one| match one.choice {
            Choice::Exact => *one.name == *path,
            Choice::Prefix | Choice::FinalPrefix => one.name.len() > 1 && path.starts_with(&*one.name),
            Choice::Regex => one.internal,
        })
    }

    /// The locations at one level that clients can reach.
    fn within(&self, server: S, parent: Option<usize>) -> impl Iterator<Item = (usize, &Location<S>)> {
        let is_there = move |one: &Location<S>| one.server == server && one.parent == parent && !one.internal;
        self.0.iter().enumerate().filter(move |(_, one)| is_there(one))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const CHECKED: &str = "^/api/users/(?<user_id>[^/]+)(?:/|$)";

    /// Locations of one server: `~ regex`, `^~ /final`, `= /exact` or `/prefix`; `>` before it for one within the last that
    /// has none, `+` for one that passes on, `1` and `2` to whom, `!` for one that has a check, `?` for one of which nobody is
    /// compared, and that says so.
    fn layout(texts: &[&str]) -> Layout<u8> {
        let mut layout = Layout::default();
        let mut outer = None;
        for text in texts {
            let (marks, name) = text.split_at(text.find(['~', '^', '=', '/']).unwrap());
            let (choice, name) = match name.split_once(' ') {
                Some(("~", name)) => (Choice::Regex, name),
                Some(("^~", name)) => (Choice::FinalPrefix, name),
                Some(("=", name)) => (Choice::Exact, name),
                _ => (Choice::Prefix, name),
            };
            let parent = outer.filter(|_| marks.contains('>'));
            let place = layout.add(Location {
                server: 1,
                parent,
                choice,
                name: name.into(),
                internal: marks.contains('i'),
                passes_on: marks.contains('+'),
                upstream: marks.chars().find_map(|mark| mark.to_digit(10)).map(|number| number as usize),
                open: !marks.contains(['!', '?']),
                judged: marks.contains('!'),
            });
            outer = if parent.is_some() { outer } else { Some(place) };
        }
        layout
    }

    #[test]
    fn finds_who_takes_the_requests_of_a_check() {
        let last = format!("!+~ {CHECKED}");
        let inner = format!(">!+~ {CHECKED}");
        let of_final = || Shadow::FinalPrefix("/api/".into());
        let inside = || Shadow::Inner("\\.png$".into(), "/api/".into());
        let before = || Shadow::Earlier("\\.png$".into());
        let longer = || Shadow::Longer("/api/users/".into(), "/api/".into());
        let rows: [(&[&str], &[Shadow]); 25] = [
            (&[&last], &[]),
            (&["+/api/", "+/", &last], &[]),
            (&["+^~ /api/", &last], &[of_final()]),
            (&["^~ /api/", &last], &[of_final()]),
            (&["!+^~ /api/", &last], &[]),
            (&["+^~ /api/", "+/api/users/", &last], &[]),
            (&["+^~ /api/users/public/", &last], &[]),
            (&["+^~ /static/", "+= /api/", &last], &[]),
            (&["+/api/", ">+~ \\.png$", &last], &[inside()]),
            (&["+/api/", ">~ \\.png$", &last], &[]),
            (&["+/api/", ">!+~ \\.png$", &last], &[]),
            (&["+/api/", ">+~ ^/api/health$", &last], &[]),
            (&["+/", ">+~ \\.png$", "+/api/", &last], &[]),
            (&["+~ \\.png$", &last], &[before()]),
            (&["~ \\.png$", &last], &[]),
            (&["+~ ^/api/users/me$", &last], &[]),
            (&["+^~ /api/", "+~ \\.png$", &last], &[of_final(), before()]),
            (&["+^~ /api/", ">+~ \\.png$", &inner], &[before()]),
            (&["i+^~ /api/", &last], &[]),
            (&["+~ ^/api/", &last], &[Shadow::Earlier("^/api/".into())]),
            (&["+~ ^/.+\\.png$", &last], &[Shadow::Earlier("^/.+\\.png$".into())]),
            (&["+~ ^/(en|de)/.*", &last], &[]),
            (&["/api/users/", "/api/", &inner], &[longer()]),
            (&["!/api/users/", "/api/", &inner], &[]),
            (&["/api/users/x", "/api/", &inner], &[]),
        ];
        for (locations, expected) in rows {
            assert_eq!(layout(locations).shadows(locations.len() - 1), expected, "{locations:?}");
        }
        let after = layout(&[&last, "+~ \\.png$"]);
        assert_eq!(after.shadows(0), []);
        let mut other = layout(&["+^~ /api/"]);
        let checked = layout(&[&last]).0.remove(0);
        let place = other.add(Location { server: 2, ..checked });
        assert_eq!(other.shadows(place), [], "of another server");
        assert_eq!(layout(&["+^~ /", "!/api/users"]).shadows(1), [], "no regex");
    }

    #[test]
    fn finds_who_passes_on_to_the_same_servers() {
        let checked = format!("!1~ {CHECKED}");
        let rows: [(&[&str], Option<&str>); 12] = [
            (&[&checked], None),
            (&["?1~ ^/checked/in/a/block"], None),
            (&[&checked, "1/"], Some("/")),
            (&[&checked, "?1= /api/users/health"], Some("/api/users/health")),
            (&[&checked, "/a", "1/b", ">1/b/c"], Some("/b")),
            (&[&checked, "/b", ">1/b/c"], Some("/b/c")),
            (&[&checked, "1~ \\.png$"], Some("\\.png$")),
            (&[&checked, "2/"], None),
            (&[&checked, "/"], None),
            (&[&checked, "!1/"], None),
            (&[&checked, "i1/"], None),
            (&[&format!("!~ {CHECKED}"), "1/", "/x"], None),
        ];
        for (locations, expected) in rows {
            assert_eq!(layout(locations).beside(0).as_deref(), expected, "{locations:?}");
        }
        let mut other = layout(&["1/"]);
        let place = other.add(Location { server: 2, ..layout(&[&checked]).0.remove(0) });
        assert_eq!(other.beside(place), None, "of another server");
    }

    #[test]
    fn finds_the_place_of_a_path() {
        let rows: [(&[&str], bool); 8] = [
            (&["= /_jwks"], true),
            (&["/_jwks"], true),
            (&["/"], false),
            (&["= /_jwks2", "/_jwks/"], false),
            (&["/_"], true),
            (&["i^~ /_"], true),
            (&["i~ ^/_jwks$"], true),
            (&["~ ^/_jwks$"], false),
        ];
        for (locations, expected) in rows {
            assert_eq!(layout(locations).has_place_for(1, "/_jwks"), expected, "{locations:?}");
            assert!(!layout(locations).has_place_for(2, "/_jwks"), "{locations:?}, of another server");
        }
    }
}
