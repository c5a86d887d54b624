//! The way of a request through nginx: rewrites, redirects, and who else answers.

use crate::common::*;

struct Row {
    name: &'static str,
    conf: &'static str,
    options: &'static [&'static str],
    /// The result word, and lines that must be there in this order.
    word: &'static str,
    lines: &'static [&'static str],
}

/// A server whose users have locations; `inside` comes before them.
fn room(inside: &str) -> Room {
    // On one line, so that rows need no line numbers of their own.
    let inside = inside.replace('\n', " ");
    Room::new(&format!(
        "server {{ {inside}
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; proxy_pass http://backend; }}
        location @user {{ jwt_user_scope $arg_user; }} }}"
    ))
}

fn check(rows: &[Row]) {
    for Row { name, conf, options, word, lines } in rows {
        let room = room(conf);
        let token = room.mint(&["--path", "/users/A", "--user", "A", "--claim", "role=admin"]);
        let said = room.explain(options, &token);
        assert_eq!(said.word(), *word, "{name}: {said:?}");
        let mut rest = &said.stdout[..];
        for line in *lines {
            let line = format!("{line}\n");
            let at = rest.find(&line).unwrap_or_else(|| panic!("{name}: no {line:?} in {said:?}"));
            rest = &rest[at + line.len()..];
        }
    }
}

/// A slash at the end of what `try_files` looks for is not part of the path that it goes on with.
#[test]
fn a_directory_that_try_files_finds_is_redirected_to() {
    let room = room("root .; location / { try_files $uri $uri/ =404; jwt_user_scope any; }");
    std::fs::create_dir(room.path("docs")).unwrap();
    let token = room.mint(&["--path", "/", "--user", "A"]);
    for (path, says) in
        [("/docs", "answered with 301"), ("/docs/", "answered with 403"), ("/none", "answered with 404")]
    {
        let said = room.explain(&["--path", path, "--prefix", "."], &token);
        assert!(said.word() == "ok" && said.stdout.contains(says), "{path}: {said:?}");
    }
}

#[test]
fn rewrites_are_followed() {
    check(&[
        Row {
            name: "of the server",
            conf: "rewrite ^/old/(.*)$ /users/$1;",
            options: &["--path", "/old/A/x"],
            word: "ok",
            lines: &["rewritten to \"/users/A/x\" by \"rewrite\" in location.conf:1"],
        },
        Row {
            name: "to another user",
            conf: "location /me/ { rewrite ^/me/(.*)$ /users/B/$1 last; }",
            options: &["--path", "/me/x"],
            word: "user_mismatch",
            lines: &[
                "location /me/ in location.conf:1",
                "rewritten to \"/users/B/x\" by \"rewrite\" in location.conf:1",
            ],
        },
        Row {
            name: "that stays in its location",
            conf: "location /me/ { jwt_user_scope $arg_u; rewrite ^/me/(.*)$ /users/B/$1 break; }",
            options: &["--path", "/me/x?u=A"],
            word: "ok",
            lines: &["rewritten to \"/users/B/x\" by \"rewrite\" in location.conf:1"],
        },
        Row {
            name: "whose path is refused as it was sent",
            conf: "rewrite ^/old/(.*)$ /users/A;",
            options: &["--path", "/old/x/../y"],
            word: "ambiguous_path",
            lines: &[],
        },
        Row {
            name: "whose new path is refused",
            conf: "rewrite ^/old/(.*)$ /users/A/$arg_p;",
            options: &["--path", "/old/x?p=..;"],
            word: "ambiguous_path",
            lines: &[],
        },
        Row {
            name: "that ends in a circle",
            conf: "location /a { rewrite ^ /b last; } location /b { rewrite ^ /a last; }",
            options: &["--path", "/a"],
            word: "not asked",
            lines: &["result: not asked: nginx answers with 500 by the end of a cycle of redirects"],
        },
        Row {
            name: "that the client has to follow",
            conf: "location /a { jwt_user_scope any; rewrite ^ /b redirect; }",
            options: &["--path", "/a"],
            word: "not asked",
            lines: &["result: not asked: nginx answers with 302 by \"rewrite\" in location.conf:1"],
        },
        Row {
            name: "of a query string",
            conf: "location /q { rewrite ^ /n?user=A&x last; } location /n { jwt_user_scope $arg_user; }",
            options: &["--path", "/q?user=B"],
            word: "ok",
            lines: &[],
        },
    ]);
}

