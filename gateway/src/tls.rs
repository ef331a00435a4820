//! TLS: one provider without TLS 1.2, certificates and keys from files, who may connect.

mod ends;
mod verifier;

pub use ends::{EndError, first_end};
pub use verifier::{Refused, Verifier, noting};

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Why TLS could not be set up: each names the file.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A PEM file could not be read.
    #[error("{path} has no certificate or key that can be read")]
    Pem {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls_pki_types::pem::Error,
    },
    /// A certificate authority is not acceptable.
    #[error("{path} holds no acceptable certificate authority")]
    Authority {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// Certificate and key do not go together.
    #[error("{certificate} and {key} cannot be used together")]
    Pair {
        /// The certificate.
        certificate: PathBuf,
        /// The key.
        key: PathBuf,
        /// Why.
        #[source]
        source: rustls::Error,
    },
    /// The client authorities cannot be used.
    #[error("the client authorities cannot be used")]
    Verifier(#[from] rustls::server::VerifierBuilderError),
    /// TLS 1.3 is not to be had.
    #[error("TLS 1.3 cannot be set up")]
    Version(#[source] rustls::Error),
}

/// The provider: AWS-LC, TLS 1.3 suites only (RFC 8446).
pub fn provider() -> Arc<CryptoProvider> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    Arc::new(provider)
}

/// Makes [`provider`] the process' own. To be called first of all in `main`: pingora installs another otherwise.
pub fn install_provider() {
    // An error says that one is installed already: by a test that ran before in this process.
    let _installed = CryptoProvider::install_default(Arc::unwrap_or_clone(provider()));
}

/// The settings of the listener: TLS 1.3, a client certificate that `verifier` accepts, HTTP/2 and HTTP/1.1.
pub fn server_config(certificate: &Path, key: &Path, verifier: Arc<Verifier>) -> Result<ServerConfig, TlsError> {
    let pair = |source| TlsError::Pair { certificate: certificate.into(), key: key.into(), source };
    let mut config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Version)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(certificates(certificate)?, private_key(key)?)
        .map_err(pair)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    // Early data could be replayed: a replayed read would be one more record of an access that nobody made.
    config.max_early_data_size = 0;
    Ok(config)
}

/// The settings towards a server that is verified against one authority, with a certificate of our own.
pub fn client_config(ca: &Path, certificate: &Path, key: &Path) -> Result<ClientConfig, TlsError> {
    let pair = |source| TlsError::Pair { certificate: certificate.into(), key: key.into(), source };
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Version)?
        .with_root_certificates(roots(&[ca])?)
        .with_client_auth_cert(certificates(certificate)?, private_key(key)?)
        .map_err(pair)
}

/// The settings towards a server that is verified against the public authorities, or against one that is named, and that asks
/// for no certificate of ours. HTTP/1.1.
pub fn server_verified(ca: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let roots = match ca {
        Some(ca) => roots(&[ca])?,
        None => RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() },
    };
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(TlsError::Version)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// What checks client certificates: chain to one of the authorities, valid now, for client authentication.
pub fn client_verifier(
    authorities: &[PathBuf],
) -> Result<Arc<dyn rustls::server::danger::ClientCertVerifier>, TlsError> {
    let paths: Vec<&Path> = authorities.iter().map(PathBuf::as_path).collect();
    let roots = Arc::new(roots(&paths)?);
    Ok(WebPkiClientVerifier::builder_with_provider(roots, provider()).build()?)
}

fn roots(paths: &[&Path]) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for path in paths {
        for certificate in certificates(path)? {
            roots.add(certificate).map_err(|source| TlsError::Authority { path: path.into(), source })?;
        }
    }
    Ok(roots)
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let pem = |source| TlsError::Pem { path: path.into(), source };
    let chain: Vec<_> = CertificateDer::pem_file_iter(path).map_err(pem)?.collect::<Result<_, _>>().map_err(pem)?;
    if chain.is_empty() { Err(pem(rustls_pki_types::pem::Error::NoItemsFound)) } else { Ok(chain) }
}

fn private_key(path: &Path) -> Result<PrivateKeyDer<'static>, TlsError> {
    PrivateKeyDer::from_pem_file(path).map_err(|source| TlsError::Pem { path: path.into(), source })
}
