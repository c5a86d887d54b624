//! Public keys: which algorithms one is used with, and a verifier for each.

use std::fmt;
use std::rc::Rc;

use aws_lc_rs::signature::{self as backend, ParsedPublicKey, RsaParameters, VerificationAlgorithm};

use curve25519_dalek::edwards::CompressedEdwardsY;

use crate::algorithm::{self, Algorithm, Algorithms};
use crate::key::{Key, KeyLabel, Origin, Verifier};

/// Bits of an RSA modulus: fewer are too weak (RFC 7518 section 3.3), more are not verified by the backend.
const RSA_BITS: std::ops::RangeInclusive<u32> = 2048..=8192;

/// A public key as it was read.
#[derive(Debug)]
pub(crate) struct PublicKey {
    pub material: Material,
    /// The `kid` of a JWK.
    pub kid: Option<Box<str>>,
    /// The `alg` of a JWK.
    pub algorithm: Option<Algorithm>,
}

/// The key itself.
#[derive(Debug)]
pub(crate) enum Material {
    /// An `RSAPublicKey` (RFC 8017 appendix A.1.1).
    Rsa(Vec<u8>),
    /// A point on a curve (SEC 1 section 2.3.3).
    Ec(Curve, Vec<u8>),
    /// A public key (RFC 8032 section 5.1.5).
    Ed25519(Vec<u8>),
}

/// The curves of ECDSA (RFC 7518 section 6.2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
    P521,
}

/// Why a public key is not used. The texts follow "holds a key that".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyError {
    /// It cannot be parsed, or is no point on its curve.
    Malformed,
    /// It is a private key.
    Private,
    /// It is a shared secret (`oct`).
    Shared,
    /// Of a type or on a curve that is not supported.
    UnknownType,
    /// Its `use` or `key_ops` say that it is for something else.
    NotForVerifying,
    /// Its `alg` is none that is verified with its type.
    OtherAlgorithm,
    /// No allowed algorithm uses it.
    NotAllowed,
    /// An RSA key under 2048 bits (RFC 7518 section 3.3).
    TooSmall,
    /// An RSA key over 8192 bits.
    TooLarge,
    /// Its own `kid` is not the configured one.
    OtherKid,
    /// A PEM block of another kind.
    OtherBlock,
    /// An Ed25519 key of small order.
    SmallOrder,
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Self::Malformed => "cannot be parsed",
            Self::Private => "is private: leave it with whoever signs, and give the public key",
            Self::Shared => "is a shared secret: name it with \"jwt_user_scope_secret\"",
            Self::UnknownType => {
                "is of an unsupported type: use RSA, an EC key on P-256, P-384 or P-521, or an Ed25519 key"
            }
            Self::NotForVerifying => "is not for verifying signatures, by its \"use\" or \"key_ops\"",
            Self::OtherAlgorithm => "is for another algorithm, by its \"alg\", than those that verify with its type",
            Self::NotAllowed => "no allowed algorithm can use: add one to \"jwt_user_scope_algorithms\"",
            Self::TooSmall => "is RSA under 2048 bits: have tokens signed with a longer one",
            Self::TooLarge => "is RSA over 8192 bits: have tokens signed with a shorter one",
            Self::OtherKid => "has a \"kid\" of its own, another than the configured one: leave \"kid=\" out",
            Self::OtherBlock => "is in a PEM block that is neither a public key nor a certificate",
            Self::SmallOrder => "is Ed25519 of small order, for which anybody can sign: have another one made",
        })
    }
}

impl std::error::Error for KeyError {}

impl KeyError {
    /// Whether a key set in a file may hold such a key: it is meant for something else, and is skipped.
    pub(crate) fn is_skipped(self) -> bool {
        matches!(
            self,
            Self::Shared | Self::UnknownType | Self::NotForVerifying | Self::OtherAlgorithm | Self::NotAllowed
        )
    }
}

