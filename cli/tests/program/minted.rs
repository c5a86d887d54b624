//! Tokens for tests: whatever a location trusts, it trusts a token of `mint`.

use aws_lc_rs::encoding::AsDer as _;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, ECDSA_P521_SHA512_FIXED_SIGNING, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair as _, RsaKeyPair,
};

use crate::common::*;

#[test]
fn a_minted_token_is_let_in() {
    let rows = [
        "",
        "jwt_user_scope_claim sub;",
        "jwt_user_scope_claim /app_metadata/user~1id;",
        "jwt_user_scope_issuer https://a https://b; jwt_user_scope_audience api;",
        "jwt_user_scope_type at+jwt;",
        "jwt_user_scope_max_lifetime 5m;",
        "jwt_user_scope_algorithms HS384;",
        "jwt_user_scope_algorithms ES256 HS256;",
        "jwt_user_scope_secret file:written kid=one issuer=https://a;",
        "jwt_user_scope_secret file:hex encoding=hex;",
        "jwt_user_scope_secret file:base64 encoding=base64; jwt_user_scope_algorithms HS512;",
        "jwt_user_scope_secret file:versions versioned;",
    ];
    for directives in rows {
        let room = Room::new(&LOCATION.replace("on;", &format!("on; {directives}")));
        room.write("written", format!("{SECRET}\r\n"));
        room.write("hex", "00112233445566778899aabbccddeeff".repeat(2));
        room.write("base64", "QUJD".repeat(22));
        room.write("versions", format!("2:{SECRET}-2,1:{SECRET}-1"));
        let token = room.mint(&["--user", "A"]);
        let said = room.explain(&["--path", "/api/users/A"], &token);
        assert_eq!(said.word(), "ok", "{directives}: {said:?}");
        assert_eq!(room.explain(&["--path", "/api/users/B"], &token).word(), "user_mismatch", "{directives}");
    }
}

/// A private key and its public half, as PEM.
fn pair(kind: &str) -> (String, String) {
    let written = |tag: &str, der: &[u8]| pem::encode(&pem::Pem::new(tag, der));
    let ecdsa = |curve| {
        let key = EcdsaKeyPair::generate(curve).expect("a key");
        (
            key.to_pkcs8v1().expect("PKCS #8").as_ref().to_vec(),
            key.public_key().as_der().expect("a key").as_ref().to_vec(),
        )
    };
    let (private, public) = match kind {
        "ed25519" => {
            let key = Ed25519KeyPair::generate().expect("a key");
            let private = key.to_pkcs8v1().expect("PKCS #8").as_ref().to_vec();
            (private, key.public_key().as_der().expect("a key").as_ref().to_vec())
        }
        "p256" => ecdsa(&ECDSA_P256_SHA256_FIXED_SIGNING),
        "p384" => ecdsa(&ECDSA_P384_SHA384_FIXED_SIGNING),
        "p521" => ecdsa(&ECDSA_P521_SHA512_FIXED_SIGNING),
        _ => {
            let key = RsaKeyPair::generate(KeySize::Rsa2048).expect("a key");
            (
                key.as_der().expect("PKCS #8").as_ref().to_vec(),
                key.public_key().as_der().expect("a key").as_ref().to_vec(),
            )
        }
    };
    (written("PRIVATE KEY", &private), written("PUBLIC KEY", &public))
}

