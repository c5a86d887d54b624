//! The decision of `ngx_http_jwt_user_scope_module`: may the bearer of this token reach this path?
//!
//! A [`Policy`] is built once, from the configuration. [`decide`] takes it with plain bytes and a time, and answers with
//! a [`Decision`]. No clock, logger or allocator of the caller is seen here, and nothing of nginx.

mod claims;
mod denied;
mod json;
mod keys;
mod path;
mod policy;
mod scope;
mod token;
mod verify;

pub use denied::{Challenge, Denied};
pub use keys::{KeyError, Keys, secret_of_file};
pub use path::Path;
pub use policy::{NoKeys, Policy, Scope};
pub use scope::{ClaimName, ClaimNameError, User};
pub use token::bearer;
pub use verify::Verified;

/// What a request brings to the decision.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The path, judged where a user is compared.
    pub path: Path<'a>,
    /// The token, if the request has one; see [`bearer`].
    pub token: Option<&'a [u8]>,
    /// The user that the location belongs to; not looked at under [`Scope::Any`].
    pub user: &'a [u8],
}

/// Why a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The token is valid and good for the location.
    Ok,
}

impl Granted {
    /// The result word, as `$jwt_user_scope_result` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
        }
    }
}

/// A verified token that every rule on tokens has passed, and whom it names.
#[derive(Debug)]
pub struct Identity {
    token: Verified,
    user: User,
    /// Which member of an array claim matched.
    matched: Option<usize>,
}

impl Identity {
    /// The token.
    pub fn token(&self) -> &Verified {
        &self.token
    }

    /// The verified user; of an array claim, the member that matched.
    pub fn user(&self) -> Option<&str> {
        match &self.user {
            User::One(name) => Some(name),
            User::AnyOf(names) => names.get(self.matched?).map(|name| &**name),
        }
    }
}

/// The answer, and the identity behind it.
#[derive(Debug)]
pub struct Decision {
    /// Whether the request may go on.
    pub outcome: Result<Granted, Denied>,
    /// Present unless the token was refused (or, under the path rule, not looked at): a refusal with 403 has one.
    pub identity: Option<Identity>,
}

/// Decides on a request. `now` is in seconds since the epoch.
pub fn decide(policy: &Policy, input: Input, now: u64) -> Decision {
    if policy.scope == Scope::User && !input.path.is_unambiguous() {
        return Decision { outcome: Err(Denied::AmbiguousPath), identity: None };
    }
    match authenticate(policy, input.token, now) {
        Err(denied) => Decision { outcome: Err(denied), identity: None },
        Ok(mut identity) => {
            let outcome = authorize(policy, &mut identity, input.user);
            Decision { outcome, identity: Some(identity) }
        }
    }
}

/// Who the token names: every rule that answers 401, in the order of the contract.
fn authenticate(policy: &Policy, token: Option<&[u8]>, now: u64) -> Result<Identity, Denied> {
    let token = verify::verify(&policy.keys, token.ok_or(Denied::MissingToken)?)?;
    claims::check_time(token.claims(), now)?;
    claims::check_type(&token)?;
    let user = User::of(token.claims(), &policy.claim)?;
    Ok(Identity { token, user, matched: None })
}

/// Whether that user may reach the location: the rules that answer 403.
fn authorize(policy: &Policy, identity: &mut Identity, expected: &[u8]) -> Result<Granted, Denied> {
    if policy.scope == Scope::User {
        if expected.is_empty() {
            return Err(Denied::EmptyScope);
        }
        identity.matched = identity.user.matching(expected);
        identity.matched.ok_or(Denied::UserMismatch)?;
    }
    Ok(Granted::Ok)
}
