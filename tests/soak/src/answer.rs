//! An answer, and whether it is the one that a verdict demands.

use crate::asked::{Asked, Credential, PASSWORD, TOO_LARGE};
use crate::model::Verdict;
use crate::place::Manner;

#[derive(Debug, Default)]
pub struct Answer {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        let found = self.headers.iter().find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.headers.iter().filter(move |(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The configuration that answered.
    pub fn generation(&self) -> Option<u32> {
        self.header("x-generation").parse().ok()
    }

    pub fn closes(&self) -> bool {
        self.header("connection") == "close"
    }
}

/// Whether the answer is exactly what the verdict demands.
pub fn matches(asked: &Asked, answer: &Answer, verdict: &Verdict) -> Result<(), String> {
    if asked.junk >= TOO_LARGE {
        return equal("status", answer.status, 400).and(equal("result", answer.header("x-result"), ""));
    }
    equal("result", answer.header("x-result"), verdict.word)?;
    let manner = asked.place.as_ref().map_or(Manner::Plain, |place| place.manner);
    early(asked, answer, verdict, manner)?;
    match manner {
        _ if verdict.word == "uncovered_path" => refused(asked, answer, verdict),
        Manner::Report => passed(asked, answer, verdict),
        Manner::Page if matches!(verdict.status, 401 | 403) => {
            equal("status", answer.status, 418)?;
            body(asked, answer, &format!("page {}", verdict.word))
        }
        Manner::SatisfyAny if matches!(verdict.status, 401 | 403) => either(asked, answer, verdict),
        _ if verdict.is_grant() => passed(asked, answer, verdict),
        _ => refused(asked, answer, verdict),
    }
}

/// What the location reads of the user before its check is nobody or that user.
fn early(asked: &Asked, answer: &Answer, verdict: &Verdict, manner: Manner) -> Result<(), String> {
    if manner != Manner::Early {
        return Ok(());
    }
    let early = answer.header("x-early");
    if asked.is_hopeless() && verdict.status != 403 {
        return equal("user read early", early, "");
    }
    if early.is_empty() || verdict.is_grant() && early == verdict.user {
        return Ok(());
    }
    let named = asked.token().is_some_and(|token| token.everybody().contains(&early));
    if named { Ok(()) } else { Err(format!("the user read early is {early:?}")) }
}

fn either(asked: &Asked, answer: &Answer, verdict: &Verdict) -> Result<(), String> {
    if matches!(asked.credential, Credential::Other(PASSWORD)) {
        return passed(asked, answer, verdict);
    }
    equal("status", answer.status, 401)?;
    let challenges: Vec<_> = answer.all("www-authenticate").collect();
    if !challenges.iter().any(|challenge| challenge.starts_with("Basic ")) {
        return Err(format!("challenges {challenges:?}"));
    }
    if answer.body.starts_with(b"echo ") { Err("the backend answered".into()) } else { Ok(()) }
}

fn passed(asked: &Asked, answer: &Answer, verdict: &Verdict) -> Result<(), String> {
    equal("status", answer.status, 200)?;
    equal("challenges", answer.all("www-authenticate").count(), 0)?;
    let user = if verdict.status == 401 { "" } else { &verdict.user };
    if asked.place.as_ref().is_some_and(|place| place.manner == Manner::AuthRequest) {
        equal("user of the subrequest", answer.header("x-seen"), &format!("{}/{user}", verdict.word))?;
    }
    if asked.method == "HEAD" {
        return equal("body", answer.body.len(), 0);
    }
    let text = String::from_utf8_lossy(&answer.body);
    let (end, raw) = (
        format!(" user={user} result={} length={}", verdict.word, asked.body),
        String::from_utf8_lossy(&asked.path.target),
    );
    let start = format!("echo {} {} ", asked.id, asked.method);
    let path = text.strip_prefix(&start).and_then(|rest| rest.strip_suffix(&end));
    match path {
        Some(path) if !asked.path.is_forwarded_raw || path == raw => Ok(()),
        _ => Err(format!("the backend was asked {text:?}, expected {start}{raw}{end}")),
    }
}

fn refused(asked: &Asked, answer: &Answer, verdict: &Verdict) -> Result<(), String> {
    equal("status", answer.status, verdict.status)?;
    let challenges: Vec<_> = answer.all("www-authenticate").collect();
    equal("challenges", &challenges[..], challenge(verdict).as_slice())?;
    equal("type", answer.header("content-type"), "application/json")?;
    body(asked, answer, detail(verdict))
}

fn challenge(verdict: &Verdict) -> Option<&'static str> {
    match (verdict.status, verdict.word) {
        (_, "missing_token") => Some("Bearer"),
        (_, "expired") => Some(r#"Bearer error="invalid_token", error_description="Token expired""#),
        (401, _) => Some(r#"Bearer error="invalid_token", error_description="Invalid token""#),
        (_, "uncovered_path") => None,
        (403, _) => Some(r#"Bearer error="insufficient_scope""#),
        _ => None,
    }
}

fn detail(verdict: &Verdict) -> &'static str {
    match (verdict.status, verdict.word) {
        (_, "missing_token") => r#"{"detail":"Not authenticated"}"#,
        (_, "expired") => r#"{"detail":"Token expired"}"#,
        (401, _) => r#"{"detail":"Invalid token"}"#,
        (403, _) => r#"{"detail":"Forbidden"}"#,
        (400, _) => r#"{"detail":"Bad request path"}"#,
        _ => r#"{"detail":"Service unavailable"}"#,
    }
}

fn body(asked: &Asked, answer: &Answer, expected: &str) -> Result<(), String> {
    let expected = if asked.method == "HEAD" { "" } else { expected };
    equal("body", String::from_utf8_lossy(&answer.body).as_ref(), expected)
}

fn equal<T: PartialEq + std::fmt::Debug>(what: &str, is: T, must: T) -> Result<(), String> {
    if is == must { Ok(()) } else { Err(format!("{what} is {is:?}, not {must:?}")) }
}
