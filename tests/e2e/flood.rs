//! A flood of forged tokens, bounded as docs/performance.md recommends.

use crate::common::*;

const PAGE: &str = include_str!("../../docs/performance.md");

/// The page's own configuration, on this nginx's socket.
fn recommended() -> String {
    let (_, rest) = PAGE.split_once("```nginx\n").expect("a configuration");
    let (configuration, _) = rest.split_once("```").expect("its end");
    let (server, backend) = ("server {", "http://127.0.0.1:8000");
    assert!(configuration.contains(server) && configuration.contains(backend), "{configuration}");
    configuration.replace(server, "server {\nlisten unix:nginx.sock;").replace(backend, "http://unix:echo.sock")
}

#[test]
fn forged_tokens_beyond_the_limit_are_not_looked_at() {
    let nginx = Setup::new().http(&recommended());
    let forged = sign(HEADER, claims(r#""uid":"alice""#), "another secret");
    let mut client = nginx.client();
    let mut judged = 0;
    for number in 0..1000 {
        match client.ask(&get("/api/users/alice/").token(&forged)).status {
            401 => judged += 1,
            429 => assert!(number > 20, "limited at once"),
            status => panic!("{status}"),
        }
    }
    // The burst, and what the rate has let through since: it cannot have been most of them.
    assert!((21..900).contains(&judged), "{judged} were judged");
    assert_eq!(nginx.log_with("bad_signature").len(), judged);
}

#[test]
fn an_honest_client_within_the_limit_notices_nothing() {
    let nginx = Setup::new().http(&recommended());
    for _ in 0..20 {
        assert_eq!(get("/api/users/alice/").token(&uid("alice")).send(&nginx).status, 200);
    }
}
