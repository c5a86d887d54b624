//! Models of backends: which user each takes a forwarded request target to belong to, under `/api/users/{user}`.
//!
//! Each is written after one server or framework, its quirks included, and shares nothing with the code under test.

use crate::habits::*;
use crate::nginx;

/// A backend.
pub struct Backend {
    pub name: &'static str,
    /// The user, or `None` where the answer is 404 or 400.
    pub read: fn(&[u8]) -> Option<Vec<u8>>,
}

const fn backend(name: &'static str, read: fn(&[u8]) -> Option<Vec<u8>>) -> Backend {
    Backend { name, read }
}

pub const BACKENDS: &[Backend] = &[
    backend("FastAPI on uvicorn (h11)", |target| user(&text(&unquote(path_of(target))), exact)),
    backend("FastAPI on uvicorn (httptools)", |target| user(&text(&unquote(until(path_of(target), b"#"))), exact)),
    backend("Express", express),
    backend("WHATWG parser, absolute URL", |target| {
        let url = url::Url::parse(&format!("http://backend{}", String::from_utf8_lossy(target))).ok()?;
        Some(unquote(&user(url.path().as_bytes(), exact)?))
    }),
    backend("WHATWG parser, reference", |target| {
        let base = url::Url::parse("http://backend/").ok()?;
        let url = base.join(&String::from_utf8_lossy(target)).ok()?;
        Some(unquote(&user(url.path().as_bytes(), exact)?))
    }),
    backend("RFC 3986, dots before decoding", |target| {
        user_of_segments(&remove_dot_segments(until(path_of(target), b"#")), exact, unquote)
    }),
    backend("RFC 3986, dots after decoding", |target| {
        user(&remove_dot_segments(&unquote(until(path_of(target), b"#"))), exact)
    }),
    backend("Tomcat", |target| {
        let path = unquote(&without_parameters(path_of(target)));
        user(&normalize(&slashes(&path))?, exact)
    }),
    backend("Tomcat, encoded solidus passed through", |target| {
        let path = unquote_but(&without_parameters(path_of(target)), b"/");
        user_of_segments(&normalize(&slashes(&path))?, exact, unquote)
    }),
    backend("Jetty, parameters after decoding", |target| {
        let path = remove_dot_segments(&without_parameters(&unquote(path_of(target))));
        user(&path, exact)
    }),
    backend("servlet that cuts at the first semicolon", |target| {
        user(&normalize(&unquote(until(path_of(target), b";")))?, exact)
    }),
    backend("Spring, AntPathMatcher before 4.3", |target| {
        let path = unquote(&without_parameters(path_of(target)));
        let tokens: Vec<&[u8]> =
            path.split(is_slash).map(<[u8]>::trim_ascii).filter(|token| !token.is_empty()).collect();
        user(&[b"/", tokens.join(&b'/').as_slice()].concat(), exact)
    }),
    backend("IIS", |target| {
        let path = squeeze(&slashes(&unquote(&unquote(path_of(target)))));
        user(&remove_dot_segments(&windows_names(&path)?), ascii_caseless)
    }),
    backend("IIS 5", |target| {
        let path = utf8_leniently(&unquote_wide(path_of(target)));
        let path = utf8_leniently(&unquote_wide(&path));
        user(&remove_dot_segments(&windows_names(&slashes(&path))?), ascii_caseless)
    }),
    backend(".NET Framework", |target| {
        let path = windows_names(&slashes(&unquote(path_of(target))))?;
        user(&remove_dot_segments(&squeeze(&path)), ascii_caseless)
    }),
    backend("Go, ServeMux before 1.22", |target| user(&clean(&unquote_strictly(path_of(target))?), exact)),
    backend("Go, ServeMux", |target| {
        let path = path_of(target);
        let decoded = unquote_strictly(path)?;
        // Anything else is a redirect, which comes back through nginx.
        (clean(&decoded) == decoded).then(|| user_of_segments(path, exact, unquote))?
    }),
    backend("Rails on Puma", |target| {
        let path = squeeze(path_of(target));
        let path = if path.len() > 1 { path.strip_suffix(b"/").unwrap_or(&path) } else { &path };
        Some(unquote(&user(path, exact)?))
    }),
    backend("Rack, cleaned after decoding", |target| user(&clean(&squeeze(&unquote(path_of(target)))), exact)),
    backend("router without case", |target| user(&unquote(until(path_of(target), b"#")), ascii_caseless)),
    backend("Python, re.IGNORECASE", |target| user(&text(&unquote(path_of(target))), python_caseless)),
    backend("Python, pathlib", |target| {
        let path = unquote(path_of(target));
        let parts: Vec<&[u8]> = path.split(is_slash).filter(|part| !matches!(part, [] | [b'.'])).collect();
        user(&[b"/", parts.join(&b'/').as_slice()].concat(), exact)
    }),
    backend("merges slashes, resolves nothing", |target| user(&squeeze(&unquote(path_of(target))), exact)),
    backend("cuts at # before it decodes", |target| Some(unquote(&user(until(path_of(target), b"#"), exact)?))),
    backend("PHP, parse_url", |target| user(&unquote(parse_url(target)), exact)),
    backend("decodes twice", |target| user(&unquote(&unquote(path_of(target))), exact)),
    backend("decodes twice, resolves before", |target| {
        user(&unquote(&unquote(&remove_dot_segments(path_of(target)))), exact)
    }),
    backend("decodes twice, resolves between", |target| {
        user(&unquote(&remove_dot_segments(&unquote(path_of(target)))), exact)
    }),
    backend("decodes twice, resolves after", |target| {
        user(&remove_dot_segments(&unquote(&unquote(path_of(target)))), exact)
    }),
    backend("splits, then decodes twice", |target| {
        user_of_segments(path_of(target), exact, |segment| unquote(&unquote(segment)))
    }),
    backend("WHATWG parser behind a decoding proxy", |target| {
        let forwarded = unquote(path_of(target));
        let url = url::Url::parse(&format!("http://backend{}", String::from_utf8_lossy(&forwarded))).ok()?;
        Some(unquote(&user(url.path().as_bytes(), exact)?))
    }),
    backend("FastAPI behind a decoding proxy", |target| {
        user(&text(&unquote(path_of(&unquote(path_of(target))))), exact)
    }),
    backend("C strings", |target| user(until(&unquote(&unquote(path_of(target))), b"\0"), exact)),
    backend("ignores what is no text", |target| {
        let decoded = unquote(path_of(target));
        let text: String = decoded.utf8_chunks().map(|chunk| chunk.valid()).collect();
        user(text.as_bytes(), exact)
    }),
    backend("nginx", |target| nginx::user_id(&nginx::uri(target)?).map(<[u8]>::to_vec)),
];

