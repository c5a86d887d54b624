//! Clocks that are set, and machines that sleep: no key is trusted for longer than its set may be used.

use crate::common::*;
use crate::status::STATUS;
use std::time::{Duration, Instant};

const DAY: i64 = 24 * 60 * 60;

fn ask(nginx: &Nginx, issuer: &Issuer) -> Response {
    get("/").token(&issuer.token("alice")).send(nginx)
}

/// The set has been fetched: from now on the provider has withdrawn the old key.
fn expect_withdrawn(nginx: &Nginx, keys: &KeyServer, clocks: &Clocks) {
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    expect("before it is due", "ok", &ask(nginx, &old));
    keys.publish(key_set(&[&new]));
    clocks.set_running(61);
    expect("the one that fetches", "unknown_key", &ask(nginx, &old));
    expect("the withdrawn key", "unknown_key", &ask(nginx, &old));
    expect("its successor", "ok", &ask(nginx, &new));
}

#[test]
fn a_set_is_fetched_again_whatever_was_done_to_the_time_of_day() {
    for (at_first, later) in [(0, -DAY), (DAY, 0), (-DAY, -2 * DAY)] {
        let (setup, clocks) = Setup::new().unexplained().with_clocks();
        clocks.set_of_day(at_first);
        let nginx = setup.http(&fetching("valid=1m", ""));
        let keys = KeyServer::of(&nginx);
        keys.publish(key_set(&[&Issuer::new("old")]));
        expect("the first", "ok", &ask(&nginx, &Issuer::new("old")));
        clocks.set_of_day(later);
        expect_withdrawn(&nginx, &keys, &clocks);
    }
}

/// A key may have been withdrawn from the moment on that it was asked for.
#[test]
fn a_set_is_as_old_as_its_fetch() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let nginx = setup.http(&fetching("valid=20s", ""));
    let (keys, gate, alice) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("alice"));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let mut client = nginx.client();
    client.send(&get("/").token(&alice.token("alice")).bytes());
    gate.holds_one();
    clocks.set_running(21);
    gate.open();
    expect("the first", "ok", &client.receive("GET"));
    expect("the next", "ok", &ask(&nginx, &alice));
    assert_eq!(keys.count(), 2, "it is due at once");
}

#[test]
fn a_set_lapses_by_the_clock_that_says_more() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let nginx = setup.http(&fetching("valid=1h stale=2h", ""));
    nginx.tolerate("connect() to unix:keys.sock failed");
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    expect("the first", "ok", &ask(&nginx, &alice));
    drop(keys);
    let hours = |hours: i64| hours * 3600;
    for (of_day, running, word) in [
        (hours(1), 0, "ok"),
        (-DAY, hours(1), "ok"),
        // The machine has slept.
        (hours(2), 0, "keys_unavailable"),
        // Its time of day was wrong, and is put right.
        (0, hours(1), "ok"),
        (0, hours(2), "keys_unavailable"),
        (-DAY, hours(2), "keys_unavailable"),
    ] {
        clocks.set_of_day(of_day);
        clocks.set_running(running);
        expect(&format!("of day {of_day}, running {running}"), word, &ask(&nginx, &alice));
    }
}

#[test]
fn a_set_grows_old_on_the_status_page_too() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let server = fetching("", "").replacen("listen", "server_name s; listen", 1);
    let nginx = setup.http(&format!("{STATUS} {server}"));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    expect("the first", "ok", &ask(&nginx, &alice));
    let age = || {
        let metrics = Metrics::of(&nginx, "status.sock");
        metrics.get(r#"key_set_age_seconds{server="s",uri="/_jwks"}"#).expect("an age")
    };
    for (of_day, running) in [(-DAY, 200), (200, 0), (200, 100)] {
        clocks.set_of_day(of_day);
        clocks.set_running(running);
        assert!((200..230).contains(&age()), "of day {of_day}, running {running}: {}", age());
    }
}

