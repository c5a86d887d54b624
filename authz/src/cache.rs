//! Verified tokens, remembered, so that a token seen again costs no signature check.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::hash::{BuildHasher as _, BuildHasherDefault, Hash, Hasher, RandomState};
use std::num::NonZeroUsize;
use std::rc::Rc;
use std::sync::LazyLock;

use foldhash::SharedSeed;
use foldhash::quality::SeedableRandomState;
use quick_cache::unsync::DefaultLifecycle;
use quick_cache::{Equivalent, UnitWeighter, unsync};

use crate::Identity;
use crate::keys::{Keys, KeysAtHand};
use crate::scope::ClaimName;

/// Seconds between two looks for tokens whose life is over.
const SWEEP: u64 = 60;

/// How many tokens are looked at in one go: the request that finds it due waits for that, for a fraction of a millisecond.
const SHARD: usize = 2048;

/// Tokens whose signature held, and what they said. It vouches for nothing else: every rule but the signature is applied to
/// each request, and a key that is no longer at hand takes its tokens along.
pub struct Cache {
    shards: Box<[Shard]>,
    seed: SeedableRandomState,
}

/// A part of a cache, for tokens whose hashes say so.
struct Shard {
    // Scans do not empty it: what is seen once does not push out what is seen often.
    tokens: RefCell<unsync::Cache<Remembered, Rc<Identity>, UnitWeighter, BuildHasherDefault<Hashed>>>,
    sweep_at: Cell<u64>,
}

/// What an identity was found out from: the whole token, the keys of the location, and the claim that names the user.
struct Remembered {
    token: Box<[u8]>,
    keys: Rc<Keys>,
    claim: Rc<ClaimName>,
    hash: u64,
}

/// Where a cache keeps a token: its hash there.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Slot(u64);

impl Slot {
    /// What to seek there.
    pub fn of<'r>(self, token: &'r [u8], keys: &'r Rc<Keys>, claim: &'r Rc<ClaimName>) -> Sought<'r> {
        Sought { token, keys, claim, hash: self.0 }
    }
}

/// What is sought for a request: a [`Remembered`], borrowed.
#[derive(Clone, Copy)]
pub(crate) struct Sought<'r> {
    pub token: &'r [u8],
    pub keys: &'r Rc<Keys>,
    pub claim: &'r Rc<ClaimName>,
    /// That of the token.
    hash: u64,
}

impl Remembered {
    fn sought(&self) -> Sought<'_> {
        Sought { token: &self.token, keys: &self.keys, claim: &self.claim, hash: self.hash }
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

/// Computed once, whatever is done with it.
impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Remembered {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

/// A seed of its own for each cache, from the randomness that the standard library takes from the system.
fn seed() -> SeedableRandomState {
    fn random() -> u64 {
        RandomState::new().hash_one(())
    }
    static SHARED: LazyLock<SharedSeed> = LazyLock::new(|| SharedSeed::from_u64(random()));
    SeedableRandomState::with_seed(random(), &SHARED)
}

/// What is a hash already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, _: &[u8]) {
        unreachable!("only hashes are hashed");
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }
}

impl Cache {
    /// Room for `max` tokens. What finds them is allocated now, so that it need not grow while requests are served; what they
    /// take themselves comes with them.
    pub fn new(max: NonZeroUsize) -> Self {
        let (max, count) = (max.get(), max.get().div_ceil(SHARD));
        let shards = (0..count).map(|at| Shard::new(max / count + usize::from(at < max % count)));
        Self { shards: shards.collect(), seed: seed() }
    }

    /// Where a token is to be found. Hashed is its end, which is of its signature: among verified tokens nobody chooses it,
    /// so that the hash need neither read all of it nor withstand whoever knows its seed.
    pub(crate) fn place(&self, token: &[u8]) -> Slot {
        const END: usize = 16;
        Slot(self.seed.hash_one(&token[token.len().saturating_sub(END)..]))
    }

    /// The shard of a hash. By bits from the middle, since the table of a shard takes those of both ends.
    fn shard(&self, hash: u64) -> &Shard {
        let middle = u64::from((hash >> 24) as u32);
        &self.shards[((middle * self.shards.len() as u64) >> 32) as usize]
    }

    /// What a token said when it was verified, if the key that verified it is still at hand.
    pub(crate) fn find(&self, sought: Sought, at_hand: KeysAtHand) -> Option<Rc<Identity>> {
        let identity = self.shard(sought.hash).tokens.borrow().get(&sought)?.clone();
        if at_hand.include(identity.token().key()) {
            return Some(identity);
        }
        self.forget(sought);
        None
    }

    /// Remembers a token that was let through.
    pub(crate) fn keep(&self, sought: Sought, identity: &Rc<Identity>, now: u64) {
        let shard = self.shard(sought.hash);
        shard.sweep(now);
        let Sought { token, keys, claim, hash } = sought;
        let remembered = Remembered { token: token.into(), keys: keys.clone(), claim: claim.clone(), hash };
        shard.tokens.borrow_mut().insert(remembered, identity.clone());
    }

