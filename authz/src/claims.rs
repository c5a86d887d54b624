//! The rules on verified claims that a location does not choose between: time and type. Every one sees a [`Verified`] only.

use crate::json::{Object, Value};
use crate::{Denied, Verified};

/// `exp` is required, `nbf` honoured (RFC 7519 sections 4.1.4 and 4.1.5). `now` is in seconds since the epoch.
pub(crate) fn check_time(claims: &Object, now: u64) -> Result<(), Denied> {
    // Exact to 2^53 seconds; NumericDate may have a fraction, so both sides are floats.
    let now = now as f64;
    let exp = claims.get("exp").ok_or(Denied::ExpMissing)?.as_f64().ok_or(Denied::ExpInvalid)?;
    if now >= exp {
        return Err(Denied::Expired);
    }
    if let Some(nbf) = number(claims, "nbf", Denied::NbfInvalid)?
        && now < nbf
    {
        return Err(Denied::NotYetValid);
    }
    // An `iat` in the future is no error: clocks differ, and `nbf` is there for that.
    number(claims, "iat", Denied::IatInvalid)?;
    Ok(())
}

fn number(claims: &Object, name: &str, invalid: Denied) -> Result<Option<f64>, Denied> {
    claims.get(name).map(|value| value.as_f64().ok_or(invalid)).transpose()
}

/// Accepts `JWT`, `at+jwt` or no `typ` at all: what else the same key signs (a session cookie, say) is no access token
/// (RFC 8725 section 3.11).
pub(crate) fn check_type(token: &Verified) -> Result<(), Denied> {
    match token.header().get("typ") {
        None => Ok(()),
        Some(Value::String(typ)) if ["JWT", "at+jwt"].iter().any(|t| t.eq_ignore_ascii_case(media_type(&typ))) => {
            Ok(())
        }
        Some(_) => Err(Denied::BadType),
    }
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

    fn time(claims: &str) -> Result<(), Denied> {
        check_time(&Object::parse(claims.into()).unwrap(), NOW)
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
    fn strips_the_implied_media_type() {
        for (typ, rest) in
            [("JWT", "JWT"), ("application/jwt", "jwt"), ("Application/at+JWT", "at+JWT"), ("text/jwt", "text/jwt")]
        {
            assert_eq!(media_type(typ), rest);
        }
    }
}
