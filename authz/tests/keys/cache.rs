//! Remembered tokens: what is looked at again for each request, and what ends a memory.

use std::num::NonZeroUsize;
use std::rc::Rc;

use authz::{
    Cache, ClaimName, Conditions, Denied, Granted, Identity, Input, KeySet, Keys, Policy, Rules, Scope, decide,
};
use serde_json::json;

use crate::{CLAIMS, Outcome, SECRET, data, input, join, jwk, jwks, label, sign, split, token, with_file, with_secret};

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn cache(max: usize) -> Rc<Cache> {
    Rc::new(Cache::new(NonZeroUsize::new(max).unwrap()))
}

fn secret_keys() -> Rc<Keys> {
    Rc::new(with_secret(Keys::default(), SECRET.as_bytes(), &label(None, None)))
}

fn policy(keys: &Rc<Keys>, claim: &str, rules: Rules, cache: &Rc<Cache>) -> Policy {
    let claim = ClaimName::parse(claim.as_bytes()).unwrap();
    Policy::new(Scope::Any, claim, keys.clone(), rules).unwrap().remembering(cache.clone())
}

fn ask(policy: &Policy, token: &str, sets: &[Option<Rc<KeySet>>], now: u64) -> Outcome {
    decide(policy, input(token, sets), now, &mut ()).outcome
}

fn claims(members: serde_json::Value) -> String {
    sign(SECRET.as_bytes(), HEADER, members.to_string())
}

#[test]
fn remembers_what_was_accepted_alone() {
    let cache = cache(10);
    let policy = policy(&secret_keys(), "uid", Rules::default(), &cache);
    let good = claims(json!({ "uid": "A", "exp": 100 }));
    let (signed, mut signature) = split(&good);
    signature[0] ^= 1;
    let refused = [
        (join(signed, &signature), Denied::BadSignature),
        (good.replace('.', ""), Denied::Segments),
        (claims(json!({ "uid": "A", "exp": 50 })), Denied::Expired),
        (claims(json!({ "uid": "A", "exp": 100, "nbf": 51 })), Denied::NotYetValid),
        (claims(json!({ "uid": "A" })), Denied::ExpMissing),
        (claims(json!({ "exp": 100 })), Denied::UserMissing),
        (claims(json!({ "uid": {}, "exp": 100 })), Denied::UserInvalid),
    ];
    for (token, denied) in &refused {
        assert_eq!((ask(&policy, token, &[], 50), cache.len()), (Err(*denied), 0), "{denied:?}");
    }
    assert!(cache.is_empty());
    for round in 1..4 {
        assert_eq!((ask(&policy, &good, &[], 50), cache.len()), (Ok(Granted::Ok), 1), "round {round}");
    }
    assert!(!cache.is_empty());
    for (token, denied) in &refused {
        assert_eq!((ask(&policy, token, &[], 50), cache.len()), (Err(*denied), 1), "{denied:?}, beside a good one");
    }
}

/// Conditions that hold for nobody.
struct Never;

impl Conditions for Never {
    fn bypass(&mut self, _: &Rc<Identity>) -> bool {
        false
    }

    fn requirement(&mut self, _: &Rc<Identity>, _: Option<usize>) -> Result<(), Denied> {
        Err(Denied::RequirementFailed)
    }
}

/// Nor what is good, and not for this path.
#[test]
fn what_is_answered_with_403_is_not_remembered() {
    let cache = cache(10);
    let claim = ClaimName::Member("uid".into());
    let policy = Policy::new(Scope::User, claim, secret_keys(), Rules::default()).unwrap().remembering(cache.clone());
    let token = claims(json!({ "uid": "A", "exp": 100 }));
    let of = |user| Input { user, ..input(&token, &[]) };
    for _ in 0..2 {
        let outcome = decide(&policy, of(b"B"), 50, &mut ()).outcome;
        assert_eq!((outcome, cache.len()), (Err(Denied::UserMismatch), 0));
        let outcome = decide(&policy, of(b"A"), 50, &mut Never).outcome;
        assert_eq!((outcome, cache.len()), (Err(Denied::RequirementFailed), 0));
    }
    assert_eq!((decide(&policy, of(b"A"), 50, &mut ()).outcome, cache.len()), (Ok(Granted::Ok), 1));
    assert_eq!((decide(&policy, of(b"B"), 50, &mut ()).outcome, cache.len()), (Err(Denied::UserMismatch), 1));
}

