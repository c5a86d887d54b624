//! Which keys a token is tried with: `kid`, the issuer of a key, and how many are tried.

use authz::{Denied, Granted, KeyFileError, Keys, MAX_TRIED, SecretError, SecretForm};
use serde_json::json;

use crate::{CLAIMS, allow_all, data, jwk, jwks, label, outcome, sign, token, with_file, with_secret};

const ONE: &[u8] = b"the first secret of these tests: long enough";
const TWO: &[u8] = b"the second secret of these tests: long enough";

fn header(kid: Option<&str>) -> String {
    match kid {
        Some(kid) => json!({ "alg": "HS256", "kid": kid }).to_string(),
        None => r#"{"alg":"HS256"}"#.into(),
    }
}

#[test]
fn a_kid_selects_its_keys_and_those_without_one() {
    use Denied::{BadSignature, UnknownKey};
    let (a, b) = (Some("a"), Some("b"));
    // The kids of both keys, the kid of the token, and what becomes of it, signed with the first key, and the second.
    let rows = [
        (a, b, a, Ok(Granted::Ok), Err(BadSignature)),
        (a, b, b, Err(BadSignature), Ok(Granted::Ok)),
        (a, b, None, Ok(Granted::Ok), Ok(Granted::Ok)),
        (a, b, Some("c"), Err(UnknownKey), Err(UnknownKey)),
        (a, b, Some(""), Err(UnknownKey), Err(UnknownKey)),
        (a, b, Some("A"), Err(UnknownKey), Err(UnknownKey)),
        (a, b, Some("a "), Err(UnknownKey), Err(UnknownKey)),
        (a, None, a, Ok(Granted::Ok), Ok(Granted::Ok)),
        (a, None, b, Err(BadSignature), Ok(Granted::Ok)),
        (a, None, None, Ok(Granted::Ok), Ok(Granted::Ok)),
        (a, a, a, Ok(Granted::Ok), Ok(Granted::Ok)),
        (a, a, b, Err(UnknownKey), Err(UnknownKey)),
        (None, None, a, Ok(Granted::Ok), Ok(Granted::Ok)),
        (None, None, None, Ok(Granted::Ok), Ok(Granted::Ok)),
        (Some(""), b, Some(""), Ok(Granted::Ok), Err(BadSignature)),
    ];
    for (first, second, kid, with_first, with_second) in rows {
        let keys = || {
            let keys = with_secret(Keys::default(), ONE, &label(first, None));
            with_secret(keys, TWO, &label(second, None))
        };
        let row = format!("{first:?} {second:?} {kid:?}");
        assert_eq!(outcome(keys(), &sign(ONE, header(kid), CLAIMS)), with_first, "{row}");
        assert_eq!(outcome(keys(), &sign(TWO, header(kid), CLAIMS)), with_second, "{row}");
    }
}

#[test]
fn the_word_says_what_the_token_lacks() {
    let keys = || {
        let set = jwks(&[jwk("p256", json!({})), jwk("rsa", json!({}))]);
        with_secret(with_file(Keys::default(), &set, &label(None, None)), ONE, &label(Some("hmac"), None))
    };
    let rows = [
        (json!({ "alg": "ES512", "kid": "nobody" }), Denied::UnsupportedAlgorithm),
        (json!({ "alg": "none", "kid": "p256" }), Denied::UnsupportedAlgorithm),
        (json!({ "alg": "ES256", "kid": "nobody" }), Denied::UnknownKey),
        (json!({ "alg": "ES256", "kid": "rsa" }), Denied::UnsupportedAlgorithm),
        (json!({ "alg": "HS256", "kid": "p256" }), Denied::UnsupportedAlgorithm),
        (json!({ "alg": "ES256", "kid": "p256" }), Denied::BadSignature),
        (json!({ "alg": "ES256" }), Denied::BadSignature),
        (json!({ "alg": "HS256" }), Denied::BadSignature),
    ];
    for (header, denied) in rows {
        assert_eq!(outcome(keys(), &sign(TWO, header.to_string(), CLAIMS)), Err(denied), "{header}");
    }
}

