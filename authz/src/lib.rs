//! The decision of `ngx_http_jwt_user_scope_module`: may the bearer of this token reach this path?
//!
//! A [`Policy`] is built once, from the configuration. [`decide`] takes it with plain bytes and a time, and answers with
//! a [`Decision`]. No clock, logger or allocator of the caller is seen here, and nothing of nginx.

use std::cell::{Cell, RefCell};
use std::num::NonZero;
use std::rc::Rc;

use cache::Slot;
use denied::place_of;
use keys::KeysAtHand;
use scope::User;

#[macro_use]
mod faults;

mod algorithm;
mod cache;
mod claims;
mod cover;
mod denied;
mod encoding;
mod guard;
mod header;
mod json;
mod jwk;
mod key;
mod key_file;
mod keys;
mod location;
mod path;
mod pem;
mod policy;
mod preflight;
mod public_key;
mod readers;
mod regex;
mod registered;
mod scope;
mod secret;
mod template;
mod token;
mod verify;

pub use algorithm::{AlgorithmError, Algorithms};
pub use cache::Cache;
pub use cover::{Awaited, Comparison, Cover};
pub use denied::{Challenge, Denied, Detail, WORDS};
pub use encoding::Encoding;
pub use guard::{Guard, Judgement, Readings, Under};
pub use json::{Object, Value};
pub use jwk::{KeySetError, MAX_SET_BYTES, MAX_SET_KEYS};
pub use key::{KeyLabel, KeyView, MAX_TRIED};
pub use key_file::KeyFileError;
pub use keys::{KeySet, Keys};
pub use location::{demands_slash, is_unanchored, literal_start, stops_at_line_end, swallows, takes_part_of_segment};
pub use path::Path;
pub use policy::{NoKeys, Policy, Rules, Scope};
pub use preflight::is_preflight;
pub use public_key::KeyError;
pub use scope::{ClaimName, ClaimNameError, is_whole_in_a_header};
pub use secret::{SecretError, SecretForm, current_secret, secret_of_file};
pub use template::TemplateError;
pub use token::{bearer, tokens};
pub use verify::Verified;

/// What a request brings to the decision.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The path, judged where a user is compared.
    pub path: Path<'a>,
    /// The request is a CORS preflight.
    pub preflight: bool,
    /// The token, if the request has one; see [`bearer`].
    pub token: Option<&'a [u8]>,
    /// A token that the request carries at a second place. It must be the same.
    pub second_token: Option<&'a [u8]>,
    /// The user that the location belongs to; not looked at under [`Scope::Any`].
    pub user: &'a [u8],
    /// The key sets of the location, in the state of this moment; `None` for one that was never fetched.
    pub key_sets: &'a [Option<Rc<KeySet>>],
}

/// What the decision asks of the caller, once the token is verified and its claims can be read.
pub trait Conditions {
    /// Whether this token may reach any user's path.
    fn bypass(&mut self, identity: &Rc<Identity>) -> bool;
    /// The refusal, if the location requires more than the token and its user. `matched` tells which member of an array
    /// claim the user is.
    fn requirement(&mut self, identity: &Rc<Identity>, matched: Option<usize>) -> Result<(), Denied>;
}

/// No condition.
impl Conditions for () {
    fn bypass(&mut self, _: &Rc<Identity>) -> bool {
        false
    }

    fn requirement(&mut self, _: &Rc<Identity>, _: Option<usize>) -> Result<(), Denied> {
        Ok(())
    }
}

/// Why a request may go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Granted {
    /// The token is valid and good for the location.
    Ok,
    /// The token is valid, and its bearer may reach any user's path.
    Bypassed,
    /// A CORS preflight, which carries no token.
    Preflight,
}

impl Granted {
    /// The result word, as `$jwt_user_scope_result` shows it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Bypassed => "bypassed",
            Self::Preflight => "preflight",
        }
    }
}

/// A claim that has been looked for: its name, and how a variable shows it.
type Shown = (Rc<ClaimName>, Option<Rc<str>>);

/// A verified token that every rule on tokens has passed, and whom it names.
#[derive(Debug)]
pub struct Identity {
    token: Verified,
    user: User,
    /// Where the cache is to keep it, once it is let through.
    place: Cell<Option<Slot>>,
    /// Claims that have been looked for.
    shown: RefCell<Vec<Shown>>,
}

