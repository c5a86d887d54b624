//! How often the decision asks for memory: never for a token that is remembered, and seldom otherwise.

mod signed;

use std::num::NonZeroUsize;
use std::rc::Rc;

use authz::{
    Cache, ClaimName, Decision, Denied, Granted, Input, KeyLabel, KeySet, Keys, Path, Policy, Rules, Scope, SecretForm,
    decide,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

const SECRET: &[u8] = b"a secret for these tests, 32 bytes or more";
const USER: &str = "JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u";
const PATH: &[u8] = b"/api/users/JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u/files/report.pdf";

fn policy(cached: bool) -> Policy {
    let mut keys = Keys::default();
    keys.add_secret(SECRET, SecretForm::default(), &KeyLabel::default()).unwrap();
    keys.expect_key_set();
    let claim = ClaimName::parse(b"uid").unwrap();
    let issuers = vec!["https://auth.example.com".into()];
    let rules = Rules { issuers, types: vec!["JWT".into()], ..Rules::default() };
    let policy = Policy::new(Scope::User, claim, Rc::new(keys), rules).unwrap();
    if cached { policy.remembering(Rc::new(Cache::new(NonZeroUsize::new(100).unwrap()))) } else { policy }
}

fn token(number: u64, exp: u64) -> String {
    with_header(json!({ "alg": "HS256", "typ": "JWT" }), number, exp)
}

fn with_header(header: Value, number: u64, exp: u64) -> String {
    signed_for(header, number, exp, "member")
}

fn signed_for(header: Value, number: u64, exp: u64, role: &str) -> String {
    let claims = json!({
        "iat": number, "exp": exp, "uid": USER, "sub": USER, "email": "somebody@example.com",
        "role": role, "iss": "https://auth.example.com", "aud": "https://api.example.com",
    });
    signed::hs256(SECRET, header.to_string(), claims.to_string())
}

/// A decision, and how often it asked for memory.
fn ask(policy: &Policy, token: Option<&str>, user: &str) -> (Decision, u64) {
    let set = [Some(Rc::new(KeySet::from_jwks(br#"{"keys":[]}"#, None, None).unwrap()))];
    let path = Path { raw: PATH, uri: PATH, rewritten: false };
    let token = token.map(str::as_bytes);
    let input = Input { path, preflight: false, token, second_token: None, user: user.as_bytes(), key_sets: &set };
    let mut decision = None;
    let asked = allocation_counter::measure(|| decision = Some(decide(policy, input, 50, &mut ())));
    (decision.unwrap(), asked.count_total)
}

#[test]
fn a_remembered_token_asks_for_none() {
    let policy = policy(true);
    let (good, expired) = (token(1, 100), token(2, 10));
    let (first, asked) = ask(&policy, Some(&good), USER);
    assert_eq!(first.outcome, Ok(Granted::Ok));
    assert!(asked > 0, "the count counts");
    for (token, user, outcome) in [
        (Some(&good), USER, Ok(Granted::Ok)),
        (Some(&good), "somebody-else", Err(Denied::UserMismatch)),
        (Some(&good), "", Err(Denied::EmptyScope)),
        (None, USER, Err(Denied::MissingToken)),
    ] {
        let (decision, asked) = ask(&policy, token.map(String::as_str), user);
        assert_eq!((decision.outcome, asked), (outcome, 0));
    }
    let (decision, asked) = ask(&policy, Some(&expired), USER);
    assert_eq!((decision.outcome, asked > 0), (Err(Denied::Expired), true), "a signature was checked");
}

/// A ceiling, so that a change that asks for more is seen: the claims and the identity; remembered, the
/// token too.
#[test]
fn a_new_token_asks_for_a_few() {
    for (cached, ceiling) in [(false, 2), (true, 3)] {
        let policy = policy(cached);
        ask(&policy, Some(&token(0, 100)), USER).0.outcome.unwrap();
        // A table that grows asks for more; so the least of many.
        let asked = (1..50).map(|i| ask(&policy, Some(&token(i, 100)), USER).1).min();
        assert_eq!(asked, Some(ceiling), "with a cache: {cached}");
    }
}

/// A header that nobody has seen before adds its text, its `kid`, and what it says; the payload is the fourth. Whoever sends
/// junk has it read.
#[test]
fn a_new_header_asks_for_a_few() {
    let policy = policy(true);
    ask(&policy, Some(&token(0, 100)), USER).0.outcome.unwrap();
    for kid in 0..5 {
        let mut forged = with_header(json!({ "alg": "HS256", "typ": "JWT", "kid": kid.to_string() }), 0, 100);
        forged.replace_range(forged.len() - 9..forged.len() - 5, "AAAA");
        let (decision, asked) = ask(&policy, Some(&forged), USER);
        assert_eq!((decision.outcome, asked), (Err(Denied::BadSignature), 4));
    }
}

/// What was remembered of a token may have come from the reserve, and must not stay there.
#[test]
fn what_is_forgotten_is_given_back() {
    for cached in [false, true] {
        let policy = policy(cached);
        let token = token(0, 100);
        let kept = allocation_counter::measure(|| {
            ask(&policy, Some(&token), USER).0.outcome.unwrap();
            policy.forget_tokens();
        });
        assert_eq!(kept.bytes_current, 0, "with a cache: {cached}");
    }
}

/// What variables look for is found once, and given back when it is forgotten.
#[test]
fn what_was_found_for_variables_is_given_back() {
    let policy = policy(true);
    let identity = ask(&policy, Some(&token(0, 100)), USER).0.identity.unwrap();
    let role = Rc::new(ClaimName::parse(b"role").unwrap());
    let look = || {
        assert_eq!(identity.shown(&role).as_deref(), Some("member"));
        assert!(identity.token().claims().get_folded("email").is_some());
        assert!(identity.token().header().get_folded("alg").is_some());
    };
    for _ in 0..2 {
        let found = allocation_counter::measure(look);
        assert!(found.bytes_current > 0, "the count counts");
        assert_eq!(allocation_counter::measure(look).count_total, 0);
        let forgotten = allocation_counter::measure(|| identity.forget_found());
        assert_eq!(forgotten.bytes_current, -found.bytes_current);
    }
}

/// What docs/performance.md states: a remembered token takes its own length, that of its claims, and some 245 bytes.
#[test]
fn a_remembered_token_takes_what_is_documented() {
    const TOKENS: u64 = 1000;
    for role in ["member", &"r".repeat(200), &"r".repeat(1000)] {
        let cache = Rc::new(Cache::new(NonZeroUsize::new(TOKENS as usize).unwrap()));
        let policy = policy(false).remembering(cache.clone());
        let header = || json!({ "alg": "HS256", "typ": "JWT" });
        let tokens: Vec<_> = (0..TOKENS).map(|number| signed_for(header(), number, 100, role)).collect();
        let taken = allocation_counter::measure(|| {
            tokens.iter().for_each(|token| drop(ask(&policy, Some(token), USER)));
        });
        assert_eq!(cache.len() as u64, TOKENS);
        let of = |segment: &str| URL_SAFE_NO_PAD.decode(segment).unwrap().len() as i64;
        let [token, claims] = [tokens[0].len() as i64, of(tokens[0].split('.').nth(1).unwrap())];
        let rest = taken.bytes_current / TOKENS as i64 - token - claims;
        assert!((230..=260).contains(&rest), "{token} bytes, {claims} of claims, and {rest}");
    }
}
