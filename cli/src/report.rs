//! The answer: numbered steps, the result, and what to do.

use std::fmt::{self, Display, Write as _};
use std::rc::Rc;

use serde_json::{Value, json};

use crate::decide::Decided;
use crate::walk::{Answer, Sent};

/// Not followed, and taken to be well.
const TAKEN_TO_BE_WELL: [&str; 5] = [
    "limit_req",
    "limit_conn",
    "the files that nginx serves (--prefix)",
    "the answer of the backend (--answer)",
    REAL_IP,
];

/// The address that nginx goes by is the one that another module has found.
pub const REAL_IP: &str = "set_real_ip_from (--client is the address that it finds)";

/// A refusal that is in force.
enum Refusal<'r> {
    Module(&'r Decided),
    Other { status: u16, by: &'r str },
}

/// The steps of a decision, in its order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Step {
    Guard,
    Path,
    Preflight,
    Token,
    Header,
    Key,
    Signature,
    Payload,
    Expiry,
    NotBefore,
    Lifetime,
    Issuer,
    Audience,
    Type,
    UserClaim,
    User,
    Require,
}

/// What became of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    Ok,
    Refused,
    NotAsked,
}

/// A step, and what is to be said of it.
#[derive(Clone)]
pub struct Told {
    pub step: Step,
    pub state: State,
    pub detail: String,
}

/// Why a decision was made.
#[derive(Clone, Debug)]
pub enum By {
    /// The access phase asked for it.
    Check,
    /// The guard decides by itself.
    Guard,
    /// A variable of this name was read before.
    Variable(String),
}

/// What happened to a request, one after the other.
pub enum Event {
    /// It has come to this block.
    Place(String),
    /// It was rewritten or redirected.
    Moved(String),
    /// The module has decided.
    Decided(Rc<Decided>, By),
    /// Another module of this name has let in what was refused: `satisfy any`.
    Overruled(&'static str),
    /// Another module has refused it, and that leads to a page.
    Refused { status: u16, by: String },
    /// It was answered by somebody else, or with the module's refusal.
    Answered(Answer),
}

/// What the module answers.
pub struct Report {
    /// What is asked about.
    pub about: String,
    /// The path as nginx reads it in the end.
    pub uri: String,
    pub events: Vec<Event>,
    /// The status that nginx sends, where that is known.
    pub sent: Option<Sent>,
    pub hint: String,
    /// What this program has not followed.
    pub notes: Vec<String>,
    pub not_followed: Vec<&'static str>,
    /// Each `include` on the way whose files are not here.
    pub unread: Vec<String>,
    /// The key sets that nginx would fetch, in the order in which their directives come into force.
    pub key_sets: Vec<Fetched>,
}

/// A key set that nginx fetches.
pub struct Fetched {
    /// Where from, with the query string.
    pub uri: String,
    /// Seconds for which it serves without another fetch.
    pub stale: u64,
}

impl Fetched {
    pub fn by(uri: &[u8], args: &[u8], stale: u64) -> Self {
        let mark: &[u8] = if args.is_empty() { b"" } else { b"?" };
        Self { uri: String::from_utf8_lossy(&[uri, mark, args].concat()).into_owned(), stale }
    }
}

impl Step {
    pub const ALL: [Self; 17] = [
        Self::Guard,
        Self::Path,
        Self::Preflight,
        Self::Token,
        Self::Header,
        Self::Key,
        Self::Signature,
        Self::Payload,
        Self::Expiry,
        Self::NotBefore,
        Self::Lifetime,
        Self::Issuer,
        Self::Audience,
        Self::Type,
        Self::UserClaim,
        Self::User,
        Self::Require,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Self::Guard => "guard",
            Self::Path => "path",
            Self::Preflight => "preflight",
            Self::Token => "token",
            Self::Header => "header",
            Self::Key => "key",
            Self::Signature => "signature",
            Self::Payload => "payload",
            Self::Expiry => "exp",
            Self::NotBefore => "nbf",
            Self::Lifetime => "lifetime",
            Self::Issuer => "issuer",
            Self::Audience => "audience",
            Self::Type => "type",
            Self::UserClaim => "user claim",
            Self::User => "user",
            Self::Require => "require",
        }
    }
}

impl State {
    fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Refused => "refused",
            Self::NotAsked => "not asked",
        }
    }
}

