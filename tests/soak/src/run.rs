//! One run: nginx, backend, key servers and clients, until enough was asked.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tempfile::TempDir;
use tokio::net::UnixListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::time::{sleep, timeout};

use crate::asked::{Asked, Credential, PathAsked, Scheme};
use crate::chaos::{Chaos, first_keys};
use crate::client;
use crate::conf::{self, SOURCES, Sabotage};
use crate::http1::Connection;
use crate::key_set::KeySet;
use crate::keyring::Keyring;
use crate::logs::{self, Seen};
use crate::memory::{self, Memory, Phase};
use crate::nginx::Nginx;
use crate::token::Token;
use crate::world::World;

#[derive(Clone)]
pub struct Options {
    pub seed: u64,
    /// Checked requests after which the run ends.
    pub requests: u64,
    /// Seconds after which it ends all the same.
    pub seconds: u64,
    pub connections: usize,
    pub module: PathBuf,
    pub sabotage: Option<Sabotage>,
}

/// What a run has shown.
pub struct Report {
    pub world: Arc<World>,
    pub chaos: Arc<Chaos>,
    pub memory: Arc<Memory>,
    pub seen: Arc<Seen>,
    pub seconds: f64,
    pub stopped_gracefully: bool,
    pub interrupted: bool,
}

/// The part of a run that has reloads and deaths. In the other, workers live long enough to remember much.
const STORM: f64 = 0.5;

pub async fn run(options: Options) -> Report {
    let prefix = tempfile::Builder::new().prefix("soak").tempdir().expect("a temporary directory");
    let (world, seen) = prepare(&options, &prefix);
    let mut nginx = Nginx::start(&world.prefix);
    let control = nginx.control();
    let chaos = Chaos::new(world.clone(), control, options.module.clone(), options.sabotage);
    fetch_all(&world).await;

    let memory = Arc::new(Memory::default());
    let watched = chaos.clone();
    let look = move |memory: &Memory| {
        let phase = if watched.calm.load(Ordering::SeqCst) { Phase::Calm } else { Phase::Storm };
        memory.look(control, phase);
    };
    let watching = tokio::spawn(memory::watch(memory.clone(), look));
    chaos.begin();
    let kinds = client::kinds(options.connections);
    let clients = kinds.into_iter().enumerate();
    let clients: Vec<_> =
        clients.map(|(number, kind)| tokio::spawn(client::live(world.clone(), number as u64, kind))).collect();

    let begun = Instant::now();
    let interrupted = until_enough(&options, &world, &chaos, &memory, begun).await;
    let seconds = begun.elapsed().as_secs_f64();
    watching.abort();
    world.stopping.store(true, Ordering::SeqCst);
    for client in clients {
        if !matches!(timeout(Duration::from_secs(60), client).await, Ok(Ok(()))) {
            world.tally.wrong("a client got stuck, or panicked".into());
        }
    }
    // Fetches under way, whose clients were told not to wait for them.
    sleep(Duration::from_millis(200)).await;
    let stopped_gracefully = tokio::task::spawn_blocking(move || nginx.stop()).await.expect("no panic");
    // What nginx said last.
    sleep(Duration::from_millis(200)).await;
    Report { world, chaos, memory, seen, seconds, stopped_gracefully, interrupted }
}

fn prepare(options: &Options, prefix: &TempDir) -> (Arc<World>, Arc<Seen>) {
    let path = prefix.path().to_path_buf();
    let keyring = Arc::new(Keyring::new(options.seed));
    let sets = SOURCES.into_iter().zip(first_keys());
    let sets = sets.map(|(source, keys)| KeySet::new(source, &path, keyring.clone(), keys));
    let world = Arc::new(World::new(options.seed, path.clone(), keyring.clone(), sets.collect()));
    world.tally.quiet.store(options.sabotage.is_some(), Ordering::SeqCst);
    conf::write_files(&path, &keyring);
    conf::write(&path, &options.module, &keyring, &world.places, 1, options.sabotage);

    let seen = Arc::new(Seen::default());
    let (errors, access) = (logs::pipe(&path, "error.log"), logs::pipe(&path, "access.log"));
    let (of_errors, of_access, heard) = (world.clone(), world.clone(), seen.clone());
    std::thread::spawn(move || logs::read_errors(errors, of_errors, heard));
    std::thread::spawn(move || logs::read_access(access, of_access));

    let backend = UnixListener::bind(path.join("backend.sock")).expect("a socket in the prefix");
    tokio::spawn(crate::backend::serve(backend, world.clone()));
    for set in &world.sets {
        tokio::spawn(set.clone().serve());
    }
    (world, seen)
}

