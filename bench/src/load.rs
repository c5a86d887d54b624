//! `load`: sends the same requests to one or more servers, batch by batch in turn, and reads after each batch what the
//! server has used of the processors.
//!
//! - `side.<n>="<address> <path> <statuses> <process ids> <process ids of what stands behind>"`; in the path, `{user}` is
//!   the user of the tokens
//! - `keys=`, `algorithm=`, `kind=`, `first=`: the tokens; see [`crate::tokens`]
//! - `tokens=` different ones at random, the same ones every time, where not each request is to have one of its own
//! - `gate=1`: says `ready` when all is prepared, and begins once it reads a line
//! - `requests=` to each side, `batch=` of these without a pause, `connections=` to each side
//! - `worker=`: only connections that the worker with this process id has accepted; a server that is asked so tells it
//!   at `/pid`, with a full stop
//! - `rate=`: requests in a second, due at even intervals. Latency then counts from when a request was due: a server that
//!   stalls is not spared those that had to wait for a connection. Without it, a connection sends its next request as
//!   soon as it has an answer.

use std::fs;
use std::io::{Write, stdin, stdout};
use std::time::{SystemTime, UNIX_EPOCH};

use mio::Poll;

use crate::requests::Requests;
use crate::side::{Batch, Pace, Side};
use crate::{Failure, Options};

/// Nanoseconds that this process has spent on a processor.
fn own_time() -> Result<u64, Failure> {
    let stat = fs::read_to_string("/proc/self/schedstat")?;
    Ok(stat.split(' ').next().unwrap_or_default().parse()?)
}

fn sides(options: &Options) -> Result<Vec<(Poll, Side)>, Failure> {
    let connections = options.value_or("connections", 32)?;
    let worker = options.text("worker").ok();
    let mut sides = Vec::new();
    while let Ok(words) = options.text(&format!("side.{}", sides.len())) {
        let poll = Poll::new()?;
        let side = Side::open(words, connections, worker, poll.registry())?;
        sides.push((poll, side));
    }
    Ok(sides)
}

/// Tells whoever has called that it may begin, and waits until it may.
fn wait_at_gate() -> Result<(), Failure> {
    println!("ready");
    stdout().flush()?;
    stdin().read_line(&mut String::new())?;
    Ok(())
}

/// Seconds since the epoch: two clients compare them.
fn now() -> Result<f64, Failure> {
    Ok(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs_f64())
}

pub fn run(options: &Options) -> Result<(), Failure> {
    let count: u64 = options.value("requests")?;
    let size: u64 = options.value_or("batch", count)?;
    let pace = Pace { rate: options.value_or("rate", 0.0)? };
    let (keys, algorithm, kind) = (options.text("keys")?.as_ref(), options.value("algorithm")?, options.value("kind")?);
    let different = options.value_or("tokens", count)?;
    let requests = Requests::new(keys, algorithm, kind, options.value_or("first", 1)?, different, different < count)?;
    let mut sides = sides(options)?;
    if options.text("gate").is_ok() {
        wait_at_gate()?;
    }
    let began = now()?;
    let before = own_time()?;
    for (turn, start) in (0..count).step_by(size as usize).enumerate() {
        let batch = Batch { requests: &requests, range: start..count.min(start + size), pace };
        let first = turn % sides.len();
        for index in (first..sides.len()).chain(0..first) {
            let (poll, side) = &mut sides[index];
            side.run(&batch, poll)?;
        }
    }
    let (client, ended) = (own_time()? - before, now()?);
    let sides: Vec<_> = sides.into_iter().map(|(_, side)| side.json()).collect();
    println!(r#"{{"client_ns":{client},"began":{began:.6},"ended":{ended:.6},"sides":[{}]}}"#, sides.join(",\n"));
    Ok(())
}
