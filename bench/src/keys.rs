//! One key per algorithm: made once per run, kept in a directory that ends with it.

use std::fmt;
use std::fs;
use std::path::Path;
use std::str::FromStr;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED, ECDSA_P521_SHA512_FIXED_SIGNING,
    ED25519, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_SHA256, RsaKeyPair, VerificationAlgorithm,
};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};

use crate::Failure;

/// The key id of every public key, as long as Better Auth's.
pub const KID: &str = "kT4mZ8qLr2VxWc6NpB0yHd9sJf3GaE7u";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Hs256,
    Rs256,
    Es256,
    Es512,
    EdDsa,
}

impl Algorithm {
    pub const ALL: [Self; 5] = [Self::Hs256, Self::Rs256, Self::Es256, Self::Es512, Self::EdDsa];

    pub fn name(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Rs256 => "RS256",
            Self::Es256 => "ES256",
            Self::Es512 => "ES512",
            Self::EdDsa => "EdDSA",
        }
    }

    fn verification(self) -> Option<&'static dyn VerificationAlgorithm> {
        match self {
            Self::Hs256 => None,
            Self::Rs256 => Some(&RSA_PKCS1_2048_8192_SHA256),
            Self::Es256 => Some(&ECDSA_P256_SHA256_FIXED),
            Self::Es512 => Some(&ECDSA_P521_SHA512_FIXED),
            Self::EdDsa => Some(&ED25519),
        }
    }

    fn ecdsa(self) -> &'static EcdsaSigningAlgorithm {
        if self == Self::Es512 { &ECDSA_P521_SHA512_FIXED_SIGNING } else { &ECDSA_P256_SHA256_FIXED_SIGNING }
    }
}

impl FromStr for Algorithm {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        Self::ALL.into_iter().find(|algorithm| algorithm.name() == name).ok_or(())
    }
}

impl fmt::Display for Algorithm {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Writes `<algorithm>.key`, the private half, and `<algorithm>.pem`, the public one.
pub fn make(directory: &Path) -> Result<(), Failure> {
    for algorithm in Algorithm::ALL {
        let (private, public) = generate(algorithm)?;
        fs::write(directory.join(format!("{algorithm}.key")), private)?;
        if let Some(der) = public {
            fs::write(directory.join(format!("{algorithm}.pem")), pem(&der))?;
        }
    }
    Ok(())
}

fn generate(algorithm: Algorithm) -> Result<(Vec<u8>, Option<Vec<u8>>), Failure> {
    let (private, public) = match algorithm {
        Algorithm::Hs256 => return Ok((secret()?, None)),
        Algorithm::Rs256 => {
            let pair = RsaKeyPair::generate(KeySize::Rsa2048)?;
            (pair.as_der()?.as_ref().to_vec(), pair.public_key().as_der()?)
        }
        Algorithm::Es256 | Algorithm::Es512 => {
            let pair = EcdsaKeyPair::generate(algorithm.ecdsa())?;
            (pair.to_pkcs8v1()?.as_ref().to_vec(), pair.public_key().as_der()?)
        }
        Algorithm::EdDsa => {
            let pair = Ed25519KeyPair::generate()?;
            (pair.to_pkcs8v1()?.as_ref().to_vec(), pair.public_key().as_der()?)
        }
    };
    Ok((private, Some(public.as_ref().to_vec())))
}

/// Printable, since nginx reads it from a file as text.
fn secret() -> Result<Vec<u8>, Failure> {
    let mut bytes = [0; 36];
    rand::fill(&mut bytes)?;
    Ok(URL_SAFE_NO_PAD.encode(bytes).into_bytes())
}

fn pem(der: &[u8]) -> String {
    let body = STANDARD.encode(der);
    let lines = body.as_bytes().chunks(64).map(|line| format!("{}\n", String::from_utf8_lossy(line)));
    format!("-----BEGIN PUBLIC KEY-----\n{}-----END PUBLIC KEY-----\n", lines.collect::<String>())
}

pub enum Signer {
    Hmac(Box<hmac::Key>),
    Rsa(RsaKeyPair),
    Ecdsa(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
}

impl Signer {
    pub fn read(directory: &Path, algorithm: Algorithm) -> Result<Self, Failure> {
        let private = fs::read(directory.join(format!("{algorithm}.key")))?;
        Ok(match algorithm {
            Algorithm::Hs256 => Self::Hmac(Box::new(hmac::Key::new(hmac::HMAC_SHA256, &private))),
            Algorithm::Rs256 => Self::Rsa(RsaKeyPair::from_pkcs8(&private)?),
            Algorithm::Es256 | Algorithm::Es512 => Self::Ecdsa(EcdsaKeyPair::from_pkcs8(algorithm.ecdsa(), &private)?),
            Algorithm::EdDsa => Self::Ed25519(Ed25519KeyPair::from_pkcs8(&private)?),
        })
    }

    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Hmac(key) => hmac::sign(key, message).as_ref().to_vec(),
            Self::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature).expect("RSA signs");
                signature
            }
            Self::Ecdsa(pair) => pair.sign(&SystemRandom::new(), message).expect("ECDSA signs").as_ref().to_vec(),
            Self::Ed25519(pair) => pair.sign(message).as_ref().to_vec(),
        }
    }
}

/// What checks a signature, made once, as the module does.
pub enum Verifier {
    Hmac(Box<hmac::Key>),
    Public(ParsedPublicKey),
}

impl Verifier {
    pub fn of(signer: &Signer, algorithm: Algorithm) -> Result<Self, Failure> {
        let public = match signer {
            Signer::Hmac(key) => return Ok(Self::Hmac(key.clone())),
            Signer::Rsa(pair) => pair.public_key().as_ref(),
            Signer::Ecdsa(pair) => pair.public_key().as_ref(),
            Signer::Ed25519(pair) => pair.public_key().as_ref(),
        };
        let algorithm = algorithm.verification().ok_or("not a public key's algorithm")?;
        Ok(Self::Public(ParsedPublicKey::new(algorithm, public)?))
    }

    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        match self {
            Self::Hmac(key) => hmac::verify(key, message, signature).is_ok(),
            Self::Public(key) => key.verify_sig(message, signature).is_ok(),
        }
    }
}
