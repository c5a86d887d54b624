//! What the documentation says of a request: an independent reading of docs/reference.md and docs/keys.md, on facts
//! that are known because the request was made of them.

use crate::asked::{Asked, Credential};
use crate::key_set::Keys;
use crate::keyring::{Algorithm, KeyId};
use crate::place::{AUDIENCE, ISSUER, Manner, PathRule, Place, shared_secrets};
use crate::token::{Fault, Time, Token};

/// A decision: the result word, and the user that the backend is told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verdict {
    pub word: &'static str,
    pub user: String,
    pub status: u16,
}

/// What a decision depends on beside the request.
#[derive(Clone, Copy)]
pub struct Circumstances<'a> {
    /// Whole seconds since the epoch.
    pub now: f64,
    /// The configuration that answers.
    pub generation: u32,
    /// The keys of the location's set, if they may be used.
    pub fetched: Option<&'a Keys>,
}

struct Key<'a> {
    key: KeyId,
    kid: Option<&'a str>,
    issuer: Option<&'static str>,
}

impl Verdict {
    fn of(word: &'static str) -> Verdict {
        let status = match word {
            "" | "ok" | "bypassed" | "preflight" => 200,
            "user_mismatch" | "requirement_failed" | "uncovered_path" => 403,
            "ambiguous_path" => 400,
            "keys_unavailable" => 503,
            _ => 401,
        };
        Verdict { word, user: String::new(), status }
    }

    /// No check.
    pub fn none() -> Verdict {
        Verdict::of("")
    }

    fn with_user(self, user: &str) -> Verdict {
        Verdict { user: user.into(), ..self }
    }

    pub fn is_grant(&self) -> bool {
        self.status == 200
    }
}

pub fn decide(place: &Place, asked: &Asked, circumstances: Circumstances) -> Verdict {
    if asked.path.is_uncovered {
        return Verdict::of("uncovered_path");
    }
    if place.free_methods && matches!(asked.method, "GET" | "HEAD") {
        return Verdict::of("");
    }
    if place.path == PathRule::Strict && asked.path.is_ambiguous {
        return Verdict::of("ambiguous_path");
    }
    if place.preflight && asked.is_preflight {
        return Verdict::of("preflight");
    }
    let Credential::Token(token, _) = &asked.credential else { return Verdict::of("missing_token") };
    if asked.second_token {
        return Verdict::of("malformed_token");
    }
    match verify(place, token, circumstances).and_then(|key| check(place, token, key, circumstances.now)) {
        Ok(()) => authorize(place, token, &asked.path.user),
        Err(word) => Verdict::of(word),
    }
}

fn verify<'a>(place: &'a Place, token: &Token, circumstances: Circumstances<'a>) -> Result<Key<'a>, &'static str> {
    match token.fault {
        Fault::Form => return Err("malformed_token"),
        Fault::Algorithm => return Err("unsupported_algorithm"),
        Fault::None | Fault::Claims | Fault::Signature => {}
    }
    let may_come = place.set.is_some() && circumstances.fetched.is_none() && token.key.algorithm != Algorithm::Hs256;
    let key =
        find(keys(place, circumstances), token).map_err(|word| if may_come { "keys_unavailable" } else { word })?;
    if token.fault == Fault::Claims { Err("malformed_token") } else { Ok(key) }
}

fn keys<'a>(place: &'a Place, circumstances: Circumstances<'a>) -> Vec<Key<'a>> {
    let shared = place.shared_secrets.then(|| shared_secrets(circumstances.generation)).into_iter().flatten();
    let shared = shared.map(|key| Key { key, kid: None, issuer: None });
    let configured = place.slots.iter().map(|slot| Key { key: slot.key, kid: slot.kid, issuer: slot.issuer });
    let fetched = circumstances.fetched.into_iter().flat_map(|keys| keys.iter());
    let fetched = fetched.map(|(kid, key)| Key { key: *key, kid: Some(kid), issuer: None });
    shared.chain(configured).chain(fetched).collect()
}

fn find<'a>(keys: Vec<Key<'a>>, token: &Token) -> Result<Key<'a>, &'static str> {
    let kid = token.kid.as_deref();
    let is_selected = |key: &Key| kid.is_none() || key.kid.is_none() || key.kid == kid;
    let fits = |key: &Key| key.key.algorithm == token.key.algorithm;
    if !keys.iter().any(fits) {
        return Err("unsupported_algorithm");
    }
    if !keys.iter().any(is_selected) {
        return Err("unknown_key");
    }
    if !keys.iter().any(|key| fits(key) && is_selected(key)) {
        return Err("unsupported_algorithm");
    }
    let verifies = |key: &Key| token.fault != Fault::Signature && key.key == token.key;
    keys.into_iter().find(|key| is_selected(key) && verifies(key)).ok_or("bad_signature")
}

fn check(place: &Place, token: &Token, key: Key, now: f64) -> Result<(), &'static str> {
    let Time::At(exp) = token.exp else { return Err("bad_claim") };
    if now >= exp + place.leeway {
        return Err("expired");
    }
    match token.nbf {
        Time::Text => return Err("bad_claim"),
        Time::At(nbf) if now + place.leeway < nbf => return Err("not_yet_valid"),
        Time::At(_) | Time::Missing => {}
    }
    let issued = match token.iat {
        Time::Text => return Err("bad_claim"),
        Time::At(iat) => iat.min(now),
        Time::Missing => now,
    };
    if place.max_lifetime > 0.0 && exp - issued > place.max_lifetime + place.leeway {
        return Err("lifetime_exceeded");
    }
    if place.issuer && token.issuer != Some(ISSUER) || key.issuer.is_some() && token.issuer != key.issuer {
        return Err("bad_issuer");
    }
    if place.audience && token.audience != Some(AUDIENCE) {
        return Err("bad_audience");
    }
    let usual = matches!(token.typ, None | Some("JWT" | "at+jwt"));
    if !place.typ.map_or(usual, |typ| token.typ == Some(typ)) {
        return Err("bad_type");
    }
    if token.user.is_none() { Err("bad_claim") } else { Ok(()) }
}

