//! The whole decision, on tokens signed here: every result word of the core, and the order of the rules.

mod signed;

use std::rc::Rc;

use authz::{
    ClaimName, Conditions, Decision, Denied, Granted, Identity, Input, KeyLabel, Keys, Path, Policy, Rules, Scope,
    SecretForm, bearer, decide, verified,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const SECRET: &[u8] = b"a secret for these tests, 32 bytes or more";
const NOW: u64 = 1_000_000;
const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;
const CLAIMS: &str = r#"{"uid":"A","exp":1000001}"#;

fn policy(scope: Scope, claim: &str) -> Policy {
    let mut keys = Keys::default();
    keys.add_secret(SECRET, SecretForm::default(), &KeyLabel::default()).unwrap();
    Policy::new(scope, ClaimName::parse(claim.as_bytes()).unwrap(), Rc::new(keys), Rules::default()).unwrap()
}

fn sign_with(secret: &[u8], header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    signed::hs256(secret, header, payload).into_bytes()
}

fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> Vec<u8> {
    sign_with(SECRET, header, payload)
}

fn ask(policy: &Policy, path: &str, token: Option<&[u8]>, user: &str) -> Decision {
    let path = Path { raw: path.as_bytes(), uri: path.as_bytes(), rewritten: false };
    decide(
        policy,
        Input { path, preflight: false, token, second_token: None, user: user.as_bytes(), key_sets: &[] },
        NOW,
        &mut (),
    )
}

/// The decision on a token for the path of user A.
fn outcome(token: &[u8]) -> Result<Granted, Denied> {
    ask(&policy(Scope::User, "uid"), "/users/A", Some(token), "A").outcome
}

#[test]
fn lets_the_right_user_through() {
    let decision = ask(&policy(Scope::User, "uid"), "/users/A", Some(&sign(HEADER, CLAIMS)), "A");
    assert_eq!(decision.outcome, Ok(Granted::Ok));
    assert_eq!(decision.user(), Some("A"));
}

#[test]
fn refuses_another_users_path_and_still_knows_who_asked() {
    let decision = ask(&policy(Scope::User, "uid"), "/users/B", Some(&sign(HEADER, CLAIMS)), "B");
    assert_eq!(decision.outcome, Err(Denied::UserMismatch));
    assert_eq!(decision.user(), Some("A"));
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
        (r#"{"alg":"HS256","b64":false}"#, Err(Denied::Unencoded)),
        (r#"{"alg":"HS256","b64":true}"#, Ok(Granted::Ok)),
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
        (r#"{"uid":"A","exp":1000001,"sub":"","jti":"1"}"#, Ok(Granted::Ok)),
        (r#"{"uid":"A","exp":1000001,"sub":42}"#, Err(Denied::SubInvalid)),
        (r#"{"uid":"A","exp":1000001,"jti":42}"#, Err(Denied::JtiInvalid)),
        (r#"{"exp":1000001,"sub":null}"#, Err(Denied::SubInvalid)),
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
    assert_eq!(ask(&any, "/", Some(&several), "").user(), None, "no member has matched");
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
fn claims_are_shown_and_looked_for_once() {
    let claims = r#"{"uid":"A","exp":1000001,"roles":["a","b"],"o":{"n":7}}"#;
    let decision = ask(&policy(Scope::User, "uid"), "/users/B", Some(&sign(HEADER, claims)), "B");
    let identity = decision.identity.unwrap();
    let names: Vec<_> =
        ["roles", "/o/n", "o", "missing"].map(|name| Rc::new(ClaimName::parse(name.as_bytes()).unwrap())).into();
    for _ in 0..2 {
        let shown: Vec<_> = names.iter().map(|name| identity.shown(name)).collect();
        assert_eq!(shown.iter().map(Option::as_deref).collect::<Vec<_>>(), [Some("a,b"), Some("7"), None, None]);
    }
    for name in &names[..2] {
        assert!(Rc::ptr_eq(&identity.shown(name).unwrap(), &identity.shown(name).unwrap()));
    }
    assert_eq!(identity.token().claims().text(), claims);
    assert_eq!(identity.token().header().text(), HEADER);
}

#[test]
fn a_signature_is_verified_on_its_own() {
    let policy = policy(Scope::User, "uid");
    let ask = |token: Option<&[u8]>| {
        let path = Path { raw: b"/", uri: b"/", rewritten: false };
        let input = Input { path, preflight: false, token, second_token: None, user: b"B", key_sets: &[] };
        verified(&policy, input).map(|token| token.claims().text().to_owned())
    };
    let expired = r#"{"uid":"A","exp":1}"#;
    assert_eq!(ask(Some(&sign(HEADER, expired))).as_deref(), Ok(expired));
    assert_eq!(ask(Some(&sign_with(&[7; 32], HEADER, CLAIMS))), Err(Denied::BadSignature));
    assert_eq!(ask(Some(b"a.b")), Err(Denied::Segments));
    assert_eq!(ask(None), Err(Denied::MissingToken));
}

#[test]
fn a_policy_has_a_key() {
    assert!(Policy::new(Scope::Any, ClaimName::parse(b"uid").unwrap(), Rc::default(), Rules::default()).is_err());
    for scope in [Scope::Any, Scope::User] {
        assert_eq!(policy(scope, "uid").scope(), scope);
    }
}

#[test]
fn answers_group_as_the_contract_says() {
    use authz::Challenge::{Bearer, InsufficientScope, InvalidToken, None as No};
    use authz::Detail;
    let rows = [
        (Denied::MissingToken, "missing_token", 401, Bearer, Some(Detail::NotAuthenticated)),
        (Denied::Expired, "expired", 401, InvalidToken, Some(Detail::TokenExpired)),
        (Denied::Segments, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::Encoding, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::Header, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::HeaderMember, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::Critical, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::Unencoded, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::Payload, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::UnsupportedAlgorithm, "unsupported_algorithm", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::UnknownKey, "unknown_key", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::BadSignature, "bad_signature", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::NotYetValid, "not_yet_valid", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::BadType, "bad_type", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::ExpMissing, "bad_claim", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::SubInvalid, "bad_claim", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::JtiInvalid, "bad_claim", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::UserInvalid, "bad_claim", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::TwoTokens, "malformed_token", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::LifetimeExceeded, "lifetime_exceeded", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::BadIssuer, "bad_issuer", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::BadAudience, "bad_audience", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::RequirementFailedToken, "requirement_failed", 401, InvalidToken, Some(Detail::InvalidToken)),
        (Denied::RequirementFailed, "requirement_failed", 403, InsufficientScope, Some(Detail::Forbidden)),
        (Denied::UserMismatch, "user_mismatch", 403, InsufficientScope, Some(Detail::Forbidden)),
        (Denied::EmptyScope, "empty_scope", 403, InsufficientScope, Some(Detail::Forbidden)),
        (Denied::UncoveredPath, "uncovered_path", 403, No, Some(Detail::Forbidden)),
        (Denied::AmbiguousPath, "ambiguous_path", 400, No, Some(Detail::BadRequestPath)),
        (Denied::Internal, "internal_error", 500, No, None),
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

/// Conditions that answer as told, and tell what they were asked.
#[derive(Default)]
struct Told {
    bypass: bool,
    requirement: Option<Denied>,
    asked: Vec<&'static str>,
    user: Option<String>,
}

impl Conditions for Told {
    fn bypass(&mut self, _: &Rc<Identity>) -> bool {
        self.asked.push("bypass");
        self.bypass
    }

    fn requirement(&mut self, identity: &Rc<Identity>, matched: Option<usize>) -> Result<(), Denied> {
        self.asked.push("requirement");
        self.user = identity.user(matched).map(Into::into);
        self.requirement.map_or(Ok(()), Err)
    }
}

fn ask_with(rules: Rules, input: Input, told: &mut Told) -> Decision {
    let mut keys = Keys::default();
    keys.add_secret(SECRET, SecretForm::default(), &KeyLabel::default()).unwrap();
    let policy = Policy::new(Scope::User, ClaimName::parse(b"uid").unwrap(), Rc::new(keys), rules).unwrap();
    decide(&policy, input, NOW, told)
}

fn input<'a>(token: &'a [u8], user: &'a [u8]) -> Input<'a> {
    let path = Path { raw: b"/users", uri: b"/users", rewritten: false };
    Input { path, preflight: false, token: Some(token), second_token: None, user, key_sets: &[] }
}

#[test]
fn conditions_are_asked_when_their_turn_comes() {
    use Denied::{EmptyScope, Expired, RequirementFailed, RequirementFailedToken, UserMismatch};
    let (good, expired) = (sign(HEADER, CLAIMS), sign(HEADER, r#"{"uid":"A","exp":1}"#));
    let (both, requirement): (&[&str], &[&str]) = (&["bypass", "requirement"], &["requirement"]);
    let rows = [
        (&good, "A", true, None, Ok(Granted::Ok), requirement),
        (&good, "B", true, None, Ok(Granted::Bypassed), both),
        (&good, "B", false, None, Err(UserMismatch), &["bypass"][..]),
        (&good, "", true, None, Err(EmptyScope), &[]),
        (&good, "A", false, Some(RequirementFailed), Err(RequirementFailed), requirement),
        (&good, "B", true, Some(RequirementFailed), Err(RequirementFailed), both),
        (&good, "B", false, Some(RequirementFailed), Err(UserMismatch), &["bypass"]),
        (&good, "A", false, Some(RequirementFailedToken), Err(RequirementFailedToken), requirement),
        (&expired, "A", true, None, Err(Expired), &[]),
    ];
    for (token, user, bypass, requirement, outcome, asked) in rows {
        let mut told = Told { bypass, requirement, ..Told::default() };
        let decision = ask_with(Rules::default(), input(token, user.as_bytes()), &mut told);
        assert_eq!((decision.outcome, &told.asked[..]), (outcome, asked), "{user} {bypass} {requirement:?}");
        let shown = !matches!(outcome, Err(denied) if denied.status() == 401);
        assert_eq!(decision.user().is_some(), shown, "an identity is shown unless a 401 rule failed: {outcome:?}");
    }
}

#[test]
fn a_requirement_sees_the_member_that_matched() {
    let token = sign(HEADER, r#"{"uid":["A","B"],"exp":1000001}"#);
    let mut told = Told { bypass: true, ..Told::default() };
    ask_with(Rules::default(), input(&token, b"B"), &mut told);
    assert_eq!(told.user.as_deref(), Some("B"));
    ask_with(Rules::default(), input(&token, b"C"), &mut told);
    assert_eq!(told.user, None);
}

#[test]
fn a_bypass_replaces_the_user_comparison_alone() {
    let mut told = Told { bypass: true, ..Told::default() };
    let token = sign(HEADER, CLAIMS);
    let path = Path { raw: b"/users/B/../A", uri: b"/users/A", rewritten: false };
    let decision = ask_with(Rules::default(), Input { path, ..input(&token, b"B") }, &mut told);
    assert_eq!(decision.outcome, Err(Denied::AmbiguousPath));
    let decision =
        ask_with(Rules { any_path: true, ..Rules::default() }, Input { path, ..input(&token, b"B") }, &mut told);
    assert_eq!(decision.outcome, Ok(Granted::Bypassed));
}

#[test]
fn preflights_pass_where_they_may() {
    let preflight = |token| Input { preflight: true, token, ..input(b"", b"A") };
    let allowed = Rules { preflight: true, ..Rules::default() };
    let mut told = Told::default();
    let decision = ask_with(allowed.clone(), preflight(None), &mut told);
    assert_eq!((decision.outcome, decision.user()), (Ok(Granted::Preflight), None));
    assert_eq!(ask_with(Rules::default(), preflight(None), &mut told).outcome, Err(Denied::MissingToken));
    let plain = Input { preflight: false, ..preflight(None) };
    assert_eq!(ask_with(allowed.clone(), plain, &mut told).outcome, Err(Denied::MissingToken));
    let odd = Input { path: Path { raw: b"/a;b", uri: b"/a;b", rewritten: false }, ..preflight(None) };
    assert_eq!(ask_with(allowed, odd, &mut told).outcome, Err(Denied::AmbiguousPath));
    assert_eq!(told.asked, [""; 0]);
}

#[test]
fn two_tokens_must_be_one() {
    let (good, other) = (sign(HEADER, CLAIMS), sign(HEADER, r#"{"uid":"B","exp":1000001}"#));
    let with = |second| Input { second_token: second, ..input(&good, b"A") };
    let mut told = Told::default();
    assert_eq!(ask_with(Rules::default(), with(Some(&good)), &mut told).outcome, Ok(Granted::Ok));
    assert_eq!(ask_with(Rules::default(), with(Some(&other)), &mut told).outcome, Err(Denied::TwoTokens));
    assert_eq!(ask_with(Rules::default(), with(None), &mut told).outcome, Ok(Granted::Ok));
}

#[test]
fn rules_on_claims_are_judged_in_order() {
    let all = Rules {
        issuers: vec!["i".into()],
        audiences: vec!["a".into()],
        types: vec!["at+jwt".into()],
        max_lifetime: 100,
        ..Rules::default()
    };
    let header = r#"{"alg":"HS256","typ":"application/AT+jwt"}"#;
    let rows = [
        (header, r#"{"uid":"A","exp":1000001,"iss":"i","aud":["a"]}"#, Ok(Granted::Ok)),
        (HEADER, r#"{"exp":1}"#, Err(Denied::Expired)),
        (HEADER, r#"{"exp":2000000,"nbf":1000001}"#, Err(Denied::NotYetValid)),
        (HEADER, r#"{"exp":2000000}"#, Err(Denied::LifetimeExceeded)),
        (HEADER, r#"{"exp":1000001}"#, Err(Denied::BadIssuer)),
        (HEADER, r#"{"exp":1000001,"iss":"i"}"#, Err(Denied::BadAudience)),
        (HEADER, r#"{"exp":1000001,"iss":"i","aud":"a"}"#, Err(Denied::BadType)),
        (r#"{"alg":"HS256"}"#, r#"{"exp":1000001,"iss":"i","aud":"a"}"#, Err(Denied::BadType)),
        (header, r#"{"exp":1000001,"iss":"i","aud":"a"}"#, Err(Denied::UserMissing)),
        (header, r#"{"uid":"B","exp":1000001,"iss":"i","aud":"a"}"#, Err(Denied::UserMismatch)),
    ];
    for (header, payload, outcome) in rows {
        let token = sign(header, payload);
        let decision = ask_with(all.clone(), input(&token, b"A"), &mut Told::default());
        assert_eq!(decision.outcome, outcome, "{header} {payload}");
    }
}