impl Identity {
    /// A claim as a variable shows it; see [`Value::into_shown`]. Looked for once for each `name`, which is told by its
    /// address.
    pub fn shown(&self, name: &Rc<ClaimName>) -> Option<Rc<str>> {
        if let Some((_, shown)) = self.shown.borrow().iter().find(|(known, _)| Rc::ptr_eq(known, name)) {
            return shown.clone();
        }
        let shown = name.find(self.token.claims()).and_then(Value::into_shown).map(Rc::from);
        self.shown.borrow_mut().push((Rc::clone(name), shown.clone()));
        shown
    }

    /// Forgets what was found when variables were read, which gives that memory back.
    pub fn forget_found(&self) {
        self.shown.take();
        self.token.forget_members();
    }

    /// The token.
    pub fn token(&self) -> &Verified {
        &self.token
    }

    /// The user; of an array claim, the member that matched.
    pub fn user(&self, matched: Option<usize>) -> Option<&str> {
        self.user.name(self.token.claims(), matched)
    }
}

/// The answer, and the identity behind it.
#[derive(Debug)]
pub struct Decision {
    /// Whether the request may go on.
    pub outcome: Result<Granted, Denied>,
    /// Present unless the token was refused or not looked at: a refusal with 403 has one, one with 401 has none.
    pub identity: Option<Rc<Identity>>,
    /// Which member of an array claim matched.
    matched: Option<usize>,
}

impl Decision {
    /// A decision without a token.
    pub const fn without_identity(outcome: Result<Granted, Denied>) -> Self {
        Self { outcome, identity: None, matched: None }
    }

    /// The result word, as `$jwt_user_scope_result` shows it.
    pub fn word(&self) -> &'static str {
        match self.outcome {
            Ok(granted) => granted.word(),
            Err(denied) => denied.word(),
        }
    }

    /// The place of that word in [`WORDS`].
    pub fn word_index(&self) -> usize {
        match self.outcome {
            Ok(Granted::Ok) => const { place_of("ok") },
            Ok(Granted::Bypassed) => const { place_of("bypassed") },
            Ok(Granted::Preflight) => const { place_of("preflight") },
            Err(denied) => denied.word_index(),
        }
    }

    /// The verified user; of an array claim, the member that matched.
    pub fn user(&self) -> Option<&str> {
        self.identity.as_deref()?.user(self.matched)
    }
}

/// What can be said of a request before its user is compared. It depends on the policy, the time, and the input but for
/// its user.
#[derive(Clone, Debug)]
pub enum Examined {
    /// The token is good, and names somebody.
    Identity(Rc<Identity>),
    /// No token is asked for.
    Preflight,
}

/// What was done to examine a request, for whoever counts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Trace {
    /// The signature of the token held.
    pub signed: bool,
    /// It was known to hold, and not checked again.
    pub remembered: bool,
    /// The note of the key that it is of, if one was set; see [`KeyView::set_note`].
    pub note: Option<NonZero<u32>>,
}

impl Trace {
    fn held(&mut self, token: &Verified, remembered: bool) {
        *self = Self { signed: true, remembered, note: token.key_note() };
    }
}

/// Decides on a request. `now` is in seconds since the epoch.
pub fn decide(policy: &Policy, input: Input, now: u64, conditions: &mut impl Conditions) -> Decision {
    conclude(policy, examine(policy, input, now), input, now, conditions)
}

/// The first part of [`decide`]: the path, the token and its claims.
///
/// # Errors
/// The refusal.
pub fn examine(policy: &Policy, input: Input, now: u64) -> Result<Examined, Denied> {
    examine_traced(policy, input, now, &mut Trace::default())
}

/// The same, telling what was done; for a refusal too.
///
/// # Errors
/// The refusal.
pub fn examine_traced(policy: &Policy, input: Input, now: u64, trace: &mut Trace) -> Result<Examined, Denied> {
    fault!("examine" in input.path.raw);
    if policy.refuses_path(input.path) {
        return Err(Denied::AmbiguousPath);
    }
    if policy.rules.preflight && input.preflight {
        return Ok(Examined::Preflight);
    }
    authenticate(policy, &input, now, trace).map(Examined::Identity)
}

