//! The rules on verified claims: time, issuer, audience, type. Every one sees a [`Verified`] only.

use crate::json::{Object, Value};
use crate::{Denied, Rules, Verified};

/// All of them, in the order of the contract. `now` is in seconds since the epoch.
pub(crate) fn check(rules: &Rules, token: &Verified, now: u64) -> Result<(), Denied> {
    let claims = token.claims();
    check_time(rules, claims, now)?;
    check_issuer(rules, token.issuer_of_key(), claims)?;
    check_audience(rules, claims)?;
    check_type(rules, token)
}

/// `exp` is required, `nbf` honoured (RFC 7519 sections 4.1.4 and 4.1.5), and the time between bounded.
fn check_time(rules: &Rules, claims: &Object, now: u64) -> Result<(), Denied> {
    // Exact to 2^53 seconds; NumericDate may have a fraction, so both sides are floats.
    let (now, leeway) = (now as f64, rules.leeway as f64);
    let exp = claims.get("exp").ok_or(Denied::ExpMissing)?.as_f64().ok_or(Denied::ExpInvalid)?;
    if now >= exp + leeway {
        return Err(Denied::Expired);
    }
    if let Some(nbf) = number(claims, "nbf", Denied::NbfInvalid)?
        && now + leeway < nbf
    {
        return Err(Denied::NotYetValid);
    }
    // An `iat` in the future is no error: clocks differ, and `nbf` is there for that. Nor does it buy a longer life.
    let issued = number(claims, "iat", Denied::IatInvalid)?.map_or(now, |iat| iat.min(now));
    if rules.max_lifetime > 0 && exp - issued > rules.max_lifetime as f64 + leeway {
        return Err(Denied::LifetimeExceeded);
    }
    Ok(())
}

fn number(claims: &Object, name: &str, invalid: Denied) -> Result<Option<f64>, Denied> {
    claims.get(name).map(|value| value.as_f64().ok_or(invalid)).transpose()
}

/// The issuer is an accepted one, and the one that the key is tied to (RFC 8725bis section 3.8).
fn check_issuer(rules: &Rules, tied: Option<&str>, claims: &Object) -> Result<(), Denied> {
    let accepted = |iss: &str| rules.issuers.is_empty() || contains(&rules.issuers, iss);
    match claims.get("iss") {
        _ if rules.issuers.is_empty() && tied.is_none() => Ok(()),
        Some(Value::String(iss)) if accepted(&iss) && tied.is_none_or(|tied| tied == iss) => Ok(()),
        _ => Err(Denied::BadIssuer),
    }
}

