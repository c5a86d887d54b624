//! The proof that a run can fail: configurations with one fault each, every one of which has to be found.

use std::process::ExitCode;

use crate::conf::Sabotage;
use crate::run::{self, Options};

/// Seconds within which each must be found. Fetched keys that are kept for too long show late.
const SECONDS: u64 = 90;

const SABOTAGES: [Sabotage; 11] = [
    fault("any user may come", &["hs"], "jwt_user_scope on;", "jwt_user_scope any;"),
    fault("ambiguous paths pass", &["hs"], "jwt_user_scope on;", "jwt_user_scope on; jwt_user_scope_path off;"),
    fault("nothing is refused", &["cookie"], "jwt_user_scope on;", "jwt_user_scope on; jwt_user_scope_mode report;"),
    fault(
        "tokens live two seconds longer",
        &["hs"],
        "jwt_user_scope on;",
        "jwt_user_scope on; jwt_user_scope_leeway 2s;",
    ),
    fault(
        "a secret outlives its rotation",
        &["hs"],
        "jwt_user_scope on;",
        "jwt_user_scope_secret file:$forgotten; jwt_user_scope on;",
    ),
    fault(
        "another location's secret is accepted",
        &["hs-other"],
        "jwt_user_scope on;",
        "jwt_user_scope on; jwt_user_scope_secret file:secret-2;",
    ),
    fault(
        "a key of the same name is trusted",
        &["file-other"],
        "other.jwks;",
        "other.jwks; jwt_user_scope_key_file ed.jwks;",
    ),
    fault(
        "good tokens are refused",
        &["hs"],
        "jwt_user_scope on;",
        "jwt_user_scope on; jwt_user_scope_max_lifetime 10m;",
    ),
    fault("the backend is told another user", &["any"], "proxy_pass", "proxy_set_header X-User bob; proxy_pass"),
    fault("withdrawn keys stay", &["rotating", "rotating-any"], "valid=1s", "valid=1h"),
    fault("keys are used when they are stale", &["stale"], "stale=6s", "stale=1h"),
];

const fn fault(name: &'static str, places: &'static [&'static str], from: &'static str, to: &'static str) -> Sabotage {
    Sabotage { name, places, from, to }
}

pub async fn prove(options: Options) -> ExitCode {
    let mut missed = Vec::new();
    for sabotage in SABOTAGES {
        let options = Options { sabotage: Some(sabotage), requests: u64::MAX, seconds: SECONDS, ..options.clone() };
        let report = run::run(options).await;
        let checked = report.world.tally.checked();
        match report.world.tally.first_wrong() {
            Some(wrong) => {
                let what = wrong.lines().next().unwrap_or_default();
                println!(
                    "found: {}, within {checked} requests and {:.1} s: {what:.160}",
                    sabotage.name, report.seconds
                );
            }
            None => {
                println!("MISSED: {}, in {checked} requests", sabotage.name);
                missed.push(sabotage.name);
            }
        }
        if report.interrupted {
            return ExitCode::FAILURE;
        }
    }
    if missed.is_empty() {
        println!("soak: found each of {} faults", SABOTAGES.len());
        return ExitCode::SUCCESS;
    }
    println!("soak: FAILED to find: {}", missed.join("; "));
    ExitCode::FAILURE
}
