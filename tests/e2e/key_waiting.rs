//! Requests that wait for a fetch, the one that makes it, and what becomes of it when its client or its worker goes.

use crate::common::*;
use std::time::{Duration, Instant};

/// A server whose fetches are held back until the gate is open.
fn held_back(server: &str, workers: usize) -> (Nginx, KeyServer, Issuer, Gate) {
    let nginx = Setup::new().workers(workers).http(server);
    // The request of a client that has gone may still be on its way there when nginx stops.
    nginx.tolerate("connect() to unix:echo.sock failed");
    let (keys, alice, gate) = (KeyServer::of(&nginx), Issuer::new("alice"), Gate::default());
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    (nginx, keys, alice, gate)
}

fn until_fetches(keys: &KeyServer, count: usize) {
    eventually(&format!("{count} fetches have begun, one is under way"), || (keys.count(), keys.open()) == (count, 1));
}

fn waiting(nginx: &Nginx, token: &str) -> Client {
    let mut client = nginx.client();
    client.send(&get("/x").token(token).bytes());
    client
}

#[test]
fn a_client_that_goes_takes_no_fetch_from_those_who_wait() {
    let (nginx, keys, alice, gate) = held_back(&fetching("", ""), 1);
    let token = alice.token("alice");
    let fetches = waiting(&nginx, &token);
    until_fetches(&keys, 1);
    let mut others: Vec<_> = (0..5).map(|_| waiting(&nginx, &token)).collect();
    std::thread::sleep(patient(Duration::from_millis(50)));
    drop(fetches);
    std::thread::sleep(patient(Duration::from_millis(50)));
    gate.open();
    for client in &mut others {
        expect("one that has waited", "ok", &client.receive("GET"));
    }
    assert!(keys.count() <= 2, "{} fetches", keys.count());
}

#[test]
fn a_client_that_goes_frees_the_place_of_its_fetch() {
    let (nginx, keys, alice, gate) = held_back(&fetching("", ""), 1);
    let token = alice.token("alice");
    drop(waiting(&nginx, &token));
    eventually("a fetch has begun", || keys.count() == 1);
    gate.open();
    let begun = Instant::now();
    eventually("the next has the set", || get("/x").token(&token).send(&nginx).status == 200);
    assert!(begun.elapsed() < patient(Duration::from_secs(3)), "{:?}", begun.elapsed());
    assert!(keys.count() <= 3, "{} fetches", keys.count());
}

#[test]
fn a_client_that_goes_with_its_answer_leaves_the_set_as_it_was() {
    let (nginx, keys, alice, gate) = held_back(&fetching("valid=1s", ""), 1);
    let token = alice.token("alice");
    gate.open();
    expect("the first", "ok", &get("/x").token(&token).send(&nginx));
    std::thread::sleep(Duration::from_millis(1100));
    let gate = Gate::default();
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let mut client = waiting(&nginx, &token);
    expect("the one that fetches in the background", "ok", &client.receive("GET"));
    gate.holds_one();
    drop(client);
    (0..20).for_each(|_| expect("meanwhile", "ok", &get("/x").token(&token).send(&nginx)));
    gate.open();
    eventually("the fetch ends", || keys.open() == 0);
    expect("afterwards", "ok", &get("/x").token(&token).send(&nginx));
}

#[test]
fn a_worker_that_is_killed_leaves_its_fetch_to_another() {
    let server = fetching_by_worker("");
    let (nginx, keys, alice, gate) = held_back(&server, 2);
    let asked = get("/x").token(&alice.token("alice"));
    let [(victim, mut first), (_, mut second)] = by_worker(&nginx, 1);
    let (first, second) = (&mut first[0], &mut second[0]);
    first.send(&asked.bytes());
    until_fetches(&keys, 1);
    second.send(&asked.bytes());
    std::thread::sleep(Duration::from_millis(200));
    nginx.kill(victim);
    eventually("the other worker fetches", || keys.count() == 2);
    gate.open();
    expect("at the other worker", "ok", &second.receive("GET"));
    eventually("the worker is replaced", || children_of(nginx.master()).len() == 2);
    for (_, mut clients) in by_worker(&nginx, 1) {
        expect("at either worker", "ok", &clients[0].ask(&asked));
    }
    assert_eq!(keys.count(), 2);
}

