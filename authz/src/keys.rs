//! The keys of a location, configured and fetched, and which of them a token is tried with.

use std::iter;
use std::rc::Rc;

use crate::Denied;
use crate::algorithm::{Algorithm, Algorithms};
use crate::header::{Header, KnownHeaders};
use crate::jwk::{self, KeySetError};
use crate::key::{Key, KeyLabel, KeyView, MAX_TRIED};
use crate::key_file::{self, KeyFileError};
use crate::secret::{self, SecretError, SecretForm};
use crate::token::SignatureRoom;

/// The keys that the configuration gives, and whether it has more of them fetched.
#[derive(Debug, Default)]
pub struct Keys {
    keys: Vec<Rc<Key>>,
    /// Secrets and files that keys were added of.
    places: usize,
    allowed: Option<Algorithms>,
    key_sets: usize,
    known_headers: KnownHeaders,
    signature_room: SignatureRoom,
}

/// The public keys of a set that was fetched. Built when it arrives, and never changed.
#[derive(Debug)]
pub struct KeySet {
    keys: Vec<Rc<Key>>,
}

impl Keys {
    /// No keys yet. `allowed` are the algorithms that a location lists; without a list, keys imply theirs.
    pub fn new(allowed: Option<Algorithms>) -> Self {
        Self { allowed, ..Self::default() }
    }

    /// Adds a shared secret.
    ///
    /// # Errors
    /// The secret cannot keep anybody out, or cannot be used; see [`SecretError`].
    pub fn add_secret(&mut self, secret: &[u8], form: SecretForm, label: &KeyLabel) -> Result<(), SecretError> {
        let keys = secret::keys(secret, form, self.allowed, label)?;
        self.add(keys).map_err(|TooMany| SecretError::TooManyKeys)
    }

    /// Adds the public keys in a file's content: PEM, JWK or JWK Set. Every PEM block is a key, also of a certificate that
    /// only belongs to another one's chain. Of a certificate nothing but the key is looked at, and so neither its dates.
    ///
    /// # Errors
    /// The content is none of these, or a key in it cannot be used; see [`KeyFileError`].
    pub fn add_key_file(&mut self, content: &[u8], label: &KeyLabel) -> Result<(), KeyFileError> {
        let keys = key_file::read(content, self.allowed, label)?;
        self.add(keys).map_err(|TooMany| KeyFileError::TooManyKeys)
    }

    /// Announces a key set that is fetched at run time. Every decision is then given it, once it is there.
    pub fn expect_key_set(&mut self) {
        self.key_sets += 1;
    }

    /// Whether a key of a fetched set could be used at all: secrets are not published.
    pub fn can_use_key_sets(&self) -> bool {
        self.allowed.is_none_or(Algorithms::has_public)
    }

    /// Whether there is nothing to verify with, and never will be.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.key_sets == 0
    }

    /// The keys of the configuration.
    pub fn iter(&self) -> impl Iterator<Item = KeyView<'_>> {
        self.keys.iter().map(KeyView::of)
    }

    /// Headers of tokens that these keys have verified.
    pub(crate) fn known_headers(&self) -> &KnownHeaders {
        &self.known_headers
    }

    /// Where signatures are decoded.
    pub(crate) fn signature_room(&self) -> &SignatureRoom {
        &self.signature_room
    }

    fn add(&mut self, keys: Vec<Rc<Key>>) -> Result<(), TooMany> {
        keys.iter().for_each(|key| key.origin.place.set(self.places));
        self.places += 1;
        self.keys.extend(keys);
        let alike =
            |key: &Key| self.keys.iter().filter(|one| one.kid == key.kid && one.algorithm == key.algorithm).count();
        if self.keys.iter().all(|key| alike(key) <= MAX_TRIED) { Ok(()) } else { Err(TooMany) }
    }

    /// Whether a fetched set could have a key of this algorithm.
    fn could_fetch(&self, algorithm: Algorithm) -> bool {
        self.key_sets > 0 && algorithm.is_public() && self.allowed.is_none_or(|list| list.contains(algorithm))
    }
}

/// More keys of one `kid`, or without one, for one algorithm than are tried: some of them would never be.
struct TooMany;

impl KeySet {
    /// Reads a JWK Set that was fetched (RFC 7517 section 5). Members that cannot be used are skipped, whatever the
    /// reason: one of them must not take the others down. So are secrets and private keys: what is published is neither.
    ///
    /// # Errors
    /// The text is no key set, or too large a one. A set without a usable key is no error.
    pub fn from_jwks(text: &[u8], allowed: Option<Algorithms>, issuer: Option<&str>) -> Result<Self, KeySetError> {
        fault!("jwks" in text);
        let label = KeyLabel { kid: None, issuer: issuer.map(Into::into) };
        let keys = jwk::set(text)?.into_iter().filter_map(|key| key.and_then(|key| key.bind(allowed, &label)).ok());
        Ok(Self { keys: keys.flatten().collect() })
    }

