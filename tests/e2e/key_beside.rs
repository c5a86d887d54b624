//! A fetch shares the client's connection with the client's request: neither is to harm the other.

use crate::common::*;
use std::time::{Duration, Instant};

/// The set has come, and is due again by now.
fn due(nginx: &Nginx, issuer: &Issuer, path: &str) {
    assert_eq!(get(path).token(&issuer.token("alice")).send(nginx).status, 200);
    std::thread::sleep(Duration::from_millis(1100));
}

/// nginx stops the client's timer when it asks an upstream (`ngx_http_upstream_init`).
#[test]
fn a_body_that_does_not_come_is_given_up_beside_a_fetch() {
    let server = fetching("valid=1s", "").replacen("listen", "client_body_timeout 1s; listen", 1);
    let nginx = Setup::new().http(&server);
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    due(&nginx, &alice, "/");
    let mut client = nginx.client();
    let begun = Instant::now();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n");
    client.send(format!("Authorization: Bearer {}\r\n\r\nbody", alice.token("alice")).as_bytes());
    client.rest();
    assert!(begun.elapsed() >= Duration::from_millis(900), "{:?}", begun.elapsed());
    assert_eq!(keys.count(), 2, "it has fetched");
}

/// Whoever fetches with a body to come cannot leave before the fetch has ended.
#[test]
fn a_request_with_a_body_to_come_stays_until_its_fetch_has_ended() {
    let nginx = Setup::new().unexplained().http(&fetching("valid=1s", ""));
    let (keys, gate, alice) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    due(&nginx, &alice, "/");
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let mut client = nginx.client();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n");
    client.send(format!("Authorization: Bearer {}\r\n\r\n", alice.token("alice")).as_bytes());
    gate.holds_one();
    drop(client);
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(keys.open(), 1, "the fetch goes on without its client");
    gate.open();
    eventually("it has ended", || keys.open() == 0);
    expect("the next", "ok", &get("/").token(&alice.token("alice")).send(&nginx));
    assert_eq!(keys.count(), 2, "its set is in use");
}

