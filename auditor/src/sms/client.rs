//! The provider's interface: one POST for a message.
//!
//! A connection for each; each try has a bound on its time, and its answer on its size. TLS is verified, against the public
//! authorities or against one that is named. Nothing of an answer is logged but its status, and nothing of a message at all.

use crate::config::Sms;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use contract::id::MessageId;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use rustls::RootCertStore;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use zeroize::Zeroizing;

/// An answer is a few lines of JSON.
const ANSWER_BYTES_MAX: usize = 64 << 10;
/// A provider's id is kept if it is no longer.
pub(super) const ID_BYTES_MAX: usize = 100;

/// Why the provider cannot be asked at all.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The address has no host.
    #[error("[sms] url has no host")]
    Host,
    /// The authority's file is of no use.
    #[error("[sms] ca_file holds no certificate that can be used: {0}")]
    Ca(String),
    /// TLS.
    #[error("TLS to the provider of text messages cannot be set up")]
    Tls(#[from] rustls::Error),
}

/// Why a message was not taken, or why that is not known.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// No connection.
    #[error("the provider of text messages cannot be reached")]
    Connect(#[source] std::io::Error),
    /// The connection broke: it may have been taken.
    #[error("the connection to the provider of text messages broke")]
    Http(#[from] hyper::Error),
    /// A request that cannot be written.
    #[error("the request cannot be written")]
    Request(#[from] http::Error),
    /// No answer in time: it may have been taken.
    #[error("the provider of text messages has not answered within {0:?}")]
    Silent(Duration),
    /// Another answer than «taken».
    #[error("the provider of text messages answered {0}")]
    Status(u16),
}

impl SendError {
    /// Whether it is the message that is wrong, so that trying again is of no use.
    pub fn is_final(&self) -> bool {
        matches!(self, Self::Status(400 | 422))
    }
}

/// The provider.
pub struct Client {
    target: (String, u16),
    host: HeaderValue,
    path: String,
    authorization: HeaderValue,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    from: String,
    /// Where it tells what became of a message, up to the message's id.
    callback: Option<Zeroizing<String>>,
    timeout: Duration,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("target", &self.target).finish_non_exhaustive()
    }
}

impl Client {
    /// Of the settings.
    pub fn new(settings: &Sms) -> Result<Self, SetupError> {
        let uri = &settings.url;
        let secure = uri.scheme_str() == Some("https");
        let name = uri.host().ok_or(SetupError::Host)?.trim_matches(['[', ']']).to_owned();
        let authority = uri.authority().ok_or(SetupError::Host)?.as_str();
        let tls = if secure {
            let server = ServerName::try_from(name.clone()).map_err(|_| SetupError::Host)?;
            Some((TlsConnector::from(Arc::new(verified(settings)?)), server))
        } else {
            None
        };
        let user = Zeroizing::new(format!("{}:{}", settings.user, *settings.password));
        let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(user.as_bytes())));
        let mut authorization = HeaderValue::from_str(&basic).map_err(|_| SetupError::Host)?;
        authorization.set_sensitive(true);
        let callback = settings.callback.as_ref().map(|callback| {
            let (user, password) = (&callback.user, &callback.password);
            Zeroizing::new(format!("https://{user}:{}@{}{}", **password, callback.place, super::callback::PATH))
        });
        Ok(Self {
            target: (name, uri.port_u16().unwrap_or(if secure { 443 } else { 80 })),
            host: HeaderValue::from_str(authority).map_err(|_| SetupError::Host)?,
            path: uri.path().to_owned(),
            authorization,
            tls,
            from: settings.from.clone(),
            callback,
            timeout: settings.timeout,
        })
    }

    /// Sends a message. The provider's id for it, if the answer tells one.
    pub async fn send(&self, id: MessageId, to: &str, text: &str) -> Result<Option<String>, SendError> {
        let sent = tokio::time::timeout(self.timeout, self.post(self.form(id, to, text)));
        sent.await.unwrap_or(Err(SendError::Silent(self.timeout)))
    }

    fn form(&self, id: MessageId, to: &str, text: &str) -> Bytes {
        let callback = self.callback.as_ref().map(|start| Zeroizing::new(format!("{}{id}", **start)));
        let mut form = Zeroizing::new(String::new());
        let mut add = |name: &str, value: &str| {
            let separator = if form.is_empty() { "" } else { "&" };
            form.push_str(separator);
            form.push_str(name);
            form.push('=');
            form.extend(utf8_percent_encode(value, NON_ALPHANUMERIC));
        };
        add("from", &self.from);
        add("to", to);
        add("message", text);
        // The provider keeps no copy of the words.
        add("dontlog", "message");
        if let Some(callback) = &callback {
            add("whendelivered", callback);
        }
        Bytes::copy_from_slice(form.as_bytes())
    }

    async fn post(&self, form: Bytes) -> Result<Option<String>, SendError> {
        let request = http::Request::post(&self.path)
            .header(HOST, &self.host)
            .header(AUTHORIZATION, &self.authorization)
            .header(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"))
            .body(Full::new(form))?;
        let (host, port) = &self.target;
        let stream = TcpStream::connect((host.as_str(), *port)).await.map_err(SendError::Connect)?;
        stream.set_nodelay(true).map_err(SendError::Connect)?;
        match &self.tls {
            Some((connector, name)) => {
                exchange(connector.connect(name.clone(), stream).await.map_err(SendError::Connect)?, request).await
            }
            None => exchange(stream, request).await,
        }
    }
}

async fn exchange<S>(stream: S, request: http::Request<Full<Bytes>>) -> Result<Option<String>, SendError>
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await?;
    let mut asked = pin!(async move {
        let response = sender.send_request(request).await?;
        let status = response.status();
        if !status.is_success() {
            return Err(SendError::Status(status.as_u16()));
        }
        // It is taken, whatever the rest of the answer is.
        let body = Limited::new(response.into_body(), ANSWER_BYTES_MAX).collect().await;
        Ok(body.ok().and_then(|body| {
            let told: serde_json::Value = serde_json::from_slice(&body.to_bytes()).ok()?;
            told.get("id")?.as_str().filter(|id| id.len() <= ID_BYTES_MAX).map(str::to_owned)
        }))
    });
    tokio::select! {
        answer = &mut asked => answer,
        // The connection may end when all of the answer is here.
        _ = connection => asked.await,
    }
}

fn verified(settings: &Sms) -> Result<rustls::ClientConfig, SetupError> {
    let mut roots = RootCertStore::empty();
    match &settings.ca {
        Some(file) => {
            let wrong = |error: &dyn std::fmt::Display| SetupError::Ca(error.to_string());
            for cert in CertificateDer::pem_file_iter(file).map_err(|error| wrong(&error))? {
                roots.add(cert.map_err(|error| wrong(&error))?)?;
            }
        }
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}
