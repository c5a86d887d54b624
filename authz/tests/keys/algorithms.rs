//! Each algorithm, signed by another library: accepted with its key, in every form of it, and with nothing else.

use std::rc::Rc;

use authz::{Denied, Granted, KeySet, Keys, decide};
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::{
    ALGORITHMS, CLAIMS, Outcome, PUBLIC_KEYS, SECRET, allow, allow_all, data, input, join, jwk, jwks, label, outcome,
    policy, sign, split, token, unsigned, with_file, with_secret,
};

/// One key of `data`, under the algorithms that are listed, or those that it implies.
fn keys(name: &str, allowed: Option<authz::Algorithms>) -> Keys {
    match name {
        "secret" => with_secret(Keys::new(allowed), SECRET.as_bytes(), &label(None, None)),
        name => with_file(Keys::new(allowed), &data(&format!("{name}.pem")), &label(None, None)),
    }
}

/// All forms of a public key.
fn forms(name: &str) -> Vec<(String, Vec<u8>)> {
    let mut forms: Vec<_> = ["pem", "crt", "jwk"].map(|end| format!("{name}.{end}")).into();
    if name == "rsa" {
        forms.push("rsa.pkcs1.pem".into());
    }
    let mut forms: Vec<_> = forms.into_iter().map(|form| (form.clone(), data(&form))).collect();
    forms.push((format!("{name} in a set"), jwks(&[jwk(name, json!({}))])));
    forms
}

#[test]
fn each_verifies_with_every_form_of_its_key() {
    for (algorithm, name) in ALGORITHMS {
        assert_eq!(outcome(keys(name, allow(&[algorithm])), &token(algorithm)), Ok(Granted::Ok), "{algorithm}");
        if name == "secret" {
            continue;
        }
        for (form, content) in forms(name) {
            let keys = with_file(Keys::new(allow(&[algorithm])), &content, &label(None, None));
            assert_eq!(outcome(keys, &token(algorithm)), Ok(Granted::Ok), "{algorithm}, {form}");
        }
        let set = KeySet::from_jwks(&jwks(&[jwk(name, json!({}))]), allow(&[algorithm]), None).unwrap();
        assert_eq!(outcome_fetched(set, &token(algorithm)), Ok(Granted::Ok), "{algorithm}, fetched");
    }
}

fn outcome_fetched(set: KeySet, token: &str) -> Outcome {
    let mut keys = Keys::default();
    keys.expect_key_set();
    decide(&policy(keys), input(token, &[Some(Rc::new(set))]), 1, &mut ()).outcome
}

