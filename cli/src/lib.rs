//! `jwt-user-scope`, the companion of `ngx_http_jwt_user_scope_module`: why a request is refused, and tokens for tests.
//!
//! The core decides here as it does in nginx. This crate reads a configuration file, chooses the location as nginx would,
//! evaluates the variables that can be had, and tells what the core has answered.

mod access;
mod access_phase;
mod conf;
mod decide;
mod details;
mod explain;
mod files;
mod form;
mod guard;
mod hint;
mod include;
mod keys;
mod map;
mod mint;
mod neighbours;
mod options;
mod pattern;
mod perform;
mod phases;
mod report;
mod request;
mod rewrite;
mod select;
mod server;
mod sign;
mod syntax;
mod template;
mod time;
mod uri;
mod variables;
mod walk;

use std::ffi::OsString;

use directives::Environment;

use crate::options::Command;

/// Nothing can be said, and why. Never with a token or a secret in it.
#[derive(Debug)]
pub(crate) struct Failure(pub String);

/// What the program is called with.
pub struct Call<'c> {
    /// The arguments, without the program's name.
    pub arguments: Vec<OsString>,
    /// Its environment.
    pub environment: Environment<'c>,
    /// Reads standard input to its end.
    pub input: &'c mut dyn FnMut() -> std::io::Result<Vec<u8>>,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// What it answers.
#[derive(Debug)]
pub struct Output {
    /// For standard output.
    pub stdout: String,
    /// For standard error.
    pub stderr: String,
    /// The exit status.
    pub status: u8,
}

/// Runs the program.
pub fn run(call: Call) -> Output {
    let answer = options::parse(call.arguments.clone()).and_then(|command| match command {
        Command::Help(text) => Ok(Output { stdout: text.into(), stderr: String::new(), status: 0 }),
        Command::Explain(options) => explain::run(&options, call),
        Command::Mint(options) => mint::run(&options, call),
    });
    answer.unwrap_or_else(|Failure(problem)| Output {
        stdout: String::new(),
        stderr: format!("jwt-user-scope: {problem}\n"),
        status: 2,
    })
}
