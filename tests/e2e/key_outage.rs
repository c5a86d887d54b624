//! A key set that cannot be fetched: the last good one serves as long as it may, and nothing passes without one.

use crate::common::*;
use std::time::{Duration, Instant};

fn ask(nginx: &Nginx, token: &str) -> Response {
    get("/").token(token).send(nginx)
}

fn seconds(seconds: f64) {
    std::thread::sleep(Duration::from_secs_f64(seconds));
}

/// The socket of a server that is gone is a critical error to nginx.
fn without_server(nginx: &Nginx) {
    nginx.tolerate("connect() to unix:keys.sock failed");
}

#[test]
fn the_last_good_set_serves_until_stale_ends() {
    let nginx = Setup::new().http(&fetching("valid=1s stale=3s", ""));
    let alice = Issuer::new("alice");
    let token = alice.token("alice");
    without_server(&nginx);
    let keys = KeyServer::of(&nginx);
    keys.publish(key_set(&[&alice]));
    let begun = Instant::now();
    expect("with the server", "ok", &ask(&nginx, &token));
    drop(keys);
    let last = Instant::now();
    // Times are whole seconds to the module: it may lapse after two.
    loop {
        let response = ask(&nginx, &token);
        if begun.elapsed() >= Duration::from_millis(1900) {
            break;
        }
        expect("without it", "ok", &response);
        seconds(0.1);
    }
    eventually("it was tried again", || !nginx.log_with("was not fetched").is_empty());
    std::thread::sleep(Duration::from_millis(3300).saturating_sub(last.elapsed()));
    expect("when it has lapsed", "keys_unavailable", &ask(&nginx, &token));
    assert_eq!(ask(&nginx, "not.a.token").status, 401, "what is no token is refused as ever");

    let keys = KeyServer::of(&nginx);
    keys.publish(key_set(&[&alice]));
    eventually("the set is there again", || ask(&nginx, &token).header("X-Result") == Some("ok"));
}

