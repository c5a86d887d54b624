//! What a fetch may bring, whatever the location does to get it: a key set is used, anything else changes nothing, and
//! none of it reaches the client.

use crate::common::*;
use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::time::{Duration, Instant};

/// A server with as many locations as names, each with a set and a location of its own to fetch it.
fn one_each(fetched: &[(&str, String)]) -> String {
    let location = |(i, (_, lines)): (usize, &(&str, String))| {
        format!(
            "location /{i}/ {{ jwt_user_scope any; jwt_user_scope_key_request /_{i}; proxy_pass http://unix:echo.sock; }}
            location = /_{i} {{ internal; {lines} }}\n"
        )
    };
    scoped_server(&fetched.iter().enumerate().map(location).collect::<String>())
}

const PROXY: &str = "proxy_pass http://unix:keys.sock;";

/// Two requests on one connection: the answer to the first is this word, and nothing else comes with it.
fn assert_answered(nginx: &Nginx, name: &str, path: &str, token: &str, word: &str) {
    let mut client = nginx.client();
    let response = client.ask(&get(path).token(token));
    expect(name, word, &response);
    if word == "ok" {
        assert_eq!(response.text(), format!("GET {path} user="), "{name}");
    }
    assert_eq!(response.all("Set-Cookie"), [""; 0], "{name}");
    assert_eq!(client.ask(&get("/nothing")).status, 404, "{name}: the next answer");
}

