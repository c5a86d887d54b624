//! `jwt_user_scope_mode report`: decides, logs, sets the result, and refuses nothing.

use crate::common::*;

const CONDITIONS: &str = "
    jwt_user_scope_issuer me;
    jwt_user_scope_max_lifetime 1h;";

fn conf(mode: &str) -> String {
    format!(
        r#"map $jwt_user_scope_claim_role $is_admin {{ admin 1; }}
        log_format seen '$jwt_user_scope_result|$jwt_user_scope_user|$jwt_user_scope_claim_role|$jwt_user_scope_header_alg';
        server {{
            listen unix:nginx.sock;
            access_log access.log seen;
            add_header X-Result $jwt_user_scope_result always;
            jwt_user_scope_mode {mode};
            {CONDITIONS}
            proxy_set_header X-User $jwt_user_scope_user;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
                jwt_user_scope on;
                jwt_user_scope_bypass $is_admin;
                jwt_user_scope_preflight on;
                proxy_pass http://unix:echo.sock;
            }}
            location /empty {{ jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }}
            location /required {{ jwt_user_scope any; jwt_user_scope_require $arg_x; proxy_pass http://unix:echo.sock; }}
            location /required401 {{
                jwt_user_scope any; jwt_user_scope_require $arg_x error=401; proxy_pass http://unix:echo.sock;
            }}
        }}"#
    )
}

