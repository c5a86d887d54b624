//! `jwt_user_scope_require`: what must hold beside the token and its user, judged last.

use crate::common::*;

fn nginx(directives: &str) -> Nginx {
    Setup::new().server(&format!(
        "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            {directives}
            proxy_set_header X-User-ID $jwt_user_scope_user;
            proxy_set_header X-Role $jwt_user_scope_claim_role;
            proxy_pass http://unix:backend.sock;
        }}
        location /any {{ jwt_user_scope any; {directives} proxy_pass http://unix:backend.sock; }}"
    ))
}

#[test]
fn every_value_must_be_neither_empty_nor_0() {
    let nginx = nginx("jwt_user_scope_require $arg_a $arg_b;");
    let backend = Backend::of(&nginx);
    let refused = ["", "?a=1", "?b=1", "?a=1&b=0", "?a=0&b=1", "?a=0&b=0", "?a=&b=1", "?a=1&b="];
    for arguments in refused {
        for path in ["/users/alice", "/any"] {
            let response = get(format!("{path}{arguments}")).token(&uid("alice")).send(&nginx);
            expect(&format!("{path}{arguments}"), "requirement_failed", &response);
        }
    }
    assert_eq!(backend.take(), [""; 0]);
    for arguments in ["?a=1&b=1", "?a=no&b=false", "?a=00&b=0.0", "?a=-&b=+0"] {
        for path in ["/users/alice", "/any"] {
            let response = get(format!("{path}{arguments}")).token(&uid("alice")).send(&nginx);
            expect(&format!("{path}{arguments}"), "ok", &response);
        }
    }
}

#[test]
fn is_judged_only_for_a_verified_user_of_the_path() {
    let nginx = nginx("jwt_user_scope_require $arg_allowed;");
    let _backend = Backend::of(&nginx);
    let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
    let cases = [
        ("no token", None, "missing_token"),
        ("a forged one", Some(forged), "bad_signature"),
        ("another's", Some(uid("bob")), "user_mismatch"),
        ("one's own", Some(uid("alice")), "requirement_failed"),
    ];
    for (name, token, word) in &cases {
        let with = |path: &str| token.iter().fold(get(path), |request, token| request.token(token));
        expect(name, word, &with("/users/alice/").send(&nginx));
        let allowed = with("/users/alice/?allowed=1").send(&nginx);
        assert_eq!(allowed.header("X-Result"), Some(if *word == "requirement_failed" { "ok" } else { word }), "{name}");
    }
}

