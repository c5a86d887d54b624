//! Which users could some backend read a path as belonging to, whatever nginx makes of it?
//!
//! A comparison covers the paths of its location. The guard finds the requests that miss it and are a user's all the
//! same: `/API/users/B`, `/api;x/users/B`, or `/api/users/B` where the location demands a slash behind it.

use std::borrow::Cow;

use crate::path::{is_ambiguous, is_plain, without_query};
use crate::readers::{Unreadable, Variant, Variants, decode, segments};
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
    /// Every backend that takes it for a user's takes it for this user's.
    User(Cow<'a, [u8]>),
    /// Different users', or of a user whose name is no text, or too contorted to tell.
    Unclear,
}

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
        self.templates.push(Template::parse(template)?);
        Ok(())
    }

    /// Whether the request could be some user's without being that of the `covered` one: the value that an enforced
    /// comparison, or a bypass, was about.
    ///
    /// See [`Guard::judge`] for `raw` and `uri`.
    pub fn is_uncovered(&self, raw: &[u8], uri: Option<&[u8]>, covered: Option<&[u8]>) -> bool {
        match self.judge(raw, uri) {
            Readings::NotUnder => false,
            Readings::User(user) => covered != Some(&*user),
            Readings::Unclear => true,
        }
    }

    /// Whose path it could be: of `raw`, the request target as sent, and of `uri`, when nginx will forward that.
    pub fn judge<'a>(&self, raw: &'a [u8], uri: Option<&'a [u8]>) -> Readings<'a> {
        let readings = self.read(without_query(raw), 0);
        match uri {
            // nginx has decoded it, and encodes it again to forward it.
            Some(uri) => readings.and(self.read(uri, 1)),
            None => readings,
        }
    }

    fn read<'a>(&self, path: &'a [u8], decoded: usize) -> Readings<'a> {
        if is_plain(path) {
            return self.read_one(path);
        }
        match once_decoded(path).filter(|text| decoded == 0 || text == path) {
            Some(text) => self.read_one(&text).into_owned(),
            None => self.read_odd(path, decoded),
        }
    }

    /// Of a path that everybody reads alike.
    fn read_one<'a>(&self, path: &'a [u8]) -> Readings<'a> {
        let users = self.templates.iter().filter_map(|template| template.user_in(path));
        users.map(|user| Readings::User(user.into())).fold(Readings::NotUnder, Readings::and)
    }

    fn read_odd(&self, path: &[u8], decoded: usize) -> Readings<'static> {
        let mut readings = Readings::NotUnder;
        // The target "*", or nothing before the query string: the root, to whoever reads it as a path.
        let rooted = if path.starts_with(b"/") { Cow::Borrowed(path) } else { [b"/", path].concat().into() };
        let visited = Variants::of(&rooted, decoded, |variant| {
            for user in self.templates.iter().filter_map(|template| template.user_in(variant.path)) {
                let found = of_segment(user, variant);
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
            Self::User(user) => Readings::User(user.into_owned().into()),
            Self::Unclear => Readings::Unclear,
        }
    }

    fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::NotUnder, readings) | (readings, Self::NotUnder) => readings,
            (Self::User(user), Self::User(other)) if user == other => Self::User(user),
            _ => Self::Unclear,
        }
    }
}

/// Which users a segment may name: it is decoded once, or, if that has been done to the whole path, once more or not.
fn of_segment(segment: &[u8], variant: Variant) -> Readings<'static> {
    let of_text = |user: Vec<u8>| match std::str::from_utf8(&user) {
        Ok(_) => Readings::User(user.into()),
        Err(_) => Readings::Unclear,
    };
    match decode(segment, |_| true) {
        None => of_text(segment.to_vec()),
        Some(user) if variant.decoded == 0 => of_text(user),
        Some(_) => Readings::Unclear,
    }
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
mod tests {
    use super::*;

    fn guard(templates: &[&str]) -> Guard {
        let mut guard = Guard::new();
        for template in templates {
            guard.add(template.as_bytes()).unwrap();
        }
        guard
    }

