//! Beside nginx's other access modules: `allow`, `deny`, `auth_basic`, under `satisfy all` and `satisfy any`.

use crate::common::*;

/// alice:pass
const HTPASSWD: &str = "alice:{PLAIN}pass\n";
const BASIC: &str = "Basic YWxpY2U6cGFzcw==";

const REFUSING_BACKEND: &str = r#"
    server {
        listen unix:refusing.sock;
        add_header WWW-Authenticate Negotiate always;
        location /400 { return 400 "the backend's 400"; }
        location /401 { return 401 "the backend's 401"; }
        location /403 { return 403 "the backend's 403"; }
    }"#;

fn nginx(locations: &str) -> Nginx {
    let setup = Setup::new().file("htpasswd", HTPASSWD).file("page.html", "page");
    setup.http(&format!("{REFUSING_BACKEND}{}", scoped_server(locations)))
}

#[test]
fn a_denied_address_is_denied_before_any_token_is_read() {
    let nginx = Setup::new().http(
        "server {
            listen unix:nginx.sock;
            location /plain/ { deny all; jwt_user_scope $arg_user; empty_gif; }
            location /shown/ {
                deny all;
                jwt_user_scope $arg_user;
                add_header X-Result $jwt_user_scope_result always;
                empty_gif;
            }
        }",
    );
    for path in ["/plain/", "/shown/"] {
        for (name, token) in [("nobody", "".into()), ("alice", uid("alice")), ("bob", uid("bob"))] {
            let response = get(format!("{path}?user=alice")).token(&token).send(&nginx);
            assert_eq!((response.status, response.challenge()), (403, None), "{path} of {name}");
            assert!(response.text().contains("<html>"), "{path} of {name}: {}", response.text());
        }
    }
}

#[test]
fn an_allowed_address_still_needs_a_token() {
    let nginx = nginx("location / { allow all; jwt_user_scope any; empty_gif; }");
    expect("nobody", "missing_token", &get("/").send(&nginx));
    expect("alice", "ok", &get("/").token(&uid("alice")).send(&nginx));
}

#[test]
fn under_satisfy_any_an_allowed_address_needs_none() {
    let nginx =
        nginx("location / { satisfy any; allow all; jwt_user_scope $arg_user; proxy_pass http://unix:echo.sock; }");
    for request in [get("/"), get("/").token("X"), get("/?user=bob").token(&uid("alice"))] {
        let response = request.send(&nginx);
        assert_eq!((response.status, response.challenge()), (200, None), "{response:?}");
    }
}

#[test]
fn under_satisfy_any_a_denied_address_may_bring_a_token() {
    let nginx = nginx("location / { satisfy any; deny all; jwt_user_scope $arg_user; empty_gif; }");
    expect("nobody", "missing_token", &get("/?user=alice").send(&nginx));
    expect("bob", "user_mismatch", &get("/?user=alice").token(&uid("bob")).send(&nginx));
    expect("alice", "ok", &get("/?user=alice").token(&uid("alice")).send(&nginx));
}

