//! An authority's key: in memory, or where it signs and stays.

use super::PkiError;
use openssl::x509::X509;
use rcgen::{PublicKeyData, SignatureAlgorithm, SigningKey};

/// An authority's key.
pub struct CaKey(Box<dyn SigningKey + Send + Sync>);

impl std::fmt::Debug for CaKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("CaKey(hidden)")
    }
}

impl CaKey {
    /// Whatever signs.
    pub fn new(key: impl SigningKey + Send + Sync + 'static) -> Self {
        Self(Box::new(key))
    }

    /// Whether a certificate (PEM) is of this key.
    pub fn is_of(&self, cert: &str) -> Result<bool, PkiError> {
        let own = X509::from_pem(cert.as_bytes())?.public_key()?.public_key_to_der()?;
        Ok(own == self.subject_public_key_info())
    }
}

impl PublicKeyData for CaKey {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for CaKey {
    fn sign(&self, text: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(text)
    }
}
