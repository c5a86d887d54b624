//! The answer: numbered steps, the result, and what to do.

use std::fmt::{self, Display, Write as _};

use serde_json::{Value, json};

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
pub struct Told {
    pub step: Step,
    pub state: State,
    pub detail: String,
}

/// What the module answers.
pub struct Report {
    /// What is asked about.
    pub about: String,
    /// The path as nginx reads it.
    pub uri: String,
    /// The block whose settings are in force.
    pub place: String,
    pub steps: Vec<Told>,
    /// The result word; `None` where nothing was decided.
    pub word: Option<&'static str>,
    /// The status of a refusal.
    pub status: Option<u16>,
    /// Nothing is refused: `jwt_user_scope_mode report`.
    pub reports: bool,
    pub hint: String,
    /// What this program has not followed.
    pub notes: Vec<String>,
    pub not_followed: Vec<&'static str>,
    /// A check is configured.
    pub has_check: bool,
    /// The key sets that nginx would fetch, in the order of their directives.
    pub key_sets: Vec<Fetched>,
}

/// A key set that nginx fetches.
pub struct Fetched {
    /// Where from, with the query string.
    pub uri: String,
    /// Seconds for which it serves without another fetch.
    pub stale: u64,
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
    /// Whether the request goes on.
    pub fn lets_through(&self) -> bool {
        self.status.is_none() || self.reports
    }

    pub fn to_json(&self) -> String {
        let steps: Vec<Value> = self
            .steps
            .iter()
            .map(|told| json!({"step": told.step.name(), "state": told.state.name(), "detail": told.detail}))
            .collect();
        let key_sets: Vec<Value> =
            self.key_sets.iter().map(|set| json!({"uri": set.uri, "stale": set.stale})).collect();
        let report = json!({
            "about": self.about,
            "uri": self.uri,
            "place": self.place,
            "steps": steps,
            "result": self.word,
            "status": self.status,
            "let_through": self.lets_through(),
            "mode": if self.reports { "report" } else { "enforce" },
            "hint": self.hint,
            "notes": self.notes,
            "not_followed": self.not_followed,
            "check": self.has_check,
            "key_sets": key_sets,
        });
        format!("{report:#}\n")
    }

    fn write_result(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match (self.word, self.status) {
            (None, _) => f.write_str("let through: nothing is decided here"),
            (Some(word), None) => write!(f, "{word}: let through"),
            (Some(word), Some(status)) if self.reports => {
                write!(f, "{word}: would be refused with {status}, and is let through")
            }
            (Some(word), Some(status)) => write!(f, "{word}: refused with {status}"),
        }
    }
}

impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        writeln!(f, "{}\n{}\n", self.about, self.place)?;
        for (number, Told { step, state, detail }) in self.steps.iter().enumerate() {
            let mut line = format!("{:2}. {:<10}  {:<9}", number + 1, step.name(), state.name());
            if !detail.is_empty() {
                write!(line, "  {detail}")?;
            }
            writeln!(f, "{}", line.trim_end())?;
        }
        f.write_str("\nresult: ")?;
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
