//! What nginx makes of the path of a request: `$uri` (`ngx_http_parse_complex_uri`).

use crate::Failure;
use crate::select::Place;

/// `$uri` of a request to one of these servers. `None` for nginx's own 400.
pub fn of(raw: &[u8], servers: &[Place]) -> Result<Option<Vec<u8>>, Failure> {
    let merges_slashes = |server: &Place| server.inherited(|own| own.merges_slashes).unwrap_or(true);
    let mut read: Vec<_> = servers.iter().map(|server| normalise(raw, merges_slashes(server))).collect();
    read.dedup();
    match &mut read[..] {
        [uri] => Ok(uri.take()),
        _ => Err(Failure(
            "the path is read in different ways at the addresses of the server (merge_slashes): choose one with \
             --listen <address>"
                .into(),
        )),
    }
}

/// `$uri` of a request target, or `None` for nginx's own 400.
pub fn normalise(raw: &[u8], merge_slashes: bool) -> Option<Vec<u8>> {
    // The absolute form without a path.
    if matches!(raw.first(), None | Some(b'?')) {
        return Some(b"/".to_vec());
    }
    if raw.first() != Some(&b'/') || raw.iter().any(|&b| b <= b' ' || b == 0x7f) {
        return None;
    }
    let mut uri = Uri { text: Vec::with_capacity(raw.len()), state: State::Usual, merge_slashes };
    let mut rest = raw;
    while let [b, after @ ..] = rest {
        rest = after;
        match *b {
            b'?' | b'#' => break,
            b'%' => {
                let [high, low, after @ ..] = rest else { return None };
                rest = after;
                match hex(*high)? << 4 | hex(*low)? {
                    0 => return None,
                    // Never syntax when encoded, unlike a slash or a dot.
                    b @ (b'%' | b'#' | b'?') => uri.push(b, State::Usual),
                    b => uri.step(b)?,
                }
            }
            b => uri.step(b)?,
        }
    }
    uri.end()
}

/// A URI that a backend sends a request on to, its path decoded (`ngx_http_parse_unsafe_uri`). `None` for one that
/// nginx takes for unsafe.
pub fn decoded(uri: &[u8]) -> Option<Vec<u8>> {
    let end = uri.iter().position(|&b| b == b'?').unwrap_or(uri.len());
    let mut decoded = Vec::with_capacity(uri.len());
    let mut rest = &uri[..end];
    while let [b, after @ ..] = rest {
        rest = after;
        match (b, rest) {
            (b'%', [high, low, after @ ..]) if hex(*high).is_some() && hex(*low).is_some() => {
                decoded.push(hex(*high)? << 4 | hex(*low)?);
                rest = after;
            }
            _ => decoded.push(*b),
        }
    }
    let is_unsafe =
        decoded.is_empty() || decoded.contains(&0) || decoded.split(|&b| b == b'/').any(|part| part == b"..");
    decoded.extend_from_slice(&uri[end..]);
    (!is_unsafe).then_some(decoded)
}

/// A text as it may stand in arguments (`ngx_escape_uri` with `NGX_ESCAPE_ARGS`).
pub fn escape_argument(text: &[u8]) -> Vec<u8> {
    let is_kept = |b: u8| b.is_ascii_graphic() && !b"\"#%&+;<>?\\^`{|}".contains(&b);
    let escape = |&b: &u8| if is_kept(b) { vec![b] } else { format!("%{b:02X}").into_bytes() };
    text.iter().flat_map(escape).collect()
}

struct Uri {
    text: Vec<u8>,
    state: State,
    merge_slashes: bool,
}

/// What the last bytes were.
#[derive(Clone, Copy)]
enum State {
    Usual,
    Slash,
    Dot,
    DotDot,
}

impl Uri {
    fn push(&mut self, b: u8, state: State) {
        self.text.push(b);
        self.state = state;
    }

    fn step(&mut self, b: u8) -> Option<()> {
        match (self.state, b) {
            (State::Usual, b'/') => self.push(b, State::Slash),
            (State::Slash, b'/') if self.merge_slashes => {}
            (State::Slash, b'/') => self.push(b, State::Slash),
            (State::Slash, b'.') => self.push(b, State::Dot),
            (State::Dot, b'.') => self.push(b, State::DotDot),
            (State::Dot, b'/') => {
                self.text.pop();
                self.state = State::Slash;
            }
            (State::DotDot, b'/') => {
                self.leave()?;
                self.state = State::Slash;
            }
            _ => self.push(b, State::Usual),
        }
        Some(())
    }

    /// Takes back `/..` and the segment before it, but for the slash that this began with.
    fn leave(&mut self) -> Option<()> {
        let end = self.text.len().checked_sub(3)?;
        let slash = self.text[..end].iter().rposition(|&b| b == b'/')?;
        self.text.truncate(slash + 1);
        Some(())
    }

    fn end(mut self) -> Option<Vec<u8>> {
        match self.state {
            State::Dot => drop(self.text.pop()),
            State::DotDot => self.leave()?,
            State::Usual | State::Slash => {}
        }
        Some(self.text)
    }
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decodes_what_a_backend_says() {
        let rows = [
            ("/a%20b?c%20d", Some("/a b?c%20d")),
            ("/a%2", Some("/a%2")),
            ("@name", Some("@name")),
            ("/a/../b", None),
            ("/a/%2e%2e", None),
            ("/a%00", None),
            ("", None),
        ];
        for (uri, expected) in rows {
            assert_eq!(decoded(uri.as_bytes()).as_deref(), expected.map(str::as_bytes), "{uri}");
        }
    }

    #[test]
    fn escapes_arguments_as_nginx_does() {
        let rows = [
            ("aZ09-._~:/[]@!$'()*,=", "aZ09-._~:/[]@!$'()*,="),
            (" \"#%&+;<>?\\^`{|}", "%20%22%23%25%26%2B%3B%3C%3E%3F%5C%5E%60%7B%7C%7D"),
            ("\t\x7f\u{e9}", "%09%7F%C3%A9"),
        ];
        for (text, expected) in rows {
            assert_eq!(escape_argument(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn reads_paths_as_nginx_does() {
        let rows: [(&str, Option<&str>); 25] = [
            ("/", Some("/")),
            ("/a/b?c#d", Some("/a/b")),
            ("/a#b?c", Some("/a")),
            ("/users/B/../A/x", Some("/users/A/x")),
            ("/users/B/%2e%2E/A/x", Some("/users/A/x")),
            ("/users/B/..%2fA/x", Some("/users/A/x")),
            ("/users/B//../A/x", Some("/users/A/x")),
            ("/users/A/..;/B/x", Some("/users/A/..;/B/x")),
            ("/users/A/%252e/B", Some("/users/A/%2e/B")),
            ("//a///b//", Some("/a/b/")),
            ("/a/.", Some("/a/")),
            ("/a/..", Some("/")),
            ("/a/..?x", Some("/")),
            ("/a/...", Some("/a/...")),
            ("/a/..%23", Some("/a/..#")),
            ("/a%20b", Some("/a b")),
            ("/..", None),
            ("/%", None),
            ("/%zz", None),
            ("/%00", None),
            ("/a b", None),
            ("a", None),
            ("*", None),
            ("", Some("/")),
            ("?x", Some("/")),
        ];
        for (raw, uri) in rows {
            assert_eq!(normalise(raw.as_bytes(), true).as_deref(), uri.map(str::as_bytes), "{raw}");
        }
        assert_eq!(normalise(b"//a//../b", false).as_deref(), Some(&b"//a/b"[..]), "merge_slashes off");
    }
}
