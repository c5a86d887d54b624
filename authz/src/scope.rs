//! Who the token names, and whether that is the user of the path.

use std::borrow::Cow;

use crate::Denied;
use crate::json::{Object, Span, Value};

/// Where the user's name stands in the claims.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClaimName {
    /// A top-level member, its name taken literally.
    Member(Box<str>),
    /// The reference tokens of a JSON Pointer (RFC 6901): the first, and those behind it.
    Pointer(Box<str>, Box<[Box<str>]>),
}

/// The text is no name of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimNameError {
    /// Empty.
    Empty,
    /// A `~` that is neither `~0` nor `~1` (RFC 6901 section 3).
    Tilde,
    /// Not UTF-8.
    NotUtf8,
}

impl std::fmt::Display for ClaimNameError {
    fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::Tilde => "is no JSON Pointer: \"~\" is written \"~0\", and \"/\" within a name \"~1\" (RFC 6901)",
            Self::NotUtf8 => "is not UTF-8",
        })
    }
}

impl std::error::Error for ClaimNameError {}

impl ClaimName {
    /// Reads a claim name: a JSON Pointer when it begins with `/`, else a member's name.
    ///
    /// # Errors
    /// See [`ClaimNameError`].
    pub fn parse(name: &[u8]) -> Result<Self, ClaimNameError> {
        fault!("claim_name" in name);
        let name = std::str::from_utf8(name).map_err(|_| ClaimNameError::NotUtf8)?;
        if name.is_empty() {
            return Err(ClaimNameError::Empty);
        }
        let Some(pointer) = name.strip_prefix('/') else { return Ok(Self::Member(name.into())) };
        let (first, rest) = match pointer.split_once('/') {
            Some((first, rest)) => (first, rest.split('/').map(unescape).collect::<Result<_, _>>()?),
            None => (pointer, Box::default()),
        };
        Ok(Self::Pointer(unescape(first)?, rest))
    }

    /// The name of the top-level member that it is, or stands in.
    pub(crate) fn first(&self) -> &str {
        match self {
            Self::Member(name) | Self::Pointer(name, _) => name,
        }
    }

    /// Whether it names the same claim as another one. A pointer may name a member.
    pub fn is_same(&self, other: &Self) -> bool {
        self.first() == other.first() && self.rest() == other.rest()
    }

    /// Whether it is a top-level member of this name, which is in lower case: the variables for claims know no other.
    pub fn is_member_in_lower_case(&self, name: &str) -> bool {
        self.rest().is_empty() && self.first().eq_ignore_ascii_case(name)
    }

    /// The names within that member.
    fn rest(&self) -> &[Box<str>] {
        match self {
            Self::Member(_) => &[],
            Self::Pointer(_, rest) => rest,
        }
    }

    /// The claim's value.
    pub fn find<'c>(&self, claims: &'c Object) -> Option<Value<'c>> {
        self.within(claims.get(self.first())?)
    }

    /// The claim's value in that of the first member of its name.
    fn within<'c>(&self, first: Value<'c>) -> Option<Value<'c>> {
        match self {
            Self::Member(_) => Some(first),
            Self::Pointer(_, rest) => rest.iter().try_fold(first, |value, token| value.step(token)),
        }
    }
}

/// RFC 6901 section 4: `~1` first, then `~0`, so that `~01` means `~1`.
fn unescape(token: &str) -> Result<Box<str>, ClaimNameError> {
    let stray = token.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1']));
    if stray { Err(ClaimNameError::Tilde) } else { Ok(token.replace("~1", "/").replace("~0", "~").into()) }
}

/// Whether a header says a user's name as it is, rather than another: spaces around a value are none of it (RFC 9110
/// section 5.5).
pub fn is_whole_in_a_header(user: &str) -> bool {
    !user.starts_with(' ') && !user.ends_with(' ')
}

