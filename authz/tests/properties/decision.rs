//! The whole decision, on a case that the input describes: signed here, so that tokens are let in at all.
//!
//! Four parts with an empty line between them: settings, header, payload, path. A setting is one letter, `a` where it is
//! missing. In the header, `$alg` stands for the algorithm of whoever signs; in the path, `$user` for the first user
//! that the payload names, percent-encoded.

use data_encoding::BASE64URL_NOPAD;
use percent_encoding::{NON_ALPHANUMERIC, percent_encode};

use super::json::{self, Json};
use super::oracle::Request;
use super::setups::{NOW, Setup, answer, setup};
use super::signing::{SIGNERS, Signer};
use super::{Reached, oracle};
use crate::nginx;

/// What stands between the parts of a case.
pub const BREAK: &[u8] = b"\n\n";

struct Case {
    setup: usize,
    token: Option<Vec<u8>>,
    second_token: Option<Vec<u8>>,
    preflight: bool,
    raw: Vec<u8>,
    uri: Vec<u8>,
    now: u64,
}

/// The answer is the one that the second opinion gives. Whoever is let in has a token that a configured key has signed,
/// that is not expired, and that names the user of the path.
pub fn check(input: &[u8]) -> Reached {
    let Some(case) = Case::read(input) else { return Reached::Nothing };
    let user = nginx::user_id(&case.uri).unwrap_or_default();
    let request = Request {
        raw: &case.raw,
        uri: &case.uri,
        preflight: case.preflight,
        token: case.token.as_deref(),
        second_token: case.second_token.as_deref(),
        user,
        now: case.now,
    };
    let (word, named) = answer(case.setup, &request);
    if word == "ok" {
        check_grant(setup(case.setup), &request, named.as_deref());
    }
    Reached::accepted(word == "ok")
}

/// What a grant means, whatever rule has led to it.
fn check_grant(setup: &Setup, request: &Request, named: Option<&str>) {
    let token = std::str::from_utf8(request.token.unwrap()).unwrap();
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let signature = BASE64URL_NOPAD.decode(signature.as_bytes()).unwrap();
    assert!(oracle::is_signed_by_a_key(signed.as_bytes(), &signature), "not signed: {token}");
    let claims = claims(signed.split_once('.').unwrap().1);
    let exp = claims.get("exp").and_then(Json::number).unwrap();
    assert!(exp + setup.leeway as f64 > request.now as f64, "expired: {token}");
    let users = oracle::users(&claims, setup.claim).unwrap();
    let is_named = users.iter().any(|user| user.as_bytes() == request.user);
    assert!(setup.any || is_named && !request.user.is_empty(), "another user's: {token}");
    assert!(setup.any || named.map(str::as_bytes) == Some(request.user), "another user's: {token}");
}

fn claims(segment: &str) -> Json {
    json::object(&BASE64URL_NOPAD.decode(segment.as_bytes()).unwrap()).unwrap()
}

impl Case {
    fn read(input: &[u8]) -> Option<Self> {
        let parts = split(input);
        let [settings, header, payload, path] = *parts else { return None };
        let setting = |at: usize| usize::from(settings.get(at).map_or(0, |letter| letter.wrapping_sub(b'a')));
        let signer = SIGNERS[setting(0) % SIGNERS.len()];
        let header = replace(header, "$alg", signer.algorithm().as_bytes());
        let token = alter(setting(1), signer, &header, payload);
        let setup = setting(2);
        let raw = replace(path, "$user", &user(payload, setup));
        let uri = nginx::uri(&raw)?;
        let (token, second_token) = match setting(4) % 8 {
            1 => (Some(token.clone()), Some(token)),
            2 => (Some(token), Some(b"x.y.z".to_vec())),
            3 => (None, None),
            _ => (Some(token), None),
        };
        let now = [NOW, NOW - 1, NOW + 1, NOW + 10, 0, u64::MAX][setting(3) % 6];
        Some(Self { setup, token, second_token, preflight: setting(5) % 2 == 1, raw, uri, now })
    }
}

/// The parts of a case.
pub fn split(input: &[u8]) -> Vec<&[u8]> {
    let mut parts = Vec::new();
    let mut rest = input;
    while let Some(at) = rest.windows(BREAK.len()).position(|window| window == BREAK) {
        parts.push(&rest[..at]);
        rest = &rest[at + BREAK.len()..];
    }
    parts.push(rest);
    parts
}

fn replace(text: &[u8], mark: &str, by: &[u8]) -> Vec<u8> {
    let at = text.windows(mark.len()).position(|window| window == mark.as_bytes());
    at.map_or(text.to_vec(), |at| [&text[..at], by, &text[at + mark.len()..]].concat())
}

fn user(payload: &[u8], setup: usize) -> Vec<u8> {
    let users = json::object(payload).and_then(|claims| oracle::users(&claims, self::setup(setup).claim));
    let first = users.and_then(|users| users.into_iter().next()).unwrap_or_default();
    percent_encode(first.as_bytes(), NON_ALPHANUMERIC).to_string().into_bytes()
}

/// Signs, and changes something afterwards in half of the cases.
fn alter(alteration: usize, signer: Signer, header: &[u8], payload: &[u8]) -> Vec<u8> {
    let encode = |bytes: &[u8]| BASE64URL_NOPAD.encode(bytes);
    let signed = format!("{}.{}", encode(header), encode(payload));
    let mut signature = signer.sign(signed.as_bytes());
    let at = alteration / 16 % signature.len();
    let token = |signature: &[u8]| format!("{signed}.{}", encode(signature));
    let good = token(&signature);
    let altered = match alteration % 16 {
        0 => {
            signature[at] ^= 1 << (alteration % 8);
            token(&signature)
        }
        1 => token(&signature[..at]),
        2 => token(&[&signature, &signature[..at]].concat()),
        3 => good.replacen('.', "..", 1),
        4 => good.clone() + "=",
        5 => good.clone() + ".",
        6 => format!("{}.{}.{}", encode(payload), encode(header), encode(&signature)),
        7 => format!("{}.{}.{}", encode(header), encode(b"{}"), encode(&signature)),
        _ => good.clone(),
    };
    // The letter `a`, and what is left out, change nothing.
    if alteration == 0 { good.into_bytes() } else { altered.into_bytes() }
}