    /// Its keys.
    pub fn iter(&self) -> impl Iterator<Item = KeyView<'_>> {
        self.keys.iter().map(KeyView::of)
    }

    /// Whether no key in it can be used.
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }
}

/// The keys at hand for one decision: those of the configuration, and the sets fetched so far.
#[derive(Clone, Copy)]
pub(crate) struct KeysAtHand<'k> {
    pub keys: &'k Keys,
    /// `None` for a set that is not there yet.
    pub sets: &'k [Option<Rc<KeySet>>],
}

impl<'k> KeysAtHand<'k> {
    /// The key that verifies. The token's `alg` chooses among keys, and never changes what a key is used for (RFC 8725
    /// section 3.1).
    ///
    /// # Errors
    /// There is none. While a set that may hold it has never been fetched, nothing is said against the token.
    pub fn verifying(self, header: &Header, verifies: impl Fn(&Key) -> bool) -> Result<&'k Rc<Key>, Denied> {
        let Some(algorithm) = header.algorithm else { return Err(Denied::UnsupportedAlgorithm) };
        let lacking = |denied| if self.lacks_a_set(algorithm) { Denied::KeysUnavailable } else { denied };
        self.tried(algorithm, header.kid.as_deref(), |_| true, verifies).map_err(lacking)
    }

    /// A key that verifies a token, too, whose `iss` is known by then, and that is not tied to another issuer.
    pub fn verifying_for(self, header: &Header, iss: &str, verifies: impl Fn(&Key) -> bool) -> Option<&'k Rc<Key>> {
        self.tried(header.algorithm?, header.kid.as_deref(), |key| key.is_good_for(iss), verifies).ok()
    }

    /// Whether the key of a refused token may have been published after the sets that are there were fetched: one of them
    /// could hold it, and does not know its `kid`, or the token has none and there is no key at all. That another set knows
    /// the `kid` says nothing: issuers number their keys, too.
    pub fn may_be_outdated(self, header: &Header) -> bool {
        let Some(algorithm) = header.algorithm.filter(|algorithm| self.keys.could_fetch(*algorithm)) else {
            return false;
        };
        let mut sets = self.sets.iter().flatten().peekable();
        match header.kid.as_deref() {
            Some(kid) => sets.any(|set| !set.keys.iter().any(|key| key.algorithm == algorithm && key.is_named(kid))),
            None => sets.peek().is_some() && sets.all(|set| set.is_empty()),
        }
    }

    /// Tries the keys of the algorithm that the token's `kid` selects: those that carry it, then those without one; all,
    /// when the token has none. No more than [`MAX_TRIED`] of the configuration and of each set, whatever the others hold.
    fn tried(
        self,
        algorithm: Algorithm,
        kid: Option<&str>,
        may_verify: impl Fn(&Key) -> bool,
        verifies: impl Fn(&Key) -> bool,
    ) -> Result<&'k Rc<Key>, Denied> {
        let is_selected = |key: &Key, carries_it: bool| match (kid, &key.kid) {
            (None, _) => carries_it,
            (Some(kid), Some(_)) => carries_it && key.is_named(kid),
            (Some(_), None) => !carries_it,
        };
        let is_candidate =
            |key: &Key, carries_it| key.algorithm == algorithm && is_selected(key, carries_it) && may_verify(key);
        let mut is_any_tried = false;
        for carries_it in [true, false] {
            for keys in self.places() {
                let tried_before = || keys.iter().filter(|key| is_candidate(key, true)).count();
                let left = if carries_it { MAX_TRIED } else { MAX_TRIED.saturating_sub(tried_before()) };
                for key in keys.iter().filter(|key| is_candidate(key, carries_it)).take(left) {
                    is_any_tried = true;
                    if verifies(key) {
                        return Ok(key);
                    }
                }
            }
        }
        let is_used = || self.all().any(|key| key.algorithm == algorithm);
        let is_known = || self.all().any(|key| is_selected(key, true) || is_selected(key, false));
        Err(match is_any_tried {
            true => Denied::BadSignature,
            false if is_used() && !is_known() => Denied::UnknownKey,
            false => Denied::UnsupportedAlgorithm,
        })
    }

    /// Whether this very key is at hand.
    pub fn include(self, key: &Rc<Key>) -> bool {
        self.all().any(|one| Rc::ptr_eq(one, key))
    }

    fn all(self) -> impl Iterator<Item = &'k Rc<Key>> {
        self.places().flatten()
    }

    /// The keys of the configuration, and those of each set.
    fn places(self) -> impl Iterator<Item = &'k [Rc<Key>]> {
        iter::once(&self.keys.keys[..]).chain(self.sets.iter().flatten().map(|set| &set.keys[..]))
    }

    /// Whether a set that could have a key of this algorithm was never fetched.
    fn lacks_a_set(self, algorithm: Algorithm) -> bool {
        self.sets.iter().flatten().count() < self.keys.key_sets && self.keys.could_fetch(algorithm)
    }
}
