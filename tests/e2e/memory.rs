//! What a configuration takes is given back when the next one is in force.

use crate::common::*;
use std::time::Duration;

/// A configuration of some size: every kind of key, in many locations.
fn configuration(generation: u32) -> String {
    let location = |number| {
        format!(
            r#"location ~ ^/{number}/(?<user_id>[^/]+)/ {{
                jwt_user_scope on; jwt_user_scope_algorithms RS256 ES256 EdDSA; jwt_user_scope_key_file set;
                jwt_user_scope_key_request /_jwks?{number}; jwt_user_scope_issuer one two; jwt_user_scope_realm "{number}";
                jwt_user_scope_bypass $jwt_user_scope_claim_admin; jwt_user_scope_require $role; jwt_user_scope_cache max=100;
                jwt_user_scope_guard /users/:user /people/:person;
            }}"#
        )
    };
    format!(
        "jwt_user_scope_set $role /realm/role;
        server {{
            listen unix:nginx.sock;
            location / {{ jwt_user_scope any; empty_gif; }}
            location = /generation {{ return 200 {generation}; }}
            location = /_jwks {{ internal; return 404; }}
            {}
        }}",
        (0..20).map(location).collect::<String>()
    )
}

/// Memory of a process that is its own, in KiB.
fn own_memory(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("a process");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a process has memory");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn does_not_grow_from_reload_to_reload() {
    let rsa = fixture("rsa.jwk");
    let key = |number| rsa.replacen(r#""kid": "rsa""#, &format!(r#""kid": "{number}""#), 1);
    let set = (0..40).map(key).collect::<Vec<_>>().join(",");
    let nginx = Setup::new().file("set", format!(r#"{{"keys":[{set}]}}"#)).http(&configuration(0));
    let reload = |generation: u32| {
        nginx.rewrite(&configuration(generation));
        nginx.reload();
        eventually("the new configuration serves", || get("/generation").send(&nginx).text() == generation.to_string());
        eventually("no earlier worker is left", || children_of(nginx.master()).len() == 1);
        assert_eq!(get("/").token(&uid("alice")).send(&nginx).status, 200);
        own_memory(nginx.master()) + own_memory(children_of(nginx.master())[0])
    };
    // The first ones find the allocator's own balance.
    let before = (1..=10).map(reload).max().expect("ten");
    let between = (11..=20).map(reload).max().expect("ten");
    let after = (21..=30).map(reload).min().expect("ten");
    // Eleven reloads of some 700 KiB in each of the two processes. A tool that slows nginx down takes memory too.
    let allowed = 300 * patient(Duration::from_secs(1)).as_secs();
    let figures = format!("{before} KiB at most in 10 reloads, {between} in 10 more, {after} at least in another 10");
    assert!(after < before + allowed, "{figures}");
    println!("{figures}");
}