#[test]
fn under_satisfy_any_a_password_may_replace_the_token() {
    let nginx = nginx(
        "location / {
            satisfy any;
            auth_basic staff;
            auth_basic_user_file htpasswd;
            jwt_user_scope $arg_user;
            proxy_pass http://unix:echo.sock;
        }",
    );
    let basic = get("/?user=bob").authorization(BASIC).send(&nginx);
    assert_eq!((basic.status, basic.text().as_str()), (200, "GET /?user=bob user="));
    assert_eq!(basic.challenge(), None, "the challenge disappears");
    expect("a token", "ok", &get("/?user=alice").token(&uid("alice")).send(&nginx));

    for (name, request) in [("nothing", get("/")), ("a wrong password", get("/").authorization("Basic YWxpY2U6eA=="))] {
        let response = request.send(&nginx);
        assert_eq!(response.status, 401, "{name}");
        let challenges = response.all("WWW-Authenticate");
        assert!(challenges.contains(&"Bearer"), "{name}: {challenges:?}");
        assert!(challenges.contains(&r#"Basic realm="staff""#), "{name}: {challenges:?}");
    }
}

#[test]
fn under_satisfy_all_the_token_is_asked_for_before_the_password() {
    let nginx = nginx("location / { auth_basic staff; auth_basic_user_file htpasswd; jwt_user_scope any; empty_gif; }");
    expect("a password", "missing_token", &get("/").authorization(BASIC).send(&nginx));
    let response = get("/").token(&uid("alice")).send(&nginx);
    assert_eq!((response.status, response.challenge()), (401, Some(r#"Basic realm="staff""#)));
    assert!(response.text().contains("<html>"), "nginx's page for another's refusal: {}", response.text());
}

/// Our refusal was overruled, so whatever is refused later is somebody else's answer.
#[test]
fn a_later_answer_of_the_backend_stays_the_backend_s() {
    let nginx = nginx(
        "satisfy any;
        auth_basic staff;
        auth_basic_user_file htpasswd;
        location /401 { jwt_user_scope any; proxy_pass http://unix:refusing.sock; }
        location /403 { jwt_user_scope any; proxy_pass http://unix:refusing.sock; }",
    );
    for status in [401, 403] {
        let response = get(format!("/{status}")).authorization(BASIC).send(&nginx);
        assert_eq!((response.status, response.text()), (status, format!("the backend's {status}")));
        assert_eq!(response.all("WWW-Authenticate"), ["Negotiate"]);
    }
}

#[test]
fn after_a_good_token_every_other_answer_is_somebody_else_s() {
    let nginx = nginx(
        "location /40 { jwt_user_scope any; proxy_pass http://unix:refusing.sock; }
        location /gif { jwt_user_scope any; empty_gif; }
        location /index/ { jwt_user_scope any; alias ./; }",
    );
    let alice = uid("alice");
    for status in [400, 401, 403] {
        let response = get(format!("/{status}")).token(&alice).send(&nginx);
        assert_eq!((response.status, response.text()), (status, format!("the backend's {status}")));
        assert_eq!(response.all("WWW-Authenticate"), ["Negotiate"]);
    }
    for (method, path, status) in [("POST", "/gif", 405), ("GET", "/index/", 403), ("GET", "/index/none", 404)] {
        let response = request(method, path).token(&alice).send(&nginx);
        assert_eq!((response.status, response.challenge()), (status, None), "{path}");
        assert!(response.text().contains("<html>"), "{path}: {}", response.text());
    }
}

#[test]
fn a_later_refusal_by_nginx_keeps_nginx_s_page() {
    let nginx = nginx(
        "location /file/ {
            satisfy any; auth_basic staff; auth_basic_user_file htpasswd; jwt_user_scope any; root .;
        }
        location /index/ {
            satisfy any; auth_basic staff; auth_basic_user_file htpasswd; jwt_user_scope any; alias ./;
        }",
    );
    for (path, status) in [("/file/none", 404), ("/index/", 403)] {
        let response = get(path).authorization(BASIC).send(&nginx);
        assert_eq!((response.status, response.challenge()), (status, None), "{path}");
        assert!(response.text().contains("<html>"), "{path}: {}", response.text());
    }
}

#[test]
fn under_satisfy_any_a_subrequest_may_overrule_the_refusal() {
    let nginx = nginx(
        "location /permitted/ { satisfy any; jwt_user_scope $arg_user; auth_request /204; alias ./; }
        location /denied/ { satisfy any; jwt_user_scope $arg_user; auth_request /403; alias ./; }
        location = /204 { internal; return 204; }
        location = /403 { internal; return 403; }",
    );
    let bob = uid("bob");
    let file = get("/permitted/page.html?user=alice").token(&bob).send(&nginx);
    assert_eq!((file.status, file.text().as_str(), file.challenge()), (200, "page", None));

    // A 403 too, but that of a directory without an index.
    let index = get("/permitted/?user=alice").token(&bob).send(&nginx);
    assert_eq!((index.status, index.challenge()), (403, None));
    assert!(index.text().contains("<html>"), "nginx's page for nginx's refusal: {}", index.text());

    expect("both refuse", "user_mismatch", &get("/denied/?user=alice").token(&bob).send(&nginx));
}

#[test]
fn off_grants_nothing_to_others() {
    let nginx = nginx("location / { satisfy any; deny all; jwt_user_scope off; empty_gif; }");
    let response = get("/").token(&uid("alice")).send(&nginx);
    assert_eq!((response.status, response.challenge()), (403, None));
}

#[test]
fn a_bad_path_is_final_also_under_satisfy_any() {
    let nginx = nginx(
        "location ~ ^/users/(?<user_id>[^/]+)/ {
            satisfy any;
            auth_basic staff;
            auth_basic_user_file htpasswd;
            jwt_user_scope on;
            empty_gif;
        }",
    );
    let path = "/users/bob/../alice/x";
    expect("with a password", "ambiguous_path", &get(path).authorization(BASIC).send(&nginx));
    expect("with a token", "ambiguous_path", &get(path).token(&uid("alice")).send(&nginx));
    expect("with nothing", "ambiguous_path", &get(path).send(&nginx));
}

/// nginx takes the challenge back that was set last.
#[test]
fn what_a_third_module_lets_in_carries_no_challenge() {
    for form in ["json", "off"] {
        let nginx = nginx(&format!(
            "satisfy any; jwt_user_scope_error_body {form}; auth_basic area; auth_basic_user_file htpasswd;
            location /in {{ jwt_user_scope any; auth_request /204; empty_gif; }}
            location /gone {{ jwt_user_scope any; auth_request /204; try_files /none =404; }}
            location /out {{ jwt_user_scope any; auth_request /403; empty_gif; }}
            location = /204 {{ internal; return 204; }}
            location = /403 {{ internal; return 403; }}"
        ));
        let response = get("/in").send(&nginx);
        assert_eq!((response.status, response.challenge()), (200, None), "{form}: {response:?}");
        let gone = get("/gone").send(&nginx);
        assert_eq!((gone.status, gone.challenge()), (404, None), "{form}: {gone:?}");
        let refused = get("/out").send(&nginx);
        assert_eq!((refused.status, refused.all("WWW-Authenticate").len()), (401, 2), "{form}: {refused:?}");
    }
}
