//! A decision that was computed early, under one location's rules, admits nothing under another's.

use crate::common::*;

const OTHER_SECRET: &str = "the other location's own secret, 47 bytes long.";

/// Locations whose rules alice's token satisfies only in `/own/`.
const LOCATIONS: &str = "
    location ~ ^/users/(?<user_id>[^/]+)/ { jwt_user_scope on; proxy_pass http://unix:backend.sock; }
    location /secret/ {
        jwt_user_scope any; jwt_user_scope_secret file:other; proxy_pass http://unix:backend.sock;
    }
    location /claim/ { jwt_user_scope any; jwt_user_scope_claim sub; proxy_pass http://unix:backend.sock; }
    location /value/ { jwt_user_scope $http_owner; proxy_pass http://unix:backend.sock; }
    location /own/ { proxy_pass http://unix:backend.sock; }
    location @users { jwt_user_scope $http_owner; proxy_pass http://unix:backend.sock; }
    location @secret {
        jwt_user_scope any; jwt_user_scope_secret file:other; proxy_pass http://unix:backend.sock;
    }";

fn nginx(http: &str, server: &str) -> Nginx {
    let setup = Setup::new().file("other", OTHER_SECRET);
    setup.http(&format!("{http}\n{}", scoped_server(&format!("jwt_user_scope any;\n{server}\n{LOCATIONS}"))))
}

/// Alice, who is in order by the server's rules, asks for what is not hers.
fn assert_not_admitted(nginx: &Nginx, paths: &[(&str, &str)]) {
    let backend = Backend::of(nginx);
    for (path, word) in paths {
        let response = get(path).token(&uid("alice")).header("Owner", "bob").send(nginx);
        assert_eq!(response.header("X-Result"), Some(*word), "{path}: {response:?}");
        assert!(matches!(response.status, 400..=499), "{path}: {response:?}");
    }
    assert_eq!(backend.take(), [""; 0]);
}

const STRICTER: [(&str, &str); 4] = [
    ("/users/bob/x", "user_mismatch"),
    ("/secret/x", "bad_signature"),
    ("/claim/x", "bad_claim"),
    ("/value/x", "user_mismatch"),
];

fn assert_admitted(nginx: &Nginx, path: &str) {
    let backend = Backend::of(nginx);
    expect(path, "ok", &get(path).token(&uid("alice")).header("Owner", "alice").send(nginx));
    assert_eq!(backend.take().len(), 1, "{path}");
}

#[test]
fn read_by_if_and_set_in_the_server() {
    let nginx = nginx(
        "",
        "set $early $jwt_user_scope_result;
        if ($jwt_user_scope_result = ok) { set $seen ok; }
        if ($early != $seen) { return 404; }
        if ($jwt_user_scope_user = mallory) { return 404; }
        add_header X-Early $early always;",
    );
    assert_not_admitted(&nginx, &STRICTER);
    assert_admitted(&nginx, "/own/x");
    assert_admitted(&nginx, "/users/alice/x");
    assert_admitted(&nginx, "/value/x");
}

#[test]
fn the_early_reader_sees_the_server_s_own_decision() {
    let nginx = nginx(
        "",
        "set $early $jwt_user_scope_result:$jwt_user_scope_user;
        location = /shown { jwt_user_scope off; add_header X-Early $early always; empty_gif; }",
    );
    let early = |request: Request| request.send(&nginx).header("X-Early").map(str::to_owned);
    assert_eq!(early(get("/shown").token(&uid("alice"))).as_deref(), Some("ok:alice"));
    assert_eq!(early(get("/shown")).as_deref(), Some("missing_token:"));
    assert_eq!(
        early(get("/shown").token(&sign(HEADER, claims(r#""uid":"m""#), "x"))).as_deref(),
        Some("bad_signature:")
    );
}

#[test]
fn read_by_a_map() {
    for flag in ["", "volatile;"] {
        let nginx = nginx(
            &format!("map $jwt_user_scope_result $admitted {{ {flag} ok yes; default no; }}"),
            "if ($admitted = yes) { set $seen 1; }",
        );
        assert_not_admitted(&nginx, &STRICTER);
        assert_admitted(&nginx, "/own/x");
        assert_admitted(&nginx, "/users/alice/x");
    }
}

#[test]
fn read_by_limit_req_before_the_check() {
    let nginx = nginx(
        "limit_req_zone $jwt_user_scope_user zone=users:1m rate=1r/m;",
        "limit_req zone=users burst=100 nodelay;",
    );
    assert_not_admitted(&nginx, &STRICTER);
    assert_admitted(&nginx, "/users/alice/x");
}

#[test]
fn limits_count_each_user_for_themselves() {
    let nginx = Setup::new().http(&format!(
        "limit_req_zone $jwt_user_scope_user zone=users:1m rate=1r/m;\n{}",
        scoped_server("location / { limit_req zone=users; limit_req_status 429; jwt_user_scope any; empty_gif; }")
    ));
    let status = |request: Request| request.send(&nginx).status;
    assert_eq!(status(get("/").token(&uid("alice"))), 200);
    assert_eq!(status(get("/").token(&uid("alice"))), 429);
    assert_eq!(status(get("/").token(&uid("bob"))), 200);
    let forged = sign(HEADER, claims(r#""uid":"carol""#), "another secret");
    assert_eq!([status(get("/").token(&forged)), status(get("/").token(&forged)), status(get("/"))], [401, 401, 401]);
    assert_eq!(status(get("/").token(&uid("carol"))), 200, "a forger uses up nobody's rate");
}

#[test]
fn across_a_rewrite_in_the_server() {
    let nginx = nginx("", "if ($jwt_user_scope_result = ok) { rewrite ^/in(/.*)$ $1; }");
    assert_not_admitted(&nginx, &STRICTER);
    let inside = [
        ("/in/users/bob/x", "user_mismatch"),
        ("/in/secret/x", "bad_signature"),
        ("/in/claim/x", "bad_claim"),
        ("/in/value/x", "user_mismatch"),
    ];
    assert_not_admitted(&nginx, &inside);
    assert_admitted(&nginx, "/in/users/alice/x");
}

#[test]
fn across_a_rewrite_in_a_location() {
    let nginx = nginx(
        "",
        "location /go/ {
            jwt_user_scope any;
            if ($jwt_user_scope_result = ok) { rewrite ^/go(/.*)$ $1 last; }
            return 404;
        }",
    );
    let inside = [
        ("/go/users/bob/x", "user_mismatch"),
        ("/go/secret/x", "bad_signature"),
        ("/go/claim/x", "bad_claim"),
        ("/go/value/x", "user_mismatch"),
    ];
    assert_not_admitted(&nginx, &inside);
    assert_admitted(&nginx, "/go/users/alice/x");
}

/// The location stays the same, so only the URI tells the two decisions apart.
#[test]
fn across_a_rewrite_into_the_same_location() {
    let nginx = Setup::new().server(
        "location ~ ^/users/(?<user_id>[^/]+)/ {
            jwt_user_scope on;
            if ($jwt_user_scope_result = ok) { rewrite ^/users/alice/(.*)$ /users/bob/$1 last; }
            proxy_pass http://unix:backend.sock;
        }",
    );
    assert_not_admitted(&nginx, &[("/users/alice/x", "user_mismatch")]);
    let backend = Backend::of(&nginx);
    expect("bob", "ok", &get("/users/bob/x").token(&uid("bob")).send(&nginx));
    assert_eq!(backend.take_one("Host").0, "GET /users/bob/x");
}

/// Location, user and token stay the same; what the backend would read does not.
#[test]
fn across_a_second_rewrite_to_a_path_that_is_refused() {
    let nginx = Setup::new().server(
        r#"rewrite ^/old(/.*)$ $1;
        location ~ ^/users/(?<user_id>[^/]+)/ {
            jwt_user_scope on;
            set $early $jwt_user_scope_result;
            rewrite ^/users/alice/go$ "/users/alice/..;/bob" last;
            proxy_pass http://unix:backend.sock;
        }"#,
    );
    assert_not_admitted(&nginx, &[("/old/users/alice/go", "ambiguous_path")]);
    assert_admitted(&nginx, "/old/users/alice/x");
}

/// Location, path and token stay the same; the value that the user is compared with does not.
#[test]
fn across_a_change_of_the_compared_value() {
    let nginx = Setup::new().server(
        "location / {
            set $owner alice;
            set $early $jwt_user_scope_result;
            set $owner $http_owner;
            jwt_user_scope $owner;
            add_header X-Result $jwt_user_scope_result always;
            add_header X-Early $early always;
            proxy_pass http://unix:backend.sock;
        }",
    );
    assert_not_admitted(&nginx, &[("/x", "user_mismatch")]);
    let response = get("/x").token(&uid("alice")).header("Owner", "bob").send(&nginx);
    assert_eq!(response.header("X-Early"), Some("ok"));
    assert_admitted(&nginx, "/x");
}

/// A reader in the second location sees the second location's decision, not the first one's.
#[test]
fn of_the_first_location_is_not_shown_in_the_second() {
    let nginx = Setup::new().file("other", OTHER_SECRET).server(
        "location /first/ { jwt_user_scope any; error_page 401 = /second/; empty_gif; }
        location /second/ {
            jwt_user_scope any;
            jwt_user_scope_secret file:other;
            set $early $jwt_user_scope_result:$jwt_user_scope_user;
            add_header X-Early $early always;
            empty_gif;
        }",
    );
    let token = sign(HEADER, claims(r#""uid":"alice""#), OTHER_SECRET);
    let response = get("/first/").token(&token).send(&nginx);
    assert_eq!((response.status, response.header("X-Early")), (200, Some("ok:alice")));
}

#[test]
fn across_try_files() {
    let nginx = nginx(
        "",
        "location = /to/users { try_files /none /users/bob/x; }
        location = /to/secret { try_files /none /secret/x; }
        location = /to/claim { try_files /none /claim/x; }
        location = /to/value { try_files /none /value/x; }
        location = /to/named { try_files /none @users; }
        location = /to/named-secret { try_files /none @secret; }
        location = /to/own { try_files /none /own/x; }",
    );
    let outside = [
        ("/to/users", "user_mismatch"),
        ("/to/secret", "bad_signature"),
        ("/to/claim", "bad_claim"),
        ("/to/value", "user_mismatch"),
        ("/to/named", "user_mismatch"),
        ("/to/named-secret", "bad_signature"),
    ];
    assert_not_admitted(&nginx, &outside);
    assert_admitted(&nginx, "/to/own");
    assert_admitted(&nginx, "/to/value");
    assert_admitted(&nginx, "/to/named");
}

#[test]
fn across_error_page() {
    let nginx = nginx(
        "",
        "root .;
        location = /to/users { error_page 404 = /users/bob/x; }
        location = /to/secret { error_page 404 = /secret/x; }
        location = /to/value { error_page 404 = /value/x; }
        location = /to/named { error_page 404 = @users; }
        location = /to/named-secret { error_page 404 = @secret; }",
    );
    let outside = [
        ("/to/users", "user_mismatch"),
        ("/to/secret", "bad_signature"),
        ("/to/value", "user_mismatch"),
        ("/to/named", "user_mismatch"),
        ("/to/named-secret", "bad_signature"),
    ];
    assert_not_admitted(&nginx, &outside);
    assert_admitted(&nginx, "/to/value");
    assert_admitted(&nginx, "/to/named");
}

#[test]
fn across_an_x_accel_redirect() {
    let nginx = nginx(
        "server {
            listen unix:accel.sock;
            location = /to/users { add_header X-Accel-Redirect /users/bob/x; return 200; }
            location = /to/secret { add_header X-Accel-Redirect /secret/x; return 200; }
            location = /to/value { add_header X-Accel-Redirect /value/x; return 200; }
            location = /to/named { add_header X-Accel-Redirect @users; return 200; }
        }",
        "location /to/ { proxy_pass http://unix:accel.sock; }",
    );
    let outside = [
        ("/to/users", "user_mismatch"),
        ("/to/secret", "bad_signature"),
        ("/to/value", "user_mismatch"),
        ("/to/named", "user_mismatch"),
    ];
    assert_not_admitted(&nginx, &outside);
    assert_admitted(&nginx, "/to/value");
    assert_admitted(&nginx, "/to/named");
}

#[test]
fn from_a_location_without_a_check_into_one_with_it() {
    let nginx = nginx(
        "",
        "location /off/ {
            jwt_user_scope off;
            set $early $jwt_user_scope_result;
            rewrite ^/off(/.*)$ $1 last;
        }",
    );
    let inside = [("/off/users/bob/x", "user_mismatch"), ("/off/secret/x", "bad_signature")];
    assert_not_admitted(&nginx, &inside);
    expect("nobody", "missing_token", &get("/off/users/bob/x").send(&nginx));
    assert_admitted(&nginx, "/off/users/alice/x");
}

#[test]
fn into_limit_except() {
    let nginx = Setup::new().server(
        "if ($jwt_user_scope_result = ok) { set $seen 1; }
        location / {
            jwt_user_scope any;
            if ($jwt_user_scope_result = ok) { set $seen 2; }
            limit_except GET { jwt_user_scope $http_owner; }
            proxy_pass http://unix:echo.sock;
        }",
    );
    let alice = uid("alice");
    let owned = |method, owner| request(method, "/").token(&alice).header("Owner", owner).send(&nginx);
    expect("read bob's", "ok", &owned("GET", "bob"));
    expect("write bob's", "user_mismatch", &owned("POST", "bob"));
    expect("write one's own", "ok", &owned("POST", "alice"));
}