/// The user claim: one name, or several of which one may match.
#[derive(Debug)]
pub(crate) enum User {
    /// The one user, by where the claims say it as it is.
    Written(Span),
    /// The one user.
    One(Box<str>),
    /// The members of an array; never empty.
    AnyOf(Box<[Box<str>]>),
}

impl User {
    /// Reads the user claim; `first` is where the first member of its name stands.
    ///
    /// # Errors
    /// [`Denied::UserMissing`], or [`Denied::UserInvalid`] for anything that is no name.
    pub fn of(claims: &Object, first: Option<Span>, name: &ClaimName) -> Result<Self, Denied> {
        let first = first.ok_or(Denied::UserMissing)?;
        if matches!(name, ClaimName::Member(_))
            && let Some(written) = claims.written(first)
        {
            return Ok(Self::Written(written));
        }
        let value = name.within(claims.value(first)).ok_or(Denied::UserMissing)?;
        match value.elements() {
            None => user_name(value).map(Self::One),
            Some(elements) if elements.is_empty() => Err(Denied::UserInvalid),
            Some(elements) => elements.into_iter().map(user_name).collect::<Result<_, _>>().map(Self::AnyOf),
        }
    }

    /// Which name equals `expected`, byte for byte. `claims` are those it was read from.
    pub fn matching(&self, claims: &Object, expected: &[u8]) -> Option<usize> {
        let is_expected = |name: &str| name.as_bytes() == expected;
        match self {
            Self::AnyOf(names) => names.iter().position(|name| is_expected(name)),
            one => one.name(claims, None).is_some_and(is_expected).then_some(0),
        }
    }

    /// The user; of an array claim, the member that matched. `claims` are those it was read from.
    pub fn name<'c>(&'c self, claims: &'c Object, matched: Option<usize>) -> Option<&'c str> {
        match self {
            Self::Written(place) => Some(claims.part(*place)),
            Self::One(name) => Some(name),
            Self::AnyOf(names) => names.get(matched?).map(|name| &**name),
        }
    }
}