#[test]
fn a_private_key_signs_too() {
    let rows: [(&str, &[&str]); 5] = [
        ("ed25519", &["EdDSA", "Ed25519"]),
        ("p256", &["ES256"]),
        ("p384", &["ES384"]),
        ("p521", &["ES512"]),
        ("rsa", &["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]),
    ];
    for (kind, algorithms) in rows {
        let (private, public) = pair(kind);
        for algorithm in algorithms {
            let list = format!("on; jwt_user_scope_key_file public.pem; jwt_user_scope_algorithms {algorithm};");
            let room = Room::new(&LOCATION.replace("on;", &list));
            room.write("private.pem", &private);
            room.write("public.pem", &public);
            for options in [
                &["--user", "A", "--key", "private.pem"][..],
                &["--user", "A", "--key", "private.pem", "--alg", algorithm],
            ] {
                let token = room.mint(options);
                let said = room.explain(&["--path", "/api/users/A"], &token);
                assert_eq!(said.word(), "ok", "{algorithm} {options:?}: {said:?}");
            }
        }
    }
}

#[test]
fn a_token_can_be_wrong_on_purpose() {
    let room = Room::new(&LOCATION.replace("on;", "on; jwt_user_scope_issuer us;"));
    let rows: [(&[&str], &str); 7] = [
        (&["--expires-in", "-1h"], "expired"),
        (&["--claim", "nbf:=1000060"], "not_yet_valid"),
        (&["--claim", "iss=them"], "bad_issuer"),
        (&["--claim", "uid:=null"], "bad_claim"),
        (&["--claim", "exp=soon"], "bad_claim"),
        (&["--header", "typ=session"], "bad_type"),
        (&["--header", "crit:=[\"exp\"]"], "malformed_token"),
    ];
    for (options, word) in rows {
        let arguments = [&["mint", "--config", "location.conf", "--at", NOW, "--user", "A"], options].concat();
        let minted = room.run(&arguments, "");
        assert!(minted.stderr.contains(&format!("the location refuses it: {word}\n")), "{options:?}: {minted:?}");
        assert_eq!(room.explain(&["--path", "/api/users/A"], minted.stdout.trim_end()).word(), word, "{options:?}");
    }
    let token = room.mint(&["--user", "A", "--expires-in", "1d"]);
    let said = room.explain(&["--path", "/api/users/A"], &token);
    assert!(said.step("exp").contains("in 1d"), "{said:?}");
}

#[test]
fn mint_says_what_the_token_is_for() {
    let room = Room::new(LOCATION);
    let said = room.run(&["mint", "--config", "location.conf", "--user", "A"], "");
    assert_eq!(said.status, 0);
    assert!(said.stdout.ends_with('\n') && said.stdout.trim_end().split('.').count() == 3, "nothing but the token");
    assert_eq!(said.stderr, "jwt-user-scope: for tests: whoever has this token is let in as long as it is valid\n");
}

#[test]
fn what_cannot_be_signed_is_said() {
    let (private, public) = pair("ed25519");
    let rows: [(&str, &[&str], &str); 6] = [
        ("jwt_user_scope_key_file public.pem;", &[], "the location has public keys only"),
        ("", &["--key", "gone.pem"], "private key \"gone.pem\" cannot be read"),
        ("", &["--key", "location.conf"], "private key \"location.conf\" is no PEM file"),
        ("", &["--key", "public.pem"], "private key \"public.pem\" is no private key"),
        ("", &["--key", "private.pem", "--alg", "HS256"], "this key signs with EdDSA, Ed25519"),
        ("", &["--alg", "none"], "this key signs with HS256, HS384, HS512"),
    ];
    for (directives, options, problem) in rows {
        let room = Room::new(&LOCATION.replace("on;", &format!("on; {directives}")));
        room.write("private.pem", &private);
        room.write("public.pem", &public);
        let said = room.run(&[&["mint", "--config", "location.conf", "--user", "A"], options].concat(), "");
        assert_eq!((said.status, &said.stdout[..]), (2, ""), "{options:?}: {said:?}");
        assert!(said.stderr.contains(problem), "{options:?}: {said:?}");
    }
    let room = Room::new("location /a { jwt_user_scope any; } location /b { jwt_user_scope any; }");
    let said = room.run(&["mint", "--config", "location.conf", "--user", "A"], "");
    assert!(said.stderr.contains("choose one with --path <path>"), "{said:?}");
}
