//! The order of the contract, told by the result word, and every word in an access log.

use crate::common::*;
use rustix::process::{Pid, Resource, Rlimit, prlimit};

const RESULTS: &str = "log_format results $jwt_user_scope_result;";

const STRICT: &str = r#"
    map $jwt_user_scope_claim_role $is_admin { admin 1; }
    server {
        listen unix:nginx.sock;
        access_log access.log results;
        jwt_user_scope_issuer https://auth.example;
        jwt_user_scope_audience api;
        jwt_user_scope_type at+jwt;
        jwt_user_scope_max_lifetime 1h;
        jwt_user_scope_preflight on;
        jwt_user_scope_bypass $is_admin;
        jwt_user_scope_require $http_x_allowed;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; proxy_pass http://unix:echo.sock; }
        location /empty { jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }
        location /any { jwt_user_scope any; proxy_pass http://unix:echo.sock; }
        location /off { jwt_user_scope off; proxy_pass http://unix:echo.sock; }
    }"#;

/// A token of this header and these members, each mended a little more than the one before.
fn signed(typ: &str, members: &str) -> String {
    sign(format!(r#"{{"alg":"HS256","typ":"{typ}"}}"#), format!("{{{members}}}"), SECRET)
}

/// One request more than the last has a rule satisfied, and all later ones broken. Its word is that of the next rule.
#[test]
fn the_first_rule_that_fails_answers() {
    let (soon, late) = (now() + 60, now() + 7200);
    let preflight = |path: &str| {
        request("OPTIONS", path).header("Origin", "https://app.example").header("Access-Control-Request-Method", "PUT")
    };
    let ask = |token: String| get("/users/bob/x").token(&token);
    let in_time = format!(r#""exp":{soon}"#);
    let iss = r#""iss":"https://auth.example""#;
    let cases = [
        ("ambiguous_path", preflight("/users/alice/../bob/x").token("x")),
        ("preflight", preflight("/users/bob/x").token("x")),
        ("missing_token", get("/users/bob/x")),
        ("malformed_token", ask("x".into())),
        ("unsupported_algorithm", ask(sign(r#"{"alg":"none"}"#, r#"{"exp":1}"#, "wrong"))),
        ("bad_signature", ask(sign(HEADER, r#"{"exp":1}"#, "wrong"))),
        ("bad_claim", ask(signed("x", &format!(r#""nbf":{late}"#)))),
        ("expired", ask(signed("x", &format!(r#""exp":1,"nbf":{late}"#)))),
        ("not_yet_valid", ask(signed("x", &format!(r#""exp":{late},"nbf":{late}"#)))),
        ("lifetime_exceeded", ask(signed("x", &format!(r#""exp":{late}"#)))),
        ("bad_issuer", ask(signed("x", &in_time))),
        ("bad_audience", ask(signed("x", &format!("{in_time},{iss}")))),
        ("bad_type", ask(signed("x", &format!(r#"{in_time},{iss},"aud":"api""#)))),
        ("bad_claim", ask(signed("at+jwt", &format!(r#"{in_time},{iss},"aud":"api","role":"admin""#)))),
        ("user_mismatch", ask(signed("at+jwt", &format!(r#"{in_time},{iss},"aud":"api","uid":"alice""#)))),
        (
            "requirement_failed",
            ask(signed("at+jwt", &format!(r#"{in_time},{iss},"aud":"api","uid":"alice","role":"admin""#))),
        ),
        ("requirement_failed", ask(signed("at+jwt", &format!(r#"{in_time},{iss},"aud":"api","uid":"bob""#)))),
        (
            "bypassed",
            ask(signed("at+jwt", &format!(r#"{in_time},{iss},"aud":"api","uid":"alice","role":"admin""#)))
                .header("X-Allowed", "yes"),
        ),
        (
            "ok",
            ask(signed("at+jwt", &format!(r#"{in_time},{iss},"aud":"api","uid":"bob""#))).header("X-Allowed", "yes"),
        ),
    ];
    let nginx = Setup::new().http(&format!("{RESULTS}\n{STRICT}"));
    let mut client = nginx.client();
    for (word, request) in &cases {
        let status = client.ask(request).status;
        assert_eq!(status, status_of(word), "{word}");
        if *word == "ambiguous_path" {
            client = nginx.client();
        }
    }
    assert_eq!(logged(&nginx, cases.len()), cases.map(|(word, _)| word));
}

fn status_of(word: &str) -> u16 {
    match word {
        "ok" | "bypassed" | "preflight" => 200,
        "user_mismatch" | "empty_scope" | "requirement_failed" => 403,
        "ambiguous_path" => 400,
        "internal_error" => 500,
        _ => 401,
    }
}

#[test]
fn an_empty_scope_comes_after_the_token_and_before_bypass_and_require() {
    let nginx = Setup::new().http(&format!("{RESULTS}\n{STRICT}"));
    let good = |members: &str| {
        let exp = now() + 60;
        signed("at+jwt", &format!(r#""exp":{exp},"iss":"https://auth.example","aud":"api",{members}"#))
    };
    let cases = [
        ("missing_token", get("/empty")),
        ("bad_claim", get("/empty").token(&good(r#""role":"admin""#))),
        ("empty_scope", get("/empty").token(&good(r#""uid":"alice","role":"admin""#))),
        ("requirement_failed", get("/empty").token(&good(r#""uid":"alice""#)).header("X-Owner", "alice")),
        ("requirement_failed", get("/any").token(&good(r#""uid":"alice""#))),
        ("ok", get("/any").token(&good(r#""uid":"alice""#)).header("X-Allowed", "1")),
        ("", get("/off")),
    ];
    let mut client = nginx.client();
    for (word, request) in &cases {
        let expected = if word.is_empty() { 200 } else { status_of(word) };
        assert_eq!(client.ask(request).status, expected, "{word}");
    }
    assert_eq!(logged(&nginx, cases.len()), cases.map(|(word, _)| word));
}

/// A megabyte in a variable, a thousand times over: more than the worker may have.
#[test]
fn without_memory_nobody_is_let_in() {
    let (text, kilobyte, megabyte) = ("x".repeat(1000), "$kilobyte".repeat(400), "$megabyte".repeat(400));
    let nginx = Setup::new().http(&format!(
        r#"{RESULTS}
        map "" $kilobyte {{ default "{text}"; }}
        map "" $some {{ default "{kilobyte}"; }}
        map "" $megabyte {{ default "$some$some$some"; }}
        server {{
            listen unix:nginx.sock;
            access_log access.log results;
            location / {{ jwt_user_scope any; proxy_pass http://unix:echo.sock; }}
            location /huge {{ jwt_user_scope any; jwt_user_scope_token "$http_x$megabyte{megabyte}"; proxy_pass http://unix:echo.sock; }}
            location /user {{ jwt_user_scope "$http_x$megabyte{megabyte}"; proxy_pass http://unix:echo.sock; }}
        }}"#
    ));
    for worker in children_of(nginx.master()) {
        let limit = Rlimit { current: Some(256 << 20), maximum: Some(256 << 20) };
        prlimit(Pid::from_raw(worker.cast_signed()), Resource::As, limit).expect("a limit for our own worker");
    }
    let alice = uid("alice");
    for path in ["/huge", "/user"] {
        let response = get(path).token(&alice).send(&nginx);
        assert_eq!((response.status, response.challenge()), (500, None), "{path}");
        assert!(response.text().contains("<html>"), "nginx's own page: {}", response.text());
    }
    assert_eq!(get("/").token(&alice).send(&nginx).status, 200, "the worker lives on");
    assert_eq!(logged(&nginx, 3), ["internal_error", "internal_error", "ok"]);
    assert_eq!(nginx.log_with("internal_error").iter().filter(|line| line.contains("[crit]")).count(), 2);
    // nginx reports the want of memory as an emergency, which this test has caused.
    let told = nginx.read("error.log").replace("[emerg]", "").replace("[crit]", "");
    std::fs::write(nginx.path("error.log"), told).expect("the error log");
}

/// The words that depend on keys that are published, and on the guard.
#[test]
fn words_about_keys_and_guards_are_in_the_access_log() {
    let known = Issuer::new("known");
    let nginx = Setup::new().file("set", key_set(&[&known])).http(&format!(
        "{RESULTS}
        server {{
            listen unix:nginx.sock;
            access_log access.log results;
            jwt_user_scope_guard /users/:user_id;
            location /file {{ jwt_user_scope any; jwt_user_scope_key_file set; empty_gif; }}
            location /none {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks; empty_gif; }}
            location = /_jwks {{ internal; return 404; }}
            location / {{ empty_gif; }}
        }}"
    ));
    let cases = [
        ("ok", get("/file").token(&known.token("alice")), 200),
        ("unknown_key", get("/file").token(&Issuer::new("other").token("alice")), 401),
        ("keys_unavailable", get("/none").token(&known.token("alice")), 503),
        ("uncovered_path", get("/users/alice").token(&known.token("alice")), 403),
    ];
    for (word, request, status) in &cases {
        assert_eq!(request.send(&nginx).status, *status, "{word}");
    }
    assert_eq!(logged(&nginx, cases.len()), cases.map(|(word, ..)| word));
}
