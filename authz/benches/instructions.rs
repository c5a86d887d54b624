//! How many instructions a step of the core takes, counted by valgrind: nearly the same on every run, since only hashes
//! are seeded anew.
//! `instructions.txt` beside this file is what they were, so that a change that makes the hot path dearer is seen.

#![allow(missing_docs, reason = "the macros below make public items")]

#[path = "../tests/signed/mod.rs"]
mod signed;

use std::hint::black_box;
use std::num::NonZeroUsize;
use std::rc::Rc;

use authz::{
    Cache, ClaimName, Guard, Input, Judgement, KeyLabel, Keys, Object, Path, Policy, Rules, Scope, SecretForm, bearer,
    decide,
};
use gungraun::{library_benchmark, library_benchmark_group, main};

const PLAIN: &[u8] = b"/api/users/JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u/files/report.pdf";
const ENCODED: &[u8] = b"/api/users/JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u/files/my%20report.pdf";
const DECODED: &[u8] = b"/api/users/JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u/files/my report.pdf";
const OTHER: &[u8] = b"/static/assets/js/vendor.4f3a2b1c9d8e7f6a5b4c3d2e1f0a9b.js";
const USER: &[u8] = b"JqT8w2ZcXh4VbN6mLk0RpYs3Gd9FaE5u";

/// A path, once the functions that choose themselves by processor have done so.
fn path(raw: &'static [u8], uri: &'static [u8]) -> Path<'static> {
    let path = Path { raw, uri, rewritten: false };
    black_box(path.is_unambiguous());
    path
}

fn guard(raw: &'static [u8], uri: &'static [u8]) -> (&'static Guard, Path<'static>) {
    let path = path(raw, uri);
    let guard: &Guard = Box::leak(Box::default());
    black_box(guard.judge_request(path));
    let mut guard = Guard::new();
    guard.add(b"/api/users/:user_id").expect("a template");
    (Box::leak(Box::new(guard)), path)
}

#[library_benchmark]
#[bench::plain(path(PLAIN, PLAIN))]
#[bench::encoded(path(ENCODED, DECODED))]
fn path_rule(path: Path) -> bool {
    black_box(path).is_unambiguous()
}

#[library_benchmark]
#[bench::plain_not_under(guard(OTHER, OTHER))]
#[bench::plain_under(guard(PLAIN, PLAIN))]
#[bench::encoded_under(guard(ENCODED, DECODED))]
fn guard_check((guard, path): (&'static Guard, Path<'static>)) -> Judgement<'static> {
    guard.judge_request(black_box(path))
}

const SECRET: &[u8] = b"a secret for these counts, 32 bytes or more";
const NOW: u64 = 1_800_000_000;

/// One that is not recognised, whose signature does not hold either.
const NEW_HEADER: &str = r#"{"alg":"HS256","typ":"JWT","kid":"kT4mZ8qLr2VxWc6NpB0yHd9sJf3GaE7u"}"#;

fn claims(number: u64, exp: u64) -> String {
    let user = String::from_utf8_lossy(USER);
    format!(
        r#"{{"iat":{number},"exp":{exp},"uid":"{user}","sub":"{user}","email":"somebody@example.com","role":"member","iss":"https://auth.example.com","aud":"https://api.example.com"}}"#
    )
}

fn token(secret: &[u8], number: u64, exp: u64) -> Vec<u8> {
    with_header(r#"{"alg":"HS256","typ":"JWT"}"#, secret, number, exp)
}

fn with_header(header: &str, secret: &[u8], number: u64, exp: u64) -> Vec<u8> {
    signed::hs256(secret, header, claims(number, exp)).into_bytes()
}

fn allowed(policy: &Policy, token: Option<&[u8]>) -> bool {
    let path = Path { raw: PLAIN, uri: PLAIN, rewritten: false };
    let input = Input { path, preflight: false, token, second_token: None, user: USER, key_sets: &[] };
    decide(policy, input, NOW, &mut ()).outcome.is_ok()
}

/// A location that has served before, and what it is asked now.
fn asked(cached: bool, token: Option<Vec<u8>>) -> (Policy, Option<Vec<u8>>) {
    let mut keys = Keys::default();
    keys.add_secret(SECRET, SecretForm::default(), &KeyLabel::default()).expect("a secret");
    let claim = ClaimName::parse(b"uid").expect("a name");
    let mut policy = Policy::new(Scope::User, claim, Rc::new(keys), Rules::default()).expect("a key");
    if cached {
        policy = policy.remembering(Rc::new(Cache::new(NonZeroUsize::new(1000).expect("not 0"))));
    }
    // Room in the cache's table, so that it does not have to grow in what is counted.
    for number in 0..100 {
        assert!(allowed(&policy, Some(&self::token(SECRET, number, NOW + 1))));
    }
    (policy, token)
}

#[library_benchmark]
#[bench::new(asked(true, Some(token(SECRET, 1000, NOW + 1))))]
#[bench::new_without_cache(asked(false, Some(token(SECRET, 1000, NOW + 1))))]
#[bench::remembered(asked(true, Some(token(SECRET, 0, NOW + 1))))]
#[bench::bad_signature(asked(true, Some(token(b"another secret, of 32 bytes or more", 1000, NOW + 1))))]
#[bench::new_header(asked(true, Some(with_header(NEW_HEADER, b"another secret, of 32 bytes or more", 1000, NOW + 1))))]
#[bench::expired(asked(true, Some(token(SECRET, 1000, NOW))))]
#[bench::malformed(asked(true, Some(b"a.b".to_vec())))]
#[bench::missing(asked(true, None))]
fn decision((policy, token): (Policy, Option<Vec<u8>>)) -> (bool, Policy) {
    let allowed = allowed(&policy, black_box(token.as_deref()));
    // Given back, so that taking it apart is not counted.
    (allowed, policy)
}

#[library_benchmark]
#[bench::of_a_token([b"Bearer ".to_vec(), token(SECRET, 1000, NOW)].concat())]
fn bearer_header(authorization: Vec<u8>) -> usize {
    bearer(black_box(&authorization)).map_or(0, <[u8]>::len)
}

#[library_benchmark]
#[bench::claims(claims(1000, NOW).into_bytes())]
fn strict_json(text: Vec<u8>) -> Object {
    Object::parse(black_box(text)).expect("an object")
}

library_benchmark_group!(name = paths, benchmarks = [path_rule, guard_check]);
library_benchmark_group!(name = tokens, benchmarks = [decision, bearer_header, strict_json]);
main!(library_benchmark_groups = paths, tokens);
