//! What the backend is told about who asks, and what it is not.

use crate::common::*;

const RECIPE: &str = r#"
    jwt_user_scope_set $tenant /app_metadata/tenant;
    server {
        listen unix:nginx.sock;
        listen unix:h2.sock http2;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            proxy_set_header X-User-ID $jwt_user_scope_user;
            proxy_set_header X-Tenant $tenant;
            proxy_set_header X-Claims $jwt_user_scope_payload;
            proxy_set_header Authorization "";
            proxy_pass http://unix:backend.sock;
        }
        location /public/ {
            jwt_user_scope off;
            proxy_set_header X-User-ID $jwt_user_scope_user;
            proxy_pass http://unix:backend.sock;
        }
        location /kept/ {
            jwt_user_scope any;
            proxy_set_header X-User-ID $jwt_user_scope_user;
            proxy_pass http://unix:backend.sock;
        }
    }"#;

/// All values of a header in a head.
fn values<'h>(head: &'h str, header: &str) -> Vec<&'h str> {
    let fields = head.lines().filter_map(|line| line.split_once(": "));
    fields.filter(|(name, _)| name.eq_ignore_ascii_case(header)).map(|(_, value)| value).collect()
}

fn one_head(backend: &Backend) -> String {
    let heads = backend.take();
    assert_eq!(heads.len(), 1, "{heads:#?}");
    heads.concat()
}

#[test]
fn the_verified_user_replaces_what_the_client_claims_to_be() {
    let nginx = Setup::new().http(RECIPE);
    let backend = Backend::of(&nginx);
    let spellings = ["X-User-ID", "x-user-id", "X-USER-ID"];
    let mut asked = get("/users/alice/x").token(&uid("alice"));
    for name in spellings {
        asked = asked.header(name, "mallory");
    }
    // nginx drops what a backend could take for the same name.
    asked =
        asked.header("X_User_ID", "mallory").header("X-Tenant", "theirs").header("X-Claims", r#"{"uid":"mallory"}"#);
    assert_eq!(asked.send(&nginx).status, 200);
    let head = one_head(&backend);
    assert_eq!(values(&head, "X-User-ID"), ["alice"]);
    assert_eq!(values(&head, "X-Tenant"), [""; 0], "a claim that is not there removes the header");
    assert_eq!(values(&head, "X-Claims"), [claims(r#""uid":"alice""#)]);
    assert!(!head.contains("mallory") && !head.contains("theirs"), "{head}");
}

#[test]
fn the_token_can_be_dropped_and_is_kept_otherwise() {
    let nginx = Setup::new().http(RECIPE);
    let backend = Backend::of(&nginx);
    let signed = token(claims(r#""uid":"alice","app_metadata":{"tenant":"acme"}"#));
    assert_eq!(get("/users/alice/x").token(&signed).send(&nginx).status, 200);
    let head = one_head(&backend);
    assert_eq!(values(&head, "Authorization"), [""; 0]);
    assert_eq!(values(&head, "X-Tenant"), ["acme"]);
    let (_, signature) = signed.rsplit_once('.').expect("a signature");
    assert!(!head.contains(signature), "{head}");

    assert_eq!(get("/kept/").token(&signed).send(&nginx).status, 200);
    let head = one_head(&backend);
    assert_eq!(values(&head, "Authorization"), [format!("Bearer {signed}")]);
    assert_eq!(values(&head, "X-User-ID"), ["alice"]);
}

#[test]
fn where_nobody_is_verified_the_header_is_removed() {
    let nginx = Setup::new().http(RECIPE);
    let backend = Backend::of(&nginx);
    for asked in [get("/public/"), get("/public/").token(&uid("alice")), get("/public/").token("x")] {
        assert_eq!(asked.header("X-User-ID", "mallory").send(&nginx).status, 200);
        assert_eq!(values(&one_head(&backend), "X-User-ID"), [""; 0]);
    }
}

#[test]
fn a_refused_request_reaches_no_backend() {
    let nginx = Setup::new().http(RECIPE);
    let backend = Backend::of(&nginx);
    let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
    for asked in [get("/users/alice/x"), get("/users/alice/x").token(&uid("bob")), get("/users/alice/x").token(&forged)]
    {
        assert!(matches!(asked.header("X-User-ID", "alice").send(&nginx).status, 401 | 403));
    }
    assert_eq!(backend.take(), [""; 0]);
}

/// Users mixed on one connection, all requests on their way at once: each is decided by its own token.
#[cfg(ngx_feature = "http_v2")]
#[test]
fn two_hundred_requests_on_one_http2_connection_keep_apart() {
    const REQUESTS: usize = 200;
    let users = ["alice", "bob", "carol", "dave", "eve"];
    let nginx = Setup::new().http(
        r#"server { listen unix:slow.sock; location / { return 200 "$request_uri is $http_x_user_id"; } }
        limit_req_zone $jwt_user_scope_user zone=users:1m rate=1000r/s;
        server {
            listen unix:nginx.sock;
            listen unix:h2.sock http2;
            http2_max_concurrent_streams 256;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
                limit_req zone=users burst=200;
                jwt_user_scope on;
                proxy_set_header X-User-ID $jwt_user_scope_user;
                proxy_set_header Authorization "";
                proxy_pass http://unix:slow.sock;
            }
        }"#,
    );
    let tokens: Vec<String> = users.iter().map(|user| format!("Bearer {}", uid(user))).collect();
    let forged = format!("Bearer {}", sign(HEADER, claims(r#""uid":"alice""#), "another secret"));
    let paths: Vec<String> = (0..REQUESTS).map(|i| format!("/users/{}/{i}", users[i % users.len()])).collect();
    // The user of the path, then another, a forged token, and none.
    let authorization = |i: usize| match i / users.len() % 4 {
        0 => Some(tokens[i % users.len()].as_bytes()),
        1 => Some(tokens[(i + 1 + i / 20 % 4) % users.len()].as_bytes()),
        2 => Some(forged.as_bytes()),
        _ => None,
    };
    let requests: Vec<_> = paths
        .iter()
        .enumerate()
        .map(|(i, path)| Http2Request { method: "GET", path, authorization: authorization(i) })
        .collect();
    let responses = over_http2_at_once(&nginx, &requests);
    assert_eq!(responses.len(), REQUESTS);
    for (i, (path, response)) in paths.iter().zip(&responses).enumerate() {
        match i / users.len() % 4 {
            0 => {
                let expected = format!("{path} is {}", users[i % users.len()]);
                assert_eq!((response.status, response.text()), (200, expected), "request {i}");
            }
            1 => assert_refused(path, "user_mismatch", response),
            2 => assert_refused(path, "bad_signature", response),
            _ => assert_refused(path, "missing_token", response),
        }
    }
}

/// A header says a value without the spaces around it: the backend would know somebody else.
#[test]
fn a_name_that_a_header_cannot_say_is_not_sent() {
    let nginx = Setup::new().http(RECIPE);
    let backend = Backend::of(&nginx);
    for (name, sent) in [(" alice", None), ("alice ", None), (" ", None), ("al ice", Some("al ice"))] {
        let segment = name.replace(' ', "%20");
        for path in [format!("/users/{segment}/x"), "/kept/".into()] {
            assert_eq!(get(&path).token(&uid(name)).header("X-User-ID", "alice").send(&nginx).status, 200, "{path}");
            assert_eq!(
                values(&one_head(&backend), "X-User-ID"),
                sent.into_iter().collect::<Vec<_>>(),
                "{name:?} {path}"
            );
        }
    }
}
