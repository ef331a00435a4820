//! Plain HTTP to the stack's inner addresses: metrics, readiness, the sample registry's own list.

use super::ClientError;
use super::ended::unless_ended;
use bytes::Bytes;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;

const TIMEOUT: Duration = Duration::from_secs(10);
const BODY_BYTES_MAX: usize = 16 << 20;

/// Asks for a path and reads the whole answer.
pub async fn get(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), ClientError> {
    if !address.ip().is_loopback() {
        return Err(ClientError::NotLoopback(address));
    }
    match tokio::time::timeout(TIMEOUT, exchange(address, path)).await {
        Ok(answer) => answer,
        Err(_) => Err(ClientError::Timeout(TIMEOUT)),
    }
}

async fn exchange(address: SocketAddr, path: &str) -> Result<(StatusCode, Bytes), ClientError> {
    let stream = TcpStream::connect(address).await.map_err(ClientError::Connect)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let mut driver = JoinSet::new();
    driver.spawn(async move {
        let _ = connection.await;
    });
    let request = Request::get(path).header(header::HOST, address.to_string()).body(Empty::<Bytes>::new());
    let request = request.map_err(|error| ClientError::Answer(error.to_string()))?;
    let response = unless_ended(&mut driver, async { Ok(sender.send_request(request).await?) }).await?;
    let status = response.status();
    match Limited::new(response.into_body(), BODY_BYTES_MAX).collect().await {
        Ok(body) => Ok((status, body.to_bytes())),
        Err(error) => Err(ClientError::Answer(format!("the answer's body: {error}"))),
    }
}
