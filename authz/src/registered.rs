//! The registered claims that every token is asked for: when it is in force, and what its strings are.

use crate::json::{Members, Span, Value, is_same};
use crate::{ClaimName, Denied, Rules};

/// Claims of RFC 7519 sections 4.1.2 and 4.1.4 to 4.1.7, found in one pass, once for all requests that carry the token.
/// What is wrong with one of them is told when its turn comes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Registered {
    exp: Result<f64, Denied>,
    nbf: Result<Option<f64>, Denied>,
    iat: Result<Option<f64>, Denied>,
    sub: Result<(), Denied>,
    jti: Result<(), Denied>,
    /// Claims that not every location looks at, by where they stand.
    pub iss: Option<Span>,
    pub aud: Option<Span>,
    /// The member that names the user, or in which that claim is.
    pub user: Option<Span>,
}

impl Registered {
    pub fn of(claims: Members, user: &ClaimName) -> Self {
        let mut found = Self {
            exp: Err(Denied::ExpMissing),
            nbf: Ok(None),
            iat: Ok(None),
            sub: Ok(()),
            jti: Ok(()),
            iss: None,
            aud: None,
            user: None,
        };
        for (name, value, place) in claims.iter() {
            // Exact to 2^53 seconds; NumericDate may have a fraction, so that times are floats.
            let number = |invalid| Value::of(value).as_f64().ok_or(invalid);
            let string = |invalid| if value.starts_with('"') { Ok(()) } else { Err(invalid) };
            match name {
                b"exp" => found.exp = number(Denied::ExpInvalid),
                b"nbf" => found.nbf = number(Denied::NbfInvalid).map(Some),
                b"iat" => found.iat = number(Denied::IatInvalid).map(Some),
                b"sub" => found.sub = string(Denied::SubInvalid),
                b"jti" => found.jti = string(Denied::JtiInvalid),
                b"iss" => found.iss = Some(place),
                b"aud" => found.aud = Some(place),
                _ => {}
            }
            if is_same(name, user.first().as_bytes()) {
                found.user = Some(place);
            }
        }
        found
    }

    /// `exp` is required, `nbf` honoured, and the time between bounded. `now` is in seconds since the epoch.
    pub fn check_times(&self, rules: &Rules, now: u64) -> Result<(), Denied> {
        let (now, leeway) = (now as f64, rules.leeway as f64);
        let exp = self.exp?;
        if now >= exp + leeway {
            return Err(Denied::Expired);
        }
        if self.nbf?.is_some_and(|nbf| now + leeway < nbf) {
            return Err(Denied::NotYetValid);
        }
        // An `iat` in the future is no error: clocks differ, and `nbf` is there for that. Nor does it buy a longer life.
        let issued = self.iat?.map_or(now, |iat| iat.min(now));
        if rules.max_lifetime > 0 && exp - issued > rules.max_lifetime as f64 + leeway {
            return Err(Denied::LifetimeExceeded);
        }
        Ok(())
    }

    /// Whether the token's life is over, whatever leeway a location has.
    pub fn is_over(&self, now: u64) -> bool {
        self.exp.is_ok_and(|exp| now as f64 >= exp)
    }

    /// `sub` and `jti`, where a token has them, are strings. The claim that names the user has rules of its own.
    pub fn check_strings(&self, user: &ClaimName) -> Result<(), Denied> {
        match user.first() {
            "sub" => self.jti,
            "jti" => self.sub,
            _ => self.sub.and(self.jti),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::Object;

    const NOW: u64 = 1_000;

    fn registered(claims: &str) -> Registered {
        Object::read(claims.into(), |members| Registered::of(members, &ClaimName::Member("uid".into()))).unwrap().1
    }

    fn time(rules: &Rules, claims: &str) -> Result<(), Denied> {
        registered(claims).check_times(rules, NOW)
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
            assert_eq!(time(&Rules::default(), claims), result, "{claims}");
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
            assert_eq!(time(&rules, text), result, "{text}");
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
            assert_eq!(time(&rules, text), result, "{text}");
        }
    }

    #[test]
    fn ends_with_exp() {
        for (claims, over) in [(r#"{"exp":1000}"#, true), (r#"{"exp":1000.5}"#, false), (r#"{"exp":"1"}"#, false)] {
            assert_eq!(registered(claims).is_over(NOW), over, "{claims}");
        }
    }

    #[test]
    fn judges_strings() {
        let rows = [
            (r#"{}"#, "uid", Ok(())),
            (r#"{"sub":"A","jti":""}"#, "uid", Ok(())),
            (r#"{"sub":1}"#, "uid", Err(Denied::SubInvalid)),
            (r#"{"sub":null}"#, "/uid", Err(Denied::SubInvalid)),
            (r#"{"sub":["A"],"jti":1}"#, "subject", Err(Denied::SubInvalid)),
            (r#"{"sub":"A","jti":{}}"#, "sub", Err(Denied::JtiInvalid)),
            (r#"{"jti":true}"#, "uid", Err(Denied::JtiInvalid)),
            (r#"{"sub":1}"#, "sub", Ok(())),
            (r#"{"sub":["A"]}"#, "/sub", Ok(())),
            (r#"{"sub":{"id":"A"}}"#, "/sub/id", Ok(())),
            (r#"{"jti":1}"#, "jti", Ok(())),
        ];
        for (text, user, judged) in rows {
            let user = ClaimName::parse(user.as_bytes()).unwrap();
            assert_eq!(registered(text).check_strings(&user), judged, "{text}, {user:?}");
        }
    }
}