#[test]
fn a_worker_that_stands_still_keeps_no_turn() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let server = fetching_by_worker("");
    let nginx = setup.workers(2).http(&server);
    let (keys, gate, alice) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("alice"));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let asked = get("/").token(&alice.token("alice"));
    let [(held, mut first), (_, mut second)] = by_worker(&nginx, 1);
    first[0].send(&asked.bytes());
    gate.holds_one();
    nginx.pause(held);
    second[0].send(&asked.bytes());
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(keys.count(), 1, "one fetch, whose worker is alive");
    clocks.set_of_day(-DAY);
    clocks.set_running(61);
    keys.publish(key_set(&[&alice]));
    expect("one that has waited for a minute", "keys_unavailable", &second[0].receive("GET"));
    expect("one that asks then", "ok", &second[0].ask(&asked));
    gate.open();
    nginx.resume(held);
    expect("the one that stood still", "ok", &first[0].receive("GET"));
}

/// However many requests find the set due, or wait for it.
#[test]
fn whether_a_fetcher_lives_is_asked_now_and_then() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let server = fetching_by_worker("valid=1m");
    let nginx = setup.workers(2).http(&server);
    let (keys, gate, alice, junk) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("alice"), Issuer::new("junk"));
    keys.publish(key_set(&[&alice]));
    let asked = get("/").token(&alice.token("alice"));
    let [(_, mut first), (_, mut second)] = by_worker(&nginx, 10);
    expect("the first", "ok", &first[0].ask(&asked));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    clocks.set_running(61);
    expect("the one that fetches again", "ok", &first[0].ask(&asked));
    gate.holds_one();
    // Past the time in which nobody looks.
    clocks.set_running(72);
    let (begun, before) = (Instant::now(), clocks.asked());
    let asked_since = |at_least| {
        let (times, most) = (clocks.asked() - before, 2 + begun.elapsed().as_millis() / 100);
        assert!((at_least..=most).contains(&u128::from(times)), "asked {times} times of at most {most}");
    };
    for _ in 0..100 {
        expect("one while it is fetched", "ok", &second[0].ask(&asked));
    }
    asked_since(1);
    for client in &mut second {
        client.send(&get("/").token(&junk.token("alice")).bytes());
    }
    std::thread::sleep(Duration::from_millis(300));
    asked_since(2);
    gate.open();
    for client in &mut second {
        expect("one that has waited", "unknown_key", &client.receive("GET"));
    }
}

#[test]
fn the_clocks_are_read_once_a_millisecond() {
    const MANY: u32 = 200;
    /// Points that a look at both clocks passes.
    const POINTS: u32 = 4;
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let server = fetching_by_worker("");
    let nginx = setup.workers(2).http(&server);
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    let asked = get("/").token(&alice.token("alice"));
    let [(worker, mut clients), _] = by_worker(&nginx, 1);
    expect("the first", "ok", &clients[0].ask(&asked));
    clocks.hold(worker, u32::MAX);
    let begun = Instant::now();
    for _ in 0..MANY {
        clients[0].send(&asked.bytes());
    }
    for _ in 0..MANY {
        expect("one of many", "ok", &clients[0].receive("GET"));
    }
    let (looks, most) = (clocks.passed() / POINTS, 2 + begun.elapsed().as_millis());
    assert!((1..=most).contains(&u128::from(looks)), "{looks} looks, at most {most}");
}

