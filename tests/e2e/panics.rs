//! A panic is a refusal, wherever it strikes, and the worker lives. They are forced in a module that is built for it (the
//! feature `faults`); the one that ships cannot be asked for any.

use crate::common::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

const BODY: &str = "
    map $jwt_user_scope_claim_panic_in_shown $no_guest { volatile; default 1; }
    log_format word $jwt_user_scope_result; access_log access.log word;
    server {
        listen unix:nginx.sock;
        add_header X-Result $jwt_user_scope_result always;
        location ~ ^/users/(?<user_id>[^/]+)(?:/|$) { jwt_user_scope on; proxy_pass http://unix:backend.sock; }
        location /early/ { set $read $jwt_user_scope_user; jwt_user_scope any; proxy_pass http://unix:backend.sock; }
        location /required/ { jwt_user_scope any; jwt_user_scope_require $no_guest; proxy_pass http://unix:backend.sock; }
        location ~ ^/bypass/(?<user_id>[^/]+)(?:/|$) {
            jwt_user_scope on; jwt_user_scope_bypass $no_guest; proxy_pass http://unix:backend.sock;
        }
        location /guarded/ { jwt_user_scope_guard /users/:user_id; proxy_pass http://unix:backend.sock; }
        location /satisfy/ { satisfy any; deny all; jwt_user_scope any; proxy_pass http://unix:backend.sock; }
        location /fetched/ { jwt_user_scope any; jwt_user_scope_key_request /_jwks; proxy_pass http://unix:backend.sock; }
        location = /_jwks { internal; proxy_pass http://unix:keys.sock; }
    }";

/// Builds the module that panics, once.
fn panicking_module() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("a target directory");
    // Beside the tests, whose dependencies it shares.
    let mut build = Command::new(env!("CARGO"));
    build.current_dir(root).args(["build", "--locked", "--features", "faults", "--target-dir"]).arg(target);
    static MODULE: OnceLock<PathBuf> = OnceLock::new();
    MODULE
        .get_or_init(|| {
            let built = build.output().expect("cargo runs");
            assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
            // The next build without the feature writes over it.
            let module = target.join("tmp/panicking_module.so");
            let library = target.join("debug/libngx_http_jwt_user_scope_module.so");
            std::fs::copy(library, &module).expect("a module");
            module
        })
        .clone()
}

fn asking(path: &str, point: &str) -> Request {
    get(path).token(&token(claims(&format!(r#""uid":"alice","why":"panic_in_{point}""#))))
}

/// Requests that ask for a panic, and where it strikes.
fn cases() -> [(&'static str, Request); 11] {
    [
        ("the path", asking("/users/alice/?panic_in_examine", "")),
        ("claims", asking("/users/alice/", "claims")),
        ("claims, read early", asking("/early/", "claims")),
        ("claims, under satisfy any", asking("/satisfy/", "claims")),
        ("the conclusion", asking("/users/alice/", "conclude")),
        ("the conclusion, read early", asking("/early/", "conclude")),
        ("a variable of a condition", asking("/required/", "")),
        ("a variable of a bypass", asking("/bypass/bob/", "")),
        ("the guard", asking("/guarded/?panic_in_guard", "")),
        ("the guard's own decision", asking("/users/alice/?panic_in_guard_and_panic_in_examine", "")),
        ("a key set", get("/fetched/").token(&Issuer::new("panic_in_jwks").token("alice"))),
    ]
}

#[test]
fn are_refusals() {
    let nginx = Setup::new().module(&panicking_module()).http(BODY);
    nginx.tolerate("panic in");
    nginx.tolerate("internal_error");
    let (backend, keys) = (Backend::of(&nginx), KeyServer::of(&nginx));
    keys.publish(key_set(&[&Issuer::new("panic_in_jwks")]));
    let worker = children_of(nginx.master());
    for (name, request) in cases() {
        let panics = nginx.log_with("panic in").len();
        let response = request.send(&nginx);
        // A set that cannot be read was not fetched.
        let expected = if name == "a key set" { 503 } else { 500 };
        assert_eq!((response.status, response.challenge()), (expected, None), "{name}: {response:?}");
        assert!(nginx.log_with("panic in").len() > panics, "{name}: no panic");
        assert_eq!(backend.take(), [""; 0], "{name}");
        assert_eq!(get("/users/alice/").token(&uid("alice")).send(&nginx).status, 200, "after {name}");
        assert_eq!(get("/users/bob/").token(&uid("alice")).send(&nginx).status, 403, "after {name}");
        assert_eq!(backend.take().len(), 1, "after {name}");
    }
    assert_eq!(children_of(nginx.master()), worker, "the worker lives");
    assert!(!nginx.read("error.log").contains("asked for"), "the message of a panic is not logged");
}

#[test]
fn are_configuration_errors() {
    let setup = Setup::new().module(&panicking_module());
    let check = setup.check("server { location / { jwt_user_scope any; jwt_user_scope_claim panic_in_claim_name; } }");
    assert_eq!((check.accepted, check.signal), (false, None), "{}", check.stderr);
    assert!(check.stderr.contains("[emerg]") && check.stderr.contains("panic in"), "{}", check.stderr);
}

#[test]
fn cannot_be_asked_of_the_module_that_ships() {
    let nginx = Setup::new().http(BODY);
    let (_backend, keys) = (Backend::of(&nginx), KeyServer::of(&nginx));
    keys.publish(key_set(&[&Issuer::new("panic_in_jwks")]));
    for (name, request) in cases() {
        assert!(request.send(&nginx).status < 500, "{name}");
    }
    assert_eq!(nginx.log_with("panic in"), [""; 0]);
}