/// The second part of [`decide`]: the user and the conditions. A token that is let through is remembered.
pub fn conclude(
    policy: &Policy,
    examined: Result<Examined, Denied>,
    input: Input,
    now: u64,
    conditions: &mut impl Conditions,
) -> Decision {
    let identity = match examined {
        Ok(Examined::Identity(identity)) => identity,
        Ok(Examined::Preflight) => return Decision::without_identity(Ok(Granted::Preflight)),
        Err(denied) => return Decision::without_identity(Err(denied)),
    };
    fault!("conclude" in identity.token.claims().text().as_bytes());
    let matched = identity.user.matching(identity.token.claims(), input.user);
    let outcome = authorize(policy, &identity, input.user, matched, conditions);
    if outcome.is_ok() {
        remember(policy, &input, &identity, now);
    }
    let identity = (!matches!(outcome, Err(denied) if denied.status() == 401)).then_some(identity);
    Decision { outcome, identity, matched }
}

/// The token with its signature verified, and nothing else of it judged: for whoever explains a decision.
///
/// # Errors
/// There is none, it is malformed, or no key verifies it.
pub fn verified(policy: &Policy, input: Input) -> Result<Verified, Denied> {
    verify::verify(at_hand(policy, &input), &policy.claim, input.token.ok_or(Denied::MissingToken)?)
}

/// Whether a refused token may be good with a key that was published after the key sets were fetched: the one early
/// fetch that its `kid` is worth. Of one that another set may hold, too, this is said of the sets that are there.
pub fn may_lack_key(policy: &Policy, input: Input, denied: Denied) -> bool {
    use Denied::{BadSignature, KeysUnavailable, UnknownKey, UnsupportedAlgorithm};
    matches!(denied, UnsupportedAlgorithm | UnknownKey | BadSignature | KeysUnavailable)
        && input.token.is_some_and(|token| verify::may_be_newer(at_hand(policy, &input), token))
}

fn at_hand<'k>(policy: &'k Policy, input: &Input<'k>) -> KeysAtHand<'k> {
    KeysAtHand { keys: &policy.keys, sets: input.key_sets }
}

/// Who the token names: the rules that answer 401, in the order of the contract.
fn authenticate(policy: &Policy, input: &Input, now: u64, trace: &mut Trace) -> Result<Rc<Identity>, Denied> {
    let token = input.token.ok_or(Denied::MissingToken)?;
    if input.second_token.is_some_and(|second| second != token) {
        return Err(Denied::TwoTokens);
    }
    let Some(cache) = &policy.cache else { return identify(policy, input, token, None, now, trace) };
    let place = cache.place(token);
    let sought = place.of(token, &policy.keys, &policy.claim);
    match cache.find(sought, at_hand(policy, input)) {
        Some(identity) => {
            trace.held(&identity.token, true);
            let checked = claims::check(&policy.rules, &identity.token, now);
            if checked == Err(Denied::Expired) {
                cache.forget(sought);
            }
            checked.map(|()| identity)
        }
        None => identify(policy, input, token, Some(place), now, trace),
    }
}

/// Remembers a token that was let through, unless it is remembered.
fn remember(policy: &Policy, input: &Input, identity: &Rc<Identity>, now: u64) {
    let (Some(cache), Some(token), Some(place)) = (&policy.cache, input.token, identity.place.take()) else { return };
    cache.keep(place.of(token, &policy.keys, &policy.claim), identity, now);
}

/// Who a token names that has not been seen before.
fn identify(
    policy: &Policy,
    input: &Input,
    token: &[u8],
    place: Option<Slot>,
    now: u64,
    trace: &mut Trace,
) -> Result<Rc<Identity>, Denied> {
    let token = verify::verify(at_hand(policy, input), &policy.claim, token)?;
    trace.held(&token, false);
    fault!("claims" in token.claims().text().as_bytes());
    claims::check(&policy.rules, &token, now)?;
    token.registered().check_strings(&policy.claim)?;
    let user = token.user(&policy.claim)?;
    Ok(Rc::new(Identity { token, user, place: Cell::new(place), shown: RefCell::default() }))
}

/// Whether that user may reach the location: the user or the bypass, then what else is required.
fn authorize(
    policy: &Policy,
    identity: &Rc<Identity>,
    expected: &[u8],
    matched: Option<usize>,
    conditions: &mut impl Conditions,
) -> Result<Granted, Denied> {
    let granted = match policy.scope {
        Scope::Any => Granted::Ok,
        // No user's path, so not one that a bypass opens.
        Scope::User if expected.is_empty() => return Err(Denied::EmptyScope),
        Scope::User if matched.is_some() => Granted::Ok,
        Scope::User if conditions.bypass(identity) => Granted::Bypassed,
        Scope::User => return Err(Denied::UserMismatch),
    };
    conditions.requirement(identity, matched)?;
    Ok(granted)
}
