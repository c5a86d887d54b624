//! A template of the paths that belong to users, and whether a path is under it.

use std::fmt;

use memchr::memchr;

use crate::readers::of_latin_1;

/// A template: segments before and behind the user's. They are to be matched whatever their case, and so kept folded.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    before: Vec<String>,
    /// The same as the beginning of a path, up to the user.
    start: String,
    behind: Vec<String>,
    /// What stands before the user and behind, as it was written; several times, where that was in several cases.
    written: Vec<(String, String)>,
}

enum Segment {
    Literal(String),
    User,
}

/// The text is no path template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TemplateError {
    /// No slash at the beginning.
    NoSlash,
    /// An empty segment, a final slash among them.
    EmptySegment,
    /// A segment `.` or `..`.
    DotSegment,
    /// A byte that no decoded, resolved path would hold, or that other template languages give a meaning to.
    Character(char),
    /// No user segment.
    NoUser,
    /// A second user segment.
    SecondUser,
    /// The name of the user segment is empty, or not made of letters, digits and `_`.
    UserName,
    /// Not UTF-8.
    NotUtf8,
}

impl fmt::Display for TemplateError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::NoSlash => "must begin with \"/\"",
            Self::EmptySegment => "has an empty segment: write it without \"//\" and without a final \"/\"",
            Self::DotSegment => "has a segment of dots, which no template can match",
            Self::Character(c) => return write!(f, "must not contain {c:?}"),
            Self::NoUser => "has no user segment, such as in \"/api/users/:user_id\"",
            Self::SecondUser => "has more than one user segment",
            Self::UserName => "has a user segment whose name is not letters, digits and \"_\"",
            Self::NotUtf8 => "is not UTF-8",
        })
    }
}

impl std::error::Error for TemplateError {}

impl Template {
    /// # Errors
    /// See [`TemplateError`].
    pub(crate) fn parse(template: &[u8]) -> Result<Self, TemplateError> {
        let template = std::str::from_utf8(template).map_err(|_| TemplateError::NotUtf8)?;
        let path = template.strip_prefix('/').ok_or(TemplateError::NoSlash)?;
        let segments = path.split('/').map(Segment::parse).collect::<Result<Vec<_>, _>>()?;
        let mut parts = segments.split(|segment| matches!(segment, Segment::User)).map(literals);
        match (parts.next(), parts.next(), parts.next()) {
            (Some(before), Some(behind), None) => {
                let start = before.iter().map(|text| format!("/{text}")).chain(["/".into()]).collect();
                Ok(Self { before, start, behind, written: vec![around_user(template)] })
            }
            (_, None, _) => Err(TemplateError::NoUser),
            _ => Err(TemplateError::SecondUser),
        }
    }

    /// Whether whatever is under the other is under this one, and of the same user.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        other.before == self.before && other.behind.starts_with(&self.behind)
    }

    /// Takes the other one's letters for as good as its own.
    pub(crate) fn is_written_as(&mut self, other: Self) {
        self.written.extend(other.written);
    }

    /// Whether a path under this template has its letters in the case in which they were written.
    pub(crate) fn is_written_in(&self, path: &[u8]) -> bool {
        self.written.iter().any(|(before, behind)| {
            let Some(rest) = path.strip_prefix(before.as_bytes()) else { return false };
            let rest = &rest[memchr(b'/', rest).unwrap_or(rest.len())..];
            rest.strip_prefix(behind.as_bytes()).is_some_and(|rest| matches!(rest.first(), None | Some(b'/')))
        })
    }

    /// The user's segment, in a path under this template.
    pub(crate) fn user_in<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let rest = match path.split_at_checked(self.start.len()) {
            Some((start, rest)) if is_same(start, &self.start) => rest,
            // What is folded to ASCII may be of another length.
            _ if !path.is_ascii() => behind(path, &self.before)?.strip_prefix(b"/")?,
            _ => return None,
        };
        let (user, rest) = rest.split_at(memchr(b'/', rest).unwrap_or(rest.len()));
        (!user.is_empty() && behind(rest, &self.behind).is_some()).then_some(user)
    }
}

/// What stands before the user's segment of a template, and behind.
fn around_user(template: &str) -> (String, String) {
    let (before, rest) = template.split_once("/:").unwrap_or_default();
    let (_, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    (format!("{before}/"), behind.into())
}

/// What stands in a path behind these segments, if it begins with them.
fn behind<'a>(path: &'a [u8], texts: &[String]) -> Option<&'a [u8]> {
    texts.iter().try_fold(path, |path, text| {
        let rest = path.strip_prefix(b"/")?;
        let (segment, rest) = rest.split_at(memchr(b'/', rest).unwrap_or(rest.len()));
        is_folded_to(segment, text).then_some(rest)
    })
}

fn literals(segments: &[Segment]) -> Vec<String> {
    let literal = |segment: &Segment| match segment {
        Segment::Literal(text) => Some(text.clone()),
        Segment::User => None,
    };
    segments.iter().filter_map(literal).collect()
}

