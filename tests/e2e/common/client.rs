//! An HTTP/1 client that sends exactly the bytes it is given and keeps its connection.

use super::nginx::Nginx;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

#[derive(Clone)]
pub struct Request {
    method: String,
    target: Vec<u8>,
    headers: Vec<u8>,
    body: Vec<u8>,
}

pub fn get(target: impl AsRef<[u8]>) -> Request {
    request("GET", target)
}

pub fn request(method: &str, target: impl AsRef<[u8]>) -> Request {
    Request {
        method: method.into(),
        target: target.as_ref().to_vec(),
        headers: b"Host: localhost\r\n".to_vec(),
        body: Vec::new(),
    }
}

impl Request {
    pub fn token(self, token: &str) -> Request {
        self.authorization(format!("Bearer {token}"))
    }

    pub fn authorization(self, value: impl AsRef<[u8]>) -> Request {
        self.header("Authorization", value)
    }

    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Request {
        self.headers.extend_from_slice(&[name.as_bytes(), b": ", value.as_ref(), b"\r\n"].concat());
        self
    }

    pub fn body(mut self, body: Vec<u8>) -> Request {
        self.body = body;
        let length = self.body.len().to_string();
        self.header("Content-Length", length)
    }

    pub fn bytes(&self) -> Vec<u8> {
        let line = [self.method.as_bytes(), b" ", &self.target, b" HTTP/1.1\r\n"].concat();
        [&line, &self.headers, &b"\r\n"[..], &self.body].concat()
    }

    /// One request on a connection of its own, which nginx may close without an answer.
    pub fn try_send(&self, nginx: &Nginx) -> Option<Response> {
        let mut client = nginx.client();
        let _ = client.stream.write_all(&self.bytes());
        let mut buffer = [0; 4096];
        while let Ok(length @ 1..) = client.stream.read(&mut buffer) {
            client.unread.extend_from_slice(&buffer[..length]);
        }
        let end = client.unread.windows(4).position(|window| window == b"\r\n\r\n")?;
        let mut response = Response::parse(&String::from_utf8_lossy(&client.unread[..end]));
        response.body = client.unread.split_off(end + 4);
        Some(response)
    }

    /// One request on a connection of its own.
    pub fn send(&self, nginx: &Nginx) -> Response {
        nginx.client().ask(self)
    }
}

pub struct Client {
    stream: UnixStream,
    unread: Vec<u8>,
}

impl Client {
    pub fn connect(socket: &Path) -> Client {
        let stream = UnixStream::connect(socket).unwrap_or_else(|error| panic!("{}: {error}", socket.display()));
        stream.set_read_timeout(Some(super::patient(Duration::from_secs(10)))).expect("a timeout");
        stream.set_write_timeout(Some(super::patient(Duration::from_secs(10)))).expect("a timeout");
        Client { stream, unread: Vec::new() }
    }

    pub fn ask(&mut self, request: &Request) -> Response {
        self.send(&request.bytes());
        self.receive(&request.method)
    }

    pub fn send(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).expect("nginx reads the request");
    }

    /// The answer to a request of this method; the bytes of a following answer stay for the next call.
    pub fn receive(&mut self, method: &str) -> Response {
        let mut response = self.head();
        if method == "HEAD" || response.status < 200 || matches!(response.status, 204 | 304) {
            return response;
        }
        response.body = if response.header("Transfer-Encoding") == Some("chunked") {
            self.chunks()
        } else if let Some(length) = response.header("Content-Length") {
            let length = length.parse().expect("a number in Content-Length");
            self.take(length)
        } else {
            self.rest()
        };
        response
    }

    /// Status and headers of an answer whose body is read as it comes.
    pub fn head(&mut self) -> Response {
        let end = self.read_until(b"\r\n\r\n");
        let head: Vec<u8> = self.unread.drain(..end).collect();
        Response::parse(&String::from_utf8_lossy(&head))
    }

    /// Whether an answer has begun to come.
    pub fn is_answered(&mut self) -> bool {
        self.stream.set_nonblocking(true).expect("a socket");
        let mut buffer = [0; 1024];
        let length = self.stream.read(&mut buffer).unwrap_or(0);
        self.stream.set_nonblocking(false).expect("a socket");
        self.unread.extend_from_slice(&buffer[..length]);
        !self.unread.is_empty()
    }

    /// Everything up to the end of the connection.
    pub fn rest(&mut self) -> Vec<u8> {
        self.stream.read_to_end(&mut self.unread).expect("nginx closes the connection");
        std::mem::take(&mut self.unread)
    }

    fn chunks(&mut self) -> Vec<u8> {
        let mut body = Vec::new();
        loop {
            match self.chunk() {
                chunk if chunk.is_empty() => return body,
                chunk => body.extend(chunk),
            }
        }
    }

    /// The next chunk of a chunked body; empty at its end.
    pub fn chunk(&mut self) -> Vec<u8> {
        let end = self.read_until(b"\r\n");
        let line: Vec<u8> = self.unread.drain(..end).collect();
        let size = usize::from_str_radix(String::from_utf8_lossy(&line).trim(), 16).expect("a chunk size");
        let chunk = self.take(size);
        self.take(2);
        chunk
    }

    /// So many bytes, whatever they are.
    pub fn take(&mut self, length: usize) -> Vec<u8> {
        while self.unread.len() < length {
            self.read_some();
        }
        self.unread.drain(..length).collect()
    }

    fn read_until(&mut self, end: &[u8]) -> usize {
        loop {
            if let Some(at) = self.unread.windows(end.len()).position(|window| window == end) {
                return at + end.len();
            }
            self.read_some();
        }
    }

    fn read_some(&mut self) {
        let mut buffer = [0; 16 * 1024];
        let length = loop {
            match self.stream.read(&mut buffer) {
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                result => break result.expect("an answer within 10 s"),
            }
        };
        assert!(length > 0, "the connection ended after {:?}", String::from_utf8_lossy(&self.unread));
        self.unread.extend_from_slice(&buffer[..length]);
    }
}

#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Response {
    fn parse(head: &str) -> Response {
        let mut lines = head.lines();
        let line = lines.next().unwrap_or_default();
        let status = line.split(' ').nth(1).and_then(|word| word.parse().ok());
        let headers = lines.filter_map(|line| line.split_once(": ")).map(|(n, v)| (n.into(), v.into())).collect();
        Response { status: status.unwrap_or_else(|| panic!("no status in {line:?}")), headers, body: Vec::new() }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers.iter().filter(|(n, _)| n.eq_ignore_ascii_case(name)).map(|(_, v)| v.as_str()).collect()
    }

    pub fn challenge(&self) -> Option<&str> {
        self.header("WWW-Authenticate")
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}
