//! TLS of the listener that browsers show SITHS cards to: a certificate of the cards' authorities, or no connection.
//!
//! - TLS 1.2 is there besides 1.3, which no other listener has: older card readers' programs cannot sign as 1.3 asks for
//!   (RSA-PSS), and a card is of use only where its key signs the handshake.
//! - Each authority of the file is trusted itself, so that a browser need not send the ones between, and so that the file
//!   decides whose cards are let in. Browsers are told their names and offer their users no other certificates.
//! - Nothing is resumed: TLS does not look at a certificate again then, and a card may have been taken out or revoked.

use crate::config::{CardFiles, Revocation};
use rustls::RootCertStore;
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, PrivateKeyDer};
use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A file of the listener for cards cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("{file}: {why}")]
pub struct CardTlsError {
    file: String,
    why: String,
}

fn failed(file: &Path) -> impl Fn(&dyn Display) -> CardTlsError {
    move |why| CardTlsError { file: file.display().to_string(), why: why.to_string() }
}

/// Reads the files.
pub fn card_tls(files: &CardFiles) -> Result<Arc<rustls::ServerConfig>, CardTlsError> {
    let (cert, key) = (&files.server.cert, &files.server.key);
    let chain = certificates(cert)?;
    let key = PrivateKeyDer::from_pem_file(key).map_err(|error| failed(key)(&error))?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let roots = Arc::new(authorities(&files.authorities)?);
    let clients = WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
    let clients = match &files.revocation {
        Revocation::None => clients,
        Revocation::Lists(paths) => {
            let lists = lists(paths)?;
            // Without a list the library would look at none, and let in everybody.
            if lists.is_empty() {
                return Err(failed(&files.authorities)(&"there is no revocation list"));
            }
            clients.with_crls(lists).enforce_revocation_expiration()
        }
    };
    let clients = clients.build().map_err(|error| failed(&files.authorities)(&error))?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .and_then(|builder| builder.with_client_cert_verifier(clients).with_single_cert(chain, key))
        .map_err(|error| failed(cert)(&error))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>, CardTlsError> {
    let read = CertificateDer::pem_file_iter(file).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    read.map_err(|error| failed(file)(&error))
}

/// The authorities that have not ended: TLS does not look at the times of those that it trusts.
fn authorities(file: &Path) -> Result<RootCertStore, CardTlsError> {
    let failed = failed(file);
    let mut roots = RootCertStore::empty();
    for der in certificates(file)? {
        let (_, certificate) = X509Certificate::from_der(&der).map_err(|error| failed(&error))?;
        if !certificate.is_ca() {
            return Err(failed(&"a certificate in it is of no authority"));
        }
        if certificate.validity().is_valid() {
            roots.add(der.clone()).map_err(|error| failed(&error))?;
        } else {
            tracing::warn!(file = %file.display(), authority = %certificate.subject(), "an authority of cards has ended: none of its cards is let in");
        }
    }
    if roots.is_empty() {
        return Err(failed(&"there is no authority of cards in it that holds now"));
    }
    Ok(roots)
}

/// Revocation lists, PEM or DER.
fn lists(files: &[PathBuf]) -> Result<Vec<CertificateRevocationListDer<'static>>, CardTlsError> {
    let mut lists = Vec::new();
    for file in files {
        let bytes = std::fs::read(file).map_err(|error| failed(file)(&error))?;
        let pem = CertificateRevocationListDer::pem_slice_iter(&bytes).collect::<Result<Vec<_>, _>>();
        let pem = pem.map_err(|error| failed(file)(&error))?;
        if pem.is_empty() {
            lists.push(CertificateRevocationListDer::from(bytes));
        } else {
            lists.extend(pem);
        }
    }
    Ok(lists)
}
