//! A signer that takes raw bytes, so that a token can be wrong in any way a client can think of.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, Mac};
use sha2::{Sha256, Sha512};
use std::time::{SystemTime, UNIX_EPOCH};

/// The key of every nginx here, unless a test says otherwise.
pub const SECRET: &str = "an end-to-end test's own secret, 47 bytes long.";

pub const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

/// 2100-01-01: an expiry that no test run outlives.
pub const EXP: u64 = 4_102_444_800;

pub fn b64(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// `base64url(header).base64url(payload).HMAC-SHA256`, whatever the two are.
pub fn sign(header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>, secret: impl AsRef<[u8]>) -> String {
    let input = format!("{}.{}", b64(header), b64(payload));
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_ref()).expect("HMAC takes any key");
    mac.update(input.as_bytes());
    format!("{input}.{}", b64(mac.finalize().into_bytes()))
}

pub fn sign_hs512(header: &str, payload: &str, secret: &str) -> String {
    let input = format!("{}.{}", b64(header), b64(payload));
    let mut mac = Hmac::<Sha512>::new_from_slice(secret.as_bytes()).expect("HMAC takes any key");
    mac.update(input.as_bytes());
    format!("{input}.{}", b64(mac.finalize().into_bytes()))
}

/// A token in order but for its payload, which is the caller's.
pub fn token(payload: impl AsRef<[u8]>) -> String {
    sign(HEADER, payload, SECRET)
}

/// A payload with an `exp` far away and these members: `claims(r#""uid":"alice""#)`.
pub fn claims(members: &str) -> String {
    format!(r#"{{"exp":{EXP},{members}}}"#)
}

/// A good token of this user.
pub fn uid(user: &str) -> String {
    token(claims(&format!(r#""uid":"{user}""#)))
}

pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock after 1970").as_secs()
}
