//! From token bytes to [`Verified`], the only proof that a signature held.

use std::borrow::Cow;

use crate::Denied;
use crate::json::{Object, Value};
use crate::keys::Keys;
use crate::token::Unverified;

/// Header and claims of a token whose signature held. Nothing else makes one.
#[derive(Debug)]
pub struct Verified {
    header: Object,
    claims: Object,
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
}

/// Verifies the signature, and reads the claims only then.
///
/// # Errors
/// The token is malformed, or no key that its header selects verifies it.
pub fn verify(keys: &Keys, token: &[u8]) -> Result<Verified, Denied> {
    let Unverified { signed, header, payload, signature } = Unverified::split(token)?;
    let header = Object::parse(header).map_err(|_| Denied::Header)?;
    check_signature(keys, &check_header(&header)?, signed, &signature)?;
    let claims = Object::parse(payload).map_err(|_| Denied::Payload)?;
    Ok(Verified { header, claims })
}

fn check_signature(keys: &Keys, alg: &str, signed: &[u8], signature: &Vec<u8>) -> Result<(), Denied> {
    let mut keys = keys.used_with(alg).peekable();
    if keys.peek().is_none() {
        return Err(Denied::UnsupportedAlgorithm);
    }
    if keys.any(|key| key.verifies(signed, signature)) { Ok(()) } else { Err(Denied::BadSignature) }
}

/// The algorithm that the header names. Members that name or carry keys (`jku`, `jwk`, `x5u`, `x5c`) are not looked at
/// (RFC 8725 section 3.10).
fn check_header(header: &Object) -> Result<Cow<'_, str>, Denied> {
    if header.get("crit").is_some() {
        return Err(Denied::Critical);
    }
    if !matches!(header.get("kid"), None | Some(Value::String(_))) {
        return Err(Denied::HeaderMember);
    }
    match header.get("alg") {
        Some(Value::String(alg)) => Ok(alg),
        _ => Err(Denied::HeaderMember),
    }
}
