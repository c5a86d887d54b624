//! End to end: a real nginx with the module in it, and every row of the module's promise as a request.

mod common;

mod answers;
mod captures;
mod claim;
mod directive;
mod early;
mod error_page;
mod example;
mod header_forms;
mod http2;
mod keepalive;
mod log;
mod neighbours;
mod paths;
mod process;
mod reference;
mod satisfy;
mod secret_errors;
mod secrets;
mod signature;
mod time;
mod tokens;
mod user;
mod variables;