/// nginx serves all requests that are there before it looks at its clock again.
#[test]
fn what_is_served_at_one_go_is_judged_by_the_time_that_passes() {
    const MANY: usize = 200;
    /// Decisions from one look at the clock to the next.
    const MOST: usize = 64;
    let now = i64::try_from(now()).expect("a time");
    for (parameters, exp, word) in [("", now + 1800, "expired"), ("valid=10s stale=20s", now + DAY, "keys_unavailable")]
    {
        let (setup, clocks) = Setup::new().unexplained().with_clocks();
        // A backend would be waited for.
        let server = fetching_by_worker(parameters).replacen("proxy_pass http://unix:echo.sock", "empty_gif", 1);
        let nginx = setup.workers(2).http(&server);
        nginx.tolerate("connect() to unix:keys.sock failed");
        let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
        keys.publish(key_set(&[&alice]));
        let asked = get("/").token(&alice.sign(&format!(r#"{{"uid":"alice","exp":{exp}}}"#)));
        let [(worker, mut clients), _] = by_worker(&nginx, 1);
        let client = &mut clients[0];
        expect("the first", "ok", &client.ask(&asked));
        drop(keys);
        nginx.pause(worker);
        // Within the same millisecond the module would not read the clocks for the first of them.
        std::thread::sleep(Duration::from_millis(5));
        client.send(&asked.bytes().repeat(MANY));
        // Where it knows the time by which it judges the first.
        clocks.hold(worker, 4);
        nginx.resume(worker);
        eventually("it has read its clocks", || clocks.passed() >= 4 && nginx.is_held(worker));
        clocks.set_of_day(3600);
        clocks.hold(0, 0);
        nginx.resume(worker);
        let answers: Vec<_> = (0..MANY).map(|_| client.receive("GET")).collect();
        let ended = answers.iter().position(|answer| answer.header("X-Result") != Some("ok")).expect("it ends");
        assert!((1..=MOST).contains(&ended), "{word} after {ended}");
        answers[ended..].iter().for_each(|answer| expect("from then on", word, answer));
    }
}

/// A security module may forbid even to ask.
#[test]
fn a_fetcher_of_which_nothing_is_told_lives() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let nginx = setup.workers(2).http(&fetching_by_worker(""));
    let (keys, gate, alice) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("alice"));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let asked = get("/").token(&alice.token("alice"));
    let [(_, mut first), (_, mut second)] = by_worker(&nginx, 1);
    clocks.deny(rustix::io::Errno::ACCESS.raw_os_error());
    first[0].send(&asked.bytes());
    gate.holds_one();
    // Past the time in which nobody fetches anew in any case.
    clocks.set_running(2);
    second[0].send(&asked.bytes());
    eventually("it is asked", || clocks.asked() > 0);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(keys.count(), 1);
    gate.open();
    expect("the one that fetches", "ok", &first[0].receive("GET"));
    expect("the one that waits", "ok", &second[0].receive("GET"));
}

/// A provider that does not answer must not keep a worker busy.
#[test]
fn who_waits_for_long_looks_now_and_then() {
    /// Points that a look passes behind the time in which nobody fetches anew.
    const POINTS: u32 = 12;
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let nginx = setup.workers(2).http(&fetching_by_worker(""));
    let (keys, gate, alice) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("alice"));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let [(worker, mut clients), _] = by_worker(&nginx, 1);
    clients[0].send(&get("/").token(&alice.token("alice")).bytes());
    gate.holds_one();
    clocks.set_running(10);
    std::thread::sleep(Duration::from_millis(200));
    clocks.hold(worker, u32::MAX);
    std::thread::sleep(Duration::from_secs(1));
    let looks = clocks.passed().div_ceil(POINTS);
    assert!((1..=12).contains(&looks), "{looks} looks in a second");
    gate.open();
    expect("the one that has waited", "ok", &clients[0].receive("GET"));
}

/// Keys that are fetched, and a location whose backend does not answer: where nginx notices that the client leaves.
fn with_slow_backend() -> String {
    let slow = "location /slow { jwt_user_scope any; jwt_user_scope_key_request /_jwks valid=1m; proxy_pass http://unix:slow.sock; }";
    fetching("valid=1m", "").replacen("location", &format!("{slow} location"), 1)
}

fn slow_backend(nginx: &Nginx) -> KeyServer {
    let backend = KeyServer::at(&nginx.path("slow.sock"));
    backend.stay_silent();
    backend
}