#[test]
fn only_an_uncompressed_200_with_a_key_set_is_used() {
    let alice = Issuer::new("alice");
    let set = key_set(&[&alice]);
    let status = |status: &str| response(status, "", &set);
    let with = |header: &str| response("200 OK", &format!("{header}\r\n"), &set);
    let chunked = |end: &str| {
        let (size, head) = (set.len(), "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
        format!("{head}{size:x}\r\n{set}\r\n{end}").into_bytes()
    };
    let cut = |length: usize| status("200 OK")[..status("200 OK").len() - length].to_vec();
    let sized = |length: usize| response("200 OK", "", format!("{set}{}", " ".repeat(length - set.len())));
    const MAX: usize = 256 * 1024;
    let rows: Vec<(&str, Vec<u8>, &str)> = vec![
        ("200", status("200 OK"), "ok"),
        ("any type", with("Content-Type: text/html"), "ok"),
        ("cookies and caching", with("Set-Cookie: mallory=1\r\nCache-Control: no-store\r\nVary: *"), "ok"),
        ("chunked", chunked("0\r\n\r\n"), "ok"),
        ("up to the end of the connection", format!("HTTP/1.0 200 OK\r\n\r\n{set}").into(), "ok"),
        ("not to be buffered", with("X-Accel-Buffering: no"), "ok"),
        ("as large as may be", sized(MAX), "ok"),
        ("too large", sized(MAX + 1), "keys_unavailable"),
        ("much too large", sized(16 * MAX), "keys_unavailable"),
        ("said not to be encoded", with("Content-Encoding: identity"), "ok"),
        ("gzip", with("Content-Encoding: gzip"), "keys_unavailable"),
        ("br", with("Content-Encoding: br"), "keys_unavailable"),
        ("201", status("201 Created"), "keys_unavailable"),
        ("203", status("203 Non-Authoritative Information"), "keys_unavailable"),
        ("204", b"HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n".into(), "keys_unavailable"),
        ("206", with("Content-Range: bytes 0-99/100").replacen_status("206 Partial Content"), "keys_unavailable"),
        ("301", with("Location: /0/").replacen_status("301 Moved Permanently"), "keys_unavailable"),
        ("302", with("Location: http://unix:keys.sock/").replacen_status("302 Found"), "keys_unavailable"),
        ("304", b"HTTP/1.1 304 Not Modified\r\nConnection: close\r\n\r\n".into(), "keys_unavailable"),
        ("401", with("WWW-Authenticate: Basic").replacen_status("401 Unauthorized"), "keys_unavailable"),
        ("404", status("404 Not Found"), "keys_unavailable"),
        ("500", status("500 Internal Server Error"), "keys_unavailable"),
        ("503", with("Retry-After: 100").replacen_status("503 Service Unavailable"), "keys_unavailable"),
        ("an empty body", response("200 OK", "", ""), "keys_unavailable"),
        ("a page", response("200 OK", "", "<html>sign in</html>"), "keys_unavailable"),
        ("an object without keys", response("200 OK", "", "{}"), "keys_unavailable"),
        ("a key and no set", response("200 OK", "", alice.jwk()), "keys_unavailable"),
        ("two sets", response("200 OK", "", set.repeat(2)), "keys_unavailable"),
        ("too many keys", response("200 OK", "", key_set(&[&alice; 65])), "keys_unavailable"),
        ("cut by a byte", cut(1), "keys_unavailable"),
        ("cut in the middle", cut(set.len() / 2), "keys_unavailable"),
        ("cut behind the header", cut(set.len()), "keys_unavailable"),
        ("a chunk that is cut", chunked("")[..120].into(), "keys_unavailable"),
        ("a bad chunk", chunked("zz\r\n"), "keys_unavailable"),
        ("not HTTP", b"mallory\r\n\r\n".into(), "keys_unavailable"),
        ("nothing", Vec::new(), "keys_unavailable"),
    ];
    let fetched: Vec<_> = rows.iter().map(|(name, ..)| (*name, PROXY.to_owned())).collect();
    let nginx = Setup::new().http(&one_each(&fetched));
    let keys = KeyServer::of(&nginx);
    for (i, (name, bytes, word)) in rows.into_iter().enumerate() {
        keys.answer(bytes);
        let (fetches, complaints) = (keys.count(), nginx.log_with("was not fetched").len());
        assert_answered(&nginx, name, &format!("/{i}/"), &alice.token("alice"), word);
        assert_eq!(keys.count(), fetches + 1, "{name}");
        let complaints = nginx.log_with("was not fetched").len() - complaints;
        assert_eq!(complaints, usize::from(word != "ok"), "{name}: {}", nginx.read("error.log"));
    }
    assert!(!nginx.read("error.log").contains(&alice.token("alice")));
}

trait ReplaceStatus {
    fn replacen_status(self, status: &str) -> Self;
}

impl ReplaceStatus for Vec<u8> {
    /// Another status line in place of `200 OK`.
    fn replacen_status(self, status: &str) -> Self {
        String::from_utf8(self).expect("text").replacen("200 OK", status, 1).into_bytes()
    }
}

#[test]
fn a_set_comes_from_wherever_nginx_can_get_one() {
    let alice = Issuer::new("alice");
    let set = key_set(&[&alice]);
    let locations: Vec<(&str, String)> = vec![
        ("proxy", PROXY.into()),
        ("an answer of nginx", format!("return 200 '{set}';")),
        ("a file", "root .; try_files /set =404;".into()),
        ("a file, sent by the kernel", "root .; sendfile on; tcp_nopush on; try_files /set =404;".into()),
        ("a file, read directly", "root .; directio 1; try_files /set =404;".into()),
        ("a file, read by threads", "root .; aio threads; try_files /set =404;".into()),
        ("a file, read directly by threads", "root .; aio threads; directio 1; try_files /set =404;".into()),
        ("without buffering", format!("proxy_buffering off; {PROXY}")),
        ("a cache", format!("proxy_cache cache; proxy_cache_valid 1h; {PROXY}")),
        ("a store", format!("proxy_store kept; {PROXY}")),
        ("a rewrite", "rewrite ^ /keys last;".into()),
        ("a named location", "try_files /nothing @keys;".into()),
        ("a page for an error", "return 404; error_page 404 =200 /keys;".into()),
        (
            "an upstream that answers in its place",
            format!("error_page 502 = /keys; {}", PROXY.replace("keys", "absent")),
        ),
        ("a slow line", format!("limit_rate 100; proxy_limit_rate 1000; {PROXY}")),
        ("compression", format!("gzip on; gzip_types *; gzip_min_length 1; gzip_proxied any; {PROXY}")),
        (
            "filters",
            format!(
                "ssi on; ssi_types *; sub_filter kty none; sub_filter_types *; add_before_body /0/; addition_types *; {PROXY}"
            ),
        ),
        ("access modules", format!("deny all; auth_basic x; auth_basic_user_file none; auth_request /none; {PROXY}")),
        ("a check of its own", format!("jwt_user_scope any; jwt_user_scope_key_request /none; {PROXY}")),
        ("a mirror", format!("mirror /none; {PROXY}")),
        ("a limit", format!("limit_req zone=limit burst=5; {PROXY}")),
        ("a limit that is used up", format!("limit_req zone=limit; {PROXY}")),
        ("headers", format!("add_header X-Mallory 1 always; expires 1h; charset utf-8; userid on; {PROXY}")),
    ];
    let server = one_each(&locations).replacen(
        "location",
        &format!("location /keys {{ internal; {PROXY} }} location @keys {{ {PROXY} }} location"),
        1,
    );
    let nginx = Setup::new().file("set", &set).http(&format!(
        "limit_req_zone $pid zone=limit:1m rate=1r/m; proxy_cache_path cache keys_zone=cache:1m;\n{server}"
    ));
    nginx.tolerate("absent.sock");
    let keys = KeyServer::of(&nginx);
    keys.publish(&set);
    for (i, (name, _)) in locations.iter().enumerate() {
        nginx.gives(&format!("/_{i}"), &set);
        let response = get(format!("/{i}/")).token(&alice.token("alice")).send(&nginx);
        assert_eq!(response.header("X-Mallory"), None, "{name}");
        assert_answered(&nginx, name, &format!("/{i}/"), &alice.token("alice"), "ok");
        expect(name, "ok", &response);
    }
    assert_eq!(nginx.log_with("was not fetched"), [""; 0]);
}

/// Some of these would end the connection of a client that asked for them itself.
#[test]
fn a_location_that_gives_no_set_harms_no_client() {
    let absent = PROXY.replace("keys", "absent");
    let lines = [
        "return 444;",
        "return 499;",
        "return 408;",
        "return 400;",
        "return 413;",
        "return 204;",
        "return 301 /0/;",
        "return 500;",
        "return 200;",
        "return 200 mallory;",
        "empty_gif;",
        "root .;",
        "rewrite ^ /_0;",
        "proxy_pass http://$host:$arg_port;",
        &absent,
    ];
    let locations = lines.map(|lines| (lines, lines.to_owned()));
    let nginx = Setup::new().http(&one_each(&locations));
    nginx.tolerate("absent.sock");
    let token = Issuer::new("alice").token("alice");
    for (i, lines) in lines.iter().enumerate() {
        assert_answered(&nginx, lines, &format!("/{i}/"), &token, "keys_unavailable");
        assert_eq!(nginx.log_with(&format!("\"/_{i}\" was not fetched")).len(), 1, "{lines}");
    }
}

/// nginx hands on as it comes what does not come through its pipe, and stops the client's timers with it.
#[test]
fn a_set_that_nginx_does_not_buffer_is_none() {
    let alice = Issuer::new("alice");
    let set = key_set(&[&alice]);
    let nginx = Setup::new().unexplained().http(
        &one_each(&[
            ("memcached", "set $memcached_key k; memcached_pass unix:memcached.sock;".into()),
            (
                "a file in its place",
                "set $memcached_key k; memcached_pass unix:absent.sock; error_page 502 =200 /set;".into(),
            ),
        ])
        .replacen("location", "root .; location", 1),
    );
    nginx.tolerate("absent.sock");
    std::fs::write(nginx.path("set"), &set).expect("a file");
    let listener = UnixListener::bind(nginx.path("memcached.sock")).expect("a socket");
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.expect("a connection");
            assert!(stream.read(&mut [0; 99]).expect("a request") > 0);
            _ = write!(stream, "VALUE k 0 {}\r\n{set}\r\nEND\r\n", set.len());
        }
    });
    let token = alice.token("alice");
    assert_answered(&nginx, "memcached", "/0/", &token, "keys_unavailable");
    assert_eq!(nginx.log_with("was not fetched: its location does not buffer").len(), 1);
    assert_answered(&nginx, "a file in its place", "/1/", &token, "ok");
}

