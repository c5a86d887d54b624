//! Every refusal has its step, its word, its status, a hint, and no token in what is printed.

use crate::common::*;

/// A token in parts that `mint` would not make, signed with the secret all the same.
fn signed(header: &str, payload: &str) -> String {
    use aws_lc_rs::hmac;
    use base64::Engine as _;
    let b64 = |bytes: &[u8]| base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
    let signed = format!("{}.{}", b64(header.as_bytes()), b64(payload.as_bytes()));
    let key = hmac::Key::new(hmac::HMAC_SHA256, SECRET.as_bytes());
    let signature = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", b64(signature.as_ref()))
}

struct Row {
    name: &'static str,
    directives: &'static str,
    path: &'static str,
    token: String,
    step: &'static str,
    word: &'static str,
    status: u16,
}

const HEADER: &str = r#"{"alg":"HS256","typ":"JWT"}"#;

fn row(name: &'static str, token: String, step: &'static str, word: &'static str, status: u16) -> Row {
    Row { name, directives: "", path: "/api/users/A/x", token, step, word, status }
}

fn under(directives: &'static str, row: Row) -> Row {
    Row { directives, ..row }
}

fn at(path: &'static str, row: Row) -> Row {
    Row { path, ..row }
}

fn rows() -> Vec<Row> {
    let payload = |payload: &str| signed(HEADER, payload);
    let claims = |claims: &str| payload(&format!(r#"{{"uid":"A","exp":1000300{claims}}}"#));
    let header = |header: &str| signed(header, r#"{"uid":"A","exp":1000300}"#);
    let good = claims("");
    let forged = format!("{}AAAA", &good[..good.len() - 4]);
    vec![
        row("good", good.clone(), "", "ok", 0),
        at("/api/users/A/../B/x", row("path", good.clone(), "path", "ambiguous_path", 400)),
        row("no token", String::new(), "token", "missing_token", 401),
        row("another scheme", "Authorization: Basic QTpC".into(), "token", "missing_token", 401),
        row("two parts", "eyJhbGciOiJIUzI1NiJ9.eyJ1aWQiOiJBIn0".into(), "token", "malformed_token", 401),
        row("padding", format!("{good}="), "token", "malformed_token", 401),
        row("no object", signed("[1,2,3,4,5,6,7,8]", "{}"), "header", "malformed_token", 401),
        row("no alg", header(r#"{"typ":"JWT"}"#), "header", "malformed_token", 401),
        row("crit", header(r#"{"alg":"HS256","crit":["b64"]}"#), "header", "malformed_token", 401),
        row("alg none", header(r#"{"alg":"none"}"#), "key", "unsupported_algorithm", 401),
        under(
            "jwt_user_scope_secret env:BETTER_AUTH_SECRET kid=one;",
            row("kid", header(r#"{"alg":"HS256","kid":"two"}"#), "key", "unknown_key", 401),
        ),
        under(
            "jwt_user_scope_key_request /k;",
            row("no set", header(r#"{"alg":"EdDSA"}"#), "key", "keys_unavailable", 503),
        ),
        row("forged", forged, "signature", "bad_signature", 401),
        row("no claims", payload("[1,2,3,4,5,6,7,8,9]"), "payload", "malformed_token", 401),
        row("no exp", payload(r#"{"uid":"A"}"#), "exp", "bad_claim", 401),
        row("expired", payload(r#"{"uid":"A","exp":999940}"#), "exp", "expired", 401),
        row("nbf a text", claims(r#","nbf":"1""#), "nbf", "bad_claim", 401),
        row("not yet", claims(r#","nbf":1000060"#), "nbf", "not_yet_valid", 401),
        row("iat a text", claims(r#","iat":"1""#), "lifetime", "bad_claim", 401),
        under("jwt_user_scope_max_lifetime 1m;", row("long", good.clone(), "lifetime", "lifetime_exceeded", 401)),
        under("jwt_user_scope_issuer us;", row("issuer", claims(r#","iss":"them""#), "issuer", "bad_issuer", 401)),
        under("jwt_user_scope_audience us;", row("audience", good.clone(), "audience", "bad_audience", 401)),
        row("type", header(r#"{"alg":"HS256","typ":"session"}"#), "type", "bad_type", 401),
        row("no user", payload(r#"{"exp":1000300}"#), "user claim", "bad_claim", 401),
        row("user null", payload(r#"{"uid":null,"exp":1000300}"#), "user claim", "bad_claim", 401),
        at("/api/users/B/x", row("another's", good.clone(), "user", "user_mismatch", 403)),
        under("jwt_user_scope $arg_user;", row("nobody's", good.clone(), "user", "empty_scope", 403)),
        under(
            "jwt_user_scope_require $arg_pass;",
            row("requirement", good.clone(), "require", "requirement_failed", 403),
        ),
        under(
            "jwt_user_scope_require $arg_pass error=401;",
            row("requirement, 401", good.clone(), "require", "requirement_failed", 401),
        ),
        under(
            "jwt_user_scope_bypass $jwt_user_scope_claim_admin;",
            at("/api/users/B/x", row("bypass", claims(r#","admin":1"#), "", "bypassed", 0)),
        ),
        under(
            "jwt_user_scope_bypass $jwt_user_scope_claim_admin;",
            at("/api/users/B/x", row("no bypass", good.clone(), "user", "user_mismatch", 403)),
        ),
        under("jwt_user_scope_guard /api/users/:id;", row("guarded", good.clone(), "", "ok", 0)),
        under(
            "jwt_user_scope $arg_user; jwt_user_scope_guard /api/users/:id;",
            at("/api/users/B/x?user=A", row("uncovered", good.clone(), "guard", "uncovered_path", 403)),
        ),
    ]
}

#[test]
fn each_refusal_has_its_step() {
    for Row { name, directives, path, token, step, word, status } in rows() {
        let own = if directives.starts_with("jwt_user_scope $") { "" } else { "jwt_user_scope on;" };
        let room = Room::new(&format!("location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {{ {own} {directives} }}"));
        let said = room.explain(&["--path", path], &token);
        assert_eq!((said.refused(), said.word()), (step, word), "{name}: {said:?}");
        assert_eq!(said.status, i32::from(status > 0), "{name}: {said:?}");
        assert_eq!(status > 0, said.stdout.contains(&format!(": refused with {status}\nhint: ")), "{name}: {said:?}");
    }
}

/// Steps before the refusal were passed, and none behind it was asked.
#[test]
fn steps_stand_in_the_order_of_the_decision() {
    for Row { name, directives, path, token, step, .. } in rows().into_iter().filter(|row| !row.step.is_empty()) {
        let own = if directives.starts_with("jwt_user_scope $") { "" } else { "jwt_user_scope on;" };
        let room = Room::new(&format!("location ~ ^/api/users/(?<user_id>[^/]+)(?:/|$) {{ {own} {directives} }}"));
        let said = room.explain(&["--path", path], &token);
        let lines: Vec<_> = said.stdout.lines().filter(|line| line.get(2..4) == Some(". ")).collect();
        let at = lines.iter().position(|line| line[4..].starts_with(&format!("{step:<11}"))).expect(name);
        assert!(lines[..at].iter().all(|line| !line[16..].starts_with("refused")), "{name}: {said:?}");
        assert!(lines[at + 1..].iter().all(|line| line.ends_with("not asked")), "{name}: {said:?}");
        assert!(
            lines.iter().enumerate().all(|(i, line)| line.starts_with(&format!("{:2}. ", i + 1))),
            "{name}: {said:?}"
        );
    }
}

#[test]
fn nothing_in_a_token_is_told_before_its_signature_holds() {
    let mut room = Room::new(&LOCATION.replace("on;", "on; jwt_user_scope_issuer someone;"));
    let options = ["--user", "A", "--claim", "iss=distinct-issuer", "--header", "kid=distinct-kid"];
    let genuine = room.mint(&options);
    let shown = room.explain(&["--path", "/api/users/A"], &genuine);
    assert!(shown.step("issuer").contains("distinct-issuer"), "a verified claim is told: {shown:?}");

    let (signed, _) = genuine.rsplit_once('.').expect("a signature");
    let forged = format!("{signed}.{}", "A".repeat(43));
    for text in ["distinct-issuer", "distinct-kid", "HS256"] {
        room.hide(text);
    }
    let said = room.explain(&["--path", "/api/users/A"], &forged);
    assert_eq!((said.word(), said.status), ("bad_signature", 1));
}

#[test]
fn a_copied_header_is_a_token_too() {
    let room = Room::new(LOCATION);
    let token = room.mint(&["--user", "A"]);
    for input in [
        token.clone(),
        format!("{token}\n"),
        format!("{token}\r\n"),
        format!("Bearer {token}\n"),
        format!("bearer   {token}"),
        format!("Authorization: Bearer {token}\n"),
    ] {
        assert_eq!(room.explain(&["--path", "/api/users/A"], &input).word(), "ok", "{input:?}");
    }
    let said = room.explain(&["--path", "/api/users/A", "--authorization"], &token);
    assert_eq!(said.word(), "missing_token", "a bare token is no value of Authorization");
}

#[test]
fn a_token_in_two_places_must_be_the_same() {
    let room = Room::new(&LOCATION.replace("on;", "on; jwt_user_scope_token $cookie_t;"));
    let (token, other) = (room.mint(&["--user", "A"]), room.mint(&["--user", "B"]));
    let ask = |header: &str| room.explain(&["--path", "/api/users/A", "--header", header], &token).word().to_owned();
    assert_eq!(ask(&format!("Authorization: Bearer {token}")), "ok");
    assert_eq!(ask(&format!("Authorization: Bearer {other}")), "malformed_token");
    assert_eq!(ask("Accept: text/html"), "ok");
    let cookie = format!("Cookie: t={token}");
    assert_eq!(room.explain(&["--path", "/api/users/A", "--header", &cookie], "").word(), "ok");
}

/// As nginx takes them.
#[test]
fn headers_are_those_that_nginx_keeps() {
    let location = "location /h { jwt_user_scope $http_x_user; }\nlocation /c { jwt_user_scope $http_cookie; }\n\
                    location /d { jwt_user_scope $cookie_u; }\n";
    let room = |directives: &str| Room::new(&format!("server {{ {directives}\n{location} }}"));
    let token = room("").mint(&["--path", "/h", "--user", "A"]);
    let rows: [(&str, &[&str], &str); 9] = [
        ("", &["--path", "/h", "--header", "X_User: A"], "empty_scope"),
        ("", &["--path", "/h", "--header", "X_User: A", "--header", "X-User: B"], "user_mismatch"),
        ("", &["--path", "/h", "--header", "X.User: A", "--header", "x-user: A"], "ok"),
        ("underscores_in_headers on;", &["--path", "/h", "--header", "X_User: A"], "ok"),
        ("underscores_in_headers on;", &["--path", "/h", "--header", "X.User: A"], "empty_scope"),
        ("ignore_invalid_headers off;", &["--path", "/h", "--header", "X_User: A"], "ok"),
        ("", &["--path", "/d", "--header", "Cookie: x=1", "--header", "cookie: u=A"], "ok"),
        ("", &["--path", "/c", "--header", "Cookie: A"], "ok"),
        ("", &["--path", "/c", "--header", "Cookie: A", "--header", "Cookie: B"], "user_mismatch"),
    ];
    for (directives, options, word) in rows {
        assert_eq!(room(directives).explain(options, &token).word(), word, "{directives} {options:?}");
    }
    let said = room("").explain(&["--path", "/c", "--header", "Cookie: A", "--header", "Cookie: B"], &token);
    assert!(said.stdout.contains("the path is that of \"A; B\""), "{said:?}");
    let said = room("").explain(&["--path", "/h", "--header", "X_User: A"], &token);
    assert!(said.stdout.contains("note: nginx drops the header \"X_User\": see underscores_in_headers"), "{said:?}");
}

#[test]
fn nginx_refuses_two_headers_with_a_token() {
    let room = Room::new(LOCATION);
    let token = room.mint(&["--user", "A"]);
    let header = format!("Authorization: Bearer {token}");
    let rows: [(&[&str], &str); 4] = [
        (&[&header, &header], ""),
        (&[&header, "authorization: Basic QTpC"], ""),
        (&[&header], &token),
        (&[&header], &header),
    ];
    for (headers, input) in rows {
        let headers: Vec<_> = headers.iter().flat_map(|header| ["--header", header]).collect();
        let said = room.explain(&[&["--path", "/api/users/A"], &headers[..]].concat(), input);
        let result = "result: not asked: nginx answers with 400 by itself: there are two \"Authorization\" headers\n";
        assert!(said.status == 1 && said.stdout.contains(result), "{said:?}");
    }
    assert_eq!(room.explain(&["--path", "/api/users/A", "--header", &header], "").word(), "ok");
}

#[test]
fn nginx_refuses_what_has_not_the_form_of_a_request() {
    let room = Room::new(&format!("server {{ {LOCATION} }}"));
    let token = room.mint(&["--user", "A"]);
    let rows: [(&[&str], u16, &str); 6] = [
        (&["--method", "get"], 400, "this is no method"),
        (&["--method", "TRACE"], 405, "it takes no such method"),
        (&["--host", "a b"], 400, "this is no host"),
        (&["--header", "Bad Header: x"], 400, "this is no header"),
        (&["--header", "Content-Length: x"], 400, "this is no length"),
        (&["--header", "Transfer-Encoding: gzip"], 501, "it knows no transfer coding but \"chunked\""),
    ];
    for (options, status, why) in rows {
        let said = room.explain(&[&["--path", "/api/users/A"], options].concat(), &token);
        let result = format!("result: not asked: nginx answers with {status} by itself: {why}\n");
        assert!(said.status == 1 && said.stdout.contains(&result), "{said:?}");
    }
    let long = room.mint(&["--user", "A", "--claim", &format!("x={}", "x".repeat(6200))]);
    let said = room.explain(&["--path", "/api/users/A"], &long);
    assert!(
        said.word() == "ok" && said.stdout.contains("note: a line of the request is longer than 8 KiB"),
        "{said:?}"
    );
    let said = room.explain(&["--path", "/api/users/A"], &format!("{token}  "));
    assert!(said.word() == "ok" && !said.stdout.contains("longer than"), "{said:?}");
}

/// A part of a configuration does not say what else there is.
#[test]
fn nothing_is_said_of_locations_that_are_not_there() {
    let room = Room::new(LOCATION);
    let said = room.explain(&["--path", "/other"], "");
    assert_eq!(said.status, 2, "{said:?}");
    assert!(said.stdout.contains("not followed here: locations that are not in this part"), "{said:?}");
    let room = Room::new(&format!("server {{ {LOCATION} }}"));
    assert_eq!(room.explain(&["--path", "/other"], "").status, 0);
}

#[test]
fn a_preflight_passes_without_a_token() {
    let room = Room::new(&LOCATION.replace("on;", "on; jwt_user_scope_preflight on;"));
    let options = ["--path", "/api/users/A", "--method", "OPTIONS", "--header", "Origin: https://app.example"];
    assert_eq!(room.explain(&options, "").word(), "missing_token");
    let said = room.explain(&[&options[..], &["--header", "Access-Control-Request-Method: PUT"]].concat(), "");
    assert_eq!((said.word(), said.status), ("preflight", 0));
}

#[test]
fn what_reports_refuses_nothing() {
    let room = Room::new(&LOCATION.replace("on;", "on; jwt_user_scope_mode report;"));
    let said = room.explain(&["--path", "/api/users/A"], "");
    assert_eq!((said.word(), said.status), ("missing_token", 0));
    assert!(said.stdout.contains("would be refused with 401, and is let through"), "{said:?}");
}

#[test]
fn each_secret_is_told_by_its_place() {
    let room = Room::new(&LOCATION.replace(
        "on;",
        "on; jwt_user_scope_secret file:new.secret kid=new; jwt_user_scope_secret file:old.secret issuer=us;",
    ));
    room.write("new.secret", "a new secret that is long enough for HS256\n");
    room.write("old.secret", SECRET);
    let token = signed(HEADER, r#"{"uid":"A","exp":1000300,"iss":"us"}"#);
    let said = room.explain(&["--path", "/api/users/A"], &token);
    assert!(said.step("signature").contains("old.secret\" issuer=us"), "{said:?}");
    assert!(said.step("issuer").contains("\"iss\" is \"us\""), "{said:?}");
    room.write("old.secret", "another secret that is long enough for HS256");
    let said = room.explain(&["--path", "/api/users/A"], &token);
    let line = said.step("signature");
    assert!(line.contains("new.secret\" kid=new is tried and does not verify"), "{line}");
    assert!(line.contains("old.secret\" issuer=us is tried and does not verify"), "{line}");
}

/// As the core chooses: by `kid`, then by issuer.
#[test]
fn of_one_key_in_several_places_the_one_is_told_that_is_used() {
    let with = |directives: &str| Room::new(&LOCATION.replace("on;", &format!("on; {directives}")));
    let said = |room: &Room, header: &str| {
        room.write("same.secret", SECRET);
        room.explain(&["--path", "/api/users/A"], &signed(header, r#"{"uid":"A","exp":1000300,"iss":"us"}"#))
    };
    let tied =
        with("jwt_user_scope_secret file:same.secret issuer=them; jwt_user_scope_secret file:same.secret issuer=us;");
    let said_tied = said(&tied, HEADER);
    assert!(said_tied.step("signature").contains("issuer=us"), "{said_tied:?}");
    let named = with("jwt_user_scope_secret file:same.secret issuer=us; jwt_user_scope_secret file:same.secret kid=k;");
    let said_named = said(&named, r#"{"alg":"HS256","kid":"k"}"#);
    assert!(said_named.step("signature").contains("kid=k"), "{said_named:?}");
    assert!(said_named.step("issuer").contains("not asked"), "{said_named:?}");
}

#[test]
fn key_sets_are_given_in_the_order_of_their_directives() {
    let room = Room::new(
        "location / { jwt_user_scope any; jwt_user_scope_key_request /one?a=1 stale=1h; jwt_user_scope_key_request /two; }",
    );
    let key = |kid: &str, x: &str| format!(r#"{{"keys":[{{"kty":"OKP","crv":"Ed25519","kid":"{kid}","x":"{x}"}}]}}"#);
    room.write("1", key("1", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"));
    room.write("2", key("2", "PUAXw-hDiVqStwqnTRt-vJyYLM8uxJaMwM1V8Sr0Zgw"));
    // By a key of neither set.
    let token = signed(r#"{"alg":"EdDSA","kid":"2"}"#, r#"{"uid":"A","exp":1000300}"#);
    let (none, other, tried) = ("is not at hand", "has another kid", "is tried and does not verify");
    let rows: [(&[&str], &str, [&str; 2]); 5] = [
        (&[], "keys_unavailable", [none, none]),
        (&["--jwks", "1"], "keys_unavailable", [other, none]),
        (&["--jwks=", "--jwks", "2"], "keys_unavailable", [none, tried]),
        (&["--jwks", "2", "--jwks", ""], "keys_unavailable", [tried, none]),
        (&["--jwks", "1", "--jwks", "2"], "bad_signature", [other, tried]),
    ];
    for (sets, word, [one, two]) in rows {
        let said = room.explain(&[&["--path", "/"], sets].concat(), &token);
        assert_eq!(said.word(), word, "{sets:?}: {said:?}");
        if word == "keys_unavailable" {
            let reasons = format!("key set \"/one\" {one}; key set \"/two\" {two}");
            assert!(said.step("key").contains(&reasons), "{sets:?}: {said:?}");
        }
    }
    let many = room.explain(&["--path", "/", "--jwks=", "--jwks=", "--jwks="], &token);
    assert!(many.stderr.contains("more --jwks than"), "{many:?}");
    let json = room.explain(&["--path", "/", "--json"], &token).stdout;
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    let wanted = serde_json::json!([{"uri": "/one?a=1", "stale": 3600}, {"uri": "/two", "stale": 86400}]);
    assert_eq!(report["key_sets"], wanted);
}
