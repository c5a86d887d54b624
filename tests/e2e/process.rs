//! Master, workers, reloads: where the secret is, and where it is not.

use crate::common::*;

const BODY: &str = "server {
        listen unix:nginx.sock;
        location / { jwt_user_scope any; empty_gif; }
        location /generation { return 200 GENERATION; }
    }";

fn generation(number: u32) -> String {
    BODY.replace("GENERATION", &number.to_string())
}

/// Waits until the last worker of an earlier configuration is gone.
fn reloaded(nginx: &Nginx, number: u32) {
    eventually("the new configuration serves", || get("/generation").send(nginx).text() == number.to_string());
    eventually("no earlier worker is left", || children_of(nginx.master()).len() == 1);
}

fn status(nginx: &Nginx, token: &str) -> u16 {
    get("/").token(token).send(nginx).status
}

#[test]
fn a_reload_from_a_shell_without_the_variable_works() {
    let nginx = Setup::new().http(&generation(1));
    assert_eq!(get("/generation").send(&nginx).text(), "1");
    nginx.rewrite(&generation(2));
    let output = nginx.command_in_empty_environment(&["-s", "reload"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    reloaded(&nginx, 2);
    assert_eq!([status(&nginx, &uid("alice")), status(&nginx, "X")], [200, 401]);
}

#[test]
fn reopen_and_quit_need_no_variable_either_and_a_test_does() {
    let nginx = Setup::new().http(&generation(1));
    let check = Setup::new().without_env().check(&generation(1));
    assert!(!check.accepted && check.stderr.contains("BETTER_AUTH_SECRET"), "{}", check.stderr);
    assert!(nginx.command_in_empty_environment(&["-s", "reopen"]).status.success());
    assert!(nginx.command_in_empty_environment(&["-s", "quit"]).status.success());
}

#[test]
fn a_signal_needs_no_secret_file_either() {
    let nginx = Setup::new().without_env().file("secret", SECRET).http(
        "server { listen unix:nginx.sock; jwt_user_scope any; jwt_user_scope_secret file:secret; location / { empty_gif; } }",
    );
    std::fs::remove_file(nginx.path("secret")).expect("the file is there");
    let output = nginx.command_in_empty_environment(&["-s", "reopen"]);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!([status(&nginx, &uid("alice")), status(&nginx, "X")], [200, 401]);
}

#[test]
fn a_worker_s_environment_holds_no_secret() {
    let nginx = Setup::new().env("OTHER_SECRET", "the other secret, of at least 32 bytes").http(
        "server {
            listen unix:nginx.sock;
            location / { jwt_user_scope any; empty_gif; }
            location /other/ { jwt_user_scope any; jwt_user_scope_secret env:OTHER_SECRET; empty_gif; }
        }",
    );
    assert_eq!(status(&nginx, &uid("alice")), 200);
    let workers = children_of(nginx.master());
    assert_eq!(workers.len(), 1);
    for worker in workers {
        let environment = std::fs::read(format!("/proc/{worker}/environ")).expect("a worker's environment");
        let environment = String::from_utf8_lossy(&environment);
        for secret in ["secret", "SECRET"] {
            assert!(!environment.contains(secret), "{secret} in the environment of worker {worker}");
        }
    }
}

#[test]
fn a_reload_reads_files_again() {
    let body = "server {
            listen unix:nginx.sock;
            location / { jwt_user_scope any; jwt_user_scope_secret file:secret; empty_gif; }
        }";
    let (old, new) = ("the secret of yesterday, 32 bytes or more", "the secret of tomorrow, 32 bytes or more");
    let nginx = Setup::new().without_env().file("secret", old).http(body);
    let payload = claims(r#""uid":"alice""#);
    let (by_old, by_new) = (sign(HEADER, &payload, old), sign(HEADER, &payload, new));
    assert_eq!([status(&nginx, &by_old), status(&nginx, &by_new)], [200, 401]);

    std::fs::write(nginx.path("secret"), new).expect("the file");
    assert_eq!([status(&nginx, &by_old), status(&nginx, &by_new)], [200, 401], "before the reload");
    nginx.reload();
    // The old worker may answer for a moment longer.
    eventually("the new secret counts", || status(&nginx, &by_new) == 200);
    eventually("the old one no longer does", || status(&nginx, &by_old) == 401);
}

#[test]
fn the_environment_outlives_many_reloads() {
    let nginx = Setup::new().http(&generation(0));
    for number in 1..=3 {
        nginx.rewrite(&generation(number));
        nginx.reload();
        reloaded(&nginx, number);
        assert_eq!([status(&nginx, &uid("alice")), status(&nginx, "X")], [200, 401], "generation {number}");
    }
}
