//! What key servers have answered, and when, by the clock that nginx has as well. `published.rs` reads it when nginx has
//! ended.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

/// The answers of every test of this process, by the socket that they came from.
static ANSWERS: Mutex<BTreeMap<PathBuf, Vec<Answer>>> = Mutex::new(BTreeMap::new());

/// An answer to a fetch.
#[derive(Clone)]
pub struct Answer {
    /// What was asked for: a path, with the query string.
    pub target: String,
    /// nginx had not all of it before.
    pub from: f64,
    /// nginx was done with it by then; infinite as long as it is not.
    pub until: f64,
    /// The key set in it.
    pub set: Option<Vec<u8>>,
    /// nginx has read it to its end.
    pub is_read: bool,
}

/// The answers of one socket.
pub struct Timeline {
    socket: PathBuf,
}

/// A request that is being answered.
pub struct Exchange<'s> {
    stream: &'s UnixStream,
    socket: &'s Path,
    number: usize,
    sent: Vec<u8>,
    from: f64,
    is_read: bool,
}

impl Timeline {
    pub fn of(socket: &Path) -> Timeline {
        Timeline { socket: socket.into() }
    }

    /// Notes that a request has come.
    pub fn begin<'s>(&'s self, stream: &'s UnixStream, head: &[u8]) -> Exchange<'s> {
        let target = String::from_utf8_lossy(head).split(' ').nth(1).unwrap_or_default().to_owned();
        let from = clock();
        let mut answers = ANSWERS.lock().expect("no panic");
        let answers = answers.entry(self.socket.clone()).or_default();
        answers.push(Answer { target, from, until: f64::INFINITY, set: None, is_read: false });
        Exchange { stream, socket: &self.socket, number: answers.len() - 1, sent: Vec::new(), from, is_read: true }
    }
}

impl Exchange<'_> {
    /// More than any set may have.
    const MOST: usize = 2 * authz::MAX_SET_BYTES;

    pub fn stream(&self) -> &UnixStream {
        self.stream
    }

    /// Whether nobody has gone away yet.
    pub fn is_read(&self) -> bool {
        self.is_read
    }

    /// Whoever asked may be gone.
    pub fn write(&mut self, bytes: &[u8]) {
        self.from = clock();
        self.is_read = self.is_read && self.stream.write_all(bytes).is_ok();
        if self.sent.len() < Exchange::MOST {
            self.sent.extend_from_slice(bytes);
        }
    }

    /// Ends the answer, and notes when nginx was done with it: it closes the connection then. One that it has not read to
    /// its end is a reset instead.
    pub fn end(mut self) {
        let set = if self.is_read { set_in(&self.sent) } else { None };
        let _ = self.stream.shutdown(Shutdown::Write);
        let mut stream = self.stream;
        self.is_read &= stream.read_to_end(&mut Vec::new()).is_ok();
        let mut answers = ANSWERS.lock().expect("no panic");
        if let Some(answer) = answers.get_mut(self.socket).and_then(|answers| answers.get_mut(self.number)) {
            (answer.from, answer.until, answer.set, answer.is_read) = (self.from, clock(), set, self.is_read);
        }
    }
}

/// The answers of the sockets in a directory, once all of them have ended.
pub fn take_of(directory: &Path) -> BTreeMap<PathBuf, Vec<Answer>> {
    let is_within = |socket: &Path| socket.parent() == Some(directory);
    super::eventually("every answer of a key server has ended", || {
        let answers = ANSWERS.lock().expect("no panic");
        let mut own = answers.iter().filter(|(socket, _)| is_within(socket)).flat_map(|(_, answers)| answers);
        own.all(|answer| answer.until.is_finite())
    });
    let mut answers = ANSWERS.lock().expect("no panic");
    let (own, others) = std::mem::take(&mut *answers).into_iter().partition(|(socket, _)| is_within(socket));
    *answers = others;
    own
}

fn clock() -> f64 {
    SystemTime::now().duration_since(UNIX_EPOCH).expect("a clock").as_secs_f64()
}

/// The key set in the bytes of an answer, by the rules of docs/keys.md.
fn set_in(answer: &[u8]) -> Option<Vec<u8>> {
    let end = answer.windows(4).position(|window| window == b"\r\n\r\n")?;
    let (head, body) = (String::from_utf8_lossy(&answer[..end]).to_ascii_lowercase(), &answer[end + 4..]);
    let header = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let is_plain =
        header("content-encoding").filter(|encoding| *encoding != "identity").or(header("x-accel-redirect")).is_none();
    if head.split(' ').nth(1)? != "200" || !head.starts_with("http/1.") || !is_plain {
        return None;
    }
    let body = match (header("transfer-encoding"), header("content-length")) {
        (Some("chunked"), _) => unchunked(body)?,
        (_, Some(length)) => body.get(..length.parse().ok()?)?.to_vec(),
        _ => body.to_vec(),
    };
    let has_keys = authz::KeySet::from_jwks(&body, None, None).is_ok_and(|set| !set.is_empty());
    has_keys.then_some(body)
}

/// A body in chunks, if it is complete.
fn unchunked(mut body: &[u8]) -> Option<Vec<u8>> {
    let mut whole = Vec::new();
    loop {
        let end = body.windows(2).position(|window| window == b"\r\n")?;
        let size = usize::from_str_radix(std::str::from_utf8(&body[..end]).ok()?, 16).ok()?;
        whole.extend_from_slice(body.get(end + 2..end + 2 + size)?);
        body = body.get(end + 2 + size..)?.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(whole);
        }
    }
}