/// Two sets, each with a provider of its own.
fn two_sets(parameters: &str, lines: &str) -> String {
    scoped_server(&format!(
        "location / {{
            jwt_user_scope any; jwt_user_scope_key_request /_jwks {parameters}; jwt_user_scope_key_request /_other {parameters};
            proxy_pass http://unix:echo.sock;
        }}
        location = /_jwks {{ internal; {lines} proxy_pass http://unix:keys.sock; }}
        location = /_other {{ internal; {lines} proxy_pass http://unix:other.sock; }}"
    ))
}

#[test]
fn a_fetch_that_has_ended_lets_nobody_go_who_waits_for_another() {
    let nginx = Setup::new().unexplained().http(&two_sets("valid=1s", ""));
    let (keys, others) = (KeyServer::of(&nginx), KeyServer::at(&nginx.path("other.sock")));
    let (gate, alice, bob) = (Gate::default(), Issuer::new("alice"), Issuer::new("bob"));
    keys.publish(key_set(&[&alice]));
    others.publish(key_set(&[&bob]));
    due(&nginx, &bob, "/");
    others.answer_behind(&gate, response("200 OK", "", key_set(&[&bob])));
    let mut client = nginx.client();
    client.send(b"POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n");
    client.send(format!("Authorization: Bearer {}\r\n\r\n", bob.token("bob")).as_bytes());
    gate.holds_one();
    drop(client);
    std::thread::sleep(Duration::from_millis(800));
    assert_eq!(others.open(), 1, "the fetch goes on without its client");
    gate.open();
    eventually("it has ended", || others.open() == 0);
}

#[test]
fn who_has_waited_for_one_set_waits_for_a_moment_for_another() {
    let nginx = Setup::new().unexplained().http(&two_sets("valid=1s", ""));
    nginx.tolerate("connect() to unix:keys.sock failed");
    let others = KeyServer::at(&nginx.path("other.sock"));
    let (gate, alice, bob) = (Gate::default(), Issuer::new("alice"), Issuer::new("bob"));
    others.publish(key_set(&[&bob]));
    due(&nginx, &bob, "/");
    let keys = KeyServer::of(&nginx);
    keys.publish(key_set(&[&alice]));
    others.answer_behind(&gate, response("200 OK", "", key_set(&[&bob])));
    let begun = Instant::now();
    assert_eq!(get("/").token(&alice.token("alice")).send(&nginx).status, 200);
    assert!(begun.elapsed() < patient(Duration::from_secs(3)), "{:?}", begun.elapsed());
    gate.holds_one();
    gate.open();
}

/// However long the provider takes to fail.
#[test]
fn a_request_fetches_a_set_again_once() {
    let nginx = Setup::new().unexplained().http(&fetching("valid=1s", "proxy_read_timeout 1s;"));
    nginx.tolerate("upstream timed out");
    let (keys, alice, bob) = (KeyServer::of(&nginx), Issuer::new("alice"), Issuer::new("bob"));
    keys.publish(key_set(&[&alice]));
    due(&nginx, &alice, "/");
    keys.stay_silent();
    let asked = get("/").token(&alice.token("alice")).body(vec![b'x'; 9]);
    let (begun, before) = (Instant::now(), keys.count());
    expect("whose body is there", "ok", &asked.send(&nginx));
    assert!(begun.elapsed() < Duration::from_millis(950), "{:?}", begun.elapsed());
    std::thread::sleep(Duration::from_millis(1200));
    expect("of another key", "unknown_key", &get("/").token(&bob.token("bob")).send(&nginx));
    assert_eq!(keys.count(), before + 2);
}

/// What a thread has read, nginx tells to the request, unless the client's connection is held back.
#[test]
fn a_set_in_a_file_is_read_beside_an_answer_that_is_paced() {
    let lines = "limit_rate 40k; aio threads; sendfile off;
        location / { jwt_user_scope any; jwt_user_scope_key_request /keys.json valid=1s; try_files /big =404; }
        location = /keys.json { internal; if ($uri) { set $x 1; } }
        root .;";
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    let setup = Setup::new().unexplained().file("big", vec![b'x'; 60_000]).file("keys.json", key_set(&[&old]));
    let nginx = setup.server(lines);
    let ask = |issuer: &Issuer| request("HEAD", "/").token(&issuer.token("alice")).send(&nginx).status;
    assert_eq!(ask(&old), 200);
    for _ in 0..2 {
        std::thread::sleep(Duration::from_millis(1100));
        let answer = get("/").token(&old.token("alice")).send(&nginx);
        assert_eq!((answer.status, answer.body.len()), (200, 60_000));
    }
    std::fs::write(nginx.path("keys.json"), key_set(&[&new])).expect("another set");
    std::thread::sleep(Duration::from_millis(1100));
    eventually("the withdrawn key no longer counts", || ask(&old) == 401);
    assert_eq!(ask(&new), 200);
}

/// Whoever holds a withdrawn key could have the provider refuse to answer.
#[test]
fn a_provider_is_told_nothing_of_the_client() {
    let own = "proxy_set_header X-Own \"$jwt_user_scope_user|$jwt_user_scope_payload|$jwt_user_scope_claim_uid|$plan|$jwt_user_scope_result\";";
    let server = fetching("valid=1s", "").replacen("listen", &format!("{own} listen"), 1);
    let nginx = Setup::new().http(&format!("jwt_user_scope_set $plan /plan; {server}"));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    due(&nginx, &alice, "/");
    expect("the one that fetches again", "ok", &get("/").token(&alice.token("alice")).send(&nginx));
    let heads = keys.heads();
    assert_eq!(heads.len(), 2);
    for head in heads {
        assert!(head.contains("X-Own: ||||"), "{head}");
    }
}

/// It would have a set in use for ever.
#[test]
fn a_stale_answer_of_nginxs_cache_is_no_new_set() {
    let lines = "proxy_cache keys; proxy_cache_valid 1s; proxy_cache_use_stale error;";
    let nginx = Setup::new()
        .unexplained()
        .http(&format!("proxy_cache_path cache keys_zone=keys:1m; {}", fetching("valid=1s stale=3s", lines)));
    nginx.tolerate("connect() to unix:keys.sock failed");
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    expect("the first", "ok", &get("/").token(&alice.token("alice")).send(&nginx));
    drop(keys);
    std::thread::sleep(Duration::from_secs(1));
    eventually("its time is over", || {
        get("/").token(&alice.token("alice")).send(&nginx).header("X-Result") == Some("keys_unavailable")
    });
    assert!(!nginx.log_with("its answer is a stale one of nginx's cache").is_empty());
}

#[test]
fn an_answer_that_comes_too_late_is_none() {
    let (setup, clocks) = Setup::new().unexplained().with_clocks();
    let nginx = setup.http(&fetching("valid=1h", "proxy_read_timeout 1h;"));
    let (keys, gate, alice) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("alice"));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let mut client = nginx.client();
    client.send(&get("/").token(&alice.token("alice")).bytes());
    gate.holds_one();
    clocks.set_running(61);
    expect("the one that waits", "keys_unavailable", &client.receive("GET"));
    gate.open();
    eventually("it is given up", || nginx.log_with("its answer takes more than 60 seconds").len() == 1);
}

/// The log is the connection's, which the fetch has had in between.
#[test]
fn a_refusal_after_a_fetch_is_logged_as_the_clients() {
    let nginx = Setup::new().http(&fetching("", ""));
    let (keys, alice, bob) = (KeyServer::of(&nginx), Issuer::new("alice"), Issuer::new("bob"));
    keys.publish(key_set(&[&alice]));
    expect("of another issuer", "unknown_key", &get("/x").token(&bob.token("alice")).send(&nginx));
    let [line] = &nginx.log_with("unknown_key")[..] else { panic!("not one line") };
    for part in ["subrequest", "upstream", " while "] {
        assert!(!line.contains(part), "{part} in {line}");
    }
    assert!(line.contains("request: \"GET /x HTTP/1.1\""), "{line}");
}
