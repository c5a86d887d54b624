//! Headers and payloads that are signed with the right key and wrong all the same.

use crate::common::*;

/// Header, result; the payload is in order.
fn headers(cases: &[(&str, &str)]) {
    let nginx = Setup::new().server("location / { jwt_user_scope any; empty_gif; }");
    let mut client = nginx.client();
    for (header, word) in cases {
        let token = sign(header, claims(r#""uid":"alice""#), SECRET);
        expect(header, word, &client.ask(&get("/").token(&token)));
    }
}

/// Name, payload, result.
fn payloads(cases: &[(&str, Vec<u8>, &str)]) {
    let nginx = Setup::new().server("location / { jwt_user_scope any; empty_gif; }");
    let mut client = nginx.client();
    for (name, payload, word) in cases {
        expect(name, word, &client.ask(&get("/").token(&token(payload))));
    }
}

#[test]
fn the_algorithm_is_the_key_s() {
    headers(&[
        (r#"{"alg":"HS256"}"#, "ok"),
        (r#"{"\u0061lg":"\u0048S256"}"#, "ok"),
        (r#"{"alg":"none"}"#, "unsupported_algorithm"),
        (r#"{"alg":"None"}"#, "unsupported_algorithm"),
        (r#"{"alg":"NONE"}"#, "unsupported_algorithm"),
        (r#"{"alg":"hs256"}"#, "unsupported_algorithm"),
        (r#"{"alg":"Hs256"}"#, "unsupported_algorithm"),
        (r#"{"alg":"HS256 "}"#, "unsupported_algorithm"),
        (r#"{"alg":" HS256"}"#, "unsupported_algorithm"),
        (r#"{"alg":"HS256\u0000"}"#, "unsupported_algorithm"),
        (r#"{"alg":""}"#, "unsupported_algorithm"),
        (r#"{"alg":"HS384"}"#, "unsupported_algorithm"),
        (r#"{"alg":"HS512"}"#, "unsupported_algorithm"),
        (r#"{"alg":"RS256"}"#, "unsupported_algorithm"),
        (r#"{"alg":"PS256"}"#, "unsupported_algorithm"),
        (r#"{"alg":"ES256"}"#, "unsupported_algorithm"),
        (r#"{"alg":"EdDSA"}"#, "unsupported_algorithm"),
        (r#"{"alg":"A256KW"}"#, "unsupported_algorithm"),
        (r#"{"alg":42}"#, "malformed_token"),
        (r#"{"alg":null}"#, "malformed_token"),
        (r#"{"alg":true}"#, "malformed_token"),
        (r#"{"alg":["HS256"]}"#, "malformed_token"),
        (r#"{"alg":{"HS256":1}}"#, "malformed_token"),
        (r#"{"typ":"JWT"}"#, "malformed_token"),
        (r#"{"ALG":"HS256"}"#, "malformed_token"),
        ("{}", "malformed_token"),
    ]);
}

#[test]
fn a_longer_hash_is_not_tried() {
    let nginx = Setup::new().server("location / { jwt_user_scope any; empty_gif; }");
    let payload = claims(r#""uid":"alice""#);
    let real = sign_hs512(r#"{"alg":"HS512"}"#, &payload, SECRET);
    expect("a true HS512 token", "unsupported_algorithm", &get("/").token(&real).send(&nginx));
    let disguised = sign_hs512(HEADER, &payload, SECRET);
    expect("HS512 that claims to be HS256", "bad_signature", &get("/").token(&disguised).send(&nginx));
}

#[test]
fn critical_headers_are_refused_and_unknown_ones_ignored() {
    headers(&[
        (r#"{"alg":"HS256","crit":["exp"],"exp":1}"#, "malformed_token"),
        (r#"{"alg":"HS256","crit":["b64"],"b64":false}"#, "malformed_token"),
        (r#"{"alg":"HS256","crit":[]}"#, "malformed_token"),
        (r#"{"alg":"HS256","crit":null}"#, "malformed_token"),
        (r#"{"alg":"HS256","b64":false}"#, "malformed_token"),
        (r#"{"alg":"HS256","b64":true}"#, "ok"),
        (r#"{"alg":"HS256","kid":42}"#, "malformed_token"),
        (r#"{"alg":"HS256","kid":null}"#, "malformed_token"),
        (r#"{"alg":"HS256","kid":["a"]}"#, "malformed_token"),
        (r#"{"alg":"HS256","kid":"any"}"#, "ok"),
        (r#"{"alg":"HS256","kid":""}"#, "ok"),
        (r#"{"alg":"HS256","kid":"../../../../dev/null"}"#, "ok"),
        (r#"{"alg":"HS256","cty":"JWT"}"#, "ok"),
        (r#"{"alg":"HS256","zip":"DEF"}"#, "ok"),
        (r#"{"alg":"HS256","x":{"y":[1,null,{"z":"é"}]}}"#, "ok"),
        (r#" { "alg" : "HS256" } "#, "ok"),
    ]);
}

/// A key that the token brings along is nobody's key.
#[test]
fn keys_in_the_header_change_nothing() {
    let nginx = Setup::new().server("location / { jwt_user_scope any; empty_gif; }");
    let attacker = "a secret of the attacker's, long enough for HS256";
    let jwk = format!(r#"{{"kty":"oct","alg":"HS256","k":"{}"}}"#, b64(attacker));
    let members = [
        format!(r#""jwk":{jwk}"#),
        r#""jku":"http://127.0.0.1/jwks""#.into(),
        r#""x5u":"file:///etc/passwd""#.into(),
        r#""x5c":["MIIB"]"#.into(),
        r#""jwk":42,"jku":null,"x5u":[]"#.into(),
    ];
    for member in members {
        let header = format!(r#"{{"alg":"HS256",{member}}}"#);
        let payload = claims(r#""uid":"alice""#);
        expect(&header, "bad_signature", &get("/").token(&sign(&header, &payload, attacker)).send(&nginx));
        expect(&header, "ok", &get("/").token(&sign(&header, &payload, SECRET)).send(&nginx));
    }
}

#[test]
fn types_of_other_uses_are_refused() {
    headers(&[
        (r#"{"alg":"HS256"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"JWT"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"jwt"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"at+jwt"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"AT+JWT"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"application/jwt"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"application/at+jwt"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"Application/AT+JWT"}"#, "ok"),
        (r#"{"alg":"HS256","typ":"better-auth.session-cache+jwt"}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":"dpop+jwt"}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":"secevent+jwt"}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":"text/jwt"}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":"JWT "}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":"JW"}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":""}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":"application/"}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":42}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":null}"#, "bad_type"),
        (r#"{"alg":"HS256","typ":["JWT"]}"#, "bad_type"),
    ]);
}

#[test]
fn headers_are_json_objects() {
    headers(&[
        ("[]", "malformed_token"),
        (r#""HS256""#, "malformed_token"),
        ("null", "malformed_token"),
        ("42", "malformed_token"),
        (r#"[{"alg":"HS256"}]"#, "malformed_token"),
        ("{", "malformed_token"),
        (r#"{"alg":"HS256""#, "malformed_token"),
        (r#"{"alg":"HS256"}}"#, "malformed_token"),
        (r#"{"alg":"HS256"}{"alg":"HS256"}"#, "malformed_token"),
        (r#"{"alg":"HS256",}"#, "malformed_token"),
        (r#"{'alg':'HS256'}"#, "malformed_token"),
        (r#"{"alg":"HS256","alg":"HS256"}"#, "malformed_token"),
        (r#"{"alg":"HS256","alg":"none"}"#, "malformed_token"),
        (r#"{"alg":"none","alg":"HS256"}"#, "malformed_token"),
        (r#"{"alg":"HS256","\u0061lg":"HS256"}"#, "malformed_token"),
        (r#"{"alg":"HS256","x":{"y":1,"y":2}}"#, "malformed_token"),
    ]);
}

#[test]
fn payloads_are_json_objects_of_unique_names() {
    let good = claims(r#""uid":"alice""#);
    let bytes = |text: &str| text.as_bytes().to_vec();
    let with = |members: &str| bytes(&claims(&format!(r#""uid":"alice",{members}"#)));
    payloads(&[
        ("as it should be", bytes(&good), "ok"),
        ("white space around", bytes(&format!(" \t\r\n{good}\r\n")), "ok"),
        ("an array", bytes(&format!("[{good}]")), "malformed_token"),
        ("a string", bytes(r#""alice""#), "malformed_token"),
        ("a number", bytes("42"), "malformed_token"),
        ("null", bytes("null"), "malformed_token"),
        ("no JSON", bytes("alice"), "malformed_token"),
        ("cut short", bytes(&good[..good.len() - 1]), "malformed_token"),
        ("a trailing byte", bytes(&format!("{good}x")), "malformed_token"),
        ("a trailing NUL", bytes(&format!("{good}\0")), "malformed_token"),
        ("a second object", bytes(&format!("{good}{good}")), "malformed_token"),
        ("a comment", bytes(&format!("{good}// alice")), "malformed_token"),
        ("a byte order mark", bytes(&format!("\u{feff}{good}")), "malformed_token"),
        ("UTF-16", good.encode_utf16().flat_map(u16::to_le_bytes).collect(), "malformed_token"),
        ("not UTF-8 in a claim", [&b"{\"x\":\"\xff\","[..], &good.as_bytes()[1..]].concat(), "malformed_token"),
        ("not UTF-8 in a name", [&b"{\"\xc3\x28\":1,"[..], &good.as_bytes()[1..]].concat(), "malformed_token"),
        ("overlong UTF-8", [&b"{\"x\":\"\xc0\xaf\","[..], &good.as_bytes()[1..]].concat(), "malformed_token"),
        ("half a surrogate pair", with(r#""x":"\ud800""#), "malformed_token"),
        ("a control byte in a string", with("\"x\":\"a\nb\""), "malformed_token"),
        ("a trailing comma", with(r#""x":[1,]"#), "malformed_token"),
        ("a leading zero", with(r#""x":042"#), "malformed_token"),
        ("not a number", with(r#""x":NaN"#), "malformed_token"),
        ("infinity", with(r#""x":Infinity"#), "malformed_token"),
        ("hexadecimal", with(r#""x":0x10"#), "malformed_token"),
        ("a bare point", with(r#""x":1."#), "malformed_token"),
        ("uid twice", with(r#""uid":"bob""#), "malformed_token"),
        ("uid twice, the same", with(r#""uid":"alice""#), "malformed_token"),
        ("uid twice, one escaped", with(r#""\u0075id":"bob""#), "malformed_token"),
        ("exp twice", with(&format!(r#""exp":{EXP}"#)), "malformed_token"),
        ("a claim nobody reads, twice", with(r#""x":1,"x":1"#), "malformed_token"),
        ("twice in an object", with(r#""x":{"y":1,"y":2}"#), "malformed_token"),
        ("twice in an array's object", with(r#""x":[[{"y":1,"\u0079":2}]]"#), "malformed_token"),
        ("twice among many", with(&format!("{},\"x7\":0", many(40))), "malformed_token"),
        ("many, each once", with(&many(40)), "ok"),
        ("an empty name twice", with(r#""":1,"":2"#), "malformed_token"),
        ("the same name at two depths", with(r#""x":{"x":{"x":1}},"y":[{"x":1},{"x":1}]"#), "ok"),
        ("names that differ in case", with(r#""UID":"bob","Uid":"carol""#), "ok"),
    ]);
}

/// `"x0":0,"x1":1` and so on.
fn many(members: usize) -> String {
    (0..members).map(|at| format!(r#""x{at}":{at}"#)).collect::<Vec<_>>().join(",")
}

#[test]
fn nesting_ends_at_127_levels() {
    // The payload itself is the first level.
    let arrays = |levels: usize| claims(&format!(r#""uid":"alice","x":{}{}"#, "[".repeat(levels), "]".repeat(levels)));
    let objects =
        |levels: usize| claims(&format!(r#""uid":"alice","x":{}1{}"#, r#"{"x":"#.repeat(levels), "}".repeat(levels)));
    payloads(&[
        ("126 arrays within", arrays(126).into_bytes(), "ok"),
        ("127 arrays within", arrays(127).into_bytes(), "malformed_token"),
        ("126 objects within", objects(126).into_bytes(), "ok"),
        ("127 objects within", objects(127).into_bytes(), "malformed_token"),
        ("900 arrays within", arrays(900).into_bytes(), "malformed_token"),
        ("700 objects within", objects(700).into_bytes(), "malformed_token"),
        ("2500 brackets that never close", vec![b'['; 2500], "malformed_token"),
    ]);
}

#[test]
fn a_deep_header_is_refused() {
    let deep = format!(r#"{{"alg":"HS256","x":{}{}}}"#, "[".repeat(900), "]".repeat(900));
    headers(&[(&deep, "malformed_token")]);
}
