//! `$jwt_user_scope_user` and `$jwt_user_scope_result`: what they say, and when.

use crate::common::*;

const LOGGED: &str = "
    log_format decision 'uri=$uri status=$status result=$jwt_user_scope_result user=$jwt_user_scope_user.';";

fn logging(locations: &str) -> Nginx {
    let setup = Setup::new().file("page.html", "page").file("other", "another secret, of at least 32 bytes");
    setup.http(&format!("{LOGGED}\nserver {{ listen unix:nginx.sock; access_log access.log decision;\n{locations}\n}}"))
}

/// The access log's line for one request; a line is written after the answer.
fn logged(nginx: &Nginx, request: &Request) -> String {
    let lines = || nginx.read("access.log").lines().map(str::to_owned).collect::<Vec<_>>();
    let before = lines().len();
    request.send(nginx);
    eventually("the request is logged", || lines().len() > before);
    // nginx writes `-` for a variable that it did not find, nothing for one that is empty.
    lines().remove(before).replace("=- ", "= ").replace("=-.", "=.")
}

#[test]
fn the_log_shows_the_decision() {
    let nginx = logging("location / { jwt_user_scope $arg_user; proxy_pass http://unix:echo.sock; }");
    let forged = sign(HEADER, claims(r#""uid":"mallory""#), "another secret");
    let cases = [
        (get("/?user=alice").token(&uid("alice")), "status=200 result=ok user=alice."),
        (get("/?user=alice").token(&uid("bob")), "status=403 result=user_mismatch user=bob."),
        (get("/").token(&uid("bob")), "status=403 result=empty_scope user=bob."),
        (get("/?user=alice"), "status=401 result=missing_token user=."),
        (get("/?user=mallory").token(&forged), "status=401 result=bad_signature user=."),
        (get("/?user=m").token(&token(r#"{"uid":"m","exp":1}"#)), "status=401 result=expired user=."),
        (get("/?user=m").token(&token(claims(r#""sub":"m""#))), "status=401 result=bad_claim user=."),
        (get("/a/../?user=alice").token(&uid("alice")), "status=400 result=ambiguous_path user=."),
    ];
    for (request, line) in cases {
        assert_eq!(logged(&nginx, &request), format!("uri=/ {line}"));
    }
}

#[test]
fn the_log_makes_no_decision_of_its_own() {
    let nginx = logging(
        "location /returns/ { jwt_user_scope any; return 200; }
        location /denied/ { deny all; jwt_user_scope any; empty_gif; }
        location /off/ { jwt_user_scope off; empty_gif; }",
    );
    let alice = uid("alice");
    for (path, status) in [("/returns/", 200), ("/denied/", 403), ("/off/", 200)] {
        let line = logged(&nginx, &get(path).token(&alice));
        assert_eq!(line, format!("uri={path} status={status} result= user=."));
    }
}

#[test]
fn decisions_survive_error_page_and_other_redirects() {
    let nginx = logging(
        "location /page/ { jwt_user_scope any; error_page 401 /page.html; empty_gif; }
        location /named/ { jwt_user_scope $arg_user; error_page 403 = @named; empty_gif; }
        location = /page.html { root .; }
        location @named { proxy_pass http://unix:echo.sock; proxy_set_header X-User $jwt_user_scope_user; }",
    );
    let bob = uid("bob");
    assert_eq!(logged(&nginx, &get("/page/")), "uri=/page.html status=401 result=missing_token user=.");
    let named = logged(&nginx, &get("/named/?user=alice").token(&bob));
    assert_eq!(named, "uri=/named/ status=200 result=user_mismatch user=bob.");
}

#[test]
fn the_last_decision_counts() {
    let nginx = logging(
        "set $early $jwt_user_scope_result;
        jwt_user_scope any;
        location /redirects/ { error_page 404 = /user/; root .; }
        location /user/ { jwt_user_scope $http_owner; proxy_pass http://unix:echo.sock; }
        location /secret/ { jwt_user_scope_secret file:other; empty_gif; }",
    );
    let bob = uid("bob");
    let request = get("/redirects/x").token(&bob).header("Owner", "alice");
    assert_eq!(logged(&nginx, &request), "uri=/user/ status=403 result=user_mismatch user=bob.");
    let request = get("/redirects/x").token(&bob).header("Owner", "bob");
    assert_eq!(logged(&nginx, &request), "uri=/user/ status=200 result=ok user=bob.");
    // Verified by the server's secret, unverified by the location's.
    let request = get("/secret/").token(&bob);
    assert_eq!(logged(&nginx, &request), "uri=/secret/ status=401 result=bad_signature user=.");
}

#[test]
fn the_backend_reads_the_verified_user() {
    let nginx = Setup::new().server(
        "location ~ ^/users/(?<user_id>[^/]+)/ {
            jwt_user_scope on;
            proxy_set_header X-User-ID $jwt_user_scope_user;
            proxy_pass http://unix:backend.sock;
        }
        location /any/ {
            jwt_user_scope any;
            proxy_set_header X-User-ID $jwt_user_scope_user;
            proxy_pass http://unix:backend.sock;
        }",
    );
    let backend = Backend::of(&nginx);
    let cases = [
        ("/users/alice/x", r#""alice""#, Some("alice")),
        ("/users/42/x", "42", Some("42")),
        ("/users/bob/x", r#"["alice","bob"]"#, Some("bob")),
        ("/users/a%20b/x", r#""a b""#, Some("a b")),
        ("/any/x", r#""carol""#, Some("carol")),
        ("/any/x", "-7", Some("-7")),
        ("/any/x", r#"["alice","bob"]"#, None),
        ("/any/x", r#""a\r\nX-Admin: yes""#, None),
        ("/any/x", r#""a\u0000b""#, None),
        ("/any/x", r#""a\u007fb""#, None),
        ("/any/x", r#""a\tb""#, None),
    ];
    for (path, claim, user) in cases {
        // A client's own header of the name is replaced, or removed where there is no value.
        let asked = get(path).token(&token(claims(&format!(r#""uid":{claim}"#)))).header("X-User-ID", "mallory");
        expect(&format!("{path} by {claim}"), "ok", &asked.send(&nginx));
        assert_eq!(backend.take_one("X-User-ID").1.as_deref(), user, "{path} by {claim}");
    }
}

#[test]
fn names_are_case_insensitive_and_unknown_ones_refused() {
    let server = "server { listen unix:nginx.sock; location / { jwt_user_scope any; return 200 VARIABLE; } }";
    for (variable, accepted) in
        [("$jwt_user_scope_user", true), ("$JWT_User_Scope_Result", true), ("$jwt_user_scope_nothing", false)]
    {
        let check = Setup::new().check(&server.replace("VARIABLE", variable));
        assert_eq!(check.accepted, accepted, "{variable}: {}", check.stderr);
    }
}

#[test]
fn are_empty_while_the_decision_is_made_and_make_no_cycle() {
    for (value, user, word) in [
        ("x$jwt_user_scope_result", "x", "ok"),
        ("x$jwt_user_scope_user", "x", "ok"),
        ("$jwt_user_scope_user", "alice", "empty_scope"),
    ] {
        let nginx = Setup::new().server(&format!("location / {{ jwt_user_scope {value}; empty_gif; }}"));
        expect(value, word, &get("/").token(&uid(user)).send(&nginx));
        assert_eq!(nginx.log_with("cycle"), [""; 0], "{value}");
    }
}
