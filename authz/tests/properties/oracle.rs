//! The contract, read a second time: which result word must the answer to a request have?

use data_encoding::BASE64URL_NOPAD;

use super::json::{self, Json};
use super::path;
use super::setups::Setup;
use super::signing::{KEYS, Key, Signer, Source};

/// A request, as the second opinion is told of it.
pub struct Request<'a> {
    pub raw: &'a [u8],
    pub uri: &'a [u8],
    pub preflight: bool,
    pub token: Option<&'a [u8]>,
    pub second_token: Option<&'a [u8]>,
    pub user: &'a [u8],
    pub now: u64,
}

/// The answer is the one that the contract asks for.
pub fn assert_answer(setup: &Setup, request: &Request, found: &str) {
    let expected = word(setup, request);
    let token = request.token.unwrap_or_default();
    assert_eq!(
        found,
        expected,
        "for {} at {}, {}, under {setup:?}",
        request.raw.escape_ascii(),
        request.now,
        token.escape_ascii()
    );
}

type Verdict<T> = Result<T, &'static str>;

/// The result word.
pub fn word(setup: &Setup, request: &Request) -> &'static str {
    decide(setup, request).unwrap_or_else(|refusal| refusal)
}

fn decide(setup: &Setup, request: &Request) -> Verdict<&'static str> {
    if !setup.any && !setup.any_path && !path::is_admitted(request.raw, request.uri) {
        return Err("ambiguous_path");
    }
    if setup.preflight && request.preflight {
        return Ok("preflight");
    }
    let token = request.token.ok_or("missing_token")?;
    if request.second_token.is_some_and(|second| second != token) {
        return Err("malformed_token");
    }
    let Signed { header, claims, key } = signed(setup, token)?;
    check_time(setup, &claims, request.now)?;
    check_issuer(setup, key, &claims)?;
    check_audience(setup, &claims)?;
    check_type(setup, &header)?;
    let names_user = |name: &str| setup.claim.trim_start_matches('/').split('/').next() == Some(name);
    if ["sub", "jti"].into_iter().any(|name| !names_user(name) && claims.get(name).is_some_and(|c| c.text().is_none()))
    {
        return Err("bad_claim");
    }
    let users = users(&claims, setup.claim).ok_or("bad_claim")?;
    match request.user {
        _ if setup.any => Ok("ok"),
        b"" => Err("empty_scope"),
        user if users.iter().any(|name| name.as_bytes() == user) => Ok("ok"),
        _ => Err("user_mismatch"),
    }
}

/// A token that a key has signed.
struct Signed {
    header: Json,
    claims: Json,
    key: &'static Key,
}

fn signed(setup: &Setup, token: &[u8]) -> Verdict<Signed> {
    let text = std::str::from_utf8(token).map_err(|_| "malformed_token")?;
    let segments: Vec<&str> = text.split('.').collect();
    let [header, payload, signature] = *segments else { return Err("malformed_token") };
    let signed = &text[..header.len() + 1 + payload.len()];
    let [header, payload, signature] = [header, payload, signature].map(|segment| {
        BASE64URL_NOPAD.decode(segment.as_bytes()).ok().filter(|bytes| !bytes.is_empty()).ok_or("malformed_token")
    });
    let (header, payload, signature) = (header?, payload?, signature?);
    let header = json::object(&header).ok_or("malformed_token")?;
    let key = key(setup, &header, |key| key.signer.verifies(signed.as_bytes(), &signature))?;
    let claims = json::object(&payload).ok_or("malformed_token")?;
    Ok(Signed { header, claims, key })
}

/// The key that has signed, among those that the header selects.
fn key(setup: &Setup, header: &Json, has_signed: impl Fn(&Key) -> bool) -> Verdict<&'static Key> {
    let is_text = |name| header.get(name).is_none_or(|value| value.text().is_some());
    let is_encoded = header.get("b64") != Some(&Json::Bool(false));
    if header.get("crit").is_some() || !is_encoded || !is_text("kid") || !is_text("alg") {
        return Err("malformed_token");
    }
    let kid = header.get("kid").and_then(Json::text);
    let alg = header.get("alg").and_then(Json::text).ok_or("malformed_token")?;
    let alg = if alg == "Ed25519" { "EdDSA" } else { alg };
    let there: Vec<&Key> = KEYS.iter().filter(|key| key.source != Source::Set || setup.fetched).collect();
    let is_selected = |key: &Key| kid.is_none() || key.kid.is_none() || key.kid == kid;
    let fits = |key: &Key| key.signer.algorithm() == alg;
    let refusal = if !there.iter().any(|key| fits(key)) {
        "unsupported_algorithm"
    } else if !there.iter().any(|key| is_selected(key)) {
        "unknown_key"
    } else if !there.iter().any(|key| is_selected(key) && fits(key)) {
        "unsupported_algorithm"
    } else if let Some(key) = there.into_iter().find(|key| is_selected(key) && fits(key) && has_signed(key)) {
        return Ok(key);
    } else {
        "bad_signature"
    };
    Err(if !setup.fetched && is_public(alg) { "keys_unavailable" } else { refusal })
}

