//! Configuration files, from one location's directives to a whole nginx.conf.

use crate::common::*;

#[test]
fn any_part_of_a_configuration_will_do() {
    let location = "location ~ ^/u/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; }";
    let rows = [
        ("the directives of a location", "jwt_user_scope on;".to_owned(), &["--user", "A"][..]),
        ("a location", location.to_owned(), &[]),
        ("a server", format!("server {{ listen 80; {location} }}"), &[]),
        ("an http block", format!("http {{ server {{ listen 80; {location} }} }}"), &[]),
        ("a whole file", format!("events {{ }} http {{ map $uri $x {{ default 0; }} server {{ {location} }} }}"), &[]),
        ("inherited", format!("http {{ jwt_user_scope_audience us; server {{ {location} }} }}"), &[]),
    ];
    for (name, conf, options) in rows {
        let room = Room::new(&conf);
        let token = room.mint(&["--user", "A", "--path", "/u/A"]);
        let options = [&["--path", "/u/A"], options].concat();
        assert_eq!(room.explain(&options, &token).word(), "ok", "{name}");
    }
}

#[test]
fn levels_inherit_as_in_nginx() {
    let room = Room::new(
        "jwt_user_scope_audience outer;
        server {
            jwt_user_scope any;
            location / { }
            location /own { jwt_user_scope_audience inner; }
            location /none { jwt_user_scope_audience off; location /none/off { jwt_user_scope off; } }
            location ~ [.]txt$ { limit_except GET { jwt_user_scope_audience written; } }
            location ^~ /fixed/ { }
            location = /fixed/a.txt { jwt_user_scope off; }
        }",
    );
    let token = |audience: &str| room.mint(&["--path", "/", "--user", "A", "--claim", &format!("aud={audience}")]);
    let rows = [
        ("/x", "GET", "outer", "ok"),
        ("/x", "GET", "inner", "bad_audience"),
        ("/own", "GET", "inner", "ok"),
        ("/own", "GET", "outer", "bad_audience"),
        ("/none", "GET", "any", "ok"),
        ("/a.txt", "GET", "outer", "ok"),
        ("/a.txt", "HEAD", "outer", "ok"),
        ("/a.txt", "PUT", "outer", "bad_audience"),
        ("/a.txt", "PUT", "written", "ok"),
        ("/fixed/b.txt", "PUT", "outer", "ok"),
        ("/none/b.txt", "PUT", "written", "ok"),
    ];
    for (path, method, audience, word) in rows {
        let said = room.explain(&["--path", path, "--method", method], &token(audience));
        assert_eq!(said.word(), word, "{method} {path} {audience}");
    }
    for path in ["/none/off", "/fixed/a.txt"] {
        let said = room.explain(&["--path", path], "");
        assert_eq!((said.word(), said.status), ("let through", 0), "{path}");
        assert!(said.stdout.contains("no check is in force here"), "{said:?}");
    }
}

#[test]
fn a_server_is_chosen_by_name_and_address() {
    let room = Room::new(
        "server { listen 80; server_name a.example *.b.example; jwt_user_scope any; jwt_user_scope_audience a; }
        server { listen 127.0.0.1:80 default_server; listen unix:/run/x; server_name b.example; jwt_user_scope any; jwt_user_scope_audience b; }
        server { listen 443 ssl; server_name a.example; jwt_user_scope any; jwt_user_scope_audience c; }",
    );
    let token = |audience: &str| {
        room.mint(&["--path", "/", "--listen", "443", "--claim", "uid=A", "--claim", &format!("aud={audience}")])
    };
    let rows: [(&[&str], &str); 8] = [
        (&["--host", "x.b.example"], "a"),
        (&["--host", "X.B.Example.:80"], "a"),
        (&["--host", "b.example"], "b"),
        (&["--listen", "443"], "c"),
        (&["--listen", "443", "--host", "other"], "c"),
        (&["--listen", "unix:/run/x", "--host", "a.example"], "b"),
        (&["--listen", "80", "--host", "a.example"], "a"),
        (&["--listen", "80", "--host", "other"], "b"),
    ];
    for (options, audience) in rows {
        let options = [&["--path", "/"], options].concat();
        assert_eq!(room.explain(&options, &token(audience)).word(), "ok", "{options:?}");
        assert_eq!(room.explain(&options, &token("other")).word(), "bad_audience", "{options:?}");
    }
    let rows: [(&[&str], &str); 4] = [
        (&[], "choose one with --host <name> or --listen <address>"),
        (&["--listen", "81"], "no server listens there"),
        (&["--host", "a.example"], "several servers fit, at different addresses: choose one with --listen <address>"),
        (&["--host", "other"], "several servers fit, at different addresses: choose one with --listen <address>"),
    ];
    for (options, problem) in rows {
        let said = room.explain(&[&["--path", "/"], options].concat(), "");
        assert!(said.status == 2 && said.stderr.contains(problem), "{options:?}: {said:?}");
    }
}

