//! Could a backend read this path differently from nginx?
//!
//! nginx takes captures from a path that it has decoded and resolved, and forwards the path as it was sent. Backends
//! decode, split and resolve in orders of their own, so only a path on which all of them agree is compared with a user.

use crate::readers::decode;

/// The path of a request, as nginx holds it.
#[derive(Clone, Copy, Debug)]
pub struct Path<'a> {
    /// The request target as sent; a query string is ignored (nginx: `r->unparsed_uri`).
    pub raw: &'a [u8],
    /// Decoded and resolved: what `location` and captures see (nginx: `$uri`).
    pub uri: &'a [u8],
    /// nginx will forward `uri` rather than `raw`, after `rewrite` or an internal redirect.
    pub rewritten: bool,
}

impl Path<'_> {
    /// Whether every backend reads the path as nginx does.
    ///
    /// What is forwarded must have no empty segment (but for a final slash), no dot segment (longer rows of dots, and
    /// dots among spaces, being such), none of `;` `\` `#` `?` `%` or a control byte, written or encoded, no encoded
    /// `/`, and be UTF-8. A raw path must moreover rebuild `uri` exactly when each of its segments is decoded on its
    /// own.
    pub fn is_unambiguous(&self) -> bool {
        // Most have no query, and are sent as they are read.
        if self.raw == self.uri && is_plain(self.uri) {
            return true;
        }
        let raw = without_query(self.raw);
        if !self.rewritten {
            return if is_plain(raw) { raw == self.uri } else { rebuilds(raw, self.uri) };
        }
        (is_plain(raw) || walk(raw, unescape, |_| true))
            && (is_plain(self.uri) || walk(self.uri, |b, _| Some((b, 1)), |_| true))
    }

    /// The path that the guard judges. The page of an `error_page` is not what the client has asked for, but a named location
    /// forwards that as it was sent.
    pub fn guarded(self, was_redirected: bool) -> Self {
        if was_redirected && self.rewritten { Self { raw: b"/", ..self } } else { self }
    }

    /// Whether this is still about what an earlier location was asked for, after an internal redirect: a named location
    /// forwards what was sent, and another path may have the earlier one in it, or the user that was compared, be it encoded
    /// as the client has sent it. A page has a path of its own.
    pub fn still_holds(&self, earlier: &[u8], user: &[u8]) -> bool {
        let decoded = decode(self.uri, |_| true);
        let twice = decoded.as_ref().and_then(|decoded| decode(decoded, |_| true));
        let texts = [Some(self.uri), decoded.as_deref(), twice.as_deref()];
        !self.rewritten || texts.into_iter().flatten().any(|text| holds(text, earlier) || holds(text, user))
    }
}

/// Whether the segments of a part stand in a path, one after another. The root has none, and stands nowhere.
fn holds(path: &[u8], part: &[u8]) -> bool {
    let segments = |text| <[u8]>::split(text, |b| *b == b'/').filter(|segment| !segment.is_empty()).collect::<Vec<_>>();
    let (path, part) = (segments(path), segments(part));
    !part.is_empty() && path.windows(part.len()).any(|window| window == part)
}

/// The path of a request target.
pub(crate) fn without_query(target: &[u8]) -> &[u8] {
    memchr::memchr(b'?', target).map_or(target, |end| &target[..end])
}

/// The fast way out: nothing in it that any two readers could disagree on. Every dot segment ends in a dot, and so does
/// every name that Windows shortens.
pub(crate) fn is_plain(path: &[u8]) -> bool {
    match path {
        [b'/', rest @ ..] => !has_odd(&path[..rest.len()], rest) && rest.last() != Some(&b'.'),
        _ => false,
    }
}

/// Whether one of the bytes is odd, each told with the one before it. Blocks are looked at whole, and the last one goes
/// over what the one before it has seen, so that no byte is left to be looked at by itself.
fn has_odd(before: &[u8], bytes: &[u8]) -> bool {
    const BLOCK: usize = 32;
    let (Some(before_last), Some(last)) = (before.last_chunk::<BLOCK>(), bytes.last_chunk::<BLOCK>()) else {
        return has_odd_in(before, bytes);
    };
    let blocks = before.as_chunks::<BLOCK>().0.iter().zip(bytes.as_chunks::<BLOCK>().0);
    blocks.fold(has_odd_in(before_last, last), |has_odd, (before, block)| has_odd | has_odd_in(before, block))
}

/// The same in one block. No early exit, so that the compiler takes many bytes at a time.
#[inline(always)]
fn has_odd_in(before: &[u8], bytes: &[u8]) -> bool {
    let mut has_odd = false;
    for (&previous, &b) in before.iter().zip(bytes) {
        has_odd |= matches!(previous, b'/' | b'.') & (b == b'/');
        has_odd |= !b.is_ascii_graphic();
        has_odd |= is_syntax(b);
    }
    has_odd
}

