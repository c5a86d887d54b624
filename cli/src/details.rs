//! What is to be said of a step. Of a token nothing but lengths, until its signature holds.

use std::iter;

use authz::{Decision, Denied, Granted, Input, Object, Policy, Scope, Value, Verified, verified};

use crate::conf::Settings;
use crate::keys::KeyRing;
use crate::report::{State, Step, quoted, quoted_path};
use crate::variables::Held;

/// Everything that a decision was made of.
pub struct Details<'a> {
    pub settings: &'a Settings,
    pub scope: Scope,
    pub policy: &'a Policy,
    pub input: Input<'a>,
    pub ring: &'a KeyRing,
    pub now: u64,
    pub bypassed: &'a [Held],
    pub required: &'a [Held],
}

fn ok(detail: impl Into<String>) -> (State, String) {
    (State::Ok, detail.into())
}

fn not_asked(detail: impl Into<String>) -> (State, String) {
    (State::NotAsked, detail.into())
}

impl Details<'_> {
    /// A step that the decision has passed.
    pub fn passed(&self, step: Step, decision: &Decision) -> (State, String) {
        let off = |directive: &str| not_asked(format!("{directive} is not set"));
        let settings = self.settings;
        match step {
            Step::Guard => not_asked(""),
            Step::Path if self.scope == Scope::Any => not_asked("no user is compared here"),
            Step::Path if settings.any_path == Some(true) => not_asked("jwt_user_scope_path is off"),
            Step::Path => ok("every backend reads it as nginx does"),
            Step::Preflight => self.preflight(decision),
            Step::Token => ok(self.shape()),
            Step::Header => ok("a JSON object with \"alg\""),
            Step::Key => ok(self.ring.selected(self.input)),
            Step::Signature => ok(self.verifying()),
            Step::Payload => ok("a JSON object"),
            Step::Expiry => ok(self.time("exp")),
            Step::NotBefore if !self.has("nbf") => not_asked("the token has no \"nbf\""),
            Step::NotBefore => ok(self.time("nbf")),
            Step::Lifetime if settings.max_lifetime.unwrap_or(0) == 0 => off("jwt_user_scope_max_lifetime"),
            Step::Lifetime => ok(format!("{} in all", self.lifetime())),
            Step::Issuer if settings.issuers.as_ref().is_none_or(Vec::is_empty) && !self.is_tied() => {
                off("jwt_user_scope_issuer")
            }
            Step::Issuer => ok(self.claim("iss")),
            Step::Audience if settings.audiences.as_ref().is_none_or(Vec::is_empty) => off("jwt_user_scope_audience"),
            Step::Audience => ok(self.claim("aud")),
            Step::Type => ok(self.kind()),
            Step::UserClaim => ok(self.user_claim()),
            Step::User => self.user(decision),
            Step::Require if self.required.is_empty() => off("jwt_user_scope_require"),
            Step::Require => ok(held(self.required)),
        }
    }

    /// The step that refuses.
    pub fn refused(&self, step: Step, denied: Denied) -> String {
        let reason = denied.reason();
        match (step, denied) {
            (Step::Token, Denied::MissingToken) => reason.into(),
            (Step::Token, _) => format!("{reason}: {}", self.shape()),
            (Step::Key | Step::Signature, _) => format!("{reason}: {}", self.ring.reasons(self.input)),
            (Step::Expiry, Denied::Expired) => format!("{reason}: {}", self.time("exp")),
            (Step::NotBefore, Denied::NotYetValid) => format!("{reason}: {}", self.time("nbf")),
            (Step::Lifetime, Denied::LifetimeExceeded) => format!(
                "{reason}: {} in all, and {} are allowed",
                self.lifetime(),
                span(self.settings.max_lifetime.unwrap_or(0) as f64)
            ),
            (Step::Issuer, _) => format!("{reason}: {}", self.claim("iss")),
            (Step::Audience, _) => format!("{reason}: {}", self.claim("aud")),
            (Step::Type, _) => format!("{reason}: {}", self.kind()),
            (Step::UserClaim, _) => format!("{reason}: {}", self.claim_name()),
            (Step::User, Denied::UserMismatch) => {
                let bypass = if self.bypassed.is_empty() {
                    String::new()
                } else {
                    format!("; no bypass: {}", held(self.bypassed))
                };
                format!(
                    "{reason}: {}, and the path is that of {}{bypass}",
                    self.user_claim(),
                    quoted_path(self.input.user)
                )
            }
            (Step::Require, _) => format!("{reason}: {}", held(self.required)),
            _ => reason.into(),
        }
    }

    fn preflight(&self, decision: &Decision) -> (State, String) {
        match (decision.outcome, self.settings.preflight) {
            (Ok(Granted::Preflight), _) => ok("a CORS preflight, which carries no token"),
            (_, Some(true)) => not_asked("the request is none"),
            _ => not_asked("jwt_user_scope_preflight is off"),
        }
    }

    /// Lengths only: nothing of the token is verified yet.
    fn shape(&self) -> String {
        let shape = |token: &[u8]| {
            let lengths: Vec<_> = token.split(|&b| b == b'.').map(|part| part.len().to_string()).take(6).collect();
            match &lengths[..] {
                [one] => format!("1 part of {one} characters"),
                [first @ .., last] => {
                    format!("{} parts of {} and {last} characters", lengths.len(), first.join(", "))
                }
                [] => String::new(),
            }
        };
        let token = self.input.token.map(shape).unwrap_or_default();
        match self.input.second_token {
            Some(second) if Some(second) != self.input.token => {
                format!("{token}; in \"Authorization\", {}", shape(second))
            }
            _ => token,
        }
    }

    fn verified(&self) -> Option<Verified> {
        verified(self.policy, self.input).ok()
    }

    fn of_claims<T>(&self, look: impl FnOnce(&Object) -> T) -> Option<T> {
        self.verified().map(|token| look(token.claims()))
    }

    fn has(&self, claim: &str) -> bool {
        self.of_claims(|claims| claims.get(claim).is_some()).unwrap_or(false)
    }

    fn number(&self, claim: &str) -> Option<f64> {
        self.of_claims(|claims| claims.get(claim)?.as_f64()).flatten()
    }

    fn time(&self, claim: &str) -> String {
        let Some(time) = self.number(claim) else { return String::new() };
        let distance = time - self.now as f64;
        let leeway = self.settings.leeway.unwrap_or(0);
        let leeway = if leeway == 0 { String::new() } else { format!(", with a leeway of {}", span(leeway as f64)) };
        let when = if distance > 0.0 { format!("in {}", span(distance)) } else { format!("{} ago", span(-distance)) };
        format!("\"{claim}\" is {when}{leeway}")
    }

    fn lifetime(&self) -> String {
        let (exp, now) = (self.number("exp").unwrap_or_default(), self.now as f64);
        span(exp - self.number("iat").map_or(now, |iat| iat.min(now)))
    }

    fn claim(&self, name: &str) -> String {
        self.of_claims(|claims| described(name, claims.get(name))).unwrap_or_default()
    }

    fn kind(&self) -> String {
        self.verified().map(|token| described("typ", token.header().get("typ"))).unwrap_or_default()
    }

    /// Whether the key that verifies belongs to an issuer.
    fn is_tied(&self) -> bool {
        self.ring.verifying(self.input).is_some_and(|source| source.is_tied)
    }

    fn verifying(&self) -> String {
        let source = self.ring.verifying(self.input);
        source.map(|source| format!("verified by {}", source.name)).unwrap_or_default()
    }

    fn claim_name(&self) -> String {
        use authz::ClaimName::{Member, Pointer};
        match self.settings.user_claim() {
            Member(name) => quoted(name.as_bytes()),
            Pointer(first, rest) => {
                let escape = |token: &str| token.replace('~', "~0").replace('/', "~1");
                quoted(
                    iter::once(&first)
                        .chain(&rest)
                        .map(|token| format!("/{}", escape(token)))
                        .collect::<String>()
                        .as_bytes(),
                )
            }
        }
    }

    fn user_claim(&self) -> String {
        let name = self.settings.user_claim();
        let value = self.of_claims(|claims| shown(name.find(claims))).unwrap_or_default();
        format!("{} is {value}", self.claim_name())
    }

    fn user(&self, decision: &Decision) -> (State, String) {
        match decision.outcome {
            _ if self.scope == Scope::Any => not_asked("any user may come here"),
            Ok(Granted::Bypassed) => {
                ok(format!("of {}, bypassed: {}", quoted_path(self.input.user), held(self.bypassed)))
            }
            _ => ok(format!("the path is that of {}, too", quoted_path(self.input.user))),
        }
    }
}

