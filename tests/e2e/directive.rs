//! `jwt_user_scope`: its values, where it may stand, how it is inherited, what it refuses to be.

use crate::common::*;

#[test]
fn values_mean_what_they_say() {
    let nginx = Setup::new().server(
        r#"
        location ~ ^/on/(?<user_id>[^/]+)/ { jwt_user_scope on; empty_gif; }
        location /any/ { jwt_user_scope any; empty_gif; }
        location /off/ { jwt_user_scope off; empty_gif; }
        location /default/ { empty_gif; }
        location /value/ { jwt_user_scope $arg_user; empty_gif; }
        location /text/ { jwt_user_scope "u-$arg_user"; empty_gif; }
        location ~ ^/two/(?<tenant>\w+)/(?<name>\w+)/ { jwt_user_scope $tenant:$name; empty_gif; }"#,
    );
    let cases = [
        ("/on/alice/", "alice", "ok"),
        ("/on/bob/", "alice", "user_mismatch"),
        ("/any/", "alice", "ok"),
        ("/any/", "bob", "ok"),
        ("/off/", "alice", "unchecked"),
        ("/default/", "alice", "unchecked"),
        ("/value/?user=alice", "alice", "ok"),
        ("/value/?user=bob", "alice", "user_mismatch"),
        ("/value/", "alice", "empty_scope"),
        ("/value/?user=", "alice", "empty_scope"),
        ("/text/?user=1", "u-1", "ok"),
        ("/text/?user=1", "1", "user_mismatch"),
        ("/two/a/b/", "a:b", "ok"),
        ("/two/a/c/", "a:b", "user_mismatch"),
    ];
    for (path, user, word) in cases {
        expect(&format!("{path} of {user}"), word, &get(path).token(&uid(user)).send(&nginx));
    }
    for path in ["/on/alice/", "/any/", "/value/?user=alice", "/value/", "/text/?user=1", "/two/a/b/"] {
        expect(&format!("{path} of nobody"), "missing_token", &get(path).send(&nginx));
    }
    for path in ["/off/", "/default/"] {
        expect(&format!("{path} of nobody"), "unchecked", &get(path).send(&nginx));
    }
}

