//! One of the servers that are compared, and our connections to it.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::time::{Duration, Instant};

use mio::{Events, Poll, Registry, Token};

use crate::Failure;
use crate::connection::Connection;
use crate::latency::Latencies;
use crate::processes::Processes;
use crate::requests::Requests;
use crate::tokens::USER;

/// An answer that takes longer is none.
const PATIENCE: Duration = Duration::from_secs(60);

/// How fast requests are sent.
#[derive(Clone, Copy)]
pub struct Pace {
    /// In a second; 0 for as fast as answers come.
    pub rate: f64,
}

/// Requests that are sent without a pause.
pub struct Batch<'a> {
    pub requests: &'a Requests,
    pub range: Range<u64>,
    pub pace: Pace,
}

impl Batch<'_> {
    /// When the request of this index is to be sent.
    fn due(&self, index: u64, started: Instant) -> Instant {
        if self.pace.rate > 0.0 {
            started + Duration::from_secs_f64((index - self.range.start) as f64 / self.pace.rate)
        } else {
            Instant::now()
        }
    }
}

pub struct Side {
    request_line: Vec<u8>,
    expected: Vec<u16>,
    front: Processes,
    behind: Processes,
    connections: Vec<Connection>,
    idle: VecDeque<usize>,
    buffer: Vec<u8>,
    statuses: BTreeMap<u16, u64>,
    latencies: Latencies,
    /// Of each batch: requests, seconds, nanoseconds on a processor of the server and of what stands behind it.
    batches: Vec<(u64, f64, u64, u64)>,
}

impl Side {
    pub fn open(words: &str, connections: usize, worker: Option<&str>, registry: &Registry) -> Result<Self, Failure> {
        let words: Vec<&str> = words.split(' ').collect();
        let [address, path, statuses, front, behind] = words[..] else { return Err("side= has five words".into()) };
        let address = address.parse()?;
        let connections: Vec<_> = (0..connections)
            .map(|number| Connection::open(address, worker, registry, Token(number)))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            request_line: format!("GET {} HTTP/1.1\r\n", path.replace("{user}", USER)).into_bytes(),
            expected: statuses.split(',').map(str::parse).collect::<Result<_, _>>()?,
            front: Processes::of(front)?,
            behind: Processes::of(behind)?,
            idle: (0..connections.len()).collect(),
            connections,
            buffer: Vec::new(),
            statuses: BTreeMap::new(),
            latencies: Latencies::default(),
            batches: Vec::new(),
        })
    }

    /// Sends a batch, waits for all of its answers and for the server to rest.
    pub fn run(&mut self, batch: &Batch, poll: &mut Poll) -> Result<(), Failure> {
        self.rest()?;
        let (front, behind) = (self.front.time()?, self.behind.time()?);
        let started = Instant::now();
        self.exchange(batch, poll, started)?;
        let seconds = started.elapsed().as_secs_f64();
        self.rest()?;
        let (front, behind) = (self.front.time()? - front, self.behind.time()? - behind);
        self.batches.push((batch.range.end - batch.range.start, seconds, front, behind));
        Ok(())
    }

    fn rest(&self) -> Result<(), Failure> {
        self.front.rest()?;
        self.behind.rest()
    }

    fn exchange(&mut self, batch: &Batch, poll: &mut Poll, started: Instant) -> Result<(), Failure> {
        let mut events = Events::with_capacity(1024);
        let mut next = self.send(batch, batch.range.start, started)?;
        while next < batch.range.end || self.idle.len() < self.connections.len() {
            let patience = self.patience(batch, next, started);
            poll.poll(&mut events, Some(patience))?;
            if events.is_empty() && patience == PATIENCE {
                return Err("no answer within a minute".into());
            }
            for event in &events {
                self.receive(event.token().0)?;
                next = self.send(batch, next, started)?;
            }
            next = self.send(batch, next, started)?;
        }
        Ok(())
    }

    /// Sends whatever is due and has a connection; returns the index of the request after these.
    fn send(&mut self, batch: &Batch, mut next: u64, started: Instant) -> Result<u64, Failure> {
        while next < batch.range.end && !self.idle.is_empty() {
            let due = batch.due(next, started);
            if due > Instant::now() {
                break;
            }
            self.buffer.clear();
            self.buffer.extend_from_slice(&self.request_line);
            batch.requests.append(next, &mut self.buffer);
            let connection = self.idle.pop_front().expect("one is idle");
            self.connections[connection].send(&self.buffer, due)?;
            next += 1;
        }
        Ok(next)
    }

    /// How long to wait for answers before the next request is due.
    fn patience(&self, batch: &Batch, next: u64, started: Instant) -> Duration {
        if batch.pace.rate == 0.0 || next == batch.range.end || self.idle.is_empty() {
            return PATIENCE;
        }
        // epoll waits whole milliseconds: what is due sooner is waited for awake.
        let wait = batch.due(next, started).saturating_duration_since(Instant::now());
        if wait > Duration::from_millis(2) { wait - Duration::from_millis(1) } else { Duration::ZERO }
    }

    fn receive(&mut self, connection: usize) -> Result<(), Failure> {
        let Some(status) = self.connections[connection].receive()? else { return Ok(()) };
        let since = self.connections[connection].since.take().ok_or("an answer that nobody asked for")?;
        if !self.expected.contains(&status) {
            return Err(format!("an answer has status {status}, not {:?}", self.expected).into());
        }
        self.latencies.add(since.elapsed());
        *self.statuses.entry(status).or_default() += 1;
        self.idle.push_back(connection);
        Ok(())
    }

    pub fn json(self) -> String {
        let statuses: Vec<_> = self.statuses.iter().map(|(status, count)| format!(r#""{status}":{count}"#)).collect();
        let batch = |(requests, seconds, front, behind)| format!("[{requests},{seconds:.6},{front},{behind}]");
        let batches: Vec<_> = self.batches.into_iter().map(batch).collect();
        format!(
            r#"{{"statuses":{{{}}},"latency_us":{},"batches":[{}]}}"#,
            statuses.join(","),
            self.latencies.json(),
            batches.join(",")
        )
    }
}