/// Every byte counts, those that the hash does not read among them.
#[test]
fn a_token_is_all_its_bytes() {
    let cache = cache(10);
    let policy = policy(&secret_keys(), "uid", Rules::default(), &cache);
    let good = claims(json!({ "uid": "A", "exp": 100, "more": "so that it is longer than what is hashed" }));
    assert_eq!(ask(&policy, &good, &[], 50), Ok(Granted::Ok));
    for at in 0..good.len() {
        let mut twin = good.clone().into_bytes();
        twin[at] = if twin[at] == b'A' { b'B' } else { b'A' };
        let twin = String::from_utf8(twin).unwrap();
        assert!(ask(&policy, &twin, &[], 50).is_err(), "byte {at}");
    }
    for twin in [&good[1..], &good[..good.len() - 1], &format!("A{good}"), &format!("{good}A")] {
        assert!(ask(&policy, twin, &[], 50).is_err(), "{twin}");
    }
    assert_eq!((ask(&policy, &good, &[], 50), cache.len()), (Ok(Granted::Ok), 1));
}

#[test]
fn time_is_looked_at_again() {
    let cache = cache(10);
    let keys = secret_keys();
    let strict = policy(&keys, "uid", Rules::default(), &cache);
    let lenient = policy(&keys, "uid", Rules { leeway: 10, ..Rules::default() }, &cache);
    let token = claims(json!({ "uid": "A", "exp": 100, "nbf": 50 }));
    assert_eq!(ask(&strict, &token, &[], 99), Ok(Granted::Ok));
    assert_eq!(ask(&lenient, &token, &[], 109), Ok(Granted::Ok));
    assert_eq!((ask(&strict, &token, &[], 49), cache.len()), (Err(Denied::NotYetValid), 1), "a clock set back");
    assert_eq!((ask(&strict, &token, &[], 100), cache.len()), (Err(Denied::Expired), 0), "over, and forgotten");
    assert_eq!((ask(&strict, &token, &[], 100), cache.len()), (Err(Denied::Expired), 0));
}

#[test]
fn the_end_of_time_is_a_time() {
    let cache = cache(10);
    let policy = policy(&secret_keys(), "uid", Rules::default(), &cache);
    let token = claims(json!({ "uid": "A", "exp": 1e30 }));
    for _ in 0..2 {
        assert_eq!((ask(&policy, &token, &[], u64::MAX), cache.len()), (Ok(Granted::Ok), 1));
    }
}

#[test]
fn every_other_rule_is_looked_at_again() {
    let cache = cache(10);
    let keys = secret_keys();
    let token = claims(json!({ "uid": "A", "exp": 100, "iss": "i", "aud": "a" }));
    let list = |name: &str| vec![name.into()];
    let rows = [
        ("no rule", Rules::default(), Ok(Granted::Ok)),
        ("issuer", Rules { issuers: list("i"), ..Rules::default() }, Ok(Granted::Ok)),
        ("other issuer", Rules { issuers: list("j"), ..Rules::default() }, Err(Denied::BadIssuer)),
        ("audience", Rules { audiences: list("a"), ..Rules::default() }, Ok(Granted::Ok)),
        ("other audience", Rules { audiences: list("b"), ..Rules::default() }, Err(Denied::BadAudience)),
        ("type", Rules { types: list("JWT"), ..Rules::default() }, Ok(Granted::Ok)),
        ("other type", Rules { types: list("at+jwt"), ..Rules::default() }, Err(Denied::BadType)),
        ("lifetime", Rules { max_lifetime: 50, ..Rules::default() }, Ok(Granted::Ok)),
        ("shorter lifetime", Rules { max_lifetime: 49, ..Rules::default() }, Err(Denied::LifetimeExceeded)),
    ];
    for (name, rules, outcome) in rows {
        assert_eq!((ask(&policy(&keys, "uid", rules, &cache), &token, &[], 50), cache.len()), (outcome, 1), "{name}");
    }
}