/// Bytes, written or encoded, that some readers take for syntax.
pub(crate) fn is_ambiguous(b: u8) -> bool {
    b.is_ascii_control() || is_syntax(b)
}

fn is_syntax(b: u8) -> bool {
    matches!(b, b';' | b'\\' | b'#' | b'?' | b'%')
}

/// Whether the raw path is in order and its segments decode to `uri`.
fn rebuilds(raw: &[u8], uri: &[u8]) -> bool {
    let mut expected = uri.iter();
    walk(raw, unescape, |b| expected.next() == Some(&b)) && expected.next().is_none()
}

/// A byte of a raw path, decoded, and how many bytes it was written with; `None` for a broken escape.
fn unescape(b: u8, after: &[u8]) -> Option<(u8, usize)> {
    if b != b'%' {
        return Some((b, 1));
    }
    let hex = |b: u8| char::from(b).to_digit(16).map(|digit| digit as u8);
    let [high, low, ..] = *after else { return None };
    Some((hex(high)? * 16 + hex(low)?, 3))
}

/// Walks a path once: every byte decoded by `next` must be in order and please `sink`.
fn walk(path: &[u8], next: impl Fn(u8, &[u8]) -> Option<(u8, usize)>, mut sink: impl FnMut(u8) -> bool) -> bool {
    let Some(mut rest) = path.strip_prefix(b"/") else { return false };
    // As it is written too: a character half of which is encoded is none to a reader that decodes later (WHATWG).
    let mut in_order = std::str::from_utf8(path).is_ok() && sink(b'/');
    let mut segment = Segment::default();
    while in_order && let [b, after @ ..] = rest {
        let Some((b, written)) = next(*b, after) else { return false };
        in_order = match (b, written) {
            (b'/', 1) => std::mem::take(&mut segment).is_sound(),
            (b'/', _) => false,
            _ => !is_ambiguous(b) && segment.push(b),
        } && sink(b);
        rest = &rest[written..];
    }
    // An empty last segment is the final slash.
    in_order && (segment.length == 0 || segment.is_sound())
}

/// What must be known of a segment when it ends.
#[derive(Default)]
struct Segment {
    length: usize,
    has_dot: bool,
    /// Something else than dots and spaces.
    has_name: bool,
    /// An unfinished UTF-8 sequence.
    sequence: [u8; 4],
    pending: usize,
}

impl Segment {
    /// Takes a decoded byte; false when no UTF-8 text continues like this.
    fn push(&mut self, b: u8) -> bool {
        self.has_dot |= b == b'.';
        self.has_name |= !matches!(b, b'.' | b' ');
        self.length += 1;
        if b.is_ascii() {
            return self.pending == 0;
        }
        self.sequence[self.pending] = b;
        self.pending += 1;
        match std::str::from_utf8(&self.sequence[..self.pending]) {
            Ok(_) => self.pending = 0,
            // An incomplete sequence has at most three bytes, so the next one finds room.
            Err(error) => return error.error_len().is_none(),
        }
        true
    }