fn is_public(alg: &str) -> bool {
    let hashes = ["256", "384", "512"];
    let is_hashed = |family: &str| alg.strip_prefix(family).is_some_and(|hash| hashes.contains(&hash));
    alg == "EdDSA" || ["RS", "PS", "ES"].into_iter().any(is_hashed)
}

fn number(claims: &Json, name: &str) -> Verdict<Option<f64>> {
    claims.get(name).map(|value| value.number().ok_or("bad_claim")).transpose()
}

fn check_time(setup: &Setup, claims: &Json, now: u64) -> Verdict<()> {
    let (now, leeway) = (now as f64, setup.leeway as f64);
    let exp = number(claims, "exp")?.ok_or("bad_claim")?;
    if exp + leeway <= now {
        return Err("expired");
    }
    if number(claims, "nbf")?.is_some_and(|nbf| nbf - leeway > now) {
        return Err("not_yet_valid");
    }
    let issued = number(claims, "iat")?.unwrap_or(now);
    let lifetime = exp - if issued < now { issued } else { now };
    if setup.max_lifetime > 0 && lifetime > (setup.max_lifetime + setup.leeway) as f64 {
        return Err("lifetime_exceeded");
    }
    Ok(())
}

fn check_issuer(setup: &Setup, key: &Key, claims: &Json) -> Verdict<()> {
    let iss = claims.get("iss").and_then(Json::text);
    let is_listed = setup.issuers.is_empty() || iss.is_some_and(|iss| setup.issuers.contains(&iss));
    let is_keys = key.issuer.is_none() || key.issuer == iss;
    if is_listed && is_keys { Ok(()) } else { Err("bad_issuer") }
}

fn check_audience(setup: &Setup, claims: &Json) -> Verdict<()> {
    let audiences: Option<Vec<&str>> = match claims.get("aud") {
        _ if setup.audiences.is_empty() => return Ok(()),
        Some(Json::Array(elements)) => elements.iter().map(Json::text).collect(),
        Some(value) => value.text().map(|aud| vec![aud]),
        None => None,
    };
    let is_ours = audiences.is_some_and(|audiences| audiences.iter().any(|aud| setup.audiences.contains(aud)));
    if is_ours { Ok(()) } else { Err("bad_audience") }
}

fn check_type(setup: &Setup, header: &Json) -> Verdict<()> {
    let accepted = if setup.types.is_empty() { &["jwt", "at+jwt"] } else { setup.types };
    let short = |typ: &str| {
        let typ = typ.to_ascii_lowercase();
        typ.strip_prefix("application/").map(str::to_owned).unwrap_or(typ)
    };
    let is_accepted = match header.get("typ") {
        None => setup.types.is_empty(),
        Some(value) => value.text().is_some_and(|typ| accepted.iter().any(|one| short(one) == short(typ))),
    };
    if is_accepted { Ok(()) } else { Err("bad_type") }
}

/// The users that a claim names.
pub fn users(claims: &Json, claim: &str) -> Option<Vec<String>> {
    let value = if claim.starts_with('/') { claims.pointer(claim) } else { claims.get(claim) };
    let one = |value: &Json| match value {
        Json::Text(name) if !name.is_empty() => Some(name.clone()),
        Json::Number(number) if !number.contains(['.', 'e', 'E']) => Some(number.clone()),
        _ => None,
    };
    match value? {
        Json::Array(elements) if elements.is_empty() => None,
        Json::Array(elements) => elements.iter().map(one).collect(),
        value => one(value).map(|name| vec![name]),
    }
}

/// Whether the holder of a configured key has signed this text.
pub fn is_signed_by_a_key(signed: &[u8], signature: &[u8]) -> bool {
    KEYS.iter().map(|key| key.signer).any(|signer: Signer| signer.verifies(signed, signature))
}
