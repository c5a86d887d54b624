//! What covers a user's path, and what does not; and the answer where nothing does.

use crate::common::*;

const TEMPLATE: &str = "jwt_user_scope_guard /api/users/:user_id;";
const ADMINS: &str = "map $jwt_user_scope_claim_role $is_admin { admin 1; }";

fn admin(user: &str) -> String {
    token(claims(&format!(r#""uid":"{user}","role":"admin""#)))
}

fn word(response: &Response) -> (u16, Option<&str>) {
    (response.status, response.header("X-Result"))
}

const UNCOVERED: (u16, Option<&str>) = (403, Some("uncovered_path"));

#[test]
fn another_comparison_covers_nothing() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        location /api/ {{ jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }}
        location /any/ {{ rewrite ^/any(.*)$ $1 break; jwt_user_scope any; proxy_pass http://unix:echo.sock; }}
        location ~ ^/api/users/(?<other>.)(?<user_id>[^/]*)/ {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}"
    ));
    let ask = |path: &str, owner: &str| get(path).token(&uid("A")).header("X-Owner", owner).send(&nginx);
    assert_eq!(word(&ask("/api/users/B", "A")), UNCOVERED, "compared with what the client names");
    assert_eq!(word(&ask("/api/users/B/x", "A")), UNCOVERED);
    assert_eq!(word(&ask("/api/users/BA/x", "A")), UNCOVERED, "a part of the segment");
    assert_eq!(word(&ask("/any/api/users/A", "A")), UNCOVERED, "any user's");
    expect("the right one by chance", "ok", &ask("/api/users/A", "A"));
    expect("the right one, not the bearer", "user_mismatch", &ask("/api/users/B", "B"));
    expect("no user's", "ok", &ask("/api/teams/B", "A"));
}

#[test]
fn where_nobody_is_compared_nobody_passes() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        location /api/users/any {{ jwt_user_scope any; proxy_pass http://unix:echo.sock; }}
        location /api/users/off {{ jwt_user_scope off; proxy_pass http://unix:echo.sock; }}
        location /api/users/file {{ root .; }}
        location ~ ^/api/users/(?<user_id>[^/]+)$ {{
            limit_except GET {{ jwt_user_scope on; }}
            proxy_pass http://unix:echo.sock;
        }}"
    ));
    for path in ["/api/users/any", "/api/users/off", "/api/users/file", "/api/users/A"] {
        for asked in [get(path), get(path).token(&uid("A")), get(path).token("x")] {
            assert_eq!(word(&asked.send(&nginx)), UNCOVERED, "{path}");
        }
    }
    let post = request("POST", "/api/users/A").token(&uid("A")).send(&nginx);
    expect("covered for this method", "ok", &post);
}

#[test]
fn a_bypass_covers_every_user() {
    let nginx = Setup::new().http(&format!(
        "{ADMINS}
        {}",
        scoped_server(&format!(
            "{TEMPLATE}
            jwt_user_scope_bypass $is_admin;
            location ~ ^/api/users/(?<user_id>[^/]+)/ {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
            location /api/users {{ jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }}
            location /API/ {{ jwt_user_scope any; proxy_pass http://unix:echo.sock; }}
            location / {{ proxy_pass http://unix:echo.sock; }}"
        ))
    ));
    let ask = |path: &str, token: &str| get(path).token(token).header("X-Owner", "A").send(&nginx);
    for path in ["/api/users/B", "/api/users/B/x"] {
        expect(path, "bypassed", &ask(path, &admin("boss")));
    }
    assert_eq!(word(&ask("/api/users/B", &uid("A"))), UNCOVERED, "passed another comparison");
    assert_eq!(word(&ask("/api/users/B", &admin("A"))), UNCOVERED, "passed it without his bypass");
    expect("the other comparison's refusal", "user_mismatch", &ask("/api/users/B", &uid("B")));
    expect("nobody", "missing_token", &get("/api/users/B").header("X-Owner", "A").send(&nginx));
    expect("no owner at all", "empty_scope", &get("/api/users/B").token(&admin("boss")).send(&nginx));
    for path in ["/API/users/B", "/Api/users/B", "/x/..;/api/users/B"] {
        assert_eq!(word(&ask(path, &admin("boss"))), UNCOVERED, "nobody is compared: {path}");
    }
}

/// The path rule would refuse these before any bypass; without it only the bypass opens them.
#[test]
fn a_bypass_covers_paths_of_two_users() {
    let nginx = Setup::new().http(&format!(
        "{ADMINS}
        {}",
        scoped_server(&format!(
            "{TEMPLATE}
            location ~ ^/api/users/(?<user_id>[^/]+)/ {{
                jwt_user_scope on;
                jwt_user_scope_path off;
                jwt_user_scope_bypass $is_admin;
                proxy_pass http://unix:echo.sock;
            }}"
        ))
    ));
    for path in ["/api/users/B/../A/x", "/api/users/A/..;/B/x", "/api/users/A%2fB/x"] {
        expect(path, "bypassed", &get(path).token(&admin("boss")).send(&nginx));
        assert_eq!(word(&get(path).token(&uid("A")).send(&nginx)), UNCOVERED, "{path}");
        assert_eq!(word(&get(path).token(&admin("A")).send(&nginx)), UNCOVERED, "{path}");
        expect(path, "missing_token", &get(path).send(&nginx));
    }
}

/// An address may replace the token, but it compares nothing.
#[test]
fn under_satisfy_any_only_a_token_covers() {
    let nginx = Setup::new().file("htpasswd", "alice:{PLAIN}pass\n").http(&format!(
        "{ADMINS}
        {}",
        scoped_server(&format!(
            "{TEMPLATE}
            satisfy any;
            location ~ ^/api/users/(?<user_id>[^/]+)/allowed {{
                allow all; jwt_user_scope on; jwt_user_scope_bypass $is_admin; proxy_pass http://unix:echo.sock;
            }}
            location ~ ^/api/users/(?<user_id>[^/]+)/denied {{
                deny all; jwt_user_scope on; jwt_user_scope_bypass $is_admin; proxy_pass http://unix:echo.sock;
            }}
            location ~ ^/api/users/(?<user_id>[^/]+)/basic {{
                auth_basic staff; auth_basic_user_file htpasswd; jwt_user_scope on; proxy_pass http://unix:echo.sock;
            }}
            location / {{ allow all; jwt_user_scope any; proxy_pass http://unix:echo.sock; }}"
        ))
    ));
    let basic = "Basic YWxpY2U6cGFzcw==";
    for path in ["/api/users/A/allowed", "/api/users/A/basic"] {
        let response = get(path).authorization(basic).send(&nginx);
        assert_eq!(word(&response), UNCOVERED, "{path}");
        assert_eq!((response.challenge(), response.text().as_str()), (None, r#"{"detail":"Forbidden"}"#), "{path}");
    }
    assert_eq!(word(&get("/api/users/A/allowed").send(&nginx)), UNCOVERED);
    assert_eq!(word(&get("/api/users/A/allowed").token(&uid("B")).send(&nginx)), UNCOVERED);
    expect("a password is no address", "missing_token", &get("/api/users/A/denied").authorization(basic).send(&nginx));
    for path in ["/api/users/A/denied", "/api/users/A/basic", "/api/users/A/allowed"] {
        expect(path, "ok", &get(path).token(&uid("A")).send(&nginx));
    }
    for path in ["/api/users/A/denied", "/api/users/A/allowed"] {
        expect(path, "bypassed", &get(path).token(&admin("boss")).send(&nginx));
    }
    assert_eq!(get("/api/users/").send(&nginx).status, 200, "nobody's path");
}

/// What comes behind the access phase, a copy or another location, must not be reached before that is known.
#[test]
fn under_satisfy_any_nothing_goes_out_before() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        satisfy any;
        location ~ ^/api/users/(?<user_id>[^/]+)/tried$ {{
            allow all; jwt_user_scope on; try_files /none @backend;
        }}
        location ~ ^/api/users/(?<user_id>[^/]+)/copied$ {{
            allow all; jwt_user_scope on; mirror /copy; proxy_pass http://unix:backend.sock;
        }}
        location = /copy {{ internal; proxy_pass http://unix:backend.sock; }}
        location @backend {{ proxy_pass http://unix:backend.sock; }}"
    ));
    let backend = Backend::of(&nginx);
    for path in ["/api/users/A/tried", "/api/users/A/copied"] {
        for asked in [get(path), get(path).token(&uid("B"))] {
            assert_eq!(word(&asked.send(&nginx)), UNCOVERED, "{path}");
        }
    }
    assert_eq!(backend.take(), [""; 0]);
}

/// nginx's access phase passes subrequests over, and so does the guard: they are the configuration's own.
#[test]
fn subrequests_are_not_judged() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        location ~ ^/api/users/(?<user_id>[^/]+)/asked$ {{
            jwt_user_scope on; auth_request /api/users/nobody; proxy_pass http://unix:echo.sock;
        }}
        location ~ ^/api/users/(?<user_id>[^/]+)/copied$ {{
            jwt_user_scope on; mirror /api/users/nobody; proxy_pass http://unix:echo.sock;
        }}
        location /asked {{ auth_request /api/users/nobody; proxy_pass http://unix:echo.sock; }}
        location = /api/users/nobody {{ proxy_pass http://unix:echo.sock; }}"
    ));
    expect("nobody's path", "unchecked", &get("/asked").send(&nginx));
    for path in ["/api/users/A/asked", "/api/users/A/copied"] {
        expect(path, "ok", &get(path).token(&uid("A")).send(&nginx));
        expect(path, "user_mismatch", &get(path).token(&uid("B")).send(&nginx));
    }
    assert_eq!(word(&get("/api/users/nobody").token(&uid("A")).send(&nginx)), UNCOVERED, "asked by a client");
    assert_eq!(nginx.request_log_with("uncovered_path").len(), 1);
}

#[test]
fn a_preflight_of_a_covered_path_passes() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        jwt_user_scope_preflight on;
        location ~ ^/api/users/(?<user_id>[^/]+)/any$ {{
            satisfy any; deny all; jwt_user_scope on; proxy_pass http://unix:echo.sock;
        }}
        location ~ ^/api/users/(?<user_id>[^/]+)/ {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
        location /API/ {{ jwt_user_scope any; proxy_pass http://unix:echo.sock; }}
        location / {{ proxy_pass http://unix:echo.sock; }}"
    ));
    let ask = |path: &str| {
        let preflight = request("OPTIONS", path).header("Origin", "https://app.example");
        preflight.header("Access-Control-Request-Method", "PUT").send(&nginx)
    };
    expect("covered", "preflight", &ask("/api/users/A/x"));
    for path in ["/api/users/A", "/API/users/A/x", "/api;x/users/A/x", "/api/users/A/x/../../B"] {
        assert_eq!(word(&ask(path)), UNCOVERED, "{path}");
    }
    expect("of two users", "ambiguous_path", &ask("/api/users/A/../B/x"));
    assert_eq!(ask("/api/users/A/any").status, 403, "the address is refused");
}

#[test]
fn off_exempts_a_location() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        location ~ ^/api/users/[^/]+/avatar$ {{ jwt_user_scope_guard off; proxy_pass http://unix:echo.sock; }}
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
        location = /api/users/me {{ jwt_user_scope any; jwt_user_scope_guard off; proxy_pass http://unix:echo.sock; }}
        location /open/ {{ jwt_user_scope_guard off; proxy_pass http://unix:echo.sock; }}
        location /api/ {{ jwt_user_scope_guard off; proxy_pass http://unix:echo.sock; }}
        location / {{ proxy_pass http://unix:echo.sock; }}"
    ));
    expect("in a letter case of its own", "unchecked", &get("/api/news").send(&nginx));
    assert_eq!(word(&get("/api/Users/B").send(&nginx)), UNCOVERED, "the regex does not take it");
    expect("exempt", "ok", &get("/api/users/me").token(&uid("A")).send(&nginx));
    expect("exempt, and checked", "missing_token", &get("/api/users/me").send(&nginx));
    for path in ["/open/x%2fy", "/open/api/users/B", "/open/..;/x", "/api/users/B/avatar", "/api/users/B%20C/avatar"] {
        expect(path, "unchecked", &get(path).send(&nginx));
    }
    for path in ["/api/users/x/../me", "/api/users/me%20/../me"] {
        assert_eq!(word(&get(path).token(&uid("A")).send(&nginx)), UNCOVERED, "{path}");
    }
    // nginx reads these as being there, and a backend as somebody's.
    for path in ["/api/users/B/../me", "/api/users/B/files/%2e%2e/../../me", "/api/users/B/x%3f/../../me"] {
        assert_eq!(word(&get(path).token(&uid("A")).send(&nginx)), UNCOVERED, "{path}");
    }
    // Of the same user, but another thing of theirs, to others.
    for path in ["/api/users/B/files/x/../../avatar", "/api/users/B/files%3f/../avatar", "/api/users/B/x%2f..%2favatar"]
    {
        assert_eq!(word(&get(path).send(&nginx)), UNCOVERED, "{path}");
    }
    for path in ["/open/..;/api/users/B", "/api/users/B/../../../open/x", "/api/users/B/..%2f..%2f..%2fopen/x"] {
        assert_eq!(word(&get(path).send(&nginx)), UNCOVERED, "{path}");
    }
    assert_eq!(word(&get("/api/users/ME").token(&uid("A")).send(&nginx)), (403, Some("user_mismatch")));
    // Some backends ignore the case of letters, and nginx does not.
    for path in ["/open/../API/users/B", "/api/Users/B/avatar"] {
        assert_eq!(word(&get(path).send(&nginx)), UNCOVERED, "{path}");
    }
    for path in ["/API/users/me", "/api;/users/me", "/api/users%252fme"] {
        assert_eq!(word(&get(path).token(&uid("A")).send(&nginx)), UNCOVERED, "{path}");
    }
}

/// What one location compares may be a tenant, and the user whom others read the name of one.
#[test]
fn a_comparison_covers_what_nginx_reads_alone() {
    for guard in ["jwt_user_scope_guard /api/users/:user_id;", "jwt_user_scope_guard /api/users/:user_id /t/:tenant;"] {
        let nginx = Setup::new().server(&format!(
            "{guard}
            jwt_user_scope_path off;
            rewrite ^/users/(.*)$ /inner/$1;
            location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
            location ~ ^/inner/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
            location ~ ^/t/(?<tenant>[^/]+)(?:/|$) {{
                jwt_user_scope $tenant; jwt_user_scope_claim tenants; proxy_pass http://unix:echo.sock; }}"
        ));
        let token = token(claims(r#""uid":"7","tenants":["42"]"#));
        let ask = |path: &str| get(path).token(&token).send(&nginx);
        for path in ["/t/42/x", "/t/42/x%2Fy", "/t/42/a;b", "/api/users/7/x", "/api/users/7/x%2Fy", "/users/7/x"] {
            expect(path, "ok", &ask(path));
        }
        expect("another user's", "user_mismatch", &ask("/api/users/42/x"));
        for path in
            ["/api/users/42/../../../t/42/files/a", "/api/users/42/..%2f..%2f..%2ft/42", "/t/42/..;/..;/api/users/42/x"]
        {
            assert_eq!(word(&ask(path)), UNCOVERED, "{path} with {guard}");
        }
    }
}

/// An organisation's id may be the same number as a user's.
#[test]
fn a_comparison_with_another_part_of_the_path_covers_nothing() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        location ~ ^/api/users/[^/]+/orgs/(?<org>[^/]+)(?:/|$) {{
            jwt_user_scope $org; jwt_user_scope_claim orgs; proxy_pass http://unix:echo.sock; }}
        location ~ ^/api/users/[^/]+/named/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on; jwt_user_scope_claim orgs; proxy_pass http://unix:echo.sock; }}
        location ~ ^/api/users/[^/]+/moved/(?<user_id>[^/]+)(?:/|$) {{
            rewrite ^/api/users/(.*)$ /api/users/$1/x break;
            jwt_user_scope on; jwt_user_scope_claim orgs; proxy_pass http://unix:echo.sock; }}
        location ~ ^/api/users/(?<user_id>[^/]+)/kept/ {{
            rewrite ^/api/users/(.*)$ /api/users/$1/x break; jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            proxy_pass http://unix:echo.sock;
            location ~ /nested/ {{ proxy_pass http://unix:echo.sock; }}
        }}"
    ));
    let token = token(claims(r#""uid":"7","orgs":["42","7"]"#));
    let ask = |path: &str| get(path).token(&token).send(&nginx);
    for path in [
        "/api/users/42/orgs/42",
        "/api/users/41/orgs/42",
        "/api/users/42/orgs/%342/x",
        "/api/users/7/orgs/7",
        "/api/users/42/named/42",
        "/api/users/42/moved/42",
    ] {
        assert_eq!(word(&ask(path)), UNCOVERED, "{path}");
    }
    for path in
        ["/api/users/7", "/api/users/%37/x", "/api/users/7/kept/x", "/api/users/7/nested/x", "/api/users/7/x%20y"]
    {
        expect(path, "ok", &ask(path));
    }
}

/// What everybody reads alike may have become another way to the same user.
#[test]
fn a_rewrite_from_one_template_to_another_is_covered() {
    let nginx = Setup::new().server(
        "jwt_user_scope_guard /api/users/:user_id /u/:user_id;
        rewrite ^/u/(.*)$ /api/users/$1;
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; proxy_pass http://unix:echo.sock; }",
    );
    let ask = |path: &str| get(path).token(&uid("A")).send(&nginx);
    for path in ["/u/A", "/u/A/x", "/u/%41/a%20b", "/api/users/A"] {
        expect(path, "ok", &ask(path));
    }
    expect("another user's", "user_mismatch", &ask("/u/B/x"));
    expect("in two ways", "ambiguous_path", &ask("/u/B/../A"));
}

#[test]
fn report_refuses_nothing_and_says_so() {
    let nginx = Setup::new().server(&format!(
        "{TEMPLATE}
        jwt_user_scope_mode report;
        location ~ ^/api/users/(?<user_id>[^/]+)/ {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
        location /enforced/ {{
            jwt_user_scope_mode enforce;
            location ~ ^/enforced/(?<user_id>[^/]+)$ {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
            proxy_pass http://unix:echo.sock;
        }}
        location / {{ proxy_pass http://unix:echo.sock; }}"
    ));
    for path in ["/api/users/B", "/API/users/B/x", "/api/users/A;B"] {
        let before = nginx.log_with("jwt_user_scope: ").len();
        let response = get(path).send(&nginx);
        assert_eq!(word(&response), (200, Some("uncovered_path")), "{path}");
        let lines = nginx.log_with("jwt_user_scope: ").split_off(before);
        let [line] = &lines[..] else { panic!("not one line for {path}: {lines:#?}") };
        assert!(line.contains("jwt_user_scope: would refuse with 403 uncovered_path: "), "{line}");
        assert!(line.contains("[error]") && line.contains(&format!("request: \"GET {path} HTTP")), "{line}");
    }
    let compared = get("/api/users/A/x").send(&nginx);
    assert_eq!(word(&compared), (200, Some("missing_token")), "the last decision is the check's");
    assert_eq!(word(&get("/enforced/..;/api/users/B").send(&nginx)), UNCOVERED);
}