impl Report {
    /// The last decision, and why it was made.
    pub fn last(&self) -> Option<(&Decided, &By)> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Decided(decided, by) => Some((&**decided, by)),
            _ => None,
        })
    }

    /// The answer of another module or of nginx itself.
    pub fn answered(&self) -> Option<(&Answer, &str)> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Answered(answer) => Some((answer, answer.by.as_deref()?)),
            _ => None,
        })
    }

    fn place(&self) -> &str {
        let place = self.events.iter().rev().find_map(|event| match event {
            Event::Place(place) => Some(&place[..]),
            _ => None,
        });
        place.unwrap_or_default()
    }

    /// The refusal that no check has taken back by letting the request in elsewhere.
    fn refusal(&self) -> Option<Refusal<'_>> {
        self.events.iter().fold(None, |refusal, event| match event {
            Event::Decided(decided, By::Check | By::Guard) if decided.status().is_some() && !decided.reports => {
                Some(Refusal::Module(decided))
            }
            Event::Decided(_, By::Check) | Event::Overruled(_) => None,
            Event::Refused { status, by } | Event::Answered(Answer { status, by: Some(by), refuses: true, .. }) => {
                Some(Refusal::Other { status: *status, by })
            }
            _ => refusal,
        })
    }

    /// The decision of a refusal by the module that is in force.
    pub fn refused_by_module(&self) -> Option<&Decided> {
        match self.refusal()? {
            Refusal::Module(decided) => Some(decided),
            Refusal::Other { .. } => None,
        }
    }

    /// The status of a refusal by the module: of the last decision, even if it only reports, or of one before that is in
    /// force.
    fn status(&self) -> Option<u16> {
        let last = self.last().filter(|(_, by)| !matches!(by, By::Variable(_)));
        last.map(|(decided, _)| decided).or_else(|| self.refused_by_module()).and_then(Decided::status)
    }

    /// Who has let in what the last decision refused.
    fn overruled(&self) -> Option<&'static str> {
        self.events.iter().rev().find_map(|event| match event {
            Event::Overruled(name) => Some(Some(*name)),
            Event::Decided(..) => Some(None),
            _ => None,
        })?
    }

    fn reports(&self) -> bool {
        self.refusal().is_none() && self.last().is_some_and(|(decided, _)| decided.reports)
    }

    /// Whether the request is answered by whom it is meant for, or sent there. `None` where nothing can be said.
    pub fn lets_through(&self) -> Option<bool> {
        self.unread.is_empty().then(|| self.lets_through_as_read()).flatten()
    }

    /// The same, if nothing else were included.
    fn lets_through_as_read(&self) -> Option<bool> {
        if self.refusal().is_some() || self.error().is_some() {
            return Some(false);
        }
        (!self.may_be_decided_elsewhere()).then_some(true)
    }

    /// 0 for a request that is let through, 1 for one that is not.
    pub fn exit_status(&self) -> u8 {
        self.lets_through().map_or(2, |lets_through| u8::from(!lets_through))
    }

    /// The status of an error of nginx itself, in the place of what was asked for.
    fn error(&self) -> Option<u16> {
        self.sent.filter(|sent| sent.status >= 400 && !sent.of_backend).map(|sent| sent.status)
    }

    fn may_be_decided_elsewhere(&self) -> bool {
        let is_checked = matches!(self.last(), Some((_, By::Check | By::Guard)));
        let matters = |name: &&str| !TAKEN_TO_BE_WELL.contains(name);
        let is_answered = self.answered().is_some_and(|(answer, _)| !answer.of_backend);
        !is_checked && !is_answered && self.not_followed.iter().any(matters)
    }

    pub fn to_json(&self) -> String {
        let steps: Vec<Value> = self
            .last()
            .iter()
            .flat_map(|(decided, _)| &decided.steps)
            .map(|told| json!({"step": told.step.name(), "state": told.state.name(), "detail": told.detail}))
            .collect();
        let key_sets: Vec<Value> =
            self.key_sets.iter().map(|set| json!({"uri": set.uri, "stale": set.stale})).collect();
        let way: Vec<String> = self.events.iter().map(Event::to_string).collect();
        let report = json!({
            "about": self.about,
            "uri": self.uri,
            "place": self.place(),
            "way": way,
            "steps": steps,
            "result": self.last().map(|(decided, _)| decided.decision.word()),
            "status": self.status(),
            "let_through": self.lets_through(),
            "answer": self.sent.map(|sent| sent.status),
            "mode": if self.reports() { "report" } else { "enforce" },
            "hint": self.hint,
            "notes": self.notes,
            "not_followed": self.not_followed,
            "not_read": self.unread,
            "key_sets": key_sets,
        });
        format!("{report:#}\n")
    }

    fn write_result(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if !self.unread.is_empty() {
            f.write_str("not known: what is included may change it. Without that, ")?;
        }
        let Some((decided, by)) = self.last() else { return self.write_undecided(f) };
        let word = decided.decision.word();
        if let By::Variable(name) = by {
            write!(f, "{word}: decided for ${name}, and ")?;
            return match self.refusal() {
                None => f.write_str("nothing is refused by that"),
                Some(refusal) => write!(f, "before that {refusal}"),
            };
        }
        match decided.status() {
            None => write!(f, "{word}: let through")?,
            Some(status) if decided.reports => write!(f, "{word}: would be refused with {status}, and is let through")?,
            Some(status) => match self.overruled() {
                None => return write!(f, "{word}: refused with {status}"),
                Some(name) => {
                    write!(f, "{word}: refused with {status}, and let in by \"{name}\", under \"satisfy any\"")?;
                }
            },
        }
        match (self.refusal(), self.error(), self.answered()) {
            (Some(refusal), ..) => write!(f, ", and then {refusal}"),
            (None, Some(status), Some((answer, by))) if answer.status == status => {
                write!(f, ", and then answered with {status} by {by}")
            }
            (None, Some(status), _) => write!(f, ", and then answered with {status}"),
            (None, None, _) => Ok(()),
        }
    }

    fn write_undecided(&self, f: &mut fmt::Formatter) -> fmt::Result {
        if self.lets_through_as_read().is_none() {
            return f.write_str("not known: nothing is decided in what is followed here");
        }
        match (self.answered(), self.refusal(), self.error()) {
            (Some((answer, by)), ..) => write!(f, "not asked: nginx answers with {} by {by}", answer.status),
            (None, Some(refusal), _) => write!(f, "not asked: {refusal}"),
            (None, None, Some(status)) => write!(f, "not asked: nginx answers with {status}"),
            (None, None, None) => f.write_str("let through: nothing is decided here"),
        }
    }
}

