//! Soak: millions of requests of every kind, from many connections, through an nginx that is reloaded each second, whose
//! workers are killed and whose key servers fail; every answer is checked against what it must be.
//!
//! `soak` runs, `soak prove` shows that it would find what it looks for.

mod answer;
mod asked;
mod backend;
mod chaos;
mod client;
mod clock;
mod conf;
mod http1;
mod http2;
mod key_set;
mod keyring;
mod logs;
mod memory;
mod mix;
mod model;
mod nginx;
mod paths;
mod place;
mod prove;
mod run;
mod tally;
mod token;
mod verdict;
mod world;

use std::path::PathBuf;
use std::process::ExitCode;

use run::Options;

const USAGE: &str =
    "usage: soak [prove]   (REQUESTS, SOAK_SECONDS, SEED, CONNECTIONS, NGINX, NGINX_MODULE in the environment)";

#[tokio::main]
async fn main() -> ExitCode {
    let options = Options {
        seed: number("SEED", 7),
        requests: number("REQUESTS", 2_000_000),
        seconds: number("SOAK_SECONDS", 24 * 3600),
        connections: usize::try_from(number("CONNECTIONS", 120)).expect("a number of connections"),
        module: module(),
        sabotage: None,
    };
    match std::env::args().nth(1).as_deref() {
        None => soak(options).await,
        Some("prove") => prove::prove(options).await,
        Some(_) => {
            eprintln!("{USAGE}");
            ExitCode::from(2)
        }
    }
}

async fn soak(options: Options) -> ExitCode {
    println!("soak: seed {}, {} connections", options.seed, options.connections);
    let seed = options.seed;
    let report = run::run(options).await;
    let faults = verdict::judge(&report);
    if faults.is_empty() {
        println!("soak: passed: no wrong decision, nothing refused that had to pass (SEED={seed})");
        return ExitCode::SUCCESS;
    }
    println!("soak: FAILED: {} (SEED={seed})", faults.join("; "));
    ExitCode::FAILURE
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).unwrap_or_default();
    if text.is_empty() { default } else { text.parse().unwrap_or_else(|_| panic!("{name} is a number, not {text:?}")) }
}

fn module() -> PathBuf {
    let built = "target/release/ngx_http_jwt_user_scope_module.so";
    let module = std::env::var_os("NGINX_MODULE").map_or(built.into(), PathBuf::from);
    std::path::absolute(&module).ok().filter(|path| path.exists()).unwrap_or_else(|| {
        panic!("there is no {}: run `make build` first, or name the module in NGINX_MODULE", module.display())
    })
}
