//! CORS preflights, which carry no token.

/// Headers that make some backends take a request for one of another method.
const OVERRIDES: [&[u8]; 3] = [b"x-http-method-override", b"x-http-method", b"x-method-override"];

/// Whether the headers of an `OPTIONS` request, names and values, make it a CORS preflight, and nothing that a backend could
/// take for another method. One that says nothing is no preflight's.
pub fn is_preflight<'h>(headers: impl Iterator<Item = (&'h [u8], &'h [u8])> + Clone) -> bool {
    let has = |name: &[u8]| headers.clone().any(|(header, _)| same_header(header, name));
    let says = |name: &[u8]| headers.clone().any(|(header, value)| same_header(header, name) && !value.is_empty());
    says(b"origin") && says(b"access-control-request-method") && !OVERRIDES.into_iter().any(has)
}

/// Whether a header has a name, to whoever takes `_` for `-` (CGI, WSGI).
fn same_header(header: &[u8], name: &[u8]) -> bool {
    let plain = |b: &u8| if *b == b'_' { b'-' } else { b.to_ascii_lowercase() };
    header.len() == name.len() && header.iter().map(plain).eq(name.iter().copied())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_a_preflight() {
        let rows: [(&[&str], bool); 11] = [
            (&["Origin", "Access-Control-Request-Method"], true),
            (&["host", "access-control-request-method", "ORIGIN", "X-Other"], true),
            (&["Origin", "access_control_request_method"], true),
            (&["Origin"], false),
            // A name as long as one that is wanted.
            (&["Accept", "Access-Control-Request-Method"], false),
            (&["Origin", "Access-Control-Request-Header"], false),
            (&["Access-Control-Request-Method"], false),
            (&[], false),
            (&["Origin", "Access-Control-Request-Method", "X-HTTP-Method-Override"], false),
            (&["Origin", "Access-Control-Request-Method", "x_http_method"], false),
            (&["X-Method-Override", "Origin", "Access-Control-Request-Method"], false),
        ];
        for (names, expected) in rows {
            let with = |value: &'static [u8]| names.iter().map(move |name| (name.as_bytes(), value));
            assert_eq!(is_preflight(with(b"x")), expected, "{names:?}");
            assert!(!is_preflight(with(b"")), "{names:?}");
        }
        let headers = |origin, method| [(&b"origin"[..], origin), (b"access-control-request-method", method)];
        let rows: [(&[u8], &[u8], bool); 3] = [(b"null", b"GET", true), (b"", b"GET", false), (b"null", b"", false)];
        for (origin, method, expected) in rows {
            assert_eq!(is_preflight(headers(origin, method).into_iter()), expected);
        }
        let said_nothing = [(&b"x-http-method"[..], &b""[..])];
        assert!(
            !is_preflight(headers(b"null", b"GET").into_iter().chain(said_nothing)),
            "an override, whatever it says"
        );
    }
}
