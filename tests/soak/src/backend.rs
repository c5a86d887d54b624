//! The backend behind `proxy_pass`: answers with what it was asked and for whom, and knows whom it must never see.

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

use crate::world::World;

/// Serves until the program ends.
pub async fn serve(listener: UnixListener, world: Arc<World>) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(serve_connection(stream, world.clone()));
    }
}

async fn serve_connection(mut stream: UnixStream, world: Arc<World>) -> Option<()> {
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let end = loop {
            if let Some(at) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            if stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
        };
        let answer = {
            let head = String::from_utf8_lossy(&buffer[..end]);
            let request = Request::parse(&head);
            (request.length, request.answer(&world))
        };
        buffer.drain(..end);
        let mut length = answer.0;
        while length > 0 {
            if buffer.is_empty() && stream.read_buf(&mut buffer).await.ok()? == 0 {
                return None;
            }
            let read = length.min(buffer.len());
            buffer.drain(..read);
            length -= read;
        }
        stream.write_all(&answer.1).await.ok()?;
    }
}

#[derive(Default)]
struct Request<'a> {
    method: &'a str,
    target: &'a str,
    id: &'a str,
    /// Whom the module has verified.
    user: &'a str,
    result: &'a str,
    /// Whom the token names, as its maker says.
    users: &'a str,
    must_be_refused: bool,
    length: usize,
}

impl<'a> Request<'a> {
    fn parse(head: &'a str) -> Request<'a> {
        let mut lines = head.split("\r\n");
        let mut words = lines.next().unwrap_or_default().split(' ');
        let mut request = Request {
            method: words.next().unwrap_or_default(),
            target: words.next().unwrap_or_default(),
            ..Request::default()
        };
        for (name, value) in lines.filter_map(|line| line.split_once(": ")) {
            match name.to_ascii_lowercase().as_str() {
                "x-soak" => request.id = value,
                "x-user" => request.user = value,
                "x-result" => request.result = value,
                "x-soak-users" => request.users = value,
                "x-soak-refuse" => request.must_be_refused = true,
                "content-length" => request.length = value.parse().unwrap_or(0),
                _ => {}
            }
        }
        request
    }

    fn answer(&self, world: &World) -> Vec<u8> {
        let Request { method, target, id, user, result, users, length, .. } = self;
        if self.must_be_refused {
            world.tally.wrong(format!(
                "the backend was asked {method} {target}, which nobody may ask, as {user:?} ({result})"
            ));
        }
        if !user.is_empty() && !users.split(',').any(|name| name == *user) {
            world.tally.wrong(format!("the backend was asked {target} as {user:?}, by a token of {users:?}"));
        }
        if *target == "/permit" {
            return format!("HTTP/1.1 204 No Content\r\nX-Seen: {result}/{user}\r\n\r\n").into();
        }
        let body = format!("echo {id} {method} {target} user={user} result={result} length={length}");
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n", body.len());
        if *method == "HEAD" { head.into() } else { (head + &body).into() }
    }
}
