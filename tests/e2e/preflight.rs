//! `jwt_user_scope_preflight`: browsers ask without a token, and only a real preflight may.

use crate::common::*;

fn nginx(directive: &str) -> Nginx {
    Setup::new().http(&format!(
        "log_format seen '$jwt_user_scope_result|$jwt_user_scope_user|$jwt_user_scope_claim_uid';
        {}",
        scoped_server(&format!(
            "{directive}
            access_log access.log seen;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
                jwt_user_scope on;
                jwt_user_scope_require $http_x_allowed;
                proxy_set_header X-User $jwt_user_scope_user;
                proxy_pass http://unix:echo.sock;
            }}
            location /any {{ jwt_user_scope any; proxy_pass http://unix:echo.sock; }}"
        ))
    ))
}

fn preflight(path: &str) -> Request {
    request("OPTIONS", path).header("Origin", "https://app.example").header("Access-Control-Request-Method", "DELETE")
}

#[test]
fn a_real_one_passes_without_a_token() {
    let nginx = nginx("jwt_user_scope_preflight on;");
    let cases = [
        ("of a user's path", preflight("/users/alice/x")),
        ("of any path", preflight("/any")),
        ("with more headers", preflight("/users/alice/x").header("Access-Control-Request-Headers", "authorization")),
        ("of a null origin", {
            request("OPTIONS", "/any").header("origin", "null").header("ACCESS-CONTROL-REQUEST-METHOD", "GET")
        }),
        ("with a token, unread", preflight("/users/alice/x").token(&uid("bob"))),
        ("with a bad token, unread", preflight("/users/alice/x").token("x")),
    ];
    for (name, asked) in &cases {
        expect(name, "preflight", &asked.send(&nginx));
    }
    assert_eq!(logged(&nginx, cases.len()), ["preflight||"; 6], "it has no identity, whatever it carried");
    assert_eq!(preflight("/users/alice/x").send(&nginx).text(), "OPTIONS /users/alice/x user=");
    assert_eq!(nginx.log_with("jwt_user_scope: "), [""; 0], "nothing was refused");
}

#[test]
fn everything_else_needs_a_token() {
    let nginx = nginx("jwt_user_scope_preflight on;");
    let path = "/users/alice/x";
    let as_preflight = |method: &str| {
        request(method, path).header("Origin", "https://app.example").header("Access-Control-Request-Method", "DELETE")
    };
    let cases = [
        ("GET", as_preflight("GET"), "missing_token"),
        ("POST", as_preflight("POST"), "missing_token"),
        ("DELETE", as_preflight("DELETE"), "missing_token"),
        ("HEAD", as_preflight("PROPFIND"), "missing_token"),
        ("no header", request("OPTIONS", path), "missing_token"),
        ("no method", request("OPTIONS", path).header("Origin", "https://app.example"), "missing_token"),
        ("no origin", request("OPTIONS", path).header("Access-Control-Request-Method", "GET"), "missing_token"),
        (
            "an empty method",
            {
                request("OPTIONS", path)
                    .header("Origin", "https://app.example")
                    .header("Access-Control-Request-Method", "")
            },
            "missing_token",
        ),
        (
            "an empty origin",
            request("OPTIONS", path).header("Origin", "").header("Access-Control-Request-Method", "GET"),
            "missing_token",
        ),
        (
            "like it",
            request("OPTIONS", path).header("X-Origin", "a").header("Access-Control-Request-Method", "GET"),
            "missing_token",
        ),
        ("X-HTTP-Method-Override", preflight(path).header("X-HTTP-Method-Override", "DELETE"), "missing_token"),
        ("x-http-method", preflight(path).header("x-http-method", "DELETE"), "missing_token"),
        ("X-METHOD-OVERRIDE", preflight(path).header("X-METHOD-OVERRIDE", "DELETE"), "missing_token"),
        ("an empty override", preflight(path).header("X-HTTP-Method-Override", ""), "missing_token"),
        ("an override and a token", preflight(path).header("X-HTTP-Method", "GET").token(&uid("bob")), "user_mismatch"),
    ];
    for (name, asked, word) in &cases {
        expect(name, word, &asked.send(&nginx));
    }
    let own = request("OPTIONS", path).token(&uid("alice")).header("X-Allowed", "1");
    expect("with a token", "ok", &own.send(&nginx));
}

/// A preflight with the method-override header in the spelling that CGI and WSGI make the same name of.
#[test]
fn an_override_with_underscores_is_one_where_nginx_forwards_it() {
    let server = |directive: &str| nginx(&format!("{directive} jwt_user_scope_preflight on;"));
    let asked = || preflight("/users/alice/x").header("X_HTTP_Method_Override", "DELETE");
    expect("dropped by nginx", "preflight", &asked().send(&server("")));
    expect("forwarded", "missing_token", &asked().send(&server("underscores_in_headers on;")));
}

#[test]
fn without_it_a_preflight_is_refused() {
    for directive in ["", "jwt_user_scope_preflight off;"] {
        let nginx = nginx(directive);
        expect(directive, "missing_token", &preflight("/users/alice/x").send(&nginx));
        expect(directive, "missing_token", &preflight("/any").send(&nginx));
    }
}

#[test]
fn the_path_rule_comes_first() {
    let nginx = nginx("jwt_user_scope_preflight on;");
    for path in ["/users/bob/../alice/x", "/users/alice/..;/bob", "/users/alice//x"] {
        expect(path, "ambiguous_path", &preflight(path).send(&nginx));
    }
}

#[test]
fn it_grants_nothing_on_behalf_of_other_access_modules() {
    let nginx = Setup::new().file("htpasswd", "alice:{PLAIN}pass\n").server(
        "jwt_user_scope_preflight on;
        jwt_user_scope any;
        location /any/ { satisfy any; deny all; proxy_pass http://unix:echo.sock; }
        location /all/ { deny all; proxy_pass http://unix:echo.sock; }
        location /basic/ {
            satisfy any; auth_basic staff; auth_basic_user_file htpasswd; proxy_pass http://unix:echo.sock;
        }
        location /request/ { auth_request /no; proxy_pass http://unix:echo.sock; }
        location /no { internal; return 403; }",
    );
    for (path, status) in [("/any/", 403), ("/all/", 403), ("/basic/", 401), ("/request/", 403)] {
        let response = preflight(path).send(&nginx);
        assert_eq!(response.status, status, "{path}: {response:?}");
        assert!(!response.all("WWW-Authenticate").iter().any(|challenge| challenge.starts_with("Bearer")), "{path}");
    }
    let alice = uid("alice");
    for path in ["/any/", "/basic/"] {
        expect(path, "ok", &request("OPTIONS", path).token(&alice).send(&nginx));
    }
}

/// What a browser needs of a refusal, so that the page's script may read it.
#[test]
fn refusals_can_carry_cors_headers() {
    let nginx = Setup::new().http(
        "server {
            listen unix:nginx.sock;
            add_header Access-Control-Allow-Origin https://app.example always;
            add_header Access-Control-Expose-Headers WWW-Authenticate always;
            location / {
                jwt_user_scope any;
                jwt_user_scope_preflight on;
                proxy_pass http://unix:echo.sock;
            }
        }",
    );
    for (asked, status) in [(get("/"), 401), (preflight("/"), 200), (get("/").token(&uid("alice")), 200)] {
        let response = asked.send(&nginx);
        assert_eq!(response.status, status);
        assert_eq!(response.all("Access-Control-Allow-Origin"), ["https://app.example"]);
    }
}
