//! Key files: what is read from them, what is skipped, and what `nginx -t` refuses.

use authz::{
    Denied, Granted, KeyError, KeyFileError, KeySetError, Keys, MAX_SET_BYTES, MAX_SET_KEYS, SecretError, SecretForm,
};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{SECRET, allow, data, json as read_json, jwk, jwks, label, outcome, token, with_file};

type Added = Result<(), KeyFileError>;

fn add(content: &[u8]) -> Added {
    Keys::default().add_key_file(content, &label(None, None))
}

fn unfit(error: KeyError) -> Added {
    Err(KeyFileError::Key(1, error))
}

fn pem(label: &str, der: &[u8]) -> Vec<u8> {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der)).into_bytes()
}

fn der(pem: &[u8]) -> Vec<u8> {
    let text = String::from_utf8(pem.to_vec()).unwrap();
    STANDARD.decode(text.lines().filter(|line| !line.starts_with('-')).collect::<String>()).unwrap()
}

#[test]
fn tells_files_apart_by_content() {
    let p256 = String::from_utf8(data("p256.pem")).unwrap();
    let one_line = pem("PUBLIC KEY", &der(p256.as_bytes()));
    let rows: Vec<(&str, Vec<u8>, Added)> = vec![
        ("PEM", p256.clone().into(), Ok(())),
        ("PEM with CRLF", p256.replace('\n', "\r\n").into(), Ok(())),
        ("PEM on one line", one_line, Ok(())),
        ("PEM without a last line end", p256.trim_end().into(), Ok(())),
        ("PEM behind a text", format!("subject=tests\n\n{p256}and so on").into(), Ok(())),
        ("JWK behind white space", format!("\n\t {}", json!(jwk("p256", json!({})))).into(), Ok(())),
        ("JWK Set", jwks(&[jwk("p256", json!({}))]), Ok(())),
        ("nothing", b"".into(), Err(KeyFileError::Unknown)),
        ("white space", b" \n".into(), Err(KeyFileError::Unknown)),
        ("a text", SECRET.into(), Err(KeyFileError::Unknown)),
        ("DER", der(p256.as_bytes()), Err(KeyFileError::Unknown)),
        ("an OpenSSH key", b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAA tests".into(), Err(KeyFileError::Unknown)),
        ("a JSON array", b"[]".into(), Err(KeyFileError::Unknown)),
        ("an empty object", b"{}".into(), Err(KeyFileError::NotAKey)),
        ("broken JSON", br#"{"keys":["#.into(), Err(KeyFileError::NotAKey)),
        ("a name used twice", br#"{"kty":"EC","kty":"EC"}"#.into(), Err(KeyFileError::NotAKey)),
        ("keys that are no array", br#"{"keys":{}}"#.into(), Err(KeyFileError::Set(KeySetError::NotASet))),
        ("an empty set", br#"{"keys":[]}"#.into(), Err(KeyFileError::NoUsableKey)),
        ("as large as may be", as_large(MAX_SET_BYTES), Ok(())),
        ("too large", as_large(MAX_SET_BYTES + 1), Err(KeyFileError::TooLarge)),
        (
            "too many",
            jwks(&vec![jwk("p256", json!({})); MAX_SET_KEYS + 1]),
            Err(KeyFileError::Set(KeySetError::TooManyKeys)),
        ),
    ];
    for (what, content, added) in rows {
        assert_eq!(add(&content), added, "{what}");
    }
}

fn as_large(length: usize) -> Vec<u8> {
    let mut content = data("p256.jwk");
    content.resize(length, b' ');
    content
}

#[test]
fn refuses_unfit_pem_blocks() {
    let p256 = data("p256.pem");
    let text = String::from_utf8(p256.clone()).unwrap();
    let trailing = [der(&p256), vec![0]].concat();
    let rows: Vec<(&str, Vec<u8>, Added)> = vec![
        ("RSA of 1024 bits", data("rsa1024.pem"), unfit(KeyError::TooSmall)),
        ("secp256k1", data("secp256k1.pem"), unfit(KeyError::UnknownType)),
        ("Ed448", data("ed448.pem"), unfit(KeyError::UnknownType)),
        ("X25519", data("x25519.pem"), unfit(KeyError::UnknownType)),
        ("a private key", pem("PRIVATE KEY", b"\x30\x00"), unfit(KeyError::Private)),
        ("an RSA private key", pem("RSA PRIVATE KEY", b"\x30\x00"), unfit(KeyError::Private)),
        ("an EC private key", pem("EC PRIVATE KEY", b"\x30\x00"), unfit(KeyError::Private)),
        ("an encrypted private key", pem("ENCRYPTED PRIVATE KEY", b"\x30\x00"), unfit(KeyError::Private)),
        ("an OpenSSH private key", pem("OPENSSH PRIVATE KEY", b"\x30\x00"), unfit(KeyError::Private)),
        (
            "a private key behind a public one",
            [p256.clone(), pem("PRIVATE KEY", b"")].concat(),
            Err(KeyFileError::Key(2, KeyError::Private)),
        ),
        ("parameters", pem("EC PARAMETERS", b"\x06\x08"), unfit(KeyError::OtherBlock)),
        ("a request", pem("CERTIFICATE REQUEST", b"\x30\x00"), unfit(KeyError::OtherBlock)),
        ("an empty block", pem("PUBLIC KEY", b""), unfit(KeyError::Malformed)),
        ("a certificate's label", pem("CERTIFICATE", &der(&p256)), unfit(KeyError::Malformed)),
        ("a public key's label", pem("PUBLIC KEY", &der(&data("p256.crt"))), unfit(KeyError::Malformed)),
        ("another key's label", pem("RSA PUBLIC KEY", &der(&p256)), unfit(KeyError::Malformed)),
        ("an RSA key's label", pem("RSA PUBLIC KEY", &der(&data("rsa.pem"))), unfit(KeyError::Malformed)),
        ("a key within a key", key_within_a_key(), unfit(KeyError::Malformed)),
        ("trailing bytes", pem("PUBLIC KEY", &trailing), unfit(KeyError::Malformed)),
        (
            "trailing bytes of a certificate",
            pem("CERTIFICATE", &[der(&data("p256.crt")), vec![0]].concat()),
            unfit(KeyError::Malformed),
        ),
        ("no end", text.replace("-----END", "-----").into(), unfit(KeyError::Malformed)),
        ("another end", text.replace("END PUBLIC", "END RSA PUBLIC").into(), unfit(KeyError::Malformed)),
        ("not base64", text.replacen("\nM", "\n!", 1).into(), unfit(KeyError::Malformed)),
        (
            "a second block without an end",
            [&p256, &p256[..60]].concat(),
            Err(KeyFileError::Key(2, KeyError::Malformed)),
        ),
        ("a point off the curve", off_curve(), unfit(KeyError::Malformed)),
        ("a beginning that does not end", b"-----BEGIN PUBLIC KEY".into(), unfit(KeyError::Malformed)),
        ("an end that does not end", text.trim_end().trim_end_matches('-').into(), unfit(KeyError::Malformed)),
        ("an empty certificate", pem("CERTIFICATE", b"\x30\x00"), unfit(KeyError::Malformed)),
        ("a certificate of nothing", pem("CERTIFICATE", b"\x30\x02\x30\x00"), unfit(KeyError::Malformed)),
        ("a certificate that is no sequence", pem("CERTIFICATE", b"\x31\x02\x30\x00"), unfit(KeyError::Malformed)),
        (
            "a certificate without a key",
            pem("CERTIFICATE", b"\x30\x0c\x30\x0a\x05\x00\x05\x00\x05\x00\x05\x00\x05\x00"),
            unfit(KeyError::Malformed),
        ),
        (
            "null where a certificate has its key",
            pem("CERTIFICATE", b"\x30\x0e\x30\x0c\x05\x00\x05\x00\x05\x00\x05\x00\x05\x00\x05\x00"),
            unfit(KeyError::Malformed),
        ),
        ("unused bits", with_p256_byte(25, 1), unfit(KeyError::Malformed)),
        ("a point of no form", with_p256_byte(26, 5), unfit(KeyError::Malformed)),
        ("a hybrid point", with_p256_byte(26, 6), unfit(KeyError::Malformed)),
        ("a curve that is no name", with_p256_byte(13, 5), unfit(KeyError::UnknownType)),
        ("no curve", pem("PUBLIC KEY", &without_curve()), unfit(KeyError::UnknownType)),
    ];
    for (what, content, added) in rows {
        assert_eq!(add(&content), added, "{what}");
    }
}

/// The key on P-256 with one byte of its DER changed: 30 59 30 13 06 07 (7 bytes) 06 08 (8 bytes) 03 42 00 (point).
fn with_p256_byte(at: usize, byte: u8) -> Vec<u8> {
    let mut der = der(&data("p256.pem"));
    der[at] = byte;
    pem("PUBLIC KEY", &der)
}

/// The same without the name of its curve.
fn without_curve() -> Vec<u8> {
    let der = der(&data("p256.pem"));
    let mut short = [&der[..13], &der[23..]].concat();
    short[1] -= 10;
    short[3] -= 10;
    short
}

/// A `SubjectPublicKeyInfo` where the point of one should be.
fn key_within_a_key() -> Vec<u8> {
    let inner = der(&data("p256.pem"));
    // Both lengths are of one byte; the point is the last element, behind the count of its unused bits.
    let point = inner.len() - 65;
    let mut nested = [&inner[..point], &inner].concat();
    nested[1] = (nested.len() - 2) as u8;
    nested[point - 2] = (inner.len() + 1) as u8;
    pem("PUBLIC KEY", &nested)
}

fn off_curve() -> Vec<u8> {
    let mut der = der(&data("p256.pem"));
    *der.last_mut().unwrap() ^= 1;
    pem("PUBLIC KEY", &der)
}

#[test]
fn reads_every_block_of_a_file() {
    let content = ["p256.pem", "rsa.crt", "ed25519.pem"].map(data).concat();
    for algorithm in ["ES256", "RS256", "EdDSA"] {
        let keys = with_file(Keys::default(), &content, &label(None, None));
        assert_eq!(outcome(keys, &token(algorithm)), Ok(Granted::Ok), "{algorithm}");
    }
}

#[test]
fn a_certificate_may_be_of_version_1() {
    let v3 = der(&data("p256.crt"));
    // The version is the first field of the inner sequence; both sequences have lengths of two or three bytes.
    let version = [0xa0, 3, 2, 1, 2];
    let at = v3.windows(5).position(|window| window == version).unwrap();
    let mut v1 = [&v3[..at], &v3[at + 5..]].concat();
    let mut shrink = |at: usize| match v1[at + 1] {
        0x81 => v1[at + 2] -= 5,
        0x82 => v1[at + 3] = v1[at + 3].checked_sub(5).unwrap(),
        _ => v1[at + 1] -= 5,
    };
    shrink(0);
    shrink(at - if v3[at - 4] == 0x30 { 4 } else { 3 });
    let keys = with_file(Keys::default(), &pem("CERTIFICATE", &v1), &label(None, None));
    assert_eq!(outcome(keys, &token("ES256")), Ok(Granted::Ok));
}

#[test]
fn a_jwk_on_its_own_must_be_usable() {
    let rsa_1024 = jwk("rsa1024", json!({}));
    let largest = vec![0xff; 1024];
    let larger = [&[1], &largest[..]].concat();
    let short = URL_SAFE_NO_PAD.encode([7; 31]);
    let even = URL_SAFE_NO_PAD.encode([1, 0]);
    let padded_n = [&[0][..], &URL_SAFE_NO_PAD.decode(jwk("rsa", json!({}))["n"].as_str().unwrap()).unwrap()].concat();
    let rows: Vec<(&str, Value, Added)> = vec![
        ("as it is", jwk("p521", json!({})), Ok(())),
        ("for signatures", jwk("rsa", json!({ "use": "sig", "key_ops": ["verify"] })), Ok(())),
        ("with a certificate", jwk("rsa", json!({ "x5c": ["MIIB"], "x5t": "AA", "x5u": 1 })), Ok(())),
        ("a modulus behind a zero", jwk("rsa", json!({ "n": URL_SAFE_NO_PAD.encode(padded_n) })), Ok(())),
        ("oct", json!({ "kty": "oct", "k": URL_SAFE_NO_PAD.encode(SECRET) }), unfit(KeyError::Shared)),
        ("an unknown type", json!({ "kty": "AKP", "alg": "ML-DSA-44" }), unfit(KeyError::UnknownType)),
        ("an unknown type without alg", json!({ "kty": "AKP" }), unfit(KeyError::UnknownType)),
        ("a type in another case", jwk("p256", json!({ "kty": "ec" })), unfit(KeyError::UnknownType)),
        ("a type that is no string", json!({ "kty": 1 }), unfit(KeyError::Malformed)),
        ("secp256k1", jwk("secp256k1", json!({})), unfit(KeyError::UnknownType)),
        ("Ed448", jwk("ed448", json!({})), unfit(KeyError::UnknownType)),
        ("X25519", jwk("x25519", json!({})), unfit(KeyError::UnknownType)),
        ("for encryption", jwk("rsa", json!({ "use": "enc" })), unfit(KeyError::NotForVerifying)),
        ("for something else", jwk("rsa", json!({ "use": "" })), unfit(KeyError::NotForVerifying)),
        ("a use that is no string", jwk("rsa", json!({ "use": 1 })), unfit(KeyError::Malformed)),
        ("for signing", jwk("rsa", json!({ "key_ops": ["sign", "encrypt"] })), unfit(KeyError::NotForVerifying)),
        ("for nothing", jwk("rsa", json!({ "key_ops": [] })), unfit(KeyError::NotForVerifying)),
        ("operations that are no array", jwk("rsa", json!({ "key_ops": "verify" })), unfit(KeyError::Malformed)),
        ("for RSA-OAEP", jwk("rsa", json!({ "alg": "RSA-OAEP" })), unfit(KeyError::OtherAlgorithm)),
        ("for an algorithm in another case", jwk("rsa", json!({ "alg": "rs256" })), unfit(KeyError::OtherAlgorithm)),
        ("for an algorithm of another curve", jwk("p256", json!({ "alg": "ES384" })), unfit(KeyError::OtherAlgorithm)),
        ("for HMAC", jwk("rsa", json!({ "alg": "HS256" })), unfit(KeyError::OtherAlgorithm)),
        ("for none", jwk("rsa", json!({ "alg": "none" })), unfit(KeyError::OtherAlgorithm)),
        ("an alg that is no string", jwk("rsa", json!({ "alg": null_string() })), unfit(KeyError::Malformed)),
        ("a kid that is no string", jwk("rsa", json!({ "kid": 1 })), unfit(KeyError::Malformed)),
        ("a private RSA key", jwk("rsa", json!({ "d": "AQAB" })), unfit(KeyError::Private)),
        ("half a private RSA key", jwk("rsa", json!({ "p": "AQAB" })), unfit(KeyError::Private)),
        ("a private EC key", jwk("p256", json!({ "d": "AQAB" })), unfit(KeyError::Private)),
        (
            "a private RSA key for something else",
            jwk("rsa", json!({ "d": "AQAB", "use": "enc" })),
            unfit(KeyError::Private),
        ),
        ("a private Ed25519 key", jwk("ed25519", json!({ "d": "AQAB" })), unfit(KeyError::Private)),
        ("RSA of 1024 bits", rsa_1024, unfit(KeyError::TooSmall)),
        ("RSA of 8192 bits", jwk("rsa", json!({ "n": URL_SAFE_NO_PAD.encode(largest) })), Ok(())),
        ("RSA of 8193 bits", jwk("rsa", json!({ "n": URL_SAFE_NO_PAD.encode(larger) })), unfit(KeyError::TooLarge)),
        ("no modulus", jwk("rsa", json!({ "n": null })), unfit(KeyError::Malformed)),
        ("an empty modulus", jwk("rsa", json!({ "n": "" })), unfit(KeyError::Malformed)),
        ("a modulus in base64", jwk("rsa", json!({ "n": "a+b/" })), unfit(KeyError::Malformed)),
        ("no exponent", jwk("rsa", json!({ "e": null })), unfit(KeyError::Malformed)),
        ("an even exponent", jwk("rsa", json!({ "e": even })), unfit(KeyError::Malformed)),
        ("an exponent of one", jwk("rsa", json!({ "e": "AQ" })), unfit(KeyError::Malformed)),
        ("no curve", jwk("p256", json!({ "crv": null })), unfit(KeyError::Malformed)),
        ("a curve that is no string", jwk("p256", json!({ "crv": 256 })), unfit(KeyError::Malformed)),
        ("no Edwards curve", jwk("ed25519", json!({ "crv": null })), unfit(KeyError::Malformed)),
        ("an Edwards curve that is no string", jwk("ed25519", json!({ "crv": 25519 })), unfit(KeyError::Malformed)),
        ("a coordinate that is no string", jwk("p256", json!({ "x": 1 })), unfit(KeyError::Malformed)),
        ("another curve", jwk("p256", json!({ "crv": "P-384" })), unfit(KeyError::Malformed)),
        ("a short coordinate", jwk("p256", json!({ "x": short })), unfit(KeyError::Malformed)),
        ("a point off the curve", jwk("p256", json!({ "y": jwk("p256", json!({}))["x"] })), unfit(KeyError::Malformed)),
        ("no y", jwk("p256", json!({ "y": null })), unfit(KeyError::Malformed)),
        (
            "an Ed25519 key within DER",
            jwk("ed25519", json!({ "x": URL_SAFE_NO_PAD.encode(der(&data("ed25519.pem"))) })),
            unfit(KeyError::Malformed),
        ),
        ("a short Ed25519 key", jwk("ed25519", json!({ "x": short })), unfit(KeyError::Malformed)),
    ];
    for (what, jwk, added) in rows {
        assert_eq!(add(jwk.to_string().as_bytes()), added, "{what}");
    }
}

/// In each form in which key servers and tools show keys without the lines of PEM.
#[test]
fn no_public_key_in_der_is_a_secret() {
    for name in [
        "rsa.pem",
        "rsa.pkcs1.pem",
        "rsa.crt",
        "p256.pem",
        "p256.crt",
        "p384.pem",
        "p521.pem",
        "p521.crt",
        "ed25519.pem",
    ] {
        let der = der(&data(name));
        let hex = data_encoding::HEXLOWER.encode(&der);
        let colons = hex.as_bytes().chunks(2).collect::<Vec<_>>().join(&b':');
        let texts = [
            der.clone(),
            STANDARD.encode(&der).into(),
            URL_SAFE_NO_PAD.encode(&der).into(),
            format!("'{}'", STANDARD.encode(&der)).into(),
            hex.to_uppercase().into(),
            hex.into(),
            colons,
        ];
        for text in texts {
            let added = Keys::default().add_secret(&text, SecretForm::default(), &label(None, None));
            assert_eq!(added, Err(SecretError::PublicKey), "{name}: {}", text.escape_ascii());
            let longer = [&text[..], b"!"].concat();
            assert_eq!(
                Keys::default().add_secret(&longer, SecretForm::default(), &label(None, None)),
                Ok(()),
                "{name}"
            );
        }
    }
}

#[test]
fn no_point_is_a_secret() {
    for name in ["p256", "p384", "p521"] {
        let key = read_json(&format!("{name}.jwk"));
        let of = |member: &str| URL_SAFE_NO_PAD.decode(key[member].as_str().unwrap()).unwrap();
        let point = [&[4][..], &of("x"), &of("y")].concat();
        let hex = data_encoding::HEXLOWER.encode(&point);
        for text in [point.clone(), hex.into(), STANDARD.encode(&point).into()] {
            let added = Keys::default().add_secret(&text, SecretForm::default(), &label(None, None));
            assert_eq!(added, Err(SecretError::PublicKey), "{name}: {}", text.escape_ascii());
        }
    }
}

/// The backend would take any of these, and verify nothing with it, or what anybody can make.
#[test]
fn an_ed25519_key_is_a_point_of_full_order() {
    let of =
        |bytes: [u8; 32]| add(jwk("ed25519", json!({ "x": URL_SAFE_NO_PAD.encode(bytes) })).to_string().as_bytes());
    let bytes = |first: u8, middle: u8, last: u8| {
        let mut bytes = [middle; 32];
        (bytes[0], bytes[31]) = (first, last);
        bytes
    };
    let hex = |text: &str| <[u8; 32]>::try_from(data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()).unwrap();
    // The points of order 1, 2 and 4, and two of order 8, in each way to write them; and the signs that zero has not.
    let eighth = hex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05");
    let opposite = hex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a");
    let unsigned = [
        bytes(0, 0, 0),
        bytes(1, 0, 0),
        bytes(0xec, 0xff, 0x7f),
        bytes(0xed, 0xff, 0x7f),
        bytes(0xee, 0xff, 0x7f),
        eighth,
        opposite,
    ];
    for small in unsigned {
        let mut negative = small;
        negative[31] |= 0x80;
        for key in [small, negative] {
            assert_eq!(of(key), unfit(KeyError::SmallOrder), "{key:x?}");
        }
    }
    for y in [2, 7] {
        assert_eq!(of(bytes(y, 0, 0)), unfit(KeyError::Malformed), "no point: {y}");
    }
    // Numbers of the field's size and more, of which some are points when they are taken for what is left of them.
    for above in 2..=18 {
        let written_twice = bytes(0xed + above, 0xff, 0x7f);
        assert_eq!(of(written_twice), unfit(KeyError::Malformed), "{written_twice:x?}");
    }
    assert_eq!(of(bytes(3, 0, 0)), Ok(()), "a point");
}

/// A value that is no string, where null would leave the member out.
fn null_string() -> Value {
    json!([null])
}

#[test]
fn a_set_may_hold_keys_for_something_else() {
    let skipped = [
        json!({ "kty": "oct", "k": "AAAA" }),
        json!({ "kty": "AKP", "alg": "ML-DSA-44", "pub": "AA" }),
        jwk("secp256k1", json!({})),
        jwk("x25519", json!({})),
        jwk("rsa", json!({ "use": "enc" })),
        jwk("rsa", json!({ "key_ops": ["encrypt"] })),
        jwk("rsa", json!({ "alg": "RSA-OAEP-256" })),
        jwk("rsa1024", json!({ "use": "enc" })),
    ];
    for member in skipped {
        assert_eq!(add(&jwks(std::slice::from_ref(&member))), Err(KeyFileError::NoUsableKey), "{member}");
        let keys = with_file(Keys::default(), &jwks(&[member.clone(), jwk("p256", json!({}))]), &label(None, None));
        assert_eq!(outcome(keys, &token("ES256")), Ok(Granted::Ok), "{member}");
    }
    let unfit = [
        (json!(1), KeyError::Malformed),
        (json!({}), KeyError::Malformed),
        (jwk("rsa", json!({ "n": "!" })), KeyError::Malformed),
        (jwk("rsa1024", json!({})), KeyError::TooSmall),
        (jwk("p256", json!({ "d": "AQAB" })), KeyError::Private),
        (jwk("p256", json!({ "x": "AA" })), KeyError::Malformed),
    ];
    for (member, error) in unfit {
        let content = jwks(&[jwk("p256", json!({})), member.clone()]);
        assert_eq!(add(&content), Err(KeyFileError::Key(2, error)), "{member}");
    }
}

#[test]
fn a_file_must_have_a_key_for_an_allowed_algorithm() {
    let rows = [
        ("p256.pem", &["ES256"][..], Ok(())),
        ("p256.pem", &["ES384", "HS256"], unfit(KeyError::NotAllowed)),
        ("rsa.crt", &["PS512"], Ok(())),
        ("rsa.pem", &["ES256", "EdDSA"], unfit(KeyError::NotAllowed)),
        ("rsa.jwk", &["PS256"], Ok(())),
        ("ed25519.jwk", &["Ed25519"], Ok(())),
        ("ed25519.jwk", &["RS256"], unfit(KeyError::NotAllowed)),
    ];
    for (name, list, added) in rows {
        assert_eq!(Keys::new(allow(list)).add_key_file(&data(name), &label(None, None)), added, "{name} {list:?}");
    }
    let set = jwks(&[jwk("p256", json!({})), jwk("rsa", json!({}))]);
    let keys = || with_file(Keys::new(allow(&["RS256"])), &set, &label(None, None));
    assert_eq!(outcome(keys(), &token("RS256")), Ok(Granted::Ok));
    assert_eq!(outcome(keys(), &token("ES256")), Err(Denied::UnsupportedAlgorithm), "skipped");
    let none = Keys::new(allow(&["ES512"])).add_key_file(&set, &label(None, None));
    assert_eq!(none, Err(KeyFileError::NoUsableKey));
}

#[test]
fn a_configured_kid_is_for_keys_without_one() {
    let rows = [
        (data("p256.pem"), Ok(())),
        (jwk("p256", json!({ "kid": null })).to_string().into(), Ok(())),
        (jwk("p256", json!({ "kid": "k" })).to_string().into(), Ok(())),
        (jwk("p256", json!({ "kid": "other" })).to_string().into(), unfit(KeyError::OtherKid)),
        (jwks(&[jwk("p256", json!({ "kid": "other" }))]), unfit(KeyError::OtherKid)),
    ];
    for (content, added) in rows {
        let result = Keys::default().add_key_file(&content, &label(Some("k"), None));
        assert_eq!(result, added, "{}", content.escape_ascii());
    }
}

#[test]
fn errors_name_the_remedy() {
    let rows = [
        (
            add(&data("rsa1024.pem")),
            "holds a key that is RSA under 2048 bits: have tokens signed with a longer one (key 1)",
        ),
        (add(b"{\"keys\":1}"), "is no JSON object with unique member names and an array \"keys\""),
        (add(&[b' '; MAX_SET_BYTES + 1]), "is larger than 256 KiB"),
    ];
    for (added, text) in rows {
        assert_eq!(added.unwrap_err().to_string(), text);
    }
}
