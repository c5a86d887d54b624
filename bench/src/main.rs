//! The native part of the benchmark, called by `bench/run` and its like:
//!
//! - `keys dir=DIR`: a key of each algorithm, private for us and public for nginx
//! - `token keys=DIR algorithm=A kind=K`: one token
//! - `load ...`: requests over kept-alive connections; see [`load`]
//! - `arithmetic keys=DIR algorithm=A count=N`: what that check costs in a loop

mod arithmetic;
mod connection;
mod keys;
mod latency;
mod load;
mod processes;
mod requests;
mod side;
mod tokens;

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::str::FromStr;

type Failure = Box<dyn std::error::Error>;

/// `name=value` words of the command line.
pub struct Options(BTreeMap<String, String>);

impl Options {
    fn of(words: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let split = |word: String| {
            word.split_once('=')
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .ok_or_else(|| Failure::from(format!("{word} is not name=value")))
        };
        words.map(split).collect::<Result<_, _>>().map(Self)
    }

    pub fn text(&self, name: &str) -> Result<&str, Failure> {
        self.0.get(name).map(String::as_str).ok_or_else(|| format!("{name}= is missing").into())
    }

    pub fn value<T: FromStr>(&self, name: &str) -> Result<T, Failure> {
        self.text(name)?.parse().map_err(|_| format!("{name}= has no such value").into())
    }

    pub fn value_or<T: FromStr>(&self, name: &str, default: T) -> Result<T, Failure> {
        if self.0.contains_key(name) { self.value(name) } else { Ok(default) }
    }
}

fn run() -> Result<(), Failure> {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let options = Options::of(words)?;
    match command.as_str() {
        "keys" => keys::make(options.text("dir")?.as_ref()),
        "token" => tokens::print(&options),
        "load" => load::run(&options),
        "arithmetic" => arithmetic::run(&options),
        _ => Err("usage: bench keys|token|load|arithmetic name=value ...".into()),
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("bench: {failure}");
            ExitCode::FAILURE
        }
    }
}
