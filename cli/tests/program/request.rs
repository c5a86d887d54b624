//! The request as nginx has it: its token, its headers, its cookies and its arguments.

use crate::common::*;

/// The header that a client would send is there for a map and a condition, too.
#[test]
fn a_bare_token_is_the_header_of_a_bearer() {
    let room = Room::new(
        "http {
            map $http_authorization $has_token { '' ''; default 1; }
            map $http_authorization $token { default $cookie_t; '~*^bearer +(?<bearer>[^ ]+)$' $bearer; }
            server {
                location /if { if ($http_authorization = '') { return 401; } jwt_user_scope any; }
                location /map { jwt_user_scope any; jwt_user_scope_require $has_token; }
                location /own { jwt_user_scope any; jwt_user_scope_token $cookie_t; jwt_user_scope_require $has_token; }
                location /any { jwt_user_scope any; jwt_user_scope_token $token; }
            }
        }",
    );
    let token = room.mint(&["--path", "/any", "--user", "A"]);
    let bearer = format!("Bearer {token}");
    let rows = [
        ("/if", &token, "ok"),
        ("/if", &bearer, "ok"),
        ("/map", &token, "ok"),
        ("/map", &bearer, "ok"),
        ("/any", &token, "ok"),
        ("/any", &bearer, "ok"),
        ("/own", &token, "requirement_failed"),
    ];
    for (path, input, word) in rows {
        assert_eq!(room.explain(&["--path", path], input).word(), word, "{path} {}", input.starts_with("Bearer"));
    }
    assert!(room.explain(&["--path", "/if"], "").stdout.contains("not asked: nginx answers with 401"));
}

/// What every client sends is not empty because nobody has said what it is.
#[test]
fn headers_that_clients_send_by_themselves_are_asked_for() {
    let room = Room::new(
        "http {
            map $http_host $is_known { default 0; api.example:8080 1; }
            server {
                location /host { if ($http_host != 'Api.example:8080') { return 421; } jwt_user_scope any; }
                location /map { jwt_user_scope any; jwt_user_scope_require $is_known; }
                location /name { if ($host != 'api.example') { return 421; } jwt_user_scope any; }
                location /connection { if ($http_connection = '') { return 400; } jwt_user_scope any; }
                location /agent { if ($http_user_agent ~ bot) { return 403; } jwt_user_scope any; }
                location /sent { proxy_set_header Connection $http_connection; jwt_user_scope any; proxy_pass http://b; }
            }
        }",
    );
    let token = room.mint(&["--path", "/map", "--user", "A"]);
    let rows: [(&str, &[&str], &str); 9] = [
        ("/host", &["--host", "Api.example:8080"], "ok"),
        ("/host", &["--header", "Host: Api.example:8080"], "ok"),
        ("/host", &["--host", "api.example", "--header", "Host: Api.example:8080"], "ok"),
        ("/host", &["--host", "api.example"], "not asked"),
        ("/map", &["--host", "api.example:8080"], "ok"),
        ("/name", &["--host", "Api.example:8080"], "ok"),
        ("/name", &["--header", "host: api.example"], "ok"),
        ("/connection", &["--header", "Connection: close"], "ok"),
        ("/agent", &["--set", "http_user_agent="], "ok"),
    ];
    for (path, options, word) in rows {
        let said = room.explain(&[&["--path", path], options].concat(), &token);
        assert_eq!(said.word(), word, "{path} {options:?}: {said:?}");
    }
    assert_eq!(room.explain(&["--path", "/sent"], &token).word(), "ok", "no decision depends on it");
    let rows = [
        ("/host", "$http_host is not known: give it with --host <name>"),
        ("/map", "$http_host is not known: give it with --host <name>"),
        ("/name", "$host is not known: give it with --host <name>"),
        ("/connection", "$http_connection is not known: give it with --set 'http_connection=<value>'"),
        ("/agent", "$http_user_agent is not known: give it with --set 'http_user_agent=<value>'"),
    ];
    for (path, problem) in rows {
        let said = room.explain(&["--path", path], &token);
        assert!(said.status == 2 && said.stderr.contains(problem), "{path}: {said:?}");
    }
}

/// As nginx reads them: no space is taken from the end. A comma ends a cookie that is not the one in some versions only.
#[test]
fn cookies_are_read_as_nginx_does() {
    let room = Room::new("location / { jwt_user_scope any; jwt_user_scope_token $cookie_t; }");
    let token = room.mint(&["--user", "A"]);
    let rows = [
        ("t=@", "ok"),
        ("t = @", "ok"),
        ("a=b; T=@", "ok"),
        ("t=@ ; a=b", "malformed_token"),
        ("t=@, a=b", "malformed_token"),
        ("t=\"@\"", "malformed_token"),
    ];
    for (cookie, word) in rows {
        let header = format!("Cookie: {}", cookie.replace('@', &token));
        let said = room.explain(&["--path", "/", "--header", &header], "");
        assert_eq!(said.word(), word, "{cookie}: {said:?}");
    }
    let said = room.explain(&["--path", "/", "--header", &format!("Cookie: a=b, t={token}")], "");
    assert!(said.status == 2 && said.stderr.contains("a comma ends a cookie before 1.29.5"), "{said:?}");
}

/// nginx 1.22 takes the first, later ones join them; but for two that all join.
#[test]
fn a_repeated_header_is_not_known_but_for_those_that_are_always_joined() {
    let room = Room::new(
        "location /own { jwt_user_scope $http_x_user; }
        location /for { jwt_user_scope $http_x_forwarded_for; }
        location /none { jwt_user_scope any; add_header X $http_x_user; }",
    );
    let token = |user: &str| room.mint(&["--path", "/own", "--user", user]);
    let twice = |name: &str| [format!("{name}: A"), format!("{}: B", name.to_lowercase())];
    let ask = |path: &str, [first, second]: [String; 2], user: &str| {
        room.explain(&["--path", path, "--header", &first, "--header", &second], &token(user))
    };
    for user in ["A", "A, B"] {
        let said = ask("/own", twice("X-User"), user);
        let is_told = said.stderr.contains("the value of $http_x_user depends on nginx, which joins a repeated header");
        assert!(said.status == 2 && is_told, "{user}: {said:?}");
    }
    assert_eq!(ask("/for", twice("X-Forwarded-For"), "A, B").word(), "ok");
    assert_eq!(ask("/none", twice("X-User"), "A").word(), "ok");
    let options = ["--path", "/own", "--header", "X-User: A", "--header", "X-User: B", "--set", "http_x_user=A"];
    assert_eq!(room.explain(&options, &token("A")).word(), "ok");
}

#[test]
fn a_tab_belongs_to_a_header() {
    let room = Room::new("location / { jwt_user_scope $http_x_user; }");
    let token = room.mint(&["--user", "A"]);
    for (header, word) in [("X-User:  A  ", "ok"), ("X-User: A\t", "user_mismatch"), ("X-User:\tA", "user_mismatch")] {
        assert_eq!(room.explain(&["--path", "/", "--header", header], &token).word(), word, "{header:?}");
    }
}
