//! Remembered tokens. That nothing else is remembered shows in the answers to tokens that were good before.

use crate::common::*;

const OTHER: &str = "another secret, 32 bytes long or longer";

fn ask(nginx: &Nginx, path: &str, token: &str) -> Response {
    get(path).token(token).send(nginx)
}

#[test]
fn answers_are_the_same_with_and_without() {
    let locations = |level: &str| {
        format!(
            "location ~ ^/{level}/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; LINE empty_gif; }}
            location /{level}/issuer {{ jwt_user_scope any; jwt_user_scope_issuer i; LINE empty_gif; }}
            location /{level}/sub {{ jwt_user_scope $arg_user; jwt_user_scope_claim sub; LINE empty_gif; }}\n"
        )
    };
    let lines = [("off", "jwt_user_scope_cache off;"), ("one", "jwt_user_scope_cache max=1;"), ("default", "")];
    let nginx = Setup::new().server(&lines.map(|(name, line)| locations(name).replace("LINE", line)).concat());
    let good = token(claims(r#""uid":"alice","sub":"bob","iss":"i""#));
    let bad = sign(HEADER, claims(r#""uid":"alice","sub":"bob","iss":"i""#), OTHER);
    let rows = [
        ("/users/alice", &good, "ok"),
        ("/users/bob", &good, "user_mismatch"),
        ("/issuer", &good, "ok"),
        ("/sub?user=bob", &good, "ok"),
        ("/sub?user=alice", &good, "user_mismatch"),
        ("/users/alice", &bad, "bad_signature"),
        ("/issuer", &uid("alice"), "bad_issuer"),
        ("/sub?user=alice", &uid("alice"), "bad_claim"),
    ];
    for (level, _) in lines {
        for round in 1..=3 {
            for (path, token, word) in rows {
                expect(&format!("{level}{path}, round {round}"), word, &ask(&nginx, &format!("/{level}{path}"), token));
            }
        }
    }
}

#[test]
fn a_location_with_other_keys_is_not_told() {
    let nginx = Setup::new().env("OTHER", OTHER).server(
        "location /own { jwt_user_scope any; empty_gif; }
        location /other { jwt_user_scope any; jwt_user_scope_secret env:OTHER; empty_gif; }
        location /both { jwt_user_scope any; jwt_user_scope_secret env:OTHER;
            jwt_user_scope_secret env:BETTER_AUTH_SECRET; empty_gif; }",
    );
    for round in 1..=3 {
        for (path, word) in [("/own", "ok"), ("/other", "bad_signature"), ("/both", "ok")] {
            expect(&format!("{path}, round {round}"), word, &ask(&nginx, path, &uid("alice")));
        }
    }
}

#[test]
fn a_token_is_refused_once_its_key_is_withdrawn() {
    let nginx = Setup::new().workers(2).http(&fetching("valid=1s", ""));
    let keys = KeyServer::of(&nginx);
    let (old, new) = (Issuer::new("old"), Issuer::new("new"));
    keys.publish(key_set(&[&old, &new]));
    let (by_old, by_new) = (old.token("alice"), new.token("alice"));
    for _ in 0..10 {
        expect("published", "ok", &ask(&nginx, "/", &by_old));
        expect("published too", "ok", &ask(&nginx, "/", &by_new));
    }
    keys.publish(key_set(&[&new]));
    eventually("it is refused", || ask(&nginx, "/", &by_old).header("X-Result") == Some("unknown_key"));
    for _ in 0..10 {
        expect("withdrawn", "unknown_key", &ask(&nginx, "/", &by_old));
        expect("still published", "ok", &ask(&nginx, "/", &by_new));
    }
}

#[test]
fn a_reload_with_another_secret_forgets() {
    let nginx = Setup::new()
        .without_env()
        .file("secret", SECRET)
        .server("location / { jwt_user_scope any; jwt_user_scope_secret file:secret; empty_gif; }");
    for _ in 0..3 {
        expect("before", "ok", &ask(&nginx, "/", &uid("alice")));
    }
    std::fs::write(nginx.path("secret"), OTHER).expect("a file in the prefix");
    nginx.reload();
    eventually("it is refused", || ask(&nginx, "/", &uid("alice")).header("X-Result") == Some("bad_signature"));
}

#[test]
fn variables_of_a_remembered_token_are_its_own() {
    let nginx = Setup::new().http(&format!(
        "jwt_user_scope_set $mail /contact/mail; {}",
        scoped_server(
            r#"location / { jwt_user_scope any;
                return 200 "$jwt_user_scope_user $jwt_user_scope_claim_role $mail $jwt_user_scope_header_typ"; }"#
        )
    ));
    let token =
        |user: &str| token(claims(&format!(r#""uid":"{user}","role":"r{user}","contact":{{"mail":"m{user}"}}"#)));
    for round in 1..=3 {
        for user in ["alice", "bob"] {
            let response = ask(&nginx, "/", &token(user));
            assert_eq!(response.text(), format!("{user} r{user} m{user} JWT"), "round {round}");
        }
    }
}

#[test]
fn nonsense_is_a_configuration_error() {
    let values =
        ["max=0", "max=-1", "max=+1", "max=1k", "max= 1", "max=", "max", "1000", "on", "10000001", "max=10000001"];
    let too_large = ["max=18446744073709551616", "max=99999999999999999999999"];
    for value in values.into_iter().chain(too_large) {
        let check = Setup::new().check(&format!(
            "server {{ listen unix:nginx.sock; location / {{\njwt_user_scope_cache \"{value}\"; # here\n}} }}"
        ));
        assert!(!check.accepted, "{value}: accepted");
        let says = format!("invalid value \"{value}\" in \"jwt_user_scope_cache\" directive, it must be \"max=\"");
        assert!(check.stderr.contains(&says) && check.stderr.contains(&check.here), "{value}: {}", check.stderr);
    }
    let check = Setup::new().check("jwt_user_scope_cache max=10000000; server { jwt_user_scope_cache max=1; }");
    assert!(check.accepted, "{}", check.stderr);
}

/// What a request with a remembered token needs comes from its pool, whatever is evaluated for it.
#[test]
fn a_remembered_token_asks_for_no_memory_but_the_pool() {
    let (setup, shortage) = Setup::new().with_shortage();
    let nginx = setup.http(&format!(
        "map $jwt_user_scope_claim_role $is_admin {{ admin 1; }}
        map $request_method $is_read {{ volatile; GET 1; }}
        {}",
        scoped_server(
            "location ~ ^/plain/(?<user_id>[^/]+) { jwt_user_scope on; empty_gif; }
        location ~ ^/value/(?<user>[^/]+)/(?<rest>.+) { jwt_user_scope \"$user\"; empty_gif; }
        location ~ ^/require/(?<user_id>[^/]+) {
            jwt_user_scope on; jwt_user_scope_require $is_read $jwt_user_scope_claim_role; empty_gif; }
        location ~ ^/require-text/(?<user_id>[^/]+) {
            jwt_user_scope on; jwt_user_scope_require \"$is_read$is_read$is_read\"; empty_gif; }
        location ~ ^/bypass/(?<user_id>[^/]+) { jwt_user_scope on; jwt_user_scope_bypass $is_admin; empty_gif; }
        location /any { jwt_user_scope any; jwt_user_scope_issuer i; jwt_user_scope_token $cookie_t; empty_gif; }
        location ~ ^/header/(?<user_id>[^/]+) {
            jwt_user_scope on; add_header X-User \"$jwt_user_scope_user $jwt_user_scope_claim_role\"; empty_gif; }"
        )
    ));
    let token = token(claims(r#""uid":"alice","role":"admin","iss":"i""#));
    let paths = [
        "/plain/alice",
        "/value/alice/x",
        "/require/alice",
        "/require-text/alice",
        "/bypass/bob",
        "/any",
        "/header/alice",
    ];
    for path in paths {
        let ask = || {
            let asked = get(path).header("Cookie", format!("t={token}")).token(&token).send(&nginx);
            assert_eq!(asked.status, 200, "{path}");
        };
        let count = || {
            shortage.count_of_the_module();
            (0..20).for_each(|_| ask());
            shortage.seen()
        };
        ask();
        assert_eq!(count(), 0, "{path}");
    }
    let news: Vec<_> = (0..20).map(|number| uid(&number.to_string())).collect();
    shortage.count_of_the_module();
    for (number, token) in news.iter().enumerate() {
        assert_eq!(get(format!("/plain/{number}")).token(token).send(&nginx).status, 200);
    }
    assert!(shortage.seen() >= 20, "the count counts: {}", shortage.seen());
}
