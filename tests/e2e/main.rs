//! End to end: a real nginx with the module in it, and every row of the module's promise as a request.
//!
//! What needs HTTP/2 or HTTP/3 is compiled for an nginx that has it (`ngx_feature`), so that a test which cannot run is
//! not there, rather than skipped.

mod common;

mod answers;
mod bypass;
mod cache;
mod capture_places;
mod captures;
mod claim;
mod claim_variables;
mod conditions;
mod directive;
mod early;
mod error_body;
mod error_page;
mod example;
mod faults;
mod flood;
#[cfg(ngx_feature = "http_v2")]
mod grpc;
mod guard;
mod guard_decisions;
mod guard_redirects;
mod guard_settings;
mod header_forms;
#[cfg(ngx_feature = "http_v2")]
mod http2;
#[cfg(ngx_feature = "http_v3")]
mod http3;
mod identity;
mod inheritance;
mod keepalive;
mod key_algorithms;
mod key_answers;
mod key_beside;
mod key_clock;
mod key_errors;
mod key_held_up;
mod key_outage;
mod key_reload;
mod key_request;
mod key_rotation;
mod key_sources;
mod key_waiting;
mod log;
mod log_level;
mod memory;
mod neighbours;
mod nonsense;
mod normalise;
mod order;
mod panics;
mod path_attacks;
mod path_forms;
mod path_switch;
mod paths;
mod phases;
mod preflight;
mod process;
mod reference;
mod report;
mod require;
mod rule_errors;
mod rules;
mod satisfy;
mod secret_errors;
mod secrets;
mod signature;
mod status;
mod status_keys;
mod streams;
mod subrequests;
mod time;
mod token_source;
mod tokens;
mod user;
mod variables;
mod warnings;
