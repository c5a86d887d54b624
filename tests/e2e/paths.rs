//! What nginx checked is what a backend reads: the path rule.

use crate::common::*;

const USERS: &str = "
    location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {
        jwt_user_scope on;
        proxy_set_header X-User-ID $jwt_user_scope_user;
        proxy_pass http://unix:backend.sock;
    }
    location / { return 404; }";

/// Paths that alice asks for, and the result; none of them reaches the backend.
fn refused(nginx: &Nginx, word: &str, paths: &[&[u8]]) {
    let backend = Backend::of(nginx);
    for path in paths {
        let name = String::from_utf8_lossy(path);
        expect(&name, word, &get(path).token(&uid("A")).send(nginx));
        // The rule comes before the token: nobody learns anything from its order.
        expect(&format!("{name} of nobody"), word, &get(path).send(nginx));
    }
    assert_eq!(backend.take(), [""; 0]);
}

/// Paths that reach the backend as they are.
fn passed(nginx: &Nginx, paths: &[&[u8]]) {
    let backend = Backend::of(nginx);
    for path in paths {
        let name = String::from_utf8_lossy(path);
        expect(&name, "ok", &get(path).token(&uid("A")).send(nginx));
        let (line, user) = backend.take_one("X-User-ID");
        assert_eq!((line, user.as_deref()), (format!("GET {name}"), Some("A")));
    }
}

#[test]
fn that_backends_read_as_another_user_s_are_refused() {
    let nginx = Setup::new().server(USERS);
    refused(
        &nginx,
        "ambiguous_path",
        &[
            b"/api/users/B/../A/x",
            b"/api/users/B/%2e%2e/A/x",
            b"/api/users/B/%2E%2E/A/x",
            b"/api/users/B/.%2e/A/x",
            b"/api/users/B/%2e./A/x",
            b"/api/users/B/..%2fA/x",
            b"/api/users/B/..%2FA/x",
            b"/api/users/B/%2e%2e%2fA/x",
            b"/api/users/A/x%2fy/../../B/profile",
            b"/api/users/B//../A/x",
            b"/api/users/A/..;/B/x",
            b"/api/users/A/..;x=y/B/x",
            b"/api/users/A/..\\B/x",
            b"/api/users/A\\..\\B/x",
            b"/api/users/A/x#/../../B/x",
            b"/api/users/A/x#",
            b"/api/users/A/%252e%252e/B/x",
            b"/api/users/A/%25252e/B/x",
            b"/api/users/B/x/../../A",
            b"/api/users/B/x/../../A/",
            b"/x/../api/users/A/x",
            b"/api/users/../users/A/x",
        ],
    );
}

#[test]
fn of_many_spellings_are_refused() {
    let nginx = Setup::new().server(USERS);
    refused(
        &nginx,
        "ambiguous_path",
        &[
            b"/api/users/A/.",
            b"/api/users/A/./x",
            b"/api/users/./A/x",
            b"/./api/users/A/x",
            b"/api/users/A/%2e",
            b"/api/users/A/%2e/x",
            b"/api/users/A/x/..",
            b"/api/users/A/x/../y",
            b"/api/users/A//",
            b"/api/users/A//x",
            b"/api/users/A/x//",
            b"/api/users//A/x",
            b"//api/users/A/x",
            b"/api///users/A/x",
            b"/api/users/A;v=1/x",
            b"/api/users/A/x;y",
            b"/api/users/A/x;",
            b"/api/users/A/x%3By",
            b"/api/users/A/x%3by",
            b"/api/users/A/x\\y",
            b"/api/users/A/x%5cy",
            b"/api/users/A/x%5Cy",
            b"/api/users/A%2fx",
            b"/api/users/A/x%2Fy",
            b"/api/users/A/x%23y",
            b"/api/users/A/x%3fy",
            b"/api/users/A/x%3Fy",
            b"/api/users/A/x%25y",
            b"/api/users/A/100%25",
            b"/api/users/A/x%01",
            b"/api/users/A/x%09",
            b"/api/users/A/x%0a",
            b"/api/users/A/x%0d%0aX-User-ID:%20B",
            b"/api/users/A/x%1f",
            b"/api/users/A/x%7f",
            b"/api/users/A/x%7F",
        ],
    );
}

