//! `jwt_user_scope_guard`: its templates, where they hold, how nginx refuses bad ones, and the form of the answer.

use crate::common::*;

fn check(arguments: &str) -> ConfigCheck {
    Setup::new().check(&format!("server {{ listen unix:nginx.sock;\njwt_user_scope_guard {arguments}; # here\n}}"))
}

fn is_refused(nginx: &Nginx, path: &str) -> bool {
    let response = get(path).token(&uid("A")).send(nginx);
    let refused = response.header("X-Result") == Some("uncovered_path");
    assert_eq!(response.status, if refused { 403 } else { 200 }, "{path}: {response:?}");
    refused
}

/// Of these paths, exactly the first ones are refused.
fn assert_refused_of(nginx: &Nginx, refused: &[&str], passed: &[&str]) {
    for path in refused {
        assert!(is_refused(nginx, path), "{path} passes");
    }
    for path in passed {
        assert!(!is_refused(nginx, path), "{path} is refused");
    }
}

#[test]
fn each_template_is_looked_for() {
    let nginx = Setup::new().server(
        "jwt_user_scope_guard /api/users/:user_id /:tenant/private /v1/orgs/:o/members;
        location ~ ^/api/users/(?<user_id>[^/]+) { jwt_user_scope on; proxy_pass http://unix:echo.sock; }
        location ~ ^/(?<user_id>[^/]+)/private { jwt_user_scope on; proxy_pass http://unix:echo.sock; }
        location / { proxy_pass http://unix:echo.sock; }",
    );
    assert_refused_of(
        &nginx,
        &["/A/Private", "/v1/orgs/B/members", "/v1/orgs/A/Members/x", "/API/users/A", "/api/users;/A"],
        &[
            "/api/users/A",
            "/A/private",
            "/A/private/x",
            "/A/privates",
            "/v1/orgs/B",
            "/v1/orgs/B/x/members",
            "/x/A/private",
        ],
    );
    let two = get("/api/users/private").token(&uid("private")).send(&nginx);
    expect("one template's user", "ok", &two);
}

#[test]
fn a_template_s_name_for_the_user_is_free() {
    for name in ["user_id", "u", "USER2", "_", "0"] {
        let nginx = Setup::new()
            .server(&format!("jwt_user_scope_guard /u/:{name}; location / {{ proxy_pass http://unix:echo.sock; }}"));
        assert_refused_of(&nginx, &["/u/A", "/U/B/x"], &["/u", "/u/", &format!("/x/{name}")]);
    }
}

#[test]
fn a_level_replaces_the_templates_of_the_one_around_it() {
    let nginx = Setup::new().http(&format!(
        "jwt_user_scope_guard /a/:user_id;
        {}
        server {{ listen unix:second.sock; root .; }}",
        scoped_server(
            "location / { proxy_pass http://unix:echo.sock; }
            location /own/ {
                jwt_user_scope_guard /b/:user_id /c/:user_id;
                location /own/inner/ { proxy_pass http://unix:echo.sock; }
                location /own/off/ { jwt_user_scope_guard off; proxy_pass http://unix:echo.sock; }
                proxy_pass http://unix:echo.sock;
            }
            location /reads/ {
                limit_except GET { jwt_user_scope_guard /b/:user_id; }
                proxy_pass http://unix:echo.sock;
            }"
        )
    ));
    assert_refused_of(&nginx, &["/a/B", "/A/B", "/own/../a/B"], &["/b/B", "/c/B"]);
    // The location is selected by what nginx reads, the template found in what another reads.
    for place in ["/own", "/own/inner", "/reads"] {
        let path = |user: &str| format!("{place}/..;/..;/{user}/B");
        let (own, inherited) = if place == "/reads" { ("a", "b") } else { ("b", "a") };
        assert_refused_of(&nginx, &[&path(own)], &[&path(inherited)]);
    }
    // What is exempt is exempt from the templates around it, and only where nobody reads it otherwise.
    assert_refused_of(&nginx, &["/own/off/..;/..;/..;/b/B"], &["/own/off/..;/..;/..;/a/B", "/own/off/b/B"]);
    for (method, refused) in [("GET", "a"), ("POST", "b")] {
        for user in ["a", "b"] {
            let response = request(method, format!("/reads/..;/..;/{user}/B")).send(&nginx);
            assert_eq!(response.status, if user == refused { 403 } else { 200 }, "{method} {user}");
        }
    }
    let mut other = Client::connect(&nginx.path("second.sock"));
    assert_eq!(other.ask(&get("/A/B")).status, 403, "each server inherits, also where it has no location");
}

#[test]
fn a_bad_template_is_a_configuration_error() {
    let rows = [
        ("api/users/:id", "must begin with \"/\""),
        (":id", "must begin with \"/\""),
        ("\"\"", "must begin with \"/\""),
        ("/", "has an empty segment"),
        ("/api//:id", "has an empty segment"),
        ("/api/users/:id/", "has an empty segment"),
        ("/api/./:id", "has a segment of dots"),
        ("/api/../:id", "has a segment of dots"),
        ("/api/users", "has no user segment"),
        ("/api/users/$id", "must not contain"),
        ("/api/users-:id", "has no user segment"),
        ("/:tenant/users/:id", "has more than one user segment"),
        ("/api/:", "has a user segment whose name"),
        ("/api/:user-id", "has a user segment whose name"),
        ("/api/:id?x", "must not contain '?'"),
        ("\"/api/:id#x\"", "must not contain '#'"),
        ("/api/%75sers/:id", "must not contain '%'"),
        ("\"/api;x/:id\"", "must not contain ';'"),
        ("\"/api/{id}\"", "must not contain '{'"),
        ("/api/*/:id", "must not contain '*'"),
        ("/ok/:id /api/users", "has no user segment"),
        ("/ok/:id off", "\"off\" stands alone"),
        ("off /ok/:id", "\"off\" stands alone"),
    ];
    for (arguments, says) in rows {
        let check = check(arguments);
        assert!(!check.accepted, "{arguments}");
        for part in ["[emerg]", "in \"jwt_user_scope_guard\" directive", says, &check.here] {
            assert!(check.stderr.contains(part), "no {part} for {arguments}: {}", check.stderr);
        }
    }
}

#[test]
fn a_template_in_braces_is_nginx_s_own_error() {
    assert!(!check("/api/users/{user_id}").accepted);
}

#[test]
fn good_templates_are_accepted_without_a_word() {
    for arguments in ["/api/users/:user_id", "/:id", "/a/:b /c/:d", "/caf\u{e9}/:id", "/a.b/:id/files", "off", "OFF"] {
        let check = check(arguments);
        assert!(check.accepted && !check.stderr.contains("[warn]"), "{arguments}: {}", check.stderr);
    }
}

#[test]
fn it_wants_an_argument_and_stands_once_on_a_level() {
    assert!(check("").stderr.contains("invalid number of arguments in \"jwt_user_scope_guard\" directive"));
    let twice = check("/a/:id; jwt_user_scope_guard /b/:id");
    assert!(!twice.accepted, "{}", twice.stderr);
    assert!(twice.stderr.contains("\"jwt_user_scope_guard\" directive is duplicate"), "{}", twice.stderr);
    assert!(twice.stderr.contains(&twice.here), "{}", twice.stderr);
}

/// It needs no key, so it may stand where no check does.
#[test]
fn a_guard_needs_no_secret() {
    let nginx = Setup::new()
        .without_env()
        .server("jwt_user_scope_guard /api/users/:user_id; location / { proxy_pass http://unix:echo.sock; }");
    assert_refused_of(&nginx, &["/api/users/A", "/API/users/B"], &["/api/users/", "/x"]);
}

const GUARDED: &str = "
    jwt_user_scope_guard /api/users/:user_id;
    jwt_user_scope_realm staff;
    location / { proxy_pass http://unix:echo.sock; }
    location /x/problem/ { jwt_user_scope_error_body problem; proxy_pass http://unix:echo.sock; }
    location /x/off/ { jwt_user_scope_error_body off; proxy_pass http://unix:echo.sock; }
    location /x/warn/ { jwt_user_scope_log_level warn; proxy_pass http://unix:echo.sock; }";

#[test]
fn the_body_has_the_form_that_is_asked_for() {
    let nginx = Setup::new().server(GUARDED);
    let ask = |form: &str| get(format!("/x/{form}/..;/..;/..;/api/users/B")).send(&nginx);
    for (form, content_type, body) in [
        ("json", "application/json", r#"{"detail":"Forbidden"}"#),
        ("problem", "application/problem+json", r#"{"title":"Forbidden","status":403,"detail":"Forbidden"}"#),
        ("off", "text/html", "<html>"),
    ] {
        let response = ask(form);
        assert_eq!((response.status, response.challenge()), (403, None), "{form}");
        assert_eq!(response.all("Content-Type"), [content_type]);
        assert!(response.text().starts_with(body), "{form}: {}", response.text());
        assert_eq!(response.all("Content-Length"), [response.body.len().to_string()]);
    }
}

#[test]
fn the_log_has_one_line_without_the_token() {
    let nginx = Setup::new().server(GUARDED);
    let secret = uid("A");
    for (path, level, location) in
        [("/api/users/B/x?y", "error", "/"), ("/x/warn/..;/..;/..;/api/users/B", "warn", "/x/warn/")]
    {
        assert_eq!(get(path).token(&secret).send(&nginx).status, 403);
        let lines = nginx.log_with(&format!("request: \"GET {path} "));
        let [line] = &lines[..] else { panic!("not one line for {path}: {lines:#?}") };
        assert!(line.contains(&format!("[{level}]")), "{line}");
        assert!(line.contains("jwt_user_scope: refused with 403 uncovered_path: "), "{line}");
        assert!(line.contains(&format!("location: \"{location}\"")), "{line}");
    }
    let log = nginx.read("error.log");
    assert!(secret.split('.').all(|segment| !log.contains(segment)), "{log}");
}

#[test]
fn head_has_the_headers_and_no_body() {
    let nginx = Setup::new().server(GUARDED);
    let mut client = nginx.client();
    for _ in 0..2 {
        let response = client.ask(&request("HEAD", "/API/users/B"));
        assert_eq!((response.status, response.header("X-Result")), (403, Some("uncovered_path")));
        assert_eq!(
            (response.all("Content-Length"), response.all("Content-Type")),
            (vec!["22"], vec!["application/json"])
        );
    }
    expect("the next", "unchecked", &client.ask(&get("/x")));
}

#[test]
fn a_refused_upload_is_discarded_and_the_next_request_served() {
    let nginx = Setup::new().server(GUARDED);
    let mut client = nginx.client();
    for _ in 0..2 {
        let upload = request("POST", "/API/users/B").body(vec![b'x'; 3_000_000]);
        let response = client.ask(&upload);
        assert_eq!((response.status, response.text().as_str()), (403, r#"{"detail":"Forbidden"}"#));
        expect("the next", "unchecked", &client.ask(&get("/x")));
    }
    let mut waiting = nginx.client();
    let head = request("POST", "/API/users/B").header("Expect", "100-continue").header("Content-Length", "10");
    waiting.send(&head.bytes());
    assert_eq!(waiting.receive("POST").status, 403, "no 100 before the refusal");
}

#[cfg(ngx_feature = "http_v2")]
#[test]
fn http_2_is_answered_alike() {
    let nginx = Setup::new().server(&format!("listen unix:h2.sock http2;\n{GUARDED}"));
    let alice = format!("Bearer {}", uid("A"));
    let ask = |method, path| Http2Request { method, path, authorization: Some(alice.as_bytes()) };
    let asked = [
        ask("GET", "/api/users/B"),
        ask("GET", "/x"),
        ask("GET", "/API/users/B/x"),
        ask("HEAD", "/api;x/users/B"),
        ask("GET", "/api/users/"),
        ask("GET", "/x/..;/api/users/B"),
        ask("GET", "/api%252fusers/B"),
    ];
    let statuses = [403, 200, 403, 403, 200, 403, 403];
    for ((asked, status), response) in asked.iter().zip(statuses).zip(over_http2(&nginx, &asked)) {
        let name = format!("{} {}", asked.method, asked.path);
        assert_eq!(response.status, status, "{name}: {response:?}");
        assert_eq!(response.challenge(), None, "{name}");
        let body = if asked.method == "HEAD" { "" } else { r#"{"detail":"Forbidden"}"# };
        assert!(status == 200 || response.text() == body, "{name}: {}", response.text());
    }
}
