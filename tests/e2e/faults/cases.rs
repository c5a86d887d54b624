//! Requests of every kind, with tokens in the configuration's own keys.

use super::{Case, Must, Sweep, case, fresh};
use crate::common::*;

const HTTP: &str = r#"
    # A claim that cannot be read must not pass for one that is not there.
    map $jwt_user_scope_claim_role $no_guest { volatile; default 1; guest ""; }
    map $early_role $early_no_guest { volatile; default 1; guest ""; }
    jwt_user_scope_set $role /realm/role;
    limit_req_zone $jwt_user_scope_user zone=users:1m rate=10000r/s;
    log_format decision "$status|$jwt_user_scope_result|$jwt_user_scope_user|$jwt_user_scope_payload|$role";
    access_log access.log decision;
    proxy_set_header X-User $jwt_user_scope_user;
    proxy_set_header X-Role $jwt_user_scope_claim_role;
    server {
        listen unix:nginx.sock;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; proxy_pass http://unix:backend.sock; }
        location ~ ^/problem/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; jwt_user_scope_realm api; jwt_user_scope_error_body problem;
            proxy_pass http://unix:backend.sock;
        }
        location ~ ^/page/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; error_page 401 403 /login; proxy_pass http://unix:backend.sock;
        }
        # Whatever is decided is counted, too.
        location = /status { jwt_user_scope_status; }
        location = /login { internal; return 200 "log in, $jwt_user_scope_result"; }
        location ~ ^/named/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; error_page 403 = @fallback; proxy_pass http://unix:backend.sock;
        }
        location @fallback { jwt_user_scope $jwt_user_scope_claim_tenant; proxy_pass http://unix:backend.sock; }
        location /members/ { jwt_user_scope any; jwt_user_scope_require $no_guest; proxy_pass http://unix:backend.sock; }
        location /early/ {
            set $early_role $jwt_user_scope_claim_role;
            jwt_user_scope any; jwt_user_scope_require $early_no_guest; proxy_pass http://unix:backend.sock;
        }
        location ~ ^/bypass/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; jwt_user_scope_bypass $no_guest; proxy_pass http://unix:backend.sock;
        }
        location ~ ^/satisfy/(?<user_id>[^/]+)(?:/|$) {
            satisfy any; deny all; jwt_user_scope on; proxy_pass http://unix:backend.sock;
        }
        location ~ ^/limited/(?<user_id>[^/]+)(?:/|$) {
            limit_req zone=users burst=100; jwt_user_scope on; proxy_pass http://unix:backend.sock;
        }
        location /rules/ {
            jwt_user_scope "u-$arg_user"; jwt_user_scope_claim /realm/users;
            jwt_user_scope_issuer one two; jwt_user_scope_audience api; jwt_user_scope_type jwt;
            jwt_user_scope_max_lifetime 10000d; jwt_user_scope_leeway 5s;
            proxy_pass http://unix:backend.sock;
        }
        location ~ ^/cookie/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; jwt_user_scope_token $cookie_token; proxy_pass http://unix:backend.sock;
        }
        location ~ ^/preflight/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; jwt_user_scope_preflight on; proxy_pass http://unix:backend.sock;
        }
        location ~ ^/report/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; jwt_user_scope_mode report; proxy_pass http://unix:backend.sock;
        }
        location /guarded/ { jwt_user_scope_guard /guarded/:user; proxy_pass http://unix:backend.sock; }
        location ~ ^/guarded/(?<user_id>[^/]+)/own(?:/|$) {
            jwt_user_scope on; jwt_user_scope_guard /guarded/:user; proxy_pass http://unix:backend.sock;
        }
        location ~ ^/guarded/(?<user_id>[^/]+)/any(?:/|$) {
            satisfy any; deny all;
            jwt_user_scope on; jwt_user_scope_guard /guarded/:user; proxy_pass http://unix:backend.sock;
        }
        location ~ ^/guarded/[^/]+/all(?:/|$) {
            jwt_user_scope $arg_user; jwt_user_scope_bypass $no_guest; jwt_user_scope_guard /guarded/:user;
            proxy_pass http://unix:backend.sock;
        }
    }"#;

