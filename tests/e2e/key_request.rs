//! `jwt_user_scope_key_request`: one fetch for all, which takes nothing of the client along and leaves nothing with it.

use crate::common::*;
use std::time::Duration;

fn connections_to_both(nginx: &Nginx, each: usize) -> Vec<Client> {
    by_worker(nginx, each).into_iter().flat_map(|(_, clients)| clients).collect()
}

#[test]
fn a_cold_start_costs_one_fetch_however_many_ask() {
    let server = fetching_by_worker("");
    let nginx = Setup::new().workers(2).http(&server);
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    let gate = Gate::default();
    keys.answer_behind(&gate, response("200 OK", "", key_set(&[&alice])));

    let mut clients = connections_to_both(&nginx, 10);
    let asked = get("/users/alice").token(&alice.token("alice"));
    clients.iter_mut().for_each(|client| client.send(&asked.bytes()));
    eventually("a fetch is under way", || keys.open() == 1);
    std::thread::sleep(Duration::from_millis(200));
    assert_eq!(keys.count(), 1, "while all are waiting");
    gate.open();
    for client in &mut clients {
        let response = client.receive("GET");
        expect("one that has waited", "ok", &response);
        assert_eq!(response.text(), "GET /users/alice user=");
    }
    for client in &mut clients {
        expect("the next on its connection", "ok", &client.ask(&asked));
    }
    assert_eq!(keys.count(), 1);
}

/// The same again and again, with a server that answers at once: what one worker finds out must not be lost on another.
#[test]
fn a_cold_start_refuses_nobody() {
    const SETS: usize = 120;
    let location =
        |i| format!("location /{i}/ {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks?{i}; empty_gif; }}\n");
    let nginx = Setup::new().workers(2).server(&format!(
        "{} {PID_LOCATION} location = /_jwks {{ internal; proxy_pass http://unix:keys.sock; }}",
        (0..SETS).map(location).collect::<String>()
    ));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    let mut clients = connections_to_both(&nginx, 8);
    for i in 0..SETS {
        let asked = get(format!("/{i}/")).token(&alice.token("alice")).bytes();
        clients.iter_mut().for_each(|client| client.send(&asked));
        for client in &mut clients {
            expect(&format!("set {i}"), "ok", &client.receive("GET"));
        }
        assert_eq!(keys.count(), i + 1);
    }
}

/// What a client could send that an answer depends on, or that is nobody else's business.
const HEADERS: [(&str, &str); 15] = [
    ("Cookie", "sid=mallory"),
    ("Range", "bytes=0-3"),
    ("If-Range", "\"mallory\""),
    ("If-None-Match", "*"),
    ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"),
    ("Accept-Encoding", "gzip"),
    ("Accept", "mallory/mallory"),
    ("User-Agent", "mallory"),
    ("Referer", "http://mallory/"),
    ("Content-Type", "text/mallory"),
    ("Content-Encoding", "mallory"),
    ("X-Forwarded-For", "6.6.6.6"),
    ("X-HTTP-Method-Override", "POST"),
    ("X-User", "mallory"),
    ("TE", "trailers"),
];

/// Lines of the location that fetches: the plain one, and all that could carry something on.
const LOCATIONS: [&str; 5] = [
    "",
    "proxy_http_version 1.1; proxy_set_header Connection \"\";",
    "proxy_pass_request_headers on; proxy_pass_request_body on; proxy_request_buffering off; proxy_method GET;",
    "proxy_set_header Cookie $http_cookie; proxy_set_header Authorization $http_authorization;
        proxy_set_header X-User $http_x_user; proxy_set_header X-Sid $cookie_sid; proxy_set_header X-Seen $seen;",
    "proxy_set_header Content-Length $content_length; proxy_set_header Content-Type $content_type;
        proxy_set_header Range $http_range; proxy_set_body $request_body;",
];

/// A location for each of `LOCATIONS` and each way to ask. The variables were all read before.
fn everything_sent_on(ways: &[&str]) -> String {
    let row = |(way, (i, lines)): (&&str, (usize, &&str))| {
        format!(
            "location /{way}{i} {{
                set $seen \"$http_cookie $http_authorization $http_x_user $cookie_sid $content_length $content_type\";
                jwt_user_scope any; jwt_user_scope_key_request /_{way}{i}; proxy_pass http://unix:echo.sock;
            }}
            location = /_{way}{i} {{ internal; {lines} proxy_pass http://unix:keys.sock; }}\n"
        )
    };
    let rows = ways.iter().flat_map(|way| LOCATIONS.iter().enumerate().map(move |location| (way, location)));
    scoped_server(&format!("listen unix:h2.sock http2;\n{}", rows.map(row).collect::<String>()))
}

