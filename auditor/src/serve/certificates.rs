//! Certificates of the listeners that have some: read at the start, and again when their files change.

use super::ServeError;
use crate::config::{CardFiles, InternalTls, Revocation, ServerFiles};
use crate::net::card_tls;
use arc_swap::ArcSwap;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Reads certificates.
type Read = Box<dyn Fn() -> Result<Arc<rustls::ServerConfig>, ServeError> + Send + Sync>;

/// A listener's certificates: read again when their files change.
pub(super) struct Watched {
    what: &'static str,
    files: Vec<PathBuf>,
    read: Read,
    used: Arc<ArcSwap<rustls::ServerConfig>>,
    seen: Vec<Option<SystemTime>>,
}

impl Watched {
    /// Of the internal listener.
    pub(super) fn internal(files: InternalTls, used: Arc<ArcSwap<rustls::ServerConfig>>) -> Self {
        let paths = vec![files.cert.clone(), files.key.clone(), files.client_ca.clone()];
        Self::new("the internal listener", paths, Box::new(move || internal_tls(&files)), used)
    }

    /// Of a listener that asks for no certificate.
    pub(super) fn server(what: &'static str, files: ServerFiles, used: Arc<ArcSwap<rustls::ServerConfig>>) -> Self {
        let paths = vec![files.cert.clone(), files.key.clone()];
        let read = Box::new(move || server_tls(&files.cert, &files.key));
        Self::new(what, paths, read, used)
    }

    /// Of the listener that cards are shown to: with its authorities and their revocation lists.
    pub(super) fn cards(files: CardFiles, used: Arc<ArcSwap<rustls::ServerConfig>>) -> Self {
        let mut paths = vec![files.server.cert.clone(), files.server.key.clone(), files.authorities.clone()];
        if let Revocation::Lists(lists) = &files.revocation {
            paths.extend(lists.iter().cloned());
        }
        Self::new("the listener for SITHS cards", paths, Box::new(move || Ok(card_tls(&files)?)), used)
    }

    fn new(what: &'static str, files: Vec<PathBuf>, read: Read, used: Arc<ArcSwap<rustls::ServerConfig>>) -> Self {
        let seen = stamps(&files);
        Self { what, files, read, used, seen }
    }

    /// Looks whether they have changed.
    pub(super) fn look(&mut self) {
        let now = stamps(&self.files);
        if now == self.seen {
            return;
        }
        match (self.read)() {
            Ok(new) => {
                self.used.store(new);
                self.seen = now;
                tracing::info!("the certificates of {} were read again", self.what);
            }
            Err(error) => tracing::warn!(%error, "the old certificates of {} stay in use", self.what),
        }
    }
}

fn stamps(files: &[PathBuf]) -> Vec<Option<SystemTime>> {
    files.iter().map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok()).collect()
}

/// TLS 1.3 for who has no client certificate.
pub(super) fn server_tls(cert: &Path, key: &Path) -> Result<Arc<rustls::ServerConfig>, ServeError> {
    let failed = |file: &Path, error: &dyn std::fmt::Display| ServeError::Tls(format!("{}: {error}", file.display()));
    let chain = CertificateDer::pem_file_iter(cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(cert, &error))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key, &error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, private))
        .map_err(|error| failed(cert, &error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}

/// TLS 1.3 with a client certificate of the internal authority.
pub(super) fn internal_tls(files: &InternalTls) -> Result<Arc<rustls::ServerConfig>, ServeError> {
    let failed = |file: &Path, error: &dyn std::fmt::Display| ServeError::Tls(format!("{}: {error}", file.display()));
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(&files.cert, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, &error))?;
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(&files.client_ca).map_err(|error| failed(&files.client_ca, &error))? {
        let cert = cert.map_err(|error| failed(&files.client_ca, &error))?;
        roots.add(cert).map_err(|error| failed(&files.client_ca, &error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| failed(&files.client_ca, &error))?;
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(&files.cert, &error))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.cert, &error))?;
    Ok(Arc::new(config))
}
