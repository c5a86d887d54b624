//! The rules on verified claims: time (see [`Registered`](crate::registered::Registered)), issuer, audience, type. They
//! see a [`Verified`] only.

use crate::json::Value;
use crate::{Denied, Rules, Verified};

/// All of them, in the order of the contract. `now` is in seconds since the epoch.
pub(crate) fn check(rules: &Rules, token: &Verified, now: u64) -> Result<(), Denied> {
    let (claims, registered) = (token.claims(), token.registered());
    registered.check_times(rules, now)?;
    check_issuer(rules, token.key().issuer.as_deref(), || Some(claims.value(registered.iss?)))?;
    check_audience(rules, || Some(claims.value(registered.aud?)))?;
    check_type(rules, token)
}

/// The issuer is an accepted one, and the one that the key is tied to (RFC 8725bis section 3.8).
fn check_issuer<'c>(rules: &Rules, tied: Option<&str>, iss: impl FnOnce() -> Option<Value<'c>>) -> Result<(), Denied> {
    if rules.issuers.is_empty() && tied.is_none() {
        return Ok(());
    }
    let accepted = |iss: &str| rules.issuers.is_empty() || contains(&rules.issuers, iss);
    match iss() {
        Some(Value::String(iss)) if accepted(&iss) && tied.is_none_or(|tied| tied == iss) => Ok(()),
        _ => Err(Denied::BadIssuer),
    }
}

fn check_audience<'c>(rules: &Rules, aud: impl FnOnce() -> Option<Value<'c>>) -> Result<(), Denied> {
    if rules.audiences.is_empty() {
        return Ok(());
    }
    let accepted = match aud() {
        Some(Value::String(aud)) => contains(&rules.audiences, &aud),
        Some(array) => names_one(&rules.audiences, &array),
        None => false,
    };
    if accepted { Ok(()) } else { Err(Denied::BadAudience) }
}

/// Whether an array of strings, and of nothing else, has one of `accepted`.
fn names_one(accepted: &[Box<str>], array: &Value) -> bool {
    let Some(elements) = array.elements() else { return false };
    elements.iter().all(|element| matches!(element, Value::String(_)))
        && elements.iter().any(|element| matches!(element, Value::String(aud) if contains(accepted, aud)))
}

fn contains(accepted: &[Box<str>], value: &str) -> bool {
    accepted.iter().any(|one| **one == *value)
}

/// Unless a location says otherwise, accepts `JWT`, `at+jwt` or no `typ` at all: what else the same key signs (a session
/// cookie, say) is no access token (RFC 8725 section 3.11).
fn check_type(rules: &Rules, token: &Verified) -> Result<(), Denied> {
    let accepted = match rules.types.is_empty() {
        true => token.has_usual_type(),
        false => {
            matches!(token.typ(), Some(Value::String(typ)) if rules.types.iter().any(|one| is_type(one, &typ)))
        }
    };
    if accepted { Ok(()) } else { Err(Denied::BadType) }
}

/// Whether a header's `typ` is one that needs no rule. Found out once for all tokens that have the header.
pub(crate) fn is_usual_type(typ: Option<Value>) -> bool {
    match typ {
        None => true,
        Some(Value::String(typ)) => is_type("JWT", &typ) || is_type("at+jwt", &typ),
        Some(_) => false,
    }
}

fn is_type(accepted: &str, typ: &str) -> bool {
    media_type(accepted).eq_ignore_ascii_case(media_type(typ))
}

/// `application/` may be left out (RFC 7515 section 4.1.9).
fn media_type(typ: &str) -> &str {
    const PREFIX: &str = "application/";
    match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Object;

    fn claims(text: &str) -> Object {
        Object::parse(text.into()).unwrap()
    }

    fn list(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn judges_issuers() {
        let rules = Rules { issuers: list(&["https://a", "https://b"]), ..Rules::default() };
        let rows = [
            (r#"{"iss":"https://a"}"#, true),
            (r#"{"iss":"https:\/\/b"}"#, true),
            (r#"{"iss":"https://a/"}"#, false),
            (r#"{"iss":"HTTPS://a"}"#, false),
            (r#"{"iss":""}"#, false),
            (r#"{"iss":["https://a"]}"#, false),
            (r#"{"iss":null}"#, false),
            (r#"{}"#, false),
        ];
        for (text, accepted) in rows {
            let claims = claims(text);
            let iss = || claims.get("iss");
            assert_eq!(check_issuer(&rules, None, iss).is_ok(), accepted, "{text}");
            assert_eq!(check_issuer(&Rules::default(), None, iss), Ok(()), "{text}, unasked");
        }
    }

    #[test]
    fn judges_audiences() {
        let rules = Rules { audiences: list(&["api", "app"]), ..Rules::default() };
        let rows = [
            (r#"{"aud":"api"}"#, true),
            (r#"{"aud":["x","app"]}"#, true),
            (r#"{"aud":"API"}"#, false),
            (r#"{"aud":["x"]}"#, false),
            (r#"{"aud":[]}"#, false),
            (r#"{"aud":["api",1]}"#, false),
            (r#"{"aud":[["api"]]}"#, false),
            (r#"{"aud":{"api":1}}"#, false),
            (r#"{"aud":null}"#, false),
            (r#"{}"#, false),
        ];
        for (text, accepted) in rows {
            let claims = claims(text);
            let aud = || claims.get("aud");
            assert_eq!(check_audience(&rules, aud).is_ok(), accepted, "{text}");
            assert_eq!(check_audience(&Rules::default(), aud), Ok(()), "{text}, unasked");
        }
    }

    #[test]
    fn strips_the_implied_media_type() {
        let rows = [
            ("JWT", "JWT"),
            ("application/jwt", "jwt"),
            ("Application/at+JWT", "at+JWT"),
            ("text/jwt", "text/jwt"),
            // As long as the prefix.
            ("better-auth.JWT", "better-auth.JWT"),
            ("application-JWT", "application-JWT"),
            ("application/", ""),
        ];
        for (typ, rest) in rows {
            assert_eq!(media_type(typ), rest, "{typ}");
        }
    }
}