#[test]
fn that_are_no_utf_8_are_refused() {
    let nginx = Setup::new().server(USERS);
    refused(
        &nginx,
        "ambiguous_path",
        &[
            b"/api/users/A/%ff",
            b"/api/users/A/%c3",
            b"/api/users/A/%c3/%a9",
            b"/api/users/A/%a9",
            b"/api/users/A/%c0%ae%c0%ae/B",
            b"/api/users/A/%c0%af",
            b"/api/users/A/%ed%a0%80",
            b"/api/users/A/%f5%80%80%80",
            b"/api/users/A/\xff",
            b"/api/users/A/\xc3\x28",
        ],
    );
}

#[test]
fn of_ordinary_applications_pass() {
    let nginx = Setup::new().server(USERS);
    passed(
        &nginx,
        &[
            b"/api/users/A",
            b"/api/users/A/",
            b"/api/users/A/x",
            b"/api/users/A/x/",
            b"/api/users/A/x/y/z/0/1/2",
            b"/api/users/A/a%20b",
            b"/api/users/A/caf%C3%A9",
            b"/api/users/A/caf%c3%a9/x",
            b"/api/users/A/caf\xc3\xa9",
            b"/api/users/A/%F0%9F%98%80",
            b"/api/users/A/a@b.example",
            b"/api/users/A/a%40b.example",
            b"/api/users/A/a+b",
            b"/api/users/A/a%2Bb",
            b"/api/users/A/-_~!$&'()*+,=:@",
            b"/api/users/A/%7E%41%2d",
            b"/api/users/A/v1.2.3/file.tar.gz",
            b"/api/users/A/.hidden",
            b"/api/users/A/...x",
            b"/api/users/A/..a",
            b"/api/users/A/a..",
            b"/api/users/A/a..b/.c./d.",
            b"/api/users/A/\"<>^`{|}",
            b"/api/users/A/%22%3C%3E%5B%5D%5E%60%7B%7C%7D",
            b"/api/users/%41/x",
        ],
    );
}

#[test]
fn may_have_any_query() {
    let nginx = Setup::new().server(USERS);
    passed(
        &nginx,
        &[
            b"/api/users/A?",
            b"/api/users/A/x?a=b&c=d",
            b"/api/users/A/x?next=/a/../b//c/./d",
            b"/api/users/A/x?a;b\\c",
            b"/api/users/A/x?%2f%5c%3b%23%3f%25%00%0a%ff",
            b"/api/users/A/x?q=%zz%",
            b"/api/users/A/x?q=\xff\xfe",
            b"/api/users/A/x?a?b?c",
            b"/api/users/A/x?q#f/../B",
            b"/api/users/A/?/../../B/x",
        ],
    );
}

#[test]
fn that_do_not_match_are_another_location_s() {
    let nginx = Setup::new().server(
        "location ~ ^/api/users/(?<user_id>[^/]+)/ { jwt_user_scope on; proxy_pass http://unix:echo.sock; }
        location / { return 404; }",
    );
    for path in ["/api/users/B", "/API/users/B/x", "/api/users/A/..", "/api/users/A/../B", "/api/users/"] {
        assert_eq!(get(path).token(&uid("A")).send(&nginx).status, 404, "{path}");
    }
}

#[test]
fn of_another_user_stay_another_user_s_however_they_are_spelled() {
    let nginx = Setup::new().server(USERS);
    refused_by_user(&nginx, &["/api/users/B", "/api/users/B/x", "/api/users/%42/x", "/api/users/B/x?/api/users/A/"]);
    // Resolved by nginx to a path of B, or of nobody.
    for path in ["/api/users/A/../B/x", "/api/users/A/..%2fB/x", "/api/users/A/../../users/B"] {
        expect(path, "ambiguous_path", &get(path).token(&uid("A")).send(&nginx));
    }
}

fn refused_by_user(nginx: &Nginx, paths: &[&str]) {
    for path in paths {
        expect(path, "user_mismatch", &get(path).token(&uid("A")).send(nginx));
    }
}

#[test]
fn that_nginx_refuses_itself_stay_refused() {
    let nginx = Setup::new().server(USERS);
    let paths: [&[u8]; 6] = [
        b"/api/users/A/%00",
        b"/api/users/A/%zz",
        b"/api/users/A/%4",
        b"/../api/users/A/x",
        b"/api/users/A/\x01",
        b"/api/users/A/\x7f",
    ];
    for path in paths {
        let response = get(path).token(&uid("A")).send(&nginx);
        assert_eq!((response.status, response.challenge()), (400, None), "{}", String::from_utf8_lossy(path));
    }
}

