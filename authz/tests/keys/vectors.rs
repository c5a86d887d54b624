//! The examples of RFC 7515 (A.1 to A.4), RFC 7520 (4.1 to 4.4) and RFC 8037 (A.4).

use authz::{Denied, Granted, Keys};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::Value;

use crate::{allow, join, json, label, outcome, split, with_file, with_secret};

fn keys(row: &Value) -> Keys {
    let (key, header) = (&row["key"], row["token"].as_str().unwrap().split('.').next().unwrap());
    let header: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(header).unwrap()).unwrap();
    let keys = Keys::new(allow(&[header["alg"].as_str().unwrap()]));
    match key["k"].as_str() {
        Some(k) => with_secret(keys, &URL_SAFE_NO_PAD.decode(k).unwrap(), &label(key["kid"].as_str(), None)),
        None => with_file(keys, key.to_string().as_bytes(), &label(None, None)),
    }
}

#[test]
fn the_examples_of_the_rfcs_verify() {
    let rows = json("rfc.json");
    for row in rows.as_array().unwrap() {
        let (source, token) = (row["source"].as_str().unwrap(), row["token"].as_str().unwrap());
        // Some sign texts that are no claims: they are read only once the signature held.
        let expected = match source {
            "RFC 7515 A.1" | "RFC 7515 A.2" | "RFC 7515 A.3" => Ok(Granted::Ok),
            _ => Err(Denied::Payload),
        };
        assert_eq!(outcome(keys(row), token), expected, "{source}");
        let (signed, mut signature) = split(token);
        *signature.last_mut().unwrap() ^= 1;
        assert_eq!(outcome(keys(row), &join(signed, &signature)), Err(Denied::BadSignature), "{source}");
    }
    assert_eq!(rows.as_array().unwrap().len(), 9);
}
