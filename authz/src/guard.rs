//! Which users could some backend read a path as belonging to, whatever nginx makes of it?
//!
//! A comparison covers the paths of its location. The guard finds the requests that miss it and are a user's all the
//! same: `/API/users/B`, `/api;x/users/B`, or `/api/users/B` where the location demands a slash behind it.

use std::borrow::Cow;

use crate::path::{Path, is_ambiguous, is_plain, without_query};
use crate::readers::{Unreadable, Variant, Variants, decode, of_latin_1, segments};
use crate::template::{Template, TemplateError};

/// The paths that belong to users, as templates such as `/api/users/:user_id`.
#[derive(Clone, Debug)]
pub struct Guard {
    templates: Vec<Template>,
}

/// Whose path it could be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readings<'a> {
    /// No backend takes it for any user's.
    NotUnder,
    /// Every backend that takes it for a user's takes it for this user's, under this template.
    User(Cow<'a, [u8]>, Under),
    /// Different users', or of a user whose name is no text, or too contorted to tell.
    Unclear,
}

/// What a guard makes of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Judgement<'a> {
    /// Whose path it could be.
    pub readings: Readings<'a>,
    /// Everybody reads the path alike, so that whatever is said of its location is said of what others make of it, too.
    pub is_alike: bool,
    /// Everybody does, or it is that user's, under that template, to nginx too. So that a comparison is about the user of the
    /// location's own path, and not about one of the same name of whom only others read.
    pub nginx_agrees: bool,
    /// There is nothing in the path that any two could disagree on, and nginx forwards it as it was sent.
    pub is_plain: bool,
}

/// A template of a guard. What one calls a user may be a tenant to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Under(usize);

impl Guard {
    /// A guard without a template, which finds nothing.
    pub const fn new() -> Self {
        Self { templates: Vec::new() }
    }

    /// Adds a template.
    ///
    /// # Errors
    /// See [`TemplateError`].
    pub fn add(&mut self, template: &[u8]) -> Result<(), TemplateError> {
        let template = Template::parse(template)?;
        if let Some(same) = self.templates.iter_mut().find(|one| one.is_above(&template) && template.is_above(one)) {
            same.is_written_as(template);
            return Ok(());
        }
        // One stands for all that is below it, so that no two of those that are left speak of the same user.
        if !self.templates.iter().any(|above| above.is_above(&template)) {
            self.templates.retain(|below| !template.is_above(below));
            self.templates.push(template);
        }
        Ok(())
    }

    /// Whether the request could be some user's without being that of the `covered` one: the value that an enforced
    /// comparison, or a bypass, was about.
    ///
    /// See [`Guard::judge`] for `raw` and `uri`.
    pub fn is_uncovered(&self, raw: &[u8], uri: Option<&[u8]>, covered: Option<&[u8]>) -> bool {
        match self.judge(raw, uri) {
            Readings::NotUnder => false,
            Readings::User(user, _) => covered != Some(&*user),
            Readings::Unclear => true,
        }
    }