#[test]
fn a_configured_kid_labels_a_file() {
    let keys = || with_file(Keys::default(), &data("p256.pem"), &label(Some("k"), None));
    assert_eq!(outcome(keys(), &token("ES256")), Ok(Granted::Ok), "a token without kid");
    assert_eq!(outcome(keys(), &sign(ONE, r#"{"alg":"ES256","kid":"k"}"#, CLAIMS)), Err(Denied::BadSignature));
    assert_eq!(outcome(keys(), &sign(ONE, r#"{"alg":"ES256","kid":"p256"}"#, CLAIMS)), Err(Denied::UnknownKey));
}

#[test]
fn every_version_of_a_secret_verifies() {
    let versions = [&b"2: "[..], ONE, b" ,1:", TWO].concat();
    for secret in [ONE, TWO] {
        let mut keys = Keys::default();
        let form = SecretForm { versioned: true, ..SecretForm::default() };
        keys.add_secret(&versions, form, &label(None, None)).unwrap();
        assert_eq!(outcome(keys, &sign(secret, header(None), CLAIMS)), Ok(Granted::Ok));
    }
}

#[test]
fn a_key_with_an_issuer_verifies_its_tokens_alone() {
    let issuer = "https://auth.example";
    let claims = |iss: &str| format!(r#"{{{iss}"uid":"A","exp":253402300799}}"#);
    let rows = [
        (r#""iss":"https://auth.example","#, Ok(Granted::Ok)),
        (r#""iss":"https:\/\/auth.example","#, Ok(Granted::Ok)),
        (r#""iss":"https://auth.example/","#, Err(Denied::BadIssuer)),
        (r#""iss":"HTTPS://auth.example","#, Err(Denied::BadIssuer)),
        (r#""iss":"https://other.example","#, Err(Denied::BadIssuer)),
        (r#""iss":["https://auth.example"],"#, Err(Denied::BadIssuer)),
        (r#""iss":"","#, Err(Denied::BadIssuer)),
        (r#""iss":null,"#, Err(Denied::BadIssuer)),
        ("", Err(Denied::BadIssuer)),
    ];
    for (iss, expected) in rows {
        let keys = with_secret(Keys::default(), ONE, &label(None, Some(issuer)));
        assert_eq!(outcome(keys, &sign(ONE, header(None), claims(iss))), expected, "{iss}");
    }
}

#[test]
fn the_key_that_verifies_says_which_issuer() {
    let (a, b) = ("https://a.example", "https://b.example");
    let keys = || {
        let keys = with_secret(Keys::default(), ONE, &label(None, Some(a)));
        with_secret(keys, TWO, &label(None, Some(b)))
    };
    let rows = [
        (ONE, a, Ok(Granted::Ok)),
        (TWO, b, Ok(Granted::Ok)),
        (ONE, b, Err(Denied::BadIssuer)),
        (TWO, a, Err(Denied::BadIssuer)),
    ];
    for (secret, iss, expected) in rows {
        let claims = json!({ "iss": iss, "exp": 253_402_300_799_u64 }).to_string();
        assert_eq!(outcome(keys(), &sign(secret, header(None), &claims)), expected, "{iss}");
    }
    let untied = || with_secret(keys(), b"a third secret that any issuer may sign with", &label(None, None));
    let claims = json!({ "iss": "https://c.example", "exp": 253_402_300_799_u64 }).to_string();
    let signed = sign(b"a third secret that any issuer may sign with", header(None), &claims);
    assert_eq!(outcome(untied(), &signed), Ok(Granted::Ok));
}

fn secret(number: usize) -> Vec<u8> {
    format!("secret number {number:03}, long enough for a test").into_bytes()
}

#[test]
fn a_bounded_number_of_keys_is_tried() {
    // Those behind the bound are not reached: keys of one kid, and for a token that names none, any.
    let mut keys = Keys::default();
    for number in 0..MAX_TRIED {
        keys = with_secret(keys, &secret(number), &label(Some("k"), None));
    }
    let keys = with_secret(keys, &secret(MAX_TRIED), &label(Some("other"), None));
    let keys = with_secret(keys, &secret(MAX_TRIED + 1), &label(None, None));
    let policy = crate::policy(keys);
    let bad = Err(Denied::BadSignature);
    for (number, kid, expected) in [
        (MAX_TRIED - 1, Some("k"), Ok(Granted::Ok)),
        (MAX_TRIED - 1, None, Ok(Granted::Ok)),
        (MAX_TRIED, Some("other"), Ok(Granted::Ok)),
        (MAX_TRIED, None, bad),
        (MAX_TRIED + 1, Some("k"), bad),
        (MAX_TRIED + 1, Some("other"), Ok(Granted::Ok)),
    ] {
        let token = sign(&secret(number), header(kid), CLAIMS);
        let decision = authz::decide(&policy, crate::input(&token, &[]), 1, &mut ());
        assert_eq!(decision.outcome, expected, "{number} {kid:?}");
    }
}

#[test]
fn keys_of_the_tokens_kid_are_tried_first() {
    let mut keys = Keys::default();
    for number in 0..MAX_TRIED {
        keys = with_secret(keys, &secret(number), &label(None, None));
    }
    let keys = with_secret(keys, ONE, &label(Some("k"), None));
    assert_eq!(outcome(keys, &sign(ONE, header(Some("k")), CLAIMS)), Ok(Granted::Ok));
}

#[test]
fn keys_that_would_never_be_tried_are_refused() {
    let mut keys = Keys::new(allow_all());
    for number in 0..MAX_TRIED {
        let long = [secret(number), secret(number)].concat();
        keys.add_secret(&long, SecretForm::default(), &label(None, None)).unwrap();
        keys.add_key_file(&data("p256.pem"), &label(None, None)).unwrap();
    }
    keys.add_secret(&[b'k'; 64], SecretForm::default(), &label(Some("k"), None)).unwrap();
    let refused = keys.add_secret(&[b'n'; 64], SecretForm::default(), &label(None, None));
    assert_eq!(refused, Err(SecretError::TooManyKeys));
}

#[test]
fn keys_of_one_kid_that_would_never_be_tried_are_refused() {
    let mut keys = Keys::default();
    for number in 0..MAX_TRIED {
        keys.add_secret(&secret(number), SecretForm::default(), &label(Some("k"), None)).unwrap();
        keys.add_secret(&secret(number), SecretForm::default(), &label(Some(&format!("k{number}")), None)).unwrap();
    }
    let refused = keys.add_secret(&[b'n'; 64], SecretForm::default(), &label(Some("k"), Some("another issuer")));
    assert_eq!(refused, Err(SecretError::TooManyKeys));
}

#[test]
fn public_keys_that_would_never_be_tried_are_refused() {
    let mut keys = Keys::default();
    let file = data("p256.pem").repeat(MAX_TRIED);
    keys.add_key_file(&file, &label(None, None)).unwrap();
    keys.add_key_file(&data("p384.pem"), &label(None, None)).unwrap();
    assert_eq!(keys.add_key_file(&data("p256.pem"), &label(None, None)), Err(KeyFileError::TooManyKeys));
}

#[test]
fn a_key_is_refused_before_it_is_one_of_them() {
    let mut keys = Keys::default();
    let short = keys.add_secret(b"short", SecretForm::default(), &label(None, None));
    assert_eq!(short, Err(SecretError::TooShort(32)));
    assert!(keys.is_empty());
}

#[test]
fn what_debugging_prints_holds_no_key() {
    let keys = with_secret(Keys::default(), ONE, &label(Some("k"), Some("https://auth.example")));
    let printed = format!("{keys:?}");
    for told in ["HS256", "\"k\"", "https://auth.example"] {
        assert!(printed.contains(told), "{told} {printed}");
    }
    assert!(!printed.contains("secret") && !printed.contains(&format!("{:?}", &ONE[..4])[1..8]), "{printed}");
}
