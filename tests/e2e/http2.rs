//! HTTP/2 is answered as HTTP/1 is.

use crate::answers::{PLAIN, every_refusal};
use crate::common::*;

#[test]
fn refusals_are_the_same() {
    let nginx = Setup::new().http(PLAIN);
    for (method, (word, path, token)) in
        ["GET", "HEAD"].iter().flat_map(|m| every_refusal().into_iter().map(move |refusal| (m, refusal)))
    {
        let authorization = token.map(|token| format!("Bearer {token}"));
        let asked = Http2Request { method, path, authorization: authorization.as_ref().map(|value| value.as_bytes()) };
        let mut response = over_http2(&nginx, &[asked]).remove(0);
        if *method == "HEAD" {
            assert_eq!(response.body, b"", "{word}");
            let get = Http2Request { method: "GET", path, authorization: authorization.as_ref().map(|v| v.as_bytes()) };
            response.body = over_http2(&nginx, &[get]).remove(0).body;
        }
        assert_refused(&format!("{method}, {word}"), word, &response);
    }
}

#[test]
fn header_values_arrive_unstripped() {
    let nginx = Setup::new().server("listen unix:h2.sock http2; location / { jwt_user_scope any; empty_gif; }");
    let good = uid("alice");
    let cases = [
        ("nothing", None, "missing_token"),
        ("empty", Some(String::new()), "missing_token"),
        ("scheme alone", Some("Bearer".into()), "missing_token"),
        ("scheme and a space", Some("Bearer ".into()), "missing_token"),
        ("scheme and spaces", Some("Bearer    ".into()), "missing_token"),
        ("one space", Some(format!("Bearer {good}")), "ok"),
        ("two spaces", Some(format!("Bearer  {good}")), "ok"),
        ("trailing space", Some(format!("Bearer {good} ")), "ok"),
        ("lower case", Some(format!("bearer {good}")), "ok"),
        ("leading space", Some(format!(" Bearer {good}")), "missing_token"),
        ("trailing tab", Some(format!("Bearer {good}\t")), "malformed_token"),
        ("tab before the token", Some(format!("Bearer \t{good}")), "malformed_token"),
        ("inner space", Some(format!("Bearer {}", good.replacen('.', " .", 1))), "malformed_token"),
    ];
    for (name, authorization, word) in &cases {
        let authorization = authorization.as_ref().map(|value| value.as_bytes());
        let asked = Http2Request { method: "GET", path: "/", authorization };
        expect(name, word, &over_http2(&nginx, &[asked])[0]);
    }
}

#[test]
fn each_request_of_a_connection_is_decided_by_itself() {
    let nginx = Setup::new().http(PLAIN);
    let _backend = Backend::of(&nginx);
    let (alice, bob) = (format!("Bearer {}", uid("alice")), format!("Bearer {}", uid("bob")));
    let ask = |authorization| Http2Request { method: "GET", path: "/users/alice/x", authorization };
    let requests = [ask(Some(alice.as_bytes())), ask(None), ask(Some(bob.as_bytes())), ask(Some(alice.as_bytes()))];
    let statuses: Vec<u16> = over_http2(&nginx, &requests).iter().map(|response| response.status).collect();
    assert_eq!(statuses, [200, 401, 403, 200]);
}

#[test]
fn paths_are_held_to_the_same_rule() {
    let nginx = Setup::new().http(PLAIN);
    let alice = format!("Bearer {}", uid("alice"));
    let paths = ["/users/bob/../alice/x", "/users/bob/%2e%2e/alice/x", "/users/alice//x", "/users/alice/..;/bob/x"];
    for path in paths {
        let asked = Http2Request { method: "GET", path, authorization: Some(alice.as_bytes()) };
        assert_refused(path, "ambiguous_path", &over_http2(&nginx, &[asked])[0]);
    }
}