/// A non-empty string, or an integer as written.
fn user_name(value: Value<'_>) -> Result<Box<str>, Denied> {
    let name: Option<Cow<'_, str>> = value.into_text().filter(|name| !name.is_empty());
    name.map(Into::into).ok_or(Denied::UserInvalid)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::registered::Registered;

    /// The names of the user claim, as they are compared.
    fn user(claims: &str, name: &str) -> Result<Vec<String>, Denied> {
        let name = ClaimName::parse(name.as_bytes()).unwrap();
        let (claims, registered) = Object::read(claims.into(), |claims| Registered::of(claims, &name)).unwrap();
        let user = User::of(&claims, registered.user, &name)?;
        let names = match &user {
            User::AnyOf(names) => names.iter().map(|name| name.to_string()).collect(),
            one => vec![one.name(&claims, None).unwrap().to_owned()],
        };
        for (at, name) in names.iter().enumerate() {
            assert_eq!(user.matching(&claims, name.as_bytes()), Some(at), "{user:?}");
            assert_eq!(user.name(&claims, Some(at)), Some(&**name), "{user:?}");
        }
        assert_eq!(user.matching(&claims, b"nobody"), None, "{user:?}");
        Ok(names)
    }

    fn one(name: &str) -> Result<Vec<String>, Denied> {
        Ok(vec![name.to_owned()])
    }

    #[test]
    fn claims_are_the_same_by_their_members() {
        let name = |text: &str| ClaimName::parse(text.as_bytes()).unwrap();
        for (one, other, same) in [
            ("uid", "uid", true),
            ("uid", "/uid", true),
            ("/app/uid", "/app/uid", true),
            ("/app/uid", "/app", false),
            ("/app/uid", "/app/id", false),
            ("uid", "UID", false),
        ] {
            assert_eq!(name(one).is_same(&name(other)), same, "{one} {other}");
        }
        for (one, lower, is_it) in [("userId", "userid", true), ("/UID", "uid", true), ("/app/uid", "app", false)] {
            assert_eq!(name(one).is_member_in_lower_case(lower), is_it, "{one} {lower}");
        }
    }

    #[test]
    fn knows_what_a_header_says_as_it_is() {
        for (name, is_whole) in [("A", true), ("", true), ("A B", true), (" A", false), ("A ", false), (" ", false)] {
            assert_eq!(is_whole_in_a_header(name), is_whole, "{name:?}");
        }
    }

    #[test]
    fn reads_the_user_claim() {
        let rows = [
            (r#"{"uid":"A"}"#, one("A")),
            (r#"{"uid":" A "}"#, one(" A ")),
            (r#"{"uid":"\u0041"}"#, one("A")),
            (r#"{"uid":42}"#, one("42")),
            (r#"{"uid":-0}"#, one("-0")),
            (r#"{"uid":123456789012345678901234567890}"#, one("123456789012345678901234567890")),
            (r#"{"uid":["A",7]}"#, Ok(vec!["A".into(), "7".into()])),
            (r#"{}"#, Err(Denied::UserMissing)),
            (r#"{"UID":"A"}"#, Err(Denied::UserMissing)),
            (r#"{"uid":""}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":null}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":true}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":1.0}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":1e2}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":1E2}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":{"id":"A"}}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":[]}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":["A",null]}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":["A",""]}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":["A",1.5]}"#, Err(Denied::UserInvalid)),
            (r#"{"uid":[["A"]]}"#, Err(Denied::UserInvalid)),
        ];
        for (claims, expected) in rows {
            assert_eq!(user(claims, "uid"), expected, "{claims}");
        }
    }

    #[test]
    fn finds_claims_by_name_and_by_pointer() {
        let claims =
            r#"{"a.b":"dot","a/b":"slash","a~b":"tilde","o":{"id":"in","":"none","l":["x",{"k":"deep"}]},"":"empty"}"#;
        let rows = [
            ("a.b", one("dot")),
            ("a/b", one("slash")),
            ("/a~1b", one("slash")),
            ("/a~0b", one("tilde")),
            ("/o/id", one("in")),
            ("/o/", one("none")),
            ("/", one("empty")),
            ("/o/l/0", one("x")),
            ("/o/l/1/k", one("deep")),
            ("o.id", Err(Denied::UserMissing)),
            ("/missing", Err(Denied::UserMissing)),
            ("/missing/id", Err(Denied::UserMissing)),
            ("/o/missing", Err(Denied::UserMissing)),
            ("/o/l/2", Err(Denied::UserMissing)),
            ("/o/l/00", Err(Denied::UserMissing)),
            ("/o/id/x", Err(Denied::UserMissing)),
        ];
        for (name, expected) in rows {
            assert_eq!(user(claims, name), expected, "{name}");
        }
        assert_eq!(ClaimName::parse(b"/~01"), Ok(ClaimName::Pointer("~1".into(), [].into())));
    }

    #[test]
    fn refuses_what_is_no_claim_name() {
        let rows: [(&[u8], ClaimNameError); 6] = [
            (b"", ClaimNameError::Empty),
            (b"/a~", ClaimNameError::Tilde),
            (b"/a~2", ClaimNameError::Tilde),
            (b"/~~0", ClaimNameError::Tilde),
            (b"/a/b~/c", ClaimNameError::Tilde),
            (b"\xff", ClaimNameError::NotUtf8),
        ];
        for (name, error) in rows {
            assert_eq!(ClaimName::parse(name), Err(error), "{}", name.escape_ascii());
        }
    }

    #[test]
    fn compares_byte_for_byte() {
        let rows = [
            ("42", "42", true),
            ("42", "042", false),
            ("A", "a", false),
            ("A", "A ", false),
            ("A", "", false),
            ("\u{e9}", "e\u{301}", false),
            ("\u{e9}", "\u{e9}", true),
        ];
        for (name, expected, equal) in rows {
            let claims = Object::default();
            let matching = User::One(name.into()).matching(&claims, expected.as_bytes());
            assert_eq!(matching.is_some(), equal, "{name} {expected}");
        }
    }
}