#[test]
fn claims_can_be_required() {
    let nginx = Setup::new().http(&format!(
        "map $jwt_user_scope_claim_plan $paying {{ pro 1; team 1; default 0; }}
        map $jwt_user_scope_claim_email_verified $verified {{ true 1; }}
        {}",
        scoped_server(
            "location /paying/ { jwt_user_scope any; jwt_user_scope_require $paying $verified; empty_gif; }
            location /session/ { jwt_user_scope any; jwt_user_scope_require $jwt_user_scope_claim_sid; empty_gif; }
            location /user/ { jwt_user_scope any; jwt_user_scope_require $jwt_user_scope_user; empty_gif; }
            location /header/ { jwt_user_scope any; jwt_user_scope_require $jwt_user_scope_header_kid; empty_gif; }"
        )
    ));
    let cases = [
        ("/paying/", r#","plan":"pro","email_verified":true"#, "ok"),
        ("/paying/", r#","plan":"pro","email_verified":false"#, "requirement_failed"),
        ("/paying/", r#","plan":"free","email_verified":true"#, "requirement_failed"),
        ("/paying/", "", "requirement_failed"),
        ("/session/", r#","sid":"s1""#, "ok"),
        ("/session/", r#","sid":1"#, "ok"),
        ("/session/", r#","sid":0"#, "requirement_failed"),
        ("/session/", r#","sid":"0""#, "requirement_failed"),
        ("/session/", r#","sid":"""#, "requirement_failed"),
        ("/session/", r#","sid":null"#, "requirement_failed"),
        ("/session/", r#","sid":{}"#, "requirement_failed"),
        ("/session/", r#","sid":"a\nb""#, "requirement_failed"),
        ("/session/", r#","sid":"1","SID":"2""#, "requirement_failed"),
        // A value is compared with the empty string and with 0, as nginx does everywhere.
        ("/session/", r#","sid":false"#, "ok"),
        ("/session/", "", "requirement_failed"),
        ("/user/", "", "ok"),
        ("/header/", "", "requirement_failed"),
    ];
    for (path, members, word) in cases {
        let signed = token(claims(&format!(r#""uid":"alice"{members}"#)));
        expect(&format!("{path} {members}"), word, &get(path).token(&signed).send(&nginx));
    }
    let with_kid = sign(r#"{"alg":"HS256","kid":"k"}"#, claims(r#""uid":"alice""#), SECRET);
    expect("a header member", "ok", &get("/header/").token(&with_kid).send(&nginx));
}

/// Whoever may reach the path, a name on the list may not.
#[test]
fn a_list_of_users_can_be_kept_out() {
    let nginx = Setup::new().http(&format!(
        "map $jwt_user_scope_user $in_good_standing {{ mallory 0; default 1; }}
        {}",
        scoped_server(
            "jwt_user_scope_require $in_good_standing;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; proxy_pass http://unix:echo.sock; }"
        )
    ));
    let ask = |user: &str, claim: &str| {
        let signed = token(claims(&format!(r#""uid":{claim}"#)));
        get(format!("/users/{user}/")).token(&signed).send(&nginx)
    };
    expect("alice", "ok", &ask("alice", r#""alice""#));
    expect("mallory", "requirement_failed", &ask("mallory", r#""mallory""#));
    expect("a member", "ok", &ask("alice", r#"["alice","mallory"]"#));
    expect("a member on the list", "requirement_failed", &ask("mallory", r#"["alice","mallory"]"#));
}

#[test]
fn answers_403_unless_401_is_asked_for() {
    for directive in ["jwt_user_scope_require $arg_x;", "jwt_user_scope_require $arg_x error=403;"] {
        let nginx = nginx(directive);
        expect(directive, "requirement_failed", &get("/users/alice").token(&uid("alice")).send(&nginx));
    }
    let nginx = nginx("jwt_user_scope_require $arg_x error=401;");
    let backend = Backend::of(&nginx);
    let response = get("/users/alice").token(&uid("alice")).send(&nginx);
    assert_eq!(response.header("X-Result"), Some("requirement_failed"));
    // In every other respect the answer to an unfit token.
    assert_refused("error=401", "bad_claim", &response);
    expect("another's", "user_mismatch", &get("/users/bob").token(&uid("alice")).send(&nginx));
    assert_eq!(backend.take(), [""; 0]);
    expect("satisfied", "ok", &get("/users/alice?x=1").token(&uid("alice")).send(&nginx));
    assert_eq!(backend.take_one("X-User-ID").1.as_deref(), Some("alice"));
}

#[test]
fn a_refusal_with_401_leaves_no_identity_and_one_with_403_does() {
    let nginx = Setup::new().server(
        "location /401/ { jwt_user_scope any; jwt_user_scope_require $arg_x error=401; error_page 401 = @seen; }
        location /403/ { jwt_user_scope any; jwt_user_scope_require $arg_x; error_page 403 = @seen; }
        location @seen {
            proxy_set_header X-User $jwt_user_scope_user$jwt_user_scope_claim_role$jwt_user_scope_header_alg;
            proxy_pass http://unix:echo.sock;
        }",
    );
    let signed = token(claims(r#""uid":"alice","role":"admin""#));
    assert_eq!(get("/401/").token(&signed).send(&nginx).text(), "GET /401/ user=");
    assert_eq!(get("/403/").token(&signed).send(&nginx).text(), "GET /403/ user=aliceadminHS256");
}

/// What nginx could only compute from the decision itself does not hold.
#[test]
fn a_decision_cannot_require_itself() {
    let nginx = Setup::new().http(&format!(
        "map $jwt_user_scope_result $passed {{ ok 1; default 0; }}
        map $jwt_user_scope_result $not_refused {{ bad_signature 0; default $jwt_user_scope_result; }}
        {}",
        scoped_server(
            "location /direct/ { jwt_user_scope any; jwt_user_scope_require $jwt_user_scope_result; empty_gif; }
            location /map/ { jwt_user_scope any; jwt_user_scope_require $passed; empty_gif; }
            location /maps/ { jwt_user_scope any; jwt_user_scope_require $not_refused; empty_gif; }
            location /early/ {
                set $early $jwt_user_scope_result;
                jwt_user_scope any;
                jwt_user_scope_require $jwt_user_scope_result;
                empty_gif;
            }
            location /loop/ {
                if ($passed) { set $x 1; }
                jwt_user_scope any;
                jwt_user_scope_require $passed;
                empty_gif;
            }"
        )
    ));
    for path in ["/direct/", "/map/", "/maps/", "/early/", "/loop/"] {
        expect(path, "requirement_failed", &get(path).token(&uid("alice")).send(&nginx));
        expect(path, "missing_token", &get(path).send(&nginx));
    }
}
