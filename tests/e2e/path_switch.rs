//! `jwt_user_scope_path`: the rule on paths, and how a location without such backends does without it.

use crate::common::*;

fn nginx(directive: &str) -> Nginx {
    Setup::new().server(&format!(
        "{directive}
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            proxy_pass http://unix:echo.sock;
        }}
        location /any {{ jwt_user_scope any; proxy_pass http://unix:echo.sock; }}"
    ))
}

/// Paths that nginx reads as alice's, and somebody else might not.
const AMBIGUOUS: [&str; 6] = [
    "/users/bob/../alice/x",
    "/users/bob/%2e%2e/alice/x",
    "/users/alice//x",
    "/users/alice/..;/bob/x",
    "/users/alice/x%2fy",
    "/users/alice/%252e",
];

#[test]
fn strict_refuses_and_is_the_default() {
    for directive in ["", "jwt_user_scope_path strict;"] {
        let nginx = nginx(directive);
        for path in AMBIGUOUS {
            expect(path, "ambiguous_path", &get(path).token(&uid("alice")).send(&nginx));
        }
        expect("a plain path", "ok", &get("/users/alice/x").token(&uid("alice")).send(&nginx));
        expect("where no user is compared", "ok", &get("/any/../any/x").token(&uid("alice")).send(&nginx));
    }
}

#[test]
fn off_takes_the_path_as_nginx_reads_it() {
    let nginx = nginx("jwt_user_scope_path off;");
    for path in AMBIGUOUS {
        expect(path, "ok", &get(path).token(&uid("alice")).send(&nginx));
        expect(&format!("{path} of bob"), "user_mismatch", &get(path).token(&uid("bob")).send(&nginx));
        expect(&format!("{path} of nobody"), "missing_token", &get(path).send(&nginx));
    }
}

#[test]
fn each_level_has_its_own() {
    let nginx = Setup::new().server(
        "jwt_user_scope_path off;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            limit_except GET { jwt_user_scope_path strict; }
            proxy_pass http://unix:echo.sock;
        }
        location ~ ^/strict/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            jwt_user_scope_path strict;
            proxy_pass http://unix:echo.sock;
        }",
    );
    let asked = |method: &str, path: &str| request(method, path).token(&uid("alice")).send(&nginx);
    expect("inherited", "ok", &asked("GET", "/users/alice//x"));
    expect("of a method", "ambiguous_path", &asked("POST", "/users/alice//x"));
    expect("of a location", "ambiguous_path", &asked("GET", "/strict/alice//x"));
    expect("a plain path", "ok", &asked("POST", "/users/alice/x"));
}
