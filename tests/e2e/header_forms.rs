//! Every shape that an `Authorization` header can take.

use crate::common::*;

const CONF: &str = "
    large_client_header_buffers 4 8k;
    location / { jwt_user_scope any; empty_gif; }";

#[test]
fn schemes_and_spaces() {
    let nginx = Setup::new().server(CONF);
    let good = uid("alice");
    let cases = [
        ("a letter", "X".into(), "missing_token"),
        ("empty", "".into(), "missing_token"),
        ("scheme alone", "Bearer".into(), "missing_token"),
        ("scheme and a space", "Bearer ".into(), "missing_token"),
        ("scheme and spaces", "Bearer     ".into(), "missing_token"),
        ("part of the scheme", "Bear".into(), "missing_token"),
        ("no space", format!("Bearer{good}"), "missing_token"),
        ("another scheme", format!("Token {good}"), "missing_token"),
        ("a longer scheme", format!("Bearers {good}"), "missing_token"),
        ("basic", "Basic YWxpY2U6cGFzcw==".into(), "missing_token"),
        ("token alone", good.clone(), "missing_token"),
        ("quoted whole", format!("\"Bearer {good}\""), "missing_token"),
        ("good", format!("Bearer {good}"), "ok"),
        ("lower case", format!("bearer {good}"), "ok"),
        ("upper case", format!("BEARER {good}"), "ok"),
        ("mixed case", format!("bEaReR {good}"), "ok"),
        ("two spaces", format!("Bearer  {good}"), "ok"),
        ("many spaces", format!("Bearer{}{good}", " ".repeat(50)), "ok"),
        ("trailing space", format!("Bearer {good} "), "ok"),
        ("trailing spaces", format!("Bearer {good}    "), "ok"),
        ("leading spaces", format!("   Bearer {good}"), "ok"),
        ("a tab before the token", format!("Bearer \t{good}"), "malformed_token"),
        ("a trailing tab", format!("Bearer {good}\t"), "malformed_token"),
        ("a tab inside", format!("Bearer {}", good.replacen('.', "\t.", 1)), "malformed_token"),
        ("two tokens", format!("Bearer {good} {good}"), "malformed_token"),
        ("a trailing comma", format!("Bearer {good},"), "malformed_token"),
        ("a list", format!("Bearer {good}, Bearer {good}"), "malformed_token"),
        ("a second scheme", format!("Bearer {good}, Basic YWxpY2U6cGFzcw=="), "malformed_token"),
        ("quotes", format!("Bearer \"{good}\""), "malformed_token"),
        ("single quotes", format!("Bearer '{good}'"), "malformed_token"),
        ("a parameter", format!("Bearer token={good}"), "malformed_token"),
        ("the scheme twice", format!("Bearer Bearer {good}"), "malformed_token"),
    ];
    let mut client = nginx.client();
    for (name, value, word) in &cases {
        expect(name, word, &client.ask(&get("/").authorization(value)));
    }
    expect("no header", "missing_token", &client.ask(&get("/")));
}

/// A tab is no separator of the scheme, so this names neither a token nor the scheme for sure: refused either way.
#[test]
fn a_tab_for_the_space_is_refused() {
    let nginx = Setup::new().server(CONF);
    let response = get("/").authorization(format!("Bearer\t{}", uid("alice"))).send(&nginx);
    assert_eq!(response.status, 401, "{response:?}");
}

#[test]
fn bytes_beyond_ascii() {
    let nginx = Setup::new().server(CONF);
    let good = uid("alice");
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("one such byte", b"\xff".to_vec(), "missing_token"),
        ("in the scheme", [b"Be\xe4rer ", good.as_bytes()].concat(), "missing_token"),
        ("as the token", b"Bearer \xff\xfe\x80".to_vec(), "malformed_token"),
        ("behind the token", [b"Bearer ", good.as_bytes(), b"\x80"].concat(), "malformed_token"),
        ("before the token", [b"Bearer \xc2\xa0", good.as_bytes()].concat(), "malformed_token"),
        ("in a segment", [b"Bearer a\xc3\xa9", good.as_bytes()].concat(), "malformed_token"),
    ];
    for (name, value, word) in &cases {
        expect(name, word, &get("/").authorization(value).send(&nginx));
    }
    for byte in (0x80..=0xff_u8).chain(1..0x20).filter(|byte| !b"\n\r".contains(byte)) {
        let value = [&b"Bearer "[..], good.as_bytes(), &[byte, b'x']].concat();
        let response = get("/").authorization(value).send(&nginx);
        assert!(matches!(response.status, 400 | 401), "byte {byte:#x}: {response:?}");
    }
}

