//! What is done to nginx and to its key servers while requests run.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use fastrand::Rng;
use tokio::sync::Mutex;
use tokio::time::sleep;

use crate::conf::{self, Sabotage};
use crate::key_set::{KINDS_OF_GARBAGE, KeySet, Keys, Mode};
use crate::keyring::{eddsa, es256, rs256};
use crate::nginx::Control;
use crate::place::Set;
use crate::world::World;

/// The one who does it.
pub struct Chaos {
    pub world: Arc<World>,
    pub nginx: Control,
    pub module: PathBuf,
    pub sabotage: Option<Sabotage>,
    /// No reloads and no deaths any more.
    pub calm: AtomicBool,
    pub reloads: AtomicU64,
    pub killed: AtomicU64,
    /// Held while no worker may be killed, since a fetch under way has to succeed.
    careful: Mutex<()>,
}

/// The keys that the sets begin with, in the order of `Set`.
pub fn first_keys() -> [Keys; 4] {
    [
        Arc::new(vec![("s-ed".into(), eddsa(10)), ("s-ec".into(), es256(10)), ("s-rsa".into(), rs256(10))]),
        rotating(0, false),
        early(0),
        Arc::new(vec![("st-ed".into(), eddsa(20)), ("st-ec".into(), es256(20))]),
    ]
}

/// A key under a new name, beside its forerunner or without, and one that always has the same name.
fn rotating(step: u32, overlap: bool) -> Keys {
    let key = |step: u32| (format!("r{step}").into(), eddsa(1_000 + step));
    let mut keys = vec![key(step), ("same".into(), eddsa(2_000 + step))];
    if overlap {
        keys.insert(0, key(step.saturating_sub(1)));
    }
    Arc::new(keys)
}

fn early(step: u32) -> Keys {
    Arc::new(vec![(format!("e{step}").into(), eddsa(3_000 + step))])
}

impl Chaos {
    pub fn new(world: Arc<World>, nginx: Control, module: PathBuf, sabotage: Option<Sabotage>) -> Arc<Chaos> {
        let (calm, reloads, killed) = (AtomicBool::new(false), AtomicU64::new(0), AtomicU64::new(0));
        Arc::new(Chaos { world, nginx, module, sabotage, calm, reloads, killed, careful: Mutex::default() })
    }

    /// Begins all of it.
    pub fn begin(self: &Arc<Self>) {
        tokio::spawn(self.clone().reload_every_second());
        tokio::spawn(self.clone().kill_now_and_then());
        tokio::spawn(self.clone().trouble_stable());
        tokio::spawn(self.clone().rotate());
        tokio::spawn(self.clone().rotate_early());
        tokio::spawn(self.clone().stay_away());
    }

    fn random(&self, of: u64) -> Rng {
        Rng::with_seed(self.world.seed.rotate_left(32) ^ of)
    }

    fn set(&self, set: Set) -> &KeySet {
        self.world.set(set)
    }

    fn is_over(&self) -> bool {
        self.calm.load(Ordering::SeqCst) || self.world.is_stopping()
    }

    async fn reload_every_second(self: Arc<Self>) {
        loop {
            sleep(Duration::from_secs(1)).await;
            if self.is_over() {
                return;
            }
            let world = &self.world;
            let generation = world.generation.load(Ordering::SeqCst) + 1;
            conf::write(&world.prefix, &self.module, &world.keyring, &world.places, generation, self.sabotage);
            world.disturb();
            self.nginx.reload();
            self.reloads.fetch_add(1, Ordering::SeqCst);
            world.generation.store(generation, Ordering::SeqCst);
        }
    }

    async fn kill_now_and_then(self: Arc<Self>) {
        let mut random = self.random(1);
        // Soon at first, for short runs.
        let mut pause = 1_500;
        loop {
            sleep(Duration::from_millis(pause)).await;
            pause = random.u64(2_000..7_000);
            if self.is_over() {
                return;
            }
            let _careful = self.careful.lock().await;
            if let Some(worker) = random.choice(self.nginx.workers()) {
                self.world.kill();
                self.killed.fetch_add(u64::from(self.nginx.kill(worker)), Ordering::SeqCst);
            }
        }
    }

    /// Its keys are known, and nobody may notice.
    async fn trouble_stable(self: Arc<Self>) {
        let mut random = self.random(2);
        while !self.world.is_stopping() {
            let mode = match random.u8(..6) {
                0 => Mode::Well,
                1 => Mode::Slow(Duration::from_millis(random.u64(300..1_800))),
                2 => Mode::Silent,
                3 => Mode::Stopped,
                _ => Mode::Garbage(random.u8(..KINDS_OF_GARBAGE)),
            };
            self.set(Set::Stable).set_mode(mode);
            sleep(Duration::from_millis(random.u64(1_000..4_000))).await;
        }
    }

    /// A new key is published beside the old one, and the old one is withdrawn; or both at once.
    async fn rotate(self: Arc<Self>) {
        let (mut random, set) = (self.random(3), self.set(Set::Rotating));
        let mut step = 0;
        while !self.world.is_stopping() {
            sleep(Duration::from_millis(random.u64(2_000..6_000))).await;
            step += 1;
            if random.bool() {
                set.publish(rotating(step, true));
                sleep(Duration::from_millis(random.u64(3_000..9_000))).await;
            }
            set.publish(rotating(step, false));
            if random.u8(..3) == 0 {
                sleep(Duration::from_millis(random.u64(..8_000))).await;
                set.set_mode(Mode::Stopped);
                sleep(Duration::from_millis(random.u64(500..5_000))).await;
                set.set_mode(Mode::Well);
            }
        }
    }

    /// A key is replaced at once, when a fetch for its name is allowed: whoever brings the new one must be let in.
    async fn rotate_early(self: Arc<Self>) {
        let set = self.set(Set::Early);
        for step in 1.. {
            while !set.is_quiet() {
                sleep(Duration::from_millis(100)).await;
            }
            let careful = self.careful.lock().await;
            let served = set.sets_served();
            self.world.early_old_allowed.store(true, Ordering::SeqCst);
            set.publish(early(step));
            while set.sets_served() == served && !self.world.is_stopping() {
                sleep(Duration::from_millis(20)).await;
            }
            sleep(Duration::from_secs(2)).await;
            drop(careful);
            sleep(Duration::from_secs(3)).await;
            self.world.early_old_allowed.store(false, Ordering::SeqCst);
            if self.world.is_stopping() {
                return;
            }
        }
    }

    /// The server is away until its keys may not be used any more.
    async fn stay_away(self: Arc<Self>) {
        let (mut random, set) = (self.random(4), self.set(Set::Stale));
        while !self.world.is_stopping() {
            set.set_mode(Mode::Well);
            sleep(Duration::from_millis(random.u64(5_000..16_000))).await;
            set.set_mode(match random.u8(..3) {
                0 => Mode::Stopped,
                1 => Mode::Silent,
                _ => Mode::Garbage(random.u8(..KINDS_OF_GARBAGE)),
            });
            sleep(Duration::from_millis(random.u64(3_000..14_000))).await;
        }
    }
}