/// Whoever waits for a new key need not wait for as long as two early fetches are apart.
#[test]
fn a_worker_that_is_killed_leaves_its_early_fetch_to_another() {
    let (setup, clocks) = Setup::new().with_clocks();
    let server = fetching_by_worker("");
    let nginx = setup.workers(2).http(&server);
    let (keys, gate, old, new) = (KeyServer::of(&nginx), Gate::default(), Issuer::new("old"), Issuer::new("new"));
    let asked = |issuer: &Issuer| get("/").token(&issuer.token("alice"));
    keys.publish(key_set(&[&old]));
    let [(victim, mut first), (_, mut second)] = by_worker(&nginx, 1);
    expect("the first", "ok", &second[0].ask(&asked(&old)));
    clocks.set_running(11);
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&old, &new])));
    first[0].send(&asked(&new).bytes());
    gate.holds_one();
    second[0].send(&asked(&new).bytes());
    std::thread::sleep(patient(Duration::from_millis(200)));
    nginx.kill(victim);
    let begun = Instant::now();
    gate.open();
    expect("at the other worker", "ok", &second[0].receive("GET"));
    assert!(begun.elapsed() < patient(Duration::from_secs(5)), "{:?}", begun.elapsed());
    assert_eq!(keys.count(), 3);
}

/// Those who come when it is gone wait for the next fetch, as those do who have waited for the lost one.
#[test]
fn a_fetch_that_is_lost_refuses_nobody() {
    let (setup, clocks) = Setup::new().with_clocks();
    let nginx = setup.workers(2).http(&fetching_by_worker(""));
    let (keys, old, new) = (KeyServer::of(&nginx), Issuer::new("old"), Issuer::new("new"));
    let mut ahead = 0;
    for (issuer, published) in [(&old, vec![&old]), (&new, vec![&old, &new])] {
        let (gate, before) = (Gate::default(), keys.count());
        keys.answer_behind(&gate, response("200 OK", "", key_set(&published)));
        let asked = get("/").token(&issuer.token("alice"));
        let [(victim, mut first), (_, mut second)] = by_worker(&nginx, 1);
        first[0].send(&asked.bytes());
        gate.holds_one();
        nginx.kill(victim);
        gate.open();
        eventually("it is gone", || children_of(nginx.master()).iter().all(|&worker| worker != victim));
        // Nobody takes it to live any more.
        std::thread::sleep(Duration::from_millis(200));
        expect("one that comes later", "ok", &second[0].ask(&asked));
        assert_eq!(keys.count(), before + 2);
        // The next key is new to a set that may be fetched early.
        ahead += 11;
        clocks.set_running(ahead);
    }
}

/// A fetch in the background belongs to the request that began it, and that to its client.
#[test]
fn a_fetch_that_is_lost_with_its_client_refuses_nobody() {
    let (setup, clocks) = Setup::new().with_clocks();
    let slow = "location /slow/ { jwt_user_scope any; jwt_user_scope_key_request /_jwks valid=1m; proxy_pass http://unix:slow.sock; }";
    let nginx = setup.http(&fetching("valid=1m", "").replacen("location", &format!("{slow} location"), 1));
    let (keys, backend) = (KeyServer::of(&nginx), KeyServer::at(&nginx.path("slow.sock")));
    let (gate, old, new) = (Gate::default(), Issuer::new("old"), Issuer::new("new"));
    backend.stay_silent();
    keys.publish(key_set(&[&old]));
    expect("the first", "ok", &get("/").token(&old.token("alice")).send(&nginx));
    clocks.set_running(61);
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&old, &new])));
    let mut client = nginx.client();
    client.send(&get("/slow/").token(&old.token("alice")).bytes());
    gate.holds_one();
    drop(client);
    eventually("nobody fetches", || keys.open() == 0);
    gate.open();
    expect("with the new key", "ok", &get("/").token(&new.token("alice")).send(&nginx));
    assert_eq!(keys.count(), 3);
}

#[cfg(ngx_feature = "http_v2")]
#[test]
fn requests_of_one_http2_connection_wait_together() {
    let server = fetching("", "").replacen("listen", "listen unix:h2.sock http2; listen", 1);
    let (nginx, keys, alice, gate) = held_back(&server, 1);
    let authorization = format!("Bearer {}", alice.token("alice"));
    let one = || Http2Request { method: "GET", path: "/x", authorization: Some(authorization.as_bytes()) };
    std::thread::scope(|scope| {
        let answers = scope.spawn(|| over_http2_at_once(&nginx, &std::array::from_fn::<_, 20, _>(|_| one())));
        until_fetches(&keys, 1);
        gate.open();
        for response in answers.join().expect("no panic") {
            expect("one stream", "ok", &response);
            assert_eq!(response.text(), "GET /x user=");
        }
    });
    assert_eq!(keys.count(), 1);
}

