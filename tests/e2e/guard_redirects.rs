//! The guard where a request moves on within nginx: it judges what the client asked for, and what goes out, once.

use crate::common::*;

const GUARD: &str = "jwt_user_scope_guard /api/users/:user_id;";

const USERS: &str = "
    location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {
        jwt_user_scope on;
        proxy_set_header X-User $jwt_user_scope_user;
        proxy_pass http://unix:backend.sock;
    }";

fn nginx(locations: &str) -> Nginx {
    Setup::new().file("page.html", "the page").server(&format!("{GUARD}\nroot .;\n{USERS}\n{locations}"))
}

fn word(response: &Response) -> (u16, Option<&str>) {
    (response.status, response.header("X-Result"))
}

const UNCOVERED: (u16, Option<&str>) = (403, Some("uncovered_path"));

/// A asks; the path must be refused, or pass as A's.
fn assert_guarded(nginx: &Nginx, refused: &[&str], passed: &[(&str, &str)]) {
    let backend = Backend::of(nginx);
    for path in refused {
        assert_eq!(word(&get(path).token(&uid("A")).send(nginx)), UNCOVERED, "{path}");
    }
    assert_eq!(backend.take(), [""; 0]);
    for (path, line) in passed {
        let response = get(path).token(&uid("A")).send(nginx);
        assert_eq!(response.status, 200, "{path}: {response:?}");
        assert_eq!(backend.take_one("X-User").0, format!("GET {line}"), "{path}");
    }
}

