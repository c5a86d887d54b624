//! The request as nginx has it: its token, its headers, its cookies and its arguments.

use crate::common::*;

/// The header that a client would send is there for a map and a condition, too.
#[test]
fn a_bare_token_is_the_header_of_a_bearer() {
    let room = Room::new(
        "http {
            map $http_authorization $has_token { '' ''; default 1; }
            map $http_authorization $token { default $cookie_t; '~*^bearer +(?<bearer>[^ ]+)$' $bearer; }
            server {
                location /if { if ($http_authorization = '') { return 401; } jwt_user_scope any; }
                location /map { jwt_user_scope any; jwt_user_scope_require $has_token; }
                location /own { jwt_user_scope any; jwt_user_scope_token $cookie_t; jwt_user_scope_require $has_token; }
                location /any { jwt_user_scope any; jwt_user_scope_token $token; }
            }
        }",
    );
    let token = room.mint(&["--path", "/any", "--user", "A"]);
    let bearer = format!("Bearer {token}");
    let rows = [
        ("/if", &token, "ok"),
        ("/if", &bearer, "ok"),
        ("/map", &token, "ok"),
        ("/map", &bearer, "ok"),
        ("/any", &token, "ok"),
        ("/any", &bearer, "ok"),
        ("/own", &token, "requirement_failed"),
    ];
    for (path, input, word) in rows {
        assert_eq!(room.explain(&["--path", path], input).word(), word, "{path} {}", input.starts_with("Bearer"));
    }
    assert!(room.explain(&["--path", "/if"], "").stdout.contains("not asked: nginx answers with 401"));
}
