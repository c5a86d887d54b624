//! The public keys of `tests/data`, with the tokens that they have signed, and lists of allowed algorithms.

use std::rc::Rc;

use authz::{Algorithms, ClaimName, Input, KeySet, Keys, Path, Policy, Rules, Scope, decide};

use super::json::{self, Json};

/// The algorithms of public keys, by all their names.
pub const ALGORITHMS: [&str; 11] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519"];

/// A key whose tokens are at hand.
pub struct Known {
    pub kty: &'static str,
    /// The names of its algorithms, the canonical one first.
    pub algorithms: &'static [&'static str],
    /// What makes the key, by the names that members of a JWK have.
    pub members: Vec<(&'static str, String)>,
}

/// Lists of allowed algorithms that an input may choose.
pub const LISTS: [Option<&[&str]>; 4] = [
    None,
    Some(&["RS256", "PS256", "ES256", "EdDSA"]),
    Some(&["PS512", "RS384", "ES512", "Ed25519", "HS256"]),
    Some(&["ES384"]),
];

pub fn allowed(list: Option<&[&str]>) -> Option<Algorithms> {
    list.map(|names| {
        let mut algorithms = Algorithms::default();
        names.iter().for_each(|name| algorithms.allow(name.as_bytes()).unwrap());
        algorithms
    })
}

thread_local! {
    static KNOWN: [Known; 5] = [
        known(include_bytes!("../data/rsa.jwk"), "RSA", &ALGORITHMS[..6], &["n", "e"]),
        known(include_bytes!("../data/p256.jwk"), "EC", &["ES256"], &["crv", "x", "y"]),
        known(include_bytes!("../data/p384.jwk"), "EC", &["ES384"], &["crv", "x", "y"]),
        known(include_bytes!("../data/p521.jwk"), "EC", &["ES512"], &["crv", "x", "y"]),
        known(include_bytes!("../data/ed25519.jwk"), "OKP", &["EdDSA", "Ed25519"], &["crv", "x"]),
    ];
    static TOKENS: Json = json::object(include_bytes!("../data/tokens.json")).unwrap();
}

fn known(jwk: &[u8], kty: &'static str, algorithms: &'static [&'static str], names: &[&'static str]) -> Known {
    let jwk = json::object(jwk).unwrap();
    let member = |name: &&'static str| (*name, jwk.get(name).and_then(Json::text).unwrap().to_owned());
    Known { kty, algorithms, members: names.iter().map(member).collect() }
}

/// Shows every known key.
pub fn each_known(mut show: impl FnMut(&Known)) {
    KNOWN.with(|known| known.iter().for_each(&mut show));
}

/// The algorithms whose tokens are let in with these keys.
pub fn accepted(keys: Keys, set: Option<KeySet>) -> Vec<&'static str> {
    let mut keys = keys;
    let key_sets: Vec<_> = set.map(|set| Some(Rc::new(set))).into_iter().collect();
    key_sets.iter().for_each(|_| keys.expect_key_set());
    let claim = ClaimName::parse(b"uid").unwrap();
    let Ok(policy) = Policy::new(Scope::Any, claim, Rc::new(keys), Rules::default()) else { return Vec::new() };
    let path = Path { raw: b"/", uri: b"/", rewritten: false };
    let lets_in = |algorithm: &&str| {
        let token = TOKENS.with(|tokens| tokens.get(algorithm).and_then(Json::text).unwrap().to_owned());
        let token = Some(token.as_bytes());
        let input = Input { path, preflight: false, token, second_token: None, user: b"", key_sets: &key_sets };
        decide(&policy, input, 0, &mut ()).word() == "ok"
    };
    ALGORITHMS.into_iter().filter(lets_in).collect()
}
