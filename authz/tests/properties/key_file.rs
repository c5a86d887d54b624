//! Key files.

use authz::{KeyLabel, Keys};
use data_encoding::{BASE64, BASE64URL_NOPAD};

use super::keys::{Known, LISTS, accepted, allowed, each_known};
use super::{Reached, json, key_set};

/// A digit, which chooses the allowed algorithms, and the content of a file. Tokens are let in only for keys that are
/// there: by a second reading where it is JSON, byte for byte in a public block where it is PEM.
pub fn check(input: &[u8]) -> Reached {
    let Some((digit, content)) = input.split_first() else { return Reached::Nothing };
    let list = LISTS[usize::from(*digit) % LISTS.len()];
    let mut keys = Keys::new(allowed(list));
    if keys.add_key_file(content, &KeyLabel::default()).is_err() {
        assert!(keys.is_empty(), "half a file was taken: {}", input.escape_ascii());
        return Reached::Refused;
    }
    assert!(!keys.is_empty(), "{}", input.escape_ascii());
    let found = accepted(keys, None);
    let expected = match json::object(content) {
        Some(document) => key_set::expected(&document, list),
        None => in_blocks(content),
    };
    let strange: Vec<_> = found.iter().filter(|name| !expected.contains(name)).collect();
    assert!(strange.is_empty(), "{strange:?} by {}", input.escape_ascii());
    Reached::accepted(!found.is_empty())
}

/// Labels of blocks that a public key stands in (RFC 7468 sections 5 and 13, RFC 8017 appendix A.1.1).
const LABELS: [&str; 3] = ["BEGIN PUBLIC KEY", "BEGIN CERTIFICATE", "BEGIN RSA PUBLIC KEY"];

/// The algorithms of the known keys that stand in the public blocks of a PEM text.
fn in_blocks(content: &[u8]) -> Vec<&'static str> {
    let text = String::from_utf8_lossy(content);
    assert!(!text.contains("PRIVATE KEY-----\n"), "a private key was taken");
    let parts: Vec<&str> = text.split("-----").collect();
    let is_public = |pair: &&[&str]| LABELS.contains(&pair[0].trim_start_matches('-'));
    let bodies: Vec<Vec<u8>> = parts.windows(2).filter(is_public).filter_map(|pair| der(pair[1])).collect();
    let mut found = Vec::new();
    each_known(|known| {
        if bodies.iter().any(|body| holds(body, known)) {
            found.extend(known.algorithms);
        }
    });
    found
}

fn der(body: &str) -> Option<Vec<u8>> {
    let digits: String = body.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.decode(digits.as_bytes()).ok()
}

/// The modulus, or the first coordinate.
fn holds(body: &[u8], known: &Known) -> bool {
    let (_, value) = known.members.iter().find(|(name, _)| matches!(*name, "n" | "x")).unwrap();
    let value = BASE64URL_NOPAD.decode(value.as_bytes()).unwrap();
    body.windows(value.len()).any(|window| window == value)
}