#[cfg(ngx_feature = "http_v2")]
#[test]
fn a_stream_that_is_cancelled_frees_the_place_of_its_fetch() {
    let server = fetching("", "").replacen("listen", "listen unix:h2.sock http2; listen", 1);
    let (nginx, keys, alice, gate) = held_back(&server, 1);
    let authorization = format!("Bearer {}", alice.token("alice"));
    let one = Http2Request { method: "GET", path: "/x", authorization: Some(authorization.as_bytes()) };
    let cancelled = || {
        let begun = keys.open() == 1;
        if begun {
            gate.open();
        }
        begun
    };
    let response = over_http2_cancelled(&nginx, &one, cancelled, &one);
    expect("the next stream", "ok", &response);
    assert!(keys.count() <= 2, "{} fetches", keys.count());
    expect("another connection", "ok", &get("/x").token(&alice.token("alice")).send(&nginx));
}

#[test]
fn a_connection_whose_request_fetches_in_the_background_serves_on() {
    let (nginx, keys, alice, gate) = held_back(&fetching("valid=1s", ""), 1);
    let asked = get("/x").token(&alice.token("alice"));
    gate.open();
    let mut client = nginx.client();
    expect("the first", "ok", &client.ask(&asked));
    expect("the second on its connection", "ok", &client.ask(&asked));
    std::thread::sleep(Duration::from_millis(1100));

    let gate = Gate::default();
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    let begun = Instant::now();
    expect("the one that fetches", "ok", &client.ask(&asked));
    assert!(begun.elapsed() >= Duration::from_millis(250), "it waits for a moment: {:?}", begun.elapsed());
    assert!(begun.elapsed() < patient(Duration::from_secs(2)), "{:?}", begun.elapsed());
    gate.holds_one();
    client.send(&asked.bytes());
    gate.open();
    expect("the next, which came during the fetch", "ok", &client.receive("GET"));
    expect("and the one after", "ok", &client.ask(&asked));
}

/// nginx paces such an answer with the timer that it also uses for what it receives without buffering.
#[test]
fn an_answer_that_is_paced_goes_on_beside_a_fetch() {
    let lines = "location / {
            jwt_user_scope any; jwt_user_scope_key_request /_jwks valid=1s; limit_rate 40k; root .; try_files /big =404;
        }
        location = /_jwks { internal; proxy_buffering off; proxy_pass http://unix:keys.sock; }";
    let nginx = Setup::new().file("big", vec![b'x'; 60_000]).server(lines);
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    let asked = request("HEAD", "/").token(&alice.token("alice"));
    assert_eq!(asked.send(&nginx).status, 200);
    eventually("no fetch is under way", || keys.open() == 0);
    std::thread::sleep(Duration::from_millis(1100));

    let fetches = keys.count();
    let whole = response("200 OK", "", key_set(&[&alice]));
    let (first, last) = whole.split_at(whole.len() / 2);
    keys.answer_slowly(vec![first.into(), last.into()], Duration::from_millis(300));
    let answer = get("/").token(&alice.token("alice")).send(&nginx);
    assert_eq!((answer.status, answer.body.len()), (200, 60_000));
    assert_eq!(keys.count(), fetches + 1);
}

#[test]
fn variables_read_before_the_keys_have_come_see_no_verified_token() {
    let early = "set $early \"$jwt_user_scope_user|$jwt_user_scope_claim_uid|$jwt_user_scope_payload|$jwt_user_scope_header_kid\";
        add_header X-Early $early; add_header X-Result $jwt_user_scope_result; add_header X-User $jwt_user_scope_user; jwt_user_scope any;";
    let (nginx, keys, alice, gate) = held_back(&fetching("", "").replacen("jwt_user_scope any;", early, 1), 1);
    let token = alice.token("alice");
    let mut client = waiting(&nginx, &token);
    until_fetches(&keys, 1);
    gate.open();
    let response = client.receive("GET");
    expect("before", "ok", &response);
    assert_eq!((response.header("X-Early"), response.header("X-User")), (Some("|||"), Some("alice")));
    let response = client.ask(&get("/x").token(&token));
    assert!(response.header("X-Early").is_some_and(|early| early.starts_with("alice|alice|{")), "{response:?}");
    assert_eq!(keys.count(), 1, "variables fetch nothing");
}

