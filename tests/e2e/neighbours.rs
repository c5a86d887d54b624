//! nginx's own features around a refusal: delays, headers, compression, subrequests.

use crate::common::*;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

#[test]
fn auth_delay_delays_the_401_and_nothing_else() {
    let nginx = Setup::new().server("location / { auth_delay 400ms; jwt_user_scope $arg_user; empty_gif; }");
    let timed = |request: Request| {
        let start = Instant::now();
        (request.send(&nginx), start.elapsed())
    };
    let (refused, time) = timed(get("/?user=alice"));
    expect("delayed", "missing_token", &refused);
    // nginx counts from its cached time, which may be some milliseconds old.
    assert!(time >= Duration::from_millis(380), "{time:?}");
    let (passed, time) = timed(get("/?user=alice").token(&uid("alice")));
    expect("passed", "ok", &passed);
    assert!(time < patient(Duration::from_millis(380)), "{time:?}");
}

#[test]
fn a_client_that_leaves_during_the_delay_harms_nothing() {
    let nginx = Setup::new().server("location / { auth_delay 200ms; jwt_user_scope any; empty_gif; }");
    for _ in 0..20 {
        nginx.client().send(&get("/").bytes());
    }
    expect("the next", "missing_token", &get("/").send(&nginx));
}

#[test]
fn auth_request_comes_after_and_only_then() {
    let nginx = Setup::new().server(
        "location /own/ {
            jwt_user_scope $arg_user;
            auth_request /permit;
            proxy_pass http://unix:echo.sock;
        }
        location /denied/ { jwt_user_scope any; auth_request /deny; empty_gif; }
        location = /deny { internal; return 403; }
        location = /permit {
            internal;
            proxy_pass http://unix:backend.sock;
            proxy_set_header X-User $jwt_user_scope_user;
            proxy_set_header X-Result $jwt_user_scope_result;
        }",
    );
    let backend = Backend::of(&nginx);
    expect("nobody", "missing_token", &get("/own/?user=alice").send(&nginx));
    expect("bob", "user_mismatch", &get("/own/?user=alice").token(&uid("bob")).send(&nginx));
    assert_eq!(backend.take(), [""; 0], "a refused request is not asked about");

    expect("alice", "ok", &get("/own/?user=alice").token(&uid("alice")).send(&nginx));
    let heads = backend.take();
    assert_eq!(heads.len(), 1);
    for line in ["X-User: alice\r\n", "X-Result: ok\r\n"] {
        assert!(heads[0].contains(line), "no {line:?} in {}", heads[0]);
    }
    let response = get("/denied/").token(&uid("alice")).send(&nginx);
    assert_eq!((response.status, response.challenge()), (403, None));
    assert!(response.text().contains("<html>"), "another's refusal has nginx's page: {}", response.text());
}

#[test]
fn headers_are_added_always_or_not_at_all() {
    let nginx = Setup::new().http(
        "server {
            listen unix:nginx.sock;
            location / {
                jwt_user_scope $arg_user;
                add_header Access-Control-Allow-Origin https://app.example always;
                add_header X-Only-On-Success yes;
                empty_gif;
            }
        }",
    );
    let bob = uid("bob");
    for (word, request) in [("missing_token", get("/?user=a")), ("user_mismatch", get("/?user=a").token(&bob))] {
        let response = request.send(&nginx);
        assert_refused(word, word, &response);
        assert_eq!(response.all("Access-Control-Allow-Origin"), ["https://app.example"], "{word}");
        assert_eq!(response.header("X-Only-On-Success"), None, "{word}");
    }
}

/// nginx compresses 403 answers, but no 401.
#[test]
fn a_compressed_refusal_unpacks_to_the_same_body() {
    let nginx = Setup::new().server(
        "gzip on; gzip_types application/json; gzip_min_length 1; gzip_proxied any;
        location / { jwt_user_scope $arg_user; empty_gif; }",
    );
    let asked = get("/?user=alice").token(&uid("bob")).header("Accept-Encoding", "gzip");
    let response = asked.send(&nginx);
    assert_eq!((response.status, response.header("Content-Encoding")), (403, Some("gzip")), "{response:?}");
    assert_eq!(gunzip(&response.body), r#"{"detail":"Forbidden"}"#);
    let refused = get("/?user=alice").header("Accept-Encoding", "gzip").send(&nginx);
    expect("401", "missing_token", &refused);
}

fn gunzip(bytes: &[u8]) -> String {
    let command = Command::new("gzip").arg("-dc").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn();
    let mut child = command.expect("gzip runs");
    child.stdin.take().expect("a pipe").write_all(bytes).expect("gzip reads");
    String::from_utf8_lossy(&child.wait_with_output().expect("gzip ends").stdout).into_owned()
}

#[test]
fn ranges_and_conditions_do_not_touch_a_refusal() {
    let nginx = Setup::new().file("page.html", "a page").server("location / { jwt_user_scope any; root .; }");
    let conditions =
        [("Range", "bytes=0-1"), ("If-Modified-Since", "Fri, 01 Jan 2100 00:00:00 GMT"), ("If-None-Match", "*")];
    for (name, value) in conditions {
        expect(name, "missing_token", &get("/page.html").header(name, value).send(&nginx));
    }
}

#[test]
fn options_needs_a_token_like_any_method() {
    let nginx = Setup::new().server("location / { jwt_user_scope any; proxy_pass http://unix:echo.sock; }");
    let preflight =
        request("OPTIONS", "/").header("Origin", "https://app.example").header("Access-Control-Request-Method", "GET");
    expect("a preflight", "missing_token", &preflight.send(&nginx));
}

#[test]
fn return_answers_before_any_access_check_as_always_in_nginx() {
    let nginx = Setup::new()
        .http(r#"server { listen unix:nginx.sock; location / { jwt_user_scope any; return 200 "before access"; } }"#);
    assert_eq!(get("/").send(&nginx).text(), "before access");
}

#[test]
fn static_files_and_index_redirects_are_checked() {
    let nginx = Setup::new()
        .file("index.html", "the index")
        .file("page.txt", "a page")
        .server("location / { jwt_user_scope any; root .; index index.html; }");
    for path in ["/", "/index.html", "/page.txt", "/none"] {
        expect(path, "missing_token", &get(path).send(&nginx));
    }
    let alice = uid("alice");
    assert_eq!(get("/").token(&alice).send(&nginx).text(), "the index");
    assert_eq!(get("/page.txt").token(&alice).send(&nginx).text(), "a page");
    assert_eq!(get("/none").token(&alice).send(&nginx).status, 404);
}
