//! The keys of the tests, and a signer and a verifier for each, by RustCrypto.

use data_encoding::BASE64URL_NOPAD;
use ed25519_dalek::Signer as _;
use hmac::{Hmac, Mac as _};
use p256::ecdsa;
use sha2::Sha256;

/// Who signs. The number makes several of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Signer {
    Hmac(u8),
    Ed25519(u8),
    P256(u8),
    /// Signs an HMAC with what is public of an Ed25519 key.
    Confused(u8),
    /// Signs nothing.
    Nobody,
}

use Signer::*;

/// Where a key comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Source {
    Secret,
    File,
    Set,
}

/// A key that is configured, or published.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    pub signer: Signer,
    pub source: Source,
    pub kid: Option<&'static str>,
    pub issuer: Option<&'static str>,
}

/// Whose tokens the keys of the set are for.
pub const ISSUER_OF_SET: &str = "https://set";

/// The keys of every setup.
pub const KEYS: [Key; 6] = [
    Key { signer: Hmac(1), source: Source::Secret, kid: None, issuer: None },
    Key { signer: Hmac(2), source: Source::Secret, kid: Some("two"), issuer: None },
    Key { signer: Ed25519(1), source: Source::File, kid: Some("ed"), issuer: None },
    Key { signer: P256(1), source: Source::File, kid: None, issuer: None },
    Key { signer: Ed25519(2), source: Source::Set, kid: Some("set"), issuer: Some(ISSUER_OF_SET) },
    Key { signer: P256(2), source: Source::Set, kid: Some("set"), issuer: Some(ISSUER_OF_SET) },
];

/// Who may have signed a case: the holders of those keys, and strangers.
pub const SIGNERS: [Signer; 11] =
    [Hmac(1), Hmac(2), Ed25519(1), P256(1), Ed25519(2), P256(2), Hmac(3), Ed25519(3), P256(3), Confused(1), Nobody];

impl Signer {
    /// The algorithm of its signatures.
    pub fn algorithm(self) -> &'static str {
        match self {
            Hmac(_) | Confused(_) => "HS256",
            Ed25519(_) => "EdDSA",
            P256(_) => "ES256",
            Nobody => "none",
        }
    }

    /// What verifies its signatures.
    pub fn public(self) -> Vec<u8> {
        match self {
            Hmac(number) => vec![number; 40],
            Ed25519(number) | Confused(number) => ed25519(number).verifying_key().to_bytes().to_vec(),
            P256(number) => p256(number).verifying_key().to_encoded_point(false).as_bytes().to_vec(),
            Nobody => Vec::new(),
        }
    }

    pub fn sign(self, signed: &[u8]) -> Vec<u8> {
        match self {
            Hmac(_) | Confused(_) => hmac(&self.public(), signed).finalize().into_bytes().to_vec(),
            Ed25519(number) => ed25519(number).sign(signed).to_bytes().to_vec(),
            P256(number) => {
                let signature: ecdsa::Signature = p256(number).sign(signed);
                signature.to_bytes().to_vec()
            }
            Nobody => vec![0],
        }
    }

    pub fn verifies(self, signed: &[u8], signature: &[u8]) -> bool {
        match self {
            Hmac(_) | Confused(_) => hmac(&self.public(), signed).verify_slice(signature).is_ok(),
            Ed25519(number) => {
                let signature = ed25519_dalek::Signature::from_slice(signature);
                signature
                    .is_ok_and(|signature| ed25519(number).verifying_key().verify_strict(signed, &signature).is_ok())
            }
            P256(number) => {
                let signature = ecdsa::Signature::from_slice(signature);
                signature.is_ok_and(|signature| {
                    ecdsa::signature::Verifier::verify(p256(number).verifying_key(), signed, &signature).is_ok()
                })
            }
            Nobody => false,
        }
    }
}

fn hmac(key: &[u8], signed: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).unwrap().chain_update(signed)
}

fn ed25519(number: u8) -> ed25519_dalek::SigningKey {
    ed25519_dalek::SigningKey::from_bytes(&[number; 32])
}

fn p256(number: u8) -> ecdsa::SigningKey {
    ecdsa::SigningKey::from_slice(&[number; 32]).unwrap()
}

/// A key in JSON (RFC 7517), with its `kid` or, where the configuration gives that, without.
pub fn jwk(key: &Key, with_kid: bool) -> String {
    let kid = key.kid.filter(|_| with_kid).map(|kid| format!(r#""kid":"{kid}","#)).unwrap_or_default();
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let public = key.signer.public();
    match key.signer {
        Ed25519(_) => format!(r#"{{{kid}"kty":"OKP","crv":"Ed25519","x":"{}"}}"#, encode(&public)),
        P256(_) => {
            let (x, y) = public[1..].split_at(32);
            format!(r#"{{{kid}"kty":"EC","crv":"P-256","x":"{}","y":"{}"}}"#, encode(x), encode(y))
        }
        _ => unreachable!("a shared secret is no public key"),
    }
}

/// A token.
pub fn token(signer: Signer, header: &[u8], payload: &[u8]) -> String {
    let signed = format!("{}.{}", BASE64URL_NOPAD.encode(header), BASE64URL_NOPAD.encode(payload));
    let signature = BASE64URL_NOPAD.encode(&signer.sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}
