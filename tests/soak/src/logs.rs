//! nginx's logs, read through pipes as they are written: a run of millions would fill a disk.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::keyring::SECRET_MARK;
use crate::world::World;

/// What the error log said.
#[derive(Default)]
pub struct Seen {
    pub lines: AtomicU64,
    /// Configurations that the master has read anew.
    pub reloads: AtomicU64,
    /// Workers whose death by signal 9 was noticed.
    pub killed: AtomicU64,
    /// Key sets that could not be fetched.
    pub failed_fetches: AtomicU64,
}

/// How every token begins: `{"` in base64.
const TOKEN_MARK: &str = "eyJ";

/// Makes the pipe that a log is written to.
pub fn pipe(prefix: &Path, name: &str) -> File {
    let path = prefix.join(name);
    mknodat(CWD, &path, FileType::Fifo, Mode::from_raw_mode(0o600), 0).expect("a pipe in the prefix");
    // Open for writing too, so that it lasts while nginx is between two workers.
    OpenOptions::new().read(true).write(true).open(path).expect("a pipe in the prefix")
}

/// Reads the error log for ever: nothing worse than expected, and no secret in it.
pub fn read_errors(pipe: File, world: Arc<World>, seen: Arc<Seen>) {
    for line in lines(pipe) {
        seen.lines.fetch_add(1, Ordering::Relaxed);
        if line.ends_with(": reconfiguring") {
            seen.reloads.fetch_add(1, Ordering::Relaxed);
        }
        if line.contains("was not fetched") {
            seen.failed_fetches.fetch_add(1, Ordering::Relaxed);
        }
        if line.contains(TOKEN_MARK) || line.contains(SECRET_MARK) {
            world.tally.wrong(format!("a token or a secret in the error log: {line}"));
        }
        let is_bad = ["[alert]", "[emerg]", "[crit]", "panic", "exited with"].iter().any(|word| line.contains(word));
        if line.contains("exited on signal 9") {
            seen.killed.fetch_add(1, Ordering::Relaxed);
        } else if is_bad && !is_expected(&line) {
            world.tally.wrong(format!("nginx is not well: {line}"));
        }
    }
}

/// The server of the keys is gone, a process has ended in peace, or one was killed with a lock in its hands.
fn is_expected(line: &str) -> bool {
    ["connect() to unix:keys-", "exited with code 0", "was locked by"].iter().any(|text| line.contains(text))
}

/// Reads the access log for ever: a user in it is one that the token of the request names.
pub fn read_access(pipe: File, world: Arc<World>) {
    for line in lines(pipe) {
        let fields: Vec<&str> = line.split('|').collect();
        let [_status, result, user, users] = fields[..] else {
            world.tally.wrong(format!("a line of the access log: {line}"));
            continue;
        };
        let is_named = users.split(',').any(|name| name == user);
        if !user.is_empty() && !is_named || user.is_empty() && result == "bypassed" && !users.contains(',') {
            world.tally.wrong(format!("the access log has another user: {line}"));
        }
        world.tally.log_lines.fetch_add(1, Ordering::Relaxed);
    }
}

fn lines(pipe: File) -> impl Iterator<Item = String> {
    BufReader::with_capacity(256 * 1024, pipe).split(b'\n').map_while(Result::ok).map(|line| {
        String::from_utf8(line).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
    })
}