/// nginx gives what `limit_conn` counts back with the client's request, which may be a download.
#[test]
fn a_limit_of_connections_stops_no_fetch() {
    const CHECKED: &str = "jwt_user_scope any; jwt_user_scope_key_request /_jwks valid=1s;";
    let nginx = Setup::new().unexplained().file("download", "x".repeat(10_000)).http(&format!(
        "limit_conn_zone $pid zone=connections:1m;
        {}",
        scoped_server(&format!(
            "location / {{ {CHECKED} proxy_pass http://unix:echo.sock; }}
            location = /download {{ {CHECKED} limit_rate 100; root .; }}
            location = /_jwks {{ internal; limit_conn connections 1; {PROXY} }}"
        ))
    ));
    let (keys, alice) = (KeyServer::of(&nginx), Issuer::new("alice"));
    keys.publish(key_set(&[&alice]));
    let mut client = nginx.client();
    client.send(&get("/download").token(&alice.token("alice")).bytes());
    eventually("it has fetched", || keys.count() == 1);
    std::thread::sleep(Duration::from_millis(1100));
    expect("another", "ok", &get("/").token(&alice.token("alice")).send(&nginx));
    eventually("it has fetched, too", || keys.count() == 2);
    assert_eq!(nginx.log_with("was not fetched"), [""; 0]);
}

