//! Keys of every kind, all of them from the seed, and signatures with them.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, Mac};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::SeedableRng;
use rsa::pkcs8::{EncodePublicKey, LineEnding};
use rsa::signature::SignatureEncoding;
use rsa::traits::PublicKeyParts;
use sha2::{Digest, Sha256};

/// How a key signs.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    EdDsa,
}

impl Algorithm {
    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::EdDsa => "EdDSA",
        }
    }
}

/// A key: the seed makes the rest.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct KeyId {
    pub algorithm: Algorithm,
    pub number: u32,
}

pub const fn hs256(number: u32) -> KeyId {
    KeyId { algorithm: Algorithm::Hs256, number }
}

pub const fn rs256(number: u32) -> KeyId {
    KeyId { algorithm: Algorithm::Rs256, number }
}

pub const fn es256(number: u32) -> KeyId {
    KeyId { algorithm: Algorithm::Es256, number }
}

pub const fn eddsa(number: u32) -> KeyId {
    KeyId { algorithm: Algorithm::EdDsa, number }
}

/// In every secret, so that one in a log would be seen.
pub const SECRET_MARK: &str = "soak-secret";

enum Signer {
    Hmac(Vec<u8>),
    Rsa(Box<rsa::pkcs1v15::SigningKey<Sha256>>),
    Ec(p256::ecdsa::SigningKey),
    Ed(ed25519_dalek::SigningKey),
}

pub struct Keyring {
    seed: u64,
    signers: RwLock<HashMap<KeyId, Arc<Signer>>>,
}

impl Keyring {
    pub fn new(seed: u64) -> Self {
        Self { seed, signers: RwLock::default() }
    }

    pub fn sign(&self, key: KeyId, input: &[u8]) -> Vec<u8> {
        match &*self.signer(key) {
            Signer::Hmac(secret) => {
                let mut mac = Hmac::<Sha256>::new_from_slice(secret).expect("HMAC takes any key");
                mac.update(input);
                mac.finalize().into_bytes().to_vec()
            }
            Signer::Rsa(key) => rsa::signature::Signer::sign(&**key, input).to_vec(),
            Signer::Ec(key) => {
                let signature: p256::ecdsa::Signature = p256::ecdsa::signature::Signer::sign(key, input);
                signature.to_bytes().to_vec()
            }
            Signer::Ed(key) => key.sign(input).to_bytes().to_vec(),
        }
    }

    pub fn secret(&self, number: u32) -> String {
        format!("{SECRET_MARK}-{}", URL_SAFE_NO_PAD.encode(self.bytes(hs256(number))))
    }

    /// The public half as a JWK.
    pub fn jwk(&self, key: KeyId, kid: &str) -> String {
        let b64 = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let members = match &*self.signer(key) {
            Signer::Hmac(secret) => format!(r#""kty":"oct","k":"{}""#, b64(secret)),
            Signer::Rsa(key) => {
                let key: &rsa::RsaPrivateKey = (**key).as_ref();
                let (n, e) = (key.n().to_bytes_be(), key.e().to_bytes_be());
                format!(r#""kty":"RSA","n":"{}","e":"{}""#, b64(&n), b64(&e))
            }
            Signer::Ec(key) => {
                let point = key.verifying_key().to_encoded_point(false);
                let (x, y) = (point.x().expect("a point"), point.y().expect("a whole point"));
                format!(r#""kty":"EC","crv":"P-256","x":"{}","y":"{}""#, b64(x), b64(y))
            }
            Signer::Ed(key) => {
                format!(r#""kty":"OKP","crv":"Ed25519","x":"{}""#, b64(key.verifying_key().as_bytes()))
            }
        };
        format!(r#"{{{members},"alg":"{}","use":"sig","kid":"{kid}"}}"#, key.algorithm.name())
    }

    /// The public half of an RSA or EC key as PEM.
    pub fn pem(&self, key: KeyId) -> String {
        let pem = match &*self.signer(key) {
            Signer::Rsa(key) => {
                let key: &rsa::RsaPrivateKey = (**key).as_ref();
                key.to_public_key().to_public_key_pem(LineEnding::LF)
            }
            Signer::Ec(key) => key.verifying_key().to_public_key_pem(LineEnding::LF),
            Signer::Hmac(_) | Signer::Ed(_) => panic!("{key:?} is published as a JWK"),
        };
        pem.expect("a key can be written")
    }

    fn signer(&self, key: KeyId) -> Arc<Signer> {
        if let Some(signer) = self.signers.read().expect("no panic").get(&key) {
            return signer.clone();
        }
        let signer = Arc::new(self.make(key));
        self.signers.write().expect("no panic").entry(key).or_insert(signer).clone()
    }

    fn make(&self, key: KeyId) -> Signer {
        match key.algorithm {
            Algorithm::Hs256 => Signer::Hmac(self.secret(key.number).into_bytes()),
            Algorithm::Rs256 => {
                let mut random = ChaCha8Rng::from_seed(self.bytes(key));
                let key = rsa::RsaPrivateKey::new(&mut random, 2048).expect("an RSA key");
                Signer::Rsa(Box::new(rsa::pkcs1v15::SigningKey::new(key)))
            }
            Algorithm::Es256 => Signer::Ec(p256::ecdsa::SigningKey::from_slice(&self.bytes(key)).expect("an EC key")),
            Algorithm::EdDsa => Signer::Ed(ed25519_dalek::SigningKey::from_bytes(&self.bytes(key))),
        }
    }

    fn bytes(&self, key: KeyId) -> [u8; 32] {
        Sha256::digest(format!("{} {} {}", self.seed, key.algorithm.name(), key.number)).into()
    }
}