/// Whoever has the withdrawn key could keep it in use by fetching and leaving, again and again.
#[test]
fn who_fetches_and_leaves_keeps_no_withdrawn_key_in_use() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let nginx = setup.http(&with_slow_backend());
    let (keys, gate, _backend) = (KeyServer::of(&nginx), Gate::default(), slow_backend(&nginx));
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    keys.publish(key_set(&[&old]));
    expect("the first", "ok", &ask(&nginx, &old));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&new])));
    let come = || {
        let mut client = nginx.client();
        client.send(&get("/slow").token(&old.token("mallory")).bytes());
        client
    };
    clocks.set_running(61);
    let client = come();
    eventually("its fetch", || keys.open() == 1);
    // It waits for a moment only.
    drop(client);
    eventually("it is lost", || keys.open() == 0);
    expect("within the floor", "ok", &ask(&nginx, &old));
    assert_eq!(keys.count(), 2);

    clocks.set_running(63);
    let client = come();
    eventually("the fetch of one who waits", || keys.open() == 1);
    drop(client);
    expect("meanwhile", "ok", &ask(&nginx, &old));
    std::thread::sleep(Duration::from_millis(600));
    assert_eq!((keys.open(), keys.count()), (1, 3), "the fetch goes on without its client");
    gate.open();
    eventually("the withdrawn key no longer counts", || ask(&nginx, &old).status == 401);
    expect("its successor", "ok", &ask(&nginx, &new));
    assert_eq!(keys.count(), 3);
}

/// The request that repeats a lost fetch is judged by what it brings, or by the keys at hand.
#[test]
fn who_repeats_a_lost_fetch_waits_for_it() {
    for (answer, word) in [(200, "unknown_key"), (500, "ok")] {
        let (setup, clocks) = Setup::new().unexplained().with_clocks();
        let nginx = setup.http(&with_slow_backend());
        let (keys, lost, _backend) = (KeyServer::of(&nginx), Gate::default(), slow_backend(&nginx));
        let (old, new) = (Issuer::new("old"), Issuer::new("new"));
        keys.publish(key_set(&[&old]));
        expect("the first", "ok", &ask(&nginx, &old));
        keys.answer_behind(&lost, response("200 OK", "", ""));
        clocks.set_running(61);
        let mut client = nginx.client();
        client.send(&get("/slow").token(&old.token("mallory")).bytes());
        eventually("its fetch", || keys.open() == 1);
        drop(client);
        eventually("it is lost", || keys.open() == 0);
        keys.answer_slowly(
            vec![response(&format!("{answer} Answer"), "", key_set(&[&new]))],
            Duration::from_millis(50),
        );
        clocks.set_running(63);
        expect("the one that repeats it", word, &ask(&nginx, &old));
        expect("the next", word, &ask(&nginx, &old));
        assert_eq!(keys.count(), 3, "no other for ten seconds");
    }
}

/// nginx's own timeouts begin anew with every byte.
#[test]
fn an_answer_that_trickles_is_given_up() {
    let (setup, clocks) = Setup::new().with_clocks();
    let nginx = setup.http(&fetching("valid=1m", ""));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    expect("the first", "ok", &ask(&nginx, &alice));
    let mut pieces = vec![b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n{\"keys\":[".to_vec()];
    pieces.extend(std::iter::repeat_n(b" ".to_vec(), 100));
    keys.answer_slowly(pieces, Duration::from_millis(20));
    clocks.set_running(61);
    expect("the one that fetches", "ok", &ask(&nginx, &alice));
    eventually("its fetch", || keys.open() == 1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(keys.open(), 1, "it has the time that it takes");
    clocks.set_running(61 + 61);
    eventually("it is given up", || nginx.log_with("its answer takes more than 60 seconds").len() == 1);
    assert_eq!(keys.open(), 1, "before it ends");
    expect("the keys at hand", "ok", &ask(&nginx, &alice));
}
