//! No memory while a configuration is read: nginx says why it does not start, and a reload that fails changes nothing.
//!
//! There are thousands of allocations; `FAULTS=full` fails each, and otherwise some, all along.

use crate::common::*;

/// Every directive that allocates, and every kind of key.
fn configuration(generation: u32) -> String {
    format!(
        r#"jwt_user_scope_set $role /realm/role;
        map $jwt_user_scope_claim_plan $plan {{ default ""; gold 1; }}
        server {{
            listen unix:nginx.sock;
            location = /generation {{ return 200 {generation}; }}
            jwt_user_scope_secret file:secret kid=a issuer=https://one.example;
            jwt_user_scope_key_file rsa.pem kid=b;
            jwt_user_scope_key_file p256.jwk;
            jwt_user_scope_key_request /_jwks issuer=https://two.example;
            jwt_user_scope_claim /realm/users;
            location ~ ^/users/(?<user_id>[^/]+)(?:/|$) {{
                jwt_user_scope on; jwt_user_scope_claim uid; jwt_user_scope_secret env:BETTER_AUTH_SECRET;
                jwt_user_scope_realm api; jwt_user_scope_error_body problem; jwt_user_scope_cache max=100; empty_gif;
            }}
            location /other/ {{
                jwt_user_scope "u-$arg_user"; jwt_user_scope_issuer one two; jwt_user_scope_audience api;
                jwt_user_scope_type jwt; jwt_user_scope_algorithms HS256 RS256 ES256; jwt_user_scope_token $cookie_token;
                jwt_user_scope_require $role $plan error=401; jwt_user_scope_bypass $plan; empty_gif;
            }}
            jwt_user_scope_guard /users/:user /people/:person;
            location = /_jwks {{ internal; return 404; }}
        }}"#
    )
}

fn setup() -> (Setup, Shortage) {
    let setup = Setup::new().file("secret", "a secret for tests of configurations, 32 bytes or more");
    ["rsa.pem", "p256.jwk"].iter().fold(setup, |setup, key| setup.file(key, fixture(key))).with_shortage()
}

/// What fails, from a number on.
type Lack = fn(&Shortage, u32);

/// Every n-th is enough for a quick look.
fn step(quick: usize) -> usize {
    if std::env::var_os("FAULTS").is_some_and(|how| how == "full") { 1 } else { quick }
}

#[test]
fn while_it_is_tested() {
    let lacks: [(&str, usize, Lack); 3] = [
        ("of the module", 17, Shortage::only_of_the_module),
        ("of nginx and the module", 29, Shortage::only_once_loaded),
        ("and all that follow", 41, Shortage::since_once_loaded),
    ];
    // nginx 1.22 itself crashes where there is no memory for its first structures, before it loads any module.
    for (name, quick, lack) in lacks {
        let (setup, shortage) = setup();
        let (mut failed, mut refused) = (0, 0);
        for number in (1..).step_by(step(quick)) {
            lack(&shortage, number);
            let check = setup.check(&configuration(0));
            let what = format!("allocation {number} {name}: {}", check.stderr);
            assert_eq!(check.signal, None, "{what}");
            assert!(!check.stderr.contains("panic"), "{what}");
            if shortage.end() == 0 {
                assert!(check.accepted, "{what}");
                break;
            }
            failed += 1;
            if !check.accepted {
                refused += 1;
                assert!(check.stderr.contains("[emerg]"), "{what}");
            }
        }
        println!("allocations {name}: {failed} failed, {refused} configurations refused");
        assert!(failed > 5, "{failed} failed");
    }
}

#[test]
fn while_it_is_read_again() {
    let (setup, shortage) = setup();
    let nginx = setup.http(&configuration(0));
    for text in ["out of memory", "the configuration cannot be used", "Cannot allocate memory", "jwt_user_scope"] {
        nginx.tolerate(text);
    }
    let status = |path: &str, token: &str| get(path).token(token).send(&nginx).status;
    let (alice, forged) =
        (uid("alice"), sign(HEADER, claims(r#""uid":"alice""#), "a secret that is not the one in force"));
    let (mut failed, mut generation) = (0, 0);
    for number in (1..).step_by(step(31)) {
        nginx.rewrite(&configuration(number));
        let told = nginx.log_with("[emerg]").len();
        shortage.only_of_the_module(number);
        nginx.reload();
        eventually("the reload has ended", || {
            nginx.log_with("[emerg]").len() > told || get("/generation").send(&nginx).text() == number.to_string()
        });
        let what = format!("allocation {number}");
        if shortage.end() == 0 {
            eventually("the last configuration serves", || {
                get("/generation").send(&nginx).text() == number.to_string()
            });
            break;
        }
        failed += 1;
        // One that was read although something failed may come into force a moment later.
        let serves = get("/generation").send(&nginx).text().parse().expect("a number");
        assert!((generation..=number).contains(&serves), "{what}: {serves} after {generation}");
        generation = serves;
        let answers =
            [status("/users/alice/", &alice), status("/users/bob/", &alice), status("/users/alice/", &forged)];
        assert_eq!(answers, [200, 403, 401], "{what}");
    }
    println!(
        "allocations of the module: {failed} failed, the last configuration without a check missing was {generation}"
    );
    assert!(failed > 5, "{failed} failed");
}