/// Every server has one user's name, which the result tells.
#[test]
fn the_best_name_of_a_server_is_chosen() {
    let servers = [
        (r"~^(?<tenant>.+)\.R\.example$", "$tenant"),
        (r"~^(.)[^.]*\.r\.", "late"),
        ("*.example", "short"),
        ("*.b.example www.*", "wildcard"),
        ("www.b.*", "end"),
        (".c.example", "dot"),
        ("www.c.example", "exact"),
    ];
    let server = |(names, user): &(&str, &str)| {
        format!("server {{ server_name {names}; set $who {user}; location / {{ jwt_user_scope $who; }} }}\n")
    };
    let default = "server { listen 80 default_server; set $who default; location / { jwt_user_scope $who; } }";
    let room = Room::new(&(servers.iter().map(server).collect::<String>() + default));
    let rows = [
        ("a.example", "short"),
        ("www.b.example", "wildcard"),
        ("www.b.other", "end"),
        ("www.d.other", "wildcard"),
        ("c.example", "dot"),
        ("x.c.example", "dot"),
        ("www.c.example", "exact"),
        ("www.C.example:8080", "exact"),
    ];
    let token = room.mint(&["--path", "/", "--listen", "80", "--user", "nobody"]);
    for (host, user) in rows {
        let said = room.explain(&["--path", "/", "--listen", "80", "--host", host], &token);
        assert!(said.step("user").contains(&format!("that of \"{user}\"")), "{host}: {said:?}");
    }
    let without =
        servers.map(|(names, user)| if names.starts_with("*.example") { ("none", user) } else { (names, user) });
    let room = Room::new(&(without.iter().map(server).collect::<String>() + default));
    for (host, user) in [("Acme.r.example.", "acme"), ("x.r.test", "late"), ("other", "default")] {
        let said = room.explain(&["--path", "/", "--listen", "80", "--host", host], &token);
        assert!(said.step("user").contains(&format!("that of \"{user}\"")), "{host}: {said:?}");
    }
    // "*:80" and "80" are one address.
    let said = room.explain(&["--path", "/", "--host", "other"], &token);
    assert!(said.step("user").contains("that of \"default\""), "{said:?}");
}

/// nginx does so before it knows the host.
#[test]
fn the_default_server_of_the_address_reads_the_path() {
    let room = Room::new(
        "http {
            server { listen 80; server_name first; merge_slashes off; }
            server { listen 80; listen 81 default_server; server_name api; location ~ ^/u/(?<user_id>.+)$ { jwt_user_scope on; } }
            server { listen 443 ssl default_server; merge_slashes off; }
            server { listen 443; server_name api; location ~ ^/u/(?<user_id>.+)$ { jwt_user_scope on; } }
        }",
    );
    let merged = "GET \"//u/A\", which nginx reads as \"/u/A\"";
    for (port, first) in [("80", "GET \"//u/A\""), ("81", merged), ("443", merged)] {
        let said = room.explain(&["--path", "//u/A", "--host", "api", "--listen", port], "");
        assert_eq!(said.stdout.lines().next(), Some(first), "{port}: {said:?}");
    }
    let room = Room::new(
        "server { listen 80; merge_slashes off; }
        server { listen 80; listen 81; server_name api; location /u { jwt_user_scope any; } }",
    );
    let said = room.explain(&["--path", "//u/A", "--host", "api"], "");
    assert!(said.status == 2 && said.stderr.contains("choose one with --listen <address>"), "{said:?}");
    assert_eq!(room.explain(&["--path", "/u/A", "--host", "api"], "").word(), "missing_token", "no matter where");
}