#[test]
fn two_lines_are_nginx_s_own_400() {
    let nginx = Setup::new().server(CONF);
    let good = uid("alice");
    for (first, second) in [("X", "X"), ("Bearer x", "Basic x")] {
        let response = get("/").authorization(first).authorization(second).send(&nginx);
        assert_eq!(response.status, 400, "{first} and {second}");
        assert!(response.text().contains("<html>"), "{first} and {second}: {}", response.text());
    }
    let response = get("/").token(&good).token(&good).send(&nginx);
    assert_eq!((response.status, response.text().contains("<html>")), (400, true), "the same token twice");
}

#[test]
fn long_tokens_are_read_whole() {
    let nginx = Setup::new().server(CONF);
    let padding = "x".repeat(5 * 1024);
    let long = token(claims(&format!(r#""uid":"alice","padding":"{padding}""#)));
    assert!(long.len() > 6 * 1024 && long.len() < 8 * 1024);
    expect("a good one", "ok", &get("/").token(&long).send(&nginx));
    expect("cut by two", "malformed_token", &get("/").token(&long[..long.len() - 2]).send(&nginx));
    expect("7 KB of letters", "malformed_token", &get("/").token(&"A".repeat(7 * 1024)).send(&nginx));
    expect("7 KB of dots", "malformed_token", &get("/").token(&".".repeat(7 * 1024)).send(&nginx));
    expect("7 KB of spaces", "missing_token", &get("/").token(&" ".repeat(7 * 1024)).send(&nginx));
    assert_eq!(get("/").token(&"A".repeat(9 * 1024)).send(&nginx).status, 400, "more than nginx reads");
}

#[test]
fn three_strict_segments() {
    let nginx = Setup::new().server(CONF);
    let payload = claims(r#""uid":"alice""#);
    let good = token(&payload);
    let [header, body, signature] = good.split('.').collect::<Vec<_>>()[..] else { panic!("three segments") };
    let cases = [
        ("one", header.to_owned()),
        ("two", format!("{header}.{body}")),
        ("four", format!("{good}.{signature}")),
        ("five, as an encrypted token has", format!("{good}.{body}.{signature}")),
        ("a trailing dot", format!("{good}.")),
        ("a leading dot", format!(".{good}")),
        ("an empty header", format!(".{body}.{signature}")),
        ("an empty payload", format!("{header}..{signature}")),
        ("an empty signature", format!("{header}.{body}.")),
        ("dots", "..".into()),
        ("a dot", ".".into()),
        ("padded signature", format!("{good}=")),
        ("padded header", format!("{header}=.{body}.{signature}")),
        ("doubly padded payload", format!("{header}.{body}==.{signature}")),
        ("plus", format!("{header}.{body}.+{}", &signature[1..])),
        ("slash", format!("{header}.{body}./{}", &signature[1..])),
        ("percent", format!("{header}.{body}.%41{}", &signature[1..])),
        ("a space in a segment", format!("{header}.{body}.{} {}", &signature[..9], &signature[9..])),
        ("a length that no bytes have", format!("{header}.{body}.{signature}AA")),
    ];
    for (name, token) in &cases {
        expect(name, "malformed_token", &get("/").token(token).send(&nginx));
    }
    expect("as it was", "ok", &get("/").token(&good).send(&nginx));
}

/// The bits of a segment's last letter that carry no data are zero, or the token has many spellings.
#[test]
fn trailing_bits_are_zero() {
    let nginx = Setup::new().server(CONF);
    let mut client = nginx.client();
    for spaces in 0..3 {
        let blank = " ".repeat(spaces);
        let good = sign(format!("{HEADER}{blank}"), claims(&format!(r#""uid":"alice"{blank}"#)), SECRET);
        let segments: Vec<&str> = good.split('.').collect();
        for at in (0..3).filter(|at| !segments[*at].len().is_multiple_of(4)) {
            let mut changed: Vec<String> = segments.iter().map(|segment| segment.to_string()).collect();
            changed[at] = next_in_alphabet(&changed[at]);
            let name = format!("segment {at} of {good}");
            expect(&name, "malformed_token", &client.ask(&get("/").token(&changed.join("."))));
        }
        expect(&good, "ok", &client.ask(&get("/").token(&good)));
    }
}

fn next_in_alphabet(segment: &str) -> String {
    const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let (rest, last) = segment.split_at(segment.len() - 1);
    let at = ALPHABET.find(last).expect("a letter of the alphabet");
    format!("{rest}{}", &ALPHABET[at + 1..at + 2])
}
