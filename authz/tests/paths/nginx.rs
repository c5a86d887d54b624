//! What nginx 1.22.1 makes of a request target: a model of its parser, state for state, with `merge_slashes on`.

#[derive(Clone, Copy)]
enum State {
    Usual,
    Slash,
    Dot,
    DotDot,
}

/// `$uri` of a request target, or `None` for nginx's own 400 (`ngx_http_parse_uri`, `ngx_http_parse_complex_uri`).
pub fn uri(raw: &[u8]) -> Option<Vec<u8>> {
    if raw.first() != Some(&b'/') || raw.iter().any(|&b| b <= 0x20 || b == 0x7f) {
        return None;
    }
    let mut uri = Vec::with_capacity(raw.len());
    let mut state = State::Usual;
    let mut rest = raw;
    while let [b, after @ ..] = rest {
        rest = after;
        let mut b = *b;
        if matches!(b, b'?' | b'#') {
            break;
        }
        if b == b'%' {
            let [high, low, after @ ..] = rest else { return None };
            b = hex(*high)? << 4 | hex(*low)?;
            rest = after;
            match b {
                0 => return None,
                // Never syntax when encoded, unlike a slash or a dot.
                b'%' | b'#' | b'?' => {
                    uri.push(b);
                    state = State::Usual;
                    continue;
                }
                _ => {}
            }
        }
        state = step(state, b, &mut uri)?;
    }
    match state {
        State::Dot => drop(uri.pop()),
        State::DotDot => go_back(&mut uri)?,
        State::Usual | State::Slash => {}
    }
    Some(uri)
}

fn step(state: State, b: u8, uri: &mut Vec<u8>) -> Option<State> {
    let next = match (state, b) {
        (State::Slash, b'/') => return Some(State::Slash),
        (State::Dot, b'/') => {
            uri.pop();
            return Some(State::Slash);
        }
        (State::DotDot, b'/') => {
            go_back(uri)?;
            return Some(State::Slash);
        }
        (State::Usual, b'/') => State::Slash,
        (State::Slash, b'.') => State::Dot,
        (State::Dot, b'.') => State::DotDot,
        _ => State::Usual,
    };
    uri.push(b);
    Some(next)
}

/// Over `/..` and the segment before it, to the slash that this began with.
fn go_back(uri: &mut Vec<u8>) -> Option<()> {
    let end = uri.len().checked_sub(3)?;
    let slash = uri[..end].iter().rposition(|&b| b == b'/')?;
    uri.truncate(slash + 1);
    Some(())
}

fn hex(b: u8) -> Option<u8> {
    char::from(b).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

/// `user_id` of `^/api/users/(?<user_id>[^/]+)(?:/|$)`.
pub fn user_id(uri: &[u8]) -> Option<&[u8]> {
    let user = uri.strip_prefix(b"/api/users/")?.split(|&b| b == b'/').next()?;
    (!user.is_empty()).then_some(user)
}

/// What is forwarded for a `$uri` after a rewrite (`ngx_escape_uri`, `NGX_ESCAPE_URI`).
pub fn escape_uri(uri: &[u8]) -> Vec<u8> {
    let is_escaped = |b: u8| !b.is_ascii_graphic() || br##""#%<>?\^`{|}"##.contains(&b);
    let mut escaped = Vec::with_capacity(uri.len());
    for &b in uri {
        if is_escaped(b) {
            escaped.extend_from_slice(format!("%{b:02X}").as_bytes());
        } else {
            escaped.push(b);
        }
    }
    escaped
}

#[test]
fn is_faithful() {
    let rows: [(&[u8], &[u8]); 30] = [
        (b"/", b"/"),
        (b"/a/b?c", b"/a/b"),
        (b"/a#b?c", b"/a"),
        (b"/a?b#c", b"/a"),
        (b"/users/B/../A/x", b"/users/A/x"),
        (b"/users/B/%2e%2E/A/x", b"/users/A/x"),
        (b"/users/B/..%2fA/x", b"/users/A/x"),
        (b"/users/A/x%2fy/../../B/profile", b"/users/A/B/profile"),
        (b"/users/B//../A/x", b"/users/A/x"),
        (b"/users/A/..;/B/x", b"/users/A/..;/B/x"),
        (b"/users/A/..\\B/x", b"/users/A/..\\B/x"),
        (b"/users/A/x#/../../B/x", b"/users/A/x"),
        (b"/users/A/%252e%252e/B/x", b"/users/A/%2e%2e/B/x"),
        (b"//a///b//", b"/a/b/"),
        (b"/%2f/a", b"/a"),
        (b"/a/.", b"/a/"),
        (b"/a/./", b"/a/"),
        (b"/a/..", b"/"),
        (b"/a/..?x", b"/"),
        (b"/a/.#x", b"/a/"),
        (b"/a/...", b"/a/..."),
        (b"/a/..%23", b"/a/..#"),
        (b"/a/.%3f/b", b"/a/.?/b"),
        (b"/..", b""),
        (b"/a/../..", b""),
        (b"/%", b""),
        (b"/%4", b""),
        (b"/%zz", b""),
        (b"/%00", b""),
        (b"/a b", b""),
    ];
    for (raw, expected) in rows {
        assert_eq!(uri(raw).unwrap_or_default(), expected, "{}", raw.escape_ascii());
    }
    assert_eq!(escape_uri(b"/a b%\\;\xe9\n?#+@~"), b"/a%20b%25%5C;%E9%0A%3F%23+@~");
}