    /// Forgets a token.
    pub(crate) fn forget(&self, sought: Sought) {
        self.shard(sought.hash).tokens.borrow_mut().remove(&sought);
    }

    /// Forgets all.
    pub(crate) fn clear(&self) {
        self.shards.iter().for_each(|shard| shard.tokens.borrow_mut().clear());
    }

    /// How many tokens are remembered now.
    pub fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.tokens.borrow().len()).sum()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl Shard {
    fn new(max: usize) -> Self {
        let hashed = BuildHasherDefault::default();
        let mut tokens = unsync::Cache::with(max, max as u64, UnitWeighter, hashed, DefaultLifecycle::default());
        // Where there is not that much, an allocator may still say so without ending the process.
        if Vec::<[Remembered; 4]>::new().try_reserve_exact(max).is_ok() {
            tokens.reserve(max);
        }
        Self { tokens: RefCell::new(tokens), sweep_at: Cell::new(0) }
    }

    /// Forgets tokens whose life is over, once in a while.
    fn sweep(&self, now: u64) {
        // A time far ahead is one of a clock that has been set back since.
        let next = now.saturating_add(SWEEP);
        if now >= self.sweep_at.get() || self.sweep_at.get() > next {
            self.tokens.borrow_mut().retain(|_, identity| !identity.token().registered().is_over(now));
            self.sweep_at.set(next);
        }
    }
}

/// Nothing of the tokens.
impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.debug_struct("Cache").field("len", &self.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_the_end_of_a_token() {
        let cache = Cache::new(NonZeroUsize::MIN);
        let (keys, claim) = (Rc::<Keys>::default(), Rc::new(ClaimName::Member("uid".into())));
        let hashed = BuildHasherDefault::<Hashed>::default();
        let hash = |token: &str| {
            let sought = cache.place(token.as_bytes()).of(token.as_bytes(), &keys, &claim);
            let Sought { token, hash, .. } = sought;
            let remembered = Remembered { token: token.into(), keys: keys.clone(), claim: claim.clone(), hash };
            assert_eq!(hashed.hash_one(sought), hash, "{}", token.escape_ascii());
            assert_eq!(hashed.hash_one(&remembered), hash, "{}", token.escape_ascii());
            hash
        };
        let end = "0123456789012345";
        assert_eq!(hash(&format!("a{end}")), hash(&format!("b.c{end}")));
        assert_ne!(hash(&format!("a{end}")), hash(&format!("a1{}", &end[1..])));
        assert_ne!(hash("a"), hash("b"));
        assert_ne!(hash(""), hash("b"));
    }

    #[test]
    fn is_remembered_for_its_token_keys_and_claim() {
        let cache = Cache::new(NonZeroUsize::MIN);
        let claim = |name: &str| Rc::new(ClaimName::Member(name.into()));
        let (keys, others) = (Rc::<Keys>::default(), Rc::<Keys>::default());
        let remembered = |token: &str, keys: &Rc<Keys>, claim: &Rc<ClaimName>| {
            let Slot(hash) = cache.place(token.as_bytes());
            Remembered { token: token.as_bytes().into(), keys: keys.clone(), claim: claim.clone(), hash }
        };
        let one = remembered("a", &keys, &claim("uid"));
        assert!(one == remembered("a", &keys, &claim("uid")));
        assert!(one != remembered("b", &keys, &claim("uid")));
        assert!(one != remembered("a", &others, &claim("uid")));
        assert!(one != remembered("a", &keys, &claim("sub")));
    }

    #[test]
    fn shards_have_the_room_in_equal_parts() {
        for (max, count) in [(1, 1), (SHARD, 1), (SHARD + 1, 2), (3 * SHARD, 3), (3 * SHARD + 2, 4), (100_000, 49)] {
            let cache = Cache::new(NonZeroUsize::new(max).unwrap());
            let rooms: Vec<_> = cache.shards.iter().map(|shard| shard.tokens.borrow().capacity() as usize).collect();
            assert_eq!((rooms.len(), rooms.iter().sum::<usize>()), (count, max), "{max}");
            let (least, most) = (rooms.iter().min().unwrap(), rooms.iter().max().unwrap());
            assert!(most - least <= 1 && *most <= SHARD, "{max}: {least} to {most}");
        }
    }

    #[test]
    fn hashes_spread_over_the_shards() {
        const TOKENS: usize = 100_000;
        let cache = Cache::new(NonZeroUsize::new(10 * SHARD).unwrap());
        let mut found = [0; 10];
        for number in 0..TOKENS {
            let Slot(hash) = cache.place(format!("{number:016}").as_bytes());
            let own = cache.shards.iter().position(|shard| std::ptr::eq(shard, cache.shard(hash)));
            found[own.unwrap()] += 1;
        }
        // Some 95 either way are one standard deviation.
        assert!(found.iter().all(|&found| (9_000..=11_000).contains(&found)), "{found:?}");
    }

    #[test]
    fn each_cache_has_a_seed_of_its_own() {
        let hash = || Cache::new(NonZeroUsize::MIN).place(b"token").0;
        assert_ne!(hash(), hash());
    }
}