#[test]
fn levels_inherit_replace_and_cancel() {
    let nginx = Setup::new().http(
        r#"
        jwt_user_scope any;
        add_header X-Result $jwt_user_scope_result always;
        server {
            listen unix:nginx.sock;
            location /http/ { empty_gif; }
            location /off/ {
                jwt_user_scope off;
                empty_gif;
                location /off/inherits/ { empty_gif; }
                location /off/again/ { jwt_user_scope any; empty_gif; }
            }
            location /user/ {
                jwt_user_scope $arg_user;
                jwt_user_scope_claim sub;
                empty_gif;
                location /user/inherits/ { empty_gif; }
                location /user/claim/ { jwt_user_scope_claim uid; empty_gif; }
                location /user/any/ { jwt_user_scope any; empty_gif; }
                location /user/off/ { jwt_user_scope off; empty_gif; }
            }
        }
        server {
            listen unix:second.sock;
            jwt_user_scope $arg_user;
            location / { empty_gif; }
            location /off/ { jwt_user_scope off; empty_gif; }
        }
        server {
            listen unix:third.sock;
            jwt_user_scope off;
            location / { empty_gif; }
            location /any/ { jwt_user_scope any; empty_gif; }
        }"#,
    );
    let alice = token(claims(r#""uid":"alice","sub":"alice-by-sub""#));
    let cases = [
        ("nginx.sock", "/http/", "ok", "missing_token"),
        ("nginx.sock", "/off/", "unchecked", "unchecked"),
        ("nginx.sock", "/off/inherits/", "unchecked", "unchecked"),
        ("nginx.sock", "/off/again/", "ok", "missing_token"),
        ("nginx.sock", "/user/?user=alice-by-sub", "ok", "missing_token"),
        ("nginx.sock", "/user/?user=alice", "user_mismatch", "missing_token"),
        ("nginx.sock", "/user/inherits/?user=alice-by-sub", "ok", "missing_token"),
        ("nginx.sock", "/user/inherits/?user=alice", "user_mismatch", "missing_token"),
        ("nginx.sock", "/user/claim/?user=alice", "ok", "missing_token"),
        ("nginx.sock", "/user/claim/?user=alice-by-sub", "user_mismatch", "missing_token"),
        ("nginx.sock", "/user/any/", "ok", "missing_token"),
        ("nginx.sock", "/user/off/", "unchecked", "unchecked"),
        ("second.sock", "/?user=alice", "ok", "missing_token"),
        ("second.sock", "/?user=bob", "user_mismatch", "missing_token"),
        ("second.sock", "/off/", "unchecked", "unchecked"),
        ("third.sock", "/", "unchecked", "unchecked"),
        ("third.sock", "/any/", "ok", "missing_token"),
    ];
    for (socket, path, with, without) in cases {
        let mut client = Client::connect(&nginx.path(socket));
        expect(&format!("{socket}{path}"), with, &client.ask(&get(path).token(&alice)));
        expect(&format!("{socket}{path} of nobody"), without, &client.ask(&get(path)));
    }
}

#[test]
fn limit_except_has_rules_of_its_own() {
    let nginx = Setup::new().server(
        "
        location /reads-are-free/ {
            limit_except GET { jwt_user_scope any; }
            proxy_pass http://unix:echo.sock;
        }
        location ~ ^/write-own/(?<user_id>[^/]+)/ {
            jwt_user_scope any;
            limit_except GET { jwt_user_scope on; }
            proxy_pass http://unix:echo.sock;
        }
        location ~ ^/inherits/(?<user_id>[^/]+)/ {
            jwt_user_scope on;
            limit_except GET { allow all; }
            proxy_pass http://unix:echo.sock;
        }
        location /writes-are-free/ {
            jwt_user_scope any;
            limit_except GET { jwt_user_scope off; }
            proxy_pass http://unix:echo.sock;
        }",
    );
    let cases = [
        ("GET", "/reads-are-free/", "unchecked", "unchecked"),
        ("HEAD", "/reads-are-free/", "unchecked", "unchecked"),
        ("POST", "/reads-are-free/", "ok", "missing_token"),
        ("DELETE", "/reads-are-free/", "ok", "missing_token"),
        ("GET", "/write-own/bob/", "ok", "missing_token"),
        ("POST", "/write-own/bob/", "user_mismatch", "missing_token"),
        ("POST", "/write-own/alice/", "ok", "missing_token"),
        ("GET", "/inherits/alice/", "ok", "missing_token"),
        ("POST", "/inherits/alice/", "ok", "missing_token"),
        ("POST", "/inherits/bob/", "user_mismatch", "missing_token"),
        ("GET", "/writes-are-free/", "ok", "missing_token"),
        ("POST", "/writes-are-free/", "unchecked", "unchecked"),
    ];
    for (method, path, with, without) in cases {
        let name = format!("{method} {path}");
        expect(&name, with, &request(method, path).token(&uid("alice")).send(&nginx));
        expect(&format!("{name} of nobody"), without, &request(method, path).send(&nginx));
    }
}

#[test]
fn the_user_may_be_defined_by_anything_that_defines_a_variable() {
    let cases = [
        "server { location ~ ^/(?<user_id>[^/]+)/ { jwt_user_scope on; } }",
        "server { location ~ ^/(?P<user_id>[^/]+)/ { jwt_user_scope on; location ~ txt$ { } } }",
        "server { server_name ~^(?<user_id>.+)\\.example$; location / { jwt_user_scope on; } }",
        "map $uri $user_id { default $uri; } server { location / { jwt_user_scope on; } }",
        "server { set $user_id $arg_user; location / { jwt_user_scope on; } }",
    ];
    for body in cases {
        let check = Setup::new().check(&body.replace("server {", "server { listen unix:nginx.sock;"));
        assert!(check.accepted, "{body}: {}", check.stderr);
    }
}

#[test]
fn an_unknown_user_is_refused() {
    let check = Setup::new().check(
        "server { listen unix:nginx.sock; location / {
            jwt_user_scope on; # here
        } }",
    );
    assert!(!check.accepted);
    for part in ["jwt_user_scope", "user_id", &check.here] {
        assert!(check.stderr.contains(part), "no {part} in {}", check.stderr);
    }
}

