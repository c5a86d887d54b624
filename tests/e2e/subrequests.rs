//! Subrequests read the identity of the request that they belong to, and decide nothing.

use crate::common::*;

fn role() -> String {
    token(claims(r#""uid":"alice","role":"r""#))
}

const SEEN: &str =
    r#"proxy_set_header X-Seen "$jwt_user_scope_result/$jwt_user_scope_user/$jwt_user_scope_claim_role";"#;

#[test]
fn auth_request_and_mirror_are_told_who_asks() {
    let nginx = Setup::new().http(&format!(
        "server {{
            listen unix:nginx.sock;
            {SEEN}
            location / {{
                jwt_user_scope $http_x_owner;
                auth_request /permit;
                mirror /mirrored;
                proxy_pass http://unix:echo.sock;
            }}
            location = /permit {{ internal; proxy_pass http://unix:backend.sock:/permit; }}
            location = /mirrored {{ internal; proxy_pass http://unix:backend.sock:/mirrored; }}
        }}"
    ));
    let backend = Backend::of(&nginx);
    let ask = |owner: &str| get("/x").token(&role()).header("X-Owner", owner).send(&nginx).status;
    assert_eq!(ask("bob"), 403);
    assert_eq!(backend.take(), [""; 0]);
    assert_eq!(ask("alice"), 200);
    let mut heads = Vec::new();
    eventually("both subrequests were made", || {
        heads.extend(backend.take());
        heads.len() >= 2
    });
    for (head, target) in heads.iter().zip(["GET /permit", "GET /mirrored"]) {
        assert!(head.starts_with(target) && head.contains("X-Seen: ok/alice/r\r\n"), "{heads:#?}");
    }
}

/// A rule of the subrequest's own location is not asked, as nginx's own access modules are not.
#[test]
fn a_check_in_the_subrequest_s_location_changes_nothing() {
    let nginx = Setup::new().file("other", "the other location's own secret, 47 bytes long.").http(&format!(
        r#"log_format seen '$uri|$jwt_user_scope_result|$jwt_user_scope_user|$jwt_user_scope_claim_role';
        server {{
            listen unix:nginx.sock;
            access_log access.log seen;
            log_subrequest on;
            {SEEN}
            location /strict {{ jwt_user_scope any; auth_request /permit/bob; empty_gif; }}
            location /open {{ auth_request /permit/bob; empty_gif; }}
            location ~ ^/permit/(?<user_id>.+)$ {{
                internal;
                jwt_user_scope on;
                jwt_user_scope_secret file:other;
                set $early $jwt_user_scope_user;
                proxy_pass http://unix:backend.sock;
            }}
        }}"#
    ));
    let backend = Backend::of(&nginx);
    let seen = |path: &str| {
        let response = get(path).token(&role()).send(&nginx);
        assert_eq!(response.status, 200, "{path}");
        backend.take_one("X-Seen").1
    };
    assert_eq!(seen("/strict").as_deref(), Some("ok/alice/r"));
    assert_eq!(seen("/open").as_deref(), Some("//"), "nobody has verified the token");
    let lines = ["/permit/bob|ok|alice|r", "/strict|ok|alice|r", "/permit/bob|||", "/open|||"];
    assert_eq!(logged(&nginx, 4), lines);
}

#[test]
fn an_included_page_reads_the_page_s_identity() {
    let nginx = Setup::new()
        .file("page.html", r#"<!--# echo var="jwt_user_scope_user" default="nobody" -->/<!--# echo var="jwt_user_scope_claim_role" default="none" -->:<!--# include virtual="/part" -->"#)
        .file("text.html", "body|")
        .http(&format!(
            "server {{
                listen unix:nginx.sock;
                root .;
                types {{ text/html html; }}
                proxy_set_header X-User $jwt_user_scope_user;
                location = /page.html {{ jwt_user_scope $http_x_owner; ssi on; }}
                location = /free/page.html {{ alias page.html; ssi on; }}
                location = /text.html {{ jwt_user_scope $http_x_owner; add_after_body /part; }}
                location /part {{ {SEEN} proxy_set_header X-User $jwt_user_scope_user; proxy_pass http://unix:echo.sock; }}
            }}"
        ));
    let text = |path: &str, owner: &str| {
        let response = get(path).token(&role()).header("X-Owner", owner).send(&nginx);
        (response.status, response.text())
    };
    assert_eq!(text("/page.html", "alice"), (200, "alice/r:GET /part user=alice".into()));
    assert_eq!(text("/text.html", "alice"), (200, "body|GET /part user=alice".into()));
    assert_eq!(text("/free/page.html", "alice"), (200, "nobody/none:GET /part user=".into()));
    assert_eq!(text("/page.html", "bob"), (403, r#"{"detail":"Forbidden"}"#.into()));
    assert_eq!(text("/text.html", "bob"), (403, r#"{"detail":"Forbidden"}"#.into()), "nothing is added to a refusal");
}

/// The regex of a subrequest's location captures under the same name, and the checked user stays who it was.
#[test]
fn a_subrequest_s_captures_are_not_the_identity() {
    let nginx = Setup::new().server(
        "location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on;
            auth_request /permit/$http_x_id;
            proxy_set_header X-User $jwt_user_scope_user;
            proxy_pass http://unix:echo.sock;
        }
        location /permit/ { internal; rewrite ^ /inner/$http_x_id last; }
        location ~ ^/inner/(?<user_id>.+)$ { internal; proxy_pass http://unix:echo.sock; }",
    );
    let ask = |user: &str| get(format!("/users/{user}/")).token(&uid("alice")).header("X-ID", "bob").send(&nginx);
    expect("another's", "user_mismatch", &ask("bob"));
    assert_eq!(ask("alice").text(), "GET /users/alice/ user=alice");
}
