//! A connection that speaks HTTP/2, with prior knowledge.

use std::path::Path;
use std::time::Duration;

use h2::client::{ResponseFuture, SendRequest};
use tokio::net::UnixStream;

use crate::answer::Answer;
use crate::asked::Asked;
use crate::clock::now;
use crate::http1::{Lost, PATIENCE};

pub struct Connection {
    sender: SendRequest<&'static [u8]>,
    pub opened: f64,
}

impl Connection {
    pub async fn open(socket: &Path) -> Connection {
        loop {
            let opened = now();
            if let Ok(stream) = UnixStream::connect(socket).await
                && let Ok((sender, connection)) = h2::client::Builder::new().handshake(stream).await
            {
                tokio::spawn(connection);
                return Connection { sender, opened };
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Sends a request; its answer may be awaited with others.
    pub async fn send(&mut self, asked: &Asked) -> Result<ResponseFuture, Lost> {
        let request = request(asked).expect("was tried before");
        let ready = tokio::time::timeout(PATIENCE, self.sender.clone().ready()).await;
        self.sender = ready.map_err(|_| Lost::Never)?.map_err(|_| Lost::Before)?;
        self.sender.send_request(request, true).map(|(response, _)| response).map_err(|_| Lost::Before)
    }

    pub async fn receive(response: ResponseFuture) -> Result<Answer, Lost> {
        tokio::time::timeout(PATIENCE, read(response)).await.unwrap_or(Err(Lost::Never))
    }

    /// Leaves the connection to nginx: a fetch of keys that belongs to it may be under way.
    pub fn retire(self) {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(6)).await;
            drop(self.sender);
        });
    }
}

/// The request, if a client of HTTP/2 can say it.
pub fn request(asked: &Asked) -> Option<http::Request<()>> {
    let target = std::str::from_utf8(&asked.path.target).ok()?;
    let uri: http::Uri = format!("http://localhost{target}").parse().ok()?;
    if uri.path_and_query()?.as_str() != target || asked.body > 0 || asked.junk > 4_000 {
        return None;
    }
    let mut builder = http::Request::builder().method(asked.method).uri(uri);
    for (name, value) in asked.headers() {
        builder = builder.header(name, http::HeaderValue::from_bytes(value.as_bytes()).ok()?);
    }
    builder.body(()).ok()
}

async fn read(response: ResponseFuture) -> Result<Answer, Lost> {
    let (head, mut stream) = response.await.map_err(|_| Lost::Before)?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        let data = data.map_err(|_| Lost::Amid)?;
        let _ = stream.flow_control().release_capacity(data.len());
        body.extend_from_slice(&data);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Answer { status: head.status.as_u16(), headers, body })
}
