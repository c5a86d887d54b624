//! Public keys, read a second time: which of the algorithms is a member of a key set used with?

use data_encoding::BASE64URL_NOPAD;

use super::json::Json;
use super::keys::{ALGORITHMS, Known};

const RSA: [&str; 6] = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];

/// The algorithms that a known key verifies by a key set, or by a single key.
pub fn algorithms(document: &Json, known: &Known, allowed: Option<&[&str]>) -> Vec<&'static str> {
    let mut found = Vec::new();
    match document.get("keys") {
        Some(Json::Array(members)) => {
            for member in members {
                found.extend(of_member(member, known, allowed).unwrap_or_default());
            }
        }
        Some(_) => {}
        None => found.extend(of_member(document, known, allowed).unwrap_or_default()),
    }
    found
}

fn of_member(member: &Json, known: &Known, allowed: Option<&[&str]>) -> Option<Vec<&'static str>> {
    let text = |name: &str| match member.get(name) {
        None => Some(None),
        Some(value) => value.text().map(Some),
    };
    let (kty, usage, named, _kid) = (text("kty")??, text("use")?, text("alg")?, text("kid")?);
    let can_verify = match member.get("key_ops") {
        None => true,
        Some(Json::Array(operations)) => operations.iter().any(|operation| operation.text() == Some("verify")),
        Some(_) => false,
    };
    let of_type: &[&str] = match known.kty {
        "RSA" => &RSA,
        _ => &known.algorithms[..1],
    };
    let named = named.map(canonical);
    let is_in_use = usage.is_none_or(|usage| usage == "sig") && can_verify && member.get("d").is_none();
    let is_known = kty == known.kty && known.members.iter().all(|(name, value)| is_same(member, name, value));
    let is_fit = named.is_none_or(|named| of_type.contains(&named));
    let is_used = |algorithm: &str| match (named, allowed) {
        (Some(named), _) => named == algorithm,
        (None, None) => algorithm == of_type[0],
        (None, Some(_)) => of_type.contains(&algorithm),
    };
    let is_allowed = |algorithm: &str| allowed.is_none_or(|list| list.iter().any(|one| canonical(one) == algorithm));
    let all = ALGORITHMS.iter().copied();
    let used = all.filter(|&name| is_used(canonical(name)) && is_allowed(canonical(name)));
    (is_in_use && is_known && is_fit).then(|| used.collect())
}

/// The same text or the same number, by the strictest reading of base64url.
fn is_same(member: &Json, name: &str, value: &str) -> bool {
    let Some(text) = member.get(name).and_then(Json::text) else { return false };
    match (name, BASE64URL_NOPAD.decode(text.as_bytes()), BASE64URL_NOPAD.decode(value.as_bytes())) {
        ("crv", ..) => text == value,
        ("n" | "e", Ok(bytes), Ok(known)) => bytes.iter().skip_while(|&&b| b == 0).eq(&known),
        (_, Ok(bytes), Ok(known)) => bytes == known,
        _ => false,
    }
}

fn canonical(algorithm: &str) -> &str {
    if algorithm == "Ed25519" { "EdDSA" } else { algorithm }
}