    /// Judges a request: its target as sent, and where nginx has rewritten that, what it will forward.
    pub fn judge_request<'a>(&self, path: Path<'a>) -> Judgement<'a> {
        fault!("guard" in path.raw);
        let raw = without_query(path.raw);
        if !path.rewritten && raw == path.uri && is_plain(raw) {
            return Judgement { readings: self.read_one(raw), is_alike: true, nginx_agrees: true, is_plain: true };
        }
        let readings = self.judge(raw, path.rewritten.then_some(path.uri));
        let is_alike = is_read_alike(raw) && (!path.rewritten || goes_alike(path.uri));
        let is_own = readings != Readings::Unclear && self.read_one(path.uri) == readings;
        Judgement { readings, is_alike, nginx_agrees: is_alike || is_own, is_plain: false }
    }

    /// Whether a request needs cover: it may be some user's, and where its location is exempt, not everybody takes it for the
    /// location's own.
    pub fn asks_for_cover(&self, judgement: &Judgement, path: Path, is_exempt: bool) -> bool {
        judgement.readings != Readings::NotUnder && !(is_exempt && self.exempts(judgement, path))
    }

    /// Some ignore the case of letters, and to them it may be a user's path that nginx has found elsewhere.
    fn exempts(&self, judgement: &Judgement, path: Path) -> bool {
        let is_written = |path: &[u8]| {
            let text = decode(path, |_| true);
            let text = text.as_deref().unwrap_or(path);
            self.templates.iter().all(|one| one.user_in(text).is_none() || one.is_written_in(text))
        };
        judgement.is_alike && is_written(without_query(path.raw)) && (!path.rewritten || is_written(path.uri))
    }

    /// Whether what stands at a place of a path is something else than the user of this path: an organisation's id may be the
    /// same number.
    pub fn is_elsewhere(&self, path: &[u8], place: usize) -> bool {
        let begin = |user: &[u8]| user.as_ptr().addr() - path.as_ptr().addr();
        // A part of the segment will do: what is compared may have the rest of it, and is the same text in the end.
        let mut places = self.users_in(path).map(|(user, _)| begin(user)..begin(user) + user.len()).peekable();
        places.peek().is_some() && !places.any(|users| users.contains(&place))
    }

    /// Whose path it could be: of `raw`, the request target as sent, and of `uri`, when nginx will forward that.
    pub fn judge<'a>(&self, raw: &'a [u8], uri: Option<&'a [u8]>) -> Readings<'a> {
        let path = without_query(raw);
        let readings = if is_plain(path) { self.read_one(path) } else { self.read_sent(path) };
        // nginx has decoded it, and encodes it again to forward it.
        match (readings, uri.map(|uri| self.read(uri, 1))) {
            (readings, None) => readings,
            // What everybody reads alike has become another way to the same user.
            (Readings::User(user, _), Some(Readings::User(other, under))) if user == other && is_read_alike(path) => {
                Readings::User(other, under)
            }
            (readings, Some(of_uri)) => readings.and(of_uri),
        }
    }

    /// Of a path as it was sent, and is not plain: in it, some take for Latin-1 what is not encoded.
    fn read_sent(&self, path: &[u8]) -> Readings<'static> {
        let readings = self.read_unplain(path, 0);
        if path.is_ascii() { readings } else { readings.and(self.read_unplain(&of_latin_1(path), 0)) }
    }

    fn read<'a>(&self, path: &'a [u8], decoded: usize) -> Readings<'a> {
        if is_plain(path) { self.read_one(path) } else { self.read_unplain(path, decoded) }
    }

    fn read_unplain(&self, path: &[u8], decoded: usize) -> Readings<'static> {
        match once_decoded(path).filter(|text| decoded == 0 || text == path) {
            Some(text) => self.read_one(&text).into_owned(),
            None => self.read_odd(path, decoded),
        }
    }

    /// Of a path that everybody reads alike.
    fn read_one<'a>(&self, path: &'a [u8]) -> Readings<'a> {
        self.users_in(path)
            .map(|(user, under)| Readings::User(user.into(), under))
            .fold(Readings::NotUnder, Readings::and)
    }

    fn users_in<'a>(&self, path: &'a [u8]) -> impl Iterator<Item = (&'a [u8], Under)> {
        let user = move |(at, template): (usize, &Template)| Some((template.user_in(path)?, Under(at)));
        self.templates.iter().enumerate().filter_map(user)
    }

    fn read_odd(&self, path: &[u8], decoded: usize) -> Readings<'static> {
        let mut readings = Readings::NotUnder;
        // The target "*", or nothing before the query string: the root, to whoever reads it as a path.
        let rooted = if path.starts_with(b"/") { Cow::Borrowed(path) } else { [b"/", path].concat().into() };
        let visited = Variants::of(&rooted, decoded, |variant| {
            for (user, under) in self.users_in(variant.path) {
                let found = of_segment(user, under, variant);
                readings = std::mem::replace(&mut readings, Readings::NotUnder).and(found);
            }
            if readings == Readings::Unclear { Err(Unreadable) } else { Ok(()) }
        });
        visited.map_or(Readings::Unclear, |()| readings)
    }
}

impl Default for Guard {
    fn default() -> Self {
        Self::new()
    }
}

impl Readings<'_> {
    fn into_owned(self) -> Readings<'static> {
        match self {
            Self::NotUnder => Readings::NotUnder,
            Self::User(user, under) => Readings::User(user.into_owned().into(), under),
            Self::Unclear => Readings::Unclear,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotUnder, readings) | (readings, Self::NotUnder) => readings,
            (one @ Self::User(..), other) if one == other => one,
            _ => Self::Unclear,
        }
    }
}

/// Which users a segment may name: it is decoded once, or, if that has been done to the whole path, once more or not.
fn of_segment(segment: &[u8], under: Under, variant: Variant) -> Readings<'static> {
    let of_text = |user: Vec<u8>| match std::str::from_utf8(&user) {
        Ok(_) => Readings::User(user.into(), under),
        Err(_) => Readings::Unclear,
    };
    match decode(segment, |_| true) {
        None => of_text(segment.to_vec()),
        Some(user) if variant.decoded == 0 => of_text(user),
        Some(_) => Readings::Unclear,
    }
}

/// Whether everybody makes the same of a path that was sent.
fn is_read_alike(path: &[u8]) -> bool {
    is_plain(path) || once_decoded(path).is_some()
}

/// The same of a path that nginx has decoded, and will encode.
fn goes_alike(path: &[u8]) -> bool {
    is_plain(path) || once_decoded(path).is_some_and(|text| text == path)
}

/// What everybody makes of a path in which escapes, and text in any script, are all that is unusual: no step that a
/// backend may take changes it, before it is decoded or after.
fn once_decoded(path: &[u8]) -> Option<Vec<u8>> {
    std::str::from_utf8(path).ok()?;
    let text = decode(path, |_| true).unwrap_or_else(|| path.to_vec());
    std::str::from_utf8(&text).ok()?;
    let slashes = |path: &[u8]| path.iter().filter(|&&b| b == b'/').count();
    let is_firm = |segment: &[u8]| segment.trim_ascii().len() == segment.len() && !segment.ends_with(b".");
    let is_read_alike = text.starts_with(b"/")
        && slashes(path) == slashes(&text)
        && !text.windows(2).any(|pair| pair == b"//")
        && !text.iter().any(|&b| is_ambiguous(b))
        && segments(&text).all(is_firm);
    is_read_alike.then_some(text)
}

#[cfg(test)]
mod tests;
