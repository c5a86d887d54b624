//! `jwt_user_scope_token`: another place for the token, and never two tokens at once.

use crate::common::*;

fn nginx(source: &str) -> Nginx {
    Setup::new().server(&format!(
        "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            jwt_user_scope_token {source};
            proxy_pass http://unix:echo.sock;
        }}"
    ))
}

#[test]
fn the_token_may_stand_in_a_cookie() {
    let nginx = nginx("$cookie_session");
    let whole = |cookies: String| get("/users/alice/").header("Cookie", cookies);
    let cookie = |token: &str| whole(format!("a=b; session={token}; c=d"));
    let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
    let cases = [
        ("one's own", cookie(&uid("alice")), "ok"),
        ("another's", cookie(&uid("bob")), "user_mismatch"),
        ("forged", cookie(&forged), "bad_signature"),
        ("with its scheme", cookie(&format!("Bearer {}", uid("alice"))), "malformed_token"),
        ("quoted", cookie(&format!("\"{}\"", uid("alice"))), "malformed_token"),
        ("with a space behind it", cookie(&format!("{} ", uid("alice"))), "malformed_token"),
        ("with spaces around its sign", whole(format!("session = {}", uid("alice"))), "ok"),
        ("before a comma", whole(format!("session={}, a=b", uid("alice"))), "malformed_token"),
        ("behind its name alone", whole(format!("session;session={}", uid("alice"))), "missing_token"),
        ("empty", cookie(""), "missing_token"),
        ("no cookie", get("/users/alice/"), "missing_token"),
        ("another cookie", get("/users/alice/").header("Cookie", format!("other={}", uid("alice"))), "missing_token"),
    ];
    for (name, request, word) in cases {
        expect(name, word, &request.send(&nginx));
    }
}

#[test]
fn the_token_may_stand_in_any_variable() {
    let good = uid("alice");
    let cases = [
        ("$arg_access_token", get(format!("/users/alice/?access_token={good}")), "ok"),
        ("$arg_access_token", get(format!("/users/alice/?access_token={}", uid("bob"))), "user_mismatch"),
        // nginx does not decode arguments, and a token needs no encoding.
        (
            "$arg_access_token",
            get(format!("/users/alice/?access_token={}", good.replace('.', "%2E"))),
            "malformed_token",
        ),
        ("$http_x_token", get("/users/alice/").header("X-Token", &good), "ok"),
        ("$http_x_token", get("/users/alice/").header("X-Token", "x"), "malformed_token"),
        ("$arg_h.$arg_p.$arg_s", get("/users/alice/?h=a&p=b&s=c"), "malformed_token"),
        ("$http_x_token", get(format!("/users/alice/?access_token={good}")), "missing_token"),
    ];
    for (source, request, word) in cases {
        expect(source, word, &request.send(&nginx(source)));
    }
}

#[test]
fn authorization_is_no_fallback() {
    let nginx = nginx("$cookie_session");
    let good = format!("Bearer {}", uid("alice"));
    for (name, cookie) in [("no cookie", "a=b"), ("an empty one", "session="), ("another", "sessions=x")] {
        let asked = get("/users/alice/").header("Cookie", cookie).authorization(&good);
        expect(name, "missing_token", &asked.send(&nginx));
    }
    expect("nothing at all", "missing_token", &get("/users/alice/").authorization(&good).send(&nginx));
}

