//! Certificate requests (PKCS#10, RFC 2986): what somebody who wants a certificate sends.
//!
//! Of a request only the key counts. Names, extensions and attributes that it asks for are not looked at: the auditor says
//! what stands in a certificate. Its signature proves that the asker holds the key.

use crate::devices::KeyHash;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rcgen::SubjectPublicKeyInfo;
use rustls_pki_types::CertificateSigningRequestDer;
use rustls_pki_types::pem::PemObject as _;
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::oid_registry::{
    OID_EC_P256, OID_KEY_TYPE_EC_PUBLIC_KEY, OID_NIST_EC_P384, OID_PKCS1_RSAENCRYPTION, OID_PKCS1_SHA1WITHRSA,
    OID_SHA1_WITH_RSA, OID_SIG_ED25519,
};
use x509_parser::prelude::FromDer as _;
use x509_parser::public_key::PublicKey;

/// The longest request that is looked at: one with an RSA key of 8192 bits and a lot of attributes is shorter.
pub const REQUEST_BYTES_MAX: usize = 16 << 10;

const RSA_BITS_MIN: usize = 2048;
const RSA_BITS_MAX: usize = 8192;

/// Why a request is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It cannot be read.
    #[error("this is no certificate request: PKCS#10 as PEM, or its DER in base64, is")]
    Form,
    /// It is not signed by its key.
    #[error("the request's signature does not hold, or is of a kind that is not taken (SHA-1)")]
    Signature,
    /// Its key is too weak, or of a kind that is not taken.
    #[error("the request's key is not taken: ECDSA P-256 or P-384, Ed25519, or RSA of at least 2048 bits is")]
    Key,
}

/// A request that was checked.
#[derive(Debug, Clone)]
pub struct Request {
    key: SubjectPublicKeyInfo,
    hash: KeyHash,
}

impl Request {
    /// Reads and checks a request: PEM, or DER in base64 (RFC 7030 4.2.1), or DER.
    pub fn read(bytes: &[u8]) -> Result<Self, RequestError> {
        if bytes.len() > REQUEST_BYTES_MAX {
            return Err(RequestError::Form);
        }
        if bytes.first() == Some(&DER_SEQUENCE) {
            return Self::from_der(bytes);
        }
        let text = std::str::from_utf8(bytes).map_err(|_| RequestError::Form)?;
        if text.contains("-----BEGIN") {
            // Windows writes NEW CERTIFICATE REQUEST.
            let text = text.replace(" NEW CERTIFICATE REQUEST-----", " CERTIFICATE REQUEST-----");
            let der = CertificateSigningRequestDer::from_pem_slice(text.as_bytes()).map_err(|_| RequestError::Form)?;
            return Self::from_der(&der);
        }
        let digits: String = text.split_ascii_whitespace().collect();
        Self::from_der(&STANDARD.decode(digits).map_err(|_| RequestError::Form)?)
    }

    /// Checks a request in DER form.
    pub fn from_der(der: &[u8]) -> Result<Self, RequestError> {
        let (rest, request) = X509CertificationRequest::from_der(der).map_err(|_| RequestError::Form)?;
        if !rest.is_empty() {
            return Err(RequestError::Form);
        }
        let weak = [OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA].contains(&request.signature_algorithm.algorithm);
        let spki = &request.certification_request_info.subject_pki;
        let oid = &spki.algorithm.algorithm;
        let taken = if *oid == OID_KEY_TYPE_EC_PUBLIC_KEY {
            let curve = spki.algorithm.parameters.as_ref().and_then(|parameters| parameters.as_oid().ok());
            curve.is_some_and(|curve| curve == OID_EC_P256 || curve == OID_NIST_EC_P384)
        } else if *oid == OID_PKCS1_RSAENCRYPTION {
            match spki.parsed() {
                Ok(PublicKey::RSA(key)) => (RSA_BITS_MIN..=RSA_BITS_MAX).contains(&key.key_size()),
                _ => false,
            }
        } else {
            *oid == OID_SIG_ED25519
        };
        if !taken {
            return Err(RequestError::Key);
        }
        if weak || request.verify_signature().is_err() {
            return Err(RequestError::Signature);
        }
        let key = SubjectPublicKeyInfo::from_der(spki.raw).map_err(|_| RequestError::Key)?;
        Ok(Self { key, hash: KeyHash::of_spki(spki.raw) })
    }

