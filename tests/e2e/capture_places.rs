//! Whose path it is was settled when the location was selected, also where locations nest, jump and rewrite.

use crate::common::*;

/// In all of these a header of the client is captured under the name that is compared.
const CAPTURE: &str = r#"if ($http_x_id ~ "^(?<user_id>.+)$") { set $seen 1; }"#;

/// Alice asks for `theirs` and `own`; the header names whoever would make the difference.
fn assert_settled(nginx: &Nginx, own: &str, theirs: &str) {
    let ask = |path: &str, id: &str| get(path).token(&uid("alice")).header("X-ID", id).send(nginx);
    expect("another's", "user_mismatch", &ask(theirs, "alice"));
    expect("another's, twice", "user_mismatch", &ask(theirs, "bob"));
    expect("one's own", "ok", &ask(own, "bob"));
    expect("one's own, twice", "ok", &ask(own, "alice"));
}

#[test]
fn a_location_inside_a_location_that_captured() {
    let nginx = Setup::new().server(&format!(
        "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            location ~ /files/ {{ {CAPTURE} proxy_pass http://unix:echo.sock; }}
            location ~ /notes/(?<note>.+)$ {{ {CAPTURE} proxy_pass http://unix:echo.sock; }}
            location ~ /shared/ {{ {CAPTURE} location ~ /deep/ {{ {CAPTURE} proxy_pass http://unix:echo.sock; }} }}
        }}"
    ));
    for rest in ["files/1", "notes/1", "shared/deep/1"] {
        assert_settled(&nginx, &format!("/users/alice/{rest}"), &format!("/users/bob/{rest}"));
    }
}

#[test]
fn a_check_that_only_the_inner_location_has() {
    let nginx = Setup::new().server(&format!(
        "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
            {CAPTURE}
            location ~ /private/ {{ {CAPTURE} jwt_user_scope $user_id; proxy_pass http://unix:echo.sock; }}
            proxy_pass http://unix:echo.sock;
        }}"
    ));
    assert_settled(&nginx, "/users/alice/private/", "/users/bob/private/");
    expect("outside", "unchecked", &get("/users/bob/").send(&nginx));
}

#[test]
fn limit_except_within_a_nested_location() {
    let nginx = Setup::new().server(&format!(
        "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
            {CAPTURE}
            location ~ /files/ {{
                {CAPTURE}
                limit_except POST {{ jwt_user_scope on; }}
                proxy_pass http://unix:echo.sock;
            }}
        }}"
    ));
    assert_settled(&nginx, "/users/alice/files/", "/users/bob/files/");
}

#[test]
fn a_rewrite_that_stays_or_comes_back() {
    let nginx = Setup::new().server(&format!(
        "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
            {CAPTURE}
            rewrite ^/users/[^/]+/(?<rest>stay/.*)$ /$rest break;
            jwt_user_scope on;
            proxy_pass http://unix:echo.sock;
        }}
        location /alias/ {{ {CAPTURE} rewrite ^/alias/(?<user_id>[^/]+)/(.*)$ /users/$user_id/$2 last; }}"
    ));
    assert_settled(&nginx, "/users/alice/stay/x", "/users/bob/stay/x");
    assert_settled(&nginx, "/alias/alice/x", "/alias/bob/x");
}

/// The location was left for a named one; what it had checked stays checked.
#[test]
fn a_named_location_behind_the_check() {
    let nginx = Setup::new().http(&format!(
        r#"map $http_x_id $mapped {{ volatile; "~^(?<user_id>.+)$" 1; default 0; }}
        {}"#,
        scoped_server(
            "root .;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
                set $seen $mapped;
                jwt_user_scope on;
                try_files /none @application;
            }
            location @application {
                set $seen $mapped;
                proxy_set_header X-User $jwt_user_scope_user;
                proxy_pass http://unix:echo.sock;
            }"
        )
    ));
    assert_settled(&nginx, "/users/alice/x", "/users/bob/x");
    let told = get("/users/alice/x").token(&uid("alice")).header("X-ID", "bob").send(&nginx);
    assert_eq!(told.text(), "GET /users/alice/x user=alice");
}

/// An `error_page` of another's location is judged by that location's own path.
#[test]
fn a_redirect_to_another_user_s_location() {
    let nginx = Setup::new().server(&format!(
        "root .;
        location /public/ {{ {CAPTURE} error_page 404 = /users/$arg_of/x; }}
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ {CAPTURE} jwt_user_scope on; proxy_pass http://unix:echo.sock; }}"
    ));
    assert_settled(&nginx, "/public/x?of=alice", "/public/x?of=bob");
}

/// The server's own rewrites run before any location is selected.
#[test]
fn a_capture_of_the_server_before_the_location() {
    let nginx = Setup::new().server(&format!(
        "{CAPTURE}
        set $early $jwt_user_scope_result;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}"
    ));
    assert_settled(&nginx, "/users/alice/x", "/users/bob/x");
}

/// A group that took no part leaves nothing of an earlier request or header behind.
#[test]
fn a_group_that_did_not_take_part_is_empty() {
    let nginx = Setup::new().server(&format!(
        "location ~ ^/(?:users/(?<user_id>[^/]+)|common)(?:/|$) {{ {CAPTURE} jwt_user_scope on; proxy_pass http://unix:echo.sock; }}"
    ));
    assert_settled(&nginx, "/users/alice/x", "/users/bob/x");
    let mut client = nginx.client();
    for id in ["alice", "bob"] {
        expect("one's own", "ok", &client.ask(&get("/users/alice/").token(&uid("alice")).header("X-ID", id)));
        expect("nobody's", "empty_scope", &client.ask(&get("/common/").token(&uid("alice")).header("X-ID", id)));
    }
}

/// Two parts of the compared value: one captured by the location, one by a `map` that runs while it is computed.
fn assert_settled_beside_a_map(flag: &str) {
    let nginx = Setup::new().http(&format!(
        r#"map $http_x_id $suffix {{ {flag} "~^(?<user_id>.+)$" ""; default ""; }}
        {}"#,
        scoped_server(
            "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
                jwt_user_scope $user_id$suffix;
                proxy_set_header X-User $user_id;
                proxy_pass http://unix:echo.sock;
            }"
        )
    ));
    for theirs in ["/users/carol/x", "/users/alexander/x", "/users/bob/x"] {
        assert_settled(&nginx, "/users/alice/x", theirs);
    }
    let long = "x".repeat(3000);
    let response = get("/users/alice/x").token(&uid("alice")).header("X-ID", &long).send(&nginx);
    assert_eq!(response.text(), "GET /users/alice/x user=alice");
}

#[test]
fn a_map_within_the_compared_value() {
    assert_settled_beside_a_map("");
}

/// Such a `map` runs again at every turn, between measuring the value and writing it.
#[test]
fn a_volatile_map_within_the_compared_value() {
    assert_settled_beside_a_map("volatile;");
}
