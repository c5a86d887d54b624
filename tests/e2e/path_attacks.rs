//! Every attack on what nginx checked, against a backend that reads the path in a way of its own. The rule refuses it;
//! without the rule it arrives, and is another user's.

use crate::common::*;

/// What a backend makes of the request target: the segments that it routes by.
type Reader = fn(&str) -> Vec<String>;

fn nginx(rule: &str) -> Nginx {
    Setup::new().server(&format!(
        "jwt_user_scope_path {rule};
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            proxy_set_header X-Compared $user_id;
            proxy_pass http://unix:backend.sock;
        }}
        location / {{ return 404; }}"
    ))
}

fn split(path: &str) -> Vec<String> {
    path.split('/').skip(1).map(str::to_owned).collect()
}

fn decode(text: &str) -> String {
    let mut parts = text.split('%');
    let mut decoded = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        match part.get(..2).and_then(|hex| u8::from_str_radix(hex, 16).ok()) {
            Some(code) => decoded.extend([&[code], &part.as_bytes()[2..]].concat()),
            None => decoded.extend([b"%", part.as_bytes()].concat()),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

/// RFC 3986 section 5.2.4, on segments.
fn resolve(segments: Vec<String>) -> Vec<String> {
    let mut kept = Vec::new();
    for segment in segments {
        match segment.as_str() {
            "." => {}
            ".." => drop(kept.pop()),
            _ => kept.push(segment),
        }
    }
    kept
}

fn decoded(segments: Vec<String>) -> Vec<String> {
    segments.iter().map(|segment| decode(segment)).collect()
}

/// FastAPI, Express: routes on the path as it came.
fn as_sent(path: &str) -> Vec<String> {
    decoded(split(path))
}

/// RFC 3986: a segment may be empty.
fn by_rfc_3986(path: &str) -> Vec<String> {
    decoded(resolve(split(path)))
}

/// WHATWG URLs: also dots that are encoded, and `\`; `%2f` stays within its segment.
fn by_whatwg(path: &str) -> Vec<String> {
    let path = path.replace('\\', "/").replace("%2e", ".").replace("%2E", ".");
    decoded(resolve(split(&path)))
}

/// Tomcat: path parameters go first.
fn without_parameters(path: &str) -> Vec<String> {
    let segments = split(path).iter().map(|segment| segment.split(';').next().unwrap_or_default().to_owned()).collect();
    decoded(resolve(segments))
}

/// A proxy behind nginx that decodes, and an application that decodes again.
fn decoding_twice(path: &str) -> Vec<String> {
    resolve(split(&decode(&decode(path))))
}

const ATTACKS: [(&str, Reader); 26] = [
    ("/api/users/B/../A/x", as_sent),
    ("/api/users/B/./../A/x", as_sent),
    ("/api/users/B/x/../../A", as_sent),
    ("/api/users/B/%2e%2e/A/x", as_sent),
    ("/api/users/B/%2E./A/x", as_sent),
    ("/api/users/B/..%2fA/x", as_sent),
    ("/api/users/B/..%2fA/x", by_whatwg),
    ("/api/users/B/%2e%2e%2FA/x", by_whatwg),
    ("/api/users/A/x%2fy/../../B/profile", by_whatwg),
    ("/api/users/B//../A/x", as_sent),
    ("/api/users/B//../A/x", by_rfc_3986),
    ("/api/users/A/..;/B/x", without_parameters),
    ("/api/users/A/..;v=1/B/x", without_parameters),
    ("/api/users/A/x/..;/..;y/B/x", without_parameters),
    ("/api/users/A/..\\B/x", by_whatwg),
    ("/api/users/A/%2e%2e\\B/x", by_whatwg),
    ("/api/users/A/..%5cB/x", with_backslashes_decoded),
    ("/api/users/A/x#/../../B/x", by_rfc_3986),
    ("/api/users/A/%252e%252e/B/x", decoding_twice),
    ("/api/users/A/..%252fB/x", decoding_twice),
    ("/api/users/A/x/%252e%252e%252f%252e%252e/B", decoding_twice),
    ("/api/users/A/..%20/B/x", on_windows),
    ("/api/users/A/%2e%2e%20%20/B/x", on_windows),
    ("/api/users/A/.../B/x", on_windows),
    ("/api/users/A/..%2e%2e/B/x", on_windows),
    ("/api/users/B/../A?/../B", as_sent),
];

/// File names on Windows end before spaces, and to the .NET Framework a longer row of dots is `..`.
fn on_windows(path: &str) -> Vec<String> {
    let name = |segment: &String| match segment.trim_end() {
        dots if dots.len() > 2 && dots.bytes().all(|b| b == b'.') => "..".to_owned(),
        name => name.to_owned(),
    };
    resolve(decoded(split(path)).iter().map(name).collect())
}

/// IIS.
fn with_backslashes_decoded(path: &str) -> Vec<String> {
    by_whatwg(&decode(path))
}

fn user_of(line: &str, read: Reader) -> String {
    let target = line.strip_prefix("GET ").expect("a request line");
    let segments = read(target.split('?').next().unwrap_or_default());
    assert_eq!(segments[..2], ["api", "users"], "{line}");
    segments[2].clone()
}

#[test]
fn are_refused() {
    let nginx = nginx("strict");
    let backend = Backend::of(&nginx);
    for (path, _) in ATTACKS {
        expect(path, "ambiguous_path", &get(path).token(&uid("A")).send(&nginx));
        expect(path, "ambiguous_path", &get(path).token(&uid("B")).send(&nginx));
    }
    assert_eq!(backend.take(), [""; 0]);
}

/// What they would do.
#[test]
fn reach_another_user_without_the_rule() {
    let nginx = nginx("off");
    let backend = Backend::of(&nginx);
    for (path, read) in ATTACKS {
        expect(path, "ok", &get(path).token(&uid("A")).send(&nginx));
        let (line, compared) = backend.take_one("X-Compared");
        assert_eq!((line.as_str(), compared.as_deref()), (&*format!("GET {path}"), Some("A")));
        assert_eq!(user_of(&line, read), "B", "{path}");
    }
}