impl Curve {
    /// The one algorithm of a curve (RFC 7518 section 3.4).
    fn algorithm(self) -> Algorithm {
        match self {
            Self::P256 => Algorithm::ES256,
            Self::P384 => Algorithm::ES384,
            Self::P521 => Algorithm::ES512,
        }
    }

    /// Bytes of a coordinate.
    pub fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

impl PublicKey {
    /// The keys that this one is, one for each algorithm that uses it.
    ///
    /// # Errors
    /// There is none, or the key is unfit.
    pub fn bind(self, allowed: Option<Algorithms>, label: &KeyLabel) -> Result<Vec<Rc<Key>>, KeyError> {
        let algorithms = self.algorithms(allowed)?;
        let kid = match (self.kid, &label.kid) {
            (Some(own), Some(configured)) if own != *configured => return Err(KeyError::OtherKid),
            (own, configured) => own.or_else(|| configured.clone()),
        };
        let bind = |algorithm| {
            let verifier = Verifier::Public(self.material.verifier(algorithm)?);
            let (kid, issuer) = (kid.clone(), label.issuer.clone());
            Ok(Rc::new(Key { algorithm, kid, issuer, verifier, origin: Origin::default() }))
        };
        algorithms.into_iter().map(bind).collect()
    }

    /// What the key implies, or those of its type that are listed; its own `alg` binds it in either case.
    fn algorithms(&self, allowed: Option<Algorithms>) -> Result<Vec<Algorithm>, KeyError> {
        let of_type: &[Algorithm] = match self.material {
            Material::Rsa(_) => &algorithm::RSA,
            Material::Ec(curve, _) => &[curve.algorithm()],
            Material::Ed25519(_) => &[Algorithm::EdDSA],
        };
        if self.algorithm.is_some_and(|named| !of_type.contains(&named)) {
            return Err(KeyError::OtherAlgorithm);
        }
        let implies = |one| match (self.algorithm, allowed) {
            (Some(named), _) => one == named,
            (None, None) => one == of_type[0],
            (None, Some(_)) => true,
        };
        let is_used = |one| implies(one) && allowed.is_none_or(|list| list.contains(one));
        let algorithms: Vec<_> = of_type.iter().copied().filter(|&one| is_used(one)).collect();
        if algorithms.is_empty() { Err(KeyError::NotAllowed) } else { Ok(algorithms) }
    }
}

impl Material {
    /// Parses the key for one of its algorithms.
    fn verifier(&self, algorithm: Algorithm) -> Result<ParsedPublicKey, KeyError> {
        // The backend would take a whole `SubjectPublicKeyInfo` in these places too.
        let (bytes, in_form) = match self {
            Self::Rsa(bytes) => {
                check_modulus(bytes)?;
                (bytes, true)
            }
            Self::Ec(_, bytes) => (bytes, matches!(bytes.first(), Some(2..=4))),
            Self::Ed25519(bytes) => {
                check_point(bytes)?;
                (bytes, true)
            }
        };
        if !in_form {
            return Err(KeyError::Malformed);
        }
        let scheme = scheme(algorithm).ok_or(KeyError::NotAllowed)?;
        ParsedPublicKey::new(scheme, bytes).map_err(|_| KeyError::Malformed)
    }
}

fn check_modulus(key: &[u8]) -> Result<(), KeyError> {
    let bits = RsaParameters::public_modulus_len(key).map_err(|_| KeyError::Malformed)?;
    if bits < *RSA_BITS.start() {
        Err(KeyError::TooSmall)
    } else if bits > *RSA_BITS.end() {
        Err(KeyError::TooLarge)
    } else {
        Ok(())
    }
}

/// The backend takes any bytes for a key, and verifies nothing with what is no point, or is not written in the one way (RFC
/// 8032 section 5.1.3). With points of small order it verifies what anybody can make.
fn check_point(key: &[u8]) -> Result<(), KeyError> {
    let written = CompressedEdwardsY::from_slice(key).map_err(|_| KeyError::Malformed)?;
    let point = written.decompress().ok_or(KeyError::Malformed)?;
    if point.is_small_order() {
        return Err(KeyError::SmallOrder);
    }
    if point.compress() == written { Ok(()) } else { Err(KeyError::Malformed) }
}

/// How the backend verifies an algorithm of public keys. Its ECDSA is the fixed form of RFC 7518 section 3.4, never DER.
fn scheme(algorithm: Algorithm) -> Option<&'static dyn VerificationAlgorithm> {
    Some(match algorithm {
        Algorithm::HS256 | Algorithm::HS384 | Algorithm::HS512 => return None,
        Algorithm::RS256 => &backend::RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &backend::RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &backend::RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &backend::RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &backend::RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &backend::RSA_PSS_2048_8192_SHA512,
        Algorithm::ES256 => &backend::ECDSA_P256_SHA256_FIXED,
        Algorithm::ES384 => &backend::ECDSA_P384_SHA384_FIXED,
        Algorithm::ES512 => &backend::ECDSA_P521_SHA512_FIXED,
        Algorithm::EdDSA => &backend::ED25519,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use Algorithm::*;

    fn used(material: Material, named: Option<Algorithm>, list: Option<&[&str]>) -> Result<Vec<Algorithm>, KeyError> {
        let allowed = list.map(|names| {
            let mut allowed = Algorithms::default();
            names.iter().for_each(|name| allowed.allow(name.as_bytes()).unwrap());
            allowed
        });
        PublicKey { material, kid: None, algorithm: named }.algorithms(allowed)
    }

    #[test]
    fn a_key_implies_its_algorithm() {
        let rsa = || Material::Rsa(Vec::new());
        let ec = |curve| Material::Ec(curve, Vec::new());
        let ed = || Material::Ed25519(Vec::new());
        let all = &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"][..];
        let other = Err(KeyError::OtherAlgorithm);
        let not_allowed = Err(KeyError::NotAllowed);
        let rows = [
            (rsa(), None, None, Ok(vec![RS256])),
            (rsa(), Some(PS384), None, Ok(vec![PS384])),
            (rsa(), Some(RS512), None, Ok(vec![RS512])),
            (rsa(), Some(ES256), None, other.clone()),
            (rsa(), Some(HS256), None, other.clone()),
            (rsa(), None, Some(all), Ok(algorithm::RSA.to_vec())),
            (rsa(), None, Some(&["PS256", "RS256"][..]), Ok(vec![RS256, PS256])),
            (rsa(), Some(PS256), Some(all), Ok(vec![PS256])),
            (rsa(), Some(PS256), Some(&["RS256"][..]), not_allowed.clone()),
            (rsa(), None, Some(&["HS256", "ES256", "EdDSA"][..]), not_allowed.clone()),
            (rsa(), None, Some(&[][..]), not_allowed.clone()),
            (ec(Curve::P256), None, None, Ok(vec![ES256])),
            (ec(Curve::P384), None, None, Ok(vec![ES384])),
            (ec(Curve::P521), None, None, Ok(vec![ES512])),
            (ec(Curve::P521), Some(ES512), Some(all), Ok(vec![ES512])),
            (ec(Curve::P256), Some(ES384), None, other.clone()),
            (ec(Curve::P256), Some(RS256), Some(all), other.clone()),
            (ec(Curve::P256), None, Some(&["ES384"][..]), not_allowed.clone()),
            (ed(), None, None, Ok(vec![EdDSA])),
            (ed(), Some(EdDSA), Some(&["Ed25519"][..]), Ok(vec![EdDSA])),
            (ed(), Some(HS512), None, other.clone()),
            (ed(), None, Some(&["ES256"][..]), not_allowed),
        ];
        for (material, named, list, expected) in rows {
            let row = format!("{material:?} {named:?} {list:?}");
            assert_eq!(used(material, named, list), expected, "{row}");
        }
    }

    #[test]
    fn no_public_key_verifies_an_hmac() {
        for algorithm in algorithm::HMAC {
            assert!(scheme(algorithm).is_none(), "{algorithm:?}");
        }
    }
}
