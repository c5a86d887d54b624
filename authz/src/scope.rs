//! Who the token names, and whether that is the user of the path.

use std::borrow::Cow;

use crate::Denied;
use crate::json::{Object, Value};

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

    /// The claim's value.
    pub fn find<'c>(&self, claims: &'c Object) -> Option<Value<'c>> {
        match self {
            Self::Member(name) => claims.get(name),
            Self::Pointer(first, rest) => rest.iter().try_fold(claims.get(first)?, |value, token| value.step(token)),
        }
    }
}

/// RFC 6901 section 4: `~1` first, then `~0`, so that `~01` means `~1`.
fn unescape(token: &str) -> Result<Box<str>, ClaimNameError> {
    let stray = token.split('~').skip(1).any(|rest| !rest.starts_with(['0', '1']));
    if stray { Err(ClaimNameError::Tilde) } else { Ok(token.replace("~1", "/").replace("~0", "~").into()) }
}

/// The user claim: one name, or several of which one may match.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum User {
    /// The one user.
    One(Box<str>),
    /// The members of an array; never empty.
    AnyOf(Box<[Box<str>]>),
}

impl User {
    /// Reads the user claim.
    ///
    /// # Errors
    /// [`Denied::UserMissing`], or [`Denied::UserInvalid`] for anything that is no name.
    pub fn of(claims: &Object, name: &ClaimName) -> Result<Self, Denied> {
        let value = name.find(claims).ok_or(Denied::UserMissing)?;
        match value.elements() {
            None => user_name(value).map(Self::One),
            Some(elements) if elements.is_empty() => Err(Denied::UserInvalid),
            Some(elements) => elements.into_iter().map(user_name).collect::<Result<_, _>>().map(Self::AnyOf),
        }
    }

    /// Which name equals `expected`, byte for byte.
    pub fn matching(&self, expected: &[u8]) -> Option<usize> {
        let names = match self {
            Self::One(name) => std::slice::from_ref(name),
            Self::AnyOf(names) => names,
        };
        names.iter().position(|name| name.as_bytes() == expected)
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

    fn user(claims: &str, name: &str) -> Result<User, Denied> {
        User::of(&Object::parse(claims.into()).unwrap(), &ClaimName::parse(name.as_bytes()).unwrap())
    }

    fn one(name: &str) -> Result<User, Denied> {
        Ok(User::One(name.into()))
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
            (r#"{"uid":["A",7]}"#, Ok(User::AnyOf(["A".into(), "7".into()].into()))),
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
            assert_eq!(User::One(name.into()).matching(expected.as_bytes()).is_some(), equal, "{name} {expected}");
        }
        let several = User::AnyOf(["A".into(), "B".into()].into());
        assert_eq!(several.matching(b"B"), Some(1));
        assert_eq!(several.matching(b"C"), None);
    }
}
