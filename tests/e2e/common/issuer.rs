//! An issuer of tokens under EdDSA: a key with a `kid`, its public half as a JWK, and tokens signed with it.

use super::token::{b64, claims};
use ed25519_dalek::{Signer as _, SigningKey};
use sha2::{Digest, Sha256};

pub struct Issuer {
    kid: String,
    key: SigningKey,
}

impl Issuer {
    /// The key belongs to the name: every run has the same one.
    pub fn new(kid: &str) -> Issuer {
        Issuer { kid: kid.into(), key: SigningKey::from_bytes(&Sha256::digest(kid).into()) }
    }

    pub fn jwk(&self) -> String {
        let (kid, x) = (&self.kid, b64(self.key.verifying_key().as_bytes()));
        format!(r#"{{"kty":"OKP","crv":"Ed25519","alg":"EdDSA","kid":"{kid}","x":"{x}"}}"#)
    }

    /// A good token of this user.
    pub fn token(&self, user: &str) -> String {
        self.sign(&claims(&format!(r#""uid":"{user}""#)))
    }

    pub fn sign(&self, payload: &str) -> String {
        self.sign_as(&self.kid, payload)
    }

    /// The same under another `kid`.
    pub fn sign_as(&self, kid: &str, payload: &str) -> String {
        let header = format!(r#"{{"alg":"EdDSA","kid":"{kid}"}}"#);
        let input = format!("{}.{}", b64(header), b64(payload));
        format!("{input}.{}", b64(self.key.sign(input.as_bytes()).to_bytes()))
    }
}

/// A JWK Set of these keys, as it is published.
pub fn key_set(issuers: &[&Issuer]) -> String {
    format!(r#"{{"keys":[{}]}}"#, issuers.iter().map(|issuer| issuer.jwk()).collect::<Vec<_>>().join(","))
}
