//! The keys of a location, and which of them has verified a token.

use std::path::PathBuf;
use std::rc::Rc;

use authz::{Algorithms, ClaimName, Denied, Input, KeyLabel, KeySet, Keys, Policy, Rules, Scope, verified};
use directives::Environment;

use crate::Failure;
use crate::conf::{KeySources, Position, Settings};

/// The keys of a location.
pub struct KeyRing {
    pub keys: Rc<Keys>,
    /// The key sets that nginx would have fetched.
    pub sets: Vec<Option<Rc<KeySet>>>,
    sources: Vec<Source>,
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
        let mut ring = Self { keys, sets: Vec::new(), sources: Vec::new() };
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
        Ok(ring)
    }

    fn add(&mut self, name: String, label: &KeyLabel, keys: Keys, sets: Vec<Option<Rc<KeySet>>>) {
        let kid = label.kid.as_ref().map(|kid| format!(" kid={kid}"));
        let issuer = label.issuer.as_ref().map(|issuer| format!(" issuer={issuer}"));
        let name = [Some(name), kid, issuer].into_iter().flatten().collect();
        let alone = Policy::new(Scope::Any, ClaimName::Member("".into()), Rc::new(keys), Rules::default());
        self.sources.extend(alone.map(|alone| Source { name, is_tied: label.issuer.is_some(), alone, sets }));
    }

    /// The directive whose key verifies a token.
    pub fn verifying(&self, input: Input) -> Option<&Source> {
        self.sources.iter().find(|source| source.ask(input).is_none())
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

/// The directives about keys that are in force, or the default.
pub fn sources(settings: &Settings, position: &Position) -> Rc<KeySources> {
    settings.keys.clone().unwrap_or_else(|| Rc::new(KeySources::default_secret(position)))
}

fn key_set(file: &PathBuf, allowed: Option<Algorithms>, issuer: Option<&str>) -> Result<Rc<KeySet>, Failure> {
    let wrong = |problem: String| Failure(format!("key set \"{}\" {problem}", file.display()));
    let text = std::fs::read(file).map_err(|error| wrong(format!("cannot be read: {error}")))?;
    KeySet::from_jwks(&text, allowed, issuer).map(Rc::new).map_err(|error| wrong(error.to_string()))
}
