//! What nginx refuses by its form, before it looks for a location.

use crate::request::Request;

/// A line of more is refused, unless `large_client_header_buffers` allows it.
const LINE: usize = 8 * 1024;

/// The status with which nginx refuses a request, and why (`ngx_http_process_request_line`,
/// `ngx_http_process_request_header`, `ngx_http_validate_host`).
pub fn refusal(request: &Request) -> Option<(u16, &'static str)> {
    let is_of_method = |b: &u8| b.is_ascii_uppercase() || matches!(b, b'_' | b'-');
    if request.method.is_empty() || !request.method.iter().all(is_of_method) {
        return Some((400, "itself: this is no method"));
    }
    if request.headers.iter().any(|(name, _)| name.iter().any(|b| *b <= b' ' || *b == 0x7f)) {
        return Some((400, "itself: this is no header"));
    }
    let all = |name: &str| {
        let name = name.as_bytes().to_vec();
        let is_it = move |header: &&(Vec<u8>, Vec<u8>)| header.0.eq_ignore_ascii_case(&name);
        request.headers.iter().filter(is_it).map(|(_, value)| &value[..])
    };
    if ONCE.iter().any(|name| all(name).nth(1).is_some()) {
        return Some((400, "itself: there are two of a header that comes once"));
    }
    if all("Host").any(|host| !is_host(host)) {
        return Some((400, "itself: this is no host"));
    }
    let length = all("Content-Length").next();
    if length.is_some_and(|length| !is_length(length)) {
        return Some((400, "itself: this is no length"));
    }
    match all("Transfer-Encoding").next() {
        Some(coding) if !coding.eq_ignore_ascii_case(b"chunked") => {
            return Some((501, "itself: it knows no transfer coding but \"chunked\""));
        }
        Some(_) if length.is_some() => return Some((400, "itself: there are a length and a transfer coding")),
        _ => {}
    }
    let is_refused = matches!(&request.method[..], b"TRACE" | b"CONNECT");
    is_refused.then_some((405, "itself: it takes no such method"))
}

/// Headers of which nginx takes no second (`ngx_http_headers_in`).
const ONCE: [&str; 5] = ["Host", "Content-Length", "Transfer-Encoding", "If-Modified-Since", "If-None-Match"];

fn is_host(host: &[u8]) -> bool {
    let is_odd = |b: &u8| *b <= b' ' || *b == b'/' || *b == 0x7f;
    let name = if host.starts_with(b"[") { host } else { host.split(|b| *b == b':').next().unwrap_or_default() };
    let name = name.strip_suffix(b".").unwrap_or(name);
    !name.is_empty() && !host.iter().any(is_odd) && !host.windows(2).any(|two| two == b"..")
}

/// Digits, of a number that nginx can count.
fn is_length(length: &[u8]) -> bool {
    length.iter().all(u8::is_ascii_digit) && std::str::from_utf8(length).is_ok_and(|text| text.parse::<i64>().is_ok())
}

/// Whether a line of the request, with a token of so many bytes in it, may be too long for nginx.
pub fn is_long(request: &Request, token: usize) -> bool {
    let line = |(name, value): &(Vec<u8>, Vec<u8>)| name.len() + value.len() + ": \r\n".len();
    let of_token = "Authorization: Bearer \r\n".len() + token;
    let of_request = request.method.len() + request.raw.len() + "  HTTP/1.1\r\n".len();
    request.headers.iter().map(line).chain([of_token, of_request]).any(|length| length > LINE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refuses_what_nginx_refuses() {
        type Row = (&'static str, &'static [(&'static str, &'static str)], Option<u16>);
        let rows: [Row; 29] = [
            ("GET", &[], None),
            ("PROPFIND", &[], None),
            ("X-Y_Z", &[], None),
            ("get", &[], Some(400)),
            ("M1", &[], Some(400)),
            ("", &[], Some(400)),
            ("TRACE", &[], Some(405)),
            ("CONNECT", &[], Some(405)),
            ("GET", &[("Host", "example.com:8080")], None),
            ("GET", &[("Host", "[::1]")], None),
            ("GET", &[("Host", "")], Some(400)),
            ("GET", &[("Host", "x y")], Some(400)),
            ("GET", &[("Host", "..")], Some(400)),
            ("GET", &[("Host", "example.com/")], Some(400)),
            ("GET", &[("Host", ":80")], Some(400)),
            ("GET", &[("Host", ".")], Some(400)),
            ("GET", &[("Host", "a"), ("host", "a")], Some(400)),
            ("GET", &[("If-None-Match", "a"), ("If-None-Match", "b")], Some(400)),
            ("GET", &[("Transfer_Encoding", "gzip"), ("Content_Length", "x")], None),
            ("POST", &[("Content-Length", "99999999999999999999")], Some(400)),
            ("GET", &[("Accept", "a"), ("Accept", "b")], None),
            ("POST", &[("Content-Length", "12")], None),
            ("POST", &[("Content-Length", "abc")], Some(400)),
            ("POST", &[("Transfer-Encoding", "Chunked")], None),
            ("POST", &[("Transfer-Encoding", "gzip, chunked")], Some(501)),
            ("POST", &[("Transfer-Encoding", "chunked"), ("Content-Length", "1")], Some(400)),
            ("GET", &[("Bad Header", "x")], Some(400)),
            ("GET", &[("Bad_Header", "x")], None),
            ("GET", &[("X-Anything", "x y\u{e9}")], None),
        ];
        for (method, headers, status) in rows {
            let mut request = Request::to(method.as_bytes(), b"/");
            request.headers = headers.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
            assert_eq!(refusal(&request).map(|(status, _)| status), status, "{method} {headers:?}");
        }
    }

    #[test]
    fn finds_long_lines() {
        let mut request = Request::to(b"GET", b"/");
        assert!(!is_long(&request, 8168) && is_long(&request, 8169));
        request.headers = vec![(b"X".to_vec(), vec![b'x'; 8187])];
        assert!(!is_long(&request, 0));
        request.headers[0].1.push(b'x');
        assert!(is_long(&request, 0));
        assert!(is_long(&Request::to(b"GET", &[b'/'; 8192]), 0));
    }
}
