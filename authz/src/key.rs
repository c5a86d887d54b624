//! One key, bound to one algorithm when it is configured or fetched.

use std::cell::Cell;
use std::fmt;
use std::num::NonZero;
use std::rc::Rc;

use aws_lc_rs::signature::ParsedPublicKey;
use jsonwebtoken::crypto::JwtVerifier;

use crate::algorithm::Algorithm;

/// Most keys that are tried for one token, so that one request does not cost many signatures.
pub const MAX_TRIED: usize = 8;

/// What the configuration says about the keys of one place.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KeyLabel {
    /// The `kid` of keys that carry none themselves.
    pub kid: Option<Box<str>>,
    /// The issuer whose tokens alone the keys verify (RFC 8725bis section 3.8).
    pub issuer: Option<Rc<str>>,
}

/// A key, its verifier built once. One that several algorithms use is several of these.
pub(crate) struct Key {
    pub algorithm: Algorithm,
    pub kid: Option<Box<str>>,
    pub issuer: Option<Rc<str>>,
    pub verifier: Verifier,
    pub origin: Origin,
}

/// Where a key comes from, and by which number its owner knows it.
#[derive(Default)]
pub(crate) struct Origin {
    /// The place in the configuration that names it, counted from 0.
    pub place: Cell<usize>,
    /// Which one of several at that place it is.
    pub part: Cell<Option<u64>>,
    pub note: Cell<Option<NonZero<u32>>>,
}

/// What may be told of a key: nothing of the key itself.
#[derive(Clone, Copy)]
pub struct KeyView<'k>(&'k Key);

impl<'k> KeyView<'k> {
    pub(crate) fn of(key: &'k Rc<Key>) -> Self {
        Self(key)
    }

    /// The algorithm that it is bound to.
    pub fn algorithm(self) -> &'static str {
        self.0.algorithm.name()
    }

    /// Its `kid`.
    pub fn kid(self) -> Option<&'k str> {
        self.0.kid.as_deref()
    }

    /// Which of the secrets and files it comes from, in the order in which they were added, from 0.
    pub fn place(self) -> usize {
        self.0.origin.place.get()
    }

    /// Which one of several at that place it is: the version of a secret, or the number of a key without `kid` in its file,
    /// from 1.
    pub fn part(self) -> Option<u64> {
        self.0.origin.part.get()
    }

    /// The number that the caller knows it by, which [`crate::Trace`] shows.
    pub fn set_note(self, note: NonZero<u32>) {
        self.0.origin.note.set(Some(note));
    }
}

/// What checks a signature.
pub(crate) enum Verifier {
    /// An HMAC, its key schedule prepared. The backend wipes it when it is dropped.
    Hmac(Box<dyn JwtVerifier>),
    /// A public key. jsonwebtoken would parse it anew for every token, and has no ES512: so the backend's own.
    Public(ParsedPublicKey),
}

impl Key {
    /// Whether the signature is this key's, by its own algorithm.
    pub fn verifies(&self, signed: &[u8], signature: &Vec<u8>) -> bool {
        match &self.verifier {
            Verifier::Hmac(hmac) => hmac.verify(signed, signature).is_ok(),
            Verifier::Public(key) => key.verify_sig(signed, signature).is_ok(),
        }
    }

    /// Whether it is not tied to another issuer.
    pub fn is_good_for(&self, iss: &str) -> bool {
        self.issuer.as_deref().is_none_or(|tied| tied == iss)
    }

    pub fn is_named(&self, kid: &str) -> bool {
        self.kid.as_deref() == Some(kid)
    }
}

/// Nothing of the key itself.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { algorithm, kid, issuer, verifier: _, origin: _ } = self;
        f.debug_struct("Key").field("algorithm", algorithm).field("kid", kid).field("issuer", issuer).finish()
    }
}
