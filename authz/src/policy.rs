//! The rules of one location, built once at configuration. An invalid one cannot be built.

use std::fmt;
use std::rc::Rc;

use crate::keys::Keys;
use crate::scope::ClaimName;

/// What a token must be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The user claim must equal the given value (`on`, or a value).
    User,
    /// Any valid token (`any`).
    Any,
}

/// The rules of one location.
pub struct Policy {
    pub(crate) scope: Scope,
    pub(crate) claim: ClaimName,
    pub(crate) keys: Rc<Keys>,
}

/// A policy without a key, which could only refuse.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NoKeys;

impl fmt::Display for NoKeys {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("has no key to verify tokens with")
    }
}

impl std::error::Error for NoKeys {}

impl Policy {
    /// Puts the rules together.
    ///
    /// # Errors
    /// There is no key.
    pub fn new(scope: Scope, claim: ClaimName, keys: Rc<Keys>) -> Result<Self, NoKeys> {
        if keys.is_empty() { Err(NoKeys) } else { Ok(Self { scope, claim, keys }) }
    }

    /// What a token must be good for.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}
