//! What `nginx -t` says about a secret that cannot be used, and when it needs none.

use crate::common::*;

/// Name, the environment, the lines of the location, what the message says beside directive, file and line.
type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a [&'a str]);

const PEM: &str = "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
const LITERAL: &str = "a-literal-secret-of-more-than-32-bytes";
const PUBLIC: &str = "better-auth-secret-12345678901234567890";
const SHORT: &str = "0123456789abcdef0123456789abcde";

fn check(environment: &[(&str, &str)], lines: &str) -> ConfigCheck {
    let setup =
        Setup::new().without_env().file("pem", PEM).file("short", SHORT).file("empty", "").file("public", PUBLIC);
    let setup = environment.iter().fold(setup, |setup, (name, value)| setup.env(name, value));
    setup.check(&format!("server {{ listen unix:nginx.sock; location / {{\n{lines}\n}} }}"))
}

fn refused(cases: &[Case]) {
    for (name, environment, lines, says) in cases {
        let check = check(environment, lines);
        assert!(!check.accepted, "{name}: accepted");
        let directive = if lines.contains("_secret") { "jwt_user_scope_secret" } else { "jwt_user_scope" };
        for part in [directive, &check.here].iter().chain(*says) {
            assert!(check.stderr.contains(*part), "{name}: no {part} in {}", check.stderr);
        }
        for secret in [LITERAL, PUBLIC, SHORT, "MCowBQYDK2VwAyEA"] {
            assert!(!check.stderr.contains(secret), "{name}: {secret} is shown in {}", check.stderr);
        }
    }
}

#[test]
fn of_the_environment() {
    let default = "jwt_user_scope any; # here";
    let named = "jwt_user_scope any;\njwt_user_scope_secret env:MY_KEY; # here";
    refused(&[
        ("unset", &[], default, &["BETTER_AUTH_SECRET", "not set"]),
        ("empty", &[("BETTER_AUTH_SECRET", "")], default, &["BETTER_AUTH_SECRET"]),
        ("short", &[("BETTER_AUTH_SECRET", SHORT)], default, &["BETTER_AUTH_SECRET", "32"]),
        ("PEM", &[("BETTER_AUTH_SECRET", PEM)], default, &["BETTER_AUTH_SECRET", "PEM"]),
        ("public", &[("BETTER_AUTH_SECRET", PUBLIC)], default, &["BETTER_AUTH_SECRET", "public"]),
        ("another is set", &[("BETTER_AUTH_SECRET", SECRET)], named, &["MY_KEY"]),
        ("empty, named", &[("MY_KEY", "")], named, &["MY_KEY"]),
        ("short, named", &[("MY_KEY", SHORT)], named, &["MY_KEY", "32"]),
        ("PEM, named", &[("MY_KEY", PEM)], named, &["MY_KEY", "PEM"]),
        ("public, named", &[("MY_KEY", PUBLIC)], named, &["MY_KEY", "public"]),
    ]);
}

#[test]
fn of_files() {
    let file = |name| format!("jwt_user_scope any;\njwt_user_scope_secret file:{name}; # here");
    refused(&[
        ("absent", &[], &file("absent"), &["absent", "No such file"]),
        ("a directory", &[], &file("."), &["jwt_user_scope_secret"]),
        ("empty", &[], &file("empty"), &["empty"]),
        ("short", &[], &file("short"), &["short", "32"]),
        ("PEM", &[], &file("pem"), &["PEM"]),
        ("public", &[], &file("public"), &["public"]),
    ]);
}

#[test]
fn of_the_directive() {
    let line = |value: &str| format!("jwt_user_scope any;\njwt_user_scope_secret {value} # here");
    refused(&[
        ("a literal", &[], &line(&format!("{LITERAL};")), &["env:", "file:"]),
        ("a literal like a scheme", &[], &line(&format!("\"hmac:{LITERAL}\";")), &["env:", "file:"]),
        ("a variable", &[], &line("$http_secret;"), &["env:", "file:"]),
        ("env without a name", &[], &line("env:;"), &[]),
        ("file without a name", &[], &line("file:;"), &[]),
        ("nothing", &[], &line(";"), &["number of arguments"]),
        ("an unknown parameter", &[("MY_KEY", SECRET)], &line("env:MY_KEY colour=blue;"), &[]),
    ]);
}

#[test]
fn a_newline_does_not_make_a_file_long_enough() {
    let setup = Setup::new().without_env().file("short", format!("{SHORT}\n"));
    let check = setup.check("server { listen unix:nginx.sock; location / {\njwt_user_scope any;\njwt_user_scope_secret file:short; # here\n} }");
    assert!(!check.accepted && check.stderr.contains(&check.here), "{}", check.stderr);
}

#[test]
fn nothing_is_needed_where_nothing_is_checked() {
    let bodies = [
        "server { location / { } }",
        "server { location / { jwt_user_scope off; } }",
        "jwt_user_scope off; server { location / { } }",
        "jwt_user_scope any; server { jwt_user_scope off; location / { } }",
        "jwt_user_scope_secret env:UNSET; server { location / { } }",
        "server { jwt_user_scope_secret file:absent; location / { jwt_user_scope off; } }",
        "server { location / { jwt_user_scope_claim sub; } }",
        "jwt_user_scope_secret env:UNSET; server { location / { jwt_user_scope any; jwt_user_scope_secret file:other; } }",
    ];
    for body in bodies {
        let setup = Setup::new().without_env().file("other", SECRET);
        let check = setup.check(&body.replace("server {", "server { listen unix:nginx.sock;"));
        assert!(check.accepted, "{body}: {}", check.stderr);
    }
}

#[test]
fn a_check_anywhere_needs_one() {
    let bodies = [
        "jwt_user_scope any; server { location / { } }",
        "server { jwt_user_scope any; location / { jwt_user_scope off; } location /x/ { } }",
        "server { location / { location /x/ { jwt_user_scope any; } } }",
        "server { location / { limit_except GET { jwt_user_scope any; } } }",
        "server { location @named { jwt_user_scope any; } }",
        "server { location / { if ($arg_x) { set $x 1; } jwt_user_scope any; } }",
    ];
    for body in bodies {
        let check = Setup::new().without_env().check(&body.replacen("server {", "server { listen unix:nginx.sock;", 1));
        assert!(!check.accepted, "{body}: accepted");
        assert!(check.stderr.contains("BETTER_AUTH_SECRET"), "{body}: {}", check.stderr);
        let check = Setup::new().check(&body.replacen("server {", "server { listen unix:nginx.sock;", 1));
        assert!(check.accepted, "{body}: {}", check.stderr);
    }
}
