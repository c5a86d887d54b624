//! `bypass` and `require` hold as they are when the check is made, whatever was read before.

use crate::common::*;

/// A location whose rewrite directives read a decision before they have set what it depends on.
fn nginx(http: &str, inside: &str) -> Nginx {
    Setup::new().http(&format!(
        "{http}\n{}",
        scoped_server(&format!("location / {{ {inside}\nproxy_pass http://unix:echo.sock; }}"))
    ))
}

fn ask(nginx: &Nginx, owner: &str, members: &str) -> Response {
    let signed = token(claims(&format!(r#""uid":"alice"{members}"#)));
    get("/").token(&signed).header("X-Owner", owner).send(nginx)
}

#[test]
fn a_value_set_after_an_early_decision_is_required() {
    let nginx = nginx(
        "",
        "jwt_user_scope any;
        jwt_user_scope_require $allowed;
        set $allowed 1;
        set $early $jwt_user_scope_user;
        set $allowed $jwt_user_scope_claim_active;",
    );
    expect("allowed", "ok", &ask(&nginx, "", r#","active":1"#));
    expect("forbidden", "requirement_failed", &ask(&nginx, "", r#","active":0"#));
    expect("not mentioned", "requirement_failed", &ask(&nginx, "", ""));
}

#[test]
fn a_value_set_from_a_claim_can_be_required() {
    let nginx = nginx(
        "",
        "jwt_user_scope any;
        jwt_user_scope_require $plan;
        set $plan $jwt_user_scope_claim_plan;",
    );
    expect("set", "ok", &ask(&nginx, "", r#","plan":"pro""#));
    expect("0", "requirement_failed", &ask(&nginx, "", r#","plan":0"#));
    expect("missing", "requirement_failed", &ask(&nginx, "", ""));
}

#[test]
fn a_value_set_from_a_claim_can_bypass() {
    let nginx = nginx(
        "",
        "jwt_user_scope $http_x_owner;
        jwt_user_scope_bypass $admin;
        set $admin $jwt_user_scope_claim_admin;",
    );
    expect("an administrator", "bypassed", &ask(&nginx, "bob", r#","admin":1"#));
    expect("none", "user_mismatch", &ask(&nginx, "bob", r#","admin":0"#));
    expect("none", "user_mismatch", &ask(&nginx, "bob", ""));
    expect("one's own", "ok", &ask(&nginx, "alice", ""));
}

#[test]
fn a_value_taken_back_after_an_early_decision_bypasses_nothing() {
    let nginx = nginx(
        "",
        "jwt_user_scope $http_x_owner;
        jwt_user_scope_bypass $admin;
        set $admin 1;
        set $early $jwt_user_scope_result;
        set $admin $jwt_user_scope_claim_admin;",
    );
    expect("an administrator", "bypassed", &ask(&nginx, "bob", r#","admin":1"#));
    expect("none", "user_mismatch", &ask(&nginx, "bob", r#","admin":0"#));
}

/// nginx counts the request between the two.
#[test]
fn what_a_limit_decides_can_be_required() {
    let nginx = nginx(
        "limit_req_zone $jwt_user_scope_user zone=users:1m rate=1r/m;
        map $limit_req_status $within_limit { volatile; PASSED 1; default 0; }",
        "limit_req zone=users;
        limit_req_dry_run on;
        jwt_user_scope any;
        jwt_user_scope_require $within_limit;",
    );
    expect("the first", "ok", &ask(&nginx, "", ""));
    expect("the second", "requirement_failed", &ask(&nginx, "", ""));
}

/// A `map` keeps its first value for the whole request, so it must not be taken from a decision in the making.
#[test]
fn a_map_over_a_claim_is_the_same_early_and_late() {
    let nginx = nginx(
        "map $jwt_user_scope_claim_role $is_admin { admin 1; default 0; }",
        r#"jwt_user_scope $http_x_owner;
        jwt_user_scope_bypass $is_admin;
        jwt_user_scope_require $is_not_barred;
        if ($is_admin) { set $seen admin; }
        set $is_not_barred $jwt_user_scope_claim_active;
        add_header X-Result $jwt_user_scope_result always;
        add_header X-Seen "$seen:$is_admin" always;"#,
    );
    let administrator = ask(&nginx, "bob", r#","role":"admin","active":1"#);
    expect("an administrator", "bypassed", &administrator);
    assert_eq!(administrator.header("X-Seen"), Some("admin:1"));
    expect("a barred one", "requirement_failed", &ask(&nginx, "bob", r#","role":"admin","active":0"#));
    let user = ask(&nginx, "bob", r#","role":"user","active":1"#);
    expect("a user", "user_mismatch", &user);
    assert_eq!(user.header("X-Seen"), Some(":0"));
    expect("one's own", "ok", &ask(&nginx, "alice", r#","role":"user","active":1"#));
}

/// Verified for one location with 401 for another: what was let through there counts nowhere else.
#[test]
fn each_location_evaluates_its_own() {
    let nginx = Setup::new().server(
        "location /lenient/ {
            jwt_user_scope $http_x_owner;
            jwt_user_scope_bypass $http_x_admin;
            if ($jwt_user_scope_result = bypassed) { rewrite ^/lenient(/.*)$ $1 last; }
            proxy_pass http://unix:echo.sock;
        }
        location /strict/ { jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }
        location /required/ {
            jwt_user_scope any;
            jwt_user_scope_require $http_x_allowed;
            proxy_pass http://unix:echo.sock;
        }",
    );
    let alice = uid("alice");
    let asked = |path: &str| get(path).token(&alice).header("X-Owner", "bob").header("X-Admin", "1").send(&nginx);
    expect("strict", "user_mismatch", &asked("/lenient/strict/"));
    expect("required", "requirement_failed", &asked("/lenient/required/"));
}

/// A regex over a client's header, run while the conditions are judged, moves nobody to another's path.
#[test]
fn captures_of_a_condition_change_no_user() {
    let http = r#"map $http_x_id $condition { volatile; "~^(?<user_id>.+)$" 1; default 1; }
        map $http_x_id $never { volatile; "~^(?<user_id>.+)$" 0; default 0; }"#;
    let nginx = Setup::new().http(&format!(
        "{http}\n{}",
        scoped_server(
            "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
                jwt_user_scope on;
                jwt_user_scope_bypass $never;
                jwt_user_scope_require $condition;
                proxy_set_header X-User-ID $user_id;
                proxy_pass http://unix:backend.sock;
                location ~ ^/users/(?<user_id>[^/]+)/early { set $early $jwt_user_scope_result; proxy_pass http://unix:backend.sock; }
            }"
        )
    ));
    let backend = Backend::of(&nginx);
    for rest in ["", "/x", "/early"] {
        let asked = |user: &str, id: &str| {
            get(format!("/users/{user}{rest}")).token(&uid("alice")).header("X-ID", id).send(&nginx)
        };
        expect("another's", "user_mismatch", &asked("bob", "alice"));
        assert_eq!(backend.take(), [""; 0]);
        expect("one's own", "ok", &asked("alice", "bob"));
        let sent = backend.take_one("X-User-ID").1;
        // A location that sends no header of its own inherits those around it.
        assert_eq!(sent.as_deref(), Some("alice"), "the checked one is sent for {rest:?}");
    }
}
