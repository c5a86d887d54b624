//! HTTP/2 with prior knowledge, over the socket `h2.sock`.

use super::client::Response;
use super::nginx::Nginx;
use h2::client::{ResponseFuture, SendRequest};
use std::time::Duration;
use tokio::net::UnixStream;
use tokio::task::JoinHandle;

pub struct Http2Request<'a> {
    pub method: &'a str,
    pub path: &'a str,
    pub authorization: Option<&'a [u8]>,
}

type Sender = SendRequest<&'static [u8]>;

/// The answers to these requests, asked one after another on one connection.
pub fn over_http2(nginx: &Nginx, requests: &[Http2Request]) -> Vec<Response> {
    run(async {
        let (mut sender, connection) = connect(nginx).await?;
        let mut responses = Vec::new();
        for request in requests {
            responses.push(receive(send(&mut sender, request)?).await?);
        }
        drop(sender);
        connection.await.expect("no panic in the client")?;
        Ok(responses)
    })
}

/// The answers to these requests, all of them sent on one connection before the first answer is read. nginx must allow
/// that many (`http2_max_concurrent_streams`).
pub fn over_http2_at_once(nginx: &Nginx, requests: &[Http2Request]) -> Vec<Response> {
    run(async {
        let (mut sender, connection) = connect(nginx).await?;
        let mut pending = Vec::new();
        for request in requests {
            sender = sender.ready().await?;
            pending.push(send(&mut sender, request)?);
        }
        let mut responses = Vec::new();
        for response in pending {
            responses.push(receive(response).await?);
        }
        drop(sender);
        connection.await.expect("no panic in the client")?;
        Ok(responses)
    })
}

/// The answer to a request with any headers and a body.
pub fn over_http2_with(nginx: &Nginx, request: http::Request<&'static [u8]>) -> Response {
    run(async {
        let (mut sender, connection) = connect(nginx).await?;
        let (head, body) = request.into_parts();
        let (response, mut stream) = sender.send_request(http::Request::from_parts(head, ()), false)?;
        stream.send_data(body, true)?;
        let response = receive(response).await?;
        drop((sender, stream));
        connection.await.expect("no panic in the client")?;
        Ok(response)
    })
}

/// Cancels a request once `given_up` holds, and gives the answer to a next one on the same connection.
pub fn over_http2_cancelled(
    nginx: &Nginx,
    first: &Http2Request,
    given_up: impl Fn() -> bool,
    next: &Http2Request,
) -> Response {
    run(async {
        let (mut sender, connection) = connect(nginx).await?;
        let cancelled = send(&mut sender, first)?;
        while !given_up() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        drop(cancelled);
        let response = receive(send(&mut sender, next)?).await?;
        drop(sender);
        connection.await.expect("no panic in the client")?;
        Ok(response)
    })
}

fn run<T>(work: impl Future<Output = Result<T, h2::Error>>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let in_time = async { tokio::time::timeout(super::patient(Duration::from_secs(10)), work).await };
    runtime.block_on(in_time).expect("answers within 10 s").expect("HTTP/2 without an error")
}

async fn connect(nginx: &Nginx) -> Result<(Sender, JoinHandle<Result<(), h2::Error>>), h2::Error> {
    let stream = UnixStream::connect(nginx.path("h2.sock")).await.expect("nginx listens on h2.sock");
    let (sender, connection) = h2::client::Builder::new().handshake(stream).await?;
    Ok((sender, tokio::spawn(connection)))
}

fn send(sender: &mut Sender, request: &Http2Request) -> Result<ResponseFuture, h2::Error> {
    let uri = format!("http://localhost{}", request.path);
    let mut builder = http::Request::builder().method(request.method).uri(uri);
    if let Some(value) = request.authorization {
        builder = builder.header("authorization", http::HeaderValue::from_bytes(value).expect("a header value"));
    }
    Ok(sender.send_request(builder.body(()).expect("a request"), true)?.0)
}

async fn receive(response: ResponseFuture) -> Result<Response, h2::Error> {
    let (head, mut stream) = response.await?.into_parts();
    let mut body = Vec::new();
    while let Some(data) = stream.data().await {
        body.extend_from_slice(&data?);
    }
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let headers = head.headers.iter().map(|(name, value)| (name.to_string(), text(value))).collect();
    Ok(Response { status: head.status.as_u16(), headers, body })
}
