//! A request, and what is true of it.

use std::fmt;
use std::sync::Arc;

use crate::place::Place;
use crate::token::Token;

#[derive(Clone, Debug)]
pub struct Asked {
    pub id: u64,
    /// None: a location without a check.
    pub place: Option<Arc<Place>>,
    pub method: &'static str,
    pub path: PathAsked,
    pub credential: Credential,
    /// Another token in `Authorization`, beside the one in the cookie.
    pub second_token: bool,
    pub is_preflight: bool,
    /// Bytes of a body.
    pub body: usize,
    /// Bytes of a header that means nothing.
    pub junk: usize,
}

#[derive(Clone, Debug)]
pub enum Credential {
    None,
    /// A token, and how its header is written.
    Token(Arc<Token>, Scheme),
    /// An `Authorization` without a token.
    Other(&'static str),
}

#[derive(Clone, Copy, Debug)]
pub enum Scheme {
    Usual,
    Lower,
    Spaced,
}

#[derive(Clone, Debug)]
pub struct PathAsked {
    /// As sent, with a query that holds the id.
    pub target: Vec<u8>,
    /// Whom nginx captures.
    pub user: String,
    /// Backends may read it differently.
    pub is_ambiguous: bool,
    /// Under a template of the guard, and compared with nobody.
    pub is_uncovered: bool,
    /// The backend is asked for exactly this.
    pub is_forwarded_raw: bool,
}

/// alice:pass
pub const PASSWORD: &str = "Basic YWxpY2U6cGFzcw==";

/// Larger than nginx allows.
pub const TOO_LARGE: usize = 20_000;

impl Asked {
    pub fn token(&self) -> Option<&Token> {
        match &self.credential {
            Credential::Token(token, _) => Some(token),
            _ => None,
        }
    }

    /// Names and values, `Host` and what a body needs not among them.
    pub fn headers(&self) -> Vec<(&'static str, String)> {
        let mut headers = vec![("x-soak", self.id.to_string())];
        let names = self.token().map(|token| token.everybody().join(","));
        headers.push(("x-soak-users", names.unwrap_or_default()));
        if self.is_hopeless() {
            headers.push(("x-soak-refuse", "1".into()));
        }
        if self.junk > 0 {
            headers.push(("x-junk", "j".repeat(self.junk)));
        }
        if self.is_preflight {
            headers.push(("origin", "https://app.example".into()));
            headers.push(("access-control-request-method", "PUT".into()));
        }
        headers.extend(self.authorization());
        if self.second_token {
            headers.push(("authorization", "Bearer e30.e30.AAAA".into()));
        }
        headers
    }

    fn authorization(&self) -> Option<(&'static str, String)> {
        let in_cookie = self.place.as_ref().is_some_and(|place| place.cookie);
        match &self.credential {
            Credential::None => None,
            Credential::Other(value) => Some(("authorization", (*value).into())),
            Credential::Token(token, _) if in_cookie => Some(("cookie", format!("a=b; t={}", token.text))),
            Credential::Token(token, Scheme::Usual) => Some(("authorization", format!("Bearer {}", token.text))),
            Credential::Token(token, Scheme::Lower) => Some(("authorization", format!("bearer {}", token.text))),
            Credential::Token(token, Scheme::Spaced) => Some(("authorization", format!("BEARER   {}  ", token.text))),
        }
    }

    /// Whether it must be refused at any time and under any configuration, so that no backend may ever hear of it.
    pub fn is_hopeless(&self) -> bool {
        let Some(place) = &self.place else { return self.path.is_uncovered };
        crate::model::is_hopeless(place, self)
    }

    /// Whether nginx will close the connection after its answer.
    pub fn closes(&self) -> bool {
        let strict = self.place.as_ref().is_some_and(|place| place.path == crate::place::PathRule::Strict);
        self.junk >= TOO_LARGE || strict && self.path.is_ambiguous
    }

    /// The bytes of HTTP/1.1.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1024 + self.body + self.junk);
        bytes.extend_from_slice(self.method.as_bytes());
        bytes.push(b' ');
        bytes.extend_from_slice(&self.path.target);
        bytes.extend_from_slice(b" HTTP/1.1\r\nHost: localhost\r\n");
        for (name, value) in self.headers() {
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(b": ");
            bytes.extend_from_slice(value.as_bytes());
            bytes.extend_from_slice(b"\r\n");
        }
        if self.body > 0 {
            bytes.extend_from_slice(format!("Content-Length: {}\r\n", self.body).as_bytes());
        }
        bytes.extend_from_slice(b"\r\n");
        bytes.resize(bytes.len() + self.body, b'b');
        bytes
    }
}

impl fmt::Display for Asked {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Asked { id, method, path, second_token, is_preflight, body, junk, .. } = self;
        let target = path.target.escape_ascii();
        write!(
            f,
            "{method} {target} (user {:?}, id {id}, preflight {is_preflight}, body {body}, junk {junk})",
            path.user
        )?;
        match &self.credential {
            Credential::Token(token, scheme) => write!(f, ", {scheme:?} {token:?}, second token: {second_token}"),
            other => write!(f, ", {other:?}"),
        }
    }
}
