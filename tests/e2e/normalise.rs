//! What nginx makes of a path, and what the strict rule admits, agree: over random paths, each asked of one nginx in three
//! ways. What a backend receives and reads is never another user's path than the one that was compared.

use crate::common::*;

const SEED: u64 = 0x9e37_79b9_7f4a_7c15;
const PATHS: usize = 10_000;

/// One configuration, checked and not. The plain server tells what nginx itself makes of the path.
const CONF: &str = r#"
    server {
        listen unix:plain.sock;
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) { return 200 "$user_id\n$uri"; }
        location / { return 404; }
    }
    server {
        listen unix:nginx.sock;
        add_header X-Result $jwt_user_scope_result always;
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            proxy_set_header X-Compared $user_id;
            proxy_pass http://unix:backend.sock;
        }
        location / { return 404; }
    }
    server {
        listen unix:off.sock;
        jwt_user_scope_path off;
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            proxy_set_header X-Compared $user_id;
            proxy_pass http://unix:backend.sock;
        }
        location / { return 404; }
    }"#;

/// What separates, resolves, cuts and decodes, somewhere, and what does nothing.
const PIECES: &str = r"/ / / / / A B A B x api users api/users . .. /.. /. // %2e %2E%2e /../ /%2e%2e/ /../A /../B
    /%2e%2e/A /..%2fA /..;/B %2f %2F \ %5c ; %3b ..; # %23 ? %3f %25 %252e %252f %41 %42 %0a %7f %20 + %c3%a9 é %ff
    %c3 @ ...";

/// Marsaglia's xorshift.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 33) as usize % end
    }

    /// A path of A or of B, with pieces behind it, and some in it.
    fn path(&mut self) -> Vec<u8> {
        let pieces: Vec<_> = PIECES.split_whitespace().collect();
        let mut parts = vec!["/", "api", "/", "users", "/", ["A", "A", "B"][self.below(3)]];
        for _ in 0..self.below(7) {
            let piece = pieces[self.below(pieces.len())];
            let at = if self.below(4) == 0 { 1 + self.below(parts.len()) } else { parts.len() };
            parts.insert(at, piece);
        }
        parts.concat().into_bytes()
    }
}

/// A connection that is opened again after nginx has closed it, as it does after every 400.
struct Connection<'a> {
    nginx: &'a Nginx,
    socket: &'static str,
    client: Option<Client>,
}

impl Connection<'_> {
    fn ask(&mut self, request: &Request) -> Response {
        let client = self.client.get_or_insert_with(|| Client::connect(&self.nginx.path(self.socket)));
        let response = client.ask(request);
        if response.header("Connection") == Some("close") {
            self.client = None;
        }
        response
    }
}

/// How the simplest backend reads it: cut at the query string, split, decode each segment. `None` for a bad escape.
fn segments(raw: &[u8]) -> Option<Vec<Vec<u8>>> {
    let path = raw.split(|&b| b == b'?').next()?;
    path.strip_prefix(b"/")?.split(|&b| b == b'/').map(decode).collect()
}

fn decode(segment: &[u8]) -> Option<Vec<u8>> {
    let mut decoded = Vec::new();
    let mut bytes = segment.iter().copied();
    while let Some(b) = bytes.next() {
        decoded.push(if b == b'%' {
            let hex = [bytes.next()?, bytes.next()?];
            u8::from_str_radix(std::str::from_utf8(&hex).ok()?, 16).ok()?
        } else {
            b
        });
    }
    Some(decoded)
}

fn user_in(raw: &[u8]) -> Option<Vec<u8>> {
    match &segments(raw)?[..] {
        [api, users, user, ..] if api == b"api" && users == b"users" => Some(user.clone()),
        _ => None,
    }
}

/// The rule, in the words of its documentation.
fn is_admitted(raw: &[u8], uri: &[u8]) -> bool {
    let Some(segments) = segments(raw) else { return false };
    let rebuilt = segments.iter().flat_map(|segment| [b"/", &segment[..]]).flatten().copied().collect::<Vec<u8>>();
    let ambiguous = |b: &u8| b.is_ascii_control() || b";\\#?%/".contains(b);
    let dots = |segment: &Vec<u8>| segment.contains(&b'.') && segment.iter().all(|b| b". ".contains(b));
    let (last, before) = segments.split_last().expect("a segment");
    rebuilt == uri
        && before.iter().all(|segment| !segment.is_empty())
        && segments.iter().all(|segment| !dots(segment) && !segment.iter().any(ambiguous))
        && (!last.is_empty() || uri.ends_with(b"/"))
        && segments.iter().all(|segment| std::str::from_utf8(segment).is_ok())
}

#[test]
fn what_nginx_compares_is_what_a_backend_reads() {
    let nginx = Setup::new().http(CONF);
    let backend = Backend::of(&nginx);
    let connect = |socket| Connection { nginx: &nginx, socket, client: None };
    let (mut plain, mut strict) = (connect("plain.sock"), connect("nginx.sock"));
    let (alice, mut random) = (uid("A"), Random(SEED));
    let mut seen = std::collections::BTreeMap::<String, usize>::new();
    for _ in 0..PATHS {
        let raw = random.path();
        let name = raw.escape_ascii().to_string();
        let made = plain.ask(&get(&raw));
        let response = strict.ask(&get(&raw).token(&alice));
        let word = response.header("X-Result").unwrap_or("none").to_owned();
        let expected = match made.status {
            200 => {
                let at = made.body.iter().position(|&b| b == b'\n').filter(|_| !made.body.starts_with(b"\n"));
                // A user with a line end in it cannot be told from what follows; the rule admits none.
                let (user, uri) = at.map_or((&[][..], &[][..]), |at| (&made.body[..at], &made.body[at + 1..]));
                match is_admitted(&raw, uri) {
                    true if user == b"A" => "ok",
                    true => "user_mismatch",
                    false => "ambiguous_path",
                }
            }
            _ => "none",
        };
        assert_eq!(word, expected, "{name}: {response:?}");
        if word == "ok" {
            let (line, compared) = backend.take_one("X-Compared");
            let received = line.strip_prefix("GET ").expect("a line");
            assert_eq!(received.as_bytes(), raw, "the backend receives the path as it was sent");
            assert_eq!(user_in(received.as_bytes()).as_deref(), Some(&b"A"[..]), "{name}");
            assert_eq!(compared.as_deref(), Some("A"), "{name}");
        }
        *seen.entry(word).or_default() += 1;
    }
    assert_eq!(backend.take(), [""; 0], "nothing else passed");
    for word in ["ok", "user_mismatch", "ambiguous_path", "none"] {
        assert!(seen.get(word).is_some_and(|&count| count > PATHS / 50), "too few are {word}: {seen:?}");
    }
}

/// The same paths without the rule: what is A's to nginx is B's to the backend.
#[test]
fn without_the_rule_they_differ() {
    let nginx = Setup::new().http(CONF);
    let backend = Backend::of(&nginx);
    let mut off = Connection { nginx: &nginx, socket: "off.sock", client: None };
    let (alice, mut random) = (uid("A"), Random(SEED));
    let mut of_bob = 0;
    for raw in (0..PATHS).map(|_| random.path()) {
        let passes = off.ask(&get(&raw).token(&alice)).status == 200;
        of_bob += usize::from(passes && user_in(&raw).as_deref() == Some(b"B"));
    }
    let received = backend.take();
    assert!(received.iter().any(|head| head.starts_with("GET /api/users/B/../A")), "{of_bob}");
    assert!(of_bob > 10, "{of_bob} of {PATHS} paths");
}