#[test]
fn a_redirect_within_nginx_leaks_nothing() {
    let alice = Issuer::new("alice");
    let set = key_set(&[&alice]);
    let lines = format!(
        "error_page 404 500 /page; error_page 502 504 @page; proxy_intercept_errors on; recursive_error_pages on; {PROXY}"
    );
    let rows = [
        ("a page for 404", response("404 Not Found", "", "mallory"), "keys_unavailable"),
        ("a page for 500", response("500 Internal Server Error", "", "mallory"), "keys_unavailable"),
        ("a page for no answer", Vec::new(), "keys_unavailable"),
        ("a redirect of the server", response("200 OK", "X-Accel-Redirect: /page\r\n", &set), "keys_unavailable"),
        ("a redirect to a name", response("200 OK", "X-Accel-Redirect: @page\r\n", &set), "keys_unavailable"),
        ("a redirect to a checked location", response("200 OK", "X-Accel-Redirect: /0/\r\n", &set), "keys_unavailable"),
        ("a redirect to the set", response("200 OK", "X-Accel-Redirect: /set\r\n", "mallory"), "ok"),
        ("no redirect", response("200 OK", "", &set), "ok"),
    ];
    let server = one_each(&rows.each_ref().map(|(name, ..)| (*name, lines.clone())));
    let pages = format!(
        "location /page {{ root .; }} location @page {{ return 200 mallory; }} location /set {{ return 200 '{set}'; }}"
    );
    let nginx =
        Setup::new().file("page", "mallory").http(&server.replacen("location", &format!("{pages} location"), 1));
    let keys = KeyServer::of(&nginx);
    nginx.gives("/_6", &set);
    for (i, (name, bytes, word)) in rows.into_iter().enumerate() {
        keys.answer(bytes);
        let mut client = nginx.client();
        let response = client.ask(&get(format!("/{i}/")).token(&alice.token("alice")));
        expect(name, word, &response);
        assert!(!response.text().contains("mallory"), "{name}: {response:?}");
        assert_eq!(client.ask(&get("/page")).text(), "mallory", "{name}: the next answer");
    }
}

