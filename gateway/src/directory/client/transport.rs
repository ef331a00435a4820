//! How bytes reach the auditor: a Unix socket on one machine, mutual TLS else.

use crate::config::InternalAddress;
use crate::tls;
use bytes::Bytes;
use http_body_util::Full;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use rustls_pki_types::ServerName;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpStream, UnixStream};

const CONNECT_MAX: Duration = Duration::from_secs(3);

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum TransportError {
    /// The socket could not be connected.
    #[error("cannot connect")]
    Connect(#[from] io::Error),
    /// HTTP could not be started.
    #[error("cannot start HTTP")]
    Http(#[from] hyper::Error),
    /// A certificate or key file is of no use.
    #[error("cannot set up TLS")]
    Tls(#[from] tls::TlsError),
    /// The host name in the settings is none.
    #[error("the host name is not valid")]
    Host,
    /// No connection in time.
    #[error("no connection in time")]
    Silent,
    /// The settings name no auditor.
    #[error("there is no auditor's address")]
    Nowhere,
}

/// A way to the auditor's internal interface.
pub enum Transport {
    /// Over a Unix socket.
    Unix(PathBuf),
    /// Over mutual TLS.
    Tls {
        /// Host and port.
        authority: String,
        /// The name that the certificate must have.
        name: ServerName<'static>,
        /// The settings of TLS.
        connector: tokio_rustls::TlsConnector,
    },
}

impl Transport {
    /// Prepares the way; reads certificates.
    pub fn new(address: &InternalAddress) -> Result<Self, TransportError> {
        Ok(match address {
            InternalAddress::Unix(path) => Self::Unix(path.clone()),
            InternalAddress::Tls { authority, host, ca, certificate, key } => Self::Tls {
                authority: authority.clone(),
                name: ServerName::try_from(host.clone()).map_err(|_| TransportError::Host)?,
                connector: tokio_rustls::TlsConnector::from(Arc::new(tls::client_config(ca, certificate, key)?)),
            },
        })
    }

    /// A new connection that speaks HTTP/1.1.
    pub async fn connect(&self) -> Result<SendRequest<Full<Bytes>>, TransportError> {
        tokio::time::timeout(CONNECT_MAX, async {
            match self {
                Self::Unix(path) => start(UnixStream::connect(path).await?).await,
                Self::Tls { authority, name, connector } => {
                    let stream = TcpStream::connect(authority).await?;
                    stream.set_nodelay(true)?;
                    start(connector.connect(name.clone(), stream).await?).await
                }
            }
        })
        .await
        .map_err(|_| TransportError::Silent)?
    }

    /// The start of a request to the auditor.
    pub fn request(&self, method: &str, path: &str) -> http::request::Builder {
        let host = match self {
            Self::Unix(_) => "localhost",
            Self::Tls { authority, .. } => authority,
        };
        http::Request::builder().method(method).uri(path).header("host", host)
    }
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
            Self::Tls { authority, .. } => write!(f, "https://{authority}"),
        }
    }
}

async fn start<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(
    stream: S,
) -> Result<SendRequest<Full<Bytes>>, TransportError> {
    let (sender, connection) = handshake(TokioIo::new(stream)).await?;
    // It ends with the exchange, or when the sender is dropped.
    crate::task::spawn("auditor connection", async move {
        if let Err(error) = connection.await {
            tracing::debug!(error = &error as &dyn std::error::Error, "a connection to the auditor ended");
        }
    });
    Ok(sender)
}
