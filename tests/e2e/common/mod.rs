//! What every test needs: a real nginx, a client that sends exact bytes, tokens, a backend that remembers.

mod access_log;
mod answer;
mod backend;
mod client;
mod explained;
mod fixture;
#[cfg_attr(not(ngx_feature = "http_v2"), allow(dead_code))]
mod http2;
mod issuer;
mod key_server;
mod metrics;
mod moved_clock;
mod nginx;
mod preload;
mod published;
#[cfg_attr(not(ngx_feature = "http_v2"), allow(dead_code))]
mod python;
mod setup;
mod shortage;
mod timeline;
mod token;
mod workers;

use std::sync::OnceLock;
use std::time::Duration;

pub use access_log::logged;
pub use answer::{assert_refused, expect};
pub use backend::Backend;
pub use client::{Client, Request, Response, get, request};
pub use fixture::{FIXTURE_SECRET, fixture, fixture_token};
#[cfg_attr(not(ngx_feature = "http_v2"), allow(unused_imports))]
pub use http2::{Http2Request, over_http2, over_http2_at_once, over_http2_cancelled, over_http2_with};
pub use issuer::{Issuer, key_set};
pub use key_server::{Gate, KeyServer, fetching, fetching_by_worker, response};
pub use metrics::Metrics;
pub use moved_clock::Clocks;
pub use nginx::{Nginx, children_of};
#[cfg_attr(not(ngx_feature = "http_v2"), allow(unused_imports))]
pub use python::python;
pub use setup::{ConfigCheck, Setup, assert_refused_here, scoped_server};
pub use shortage::Shortage;
pub use token::{EXP, HEADER, SECRET, b64, claims, now, sign, sign_hs512, token, uid};
pub use workers::{PID_LOCATION, by_worker};

/// A time that nginx may take at most: more by the factor `PATIENCE`, where it runs under a tool that slows it down.
pub fn patient(time: Duration) -> Duration {
    static PATIENCE: OnceLock<u32> = OnceLock::new();
    time * *PATIENCE.get_or_init(|| {
        std::env::var("PATIENCE").map_or(1, |factor| factor.parse().expect("PATIENCE is a whole number"))
    })
}

/// Tries again until `done` holds; what a reload or a log line does becomes visible a moment later.
pub fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = std::time::Instant::now() + patient(Duration::from_secs(10));
    while !done() {
        assert!(std::time::Instant::now() < deadline, "still not so after 10 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}
