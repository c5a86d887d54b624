//! One line per refusal, for whoever has to find the cause; nothing secret in it, and nothing on success.

use crate::answers::{PLAIN, every_refusal};
use crate::common::*;

/// The part of a line that we write: without nginx's time and process before it, and its request after it.
fn message(line: &str) -> &str {
    let start = line.find(" *").map_or(0, |at| at + 2);
    let line = line[start..].split_once(' ').map_or("", |(_, rest)| rest);
    line.split(", client:").next().unwrap_or_default()
}

#[test]
fn each_refusal_is_one_line_of_its_level_with_word_and_location() {
    for (word, path, token) in every_refusal() {
        let nginx = Setup::new().http(PLAIN);
        let asked = token.iter().fold(get(path), |request, token| request.token(token));
        assert_refused(word, word, &asked.send(&nginx));

        let lines = nginx.request_log_with(word);
        let [line] = &lines[..] else { panic!("not one line with {word}: {}", nginx.read("error.log")) };
        let level = if matches!(word, "missing_token" | "expired") { "[info]" } else { "[error]" };
        assert!(line.contains(level), "no {level} in {line}");
        let location = if path.starts_with("/empty/") { "/empty/" } else { "^/users/(?<user_id>[^/]+)/" };
        assert!(message(line).contains(location), "no {location} in the message of {line}");
        let reason = message(line).replace(word, "").replace(location, "");
        assert!(reason.split_whitespace().count() >= 4, "no reason in words: {line}");
        assert!(!message(line).ends_with('.'), "a full stop: {line}");
        assert_eq!(nginx.request_log_with("jwt_user_scope").len(), 1, "{}", nginx.read("error.log"));
    }
}

