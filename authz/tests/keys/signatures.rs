//! Signatures in any other form than their algorithm's.

use authz::{Denied, Keys};

use crate::{SECRET, allow, data, join, label, outcome, split, token, with_file, with_secret};

fn refused(algorithm: &str, name: &str, forge: impl Fn(&[u8]) -> Vec<u8>, what: &str) {
    let keys = Keys::new(allow(&[algorithm]));
    let keys = match name {
        "secret" => with_secret(keys, SECRET.as_bytes(), &label(None, None)),
        name => with_file(keys, &data(&format!("{name}.pem")), &label(None, None)),
    };
    let good = token(algorithm);
    let (signed, signature) = split(&good);
    let forged = join(signed, &forge(&signature));
    assert_ne!(forged, good, "{algorithm}, {what}");
    assert_eq!(outcome(keys, &forged), Err(Denied::BadSignature), "{algorithm}, {what}");
}

/// Puts a signature together from r and s.
type Forge<'f> = &'f dyn Fn(&[u8], &[u8]) -> Vec<u8>;

/// An `Ecdsa-Sig-Value` (RFC 3279 section 2.2.3), which libraries that are no JOSE ones make.
fn der(signature: &[u8]) -> Vec<u8> {
    let integer = |bytes: &[u8]| {
        let zeros = bytes.iter().take_while(|&&b| b == 0).count();
        let mut value = bytes[zeros..].to_vec();
        if value[0] >= 0x80 {
            value.insert(0, 0);
        }
        [&[2, value.len() as u8], &value[..]].concat()
    };
    let (r, s) = signature.split_at(signature.len() / 2);
    let body = [integer(r), integer(s)].concat();
    let long_form: &[u8] = if body.len() < 0x80 { &[] } else { &[0x81] };
    [&[0x30], long_form, &[body.len() as u8], &body].concat()
}

#[test]
fn ecdsa_is_of_fixed_length_and_never_zero() {
    for (algorithm, name) in [("ES256", "p256"), ("ES384", "p384"), ("ES512", "p521")] {
        let forge = |forge: Forge, what| {
            refused(
                algorithm,
                name,
                |signature| {
                    let (r, s) = signature.split_at(signature.len() / 2);
                    forge(r, s)
                },
                what,
            );
        };
        refused(algorithm, name, der, "DER");
        forge(&|r, s| [&vec![0; r.len()], s].concat(), "zero r");
        forge(&|r, s| [r, &vec![0; s.len()]].concat(), "zero s");
        forge(&|r, s| vec![0; r.len() + s.len()], "zero r and s");
        forge(&|r, s| vec![0xff; r.len() + s.len()], "r and s over the order");
        forge(&|r, s| [&r[1..], s].concat(), "short r");
        forge(&|r, s| [r, &s[1..]].concat(), "short s");
        forge(&|r, s| [&r[1..], &s[1..]].concat(), "short r and s");
        forge(&|r, s| [&[0], r, &[0], s].concat(), "long r and s");
        forge(&|r, s| [r, s, &[0]].concat(), "a byte too many");
        forge(&|r, s| [s, r].concat(), "s before r");
        forge(&|_, _| vec![0], "one byte");
        forge(&|_, _| vec![0x30, 6, 2, 1, 1, 2, 1, 1], "DER of one and one");
    }
}

#[test]
fn rsa_is_as_long_as_the_modulus() {
    for algorithm in ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"] {
        refused(algorithm, "rsa", |signature| [&[0], signature].concat(), "a zero in front");
        refused(algorithm, "rsa", |signature| [signature, &[0]].concat(), "a zero behind");
        refused(algorithm, "rsa", |signature| signature[1..].to_vec(), "the first byte missing");
        refused(algorithm, "rsa", |signature| signature[..signature.len() - 1].to_vec(), "the last byte missing");
        refused(algorithm, "rsa", |signature| vec![0; signature.len()], "zero");
        refused(algorithm, "rsa", |signature| [&vec![0; signature.len() - 1][..], &[1]].concat(), "one");
        refused(algorithm, "rsa", |signature| vec![0xff; signature.len()], "over the modulus");
    }
}

#[test]
fn ed25519_has_one_form() {
    // The order of the base point, little-endian (RFC 8032 section 5.1).
    const ORDER: [u8; 32] = [
        0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, 0, 0, 0, 0, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
    ];
    let add_order = |signature: &[u8]| {
        let mut sum = signature.to_vec();
        let mut carry = 0;
        for (byte, order) in sum[32..].iter_mut().zip(ORDER) {
            carry += u16::from(*byte) + u16::from(order);
            *byte = carry as u8;
            carry >>= 8;
        }
        sum
    };
    for algorithm in ["EdDSA", "Ed25519"] {
        refused(algorithm, "ed25519", add_order, "the same S, another multiple");
        refused(algorithm, "ed25519", |signature| signature[..63].to_vec(), "short");
        refused(algorithm, "ed25519", |signature| [signature, &[0]].concat(), "long");
        refused(algorithm, "ed25519", |_| vec![0; 64], "zero");
    }
}

#[test]
fn an_hmac_is_whole() {
    for algorithm in ["HS256", "HS384", "HS512"] {
        refused(algorithm, "secret", |signature| signature[..signature.len() - 1].to_vec(), "short");
        refused(algorithm, "secret", |signature| signature[..signature.len() / 2].to_vec(), "half");
        refused(algorithm, "secret", |signature| signature[..1].to_vec(), "one byte");
        refused(algorithm, "secret", |signature| [signature, &[0]].concat(), "long");
        refused(algorithm, "secret", |signature| vec![0; signature.len()], "zero");
    }
}
