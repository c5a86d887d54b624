//! `serve`: the least that a server does for a file, with and without one bare signature check.
//!
//! A check in a loop finds its code and its tables where it left them a moment ago. In a server, the kernel and other
//! processes have run since. What the arithmetic costs there is the difference between `/check/<algorithm>` and
//! `/plain/<algorithm>`: both read the request, decode the signature, and read and send a file.

use std::collections::HashMap;
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token};

use crate::keys::{Algorithm, Signer, Verifier};
use crate::{Failure, Options};

const LISTENER: Token = Token(usize::MAX);

struct Server {
    verifiers: HashMap<&'static str, Verifier>,
    file: PathBuf,
    connections: HashMap<usize, Connection>,
    accepted: usize,
}

struct Connection {
    stream: TcpStream,
    input: Vec<u8>,
}

impl Server {
    fn new(keys: &Path, file: PathBuf) -> Result<Self, Failure> {
        let verifier = |algorithm: Algorithm| -> Result<_, Failure> {
            Ok((algorithm.name(), Verifier::of(&Signer::read(keys, algorithm)?, algorithm)?))
        };
        let verifiers = Algorithm::ALL.into_iter().map(verifier).collect::<Result<_, _>>()?;
        Ok(Self { verifiers, file, connections: HashMap::new(), accepted: 0 })
    }

    fn accept(&mut self, listener: &TcpListener, poll: &Poll) -> Result<(), Failure> {
        loop {
            let mut stream = match listener.accept() {
                Ok((stream, _)) => stream,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error.into()),
            };
            stream.set_nodelay(true)?;
            poll.registry().register(&mut stream, Token(self.accepted), Interest::READABLE)?;
            self.connections.insert(self.accepted, Connection { stream, input: Vec::with_capacity(4096) });
            self.accepted += 1;
        }
    }

    /// Reads what is there, and answers if that is a request. An error or the end closes the connection.
    fn serve(&mut self, number: usize) {
        let Some(mut connection) = self.connections.remove(&number) else { return };
        if self.exchange(&mut connection).is_ok() {
            self.connections.insert(number, connection);
        }
    }

    fn exchange(&self, connection: &mut Connection) -> Result<(), Failure> {
        let mut bytes = [0; 4096];
        match connection.stream.read(&mut bytes) {
            Ok(0) => return Err("the end".into()),
            Ok(read) => connection.input.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error.into()),
        }
        if !connection.input.ends_with(b"\r\n\r\n") {
            return Ok(());
        }
        let status = self.status(&connection.input)?;
        connection.input.clear();
        let mut content = Vec::with_capacity(1024);
        File::open(&self.file)?.read_to_end(&mut content)?;
        let mut answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", content.len()).into_bytes();
        answer.append(&mut content);
        if connection.stream.write(&answer)? != answer.len() {
            return Err("an answer was not written at once".into());
        }
        Ok(())
    }

    fn status(&self, request: &[u8]) -> Result<&'static str, Failure> {
        let mut headers = [httparse::EMPTY_HEADER; 16];
        let mut parsed = httparse::Request::new(&mut headers);
        parsed.parse(request)?;
        let credentials =
            parsed.headers.iter().find(|header| header.name == "Authorization").map(|header| header.value);
        let token = credentials.and_then(|value| value.strip_prefix(b"Bearer ")).unwrap_or_default();
        let (message, signature) = std::str::from_utf8(token)?.rsplit_once('.').unwrap_or_default();
        let signature = URL_SAFE_NO_PAD.decode(signature)?;
        let path = parsed.path.unwrap_or_default();
        let Some(algorithm) = path.strip_prefix("/check/") else { return Ok("200 OK") };
        let verifier = self.verifiers.get(algorithm).ok_or("no such algorithm")?;
        Ok(if verifier.verifies(message.as_bytes(), &signature) { "200 OK" } else { "401 Unauthorized" })
    }
}

/// `serve keys=DIR file=FILE`: says where it listens, and serves until it is killed.
pub fn run(options: &Options) -> Result<(), Failure> {
    let mut server = Server::new(options.text("keys")?.as_ref(), options.text("file")?.into())?;
    let mut poll = Poll::new()?;
    let mut listener = TcpListener::bind("127.0.0.1:0".parse()?)?;
    poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
    println!("listening on {}", listener.local_addr()?);
    let mut events = Events::with_capacity(512);
    loop {
        poll.poll(&mut events, None)?;
        for event in &events {
            match event.token() {
                LISTENER => server.accept(&listener, &poll)?,
                Token(number) => server.serve(number),
            }
        }
    }
}
