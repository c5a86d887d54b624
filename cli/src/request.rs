//! The request that is asked about, as it is at some point of its way through nginx.

use crate::select::Place;

/// Headers that nearly every client sends by itself, as variables: that none is given does not say that there is none.
const USUAL: [&[u8]; 5] =
    [b"http_accept", b"http_accept_encoding", b"http_connection", b"http_host", b"http_user_agent"];

/// A request without its token.
#[derive(Clone, Debug, Default)]
pub struct Request {
    pub method: Vec<u8>,
    /// The request target as the client sends it.
    pub raw: Vec<u8>,
    /// The path as nginx reads it, or has made it.
    pub uri: Vec<u8>,
    /// The query string, if there is one.
    pub args: Option<Vec<u8>>,
    /// Names and values.
    pub headers: Vec<(Vec<u8>, Vec<u8>)>,
    pub host: Option<Vec<u8>>,
    /// The client's address.
    pub client: Option<Vec<u8>>,
    /// nginx would forward its own path, and not the one that was sent.
    pub rewritten: bool,
    /// It is where no client can come by itself.
    pub is_internal: bool,
    /// nginx has led it to another location by a redirect of its own.
    pub was_redirected: bool,
}

/// What a client asks for.
pub struct Target<'t> {
    /// Of a target in absolute form, `http://host/path`. It comes before that of the header.
    pub host: Option<&'t [u8]>,
    /// The path with its query string. Without a path it begins with a question mark.
    pub path: &'t [u8],
}

impl<'t> Target<'t> {
    /// Takes a target apart as `ngx_http_parse_request_line` does. `None` for nginx's own 400.
    pub fn parse(text: &'t [u8]) -> Option<Self> {
        if !text.first()?.is_ascii_alphabetic() {
            return Some(Self { host: None, path: text }).filter(|_| text.starts_with(b"/"));
        }
        let is_of_scheme = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
        let rest = after(text, is_of_scheme).strip_prefix(b"://")?;
        let behind = match rest.strip_prefix(b"[") {
            Some(literal) => after(literal, is_of_literal).strip_prefix(b"]")?,
            None => after(rest, |b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')),
        };
        let host = &rest[..rest.len() - behind.len()];
        let path = behind.strip_prefix(b":").map_or(behind, |port| after(port, u8::is_ascii_digit));
        let is_host = !host.is_empty() && !host.windows(2).any(|two| two == b"..");
        match path.first() {
            _ if !is_host => None,
            None => Some(Self { host: Some(host), path: b"/" }),
            Some(b'/' | b'?') => Some(Self { host: Some(host), path }),
            Some(_) => None,
        }
    }
}

/// What is behind the bytes of a kind.
fn after(text: &[u8], is_of_kind: impl Fn(&u8) -> bool) -> &[u8] {
    &text[text.iter().take_while(|b| is_of_kind(b)).count()..]
}

/// Of an address in brackets.
fn is_of_literal(b: &u8) -> bool {
    b.is_ascii_alphanumeric() || b":-._~!$&'()*+,;=".contains(b)
}

impl Request {
    /// A request for a target.
    pub fn to(method: &[u8], raw: &[u8]) -> Self {
        let end = raw.iter().position(|&b| b == b'#').unwrap_or(raw.len());
        let query = raw[..end].iter().position(|&b| b == b'?');
        Self {
            method: method.into(),
            raw: raw.into(),
            args: query.map(|at| raw[at + 1..end].to_vec()),
            // A target in absolute form without a path, for which nginx puts the root.
            rewritten: matches!(raw.first(), None | Some(b'?')),
            ..Self::default()
        }
    }

    /// Takes its headers as a server of nginx does (`ngx_http_process_request_headers`), and tells which it drops.
    pub fn receive(&mut self, server: &Place) -> Vec<Vec<u8>> {
        let underscores = server.inherited(|own| own.underscores_in_headers).unwrap_or(false);
        let ignores = server.inherited(|own| own.ignores_invalid_headers).unwrap_or(true);
        let is_valid = |b: &u8| b.is_ascii_alphanumeric() || *b == b'-' || (underscores && *b == b'_');
        let (kept, dropped) = std::mem::take(&mut self.headers)
            .into_iter()
            .partition::<Vec<_>, _>(|(name, _)| !ignores || name.iter().all(is_valid));
        self.headers = kept;
        self.join(b"Cookie", b"; ");
        self.join(b"X-Forwarded-For", b", ");
        dropped.into_iter().map(|(name, _)| name).collect()
    }

    /// nginx answers that with 400.
    pub fn has_two_authorizations(&self) -> bool {
        self.all(b"authorization").nth(1).is_some()
    }

    /// Makes one header of those of a name, as every nginx does.
    fn join(&mut self, name: &[u8], separator: &[u8]) {
        let is_it = |(own, _): &(Vec<u8>, Vec<u8>)| own.eq_ignore_ascii_case(name);
        let Some(first) = self.headers.iter().position(is_it) else { return };
        let values: Vec<_> = self.headers.extract_if(first + 1.., |header| is_it(header)).collect();
        for (_, value) in values {
            self.headers[first].1.extend([separator, &value].concat());
        }
    }

