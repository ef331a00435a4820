//! An HTTP client as an enrolled device is one: TLS 1.3 with the device's certificate, HTTP/1.1 or HTTP/2, WebSocket.
//!
//! It connects to loopback addresses only.

pub mod coding;
mod ended;
pub mod login;
pub mod plain;
pub mod socket;
pub mod totp;

use bytes::Bytes;
use ended::unless_ended;
use http::{Request, Response};
use http_body_util::BodyExt as _;
use http_body_util::combinators::BoxBody;
use hyper::body::Incoming;
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// A request's body.
pub type Body = BoxBody<Bytes, std::io::Error>;

/// Why a request got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// A certificate or key file cannot be used.
    #[error("{}", .path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// The TLS settings do not fit together.
    #[error("the device's certificate and key cannot be used")]
    Tls(#[from] rustls::Error),
    /// The address is not on this machine: load never goes elsewhere.
    #[error("{0} is not a loopback address")]
    NotLoopback(SocketAddr),
    /// No connection.
    #[error("the connection failed")]
    Connect(#[source] std::io::Error),
    /// The connection broke, or the peer broke HTTP's rules.
    #[error("the exchange broke off")]
    Http(#[from] hyper::Error),
    /// The connection ended, and no answer had come.
    #[error("the connection ended before the answer")]
    Ended,
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// The peer's answer is not what was expected.
    #[error("{0}")]
    Answer(String),
}

/// HTTP version of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1 with keep-alive.
    Http1,
    /// HTTP/2.
    Http2,
}

/// A device: its certificate, and the authority whose servers it trusts.
#[derive(Clone)]
pub struct Device {
    http1: Arc<ClientConfig>,
    http2: Arc<ClientConfig>,
}

impl Device {
    /// Reads PEM files: the device's certificate chain and key, and the server's authority.
    pub fn load(certificate: &Path, key: &Path, authority: &Path) -> Result<Self, ClientError> {
        let chain = certificates(certificate)?;
        let key =
            PrivateKeyDer::from_pem_file(key).map_err(|source| ClientError::File { path: key.to_owned(), source })?;
        let mut roots = RootCertStore::empty();
        for root in certificates(authority)? {
            roots.add(root)?;
        }
        let config = |protocol: &[u8]| -> Result<Arc<ClientConfig>, ClientError> {
            let mut config =
                ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
                    .with_protocol_versions(&[&rustls::version::TLS13])?
                    .with_root_certificates(roots.clone())
                    .with_client_auth_cert(chain.clone(), key.clone_key())?;
            config.alpn_protocols = vec![protocol.to_vec()];
            Ok(Arc::new(config))
        };
        Ok(Self { http1: config(b"http/1.1")?, http2: config(b"h2")? })
    }

    fn config(&self, protocol: Protocol) -> Arc<ClientConfig> {
        match protocol {
            Protocol::Http1 => Arc::clone(&self.http1),
            Protocol::Http2 => Arc::clone(&self.http2),
        }
    }
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, ClientError> {
    let file = |source| ClientError::File { path: path.to_owned(), source };
    let list: Result<Vec<_>, _> = CertificateDer::pem_file_iter(path).map_err(file)?.collect();
    match list {
        Ok(list) if list.is_empty() => Err(file(rustls_pki_types::pem::Error::NoItemsFound)),
        other => other.map_err(file),
    }
}

/// Where the gateway is, and by which host name it is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its address.
    pub address: SocketAddr,
    /// The host name: TLS server name and Host.
    pub host: String,
}

impl Target {
    /// `host:port`, as it stands in Host and in URLs.
    pub fn authority(&self) -> String {
        format!("{}:{}", self.host, self.address.port())
    }

    /// The URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("https://{}{path}", self.authority())
    }
}

