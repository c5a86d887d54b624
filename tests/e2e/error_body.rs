//! `jwt_user_scope_error_body` and `jwt_user_scope_realm`: what a refused client reads.

use crate::common::*;

fn nginx(directives: &str) -> Nginx {
    Setup::new().http(&format!(
        "server {{
            listen unix:nginx.sock;
            listen unix:h2.sock http2;
            {directives}
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
            location /empty {{ jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }}
            location /required {{ jwt_user_scope any; jwt_user_scope_require $http_x_allowed; empty_gif; }}
            location /required401 {{ jwt_user_scope any; jwt_user_scope_require $http_x_allowed error=401; empty_gif; }}
        }}"
    ))
}

/// Path, token, status, title and detail of the refusals that a client can tell apart.
fn refusals() -> Vec<(&'static str, Option<String>, u16, &'static str, &'static str)> {
    vec![
        ("/users/alice/", None, 401, "Unauthorized", "Not authenticated"),
        ("/users/alice/", Some("x".into()), 401, "Unauthorized", "Invalid token"),
        ("/users/alice/", Some(token(r#"{"uid":"alice","exp":1}"#)), 401, "Unauthorized", "Token expired"),
        ("/users/alice/", Some(uid("bob")), 403, "Forbidden", "Forbidden"),
        ("/empty", Some(uid("alice")), 403, "Forbidden", "Forbidden"),
        ("/required", Some(uid("alice")), 403, "Forbidden", "Forbidden"),
        ("/required401", Some(uid("alice")), 401, "Unauthorized", "Invalid token"),
        ("/users/bob/../alice/", Some(uid("alice")), 400, "Bad Request", "Bad request path"),
    ]
}

/// Over HTTP/1.1 and HTTP/2, with GET and HEAD: this type and this body, or its absence.
fn assert_bodies(nginx: &Nginx, content_type: &str, body: impl Fn(u16, &str, &str) -> String) {
    for (path, token, status, title, detail) in refusals() {
        let body = body(status, title, detail);
        let name = format!("{path}, {detail}");
        let with = |method: &str| token.iter().fold(request(method, path), |request, token| request.token(token));
        let get = with("GET").send(nginx);
        let mut client = nginx.client();
        let head = client.ask(&with("HEAD").header("Connection", "close"));
        assert_eq!(client.rest(), b"", "HEAD {name}");

        let authorization = token.as_ref().map(|token| format!("Bearer {token}"));
        let asked =
            |method| Http2Request { method, path, authorization: authorization.as_ref().map(|value| value.as_bytes()) };
        let mut answers = vec![("GET", get), ("HEAD", head)];
        if cfg!(ngx_feature = "http_v2") {
            let over_http2 = over_http2(nginx, &[asked("GET"), asked("HEAD")]);
            answers.extend(["HTTP/2 GET", "HTTP/2 HEAD"].into_iter().zip(over_http2));
        }
        for (version, response) in &answers {
            let sent = if version.ends_with("HEAD") { "" } else { &body };
            assert_eq!(response.text(), sent, "{version} {name}");
            assert_eq!(response.status, status, "{version} {name}");
            assert_eq!(response.all("Content-Type"), [content_type], "{version} {name}");
            assert_eq!(response.all("Content-Length"), [body.len().to_string()], "{version} {name}");
            assert_eq!(response.challenge().is_some(), status != 400, "{version} {name}");
        }
    }
}

#[test]
fn json_is_fastapi_s_shape_and_the_default() {
    for directive in ["", "jwt_user_scope_error_body json;", "jwt_user_scope_error_body JSON;"] {
        assert_bodies(&nginx(directive), "application/json", |_, _, detail| format!(r#"{{"detail":"{detail}"}}"#));
    }
}

#[test]
fn problem_is_rfc_9457() {
    assert_bodies(&nginx("jwt_user_scope_error_body problem;"), "application/problem+json", |status, title, detail| {
        format!(r#"{{"title":"{title}","status":{status},"detail":"{detail}"}}"#)
    });
}

#[test]
fn off_leaves_nginx_s_own_page() {
    let nginx = nginx("jwt_user_scope_error_body off;");
    for (path, token, status, title, detail) in refusals() {
        let asked = token.iter().fold(get(path), |request, token| request.token(token));
        let response = asked.send(&nginx);
        let title = if status == 401 { "Authorization Required" } else { title };
        assert_eq!(response.status, status, "{path}, {detail}");
        assert_eq!(response.all("Content-Type"), ["text/html"], "{path}, {detail}");
        assert!(response.text().contains(&format!("<title>{status} {title}</title>")), "{}", response.text());
        assert!(!response.text().contains("detail"), "{}", response.text());
        assert_eq!(response.challenge().is_some(), status != 400, "the challenge stays: {path}, {detail}");
    }
}

#[test]
fn error_page_wins_over_each_of_them() {
    for form in ["json", "problem", "off"] {
        let nginx = Setup::new().file("page.html", "our page").server(&format!(
            "jwt_user_scope_error_body {form};
            error_page 400 401 403 /page.html;
            location / {{ jwt_user_scope $http_x_owner; empty_gif; }}
            location = /page.html {{ jwt_user_scope off; root .; types {{ text/html html; }} }}
            location /named {{ jwt_user_scope any; error_page 401 = @named; empty_gif; }}
            location @named {{ default_type text/plain; return 418 teapot; }}
            location /uri {{ jwt_user_scope any; error_page 401 =302 https://login.example/; empty_gif; }}"
        ));
        let cases = [
            (get("/"), 401),
            (get("/").token(&uid("alice")).header("X-Owner", "bob"), 403),
            (get("/x/../").token(&uid("alice")), 400),
        ];
        for (asked, status) in cases {
            let response = asked.send(&nginx);
            assert_eq!((response.status, response.text().as_str()), (status, "our page"), "{form}");
            assert_eq!(response.all("Content-Type"), ["text/html"], "{form}");
        }
        assert_eq!(get("/named").send(&nginx).text(), "teapot", "{form}");
        let redirect = get("/uri").send(&nginx);
        assert_eq!((redirect.status, redirect.header("Location")), (302, Some("https://login.example/")), "{form}");
        assert!(redirect.text().contains("302 Found"), "{form}: {}", redirect.text());
    }
}

/// `charset`, `default_type`, `sub_filter` and friends describe nginx's pages and files, not this body.
#[test]
fn other_settings_of_the_location_do_not_touch_it() {
    let nginx = Setup::new().server(
        "charset utf-8;
        default_type text/plain;
        sub_filter Not was;
        expires 1h;
        add_after_body /more;
        location / { jwt_user_scope any; empty_gif; }
        location = /more { return 200 more; }",
    );
    let response = get("/").send(&nginx);
    assert_eq!(response.status, 401);
    assert_eq!(response.all("Content-Type"), ["application/json"]);
    assert_eq!(response.all("Content-Length"), [response.body.len().to_string()]);
    assert_eq!(response.text(), r#"{"detail":"Not authenticated"}"#);
    assert_eq!(response.header("Expires"), None);
}

fn challenges(directive: &str) -> Vec<String> {
    let nginx = nginx(directive);
    let challenge = |(path, token, _, _, _): &(&str, Option<String>, u16, &str, &str)| {
        let response = token.iter().fold(get(path), |request, token| request.token(token)).send(&nginx);
        response.all("WWW-Authenticate").join(" and ")
    };
    let all: Vec<_> = refusals().iter().map(challenge).collect();
    assert_eq!(all.last().map(String::as_str), Some(""), "none for a bad path");
    all.into_iter().take(4).collect()
}

#[test]
fn a_realm_comes_first_in_every_challenge() {
    let with = |realm: &str| {
        [
            format!("Bearer {realm}"),
            format!(r#"Bearer {realm}, error="invalid_token", error_description="Invalid token""#),
            format!(r#"Bearer {realm}, error="invalid_token", error_description="Token expired""#),
            format!(r#"Bearer {realm}, error="insufficient_scope""#),
        ]
    };
    assert_eq!(challenges("jwt_user_scope_realm api;"), with(r#"realm="api""#));
    assert_eq!(challenges(r#"jwt_user_scope_realm "the API, v2";"#), with(r#"realm="the API, v2""#));
    // What ends a quoted-string is quoted (RFC 9110 section 5.6.4), and a variable is text like any other.
    assert_eq!(challenges(r#"jwt_user_scope_realm 'a"b\c';"#), with(r#"realm="a\"b\\c""#));
    assert_eq!(challenges("jwt_user_scope_realm 'for $5';"), with(r#"realm="for $5""#));
    let without = [
        "Bearer".to_owned(),
        r#"Bearer error="invalid_token", error_description="Invalid token""#.into(),
        r#"Bearer error="invalid_token", error_description="Token expired""#.into(),
        r#"Bearer error="insufficient_scope""#.into(),
    ];
    assert_eq!(challenges(""), without);
    assert_eq!(challenges("jwt_user_scope_realm off;"), without);
}
