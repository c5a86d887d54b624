//! Browsers' long connections: WebSocket and streamed events, with a token where a browser can put one.

use crate::common::*;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::sync::mpsc;
use std::thread::JoinHandle;

/// A backend for one connection after another: reads a head, hands it on, and answers as `serve` does.
fn backend(nginx: &Nginx, connections: usize, serve: impl Fn(&str, UnixStream) + Send + 'static) -> JoinHandle<()> {
    let listener = UnixListener::bind(nginx.path("stream.sock")).expect("a socket in the prefix");
    std::thread::spawn(move || {
        for _ in 0..connections {
            let (stream, _) = listener.accept().expect("a connection");
            let mut reader = BufReader::new(stream.try_clone().expect("the same stream"));
            let mut head = String::new();
            while !head.ends_with("\r\n\r\n") {
                assert_ne!(reader.read_line(&mut head).expect("a line"), 0, "nginx ends its request");
            }
            serve(&head, stream);
        }
    })
}

/// Speaks WebSocket as far as nginx looks: agrees, then echoes four bytes at a time.
fn echo(head: &str, mut stream: UnixStream) {
    let switch = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n";
    let chosen = head.lines().any(|line| line == "Sec-WebSocket-Protocol: chat");
    let protocol = if chosen { "Sec-WebSocket-Protocol: chat\r\n" } else { "" };
    let user = head.lines().find(|line| line.starts_with("X-User-ID: ")).unwrap_or("X-User-ID: nobody");
    let _ = stream.write_all(format!("{switch}{protocol}{user}\r\n\r\n").as_bytes());
    let mut frame = [0; 4];
    while stream.read_exact(&mut frame).is_ok() {
        let _ = stream.write_all(&frame);
    }
}

