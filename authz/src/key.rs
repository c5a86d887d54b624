//! One key, bound to one algorithm when it is configured or fetched.

use std::fmt;
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
}

/// Nothing of the key itself.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        let Self { algorithm, kid, issuer, verifier: _ } = self;
        f.debug_struct("Key").field("algorithm", algorithm).field("kid", kid).field("issuer", issuer).finish()
    }
}
