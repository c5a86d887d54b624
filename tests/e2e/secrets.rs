//! `jwt_user_scope_secret`: where secrets come from.

use crate::common::*;

const OTHER: &str = "the other secret, which has 41 bytes in it";

fn by(secret: &str) -> String {
    sign(HEADER, claims(r#""uid":"alice""#), secret)
}

/// These lines in a location, and what the token signed with the usual and the other secret gets there.
fn location(setup: Setup, lines: &str, usual: &str, other: &str) {
    let nginx = setup.server(&format!("location / {{ jwt_user_scope any; {lines} empty_gif; }}"));
    expect(&format!("{lines} by the usual"), usual, &get("/").token(&by(SECRET)).send(&nginx));
    expect(&format!("{lines} by the other"), other, &get("/").token(&by(OTHER)).send(&nginx));
}

#[test]
fn come_from_the_environment_by_default() {
    location(Setup::new(), "", "ok", "bad_signature");
    location(Setup::new().env("BETTER_AUTH_SECRET", OTHER), "", "bad_signature", "ok");
    location(Setup::new(), "jwt_user_scope_secret env:BETTER_AUTH_SECRET;", "ok", "bad_signature");
}

#[test]
fn come_from_any_variable() {
    let setup = Setup::new().env("JWT_KEY_2", OTHER);
    location(setup, "jwt_user_scope_secret env:JWT_KEY_2;", "bad_signature", "ok");
    let setup = Setup::new().without_env().env("JWT_KEY_2", OTHER);
    location(setup, "jwt_user_scope_secret env:JWT_KEY_2;", "bad_signature", "ok");
}

#[test]
fn come_from_a_file_without_its_newline() {
    for content in [OTHER.to_owned(), format!("{OTHER}\n")] {
        let setup = Setup::new().without_env().file("other", content);
        location(setup, "jwt_user_scope_secret file:other;", "bad_signature", "ok");
    }
}

#[test]
fn come_from_a_file_named_by_its_whole_path() {
    let setup = Setup::new().without_env().file("other", OTHER);
    let path = setup.path("other").display().to_string();
    location(setup, &format!("jwt_user_scope_secret file:{path};"), "bad_signature", "ok");
}

#[test]
fn are_bytes_and_nothing_is_decoded() {
    let bytes: Vec<u8> = (0x80..=0xff).collect();
    let nginx = Setup::new()
        .without_env()
        .file("bytes", &bytes)
        .server("jwt_user_scope_secret file:bytes; location / { jwt_user_scope any; empty_gif; }");
    let token = sign(HEADER, claims(r#""uid":"alice""#), &bytes);
    expect("bytes", "ok", &get("/").token(&token).send(&nginx));

    let base64 = "c2l4dHkgY2hhcmFjdGVycyBvZiBiYXNlNjQsIGFzIHRoZXkgYXJlIGhlcmU=";
    let nginx = Setup::new().env("BETTER_AUTH_SECRET", base64).server("location / { jwt_user_scope any; empty_gif; }");
    expect("base64 as it is written", "ok", &get("/").token(&by(base64)).send(&nginx));
}

#[test]
fn of_32_bytes_suffice() {
    let ascii = "0123456789abcdef0123456789abcdef";
    for secret in [ascii.to_owned(), "\u{e9}".repeat(16)] {
        assert_eq!(secret.len(), 32);
        let nginx =
            Setup::new().env("BETTER_AUTH_SECRET", &secret).server("location / { jwt_user_scope any; empty_gif; }");
        expect(&secret, "ok", &get("/").token(&by(&secret)).send(&nginx));
    }
}

#[test]
fn longer_than_a_block_are_used_whole() {
    let secret = "a long secret ".repeat(20);
    let nginx = Setup::new().env("BETTER_AUTH_SECRET", &secret).server("location / { jwt_user_scope any; empty_gif; }");
    expect("whole", "ok", &get("/").token(&by(&secret)).send(&nginx));
    expect("a part", "bad_signature", &get("/").token(&by(&secret[..64])).send(&nginx));
}

#[test]
fn may_be_two_while_one_is_replaced() {
    let setup = Setup::new().file("other", OTHER);
    let lines = "jwt_user_scope_secret env:BETTER_AUTH_SECRET; jwt_user_scope_secret file:other;";
    location(setup, lines, "ok", "ok");
}

#[test]
fn of_a_level_replace_the_inherited_ones_whole() {
    let nginx = Setup::new().file("other", OTHER).server(
        "jwt_user_scope any;
        jwt_user_scope_secret env:BETTER_AUTH_SECRET;
        location / { empty_gif; }
        location /other/ { jwt_user_scope_secret file:other; empty_gif; location /other/in/ { empty_gif; } }",
    );
    let cases =
        [("/", "ok", "bad_signature"), ("/other/", "bad_signature", "ok"), ("/other/in/", "bad_signature", "ok")];
    for (path, usual, other) in cases {
        expect(path, usual, &get(path).token(&by(SECRET)).send(&nginx));
        expect(path, other, &get(path).token(&by(OTHER)).send(&nginx));
    }
}

#[test]
fn of_one_host_open_no_other() {
    let nginx = Setup::new().file("other", OTHER).http(
        "jwt_user_scope any;
        add_header X-Result $jwt_user_scope_result always;
        server { listen unix:nginx.sock; server_name usual; location / { empty_gif; } }
        server {
            listen unix:nginx.sock; server_name other; jwt_user_scope_secret file:other; location / { empty_gif; }
        }",
    );
    let mut client = nginx.client();
    let mut ask = |host: &str, secret: &str| {
        let token = by(secret);
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes());
        client.receive("GET")
    };
    for (host, secret, word) in [
        ("usual", SECRET, "ok"),
        ("other", SECRET, "bad_signature"),
        ("other", OTHER, "ok"),
        ("usual", OTHER, "bad_signature"),
    ] {
        expect(&format!("{host} with {secret}"), word, &ask(host, secret));
    }
}

#[test]
fn are_read_once_and_not_for_each_request() {
    let setup = Setup::new().without_env().file("other", OTHER);
    let nginx = setup.server("jwt_user_scope_secret file:other; location / { jwt_user_scope any; empty_gif; }");
    std::fs::remove_file(nginx.path("other")).expect("the file is there");
    expect("after the file is gone", "ok", &get("/").token(&by(OTHER)).send(&nginx));
}