#[test]
fn one_locations_keys_vouch_for_no_other() {
    let cache = cache(10);
    let other = Rc::new(with_secret(Keys::default(), b"another secret, 32 bytes long or longer", &label(None, None)));
    let public = Rc::new(with_file(Keys::default(), &data("rsa.jwk"), &label(None, None)));
    let token = claims(json!({ "uid": "A", "exp": 100 }));
    let own = policy(&secret_keys(), "uid", Rules::default(), &cache);
    let same_secret = policy(&secret_keys(), "uid", Rules::default(), &cache);
    for _ in 0..2 {
        assert_eq!(ask(&own, &token, &[], 50), Ok(Granted::Ok));
        let foreign = policy(&other, "uid", Rules::default(), &cache);
        assert_eq!(ask(&foreign, &token, &[], 50), Err(Denied::BadSignature));
        let foreign = policy(&public, "uid", Rules::default(), &cache);
        assert_eq!(ask(&foreign, &token, &[], 50), Err(Denied::UnsupportedAlgorithm));
    }
    assert_eq!(cache.len(), 1);
    assert_eq!((ask(&same_secret, &token, &[], 50), cache.len()), (Ok(Granted::Ok), 2), "each on its own");
}

#[test]
fn each_claim_has_its_user() {
    let cache = cache(10);
    let keys = secret_keys();
    let token = claims(json!({ "uid": "A", "sub": "B", "exp": 100 }));
    for _ in 0..2 {
        for (claim, user) in [("uid", "A"), ("sub", "B"), ("/sub", "B")] {
            let decision = decide(&policy(&keys, claim, Rules::default(), &cache), input(&token, &[]), 50, &mut ());
            assert_eq!((decision.user(), cache.len() <= 3), (Some(user), true), "{claim}");
        }
        let policy = policy(&keys, "email", Rules::default(), &cache);
        assert_eq!(ask(&policy, &token, &[], 50), Err(Denied::UserMissing));
    }
    assert_eq!(cache.len(), 3);
}

#[test]
fn a_token_goes_with_its_key() {
    let cache = cache(10);
    let mut keys = Keys::default();
    keys.expect_key_set();
    let policy = policy(&Rc::new(keys), "iss", Rules::default(), &cache);
    let set = |names: &[&str]| {
        let keys: Vec<_> = names.iter().map(|name| jwk(name, json!({}))).collect();
        [Some(Rc::new(KeySet::from_jwks(&jwks(&keys), None, None).unwrap()))]
    };
    let (both, one) = (set(&["ed25519", "rsa"]), set(&["rsa"]));
    let (first, second) = (token("EdDSA"), token("RS256"));
    for token in [&first, &second] {
        assert_eq!(ask(&policy, token, &both, 50), Ok(Granted::Ok));
    }
    assert_eq!(cache.len(), 2);
    assert_eq!(ask(&policy, &first, &one, 50), Err(Denied::UnsupportedAlgorithm), "its key is gone");
    assert_eq!(ask(&policy, &first, &[None], 50), Err(Denied::KeysUnavailable), "there is no key");
    assert_eq!(cache.len(), 1);
    assert_eq!((ask(&policy, &second, &one, 50), cache.len()), (Ok(Granted::Ok), 1), "the same key, read again");
    assert_eq!(ask(&policy, &first, &both, 50), Ok(Granted::Ok), "its key is back");
}

#[test]
fn has_a_bound() {
    for max in [1, 2, 10] {
        let cache = cache(max);
        let policy = policy(&secret_keys(), "uid", Rules::default(), &cache);
        let tokens: Vec<_> = (0..100).map(|i| claims(json!({ "uid": i, "exp": 100 }))).collect();
        for (i, token) in tokens.iter().chain(&tokens).enumerate() {
            assert_eq!(ask(&policy, token, &[], 50), Ok(Granted::Ok), "token {i} of {max}");
            assert!((1..=max).contains(&cache.len()), "{} of {max}", cache.len());
        }
    }
}

