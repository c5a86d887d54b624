//! `error_page` wins over our body, and whatever it leads to is judged by its own rules.

use crate::common::*;

fn nginx(locations: &str) -> Nginx {
    let pages = r#"
        location = /login.html { jwt_user_scope off; root .; types { text/html html; } }
        location = /own.json { default_type application/problem+json; return 200 '{"own":true}'; }
        location @named { proxy_pass http://unix:echo.sock; proxy_set_header X-User $jwt_user_scope_user; }"#;
    Setup::new().file("login.html", "please log in").server(&format!("{pages}\n{locations}"))
}

#[test]
fn a_page_replaces_the_body_and_keeps_status_and_challenge() {
    let nginx = nginx("location / { jwt_user_scope any; error_page 401 /login.html; empty_gif; }");
    let response = get("/").send(&nginx);
    assert_eq!((response.status, response.text().as_str()), (401, "please log in"));
    assert_eq!(response.all("WWW-Authenticate"), ["Bearer"]);
    assert_eq!(response.header("Content-Type"), Some("text/html"));
    assert_eq!(response.header("Content-Length"), Some("13"));
    assert_eq!(response.header("X-Result"), Some("missing_token"));
    expect("a good token", "ok", &get("/").token(&uid("alice")).send(&nginx));
}

#[test]
fn a_page_may_change_the_status() {
    let nginx = nginx("location / { jwt_user_scope any; error_page 401 =200 /login.html; empty_gif; }");
    let response = get("/").send(&nginx);
    assert_eq!((response.status, response.text().as_str()), (200, "please log in"));
}

#[test]
fn a_page_that_nginx_writes_itself_is_served_as_written() {
    let nginx = nginx("location / { jwt_user_scope any; error_page 401 /own.json; empty_gif; }");
    let response = get("/").send(&nginx);
    assert_eq!((response.status, response.text().as_str()), (401, r#"{"own":true}"#));
    assert_eq!(response.header("Content-Type"), Some("application/problem+json"));
}

#[test]
fn a_redirect_has_nginx_s_body() {
    let nginx = nginx(
        "location /with/ { jwt_user_scope any; error_page 401 =302 https://login.example/?to=$uri; empty_gif; }
        location /without/ { jwt_user_scope any; error_page 401 https://login.example/?to=$uri; empty_gif; }
        location /see/ { jwt_user_scope any; error_page 401 =303 https://login.example/?to=$uri; empty_gif; }",
    );
    for (path, status) in [("/with/", 302), ("/without/", 302), ("/see/", 303)] {
        let response = get(path).send(&nginx);
        assert_eq!(response.status, status, "{path}");
        assert_eq!(response.header("Location"), Some(&*format!("https://login.example/?to={path}")));
        assert!(response.text().contains(&format!("{status} ")), "{path}: {}", response.text());
        assert_eq!(response.header("Content-Type"), Some("text/html"), "{path}");
    }
}

#[test]
fn a_named_location_answers_and_knows_the_user() {
    let nginx = nginx("location / { jwt_user_scope $arg_user; error_page 403 = @named; empty_gif; }");
    let response = get("/x?user=alice").token(&uid("bob")).send(&nginx);
    assert_eq!((response.status, response.text().as_str()), (200, "GET /x?user=alice user=bob"));
    assert_eq!(response.header("X-Result"), Some("user_mismatch"));
    expect("a refusal of another status", "missing_token", &get("/x?user=alice").send(&nginx));
}

#[test]
fn a_named_location_knows_no_unverified_user() {
    let nginx = nginx("location / { jwt_user_scope any; error_page 401 = @named; empty_gif; }");
    for token in [sign(HEADER, claims(r#""uid":"mallory""#), "wrong"), token(r#"{"uid":"mallory","exp":1}"#)] {
        assert_eq!(get("/x").token(&token).send(&nginx).text(), "GET /x user=");
    }
}

#[test]
fn a_bad_path_may_have_a_page_too() {
    let nginx =
        nginx("location ~ ^/users/(?<user_id>[^/]+)/ { jwt_user_scope on; error_page 400 /login.html; empty_gif; }");
    let response = get("/users/bob/../alice/").token(&uid("alice")).send(&nginx);
    assert_eq!((response.status, response.text().as_str()), (400, "please log in"));
    assert_eq!(response.challenge(), None);
}

#[test]
fn a_checked_page_is_judged_by_its_own_rules() {
    let nginx = Setup::new().file("other", "another secret, of at least 32 bytes").server(
        r#"
        location /first/ { jwt_user_scope any; error_page 401 = /second/; error_page 403 = /second/; empty_gif; }
        location /user/ { jwt_user_scope $arg_user; error_page 403 = /strict/; empty_gif; }
        location /second/ { jwt_user_scope any; jwt_user_scope_secret file:other; proxy_pass http://unix:echo.sock; }
        location /strict/ { jwt_user_scope $http_owner; proxy_pass http://unix:echo.sock; }"#,
    );
    let others = sign(HEADER, claims(r#""uid":"alice""#), "another secret, of at least 32 bytes");
    expect("refused, then passed: no challenge is left", "ok", &get("/first/").token(&others).send(&nginx));

    expect("refused twice", "missing_token", &get("/first/").send(&nginx));
    let expired = sign(HEADER, r#"{"uid":"alice","exp":1}"#, "another secret, of at least 32 bytes");
    expect("refused by the second's rules", "expired", &get("/first/").token(&expired).send(&nginx));

    let bob = uid("bob");
    expect("still another's", "user_mismatch", &get("/user/?user=a").header("Owner", "a").token(&bob).send(&nginx));
    expect("one's own", "ok", &get("/user/?user=a").header("Owner", "bob").token(&bob).send(&nginx));
}

#[test]
fn a_page_under_the_same_rule_does_not_loop() {
    let nginx = Setup::new().server(
        "jwt_user_scope any;
        error_page 401 /login.html;
        recursive_error_pages on;
        location / { root .; }",
    );
    let response = get("/").send(&nginx);
    assert!(matches!(response.status, 401 | 500), "{response:?}");
    assert!(response.all("WWW-Authenticate").len() < 2, "{response:?}");
}
