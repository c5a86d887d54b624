//! Nothing but the signature's own bytes pass.

use crate::common::*;

const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

fn nginx() -> Nginx {
    Setup::new().server("location / { jwt_user_scope any; empty_gif; }")
}

/// Which of these tokens are let through. They are sent in batches, since there are thousands.
fn let_through(nginx: &Nginx, tokens: &[String]) -> Vec<String> {
    let mut client = nginx.client();
    let mut passed = Vec::new();
    for batch in tokens.chunks(20) {
        client.send(&batch.iter().flat_map(|token| get("/").token(token).bytes()).collect::<Vec<u8>>());
        for token in batch {
            let response = client.receive("GET");
            match response.status {
                401 => assert_eq!(response.text(), r#"{"detail":"Invalid token"}"#, "{token}"),
                _ => passed.push(token.clone()),
            }
        }
    }
    passed
}

#[test]
fn every_change_of_one_character_is_refused() {
    let nginx = nginx();
    let good = uid("alice");
    let start = good.rfind('.').expect("a signature") + 1;
    let mut changed = Vec::new();
    for at in start..good.len() {
        for letter in ALPHABET.iter().filter(|letter| **letter != good.as_bytes()[at]) {
            changed.push(format!("{}{}{}", &good[..at], char::from(*letter), &good[at + 1..]));
        }
    }
    assert_eq!(changed.len(), 43 * 63);
    assert_eq!(let_through(&nginx, &changed), [""; 0]);
    assert_eq!(let_through(&nginx, std::slice::from_ref(&good)), [good]);
}

#[test]
fn every_letter_removed_doubled_or_swapped_is_refused() {
    let nginx = nginx();
    let good = uid("alice");
    let mut changed = Vec::new();
    for at in 0..good.len() {
        changed.push(format!("{}{}", &good[..at], &good[at + 1..]));
        changed.push(format!("{}{}", &good[..at + 1], &good[at..]));
        let other = if &good[at..at + 1] == "A" { "B" } else { "A" };
        changed.push(format!("{}{other}{}", &good[..at], &good[at + 1..]));
    }
    assert_eq!(let_through(&nginx, &changed), [""; 0]);
}

#[test]
fn signatures_of_other_keys_lengths_and_texts_are_refused() {
    let nginx = nginx();
    let payload = claims(r#""uid":"alice""#);
    let good = token(&payload);
    let (input, signature) = good.rsplit_once('.').expect("a signature");
    let other = token(claims(r#""uid":"bob""#));
    let other_signature = other.rsplit_once('.').expect("a signature").1;
    let cases = [
        ("another key", sign(HEADER, &payload, "another secret of many, many bytes")),
        ("an empty key", sign(HEADER, &payload, "")),
        ("the key with a newline", sign(HEADER, &payload, format!("{SECRET}\n"))),
        ("the start of the key", sign(HEADER, &payload, &SECRET[..32])),
        ("the key in base64url", sign(HEADER, &payload, b64(SECRET))),
        ("another token's signature", format!("{input}.{other_signature}")),
        ("the start of the signature", format!("{input}.{}", &signature[..40])),
        ("the signature twice", format!("{input}.{}{}", &signature[..40], &signature[..40])),
        ("zeros", format!("{input}.{}", "A".repeat(43))),
        ("one byte", format!("{input}.AA")),
        ("the signature in hex", format!("{input}.{}", b64("0123456789abcdef".repeat(4)))),
        ("SHA-512", format!("{input}.{}", sign_hs512(HEADER, &payload, SECRET).rsplit_once('.').expect("one").1)),
    ];
    for (name, token) in &cases {
        expect(name, "bad_signature", &get("/").token(token).send(&nginx));
    }
    expect("the key's own", "ok", &get("/").token(&good).send(&nginx));
}