#[test]
fn two_tokens_that_differ_are_refused() {
    let nginx = nginx("$cookie_session");
    let (alice, bob) = (uid("alice"), uid("bob"));
    let resigned = token(claims(r#""uid":"alice","again":1"#));
    let cases = [
        ("the same", &alice, format!("Bearer {alice}"), "ok"),
        ("the same, other spaces", &alice, format!("bearer   {alice} "), "ok"),
        ("another's beside one's own", &alice, format!("Bearer {bob}"), "malformed_token"),
        ("one's own beside another's", &bob, format!("Bearer {alice}"), "malformed_token"),
        ("both one's own", &alice, format!("Bearer {resigned}"), "malformed_token"),
        ("no token at all", &alice, "Bearer x".into(), "malformed_token"),
        ("a part of it", &alice, format!("Bearer {}", &alice[..alice.len() - 1]), "malformed_token"),
        ("the same of another", &bob, format!("Bearer {bob}"), "user_mismatch"),
        ("bearer without a token", &alice, "Bearer ".into(), "ok"),
        ("another scheme", &alice, "Basic YWxpY2U6cGFzcw==".into(), "ok"),
        ("a scheme that begins alike", &alice, format!("Bearers {bob}"), "ok"),
    ];
    for (name, cookie, authorization, word) in cases {
        let asked = get("/users/alice/").header("Cookie", format!("session={cookie}")).authorization(authorization);
        expect(name, word, &asked.send(&nginx));
    }
    let lines = nginx.log_with("malformed_token");
    assert!(lines.iter().all(|line| line.contains("differ")), "{lines:#?}");
}

#[test]
fn each_location_reads_its_own_source() {
    let nginx = Setup::new().server(
        "jwt_user_scope any;
        location /header/ { proxy_pass http://unix:echo.sock; }
        location /cookie/ { jwt_user_scope_token $cookie_session; proxy_pass http://unix:echo.sock; }",
    );
    let (alice, bob) = (uid("alice"), uid("bob"));
    let both = |path: &str| get(path).token(&alice).header("Cookie", format!("session={bob}")).send(&nginx);
    expect("only the header is read", "ok", &both("/header/"));
    expect("both are read", "malformed_token", &both("/cookie/"));
    let cookie = |path: &str| get(path).header("Cookie", format!("session={bob}")).send(&nginx);
    expect("the cookie is not read", "missing_token", &cookie("/header/"));
    expect("the cookie is read", "ok", &cookie("/cookie/"));
}

/// One token is in order for the server, another for the location: the first says nothing about the second.
#[test]
fn a_decision_about_one_token_is_none_about_another() {
    let nginx = Setup::new().server(
        "jwt_user_scope any;
        set $early $jwt_user_scope_user;
        location /cookie/ {
            jwt_user_scope $http_x_owner;
            jwt_user_scope_token $cookie_session;
            proxy_set_header X-User $jwt_user_scope_user;
            proxy_pass http://unix:echo.sock;
        }
        location /late/ {
            jwt_user_scope $http_x_owner;
            set $session $arg_first;
            set $early $jwt_user_scope_result;
            set $session $arg_second;
            jwt_user_scope_token $session;
            proxy_pass http://unix:echo.sock;
        }",
    );
    let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
    let cookie = |token: &str| get("/cookie/").header("Cookie", format!("session={token}")).header("X-Owner", "alice");
    expect("forged", "bad_signature", &cookie(&forged).send(&nginx));
    expect("another's", "user_mismatch", &cookie(&uid("bob")).send(&nginx));
    assert_eq!(cookie(&uid("alice")).send(&nginx).text(), "GET /cookie/ user=alice");

    let late =
        |first: &str, second: &str| get(format!("/late/?first={first}&second={second}")).header("X-Owner", "alice");
    expect("good, then forged", "bad_signature", &late(&uid("alice"), &forged).send(&nginx));
    expect("good, then another's", "user_mismatch", &late(&uid("alice"), &uid("bob")).send(&nginx));
    expect("forged, then good", "ok", &late(&forged, &uid("alice")).send(&nginx));
}

/// The recipe for clients that use either, as docs/recipes.md prints it.
#[test]
fn a_cookie_is_believed_only_where_a_page_of_one_s_own_sent_it() {
    let recipes = include_str!("../../docs/recipes.md").split("```nginx\n").filter_map(|text| text.split("```").next());
    let recipe = recipes.into_iter().find(|recipe| recipe.contains("$header_or_own_page")).expect("the recipe");
    let recipe = recipe.replace("/api/users/", "/users/").replace("http://backend", "http://unix:backend.sock");
    let nginx = Setup::new().http(&recipe.replace("server {", "server { listen unix:nginx.sock;"));
    let backend = Backend::of(&nginx);
    let (ours, foreign) = ("https://app.example.com", "https://evil.example");
    let ask = |method: &str| request(method, "/users/alice/x").header("X-User-ID", "bob");
    let with_cookie = |method: &str| ask(method).header("Cookie", format!("access_token={}", uid("alice")));
    let cases = [
        ("a header", 200, ask("POST").token(&uid("alice"))),
        ("a header, from another origin", 200, ask("POST").token(&uid("alice")).header("Origin", foreign)),
        ("header and cookie", 200, with_cookie("POST").token(&uid("alice"))),
        ("one's own page", 200, with_cookie("POST").header("Origin", ours)),
        ("one's own page, which names no origin", 200, with_cookie("GET")),
        ("another page", 403, with_cookie("POST").header("Origin", foreign)),
        ("another page's socket", 403, with_cookie("GET").header("Origin", foreign)),
        ("one that begins alike", 403, with_cookie("POST").header("Origin", format!("{ours}.evil.example"))),
        ("no page", 403, with_cookie("POST")),
        ("another scheme", 403, with_cookie("POST").authorization("Basic YTpi")),
        ("a Bearer header of two words", 401, with_cookie("POST").authorization(format!("Bearer {} x", uid("alice")))),
    ];
    for (name, status, request) in cases {
        let answer = request.send(&nginx);
        assert_eq!(answer.status, status, "{name}: {answer:?}");
        for head in backend.take() {
            assert_eq!(status, 200, "{name}: {head}");
            assert!(head.contains("X-User-ID: alice\r\n") && !head.contains("Cookie:"), "{name}: {head}");
            assert!(!head.contains("bob"), "{name}: {head}");
        }
    }
}
