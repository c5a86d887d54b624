//! The configurations under which tokens are judged, told twice: to the core, and to the second opinion.

use std::num::NonZeroUsize;
use std::rc::Rc;

use authz::{Cache, ClaimName, Input, KeyLabel, KeySet, Keys, Path, Policy, Rules, Scope, SecretForm, decide};

use super::oracle::{Request, assert_answer};
use super::signing::{self, KEYS, Source};

/// The time of every decision, unless a case moves it.
pub const NOW: u64 = 1_000_000;

/// What a location asks for.
#[derive(Clone, Copy, Debug)]
pub struct Setup {
    pub any: bool,
    pub claim: &'static str,
    pub issuers: &'static [&'static str],
    pub audiences: &'static [&'static str],
    pub types: &'static [&'static str],
    pub leeway: u64,
    pub max_lifetime: u64,
    pub preflight: bool,
    pub any_path: bool,
    /// The key set of the location has arrived.
    pub fetched: bool,
}

const PLAIN: Setup = Setup {
    any: false,
    claim: "uid",
    issuers: &[],
    audiences: &[],
    types: &[],
    leeway: 0,
    max_lifetime: 0,
    preflight: false,
    any_path: false,
    fetched: true,
};

/// What a case may choose from.
pub const SETUPS: [Setup; 10] = [
    PLAIN,
    Setup { any: true, ..PLAIN },
    Setup { claim: "/app/users", any_path: true, ..PLAIN },
    Setup { claim: "/app/users/0", ..PLAIN },
    Setup { issuers: &["https://a", "https://set"], ..PLAIN },
    Setup { audiences: &["api", "app"], ..PLAIN },
    Setup { types: &["application/at+jwt", "x"], ..PLAIN },
    Setup { leeway: 10, max_lifetime: 100, ..PLAIN },
    Setup { preflight: true, max_lifetime: 100, ..PLAIN },
    Setup { fetched: false, ..PLAIN },
];

/// What the core makes of a setup.
struct Built {
    policy: Policy,
    /// The same, with verified tokens remembered from all setups and from one input to the next.
    remembering: Policy,
    key_sets: Vec<Option<Rc<KeySet>>>,
}

thread_local! {
    static BUILT: Vec<Built> = build();
}

/// A setup by its number.
pub fn setup(number: usize) -> &'static Setup {
    &SETUPS[number % SETUPS.len()]
}

/// The result word of a request, and its user. It is the one that the second opinion gives, whatever is remembered.
pub fn answer(number: usize, request: &Request) -> (&'static str, Option<String>) {
    BUILT.with(|built| {
        let (setup, built) = (setup(number), &built[number % SETUPS.len()]);
        let decide = |policy| {
            let decision = decide(policy, input(request, built), request.now, &mut ());
            assert_answer(setup, request, decision.word());
            (decision.word(), decision.user().map(str::to_owned))
        };
        let answer = decide(&built.policy);
        // Once to be remembered, if it was not yet, and once to be found.
        assert_eq!(decide(&built.remembering), answer);
        assert_eq!(decide(&built.remembering), answer);
        answer
    })
}

fn input<'a>(request: &Request<'a>, built: &'a Built) -> Input<'a> {
    Input {
        path: Path { raw: request.raw, uri: request.uri, rewritten: false },
        preflight: request.preflight,
        token: request.token,
        second_token: request.second_token,
        user: request.user,
        key_sets: &built.key_sets,
    }
}

fn build() -> Vec<Built> {
    let (keys, set) = keys();
    let cache = Rc::new(Cache::new(NonZeroUsize::new(64).unwrap()));
    let policy = |setup: &Setup| {
        let claim = ClaimName::parse(setup.claim.as_bytes()).unwrap();
        let scope = if setup.any { Scope::Any } else { Scope::User };
        Policy::new(scope, claim, keys.clone(), rules(setup)).unwrap()
    };
    let build = |setup: &Setup| Built {
        policy: policy(setup),
        remembering: policy(setup).remembering(cache.clone()),
        key_sets: vec![setup.fetched.then(|| set.clone())],
    };
    SETUPS.iter().map(build).collect()
}

fn keys() -> (Rc<Keys>, Rc<KeySet>) {
    let mut keys = Keys::new(None);
    let mut published = Vec::new();
    for key in &KEYS {
        let label = KeyLabel { kid: key.kid.map(Into::into), issuer: key.issuer.map(Into::into) };
        match key.source {
            Source::Secret => keys.add_secret(&key.signer.public(), SecretForm::default(), &label).unwrap(),
            Source::File => keys.add_key_file(signing::jwk(key, false).as_bytes(), &label).unwrap(),
            Source::Set => published.push(signing::jwk(key, true)),
        }
    }
    keys.expect_key_set();
    let set = format!(r#"{{"keys":[{}]}}"#, published.join(","));
    let set = KeySet::from_jwks(set.as_bytes(), None, Some(signing::ISSUER_OF_SET)).unwrap();
    (Rc::new(keys), Rc::new(set))
}

fn rules(setup: &Setup) -> Rules {
    let list = |words: &[&str]| words.iter().map(|&word| word.into()).collect();
    Rules {
        issuers: list(setup.issuers),
        audiences: list(setup.audiences),
        types: list(setup.types),
        leeway: setup.leeway,
        max_lifetime: setup.max_lifetime,
        preflight: setup.preflight,
        any_path: setup.any_path,
    }
}
