//! WebSockets over the device's TLS connection.

use super::{ClientError, Device, Protocol, Target, connect_tls};
use futures_util::{SinkExt as _, StreamExt as _};
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};

/// An open WebSocket.
pub struct Socket {
    stream: WebSocketStream<TlsStream<TcpStream>>,
}

/// What the gateway said to the upgrade.
pub enum Upgrade {
    /// It is open; the headers of the answer.
    Open(Box<Socket>, http::HeaderMap),
    /// It was refused.
    Refused(http::StatusCode, http::HeaderMap),
}

impl Socket {
    /// Asks for an upgrade at a path, with a session's cookie or bearer token as a header.
    pub async fn open(
        target: &Target,
        device: &Device,
        path: &str,
        session: Option<(&'static str, &str)>,
    ) -> Result<Upgrade, ClientError> {
        let bad = |error: Error| ClientError::Answer(format!("the upgrade: {error}"));
        let mut request = format!("wss://{}{path}", target.authority()).into_client_request().map_err(bad)?;
        if let Some((name, value)) = session {
            let value = value.parse().map_err(|_| ClientError::Answer("the session is no header value".to_owned()))?;
            request.headers_mut().insert(name, value);
        }
        let stream = connect_tls(target, device, Protocol::Http1).await?;
        let config = WebSocketConfig::default().max_message_size(Some(MESSAGE_BYTES_MAX));
        let upgrade = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        match tokio::time::timeout(TIMEOUT, upgrade).await {
            Err(_) => Err(ClientError::Timeout(TIMEOUT)),
            Ok(Ok((stream, answer))) => Ok(Upgrade::Open(Box::new(Self { stream }), answer.headers().clone())),
            Ok(Err(Error::Http(answer))) => Ok(Upgrade::Refused(answer.status(), answer.headers().clone())),
            Ok(Err(error)) => Err(bad(error)),
        }
    }

    /// Sends a text.
    pub async fn say(&mut self, text: &str) -> Result<(), ClientError> {
        self.stream.send(Message::text(text)).await.map_err(|error| ClientError::Answer(format!("the socket: {error}")))
    }

    /// The next text; `None` when the peer closed.
    pub async fn hear(&mut self, timeout: Duration) -> Result<Option<String>, ClientError> {
        loop {
            match tokio::time::timeout(timeout, self.stream.next()).await {
                Err(_) => return Err(ClientError::Timeout(timeout)),
                Ok(None | Some(Ok(Message::Close(_)))) => return Ok(None),
                Ok(Some(Ok(Message::Text(text)))) => return Ok(Some(text.to_string())),
                Ok(Some(Ok(_))) => {}
                Ok(Some(Err(error))) => return Err(ClientError::Answer(format!("the socket: {error}"))),
            }
        }
    }

    /// Says good-bye and closes.
    pub async fn close(mut self) {
        let _ = tokio::time::timeout(TIMEOUT, self.stream.close(None)).await;
    }
}

const TIMEOUT: Duration = Duration::from_secs(10);
const MESSAGE_BYTES_MAX: usize = 1 << 20;
