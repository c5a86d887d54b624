//! `jwt_user_scope_claim`: a name taken literally, or a JSON Pointer.

use crate::common::*;

#[test]
fn names_are_literal_and_pointers_are_pointers() {
    let cases = [
        ("uid", r#""uid":"alice""#, "ok"),
        ("sub", r#""sub":"alice","uid":"bob""#, "ok"),
        ("uid", r#""UID":"alice""#, "bad_claim"),
        ("uid", r#""u\u0069d":"alice""#, "ok"),
        ("user.id", r#""user.id":"alice""#, "ok"),
        ("user.id", r#""user":{"id":"alice"}"#, "bad_claim"),
        ("https://example.com/uid", r#""https://example.com/uid":"alice""#, "ok"),
        ("user id", r#""user id":"alice""#, "ok"),
        ("größe", r#""größe":"alice""#, "ok"),
        ("a~1b", r#""a~1b":"alice""#, "ok"),
        ("/uid", r#""uid":"alice""#, "ok"),
        ("/uid", r#""/uid":"alice""#, "bad_claim"),
        ("/user/id", r#""user":{"id":"alice"}"#, "ok"),
        ("/user/id", r#""user/id":"alice""#, "bad_claim"),
        ("/user/id", r#""user":"alice""#, "bad_claim"),
        ("/user/id", r#""user":{}"#, "bad_claim"),
        ("/user/id/x", r#""user":{"id":{"x":"alice"}}"#, "ok"),
        ("/a~1b", r#""a/b":"alice""#, "ok"),
        ("/a~0b", r#""a~b":"alice""#, "ok"),
        ("/~01", r#""~1":"alice""#, "ok"),
        ("/~01", r#""/":"alice""#, "bad_claim"),
        ("/", r#""":"alice""#, "ok"),
        ("//", r#""":{"":"alice"}"#, "ok"),
        ("/a.b/c", r#""a.b":{"c":"alice"}"#, "ok"),
        ("/users/0", r#""users":["alice","bob"]"#, "ok"),
        ("/users/1", r#""users":["bob","alice"]"#, "ok"),
        ("/users/1", r#""users":["alice","bob"]"#, "user_mismatch"),
        ("/users/1/id", r#""users":[{"id":"bob"},{"id":"alice"}]"#, "ok"),
        ("/users/2", r#""users":["alice","bob"]"#, "bad_claim"),
        ("/users/00", r#""users":["alice"]"#, "bad_claim"),
        ("/users/+0", r#""users":["alice"]"#, "bad_claim"),
        ("/users/-", r#""users":["alice"]"#, "bad_claim"),
        ("/users/18446744073709551616", r#""users":["alice"]"#, "bad_claim"),
        ("/users/0", r#""users":{"0":"alice"}"#, "ok"),
        ("/users/00", r#""users":{"00":"alice"}"#, "ok"),
        ("/users", r#""users":["bob","alice"]"#, "ok"),
        ("/uid/x", r#""uid":"alice""#, "bad_claim"),
    ];
    let locations = cases.iter().enumerate().map(|(at, (claim, ..))| {
        format!("location /{at}/ {{ jwt_user_scope $arg_user; jwt_user_scope_claim \"{claim}\"; empty_gif; }}\n")
    });
    let nginx = Setup::new().server(&locations.collect::<String>());
    for (at, (claim, payload, word)) in cases.into_iter().enumerate() {
        let response = get(format!("/{at}/?user=alice")).token(&token(claims(payload))).send(&nginx);
        expect(&format!("{claim} in {payload}"), word, &response);
    }
}

#[test]
fn mistakes_are_named_with_their_line() {
    let cases = [
        ("nothing", "jwt_user_scope_claim; # here"),
        ("two names", "jwt_user_scope_claim uid sub; # here"),
        ("an empty name", "jwt_user_scope_claim ''; # here"),
        ("an unknown escape", "jwt_user_scope_claim /a~2b; # here"),
        ("an unfinished escape", "jwt_user_scope_claim /a~; # here"),
        ("twice", "jwt_user_scope_claim uid;\njwt_user_scope_claim sub; # here"),
    ];
    for (name, lines) in cases {
        let conf = format!("server {{ listen unix:nginx.sock; location / {{\njwt_user_scope any;\n{lines}\n}} }}");
        let check = Setup::new().check(&conf);
        assert!(!check.accepted, "{name}: accepted");
        for part in ["jwt_user_scope_claim", &check.here] {
            assert!(check.stderr.contains(part), "{name}: no {part} in {}", check.stderr);
        }
    }
}