    /// What `set $args` does.
    pub fn set_args(&mut self, args: &[u8]) {
        self.args = Some(args.to_vec());
        self.rewritten = true;
    }

    /// What an internal redirect does.
    pub fn redirect(&mut self, uri: &[u8], args: Option<&[u8]>) {
        self.uri = uri.to_vec();
        self.args = args.map(<[u8]>::to_vec);
        self.rewritten = true;
        self.enter();
    }

    /// What any redirect within nginx does.
    pub fn enter(&mut self) {
        self.is_internal = true;
        self.was_redirected = true;
    }

    pub fn is_preflight(&self) -> bool {
        self.method == b"OPTIONS"
            && authz::is_preflight(self.headers.iter().map(|(name, value)| (&name[..], &value[..])))
    }

    /// The value of the first header of this name, written as in a variable: lower case, `_` for `-`.
    pub fn header(&self, name: &[u8]) -> Option<&[u8]> {
        self.all(name).next()
    }

    fn all(&self, name: &[u8]) -> impl Iterator<Item = &[u8]> {
        let fold = |b: &u8| if *b == b'-' { b'_' } else { b.to_ascii_lowercase() };
        let is_it = move |header: &[u8]| header.iter().map(fold).eq(name.iter().copied());
        self.headers.iter().filter(move |(header, _)| is_it(header)).map(|(_, value)| &value[..])
    }

    /// Whether a variable is that of a header that comes more than once.
    pub fn is_repeated(&self, variable: &[u8]) -> bool {
        variable.strip_prefix(b"http_").is_some_and(|name| self.all(name).nth(1).is_some())
    }

    /// Something in its path is encoded, or may be a space (`quoted_uri` and `plus_in_uri`).
    pub fn is_encoded(&self) -> bool {
        self.path().iter().take_while(|b| **b != b'#').any(|b| matches!(b, b'%' | b'+'))
    }

    /// The path without its query string, which may hold a token.
    pub fn path(&self) -> &[u8] {
        self.raw.split(|&b| b == b'?').next().unwrap_or_default()
    }

    /// A variable that nginx takes from the request alone. `None` for any other, and where it is not known; an inner `None`
    /// for one without a value.
    pub fn variable(&self, name: &[u8]) -> Option<Option<Vec<u8>>> {
        let query = self.args.as_deref();
        let value = match name {
            b"uri" | b"document_uri" => Some(self.uri.clone()),
            b"request_uri" => Some(self.raw.clone()),
            b"request_method" => Some(self.method.clone()),
            b"args" | b"query_string" => query.map(<[u8]>::to_vec),
            b"is_args" => Some(if query.is_some_and(|query| !query.is_empty()) { b"?".to_vec() } else { Vec::new() }),
            b"host" => return self.host.clone().map(Some),
            b"remote_addr" => return self.client.clone().map(Some),
            b"content_length" | b"content_type" => self.header(name).map(<[u8]>::to_vec),
            _ => {
                if let Some(name) = name.strip_prefix(b"arg_") {
                    query.and_then(|query| argument(query, name))
                } else if let Some(name) = name.strip_prefix(b"cookie_") {
                    let [old, new] = [&b";,"[..], b";"].map(|ends| cookie(self.header(b"cookie")?, name, ends));
                    if old != new {
                        return None;
                    }
                    new
                } else {
                    let value = self.header(name.strip_prefix(b"http_")?).map(<[u8]>::to_vec);
                    if self.is_repeated(name) || (value.is_none() && USUAL.contains(&name)) {
                        return None;
                    }
                    value
                }
            }
        };
        Some(value)
    }
}

/// The value of an argument, its name in any case (`ngx_http_arg`).
fn argument(query: &[u8], name: &[u8]) -> Option<Vec<u8>> {
    let value = |pair: &[u8]| Some(without_name(pair, name)?.strip_prefix(b"=")?.to_vec());
    query.split(|&b| b == b'&').filter(|_| !name.is_empty()).find_map(value)
}

/// The value of a cookie, its name in any case (`ngx_http_parse_cookie_lines`). What is no such cookie ends at one of `ends`,
/// and the value at a semicolon only. Before 1.29.5, a comma was an end.
fn cookie(cookies: &[u8], name: &[u8], ends: &[u8]) -> Option<Vec<u8>> {
    let mut rest = cookies;
    while !rest.is_empty() {
        let Some(after) = without_name(rest, name) else {
            rest = next_cookie(rest, ends);
            continue;
        };
        match without_spaces(after) {
            [b'=', value @ ..] => return without_spaces(value).split(|&b| b == b';').next().map(<[u8]>::to_vec),
            // nginx has read one byte on, even if that ends the cookie.
            [_, after @ ..] => rest = next_cookie(after, ends),
            [] => return None,
        }
    }
    None
}

fn next_cookie<'t>(text: &'t [u8], ends: &[u8]) -> &'t [u8] {
    let end = text.iter().position(|b| ends.contains(b)).map_or(text.len(), |at| at + 1);
    without_spaces(&text[end..])
}