#[test]
fn causes_of_one_word_can_be_told_apart() {
    let nginx = Setup::new().http(PLAIN);
    let causes = [
        claims(r#""sub":"alice""#),
        claims(r#""uid":42.5"#),
        claims(r#""uid":"""#),
        r#"{"uid":"alice"}"#.into(),
        r#"{"uid":"alice","exp":"soon"}"#.into(),
        claims(r#""uid":"alice","nbf":"soon""#),
        claims(r#""uid":"alice","iat":"once""#),
    ];
    for cause in &causes {
        assert_refused(cause, "bad_claim", &get("/users/alice/x").token(&token(cause)).send(&nginx));
    }
    let lines = nginx.request_log_with("bad_claim");
    let mut messages: Vec<&str> = lines.iter().map(|line| message(line)).collect();
    assert_eq!(messages.len(), causes.len());
    messages.sort_unstable();
    messages.dedup();
    // That of a user that is missing, of another type, empty, and of three times.
    assert_eq!(messages.len(), 6, "{messages:#?}");
}

#[test]
fn a_success_logs_nothing() {
    let nginx = Setup::new().http(PLAIN);
    let _backend = Backend::of(&nginx);
    for _ in 0..3 {
        assert_eq!(get("/users/alice/x").token(&uid("alice")).send(&nginx).status, 200);
    }
    assert_eq!(nginx.request_log_with("jwt"), [""; 0]);
    assert_eq!(nginx.request_log_with("[error]"), [""; 0]);
}

#[test]
fn a_usual_log_level_hides_what_every_visitor_causes() {
    let nginx = Setup::new().log_level("error").http(PLAIN);
    get("/users/alice/x").send(&nginx);
    get("/users/alice/x").token(&token(r#"{"uid":"alice","exp":1}"#)).send(&nginx);
    get("/users/alice/x").token(&uid("bob")).send(&nginx);
    assert_eq!(nginx.request_log_with("missing_token"), [""; 0]);
    assert_eq!(nginx.request_log_with("expired"), [""; 0]);
    assert_eq!(nginx.request_log_with("user_mismatch").len(), 1);
}

#[test]
fn no_token_secret_or_unverified_claim_is_written() {
    let nginx = Setup::new().http(PLAIN);
    let mallory = claims(r#""uid":"mallory","sub":"mallory","mallory":1"#);
    let tokens = [
        sign(HEADER, &mallory, "another secret"),
        sign(r#"{"alg":"mallory"}"#, &mallory, SECRET),
        sign(r#"{"alg":"HS256","typ":"mallory"}"#, &mallory, "another secret"),
        sign(r#"{"alg":"HS256","crit":["mallory"]}"#, &mallory, SECRET),
        sign(r#"{"alg":"HS256","kid":["mallory"]}"#, &mallory, SECRET),
        sign(r#"{"mallory":"#, &mallory, SECRET),
        sign(HEADER, r#"{"uid":"mallory","mallory":"#, SECRET),
        sign(HEADER, r#"{"mallory":1,"mallory":2}"#, "another secret"),
        "mallory".into(),
        "mallory.mallory.mallory".into(),
        "\"mallory\"".into(),
        sign(HEADER, r#"{"uid":"alice","exp":1}"#, SECRET),
        uid("bob"),
    ];
    for token in &tokens {
        let response = get("/users/alice/x").token(token).send(&nginx);
        assert!(matches!(response.status, 401 | 403), "{token}: {response:?}");
    }
    get("/users/alice/x").authorization("mallory token").send(&nginx);
    let log = nginx.read("error.log");
    assert_eq!(log.matches("jwt_user_scope: ").count(), tokens.len() + 1, "{log}");
    assert!(!log.contains("mallory"), "{log}");
    assert!(!log.contains(SECRET), "{log}");
    for segment in tokens.iter().flat_map(|token| token.split('.')).filter(|segment| segment.len() > 8) {
        assert!(!log.contains(segment), "{segment} in {log}");
    }
}

/// A verified user may be written, but not as a line of its own or as the end of a quoted value.
#[test]
fn a_user_of_control_bytes_forges_no_line() {
    let nginx = Setup::new().http(PLAIN);
    let users = [
        r"bob\n1970/01/01 00:00:00 [error] forged",
        r"bob\r\nforged",
        r"bob\u0000forged",
        r"bob\u001b[31mforged",
        r#"bob\", user: \"forged"#,
    ];
    for user in users {
        assert_refused(user, "user_mismatch", &get("/users/alice/x").token(&uid(user)).send(&nginx));
    }
    let log = nginx.read("error.log");
    assert_eq!(log.matches("user_mismatch").count(), users.len());
    assert!(!log.lines().any(|line| line.starts_with("1970") || line.starts_with("forged")), "{log}");
    assert!(!log.contains(['\0', '\r', '\x1b']), "{log}");
    assert!(log.contains(r#"user: "bob\", user: \"forged","#), "{log}");
}

/// nginx cuts a line at 2,048 bytes, and says at its end who asked.
#[test]
fn a_user_of_thousands_of_bytes_leaves_room_for_the_client() {
    let nginx = Setup::new().http(PLAIN);
    let users = ["b".repeat(129), "b".repeat(128), "\u{10ffff}".repeat(500), format!("b{}", "é".repeat(500))];
    for user in &users {
        assert_refused(user, "user_mismatch", &get("/users/alice/x").token(&uid(user)).send(&nginx));
    }
    let lines = nginx.log_with("user_mismatch");
    let shown =
        ["b".repeat(128) + "...", "b".repeat(128), "\\u{10ffff}".repeat(32) + "...", format!("b{}...", "é".repeat(63))];
    assert_eq!(lines.len(), shown.len());
    for (line, shown) in lines.iter().zip(shown) {
        assert!(line.contains(&format!("user: \"{shown}\",")) && line.contains("client: "), "{line}");
    }
}

/// nginx logs headers at debug level itself; the rest of the log is clean there too.
#[test]
fn the_debug_level_shows_no_secret_and_tokens_only_where_nginx_does() {
    let nginx = Setup::new().log_level("debug").http(PLAIN);
    let backend = Backend::of(&nginx);
    let tokens = [uid("alice"), uid("bob"), sign(HEADER, claims(r#""uid":"alice""#), "another secret")];
    for token in &tokens {
        get("/users/alice/x").token(token).send(&nginx);
    }
    assert_eq!(backend.take().len(), 1);
    assert_eq!(nginx.log_with(SECRET), [""; 0]);
    for token in &tokens {
        let (_, signature) = token.rsplit_once('.').expect("a signature");
        let lines = nginx.log_with(signature);
        // A build of nginx without --with-debug has no such lines at all.
        let ours: Vec<_> = lines.iter().filter(|line| !line.contains("http header: ") && !nginx_s_own(line)).collect();
        assert!(ours.is_empty(), "{ours:#?}");
    }
}

/// What the proxy sends is logged as a header, and as the continuation lines of the whole request.
fn nginx_s_own(line: &str) -> bool {
    line.contains("http proxy header: ") || line.starts_with("Authorization: ")
}
