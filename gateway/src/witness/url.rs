//! A witness that is an HTTP endpoint: each seal is a POST of its own, and any 2xx means that it was taken.
//!
//! One connection, one request at a time; each has a bound on its time, and so has its answer on its size. TLS is 1.3 and
//! verified, against the public authorities or against one that is named. Nothing of an answer is logged but its status.

use super::spool::Chunk;
use super::{SendError, Witness};
use crate::config::WitnessUrl;
use crate::tls::{self, TlsError};
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// An answer is read so far, so that its connection can be used again; of a longer one it is closed.
const ANSWER_BYTES_MAX: usize = 64 << 10;

/// Why the endpoint cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The authority's file is of no use.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// No host name.
    #[error("the host is not valid")]
    Host,
    /// The token's file is of no use.
    #[error("{path} cannot be read, or holds no token", path = .0.display())]
    Token(PathBuf),
}

pub(super) struct UrlWitness {
    /// Host and port to connect to.
    target: (String, u16),
    /// As it stands in requests.
    host: HeaderValue,
    path: String,
    token: Option<HeaderValue>,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
    connection: Option<SendRequest<Full<Bytes>>>,
}

impl UrlWitness {
    pub(super) fn new(settings: &WitnessUrl, timeout: Duration) -> Result<Self, SetupError> {
        let uri = &settings.uri;
        let secure = uri.scheme_str() == Some("https");
        let name = uri.host().ok_or(SetupError::Host)?.trim_matches(['[', ']']).to_owned();
        let authority = uri.authority().ok_or(SetupError::Host)?.as_str();
        let tls = if secure {
            let config = tls::server_verified(settings.ca.as_deref())?;
            let server = ServerName::try_from(name.clone()).map_err(|_| SetupError::Host)?;
            Some((TlsConnector::from(Arc::new(config)), server))
        } else {
            None
        };
        Ok(Self {
            target: (name, uri.port_u16().unwrap_or(if secure { 443 } else { 80 })),
            host: HeaderValue::from_str(authority).map_err(|_| SetupError::Host)?,
            path: uri.path_and_query().map_or_else(|| "/".to_owned(), ToString::to_string),
            token: settings.token_file.as_ref().map(token).transpose()?,
            tls,
            timeout,
            connection: None,
        })
    }

    async fn within(&mut self, limit: Duration, line: &[u8]) -> Result<(), SendError> {
        if let Ok(posted) = tokio::time::timeout(limit, self.post(line)).await {
            return posted;
        }
        self.connection = None;
        Err(SendError::Silent(limit))
    }

    async fn post(&mut self, line: &[u8]) -> Result<(), SendError> {
        if let Some(kept) = self.connection.take().filter(|connection| !connection.is_closed()) {
            match self.post_on(kept, line).await {
                // The server has closed it meanwhile, which is its right. A seal that comes twice does no harm.
                Err(SendError::Http(_)) => {}
                posted => return posted,
            }
        }
        let new = self.connect().await?;
        self.post_on(new, line).await
    }

    async fn post_on(&mut self, mut connection: SendRequest<Full<Bytes>>, line: &[u8]) -> Result<(), SendError> {
        let mut request = http::Request::post(&self.path).header(HOST, &self.host);
        request = request.header(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, token);
        }
        let request = request.body(Full::new(Bytes::copy_from_slice(line)))?;
        connection.ready().await?;
        let response = connection.send_request(request).await?;
        let status = response.status();
        let whole = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await.is_ok();
        if !status.is_success() {
            return Err(SendError::Status(status.as_u16()));
        }
        self.connection = whole.then_some(connection);
        Ok(())
    }

    async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, SendError> {
        let (host, port) = &self.target;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(SendError::Connect)?;
        stream.set_nodelay(true).map_err(SendError::Connect)?;
        match &self.tls {
            Some((connector, name)) => {
                start(connector.connect(name.clone(), stream).await.map_err(SendError::Connect)?).await
            }
            None => start(stream).await,
        }
    }
}

impl Witness for UrlWitness {
    async fn take(&mut self, chunk: &Chunk) -> (u64, Result<(), SendError>) {
        let mut taken = 0;
        for (line, copy) in chunk.lines() {
            let limit = self.timeout;
            let posted = match copy {
                None => Ok(()),
                Some(_) => self.within(limit, line).await,
            };
            if posted.is_err() {
                return (taken, posted);
            }
            taken += line.len() as u64;
        }
        (taken, Ok(()))
    }
}

/// A bearer token from its file (RFC 6750).
fn token(path: &PathBuf) -> Result<HeaderValue, SetupError> {
    let wrong = || SetupError::Token(path.clone());
    let text = zeroize::Zeroizing::new(std::fs::read_to_string(path).map_err(|_| wrong())?);
    let bearer = zeroize::Zeroizing::new(format!("Bearer {}", text.trim()));
    let mut value = HeaderValue::from_str(&bearer).map_err(|_| wrong())?;
    if text.trim().is_empty() {
        return Err(wrong());
    }
    value.set_sensitive(true);
    Ok(value)
}

async fn start<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
) -> Result<SendRequest<Full<Bytes>>, SendError> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends when the sender is dropped.
    crate::task::spawn("witness connection", async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection to the witness ended");
        }
    });
    Ok(sender)
}
