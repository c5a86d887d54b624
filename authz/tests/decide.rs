//! The whole decision, on tokens signed here: every result word of the core, and the order of the rules.

use std::rc::Rc;

use authz::{ClaimName, Decision, Denied, Granted, Input, Keys, Path, Policy, Scope, bearer, decide};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, crypto};

const SECRET: &[u8] = b"a secret for these tests, 32 bytes or more";
const NOW: u64 = 1_000_000;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"uid":"A","exp":1000001}"#;

fn policy(scope: Scope, claim: &str) -> Policy {
    let mut keys = Keys::default();
    keys.add_secret(SECRET).unwrap();
    Policy::new(scope, ClaimName::parse(claim.as_bytes()).unwrap(), Rc::new(keys)).unwrap()
}

fn sign_with(secret: &[u8], header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
    let signature = crypto::sign(signed.as_bytes(), &EncodingKey::from_secret(secret), Algorithm::HS256).unwrap();
    format!("{signed}.{signature}").into_bytes()
}

fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    sign_with(SECRET, header, payload)
}

fn ask(policy: &Policy, path: &str, token: Option<&[u8]>, user: &str) -> Decision {
    let path = Path { raw: path.as_bytes(), uri: path.as_bytes(), rewritten: false };
    decide(policy, Input { path, token, user: user.as_bytes() }, NOW)
}

/// The decision on a token for the path of user A.
fn outcome(token: &[u8]) -> Result<Granted, Denied> {
    ask(&policy(Scope::User, "uid"), "/users/A", Some(token), "A").outcome
}

#[test]
fn lets_the_right_user_through() {
    let decision = ask(&policy(Scope::User, "uid"), "/users/A", Some(&sign(HEADER, CLAIMS)), "A");
    assert_eq!(decision.outcome, Ok(Granted::Ok));
    assert_eq!(decision.identity.unwrap().user(), Some("A"));
}

#[test]
fn refuses_another_users_path_and_still_knows_who_asked() {
    let decision = ask(&policy(Scope::User, "uid"), "/users/B", Some(&sign(HEADER, CLAIMS)), "B");
    assert_eq!(decision.outcome, Err(Denied::UserMismatch));
    assert_eq!(decision.identity.unwrap().user(), Some("A"));
}

