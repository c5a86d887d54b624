//! The compared user is the one that the location was selected by, whatever a later regex captured.

use crate::common::*;

const MAPS: &str = r#"
    map $http_x_id $mapped { "~^(?<user_id>.+)$" 1; default 0; }
    map $http_x_id $volatile { volatile; "~^(?<user_id>.+)$" 1; default 0; }"#;

fn nginx(inside: &str) -> Nginx {
    Setup::new().http(&format!(
        "{MAPS}\n{}",
        scoped_server(&format!(
            "location ~ ^/users/(?<user_id>[^/]+)/ {{
                {inside}
                jwt_user_scope on;
                proxy_set_header X-User-ID $user_id;
                proxy_pass http://unix:backend.sock;
            }}"
        ))
    ))
}

/// Bob's path is not alice's, though a header of hers was captured under the same name.
fn assert_not_overwritten(nginx: &Nginx) {
    let backend = Backend::of(nginx);
    let alice = uid("alice");
    let theirs = get("/users/bob/x").token(&alice).header("X-ID", "alice").send(nginx);
    expect("another's", "user_mismatch", &theirs);
    assert_eq!(backend.take(), [""; 0]);
    expect("one's own", "ok", &get("/users/alice/x").token(&alice).header("X-ID", "bob").send(nginx));
    assert_eq!(backend.take_one("X-User-ID").1.as_deref(), Some("alice"), "the checked one is sent");
}

#[test]
fn are_not_overwritten_by_an_if() {
    assert_not_overwritten(&nginx(r#"if ($http_x_id ~ "^(?<user_id>.+)$") { set $seen 1; }"#));
}

#[test]
fn are_not_overwritten_by_a_map() {
    assert_not_overwritten(&nginx("if ($mapped) { set $seen 1; }"));
    assert_not_overwritten(&nginx("set $seen $volatile;"));
}

#[test]
fn are_not_overwritten_by_an_access_rule_or_a_limit() {
    let nginx = Setup::new().http(&format!(
        "{MAPS}\nlimit_req_zone $mapped zone=mapped:1m rate=1000r/s;\n{}",
        scoped_server(
            "location ~ ^/users/(?<user_id>[^/]+)/ {
                limit_req zone=mapped burst=100;
                jwt_user_scope on;
                proxy_set_header X-User-ID $user_id;
                proxy_pass http://unix:backend.sock;
            }"
        )
    ));
    assert_not_overwritten(&nginx);
}

#[test]
fn are_not_overwritten_by_a_requirement() {
    assert_not_overwritten(&nginx("jwt_user_scope_require $mapped;"));
}

#[test]
fn are_not_overwritten_by_an_early_decision() {
    assert_not_overwritten(&nginx(r#"if ($http_x_id ~ "^(?<user_id>.+)$") { set $seen $jwt_user_scope_result; }"#));
}

#[test]
fn of_a_nested_location_are_the_nested_one_s() {
    let nginx = Setup::new().server(
        "location ~ ^/(?<user_id>outer)/ {
            jwt_user_scope on;
            location ~ ^/outer/(?<user_id>[^/]+)/ { proxy_pass http://unix:echo.sock; }
            proxy_pass http://unix:echo.sock;
        }",
    );
    expect("inner", "ok", &get("/outer/alice/").token(&uid("alice")).send(&nginx));
    expect("inner, outer's", "user_mismatch", &get("/outer/alice/").token(&uid("outer")).send(&nginx));
    expect("outer", "ok", &get("/outer/").token(&uid("outer")).send(&nginx));
}

/// The nested regex captures nothing, so the user is still the outer one's.
#[test]
fn of_the_outer_location_reach_the_nested_one() {
    assert_not_overwritten(&nginx(
        r#"location ~ /x$ {
            if ($http_x_id ~ "^(?<user_id>.+)$") { set $seen 1; }
            proxy_set_header X-User-ID $user_id;
            proxy_pass http://unix:backend.sock;
        }"#,
    ));
}

/// To evaluate the first variable of the value is to overwrite the second.
#[test]
fn are_not_overwritten_by_the_value_itself() {
    let nginx = Setup::new().http(&format!(
        "map $http_x_id $prefix {{ \"~^(?<user_id>.+)$\" ''; default ''; }}\n{}",
        scoped_server(
            "location ~ ^/users/(?<user_id>[^/]+)/ {
                jwt_user_scope $prefix$user_id;
                proxy_set_header X-User-ID $user_id;
                proxy_pass http://unix:backend.sock;
            }"
        )
    ));
    assert_not_overwritten(&nginx);
}

#[test]
fn of_limit_except_are_the_location_s() {
    let nginx = Setup::new().server(
        r#"location ~ ^/users/(?<user_id>[^/]+)/ {
            if ($http_x_id ~ "^(?<user_id>.+)$") { set $seen 1; }
            limit_except GET { jwt_user_scope on; }
            proxy_pass http://unix:echo.sock;
        }"#,
    );
    let post = |path: &str, id: &str| request("POST", path).token(&uid("alice")).header("X-ID", id).send(&nginx);
    expect("another's", "user_mismatch", &post("/users/bob/", "alice"));
    expect("one's own", "ok", &post("/users/alice/", "bob"));
}

