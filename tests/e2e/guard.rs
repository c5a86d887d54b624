//! The guard: what some backend could take for a user's path, and no comparison with that user covers, is refused.

use crate::common::*;

const GUARD: &str = "jwt_user_scope_guard /api/users/:user_id;";

/// The location that the documentation shows, beside one that forwards whatever is left.
fn nginx(directives: &str) -> Nginx {
    Setup::new().server(&format!(
        "listen unix:h2.sock http2;
        {GUARD}
        {directives}
        location ~ ^/api/users/(?<user_id>[^/]+)/ {{
            jwt_user_scope on;
            proxy_set_header X-User $jwt_user_scope_user;
            proxy_pass http://unix:backend.sock;
        }}
        location / {{ proxy_set_header X-User nobody; proxy_pass http://unix:backend.sock; }}"
    ))
}

/// The whole answer.
fn assert_uncovered(name: &str, response: &Response) {
    assert_eq!(response.status, 403, "{name}: {response:?}");
    assert_eq!(response.challenge(), None, "{name}: no token would help");
    assert_eq!(response.all("Content-Type"), ["application/json"], "{name}");
    assert_eq!(response.text(), r#"{"detail":"Forbidden"}"#, "{name}");
    assert_eq!(response.all("X-Result"), ["uncovered_path"], "{name}");
}

/// Nobody, A and B are refused, and the backend does not hear of it.
fn refused(nginx: &Nginx, paths: &[&[u8]]) {
    let backend = Backend::of(nginx);
    for path in paths {
        let name = String::from_utf8_lossy(path);
        for (who, token) in [("nobody", String::new()), ("A", uid("A")), ("B", uid("B"))] {
            assert_uncovered(&format!("{name} of {who}"), &get(path).token(&token).send(nginx));
        }
    }
    assert_eq!(backend.take(), [""; 0]);
}

#[test]
fn paths_that_miss_the_location_are_refused() {
    refused(
        &nginx(""),
        &[
            b"/api/users/B",
            b"/api/users/B?x=/api/users/A/",
            b"/API/users/B/x",
            b"/api/Users/B/x",
            b"/api/USERS/B",
            b"/api;x/users/B/x",
            b"/api/users;v=1/B/x",
            b"/;/api/users/B/x",
            b"/api\\users\\B\\x",
            b"/api\\users/B/x",
            b"/api%5cusers%5cB/x",
            b"/api%252fusers/B/x",
            b"/%2561pi/users/B/x",
            b"/api/%2575sers/B/x",
            b"/api/users%252fB/x",
            b"/api%253bx/users/B/x",
            b"/x/..;/api/users/B/x",
            b"/x/..%5capi/users/B/x",
            b"/x/%252e%252e/api/users/B/x",
            b"/x%252f..%252fapi/users/B/x",
            b"/api/users/B%252fx",
        ],
    );
}

#[test]
fn paths_that_nginx_resolves_elsewhere_are_refused() {
    refused(
        &nginx(""),
        &[
            b"/api/users/B/..",
            b"/api/users/B/x/../..",
            b"/api/users/B/../../health",
            b"/api/users/B/%2e%2e/%2e%2e/health",
            b"/api/users/B/..%2f..%2fhealth",
            b"/api/users/B/x/../../../../health",
            b"/api/users/B#/x",
        ],
    );
}

#[test]
fn paths_of_nobody_are_left_alone() {
    let nginx = nginx("");
    let backend = Backend::of(&nginx);
    let paths: [&[u8]; 17] = [
        b"/",
        b"/api",
        b"/api/users",
        b"/api/users/",
        b"/api/users?user=B",
        b"/api/users/?x=/B",
        b"/API/USERS/",
        b"/api/usersx/B",
        b"/api/users.json",
        b"/api/users-of/B",
        b"/apis/users/B",
        b"/v2/api/users/B",
        b"/static/a%20b.css",
        b"/static/caf%C3%A9/../x;y",
        b"/health?next=/api/users/B/x",
        b"/api/%75sersx/B",
        b"/api/users;x",
    ];
    for path in paths {
        let name = String::from_utf8_lossy(path);
        expect(&name, "unchecked", &get(path).send(&nginx));
        assert_eq!(backend.take_one("X-User"), (format!("GET {name}"), Some("nobody".into())));
    }
}

#[test]
fn what_a_comparison_covers_is_decided_by_it() {
    let nginx = nginx("");
    let backend = Backend::of(&nginx);
    let covered: [&[u8]; 7] = [
        b"/api/users/A/",
        b"/api/users/A/x",
        b"/api/users/A/x?to=/api/users/B",
        b"/api/users/%41/x",
        b"/api/users/A/caf%C3%A9",
        b"/api/users/A/users/B",
        b"/api/users/A/api/users/B/x",
    ];
    for path in covered {
        let name = String::from_utf8_lossy(path);
        expect(&name, "ok", &get(path).token(&uid("A")).send(&nginx));
        assert_eq!(backend.take_one("X-User"), (format!("GET {name}"), Some("A".into())));
        expect(&name, "missing_token", &get(path).send(&nginx));
        expect(&name, "user_mismatch", &get(path).token(&uid("B")).send(&nginx));
        expect(&name, "expired", &get(path).token(&token(r#"{"uid":"A","exp":1}"#)).send(&nginx));
    }
    assert_eq!(backend.take(), [""; 0]);
}

/// The path rule refuses these; where it is off, the guard does.
#[test]
fn a_path_of_two_users_is_covered_by_neither() {
    let paths: [&[u8]; 9] = [
        b"/api/users/B/../A/x",
        b"/api/users/B/%2e%2e/A/x",
        b"/api/users/A/..;/B/x",
        b"/api/users/A/..\\B/x",
        b"/api/users/A/%252e%252e/B/x",
        b"/api/users/A;B/x",
        b"/api/users/A%252fB/x",
        b"/api/users/A%2fB/x",
        b"/api/users/A%ff/x",
    ];
    refused(&nginx("jwt_user_scope_path off;"), &paths);
    let nginx = nginx("");
    for path in paths {
        let name = String::from_utf8_lossy(path);
        expect(&name, "ambiguous_path", &get(path).token(&uid("A")).send(&nginx));
    }
}

/// The regex stops within the segment; the backend does not.
#[test]
fn a_location_that_captures_part_of_the_user_covers_nobody() {
    let nginx = Setup::new().server(&format!(
        r"{GUARD} location ~ ^/api/users/(?<user_id>\w+) {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}"
    ));
    for path in
        ["/api/users/A.B/x", "/api/users/A-B", "/api/users/A@example.com/x", "/api/users/A%20B", "/api/users/A+B"]
    {
        assert_uncovered(path, &get(path).token(&uid("A")).send(&nginx));
    }
    expect("the whole name", "ok", &get("/api/users/A/x").token(&uid("A")).send(&nginx));
}

/// Neither the guard nor the check goes by what a header of the client was captured as.
#[test]
fn a_capture_that_was_overwritten_covers_nobody() {
    let nginx = Setup::new().server(&format!(
        r#"{GUARD}
        location ~ ^/api/users/(?<user_id>\w+) {{
            if ($http_x_id ~ "^(?<user_id>.+)$") {{ set $seen 1; }}
            jwt_user_scope on;
            proxy_pass http://unix:echo.sock;
        }}"#
    ));
    let ask = |path: &str, id: &str| get(path).token(&uid("A")).header("X-ID", id).send(&nginx);
    for id in ["A", "B", "A.B"] {
        assert_uncovered(id, &ask("/api/users/A.B/x", id));
        expect(id, "ok", &ask("/api/users/A/x", id));
        expect(id, "user_mismatch", &ask("/api/users/B/x", id));
    }
}
