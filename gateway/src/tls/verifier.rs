//! Who may connect at all: a certificate of a device authority that the directory does not call revoked.
//!
//! This is the first gate only. The same certificate is looked up again on every request, because a handshake is
//! long past when a device is revoked, and because a resumed connection has none.

use crate::directory::Directory;
use contract::id::CertFingerprint;
use rustls::client::danger::HandshakeSignatureValid;
use rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use rustls::{CertificateError, DigitallySignedStruct, DistinguishedName, Error, SignatureScheme};
use rustls_pki_types::{CertificateDer, UnixTime};
use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;

/// The certificate that a handshake was refused for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Refused(pub CertFingerprint);

tokio::task_local! {
    static REFUSED: Cell<Option<Refused>>;
}

/// Runs a handshake and tells, besides its result, which certificate was refused in it: rustls' error does not say.
pub async fn noting<F: Future>(handshake: F) -> (F::Output, Option<Refused>) {
    REFUSED
        .scope(Cell::new(None), async {
            let output = handshake.await;
            (output, REFUSED.with(Cell::get))
        })
        .await
}

/// The verifier of the listener.
pub struct Verifier {
    chain: Arc<dyn ClientCertVerifier>,
    directory: Arc<Directory>,
}

impl std::fmt::Debug for Verifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Verifier")
    }
}

impl Verifier {
    /// Checks the chain by `chain`, then asks the directory.
    pub fn new(chain: Arc<dyn ClientCertVerifier>, directory: Arc<Directory>) -> Self {
        Self { chain, directory }
    }
}

impl ClientCertVerifier for Verifier {
    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.chain.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        let fingerprint = CertFingerprint::of_der(end_entity);
        let result = self.chain.verify_client_cert(end_entity, intermediates, now).and_then(|verified| {
            match self.directory.device(&fingerprint) {
                Some(known) if known.device.revoked.is_some() => {
                    Err(Error::InvalidCertificate(CertificateError::Revoked))
                }
                // A device that is not enrolled (yet) gets a page that says so, not a broken connection.
                _ => Ok(verified),
            }
        });
        if result.is_err() {
            // Outside a noted handshake there is nobody to tell.
            let _told = REFUSED.try_with(|refused| refused.set(Some(Refused(fingerprint))));
        }
        result
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.chain.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.chain.supported_verify_schemes()
    }
}
