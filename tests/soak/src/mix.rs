//! The mix of requests: which place, which token, which path. A seed and a client make a sequence of them.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use fastrand::Rng;

use crate::asked::{Asked, Credential, PASSWORD, PathAsked, Scheme, TOO_LARGE};
use crate::clock::now;
use crate::keyring::{Algorithm, KeyId, eddsa, es256, hs256, rs256};
use crate::paths;
use crate::place::{AUDIENCE, ISSUER, OTHER_ISSUER, Place, Set, shared_secrets};
use crate::token::{Fault, KINDS_OF_CLAIMS, KINDS_OF_FORM, Time, Token};
use crate::world::World;

/// Tokens that a client keeps, to use them again.
const KEPT: usize = 48;

const USERS: [&str; 12] = [
    "alice",
    "bob",
    "carol",
    "Alice",
    "alice2",
    "7",
    "42",
    "A.B",
    "x@y.example",
    "a b",
    "caf\u{e9}",
    "\u{65e5}\u{672c}",
];

/// What a client may ask.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// Whatever never has to wait for a key server.
    Brisk,
    /// Everything.
    Patient,
    /// Whatever may be given up without harm to a fetch that others rely on.
    Fickle,
}

pub struct Mix {
    world: Arc<World>,
    random: Rng,
    habit: Habit,
    kept: Vec<Arc<Token>>,
}

impl Mix {
    pub fn new(world: &Arc<World>, client: u64, habit: Habit) -> Mix {
        let random = Rng::with_seed(world.seed ^ (client + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15));
        Mix { world: world.clone(), random, habit, kept: Vec::new() }
    }

    pub fn random(&mut self) -> &mut Rng {
        &mut self.random
    }

    pub fn next(&mut self) -> Asked {
        let id = self.world.next_id();
        if self.chance(2) {
            return self.open(id);
        }
        let place = self.place();
        let credential = self.credential(&place);
        let user = self.user_for(&place, &credential);
        let mut asked = Asked {
            id,
            method: self.method(),
            path: paths::draw(&mut self.random, &place, &user, id),
            second_token: place.cookie && matches!(credential, Credential::Token(..)) && self.chance(20),
            is_preflight: false,
            body: 0,
            junk: 0,
            credential,
            place: Some(place),
        };
        match self.random.u8(..100) {
            0..3 => (asked.method, asked.is_preflight) = ("OPTIONS", true),
            3..5 if asked.method == "POST" => asked.body = self.random.usize(1..60_000),
            5..8 => asked.junk = self.random.usize(1..6_000),
            8 if self.chance(20) => asked.junk = TOO_LARGE,
            _ => {}
        }
        asked
    }

    /// A request to a location without a check.
    fn open(&mut self, id: u64) -> Asked {
        let token = self.kept.first().cloned();
        let credential = token.map_or(Credential::None, |token| Credential::Token(token, Scheme::Usual));
        let path = PathAsked {
            target: format!("/open/{}?n={id}", self.random.u32(..)).into(),
            user: String::new(),
            is_ambiguous: false,
            is_uncovered: false,
            is_forwarded_raw: true,
        };
        let (second_token, is_preflight, body, junk) = (false, false, 0, 0);
        Asked { id, place: None, method: "GET", path, credential, second_token, is_preflight, body, junk }
    }

    fn place(&mut self) -> Arc<Place> {
        let places = &self.world.places;
        loop {
            let mut at = self.random.u32(..self.world.weight);
            let place = places.iter().find(|place| {
                let is_it = at < place.weight;
                at = at.saturating_sub(place.weight);
                is_it
            });
            let place = place.expect("within the sum of the weights");
            let fits = match self.habit {
                Habit::Patient => true,
                Habit::Brisk => !place.may_wait(),
                Habit::Fickle => matches!(place.set, None | Some(Set::Stable)),
            };
            if fits {
                return place.clone();
            }
        }
    }

