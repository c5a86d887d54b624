//! A refusal leaves its connection as usable as nginx's own refusals do.

use crate::common::*;

const CONF: &str = "
    location ~ ^/users/(?<user_id>[^/]+)/ { jwt_user_scope on; proxy_pass http://unix:echo.sock; }";

#[test]
fn a_connection_serves_many_tokens_and_mixes_none_up() {
    let nginx = Setup::new().server(CONF);
    let mut client = nginx.client();
    let (alice, bob) = (uid("alice"), uid("bob"));
    for round in 0..3 {
        expect(&format!("alice, {round}"), "ok", &client.ask(&get("/users/alice/x").token(&alice)));
        expect(&format!("nobody, {round}"), "missing_token", &client.ask(&get("/users/alice/x")));
        expect(&format!("bob, {round}"), "user_mismatch", &client.ask(&get("/users/alice/x").token(&bob)));
        expect(&format!("bob's own, {round}"), "ok", &client.ask(&get("/users/bob/x").token(&bob)));
    }
}

#[test]
fn pipelined_requests_are_answered_in_turn() {
    let nginx = Setup::new().server(CONF);
    let mut client = nginx.client();
    let requests = [get("/users/alice/x"), get("/users/alice/x").token(&uid("alice")), get("/users/bob/x").token("X")];
    client.send(&requests.iter().flat_map(Request::bytes).collect::<Vec<u8>>());
    for word in ["missing_token", "ok", "malformed_token"] {
        expect(word, word, &client.receive("GET"));
    }
}

#[test]
fn a_refused_upload_is_discarded_and_the_next_request_served() {
    let nginx = Setup::new().server(CONF);
    for (word, token) in [("missing_token", "".into()), ("user_mismatch", uid("bob"))] {
        let mut client = nginx.client();
        let upload = request("POST", "/users/alice/x").token(&token).body(vec![b'x'; 3_000_000]);
        expect(word, word, &client.ask(&upload));
        expect("the next", "ok", &client.ask(&get("/users/alice/x").token(&uid("alice"))));
    }
}

#[test]
fn a_refused_chunked_upload_is_discarded_too() {
    let nginx = Setup::new().server(CONF);
    let mut client = nginx.client();
    let head = request("POST", "/users/alice/x").header("Transfer-Encoding", "chunked").bytes();
    let chunk = [b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat();
    client.send(&[head, chunk.repeat(46), b"0\r\n\r\n".to_vec()].concat());
    expect("chunked", "missing_token", &client.receive("POST"));
    expect("the next", "ok", &client.ask(&get("/users/alice/x").token(&uid("alice"))));
}

#[test]
fn a_client_that_waits_to_be_told_to_continue_is_refused_first() {
    let nginx = Setup::new().server(CONF);
    let mut client = nginx.client();
    let head = request("POST", "/users/alice/x").header("Expect", "100-continue").header("Content-Length", "10");
    client.send(&head.bytes());
    expect("no 100 before the refusal", "missing_token", &client.receive("POST"));
}

#[test]
fn a_bad_path_closes_the_connection_as_every_400_does() {
    let nginx = Setup::new().server(CONF);
    let mut client = nginx.client();
    let response = client.ask(&get("/users/bob/../alice/x").token(&uid("alice")));
    expect("400", "ambiguous_path", &response);
    assert_eq!(response.header("Connection"), Some("close"));
    assert_eq!(client.rest(), b"");
}
