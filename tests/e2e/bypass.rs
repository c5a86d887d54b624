//! `jwt_user_scope_bypass`: it replaces the comparison with the path's user, and nothing else.

use crate::common::*;

const ADMINS: &str = r#"
    map $jwt_user_scope_claim_role $is_admin { admin 1; auditor 0; default ""; }
    log_format used '$jwt_user_scope_result|$jwt_user_scope_user';"#;

fn nginx(inside: &str) -> Nginx {
    Setup::new().http(&format!(
        "{ADMINS}\n{}",
        scoped_server(&format!(
            "access_log access.log used;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
                jwt_user_scope on;
                jwt_user_scope_bypass $is_admin;
                {inside}
                proxy_set_header X-User-ID $jwt_user_scope_user;
                proxy_pass http://unix:backend.sock;
            }}
            location /any/ {{ jwt_user_scope any; jwt_user_scope_bypass $is_admin; empty_gif; }}
            location /unnamed/ {{ jwt_user_scope $http_x_owner; jwt_user_scope_bypass $is_admin; empty_gif; }}"
        ))
    ))
}

fn role(user: &str, role: &str) -> String {
    token(claims(&format!(r#""uid":"{user}","role":{role}"#)))
}

#[test]
fn an_administrator_reaches_every_user_s_path_as_himself() {
    let nginx = nginx("");
    let backend = Backend::of(&nginx);
    let boss = role("boss", r#""admin""#);
    expect("another's path", "bypassed", &get("/users/alice/x").token(&boss).send(&nginx));
    assert_eq!(backend.take_one("X-User-ID").1.as_deref(), Some("boss"));
    expect("one's own path", "ok", &get("/users/boss/x").token(&boss).send(&nginx));
    assert_eq!(backend.take_one("X-User-ID").1.as_deref(), Some("boss"));
    expect("any user's path", "ok", &get("/any/").token(&boss).send(&nginx));
    assert_eq!(logged(&nginx, 3), ["bypassed|boss", "ok|boss", "ok|boss"], "its use is visible");
}

/// A map's variable is the map's, even where the module would have one of that name.
#[test]
fn a_map_may_be_named_as_the_module_names_its_own() {
    let nginx = Setup::new().http(&format!(
        "map $jwt_user_scope_claim_role $jwt_user_scope_is_admin {{ volatile; admin 1; default ''; }}
        map $jwt_user_scope_claim_role $jwt_user_scope_claim_level {{ volatile; admin 1; default ''; }}
        {}",
        scoped_server(
            "location /own { jwt_user_scope $arg_u; jwt_user_scope_bypass $jwt_user_scope_is_admin; empty_gif; }
            location /member { jwt_user_scope $arg_u; jwt_user_scope_bypass $jwt_user_scope_claim_level; empty_gif; }"
        )
    ));
    for path in ["/own?u=alice", "/member?u=alice"] {
        expect(path, "bypassed", &get(path).token(&role("boss", r#""admin""#)).send(&nginx));
        expect(path, "user_mismatch", &get(path).token(&role("boss", r#""user","level":1"#)).send(&nginx));
    }
}

#[test]
fn nobody_else_does() {
    let nginx = nginx("");
    let backend = Backend::of(&nginx);
    let values = [
        r#""auditor""#,
        r#""user""#,
        r#""""#,
        r#""admin ""#,
        r#"["admin","user"]"#,
        r#"{"admin":1}"#,
        "null",
        "true",
        r#""admin\u0000""#,
        r#""admin\n""#,
    ];
    for value in values {
        let response = get("/users/alice/x").token(&role("boss", value)).send(&nginx);
        expect(value, "user_mismatch", &response);
    }
    expect("without a role", "user_mismatch", &get("/users/alice/x").token(&uid("boss")).send(&nginx));
    assert_eq!(backend.take(), [""; 0]);
}

#[test]
fn one_member_of_a_list_is_found_by_a_regex() {
    let nginx = Setup::new().http(&format!(
        r#"map $jwt_user_scope_claim_roles $is_admin {{ "~(?:^|,)admin(?:,|$)" 1; }}
        {}"#,
        scoped_server(
            "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
                jwt_user_scope on;
                jwt_user_scope_bypass $is_admin;
                proxy_pass http://unix:echo.sock;
            }"
        )
    ));
    let cases = [
        (r#"["user","admin"]"#, "bypassed"),
        (r#"["admin"]"#, "bypassed"),
        (r#""admin""#, "bypassed"),
        (r#"["user"]"#, "user_mismatch"),
        (r#"["administrator"]"#, "user_mismatch"),
        (r#"["user","not admin"]"#, "user_mismatch"),
        (r#"["user,admin"]"#, "user_mismatch"),
        (r#"["x,admin,y","user"]"#, "user_mismatch"),
        (r#"["admin",null]"#, "user_mismatch"),
        (r#"["admin",["x"]]"#, "user_mismatch"),
    ];
    for (roles, word) in cases {
        let signed = token(claims(&format!(r#""uid":"boss","roles":{roles}"#)));
        expect(roles, word, &get("/users/alice/").token(&signed).send(&nginx));
    }
}

#[test]
fn every_other_rule_still_applies() {
    let nginx = nginx("jwt_user_scope_require $arg_allowed; jwt_user_scope_issuer me;");
    let backend = Backend::of(&nginx);
    let admin = |members: &str| token(format!(r#"{{"role":"admin",{members}}}"#));
    let good = admin(&format!(r#""uid":"boss","iss":"me","exp":{EXP}"#));
    let forged = sign(HEADER, claims(r#""uid":"boss","role":"admin","iss":"me""#), "another secret");
    let cases = [
        ("path rule", "/users/boss/../alice/x?allowed=1", good.clone(), "ambiguous_path"),
        ("path rule", "/users/alice/..;/x?allowed=1", good.clone(), "ambiguous_path"),
        ("signature", "/users/alice/x?allowed=1", forged, "bad_signature"),
        ("exp", "/users/alice/x?allowed=1", admin(r#""uid":"boss","iss":"me","exp":1"#), "expired"),
        ("no exp", "/users/alice/x?allowed=1", admin(r#""uid":"boss","iss":"me""#), "bad_claim"),
        (
            "issuer",
            "/users/alice/x?allowed=1",
            admin(&format!(r#""uid":"boss","iss":"you","exp":{EXP}"#)),
            "bad_issuer",
        ),
        ("user claim", "/users/alice/x?allowed=1", admin(&format!(r#""iss":"me","exp":{EXP}"#)), "bad_claim"),
        ("require", "/users/alice/x", good.clone(), "requirement_failed"),
        ("require", "/users/alice/x?allowed=0", good.clone(), "requirement_failed"),
    ];
    for (name, path, token, word) in cases {
        expect(name, word, &get(path).token(&token).send(&nginx));
    }
    assert_eq!(backend.take(), [""; 0]);
    expect("all in order", "bypassed", &get("/users/alice/x?allowed=1").token(&good).send(&nginx));
}

#[test]
fn a_location_without_a_user_is_nobody_s() {
    let nginx = nginx("");
    let boss = role("boss", r#""admin""#);
    expect("no owner", "empty_scope", &get("/unnamed/").token(&boss).send(&nginx));
    expect("an owner", "bypassed", &get("/unnamed/").token(&boss).header("X-Owner", "alice").send(&nginx));
}

#[test]
fn one_value_that_holds_is_enough() {
    let nginx = Setup::new().server(
        "location / { jwt_user_scope $http_x_owner; jwt_user_scope_bypass $arg_a $arg_b; empty_gif; }
        location /joined/ { jwt_user_scope $http_x_owner; jwt_user_scope_bypass $arg_a$arg_b; empty_gif; }",
    );
    let cases = [
        ("/", "user_mismatch"),
        ("/?a=", "user_mismatch"),
        ("/?a=0", "user_mismatch"),
        ("/?a=0&b=0", "user_mismatch"),
        ("/?a=0&b=1", "bypassed"),
        ("/?a=1", "bypassed"),
        ("/?a=no", "bypassed"),
        ("/?a=00", "bypassed"),
        ("/joined/?a=0", "user_mismatch"),
        ("/joined/", "user_mismatch"),
        ("/joined/?a=0&b=0", "bypassed"),
    ];
    for (path, word) in cases {
        expect(path, word, &get(path).token(&uid("alice")).header("X-Owner", "bob").send(&nginx));
        let own = get(path).token(&uid("bob")).header("X-Owner", "bob").send(&nginx);
        expect(&format!("one's own {path}"), "ok", &own);
    }
}

#[test]
fn an_array_of_users_may_bypass_and_names_none_of_them() {
    let nginx = nginx("");
    let backend = Backend::of(&nginx);
    let signed = token(claims(r#""uid":["boss","chief"],"role":"admin""#));
    expect("another's path", "bypassed", &get("/users/alice/x").token(&signed).send(&nginx));
    assert_eq!(backend.take_one("X-User-ID").1, None);
    expect("one's own path", "ok", &get("/users/chief/x").token(&signed).send(&nginx));
    assert_eq!(backend.take_one("X-User-ID").1.as_deref(), Some("chief"));
}

/// What is read before the check, and what nothing can be read from, opens no path.
#[test]
fn the_module_s_own_decision_is_no_reason() {
    let nginx = Setup::new().server(
        "location / { jwt_user_scope $http_x_owner; jwt_user_scope_bypass $jwt_user_scope_result; empty_gif; }
        location /early/ {
            set $early $jwt_user_scope_result;
            jwt_user_scope $http_x_owner;
            jwt_user_scope_bypass $jwt_user_scope_result;
            empty_gif;
        }",
    );
    for path in ["/", "/early/"] {
        let asked = |owner: &str| get(path).token(&uid("alice")).header("X-Owner", owner).send(&nginx);
        expect("another's", "user_mismatch", &asked("bob"));
        expect("one's own", "ok", &asked("alice"));
    }
}

/// It would hold for everybody.
#[test]
fn a_bypass_by_what_every_token_has_is_refused() {
    let check = |inside: &str| {
        Setup::new().check(&format!(
            "jwt_user_scope_set $who uid; jwt_user_scope_set $inner /app/uid; jwt_user_scope_set $from iss;
            server {{ listen unix:nginx.sock; location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
                jwt_user_scope on;\n{inside} # here\n}} }}"
        ))
    };
    for inside in [
        "jwt_user_scope_bypass $jwt_user_scope_claim_uid;",
        "jwt_user_scope_bypass $jwt_user_scope_claim_role ${jwt_user_scope_claim_UID};",
        "jwt_user_scope_claim /uid; jwt_user_scope_bypass $jwt_user_scope_claim_uid;",
        "jwt_user_scope_claim userId; jwt_user_scope_bypass $jwt_user_scope_claim_userid;",
        "jwt_user_scope_bypass $who;",
        "jwt_user_scope_claim /app/uid; jwt_user_scope_bypass $inner;",
    ] {
        assert_refused_here(inside, &check(inside), "\"jwt_user_scope_bypass\" names the claim of the user");
    }
    for (inside, named) in [
        ("jwt_user_scope_issuer i; jwt_user_scope_bypass $jwt_user_scope_claim_iss;", "the claim \"iss\""),
        ("jwt_user_scope_issuer i; jwt_user_scope_bypass $from;", "the claim \"iss\""),
        ("jwt_user_scope_audience a; jwt_user_scope_bypass $jwt_user_scope_claim_AUD;", "the claim \"aud\""),
        ("jwt_user_scope_type t; jwt_user_scope_bypass $jwt_user_scope_header_typ;", "the header \"typ\""),
    ] {
        let says = format!("\"jwt_user_scope_bypass\" names {named}, which every verified token has");
        assert_refused_here(inside, &check(inside), &says);
    }
    for inside in [
        "jwt_user_scope_claim sub; jwt_user_scope_bypass $jwt_user_scope_claim_uid;",
        "jwt_user_scope_claim /app/uid; jwt_user_scope_bypass $who;",
        "jwt_user_scope_issuer off; jwt_user_scope_bypass $jwt_user_scope_claim_iss;",
        "jwt_user_scope_audience a; jwt_user_scope_bypass $from;",
        "jwt_user_scope_bypass $jwt_user_scope_header_typ;",
    ] {
        let another = check(inside);
        assert!(another.accepted, "{}", another.stderr);
    }
}