    /// Not empty, not a dot segment, and no character cut off. Windows ignores spaces at the end of a name, and to the
    /// .NET Framework `...` is `..`, so that dots and spaces alone make a dot segment.
    fn is_sound(&self) -> bool {
        self.length > 0 && (self.has_name || !self.has_dot) && self.pending == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guard_judges_what_was_sent_or_a_page() {
        for (was_redirected, rewritten, raw) in
            [(false, false, "/a"), (false, true, "/a"), (true, false, "/a"), (true, true, "/")]
        {
            let path = Path { raw: b"/a", uri: b"/page", rewritten }.guarded(was_redirected);
            assert_eq!((path.raw, path.uri), (raw.as_bytes(), &b"/page"[..]), "{was_redirected} {rewritten}");
        }
    }

    #[test]
    fn an_earlier_path_is_found_in_a_later_one() {
        let later = |uri: &'static str, rewritten| Path { raw: b"/users/%41?x", uri: uri.as_bytes(), rewritten };
        for (uri, rewritten, holds) in [
            ("/users/A", false, true),
            ("/users/A", true, true),
            ("/backup/users/A/x", true, true),
            ("/v1/A", true, true),
            ("/v1/A/files", true, true),
            ("/fb/users/%41/x", true, true),
            ("/fb/users/%2541/x", true, true),
            ("/503.html", true, false),
            ("/503/All", true, false),
            ("/users/B", true, false),
        ] {
            assert_eq!(later(uri, rewritten).still_holds(b"/users/A", b"A"), holds, "{uri} {rewritten}");
        }
        for (uri, earlier, holds) in [
            ("/sorry", "/", false),
            ("/sorry", "/s", false),
            ("/x/sorry", "/x/", true),
            ("/a/x", "/x", true),
            ("/fa/a/a", "/a/a", true),
        ] {
            assert_eq!(later(uri, true).still_holds(earlier.as_bytes(), b""), holds, "{uri} {earlier}");
        }
    }

    fn sent(raw: &[u8], uri: &[u8]) -> bool {
        Path { raw, uri, rewritten: false }.is_unambiguous()
    }

    fn rewritten(raw: &[u8], uri: &[u8]) -> bool {
        Path { raw, uri, rewritten: true }.is_unambiguous()
    }

    #[test]
    fn admits_ordinary_paths() {
        let rows: [(&[u8], &[u8]); 18] = [
            (b"/", b"/"),
            (b"/api/users/A", b"/api/users/A"),
            (b"/api/users/A/", b"/api/users/A/"),
            (b"/api/users/A?x=/../B;%2f#\\", b"/api/users/A"),
            (b"/a%20b/c", b"/a b/c"),
            (b"/%41", b"/A"),
            (b"/a+b@c:d,e=f&g!h$i'j(k)l*m~n-o_p|q", b"/a+b@c:d,e=f&g!h$i'j(k)l*m~n-o_p|q"),
            (b"/.well-known/x", b"/.well-known/x"),
            (b"/a.b/..c/...d", b"/a.b/..c/...d"),
            (b"/a%20/%20b/%20/.%20c", b"/a / b/ /. c"),
            (b"/%2ehidden", b"/.hidden"),
            (b"/a./b..", b"/a./b.."),
            (b"/caf%C3%A9", "/caf\u{e9}".as_bytes()),
            ("/caf\u{e9}".as_bytes(), "/caf\u{e9}".as_bytes()),
            (b"/%e2%82%ac", "/\u{20ac}".as_bytes()),
            (b"/%F0%9F%98%80", "/\u{1f600}".as_bytes()),
            (b"/\xc3\xa9%c3%a9", "/\u{e9}\u{e9}".as_bytes()),
            (b"/%22%3C%3E%7B", b"/\"<>{"),
        ];
        for (raw, uri) in rows {
            assert!(sent(raw, uri), "{}", raw.escape_ascii());
        }
    }

    #[test]
    fn plain_paths_need_no_second_look() {
        let plain: [&[u8]; 9] = [
            b"/",
            b"/a",
            b"/a/",
            b"/api/users/A",
            b"/.a",
            b"/a.b/..c",
            b"/a..b/.c/d",
            b"/!$&'()*+,-:=@_~|",
            b"/\"<>{}",
        ];
        for path in plain {
            assert!(is_plain(path), "{}", path.escape_ascii());
        }
        assert!(!is_plain(b"") && !is_plain(b"a") && !is_plain(b"a/b"));
        let odd: [&[u8]; 16] = [
            b"//", b"/./", b"/../", b"a./", b" ", b";", b"\\", b"#", b"?", b"%41", b"\0", b"\t", b"\x1f", b"\x7f",
            b"\x80", b"\xff",
        ];
        for one in odd {
            assert!(!is_plain(&[b"/a", one, b"b"].concat()), "{}", one.escape_ascii());
            for other in odd {
                let path = [b"/a", one, b"b", other, b"c"].concat();
                assert!(!is_plain(&path), "{}", path.escape_ascii());
            }
        }
        for end in [&b"."[..], b"/.", b"/..", b"//", b";."] {
            assert!(!is_plain(&[b"/a", end].concat()), "{}", end.escape_ascii());
        }
    }

    /// Around the lengths at which another number of blocks is looked at.
    #[test]
    fn finds_what_is_odd_in_every_place() {
        for length in [2, 31, 32, 33, 34, 63, 64, 65, 66, 97] {
            let plain = [&b"/"[..], &b"a".repeat(length - 1)].concat();
            assert!(is_plain(&plain), "{length}");
            for place in 1..length {
                let with = |bytes: &[u8]| {
                    let mut path = plain.clone();
                    path.splice(place..(place + bytes.len()).min(length), bytes.iter().copied());
                    path
                };
                for odd in [&b";"[..], b"%", b" ", b"\xff", b"//", b"./"] {
                    assert!(!is_plain(&with(odd)), "{length}, {place}, {}", odd.escape_ascii());
                }
            }
        }
    }

    #[test]
    fn refuses_what_backends_read_differently() {
        let rows: [(&[u8], &[u8]); 54] = [
            (b"", b""),
            (b"*", b"*"),
            (b"?x", b"/"),
            (b"/a", b"/b"),
            (b"/a", b"/a/"),
            (b"/a%20", b"/a"),
            (b"/a", b"/"),
            (b"/%61", b"/ab"),
            (b"/users/B/../A/x", b"/users/A/x"),
            (b"/users/B/%2e%2e/A/x", b"/users/A/x"),
            (b"/users/B/.%2E/A/x", b"/users/A/x"),
            (b"/users/B/..%2fA/x", b"/users/A/x"),
            (b"/users/A/x%2fy", b"/users/A/x/y"),
            (b"/users/A/x%2Fy/../../B/profile", b"/users/A/B/profile"),
            (b"/users/B//../A/x", b"/users/B/A/x"),
            (b"/users/A/..;/B/x", b"/users/A/..;/B/x"),
            (b"/users/A;x", b"/users/A;x"),
            (b"/users/A%3bx", b"/users/A;x"),
            (b"/users/A%3Bx", b"/users/A;x"),
            (b"/users/A/..\\B/x", b"/users/A/..\\B/x"),
            (b"/users/A/..%5cB/x", b"/users/A/..\\B/x"),
            (b"/users/A/x#/../../B/x", b"/users/A/x"),
            (b"/users/A#", b"/users/A"),
            (b"/users/A%23", b"/users/A#"),
            (b"/users/A%3f", b"/users/A?"),
            (b"/users/A/%252e%252e/B/x", b"/users/A/%2e%2e/B/x"),
            (b"/users/A%25", b"/users/A%"),
            (b"/a//b", b"/a/b"),
            (b"//a", b"/a"),
            (b"/a//", b"/a/"),
            (b"/a/.", b"/a/"),
            (b"/a/./b", b"/a/b"),
            (b"/a/..", b"/"),
            (b"/..", b"/"),
            (b"/a/%2e", b"/a/."),
            (b"/users/A/..%20/B/x", b"/users/A/.. /B/x"),
            (b"/users/A/%2e%2e%20%20/B/x", b"/users/A/..  /B/x"),
            (b"/users/A/%20../B/x", b"/users/A/ ../B/x"),
            (b"/users/A/.%20./B/x", b"/users/A/. ./B/x"),
            (b"/users/A/.../B/x", b"/users/A/.../B/x"),
            (b"/users/A/.%20", b"/users/A/. "),
            (b"/a%00", b"/a\0"),
            (b"/a%0ab", b"/a\nb"),
            (b"/a%7F", b"/a\x7f"),
            (b"/a\tb", b"/a\tb"),
            (b"/a%", b"/a%"),
            (b"/a%4", b"/a%4"),
            (b"/a%zz", b"/a%zz"),
            (b"/a%4g", b"/a%4g"),
            (b"/%C3", b"/\xc3"),
            (b"/%C3/%A9", b"/\xc3/\xa9"),
            // One character, half of it encoded.
            (b"/\xc3%a9", "/\u{e9}".as_bytes()),
            (b"/%c3\xa9", "/\u{e9}".as_bytes()),
            (b"/a\xf0\x9f\x98%80", "/a\u{1f600}".as_bytes()),
        ];
        for (raw, uri) in rows {
            assert!(!sent(raw, uri), "{}", raw.escape_ascii());
        }
        for bytes in [
            &b"\xff"[..],
            b"\xff\xff\xff\xff\xff",
            b"\x80",
            b"\xc3A",
            b"\xc3A\xa9",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xc0\xaf",
            b"\xf0\x9f\x98",
        ] {
            let raw = [b"/", bytes].concat();
            assert!(!sent(&raw, &raw), "not UTF-8: {}", bytes.escape_ascii());
        }
    }

    #[test]
    fn judges_what_goes_out_after_a_rewrite() {
        let admitted: [(&[u8], &[u8]); 3] =
            [(b"/old/A", b"/api/users/A"), (b"/old/A%20b?x", b"/api/users/A b/"), (b"/", "/\u{e9}".as_bytes())];
        for (raw, uri) in admitted {
            assert!(rewritten(raw, uri), "{}", raw.escape_ascii());
        }
        let refused: [(&[u8], &[u8]); 12] = [
            (b"/old/..%2fA", b"/api/users/A"),
            (b"/old/../A", b"/api/users/A"),
            (b"/old//A", b"/api/users/A"),
            (b"/old/A;x", b"/api/users/A"),
            (b"/old/A%3bx", b"/api/users/A"),
            (b"/old/A", b"/api/users/A/../B"),
            (b"/old/A", b"/api/users/A/.. /B"),
            (b"/old/A", b"/api/users//A"),
            (b"/old/A", b"/api/users/A%2e"),
            (b"/old/A", b"/api/users/A;x"),
            (b"/old/A", b"/api/users/\xc3"),
            (b"/old/A", b"api/users/A"),
        ];
        for (raw, uri) in refused {
            assert!(!rewritten(raw, uri), "{} {}", raw.escape_ascii(), uri.escape_ascii());
        }
    }
}
