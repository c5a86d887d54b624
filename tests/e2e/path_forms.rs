//! The rule on paths, wherever the path comes from: the absolute form, a rewrite, a page, a file that is not there.

use crate::common::*;

const USERS: &str = "
    location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {
        jwt_user_scope on;
        proxy_set_header X-Compared $user_id;
        proxy_pass http://unix:backend.sock;
    }";

fn nginx(locations: &str) -> Nginx {
    Setup::new().server(&format!("root .;\n{USERS}\n{locations}"))
}

/// A asks, is let through as A, and the backend is asked for that.
fn assert_passed(nginx: &Nginx, rows: &[(&str, &str)]) {
    let backend = Backend::of(nginx);
    for (target, received) in rows {
        expect(target, "ok", &get(target).token(&uid("A")).send(nginx));
        let (line, compared) = backend.take_one("X-Compared");
        assert_eq!((line, compared.as_deref()), (format!("GET {received}"), Some("A")), "{target}");
    }
}

fn assert_answered(nginx: &Nginx, word: &str, targets: &[&str]) {
    let backend = Backend::of(nginx);
    for target in targets {
        expect(target, word, &get(target).token(&uid("A")).send(nginx));
    }
    assert_eq!(backend.take(), [""; 0]);
}

/// nginx forwards what stands behind the host.
#[test]
fn the_absolute_form() {
    let nginx = nginx("location / { return 404; }");
    assert_passed(
        &nginx,
        &[
            ("http://localhost/api/users/A", "/api/users/A"),
            ("HTTP://other.example:81/api/users/A/x?y", "/api/users/A/x?y"),
            ("https://[::1]/api/users/%41/caf%C3%A9", "/api/users/%41/caf%C3%A9"),
        ],
    );
    assert_answered(
        &nginx,
        "ambiguous_path",
        &[
            "http://localhost/api/users/B/../A/x",
            "http://localhost/api/users/B/%2e%2e/A/x",
            "http://localhost//api/users/A",
            "http://localhost/api/users/A/..;/B",
            "http://localhost/api/users/A/..\\B",
            "http://localhost/api/users/A/x#/../../B",
            "http://localhost/api/users/A%2f",
            "http://localhost/api/users/A/%252e%252e/B",
            "http://localhost/api/users/A/http://b/",
        ],
    );
    assert_answered(&nginx, "user_mismatch", &["http://localhost/api/users/B", "http://A/api/users/B?/api/users/A"]);
}

/// No path at all: nginx makes one up, and forwards that.
#[test]
fn the_absolute_form_without_a_path() {
    let nginx = Setup::new().server("location / { jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }");
    let ask = |target: &str| get(target).header("X-Owner", "A").token(&uid("A")).send(&nginx);
    expect("nothing", "ok", &ask("http://localhost"));
    expect("a slash", "ok", &ask("http://localhost/?x=/../"));
    expect("a query string alone", "ambiguous_path", &ask("http://localhost?x"));
}