impl Segment {
    fn parse(segment: &str) -> Result<Self, TemplateError> {
        let is_reserved = |c: char| c.is_ascii_control() || "?#%;\\*{}<>[]|^$".contains(c);
        if let Some(c) = segment.chars().find(|&c| is_reserved(c)) {
            return Err(TemplateError::Character(c));
        }
        match segment {
            "" => Err(TemplateError::EmptySegment),
            "." | ".." => Err(TemplateError::DotSegment),
            _ => match segment.strip_prefix(':') {
                Some(name) if is_name(name) => Ok(Self::User),
                Some(_) => Err(TemplateError::UserName),
                None => Ok(Self::Literal(fold(segment))),
            },
        }
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Without case, as loosely as any router that ignores it: to some, `\u{131}` is an `i` and `\u{17f}` an `s`.
fn fold(text: &str) -> String {
    let folded = text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    // The dot that is left of the capital `\u{130}`.
    folded.filter(|&c| c != '\u{307}').collect()
}

/// Whether they differ in the case of ASCII letters alone. Most do not even in that.
fn is_same(text: &[u8], folded: &str) -> bool {
    text == folded.as_bytes() || text.eq_ignore_ascii_case(folded.as_bytes())
}

fn is_folded_to(segment: &[u8], folded: &str) -> bool {
    let is_folded = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| fold(text) == folded);
    is_same(segment, folded) || (!segment.is_ascii() && (is_folded(segment) || is_folded(&of_latin_1(segment))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_user() {
        let rows: [(&str, &[u8], &str); 20] = [
            ("/api/users/:id", "/\u{e4}pi/users/B".as_bytes(), ""),
            ("/kiosks/:id", "/\u{212a}iosks".as_bytes(), ""),
            ("/api/users/:id", b"/api/users/B", "B"),
            ("/api/users/:id", b"/api/users/B/x", "B"),
            ("/api/users/:id", b"/aPI/Users/b", "b"),
            ("/api/users/:id", b"/api/users", ""),
            ("/api/users/:id", b"/api/users/", ""),
            ("/api/users/:id", b"/api/users//B", ""),
            ("/api/users/:id", b"/api/user/B", ""),
            ("/api/users/:id", b"/api/usersx/B", ""),
            ("/api/users/:id", b"/x/api/users/B", ""),
            ("/:id", b"/B", "B"),
            ("/:id", b"/", ""),
            ("/:id/files", b"/B/files/x", "B"),
            ("/:id/files", b"/B", ""),
            ("/:id/files", b"//files", ""),
            ("/Stra\u{df}e/:id", b"/STRASSE/B", "B"),
            ("/stra\u{df}e/:id", b"/stra\xdfe/B", "B"),
            ("/stra\u{df}e/:id", b"/stra\xe0e/B", ""),
            ("/kiosks/:id", "/\u{212a}\u{130}o\u{17f}ks/B".as_bytes(), "B"),
        ];
        for (template, path, user) in rows {
            let found = Template::parse(template.as_bytes()).unwrap().user_in(path);
            assert_eq!(found.unwrap_or_default(), user.as_bytes(), "{template} {}", path.escape_ascii());
        }
    }

    #[test]
    fn refuses_what_is_no_template() {
        let rows: [(&[u8], TemplateError); 26] = [
            (b"", TemplateError::NoSlash),
            (b"api/:id", TemplateError::NoSlash),
            (b":id", TemplateError::NoSlash),
            (b"/", TemplateError::EmptySegment),
            (b"/api//:id", TemplateError::EmptySegment),
            (b"/api/:id/", TemplateError::EmptySegment),
            (b"/api/./:id", TemplateError::DotSegment),
            (b"/api/../:id", TemplateError::DotSegment),
            (b"/api?/:id", TemplateError::Character('?')),
            (b"/api#/:id", TemplateError::Character('#')),
            (b"/a%70i/:id", TemplateError::Character('%')),
            (b"/api;x/:id", TemplateError::Character(';')),
            (b"/api\\:id", TemplateError::Character('\\')),
            (b"/api/*/:id", TemplateError::Character('*')),
            (b"/api/{id}", TemplateError::Character('{')),
            (b"/<org>/users/:id", TemplateError::Character('<')),
            (b"/[org]/users/:id", TemplateError::Character('[')),
            (b"/(en|de)/users/:id", TemplateError::Character('|')),
            (b"/$org/users/:id", TemplateError::Character('$')),
            (b"/api\n/:id", TemplateError::Character('\n')),
            (b"/api/users", TemplateError::NoUser),
            (b"/api/a:id", TemplateError::NoUser),
            (b"/:org/users/:id", TemplateError::SecondUser),
            (b"/api/:", TemplateError::UserName),
            (b"/api/:user-id", TemplateError::UserName),
            (b"/api/\xff/:id", TemplateError::NotUtf8),
        ];
        for (template, error) in rows {
            assert_eq!(Template::parse(template).err(), Some(error), "{}", template.escape_ascii());
        }
    }
}
