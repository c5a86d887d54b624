//! Status, challenge, type, length and body of every refusal, to the byte.

use crate::common::*;

/// Nothing here reads a variable: what decides is the check itself.
pub const PLAIN: &str = "server {
        listen unix:nginx.sock;
        listen unix:h2.sock http2;
        location ~ ^/users/(?<user_id>[^/]+)/ { jwt_user_scope on; proxy_pass http://unix:backend.sock; }
        location /empty/ { jwt_user_scope $arg_user; proxy_pass http://unix:backend.sock; }
    }";

/// A result word, and a path and a token that lead to it.
pub fn every_refusal() -> Vec<(&'static str, &'static str, Option<String>)> {
    let (own, alice) = ("/users/alice/x", claims(r#""uid":"alice""#));
    vec![
        ("missing_token", own, None),
        ("expired", own, Some(token(r#"{"uid":"alice","exp":1}"#))),
        ("malformed_token", own, Some("a.b.c".into())),
        ("unsupported_algorithm", own, Some(sign(r#"{"alg":"none"}"#, &alice, SECRET))),
        ("bad_signature", own, Some(sign(HEADER, &alice, "another secret"))),
        ("not_yet_valid", own, Some(token(claims(&format!(r#""uid":"alice","nbf":{EXP}"#))))),
        ("bad_type", own, Some(sign(r#"{"alg":"HS256","typ":"other"}"#, &alice, SECRET))),
        ("bad_claim", own, Some(token(claims(r#""sub":"alice""#)))),
        ("user_mismatch", own, Some(uid("bob"))),
        ("empty_scope", "/empty/", Some(uid("alice"))),
        ("ambiguous_path", "/users/bob/../alice/x", Some(uid("alice"))),
    ]
}

fn with(method: &str, path: &str, token: &Option<String>) -> Request {
    let request = request(method, path);
    token.iter().fold(request, |request, token| request.token(token))
}

#[test]
fn to_get_are_whole_and_reach_no_backend() {
    let nginx = Setup::new().http(PLAIN);
    let backend = Backend::of(&nginx);
    for (word, path, token) in every_refusal() {
        assert_refused(word, word, &with("GET", path, &token).send(&nginx));
    }
    assert_eq!(backend.take(), [""; 0]);
    let own = get("/users/alice/x").token(&uid("alice")).send(&nginx);
    assert_eq!((own.status, own.text().as_str(), own.challenge()), (200, "backend", None));
    assert_eq!(backend.take().len(), 1);
}

#[test]
fn to_head_have_the_headers_and_no_body() {
    let nginx = Setup::new().http(PLAIN);
    for (word, path, token) in every_refusal() {
        let get = with("GET", path, &token).send(&nginx);
        let mut client = nginx.client();
        let head = client.ask(&with("HEAD", path, &token).header("Connection", "close"));
        assert_eq!(client.rest(), b"", "{word}");
        assert_eq!(head.status, get.status, "{word}");
        for name in ["WWW-Authenticate", "Content-Type", "Content-Length"] {
            assert_eq!(head.all(name), get.all(name), "{name} for {word}");
        }
    }
}

#[test]
fn to_other_methods_are_the_same() {
    let nginx = Setup::new().http(PLAIN);
    let methods = ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "PROPFIND", "MADEUP"];
    for (method, (word, path, token)) in methods.iter().flat_map(|m| every_refusal().into_iter().map(move |r| (m, r))) {
        assert_refused(&format!("{method}, {word}"), word, &with(method, path, &token).send(&nginx));
    }
}

#[test]
fn to_old_http_are_the_same() {
    let nginx = Setup::new().http(PLAIN);
    let mut client = nginx.client();
    client.send(b"GET /users/alice/x HTTP/1.0\r\n\r\n");
    assert_refused("HTTP/1.0", "missing_token", &client.receive("GET"));
    assert_eq!(client.rest(), b"");

    let mut client = nginx.client();
    client.send(b"GET /users/alice/x\r\n");
    assert_eq!(String::from_utf8_lossy(&client.rest()), r#"{"detail":"Not authenticated"}"#, "HTTP/0.9");
}

#[test]
fn to_a_websocket_upgrade_are_the_same() {
    let nginx = Setup::new().http(PLAIN);
    let upgrade = get("/users/alice/x").header("Connection", "Upgrade").header("Upgrade", "websocket");
    assert_refused("upgrade", "missing_token", &upgrade.send(&nginx));
}

/// Every later rule is also broken: the first in the contract's order answers.
#[test]
fn come_from_the_first_rule_that_fails() {
    let nginx = Setup::new().http(PLAIN);
    let own = "/users/alice/x";
    let other = r#"{"alg":"HS256","typ":"other"}"#;
    let late = format!(r#""nbf":{EXP}"#);
    let cases = [
        ("path before token", "ambiguous_path", "/users/bob/../alice/x", "X".into()),
        ("algorithm before signature", "unsupported_algorithm", own, sign(r#"{"alg":"RS256"}"#, "{}", "wrong")),
        ("signature before exp", "bad_signature", own, sign(other, r#"{"exp":1}"#, "wrong")),
        ("exp before nbf", "expired", own, sign(other, format!(r#"{{"exp":1,{late}}}"#), SECRET)),
        ("nbf before type", "not_yet_valid", own, sign(other, claims(&late), SECRET)),
        ("type before claim", "bad_type", own, sign(other, claims(r#""x":1"#), SECRET)),
        ("token before an empty scope", "bad_claim", "/empty/", token(claims(r#""x":1"#))),
    ];
    for (name, word, path, token) in cases {
        assert_refused(name, word, &get(path).token(&token).send(&nginx));
    }
    assert_refused("no token before an empty scope", "missing_token", &get("/empty/").send(&nginx));
}
