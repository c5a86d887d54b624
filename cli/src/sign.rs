//! Signing, for tokens of tests: with a secret, or with a private key in PEM.

use std::path::Path;

use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    EcdsaSigningAlgorithm, Ed25519KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256,
    RSA_PSS_SHA384, RSA_PSS_SHA512, RsaEncoding, RsaKeyPair,
};
use zeroize::Zeroizing;

use crate::Failure;

/// What a token is signed with.
pub enum Signer {
    Secret(Zeroizing<Vec<u8>>),
    Ed25519(Ed25519KeyPair),
    Ecdsa(&'static str, EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Signer {
    /// A private key: PKCS #8, or the older forms of RSA and EC keys.
    pub fn of_pem(path: &Path) -> Result<Self, Failure> {
        let wrong = |problem: &str| Failure(format!("private key \"{}\" {problem}", path.display()));
        let text = std::fs::read(path).map(Zeroizing::new);
        let text = text.map_err(|error| wrong(&format!("cannot be read: {error}")))?;
        let pem = pem::parse(&*text).map_err(|_| wrong("is no PEM file"))?;
        let der = Zeroizing::new(pem.into_contents());
        if let Ok(key) = Ed25519KeyPair::from_pkcs8_maybe_unchecked(&der) {
            return Ok(Self::Ed25519(key));
        }
        let curves: [(&str, &'static EcdsaSigningAlgorithm); 3] = [
            ("ES256", &ECDSA_P256_SHA256_FIXED_SIGNING),
            ("ES384", &ECDSA_P384_SHA384_FIXED_SIGNING),
            ("ES512", &ECDSA_P521_SHA512_FIXED_SIGNING),
        ];
        for (name, curve) in curves {
            if let Ok(key) = EcdsaKeyPair::from_private_key_der(curve, &der) {
                return Ok(Self::Ecdsa(name, key));
            }
        }
        let rsa = RsaKeyPair::from_pkcs8(&der).or_else(|_| RsaKeyPair::from_der(&der));
        rsa.map(Self::Rsa).map_err(|_| wrong("is no private key that tokens are signed with"))
    }

    /// The algorithms that it can sign with, the usual one first.
    pub fn algorithms(&self) -> &[&'static str] {
        match self {
            Self::Secret(_) => &["HS256", "HS384", "HS512"],
            Self::Ed25519(_) => &["EdDSA", "Ed25519"],
            Self::Ecdsa(name, _) => std::slice::from_ref(name),
            Self::Rsa(_) => &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
        }
    }

    /// The signature under one of its algorithms.
    pub fn sign(&self, algorithm: &str, message: &[u8]) -> Result<Vec<u8>, Failure> {
        let failed = |_| Failure("the private key cannot sign".into());
        let random = SystemRandom::new();
        match self {
            Self::Secret(secret) => {
                let hash = match algorithm {
                    "HS384" => hmac::HMAC_SHA384,
                    "HS512" => hmac::HMAC_SHA512,
                    _ => hmac::HMAC_SHA256,
                };
                Ok(hmac::sign(&hmac::Key::new(hash, secret), message).as_ref().to_vec())
            }
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::Ecdsa(_, key) => Ok(key.sign(&random, message).map_err(failed)?.as_ref().to_vec()),
            Self::Rsa(key) => {
                let padding: &'static dyn RsaEncoding = match algorithm {
                    "RS384" => &RSA_PKCS1_SHA384,
                    "RS512" => &RSA_PKCS1_SHA512,
                    "PS256" => &RSA_PSS_SHA256,
                    "PS384" => &RSA_PSS_SHA384,
                    "PS512" => &RSA_PSS_SHA512,
                    _ => &RSA_PKCS1_SHA256,
                };
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(padding, &random, message, &mut signature).map_err(failed)?;
                Ok(signature)
            }
        }
    }
}