#[test]
fn mistakes_are_named_with_their_line() {
    let cases = [
        ("a mistyped word", "jwt_user_scope onn; # here", "onn"),
        ("another word", "jwt_user_scope yes; # here", "yes"),
        ("nothing", "jwt_user_scope; # here", "number of arguments"),
        ("an empty value", "jwt_user_scope ''; # here", "jwt_user_scope"),
        ("two values", "jwt_user_scope $uri $uri; # here", "number of arguments"),
        ("$1", "jwt_user_scope $1; # here", "$1"),
        ("$9 in text", "jwt_user_scope u-$9-x; # here", "$9"),
        ("$1 beside a variable", "jwt_user_scope $uri$1; # here", "$1"),
        ("twice", "jwt_user_scope any;\njwt_user_scope any; # here", "is duplicate"),
        ("twice, cancelled", "jwt_user_scope any;\njwt_user_scope off; # here", "is duplicate"),
        ("off first", "jwt_user_scope off;\njwt_user_scope any; # here", "is duplicate"),
        ("a value twice", "jwt_user_scope $uri;\njwt_user_scope on; # here", "is duplicate"),
        ("in an if", "if ($uri) {\njwt_user_scope any; # here\n}", "not allowed here"),
    ];
    for (name, lines, says) in cases {
        let check = Setup::new().check(&format!("server {{ listen unix:nginx.sock; location / {{\n{lines}\n}} }}"));
        assert!(!check.accepted, "{name}: accepted");
        for part in ["jwt_user_scope", says, &check.here] {
            assert!(check.stderr.contains(part), "{name}: no {part} in {}", check.stderr);
        }
    }
}

#[test]
fn a_value_that_the_location_did_not_capture_is_warned_about() {
    let users = "location ~ ^/users/(?<user_id>[^/]+)(?:/|$)";
    let cases = [
        (true, "location / { jwt_user_scope $arg_user; # here\n}".to_owned()),
        (true, "location @named { jwt_user_scope $arg_user; # here\n}".to_owned()),
        (true, format!("{users} {{ }} location / {{ jwt_user_scope on; # here\n}}")),
        (true, format!("{users} {{ jwt_user_scope $arg_user; # here\n}}")),
        (false, format!("{users} {{ jwt_user_scope on; # here\n}}")),
        (false, format!("{users} {{ jwt_user_scope $user_id; # here\n}}")),
        (false, "location / { jwt_user_scope any; # here\n}".to_owned()),
    ];
    for (warned, location) in cases {
        let check = Setup::new().check(&format!("server {{ listen unix:nginx.sock; {location} }}"));
        assert!(check.accepted, "{location}: {}", check.stderr);
        let warning = check.stderr.lines().find(|line| line.contains("[warn]")).unwrap_or_default();
        assert_eq!(
            warning.contains("jwt_user_scope") && warning.contains(&check.here),
            warned,
            "{location}: {warning}"
        );
    }
}

#[test]
fn a_number_in_braces_is_no_variable() {
    let check = Setup::new().check("server { listen unix:nginx.sock; location / { jwt_user_scope ${2}; } }");
    assert!(!check.accepted && check.stderr.contains('2'), "{}", check.stderr);
}

#[test]
fn values_beside_a_trap_are_accepted() {
    for value in ["\"$uri\"", "user-$arg_user", "${arg_user}", "on$arg_user", "$http_x1", "any-$uri"] {
        let conf = format!("server {{ listen unix:nginx.sock; location / {{ jwt_user_scope {value}; }} }}");
        let check = Setup::new().check(&conf);
        assert!(check.accepted, "{value}: {}", check.stderr);
    }
}
