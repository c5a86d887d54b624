//! Where keys come from and which of them a token may use: files, encodings, `kid=`, `issuer=`, `versioned`, repetition.

use crate::common::*;

const ONE: &str = "the first secret of these tests - long enough for HS512: 0123456789abcdef";
const TWO: &str = "the second secret of these tests - long enough for HS512: 0123456789abcdef";
const OLD: &str = "the third secret of these tests - long enough for HS512: 0123456789abcdef";

fn setup() -> Setup {
    let keys = ["rsa.pem", "p256.pem", "p384.crt", "p521.jwk", "ed25519.jwk", "rsa.pkcs1.pem"];
    let setup = keys.iter().fold(Setup::new().without_env(), |setup, key| setup.file(key, fixture(key)));
    setup.file("one", ONE).file("two", TWO).file("old", OLD).file("secret", FIXTURE_SECRET)
}

/// A token under HS256, with or without a `kid` and an `iss`.
fn by(secret: impl AsRef<[u8]>, kid: Option<&str>, issuer: Option<&str>) -> String {
    let kid = kid.map(|kid| format!(r#","kid":"{kid}""#)).unwrap_or_default();
    let issuer = issuer.map(|issuer| format!(r#","iss":"{issuer}""#)).unwrap_or_default();
    sign(format!(r#"{{"alg":"HS256"{kid}}}"#), claims(&format!(r#""uid":"A"{issuer}"#)), secret)
}

/// These lines in a location, and what tokens are worth there.
fn assert_worth(setup: Setup, lines: &str, tokens: &[(&str, &str, String)]) {
    let nginx = setup.server(&format!("location / {{ jwt_user_scope any; {lines} empty_gif; }}"));
    let mut client = nginx.client();
    for (name, word, token) in tokens {
        expect(&format!("{name} with {lines}"), word, &client.ask(&get("/").token(token)));
    }
}

#[test]
fn secrets_are_decoded_as_they_say() {
    let bytes: Vec<u8> = (0..48).map(|i| i * 5).collect();
    let hex: String = bytes.iter().map(|b| format!("{b:02x}")).collect();
    use base64::engine::{
        Engine,
        general_purpose::{STANDARD, URL_SAFE},
    };
    let wrapped = STANDARD.encode(&bytes).replacen('A', "A\n", 1);
    let rows = [
        ("hex", hex.clone()),
        ("hex", hex.to_uppercase()),
        ("base64", STANDARD.encode(&bytes)),
        ("base64", STANDARD.encode(&bytes).trim_end_matches('=').into()),
        ("base64", wrapped),
        ("base64url", b64(&bytes)),
        ("base64url", URL_SAFE.encode(&bytes)),
    ];
    for (encoding, text) in rows {
        let worth = |text: &str| {
            [("the bytes", "ok", by(&bytes, None, None)), ("the text", "bad_signature", by(text, None, None))]
        };
        let from_file = format!("jwt_user_scope_secret file:key encoding={encoding};");
        assert_worth(setup().file("key", format!("{text}\n")), &from_file, &worth(&text));
        let from_variable = format!("jwt_user_scope_secret env:KEY encoding={encoding};");
        assert_worth(setup().env("KEY", &text), &from_variable, &worth(&text));
    }
    let text = STANDARD.encode(&bytes);
    let tokens = [("the text", "ok", by(&text, None, None)), ("the bytes", "bad_signature", by(&bytes, None, None))];
    assert_worth(setup().env("KEY", &text), "jwt_user_scope_secret env:KEY encoding=utf8;", &tokens);
}

#[test]
fn a_line_end_of_a_file_is_not_part_of_the_secret() {
    for (end, part) in [("\n", ""), ("\r\n", ""), ("\n\n", "\n"), (" ", " ")] {
        let tokens = [("exactly", "ok", by(format!("{ONE}{part}"), None, None))];
        assert_worth(setup().file("key", format!("{ONE}{end}")), "jwt_user_scope_secret file:key;", &tokens);
    }
}

#[test]
fn a_kid_selects_its_key_and_those_without_one() {
    let lines = "jwt_user_scope_secret file:one kid=1; jwt_user_scope_secret file:two kid=2;";
    let tokens = [
        ("1 by its key", "ok", by(ONE, Some("1"), None)),
        ("2 by its key", "ok", by(TWO, Some("2"), None)),
        ("1 by the other's", "bad_signature", by(TWO, Some("1"), None)),
        ("another kid", "unknown_key", by(ONE, Some("3"), None)),
        ("no kid", "ok", by(TWO, None, None)),
    ];
    assert_worth(setup(), lines, &tokens);
    let tokens = [
        ("any kid by the key without one", "ok", by(TWO, Some("3"), None)),
        ("any kid by another key", "bad_signature", by(ONE, Some("3"), None)),
        ("1 by the key without one", "ok", by(TWO, Some("1"), None)),
    ];
    assert_worth(setup(), "jwt_user_scope_secret file:one kid=1; jwt_user_scope_secret file:two;", &tokens);
    let tokens = [
        ("no kid", "ok", fixture_token("ES256")),
        ("no kid, the other file", "ok", fixture_token("ES384")),
        ("no kid, a file with kids of its own", "ok", fixture_token("EdDSA")),
    ];
    let files = "jwt_user_scope_key_file p256.pem kid=a; jwt_user_scope_key_file p384.crt kid=b;
        jwt_user_scope_key_file ed25519.jwk;";
    assert_worth(setup(), files, &tokens);
}

#[test]
fn a_key_of_an_issuer_verifies_its_tokens_only() {
    let lines = "jwt_user_scope_secret file:one issuer=https://one; jwt_user_scope_secret file:two issuer=https://two;
        jwt_user_scope_key_file p256.pem issuer=https://auth.example; jwt_user_scope_key_file p384.crt issuer=https://one;";
    let tokens = [
        ("one's by its key", "ok", by(ONE, None, Some("https://one"))),
        ("two's by its key", "ok", by(TWO, None, Some("https://two"))),
        ("one's by two's key", "bad_issuer", by(TWO, None, Some("https://one"))),
        ("nobody's", "bad_issuer", by(ONE, None, None)),
        ("somebody else's", "bad_issuer", by(ONE, None, Some("https://one/"))),
        ("a file's by its key", "ok", fixture_token("ES256")),
        ("a file's by another's key", "bad_issuer", fixture_token("ES384")),
    ];
    assert_worth(setup(), lines, &tokens);
}

#[test]
fn an_accepted_issuer_does_not_free_a_key_from_its_own() {
    let lines = "jwt_user_scope_issuer https://one https://two; jwt_user_scope_secret file:one issuer=https://one;
        jwt_user_scope_secret file:two; jwt_user_scope_secret file:old issuer=https://old;";
    let tokens = [
        ("one's", "ok", by(ONE, None, Some("https://one"))),
        ("two's by one's key", "bad_issuer", by(ONE, None, Some("https://two"))),
        ("two's by the key of everybody", "ok", by(TWO, None, Some("https://two"))),
        ("one's by the key of everybody", "ok", by(TWO, None, Some("https://one"))),
        ("one that is not accepted, by its key", "bad_issuer", by(OLD, None, Some("https://old"))),
    ];
    assert_worth(setup(), lines, &tokens);
}

#[test]
fn versions_are_secrets_each() {
    let versioned = format!(" 2:{TWO}, 1:{ONE}\n");
    let tokens = [
        ("the first", "ok", by(ONE, None, None)),
        ("the second", "ok", by(TWO, None, None)),
        ("another", "bad_signature", by(OLD, None, None)),
        ("with its version", "bad_signature", by(format!("1:{ONE}"), None, None)),
        ("the whole text", "bad_signature", by(versioned.trim_end(), None, None)),
    ];
    let (file, variable) =
        ("jwt_user_scope_secret file:key versioned;", "jwt_user_scope_secret env:BETTER_AUTH_SECRETS versioned;");
    assert_worth(setup().file("key", &versioned), file, &tokens);
    assert_worth(setup().env("BETTER_AUTH_SECRETS", versioned.trim_end()), variable, &tokens);

    let hex = |text: &str| text.bytes().map(|b| format!("{b:02x}")).collect::<String>();
    let tokens = [("the first", "ok", by(ONE, Some("k"), None)), ("the second", "ok", by(TWO, None, None))];
    let encoded = setup().file("key", format!("7:{},3:{}", hex(TWO), hex(ONE)));
    assert_worth(encoded, "jwt_user_scope_secret file:key versioned encoding=hex kid=k;", &tokens);
}

#[test]
fn keys_of_one_level_are_one_list() {
    let set = format!("{{\"keys\":[{}]}}", fixture("ed25519.jwk"));
    let nginx = setup().file("set", &set).file("set2", key_set(&[&Issuer::new("second")])).server(
        "location / {
            jwt_user_scope any;
            jwt_user_scope_secret file:one;
            jwt_user_scope_key_file p256.pem;
            jwt_user_scope_key_request /_jwks;
            jwt_user_scope_secret file:two;
            jwt_user_scope_key_request /_second;
            jwt_user_scope_key_file p384.crt;
            jwt_user_scope_secret file:old;
            empty_gif;
        }
        location = /_jwks { internal; root .; try_files /set =404; }
        location = /_second { internal; root .; try_files /set2 =404; }",
    );
    nginx.gives("/_jwks", set);
    nginx.gives("/_second", key_set(&[&Issuer::new("second")]));
    let second = Issuer::new("second").token("A");
    for token in [second, by(ONE, None, None), by(TWO, None, None), by(OLD, None, None)] {
        expect("a key", "ok", &get("/").token(&token).send(&nginx));
    }
    for algorithm in ["ES256", "ES384", "EdDSA"] {
        expect(algorithm, "ok", &get("/").token(&fixture_token(algorithm)).send(&nginx));
    }
    expect("another key", "bad_signature", &get("/").token(&by(SECRET, None, None)).send(&nginx));
}

/// Each kind of key at the outer level, and each at the inner one.
#[test]
fn a_location_that_sets_its_own_keys_trusts_none_of_the_inherited_ones() {
    let (outer, inner) = (Issuer::new("outer"), Issuer::new("inner"));
    let outer_keys = [
        ("jwt_user_scope_secret file:one;", by(ONE, None, None)),
        ("jwt_user_scope_key_file p256.pem;", fixture_token("ES256")),
        ("jwt_user_scope_key_request /_outer;", outer.token("A")),
    ];
    let inner_keys = [
        ("secret", "jwt_user_scope_secret file:two;", by(TWO, None, None)),
        ("file", "jwt_user_scope_key_file ed25519.jwk;", fixture_token("EdDSA")),
        ("request", "jwt_user_scope_key_request /_inner;", inner.token("A")),
    ];
    let all: String = outer_keys.iter().map(|(line, _)| *line).collect();
    let locations: String =
        inner_keys.iter().map(|(name, line, _)| format!("location /{name}/ {{ {line} empty_gif; }}\n")).collect();
    let nginx = setup().file("outer", key_set(&[&outer])).file("inner", key_set(&[&inner])).server(&format!(
        "jwt_user_scope any; {all}
        location / {{ empty_gif; }}
        {locations}
        location /limited/ {{ limit_except POST {{ jwt_user_scope_secret file:two; }} empty_gif; }}
        location = /_outer {{ internal; root .; try_files /outer =404; }}
        location = /_inner {{ internal; root .; try_files /inner =404; }}"
    ));
    nginx.gives("/_outer", key_set(&[&outer]));
    nginx.gives("/_inner", key_set(&[&inner]));
    for (line, token) in &outer_keys {
        expect(line, "ok", &get("/").token(token).send(&nginx));
        for (name, inner_line, own) in &inner_keys {
            expect(inner_line, "ok", &get(format!("/{name}/")).token(own).send(&nginx));
            let response = get(format!("/{name}/")).token(token).send(&nginx);
            assert_eq!(response.status, 401, "{line} trusted beside {inner_line}: {response:?}");
            assert_eq!(get("/").token(own).send(&nginx).status, 401, "{inner_line} trusted outside");
        }
        assert_eq!(get("/limited/").token(token).send(&nginx).status, 401, "{line} in limit_except");
        let posted = request("POST", "/limited/").token(token).body(vec![]).send(&nginx);
        assert_eq!(posted.header("X-Result"), Some("ok"), "{line} for POST: {posted:?}");
    }
}

#[test]
fn a_location_that_sets_only_algorithms_has_the_inherited_keys() {
    let nginx = setup().server(
        "jwt_user_scope any; jwt_user_scope_key_file rsa.pem; jwt_user_scope_secret file:secret;
        location / { empty_gif; }
        location /ps/ { jwt_user_scope_algorithms PS256 HS512; empty_gif; }
        location /ps/off/ { jwt_user_scope_algorithms off; empty_gif; }",
    );
    for (path, algorithm, word) in [
        ("/", "RS256", "ok"),
        ("/", "PS256", "unsupported_algorithm"),
        ("/ps/", "PS256", "ok"),
        ("/ps/", "HS512", "ok"),
        ("/ps/", "RS256", "unsupported_algorithm"),
        ("/ps/", "HS256", "unsupported_algorithm"),
        ("/ps/off/", "RS256", "ok"),
        ("/ps/off/", "PS256", "unsupported_algorithm"),
    ] {
        expect(&format!("{algorithm} at {path}"), word, &get(path).token(&fixture_token(algorithm)).send(&nginx));
    }
}

#[test]
fn a_set_in_a_file_may_hold_keys_for_something_else() {
    let others = [
        r#"{"kty":"oct","k":"c2VjcmV0","kid":"a"}"#.to_owned(),
        r#"{"kty":"AKP","alg":"ML-DSA-44","kid":"b"}"#.into(),
        fixture("secp256k1.jwk"),
        fixture("x25519.jwk"),
        fixture("rsa.jwk").replacen('{', r#"{"use":"enc","#, 1),
        fixture("p384.jwk").replacen('{', r#"{"key_ops":["sign"],"#, 1),
    ];
    let set = format!("{{\"keys\":[{},{}]}}", others.join(","), fixture("p256.jwk"));
    let tokens = [
        ("the key that verifies", "ok", fixture_token("ES256")),
        ("the key for encryption", "unsupported_algorithm", fixture_token("RS256")),
        ("the key for signing", "unsupported_algorithm", fixture_token("ES384")),
    ];
    assert_worth(setup().file("set", set), "jwt_user_scope_key_file set;", &tokens);
}
