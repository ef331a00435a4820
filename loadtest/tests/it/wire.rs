//! Bytes over TLS as no proper client sends them, from a client address of their own: what the gateway records of a
//! connection is found by that address, whatever else goes on.

use http::{HeaderMap, Request};
use hyper_util::rt::{TokioExecutor, TokioIo};
use loadtest::client::{Body, Target};
use rustls::{AlertDescription, ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

/// How long an answer may take.
const LIMIT: Duration = Duration::from_secs(20);

/// An address of this machine's that no other caller was given.
pub(crate) fn address() -> Ipv4Addr {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    Ipv4Addr::new(127, 77, high, low)
}

/// How ClickHouse shows such an address.
pub(crate) fn shown(address: Ipv4Addr) -> String {
    format!("::ffff:{address}")
}

/// TLS settings with a client certificate from PEM files, or without one.
pub(crate) fn settings(authority: &Path, pair: Option<(&Path, &Path)>) -> ClientConfig {
    let pair = pair.map(|(chain, key)| {
        let chain = CertificateDer::pem_file_iter(chain).unwrap().collect::<Result<Vec<_>, _>>().unwrap();
        (chain, PrivateKeyDer::from_pem_file(key).unwrap())
    });
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(authority).unwrap() {
        roots.add(root.unwrap()).unwrap();
    }
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS13])
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match pair {
        Some((chain, key)) => builder.with_client_auth_cert(chain, key).unwrap(),
        None => builder.with_no_client_auth(),
    };
    // Each connection shows its certificate anew.
    config.resumption = rustls::client::Resumption::disabled();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// A TCP connection from an address.
pub(crate) async fn tcp(target: &Target, from: Ipv4Addr) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((from, 0).into())?;
    let stream = socket.connect(target.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

/// A TLS connection. Under TLS 1.3 the client's part of a handshake is over before the server has judged its
/// certificate: a refusal shows at the first read.
pub(crate) struct Wire(TlsStream<TcpStream>);

/// An answer as it came.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The head, lower case.
    pub(crate) head: String,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    /// The value of a header.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
    }
}

impl Wire {
    /// Connects from an address of one's own.
    pub(crate) async fn open(target: &Target, config: &Arc<ClientConfig>, from: Ipv4Addr) -> io::Result<Self> {
        let name = ServerName::try_from(target.host.clone()).unwrap();
        let connect = async { TlsConnector::from(Arc::clone(config)).connect(name, tcp(target, from).await?).await };
        tokio::time::timeout(LIMIT, connect).await.map_err(|_| io::ErrorKind::TimedOut)?.map(Self)
    }

    /// Writes bytes.
    pub(crate) async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.write_all(bytes).await?;
        self.0.flush().await
    }

    /// Reads one answer: a head, and as much body as it says.
    pub(crate) async fn answer(&mut self) -> io::Result<Answer> {
        tokio::time::timeout(LIMIT, self.read_answer()).await.map_err(|_| io::ErrorKind::TimedOut)?
    }

    async fn read_answer(&mut self) -> io::Result<Answer> {
        let mut bytes = Vec::new();
        let end = loop {
            if let Some(end) = find(&bytes, b"\r\n\r\n") {
                break end + 4;
            }
            if self.0.read_buf(&mut bytes).await? == 0 {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("after {} bytes", bytes.len())));
            }
        };
        let mut body = bytes.split_off(end);
        let head = String::from_utf8(bytes).unwrap().to_ascii_lowercase();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let mut answer = Answer { status, head, body: Vec::new() };
        let length = answer.header("content-length").map_or(0, |length| length.parse::<usize>().unwrap());
        while body.len() < length {
            if self.0.read_buf(&mut body).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        answer.body = body;
        Ok(answer)
    }

    /// Reads what comes next; 0 when the other end has closed.
    pub(crate) async fn more(&mut self, bytes: &mut Vec<u8>) -> io::Result<usize> {
        match tokio::time::timeout(LIMIT, self.0.read_buf(bytes)).await {
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
            Ok(Err(error)) if is_close(&error) => Ok(0),
            Ok(read) => read,
        }
    }

    /// Says that nothing more will be written.
    pub(crate) async fn ends(&mut self) {
        let _ = self.0.shutdown().await;
    }

    /// Reads until the other end closes, and gives what came.
    pub(crate) async fn rest(&mut self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match tokio::time::timeout(LIMIT, self.0.read_to_end(&mut bytes)).await {
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
            Ok(Err(error)) if is_close(&error) => Ok(bytes),
            Ok(Err(error)) => Err(error),
            Ok(Ok(_)) => Ok(bytes),
        }
    }
}

/// Closed without TLS' own good-bye: closed all the same.
fn is_close(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset)
}

/// Connects and asks for something; the alert with which the handshake is refused, if it is.
pub(crate) async fn refusal(target: &Target, config: &Arc<ClientConfig>, from: Ipv4Addr) -> Option<AlertDescription> {
    let exchange = async {
        let mut wire = Wire::open(target, config, from).await?;
        // The refusal may come before all is written.
        let _ = wire
            .write(format!("GET /static/style.css HTTP/1.1\r\nHost: {}\r\n\r\n", target.authority()).as_bytes())
            .await;
        wire.answer().await
    };
    match exchange.await.err()?.get_ref()?.downcast_ref::<rustls::Error>()? {
        rustls::Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// One HTTP/2 request, whose `:authority` is the target's; the answer's status and headers.
pub(crate) async fn http2(
    target: &Target,
    config: &Arc<ClientConfig>,
    from: Ipv4Addr,
    mut request: Request<Body>,
) -> (u16, HeaderMap) {
    let mut config = ClientConfig::clone(config);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let wire = Wire::open(target, &Arc::new(config), from).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(wire.0)).await.unwrap();
    let mut driver = JoinSet::new();
    driver.spawn(connection);
    *request.uri_mut() = target.url(&request.uri().to_string()).parse().unwrap();
    let answer = tokio::time::timeout(LIMIT, sender.send_request(request)).await.unwrap().unwrap();
    (answer.status().as_u16(), answer.headers().clone())
}

fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|window| window == wanted)
}
