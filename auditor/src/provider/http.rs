//! One question, one connection: bounded in time and size, TLS 1.3 and verified, no redirects.
//!
//! Logins are few. A connection that is kept would save a handshake and cost a task for each provider.

use super::{AskError, SetupError};
use crate::accounts::oidc::safe_url;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT};
use http::{Method, Request, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use serde_json::{Map, Value};
use std::path::Path;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// Longest answer: a set of keys with their certificates has some ten thousand bytes.
const ANSWER_BYTES_MAX: usize = 256 << 10;

/// What asks.
pub(super) struct Client {
    tls: TlsConnector,
    within: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Client({:?})", self.within)
    }
}

/// An answer's body. It may hold tokens: wiped when dropped.
pub(super) struct Page(Zeroizing<Vec<u8>>);

impl Page {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// The JSON object that it is.
    pub(super) fn object(&self) -> Option<Map<String, Value>> {
        serde_json::from_slice(&self.0).ok()
    }
}

impl Client {
    /// Believes the authorities of a file, or the public ones.
    pub(super) fn new(ca: Option<&Path>, within: Duration) -> Result<Self, SetupError> {
        let roots = match ca {
            Some(ca) => authorities(ca).ok_or_else(|| SetupError::Authorities(ca.to_owned()))?,
            None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
        };
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: TlsConnector::from(Arc::new(config)), within })
    }

    /// Asks for a page.
    pub(super) async fn get(&self, url: &str, authorization: Option<&str>) -> Result<Page, AskError> {
        self.ask(Method::GET, url, Bytes::new(), authorization).await
    }

    /// Sends a form.
    pub(super) async fn post(
        &self,
        url: &str,
        form: Zeroizing<String>,
        authorization: Option<&str>,
    ) -> Result<Page, AskError> {
        self.ask(Method::POST, url, Bytes::copy_from_slice(form.as_bytes()), authorization).await
    }

    async fn ask(&self, method: Method, url: &str, body: Bytes, authorization: Option<&str>) -> Result<Page, AskError> {
        let url = safe_url(url).ok_or(AskError::Form)?;
        let request = request(method, &url, body, authorization).ok_or(AskError::Form)?;
        tokio::time::timeout(self.within, self.exchange(&url, request)).await.unwrap_or(Err(AskError::Silent))
    }

    async fn exchange(&self, url: &Uri, request: Request<Full<Bytes>>) -> Result<Page, AskError> {
        let secure = url.scheme_str() == Some("https");
        let host = url.host().unwrap_or_default().trim_matches(['[', ']']);
        let port = url.port_u16().unwrap_or(if secure { 443 } else { 80 });
        let stream = TcpStream::connect((host, port)).await.map_err(AskError::Connect)?;
        stream.set_nodelay(true).map_err(AskError::Connect)?;
        if !secure {
            return over(stream, request).await;
        }
        let name = ServerName::try_from(host.to_owned()).map_err(|_| AskError::Form)?;
        over(self.tls.connect(name, stream).await.map_err(AskError::Connect)?, request).await
    }
}

fn request(method: Method, url: &Uri, body: Bytes, authorization: Option<&str>) -> Option<Request<Full<Bytes>>> {
    let form = method == Method::POST;
    let path = url.path_and_query().map_or("/", |path| path.as_str());
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(HOST, url.authority()?.as_str())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, "grindvakt-auditor");
    if form {
        request = request.header(CONTENT_TYPE, "application/x-www-form-urlencoded");
    }
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::from_str(authorization).ok()?;
        value.set_sensitive(true);
        request = request.header(AUTHORIZATION, value);
    }
    request.body(Full::new(body)).ok()
}

async fn over<S>(stream: S, request: Request<Full<Bytes>>) -> Result<Page, AskError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let answered = async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if status != StatusCode::OK {
            return Err(AskError::Status(status.as_u16()));
        }
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(Page(Zeroizing::new(body.map_err(|_| AskError::Length)?.to_bytes().to_vec())))
    };
    let mut answered = pin!(answered);
    tokio::select! {
        biased;
        page = &mut answered => page,
        // The connection's end is the answer's, or comes after it: what has arrived is read to its end.
        _ended = connection => answered.as_mut().await,
    }
}

fn authorities(file: &Path) -> Option<RootCertStore> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(file).ok()? {
        roots.add(certificate.ok()?).ok()?;
    }
    (!roots.is_empty()).then_some(roots)
}
