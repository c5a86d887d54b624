//! A template of the paths that belong to users, and whether a path is under it.

use std::fmt;

use crate::readers::{of_latin_1, segments};

/// A template, segment by segment: one is the user's.
#[derive(Clone, Debug)]
pub(crate) struct Template {
    segments: Vec<Segment>,
}

#[derive(Clone, Debug, PartialEq)]
enum Segment {
    /// To be matched whatever its case, and so kept folded.
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
        match segments.iter().filter(|segment| matches!(segment, Segment::User)).count() {
            0 => Err(TemplateError::NoUser),
            1 => Ok(Self { segments }),
            _ => Err(TemplateError::SecondUser),
        }
    }

    /// Whether whatever is under the other is under this one, and of the same user.
    pub(crate) fn is_above(&self, other: &Self) -> bool {
        other.segments.starts_with(&self.segments)
    }

    /// The user's segment, in a path under this template.
    pub(crate) fn user_in<'a>(&self, path: &'a [u8]) -> Option<&'a [u8]> {
        let mut user = None;
        let mut found = segments(path);
        for expected in &self.segments {
            let segment = found.next()?;
            match expected {
                Segment::Literal(text) if is_folded_to(segment, text) => {}
                Segment::Literal(_) => return None,
                Segment::User => user = Some(segment),
            }
        }
        user.filter(|user| !user.is_empty())
    }
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

fn is_folded_to(segment: &[u8], folded: &str) -> bool {
    let is_folded = |text: &[u8]| std::str::from_utf8(text).is_ok_and(|text| fold(text) == folded);
    segment.eq_ignore_ascii_case(folded.as_bytes())
        || (!segment.is_ascii() && (is_folded(segment) || is_folded(&of_latin_1(segment))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_user() {
        let rows: [(&str, &[u8], &str); 18] = [
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
