//! One kept-alive connection, with at most one request under way.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use crate::Failure;

pub struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
    filled: usize,
    /// When the request under way was sent, or should have been.
    pub since: Option<Instant>,
}

impl Connection {
    pub fn open(to: SocketAddr, registry: &Registry, token: Token) -> Result<Self, Failure> {
        // Connected before the clock starts, and only then without blocking.
        let stream = std::net::TcpStream::connect(to)?;
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
