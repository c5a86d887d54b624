//! Key sets that are fetched: what is read from them, and what a decision says while one is not there.

use std::rc::Rc;
use std::slice;

use authz::{
    Denied, Granted, KeySet, KeySetError, Keys, MAX_SET_BYTES, MAX_SET_KEYS, MAX_TRIED, Policy, decide, may_lack_key,
};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    CLAIMS, Outcome, SECRET, allow, data, input, join, jwk, jwks, label, policy, sign, token, unsigned, with_file,
    with_secret,
};

fn set(members: &[Value]) -> Option<Rc<KeySet>> {
    Some(Rc::new(KeySet::from_jwks(&jwks(members), None, None).unwrap()))
}

/// Keys that have so many sets fetched.
fn expecting(count: usize, mut keys: Keys) -> Policy {
    (0..count).for_each(|_| keys.expect_key_set());
    policy(keys)
}

/// What becomes of a token, and whether it is worth an early fetch.
fn ask(policy: &Policy, token: &str, sets: &[Option<Rc<KeySet>>]) -> (Outcome, bool) {
    let outcome = decide(policy, input(token, sets), 1, &mut ()).outcome;
    (outcome, outcome.is_err_and(|denied| may_lack_key(policy, input(token, sets), denied)))
}

/// A key of an issuer that rotates its keys.
struct Signer {
    kid: Option<&'static str>,
    pair: Ed25519KeyPair,
}

impl Signer {
    fn new(kid: Option<&'static str>) -> Self {
        Self { kid, pair: Ed25519KeyPair::generate().unwrap() }
    }

    fn jwk(&self) -> Value {
        let mut jwk = json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(self.pair.public_key()) });
        if let Some(kid) = self.kid {
            jwk["kid"] = kid.into();
        }
        jwk
    }

    fn sign(&self) -> String {
        self.sign_claims(CLAIMS)
    }

    fn sign_claims(&self, claims: &str) -> String {
        self.sign_as(self.kid, claims)
    }

    fn sign_as(&self, kid: Option<&str>, claims: &str) -> String {
        let mut header = json!({ "alg": "EdDSA" });
        if let Some(kid) = kid {
            header["kid"] = kid.into();
        }
        let signed = unsigned(&header.to_string(), claims);
        join(&signed, self.pair.sign(signed.as_bytes()).as_ref())
    }
}