/// Every set is fetched once, so that from now on there is something to lose.
async fn fetch_all(world: &Arc<World>) {
    for place in world.places.iter().filter(|place| place.set.is_some()) {
        let (kid, key) = world.set(place.set.expect("it has one")).published().1[0].clone();
        let token = Token::new(key, Some(kid), "alice".into()).signed(&world.keyring, &mut fastrand::Rng::with_seed(0));
        let target = format!("/{}/alice", place.before).into_bytes();
        let path = PathAsked {
            target,
            user: "alice".into(),
            is_ambiguous: false,
            is_uncovered: false,
            is_forwarded_raw: true,
        };
        let credential = Credential::Token(Arc::new(token), Scheme::Usual);
        let (place, method) = (Some(place.clone()), "GET");
        let (second_token, is_preflight, body, junk) = (false, false, 0, 0);
        let asked = Asked { id: 0, place, method, path, credential, second_token, is_preflight, body, junk };
        let deadline = Instant::now() + Duration::from_secs(30);
        loop {
            let mut connection = Connection::open(&world.prefix.join("nginx.sock")).await;
            connection.send(&asked.bytes()).await;
            let answer = connection.receive("GET").await;
            if answer.as_ref().is_ok_and(|answer| answer.status == 200) {
                connection.retire();
                break;
            }
            assert!(Instant::now() < deadline, "the set of {:?} is not fetched: {answer:?}", asked.place);
            sleep(Duration::from_millis(200)).await;
        }
    }
}

/// Waits until the run may end, and tells how it goes. True when somebody wants it to end at once.
async fn until_enough(options: &Options, world: &World, chaos: &Chaos, memory: &Memory, begun: Instant) -> bool {
    let mut told = (Instant::now(), 0);
    let [mut interrupt, mut terminate] =
        [SignalKind::interrupt(), SignalKind::terminate()].map(|kind| signal(kind).expect("a signal"));
    loop {
        let interrupted = tokio::select! {
            _ = interrupt.recv() => true,
            _ = terminate.recv() => true,
            () = sleep(Duration::from_millis(100)) => false,
        };
        let checked = world.tally.checked();
        let share = checked as f64 / options.requests as f64;
        let share = share.max(begun.elapsed().as_secs_f64() / options.seconds as f64);
        if share >= STORM {
            chaos.calm.store(true, Ordering::SeqCst);
        }
        if options.sabotage.is_none() && told.0.elapsed() >= Duration::from_secs(5) {
            tell(world, chaos, memory, (checked - told.1) as f64 / told.0.elapsed().as_secs_f64());
            told = (Instant::now(), checked);
        }
        let is_caught = options.sabotage.is_some() && world.tally.wrongs() > 0;
        if share >= 1.0 || interrupted || is_caught || world.tally.wrongs() > 1_000 {
            return interrupted;
        }
    }
}

fn tell(world: &World, chaos: &Chaos, memory: &Memory, rate: f64) {
    let count = |counter: &std::sync::atomic::AtomicU64| counter.load(Ordering::Relaxed);
    let (master, worker) = memory.last().map_or((0, 0), |sample| (sample.master, sample.worst_worker));
    println!(
        "soak: {} requests, {rate:.0}/s, {} wrong; {} reloads, {} killed, {} cut; master {master} KiB, worst worker {worker} KiB{}",
        world.tally.checked(),
        world.tally.wrongs(),
        count(&chaos.reloads),
        count(&chaos.killed),
        count(&world.tally.cut),
        if chaos.calm.load(Ordering::SeqCst) { "; calm" } else { "" },
    );
}