#[test]
fn a_page_for_what_is_not_there() {
    let nginx = nginx(
        "location /page/ { error_page 404 = /api/users/A/x; }
        location /asked/ { error_page 404 = /api/users/$arg_of/x; }
        location /coded/ { error_page 404 = /api/users/A/a%2fb; }
        location /named/ { error_page 404 = @named; }
        location @named { jwt_user_scope $arg_of; proxy_set_header X-Compared $arg_of; proxy_pass http://unix:backend.sock; }",
    );
    assert_passed(
        &nginx,
        &[
            ("/page/y", "/api/users/A/x"),
            ("/page/a%20b", "/api/users/A/x"),
            ("/asked/y?of=A", "/api/users/A/x"),
            ("/named/y?of=A", "/named/y?of=A"),
            ("/named/a%20b?of=A", "/named/a%20b?of=A"),
        ],
    );
    assert_answered(&nginx, "user_mismatch", &["/asked/y?of=B", "/named/y?of=B"]);
    assert_answered(
        &nginx,
        "ambiguous_path",
        &[
            "/page/..%2fpage/y",
            "/page//y",
            "/page/y;x",
            "/page/%252e",
            "/asked/y?of=B/../A",
            "/asked/y?of=A/..;/B",
            "/asked/y?of=A/..\\B",
            "/asked/y?of=A/%2e%2e/B",
            "/coded/y",
            "/named//y?of=A",
            "/named/./y?of=A",
            "/named/%2e%2e/named/y?of=A",
        ],
    );
}

#[test]
fn a_file_that_is_not_there() {
    let nginx = nginx(
        "location /files/ { try_files $uri /api/users/$arg_of/x; }
        location /named/ { try_files $uri @named; }
        location @named { jwt_user_scope $arg_of; proxy_set_header X-Compared $arg_of; proxy_pass http://unix:backend.sock; }",
    );
    assert_passed(
        &nginx,
        &[
            ("/files/a%20b?of=A", "/api/users/A/x"),
            ("/named/a%20b?of=A", "/named/a%20b?of=A"),
            ("/named/caf%C3%A9/?of=A", "/named/caf%C3%A9/?of=A"),
        ],
    );
    assert_answered(&nginx, "user_mismatch", &["/files/y?of=B", "/named/y?of=B"]);
    assert_answered(
        &nginx,
        "ambiguous_path",
        &["/files/./y?of=A", "/files/y?of=B/../A", "/files/y?of=A/..;/B", "/named/y%2fz?of=A", "/named//y?of=A"],
    );
}

/// nginx encodes what it has decoded, and so a backend reads the same.
#[test]
fn a_rewritten_path_is_encoded_anew() {
    let nginx = nginx(
        "rewrite ^/old/(.*)$ /api/users/$1 last;
        location /v1/ { rewrite ^/v1/(.*)$ /$1 break; jwt_user_scope $arg_of; proxy_set_header X-Compared $arg_of; proxy_pass http://unix:backend.sock; }",
    );
    assert_passed(
        &nginx,
        &[
            ("/old/%41/a%20b", "/api/users/A/a%20b"),
            ("/old/A/caf%c3%a9", "/api/users/A/caf%C3%A9"),
            ("/old/A/%22%3C%3E", "/api/users/A/%22%3C%3E"),
            ("/v1/x/y/?of=A", "/x/y/?of=A"),
            ("/v1/?of=A", "/?of=A"),
        ],
    );
    assert_answered(&nginx, "user_mismatch", &["/old/B/x", "/v1/x?of=B"]);
    assert_answered(
        &nginx,
        "ambiguous_path",
        &[
            "/old/A/a%3fb",
            "/old/A/a%25b",
            "/old/A/a%23b",
            "/old/A/a%01b",
            "/old/A/%ff",
            "/old/B/../A",
            "/v1/a/..%2fx?of=A",
            "/v1/a%2f%2fb?of=A",
            "/v1/x;y?of=A",
        ],
    );
}

#[test]
fn a_path_whose_query_string_was_set() {
    let nginx = nginx("location /args/ { set $args of=A; rewrite ^/args(.*)$ /api/users/A$1 last; }");
    assert_passed(&nginx, &[("/args/a%20b?of=B", "/api/users/A/a%20b?of=A"), ("/args/", "/api/users/A/?of=A")]);
    assert_answered(&nginx, "ambiguous_path", &["/args//x", "/args/a%2fb", "/args/a\\b"]);
}

/// An empty segment that nginx keeps may be no segment to a backend, and one that it merges may be one.
#[test]
fn slashes_merged_or_not() {
    for merge in ["on", "off"] {
        let nginx = Setup::new().server(&format!(
            "merge_slashes {merge};
            location ~ ^/+api/+users/+(?<user_id>[^/]+)(?:/|$) {{
                jwt_user_scope on;
                proxy_set_header X-Compared $user_id;
                proxy_pass http://unix:backend.sock;
            }}"
        ));
        assert_passed(&nginx, &[("/api/users/A", "/api/users/A"), ("/api/users/A/x/", "/api/users/A/x/")]);
        assert_answered(
            &nginx,
            "ambiguous_path",
            &[
                "//api/users/A",
                "/api//users/A",
                "/api/users//A",
                "/api/users/A//x",
                "/api/users/A//",
                "/api/users/B//../A",
                "/api/users/A/%2fx",
            ],
        );
    }
}

/// nginx reads a path before it knows the host.
#[test]
fn slashes_merged_as_the_default_server_says() {
    for (default, own) in [("on", "off"), ("off", "on")] {
        let nginx = Setup::new().http(&format!(
            "server {{ listen unix:nginx.sock; merge_slashes {default}; return 404; }}
            server {{
                listen unix:nginx.sock;
                server_name localhost;
                merge_slashes {own};
                add_header X-Result $jwt_user_scope_result always;
                location ~ ^/api/users/(?<user_id>[^/]+)$ {{ jwt_user_scope on; empty_gif; }}
                location / {{ return 410; }}
            }}"
        ));
        let answer = get("//api/users/A").token(&uid("A")).send(&nginx);
        match default {
            "on" => expect("merged", "ambiguous_path", &answer),
            _ => assert_eq!(answer.status, 410, "no location for users is chosen"),
        }
    }
}

/// nginx sends the client on to the name of the location before the module is asked.
#[test]
fn a_path_that_lacks_the_final_slash() {
    let backend = "jwt_user_scope any; proxy_pass http://unix:echo.sock;";
    let nginx = Setup::new().server(&format!(
        "location = /exact/ {{ {backend} }}
        location /prefix/ {{ {backend} }}
        location = /files/ {{ jwt_user_scope any; }}
        location /both/ {{ jwt_user_scope any; }}
        location = /both/ {{ {backend} }}
        location /own/ {{ {backend} }}
        location /own {{ jwt_user_scope any; empty_gif; }}
        location ~ ^/(exact|own)$ {{ return 410; }}
        location /in/ {{ location = /in/exact/ {{ {backend} }} }}
        location / {{ return 404; }}"
    ));
    let rows = [
        ("/exact", 301),
        ("/exact/", 401),
        ("/prefix", 301),
        ("/files", 404),
        ("/both", 301),
        ("/own", 410),
        ("/in/exact", 301),
    ];
    for (path, status) in rows {
        assert_eq!(get(path).send(&nginx).status, status, "{path}");
    }
}

/// Before the host is known, and so by the page of another server.
#[test]
fn no_path_at_all() {
    let nginx = Setup::new().http(
        "server { listen unix:nginx.sock; error_page 400 = /bad; location /bad { return 200 default; } }
        server { listen unix:nginx.sock; server_name localhost; location / { jwt_user_scope any; empty_gif; } }",
    );
    for path in ["/..", "/%zz", "/%00"] {
        assert_eq!(get(path).send(&nginx).text(), "default", "{path}");
    }
    assert_eq!(get("/").send(&nginx).status, 401);
}