impl Display for Refusal<'_> {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Module(decided) => write!(f, "refused with {}", decided.status().unwrap_or_default()),
            Self::Other { status, by } => write!(f, "refused with {status} by {by}"),
        }
    }
}

impl Event {
    /// Whether it has a line behind the last decision.
    fn is_told(&self) -> bool {
        match self {
            Self::Place(_) | Self::Moved(_) | Self::Refused { .. } => true,
            Self::Answered(answer) => answer.by.is_some(),
            Self::Decided(..) | Self::Overruled(_) => false,
        }
    }
}

impl Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::Place(text) | Self::Moved(text) => f.write_str(text),
            Self::Decided(decided, by) => {
                f.write_str(decided.decision.word())?;
                match (by, decided.status()) {
                    (By::Variable(name), _) => write!(f, ", decided for ${name} before the check"),
                    (_, Some(status)) if decided.reports => write!(f, ", which would be refused with {status}"),
                    (_, Some(status)) => write!(f, ", refused with {status}"),
                    (_, None) => f.write_str(", let through"),
                }
            }
            Self::Overruled(name) => write!(f, "let in by \"{name}\""),
            Self::Refused { status, by } => write!(f, "refused with {status} by {by}"),
            Self::Answered(Answer { status, by: Some(by), .. }) => write!(f, "answered with {status} by {by}"),
            Self::Answered(Answer { status, by: None, .. }) => write!(f, "answered with {status}"),
        }
    }
}

