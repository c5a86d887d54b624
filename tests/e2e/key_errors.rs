//! Keys that cannot be used: `nginx -t` names directive, file, line and remedy, and shows no secret.

use crate::common::*;

/// What a message must never show.
const HIDDEN: [&str; 5] = [LITERAL, SHORT, "MIIEvQIBADANBgkq", "2:0123456789", "not-hex-at-all"];
const LITERAL: &str = "a-literal-secret-of-more-than-32-bytes";
const SHORT: &str = "0123456789abcdef0123456789abcdef0123456789abcde";
const PRIVATE: &str = "-----BEGIN PRIVATE KEY-----\nMIIEvQIBADANBgkq\n-----END PRIVATE KEY-----\n";

fn setup() -> Setup {
    let unfit = ["rsa1024", "secp256k1", "ed448", "x25519"].map(|key| ["pem", "jwk"].map(|end| format!("{key}.{end}")));
    let fit = ["rsa.pem", "rsa.crt", "p256.pem", "p256.jwk", "ed25519.jwk"].map(str::to_owned);
    let setup = unfit.into_iter().flatten().chain(fit).fold(Setup::new().without_env(), |setup, name| {
        let content = fixture(&name);
        setup.file(&name, content)
    });
    let rsa = fixture("rsa.jwk");
    setup
        .file("secret", FIXTURE_SECRET)
        .file("short", SHORT)
        .file("private.pem", PRIVATE)
        .file("private.jwk", rsa.replacen('{', r#"{"d":"MIIEvQIBADANBgkq","#, 1))
        .file("oct.jwk", format!(r#"{{"kty":"oct","k":"{}"}}"#, b64(LITERAL)))
        .file("oct.jwks", format!(r#"{{"keys":[{{"kty":"oct","k":"{}"}}]}}"#, b64(LITERAL)))
        .file("weak.jwks", format!(r#"{{"keys":[{},{}]}}"#, fixture("p256.jwk"), fixture("rsa1024.jwk")))
        .file("empty.jwks", r#"{"keys":[]}"#)
        .file("enc.jwk", rsa.replacen('{', r#"{"use":"enc","#, 1))
        .file("empty", "")
        .file("text", LITERAL)
        .file("cut.pem", &fixture("rsa.pem")[..200])
        .file("cut.jwks", r#"{"keys":[{"kty":"RSA""#)
        .file("object", "{}")
        .file("large", vec![b' '; 256 * 1024 + 1])
        .file("versions", format!("2:{SHORT},1:{SHORT}"))
        .file("unversioned", format!("2:{SHORT},{SHORT}"))
        .file("nothex", "not-hex-at-all-and-long-enough-for-a-secret")
}

/// Rows of lines, of which the last is at fault, and what the message says beside directive, file and line.
fn assert_refused(rows: &[(&str, &[&str])]) {
    let setup = setup();
    for (lines, says) in rows {
        let check = setup.check(&format!(
            "server {{ listen unix:nginx.sock; location / {{ jwt_user_scope any;\n{lines}; # here\n}} }}"
        ));
        assert!(!check.accepted, "{lines}: accepted");
        let line = lines.lines().last().expect("a line");
        let directive = line.split(' ').next().expect("a directive");
        let emerg: Vec<_> = check.stderr.lines().filter(|line| line.contains("[emerg]")).collect();
        let [message] = &emerg[..] else { panic!("not one message for {lines}: {}", check.stderr) };
        for part in [directive, &check.here].iter().chain(*says) {
            assert!(message.contains(part), "{lines}: no {part} in {message}");
        }
        for hidden in HIDDEN {
            assert!(!check.stderr.contains(hidden), "{lines}: {hidden} is shown in {}", check.stderr);
        }
    }
}

#[test]
fn of_key_files() {
    assert_refused(&[
        ("jwt_user_scope_key_file absent", &["absent", "No such file"]),
        ("jwt_user_scope_key_file .", &["cannot be read"]),
        ("jwt_user_scope_key_file empty", &["empty", "neither PEM"]),
        ("jwt_user_scope_key_file text", &["neither PEM"]),
        ("jwt_user_scope_key_file object", &["neither a JWK nor a JWK Set"]),
        ("jwt_user_scope_key_file cut.pem", &["cannot be parsed"]),
        ("jwt_user_scope_key_file cut.jwks", &["neither a JWK nor a JWK Set"]),
        ("jwt_user_scope_key_file large", &["larger than 256 KiB"]),
        ("jwt_user_scope_key_file rsa1024.pem", &["under 2048 bits"]),
        ("jwt_user_scope_key_file rsa1024.jwk", &["under 2048 bits"]),
        ("jwt_user_scope_key_file weak.jwks", &["under 2048 bits", "key 2"]),
        ("jwt_user_scope_key_file secp256k1.pem", &["unsupported type"]),
        ("jwt_user_scope_key_file secp256k1.jwk", &["unsupported type"]),
        ("jwt_user_scope_key_file ed448.pem", &["unsupported type"]),
        ("jwt_user_scope_key_file ed448.jwk", &["unsupported type"]),
        ("jwt_user_scope_key_file x25519.pem", &["unsupported type"]),
        ("jwt_user_scope_key_file x25519.jwk", &["unsupported type"]),
        ("jwt_user_scope_key_file private.pem", &["is private"]),
        ("jwt_user_scope_key_file private.jwk", &["is private"]),
        ("jwt_user_scope_key_file oct.jwk", &["shared secret", "jwt_user_scope_secret"]),
        ("jwt_user_scope_key_file oct.jwks", &["no key to verify"]),
        ("jwt_user_scope_key_file empty.jwks", &["no key to verify"]),
        ("jwt_user_scope_key_file enc.jwk", &["not for verifying"]),
        ("jwt_user_scope_key_file p256.jwk kid=another", &["kid"]),
        ("jwt_user_scope_key_file \"\"", &["empty path"]),
        ("jwt_user_scope_key_file", &["number of arguments"]),
    ]);
}

#[test]
fn of_algorithms() {
    assert_refused(&[
        ("jwt_user_scope_algorithms none", &["\"none\"", "without a signature"]),
        ("jwt_user_scope_algorithms HS256 None", &["\"None\"", "without a signature"]),
        ("jwt_user_scope_algorithms hs256", &["\"hs256\"", "exactly this case"]),
        ("jwt_user_scope_algorithms ES256K", &["unknown"]),
        ("jwt_user_scope_algorithms HS256,RS256", &["unknown"]),
        ("jwt_user_scope_algorithms HS256 off", &["\"off\""]),
        ("jwt_user_scope_algorithms \"\"", &["unknown"]),
        ("jwt_user_scope_algorithms", &["number of arguments"]),
        ("jwt_user_scope_algorithms HS256;\njwt_user_scope_algorithms RS256", &["is duplicate"]),
    ]);
}

#[test]
fn of_keys_that_no_allowed_algorithm_uses() {
    assert_refused(&[
        ("jwt_user_scope_algorithms HS256;\njwt_user_scope_key_file rsa.pem", &["no allowed algorithm"]),
        ("jwt_user_scope_algorithms ES256 PS256;\njwt_user_scope_key_file ed25519.jwk", &["no allowed algorithm"]),
        ("jwt_user_scope_algorithms RS256;\njwt_user_scope_secret file:secret", &["no allowed algorithm"]),
        ("jwt_user_scope_algorithms HS384;\njwt_user_scope_secret file:short", &["48 bytes"]),
        ("jwt_user_scope_algorithms HS256 HS512;\njwt_user_scope_secret file:short", &["64 bytes"]),
    ]);
}

#[test]
fn of_secrets() {
    assert_refused(&[
        (&format!("jwt_user_scope_secret {LITERAL}"), &["env:", "file:"]),
        (&format!("jwt_user_scope_secret file:secret {LITERAL}"), &["invalid parameter"]),
        ("jwt_user_scope_secret file:secret encoding=rot13", &["utf8", "hex", "base64", "base64url"]),
        ("jwt_user_scope_secret file:secret encoding=", &["utf8"]),
        ("jwt_user_scope_secret file:secret encoding=hex encoding=hex", &["invalid parameter"]),
        ("jwt_user_scope_secret file:secret kid=", &["invalid parameter"]),
        ("jwt_user_scope_secret file:secret kid=1 kid=2", &["invalid parameter"]),
        ("jwt_user_scope_secret file:secret issuer=", &["invalid parameter"]),
        ("jwt_user_scope_secret file:secret versioned=on", &["invalid parameter"]),
        ("jwt_user_scope_secret file:secret valid=10m", &["invalid parameter", "\"versioned\", each once"]),
        ("jwt_user_scope_secret file:nothex encoding=hex", &["nothex", "is not hex"]),
        ("jwt_user_scope_secret file:nothex encoding=base64", &["nothex", "is not base64"]),
        ("jwt_user_scope_secret file:secret versioned", &["no list of versions"]),
        ("jwt_user_scope_secret file:unversioned versioned", &["no list of versions"]),
        ("jwt_user_scope_algorithms HS512;\njwt_user_scope_secret file:versions versioned", &["64 bytes"]),
        ("jwt_user_scope_secret file:private.pem", &["PEM"]),
        ("jwt_user_scope_secret file:rsa.pem", &["PEM"]),
    ]);
}

#[test]
fn of_key_requests() {
    assert_refused(&[
        ("jwt_user_scope_key_request _jwks", &["path of a location"]),
        ("jwt_user_scope_key_request https://auth.example/jwks", &["path of a location"]),
        ("jwt_user_scope_key_request /jwks/$host", &["without variables"]),
        ("jwt_user_scope_key_request \"\"", &["path of a location"]),
        ("jwt_user_scope_key_request /_jwks valid=0", &["time", "not 0"]),
        ("jwt_user_scope_key_request /_jwks valid=500ms", &["time", "whole seconds"]),
        ("jwt_user_scope_key_request /_jwks valid=soon", &["time"]),
        ("jwt_user_scope_key_request /_jwks stale=-1", &["time"]),
        ("jwt_user_scope_key_request /_jwks valid=1m valid=1m", &["invalid parameter"]),
        ("jwt_user_scope_key_request /_jwks valid=2h stale=1h", &["stale", "shorter"]),
        ("jwt_user_scope_key_request /_jwks valid=25h", &["stale", "shorter", "86400 and 90000 seconds"]),
        ("jwt_user_scope_key_request /_jwks stale=5m", &["stale", "shorter", "300 and 600 seconds"]),
        ("jwt_user_scope_algorithms HS256 HS384 HS512;\njwt_user_scope_key_request /_jwks", &["/_jwks", "add one"]),
        ("jwt_user_scope_key_request /_jwks kid=1", &["invalid parameter"]),
        ("jwt_user_scope_key_request /_jwks issuer=", &["invalid parameter"]),
        ("jwt_user_scope_key_request", &["number of arguments"]),
    ]);
}

#[test]
fn name_the_line_of_the_key_and_not_of_the_check() {
    let check = setup().check(
        "jwt_user_scope_key_file rsa.pem;
        server {
            listen unix:nginx.sock;
            jwt_user_scope_key_file p256.pem;
            jwt_user_scope_key_file rsa1024.pem; # here
            location / { jwt_user_scope off; }
            location /checked/ { jwt_user_scope any; }
        }",
    );
    assert!(!check.accepted && check.stderr.contains(&check.here), "{}", check.stderr);
}

#[test]
fn more_than_eight_keys_of_one_kid_or_without_are_refused() {
    let secrets = |count: usize| (0..count).map(|i| format!("jwt_user_scope_secret file:{i};\n")).collect::<String>();
    let setup =
        (0..9).fold(Setup::new().without_env(), |setup, i| setup.file(&i.to_string(), format!("{i}{FIXTURE_SECRET}")));
    let check =
        |lines: &str| setup.check(&format!("server {{ listen unix:nginx.sock; jwt_user_scope any;\n{lines} }}"));
    let eight = check(&secrets(8));
    assert!(eight.accepted, "{}", eight.stderr);
    for kid in ["", " kid=k"] {
        let nine = check(
            &secrets(9)
                .replace(';', &format!("{kid};"))
                .replace(&format!("file:8{kid};"), &format!("file:8{kid}; # here")),
        );
        assert!(!nine.accepted && nine.stderr.contains(&nine.here) && nine.stderr.contains('8'), "{}", nine.stderr);
    }
    let named =
        check(&(0..9).fold(secrets(9), |lines, i| lines.replace(&format!("file:{i};"), &format!("file:{i} kid={i};"))));
    assert!(named.accepted, "{}", named.stderr);
}

#[test]
fn are_none_where_nothing_is_checked() {
    for body in [
        "jwt_user_scope_key_file absent; server { location / { } }",
        "jwt_user_scope_key_file rsa1024.pem; server { location / { jwt_user_scope off; } }",
        "jwt_user_scope_key_file absent; server { location / { jwt_user_scope any; jwt_user_scope_key_file rsa.pem; } }",
        "jwt_user_scope_algorithms ES256; server { location / { jwt_user_scope_key_file rsa.pem; } }",
    ] {
        let check = setup().check(&body.replace("server {", "server { listen unix:nginx.sock;"));
        assert!(check.accepted, "{body}: {}", check.stderr);
    }
}