#[test]
fn keep_the_rule_where_slashes_are_not_merged() {
    let nginx = Setup::new().server(&format!("merge_slashes off;\n{USERS}"));
    let doubled: [&[u8]; 4] =
        [b"/api/users/A//x", b"/api/users/A//", b"/api/users/A/x//../../../B/x", b"/api/users/A//../B"];
    for path in doubled {
        let response = get(path).token(&uid("A")).send(&nginx);
        assert!(matches!(response.status, 400 | 404), "{}: {response:?}", String::from_utf8_lossy(path));
    }
    refused(&nginx, "ambiguous_path", &doubled[..2]);
    passed(&nginx, &[b"/api/users/A/x/"]);
}

#[test]
fn in_absolute_form_are_held_to_the_same_rule() {
    let nginx = Setup::new().server(USERS);
    let ask = |path: &str| get(format!("http://localhost{path}")).token(&uid("A")).send(&nginx);
    let backend = Backend::of(&nginx);
    expect("own", "ok", &ask("/api/users/A/x?y"));
    assert_eq!(backend.take_one("X-User-ID").0, "GET /api/users/A/x?y");
    expect("escaped", "ok", &ask("/api/users/A/a%20b"));
    backend.take();
    expect("another's", "user_mismatch", &ask("/api/users/B/x"));
    for path in ["/api/users/B/../A/x", "/api/users/A/..;/B/x", "/api/users/A//x", "/api/users/A/%252e"] {
        expect(path, "ambiguous_path", &ask(path));
    }
    assert_eq!(backend.take(), [""; 0]);
}

#[test]
fn are_not_looked_at_where_no_user_is_compared() {
    let nginx = Setup::new().server("location / { jwt_user_scope any; proxy_pass http://unix:echo.sock; }");
    for path in ["/a/../b", "/a//b", "/a;b", "/a\\b", "/a%2fb", "/a%25b", "/a%0ab", "/%ff", "/a#b", "/./"] {
        expect(path, "ok", &get(path).token(&uid("A")).send(&nginx));
    }
}

#[test]
fn are_held_to_the_rule_for_a_value_too() {
    let nginx = Setup::new().server("location / { jwt_user_scope $arg_user; proxy_pass http://unix:echo.sock; }");
    for path in ["/a/../b?user=A", "/a//b?user=A", "/a;b?user=A", "/a%25b?user=A"] {
        expect(path, "ambiguous_path", &get(path).token(&uid("A")).send(&nginx));
    }
    expect("an ordinary one", "ok", &get("/a%20b/?user=A").token(&uid("A")).send(&nginx));
}

/// After a rewrite the backend reads `$uri`, so the rule looks at both.
#[test]
fn that_were_rewritten_are_judged_before_and_after() {
    let nginx = Setup::new().server(&format!(
        "rewrite ^/old/(.*)$ /api/users/$1 last;
        rewrite ^/v1/x(.*)$ /api/users/A/$arg_p last;
        location /files/ {{ try_files /none /api/users/A/x; }}
        {USERS}"
    ));
    let backend = Backend::of(&nginx);
    for (path, line) in [
        ("/old/A/x", "GET /api/users/A/x"),
        ("/old/A/a%20b", "GET /api/users/A/a%20b"),
        ("/old/A/x?q=/../;", "GET /api/users/A/x?q=/../;"),
        ("/v1/x?p=y", "GET /api/users/A/y?p=y"),
        ("/files/y", "GET /api/users/A/x"),
    ] {
        expect(path, "ok", &get(path).token(&uid("A")).send(&nginx));
        assert_eq!(backend.take_one("Host").0, line, "{path}");
    }
    expect("another's", "user_mismatch", &get("/old/B/x").token(&uid("A")).send(&nginx));
    let bad = [
        "/old/B/../A/x",
        "/old//A/x",
        "/old/A//x",
        "/old/A/x;y",
        "/old/A/x%3by",
        "/old/A/x%2fy",
        "/old/A/x%25y",
        "/old/A/x%5cy",
        "/old/A/%ff",
        "/files/../files/y",
        "/files//y",
        "/v1/x?p=../B/x",
        "/v1/x?p=..;/B",
        "/v1/x?p=a//b",
        "/v1/x?p=./a",
        "/v1/x?p=a\\b",
        "/v1/x?p=..%2fB",
    ];
    for path in bad {
        expect(path, "ambiguous_path", &get(path).token(&uid("A")).send(&nginx));
    }
    assert_eq!(backend.take(), [""; 0]);
}