#[test]
fn a_rewrite_to_a_user_s_path_is_judged() {
    let nginx = nginx(
        "location /old/ { rewrite ^/old/(.*)$ /api/users/$1 last; }
        location /raw/ { rewrite ^/raw/(.*)$ /api/users/$1 break; proxy_pass http://unix:backend.sock; }
        location /upper/ { rewrite ^/upper/(.*)$ /API/users/$1 break; proxy_pass http://unix:backend.sock; }
        location / { proxy_pass http://unix:backend.sock; }",
    );
    assert_guarded(
        &nginx,
        &["/raw/B/x", "/raw/A/x", "/upper/B", "/raw/B"],
        &[
            ("/old/A/x", "/api/users/A/x"),
            ("/raw/", "/api/users/"),
            ("/upper/", "/API/users/"),
            ("/old/", "/api/users/"),
        ],
    );
    let theirs = get("/old/B/x").token(&uid("A")).send(&nginx);
    assert_eq!(word(&theirs), (403, Some("user_mismatch")), "the location compares");
}

/// The client's own path may still be sent by `$request_uri`.
#[test]
fn a_rewrite_away_from_a_user_s_path_is_judged_by_both() {
    let nginx = nginx(
        "rewrite ^/api/users/([^/]+)/public/(.*)$ /public/$2 last;
        rewrite ^/API/(.*)$ /public/$1 last;
        location /public/ { proxy_pass http://unix:backend.sock; }
        location / { proxy_pass http://unix:backend.sock; }",
    );
    assert_guarded(&nginx, &["/api/users/B/public/x", "/API/users/B/x"], &[("/API/x", "/public/x")]);
}

/// What the location compares with is the path's user, whatever goes out.
#[test]
fn a_rewrite_within_the_location_keeps_its_cover() {
    let nginx = Setup::new().server(&format!(
        "{GUARD}
        location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {{
            jwt_user_scope on;
            rewrite ^/api/users/[^/]+/v1/(.*)$ /v1/$1 break;
            rewrite ^/api/users/([^/]+)/same/(.*)$ /api/users/$1/$2 break;
            rewrite ^/api/users/[^/]+/other/(.*)$ /api/users/$1 break;
            proxy_pass http://unix:backend.sock;
        }}"
    ));
    assert_guarded(
        &nginx,
        &["/api/users/A/other/B", "/api/users/B/other/A", "/api/users/A/other/B/x"],
        &[
            ("/api/users/A/v1/x", "/v1/x"),
            ("/api/users/A/same/x", "/api/users/A/x"),
            ("/api/users/A/other/A/x", "/api/users/A/x"),
        ],
    );
    assert_eq!(word(&get("/api/users/B/v1/x").token(&uid("A")).send(&nginx)), (403, Some("user_mismatch")));
}

#[test]
fn a_file_that_is_not_there_leads_to_a_judged_location() {
    let nginx = nginx(
        "location /files/ { try_files $uri /api/users/$arg_of/x; }
        location /named/ { try_files $uri @named; }
        location /API/ { try_files $uri @named; }
        location = /direct { try_files $uri /forward; }
        location /forward { proxy_pass http://unix:backend.sock; }
        location @named { proxy_pass http://unix:backend.sock; }",
    );
    assert_guarded(
        &nginx,
        &["/API/users/B/x", "/API/users/B"],
        &[
            ("/files/y?of=A", "/api/users/A/x"),
            ("/named/x", "/named/x"),
            ("/API/x", "/API/x"),
            ("/direct?x=y", "/forward"),
        ],
    );
    assert_eq!(word(&get("/files/y?of=B").token(&uid("A")).send(&nginx)), (403, Some("user_mismatch")));
}

/// `return` and `error_page` are how configurations jump to a named location. It forwards what the client sent, which
/// nobody has judged by then.
#[test]
fn a_jump_to_a_named_location_is_judged_there() {
    let nginx = nginx(
        "error_page 404 413 418 = @named;
        error_page 419 = /forward;
        client_max_body_size 10;
        location /protected/ { internal; }
        location /API/ { return 418; }
        location /aPI/ { return 419; }
        location /forward { proxy_pass http://unix:backend.sock; }
        location @named { proxy_pass http://unix:backend.sock; }",
    );
    assert_guarded(
        &nginx,
        &["/API/users/B/x", "/API/users/B", "/protected/..;/api/users/B", "/protected/..%5capi/users/B"],
        &[("/API/x", "/API/x"), ("/aPI/x", "/forward"), ("/aPI/users/B", "/forward"), ("/protected/x", "/protected/x")],
    );
    let large = request("POST", "/API/users/B").body(vec![b'x'; 11]).send(&nginx);
    assert_eq!(word(&large), UNCOVERED, "refused before any location could judge it");
}

/// The path rule has refused it, and nobody has compared anything.
#[test]
fn a_refused_path_is_judged_where_its_page_is_the_backend() {
    let nginx = nginx(
        "error_page 400 = @fallback;
        location @fallback { proxy_pass http://unix:backend.sock; }
        location /named/ { error_page 400 /page.html; jwt_user_scope on; set $user_id A; }
        location /exempt/ { error_page 400 = @exempt; jwt_user_scope on; set $user_id A; }
        location @exempt { jwt_user_scope_guard off; proxy_pass http://unix:backend.sock; }
        location = /page.html { }",
    );
    let page = get("/named/..;/api/users/B").send(&nginx);
    assert_eq!((page.status, page.text().as_str()), (400, "the page"));
    let backend = Backend::of(&nginx);
    assert_eq!(word(&get("/exempt/..;/api/users/B").send(&nginx)), UNCOVERED);
    for path in ["/api/users/B/../A/x", "/api/users/A/..;/B/x", "/api/users/B/../A/x?y"] {
        for asked in [get(path), get(path).token(&uid("A"))] {
            assert_eq!(word(&asked.send(&nginx)), UNCOVERED, "{path}");
        }
    }
    assert_eq!(backend.take(), [""; 0]);
}

#[test]
fn a_refusal_is_answered_once_with_its_own_page() {
    let nginx = nginx(
        "error_page 403 /page.html;
        location = /page.html { }
        location /API/ { proxy_pass http://unix:backend.sock; }
        location /named/ { error_page 403 = @page; proxy_pass http://unix:backend.sock; }
        location @page { return 200 'named for $jwt_user_scope_result'; }",
    );
    let response = get("/API/users/B/x").token(&uid("A")).send(&nginx);
    assert_eq!(word(&response), UNCOVERED);
    assert_eq!((response.text().as_str(), response.header("Content-Type")), ("the page", Some("text/html")));
    assert_eq!(nginx.request_log_with("uncovered_path").len(), 1);

    let response = get("/named/../API/users/B").send(&nginx);
    assert_eq!(response.text(), "the page");
    let response = get("/named/..%5capi/users/B").send(&nginx);
    assert_eq!((response.status, response.text().as_str()), (200, "named for uncovered_path"));
    assert_eq!(nginx.request_log_with("uncovered_path").len(), 3);
}

/// Somebody else's refusal of a covered request has that one's page, whether it came before the guard or behind it.
#[test]
fn the_page_of_another_refusal_is_not_the_client_s_request() {
    let nginx = Setup::new().file("page.html", "the page").file("maintenance", "").http(&format!(
        "limit_req_zone $uri zone=once:1m rate=1r/m;
        server {{ listen unix:down.sock; return 502; }}
        {}",
        scoped_server(&format!(
            "{GUARD}
            root .;
            error_page 400 403 404 413 502 503 /page.html;
            error_page 429 @page;
            limit_req_status 429;
            client_max_body_size 10;
            proxy_intercept_errors on;
            location = /page.html {{ }}
            location @page {{ rewrite ^ /page.html break; }}
            location ~ ^/api/users/(?<user_id>[^/]+)/limited$ {{
                jwt_user_scope on; limit_req zone=once; proxy_pass http://unix:echo.sock;
            }}
            location ~ ^/api/users/(?<user_id>[^/]+)/limited-too$ {{
                jwt_user_scope on; limit_req zone=once; limit_req_status 503; proxy_pass http://unix:echo.sock;
            }}
            location ~ ^/api/users/(?<user_id>[^/]+)/denied$ {{ jwt_user_scope on; deny all; empty_gif; }}
            location ~ ^/api/users/(?<user_id>[^/]+)/down$ {{ jwt_user_scope on; proxy_pass http://unix:down.sock; }}
            location ~ ^/api/users/(?<user_id>[^/]+)/off$ {{ if (-f $document_root/maintenance) {{ return 503; }} }}
            location ~ ^/api/users/(?<user_id>[^/]+)/ {{ jwt_user_scope on; }}"
        ))
    ));
    for path in ["/api/users/A/limited", "/api/users/A/limited-too"] {
        assert_eq!(get(path).token(&uid("A")).send(&nginx).status, 200, "{path}");
    }
    let large = || request("POST", "/api/users/A/large").body(vec![b'x'; 11]);
    let cases = [
        ("limited", get("/api/users/A/limited"), 429),
        ("limited", get("/api/users/A/limited-too"), 503),
        ("denied", get("/api/users/A/denied"), 403),
        ("down", get("/api/users/A/down"), 502),
        ("under maintenance", get("/api/users/A/off"), 503),
        ("not there", get("/api/users/A/none"), 404),
        ("too large", large(), 413),
        ("another's", get("/api/users/B/none"), 403),
        ("ambiguous", get("/api/users/A/./none"), 400),
        ("malformed", get("/api/users/A/none").header("Content-Length", "x"), 400),
    ];
    for (name, asked, status) in cases {
        let response = asked.token(&uid("A")).send(&nginx);
        assert_eq!((response.status, response.text().as_str()), (status, "the page"), "{name}");
    }
    assert_eq!(nginx.request_log_with("uncovered_path"), [""; 0]);
}

/// Nothing is left of a decision that was made before.
#[test]
fn what_was_decided_earlier_is_taken_back() {
    let nginx = Setup::new().http(&format!(
        "log_format seen '$status $jwt_user_scope_result|$jwt_user_scope_user';
        {}",
        scoped_server(&format!(
            "{GUARD}
            access_log access.log seen;
            proxy_set_header X-User $jwt_user_scope_user;
            location /checked {{ jwt_user_scope any; error_page 401 = /api/users/B; }}
            location /api/users/B {{ proxy_pass http://unix:echo.sock; }}
            location /API/ {{ set $early $jwt_user_scope_result$jwt_user_scope_user; jwt_user_scope any; }}"
        ))
    ));
    let redirected = get("/checked").token("x").send(&nginx);
    assert_eq!((word(&redirected), redirected.challenge()), (UNCOVERED, None));
    assert_eq!(redirected.text(), r#"{"detail":"Forbidden"}"#);
    assert_eq!(word(&get("/API/users/B").token(&uid("A")).send(&nginx)), UNCOVERED);
    assert_eq!(logged(&nginx, 2), ["403 uncovered_path|"; 2]);
}

/// What goes out for a page is the page's path. In a named location it is still the client's.
#[test]
fn a_proxied_page_is_judged_by_what_goes_out() {
    let nginx = nginx(
        "error_page 503 /page;
        error_page 500 = /api/users/B;
        error_page 501 @page;
        error_page 502 @exempt;
        location /page { proxy_pass http://unix:backend.sock; }
        location = /api/users/B { proxy_pass http://unix:backend.sock; }
        location @page { proxy_pass http://unix:backend.sock; }
        location @exempt { jwt_user_scope_guard off; proxy_pass http://unix:backend.sock; }
        location /API/ { return 503; }
        location /x { return 500; }
        location /Api/ { return 501; }
        location = /api/users/C { return 502; }
        location /aPI/ { return 502; }",
    );
    let backend = Backend::of(&nginx);
    for path in ["/x", "/Api/users/B", "/aPI/users/B"] {
        assert_eq!(word(&get(path).send(&nginx)), UNCOVERED, "{path}");
    }
    assert_eq!(backend.take(), [""; 0]);
    for (path, status, received) in
        [("/API/users/B", 503, "/page"), ("/Api/x", 501, "/Api/x"), ("/api/users/C", 502, "/api/users/C")]
    {
        assert_eq!(get(path).send(&nginx).status, status, "{path}");
        assert_eq!(backend.take_one("Host").0, format!("GET {received}"), "{path}");
    }
}

#[test]
fn an_exempt_location_keeps_its_page() {
    let nginx = nginx(
        "error_page 404 /page.html;
        location = /api/users/me { jwt_user_scope_guard off; }",
    );
    let response = get("/api/users/me").send(&nginx);
    assert_eq!((response.status, response.text().as_str()), (404, "the page"));
}

#[test]
fn a_backend_s_redirect_is_its_own() {
    let nginx = Setup::new().http(&format!(
        "server {{ listen unix:sends.sock; add_header X-Accel-Redirect /api/users/$arg_of/x; location / {{ return 204; }} }}
        {}",
        scoped_server(&format!(
            "{GUARD}
            location ~ ^/api/users/(?<user_id>[^/]+)/send {{ jwt_user_scope on; proxy_pass http://unix:sends.sock; }}
            location /send {{ proxy_pass http://unix:sends.sock; }}
            location ~ ^/api/users/[^/]+/x {{ proxy_pass http://unix:echo.sock; }}"
        ))
    ));
    let ask = |path: &str| get(path).token(&uid("A")).send(&nginx);
    assert_eq!(word(&ask("/send?of=B")), UNCOVERED, "nobody has compared");
    assert_eq!(ask("/api/users/A/send?of=A").text(), "GET /api/users/A/x user=");
}
