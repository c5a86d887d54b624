//! Workers that are held up, wherever they read a clock to see whether it is time for a fetch: however long it takes,
//! nobody fetches what another has fetched meanwhile, and nobody is kept waiting by it.

use crate::common::*;
use std::time::{Duration, Instant};

/// More points than any request passes.
const MANY: u32 = 80;

struct Held {
    nginx: Nginx,
    keys: KeyServer,
    clocks: Clocks,
    /// Seconds by which they are ahead.
    ahead: i64,
    worker: u32,
    its_client: Client,
    other_client: Client,
}

/// Two workers, and a key set of its own for each location of a number.
fn two_workers() -> Held {
    two_workers_with("")
}

/// The same, with more of each such location.
fn two_workers_with(more: &str) -> Held {
    // While a worker stands still, it is anybody's guess which set it has seen.
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let locations = (1..=MANY).map(|point| {
        format!(
            "location /{point}/ {{ jwt_user_scope any; jwt_user_scope_key_request /_{point} valid=1m; {more} empty_gif; }}
            location = /_{point} {{ internal; proxy_pass http://unix:keys.sock; }}"
        )
    });
    let server = scoped_server(&format!(
        "keepalive_timeout 1h; {PID_LOCATION} location /second/ {{ internal; proxy_pass http://unix:second.sock; }} {}",
        locations.collect::<String>()
    ));
    let nginx = setup.workers(2).http(&server);
    let keys = KeyServer::of(&nginx);
    let [(worker, mut held), (_, mut others)] = by_worker(&nginx, 1);
    let (its_client, other_client) = (held.remove(0), others.remove(0));
    Held { nginx, keys, clocks, ahead: 0, worker, its_client, other_client }
}

fn asked(point: u32, issuer: &Issuer) -> Request {
    get(format!("/{point}/")).token(&issuer.token("alice"))
}

impl Held {
    fn run_on(&mut self, seconds: i64) {
        self.ahead += seconds;
        self.clocks.set_running(self.ahead);
    }

    /// Whether the worker is held up at the point, before its request is answered.
    fn is_held(&mut self) -> bool {
        while !self.nginx.is_held(self.worker) {
            if self.its_client.is_answered() {
                return false;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        true
    }

    /// Waits until the worker has gone on.
    fn goes_on(&self) {
        eventually("it goes on", || self.clocks.passed() > 0);
    }

    /// Gives the other worker the time to answer, unless it waits for the one that is held up.
    fn let_the_other_go_on(&mut self) {
        let begun = Instant::now();
        while !self.other_client.is_answered() && begun.elapsed() < Duration::from_millis(100) {
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn resume(&self) {
        self.clocks.hold(0, 0);
        self.nginx.resume(self.worker);
    }

    fn expect_both(&mut self, what: &str, word: &str) {
        expect(&format!("the other, {what}"), word, &self.other_client.receive("GET"));
        expect(&format!("the one held up, {what}"), word, &self.its_client.receive("GET"));
    }

    /// Both workers are asked, the other one while the first is held up at the point, which takes so many seconds. Whether a
    /// request passes so many points.
    fn both_asked(&mut self, point: u32, asked: &Request, seconds: i64) -> bool {
        self.clocks.hold(self.worker, point);
        self.its_client.send(&asked.bytes());
        let is_held = self.is_held();
        self.other_client.send(&asked.bytes());
        if is_held {
            self.let_the_other_go_on();
            self.run_on(seconds);
            self.resume();
        }
        is_held
    }

    fn fetches(&self, point: u32) -> usize {
        self.keys.heads().iter().filter(|head| head.starts_with(&format!("GET /_{point} "))).count()
    }
}

#[test]
fn an_unknown_kid_costs_one_fetch() {
    let (old, new, junk) = (Issuer::new("old"), Issuer::new("new"), Issuer::new("junk"));
    for (issuer, word) in [(&junk, "unknown_key"), (&new, "ok")] {
        let mut held = two_workers();
        let passed = (1..MANY).take_while(|&point| {
            held.keys.publish(key_set(&[&old]));
            expect("the first", "ok", &held.other_client.ask(&asked(point, &old)));
            held.keys.publish(key_set(&[&old, &new]));
            held.run_on(11);
            let is_held = held.both_asked(point, &asked(point, issuer), 0);
            held.expect_both(&format!("at {point}"), word);
            assert_eq!(held.fetches(point), 2, "at {point}");
            is_held
        });
        assert!((10..MANY as usize - 1).contains(&passed.count()));
    }
}

/// Longer than two early fetches are apart.
#[test]
fn a_set_that_is_due_costs_one_fetch() {
    let mut held = two_workers();
    let old = Issuer::new("old");
    held.keys.publish(key_set(&[&old]));
    let passed = (1..MANY).take_while(|&point| {
        expect("the first", "ok", &held.other_client.ask(&asked(point, &old)));
        held.run_on(61);
        let is_held = held.both_asked(point, &asked(point, &old), 11);
        held.expect_both(&format!("at {point}"), "ok");
        eventually("it is fetched again", || held.fetches(point) > 1 && held.keys.open() == 0);
        assert_eq!(held.fetches(point), 2, "at {point}");
        is_held
    });
    assert!((8..MANY as usize - 1).contains(&passed.count()));
}

/// Longer than two first fetches are apart.
#[test]
fn a_first_token_costs_one_fetch() {
    let mut held = two_workers();
    let alice = Issuer::new("alice");
    held.keys.publish(key_set(&[&alice]));
    let passed = (1..MANY).take_while(|&point| {
        let is_held = held.both_asked(point, &asked(point, &alice), 2);
        held.expect_both(&format!("at {point}"), "ok");
        assert_eq!(held.fetches(point), 1, "at {point}");
        is_held
    });
    assert!((10..MANY as usize - 1).contains(&passed.count()));
}

/// It waits for the other's fetch, which ends meanwhile.
#[test]
fn one_that_waits_fetches_nothing_again() {
    let alice = Issuer::new("alice");
    for (status, word) in [("200 OK", "ok"), ("500 Internal Server Error", "keys_unavailable")] {
        let mut held = two_workers();
        for point in 1..=16 {
            let gate = Gate::default();
            held.keys.answer_behind(&gate, response(status, "", key_set(&[&alice])));
            held.other_client.send(&asked(point, &alice).bytes());
            gate.holds_one();
            held.clocks.hold(held.worker, u32::MAX);
            held.its_client.send(&asked(point, &alice).bytes());
            eventually("it waits, and looks again and again", || held.clocks.passed() > 2 * MANY);
            held.clocks.hold(held.worker, point);
            assert!(held.is_held());
            gate.open();
            held.let_the_other_go_on();
            held.run_on(2);
            held.resume();
            held.expect_both(&format!("at {point}"), word);
            assert_eq!(held.fetches(point), 1, "at {point}");
        }
    }
}

/// It decides again when the first of two fetches has failed, and is held up while the other one ends.
#[test]
fn one_that_waits_for_two_sets_is_served() {
    let alice = Issuer::new("alice");
    for point in 1..=40 {
        let mut held = two_workers_with("jwt_user_scope_key_request /second/set;");
        let second = KeyServer::at(&held.nginx.path("second.sock"));
        let (gate, other_gate) = (Gate::default(), Gate::default());
        held.keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
        second.answer_behind(&other_gate, response("500 Internal Server Error", "", ""));
        held.other_client.send(&asked(point, &alice).bytes());
        gate.holds_one();
        other_gate.holds_one();
        held.clocks.hold(held.worker, u32::MAX);
        held.its_client.send(&asked(point, &alice).bytes());
        eventually("it waits, and looks again and again", || held.clocks.passed() > 2 * MANY);
        held.run_on(2);
        held.clocks.hold(held.worker, 1);
        assert!(held.is_held());
        other_gate.open();
        eventually("the fetch has failed", || !held.nginx.log_with("was not fetched").is_empty());
        held.clocks.hold(held.worker, point);
        held.nginx.resume(held.worker);
        held.goes_on();
        assert!(held.is_held());
        gate.open();
        held.let_the_other_go_on();
        held.resume();
        held.expect_both(&format!("at {point}"), "ok");
        assert_eq!(held.fetches(point), 1, "at {point}");
    }
}
