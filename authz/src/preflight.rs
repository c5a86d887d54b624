//! CORS preflights, which carry no token.

/// Headers that make some backends take a request for one of another method.
const OVERRIDES: [&[u8]; 3] = [b"x-http-method-override", b"x-http-method", b"x-method-override"];

/// Whether the headers of an `OPTIONS` request make it a CORS preflight, and nothing that a backend could take for
/// another method.
pub fn is_preflight<'h>(header_names: impl Iterator<Item = &'h [u8]> + Clone) -> bool {
    let has = |name: &[u8]| header_names.clone().any(|header| same_header(header, name));
    has(b"origin") && has(b"access-control-request-method") && !OVERRIDES.into_iter().any(has)
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
            assert_eq!(is_preflight(names.iter().map(|name| name.as_bytes())), expected, "{names:?}");
        }
    }
}