#[test]
fn reads_a_set() {
    let rows: Vec<(&str, Vec<u8>, Result<bool, KeySetError>)> = vec![
        ("of one", jwks(&[jwk("p256", json!({}))]), Ok(true)),
        ("with other members", json!({ "keys": [jwk("rsa", json!({}))], "a": 1 }).to_string().into(), Ok(true)),
        ("empty", jwks(&[]), Ok(false)),
        ("of members that are none", jwks(&[json!(null), json!(1), json!("a"), json!([]), json!({})]), Ok(false)),
        ("not a set", jwk("p256", json!({})).to_string().into(), Err(KeySetError::NotASet)),
        ("keys that are no array", br#"{"keys":{}}"#.into(), Err(KeySetError::NotASet)),
        ("an array", br#"[]"#.into(), Err(KeySetError::NotASet)),
        ("nothing", b"".into(), Err(KeySetError::NotASet)),
        ("a page", b"<html></html>".into(), Err(KeySetError::NotASet)),
        ("truncated", jwks(&[jwk("p256", json!({}))])[..100].into(), Err(KeySetError::NotASet)),
        ("two in a row", jwks(&[]).repeat(2), Err(KeySetError::NotASet)),
        ("not UTF-8", b"{\"keys\":[\"\xff\"]}".into(), Err(KeySetError::NotASet)),
        ("compressed", b"\x1f\x8b\x08\x00".into(), Err(KeySetError::NotASet)),
        ("a name used twice", br#"{"keys":[],"keys":[]}"#.into(), Err(KeySetError::NotASet)),
        ("a name used twice in a key", br#"{"keys":[{"kty":"EC","kty":"EC"}]}"#.into(), Err(KeySetError::NotASet)),
        ("as many as may be", jwks(&vec![jwk("p256", json!({})); MAX_SET_KEYS]), Ok(true)),
        ("too many", jwks(&vec![jwk("p256", json!({})); MAX_SET_KEYS + 1]), Err(KeySetError::TooManyKeys)),
        ("as large as may be", padded(MAX_SET_BYTES), Ok(true)),
        ("too large", padded(MAX_SET_BYTES + 1), Err(KeySetError::TooLarge)),
    ];
    for (what, text, expected) in rows {
        let read = KeySet::from_jwks(&text, None, None).map(|set| !set.is_empty());
        assert_eq!(read, expected, "{what}");
    }
}

fn padded(length: usize) -> Vec<u8> {
    let mut text = jwks(&[jwk("p256", json!({}))]);
    text.resize(length, b' ');
    text
}

#[test]
fn a_set_of_realistic_size_fits() {
    // Twenty RSA keys, each with a chain of three certificates of 2 KiB.
    let chain = vec![STANDARD.encode(vec![7; 2048]); 3];
    let members: Vec<_> = (0..20).map(|kid| jwk("rsa", json!({ "kid": kid.to_string(), "x5c": chain }))).collect();
    let text = jwks(&members);
    assert!(text.len() < MAX_SET_BYTES, "{}", text.len());
    assert!(!KeySet::from_jwks(&text, None, None).unwrap().is_empty());
}

#[test]
fn a_member_that_cannot_be_used_is_skipped() {
    let skipped = [
        json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44" }),
        json!({ "kty": 1 }),
        json!(null),
        jwk("rsa1024", json!({})),
        jwk("rsa", json!({ "use": "enc" })),
        jwk("rsa", json!({ "key_ops": ["sign"] })),
        jwk("rsa", json!({ "alg": "RSA-OAEP" })),
        jwk("rsa", json!({ "n": "!" })),
        jwk("rsa", json!({ "d": "AQAB" })),
        jwk("secp256k1", json!({})),
        jwk("x25519", json!({})),
        jwk("p256", json!({ "x": "AA" })),
        jwk("p256", json!({ "kid": 1 })),
    ];
    for member in skipped {
        assert!(set(std::slice::from_ref(&member)).unwrap().is_empty(), "{member}");
        let sets = [set(&[member.clone(), jwk("p256", json!({}))])];
        assert_eq!(ask(&expecting(1, Keys::default()), &token("ES256"), &sets).0, Ok(Granted::Ok), "{member}");
    }
}

#[test]
fn a_set_keeps_to_the_allowed_algorithms() {
    let text = jwks(&[jwk("rsa", json!({})), jwk("p256", json!({}))]);
    let sets = [Some(Rc::new(KeySet::from_jwks(&text, allow(&["PS256"]), None).unwrap()))];
    let policy = expecting(1, Keys::new(allow(&["PS256"])));
    assert_eq!(ask(&policy, &token("PS256"), &sets), (Ok(Granted::Ok), false));
    assert_eq!(ask(&policy, &token("RS256"), &sets), (Err(Denied::UnsupportedAlgorithm), false));
    assert_eq!(ask(&policy, &token("ES256"), &sets), (Err(Denied::UnsupportedAlgorithm), false));
}

#[test]
fn a_set_is_tied_to_its_issuer() {
    for (issuer, expected) in
        [("https://auth.example", Ok(Granted::Ok)), ("https://other.example", Err(Denied::BadIssuer))]
    {
        let set = KeySet::from_jwks(&jwks(&[jwk("p256", json!({}))]), None, Some(issuer)).unwrap();
        let asked = ask(&expecting(1, Keys::default()), &token("ES256"), &[Some(Rc::new(set))]);
        assert_eq!(asked, (expected, false), "{issuer}");
    }
}

#[test]
fn nothing_is_said_against_a_token_while_its_key_may_come() {
    use Denied::{BadSignature, Expired, KeysUnavailable, UnsupportedAlgorithm};
    let secret = || with_secret(Keys::default(), SECRET.as_bytes(), &label(None, None));
    let file = || with_file(Keys::default(), &data("p256.pem"), &label(None, None));
    let es256 = sign(b"some other secret, which signs nothing", r#"{"alg":"ES256"}"#, CLAIMS);
    let expired = sign(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, r#"{"exp":1}"#);
    let hs256 = sign(b"some other secret, which signs nothing", r#"{"alg":"HS256"}"#, CLAIMS);
    let none = sign(SECRET.as_bytes(), r#"{"alg":"none"}"#, CLAIMS);
    let absent = &[None][..];
    let other = &[None, set(&[jwk("rsa", json!({}))])][..];
    let rows = [
        ("no key at all", expecting(1, Keys::default()), absent, &token("EdDSA"), Err(KeysUnavailable)),
        ("the set is not handed in", expecting(1, Keys::default()), &[], &token("EdDSA"), Err(KeysUnavailable)),
        ("another set is there", expecting(2, Keys::default()), other, &token("EdDSA"), Err(KeysUnavailable)),
        ("that set verifies", expecting(2, Keys::default()), other, &token("RS256"), Ok(Granted::Ok)),
        ("a key of another kind", expecting(1, secret()), absent, &token("EdDSA"), Err(KeysUnavailable)),
        ("a key that does not verify", expecting(1, file()), absent, &es256, Err(KeysUnavailable)),
        ("a key that verifies", expecting(1, file()), absent, &token("ES256"), Ok(Granted::Ok)),
        ("a key that verifies what has expired", expecting(1, secret()), absent, &expired, Err(Expired)),
        ("no set has a secret", expecting(1, secret()), absent, &hs256, Err(BadSignature)),
        ("nor is there one", expecting(1, file()), absent, &hs256, Err(UnsupportedAlgorithm)),
        ("no set has none", expecting(1, secret()), absent, &none, Err(UnsupportedAlgorithm)),
        (
            "an algorithm that is not allowed",
            expecting(1, Keys::new(allow(&["ES256"]))),
            absent,
            &token("EdDSA"),
            Err(UnsupportedAlgorithm),
        ),
    ];
    for (what, policy, sets, token, expected) in rows {
        assert_eq!(ask(&policy, token, sets), (expected, false), "{what}");
    }
    let asked = |algorithm: &str, kid: &str| {
        let header = format!(r#"{{"alg":"{algorithm}","kid":"{kid}"}}"#);
        ask(&expecting(2, Keys::default()), &sign(SECRET.as_bytes(), &header, CLAIMS), other)
    };
    assert_eq!(asked("EdDSA", "new"), (Err(KeysUnavailable), true), "the set that is there may be older than its key");
    assert_eq!(asked("EdDSA", "rsa"), (Err(KeysUnavailable), true), "it knows its kid, of another key");
    assert_eq!(asked("RS256", "rsa"), (Err(KeysUnavailable), false), "that set knows its kid");
    let answer = (KeysUnavailable.word(), KeysUnavailable.status(), KeysUnavailable.detail());
    assert_eq!(answer, ("keys_unavailable", 503, Some(authz::Detail::ServiceUnavailable)));
    assert_eq!(KeysUnavailable.challenge(), authz::Challenge::None);
}

#[test]
fn a_rotation_is_worth_one_fetch() {
    let policy = expecting(1, Keys::default());
    let (old, new) = (Signer::new(Some("old")), Signer::new(Some("new")));
    let sets = [set(&[old.jwk()])];
    assert_eq!(ask(&policy, &old.sign(), &sets), (Ok(Granted::Ok), false));
    assert_eq!(ask(&policy, &new.sign(), &sets), (Err(Denied::UnknownKey), true), "before the fetch");
    let sets = [set(&[new.jwk(), old.jwk()])];
    assert_eq!(ask(&policy, &new.sign(), &sets), (Ok(Granted::Ok), false), "behind it");
    assert_eq!(ask(&policy, &old.sign(), &sets), (Ok(Granted::Ok), false), "the old key is still published");
    let sets = [set(&[new.jwk()])];
    assert_eq!(ask(&policy, &old.sign(), &sets), (Err(Denied::UnknownKey), true), "the old key is withdrawn");
}

/// Issuers number their keys, too.
#[test]
fn a_kid_that_another_set_knows_is_worth_a_fetch() {
    let [one, two] = [Signer::new(Some("1")), Signer::new(Some("2"))];
    let new = Signer::new(Some("2"));
    let policy = expecting(2, Keys::default());
    let sets = [set(&[two.jwk()]), set(&[one.jwk()])];
    assert_eq!(ask(&policy, &new.sign(), &sets), (Err(Denied::BadSignature), true), "the second may have got it");
    let sets = [set(&[two.jwk()]), set(&[one.jwk(), new.jwk()])];
    assert_eq!(ask(&policy, &new.sign(), &sets), (Ok(Granted::Ok), false), "it has");
    assert_eq!(ask(&policy, &Signer::new(Some("2")).sign(), &sets), (Err(Denied::BadSignature), false), "all know it");
    assert_eq!(ask(&policy, &two.sign(), &[None, set(&[one.jwk()])]), (Err(Denied::KeysUnavailable), true));
    let configured = expecting(1, with_file(Keys::default(), new.jwk().to_string().as_bytes(), &label(None, None)));
    let configured = ask(&configured, &two.sign(), &[set(&[one.jwk()])]);
    assert_eq!(configured, (Err(Denied::BadSignature), true), "a key of the configuration may be the older one");
}

/// Providers share keys among their tenants.
#[test]
fn a_key_of_two_issuers_verifies_the_tokens_of_both() {
    let (a, b) = ("https://a.example", "https://b.example");
    let tied = |issuer, keys: &[Value]| Some(Rc::new(KeySet::from_jwks(&jwks(keys), None, Some(issuer)).unwrap()));
    let (shared, other) = (Signer::new(Some("k")), Signer::new(Some("k")));
    let policy = || expecting(2, Keys::default());
    let token =
        |iss: &str| shared.sign_claims(&json!({ "iss": iss, "uid": "A", "exp": 253_402_300_799_u64 }).to_string());
    for sets in [
        [tied(a, &[shared.jwk()]), tied(b, &[shared.jwk()])],
        [tied(b, &[shared.jwk()]), tied(a, &[other.jwk(), shared.jwk()])],
    ] {
        assert_eq!(ask(&policy(), &token(a), &sets), (Ok(Granted::Ok), false));
        assert_eq!(ask(&policy(), &token(b), &sets), (Ok(Granted::Ok), false));
        assert_eq!(ask(&policy(), &token("https://c.example"), &sets), (Err(Denied::BadIssuer), false));
    }
    let sets = [tied(a, &[shared.jwk()]), tied(b, &[other.jwk()])];
    assert_eq!(ask(&policy(), &token(b), &sets), (Err(Denied::BadIssuer), false), "b's own key does not verify it");
    let sets = [tied(a, &[shared.jwk()]), set(&[shared.jwk()])];
    assert_eq!(ask(&policy(), &token(b), &sets), (Ok(Granted::Ok), false), "a key that is not tied does");
    let keys = with_secret(Keys::default(), SECRET.as_bytes(), &label(None, Some(a)));
    let keys = with_secret(keys, SECRET.as_bytes(), &label(None, Some(b)));
    let signed = |iss: &str| {
        sign(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, json!({ "iss": iss, "uid": "A", "exp": 9 }).to_string())
    };
    let policy = crate::policy(keys);
    for (iss, expected) in [(a, Ok(Granted::Ok)), (b, Ok(Granted::Ok)), ("", Err(Denied::BadIssuer))] {
        assert_eq!(ask(&policy, &signed(iss), &[]), (expected, false), "a secret, and {iss}");
    }
}

#[test]
fn the_keys_of_one_set_leave_room_for_those_of_another() {
    let junk: Vec<_> = (0..MAX_TRIED).map(|_| Signer::new(Some("k")).jwk()).collect();
    let (named, unnamed) = (Signer::new(Some("k")), Signer::new(None));
    let policy = expecting(2, Keys::default());
    for own in [named.jwk(), unnamed.jwk()] {
        let signer = if own == named.jwk() { &named } else { &unnamed };
        let token = signer.sign_as(Some("k"), CLAIMS);
        assert_eq!(ask(&policy, &token, &[set(&junk), set(slice::from_ref(&own))]).0, Ok(Granted::Ok));
        let full = [&junk[..], &[own]].concat();
        assert_eq!(ask(&policy, &token, &[set(&full), set(&[])]).0, Err(Denied::BadSignature), "behind the bound");
    }
}

#[test]
fn what_no_fetch_can_help_is_worth_none() {
    use Denied::{BadSignature, UnknownKey, UnsupportedAlgorithm};
    let keys = || with_secret(Keys::default(), SECRET.as_bytes(), &label(None, None));
    let (known, unnamed) = (Signer::new(Some("known")), Signer::new(None));
    let forged = |header: &str| sign(b"some other secret, which signs nothing", header, CLAIMS);
    let named = || vec![set(&[known.jwk()])];
    let rows = [
        ("a known kid", named(), forged(r#"{"alg":"EdDSA","kid":"known"}"#), BadSignature, false),
        ("no kid", named(), forged(r#"{"alg":"EdDSA"}"#), BadSignature, false),
        ("no kid, and no key", vec![set(&[])], unnamed.sign(), UnsupportedAlgorithm, true),
        ("a kid, and no key", vec![set(&[])], known.sign(), UnsupportedAlgorithm, true),
        ("an unknown kid", named(), forged(r#"{"alg":"EdDSA","kid":"x"}"#), UnsupportedAlgorithm, true),
        (
            "an unknown kid, another algorithm",
            named(),
            forged(r#"{"alg":"RS256","kid":"x"}"#),
            UnsupportedAlgorithm,
            true,
        ),
        ("an unknown kid of a secret", named(), forged(r#"{"alg":"HS256","kid":"x"}"#), BadSignature, false),
        ("an unknown kid of none", named(), forged(r#"{"alg":"none","kid":"x"}"#), UnsupportedAlgorithm, false),
        ("a key without kid", vec![set(&[unnamed.jwk()])], forged(r#"{"alg":"EdDSA","kid":"x"}"#), BadSignature, true),
    ];
    for (what, sets, token, denied, worth) in rows {
        assert_eq!(ask(&expecting(1, keys()), &token, &sets), (Err(denied), worth), "{what}");
    }
    let alone = expecting(1, Keys::default());
    assert_eq!(ask(&alone, &forged(r#"{"alg":"EdDSA","kid":"x"}"#), &named()), (Err(UnknownKey), true));
    assert!(!ask(&alone, "a.b.c", &named()).1, "no token");
    let static_keys = policy(with_file(Keys::default(), &data("ed25519.jwk"), &label(None, None)));
    assert_eq!(ask(&static_keys, &known.sign(), &[]), (Err(UnknownKey), false), "nothing is fetched");
}

#[test]
fn sets_and_configured_keys_verify_side_by_side() {
    let keys = with_secret(Keys::default(), SECRET.as_bytes(), &label(None, None));
    let policy = expecting(2, with_file(keys, &data("p256.pem"), &label(None, None)));
    let sets = [set(&[jwk("rsa", json!({}))]), set(&[jwk("ed25519", json!({}))])];
    for algorithm in ["HS256", "ES256", "RS256", "EdDSA", "Ed25519"] {
        assert_eq!(ask(&policy, &token(algorithm), &sets), (Ok(Granted::Ok), false), "{algorithm}");
    }
}

#[test]
fn a_location_needs_a_key_or_a_set() {
    assert!(Keys::default().is_empty());
    let mut keys = Keys::default();
    keys.expect_key_set();
    assert!(!keys.is_empty());
}

/// Shared secrets are not published.
#[test]
fn a_set_is_of_use_to_algorithms_of_public_keys() {
    for (allowed, useful) in [
        (None, true),
        (allow(&["HS256", "HS512"]), false),
        (allow(&["HS256", "ES256"]), true),
        (allow(&["EdDSA"]), true),
    ] {
        assert_eq!(Keys::new(allowed).can_use_key_sets(), useful, "{allowed:?}");
    }
}