fn check_audience(rules: &Rules, claims: &Object) -> Result<(), Denied> {
    let accepted = match claims.get("aud") {
        _ if rules.audiences.is_empty() => true,
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
    let accepted = match token.header().get("typ") {
        None => rules.types.is_empty(),
        Some(Value::String(typ)) if rules.types.is_empty() => is_type("JWT", &typ) || is_type("at+jwt", &typ),
        Some(Value::String(typ)) => rules.types.iter().any(|one| is_type(one, &typ)),
        Some(_) => false,
    };
    if accepted { Ok(()) } else { Err(Denied::BadType) }
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

    const NOW: u64 = 1_000;

    fn claims(text: &str) -> Object {
        Object::parse(text.into()).unwrap()
    }

    fn time(text: &str) -> Result<(), Denied> {
        check_time(&Rules::default(), &claims(text), NOW)
    }

    fn list(names: &[&str]) -> Vec<Box<str>> {
        names.iter().map(|&name| name.into()).collect()
    }

    #[test]
    fn judges_time() {
        let rows = [
            (r#"{}"#, Err(Denied::ExpMissing)),
            (r#"{"exp":1001}"#, Ok(())),
            (r#"{"exp":1000.5}"#, Ok(())),
            (r#"{"exp":1.001e3}"#, Ok(())),
            (r#"{"exp":253402300800}"#, Ok(())),
            (r#"{"exp":1000}"#, Err(Denied::Expired)),
            (r#"{"exp":1000.0}"#, Err(Denied::Expired)),
            (r#"{"exp":999}"#, Err(Denied::Expired)),
            (r#"{"exp":-1}"#, Err(Denied::Expired)),
            (r#"{"exp":0}"#, Err(Denied::Expired)),
            (r#"{"exp":"1001"}"#, Err(Denied::ExpInvalid)),
            (r#"{"exp":null}"#, Err(Denied::ExpInvalid)),
            (r#"{"exp":true}"#, Err(Denied::ExpInvalid)),
            (r#"{"exp":[1001]}"#, Err(Denied::ExpInvalid)),
            (r#"{"exp":{"a":1001}}"#, Err(Denied::ExpInvalid)),
            (r#"{"exp":1e999}"#, Err(Denied::ExpInvalid)),
            (r#"{"Exp":1001}"#, Err(Denied::ExpMissing)),
            (r#"{"exp":1001,"nbf":1000}"#, Ok(())),
            (r#"{"exp":1001,"nbf":-5}"#, Ok(())),
            (r#"{"exp":1001,"nbf":1000.5}"#, Err(Denied::NotYetValid)),
            (r#"{"exp":1001,"nbf":1001}"#, Err(Denied::NotYetValid)),
            (r#"{"exp":1001,"nbf":"0"}"#, Err(Denied::NbfInvalid)),
            (r#"{"exp":1001,"nbf":null}"#, Err(Denied::NbfInvalid)),
            (r#"{"exp":1001,"nbf":1e999}"#, Err(Denied::NbfInvalid)),
            (r#"{"exp":999,"nbf":"0"}"#, Err(Denied::Expired)),
            (r#"{"exp":1001,"iat":5000}"#, Ok(())),
            (r#"{"exp":1001,"iat":1.5}"#, Ok(())),
            (r#"{"exp":1001,"iat":"1"}"#, Err(Denied::IatInvalid)),
            (r#"{"exp":1001,"iat":null}"#, Err(Denied::IatInvalid)),
        ];
        for (claims, result) in rows {
            assert_eq!(time(claims), result, "{claims}");
        }
    }

    #[test]
    fn leeway_moves_both_ends() {
        let rules = Rules { leeway: 10, ..Rules::default() };
        let rows = [
            (r#"{"exp":991}"#, Ok(())),
            (r#"{"exp":990.5}"#, Ok(())),
            (r#"{"exp":990}"#, Err(Denied::Expired)),
            (r#"{"exp":2000,"nbf":1010}"#, Ok(())),
            (r#"{"exp":2000,"nbf":1011}"#, Err(Denied::NotYetValid)),
        ];
        for (text, result) in rows {
            assert_eq!(check_time(&rules, &claims(text), NOW), result, "{text}");
        }
    }

    #[test]
    fn bounds_the_lifetime() {
        let bound = |max_lifetime, leeway| Rules { max_lifetime, leeway, ..Rules::default() };
        let rows = [
            (bound(0, 0), r#"{"exp":9e9}"#, Ok(())),
            (bound(100, 0), r#"{"exp":1100}"#, Ok(())),
            (bound(100, 0), r#"{"exp":1100.5}"#, Err(Denied::LifetimeExceeded)),
            (bound(100, 0), r#"{"exp":1101}"#, Err(Denied::LifetimeExceeded)),
            (bound(100, 5), r#"{"exp":1105}"#, Ok(())),
            (bound(100, 5), r#"{"exp":1106}"#, Err(Denied::LifetimeExceeded)),
            (bound(100, 0), r#"{"exp":1050,"iat":950}"#, Ok(())),
            (bound(100, 0), r#"{"exp":1050,"iat":949}"#, Err(Denied::LifetimeExceeded)),
            (bound(100, 0), r#"{"exp":1150,"iat":1060}"#, Err(Denied::LifetimeExceeded)),
            (bound(100, 0), r#"{"exp":1050,"iat":-1e300}"#, Err(Denied::LifetimeExceeded)),
            (bound(100, 0), r#"{"exp":1050,"iat":"950"}"#, Err(Denied::IatInvalid)),
            (bound(100, 0), r#"{"exp":900,"iat":0}"#, Err(Denied::Expired)),
        ];
        for (rules, text, result) in rows {
            assert_eq!(check_time(&rules, &claims(text), NOW), result, "{text}");
        }
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
            assert_eq!(check_issuer(&rules, None, &claims(text)).is_ok(), accepted, "{text}");
            assert_eq!(check_issuer(&Rules::default(), None, &claims(text)), Ok(()), "{text}, unasked");
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
            assert_eq!(check_audience(&rules, &claims(text)).is_ok(), accepted, "{text}");
            assert_eq!(check_audience(&Rules::default(), &claims(text)), Ok(()), "{text}, unasked");
        }
    }

    #[test]
    fn strips_the_implied_media_type() {
        for (typ, rest) in
            [("JWT", "JWT"), ("application/jwt", "jwt"), ("Application/at+JWT", "at+JWT"), ("text/jwt", "text/jwt")]
        {
            assert_eq!(media_type(typ), rest);
        }
    }
}