fn without_name<'t>(text: &'t [u8], name: &[u8]) -> Option<&'t [u8]> {
    text.get(..name.len()).filter(|start| start.eq_ignore_ascii_case(name)).map(|_| &text[name.len()..])
}

fn without_spaces(text: &[u8]) -> &[u8] {
    after(text, |b| *b == b' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_the_variables_of_a_request() {
        let header = |name: &str, value: &str| (name.into(), value.into());
        let mut request = Request::to(b"GET", b"/a%20b?x=1&Token=t&x=2&e#f");
        request.uri = b"/a b".to_vec();
        request.headers = vec![header("X-Role", "admin"), header("Cookie", "a=1; t=c=d")];
        request.headers.extend([header("X-Twice", "a"), header("x-twice", "b")]);
        let rows: [(&str, Option<Option<&str>>); 19] = [
            ("uri", Some(Some("/a b"))),
            ("request_uri", Some(Some("/a%20b?x=1&Token=t&x=2&e#f"))),
            ("request_method", Some(Some("GET"))),
            ("args", Some(Some("x=1&Token=t&x=2&e"))),
            ("is_args", Some(Some("?"))),
            ("arg_x", Some(Some("1"))),
            ("arg_token", Some(Some("t"))),
            ("arg_e", Some(None)),
            ("http_x_role", Some(Some("admin"))),
            ("http_x_other", Some(None)),
            ("http_x_twice", None),
            ("http_connection", None),
            ("http_host", None),
            ("cookie_t", Some(Some("c=d"))),
            ("cookie_x", Some(None)),
            ("content_length", Some(None)),
            ("host", None),
            ("remote_addr", None),
            ("user_id", None),
        ];
        for (name, expected) in rows {
            let expected = expected.map(|value| value.map(|text| text.as_bytes().to_vec()));
            assert_eq!(request.variable(name.as_bytes()), expected, "{name}");
        }
    }

    #[test]
    fn takes_targets_apart_as_nginx_does() {
        let rows = [
            ("/a?b", Some((None, "/a?b"))),
            ("http://h/a?b", Some((Some("h"), "/a?b"))),
            ("HTTPS://H.x:8080/a", Some((Some("H.x"), "/a"))),
            ("http://h", Some((Some("h"), "/"))),
            ("http://h:80?x", Some((Some("h"), "?x"))),
            ("http://[::1]:80/a", Some((Some("[::1]"), "/a"))),
            ("x+y://h:/a", Some((Some("h"), "/a"))),
            ("http:///a", None),
            ("http://a..b/", None),
            ("http://u@h/", None),
            ("http://h:x/", None),
            ("http://[::1/", None),
            ("http:/h/", None),
            ("a", None),
            ("*", None),
            ("?x", None),
            ("", None),
        ];
        for (text, expected) in rows {
            let target = Target::parse(text.as_bytes()).map(|target| (target.host, target.path));
            let expected =
                expected.map(|(host, path): (Option<&str>, &str)| (host.map(str::as_bytes), path.as_bytes()));
            assert_eq!(target, expected, "{text}");
        }
    }

    #[test]
    fn reads_cookies_as_nginx_does() {
        let rows = [
            ("t=a", Some("a")),
            ("T=a", Some("a")),
            ("t = a", Some("a")),
            ("t=a ; b=1", Some("a ")),
            ("a=b, t=c", Some("c")),
            ("a=b,  t=c", Some("c")),
            ("t=a, b=c", Some("a, b=c")),
            ("t=\"a\"", Some("\"a\"")),
            ("t=a; t=b", Some("a")),
            ("tt=a; t=b", Some("b")),
            ("a=t=c; t=b", Some("b")),
            ("t=", Some("")),
            ("t", None),
            ("t ", None),
            ("t;t=a", None),
            ("t;a;t=b", Some("b")),
            ("\tt=a", None),
            ("t=a\t; b", Some("a\t")),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(cookie(text.as_bytes(), b"t", b";,").as_deref(), expected.map(str::as_bytes), "{text}");
            let expected = expected.filter(|_| !text.starts_with("a=b,"));
            assert_eq!(cookie(text.as_bytes(), b"t", b";").as_deref(), expected.map(str::as_bytes), "{text}, newer");
        }
    }

    #[test]
    fn reads_arguments_as_nginx_does() {
        let rows = [
            ("t=a", Some("a")),
            ("T=a", Some("a")),
            ("t&t=a", Some("a")),
            ("t= a &b", Some(" a ")),
            (" t=a", None),
            ("t =a", None),
            ("tt=a&t=b", Some("b")),
            ("a=t=c", None),
            ("t=a;b", Some("a;b")),
            ("t=", Some("")),
            ("", None),
        ];
        for (text, expected) in rows {
            assert_eq!(argument(text.as_bytes(), b"t").as_deref(), expected.map(str::as_bytes), "{text}");
        }
    }
}