/// Nothing but what nginx writes on its own account; no header at all is the client's, and there is no body.
fn assert_clean(name: &str, head: &str) {
    let mut lines = head.lines();
    let line = lines.next().unwrap_or_default();
    assert!(line.starts_with("GET /_"), "{name}: {head}");
    for header in lines.clone().take_while(|line| !line.is_empty()) {
        let (header, value) = header.split_once(": ").unwrap_or_else(|| panic!("{name}: {head}"));
        let allowed = matches!(header, "Host" | "Connection") || header == "Content-Length" && value == "0";
        assert!(allowed, "{name} carries {header}: {head}");
    }
    assert!(head.ends_with("\r\n\r\n"), "{name} has a body: {head}");
}

#[test]
fn a_fetch_carries_nothing_of_the_client() {
    let nginx = Setup::new().http(&everything_sent_on(&["get", "post", "chunked", "head"]));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    for (i, lines) in LOCATIONS.iter().enumerate() {
        let asked = |method: &str, way: &str| {
            let asked = request(method, format!("/{way}{i}")).token(&alice.token("alice"));
            HEADERS.iter().fold(asked, |asked, (name, value)| asked.header(name, value))
        };
        let requests = [
            asked("GET", "get"),
            asked("POST", "post").body(b"mallory".repeat(20_000)),
            asked("POST", "chunked").header("Transfer-Encoding", "chunked"),
            asked("HEAD", "head"),
        ];
        for (request, way) in requests.iter().zip(["get", "post", "chunked", "head"]) {
            let (mut client, before) = (nginx.client(), keys.count());
            client.send(&request.bytes());
            if way == "chunked" {
                client.send(b"7\r\nmallory\r\n0\r\n\r\n");
            }
            let response = client.receive(if way == "head" { "HEAD" } else { "GET" });
            let name = format!("{way}, {lines:?}");
            assert_eq!(response.header("X-Result"), Some("ok"), "{name}: {response:?}");
            assert_eq!(keys.count(), before + 1, "{name}");
            assert_clean(&name, keys.heads().last().expect("a fetch"));
        }
    }
    // Since 1.29.7, nginx keeps its connections to backends.
    let kept = "GET /_get0 HTTP/1.1\r\nHost: localhost\r\n\r\n";
    let closed = "GET /_get0 HTTP/1.0\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    assert!([kept, closed].contains(&keys.heads()[0].as_str()), "{}", keys.heads()[0]);
}

#[cfg(ngx_feature = "http_v2")]
#[test]
fn a_fetch_carries_nothing_of_an_http2_client() {
    let nginx = Setup::new().http(&everything_sent_on(&["h2"]));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    for (i, lines) in LOCATIONS.iter().enumerate() {
        let asked = http::Request::post(format!("http://localhost/h2{i}"))
            .header("authorization", format!("Bearer {}", alice.token("alice")));
        let asked = HEADERS.iter().fold(asked, |asked, (name, value)| asked.header(*name, *value));
        let response = over_http2_with(&nginx, asked.body(&b"mallory"[..]).expect("a request"));
        assert_eq!(response.header("X-Result"), Some("ok"), "{response:?}");
        assert_clean(lines, keys.heads().last().expect("a fetch"));
    }
    assert_eq!(keys.count(), LOCATIONS.len());
}