fn authorize(place: &Place, token: &Token, user: &str) -> Verdict {
    let (names, is_array) = token.names(place.other_claim);
    let matched = names.iter().any(|name| name == user);
    let compares = place.path != PathRule::Any;
    // Of an array, only a member that was compared is the user.
    let shown = match (is_array, names) {
        (false, [name, ..]) => name,
        _ if compares && matched => user,
        _ => "",
    };
    let word = match (compares, matched) {
        (false, _) | (true, true) => "ok",
        (true, false) if place.bypass && token.admin => "bypassed",
        (true, false) => return Verdict::of("user_mismatch").with_user(shown),
    };
    match place.require {
        Some(401) if !token.email_verified => Verdict { status: 401, ..Verdict::of("requirement_failed") },
        Some(_) if !token.email_verified => Verdict::of("requirement_failed").with_user(shown),
        _ => Verdict::of(word).with_user(shown),
    }
}

/// Whether a request must be refused at any time from now on, under any configuration and whatever keys are fetched.
pub fn is_hopeless(place: &Place, asked: &Asked) -> bool {
    if asked.path.is_uncovered || place.path == PathRule::Strict && asked.path.is_ambiguous && !place.free_methods {
        return place.manner != Manner::Report;
    }
    let may_pass = match &asked.credential {
        Credential::Token(token, _) => !asked.second_token && may_pass(place, token, &asked.path.user),
        Credential::None | Credential::Other(_) => false,
    };
    let needs_none =
        asked.is_preflight || place.free_methods || matches!(place.manner, Manner::Report | Manner::SatisfyAny);
    !may_pass && !needs_none
}

fn may_pass(place: &Place, token: &Token, user: &str) -> bool {
    let is_over = matches!(token.exp, Time::At(exp) if exp + place.leeway + 2.0 < crate::clock::now());
    let is_named = token.names(place.other_claim).0.iter().any(|name| name == user);
    token.fault == Fault::None
        && !is_over
        && matches!(token.exp, Time::At(_))
        && (place.path == PathRule::Any || is_named || place.bypass && token.admin)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::asked::{PathAsked, Scheme};
    use crate::keyring::{eddsa, hs256};
    use crate::place;
    use std::sync::Arc;

    fn ask(place: &str, token: Token, user: &str, now: f64, fetched: Option<&Keys>) -> &'static str {
        let place = place::all().into_iter().find(|one| one.name == place).expect("a place");
        let path = PathAsked {
            target: Vec::new(),
            user: user.into(),
            is_ambiguous: false,
            is_uncovered: false,
            is_forwarded_raw: true,
        };
        let asked = Asked {
            id: 0,
            place: Some(place.clone()),
            method: "GET",
            path,
            credential: Credential::Token(Arc::new(token), Scheme::Usual),
            second_token: false,
            is_preflight: false,
            body: 0,
            junk: 0,
        };
        decide(&place, &asked, Circumstances { now, generation: 0, fetched }).word
    }

    fn token(key: KeyId, kid: Option<&str>) -> Token {
        Token { exp: Time::At(1000.0), iat: Time::At(1.0), ..Token::new(key, kid.map(Into::into), "a".into()) }
    }

    #[test]
    fn tells_the_words_apart() {
        let shared = || token(hs256(100), None);
        let rows = [
            ("hs", shared(), "a", 999.0, "ok"),
            ("hs", shared(), "a", 1000.0, "expired"),
            ("hs", shared(), "b", 999.0, "user_mismatch"),
            ("hs", token(hs256(98), None), "a", 999.0, "bad_signature"),
            ("hs", token(eddsa(1), None), "a", 999.0, "unsupported_algorithm"),
            ("hs", Token { nbf: Time::At(5.0), ..shared() }, "a", 4.0, "not_yet_valid"),
            ("hs", Token { typ: Some("x"), ..shared() }, "a", 4.0, "bad_type"),
            ("hs", Token { user: None, ..shared() }, "a", 4.0, "bad_claim"),
            ("leeway", shared(), "a", 1002.0, "ok"),
            ("rules", shared(), "a", 999.0, "bad_issuer"),
            ("admin", Token { admin: true, ..shared() }, "b", 4.0, "bypassed"),
            ("admin", Token { email_verified: false, ..shared() }, "a", 4.0, "requirement_failed"),
            ("file", token(eddsa(1), Some("twin")), "a", 4.0, "ok"),
            ("file-other", token(eddsa(1), Some("twin")), "a", 4.0, "bad_signature"),
            ("file-other", token(eddsa(2), Some("nobody")), "a", 4.0, "unknown_key"),
            ("set", token(eddsa(1), None), "a", 4.0, "keys_unavailable"),
        ];
        for (place, token, user, now, word) in rows {
            assert_eq!(ask(place, token.clone(), user, now, None), word, "{place} {token:?}");
        }
        let keys = Arc::new(vec![(Arc::from("k"), eddsa(7))]);
        assert_eq!(ask("set", token(eddsa(7), Some("k")), "a", 4.0, Some(&keys)), "ok");
        assert_eq!(ask("set", token(eddsa(7), Some("l")), "a", 4.0, Some(&keys)), "unknown_key");
    }
}
