//! Verified tokens, remembered, so that a token seen again costs no signature check.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::{Hash, Hasher, RandomState};
use std::num::NonZeroUsize;
use std::rc::Rc;

use quick_cache::unsync::DefaultLifecycle;
use quick_cache::{Equivalent, UnitWeighter, unsync};

use crate::Identity;
use crate::keys::{Keys, KeysAtHand};
use crate::scope::ClaimName;

/// Seconds between two looks for tokens whose life is over.
const SWEEP: u64 = 60;

/// Tokens whose signature held, and what they said. It vouches for nothing else: every rule but the signature is applied to
/// each request, and a key that is no longer at hand takes its tokens along.
pub struct Cache {
    // Scans do not empty it: what is seen once does not push out what is seen often.
    tokens: RefCell<unsync::Cache<Remembered, Rc<Identity>, UnitWeighter, RandomState>>,
    sweep_at: Cell<u64>,
}

/// What an identity was found out from: the whole token, the keys of the location, and the claim that names the user.
struct Remembered {
    token: Box<[u8]>,
    keys: Rc<Keys>,
    claim: Rc<ClaimName>,
}

/// The same, borrowed from a request.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'r> {
    pub token: &'r [u8],
    pub keys: &'r Rc<Keys>,
    pub claim: &'r Rc<ClaimName>,
}

impl Remembered {
    fn sought(&self) -> Sought<'_> {
        Sought { token: &self.token, keys: &self.keys, claim: &self.claim }
    }
}

impl PartialEq for Sought<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.token == other.token && Rc::ptr_eq(self.keys, other.keys) && self.claim == other.claim
    }
}

impl PartialEq for Remembered {
    fn eq(&self, other: &Self) -> bool {
        self.sought() == other.sought()
    }
}

impl Eq for Remembered {}

impl Equivalent<Remembered> for Sought<'_> {
    fn equivalent(&self, remembered: &Remembered) -> bool {
        *self == remembered.sought()
    }
}

/// The end of the token, which is of its signature: among verified tokens nobody chooses it, so that the seeded hash need
/// not read all of it.
impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        const END: usize = 40;
        state.write(&self.token[self.token.len().saturating_sub(END)..]);
    }
}

impl Hash for Remembered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.sought().hash(state);
    }
}

impl Cache {
    /// Room for `max` tokens, taken as they come.
    pub fn new(max: NonZeroUsize) -> Self {
        let max = max.get();
        let seeded = RandomState::new();
        let tokens = unsync::Cache::with(max, max as u64, UnitWeighter, seeded, DefaultLifecycle::default());
        Self { tokens: RefCell::new(tokens), sweep_at: Cell::new(0) }
    }

    /// What a token said when it was verified, if the key that verified it is still at hand.
    pub(crate) fn find(&self, sought: Sought, at_hand: KeysAtHand) -> Option<Rc<Identity>> {
        let identity = self.tokens.borrow().get(&sought)?.clone();
        if at_hand.include(identity.token().key()) {
            return Some(identity);
        }
        self.forget(sought);
        None
    }

    /// Remembers a token that was accepted.
    pub(crate) fn keep(&self, sought: Sought, identity: &Rc<Identity>, now: u64) {
        let mut tokens = self.tokens.borrow_mut();
        // A time far ahead is one of a clock that has been set back since.
        if now >= self.sweep_at.get() || self.sweep_at.get() > now + SWEEP {
            tokens.retain(|_, identity| !identity.token().times().is_over(now));
            self.sweep_at.set(now + SWEEP);
        }
        let remembered =
            Remembered { token: sought.token.into(), keys: sought.keys.clone(), claim: sought.claim.clone() };
        tokens.insert(remembered, identity.clone());
    }

    /// Forgets a token.
    pub(crate) fn forget(&self, sought: Sought) {
        self.tokens.borrow_mut().remove(&sought);
    }

    /// How many tokens are remembered now.
    pub fn len(&self) -> usize {
        self.tokens.borrow().len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Nothing of the tokens.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).finish_non_exhaustive()
    }
}
