//! The keys of a location, and which of them has verified a token.

use std::num::NonZero;
use std::path::PathBuf;
use std::rc::Rc;

use authz::{Algorithms, ClaimName, Denied, Input, KeyLabel, KeySet, KeyView, Keys, Policy, Rules, Scope, verified};
use directives::Environment;

use crate::Failure;
use crate::conf::{KeySources, Position, Settings};

/// The keys of a location.
pub struct KeyRing {
    pub keys: Rc<Keys>,
    /// The key sets that nginx would have fetched.
    pub sets: Vec<Option<Rc<KeySet>>>,
    /// The directives, in the order by which the notes of their keys count.
    sources: Vec<Source>,
    /// A policy that has all keys, and asks for nothing else.
    all: Option<Policy>,
}

/// The keys of one directive.
pub struct Source {
    /// What to call it.
    pub name: String,
    /// They verify the tokens of one issuer only.
    pub is_tied: bool,
    /// A policy that has no other key.
    alone: Policy,
    sets: Vec<Option<Rc<KeySet>>>,
}

impl KeyRing {
    /// Reads the keys of a location. `jwks` are the key sets, in the order of their directives, as far as there are any.
    pub fn read(
        settings: &Settings,
        position: &Position,
        environment: Environment,
        jwks: &[Option<PathBuf>],
    ) -> Result<Self, Failure> {
        let directives = sources(settings, position);
        let allowed = settings.algorithms.flatten();
        let keys = Rc::new(directives.keys(allowed, environment).map_err(Failure)?);
        let all = any_token(keys.clone());
        let mut ring = Self { keys, sets: Vec::new(), sources: Vec::new(), all };
        for secret in &directives.secrets {
            let mut keys = Keys::new(allowed);
            secret.add_to(&mut keys, environment).map_err(Failure)?;
            ring.add(format!("the secret in {}", secret.place), &secret.label, keys, Vec::new());
        }
        for file in &directives.files {
            let mut keys = Keys::new(allowed);
            file.add_to(&mut keys).map_err(Failure)?;
            ring.add(format!("file \"{}\"", file.path.display()), &file.label, keys, Vec::new());
        }
        for (number, request) in directives.requests.iter().enumerate() {
            let mut keys = Keys::new(allowed);
            keys.expect_key_set();
            let file = jwks.get(number).and_then(Option::as_ref);
            let set = file.map(|file| key_set(file, allowed, request.issuer.as_deref())).transpose()?;
            let label = KeyLabel { kid: None, issuer: request.issuer.as_deref().map(Into::into) };
            ring.sets.push(set.clone());
            ring.add(format!("key set \"{}\"", String::from_utf8_lossy(&request.uri)), &label, keys, vec![set]);
        }
        ring.number_keys(directives.secrets.len() + directives.files.len());
        Ok(ring)
    }

    fn add(&mut self, name: String, label: &KeyLabel, keys: Keys, sets: Vec<Option<Rc<KeySet>>>) {
        let kid = label.kid.as_ref().map(|kid| format!(" kid={kid}"));
        let issuer = label.issuer.as_ref().map(|issuer| format!(" issuer={issuer}"));
        let name = [Some(name), kid, issuer].into_iter().flatten().collect();
        let alone = any_token(Rc::new(keys));
        self.sources.extend(alone.map(|alone| Source { name, is_tied: label.issuer.is_some(), alone, sets }));
    }

    /// Gives each key the number of its directive, from 1. Key sets come behind the others, of which there are so many.
    fn number_keys(&self, others: usize) {
        let note = |key: KeyView, place: usize| {
            if let Some(number) = u32::try_from(place + 1).ok().and_then(NonZero::new) {
                key.set_note(number);
            }
        };
        self.keys.iter().for_each(|key| note(key, key.place()));
        for (number, set) in self.sets.iter().enumerate() {
            set.iter().flat_map(|set| set.iter()).for_each(|key| note(key, others + number));
        }
    }

    /// The directive whose key verifies a token. The core chooses among several that would.
    pub fn verifying(&self, input: Input) -> Option<&Source> {
        let token = verified(self.all.as_ref()?, Input { key_sets: &self.sets, ..input }).ok()?;
        self.sources.get(usize::try_from(token.key_note()?.get()).ok()? - 1)
    }

    /// Why none does, directive by directive.
    pub fn reasons(&self, input: Input) -> String {
        let reason = |source: &Source| {
            let reason = match source.ask(input) {
                Some(Denied::UnsupportedAlgorithm) => "is not for the algorithm of the token",
                Some(Denied::UnknownKey) => "has another kid",
                Some(Denied::BadSignature) => "is tried and does not verify",
                Some(Denied::KeysUnavailable) => "is not at hand",
                _ => "is not tried",
            };
            format!("{} {reason}", source.name)
        };
        self.sources.iter().map(reason).collect::<Vec<_>>().join("; ")
    }

    /// Those whose algorithm and `kid` the token asks for.
    pub fn selected(&self, input: Input) -> String {
        let fits = |source: &&Source| {
            !matches!(
                source.ask(input),
                Some(Denied::UnsupportedAlgorithm | Denied::UnknownKey | Denied::KeysUnavailable)
            )
        };
        self.sources.iter().filter(fits).map(|source| &source.name[..]).collect::<Vec<_>>().join("; ")
    }
}

impl Source {
    /// What the core says with no other key.
    fn ask(&self, input: Input) -> Option<Denied> {
        verified(&self.alone, Input { key_sets: &self.sets, ..input }).err()
    }
}

/// A policy that asks for a signature by one of these keys. `None` where there is none.
fn any_token(keys: Rc<Keys>) -> Option<Policy> {
    Policy::new(Scope::Any, ClaimName::Member("".into()), keys, Rules::default()).ok()
}

/// The directives about keys that are in force, or the default.
pub fn sources(settings: &Settings, position: &Position) -> Rc<KeySources> {
    settings.keys.clone().unwrap_or_else(|| Rc::new(KeySources::default_secret(position)))
}

fn key_set(file: &PathBuf, allowed: Option<Algorithms>, issuer: Option<&str>) -> Result<Rc<KeySet>, Failure> {
    let wrong = |problem: String| Failure(format!("key set \"{}\" {problem}", file.display()));
    let text = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    KeySet::from_jwks(&text, allowed, issuer).map(Rc::new).map_err(|error| wrong(error.to_string()))
}