/// The request is alice's by the path that selected the location, and stays so.
#[test]
fn are_those_from_before_a_rewrite_with_break() {
    let nginx = Setup::new().server(
        "location ~ ^/users/(?<user_id>[^/]+)/ {
            jwt_user_scope on;
            rewrite ^/users/[^/]+/(.*)$ /$1 break;
            proxy_set_header X-User-ID $user_id;
            proxy_pass http://unix:backend.sock;
        }",
    );
    let backend = Backend::of(&nginx);
    expect("one's own", "ok", &get("/users/alice/x").token(&uid("alice")).send(&nginx));
    let (line, user) = backend.take_one("X-User-ID");
    assert_eq!((line.as_str(), user.as_deref()), ("GET /x", Some("alice")));
    expect("another's", "user_mismatch", &get("/users/bob/x").token(&uid("alice")).send(&nginx));
    assert_eq!(backend.take(), [""; 0]);
}

#[test]
fn of_a_value_made_of_two_captures_are_all_kept() {
    let nginx = Setup::new().server(
        r#"location ~ ^/(?<tenant>\w+)/(?<name>\w+)/ {
            if ($http_x_id ~ "^(?<tenant>\w+):(?<name>\w+)$") { set $seen 1; }
            jwt_user_scope $tenant:$name;
            proxy_pass http://unix:echo.sock;
        }"#,
    );
    let ask = |path: &str, id: &str| get(path).token(&uid("acme:alice")).header("X-ID", id).send(&nginx);
    expect("one's own", "ok", &ask("/acme/alice/", "evil:bob"));
    expect("another's", "user_mismatch", &ask("/acme/bob/", "acme:alice"));
    expect("another tenant's", "user_mismatch", &ask("/evil/alice/", "acme:alice"));
}

/// nginx encodes numbered captures anew, in arguments and until a path is rewritten; named ones never.
#[test]
fn of_an_encoded_path_are_encoded_in_arguments() {
    let nginx = Setup::new().server(
        r#"location /args/ { rewrite ^/args/(.*)$ /user?u=$1 last; }
        location /user { jwt_user_scope $arg_u; empty_gif; }
        location ~ ^/set/(.*)$ { jwt_user_scope $u; set $u $1; empty_gif; }
        location ~ ^/if/(.*)$ { jwt_user_scope $u; set $u no; if ($arg_u = "$1") { set $u $arg_u; } empty_gif; }
        location ~ ^/behind/(.*)$ { rewrite ^/behind/(.*)$ /x/$1; set $u $1; rewrite ^ /set-user last; }
        location /set-user { jwt_user_scope $u; empty_gif; }
        location ~ ^/named/(?<v>.*)$ { jwt_user_scope $u; set $u $v; empty_gif; }"#,
    );
    let rows = [
        ("/args/A&u=B", "A"),
        ("/args/%41&u=B", "A%26u=B"),
        ("/args/A+", "A%2B"),
        ("/args/A?x=%41+", "A"),
        ("/args/%41%22<>^`{|}", "A%22%3C%3E%5E%60%7B%7C%7D"),
        ("/set/A%20b", "A%20b"),
        ("/set/A=b", "A=b"),
        ("/if/A%20b?u=A%20b", "A%20b"),
        ("/behind/A%20b", "A b"),
        ("/named/A%20b", "A b"),
    ];
    for (path, user) in rows {
        expect(path, "ok", &get(path).token(&uid(user)).send(&nginx));
    }
}
