//! `$jwt_user_scope_claim_<name>`, `$jwt_user_scope_header_<name>`, `$jwt_user_scope_payload` and `jwt_user_scope_set`.

use crate::common::*;

/// Shows `variable` in brackets, after the check.
fn showing(http: &str, variable: &str) -> Nginx {
    Setup::new().http(&format!(
        r#"{http}
        server {{
            listen unix:nginx.sock;
            location / {{ jwt_user_scope any; add_header X-Shown "[{variable}]" always; empty_gif; }}
        }}"#
    ))
}

fn shown(nginx: &Nginx, token: &str) -> String {
    let response = get("/").token(token).send(nginx);
    response.header("X-Shown").unwrap_or_else(|| panic!("nothing shown: {response:?}")).to_owned()
}

fn bracketed(value: &str) -> String {
    format!("[{value}]")
}

#[test]
fn a_claim_is_shown_as_its_json_type_allows() {
    let nginx = showing("", "$jwt_user_scope_claim_x");
    let cases = [
        (r#""text""#, "text"),
        (r#""a b,c""#, "a b,c"),
        (r#""\u0041\/\"""#, "A/\""),
        ("\"caf\u{e9}\"", "caf\u{e9}"),
        (r#""\ud83d\ude00""#, "\u{1f600}"),
        (r#""\u0085""#, "\u{85}"),
        (r#""""#, ""),
        ("42", "42"),
        ("-0", "-0"),
        ("1.50e1", "1.50e1"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("true", "true"),
        ("false", "false"),
        ("null", ""),
        ("{}", ""),
        (r#"{"a":1}"#, ""),
        ("[]", ""),
        (r#"["a"]"#, "a"),
        (r#"["a","b"]"#, "a,b"),
        (r#"["a",1,-2.5,true]"#, "a,1,-2.5,true"),
        (r#"["",""]"#, ","),
        (r#"["a,b"]"#, ""),
        (r#"["a","b,c"]"#, ""),
        (r#"["a","\u002c"]"#, ""),
        (r#"["a",null]"#, ""),
        (r#"["a",["b"]]"#, ""),
        (r#"["a",{}]"#, ""),
    ];
    for (value, text) in cases {
        let signed = token(claims(&format!(r#""uid":"alice","x":{value}"#)));
        assert_eq!(shown(&nginx, &signed), bracketed(text), "{value}");
    }
    assert_eq!(shown(&nginx, &uid("alice")), "[]", "no such claim");
}

#[test]
fn a_control_byte_empties_a_value() {
    let controls: Vec<String> = (0..0x20).chain([0x7f]).map(|byte| format!(r"\u{byte:04x}")).collect();
    let nginx = showing("", "$jwt_user_scope_claim_x$jwt_user_scope_header_x");
    for control in &controls {
        for value in [format!(r#""a{control}b""#), format!(r#""{control}""#), format!(r#"["a","b{control}"]"#)] {
            let claim = token(claims(&format!(r#""uid":"alice","x":{value}"#)));
            assert_eq!(shown(&nginx, &claim), "[]", "claim {value}");
            let header = sign(format!(r#"{{"alg":"HS256","x":{value}}}"#), claims(r#""uid":"alice""#), SECRET);
            assert_eq!(shown(&nginx, &header), "[]", "header {value}");
        }
    }
    let clean = token(claims(r#""uid":"alice","x":"a b~""#));
    assert_eq!(shown(&nginx, &clean), "[a b~]");
}

#[test]
fn names_are_folded_and_two_that_meet_are_empty() {
    let cases = [
        (r#""role":"a""#, "a"),
        (r#""Role":"a""#, "a"),
        (r#""ROLE":"a""#, "a"),
        (r#""r\u006fle":"a""#, "a"),
        (r#""role":"a","Role":"a""#, ""),
        (r#""role":"a","ROLE":"b""#, ""),
        (r#""role":"a","ROLE":null"#, ""),
        (r#""role":"a","\u0052ole":"b""#, ""),
        (r#""roles":"a""#, ""),
        (r#""rol":"a""#, ""),
        (r#""x":{"role":"a"}"#, ""),
        ("\"\u{212a}\":1,\"role\":\"a\"", "a"),
    ];
    for variable in ["$jwt_user_scope_claim_role", "$JWT_USER_SCOPE_CLAIM_ROLE", "${jwt_user_scope_claim_Role}"] {
        let nginx = showing("", variable);
        for (members, text) in cases {
            let signed = token(claims(&format!(r#""uid":"alice",{members}"#)));
            assert_eq!(shown(&nginx, &signed), bracketed(text), "{variable} of {members}");
        }
    }
}

/// Only ASCII letters are folded: the Kelvin sign is no `k`.
#[test]
fn letters_of_other_alphabets_are_not_folded() {
    let nginx = showing("", "$jwt_user_scope_claim_k");
    assert_eq!(shown(&nginx, &token(claims("\"uid\":\"alice\",\"\u{212a}\":\"kelvin\""))), "[]");
    assert_eq!(shown(&nginx, &token(claims("\"uid\":\"alice\",\"\u{212a}\":\"kelvin\",\"K\":\"k\""))), "[k]");
}

#[test]
fn a_header_member_is_shown_like_a_claim() {
    let nginx = showing("", "$jwt_user_scope_header_alg $jwt_user_scope_header_kid $jwt_user_scope_header_x");
    let cases = [
        (r#"{"alg":"HS256"}"#, "HS256  "),
        (r#"{"alg":"HS256","kid":"k1","x":1}"#, "HS256 k1 1"),
        (r#"{"alg":"HS256","KID":"k1","x":["a","b"]}"#, "HS256 k1 a,b"),
        (r#"{"alg":"HS256","kid":"k1","Kid":"k2"}"#, "HS256  "),
        (r#"{"alg":"HS256","x":{"y":1}}"#, "HS256  "),
        (r#"{"alg":"HS256","ALG":"none"}"#, "  "),
    ];
    for (header, text) in cases {
        let signed = sign(header, claims(r#""uid":"alice","kid":"claimed""#), SECRET);
        assert_eq!(shown(&nginx, &signed), bracketed(text), "{header}");
    }
}

#[test]
fn the_payload_is_the_json_that_was_signed() {
    let nginx = showing("", "$jwt_user_scope_payload");
    let payloads = [
        claims(r#""uid":"alice""#),
        format!(r#" {{ "uid" : "alice" ,  "exp":{EXP}.0, "x":[1, {{"y":"\u00e9\/"}}] }} "#),
        format!("{{\"exp\":{EXP},\"uid\":\"alice\",\"x\":\"caf\u{e9}\"}}"),
    ];
    for payload in payloads {
        let expected = bracketed(&payload);
        assert_eq!(shown(&nginx, &token(&payload)), expected);
    }
    // A line end between two members would end a header, and is no part of any value.
    let lines = format!("{{\n\t\"uid\":\"alice\",\r\n\"exp\":{EXP}\n}}");
    assert_eq!(shown(&nginx, &token(lines)), "[]");
}

#[test]
fn a_set_variable_names_its_claim_exactly() {
    let variables = r#"
        jwt_user_scope_set $role Role;
        jwt_user_scope_set $lower role;
        jwt_user_scope_set $dotted https://app.example/plan;
        jwt_user_scope_set $nested /app/user/id;
        jwt_user_scope_set $second /groups/1;
        jwt_user_scope_set $slashed /a~1b/c~0d;
        jwt_user_scope_set $Whole app;"#;
    let nginx = showing(variables, "$role|$lower|$dotted|$nested|$second|$slashed|$whole|$ROLE");
    let cases = [
        ("", "|||||||"),
        (r#","Role":"A","role":"b""#, "A|b||||||A"),
        (r#","ROLE":"x""#, "|||||||"),
        (r#","https://app.example/plan":"pro""#, "||pro|||||"),
        (r#","app":{"user":{"id":7}}"#, "|||7||||"),
        (r#","app":{"user":{"ID":7}}"#, "|||||||"),
        (r#","app":{"user":7}"#, "|||||||"),
        (r#","app":"text""#, "||||||text|"),
        (r#","app":["a",1]"#, "||||||a,1|"),
        (r#","groups":["a","b"]"#, "||||b|||"),
        (r#","groups":{"1":"one"}"#, "||||one|||"),
        (r#","groups":["a"]"#, "|||||||"),
        (r#","a/b":{"c~d":true}"#, "|||||true||"),
        (r#","Role":"a\r\nb""#, "|||||||"),
    ];
    for (members, text) in cases {
        let signed = token(claims(&format!(r#""uid":"alice"{members}"#)));
        assert_eq!(shown(&nginx, &signed), bracketed(text), "{members}");
    }
}

const EVERYTHING: &str =
    "$jwt_user_scope_user$jwt_user_scope_claim_role$jwt_user_scope_header_alg$jwt_user_scope_payload$nested";

#[test]
fn nothing_is_shown_of_a_token_that_was_refused_with_401() {
    let nginx = Setup::new().http(&format!(
        r#"jwt_user_scope_set $nested /o/x;
        {}"#,
        scoped_server(&format!(
            r#"add_header X-Result $jwt_user_scope_result always;
            add_header X-Shown "[{EVERYTHING}]" always;
            jwt_user_scope_issuer me;
            jwt_user_scope_max_lifetime 1h;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{ jwt_user_scope on; empty_gif; }}
            location /required {{ jwt_user_scope any; jwt_user_scope_require $arg_x error=401; empty_gif; }}"#
        ))
    ));
    let (soon, late) = (now() + 600, now() + 7200);
    let members = r#""uid":"alice","role":"admin","o":{"x":1},"iss":"me""#;
    let good = format!(r#"{{"exp":{soon},{members}}}"#);
    let path = "/users/alice/";
    let cases = [
        ("missing_token", path, String::new()),
        ("malformed_token", path, format!("{}.", token(&good))),
        ("bad_signature", path, sign(HEADER, &good, "another secret")),
        ("bad_signature", path, token(&good).replacen('e', "f", 1)),
        ("expired", path, token(format!(r#"{{"exp":1,{members}}}"#))),
        ("not_yet_valid", path, token(format!(r#"{{"exp":{soon},"nbf":{late},{members}}}"#))),
        ("lifetime_exceeded", path, token(format!(r#"{{"exp":{late},{members}}}"#))),
        ("bad_issuer", path, token(good.replace("\"me\"", "\"you\""))),
        ("bad_type", path, sign(r#"{"alg":"HS256","typ":"x"}"#, &good, SECRET)),
        ("bad_claim", path, token(good.replace("\"alice\"", "null"))),
        ("requirement_failed", "/required", token(&good)),
        ("ambiguous_path", "/users/bob/../alice/", token(&good)),
    ];
    for (word, path, token) in cases {
        let response = get(path).token(&token).send(&nginx);
        // A changed character may also spoil the token's JSON.
        let result = response.header("X-Result");
        assert!(result == Some(word) || result == Some("malformed_token"), "{word}: {response:?}");
        assert_eq!(response.header("X-Shown"), Some("[]"), "{word}");
    }
    for (path, word) in [("/users/alice/", "ok"), ("/users/bob/", "user_mismatch"), ("/required?x=1", "ok")] {
        let response = get(path).token(&token(&good)).send(&nginx);
        assert_eq!(response.header("X-Result"), Some(word));
        assert_eq!(response.header("X-Shown"), Some(&*format!("[aliceadminHS256{good}1]")), "{path}");
    }
}

/// A signer that somebody talked into any name is still no way into the backend's headers.
#[test]
fn no_claim_can_add_a_header() {
    let nginx = Setup::new().http(
        r#"jwt_user_scope_set $plan /o/plan;
        server {
            listen unix:nginx.sock;
            location / {
                jwt_user_scope any;
                add_header X-Answer "$jwt_user_scope_claim_x" always;
                proxy_set_header X-Claim $jwt_user_scope_claim_x;
                proxy_set_header X-Plan $plan;
                proxy_set_header X-Header $jwt_user_scope_header_x;
                proxy_set_header X-Payload $jwt_user_scope_payload;
                proxy_set_header X-Joined "u=$jwt_user_scope_user;x=$jwt_user_scope_claim_x";
                proxy_pass http://unix:backend.sock;
            }
        }"#,
    );
    let backend = Backend::of(&nginx);
    for end in [r"\r\n", r"\n", r"\r", r"\u000d\u000a", r"\u0000", r"\u000b", r"\u0085"] {
        let evil = format!(r#""a{end}X-Evil: 1{end}{end}GET /evil HTTP/1.1""#);
        let payload = claims(&format!(r#""uid":"alice","x":{evil},"o":{{"plan":{evil}}}"#));
        let signed = sign(format!(r#"{{"alg":"HS256","x":{evil}}}"#), payload, SECRET);
        let response = get("/").token(&signed).send(&nginx);
        assert_eq!((response.status, response.header("X-Evil")), (200, None), "{end}");
        let heads = backend.take();
        assert_eq!(heads.len(), 1, "{end}");
        assert!(!heads[0].lines().any(|line| line.starts_with("X-Evil") || line.starts_with("GET /evil")), "{heads:?}");
    }
}