/// The JDK's HttpServer and Werkzeug's own server: what a request line holds beyond ASCII is Latin-1. A path that is handed
/// over decoded, as by FastCGI, has no such line. The path rule leaves it to the guard: only names beyond ASCII are misread.
const LATIN_1: Backend = backend("Latin-1 where it is not encoded", |target| {
    let path: String = path_of(target).iter().map(|&b| char::from(b)).collect();
    user(&text(&unquote(path.as_bytes())), exact)
});

/// Those that read a target as the client sent it, or what nginx has made of it.
pub fn readers(as_sent: bool) -> impl Iterator<Item = &'static Backend> {
    BACKENDS.iter().chain(as_sent.then_some(&LATIN_1))
}

/// Names at whose ends the file systems and tokenisers of some servers ignore something: they cannot tell `A.` from
/// `A`, whatever the path around it. Only a rule on user names could.
pub fn has_loose_ends(user: &[u8]) -> bool {
    user.ends_with(b".") || user.trim_ascii().len() < user.len()
}

/// What was admitted for a user is that user's to every backend, or nobody's.
pub fn assert_read_as(user: &[u8], forwarded: &[u8], raw: &[u8]) {
    for backend in BACKENDS {
        let read = (backend.read)(forwarded);
        assert!(
            read.as_deref().is_none_or(|read| read == user),
            "{} was admitted for {} and read as {} by {}",
            raw.escape_ascii(),
            user.escape_ascii(),
            read.unwrap_or_default().escape_ascii(),
            backend.name
        );
    }
}

/// Routes on the raw path, without case, and decodes the parameter. Where `#` or white space is in the target, Node's
/// `url.parse` takes over, and that turns backslashes.
fn express(target: &[u8]) -> Option<Vec<u8>> {
    let mut path = path_of(target).to_vec();
    if target.iter().any(|b| matches!(b, b'#' | b'\t' | b'\n' | 0x0c | b'\r' | b' ')) {
        path = slashes(until(&path, b"#"));
    }
    let user = unquote_strictly(&user(&path, ascii_caseless)?)?;
    std::str::from_utf8(&user).is_ok().then_some(user)
}

/// Takes what begins with two slashes for a reference to another host.
fn parse_url(target: &[u8]) -> &[u8] {
    let path = until(path_of(target), b"#");
    match path.strip_prefix(b"//").and_then(|rest| rest.iter().position(is_slash).map(|at| &rest[at..])) {
        Some(path) => path,
        None => path,
    }
}

#[test]
fn are_as_fallible_as_they_should_be() {
    let rows: [(&[u8], &str); 13] = [
        (b"/api/users/B/../A/x", "FastAPI on uvicorn (h11)"),
        (b"/api/users/B/../A/x", "Express"),
        (b"/api/users/A/x%2fy/../../B/profile", "WHATWG parser, absolute URL"),
        (b"/api/users/A/..\\B/x", "WHATWG parser, absolute URL"),
        (b"//x/api/users/B", "WHATWG parser, reference"),
        (b"/api/users/A/x%2fy/../../B/x", "RFC 3986, dots before decoding"),
        (b"/api/users/A/..;/B/x", "Tomcat"),
        (b"/api/users/A/..%5cB/x", "IIS"),
        (b"/api/users/A/..%20/B/x", ".NET Framework"),
        (b"/api/users/A/%252e%252e/B/x", "decodes twice, resolves after"),
        (b"/api/users/A%252f..%252fB", "decodes twice, resolves after"),
        (b"/API/users/B", "Express"),
        (b"/api/%20users/B", "Spring, AntPathMatcher before 4.3"),
    ];
    for (target, name) in rows {
        let backend = BACKENDS.iter().find(|backend| backend.name == name).unwrap();
        assert_eq!((backend.read)(target).as_deref(), Some(&b"B"[..]), "{} {name}", target.escape_ascii());
    }
    assert_eq!((LATIN_1.read)("/api/users/\u{e9}".as_bytes()).as_deref(), Some("\u{c3}\u{a9}".as_bytes()));
    assert_eq!((LATIN_1.read)(b"/api/users/%C3%A9").as_deref(), Some("\u{e9}".as_bytes()));
    for backend in readers(true) {
        let read = backend.read;
        assert_eq!(read(b"/api/users/B/x?y=/../A").as_deref(), Some(&b"B"[..]), "{}", backend.name);
        assert_eq!(read(b"/api/users/a%20b").as_deref(), Some(&b"a b"[..]), "{}", backend.name);
        assert_eq!(read(b"/api/usersx/B"), None, "{}", backend.name);
        assert_eq!(read(b"/api/users"), None, "{}", backend.name);
    }
}
