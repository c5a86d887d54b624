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
    let cookie = |token: &str| get("/users/alice/").header("Cookie", format!("a=b; session={token}; c=d"));
    let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
    let cases = [
        ("one's own", cookie(&uid("alice")), "ok"),
        ("another's", cookie(&uid("bob")), "user_mismatch"),
        ("forged", cookie(&forged), "bad_signature"),
        ("with its scheme", cookie(&format!("Bearer {}", uid("alice"))), "malformed_token"),
        ("quoted", cookie(&format!("\"{}\"", uid("alice"))), "malformed_token"),
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
