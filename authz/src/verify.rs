//! From token bytes to [`Verified`], the only proof that a signature held.

use std::num::NonZero;
use std::rc::Rc;

use crate::header::Header;
use crate::json::{Object, Value};
use crate::key::Key;
use crate::keys::KeysAtHand;
use crate::registered::Registered;
use crate::scope::User;
use crate::token::Compact;
use crate::{ClaimName, Denied};

/// Header and claims of a token whose signature held. Nothing else makes one.
#[derive(Debug)]
pub struct Verified {
    header: Rc<Header>,
    claims: Object,
    registered: Registered,
    key: Rc<Key>,
}

impl Verified {
    /// The JOSE header (RFC 7515 section 4).
    pub fn header(&self) -> &Object {
        self.header.object()
    }

    /// The claims (RFC 7519 section 4). That they were signed does not mean that they are in force.
    pub fn claims(&self) -> &Object {
        &self.claims
    }

    /// The note of the key whose signature it is, if one was set; see [`crate::KeyView::set_note`].
    pub fn key_note(&self) -> Option<NonZero<u32>> {
        self.key.origin.note.get()
    }

    pub(crate) fn forget_members(&self) {
        self.header().forget_members();
        self.claims.forget_members();
    }

    /// The user that the claims name.
    ///
    /// # Errors
    /// See [`User::of`].
    pub(crate) fn user(&self, name: &ClaimName) -> Result<User, Denied> {
        User::of(&self.claims, self.registered.user, name)
    }

    pub(crate) fn typ(&self) -> Option<Value<'_>> {
        self.header.typ()
    }

    pub(crate) fn has_usual_type(&self) -> bool {
        self.header.has_usual_type
    }

    pub(crate) fn registered(&self) -> &Registered {
        &self.registered
    }

    /// The key whose signature it is.
    pub(crate) fn key(&self) -> &Rc<Key> {
        &self.key
    }
}

/// Verifies the signature, and reads the claims only then, `user` among them.
///
/// # Errors
/// The token is malformed, or no key that its header selects verifies it.
pub(crate) fn verify(keys: KeysAtHand, user: &ClaimName, token: &[u8]) -> Result<Verified, Denied> {
    let token = Compact::split(token)?;
    let known = keys.keys.known_headers();
    let header = match known.find(token.header) {
        Some(header) => header,
        None => Rc::new(Header::read(token.header)?),
    };
    let payload = token.payload()?;
    let verifying = |signature: &_| keys.verifying(&header, |key| key.verifies(token.signed, signature));
    let key = token.with_signature(keys.keys.signature_room(), verifying)??.clone();
    known.keep(token.header, &header);
    let read = Object::read(payload, |claims| Registered::of(claims, user));
    let (claims, registered) = read.map_err(|_| Denied::Payload)?;
    let mut verified = Verified { header, claims, registered, key };
    if let Some(key) = key_of_issuer(keys, &verified, token) {
        verified.key = key;
    }
    Ok(verified)
}

/// Where the key that verifies is tied to another issuer than the token's, the one that verifies it, too, and is not:
/// providers share keys among their tenants.
fn key_of_issuer(keys: KeysAtHand, verified: &Verified, token: Compact) -> Option<Rc<Key>> {
    verified.key.issuer.as_ref()?;
    let Value::String(iss) = verified.claims.value(verified.registered.iss?) else { return None };
    if verified.key.is_good_for(&iss) {
        return None;
    }
    let verifying = |signature: &_| {
        keys.verifying_for(&verified.header, &iss, |key| key.verifies(token.signed, signature)).cloned()
    };
    token.with_signature(keys.keys.signature_room(), verifying).ok()?
}

/// Whether a token that no key verifies may be signed with one that is published, but not fetched yet.
pub(crate) fn may_be_newer(keys: KeysAtHand, token: &[u8]) -> bool {
    let header = Compact::split(token).and_then(|token| Header::read(token.header));
    header.is_ok_and(|header| keys.may_be_outdated(&header))
}