#[test]
fn tokens_whose_life_is_over_are_swept_out() {
    let cache = cache(100);
    let policy = policy(&secret_keys(), "uid", Rules::default(), &cache);
    let issue = |uid: u64, exp: u64, now| ask(&policy, &claims(json!({ "uid": uid, "exp": exp })), &[], now);
    for uid in 0..10 {
        issue(uid, 1000 + uid, 990).unwrap();
    }
    assert_eq!((issue(20, 9000, 1005), cache.len()), (Ok(Granted::Ok), 11), "within the minute");
    assert_eq!((issue(21, 9000, 1050), cache.len()), (Ok(Granted::Ok), 2), "a minute later");
    issue(22, 200, 100).unwrap();
    assert_eq!((issue(23, 9000, 250), cache.len()), (Ok(Granted::Ok), 3), "after the clock was set back");
}

#[test]
fn sweeps_once_a_minute() {
    let cache = cache(100);
    let lenient = policy(&secret_keys(), "uid", Rules { leeway: 1000, ..Rules::default() }, &cache);
    let accept = |uid: u64, now| ask(&lenient, &claims(json!({ "uid": uid, "exp": 10 })), &[], now).unwrap();
    // Over, but within the leeway: accepted, kept, and swept out by the next sweep.
    for (uid, now, kept) in [(1, 50, 1), (2, 50, 2), (3, 51, 3), (4, 109, 4), (5, 110, 1), (6, 110, 2), (7, 170, 1)] {
        accept(uid, now);
        assert_eq!(cache.len(), kept, "{uid} at {now}");
    }
}

/// What is remembered in a large cache is not swept in one go, since a request waits for that.
#[test]
fn a_large_cache_is_swept_in_parts() {
    const TOKENS: usize = 6000;
    let cache = cache(TOKENS * 2);
    let lenient = policy(&secret_keys(), "uid", Rules { leeway: 1000, ..Rules::default() }, &cache);
    let accept = |uid, now| assert!(ask(&lenient, &claims(json!({ "uid": uid, "exp": 10 })), &[], now).is_ok());
    (0..TOKENS).for_each(|uid| accept(uid, 5));
    assert_eq!(cache.len(), TOKENS);
    let mut sizes: Vec<_> = (0..200).map(|uid| (accept(TOKENS + uid, 65), cache.len()).1).collect();
    assert_eq!(*sizes.last().unwrap(), 200, "all are swept in the end");
    sizes.insert(0, TOKENS);
    let most = sizes.windows(2).map(|pair| pair[0].saturating_sub(pair[1])).max().unwrap();
    assert!((500..=2048).contains(&most), "{most} at once");
}

#[test]
fn forgets_all_when_it_is_told_to() {
    let cache = cache(10);
    let keys = secret_keys();
    let remembering = policy(&keys, "uid", Rules::default(), &cache);
    let tokens: Vec<_> = (0..3).map(|uid| claims(json!({ "uid": uid, "exp": 100 }))).collect();
    for round in 1..3 {
        for token in &tokens {
            assert_eq!(ask(&remembering, token, &[], 50), Ok(Granted::Ok), "round {round}");
        }
        assert_eq!(cache.len(), 3);
        remembering.forget_tokens();
        assert_eq!(cache.len(), 0);
    }
    let without = Policy::new(Scope::Any, ClaimName::parse(b"uid").unwrap(), keys, Rules::default()).unwrap();
    without.forget_tokens();
    assert_eq!(ask(&without, &tokens[0], &[], 50), Ok(Granted::Ok));
}

#[test]
fn says_nothing_of_tokens() {
    let cache = cache(10);
    let policy = policy(&secret_keys(), "iss", Rules::default(), &cache);
    let token = sign(SECRET.as_bytes(), HEADER, CLAIMS);
    assert_eq!(ask(&policy, &token, &[], 50), Ok(Granted::Ok));
    assert_eq!(format!("{cache:?}"), "Cache { len: 1, .. }");
}
