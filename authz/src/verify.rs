//! From token bytes to [`Verified`], the only proof that a signature held.

use std::rc::Rc;

use crate::Denied;
use crate::algorithm::Algorithm;
use crate::json::{Object, Value};
use crate::key::Key;
use crate::keys::{KeysAtHand, Named};
use crate::token::Unverified;

/// Header and claims of a token whose signature held. Nothing else makes one.
#[derive(Debug)]
pub struct Verified {
    header: Object,
    claims: Object,
    key: Rc<Key>,
}

impl Verified {
    /// The JOSE header (RFC 7515 section 4).
    pub fn header(&self) -> &Object {
        &self.header
    }

    /// The claims (RFC 7519 section 4). That they were signed does not mean that they are in force.
    pub fn claims(&self) -> &Object {
        &self.claims
    }

    /// The issuer that the key is tied to.
    pub(crate) fn issuer_of_key(&self) -> Option<&str> {
        self.key.issuer.as_deref()
    }
}

/// Verifies the signature, and reads the claims only then.
///
/// # Errors
/// The token is malformed, or no key that its header selects verifies it.
pub(crate) fn verify(keys: KeysAtHand, token: &[u8]) -> Result<Verified, Denied> {
    let Unverified { signed, header, payload, signature } = Unverified::split(token)?;
    let header = Object::parse(header).map_err(|_| Denied::Header)?;
    let key = keys.verifying(&named(&header)?, |key| key.verifies(signed, &signature))?.clone();
    let claims = Object::parse(payload).map_err(|_| Denied::Payload)?;
    Ok(Verified { header, claims, key })
}

/// Whether a token that no key verifies may be signed with one that is published, but not fetched yet.
pub(crate) fn may_be_newer(keys: KeysAtHand, token: &[u8]) -> bool {
    let header = Unverified::split(token).ok().and_then(|token| Object::parse(token.header).ok());
    header.is_some_and(|header| named(&header).is_ok_and(|named| keys.may_be_outdated(&named)))
}

/// What the header says about the key. Members that carry keys, or say where one is (`jku`, `jwk`, `x5u`, `x5c`), are not
/// looked at (RFC 8725 section 3.10).
fn named(header: &Object) -> Result<Named<'_>, Denied> {
    if header.get("crit").is_some() {
        return Err(Denied::Critical);
    }
    let kid = match header.get("kid") {
        None => None,
        Some(Value::String(kid)) => Some(kid),
        Some(_) => return Err(Denied::HeaderMember),
    };
    match header.get("alg") {
        Some(Value::String(alg)) => Ok(Named { algorithm: Algorithm::named(&alg), kid }),
        _ => Err(Denied::HeaderMember),
    }
}