fn described(name: &str, value: Option<Value>) -> String {
    match value {
        None => format!("the token has no \"{name}\""),
        value => format!("\"{name}\" is {}", shown(value)),
    }
}

/// A verified value.
fn shown(value: Option<Value>) -> String {
    match value {
        None => "missing".into(),
        Some(Value::String(text)) => quoted(text.as_bytes()),
        Some(Value::Null) => "null".into(),
        Some(Value::Bool(value)) => value.to_string(),
        Some(Value::Number(raw)) => quoted(raw.as_bytes()).trim_matches('"').into(),
        Some(Value::Array(raw)) => quoted(raw.as_bytes()).trim_matches('"').replace("\\\"", "\""),
        Some(Value::Object(_)) => "an object".into(),
    }
}

fn held(all: &[Held]) -> String {
    let one = |Held { value, holds }: &Held| format!("{value} {}", if *holds { "holds" } else { "is empty or 0" });
    all.iter().map(one).collect::<Vec<_>>().join(", ")
}

/// A time in words.
fn span(seconds: f64) -> String {
    const UNITS: [(f64, &str); 4] = [(86_400.0, "d"), (3_600.0, "h"), (60.0, "m"), (1.0, "s")];
    if seconds < 1.0 {
        return "less than 1s".into();
    }
    let first = UNITS.iter().position(|(unit, _)| seconds >= *unit).unwrap_or(UNITS.len() - 1);
    let mut rest = seconds;
    let mut text = Vec::new();
    for (unit, name) in UNITS.iter().skip(first).take(2) {
        let count = (rest / unit).floor();
        rest -= count * unit;
        if count > 0.0 {
            text.push(format!("{count:.0}{name}"));
        }
    }
    text.join(" ")
}
