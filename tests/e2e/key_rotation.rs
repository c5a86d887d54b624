//! Rotation at the issuer: an unknown `kid` causes one early fetch, and junk in its place no load.

use crate::common::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};

fn location(name: &str, socket: &str) -> String {
    format!(
        "location /{name}/ {{ jwt_user_scope any; jwt_user_scope_key_request /_{name}; empty_gif; }}
        location = /_{name} {{ internal; proxy_pass http://unix:{socket}; }}\n"
    )
}

fn ask(nginx: &Nginx, location: &str, issuer: &Issuer) -> Response {
    get(format!("/{location}/")).token(&issuer.token("alice")).send(nginx)
}

/// Requests with these tokens, all of them sent before the first answer is read.
fn ask_at_once(nginx: &Nginx, location: &str, issuers: &[&Issuer]) -> Vec<Response> {
    let mut clients: Vec<_> = issuers.iter().map(|_| nginx.client()).collect();
    for (client, issuer) in clients.iter_mut().zip(issuers) {
        client.send(&get(format!("/{location}/")).token(&issuer.token("alice")).bytes());
    }
    clients.iter_mut().map(|client| client.receive("GET")).collect()
}

fn junk(count: usize) -> Vec<Issuer> {
    (0..count).map(|i| Issuer::new(&format!("junk{i}"))).collect()
}

/// Ten seconds between the starts of early fetches, as the documentation states.
#[test]
fn an_unknown_kid_is_worth_one_fetch_in_ten_seconds() {
    let servers = [("rotated", "keys.sock"), ("left", "left.sock"), ("lost", "lost.sock")];
    let server = scoped_server(&servers.map(|(name, socket)| location(name, socket)).concat());
    let (setup, clocks) = Setup::new().with_clocks();
    let nginx = setup.workers(2).http(&server);
    let [keys, left, lost] = ["keys.sock", "left.sock", "lost.sock"].map(|socket| KeyServer::at(&nginx.path(socket)));
    let (old, new, junk) = (Issuer::new("old"), Issuer::new("new"), junk(40));
    keys.publish(key_set(&[&old]));
    left.publish(key_set(&[&old]));
    lost.publish(key_set(&[&old]));
    for location in ["rotated", "left", "lost"] {
        expect("the first", "ok", &ask(&nginx, location, &old));
    }

    keys.publish(key_set(&[&new, &old]));
    for seconds in [0, 5] {
        clocks.set_running(seconds);
        for issuer in &junk {
            expect("junk", "unknown_key", &ask(&nginx, "rotated", issuer));
        }
        expect("too early", "unknown_key", &ask(&nginx, "rotated", &new));
    }
    assert_eq!(keys.count(), 1, "within the floor nobody causes a fetch");

    clocks.set_running(10);
    let issuers: Vec<_> = junk.iter().chain([&new, &old, &new]).collect();
    for (i, response) in ask_at_once(&nginx, "rotated", &issuers).iter().enumerate() {
        expect("behind it", if i < junk.len() { "unknown_key" } else { "ok" }, response);
    }
    assert_eq!(keys.count(), 2, "one fetch for all of them");
    clocks.set_running(15);
    for issuer in &junk {
        expect("more junk", "unknown_key", &ask(&nginx, "rotated", issuer));
    }
    assert_eq!(keys.count(), 2, "no fetch for junk");
    a_client_that_leaves_does_not_use_it_up(&nginx, &lost);
    clients_that_leave_do_not_hammer(&nginx, &left);
}

/// Junk comes first and leaves before the answer: whoever has the new key is let in all the same.
fn a_client_that_leaves_does_not_use_it_up(nginx: &Nginx, lost: &KeyServer) {
    let new = Issuer::new("new");
    lost.answer_slowly(vec![response("200 OK", "", key_set(&[&new]))], Duration::from_millis(50));
    let before = lost.count();
    let mut client = nginx.client();
    client.send(&get("/lost/").token(&Issuer::new("junk").token("alice")).bytes());
    eventually("a fetch has begun", || lost.count() == before + 1);
    drop(client);
    let begun = Instant::now();
    eventually("the new key counts", || ask(nginx, "lost", &new).status == 200);
    assert!(begun.elapsed() < patient(Duration::from_secs(3)), "{:?}", begun.elapsed());
}

/// Each of these takes over the fetch of the one before, which leaves. Those who wait for good reason may fetch again,
/// but not as often as somebody can connect.
fn clients_that_leave_do_not_hammer(nginx: &Nginx, left: &KeyServer) {
    let gate = Gate::default();
    left.answer_behind(&gate, response("200 OK", "", key_set(&[&Issuer::new("old")])));
    let before = left.count();
    let begun = Instant::now();
    let (mut clients, mut count) = (VecDeque::new(), 0);
    while begun.elapsed() < Duration::from_secs(3) {
        let mut client = nginx.client();
        client.send(&get("/left/").token(&Issuer::new(&format!("left{count}")).token("alice")).bytes());
        clients.push_back(client);
        count += 1;
        std::thread::sleep(Duration::from_millis(20));
        if clients.len() > 5 {
            clients.pop_front();
        }
    }
    let (fetches, seconds) = (left.count() - before, begun.elapsed().as_secs_f64());
    drop(clients);
    gate.open();
    assert!((1.0..=seconds + 1.0).contains(&(fetches as f64)), "{fetches} fetches for {count} clients in {seconds} s");
}

/// A location with two sets, of servers of their own, and one with the second alone.
fn two_sets() -> (Nginx, Clocks, KeyServer, KeyServer) {
    let (setup, clocks) = Setup::new().with_clocks();
    let nginx = setup.workers(2).http(&scoped_server(
        "location / { jwt_user_scope any; jwt_user_scope_key_request /_one; jwt_user_scope_key_request /_two; empty_gif; }
        location /two { jwt_user_scope any; jwt_user_scope_key_request /_two; empty_gif; }
        location = /_one { internal; proxy_pass http://unix:one.sock; }
        location = /_two { internal; proxy_pass http://unix:two.sock; }",
    ));
    let [one, two] = ["one.sock", "two.sock"].map(|socket| KeyServer::at(&nginx.path(socket)));
    (nginx, clocks, one, two)
}

/// Those who have waited for one set must not cause a fetch of the other.
#[test]
fn an_unknown_kid_is_worth_one_fetch_of_each_set() {
    let (nginx, clocks, one, two) = two_sets();
    let (first, second, junk) = (Issuer::new("first"), Issuer::new("second"), Issuer::new("junk"));
    let ask = |path: &str, issuer: &Issuer| get(path).token(&issuer.token("alice")).send(&nginx);
    one.publish(key_set(&[&first]));
    two.publish(key_set(&[&second]));
    expect("the first", "ok", &ask("/", &first));
    expect("of the other", "ok", &ask("/", &second));
    let counts = || (one.count(), two.count());
    for (seconds, path, expected) in [(11, "/two", (1, 2)), (16, "/", (2, 2)), (22, "/", (2, 3)), (28, "/", (3, 3))] {
        clocks.set_running(seconds);
        (0..3).for_each(|_| expect(path, "unknown_key", &ask(path, &junk)));
        assert_eq!(counts(), expected, "{path} at {seconds}");
    }
}

#[test]
fn a_rotation_is_noticed_while_another_set_cannot_be_had() {
    let (nginx, clocks, one, _two) = two_sets();
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let ask = |issuer: &Issuer| get("/").token(&issuer.token("alice")).send(&nginx);
    one.publish(key_set(&[&old]));
    expect("the first", "ok", &ask(&old));
    one.publish(key_set(&[&old, &new]));
    expect("too early", "keys_unavailable", &ask(&new));
    clocks.set_running(11);
    expect("behind ten seconds", "ok", &ask(&new));
    assert_eq!(one.count(), 2);
}

#[test]
fn a_rotation_is_picked_up_in_the_background() {
    let nginx = Setup::new().http(&fetching("valid=1s", ""));
    let keys = KeyServer::of(&nginx);
    let (old, new, third) = (Issuer::new("old"), Issuer::new("new"), Issuer::new("third"));
    let ask = |issuer: &Issuer| get("/").token(&issuer.token("alice")).send(&nginx);
    keys.publish(key_set(&[&old]));
    expect("the old key", "ok", &ask(&old));
    // The new key is published before it signs, and the old one goes when its tokens have expired.
    for (published, good, bad) in [
        (vec![&new, &old], vec![&old, &new], vec![&third]),
        (vec![&third, &new], vec![&new, &third], vec![&old]),
        (vec![&third], vec![&third], vec![&old, &new]),
    ] {
        keys.publish(key_set(&published));
        let fetches = keys.count();
        std::thread::sleep(Duration::from_millis(1100));
        expect("a key that stays", "ok", &ask(good[0]));
        eventually("the set is fetched again", || keys.count() > fetches && keys.open() == 0);
        eventually("the new set counts", || ask(good.last().expect("a key")).status == 200);
        good.iter().for_each(|issuer| expect("published", "ok", &ask(issuer)));
        bad.iter().for_each(|issuer| expect("not published", "unknown_key", &ask(issuer)));
    }
}

#[test]
fn a_key_of_the_same_name_is_replaced() {
    let nginx = Setup::new().http(&fetching("valid=1s", ""));
    let keys = KeyServer::of(&nginx);
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let renamed = |issuer: &Issuer, name: &str| key_set(&[issuer]).replace(&format!("\"{name}\""), "\"the\"");
    let token = |issuer: &Issuer| issuer.sign_as("the", &claims(r#""uid":"alice""#));
    let ask = |issuer: &Issuer| get("/").token(&token(issuer)).send(&nginx);
    keys.publish(renamed(&old, "old"));
    expect("the old key", "ok", &ask(&old));
    expect("the new key", "bad_signature", &ask(&new));
    keys.publish(renamed(&new, "new"));
    std::thread::sleep(Duration::from_millis(1100));
    eventually("the new key counts", || ask(&new).status == 200);
    expect("the old key", "bad_signature", &ask(&old));
}
