//! A real gRPC client in front of nginx, a real gRPC backend behind it.

use crate::common::*;
use std::io::Write;
use std::process::Stdio;

/// The library that most gRPC clients are made of.
const GRPC: &str = "grpcio==1.85.1";

/// What the client sees of each call: a method's path, a token, and the line that it reports.
fn assert_seen(nginx: &Nginx, calls: &[(&str, String, &str)]) {
    let mut command = python(GRPC, "grpc", "grpc_calls.py");
    command.arg(nginx.path("grpc.sock")).arg(nginx.path("h2.sock"));
    let child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut child = child.expect("Python runs");
    let lines: String = calls.iter().map(|(path, token, _)| format!("{path} {token}\n")).collect();
    child.stdin.take().expect("a pipe").write_all(lines.as_bytes()).expect("the client reads");
    let output = child.wait_with_output().expect("the client ends");
    let (seen, told) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    assert_eq!(seen.lines().count(), calls.len(), "{seen}{told}");
    for ((path, token, expected), line) in calls.iter().zip(seen.lines()) {
        assert!(line.starts_with(expected), "{path} {token}: {line}, expected {expected}");
    }
}

#[test]
fn a_grpc_client_sees_unauthenticated_and_permission_denied() {
    for form in ["json", "problem", "off"] {
        let nginx = Setup::new().http(&format!(
            r"server {{
                listen unix:nginx.sock;
                listen unix:h2.sock http2;
                jwt_user_scope_error_body {form};
                grpc_set_header X-User-ID $jwt_user_scope_user;
                location ~ ^/files\.(?<user_id>[^/.]+)/ {{ jwt_user_scope on; grpc_pass grpc://unix:grpc.sock; }}
                location /any.Files/ {{
                    jwt_user_scope any; jwt_user_scope_require $http_x_allowed; grpc_pass grpc://unix:grpc.sock;
                }}
            }}"
        ));
        let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
        let calls = [
            ("/files.alice/List", uid("alice"), "OK alice"),
            ("/files.bob/List", uid("alice"), "PERMISSION_DENIED"),
            ("/any.Files/List", uid("alice"), "PERMISSION_DENIED"),
            ("/files.alice/List", "-".into(), "UNAUTHENTICATED"),
            ("/files.alice/List", forged, "UNAUTHENTICATED"),
            ("/files.alice/List", token(r#"{"uid":"alice","exp":1}"#), "UNAUTHENTICATED"),
            ("/files.bob/List", uid("bob"), "OK bob"),
        ];
        assert_seen(&nginx, &calls);
    }
}
