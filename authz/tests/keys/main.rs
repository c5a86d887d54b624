//! Keys: every algorithm, every form that a key comes in, which key a token is tried with, and how long that is remembered.
//!
//! The keys and tokens in `data` are made by `data/make.py` with other libraries than ours; `data/rfc.json` is copied
//! from the RFCs.

mod algorithms;
mod cache;
mod files;
mod selection;
mod sets;
mod signatures;
mod vectors;

#[path = "../signed/mod.rs"]
mod signed;

use std::path::Path as FilePath;
use std::rc::Rc;

use authz::{
    Algorithms, ClaimName, Denied, Granted, Input, KeyLabel, KeySet, Keys, Path, Policy, Rules, Scope, SecretForm,
    decide,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;
use signed::hs256 as sign;

/// The secret of `data/make.py`.
const SECRET: &str = "a secret for tests alone, 64 bytes long: 0123456789abcdef0123456";

/// The names of all algorithms, each with the key in `data` that its token is signed with.
const ALGORITHMS: [(&str, &str); 14] = [
    ("HS256", "secret"),
    ("HS384", "secret"),
    ("HS512", "secret"),
    ("RS256", "rsa"),
    ("RS384", "rsa"),
    ("RS512", "rsa"),
    ("PS256", "rsa"),
    ("PS384", "rsa"),
    ("PS512", "rsa"),
    ("ES256", "p256"),
    ("ES384", "p384"),
    ("ES512", "p521"),
    ("EdDSA", "ed25519"),
    ("Ed25519", "ed25519"),
];

const PUBLIC_KEYS: [&str; 5] = ["rsa", "p256", "p384", "p521", "ed25519"];

const CLAIMS: &str = r#"{"uid":"A","iss":"https://auth.example","exp":253402300799}"#;

type Outcome = Result<Granted, Denied>;

fn data(name: &str) -> Vec<u8> {
    let path = FilePath::new(env!("CARGO_MANIFEST_DIR")).join("tests/data").join(name);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn json(name: &str) -> Value {
    serde_json::from_slice(&data(name)).unwrap()
}

/// The token that is signed with an algorithm.
fn token(algorithm: &str) -> String {
    json("tokens.json")[algorithm].as_str().unwrap().to_owned()
}

/// A JWK in `data`, with members set, or left out where the value is null.
fn jwk(name: &str, members: Value) -> Value {
    let mut jwk = json(&format!("{name}.jwk"));
    for (member, value) in members.as_object().unwrap() {
        match value {
            Value::Null => jwk.as_object_mut().unwrap().remove(member),
            value => jwk.as_object_mut().unwrap().insert(member.clone(), value.clone()),
        };
    }
    jwk
}

fn jwks(members: &[Value]) -> Vec<u8> {
    serde_json::json!({ "keys": members }).to_string().into_bytes()
}

fn allow(names: &[&str]) -> Option<Algorithms> {
    let mut algorithms = Algorithms::default();
    names.iter().for_each(|name| algorithms.allow(name.as_bytes()).unwrap());
    Some(algorithms)
}

fn allow_all() -> Option<Algorithms> {
    allow(&ALGORITHMS.map(|(name, _)| name))
}

fn label(kid: Option<&str>, issuer: Option<&str>) -> KeyLabel {
    KeyLabel { kid: kid.map(Into::into), issuer: issuer.map(Into::into) }
}

fn with_secret(mut keys: Keys, secret: &[u8], label: &KeyLabel) -> Keys {
    keys.add_secret(secret, SecretForm::default(), label).unwrap();
    keys
}

fn with_file(mut keys: Keys, content: &[u8], label: &KeyLabel) -> Keys {
    keys.add_key_file(content, label).unwrap();
    keys
}

fn policy(keys: Keys) -> Policy {
    Policy::new(Scope::Any, ClaimName::parse(b"iss").unwrap(), Rc::new(keys), Rules::default()).unwrap()
}

fn input<'a>(token: &'a str, key_sets: &'a [Option<Rc<KeySet>>]) -> Input<'a> {
    let path = Path { raw: b"/", uri: b"/", rewritten: false };
    Input { path, preflight: false, token: Some(token.as_bytes()), second_token: None, user: b"", key_sets }
}

/// The decision on a token at a time when the tokens in `data` are in force.
fn outcome(keys: Keys, token: &str) -> Outcome {
    decide(&policy(keys), input(token, &[]), 1_300_000_000, &mut ()).outcome
}

/// The parts of a token, the signature decoded.
fn split(token: &str) -> (&str, Vec<u8>) {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    (signed, URL_SAFE_NO_PAD.decode(signature).unwrap())
}

fn join(signed: &str, signature: &[u8]) -> String {
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))
}

fn unsigned(header: &str, claims: &str) -> String {
    format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims))
}