/// The token in a subprotocol, in an argument, or in `Authorization` for clients that are no browser. What the log
/// shows of a request is its path.
const SOCKETS: &str = r#"
    map $http_upgrade $websocket { default ""; "~*^websocket$" websocket; }
    map $http_sec_websocket_protocol $subprotocol_token { "~^chat, *bearer\.(?<bearer>[\w.-]+)$" $bearer; }
    log_format redacted '$request_method $uri $status $jwt_user_scope_result $jwt_user_scope_user';
    server {
        listen unix:nginx.sock;
        access_log access.log redacted;
        proxy_http_version 1.1;
        proxy_set_header Upgrade $websocket;
        proxy_set_header Connection upgrade;
        proxy_set_header X-User-ID $jwt_user_scope_user;
        location ~ ^/users/(?<user_id>[^/]+)/protocol$ {
            jwt_user_scope on;
            jwt_user_scope_token $subprotocol_token;
            proxy_set_header Sec-WebSocket-Protocol chat;
            proxy_set_header Upgrade $websocket;
            proxy_set_header Connection upgrade;
            proxy_set_header X-User-ID $jwt_user_scope_user;
            proxy_pass http://unix:stream.sock;
        }
        location ~ ^/users/(?<user_id>[^/]+)/argument$ {
            jwt_user_scope on;
            jwt_user_scope_token $arg_access_token;
            proxy_pass http://unix:stream.sock:$uri;
        }
        location ~ ^/users/(?<user_id>[^/]+)/header$ { jwt_user_scope on; proxy_pass http://unix:stream.sock; }
    }"#;

fn upgrade(path: &str) -> Request {
    get(path)
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
}

/// A browser's three ways to bring a token to `/users/alice/...`.
fn openings(token: &str) -> [Request; 3] {
    [
        upgrade("/users/alice/protocol").header("Sec-WebSocket-Protocol", format!("chat, bearer.{token}")),
        upgrade(&format!("/users/alice/argument?access_token={token}")),
        upgrade("/users/alice/header").token(token),
    ]
}

#[test]
fn a_websocket_opens_for_its_own_user() {
    let nginx = Setup::new().http(SOCKETS);
    let thread = backend(&nginx, 3, echo);
    for opening in openings(&uid("alice")) {
        let mut client = nginx.client();
        let response = client.ask(&opening);
        assert_eq!((response.status, response.header("X-User-ID")), (101, Some("alice")), "{response:?}");
        for frame in [b"ping", b"pong"] {
            client.send(frame);
            assert_eq!(client.take(4), frame);
        }
    }
    thread.join().expect("no panic in the backend");
    let expected = ["protocol", "argument", "header"].map(|way| format!("GET /users/alice/{way} 101 ok alice"));
    assert_eq!(logged(&nginx, 3), expected);
    let (_, signature) = uid("alice").rsplit_once('.').map(|(a, b)| (a.to_owned(), b.to_owned())).expect("a signature");
    assert!(!nginx.read("access.log").contains(&signature), "no token in the access log");
    assert_eq!(nginx.log_with(&signature), [""; 0], "nor in the error log");
}

#[test]
fn a_websocket_does_not_open_for_anybody_else() {
    let nginx = Setup::new().http(SOCKETS);
    let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
    for (word, token) in [("user_mismatch", uid("bob")), ("bad_signature", forged), ("malformed_token", "x".into())] {
        for opening in openings(&token) {
            assert_refused(word, word, &opening.send(&nginx));
        }
    }
    let none = [
        upgrade("/users/alice/protocol"),
        upgrade("/users/alice/protocol").header("Sec-WebSocket-Protocol", "chat"),
        upgrade("/users/alice/protocol").header("Sec-WebSocket-Protocol", format!("bearer.{}", uid("alice"))),
        upgrade("/users/alice/argument"),
        upgrade("/users/alice/argument?access_token="),
        upgrade("/users/alice/argument").header("Cookie", format!("access_token={}", uid("alice"))),
        upgrade("/users/alice/header"),
    ];
    for opening in none {
        assert_refused("nobody", "missing_token", &opening.send(&nginx));
    }
    // A page of another origin can open a socket with the victim's cookies, but brings no token of the victim's.
    let foreign =
        upgrade("/users/alice/argument").header("Origin", "https://evil.example").header("Cookie", "session=1");
    assert_refused("another origin", "missing_token", &foreign.send(&nginx));
    assert!(!nginx.path("stream.sock").exists(), "nothing was there to be reached");
    assert_eq!(nginx.log_with("connect() failed"), [""; 0]);
}

/// Else the client could speak HTTP/2 to the backend, past nginx.
#[test]
fn the_backend_is_asked_for_no_other_protocol() {
    let nginx = Setup::new().http(SOCKETS);
    let asked = ["h2c", "H2C", "websocket, h2c", "h2c, websocket", "WebSocket", "websocket"];
    let (heads, seen) = mpsc::channel();
    let thread = backend(&nginx, asked.len(), move |head, mut stream| {
        heads.send(head.to_owned()).expect("the test is there");
        let _ = stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n");
    });
    for protocol in asked {
        let opening = get("/users/alice/header").token(&uid("alice")).header("Upgrade", protocol);
        let opening = opening.header("Connection", "Upgrade, HTTP2-Settings").header("HTTP2-Settings", "AAMAAABk");
        assert_eq!(opening.send(&nginx).status, 204);
        let head = seen.recv().expect("a head");
        let upgrade = head.lines().find_map(|line| line.strip_prefix("Upgrade: "));
        let is_websocket = protocol.eq_ignore_ascii_case("websocket");
        assert_eq!(upgrade, is_websocket.then_some("websocket"), "{head}");
    }
    thread.join().expect("no panic in the backend");
}

/// `fetch` can send the header that `EventSource` cannot, and reads the events as they come.
#[test]
fn events_arrive_while_the_backend_is_still_sending() {
    let nginx = Setup::new().http(
        "server {
            listen unix:nginx.sock;
            location ~ ^/users/(?<user_id>[^/]+)/events$ {
                jwt_user_scope on;
                proxy_http_version 1.1;
                proxy_set_header Connection '';
                proxy_buffering off;
                proxy_pass http://unix:stream.sock;
            }
        }",
    );
    let (seen, go_on) = mpsc::channel::<()>();
    let thread = backend(&nginx, 1, move |_, mut stream| {
        let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n";
        let _ = stream.write_all(format!("{head}9\r\ndata: 1\n\n\r\n").as_bytes());
        go_on.recv().expect("the client has read the first event");
        let _ = stream.write_all(b"9\r\ndata: 2\n\n\r\n0\r\n\r\n");
    });
    assert_refused("nobody", "missing_token", &get("/users/alice/events").send(&nginx));
    assert_refused("bob", "user_mismatch", &get("/users/alice/events").token(&uid("bob")).send(&nginx));

    let mut client = nginx.client();
    client.send(&get("/users/alice/events").token(&uid("alice")).header("Accept", "text/event-stream").bytes());
    let head = client.head();
    assert_eq!((head.status, head.header("Content-Type")), (200, Some("text/event-stream")));
    assert_eq!(client.chunk(), b"data: 1\n\n");
    seen.send(()).expect("the backend waits");
    assert_eq!(client.chunk(), b"data: 2\n\n");
    assert_eq!(client.chunk(), b"");
    thread.join().expect("no panic in the backend");
}
