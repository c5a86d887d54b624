//! Which claim names which user: types, arrays, bytes.

use crate::common::*;

/// `uid` of the token, path segment, result.
type Case = (&'static str, &'static str, &'static str);

fn table(cases: &[Case]) {
    let nginx = Setup::new()
        .server("location ~ ^/users/(?<user_id>[^/]+)/ { jwt_user_scope on; proxy_pass http://unix:echo.sock; }");
    let mut client = nginx.client();
    for (claim, segment, word) in cases {
        let asked = get(format!("/users/{segment}/")).token(&token(claims(&format!(r#""uid":{claim}"#))));
        expect(&format!("{claim} at {segment}"), word, &client.ask(&asked));
    }
    expect("no uid", "bad_claim", &client.ask(&get("/users/alice/").token(&token(claims(r#""sub":"alice""#)))));
}

#[test]
fn strings_and_integers_name_a_user_and_nothing_else_does() {
    table(&[
        (r#""alice""#, "alice", "ok"),
        (r#""bob""#, "alice", "user_mismatch"),
        (r#""""#, "alice", "bad_claim"),
        ("null", "null", "bad_claim"),
        ("true", "true", "bad_claim"),
        ("false", "false", "bad_claim"),
        ("{}", "alice", "bad_claim"),
        (r#"{"id":"alice"}"#, "alice", "bad_claim"),
        ("42", "42", "ok"),
        ("42", "042", "user_mismatch"),
        ("42", "43", "user_mismatch"),
        ("42", "4", "user_mismatch"),
        ("4", "42", "user_mismatch"),
        ("0", "0", "ok"),
        ("-1", "-1", "ok"),
        ("-1", "1", "user_mismatch"),
        (r#""042""#, "042", "ok"),
        (r#""042""#, "42", "user_mismatch"),
        ("42.0", "42", "bad_claim"),
        ("42.5", "42.5", "bad_claim"),
        ("4.2e1", "42", "bad_claim"),
        ("42e0", "42", "bad_claim"),
        ("1E3", "1000", "bad_claim"),
        ("9007199254740993", "9007199254740993", "ok"),
        ("9007199254740993", "9007199254740992", "user_mismatch"),
        ("123456789012345678901234567890", "123456789012345678901234567890", "ok"),
        ("123456789012345678901234567890", "123456789012345678901234567891", "user_mismatch"),
    ]);
}

#[test]
fn a_member_of_an_array_must_match() {
    table(&[
        (r#"["alice"]"#, "alice", "ok"),
        (r#"["bob","alice"]"#, "alice", "ok"),
        (r#"["bob","carol"]"#, "alice", "user_mismatch"),
        (r#"[42,"alice"]"#, "42", "ok"),
        (r#"["bob","alice"]"#, "bob,alice", "user_mismatch"),
        (r#"["ali","ce"]"#, "alice", "user_mismatch"),
        ("[]", "alice", "bad_claim"),
        (r#"[["alice"]]"#, "alice", "bad_claim"),
        ("[true]", "true", "bad_claim"),
        ("[42.0]", "42", "bad_claim"),
    ]);
}

#[test]
fn ids_compare_byte_for_byte() {
    table(&[
        (r#""Alice""#, "alice", "user_mismatch"),
        (r#""alice""#, "ALICE", "user_mismatch"),
        (r#""alice ""#, "alice", "user_mismatch"),
        (r#"" alice""#, "alice", "user_mismatch"),
        (r#""alice\u0000""#, "alice", "user_mismatch"),
        (r#""alice\n""#, "alice", "user_mismatch"),
        (r#""alic""#, "alice", "user_mismatch"),
        (r#""alicee""#, "alice", "user_mismatch"),
        (r#""\u0061lice""#, "alice", "ok"),
        (r#""alice""#, "%61lice", "ok"),
        (r#""a b""#, "a%20b", "ok"),
        (r#""a%20b""#, "a%20b", "user_mismatch"),
        (r#""a+b""#, "a+b", "ok"),
        (r#""a b""#, "a+b", "user_mismatch"),
        (r#""a@example.com""#, "a@example.com", "ok"),
        (r#""a@example.com""#, "a%40example.com", "ok"),
        ("\"caf\u{e9}\"", "caf%C3%A9", "ok"),
        ("\"caf\u{e9}\"", "caf%c3%a9", "ok"),
        ("\"caf\u{e9}\"", "caf\u{e9}", "ok"),
        (r#""caf\u00e9""#, "caf%C3%A9", "ok"),
        ("\"cafe\u{301}\"", "cafe%CC%81", "ok"),
        ("\"caf\u{e9}\"", "cafe%CC%81", "user_mismatch"),
        ("\"cafe\u{301}\"", "caf%C3%A9", "user_mismatch"),
        ("\"\u{1f600}\"", "%F0%9F%98%80", "ok"),
        (r#""\ud83d\ude00""#, "%F0%9F%98%80", "ok"),
        ("\"\u{ff21}\"", "A", "user_mismatch"),
        ("\"\u{212a}\"", "K", "user_mismatch"),
        (r#""..a""#, "..a", "ok"),
        (r#""a\/b""#, "a", "user_mismatch"),
    ]);
}
