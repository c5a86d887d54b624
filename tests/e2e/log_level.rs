//! `jwt_user_scope_log_level`: how loud refusals are.

use crate::common::*;

fn nginx(directive: &str) -> Nginx {
    Setup::new().log_level("info").server(&format!(
        "{directive}
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; proxy_pass http://unix:echo.sock; }}
        location /required {{ jwt_user_scope any; jwt_user_scope_require $arg_x; proxy_pass http://unix:echo.sock; }}
        location /empty {{ jwt_user_scope $http_x_owner; proxy_pass http://unix:echo.sock; }}"
    ))
}

/// The level of the one line that a request has caused.
fn level_of(nginx: &Nginx, asked: &Request, word: &str) -> String {
    let before = nginx.log_with("jwt_user_scope: ").len();
    assert_eq!(asked.send(nginx).header("X-Result"), Some(word));
    let lines = nginx.log_with("jwt_user_scope: ");
    let [line] = &lines[before..] else { panic!("not one line: {lines:#?}") };
    assert!(line.contains(word), "{line}");
    let level = line.split(['[', ']']).nth(1).unwrap_or_default();
    level.to_owned()
}

fn assert_levels(directive: &str, expected: &str) {
    let nginx = nginx(directive);
    let own = || get("/users/alice/");
    let expired = token(r#"{"uid":"alice","exp":1}"#);
    let cases = [
        ("malformed_token", own().token("x"), expected),
        ("bad_signature", own().token(&sign(HEADER, claims(r#""uid":"alice""#), "another secret")), expected),
        ("bad_claim", own().token(&token(claims(r#""x":1"#))), expected),
        ("user_mismatch", own().token(&uid("bob")), expected),
        ("requirement_failed", get("/required").token(&uid("alice")), expected),
        ("ambiguous_path", get("/users/bob/../alice/").token(&uid("alice")), expected),
        // Everyday business, whatever level is set.
        ("missing_token", own(), "info"),
        ("expired", own().token(&expired), "info"),
        // A mistake of the configuration, whatever level is set.
        ("empty_scope", get("/empty").token(&uid("alice")), "error"),
    ];
    for (word, asked, level) in &cases {
        assert_eq!(level_of(&nginx, asked, word), *level, "{directive} {word}");
    }
}

#[test]
fn refusals_have_the_level_that_is_set() {
    for level in ["info", "notice", "warn", "error"] {
        assert_levels(&format!("jwt_user_scope_log_level {level};"), level);
    }
    assert_levels("", "error");
}

#[test]
fn reports_have_it_too() {
    assert_levels("jwt_user_scope_mode report; jwt_user_scope_log_level notice;", "notice");
}

#[test]
fn a_lower_level_keeps_refusals_out_of_the_error_log() {
    let nginx = Setup::new()
        .log_level("error")
        .server("jwt_user_scope_log_level warn; location / { jwt_user_scope any; empty_gif; }");
    expect("refused", "malformed_token", &get("/").token("x").send(&nginx));
    assert_eq!(nginx.log_with("jwt_user_scope: "), [""; 0]);
}