#[test]
fn nothing_passes_for_want_of_a_set() {
    let location = |name: &str, lines: &str| {
        format!("location {name} {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks; {lines} empty_gif; }}\n")
    };
    let nginx = Setup::new().file("users", "alice:{PLAIN}pass\n").server(
        &[
            location("/", ""),
            location("/any/", "satisfy any; deny all; auth_basic users; auth_basic_user_file users;"),
            location("/let-in/", "satisfy any; allow all;"),
            location("/report/", "jwt_user_scope_mode report;"),
            location("/page/", "error_page 503 = /sorry;"),
            "location = /_jwks { internal; proxy_pass http://unix:keys.sock; } location /sorry { return 200 sorry; }"
                .into(),
        ]
        .concat(),
    );
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    let ask = |path: &str| get(path).token(&alice.token("alice")).send(&nginx);
    let both = |word: &str, status: u16, response: &Response| {
        assert_eq!((response.header("X-Result"), response.status), (Some(word), status), "{response:?}");
    };
    assert_eq!(ask("/let-in/").status, 200, "nothing is asked of a token there");
    assert_eq!(keys.count(), 0);
    expect("alone", "keys_unavailable", &ask("/"));
    expect("satisfy any", "keys_unavailable", &ask("/any/"));
    both("keys_unavailable", 200, &ask("/report/"));
    assert_eq!(ask("/report/").body.len(), 43, "the content is there");
    assert_eq!(ask("/page/").text(), "sorry");
    let lines = nginx.request_log_with("keys_unavailable");
    assert!(lines.iter().any(|line| line.contains("would refuse with 503")), "{lines:#?}");

    keys.publish(key_set(&[&alice]));
    eventually("the set is there", || ask("/").status == 200);
    for path in ["/any/", "/report/", "/page/"] {
        both("ok", 200, &ask(path));
    }
}

#[test]
fn a_location_behind_an_error_page_gets_its_own_set() {
    let nginx = Setup::new().server(
        "location / { jwt_user_scope any; jwt_user_scope_key_request /_one; error_page 401 = @two; empty_gif; }
        location @two { jwt_user_scope any; jwt_user_scope_key_request /_two; empty_gif; }
        location = /_one { internal; proxy_pass http://unix:keys.sock; }
        location = /_two { internal; proxy_pass http://unix:two.sock; }",
    );
    let (keys, others) = (KeyServer::of(&nginx), KeyServer::at(&nginx.path("two.sock")));
    let (one, two) = (Issuer::new("one"), Issuer::new("two"));
    keys.publish(key_set(&[&one]));
    others.publish(key_set(&[&two]));
    expect("the first", "ok", &get("/").token(&one.token("alice")).send(&nginx));
    expect("the second", "ok", &get("/").token(&two.token("alice")).send(&nginx));
    assert_eq!((keys.count(), others.count()), (1, 1));
}

/// A number of `/proc/<pid>/status`, in KiB.
fn status(pid: u32, name: &str) -> usize {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("a worker");
    let line = status.lines().find_map(|line| line.strip_prefix(name)).expect("a line of this name");
    line.trim_start_matches(':').trim().trim_end_matches(" kB").parse().expect("a number")
}

fn open_files(pid: u32) -> usize {
    std::fs::read_dir(format!("/proc/{pid}/fd")).expect("a worker").count()
}

#[test]
fn fetches_leave_no_memory_and_no_files_behind() {
    const SETS: usize = 20;
    let requests: String = (0..SETS).map(|i| format!("jwt_user_scope_key_request /_jwks?{i} valid=1s; ")).collect();
    let nginx = Setup::new().server(&format!(
        "location / {{ jwt_user_scope any; {requests} empty_gif; }} location = /_jwks {{ internal; proxy_pass http://unix:keys.sock; }}"
    ));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    // Sets of 100 KiB, half of them garbage: a leak of one text per fetch would show.
    let set = format!("{}{}", key_set(&[&alice]), " ".repeat(100_000));
    let worker = children_of(nginx.master())[0];
    let round = |number: usize| {
        let text = if number.is_multiple_of(2) { &set[..] } else { &set[1..] };
        keys.publish(text);
        let begun = keys.count();
        expect("a round", "ok", &get("/").token(&alice.token("alice")).send(&nginx));
        eventually("all sets are fetched", || keys.count() >= begun + SETS && keys.open() == 0);
        std::thread::sleep(Duration::from_millis(1100));
    };
    (0..2).for_each(round);
    let (memory, files) = (status(worker, "RssAnon"), open_files(worker));
    (2..5).for_each(round);
    let growth = status(worker, "RssAnon").saturating_sub(memory);
    assert!(growth < 1024, "{growth} KiB for {} fetches", 3 * SETS);
    assert!(open_files(worker) <= files, "{} files, {files} before", open_files(worker));
}
