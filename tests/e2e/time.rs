//! `exp`, `nbf` and `iat`.

use crate::common::*;

const CONF: &str = "location / { jwt_user_scope any; empty_gif; }";

#[test]
fn exp_is_required_and_a_number() {
    let nginx = Setup::new().server(CONF);
    let now = now();
    let cases = [
        (String::new(), "bad_claim"),
        (r#""exp":"4102444800","#.into(), "bad_claim"),
        (r#""exp":null,"#.into(), "bad_claim"),
        (r#""exp":true,"#.into(), "bad_claim"),
        (r#""exp":[4102444800],"#.into(), "bad_claim"),
        (r#""exp":{},"#.into(), "bad_claim"),
        (r#""EXP":4102444800,"#.into(), "bad_claim"),
        (r#""exp":0,"#.into(), "expired"),
        (r#""exp":-1,"#.into(), "expired"),
        (r#""exp":-4102444800,"#.into(), "expired"),
        (r#""exp":900,"#.into(), "expired"),
        (r#""exp":0.5,"#.into(), "expired"),
        (format!(r#""exp":{now},"#), "expired"),
        (format!(r#""exp":{}.9,"#, now - 1), "expired"),
        (format!(r#""exp":{},"#, now + 60), "ok"),
        (format!(r#""exp":{}.5,"#, now + 60), "ok"),
        (r#""exp":4102444800,"#.into(), "ok"),
        (r#""exp":4102444800.25,"#.into(), "ok"),
        (r#""exp":4.1e9,"#.into(), "ok"),
        (r#""exp":9223372036854775807,"#.into(), "ok"),
        (r#""exp":18446744073709551616,"#.into(), "ok"),
    ];
    for (exp, word) in cases {
        let payload = format!(r#"{{{exp}"uid":"alice"}}"#);
        expect(&payload, word, &get("/").token(&token(&payload)).send(&nginx));
    }
}

#[test]
fn a_token_expires_while_it_is_used() {
    let nginx = Setup::new().server(CONF);
    let mut client = nginx.client();
    let exp = now() + 2;
    let asked = get("/").token(&token(format!(r#"{{"uid":"alice","exp":{exp}}}"#)));
    expect("before exp", "ok", &client.ask(&asked));
    eventually("the second of exp", || now() >= exp);
    expect("from exp on", "expired", &client.ask(&asked));
}

#[test]
fn nbf_is_honoured_when_present() {
    let nginx = Setup::new().server(CONF);
    let now = now();
    let cases = [
        ("0".into(), "ok"),
        ("-5".into(), "ok"),
        (now.to_string(), "ok"),
        (format!("{}.5", now - 1), "ok"),
        ((now + 60).to_string(), "not_yet_valid"),
        (format!("{}.5", now + 60), "not_yet_valid"),
        ("4.1e9".into(), "not_yet_valid"),
        ("9223372036854775807".into(), "not_yet_valid"),
        (format!(r#""{now}""#), "bad_claim"),
        ("null".into(), "bad_claim"),
        ("true".into(), "bad_claim"),
        ("[0]".into(), "bad_claim"),
        ("{}".into(), "bad_claim"),
    ];
    for (nbf, word) in cases {
        let payload = claims(&format!(r#""uid":"alice","nbf":{nbf}"#));
        expect(&payload, word, &get("/").token(&token(&payload)).send(&nginx));
    }
}

#[test]
fn iat_may_lie_in_the_future_but_must_be_a_number() {
    let nginx = Setup::new().server(CONF);
    let cases = [
        ("0", "ok"),
        ("4102444800", "ok"),
        ("1.5", "ok"),
        ("-1", "ok"),
        (r#""0""#, "bad_claim"),
        ("null", "bad_claim"),
        ("false", "bad_claim"),
        ("[]", "bad_claim"),
        ("{}", "bad_claim"),
    ];
    for (iat, word) in cases {
        let payload = claims(&format!(r#""uid":"alice","iat":{iat}"#));
        expect(&payload, word, &get("/").token(&token(&payload)).send(&nginx));
    }
}

#[test]
fn claims_that_nobody_asked_for_change_nothing() {
    let nginx = Setup::new().server(CONF);
    let payload = claims(r#""uid":"alice","iss":42,"aud":["x"],"jti":"","scope":{},"n":[1,2,{"a":null}]"#);
    expect(&payload, "ok", &get("/").token(&token(&payload)).send(&nginx));
}

#[test]
fn sub_and_jti_are_strings() {
    let nginx = Setup::new().server(CONF);
    for member in [r#""sub":42"#, r#""sub":null"#, r#""jti":null"#, r#""jti":["a"]"#] {
        let payload = claims(&format!(r#""uid":"alice",{member}"#));
        expect(&payload, "bad_claim", &get("/").token(&token(&payload)).send(&nginx));
    }
    let payload = claims(r#""uid":"alice","sub":"","jti":"a""#);
    expect(&payload, "ok", &get("/").token(&token(&payload)).send(&nginx));
}