/// A server whose variables depend on the client, and what its backend is told.
const OWN_VARIABLES: &str = "
    server_name own.example;
    set $tenant $arg_tenant;
    if ($http_x_route) { set $route $http_x_route; }
    proxy_set_header Host $host;
    proxy_set_header X-Tenant $tenant;
    proxy_set_header X-Route $route;
    proxy_set_header X-Agent $http_user_agent;
    proxy_set_header X-Sid $cookie_sid;
    proxy_set_header X-Type $content_type;
    proxy_set_header X-Mapped $mapped;
    location / { jwt_user_scope any; jwt_user_scope_key_request /_jwks valid=1s; proxy_pass http://unix:backend.sock; }
    location = /_jwks { internal; proxy_pass http://unix:keys.sock; }";

/// What the backend must be told of `a_request`.
fn assert_told(name: &str, head: &str) {
    for line in [
        "Host: alice.example",
        "X-Tenant: one",
        "X-Route: two",
        "X-Agent: three",
        "X-Sid: four",
        "X-Type: five",
        "X-Mapped: yes",
    ] {
        assert!(head.lines().any(|one| one == line), "{name}: no {line} in {head}");
    }
}

fn a_request(token: &str, body: &str) -> String {
    format!(
        "POST /?tenant=one HTTP/1.1\r\nHost: alice.example\r\nX-Route: two\r\nUser-Agent: three\r\nCookie: sid=four\r\n\
         Content-Type: five\r\nAuthorization: Bearer {token}\r\nContent-Length: {}\r\n\r\n",
        body.len()
    )
}

#[test]
fn a_request_is_the_same_behind_its_fetch() {
    let map = "map $http_user_agent $mapped { default no; three yes; }";
    let nginx = Setup::new().http(&format!("{map}\n{}", scoped_server(OWN_VARIABLES)));
    let (keys, backend, alice) = (KeyServer::of(&nginx), Backend::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    let mut client = nginx.client();
    let head = a_request(&alice.token("alice"), "body");

    client.send(head.as_bytes());
    client.send(b"body");
    assert_eq!(client.receive("POST").status, 200);
    assert_told("one that has waited for it", &backend.take()[0]);

    std::thread::sleep(Duration::from_millis(1100));
    let fetches = keys.count();
    client.send(head.as_bytes());
    eventually("the set is fetched again", || keys.count() > fetches && keys.open() == 0);
    client.send(b"body");
    assert_eq!(client.receive("POST").status, 200);
    assert_told("one that has begun it in the background", &backend.take()[0]);
    for head in keys.heads() {
        assert!(
            !["alice.example", "one", "two", "three", "four", "five"].iter().any(|own| head.contains(own)),
            "{head}"
        );
    }
}

#[test]
fn two_servers_with_the_same_uri_do_not_share_a_set() {
    let server = |name: &str, socket: &str| {
        format!(
            "server {{
                listen unix:nginx.sock; server_name {name}; add_header X-Result $jwt_user_scope_result always;
                location / {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks; empty_gif; }}
                location = /_jwks {{ internal; proxy_pass http://unix:{socket}; }}
            }}\n"
        )
    };
    let servers = server("one", "keys.sock") + &server("two", "two.sock") + &server("three", "three.sock");
    // The last two have the same name, and are reached at sockets of their own.
    let servers =
        servers.replacen("listen unix:nginx.sock; server_name three", "listen unix:other.sock; server_name two", 1);
    let nginx = Setup::new().http(&servers);
    let issuers = ["one", "two", "three"].map(Issuer::new);
    let _servers: Vec<_> = ["keys.sock", "two.sock", "three.sock"]
        .iter()
        .zip(&issuers)
        .map(|(socket, issuer)| {
            let server = KeyServer::at(&nginx.path(socket));
            server.publish(key_set(&[issuer]));
            server
        })
        .collect();
    let ask = |socket: &str, host: &str, issuer: &Issuer| {
        let mut client = Client::connect(&nginx.path(socket));
        let token = issuer.token("alice");
        client.send(format!("GET / HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {token}\r\n\r\n").as_bytes());
        client.receive("GET")
    };
    for (i, (socket, host)) in [("nginx.sock", "one"), ("nginx.sock", "two"), ("other.sock", "two")].iter().enumerate()
    {
        for (j, issuer) in issuers.iter().enumerate() {
            let word = if i == j { "ok" } else { "unknown_key" };
            expect(&format!("key {j} at server {i}"), word, &ask(socket, host, issuer));
        }
    }
}

#[test]
fn locations_of_one_server_share_what_was_fetched() {
    let nginx = Setup::new().server(
        "jwt_user_scope any;
        location / { jwt_user_scope_key_request /_jwks; empty_gif; }
        location /es/ { jwt_user_scope_key_request /_jwks; jwt_user_scope_algorithms ES256; empty_gif; }
        location /other/ { jwt_user_scope_key_request /_jwks issuer=https://other.example; empty_gif; }
        location /own/ { jwt_user_scope_key_request /_jwks issuer=https://auth.example; empty_gif; }
        location /query/ { jwt_user_scope_key_request /_jwks?tenant=two; empty_gif; }
        location = /_jwks { internal; proxy_pass http://unix:keys.sock; }",
    );
    let keys = KeyServer::of(&nginx);
    keys.publish(format!("{{\"keys\":[{},{}]}}", fixture("p256.jwk"), fixture("p384.jwk")));
    for (path, algorithm, word) in [
        ("/", "ES256", "ok"),
        ("/", "ES384", "ok"),
        ("/es/", "ES256", "ok"),
        ("/es/", "ES384", "unsupported_algorithm"),
        ("/other/", "ES256", "bad_issuer"),
        ("/own/", "ES256", "ok"),
    ] {
        expect(&format!("{algorithm} at {path}"), word, &get(path).token(&fixture_token(algorithm)).send(&nginx));
    }
    assert_eq!(keys.count(), 1);
    expect("another query", "ok", &get("/query/").token(&fixture_token("ES256")).send(&nginx));
    let heads = keys.heads();
    assert_eq!(heads.len(), 2);
    assert!(heads[1].starts_with("GET /_jwks?tenant=two HTTP/1."), "{}", heads[1]);
}

/// What the client asked for chooses a way for the client, and none for the keys.
#[test]
fn a_client_has_no_say_in_where_keys_come_from() {
    let (setup, server) = (
        Setup::new().unexplained(),
        scoped_server(
            "if ($request_uri ~ ^/uploads/(?<file>.+)$) { rewrite ^ /files/$file last; }
            if ($request ~ elsewhere) { rewrite ^/_jwks$ /elsewhere last; }
            location /files/ { jwt_user_scope any; jwt_user_scope_key_request /_jwks; root .; }
            location /users/ { jwt_user_scope any; jwt_user_scope_key_request /_jwks; empty_gif; }
            location = /_jwks { internal; proxy_set_header X-Line \"$request|$request_uri\"; proxy_pass http://unix:keys.sock; }
            location = /_args { internal; proxy_set_header X-Line \"$request|$request_uri\"; proxy_pass http://unix:keys.sock; }
            location /args/ { jwt_user_scope any; jwt_user_scope_key_request /_args?a=b; empty_gif; }",
        ),
    );
    let (good, mallory) = (Issuer::new("good"), Issuer::new("mallory"));
    std::fs::create_dir(setup.path("files")).expect("a directory in the prefix");
    std::fs::write(setup.path("files/set.json"), key_set(&[&mallory])).expect("a file in it");
    let nginx = setup.http(&server);
    let keys = KeyServer::of(&nginx);
    keys.publish(key_set(&[&good]));
    for path in ["/uploads/set.json", "/users/?elsewhere", "/users/alice"] {
        expect(path, "unknown_key", &get(path).token(&mallory.token("alice")).send(&nginx));
    }
    expect("one's own", "ok", &get("/users/alice").token(&good.token("alice")).send(&nginx));
    expect("with arguments", "ok", &get("/args/").token(&good.token("alice")).send(&nginx));
    let heads = keys.heads();
    let lines: Vec<_> = heads.iter().flat_map(|head| head.lines()).filter_map(|l| l.strip_prefix("X-Line: ")).collect();
    assert_eq!(lines, ["GET /_jwks HTTP/1.1|/_jwks", "GET /_args?a=b HTTP/1.1|/_args?a=b"]);
}

/// As docs/keys.md has it.
#[test]
fn a_fetch_can_be_exempted_from_what_the_server_wants_of_clients() {
    let wants = "if ($http_x_forwarded_proto != https) { return 301 https://$host$request_uri; }";
    let server = |exempt: &str| {
        scoped_server(&format!(
            "{exempt} {wants}
        location / {{ jwt_user_scope any; jwt_user_scope_key_request /_jwks; empty_gif; }}
        location = /_jwks {{ internal; proxy_pass http://unix:keys.sock; }}"
        ))
    };
    let issuer = Issuer::new("issuer");
    for (exempt, word) in [("", "keys_unavailable"), ("if ($uri = /_jwks) { break; }", "ok")] {
        let nginx = Setup::new().unexplained().http(&server(exempt));
        let keys = KeyServer::of(&nginx);
        keys.publish(key_set(&[&issuer]));
        let asked = get("/").token(&issuer.token("alice")).header("X-Forwarded-Proto", "https");
        expect(exempt, word, &asked.send(&nginx));
        assert_eq!(get("/").token(&issuer.token("alice")).send(&nginx).status, 301, "{exempt}");
        assert_eq!(get("/_jwks").send(&nginx).status, if exempt.is_empty() { 301 } else { 404 }, "{exempt}");
        let status = nginx.log_with("its answer has status 301");
        assert_eq!(status.is_empty(), !exempt.is_empty(), "{status:?}");
    }
}
