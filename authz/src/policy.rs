//! The rules of one location, built once at configuration. An invalid one cannot be built.

use std::fmt;
use std::rc::Rc;

use crate::cache::Cache;
use crate::keys::Keys;
use crate::path::Path;
use crate::scope::ClaimName;

/// What a token must be good for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// The user claim must equal the given value (`on`, or a value).
    User,
    /// Any valid token (`any`).
    Any,
}

/// The rules of one location but for its keys. The default lets any claim pass that no rule must see.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Accepted issuers; empty accepts every one, and none at all.
    pub issuers: Vec<Box<str>>,
    /// Accepted audiences; empty accepts every one, and none at all.
    pub audiences: Vec<Box<str>>,
    /// Accepted types; empty for `JWT`, `at+jwt` or none.
    pub types: Vec<Box<str>>,
    /// Clock skew allowed on `exp` and `nbf`, in seconds.
    pub leeway: u64,
    /// How long a token may be issued for, in seconds; 0 for any time.
    pub max_lifetime: u64,
    /// Real CORS preflights pass without a token.
    pub preflight: bool,
    /// Any path is taken as nginx reads it, though a backend may read it differently.
    pub any_path: bool,
}

/// All rules of one location.
pub struct Policy {
    pub(crate) scope: Scope,
    pub(crate) claim: Rc<ClaimName>,
    pub(crate) keys: Rc<Keys>,
    pub(crate) rules: Rules,
    pub(crate) cache: Option<Rc<Cache>>,
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
    pub fn new(scope: Scope, claim: ClaimName, keys: Rc<Keys>, rules: Rules) -> Result<Self, NoKeys> {
        if keys.is_empty() { Err(NoKeys) } else { Ok(Self { scope, claim: claim.into(), keys, rules, cache: None }) }
    }

    /// Remembers verified tokens, in a place that policies may share.
    pub fn remembering(self, cache: Rc<Cache>) -> Self {
        Self { cache: Some(cache), ..self }
    }

    /// Forgets all that it has remembered of tokens, which gives the memory back.
    pub fn forget_tokens(&self) {
        self.keys.known_headers().clear();
        if let Some(cache) = &self.cache {
            cache.clear();
        }
    }

    /// Whether a user is compared here, and this path is not one that every backend reads as nginx does.
    pub fn refuses_path(&self, path: Path) -> bool {
        self.scope == Scope::User && !self.rules.any_path && !path.is_unambiguous()
    }

    /// What a token must be good for.
    pub fn scope(&self) -> Scope {
        self.scope
    }
}
