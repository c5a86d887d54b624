//! Claims can be read in any phase and from any nginx directive, and never outlast what they were verified for.

use crate::common::*;

fn role(user: &str, role: &str) -> String {
    token(claims(&format!(r#""uid":"{user}","role":"{role}""#)))
}

fn forged() -> String {
    sign(HEADER, claims(r#""uid":"mallory","role":"admin""#), "another secret")
}

#[test]
fn a_map_over_a_claim_works_in_if() {
    let nginx = Setup::new().http(
        "map $jwt_user_scope_claim_role $is_admin { admin 1; default 0; }
        server {
            listen unix:nginx.sock;
            jwt_user_scope any;
            if ($jwt_user_scope_claim_role = banned) { return 410; }
            location / {
                if ($is_admin) { rewrite ^ /admin last; }
                return 200 user;
            }
            location /admin { internal; proxy_pass http://unix:echo.sock; }
        }",
    );
    let ask = |token: &str| {
        let response = get("/x").token(token).send(&nginx);
        (response.status, response.text())
    };
    assert_eq!(ask(&role("alice", "user")), (200, "user".into()));
    assert_eq!(ask(&role("boss", "admin")).0, 200);
    assert!(ask(&role("boss", "admin")).1.starts_with("GET /admin"));
    assert_eq!(ask(&role("eve", "banned")).0, 410);
    assert_eq!(ask(&forged()), (200, "user".into()), "no claim of a forged token is seen");
    assert_eq!(ask(&token(r#"{"uid":"boss","role":"admin","exp":1}"#)), (200, "user".into()), "nor of an expired one");
}

#[test]
fn a_claim_chooses_the_limit_the_upstream_and_the_cache_key() {
    let nginx = Setup::new().http(
        r#"limit_req_zone $jwt_user_scope_claim_tenant zone=tenants:1m rate=1r/m;
        limit_conn_zone $jwt_user_scope_claim_tenant zone=connections:1m;
        map $jwt_user_scope_claim_tenant $pool { acme echo; default second; }
        split_clients $jwt_user_scope_claim_tenant $half { 50% a; * b; }
        upstream echo { server unix:echo.sock; }
        upstream second { server unix:second.sock; }
        server { listen unix:second.sock; return 200 second; }
        server {
            listen unix:nginx.sock;
            jwt_user_scope any;
            location /limited/ { limit_req zone=tenants; limit_req_status 429; limit_conn connections 5; empty_gif; }
            location /pool/ { proxy_pass http://$pool; add_header X-Half "$half" always; }
        }"#,
    );
    let tenant = |user: &str, tenant: &str| token(claims(&format!(r#""uid":"{user}","tenant":"{tenant}""#)));
    let limited = |token: &str| get("/limited/").token(token).send(&nginx).status;
    assert_eq!(limited(&tenant("alice", "acme")), 200);
    assert_eq!(limited(&tenant("bob", "acme")), 429);
    assert_eq!(limited(&tenant("alice", "other")), 200);
    let pool = |token: &str| get("/pool/").token(token).send(&nginx);
    assert!(pool(&tenant("alice", "acme")).text().starts_with("GET /pool/"));
    assert_eq!(pool(&tenant("alice", "other")).text(), "second");
    assert!(["a", "b"].contains(&pool(&tenant("alice", "acme")).header("X-Half").unwrap_or_default()));
}

/// Behind the check the claims stay readable, whatever nginx does with the request.
#[test]
fn claims_outlive_internal_redirects() {
    let nginx = Setup::new().http(
        r#"jwt_user_scope_set $nested /o/x;
        log_format seen '$jwt_user_scope_result|$jwt_user_scope_user|$jwt_user_scope_claim_role|$nested|$jwt_user_scope_header_kid';
        server { listen unix:accel.sock; location / { add_header X-Accel-Redirect /shown; return 200; } }
        server {
            listen unix:nginx.sock;
            access_log access.log seen;
            proxy_set_header X-User "$jwt_user_scope_user/$jwt_user_scope_claim_role/$nested/$jwt_user_scope_header_kid";
            location /tries/ { jwt_user_scope any; root .; try_files /none /shown; }
            location /named/ { jwt_user_scope any; root .; try_files /none @shown; }
            location /pages/ { jwt_user_scope any; root .; error_page 404 = /shown; }
            location /refused/ { jwt_user_scope $http_x_owner; error_page 403 = @shown; empty_gif; }
            location /accel/ { jwt_user_scope any; proxy_pass http://unix:accel.sock; }
            location /shown { proxy_pass http://unix:echo.sock; }
            location @shown { proxy_pass http://unix:echo.sock; }
        }"#,
    );
    let header = r#"{"alg":"HS256","kid":"k"}"#;
    let signed = sign(header, claims(r#""uid":"alice","role":"r","o":{"x":1}"#), SECRET);
    let paths = ["/tries/", "/named/", "/pages/x", "/refused/", "/accel/"];
    for path in paths {
        let text = get(path).token(&signed).send(&nginx).text();
        assert!(text.ends_with("user=alice/r/1/k"), "{path}: {text}");
    }
    let mut expected = vec!["ok|alice|r|1|k"; paths.len()];
    expected[3] = "empty_scope|alice|r|1|k";
    assert_eq!(logged(&nginx, paths.len()), expected);
}

/// The same redirects with a token that failed: nothing of it comes along.
#[test]
fn nothing_of_a_failed_token_comes_along() {
    let nginx = Setup::new().http(
        "server {
            listen unix:nginx.sock;
            proxy_set_header X-User $jwt_user_scope_user/$jwt_user_scope_claim_role/$jwt_user_scope_header_alg;
            location / { jwt_user_scope any; error_page 401 = @shown; empty_gif; }
            location /page/ { jwt_user_scope any; error_page 401 = /shown; empty_gif; }
            location /shown { proxy_pass http://unix:echo.sock; }
            location @shown { proxy_pass http://unix:echo.sock; }
        }",
    );
    for token in [forged(), token(r#"{"uid":"mallory","role":"admin","exp":1}"#), "x".into()] {
        for path in ["/", "/page/"] {
            let text = get(path).token(&token).send(&nginx).text();
            assert!(text.ends_with("user=//"), "{path} {token}: {text}");
        }
    }
}

/// From a location that verified one token to a location that cannot verify the other.
#[test]
fn a_second_location_s_unverified_token_empties_the_first_s_claims() {
    let nginx = Setup::new().file("other", "the other location's own secret, 47 bytes long.").http(
        r#"log_format seen '$uri|$jwt_user_scope_result|$jwt_user_scope_user|$jwt_user_scope_claim_role';
        server {
            listen unix:nginx.sock;
            access_log access.log seen;
            root .;
            recursive_error_pages on;
            proxy_set_header X-User $jwt_user_scope_user/$jwt_user_scope_claim_role;
            location /first/ { jwt_user_scope any; error_page 404 = /second/; }
            location /tries/ { jwt_user_scope any; try_files /none @second; }
            location /other/ { jwt_user_scope any; error_page 404 = /secret/; }
            location /early/ { jwt_user_scope any; error_page 404 = /reads/; }
            location /second/ {
                jwt_user_scope any;
                jwt_user_scope_token $cookie_session;
                error_page 401 = @shown;
                proxy_pass http://unix:echo.sock;
            }
            location @second {
                jwt_user_scope any;
                jwt_user_scope_token $cookie_session;
                error_page 401 = @shown;
                proxy_pass http://unix:echo.sock;
            }
            location /secret/ { jwt_user_scope any; jwt_user_scope_secret file:other; proxy_pass http://unix:echo.sock; }
            location /reads/ {
                set $seen "$jwt_user_scope_user/$jwt_user_scope_claim_role";
                jwt_user_scope any;
                jwt_user_scope_secret file:other;
                add_header X-Seen "[$seen]" always;
                proxy_pass http://unix:echo.sock;
            }
            location @shown { proxy_pass http://unix:echo.sock; }
        }"#,
    );
    let (boss, alice) = (role("boss", "admin"), role("alice", "user"));
    let ask =
        |path: &str, cookie: &str| get(path).token(&boss).header("Cookie", format!("session={cookie}")).send(&nginx);
    // The cookie must equal the token of `Authorization`, and does so only in the last request.
    let cookies = [forged(), alice, "x".into(), boss.clone()];
    for path in ["/first/x", "/tries/x"] {
        for cookie in &cookies {
            let response = ask(path, cookie);
            let expected = if *cookie == boss { "user=boss/admin" } else { "user=/" };
            assert!(response.text().ends_with(expected), "{path} {cookie}: {response:?} {}", response.text());
        }
    }
    assert_eq!(ask("/other/x", "").status, 401);
    let early = ask("/early/x", "");
    assert_eq!((early.status, early.header("X-Seen")), (401, Some("[/]")), "read before the second check");
    let lines = logged(&nginx, 10);
    let word = |i: usize| lines[i].split_once('|').map_or("", |(_, rest)| rest);
    for i in [0, 1, 2, 4, 5, 6] {
        assert_eq!(word(i), "malformed_token||", "{lines:#?}");
    }
    for i in [3, 7] {
        assert_eq!(word(i), "ok|boss|admin", "{lines:#?}");
    }
    assert_eq!([word(8), word(9)], ["bad_signature||"; 2], "{lines:#?}");
}

/// A location without a check shows the last decision, and none where none was made.
#[test]
fn an_unchecked_location_decides_nothing() {
    let nginx = Setup::new().http(
        r#"log_format seen '$jwt_user_scope_result|$jwt_user_scope_user|$jwt_user_scope_claim_role';
        server {
            listen unix:nginx.sock;
            access_log access.log seen;
            location / { add_header X-Shown "[$jwt_user_scope_user$jwt_user_scope_payload]"; empty_gif; }
        }"#,
    );
    let response = get("/").token(&role("boss", "admin")).send(&nginx);
    assert_eq!((response.status, response.header("X-Shown")), (200, Some("[]")));
    assert_eq!(logged(&nginx, 1), ["||"]);
}

/// The early decision is made with the clock, the token and the rules of its moment, the check with those of its own.
#[test]
fn a_value_that_was_copied_early_admits_nobody_later() {
    let nginx = Setup::new().server(
        "jwt_user_scope any;
        set $early_user $jwt_user_scope_user;
        set $early_role $jwt_user_scope_claim_role;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            jwt_user_scope_issuer me;
            proxy_set_header X-User $early_user/$early_role;
            proxy_pass http://unix:echo.sock;
        }",
    );
    expect("the location's rule", "bad_issuer", &get("/users/boss/").token(&role("boss", "admin")).send(&nginx));
    let signed = token(claims(r#""uid":"boss","role":"admin","iss":"me""#));
    expect("another's", "user_mismatch", &get("/users/alice/").token(&signed).send(&nginx));
    assert_eq!(get("/users/boss/").token(&signed).send(&nginx).text(), "GET /users/boss/ user=boss/admin");
}

/// What the check compared may change behind it; what it decided does not.
#[test]
fn a_decision_of_the_check_is_not_made_again() {
    let nginx = Setup::new().server(
        "location / {
            set $owner $http_x_owner;
            jwt_user_scope $owner;
            auth_request /permit;
            auth_request_set $owner bob;
            proxy_set_header X-User $owner/$jwt_user_scope_result/$jwt_user_scope_user;
            proxy_pass http://unix:echo.sock;
        }
        location = /permit { internal; proxy_pass http://unix:echo.sock; }",
    );
    let ask = |owner: &str| get("/").token(&uid("alice")).header("X-Owner", owner).send(&nginx);
    assert_eq!(ask("alice").text(), "GET / user=bob/ok/alice");
    expect("and shown", "ok", &ask("alice"));
    expect("another's", "user_mismatch", &ask("bob"));
}

/// Compared with itself, every user would be the right one.
#[test]
fn a_user_is_not_compared_with_the_token_s_own_claims() {
    let nginx = Setup::new().http(&format!(
        "jwt_user_scope_set $own sub;
        {}",
        scoped_server(
            r#"proxy_set_header X-User "";
            location /user { jwt_user_scope $jwt_user_scope_user; proxy_pass http://unix:echo.sock; }
            location /claim { jwt_user_scope $jwt_user_scope_claim_uid; proxy_pass http://unix:echo.sock; }
            location /set { jwt_user_scope $own; jwt_user_scope_claim sub; proxy_pass http://unix:echo.sock; }
            location /text { jwt_user_scope "$jwt_user_scope_claim_sub$jwt_user_scope_user"; proxy_pass http://unix:echo.sock; }
            location /payload { jwt_user_scope $jwt_user_scope_payload; proxy_pass http://unix:echo.sock; }
            location /early {
                set $seen $jwt_user_scope_user;
                jwt_user_scope $jwt_user_scope_user;
                proxy_pass http://unix:echo.sock;
            }
            location /twice {
                set $seen $jwt_user_scope_user$jwt_user_scope_claim_uid;
                set $again $jwt_user_scope_claim_uid;
                jwt_user_scope $jwt_user_scope_claim_uid;
                proxy_pass http://unix:echo.sock;
            }"#
        )
    ));
    let signed = token(claims(r#""uid":"alice","sub":"alice""#));
    for path in ["/user", "/claim", "/set", "/text", "/payload", "/early", "/twice"] {
        expect(path, "empty_scope", &get(path).token(&signed).send(&nginx));
    }
    let word = token(claims(r#""uid":"empty_scope","sub":"ok""#));
    for path in ["/user", "/claim", "/set", "/early", "/twice"] {
        expect(path, "empty_scope", &get(path).token(&word).send(&nginx));
    }
}