    fn method(&mut self) -> &'static str {
        ["GET", "GET", "GET", "GET", "POST", "HEAD", "DELETE"][self.random.usize(..7)]
    }

    fn user_for(&mut self, place: &Place, credential: &Credential) -> String {
        let own = match credential {
            Credential::Token(token, _) => token.names(place.other_claim).0.last().cloned(),
            _ => None,
        };
        match own {
            Some(own) if !self.chance(20) => own,
            _ => self.user(),
        }
    }

    fn user(&mut self) -> String {
        match self.random.usize(..USERS.len() + 6) {
            at if at < USERS.len() => USERS[at].into(),
            _ => format!("u{}", self.random.u32(..1_000_000)),
        }
    }

    fn credential(&mut self, place: &Place) -> Credential {
        if self.chance(4) {
            let none = ["", "Bearer", "Token abc", "Basic YWxpY2U6eA==", PASSWORD, "Bearer "];
            return match self.random.usize(..none.len()) {
                0 => Credential::None,
                at => Credential::Other(none[at]),
            };
        }
        let token = self.token(place);
        let scheme = match self.random.u8(..20) {
            0 => Scheme::Lower,
            1 => Scheme::Spaced,
            _ => Scheme::Usual,
        };
        Credential::Token(token, scheme)
    }

    /// One of those that were used before, or a new one.
    fn token(&mut self, place: &Place) -> Arc<Token> {
        if !self.kept.is_empty() && self.chance(50) {
            // Mostly where its key is one, else where it is none.
            let must_fit = self.chance(80);
            for _ in 0..6 {
                let known = match self.chance(30) {
                    true => self.world.shared_token(&mut self.random),
                    false => Some(self.kept[self.random.usize(..self.kept.len())].clone()),
                };
                let fits = |token: &Arc<Token>| !must_fit || self.fits(place, token);
                if let Some(token) = known.filter(|token| fits(token) && self.may_bring(place, token)) {
                    return token;
                }
            }
        }
        let token = loop {
            let token = self.new_token(place);
            if self.may_bring(place, &token) {
                break Arc::new(token);
            }
        };
        // Few are kept, so that those last until their time runs out.
        if self.kept.len() < KEPT {
            self.kept.push(token.clone());
        } else if self.chance(20) {
            let at = self.random.usize(..KEPT);
            self.kept[at] = token.clone();
        }
        if self.chance(5) {
            self.world.share_token(&mut self.random, token.clone());
        }
        token
    }

    /// Whether its key is one of the place, or was until a moment ago.
    fn fits(&self, place: &Place, token: &Token) -> bool {
        let generation = self.world.generation.load(Ordering::Relaxed);
        let was_published = |set| self.world.withdrawn(set).any(|(_, key)| key == token.key);
        let is_published = |set| self.world.set(set).published().1.iter().any(|(_, key)| *key == token.key);
        place.shared_secrets && shared_secrets(generation).contains(&token.key)
            || place.slots.iter().any(|slot| slot.key == token.key)
            || place.set.is_some_and(|set| is_published(set) || was_published(set))
    }

    /// Unknown names cost a fetch, and ten seconds without another: they are kept from the places where that would spoil
    /// what is to be shown.
    fn may_bring(&self, place: &Place, token: &Token) -> bool {
        let is_public = token.key.algorithm != Algorithm::Hs256;
        let looks_fetched = is_public && matches!(token.fault, Fault::None | Fault::Claims | Fault::Signature);
        match (place.set, self.habit) {
            (None, _) => true,
            (Some(Set::Early), _) => !looks_fetched || self.world.is_for_early(token),
            // Waits, while the server is slow.
            (Some(Set::Stable), Habit::Brisk | Habit::Fickle) if looks_fetched => {
                let published = self.world.set(Set::Stable).published().1;
                token.kid.as_ref().is_none_or(|kid| published.iter().any(|(known, _)| known == kid))
            }
            _ => true,
        }
    }

    fn new_token(&mut self, place: &Place) -> Token {
        let (key, kid) = match self.chance(12) {
            true => self.foreign_key(),
            false => self.fitting_key(place),
        };
        let user = self.user();
        let mut token = Token::new(key, kid, user);
        token.other = self.user();
        let slot = place.slots.iter().find(|slot| slot.key == key);
        token.issuer = slot.and_then(|slot| slot.issuer).or(place.issuer.then_some(ISSUER));
        token.audience = place.audience.then_some(AUDIENCE);
        token.typ = place.typ.or(token.typ);
        token.admin = place.bypass && self.chance(30);
        if self.chance(15) {
            let others = [self.user(), self.user()];
            let own = token.user.take().into_iter().flatten();
            (token.user, token.is_array) = (Some(others.into_iter().chain(own).collect()), true);
        }
        if self.chance(3) {
            token.ballast = self.random.usize(1..5_000);
        }
        self.spoil(token)
    }

    /// Mostly leaves a token as it is.
    fn spoil(&mut self, mut token: Token) -> Token {
        let world = self.world.clone();
        let (keyring, random) = (&world.keyring, &mut self.random);
        let now = now();
        match random.u8(..100) {
            0..4 => token.exp = Time::At((now - random.f64() * 100.0).floor()),
            // Its time runs out under way.
            4..16 => {
                token.exp =
                    Time::At((now + 1.0 + random.f64() * 4.0).floor() + random.choice([0.0, 0.5]).unwrap_or(0.0))
            }
            16 => token.exp = Time::Missing,
            17 => token.exp = Time::Text,
            18..20 => token.exp = Time::At(now.floor() + 7_200.0),
            20..22 => token.nbf = Time::At(now.floor() + 900.0),
            22..25 => token.nbf = Time::At(now.floor() + f64::from(random.u8(1..4))),
            25 => token.nbf = Time::Text,
            26 => token.iat = Time::Text,
            27 => token.iat = Time::At(now.floor() + 500.0),
            28 => token.iat = Time::Missing,
            29..31 => token.issuer = random.choice([None, Some(OTHER_ISSUER), Some(ISSUER)]).flatten(),
            31 => token.audience = random.choice([None, Some("web")]).flatten(),
            32..34 => token.typ = random.choice([None, Some("session"), Some("JWT"), Some("at+jwt")]).flatten(),
            34 => token.user = None,
            35..37 => token.email_verified = false,
            37..45 => return token.tampered(keyring, random),
            45..53 => {
                let kind = random.u8(..KINDS_OF_FORM);
                return token.malformed(keyring, random, kind);
            }
            53..55 => {
                let kind = random.u8(..KINDS_OF_CLAIMS);
                return token.with_bad_claims(keyring, random, kind);
            }
            55 => return token.unsupported(random),
            56 => {
                let public = if random.bool() { keyring.pem(rs256(1)) } else { keyring.jwk(eddsa(1), "twin") };
                return token.confused(&public, random);
            }
            57 => token.kid = Some(format!("nobody-{}", random.u32(..)).into()),
            58 => token.kid = None,
            _ => {}
        }
        token.signed(keyring, random)
    }

    fn fitting_key(&mut self, place: &Place) -> (KeyId, Option<Arc<str>>) {
        let generation = self.world.generation.load(Ordering::Relaxed);
        let mut keys: Vec<(KeyId, Option<Arc<str>>)> = Vec::new();
        if place.shared_secrets {
            keys.extend(shared_secrets(generation).map(|key| (key, None)));
            // No longer, or not yet.
            if self.chance(8) {
                let near = [generation.saturating_sub(8), generation + 5];
                keys.extend(near.into_iter().flat_map(shared_secrets).map(|key| (key, None)));
            }
        }
        keys.extend(place.slots.iter().map(|slot| (slot.key, slot.kid.map(Into::into))));
        if let Some(set) = place.set {
            keys.extend(self.world.set(set).published().1.iter().map(|(kid, key)| (*key, Some(kid.clone()))));
            keys.extend(self.world.withdrawn(set).map(|(kid, key)| (key, Some(kid))));
        }
        // A signature with RSA takes the signer a thousand times as long as any other.
        let rare = |key: &KeyId| key.algorithm == Algorithm::Rs256;
        if keys.iter().any(|(key, _)| !rare(key)) && !self.chance(4) {
            keys.retain(|(key, _)| !rare(key));
        }
        self.random.choice(keys).expect("a place has keys")
    }

    fn foreign_key(&mut self) -> (KeyId, Option<Arc<str>>) {
        let published = self.world.set(Set::Stable).published().1;
        let (kid, key) = published[self.random.usize(..published.len() - 1)].clone();
        let named = |key: KeyId, kid: &str| (key, Some(Arc::from(kid)));
        let generation = self.world.generation.load(Ordering::Relaxed);
        let rows = [
            (hs256(1), None),
            named(hs256(1), "one"),
            named(hs256(2), "two"),
            named(hs256(2), "one"),
            (hs256(999), None),
            named(crate::key_set::PUBLISHED_SECRET, "published"),
            (es256(1), None),
            (eddsa(1), None),
            named(eddsa(1), "twin"),
            named(eddsa(2), "twin"),
            named(es256(2), "ec"),
            (shared_secrets(generation)[0], None),
            (key, Some(kid)),
        ];
        let at = self.random.usize(..rows.len());
        rows[at].clone()
    }

    fn chance(&mut self, percent: u8) -> bool {
        self.random.u8(..100) < percent
    }
}
