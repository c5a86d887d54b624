//! One kept-alive connection, with at most one request under way.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::Failure;

/// Connections that are tried for one that the wanted worker has accepted.
const TRIES: usize = 1000;

pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    /// When the request under way was sent, or should have been.
    pub since: Option<Instant>,
}

impl Connection {
    /// Connects; to this worker, if one is named. Connected before the clock starts, and only then without blocking.
    pub fn open(to: SocketAddr, worker: Option<&str>, registry: &Registry, token: Token) -> Result<Self, Failure> {
        let stream = match worker {
            None => std::net::TcpStream::connect(to)?,
            Some(worker) => connect_to_worker(to, worker)?,
        };
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE)?;
        Ok(Self { stream, input: vec![0; 16 * 1024], filled: 0, since: None })
    }

    /// Sends a request, which is small enough for the socket's buffer.
    pub fn send(&mut self, request: &[u8], since: Instant) -> Result<(), Failure> {
        if self.stream.write(request)? != request.len() {
            return Err("a request was not written at once".into());
        }
        self.since = Some(since);
        Ok(())
    }

    /// The status of the answer, once all of it is here.
    pub fn receive(&mut self) -> Result<Option<u16>, Failure> {
        loop {
            match self.stream.read(&mut self.input[self.filled..]) {
                Ok(0) => return Err("the server closed a connection".into()),
                Ok(read) => self.filled += read,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(status) = self.answer()? {
                return Ok(Some(status));
            }
        }
    }

    fn answer(&mut self) -> Result<Option<u16>, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; 32];
        let mut answer = httparse::Response::new(&mut headers);
        let httparse::Status::Complete(head) = answer.parse(&self.input[..self.filled])? else { return Ok(None) };
        let length = answer.headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-length"));
        let length: usize = std::str::from_utf8(length.ok_or("an answer without Content-Length")?.value)?.parse()?;
        if self.filled < head + length {
            return Ok(None);
        }
        if self.filled > head + length {
            return Err("an answer is longer than its Content-Length".into());
        }
        self.filled = 0;
        Ok(Some(answer.code.ok_or("an answer without a status")?))
    }
}

/// Which worker accepts a connection is the kernel's choice: asks at `/pid` until it is the wanted one.
fn connect_to_worker(to: SocketAddr, worker: &str) -> Result<std::net::TcpStream, Failure> {
    for _ in 0..TRIES {
        let mut stream = std::net::TcpStream::connect(to)?;
        stream.write_all(b"GET /pid HTTP/1.1\r\nHost: localhost\r\n\r\n")?;
        let mut answer = Vec::new();
        while !answer.ends_with(b".") {
            let mut bytes = [0; 512];
            let read = stream.read(&mut bytes)?;
            if read == 0 {
                return Err("no answer from /pid".into());
            }
            answer.extend_from_slice(&bytes[..read]);
        }
        if answer.ends_with(format!("\r\n\r\n{worker}.").as_bytes()) {
            return Ok(stream);
        }
    }
    Err(format!("worker {worker} accepts no connection").into())
}