fn write_steps(steps: &[Told], f: &mut fmt::Formatter) -> fmt::Result {
    writeln!(f)?;
    for (number, Told { step, state, detail }) in steps.iter().enumerate() {
        let mut line = format!("{:2}. {:<10}  {:<9}", number + 1, step.name(), state.name());
        if !detail.is_empty() {
            write!(line, "  {detail}")?;
        }
        writeln!(f, "{}", line.trim_end())?;
    }
    writeln!(f)
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}", self.about)?;
        let last = self.events.iter().rposition(|event| matches!(event, Event::Decided(..)));
        for (number, event) in self.events.iter().enumerate() {
            match event {
                Event::Decided(decided, _) if Some(number) == last => write_steps(&decided.steps, f)?,
                Event::Decided(decided, By::Check | By::Guard) => {
                    write_steps(&decided.steps, f)?;
                    writeln!(f, "{event}")?;
                }
                // The result says it.
                Event::Answered(answer) if answer.by.is_none() || last.is_none() => {}
                // Many variables may ask the same.
                Event::Decided(_, By::Variable(_)) | Event::Overruled(_) => {}
                _ => writeln!(f, "{event}")?,
            }
        }
        if last.is_none_or(|last| self.events[last..].iter().any(Event::is_told)) {
            writeln!(f)?;
        }
        f.write_str("result: ")?;
        self.write_result(f)?;
        writeln!(f)?;
        if !self.hint.is_empty() {
            writeln!(f, "hint: {}", self.hint)?;
        }
        self.notes.iter().try_for_each(|note| writeln!(f, "note: {note}"))
    }
}

/// Text that others may have chosen, fit for a terminal.
pub fn quoted(text: &[u8]) -> String {
    const MOST: usize = 120;
    let text = String::from_utf8_lossy(text);
    let mut shown: String = text.chars().take(MOST).collect();
    if shown.len() < text.len() {
        shown.push_str("...");
    }
    format!("\"{}\"", shown.escape_debug())
}

/// A path that nginx has made, perhaps of a token.
pub fn quoted_path(path: &[u8]) -> String {
    quoted(without_tokens(&String::from_utf8_lossy(path)).as_bytes())
}

/// Whatever looks like a token is left out.
pub fn without_tokens(text: &str) -> String {
    let is_of_token = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '%');
    let hidden = |word: &str| match word.trim_end_matches(|c| !is_of_token(c)) {
        token if holds_token(token) => format!("...{}", &word[token.len()..]),
        _ => word.to_owned(),
    };
    text.split_inclusive(|c| !is_of_token(c)).map(hidden).collect()
}

/// Long words with dots that begin as JSON does in base64url, and any three long words with dots between. A dot may be
/// encoded.
fn holds_token(word: &str) -> bool {
    const LONG: usize = 8;
    let word = word.replace("%2e", ".").replace("%2E", ".");
    word.split('%').any(|word| {
        let lengths: Vec<_> = word.split('.').map(str::len).collect();
        let has_three = lengths.windows(3).any(|three| three.iter().all(|length| *length >= LONG));
        has_three || (word.len() > 20 && lengths.len() > 1 && word.contains("eyJ"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shows_no_token_in_a_path() {
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiJBIn0.c2ln";
        let rows = [
            (token.to_owned(), "..."),
            (format!("/a/{token}/b.c"), "/a/.../b.c"),
            (format!("/a/x{token}"), "/a/..."),
            (format!("/a%20{}/b", token.replacen('.', "%2e", 1).replace(".e", "%2Ee")), "/.../b"),
            // `{ "alg"` and `{ "uid"`
            ("/a/eyAiYWxnIjoiSFMyNTYifQ.eyAidWlkIjoiQSJ9.c2lnbmF0dXJl".to_owned(), "/a/..."),
            ("/a/x.eyAiYWxnIjoiSFMyNTYifQ.eyAidWlkIjoiQSJ9.c2lnbmF0dXJl/b".to_owned(), "/a/.../b"),
            ("/assets/vendor.min.js".to_owned(), "/assets/vendor.min.js"),
            ("/assets/components.3f9a8c1d2e.min.js".to_owned(), "/assets/components.3f9a8c1d2e.min.js"),
            ("/a%20b/c%2Ed".to_owned(), "/a%20b/c%2Ed"),
            ("/api/users/eyJ/x.y".to_owned(), "/api/users/eyJ/x.y"),
            ("/a/long-name-of-a-file-without-any.html".to_owned(), "/a/long-name-of-a-file-without-any.html"),
        ];
        for (text, expected) in rows {
            assert_eq!(without_tokens(&text), expected, "{text}");
        }
        assert_eq!(quoted_path(b"/\xff\n"), "\"/\u{fffd}\\n\"");
    }
}
