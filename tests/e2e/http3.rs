//! HTTP/3 is answered as HTTP/1 is.

use crate::answers::every_refusal;
use crate::common::*;
use std::io::Write;
use std::net::UdpSocket;
use std::process::Stdio;

const CLIENT: &str = "aioquic==1.7.2";

/// An nginx for HTTP/3 on a port that was free a moment ago, since QUIC has no socket in the file system.
fn nginx(locations: &str) -> (Nginx, u16) {
    let setup = Setup::new();
    let made = client().arg("certificate").arg(setup.path("")).status().expect("Python runs");
    assert!(made.success(), "a certificate for nginx");
    let port = UdpSocket::bind("127.0.0.1:0").and_then(|socket| socket.local_addr()).expect("a free port").port();
    let quic = format!(
        "listen 127.0.0.1:{port} quic;
        ssl_certificate certificate.pem; ssl_certificate_key key.pem; ssl_protocols TLSv1.3;
        {locations}"
    );
    (setup.server(&quic), port)
}

const LOCATIONS: &str = "
    location ~ ^/users/(?<user_id>[^/]+)/ { jwt_user_scope on; proxy_pass http://unix:echo.sock; }
    location /empty/ { jwt_user_scope $arg_user; proxy_pass http://unix:echo.sock; }";

fn client() -> std::process::Command {
    python(CLIENT, "aioquic", "http3_client.py")
}

/// The answers to requests (method, path, `Authorization`), one after another on one connection.
fn over_http3(port: u16, requests: &[(&str, &str, Option<String>)]) -> Vec<Response> {
    let child = client().arg("ask").arg(port.to_string()).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = child.expect("Python runs");
    let line = |(method, path, value): &(&str, &str, Option<String>)| {
        format!("{method}\t{path}\t{}\n", value.as_deref().unwrap_or_default())
    };
    let lines: String = requests.iter().map(line).collect();
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("the client reads");
    let output = child.wait_with_output().expect("the client ends");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let told = String::from_utf8(output.stdout).expect("text");
    let answers: Vec<Response> = told.split_terminator("\u{1e}").map(answer).collect();
    assert_eq!(answers.len(), requests.len(), "{told}");
    answers
}

/// A head as HTTP/1 writes it, and behind its empty line the body.
fn answer(text: &str) -> Response {
    let (head, body) = text.split_once("\n\n").unwrap_or_else(|| panic!("no answer: {text:?}"));
    let mut fields = head.lines().map(|line| line.split_once(": ").expect("a header"));
    let status = fields.next().filter(|(name, _)| *name == ":status").expect("a status").1;
    let headers = fields.map(|(name, value)| (name.into(), value.into())).collect();
    Response { status: status.parse().expect("a number"), headers, body: body.into() }
}

fn bearer(token: String) -> Option<String> {
    Some(format!("Bearer {token}"))
}

#[test]
fn refusals_are_the_same() {
    let (_nginx, port) = nginx(LOCATIONS);
    let refusals = every_refusal();
    let asked: Vec<_> = ["GET", "HEAD"]
        .iter()
        .flat_map(|method| {
            refusals.iter().map(move |(_, path, token)| (*method, *path, token.clone().and_then(bearer)))
        })
        .collect();
    let mut answers = over_http3(port, &asked);
    let heads = answers.split_off(refusals.len());
    for (((word, ..), get), mut head) in refusals.iter().zip(answers).zip(heads) {
        expect(word, word, &get);
        assert_eq!(head.body, b"", "HEAD, {word}");
        head.body = get.body;
        expect(&format!("HEAD, {word}"), word, &head);
    }
}

#[test]
fn each_request_of_a_connection_is_decided_by_itself() {
    let (nginx, port) = nginx(LOCATIONS);
    let ask = |authorization| ("GET", "/users/alice/x", authorization);
    let asked = [ask(bearer(uid("alice"))), ask(None), ask(bearer(uid("bob"))), ask(bearer(uid("alice")))];
    let answers = over_http3(port, &asked);
    let words = ["ok", "missing_token", "user_mismatch", "ok"];
    for (at, (word, response)) in words.iter().zip(&answers).enumerate() {
        expect(&format!("request {at}"), word, response);
    }
    assert_eq!(answers[0].text(), "GET /users/alice/x user=");
    assert_eq!(nginx.request_log_with("HTTP/3.0").len(), 2, "{:?}", nginx.log_with(""));
}

#[test]
fn header_values_arrive_unstripped() {
    let (_nginx, port) = nginx("location / { jwt_user_scope any; empty_gif; }");
    let good = uid("alice");
    let cases = [
        ("scheme alone", "Bearer".into(), "missing_token"),
        ("spaces before", format!("Bearer   {good}"), "ok"),
        ("lower case", format!("bearer {good}"), "ok"),
        ("another scheme", format!("Basic {good}"), "missing_token"),
        ("inner space", format!("Bearer {}", good.replacen('.', " .", 1)), "malformed_token"),
    ];
    let asked: Vec<_> = cases.iter().map(|(_, value, _)| ("GET", "/", Some(value.clone()))).collect();
    // The body is a picture, which the client gives as text; nothing here looks at it.
    for ((name, _, word), response) in cases.iter().zip(over_http3(port, &asked)) {
        expect(name, word, &response);
    }
}

#[test]
fn paths_are_held_to_the_same_rule() {
    let (_nginx, port) = nginx(LOCATIONS);
    let paths = ["/users/bob/../alice/x", "/users/bob/%2e%2e/alice/x", "/users/alice//x", "/users/alice/..;/bob/x"];
    let asked: Vec<_> = paths.iter().map(|path| ("GET", *path, bearer(uid("alice")))).collect();
    for (path, response) in paths.iter().zip(over_http3(port, &asked)) {
        assert_refused(path, "ambiguous_path", &response);
    }
}
