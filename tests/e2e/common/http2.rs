//! HTTP/2 with prior knowledge, over the socket `h2.sock`.

use super::client::Response;
use super::nginx::Nginx;
use h2::client::SendRequest;
use std::path::Path;
use std::time::Duration;
use tokio::net::UnixStream;

pub struct Http2Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub authorization: Option<&'a [u8]>,
}

/// The answers to these requests, asked one after another on one connection.
pub fn over_http2(nginx: &Nginx, requests: &[Http2Request]) -> Vec<Response> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let answers = async { tokio::time::timeout(Duration::from_secs(10), ask(&nginx.path("h2.sock"), requests)).await };
    runtime.block_on(answers).expect("answers within 10 s").expect("HTTP/2 without an error")
}

async fn ask(socket: &Path, requests: &[Http2Request<'_>]) -> Result<Vec<Response>, h2::Error> {
    let stream = UnixStream::connect(socket).await.expect("nginx listens on h2.sock");
    let (mut sender, connection) = h2::client::Builder::new().handshake(stream).await?;
    let connection = tokio::spawn(connection);
    let mut responses = Vec::new();
    for request in requests {
        responses.push(one(&mut sender, request).await?);
    }
    drop(sender);
    connection.await.expect("no panic in the client")?;
    Ok(responses)
}

async fn one(sender: &mut SendRequest<&'static [u8]>, request: &Http2Request<'_>) -> Result<Response, h2::Error> {
    let uri = format!("http://localhost{}", request.path);
    let mut builder = http::Request::builder().method(request.method).uri(uri);
    if let Some(value) = request.authorization {
        builder = builder.header("authorization", http::HeaderValue::from_bytes(value).expect("a header value"));
    }
    let (response, _) = sender.send_request(builder.body(()).expect("a request"), true)?;
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        body.extend_from_slice(&data?);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Response { status: head.status.as_u16(), headers, body })
}
