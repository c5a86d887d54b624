//! A connection that speaks HTTP/1.1, byte for byte as it is told.

use std::path::Path;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

use crate::answer::Answer;
use crate::clock::now;

/// Longer than any answer may take: a key server's timeout, and a machine with other things to do.
pub const PATIENCE: Duration = Duration::from_secs(45);

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lost {
    /// The connection ended before the first byte of it.
    Before,
    /// It ended amid the answer.
    Amid,
    /// None came.
    Never,
}

pub struct Connection {
    stream: UnixStream,
    buffer: Vec<u8>,
    pub opened: f64,
}

impl Connection {
    pub async fn open(socket: &Path) -> Connection {
        let opened = now();
        // The backlog may be full for a moment.
        loop {
            match UnixStream::connect(socket).await {
                Ok(stream) => return Connection { stream, buffer: Vec::with_capacity(8 * 1024), opened },
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    /// An error shows when the answer is read.
    pub async fn send(&mut self, bytes: &[u8]) {
        let _ = tokio::time::timeout(PATIENCE, self.stream.write_all(bytes)).await;
    }

    /// The answer to a request of this method.
    pub async fn receive(&mut self, method: &str) -> Result<Answer, Lost> {
        match tokio::time::timeout(PATIENCE, self.read(method)).await {
            Ok(Some(answer)) => Ok(answer),
            Ok(None) if self.buffer.is_empty() => Err(Lost::Before),
            Ok(None) => Err(Lost::Amid),
            Err(_) => Err(Lost::Never),
        }
    }

    async fn read(&mut self, method: &str) -> Option<Answer> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|window| window == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let mut answer = parse(&String::from_utf8_lossy(&self.buffer[..end]))?;
        let has_body = method != "HEAD" && !matches!(answer.status, 204 | 304);
        let length = if has_body { self.body_length(&answer, end).await? } else { (0, 0) };
        answer.body = self.buffer[end..end + length.0].to_vec();
        self.buffer.drain(..end + length.1);
        Some(answer)
    }

    /// Bytes of the body, and bytes with what follows it. Whatever the answer consists of is read by then.
    async fn body_length(&mut self, answer: &Answer, end: usize) -> Option<(usize, usize)> {
        let length = answer.header("content-length").parse().ok()?;
        while self.buffer.len() < end + length {
            self.more().await?;
        }
        Some((length, length))
    }

    async fn more(&mut self) -> Option<()> {
        let read = self.stream.read_buf(&mut self.buffer).await.ok()?;
        (read > 0).then_some(())
    }

    /// Leaves the connection to nginx: a fetch of keys that belongs to it may be under way.
    pub fn retire(mut self) {
        tokio::spawn(async move {
            let to_its_end = async { while self.more().await.is_some() {} };
            let _ = tokio::time::timeout(Duration::from_secs(6), to_its_end).await;
        });
    }
}

fn parse(head: &str) -> Option<Answer> {
    let mut lines = head.split("\r\n");
    let status = lines.next()?.split(' ').nth(1)?.parse().ok()?;
    let headers = lines.filter_map(|line| line.split_once(": ")).map(|(name, value)| (name.into(), value.into()));
    Some(Answer { status, headers: headers.collect(), body: Vec::new() })
}