    /// Its key.
    pub(super) fn key(&self) -> &SubjectPublicKeyInfo {
        &self.key
    }

    /// SHA-256 of its key.
    pub fn key_hash(&self) -> KeyHash {
        self.hash
    }
}

/// What DER of a request begins with; no text does.
const DER_SEQUENCE: u8 = 0x30;

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::hash::MessageDigest;
    use openssl::pkey::{PKey, Private};
    use openssl::rsa::Rsa;
    use openssl::x509::{X509NameBuilder, X509ReqBuilder};
    use rcgen::{CertificateParams, KeyPair, SignatureAlgorithm};

    fn made(algorithm: &'static SignatureAlgorithm) -> (KeyPair, Vec<u8>) {
        let key = KeyPair::generate_for(algorithm).expect("makes");
        let params = CertificateParams::new(vec!["evil.example".to_owned()]).expect("params");
        let der = params.serialize_request(&key).expect("signs").der().to_vec();
        (key, der)
    }

    fn by_openssl(key: &PKey<Private>, digest: MessageDigest) -> Vec<u8> {
        let mut builder = X509ReqBuilder::new().expect("makes");
        let mut name = X509NameBuilder::new().expect("makes");
        name.append_entry_by_text("CN", "old Windows").expect("takes");
        builder.set_subject_name(&name.build()).expect("sets");
        builder.set_pubkey(key).expect("sets");
        builder.sign(key, digest).expect("signs");
        builder.build().to_der().expect("writes")
    }

    fn rsa(bits: u32) -> PKey<Private> {
        PKey::from_rsa(Rsa::generate(bits).expect("makes")).expect("a key")
    }

    #[test]
    fn strong_keys_are_taken_in_each_form() {
        for algorithm in [&rcgen::PKCS_ECDSA_P256_SHA256, &rcgen::PKCS_ECDSA_P384_SHA384, &rcgen::PKCS_ED25519] {
            let (_, der) = made(algorithm);
            let base64 = STANDARD.encode(&der);
            let lines: Vec<&str> =
                base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("text")).collect();
            let pem =
                |word: &str| format!("-----BEGIN {word}-----\r\n{}\r\n-----END {word}-----\r\n", lines.join("\r\n"));
            let hash = Request::from_der(&der).expect("taken").key_hash();
            for form in [
                der.clone(),
                base64.clone().into_bytes(),
                lines.join("\r\n").into_bytes(),
                pem("CERTIFICATE REQUEST").into_bytes(),
                pem("NEW CERTIFICATE REQUEST").into_bytes(),
            ] {
                assert_eq!(Request::read(&form).expect("taken").key_hash(), hash);
            }
        }
        assert!(Request::read(&by_openssl(&rsa(2048), MessageDigest::sha256())).is_ok());
    }

    #[test]
    fn weak_and_strange_keys_are_refused() {
        let refused = |der: &[u8]| Request::read(der).map(|_| ()).expect_err("refused");
        assert_eq!(refused(&by_openssl(&rsa(1024), MessageDigest::sha256())), RequestError::Key);
        assert_eq!(refused(&by_openssl(&rsa(2048), MessageDigest::sha1())), RequestError::Signature);
        assert_eq!(refused(&made(&rcgen::PKCS_ECDSA_P521_SHA512).1), RequestError::Key);
    }

    #[test]
    fn what_is_not_signed_by_its_key_or_is_none_is_refused() {
        let (_, mut der) = made(&rcgen::PKCS_ECDSA_P256_SHA256);
        let last = der.len() - 1;
        der[last] ^= 1;
        assert!(Request::read(&der).is_err());
        der[last] ^= 1;
        assert!(Request::read(&der).is_ok());
        let mut longer = der.clone();
        longer.push(0);
        for bad in [&longer[..], &der[..last], b"", b"-----BEGIN CERTIFICATE REQUEST-----", b"???", &[0xff; 9]] {
            assert_eq!(Request::read(bad).map(|_| ()), Err(RequestError::Form));
        }
        assert_eq!(Request::read(&vec![b'A'; REQUEST_BYTES_MAX + 1]).map(|_| ()), Err(RequestError::Form));
    }
}