/// Twelve keys of RSA, each with a chain of certificates; the key that counts stands behind them.
fn realistic_set() -> String {
    let certificate = "MIIF".repeat(680);
    let chain = format!(r#""{certificate}","{certificate}","{certificate}""#);
    let rsa = |i: usize| {
        fixture("rsa.jwk").replacen("\"rsa\"", &format!("\"{i}\""), 1).replacen(
            '{',
            &format!(r#"{{"x5c":[{chain}],"#),
            1,
        )
    };
    let keys: Vec<_> = (0..12).map(rsa).chain([fixture("p256.jwk")]).collect();
    format!("{{\"keys\":[{}]}}", keys.join(","))
}

#[test]
fn a_set_of_realistic_size_fits_without_tuning() {
    let set = realistic_set();
    assert!(set.len() > 12 * 7 * 1024, "{}", set.len());
    let whole = response("200 OK", "", &set);
    let (head, body) = whole.split_at(whole.len() - set.len());
    let chunks = body.chunks(5000).map(|chunk| [format!("{:x}\r\n", chunk.len()).as_bytes(), chunk, b"\r\n"].concat());
    let chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_vec();
    let answers: Vec<(&str, Vec<Vec<u8>>)> = vec![
        ("at once", vec![whole.clone()]),
        ("header first", vec![head.into(), body.into()]),
        ("in pieces", whole.chunks(20_000).map(Vec::from).collect()),
        ("in chunks", std::iter::once(chunked).chain(chunks).chain([b"0\r\n\r\n".to_vec()]).collect()),
    ];
    let settings = [
        "",
        "proxy_buffering off;",
        "proxy_max_temp_file_size 0;",
        "proxy_buffers 4 4k; proxy_busy_buffers_size 4k; proxy_max_temp_file_size 0;",
        "proxy_http_version 1.1;",
    ];
    let locations: Vec<_> = settings
        .iter()
        .flat_map(|lines| answers.iter().map(move |(name, _)| (*name, format!("{lines} {PROXY}"))))
        .collect();
    let nginx = Setup::new().http(&one_each(&locations));
    let keys = KeyServer::of(&nginx);
    for (i, (name, lines)) in locations.iter().enumerate() {
        keys.answer_slowly(answers[i % answers.len()].1.clone(), Duration::from_millis(2));
        let begun = Instant::now();
        let name = format!("{name}, {lines}");
        assert_answered(&nginx, &name, &format!("/{i}/"), &fixture_token("ES256"), "ok");
        assert!(begun.elapsed() < patient(Duration::from_secs(2)), "{name}: {:?}", begun.elapsed());
    }
}

#[test]
fn too_large_an_answer_is_given_up_at_once() {
    let set = key_set(&[&Issuer::new("alice")]);
    let sized = |kib: usize| response("200 OK", "", format!("{set}{}", " ".repeat(kib * 1024 + 1 - set.len())));
    let chunk = [b"1000\r\n", &[b' '; 0x1000][..], b"\r\n"].concat();
    let chunked = |kib: usize| {
        let head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n".to_vec();
        [head, chunk.repeat(kib / 4 + 1), b"0\r\n\r\n".to_vec()].concat()
    };
    // Around what fits into the buffers, with what is read ahead of them.
    let sizes = [256, 264, 272, 280, 300, 320, 340, 512, 4096];
    let answers: Vec<_> = sizes.iter().flat_map(|&kib| [sized(kib), chunked(kib)]).collect();
    let settings = [
        "",
        "proxy_max_temp_file_size 0;",
        "proxy_buffering off;",
        "proxy_max_temp_file_size 0; proxy_buffers 32 32k;",
    ];
    let locations: Vec<_> =
        settings.iter().flat_map(|lines| answers.iter().map(move |_| (*lines, format!("{lines} {PROXY}")))).collect();
    let nginx = Setup::new().http(&one_each(&locations));
    let keys = KeyServer::of(&nginx);
    let token = Issuer::new("alice").token("alice");
    for (i, (lines, _)) in locations.iter().enumerate() {
        let answer = &answers[i % answers.len()];
        keys.answer(answer.clone());
        let name = format!("{} bytes, {lines:?}", answer.len());
        let begun = Instant::now();
        assert_answered(&nginx, &name, &format!("/{i}/"), &token, "keys_unavailable");
        assert!(begun.elapsed() < patient(Duration::from_secs(2)), "{name}: {:?}", begun.elapsed());
    }
    eventually("no connection is left", || keys.open() == 0);
}

#[test]
fn an_endless_answer_is_given_up() {
    let nginx = Setup::new().http(&one_each(
        &["", "proxy_max_temp_file_size 0;", "proxy_buffering off;"].map(|lines| (lines, format!("{lines} {PROXY}"))),
    ));
    let keys = KeyServer::of(&nginx);
    keys.answer_endlessly(b"HTTP/1.0 200 OK\r\n\r\n{\"keys\":[".to_vec(), b"{},".repeat(1000));
    for i in 0..3 {
        let begun = Instant::now();
        assert_answered(&nginx, "endless", &format!("/{i}/"), &Issuer::new("alice").token("alice"), "keys_unavailable");
        assert!(begun.elapsed() < patient(Duration::from_secs(2)), "{:?}", begun.elapsed());
        eventually("its connection is closed", || keys.open() == 0);
    }
}