/// Word, user that may be shown, and a request that leads to it.
fn cases() -> Vec<(&'static str, &'static str, Request)> {
    let (soon, late) = (now() + 600, now() + 7200);
    let good = |user: &str| format!(r#"{{"exp":{soon},"iss":"me","role":"r","uid":{user}}}"#);
    let alice = good(r#""alice""#);
    let own = || get("/users/alice/");
    let preflight = request("OPTIONS", "/users/alice/")
        .header("Origin", "https://a")
        .header("Access-Control-Request-Method", "PUT");
    vec![
        ("ok", "alice", own().token(&token(&alice))),
        ("ok", "alice", own().token(&token(good(r#"["bob","alice"]"#)))),
        ("bypassed", "boss", own().token(&token(good(r#""boss""#).replace("\"r\"", "\"admin\"")))),
        ("preflight", "", preflight),
        ("ambiguous_path", "", get("/users/bob/../alice/").token(&token(&alice))),
        ("missing_token", "", own()),
        ("malformed_token", "", own().token("x")),
        ("unsupported_algorithm", "", own().token(&sign(r#"{"alg":"none"}"#, &alice, SECRET))),
        ("bad_signature", "", own().token(&sign(HEADER, &alice, "another secret"))),
        ("expired", "", own().token(&token(alice.replace(&soon.to_string(), "1")))),
        ("not_yet_valid", "", own().token(&token(alice.replace("\"role\"", &format!("\"nbf\":{late},\"role\""))))),
        ("lifetime_exceeded", "", own().token(&token(alice.replace(&soon.to_string(), &late.to_string())))),
        ("bad_issuer", "", own().token(&token(alice.replace("\"me\"", "\"you\"")))),
        ("bad_type", "", own().token(&sign(r#"{"alg":"HS256","typ":"x"}"#, &alice, SECRET))),
        ("bad_claim", "", own().token(&token(good("null")))),
        ("user_mismatch", "bob", own().token(&token(good(r#""bob""#)))),
        ("user_mismatch", "", own().token(&token(good(r#"["bob","carol"]"#)))),
        ("empty_scope", "alice", get("/empty").token(&token(&alice))),
        ("requirement_failed", "alice", get("/required").token(&token(&alice))),
        ("requirement_failed", "", get("/required401").token(&token(&alice))),
    ]
}

#[test]
fn everything_passes_with_its_result_and_no_challenge() {
    let nginx = Setup::new().http(&conf("report"));
    for (word, user, asked) in cases() {
        let response = asked.send(&nginx);
        assert_eq!((response.status, response.challenge()), (200, None), "{word}: {response:?}");
        assert_eq!(response.all("X-Result"), [word]);
        assert!(response.text().ends_with(&format!("user={user}")), "{word}: {}", response.text());
    }
    let identity = |word: &str, user: &str| match word {
        "bypassed" => format!("{word}|{user}|admin|HS256"),
        // Verified, though no single user is named.
        "user_mismatch" | "ok" | "empty_scope" => format!("{word}|{user}|r|HS256"),
        "requirement_failed" if !user.is_empty() => format!("{word}|{user}|r|HS256"),
        _ => format!("{word}|||"),
    };
    let expected: Vec<_> = cases().iter().map(|(word, user, _)| identity(word, user)).collect();
    assert_eq!(logged(&nginx, expected.len()), expected, "identity is never filled from a token that failed");
}

#[test]
fn enforce_refuses_the_same_requests_and_is_the_default() {
    for conf in [conf("enforce"), conf("enforce").replace("jwt_user_scope_mode enforce;", "")] {
        let nginx = Setup::new().http(&conf);
        for (word, _, asked) in cases() {
            let response = asked.send(&nginx);
            let passes = matches!(word, "ok" | "bypassed" | "preflight");
            assert_eq!(response.status == 200, passes, "{word}: {response:?}");
            assert_eq!(response.all("X-Result"), [word]);
        }
    }
}

#[test]
fn the_log_says_would_refuse_where_enforce_says_refused() {
    for (mode, says) in [("report", "would refuse with"), ("enforce", "refused with")] {
        let nginx = Setup::new().http(&conf(mode));
        for (word, _, asked) in cases() {
            let before = nginx.log_with("jwt_user_scope: ").len();
            asked.send(&nginx);
            let lines = nginx.log_with("jwt_user_scope: ").split_off(before);
            if matches!(word, "ok" | "preflight") {
                assert_eq!(lines, [""; 0], "{mode}, {word}");
                continue;
            }
            let [line] = &lines[..] else { panic!("not one line for {mode}, {word}: {lines:#?}") };
            let level = if matches!(word, "missing_token" | "expired" | "bypassed") { "[info]" } else { "[error]" };
            assert!(word == "bypassed" || line.contains(&format!("jwt_user_scope: {says}")), "{line}");
            assert!(line.contains(word) && line.contains(level), "{line}");
        }
    }
}

#[test]
fn it_grants_nothing_on_behalf_of_other_access_modules() {
    let nginx = Setup::new().file("htpasswd", "alice:{PLAIN}pass\n").server(
        "jwt_user_scope_mode report;
        jwt_user_scope any;
        location /denied/ { satisfy any; deny all; proxy_pass http://unix:echo.sock; }
        location /basic/ {
            satisfy any; auth_basic staff; auth_basic_user_file htpasswd; proxy_pass http://unix:echo.sock;
        }
        location /request/ { satisfy any; auth_request /no; proxy_pass http://unix:echo.sock; }
        location /all/ { auth_basic staff; auth_basic_user_file htpasswd; proxy_pass http://unix:echo.sock; }
        location /no { internal; jwt_user_scope off; return 403; }",
    );
    for (path, status) in [("/denied/", 403), ("/basic/", 401), ("/request/", 403), ("/all/", 401)] {
        for asked in [get(path), get(path).token(&uid("alice")), get(path).token("x")] {
            let response = asked.send(&nginx);
            assert_eq!(response.status, status, "{path}: {response:?}");
            let challenges = response.all("WWW-Authenticate");
            assert!(!challenges.iter().any(|challenge| challenge.starts_with("Bearer")), "{path}: {challenges:?}");
            assert!(!response.text().contains("detail"), "{path}: nginx's page of another's refusal");
        }
    }
    let basic = |path: &str| get(path).authorization("Basic YWxpY2U6cGFzcw==").send(&nginx);
    for path in ["/basic/", "/all/"] {
        let response = basic(path);
        assert_eq!((response.status, response.header("X-Result")), (200, Some("missing_token")), "{path}");
    }
}

/// First every location reports, then one after another enforces.
#[test]
fn a_location_may_enforce_before_the_others() {
    let nginx = Setup::new().server(
        "jwt_user_scope any;
        jwt_user_scope_mode report;
        location / { proxy_pass http://unix:echo.sock; }
        location /enforced/ { jwt_user_scope_mode enforce; proxy_pass http://unix:echo.sock; }
        location /redirected/ { error_page 404 = /enforced/; root .; }
        location /writes/ { limit_except GET { jwt_user_scope_mode enforce; } proxy_pass http://unix:echo.sock; }",
    );
    let status = |asked: Request| asked.send(&nginx).status;
    assert_eq!(status(get("/")), 200);
    expect("enforced", "missing_token", &get("/enforced/").send(&nginx));
    expect("enforced after a report", "missing_token", &get("/redirected/x").send(&nginx));
    assert_eq!(status(get("/writes/")), 200);
    expect("enforced for writes", "missing_token", &request("POST", "/writes/").send(&nginx));
    expect("with a token", "ok", &get("/enforced/").token(&uid("alice")).send(&nginx));
}

/// What a report has let through is no grant where the check is enforced.
#[test]
fn an_early_report_grants_nothing() {
    let nginx = Setup::new().server(
        "jwt_user_scope any;
        jwt_user_scope_mode report;
        set $early $jwt_user_scope_result;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            jwt_user_scope_mode enforce;
            set $again $jwt_user_scope_result;
            proxy_pass http://unix:echo.sock;
        }",
    );
    expect("nobody", "missing_token", &get("/users/alice/").send(&nginx));
    expect("bob", "user_mismatch", &get("/users/alice/").token(&uid("bob")).send(&nginx));
    expect("alice", "ok", &get("/users/alice/").token(&uid("alice")).send(&nginx));
}