fn payload(role: &str) -> String {
    claims(&format!(r#""uid":"alice","role":"{role}","realm":{{"role":"{role}","users":["u-bob","u-alice"]}}"#))
}

fn bearer(path: &str, role: &str) -> Request {
    get(path).token(&token(payload(role)))
}

/// With tokens that are verified each time, and with tokens that are remembered.
fn sweep(cases: &[Case]) {
    Sweep::over(Setup::new(), &format!("jwt_user_scope_cache off; {HTTP}")).run(cases);
    Sweep::over(Setup::new(), HTTP).run(cases);
}

const ALICE: Must = Must::Pass("alice", "member");

#[test]
fn tokens_and_paths() {
    let forged = sign(HEADER, payload("member"), "another secret, that this nginx does not have");
    sweep(&[
        case("a good token", bearer("/users/alice/", "member"), ALICE),
        case("another user", bearer("/users/bob/", "member"), Must::Fail),
        case("no token", get("/users/alice/"), Must::Fail),
        case("an expired token", get("/users/alice/").token(&token(r#"{"uid":"alice","exp":1}"#)), Must::Fail),
        case("a forged token", get("/users/alice/").token(&forged), Must::Fail),
        case("no token at all", get("/users/alice/").token("e30.e30.e30"), Must::Fail),
        case("an ambiguous path", bearer("/users/bob/../alice/", "member"), Must::Fail),
        case("no user", bearer("/rules/", "member"), Must::Fail),
        case("a good cookie", get("/cookie/alice/").header("Cookie", cookie("member")), ALICE),
        case("another's cookie", get("/cookie/bob/").header("Cookie", cookie("member")), Must::Fail),
    ]);
}

fn cookie(role: &str) -> String {
    format!("token={}", token(payload(role)))
}

#[test]
fn tokens_that_are_to_be_remembered() {
    let bearer = |path: &'static str| {
        move |number| {
            let members = format!(r#""uid":"alice","role":"member","jti":{number}"#);
            get(path).token(&sign(r#"{"alg":"HS256"}"#, claims(&members), SECRET))
        }
    };
    Sweep::over(Setup::new(), &format!("jwt_user_scope_cache max=20; {HTTP}")).run(&[
        fresh("a new token", bearer("/users/alice/"), ALICE),
        fresh("another user's new token", bearer("/users/bob/"), Must::Fail),
        fresh("a new token, read early", bearer("/early/"), ALICE),
    ]);
}

#[test]
fn answers() {
    sweep(&[
        case("problem details", bearer("/problem/bob/", "member"), Must::Fail),
        case("problem details, no token", get("/problem/bob/"), Must::Fail),
        case("an error page", bearer("/page/bob/", "member"), Must::Fail),
        case("an error page, no token", get("/page/bob/"), Must::Fail),
        case("a checked location in its place", bearer("/named/bob/", "member"), Must::Fail),
        case("a good token where others get a page", bearer("/page/alice/", "member"), ALICE),
        case("the page of counters", get("/status"), Must::Anything),
    ]);
}

#[test]
fn conditions() {
    let rules = |user: &str, aud: &str| {
        let members =
            format!(r#""iss":"two","aud":["x","{aud}"],"role":"member","realm":{{"users":["u-bob","u-{user}"]}}"#);
        get("/rules/?user=alice").token(&token(claims(&members)))
    };
    sweep(&[
        case("a member", bearer("/members/", "member"), ALICE),
        case("a guest among members", bearer("/members/", "guest"), Must::Fail),
        case("a member, read early", bearer("/early/", "member"), ALICE),
        case("a guest, read early", bearer("/early/", "guest"), Must::Fail),
        case("a bypass", bearer("/bypass/bob/", "member"), ALICE),
        case("a guest without bypass", bearer("/bypass/bob/", "guest"), Must::Fail),
        case("every rule", rules("alice", "api"), Must::Pass("u-alice", "member")),
        case("another's rules", rules("carol", "api"), Must::Fail),
        case("another audience", rules("alice", "web"), Must::Fail),
    ]);
}

#[test]
fn neighbours() {
    let preflight = || request("OPTIONS", "/preflight/alice/").header("Origin", "https://app.example");
    let method = "Access-Control-Request-Method";
    sweep(&[
        case("satisfied", bearer("/satisfy/alice/", "member"), ALICE),
        case("not satisfied", bearer("/satisfy/bob/", "member"), Must::Fail),
        case("limited", bearer("/limited/alice/", "member"), ALICE),
        case("limited, another user", bearer("/limited/bob/", "member"), Must::Fail),
        case("a preflight", preflight().header(method, "PUT"), Must::Anything),
        case("no preflight", preflight(), Must::Fail),
        case("reported", bearer("/report/bob/", "member"), Must::Anything),
        case("reported, no token", get("/report/bob/"), Must::Anything),
    ]);
}

#[test]
fn guards() {
    sweep(&[
        case("uncovered", bearer("/guarded/alice/", "member"), Must::Fail),
        case("uncovered, decoded twice", bearer("/x/..%252fguarded/alice/", "member"), Must::Fail),
        case("covered", bearer("/guarded/alice/own", "member"), ALICE),
        case("covered, another user", bearer("/guarded/bob/own", "member"), Must::Fail),
        case("covered and satisfied", bearer("/guarded/alice/any", "member"), ALICE),
        case("covered, not satisfied", bearer("/guarded/bob/any", "member"), Must::Fail),
        case("covered by a bypass", bearer("/guarded/bob/all?user=carol", "member"), ALICE),
        case("covered by no bypass", bearer("/guarded/bob/all?user=carol", "guest"), Must::Fail),
        case("compared with another", bearer("/guarded/bob/all?user=alice", "guest"), Must::Fail),
    ]);
}

#[test]
fn public_keys() {
    let keys = ["rsa.pem", "p256.pem", "p521.jwk", "ed25519.crt"];
    let tokens = ["RS256", "ES256", "ES512", "EdDSA"].map(fixture_token);
    let setup = keys.iter().fold(Setup::new().without_env(), |setup, key| setup.file(key, fixture(key)));
    let files = keys.map(|key| format!("jwt_user_scope_key_file {key};")).concat();
    let sweep = Sweep::over(
        setup,
        &format!(
            "server {{ listen unix:nginx.sock; {files} location / {{ jwt_user_scope $arg_user;
            proxy_set_header X-User $jwt_user_scope_user; proxy_set_header X-Role member; proxy_pass http://unix:backend.sock; }} }}"
        ),
    );
    for good in tokens {
        let (input, _) = good.rsplit_once('.').expect("three parts");
        let forged = format!("{input}.{}", b64([7; 64]));
        sweep.run(&[
            case("a public key", get("/?user=A").token(&good), Must::Pass("A", "member")),
            case("a public key, another user", get("/?user=B").token(&good), Must::Fail),
            case("a public key, forged", get("/?user=A").token(&forged), Must::Fail),
        ]);
    }
}
