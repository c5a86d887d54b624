//! Files of public keys, told apart by content: PEM, JWK or JWK Set.

use std::fmt;
use std::rc::Rc;

use crate::algorithm::Algorithms;
use crate::json::Object;
use crate::jwk::{self, KeySetError, MAX_SET_BYTES};
use crate::key::{Key, KeyLabel, MAX_TRIED};
use crate::pem;
use crate::public_key::{KeyError, PublicKey};

/// Why a key file is refused. The texts follow its name, and name the remedy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyFileError {
    /// Larger than [`MAX_SET_BYTES`].
    TooLarge,
    /// Neither PEM nor JSON.
    Unknown,
    /// JSON, but neither a JWK nor a JWK Set.
    NotAKey,
    /// A set that cannot be used.
    Set(KeySetError),
    /// One of its keys, counted from 1, and why it is unfit.
    Key(usize, KeyError),
    /// Every key is skipped.
    NoUsableKey,
    /// More keys of one `kid`, or without one, for one algorithm than are tried for a token.
    TooManyKeys,
}

impl fmt::Display for KeyFileError {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        match self {
            Self::TooLarge => write!(f, "is larger than {} KiB", MAX_SET_BYTES / 1024),
            Self::Unknown => {
                f.write_str("is neither PEM (a public key or a certificate) nor JSON (a JWK or a JWK Set)")
            }
            Self::NotAKey => f.write_str("is neither a JWK nor a JWK Set: a JSON object with \"kty\" or \"keys\""),
            Self::Set(error) => write!(f, "{error}"),
            Self::Key(number, error) => write!(f, "holds a key that {error} (key {number})"),
            Self::NoUsableKey => f.write_str(
                "holds no key to verify tokens with: shared secrets and keys for other uses, of unsupported types or \
                 for algorithms that are not allowed are skipped",
            ),
            Self::TooManyKeys => write!(
                f,
                "makes more than {MAX_TRIED} keys of one \"kid\", or without one, for one algorithm, and no more are \
                 tried for a token: leave old keys out, or give each a \"kid\" of its own"
            ),
        }
    }
}

impl std::error::Error for KeyFileError {}

/// Reads the keys of a file. A set may hold keys for other uses; a key that is given on its own must be usable.
pub(crate) fn read(
    content: &[u8],
    allowed: Option<Algorithms>,
    label: &KeyLabel,
) -> Result<Vec<Rc<Key>>, KeyFileError> {
    if content.len() > MAX_SET_BYTES {
        return Err(KeyFileError::TooLarge);
    }
    let (members, may_skip) = members(content)?;
    let several = members.len() > 1;
    let mut keys = Vec::new();
    for (number, member) in (1_u64..).zip(members) {
        match member.and_then(|key| key.bind(allowed, label)) {
            Ok(bound) => {
                let without_kid = bound.iter().filter(|key| several && key.kid.is_none());
                without_kid.for_each(|key| key.origin.part.set(Some(number)));
                keys.extend(bound);
            }
            Err(error) if may_skip && error.is_skipped() => {}
            Err(error) => return Err(KeyFileError::Key(number as usize, error)),
        }
    }
    if keys.is_empty() { Err(KeyFileError::NoUsableKey) } else { Ok(keys) }
}

type Members = Vec<Result<PublicKey, KeyError>>;

/// The keys of a file, and whether they are a set.
fn members(content: &[u8]) -> Result<(Members, bool), KeyFileError> {
    if content.trim_ascii_start().starts_with(b"{") {
        return json(content);
    }
    if !pem::is_pem(content) {
        return Err(KeyFileError::Unknown);
    }
    let unnamed = |material| PublicKey { material, kid: None, algorithm: None };
    Ok((pem::keys(content).into_iter().map(|key| key.map(unnamed)).collect(), false))
}

fn json(content: &[u8]) -> Result<(Members, bool), KeyFileError> {
    let object = Object::parse(content.into()).map_err(|_| KeyFileError::NotAKey)?;
    if object.get("keys").is_some() {
        Ok((jwk::members(&object).map_err(KeyFileError::Set)?, true))
    } else if object.get("kty").is_some() {
        Ok((vec![jwk::public_key(&object)], false))
    } else {
        Err(KeyFileError::NotAKey)
    }
}
