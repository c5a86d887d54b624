//! What is told to whoever counts: the key whose signature held, whether it was checked, and each result word's place.

use std::collections::BTreeSet;
use std::num::{NonZero, NonZeroUsize};
use std::rc::Rc;

use authz::{
    Cache, ClaimName, Decision, Denied, Granted, Input, KeyLabel, KeySet, Keys, Path, Policy, Rules, Scope, SecretForm,
    Trace, WORDS, conclude, examine_traced,
};

mod refusals;
mod signed;

const OLD: &[u8] = b"an old secret for these tests of 32 bytes or more";
const NEW: &[u8] = b"a new secret for these tests of 32 bytes or more";
const NOW: u64 = 1_000_000;

fn keys() -> Keys {
    let mut keys = Keys::default();
    keys.add_secret(NEW, SecretForm::default(), &KeyLabel::default()).unwrap();
    keys.add_secret(OLD, SecretForm::default(), &KeyLabel { kid: Some("old".into()), issuer: None }).unwrap();
    keys
}

fn policy(keys: Keys) -> Policy {
    Policy::new(Scope::Any, ClaimName::parse(b"uid").unwrap(), Rc::new(keys), Rules::default()).unwrap()
}

fn token(secret: &[u8], claims: &str) -> String {
    signed::hs256(secret, r#"{"alg":"HS256"}"#, claims)
}

fn trace(policy: &Policy, token: Option<&str>) -> (Option<Denied>, Trace) {
    let path = Path { raw: b"/", uri: b"/", rewritten: false };
    let token = token.map(str::as_bytes);
    let input = Input { path, preflight: false, token, second_token: None, user: b"", key_sets: &[] };
    let mut trace = Trace::default();
    let examined = examine_traced(policy, input, NOW, &mut trace);
    (conclude(policy, examined, input, NOW, &mut ()).outcome.err(), trace)
}

fn note(number: u32) -> Option<NonZero<u32>> {
    NonZero::new(number)
}

#[test]
fn tells_the_key_and_whether_its_signature_was_checked() {
    let keys = keys();
    for (number, key) in (1..).zip(keys.iter()) {
        key.set_note(NonZero::new(number).unwrap());
    }
    let policy = policy(keys).remembering(Rc::new(Cache::new(NonZeroUsize::new(10).unwrap())));
    let good = r#"{"uid":"A","exp":1000001}"#;
    let (new, old) = (token(NEW, good), token(OLD, good));
    let late = token(OLD, r#"{"uid":"A","exp":999999}"#);
    let forged = token(b"another secret for these tests of 32 bytes or more", good);
    let checked = |number| Trace { signed: true, remembered: false, note: note(number) };
    let remembered = |number| Trace { remembered: true, ..checked(number) };
    let rows = [
        ("new", Some(&new), None, checked(1)),
        ("old", Some(&old), None, checked(2)),
        ("old again", Some(&old), None, remembered(2)),
        ("new again", Some(&new), None, remembered(1)),
        ("expired", Some(&late), Some(Denied::Expired), checked(2)),
        ("expired again", Some(&late), Some(Denied::Expired), checked(2)),
        ("forged", Some(&forged), Some(Denied::BadSignature), Trace::default()),
        ("none", None, Some(Denied::MissingToken), Trace::default()),
    ];
    for (name, token, denied, expected) in rows {
        assert_eq!(trace(&policy, token.map(String::as_str)), (denied, expected), "{name}");
    }
}

#[test]
fn a_key_without_a_note_has_none() {
    let (denied, trace) = trace(&policy(keys()), Some(&token(NEW, r#"{"uid":"A","exp":1000001}"#)));
    assert_eq!((denied, trace), (None, Trace { signed: true, remembered: false, note: None }));
}

/// Algorithm, `kid`, place and part of each key.
fn views(keys: &Keys) -> Vec<(&'static str, Option<&str>, usize, Option<u64>)> {
    keys.iter().map(|key| (key.algorithm(), key.kid(), key.place(), key.part())).collect()
}

#[test]
fn tells_keys_apart_by_where_they_come_from() {
    let pem = |name: &str| std::fs::read(format!("tests/data/{name}")).unwrap();
    let jwk = String::from_utf8(pem("p256.jwk")).unwrap();
    let mut keys = keys();
    let versioned = SecretForm { versioned: true, ..SecretForm::default() };
    let text = [b"7:", NEW, b", 3:", OLD].concat();
    keys.add_secret(&text, versioned, &KeyLabel::default()).unwrap();
    keys.add_key_file(&pem("ed25519.pem"), &KeyLabel::default()).unwrap();
    keys.add_key_file(&[pem("ed25519.pem"), pem("p256.pem")].concat(), &KeyLabel::default()).unwrap();
    let two = format!(r#"{{"keys":[{jwk},{jwk}]}}"#);
    keys.add_key_file(two.as_bytes(), &KeyLabel::default()).unwrap();
    let expected = [
        ("HS256", None, 0, None),
        ("HS256", Some("old"), 1, None),
        ("HS256", None, 2, Some(7)),
        ("HS256", None, 2, Some(3)),
        ("EdDSA", None, 3, None),
        ("EdDSA", None, 4, Some(1)),
        ("ES256", None, 4, Some(2)),
        ("ES256", Some("p256"), 5, None),
        ("ES256", Some("p256"), 5, None),
    ];
    assert_eq!(views(&keys), expected);

    let set = KeySet::from_jwks(two.as_bytes(), None, None).unwrap();
    assert_eq!(set.iter().map(|key| (key.algorithm(), key.kid())).collect::<Vec<_>>(), [("ES256", Some("p256")); 2]);
}

#[test]
fn every_word_has_its_place() {
    let granted = [Granted::Ok, Granted::Bypassed, Granted::Preflight].map(Ok);
    let denied = refusals::ALL.map(Err);
    let decisions = granted.into_iter().chain(denied).map(Decision::without_identity);
    let words = decisions.map(|decision| {
        assert_eq!(WORDS[decision.word_index()], decision.word());
        decision.word()
    });
    let words: BTreeSet<_> = words.collect();
    assert_eq!(words.len(), WORDS.len(), "each once, and none that never occurs");
}