#[test]
fn variables_that_only_nginx_has_are_asked_for() {
    let room = Room::new(
        "http {
            jwt_user_scope_set $plan /app/plan;
            server {
                location = /status { jwt_user_scope_status; }
                location /map { jwt_user_scope $owner; }
                location /own { jwt_user_scope on; }
                location /plan { jwt_user_scope any; jwt_user_scope_require $plan $http_x_role; }
                location ~ ^/elsewhere/(?<tenant>.+)$ { }
                location /captured { jwt_user_scope $tenant; }
            }
        }",
    );
    let token = room.mint(&["--path", "/map", "--user", "A", "--claim", r#"app:={"plan":"pro"}"#]);
    let said = room.explain(&["--path", "/map"], &token);
    assert_eq!((said.status, &said.stdout[..]), (2, ""));
    assert!(said.stderr.contains("the value of $owner is not known: give it with --set 'owner=<value>'"), "{said:?}");
    assert_eq!(room.explain(&["--path", "/map", "--set", "owner=A"], &token).word(), "ok");
    assert_eq!(room.explain(&["--path", "/map", "--set", "$owner=B"], &token).word(), "user_mismatch");
    assert_eq!(room.explain(&["--path", "/map", "--user", "A"], &token).word(), "ok");
    let said = room.explain(&["--path", "/own"], &token);
    assert!(said.stderr.contains("the value of $user_id is not known: give it with --user <user>"), "{said:?}");
    assert_eq!(room.explain(&["--path", "/plan"], &token).word(), "requirement_failed");
    assert_eq!(room.explain(&["--path", "/plan", "--header", "X-Role: admin"], &token).word(), "ok");
    assert_eq!(room.explain(&["--path", "/captured"], &token).word(), "empty_scope", "the location captures nothing");
}

/// nginx evaluates no more of them either.
#[test]
fn conditions_are_evaluated_until_one_decides() {
    let room = Room::new(
        "location /all { jwt_user_scope any; jwt_user_scope_require $arg_a $elsewhere; }
        location /some { jwt_user_scope $arg_u; jwt_user_scope_bypass $arg_a $elsewhere; }",
    );
    let token = room.mint(&["--path", "/all", "--user", "A"]);
    for (path, word) in [("/all?a=0", "requirement_failed"), ("/some?u=B&a=1", "bypassed"), ("/some?u=A", "ok")] {
        assert_eq!(room.explain(&["--path", path], &token).word(), word, "{path}");
    }
    for path in ["/all?a=1", "/some?u=B&a=0"] {
        let said = room.explain(&["--path", path], &token);
        assert!(said.status == 2 && said.stderr.contains("the value of $elsewhere is not known"), "{path}: {said:?}");
    }
}

#[test]
fn what_nginx_answers_first_is_told() {
    let room = Room::new(
        "location /r { jwt_user_scope any; return 403; }
        location /p/ { jwt_user_scope any; proxy_pass http://backend; }
        location /i { jwt_user_scope any; if ($arg_x) { return 403; } }
        location /d { jwt_user_scope any; allow 10.0.0.0/8; deny all; }
        location /s { satisfy any; jwt_user_scope any; auth_request /a; }
        location /l { jwt_user_scope any; limit_req zone=z; limit_req_status 429; }
        location /x { internal; }
        location /b { jwt_user_scope any; client_max_body_size 1k; }",
    );
    let rows: [(&str, &[&str], &str, i32); 10] = [
        ("/r", &[], "not asked: nginx answers with 403 by \"return\" in location.conf:1", 1),
        ("/p", &[], "not asked: nginx answers with 301 by the redirect to the same path with a slash at its end", 0),
        ("/i?x=1", &[], "not asked: nginx answers with 403 by \"return\" in location.conf:3", 1),
        ("/i?x=0", &[], "missing_token: refused with 401", 1),
        ("/d", &["--client", "::1"], "not asked: nginx answers with 403 by \"deny\" in location.conf:4", 1),
        ("/d", &["--client", "10.1.2.3"], "missing_token: refused with 401", 1),
        ("/l", &["--set", "limit_req_status=REJECTED"], "not asked: nginx answers with 429 by \"limit_req\"", 1),
        ("/l", &["--set", "limit_req_status=PASSED"], "missing_token: refused with 401", 1),
        ("/x", &[], "not asked: nginx answers with 404 by \"internal\"", 1),
        ("/b", &["--header", "Content-Length: 1025"], "not asked: nginx answers with 413", 1),
    ];
    for (path, options, result, status) in rows {
        let said = room.explain(&[&["--path", path], options].concat(), "");
        assert_eq!(said.status, status, "{path} {options:?}: {said:?}");
        assert!(said.stdout.contains(&format!("\nresult: {result}")), "{path} {options:?}: {said:?}");
    }
    let notes = [
        ("/d", "note: not followed here: allow and deny (--client)\n"),
        ("/l", "note: not followed here: limit_req\n"),
        ("/s", "note: not followed here: auth_request\n"),
        ("/s", "note: \"satisfy any\": another access module may let the request in\n"),
    ];
    for (path, note) in notes {
        let said = room.explain(&["--path", path], "");
        assert_eq!(said.word(), "missing_token", "{path}");
        assert!(said.stdout.contains(note), "{path}: {said:?}");
    }
}

/// The same errors as `nginx -t` has, with their place.
#[test]
fn what_nginx_refuses_is_refused() {
    let rows = [
        ("jwt_user_scope on", "unexpected end of file, expecting \";\" or \"}\" in location.conf:1"),
        ("jwt_user_scopes on;", "unknown directive \"jwt_user_scopes\" in location.conf:1"),
        ("\n jwt_user_scope on off;", "invalid number of arguments in \"jwt_user_scope\" directive in location.conf:2"),
        (
            "jwt_user_scope yes;",
            "invalid value \"yes\" in \"jwt_user_scope\" directive, it must be \"on\", \"any\", \"off\"",
        ),
        ("jwt_user_scope on;\njwt_user_scope on;", "\"jwt_user_scope\" directive is duplicate in location.conf:2"),
        (
            "jwt_user_scope any; jwt_user_scope_leeway soon;",
            "it must be a time, in whole seconds, such as \"30s\" or \"15m\" in location.conf:1",
        ),
        ("jwt_user_scope any; jwt_user_scope_secret swordfish;", "takes no literal secret"),
        ("jwt_user_scope any; jwt_user_scope_secret file:gone;", "file \"gone\" cannot be read"),
        ("jwt_user_scope any; jwt_user_scope_secret env:GONE;", "environment variable \"GONE\" is not set"),
        ("jwt_user_scope any; jwt_user_scope_secret file:short;", "is shorter than 32 bytes"),
        ("jwt_user_scope any; jwt_user_scope_key_file short;", "file \"short\" is neither PEM"),
        ("jwt_user_scope any; jwt_user_scope_algorithms none;", "would let tokens without a signature in"),
        ("if ($x) { jwt_user_scope any; }", "\"jwt_user_scope\" directive is not allowed here in location.conf:1"),
        ("location ~ ( { jwt_user_scope any; }", "regex \"(\" cannot be compiled"),
        (
            "location /a { location /b {\n jwt_user_scope ; } }",
            "invalid number of arguments in \"jwt_user_scope\" directive in location.conf:2",
        ),
    ];
    for (conf, problem) in rows {
        let mut room = Room::new(conf);
        room.write("short", "swordfish");
        room.hide("swordfish");
        let said = room.explain(&["--path", "/a/b"], "");
        assert_eq!((said.status, &said.stdout[..]), (2, ""), "{conf}: {said:?}");
        assert!(said.stderr.contains(problem), "{conf}: {said:?}");
    }
}