#[test]
fn a_tampered_twin_is_refused() {
    for (algorithm, name) in ALGORITHMS {
        let refused = |token: &str, what: &str| {
            assert_eq!(
                outcome(keys(name, allow(&[algorithm])), token),
                Err(Denied::BadSignature),
                "{algorithm}, {what}"
            );
        };
        let good = token(algorithm);
        let (signed, signature) = split(&good);
        for at in 0..signature.len() {
            let mut signature = signature.clone();
            signature[at] ^= 1 << (at % 8);
            refused(&join(signed, &signature), &format!("byte {at} of the signature"));
        }
        let header = signed.split('.').next().unwrap();
        let claims = CLAIMS.replace(r#""A""#, r#""B""#);
        refused(&join(&format!("{header}.{}", URL_SAFE_NO_PAD.encode(claims)), &signature), "other claims");
        let header = format!(r#"{{"alg":"{algorithm}"}}"#);
        refused(&join(&unsigned(&header, CLAIMS), &signature), "another header");
    }
}

#[test]
fn a_key_implies_one_algorithm() {
    let implied = [("secret", "HS256"), ("rsa", "RS256"), ("p256", "ES256"), ("p384", "ES384"), ("p521", "ES512")];
    for (algorithm, signer) in ALGORITHMS {
        for name in PUBLIC_KEYS.into_iter().chain(["secret"]) {
            let accepted = name == signer && (name == "ed25519" || implied.contains(&(name, algorithm)));
            let expected = if accepted { Ok(Granted::Ok) } else { Err(Denied::UnsupportedAlgorithm) };
            assert_eq!(outcome(keys(name, None), &token(algorithm)), expected, "{algorithm} with {name}");
        }
    }
}

#[test]
fn a_key_is_used_with_the_listed_algorithms_of_its_type() {
    for (algorithm, signer) in ALGORITHMS {
        for name in PUBLIC_KEYS.into_iter().chain(["secret"]) {
            let expected = if name == signer { Ok(Granted::Ok) } else { Err(Denied::UnsupportedAlgorithm) };
            assert_eq!(outcome(keys(name, allow_all()), &token(algorithm)), expected, "{algorithm} with {name}");
        }
    }
}

#[test]
fn the_alg_of_a_jwk_binds_it() {
    for (algorithm, name) in ALGORITHMS.into_iter().filter(|(_, name)| *name != "secret") {
        for (named, of) in ALGORITHMS {
            if of != name {
                continue;
            }
            let content = jwk(name, json!({ "alg": named })).to_string();
            for allowed in [None, allow_all()] {
                let keys = with_file(Keys::new(allowed), content.as_bytes(), &label(None, None));
                let same = named == algorithm || name == "ed25519";
                let expected = if same { Ok(Granted::Ok) } else { Err(Denied::UnsupportedAlgorithm) };
                assert_eq!(outcome(keys, &token(algorithm)), expected, "{algorithm}, key for {named}");
            }
        }
    }
}

/// Every key there is, under every algorithm that it could be used with.
fn everything() -> Keys {
    PUBLIC_KEYS.iter().fold(keys("secret", allow_all()), |keys, name| {
        with_file(keys, &data(&format!("{name}.pem")), &label(None, None))
    })
}

#[test]
fn a_signature_is_worth_nothing_under_another_name() {
    for (algorithm, _) in ALGORITHMS {
        let good = token(algorithm);
        assert_eq!(outcome(everything(), &good), Ok(Granted::Ok), "{algorithm}");
        let (_, signature) = split(&good);
        for other in ALGORITHMS.map(|(name, _)| name).into_iter().filter(|other| *other != algorithm) {
            let header = json!({ "alg": other, "typ": "JWT" }).to_string();
            let relabelled = join(&unsigned(&header, CLAIMS), &signature);
            assert_eq!(outcome(everything(), &relabelled), Err(Denied::BadSignature), "{algorithm} as {other}");
        }
        for other in ["none", "None", "NONE", "nOnE", "hs256", "", "ES256K", "RS1", "HS256 ", "dir"] {
            let header = json!({ "alg": other, "typ": "JWT" }).to_string();
            let relabelled = join(&unsigned(&header, CLAIMS), &signature);
            assert_eq!(outcome(everything(), &relabelled), Err(Denied::UnsupportedAlgorithm), "{algorithm} as {other}");
        }
    }
}

/// Whatever of a public key an attacker could take for a secret.
fn texts(name: &str) -> Vec<Vec<u8>> {
    let mut texts: Vec<Vec<u8>> = Vec::new();
    for (_, content) in forms(name) {
        texts.push(content.trim_ascii_end().to_vec());
        if content.starts_with(b"-----") {
            let text = String::from_utf8(content.clone()).unwrap();
            let body: String = text.lines().filter(|line| !line.starts_with('-')).collect();
            texts.push(STANDARD.decode(&body).unwrap());
            texts.push(body.into_bytes());
        }
        texts.push(content);
    }
    let jwk = jwk(name, json!({}));
    for member in ["n", "x", "y"] {
        texts.extend(jwk[member].as_str().map(|text| URL_SAFE_NO_PAD.decode(text).unwrap()));
        texts.extend(jwk[member].as_str().map(|text| text.as_bytes().to_vec()));
    }
    texts
}

#[test]
fn a_public_key_is_no_secret() {
    for name in PUBLIC_KEYS {
        for text in texts(name) {
            for (_, content) in forms(name) {
                let forged = sign(&text, r#"{"alg":"HS256"}"#, CLAIMS);
                let file = |keys| with_file(keys, &content, &label(None, None));
                let why = || format!("{name}: {}", text.escape_ascii());
                assert_eq!(outcome(file(Keys::default()), &forged), Err(Denied::UnsupportedAlgorithm), "{}", why());
                assert_eq!(
                    outcome(file(Keys::new(allow_all())), &forged),
                    Err(Denied::UnsupportedAlgorithm),
                    "{}",
                    why()
                );
                let keys = file(keys("secret", allow_all()));
                assert_eq!(outcome(keys, &forged), Err(Denied::BadSignature), "{}", why());
            }
        }
    }
}

#[test]
fn what_is_published_is_no_secret() {
    let oct = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(SECRET) });
    let forged = sign(SECRET.as_bytes(), r#"{"alg":"HS256"}"#, CLAIMS);
    let members: [Value; 2] = [oct, jwk("p256", json!({}))];
    let keys = with_file(Keys::new(allow_all()), &jwks(&members), &label(None, None));
    assert_eq!(outcome(keys, &forged), Err(Denied::UnsupportedAlgorithm));
    let set = KeySet::from_jwks(&jwks(&members), allow_all(), None).unwrap();
    assert_eq!(outcome_fetched(set, &forged), Err(Denied::UnsupportedAlgorithm));
}
