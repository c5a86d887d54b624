//! JSON Web Keys and key sets (RFC 7517, RFC 7518 section 6, RFC 8037 section 2).

use std::borrow::Cow;
use std::fmt;

use aws_lc_rs::encoding::{AsDer, PublicKeyX509Der};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::algorithm::Algorithm;
use crate::json::{Object, Value};
use crate::pem;
use crate::public_key::{Curve, KeyError, Material, PublicKey};

/// Largest key set admitted, in bytes. One RSA key with a chain of three certificates takes some 8 KiB.
pub const MAX_SET_BYTES: usize = 256 * 1024;

/// Members that private keys alone have (RFC 7518 sections 6.2.2 and 6.3.2).
const PRIVATE: [&str; 7] = ["d", "p", "q", "dp", "dq", "qi", "oth"];

/// Most keys of a set. The sets that providers publish hold two to twenty.
pub const MAX_SET_KEYS: usize = 64;

/// The text is no key set that could be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeySetError {
    /// Larger than [`MAX_SET_BYTES`].
    TooLarge,
    /// More than [`MAX_SET_KEYS`].
    TooManyKeys,
    /// No JSON object with unique member names and an array `keys` (RFC 7517 section 5).
    NotASet,
}

impl fmt::Display for KeySetError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "is larger than {} KiB", MAX_SET_BYTES / 1024),
            Self::TooManyKeys => write!(f, "holds more than {MAX_SET_KEYS} keys"),
            Self::NotASet => f.write_str("is no JSON object with unique member names and an array \"keys\""),
        }
    }
}

impl std::error::Error for KeySetError {}

/// The members of a key set.
pub(crate) fn set(text: &[u8]) -> Result<Vec<Result<PublicKey, KeyError>>, KeySetError> {
    if text.len() > MAX_SET_BYTES {
        return Err(KeySetError::TooLarge);
    }
    members(&Object::parse(text.into()).map_err(|_| KeySetError::NotASet)?)
}

/// The members of a key set that is parsed already.
pub(crate) fn members(set: &Object) -> Result<Vec<Result<PublicKey, KeyError>>, KeySetError> {
    let members = set.get("keys").and_then(|keys| keys.elements()).ok_or(KeySetError::NotASet)?;
    if members.len() > MAX_SET_KEYS {
        return Err(KeySetError::TooManyKeys);
    }
    Ok(members.into_iter().map(member).collect())
}

fn member(value: Value<'_>) -> Result<PublicKey, KeyError> {
    let Value::Object(text) = value else { return Err(KeyError::Malformed) };
    public_key(&Object::parse(text.into()).map_err(|_| KeyError::Malformed)?)
}

/// Reads one key. What it is for is judged first, since a key for something else may be of any shape; but what is private
/// does not belong here, whatever it is for.
pub(crate) fn public_key(jwk: &Object) -> Result<PublicKey, KeyError> {
    let kty = text(jwk, "kty")?.ok_or(KeyError::Malformed)?;
    let read = match &*kty {
        "RSA" => rsa,
        "EC" => ec,
        "OKP" => okp,
        "oct" => return Err(KeyError::Shared),
        _ => return Err(KeyError::UnknownType),
    };
    if PRIVATE.iter().any(|name| jwk.get(name).is_some()) {
        return Err(KeyError::Private);
    }
    check_use(jwk)?;
    let algorithm = algorithm(jwk)?;
    let kid = text(jwk, "kid")?.map(Into::into);
    Ok(PublicKey { material: read(jwk)?, kid, algorithm })
}

/// `use` is `sig`, and `key_ops` has `verify`, where they are present (RFC 7517 sections 4.2 and 4.3).
fn check_use(jwk: &Object) -> Result<(), KeyError> {
    let for_signatures = text(jwk, "use")?.is_none_or(|usage| usage == "sig");
    let for_verifying = match jwk.get("key_ops") {
        None => true,
        Some(operations) => operations.elements().ok_or(KeyError::Malformed)?.contains(&Value::String("verify".into())),
    };
    if for_signatures && for_verifying { Ok(()) } else { Err(KeyError::NotForVerifying) }
}

fn algorithm(jwk: &Object) -> Result<Option<Algorithm>, KeyError> {
    let named = text(jwk, "alg")?;
    named.map(|name| Algorithm::named(&name).ok_or(KeyError::OtherAlgorithm)).transpose()
}

fn rsa(jwk: &Object) -> Result<Material, KeyError> {
    let components = RsaPublicKeyComponents { n: integer(jwk, "n")?, e: integer(jwk, "e")? };
    let info: PublicKeyX509Der = components.as_der().map_err(|_| KeyError::Malformed)?;
    pem::public_key(info.as_ref())
}

fn ec(jwk: &Object) -> Result<Material, KeyError> {
    let curve = match &*text(jwk, "crv")?.ok_or(KeyError::Malformed)? {
        "P-256" => Curve::P256,
        "P-384" => Curve::P384,
        "P-521" => Curve::P521,
        _ => return Err(KeyError::UnknownType),
    };
    let mut point = vec![UNCOMPRESSED];
    for name in ["x", "y"] {
        // Full length, leading zeros included (RFC 7518 section 6.2.1.2).
        let coordinate = bytes(jwk, name)?;
        if coordinate.len() != curve.coordinate_len() {
            return Err(KeyError::Malformed);
        }
        point.extend(coordinate);
    }
    Ok(Material::Ec(curve, point))
}

/// What a point that is given by both coordinates begins with (SEC 1 section 2.3.3).
const UNCOMPRESSED: u8 = 4;

fn okp(jwk: &Object) -> Result<Material, KeyError> {
    match &*text(jwk, "crv")?.ok_or(KeyError::Malformed)? {
        "Ed25519" => bytes(jwk, "x").map(Material::Ed25519),
        _ => Err(KeyError::UnknownType),
    }
}

/// A string member; one of another type is malformed.
fn text<'j>(jwk: &'j Object, name: &str) -> Result<Option<Cow<'j, str>>, KeyError> {
    match jwk.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(KeyError::Malformed),
    }
}

fn bytes(jwk: &Object, name: &str) -> Result<Vec<u8>, KeyError> {
    let text = text(jwk, name)?.ok_or(KeyError::Malformed)?;
    URL_SAFE_NO_PAD.decode(&*text).map_err(|_| KeyError::Malformed)
}

/// A `Base64urlUInt`. Some issuers prefix a zero byte that does not belong there (RFC 7518 section 6.3.1.1).
fn integer(jwk: &Object, name: &str) -> Result<Vec<u8>, KeyError> {
    let mut bytes = bytes(jwk, name)?;
    let zeros = bytes.iter().take_while(|&&b| b == 0).count();
    bytes.drain(..zeros);
    Ok(bytes)
}