    fn read(raw: &[u8]) -> Readings<'_> {
        guard(&["/api/users/:user_id"]).judge(raw, None)
    }

    fn user(name: &str) -> Readings<'_> {
        Readings::User(name.as_bytes().into())
    }

    #[test]
    fn leaves_other_paths_alone() {
        let rows: [&[u8]; 26] = [
            b"/",
            b"",
            b"*",
            b"?/api/users/B",
            b"/api",
            b"/api/users",
            b"/api/users/",
            b"/api/users?x=/B",
            b"/api/users//",
            b"/API/USERS/",
            b"/api/usersx/B",
            b"/apix/users/B",
            b"/x/api/users/B",
            b"/api/x/users/B",
            b"/api/users.json",
            b"/api/users;x",
            b"/health?next=/api/users/B",
            b"/static/my%20file.png",
            b"/static/..hidden/caf\xc3\xa9",
            b"/files/a%2fb;v=1/c\\d",
            b"/api/../users/B",
            b"/api//x//users/B",
            b"/caf%C3/%A9",
            b"/api/users#/B",
            b"/api/%75sersx/%42",
            b"/api%25252fusers/B",
        ];
        for raw in rows {
            assert_eq!(read(raw), Readings::NotUnder, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn reads_the_one_user() {
        let rows: [(&[u8], &str); 50] = [
            (b"/api/users/B", "B"),
            (b"/api/users/B/", "B"),
            (b"/api/users/B/x/y?z", "B"),
            (b"/API/Users/b", "b"),
            (b"/api/users/a.b@c+d,e", "a.b@c+d,e"),
            (b"/api/users/B/.well-known", "B"),
            (b"/api/users/a%20b", "a b"),
            (b"/api/users/%20", " "),
            (b"/api/users/bob%40example.com/x", "bob@example.com"),
            (b"/api/users/caf%C3%A9", "caf\u{e9}"),
            ("/api/users/caf\u{e9}".as_bytes(), "caf\u{e9}"),
            (b"/api/users/B/x%2fy;z/%2525/a\\b#c", "B"),
            (b"/api/users/B/x/../y/./z", "B"),
            (b"/%61pi/%75sers/%42", "B"),
            (b"/%2561pi/users/B", "B"),
            (b"/%25u0061pi/users/B", "B"),
            (b"/api;x/users;y=z/B", "B"),
            (b"/api%3bx/users/B", "B"),
            (b"/api%253bx/users/B", "B"),
            (b"/;x/api/users/B", "B"),
            (b"/api\\users\\B", "B"),
            (b"/api%5cusers%5CB", "B"),
            (b"/api%2fusers%2fB", "B"),
            (b"/api%252fusers/B", "B"),
            (b"//api//users//B", "B"),
            (b"/./api/./users/./B", "B"),
            (b"/x/../api/users/B", "B"),
            (b"/x/..;/api/users/B", "B"),
            (b"/x/%2e%2E/api/users/B", "B"),
            (b"/x/.%252e/api/users/B", "B"),
            (b"/x/..%20/api/users/B", "B"),
            (b"/x/.../api/users/B", "B"),
            (b"//host/api/users/B", "B"),
            (b"/\\host/api/users/B", "B"),
            (b"/api./users/B", "B"),
            (b"/api%20/%20users/B", "B"),
            (b"/%20/api/users/B", "B"),
            (b"/a%09pi/us%0aers/B", "B"),
            (b"/ap%01i/users/B", "B"),
            (b"/y/../api/users/B/%2500/../../..", "B"),
            (b"/y/../api/users/B/;/../../..", "B"),
            (b"/y/../api/users/B/%23/../../..", "B"),
            (b"/y/../api/users/B/%3f/../../..", "B"),
            (b"/./api/users/B/../../..", "B"),
            (b"/C:/../api/users/B", "B"),
            (b"api/users/B", "B"),
            (b"/y/../api/users/B/C:/../../../..", "B"),
            (b"/ap%ffi/users/B", "B"),
            (b"/x/%c0%ae%c0%ae/api%c0%afusers%e0%80%afB", "B"),
            ("/ap\u{131}/u\u{17f}ers/B".as_bytes(), "B"),
        ];
        for (raw, name) in rows {
            assert_eq!(read(raw), user(name), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn does_not_choose_between_users() {
        let rows: [&[u8]; 33] = [
            b"/api/users/B/../A/x",
            b"/api/users/B/%2e%2e/A/x",
            b"/api/users/B/..%2fA/x",
            b"/api/users/A/x%2fy/../../../B/profile",
            b"/api/users/A/x%2fy/../../B/profile",
            b"/api/users/B//../A/x",
            b"/api/users/A/..;/B/x",
            b"/api/users/A/..\\B/x",
            b"/api/users/A/..%5cB/x",
            b"/api/users/A/%252e%252e/B/x",
            b"/api/users/A/..%20/B",
            b"/api/users/A/.../B",
            b"/api/users/A;B",
            b"/api/users/A%3bB",
            b"/api/users/A%2fB",
            b"/api/users/A%23B",
            b"/api/users/A%3fB",
            b"/api/users/A%2500B",
            b"/api/users/A#B",
            b"/api/users/A%2541",
            b"/api/users/A%20",
            b"/api/users/A.",
            b"/api/users/A%00",
            b"/api/users/A%ff",
            b"/api/users/%ff",
            b"/api/users/A\x01",
            b"/api%20/users/A%09",
            b"/api%09/users/A%09A",
            b"/api/users/\xc3%a9",
            b"/api/users/%7f%01",
            b"/a%09pi/users/A%01",
            b"/y%2fz/%2e%2e/api%2fusers%2fA%2541",
            b"/api/users/A//%5c/..\\/..%2F",
        ];
        for raw in rows {
            assert_eq!(read(raw), Readings::Unclear, "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn judges_what_goes_out_after_a_rewrite_too() {
        let rows: [(&[u8], &[u8], Readings); 10] = [
            (b"/old/A", b"/api/users/A", user("A")),
            (b"/old/a%20b", b"/api/users/a b", user("a b")),
            (b"/api/users/A", b"/v2/A", user("A")),
            (b"/api/users/A", b"/api/users/A", user("A")),
            (b"/old/A", b"/v2/A", Readings::NotUnder),
            (b"/api/users/A", b"/api/users/B", Readings::Unclear),
            (b"/old/A", b"/api/users/A%41", Readings::Unclear),
            (b"/old/A", b"/x/%2e%2e/api/users/A", user("A")),
            (b"/old/A", b"/api%2fusers/A", user("A")),
            (b"/old/A", b"/api%2561/users/A", Readings::NotUnder),
        ];
        for (raw, uri, readings) in rows {
            let judged = guard(&["/api/users/:user_id"]).judge(raw, Some(uri));
            assert_eq!(judged, readings, "{} {}", raw.escape_ascii(), uri.escape_ascii());
        }
    }

    #[test]
    fn the_fast_ways_out_are_short_cuts_and_nothing_else() {
        let pieces: Vec<&str> = "/ A . .. %20 %2e %2f %41 %25 ; \\ %c3%a9 \u{e9} %c3 %0a ~".split(' ').collect();
        let guard = guard(&["/api/users/:user_id"]);
        let drawn = |number: usize| [number % 16, number / 16 % 16, number / 256].map(|at| pieces[at]).concat();
        for end in (0..16 * 16 * 16).map(drawn) {
            for decoded in [0, 1] {
                let path = format!("/api/users/{end}");
                let quick = guard.read(path.as_bytes(), decoded);
                assert_eq!(quick, guard.read_odd(path.as_bytes(), decoded), "{path} {decoded}");
            }
        }
    }

    #[test]
    fn is_covered_by_that_very_user() {
        let guard = guard(&["/api/users/:user_id"]);
        let is_uncovered =
            |raw: &str, covered: Option<&str>| guard.is_uncovered(raw.as_bytes(), None, covered.map(str::as_bytes));
        for covered in [None, Some("A")] {
            assert!(!is_uncovered("/health", covered));
            assert!(!is_uncovered("/api/users/", covered));
            assert!(is_uncovered("/api/users/B/../A", covered));
        }
        assert!(!is_uncovered("/api/users/A", Some("A")));
        assert!(!is_uncovered("/api/users/%41", Some("A")));
        for covered in [None, Some("a"), Some("B"), Some("%41"), Some("")] {
            assert!(is_uncovered("/api/users/A", covered), "{covered:?}");
            assert!(is_uncovered("/api/users/%41", covered), "{covered:?}");
        }
    }

    #[test]
    fn holds_several_templates() {
        let guard = guard(&["/:user/files", "/v1/users/:id/private", "/stra\u{df}e/:id"]);
        let rows: [(&[u8], Readings); 10] = [
            (b"/A/files", user("A")),
            (b"/A/Files/x", user("A")),
            (b"/A/filesx", Readings::NotUnder),
            (b"//files", Readings::NotUnder),
            (b"/v1/users/A/private", user("A")),
            (b"/v1/users/A/public", Readings::NotUnder),
            (b"/v1/users/A", Readings::NotUnder),
            (b"/v1/files/A/private", user("v1")),
            (b"/STRASSE/A", user("A")),
            ("/Stra\u{df}e/A".as_bytes(), user("A")),
        ];
        for (raw, readings) in rows {
            assert_eq!(guard.judge(raw, None), readings, "{}", raw.escape_ascii());
        }
        assert_eq!(Guard::new().judge(b"/api/users/A", None), Readings::NotUnder);
        let twice = self::guard(&["/:first/x", "/a/:second"]);
        assert_eq!(twice.judge(b"/a/x", None), Readings::Unclear);
    }

    #[test]
    fn gives_up_on_what_is_too_contorted() {
        let long = |piece: &str| format!("/{}", piece.repeat(16_000 / piece.len())).into_bytes();
        assert_eq!(read(&long("a%20b/")), Readings::NotUnder);
        assert_eq!(read(&long("caf%C3%A9/")), Readings::NotUnder);
        assert_eq!(read(&long("a;b/../ %25%2e\\#//%3f%09%252f")), Readings::Unclear);
    }
}