#[test]
fn judges_headers() {
    let rows = [
        (r#"{"alg":"HS256"}"#, Ok(Granted::Ok)),
        (r#"{"alg":"HS256","typ":"jwt"}"#, Ok(Granted::Ok)),
        (r#"{"alg":"HS256","typ":"at+JWT"}"#, Ok(Granted::Ok)),
        (r#"{"alg":"HS256","typ":"application/at+jwt"}"#, Ok(Granted::Ok)),
        (r#"{"alg":"HS256","kid":"any"}"#, Ok(Granted::Ok)),
        (r#"{"alg":"HS256","jku":"http://x/","jwk":{"kty":"oct","k":"AA"},"x5u":1,"x5c":[],"cty":7}"#, Ok(Granted::Ok)),
        (r#"{"alg":"none"}"#, Err(Denied::UnsupportedAlgorithm)),
        (r#"{"alg":"None"}"#, Err(Denied::UnsupportedAlgorithm)),
        (r#"{"alg":"hs256"}"#, Err(Denied::UnsupportedAlgorithm)),
        (r#"{"alg":"HS512"}"#, Err(Denied::UnsupportedAlgorithm)),
        (r#"{"alg":"RS256"}"#, Err(Denied::UnsupportedAlgorithm)),
        (r#"{"alg":""}"#, Err(Denied::UnsupportedAlgorithm)),
        (r#"{}"#, Err(Denied::HeaderMember)),
        (r#"{"alg":256}"#, Err(Denied::HeaderMember)),
        (r#"{"alg":null}"#, Err(Denied::HeaderMember)),
        (r#"{"alg":["HS256"]}"#, Err(Denied::HeaderMember)),
        (r#"{"alg":"HS256","kid":1}"#, Err(Denied::HeaderMember)),
        (r#"{"alg":"HS256","kid":null}"#, Err(Denied::HeaderMember)),
        (r#"{"alg":"HS256","crit":["exp"]}"#, Err(Denied::Critical)),
        (r#"{"alg":"HS256","crit":[]}"#, Err(Denied::Critical)),
        (r#"{"alg":"HS256","crit":null}"#, Err(Denied::Critical)),
        (r#"{"alg":"HS256","alg":"HS256"}"#, Err(Denied::Header)),
        (r#"{"alg":"none","alg":"HS256"}"#, Err(Denied::Header)),
        (r#"{"alg":"HS256","x":{"y":1,"y":2}}"#, Err(Denied::Header)),
        (r#"["HS256"]"#, Err(Denied::Header)),
        (r#"{"alg":"HS256"} x"#, Err(Denied::Header)),
        (r#"{"alg":"HS256","typ":"JWE"}"#, Err(Denied::BadType)),
        (r#"{"alg":"HS256","typ":""}"#, Err(Denied::BadType)),
        (r#"{"alg":"HS256","typ":null}"#, Err(Denied::BadType)),
        (r#"{"alg":"HS256","typ":7}"#, Err(Denied::BadType)),
        (r#"{"alg":"HS256","typ":"better-auth.session-cache+jwt"}"#, Err(Denied::BadType)),
    ];
    for (header, expected) in rows {
        assert_eq!(outcome(&sign(header, CLAIMS)), expected, "{header}");
    }
    assert_eq!(outcome(&sign(b"{\"alg\":\"HS256\",\"x\":\"\xff\"}", CLAIMS)), Err(Denied::Header), "not UTF-8");
}

#[test]
fn judges_payloads() {
    let deep = format!(r#"{{"uid":"A","exp":1000001,"x":{}{}}}"#, "[".repeat(900), "]".repeat(900));
    let rows = [
        ("", Err(Denied::Segments)),
        ("null", Err(Denied::Payload)),
        ("[]", Err(Denied::Payload)),
        ("{", Err(Denied::Payload)),
        (r#"{"uid":"A","exp":1000001}{}"#, Err(Denied::Payload)),
        (r#"{"uid":"A","exp":1000001,"uid":"B"}"#, Err(Denied::Payload)),
        (r#"{"uid":"A","exp":1000001,"x":[{"y":1,"y":1}]}"#, Err(Denied::Payload)),
        (&deep, Err(Denied::Payload)),
        (r#"{"uid":"A","exp":1000000}"#, Err(Denied::Expired)),
        (r#"{"uid":"A"}"#, Err(Denied::ExpMissing)),
        (r#"{"uid":"A","exp":"1000001"}"#, Err(Denied::ExpInvalid)),
        (r#"{"uid":"A","exp":1000001,"nbf":1000001}"#, Err(Denied::NotYetValid)),
        (r#"{"uid":"A","exp":1000001,"nbf":"x"}"#, Err(Denied::NbfInvalid)),
        (r#"{"uid":"A","exp":1000001,"iat":2000000}"#, Ok(Granted::Ok)),
        (r#"{"uid":"A","exp":1000001,"iat":"x"}"#, Err(Denied::IatInvalid)),
        (r#"{"exp":1000001}"#, Err(Denied::UserMissing)),
        (r#"{"uid":"","exp":1000001}"#, Err(Denied::UserInvalid)),
        (r#"{"uid":["B","A"],"exp":1000001}"#, Ok(Granted::Ok)),
        (r#"{"uid":["B","C"],"exp":1000001}"#, Err(Denied::UserMismatch)),
        (r#"{"uid":"a","exp":1000001}"#, Err(Denied::UserMismatch)),
        (r#" {"uid" : "A" , "exp" : 1000000.5 } "#, Ok(Granted::Ok)),
    ];
    for (payload, expected) in rows {
        assert_eq!(outcome(&sign(HEADER, payload)), expected, "{payload}");
    }
    assert_eq!(outcome(&sign(HEADER, b"{\"uid\":\"\xff\",\"exp\":1000001}")), Err(Denied::Payload), "not UTF-8");
}

#[test]
fn every_change_of_a_good_token_is_refused() {
    let token = sign(HEADER, CLAIMS);
    assert_eq!(outcome(&token), Ok(Granted::Ok));
    for i in 0..token.len() {
        for bit in 0..8 {
            let mut changed = token.clone();
            changed[i] ^= 1 << bit;
            assert!(outcome(&changed).is_err(), "byte {i}, bit {bit}");
        }
        assert!(outcome(&token[..i]).is_err(), "cut at {i}");
    }
    let signature = token.iter().rposition(|&b| b == b'.').unwrap() + 1;
    for i in signature..token.len() {
        for b in (0..=255u8).filter(|&b| b != token[i]) {
            let mut changed = token.clone();
            changed[i] = b;
            assert!(outcome(&changed).is_err(), "byte {i} as {b:#x}");
        }
    }
}

#[test]
fn only_the_configured_secret_signs() {
    for secret in [&b"another secret for these tests, 32 bytes"[..], b"", &SECRET[..SECRET.len() - 1], b"A"] {
        assert_eq!(outcome(&sign_with(secret, HEADER, CLAIMS)), Err(Denied::BadSignature));
    }
    let unsigned = [URL_SAFE_NO_PAD.encode(HEADER), URL_SAFE_NO_PAD.encode(CLAIMS)].join(".");
    assert_eq!(outcome(format!("{unsigned}.").as_bytes()), Err(Denied::Segments));
    assert_eq!(outcome(unsigned.as_bytes()), Err(Denied::Segments));
}

#[test]
fn the_first_rule_that_fails_is_the_answer() {
    let user = policy(Scope::User, "uid");
    let foreign = sign_with(b"another secret for these tests, 32 bytes", HEADER, "not json");
    let rows: [(&str, Option<&[u8]>, &str, Denied); 7] = [
        ("/users/B/../A", None, "", Denied::AmbiguousPath),
        ("/users/A", None, "", Denied::MissingToken),
        ("/users/A", Some(&foreign), "", Denied::BadSignature),
        ("/users/A", Some(&sign(HEADER, r#"{"exp":1}"#)), "", Denied::Expired),
        ("/users/A", Some(&sign(r#"{"alg":"HS256","typ":"x"}"#, r#"{"exp":1}"#)), "", Denied::Expired),
        ("/users/A", Some(&sign(r#"{"alg":"HS256","typ":"x"}"#, r#"{"exp":1000001}"#)), "", Denied::BadType),
        ("/users/A", Some(&sign(HEADER, CLAIMS)), "", Denied::EmptyScope),
    ];
    for (path, token, expected, denied) in rows {
        assert_eq!(ask(&user, path, token, expected).outcome, Err(denied), "{denied:?}");
    }
}

#[test]
fn any_asks_for_a_valid_token_and_for_nothing_of_the_path() {
    let any = policy(Scope::Any, "uid");
    let valid = sign(HEADER, CLAIMS);
    assert_eq!(ask(&any, "/users/B/../A;x", Some(&valid), "").outcome, Ok(Granted::Ok));
    assert_eq!(ask(&any, "/", None, "").outcome, Err(Denied::MissingToken));
    let anonymous = sign(HEADER, r#"{"exp":1000001}"#);
    assert_eq!(ask(&any, "/", Some(&anonymous), "").outcome, Err(Denied::UserMissing));
    let several = sign(HEADER, r#"{"uid":["A","B"],"exp":1000001}"#);
    assert_eq!(ask(&any, "/", Some(&several), "").identity.unwrap().user(), None, "no member has matched");
}

#[test]
fn numbers_are_users_as_written() {
    let number = sign(HEADER, r#"{"uid":42,"exp":1000001}"#);
    let scoped = policy(Scope::User, "uid");
    assert_eq!(ask(&scoped, "/users/42", Some(&number), "42").outcome, Ok(Granted::Ok));
    assert_eq!(ask(&scoped, "/users/042", Some(&number), "042").outcome, Err(Denied::UserMismatch));
}

#[test]
fn the_user_may_stand_in_another_claim() {
    let token = sign(HEADER, r#"{"sub":"S","app":{"user/id":"P"},"a.b":"D","exp":1000001}"#);
    for (claim, user) in [("sub", "S"), ("/app/user~1id", "P"), ("a.b", "D")] {
        assert_eq!(ask(&policy(Scope::User, claim), "/", Some(&token), user).outcome, Ok(Granted::Ok), "{claim}");
    }
    assert_eq!(outcome(&token), Err(Denied::UserMissing));
}

#[test]
fn a_policy_has_a_key() {
    assert!(Policy::new(Scope::Any, ClaimName::parse(b"uid").unwrap(), Rc::default()).is_err());
}

#[test]
fn answers_group_as_the_contract_says() {
    use authz::Challenge::{Bearer, InsufficientScope, InvalidToken, None};
    let rows = [
        (Denied::MissingToken, "missing_token", 401, Bearer, "Not authenticated"),
        (Denied::Expired, "expired", 401, InvalidToken, "Token expired"),
        (Denied::Segments, "malformed_token", 401, InvalidToken, "Invalid token"),
        (Denied::Encoding, "malformed_token", 401, InvalidToken, "Invalid token"),
        (Denied::Header, "malformed_token", 401, InvalidToken, "Invalid token"),
        (Denied::HeaderMember, "malformed_token", 401, InvalidToken, "Invalid token"),
        (Denied::Critical, "malformed_token", 401, InvalidToken, "Invalid token"),
        (Denied::Payload, "malformed_token", 401, InvalidToken, "Invalid token"),
        (Denied::UnsupportedAlgorithm, "unsupported_algorithm", 401, InvalidToken, "Invalid token"),
        (Denied::UnknownKey, "unknown_key", 401, InvalidToken, "Invalid token"),
        (Denied::BadSignature, "bad_signature", 401, InvalidToken, "Invalid token"),
        (Denied::NotYetValid, "not_yet_valid", 401, InvalidToken, "Invalid token"),
        (Denied::BadType, "bad_type", 401, InvalidToken, "Invalid token"),
        (Denied::ExpMissing, "bad_claim", 401, InvalidToken, "Invalid token"),
        (Denied::UserInvalid, "bad_claim", 401, InvalidToken, "Invalid token"),
        (Denied::UserMismatch, "user_mismatch", 403, InsufficientScope, "Forbidden"),
        (Denied::EmptyScope, "empty_scope", 403, InsufficientScope, "Forbidden"),
        (Denied::AmbiguousPath, "ambiguous_path", 400, None, "Bad request path"),
        (Denied::Internal, "internal_error", 500, None, ""),
    ];
    for (denied, word, status, challenge, detail) in rows {
        assert_eq!(
            (denied.word(), denied.status(), denied.challenge(), denied.detail()),
            (word, status, challenge, detail)
        );
    }
}

#[test]
fn bearer_and_decision_meet() {
    let token = sign(HEADER, CLAIMS);
    let header = [b"bearer  ", &token[..], b" "].concat();
    assert_eq!(outcome(bearer(&header).unwrap()), Ok(Granted::Ok));
}