/// Opens a TLS connection.
pub async fn connect_tls(
    target: &Target,
    device: &Device,
    protocol: Protocol,
) -> Result<TlsStream<TcpStream>, ClientError> {
    if !target.address.ip().is_loopback() {
        return Err(ClientError::NotLoopback(target.address));
    }
    let name = ServerName::try_from(target.host.clone())
        .map_err(|_| ClientError::Answer("the host is no server name".to_owned()))?;
    let connect = async {
        let stream = TcpStream::connect(target.address).await?;
        stream.set_nodelay(true)?;
        TlsConnector::from(device.config(protocol)).connect(name, stream).await
    };
    match tokio::time::timeout(CONNECT_TIMEOUT, connect).await {
        Ok(stream) => stream.map_err(ClientError::Connect),
        Err(_) => Err(ClientError::Timeout(CONNECT_TIMEOUT)),
    }
}

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

enum Sender {
    Http1(http1::SendRequest<Body>),
    Http2(http2::SendRequest<Body>),
}

/// An open connection; dropping it closes it at once, whatever is under way.
pub struct Connection {
    sender: Sender,
    authority: String,
    driver: JoinSet<()>,
}

impl Connection {
    /// Connects and makes the HTTP preface.
    pub async fn open(target: &Target, device: &Device, protocol: Protocol) -> Result<Self, ClientError> {
        let stream = TokioIo::new(connect_tls(target, device, protocol).await?);
        let mut driver = JoinSet::new();
        let sender = match protocol {
            Protocol::Http1 => {
                let (sender, connection) = http1::handshake(stream).await?;
                driver.spawn(async move {
                    let _ = connection.await;
                });
                Sender::Http1(sender)
            }
            Protocol::Http2 => {
                let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
                driver.spawn(async move {
                    let _ = connection.await;
                });
                Sender::Http2(sender)
            }
        };
        Ok(Self { sender, authority: target.authority(), driver })
    }

    /// Sends a request made by [`request`]; the answer's body is still to be read.
    pub async fn send(
        &mut self,
        mut request: Request<Body>,
        timeout: Duration,
    ) -> Result<Response<Incoming>, ClientError> {
        let answer = async {
            match &mut self.sender {
                Sender::Http1(sender) => {
                    sender.ready().await?;
                    if let Ok(host) = http::HeaderValue::from_str(&self.authority) {
                        request.headers_mut().insert(http::header::HOST, host);
                    }
                    unless_ended(&mut self.driver, async { Ok(sender.send_request(request).await?) }).await
                }
                Sender::Http2(sender) => {
                    sender.ready().await?;
                    let path = request.uri().path_and_query().cloned();
                    let whole = http::Uri::builder().scheme("https").authority(self.authority.as_str());
                    if let (Some(path), uri) = (path, whole)
                        && let Ok(uri) = uri.path_and_query(path).build()
                    {
                        *request.uri_mut() = uri;
                    }
                    Ok(sender.send_request(request).await?)
                }
            }
        };
        match tokio::time::timeout(timeout, answer).await {
            Ok(answer) => answer,
            Err(_) => Err(ClientError::Timeout(timeout)),
        }
    }

    /// Whether the peer closed it.
    pub fn is_closed(&self) -> bool {
        match &self.sender {
            Sender::Http1(sender) => sender.is_closed(),
            Sender::Http2(sender) => sender.is_closed(),
        }
    }
}

/// An empty body.
pub fn empty() -> Body {
    http_body_util::Empty::new().map_err(|never| match never {}).boxed()
}

/// A body of these bytes.
pub fn full(bytes: impl Into<Bytes>) -> Body {
    http_body_util::Full::new(bytes.into()).map_err(|never| match never {}).boxed()
}

/// Reads a whole answer, up to `limit` bytes.
pub async fn read_all(response: Response<Incoming>, limit: usize) -> Result<Bytes, ClientError> {
    match http_body_util::Limited::new(response.into_body(), limit).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => Err(ClientError::Answer(format!("the answer's body: {error}"))),
    }
}