/// Who writes `error_page 503 = @fallback` thinks of a backend that fails, and not of keys that are not there.
#[test]
fn no_error_page_passes_on_what_nobody_could_decide() {
    let locations = |guard: &str| {
        scoped_server(&format!(
            "{guard}
            error_page 503 = @backup;
            location = /_jwks {{ internal; proxy_pass http://unix:keys.sock; }}
            location ~ ^/users/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; proxy_pass http://unix:echo.sock; }}
            location ~ ^/redirected/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = /backup$uri; }}
            location ~ ^/paged/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 /sorry; }}
            location ~ ^/checked/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = @checked; }}
            location ~ ^/reported/(?<user_id>[^/]+) {{
                jwt_user_scope_mode report; jwt_user_scope on; jwt_user_scope_key_request /_jwks;
                error_page 502 = @backup; proxy_pass http://unix:absent.sock; }}
            location /backup/ {{ proxy_pass http://unix:echo.sock; }}
            location = /sorry {{ proxy_pass http://unix:echo.sock; }}
            location ~ ^/sent/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = /backup$request_uri; proxy_pass http://unix:echo.sock; }}
            location ~ ^/moved/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = @moved; proxy_pass http://unix:echo.sock; }}
            location @moved {{ rewrite ^/moved/(.*)$ /v1/$1 break; proxy_pass http://unix:echo.sock; }}
            location ~ ^/last/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = @last; proxy_pass http://unix:echo.sock; }}
            location @last {{ rewrite ^/last/(.*)$ /backup/$1 last; }}
            location ~ ^/value/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = /backup/$user_id; proxy_pass http://unix:echo.sock; }}
            location ~ ^/static/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = @static; proxy_pass http://unix:echo.sock; }}
            location @static {{ root .; try_files /of-bob =404; }}
            location ~ ^/letin/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = @letin; proxy_pass http://unix:echo.sock; }}
            location @letin {{ satisfy any; allow all; proxy_pass http://unix:echo.sock; }}
            location ~ ^/reporting/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = @reporting; proxy_pass http://unix:echo.sock; }}
            location @reporting {{ jwt_user_scope any; jwt_user_scope_mode report; proxy_pass http://unix:echo.sock; }}
            location ~ ^/again/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 = @again; proxy_pass http://unix:echo.sock; }}
            location @again {{ recursive_error_pages on; error_page 503 = @again; proxy_pass http://unix:echo.sock; }}
            location ~ ^/rewritten/(?<user_id>[^/]+) {{
                jwt_user_scope on; jwt_user_scope_key_request /_jwks; error_page 503 @rewritten; }}
            location @rewritten {{ rewrite ^ /sorry break; proxy_pass http://unix:echo.sock; }}
            location = /s {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks; error_page 503 /sorry; }}
            location @checked {{ jwt_user_scope any; proxy_pass http://unix:echo.sock; }}
            location @backup {{ proxy_pass http://unix:echo.sock; }}
            location / {{ return 503; }}"
        ))
    };
    for guard in ["", "jwt_user_scope_guard /users/:user_id /redirected/:user_id;"] {
        let nginx = Setup::new().file("of-bob", "of bob").http(&locations(guard));
        without_server(&nginx);
        nginx.tolerate("connect() to unix:absent.sock failed");
        let token = Issuer::new("alice").token("alice");
        let ask = |path: &str| get(path).token(&token).send(&nginx);
        let refused = [
            "/users/alice/x",
            "/users/bob",
            "/redirected/bob/x",
            "/redirected/%62ob/x",
            "/sent/bob",
            "/sent/%62ob/x",
            "/moved/bob/x",
            "/last/bob/x",
            "/value/bob",
            "/static/bob",
            "/letin/bob",
            "/reporting/bob",
            "/again/bob",
        ];
        for path in refused {
            let response = ask(path);
            assert_eq!(response.status, 503, "{path} with {guard:?}");
            assert_eq!(response.text(), r#"{"detail":"Service unavailable"}"#, "{path} with {guard:?}");
        }
        assert_eq!(nginx.request_log_with("not passed on after keys_unavailable").len(), refused.len());
        for path in ["/rewritten/bob/x", "/s"] {
            let page = ask(path);
            assert!(page.status == 503 && !page.text().contains("detail"), "{path}: {}", page.text());
        }
        assert_eq!(ask("/paged/bob").status, 503, "a page of its own path");
        assert_eq!(ask("/checked/bob").status, 401, "who checks decides");
        for path in ["/reported/bob", "/other"] {
            assert_eq!(ask(path).status, 200, "{path}");
        }
    }
}

#[test]
fn garbage_in_the_background_changes_nothing() {
    let alice = Issuer::new("alice");
    let set = key_set(&[&alice]);
    let answers = [
        ("garbage", response("200 OK", "", "mallory")),
        ("a page", response("200 OK", "Content-Type: text/html\r\n", "<html></html>")),
        ("an object", response("200 OK", "", "{}")),
        ("an empty set", response("200 OK", "", r#"{"keys":[]}"#)),
        ("compressed", response("200 OK", "Content-Encoding: gzip\r\n", &set)),
        ("a redirect", response("302 Found", "Location: /\r\n", &set)),
        ("an error", response("500 Internal Server Error", "", &set)),
        ("truncated", response("200 OK", "", &set)[..150].into()),
        ("too large", response("200 OK", "", format!("{set}{}", " ".repeat(256 * 1024)))),
        ("nothing", Vec::new()),
    ];
    let locations = (0..answers.len()).map(|i| {
        format!(
            "location /{i}/ {{ jwt_user_scope any; jwt_user_scope_key_request /_{i} valid=1s; proxy_pass http://unix:echo.sock; }}
            location = /_{i} {{ internal; proxy_pass http://unix:keys.sock; }}"
        )
    });
    let nginx = Setup::new().server(&locations.collect::<String>());
    let keys = KeyServer::of(&nginx);
    keys.publish(&set);
    let ask = |i: usize| get(format!("/{i}/")).token(&alice.token("alice")).send(&nginx);
    (0..answers.len()).for_each(|i| expect("the first", "ok", &ask(i)));
    seconds(1.1);
    for (i, (name, bytes)) in answers.into_iter().enumerate() {
        keys.answer(bytes);
        let response = ask(i);
        expect(name, "ok", &response);
        assert_eq!(response.text(), format!("GET /{i}/ user="), "{name}");
        let fetches = || keys.heads().iter().filter(|head| head.starts_with(&format!("GET /_{i} "))).count();
        eventually(name, || !nginx.log_with(&format!("\"/_{i}\" was not fetched")).is_empty());
        assert!(fetches() >= 2, "{name}");
        expect(name, "ok", &ask(i));
    }
}

#[test]
fn a_slow_server_holds_up_nobody_who_has_keys() {
    let nginx = Setup::new().http(&fetching("valid=1s", ""));
    let (keys, alice, gate) = (KeyServer::of(&nginx), Issuer::new("alice"), Gate::default());
    let token = alice.token("alice");
    keys.publish(key_set(&[&alice]));
    expect("the first", "ok", &ask(&nginx, &token));
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));
    seconds(1.1);
    expect("the one that fetches", "ok", &ask(&nginx, &token));
    gate.holds_one();
    let fetches = keys.count();
    for _ in 0..50 {
        let begun = Instant::now();
        expect("meanwhile", "ok", &ask(&nginx, &token));
        assert!(begun.elapsed() < patient(Duration::from_millis(500)), "{:?}", begun.elapsed());
    }
    assert_eq!((keys.count(), keys.open()), (fetches, 1), "one fetch, still under way");
    gate.open();
    eventually("it ends", || keys.open() == 0);
    seconds(1.1);
    expect("later", "ok", &ask(&nginx, &token));
    eventually("it is refreshed again", || keys.count() > fetches);
}

#[test]
fn a_server_that_never_answers_costs_the_time_that_its_location_allows() {
    let nginx = Setup::new().http(&fetching("", "proxy_read_timeout 1s;"));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.stay_silent();
    let begun = Instant::now();
    let mut clients: Vec<_> = (0..10).map(|_| nginx.client()).collect();
    let asked = get("/").token(&alice.token("alice"));
    clients.iter_mut().for_each(|client| client.send(&asked.bytes()));
    let sent = begun.elapsed();
    for client in &mut clients {
        expect("one that has waited", "keys_unavailable", &client.receive("GET"));
    }
    let (waited, fetches) = (begun.elapsed(), keys.count());
    assert!(waited >= Duration::from_secs(1), "{waited:?}");
    // Whoever comes when the fetch is over begins another.
    if sent < Duration::from_millis(500) {
        assert!(waited < patient(Duration::from_secs(5)), "{waited:?}");
        assert_eq!(fetches, 1);
    }

    keys.publish(key_set(&[&alice]));
    for client in &mut clients {
        eventually("its connection serves on", || client.ask(&asked).header("X-Result") == Some("ok"));
    }
}

#[test]
fn a_start_without_the_server_asks_for_it_once_a_second() {
    let nginx = Setup::new().http(&fetching("", ""));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    let begun = Instant::now();
    let mut asked = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        expect("without a set", "keys_unavailable", &ask(&nginx, &alice.token("alice")));
        asked += 1;
    }
    assert!(asked > 50, "they are answered at once: {asked}");
    assert!((2..=5).contains(&keys.count()), "{} fetches", keys.count());
    keys.publish(key_set(&[&alice]));
    eventually("the set is there", || ask(&nginx, &alice.token("alice")).header("X-Result") == Some("ok"));
    assert!(keys.count() <= 7, "{} fetches", keys.count());
}

#[test]
fn what_no_set_could_verify_asks_for_none() {
    let nginx = Setup::new().http(&fetching("", ""));
    let keys = KeyServer::of(&nginx);
    keys.publish(key_set(&[&Issuer::new("alice")]));
    let unsigned = |header: &str| format!("{}.{}.AAAA", b64(header), b64(claims(r#""uid":"alice""#)));
    for (token, word) in [
        (uid("alice"), "unsupported_algorithm"),
        (unsigned(r#"{"alg":"none"}"#), "unsupported_algorithm"),
        (unsigned(r#"{"alg":"HS512","kid":"alice"}"#), "unsupported_algorithm"),
        (unsigned(r#"{"alg":"EdDSA","crit":["exp"]}"#), "malformed_token"),
        (unsigned(r#"{"alg":"EdDSA","kid":1}"#), "malformed_token"),
        ("a.b".into(), "malformed_token"),
        (String::new(), "missing_token"),
    ] {
        expect(&token, word, &ask(&nginx, &token));
    }
    assert_eq!(keys.count(), 0);
}

/// A server of a name, which needs no other.
fn named(parameters: &str) -> String {
    let server = fetching(parameters, "").replacen("listen", "server_name www.example; listen", 1);
    server.replace("proxy_pass http://unix:echo.sock;", "empty_gif;")
}

/// Replaces the workers, by a reload or otherwise.
fn until_new_workers(nginx: &Nginx, act: impl FnOnce(&[u32])) {
    let before = children_of(nginx.master());
    act(&before);
    eventually("all workers are new", || {
        let workers = children_of(nginx.master());
        workers.len() == before.len() && workers.iter().all(|worker| !before.contains(worker))
    });
}

#[test]
fn the_last_good_set_survives_a_reload_and_its_workers() {
    let alice = Issuer::new("alice");
    let token = alice.token("alice");
    let server = named("valid=1s stale=1h");
    let nginx = Setup::new().workers(2).http(&server);
    without_server(&nginx);
    let keys = KeyServer::of(&nginx);
    keys.publish(key_set(&[&alice]));
    expect("with the server", "ok", &ask(&nginx, &token));
    drop(keys);

    until_new_workers(&nginx, |_| nginx.reload());
    expect("behind a reload", "ok", &ask(&nginx, &token));
    until_new_workers(&nginx, |workers| workers.iter().for_each(|worker| nginx.kill(*worker)));
    expect("behind the death of all workers", "ok", &ask(&nginx, &token));
    nginx.rewrite(&server.replace("valid=1s", "valid=2s").replace("location", "\n\nlocation"));
    until_new_workers(&nginx, |_| nginx.reload());
    expect("behind a change of its times", "ok", &ask(&nginx, &token));
}

/// Two servers of one name, as for port 80 and 443, and a line that somebody adds above them.
#[test]
fn the_last_good_set_survives_an_edited_configuration() {
    let alice = Issuer::new("alice");
    let token = alice.token("alice");
    let named = named("");
    let other =
        "server { listen unix:other.sock; server_name www.example; location / { return 301 https://www.example; } }";
    let nginx = Setup::new().http(&format!("{other}\n{named}"));
    without_server(&nginx);
    let keys = KeyServer::of(&nginx);
    keys.publish(key_set(&[&alice]));
    expect("with the server", "ok", &ask(&nginx, &token));
    drop(keys);
    nginx.rewrite(&format!("server_tokens off;\n{other}\n{named}"));
    until_new_workers(&nginx, |_| nginx.reload());
    expect("behind a reload", "ok", &ask(&nginx, &token));
}
