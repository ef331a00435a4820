//! TLS of the sample registry: its own certificate, and the authority whose clients it lets in.
//!
//! HTTP/2 and HTTP/1.1 are offered, in this order; the client's choice is told in the handshake (ALPN).

use anyhow::Context as _;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::pem::{self, PemObject as _};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

/// Whether the registry speaks TLS, and with whom.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct TlsOptions {
    /// Speak TLS with this certificate chain (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// The key of that certificate (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Let in only clients with a certificate of this authority (PEM).
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub client_ca: Option<PathBuf>,
}

impl TlsOptions {
    /// What makes connections secure; none if the registry speaks without TLS.
    pub fn acceptor(&self) -> anyhow::Result<Option<TlsAcceptor>> {
        let (Some(certificate), Some(key_file)) = (&self.tls_cert, &self.tls_key) else { return Ok(None) };
        let chain = certificates("--tls-cert", certificate)?;
        let key = PrivateKeyDer::from_pem_file(key_file)
            .map_err(|error| unreadable("--tls-key", key_file, "a private key", error))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
        let builder = match &self.client_ca {
            None => builder?.with_no_client_auth(),
            Some(file) => {
                let mut roots = RootCertStore::empty();
                for root in certificates("--client-ca", file)? {
                    roots.add(root).with_context(|| {
                        format!("--client-ca {}: is no certificate of an authority; name another file", file.display())
                    })?;
                }
                let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
                builder?.with_client_cert_verifier(verifier)
            }
        };
        let mut config = builder.with_single_cert(chain, key).with_context(|| {
            format!(
                "--tls-cert {} and --tls-key {} do not fit together; name the key that this certificate was made for",
                certificate.display(),
                key_file.display()
            )
        })?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok(Some(TlsAcceptor::from(Arc::new(config))))
    }
}

fn certificates(option: &str, path: &Path) -> anyhow::Result<Vec<CertificateDer<'static>>> {
    let wrong = |error| unreadable(option, path, "a certificate", error);
    let list: Vec<_> = CertificateDer::pem_file_iter(path).map_err(wrong)?.collect::<Result<_, _>>().map_err(wrong)?;
    if list.is_empty() {
        return Err(wrong(pem::Error::NoItemsFound));
    }
    Ok(list)
}

/// Names the file, what is wrong with it, and what to do.
fn unreadable(option: &str, path: &Path, wanted: &str, error: pem::Error) -> anyhow::Error {
    let path = path.display();
    match error {
        pem::Error::Io(error) => {
            anyhow::anyhow!("{option} {path} cannot be read ({error}); name a PEM file that this user may read")
        }
        pem::Error::NoItemsFound => {
            anyhow::anyhow!("{option} {path} holds no {} in PEM; name a file with one", wanted.trim_start_matches("a "))
        }
        other => anyhow::anyhow!("{option} {path} is no PEM file with {wanted} ({other}); name one that is"),
    }
}