/// A capture of an encoded path is encoded anew where it may stand in arguments.
#[test]
fn captures_are_escaped_as_nginx_does() {
    let room = room(
        "location /q { rewrite ^/q/(.*)$ /n?user=$1 last; }
        location /p { rewrite ^/p/(.*)$ /n/$1 last; }
        location /b { jwt_user_scope $arg_user; rewrite ^/b/(.*)$ /b?user=$1 break; }
        location /n { jwt_user_scope $arg_user; location ~ ^/n/(.+)$ { jwt_user_scope $u; set $u $1; } }
        location ~ ^/set/(.*)$ { jwt_user_scope $u; set $u $1; }
        location ~ ^/if/(.*)$ { jwt_user_scope $u; set $u no; if ($arg_u = \"$1\") { set $u $arg_u; } }
        location ~ ^/next/(.*)$ { rewrite ^/next/(.*)$ /x/$1; set $u $1; rewrite ^ /user last; }
        location /user { jwt_user_scope $u; }
        location ~ ^/named/(?<u>.*)$ { jwt_user_scope $v; set $v $u; }",
    );
    let rows = [
        ("/q/A&user=B", "A"),
        ("/q/%41&user=B", "A%26user=B"),
        ("/q/A%20b", "A%20b"),
        ("/q/A+", "A%2B"),
        ("/q/A?x=%41%20", "A"),
        ("/b/A%20b", "A%20b"),
        ("/p/A%20b", "A%20b"),
        ("/set/A%20b", "A%20b"),
        ("/set/A", "A"),
        ("/if/A%20b?u=A%20b", "A%20b"),
        ("/next/A%20b", "A b"),
        ("/named/A%20b", "A b"),
    ];
    for (path, user) in rows {
        let token = room.mint(&["--path", "/users/A", "--user", user]);
        let said = room.explain(&["--path", path], &token);
        assert_eq!(said.word(), "ok", "{path}: {said:?}");
    }
}

/// Whatever a configuration does with it.
#[test]
fn no_token_is_shown_in_a_path() {
    let mut room =
        room("location /ws { jwt_user_scope any; jwt_user_scope_token $arg_t; rewrite ^ /ws/$arg_t break; }");
    let token = room.mint(&["--path", "/users/A", "--user", "A"]);
    room.hide(&token);
    let said =
        room.run(&["explain", "--config", "location.conf", "--at", NOW, "--path", &format!("/ws?t={token}")], "");
    assert!(said.word() == "ok" && said.stdout.contains("rewritten to \"/ws/...\" by"), "{said:?}");
    let arguments =
        ["explain", "--config", "location.conf", "--at", NOW, "--json", "--path", &format!("/ws?t={token}")];
    assert!(room.run(&arguments, "").stdout.contains("\"uri\": \"/ws/...\""));
}

/// Nor as the user of one.
#[test]
fn no_token_is_shown_as_a_user() {
    let mut room = room(
        "location /q { rewrite ^ /users/$arg_token last; }
        location /bypassed { set $yes 1; jwt_user_scope $arg_token; jwt_user_scope_bypass $yes; }",
    );
    let plain = room.mint(&["--path", "/users/A", "--user", "A"]);
    room.hide(&plain);
    for (path, word) in [("/q", "user_mismatch"), ("/bypassed", "bypassed")] {
        for json in [&[][..], &["--json"]] {
            let path = format!("{path}?token={plain}");
            let arguments = ["explain", "--config", "location.conf", "--at", NOW, "--path", &path];
            let said = room.run(&[&arguments, json].concat(), &plain);
            assert!(said.stdout.contains(word), "{path}: {said:?}");
        }
    }
    let path = format!("/users/{plain}");
    let said = room.run(&["explain", "--config", "location.conf", "--at", NOW, "--path", &path], &plain);
    assert!(said.stdout.starts_with("GET \"/users/...\"\n"), "{said:?}");
}

#[test]
fn conditions_are_followed() {
    check(&[
        Row {
            name: "that returns",
            conf: "location /a { jwt_user_scope any; if ($http_x ~ ^(.)) { return 410; } }",
            options: &["--path", "/a", "--header", "X: 1"],
            word: "not asked",
            lines: &["if ($http_x ~ ^(.)) in location.conf:1"],
        },
        Row {
            name: "that does not hold",
            conf: "location /a { jwt_user_scope any; if ($http_x ~ ^(.)) { return 410; } }",
            options: &["--path", "/a"],
            word: "ok",
            lines: &[],
        },
        Row {
            name: "whose capture is no location's",
            conf: "if ($http_x ~ ^(?<user_id>.+)) { set $seen 1; }",
            options: &["--path", "/users/B", "--header", "X: A"],
            word: "user_mismatch",
            lines: &[],
        },
        Row {
            name: "over a claim",
            conf: "location /a { jwt_user_scope any; if ($jwt_user_scope_claim_role = admin) { rewrite ^ /users/B last; } }",
            options: &["--path", "/a"],
            word: "user_mismatch",
            lines: &[],
        },
        Row {
            name: "over a claim where nothing else is decided",
            conf: "jwt_user_scope any; if ($jwt_user_scope_result = ok) { return 200; }",
            options: &["--path", "/a"],
            word: "ok",
            lines: &[
                "answered with 200 by \"return\" in location.conf:1",
                "result: ok: decided for $jwt_user_scope_result, and nothing is refused by that",
            ],
        },
        Row {
            name: "with a variable that was set",
            conf: "set $who A; location /a { set $who $who$arg_more; jwt_user_scope $who; }",
            options: &["--path", "/a?more=B"],
            word: "user_mismatch",
            lines: &[],
        },
        Row {
            name: "and a break",
            conf: "location /a { set $who A; jwt_user_scope $who; break; set $who B; }",
            options: &["--path", "/a"],
            word: "ok",
            lines: &[],
        },
    ]);
}

#[test]
fn pages_are_followed() {
    check(&[
        Row {
            name: "to a location that checks",
            conf: "location /a { jwt_user_scope $arg_u; error_page 403 = /users/A; }",
            options: &["--path", "/a?u=B"],
            word: "ok",
            lines: &[
                "user_mismatch, refused with 403",
                "sent on to \"/users/A\" by \"error_page\" in location.conf:1, for 403",
                "result: ok: let through",
            ],
        },
        Row {
            name: "to one that does not",
            conf: "location /a { jwt_user_scope $arg_u; error_page 403 /page; } location /page { return 200 page; }",
            options: &["--path", "/a?u=B"],
            word: "user_mismatch",
            lines: &[
                "answered with 200 by \"return\" in location.conf:1",
                "",
                "result: user_mismatch: refused with 403",
            ],
        },
        Row {
            name: "to a named location",
            conf: "location /a { return 418; error_page 418 = @user; }",
            options: &["--path", "/a?user=B"],
            word: "user_mismatch",
            lines: &[
                "sent on to \"@user\" by \"error_page\" in location.conf:1, for 418 by \"return\" in location.conf:1",
            ],
        },
        Row {
            name: "once only",
            conf: "error_page 403 /page; location /a { deny all; } location /page { deny all; jwt_user_scope any; }",
            options: &["--path", "/a"],
            word: "not asked",
            lines: &[
                "location /page in location.conf:1",
                "result: not asked: nginx answers with 403 by \"deny\" in location.conf:1",
            ],
        },
        Row {
            name: "to another server",
            conf: "location /a { jwt_user_scope $arg_u; error_page 403 https://other/; }",
            options: &["--path", "/a?u=B"],
            word: "user_mismatch",
            lines: &["the client is sent elsewhere by \"error_page\" in location.conf:1, for 403"],
        },
        Row {
            name: "of a backend",
            conf: "location /a { proxy_pass http://b; proxy_intercept_errors on; error_page 404 = @user; }",
            options: &["--path", "/a?user=A", "--answer", "404"],
            word: "ok",
            lines: &["sent on to \"@user\" by \"error_page\" in location.conf:1, for 404 by the backend"],
        },
        Row {
            name: "of a backend that is not asked again",
            conf: "location /a { proxy_pass http://b; error_page 404 = @user; }",
            options: &["--path", "/a?user=A", "--answer", "404"],
            word: "not asked",
            lines: &[],
        },
        Row {
            name: "where a backend sends the request on to",
            conf: "location /a { proxy_pass http://b; }",
            options: &["--path", "/a", "--answer", "x-accel-redirect: /users/B?x"],
            word: "user_mismatch",
            lines: &["sent on to \"/users/B\" by the backend (X-Accel-Redirect)"],
        },
        Row {
            name: "of a file that is not there",
            conf: "root files; location /a { try_files $uri /users/B; }",
            options: &["--path", "/a", "--prefix", "."],
            word: "user_mismatch",
            lines: &["sent on to \"/users/B\" by \"try_files\" in location.conf:1"],
        },
        Row {
            name: "of a file that is there",
            conf: "root .; location /location.conf { try_files $uri /users/B; jwt_user_scope any; }",
            options: &["--path", "/location.conf", "--prefix", "."],
            word: "ok",
            lines: &[],
        },
        Row {
            name: "of files that are elsewhere",
            conf: "root /none/of/this/machine; location /a { try_files $uri /users/B; }",
            options: &["--path", "/a"],
            word: "not known",
            lines: &["note: not followed here: try_files (--prefix)"],
        },
    ]);
}

/// Without a server around them, the directives beside locations are a server's.
#[test]
fn a_file_of_locations_is_the_inside_of_a_server() {
    let room = Room::new("rewrite ^/old/(.*)$ /u/$1; location ~ ^/u/(?<user_id>.+)$ { jwt_user_scope on; }");
    let token = room.mint(&["--path", "/u/A", "--user", "A"]);
    assert_eq!(room.explain(&["--path", "/old/A"], &token).word(), "ok");
    assert_eq!(room.explain(&["--path", "/old/B"], &token).word(), "user_mismatch");
    let room = Room::new("jwt_user_scope any; if ($arg_x) { return 404; }");
    assert_eq!(room.explain(&["--path", "/?x=1"], &token).word(), "not asked");
    assert_eq!(room.explain(&["--path", "/"], &token).word(), "ok");
}

#[test]
fn what_refuses_behind_the_check_is_told() {
    let room = room("location /a { jwt_user_scope any; auth_basic x; auth_basic_user_file users; }");
    let said = room.explain(&["--path", "/a"], &room.mint(&["--path", "/users/A", "--user", "A"]));
    assert_eq!((said.word(), said.status), ("ok", 1));
    assert!(said.stdout.contains("result: ok: let through, and then refused with 401 by \"auth_basic\""), "{said:?}");
}

/// Whoever answers in the end: a refusal holds until a check lets the request in, and an error of nginx is no content.
#[test]
fn it_is_told_whether_a_request_is_let_through() {
    let page =
        |page: &str| format!("location /a {{ jwt_user_scope $arg_u; error_page 403 = /p; }} location /p {{ {page} }}");
    let deny = |page: &str| format!("location /a {{ deny all; error_page 403 = /p; }} location /p {{ {page} }}");
    let mine = "set $x $jwt_user_scope_user;";
    let kept = "location /a { jwt_user_scope $arg_u; error_page 403 /p; } location /p { jwt_user_scope any; proxy_pass http://b; }";
    let jump = |sends: &str| {
        format!("location /a {{ error_page 418 {sends} @b; return 418; }} location @b {{ proxy_pass http://b; }}")
    };
    let backend = "location /a { jwt_user_scope any; proxy_pass http://b; proxy_intercept_errors on; }";
    type Row<'r> = (&'r str, String, &'r [&'r str], i32, &'r str);
    let rows: [Row; 25] = [
        (
            "a page that only reads a variable",
            page(&format!("jwt_user_scope any; {mine} return 403;")),
            &[],
            1,
            "ok: decided for $jwt_user_scope_user, and before that refused with 403",
        ),
        (
            "a page without an error",
            page(&format!("jwt_user_scope any; {mine} return 200 x;")),
            &[],
            1,
            "ok: decided for $jwt_user_scope_user, and before that refused with 403",
        ),
        ("a page of a backend", page("proxy_pass http://b;"), &[], 1, "user_mismatch: refused with 403"),
        ("a page that checks", page("jwt_user_scope any; proxy_pass http://b;"), &[], 0, "ok: let through"),
        (
            "a page that checks, and an error",
            page("jwt_user_scope any; return 404;"),
            &[],
            1,
            "user_mismatch: refused with 403",
        ),
        (
            "a page that reports",
            page("set $b B; jwt_user_scope $b; jwt_user_scope_mode report; proxy_pass http://b;"),
            &[],
            0,
            "user_mismatch: would be refused with 403, and is let through",
        ),
        ("a page with the status of the refusal", kept.into(), &[], 1, "ok: let through, and then answered with 403"),
        (
            "a page of another's refusal",
            deny("proxy_pass http://b;"),
            &[],
            1,
            "not asked: refused with 403 by \"deny\"",
        ),
        ("one that answers", deny("return 200 x;"), &[], 1, "not asked: nginx answers with 200 by \"return\""),
        ("one that checks", deny("jwt_user_scope any; proxy_pass http://b;"), &[], 0, "ok: let through"),
        ("an answer", "location /a { return 403; }".into(), &[], 1, "not asked: nginx answers with 403"),
        ("a text", "location /a { return 403 x; }".into(), &[], 1, "not asked: nginx answers with 403"),
        ("a redirect", "location /a { return 302 /b; }".into(), &[], 0, "not asked: nginx answers with 302"),
        ("no answer", "location /a { return 444; }".into(), &[], 1, "not asked: nginx answers with 444"),
        ("what no client may ask for", "location /a { internal; }".into(), &[], 1, "not asked: nginx answers with 404"),
        (
            "too large a body",
            "location /a { client_max_body_size 1; }".into(),
            &["--header", "Content-Length: 2"],
            1,
            "not asked: nginx answers with 413",
        ),
        (
            "no file",
            "root .; location /a { jwt_user_scope any; }".into(),
            &["--prefix", "."],
            1,
            "ok: let through, and then answered with 404 by nginx, which looks for a file there",
        ),
        ("a jump", jump("="), &[], 0, "let through: nothing is decided here"),
        ("a jump that keeps its status", jump(""), &[], 1, "not asked: nginx answers with 418"),
        ("a jump with another status", jump("=200"), &[], 0, "let through: nothing is decided here"),
        ("an error of a backend", backend.into(), &["--answer", "404"], 0, "ok: let through"),
        (
            "nothing that is known",
            "include more; location /a { proxy_pass http://b; }".into(),
            &[],
            2,
            "not known: what is included may change it. Without that, let through: nothing is decided here",
        ),
        (
            "an answer of a backend",
            "include more; location /a { proxy_pass http://b; }".into(),
            &["--answer", "200"],
            2,
            "not known: what is included may change it. Without that, not asked: nginx answers with 200 by the backend",
        ),
        (
            "a check, and more",
            "include more; location /a { jwt_user_scope any; }".into(),
            &[],
            2,
            "not known: what is included may change it. Without that, ok: let through",
        ),
        (
            "a file of every nginx",
            "include mime.types; location /a { include /etc/nginx/proxy_params; }".into(),
            &[],
            0,
            "let through: nothing is decided here",
        ),
    ];
    for (name, conf, options, status, result) in rows {
        let room = room(&conf);
        let token = room.mint(&["--path", "/users/A", "--user", "A"]);
        let options = [&["--path", "/a?u=B"], options].concat();
        let said = room.explain(&options, &token);
        assert!(said.stdout.contains(&format!("\nresult: {result}")), "{name}: {said:?}");
        let json = room
            .run(&[&["explain", "--config", "location.conf", "--at", NOW, "--json"], &options[..]].concat(), &token);
        let report: serde_json::Value = serde_json::from_str(&json.stdout).expect("JSON");
        let let_through = match status {
            0 => true.into(),
            1 => false.into(),
            _ => serde_json::Value::Null,
        };
        assert_eq!((said.status, &report["let_through"]), (status, &let_through), "{name}: {said:?}");
    }
}

/// And only where it could matter.
#[test]
fn what_is_not_followed_is_noted() {
    const REAL: &str = "set_real_ip_from 10.0.0.1; real_ip_header X-Forwarded-For;";
    const REAL_NOTE: &str = "set_real_ip_from (--client is the address that it finds)";
    const BACKEND: &str = "the answer of the backend (--answer)";
    let all = "jwt_user_scope any; proxy_pass http://b;";
    let real = |inside: &str| format!("{REAL} location /a {{ {inside} {all} }}");
    let files = |inside: &str| format!("root /none/of/this/machine; location /a {{ {inside} {all} }}");
    let page = |statuses: &str| format!("location /a {{ error_page {statuses} /users/A; {all} }}");
    let rows: [(&str, String, &[&str], &str); 16] = [
        ("allow", real("allow 10.0.0.0/8; deny all;"), &["--client", "10.0.0.1"], REAL_NOTE),
        ("allow without an address", real("allow all;"), &[], ""),
        ("allow alone", format!("location /a {{ allow 10.0.0.0/8; {all} }}"), &["--client", "10.0.0.1"], ""),
        ("a condition", real("if ($remote_addr = 10.0.0.2) { return 403; }"), &["--client", "10.0.0.1"], REAL_NOTE),
        ("a value", real("set $who $remote_addr; jwt_user_scope_require $who;"), &["--client", "10.0.0.1"], REAL_NOTE),
        (
            "a header",
            real("proxy_set_header X-Real-IP $remote_addr; add_header X $remote_addr;"),
            &["--client", "::1"],
            "",
        ),
        ("-f", files("if (-f /none/of/this/machine/x) { return 503; }"), &[], "-f (--prefix)"),
        ("! -e", files("if (!-e $request_filename) { set $x 1; }"), &[], "-f (--prefix)"),
        ("-f with a prefix", files("if (-f /none/of/this/machine/x) { return 503; }"), &["--prefix", "."], ""),
        ("-f with files", "root .; location /a { if (-f x) { return 503; } jwt_user_scope any; }".into(), &[], ""),
        (
            "try_files",
            "root /none/of/this/machine; location /a { jwt_user_scope any; try_files $uri =404; }".into(),
            &[],
            "try_files (--prefix)",
        ),
        ("no backend", page("502 504"), &[], BACKEND),
        ("one that is late", page("500 504"), &[], BACKEND),
        ("an answer that is not looked at", page("404"), &[], ""),
        ("an answer that is", page("404").replace("any;", "any; proxy_intercept_errors on;"), &[], BACKEND),
        ("one that is known", page("502"), &["--answer", "200"], ""),
    ];
    for (name, conf, options, noted) in rows {
        let room = room(&conf);
        let token = room.mint(&["--path", "/users/A", "--user", "A"]);
        let said = room.explain(&[&["--path", "/a"], options].concat(), &token);
        let notes: Vec<_> = said.stdout.lines().filter(|line| line.starts_with("note: not followed")).collect();
        let expected: Vec<_> =
            Some(format!("note: not followed here: {noted}")).filter(|_| !noted.is_empty()).into_iter().collect();
        assert_eq!(notes, expected, "{name}: {said:?}");
    }
}

/// Pages are fetched, and named locations get the request as it was.
#[test]
fn a_named_location_keeps_the_method() {
    let conf = "location /a { proxy_pass http://b; } location /d { deny all; error_page 403 = $arg_to; }
        location @post { if ($request_method = POST) { return 410; } return 411; }
        location /post { if ($request_method = POST) { return 410; } return 411; }";
    let rows = [
        ("/a", "X-Accel-Redirect: @post", 410),
        ("/a", "X-Accel-Redirect: /post", 411),
        ("/d?to=@post", "200", 410),
        ("/d?to=/post", "200", 411),
    ];
    for (path, answer, status) in rows {
        let said = room(conf).explain(&["--path", path, "--method", "POST", "--answer", answer], "");
        let line = format!("result: not asked: nginx answers with {status} by \"return\"");
        assert!(said.stdout.contains(&line), "{path} {answer}: {said:?}");
    }
}

/// As in `$status`.
#[test]
fn the_status_of_the_answer_is_told() {
    let rows = [
        (
            "the page of a refusal",
            "location /a { deny all; error_page 403 /p; } location /p { return 200 x; }",
            Some(403),
        ),
        (
            "with its own status",
            "location /a { deny all; error_page 403 = /p; } location /p { return 200 x; }",
            Some(200),
        ),
        ("with another", "location /a { deny all; error_page 403 =404 /p; } location /p { return 200 x; }", Some(404)),
        ("that refuses", "location /a { deny all; error_page 403 /p; } location /p { return 410; }", Some(410)),
        ("elsewhere", "location /a { deny all; error_page 403 =307 https://b/; }", Some(307)),
        ("elsewhere with no redirect", "location /a { deny all; error_page 403 =200 https://b/; }", Some(302)),
        ("a circle", "location /a { deny all; error_page 403 /a; recursive_error_pages on; }", Some(500)),
        ("a backend", "location /a { proxy_pass http://b; }", None),
    ];
    for (name, conf, status) in rows {
        let said = room(conf).run(&["explain", "--config", "location.conf", "--path", "/a", "--json"], "");
        let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
        assert_eq!(report["answer"].as_u64(), status, "{name}: {said:?}");
    }
    // What is refused is not only reported by the page of the refusal.
    let conf = "location /a { jwt_user_scope $arg_u; error_page 401 /p; }
        location /p { jwt_user_scope any; jwt_user_scope_mode report; set $x $jwt_user_scope_user; return 410; }";
    let said = room(conf).run(&["explain", "--config", "location.conf", "--path", "/a", "--json"], "");
    let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
    let found = (report["mode"].as_str(), report["status"].as_u64(), report["answer"].as_u64());
    assert_eq!(found, (Some("enforce"), Some(401), Some(410)), "{said:?}");
}

/// What is no request to nginx is refused by it as any other, and may lead to a page.
#[test]
fn what_nginx_itself_refuses_is_refused() {
    let room = Room::new(
        "server { listen 80 default_server; error_page 400 = /bad; location /bad { jwt_user_scope any; return 410; } }
        server { listen 80; server_name api; location / { jwt_user_scope any; } }
        server { listen 81; location / { jwt_user_scope any; } }",
    );
    for path in ["/..", "/%zz", "/a/../../b", "a", "http://", "http:///a", "?x", ""] {
        let arguments = ["explain", "--config", "location.conf", "--listen", "81", "--path", path, "--json"];
        let said = room.run(&arguments, "");
        let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
        assert_eq!((said.status, &report["let_through"], &report["answer"]), (1, &false.into(), &400.into()), "{path}");
        assert_eq!((&report["result"], &report["uri"]), (&serde_json::Value::Null, &"".into()), "{path}");
    }
    // The host is not known by then.
    let said = room.explain(&["--path", "/..", "--listen", "80", "--host", "api"], "");
    let line = "sent on to \"/bad\" by \"error_page\" in location.conf:1, for 400 by itself: this is no path";
    assert!(said.status == 1 && said.stdout.contains(line), "{said:?}");
}

#[test]
fn a_target_may_name_its_host() {
    let room = Room::new(
        "server { listen 80; server_name other; return 404; }
        server {
            listen 80;
            server_name api;
            location ~ ^/users/(?<user_id>.+)$ { jwt_user_scope on; if ($host$http_host != apiother) { return 410; } }
            location = / { jwt_user_scope any; }
        }",
    );
    let token = room.mint(&["--path", "http://api/users/A", "--user", "A"]);
    let ask = |path: &str| room.explain(&["--host", "other", "--path", path], &token);
    assert_eq!(ask("http://api:8080/users/A?x").word(), "ok");
    assert_eq!(ask("http://API/users/B").word(), "user_mismatch");
    assert_eq!(ask("http://api").word(), "ok");
    assert_eq!(ask("http://other/users/A").word(), "not asked");
    assert_eq!(ask("/users/A").word(), "not asked");
}

/// By nginx itself, before anybody is asked.
#[test]
fn a_location_of_a_backend_that_lacks_its_slash_is_redirected() {
    let backend = "jwt_user_scope any; proxy_pass http://b;";
    let room = room(&format!(
        "location = /exact/ {{ {backend} }} location /prefix/ {{ {backend} }} location = /files/ {{ jwt_user_scope any; }}
        location /both/ {{ jwt_user_scope any; }} location = /both/ {{ {backend} }}
        location /own/ {{ {backend} }} location /own {{ jwt_user_scope any; }} location ~ ^/(exact|own)$ {{ return 410; }}
        location /in/ {{ location = /in/exact/ {{ {backend} }} }}"
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
        let said = room.run(&["explain", "--config", "location.conf", "--path", path, "--prefix", ".", "--json"], "");
        let report: serde_json::Value = serde_json::from_str(&said.stdout).expect("JSON");
        assert_eq!(report["answer"], status, "{path}: {said:?}");
    }
}

/// What is not known is asked for where it matters, and only there.
#[test]
fn what_only_nginx_knows_is_asked_for() {
    let room = room(
        "location /if { jwt_user_scope any; if ($in_europe) { return 451; } }
        location /set { set $where $in_europe; jwt_user_scope any; }
        location /used { set $where $in_europe; jwt_user_scope any; jwt_user_scope_require $where; }
        location /page { jwt_user_scope $arg_u; error_page 403 /$in_europe; }",
    );
    let token = room.mint(&["--path", "/users/A", "--user", "A"]);
    for path in ["/if", "/used", "/page?u=B"] {
        let said = room.explain(&["--path", path], &token);
        assert_eq!((said.status, &said.stdout[..]), (2, ""), "{path}: {said:?}");
        assert!(said.stderr.contains("the value of $in_europe is not known: give it with --set"), "{path}: {said:?}");
    }
    assert_eq!(room.explain(&["--path", "/set"], &token).word(), "ok");
    assert_eq!(room.explain(&["--path", "/page?u=A"], &token).word(), "ok");
    assert_eq!(room.explain(&["--path", "/if", "--set", "in_europe=1"], &token).word(), "not asked");
    assert_eq!(room.explain(&["--path", "/used", "--set", "in_europe=0"], &token).word(), "requirement_failed");
}

#[test]
fn maps_are_computed() {
    let conf = "http { map $jwt_user_scope_claim_role $is_admin { admin 1; default 0; } \
                map $arg_id $never { volatile; '~^(?<user_id>.+)$' 0; } server { \
                location ~ ^/u/(?<user_id>.+)$ { jwt_user_scope on; jwt_user_scope_bypass $never $is_admin; } } }";
    let room = Room::new(conf);
    let ask = |role: &str, options: &[&str]| {
        let token = room.mint(&["--path", "/u/A", "--user", "A", "--claim", &format!("role={role}")]);
        room.explain(options, &token).word().to_owned()
    };
    assert_eq!(ask("admin", &["--path", "/u/B"]), "bypassed");
    assert_eq!(ask("user", &["--path", "/u/B"]), "user_mismatch");
    assert_eq!(ask("user", &["--path", "/u/B?id=A"]), "user_mismatch", "a regex of a map moves nobody");
    assert_eq!(ask("user", &["--path", "/u/B", "--set", "is_admin=1"]), "bypassed", "what is given comes first");
}

/// A variable that a configuration computes is its own, whatever its name begins with.
#[test]
fn not_all_that_is_named_like_the_module_s_is_its_own() {
    let room = Room::new(
        "http {
            map $jwt_user_scope_claim_role $jwt_user_scope_is_admin { volatile; admin 1; default ''; }
            map $jwt_user_scope_claim_role $jwt_user_scope_claim_level { volatile; admin 1; default ''; }
            server {
                location ~ ^/map/(?<user_id>.+)$ { jwt_user_scope on; jwt_user_scope_bypass $jwt_user_scope_is_admin; }
                location ~ ^/member/(?<user_id>.+)$ { jwt_user_scope on; jwt_user_scope_bypass $jwt_user_scope_claim_level; }
                location ~ ^/set/(?<user_id>.+)$ { set $jwt_user_scope_yes 1; jwt_user_scope on; jwt_user_scope_bypass $jwt_user_scope_yes; }
                location ~ ^/geo/(?<user_id>.+)$ { jwt_user_scope on; jwt_user_scope_bypass $jwt_user_scope_near; }
            }
        }",
    );
    let token = |claim: &str| room.mint(&["--path", "/map/A", "--user", "A", "--claim", claim]);
    let near: &[&str] = &["--set", "jwt_user_scope_near=1"];
    let rows = [
        ("/map/B", "role=admin", &[][..], "bypassed"),
        ("/map/B", "is_admin=1", &[], "user_mismatch"),
        ("/member/B", "role=admin", &[], "bypassed"),
        ("/member/B", "level=1", &[], "user_mismatch"),
        ("/set/B", "role=user", &[], "bypassed"),
        ("/geo/B", "role=user", near, "bypassed"),
    ];
    for (path, claim, options, word) in rows {
        let said = room.explain(&[&["--path", path], options].concat(), &token(claim));
        assert_eq!(said.word(), word, "{path} {claim}: {said:?}");
    }
    let said = room.explain(&["--path", "/geo/B"], &token("role=user"));
    assert!(said.stderr.contains("the value of $jwt_user_scope_near is not known"), "{said:?}");
}

#[test]
fn a_limit_counts_once() {
    let limit = "limit_req_zone $jwt_user_scope_user zone=z:1m rate=1r/s; server { jwt_user_scope any; limit_req zone=z; \
                 error_page 503 = /users/B; location /users/B { jwt_user_scope $arg_u; } }";
    let room = Room::new(limit);
    let token = room.mint(&["--path", "/x", "--user", "A"]);
    let ask = |options: &[&str]| room.explain(&[&["--path", "/x?u=A"], options].concat(), &token);
    let said = ask(&["--set", "limit_req_status=REJECTED"]);
    assert_eq!(said.word(), "empty_scope", "the page has no argument: {said:?}");
    assert!(said.stdout.contains("by \"error_page\" in location.conf:1, for 503 by \"limit_req\""), "{said:?}");
    assert_eq!(ask(&[]).word(), "ok");
    // Nobody's requests are not counted.
    let said = room.explain(&["--path", "/x", "--set", "limit_req_status=REJECTED"], "");
    assert_eq!(said.word(), "missing_token");
    assert!(!said.stdout.contains("error_page"), "{said:?}");
}

#[test]
fn other_access_modules_are_followed() {
    let room = |inside: &str| {
        let room = room(inside);
        room.write("users", "A:{PLAIN}secret\nB:$apr1$x$y\n");
        room
    };
    let basic = |text: &str| {
        use base64::Engine as _;
        format!("Authorization: Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
    };
    let any = "location /any { satisfy any; jwt_user_scope any; auth_basic x; auth_basic_user_file users; }";
    let guarded = "jwt_user_scope_guard /users/:id; location ~ ^/users/(?<user_id>A)$ { satisfy any; jwt_user_scope on; \
                   auth_basic x; auth_basic_user_file users; }";
    let by = "jwt_user_scope_guard /users/:id; location = /no { internal; return 403; } location = /yes { internal; return 204; } \
              location ~ ^/users/(?<user_id>A)$ { satisfy any; jwt_user_scope on; auth_request /yes; } \
              location ~ ^/users/(?<user_id>C)$ { satisfy any; jwt_user_scope on; auth_request /no; }";
    let rows = [
        ("a password", any, "/any", basic("A:secret"), "missing_token"),
        ("a wrong one", any, "/any", basic("A:other"), "missing_token"),
        ("one that is hashed", any, "/any", basic("B:x"), "missing_token"),
        ("a password for a guarded path", guarded, "/users/A", basic("A:secret"), "uncovered_path"),
        ("a wrong one for it", guarded, "/users/A", basic("A:other"), "missing_token"),
        ("a subrequest for it", by, "/users/A", basic("A:other"), "uncovered_path"),
        ("one that refuses", by, "/users/C", basic("A:other"), "missing_token"),
    ];
    for (name, conf, path, input, word) in rows {
        let said = room(conf).explain(&["--path", path], &input);
        assert_eq!(said.word(), word, "{name}: {said:?}");
        let is_let_in = said.stdout.contains("refused with 401, and let in by \"auth_basic\", under \"satisfy any\"");
        assert_eq!((is_let_in, said.status), (name == "a password", i32::from(!is_let_in)), "{name}: {said:?}");
    }
}
