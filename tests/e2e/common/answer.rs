//! The contract's table of answers, as one assertion.

use super::client::Response;

/// The whole answer that belongs to a result word: status, challenge, type, length and body.
pub fn assert_refused(name: &str, word: &str, response: &Response) {
    let (status, body) = answer(word);
    assert_eq!(response.status, status, "status for {name}, expected {word}: {response:?}");
    assert_challenge(name, word, response);
    assert_eq!(response.all("Content-Type"), ["application/json"], "type for {name}");
    assert_eq!(response.text(), body, "body for {name}");
    assert_eq!(response.all("Content-Length"), [body.len().to_string()], "length for {name}");
}

/// The same, and `$jwt_user_scope_result` as `scoped_server` shows it. What was let through is a 200 without a challenge;
/// where nothing was checked (`unchecked`), there is no result.
pub fn expect(name: &str, word: &str, response: &Response) {
    match word {
        "ok" | "bypassed" | "preflight" | "unchecked" => {
            assert_eq!(response.status, 200, "status for {name}: {response:?}");
            assert_eq!(response.challenge(), None, "challenge for {name}");
        }
        _ => assert_refused(name, word, response),
    }
    let results = response.all("X-Result");
    assert_eq!(results.first().copied().unwrap_or("unchecked"), word, "result for {name}");
    assert!(results.len() < 2, "results for {name}: {results:?}");
}

fn answer(word: &str) -> (u16, &'static str) {
    match word {
        "missing_token" => (401, r#"{"detail":"Not authenticated"}"#),
        "expired" => (401, r#"{"detail":"Token expired"}"#),
        "malformed_token"
        | "unsupported_algorithm"
        | "unknown_key"
        | "bad_signature"
        | "not_yet_valid"
        | "lifetime_exceeded"
        | "bad_issuer"
        | "bad_audience"
        | "bad_type"
        | "bad_claim" => (401, r#"{"detail":"Invalid token"}"#),
        // With `error=403`, the default.
        "user_mismatch" | "empty_scope" | "requirement_failed" => (403, r#"{"detail":"Forbidden"}"#),
        "ambiguous_path" => (400, r#"{"detail":"Bad request path"}"#),
        "keys_unavailable" => (503, r#"{"detail":"Service unavailable"}"#),
        _ => panic!("{word} is no refusal"),
    }
}

fn assert_challenge(name: &str, word: &str, response: &Response) {
    let challenges = response.all("WWW-Authenticate");
    match word {
        "missing_token" => assert_eq!(challenges, ["Bearer"], "challenge for {name}"),
        "user_mismatch" | "empty_scope" | "requirement_failed" => {
            assert_eq!(challenges, [r#"Bearer error="insufficient_scope""#], "challenge for {name}");
        }
        "ambiguous_path" | "keys_unavailable" => assert!(challenges.is_empty(), "challenge for {name}: {challenges:?}"),
        _ => assert_invalid_token(name, &challenges),
    }
}

fn assert_invalid_token(name: &str, challenges: &[&str]) {
    let [challenge] = challenges else { panic!("not one challenge for {name}: {challenges:?}") };
    let description = challenge
        .strip_prefix(r#"Bearer error="invalid_token", error_description=""#)
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or_else(|| panic!("challenge for {name}: {challenge}"));
    // RFC 6750 section 3: error_description holds %x20-21 / %x23-5B / %x5D-7E.
    let allowed = |c: char| matches!(c, ' ' | '!' | '#'..='[' | ']'..='~');
    assert!(!description.is_empty() && description.chars().all(allowed), "description for {name}: {description}");
}
