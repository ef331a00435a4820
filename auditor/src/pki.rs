//! Certificates: the authorities that an installation has, and what they issue.
//!
//! Keys are ECDSA P-256: what every browser, card reader and system in care reads. Times and random numbers are
//! arguments; nothing here touches a file.

mod crl;
mod key;
pub mod pkcs7;
mod profile;
mod request;

pub use crl::{Revoked, Updates};
pub use key::CaKey;
pub use profile::{PROFILE_TYPE, ProfileNames, profile};
pub use request::{REQUEST_BYTES_MAX, Request, RequestError};

use crate::devices::KeyHash;
use contract::Micros;
use contract::id::{CertFingerprint, DeviceId, HsaId};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::PKey;
use openssl::stack::Stack;
use openssl::x509::X509;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType, SerialNumber,
};
use std::net::IpAddr;
use time::OffsetDateTime;
use zeroize::Zeroizing;

/// Why a certificate cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum PkiError {
    /// The certificate library refused.
    #[error("the certificate cannot be made")]
    Issue(#[from] rcgen::Error),
    /// OpenSSL refused: a certificate cannot be read, or a PKCS#12 file not be made.
    #[error("a certificate cannot be read, or a PKCS#12 file not be made")]
    Pkcs12(#[from] openssl::error::ErrorStack),
    /// A time is out of range.
    #[error("a certificate's time is out of range")]
    Time,
    /// A name cannot stand in a certificate.
    #[error("{0:?} is no host name or address")]
    Host(String),
    /// A serial number that this program cannot have made.
    #[error("a serial number is not hexadecimal digits")]
    Serial,
    /// The configuration profile cannot be made.
    #[error("the configuration profile cannot be made")]
    Profile(#[from] plist::Error),
}

/// A certificate and its key, as PEM.
pub struct Issued {
    /// The certificate.
    pub cert_pem: String,
    /// The certificate's bytes.
    pub cert_der: Vec<u8>,
    /// The key in PKCS#8 form.
    pub key_pem: Zeroizing<String>,
    /// SHA-256 of the public key.
    pub key_hash: KeyHash,
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Issued({:?}, key hidden)", CertFingerprint::of_der(&self.cert_der))
    }
}

/// Makes a root authority that issues end certificates only.
pub fn authority(name: &str, serial: &[u8; 16], now: Micros, days: u32) -> Result<Issued, PkiError> {
    let key = KeyPair::generate()?;
    let cert = authority_params(name, serial, now, days)?.self_signed(&key)?;
    Ok(issued(cert.pem(), cert.der(), &key))
}

/// The certificate of such an authority with a key that there is, signed by itself, PEM.
pub fn authority_of(key: &CaKey, name: &str, serial: &[u8; 16], now: Micros, days: u32) -> Result<String, PkiError> {
    Ok(authority_params(name, serial, now, days)?.self_signed(key)?.pem())
}

/// A request for the certificate of such an authority (PKCS#10, PEM), for who has an authority above it.
pub fn authority_request(key: &CaKey, name: &str) -> Result<String, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    Ok(params.serialize_request(key)?.pem()?)
}

fn authority_params(name: &str, serial: &[u8; 16], now: Micros, days: u32) -> Result<CertificateParams, PkiError> {
    let mut params = params(name, serial, now, days)?;
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    Ok(params)
}

/// A new key for seals: Ed25519, PKCS#8, PEM.
pub fn seal_key() -> Result<Zeroizing<String>, PkiError> {
    Ok(Zeroizing::new(KeyPair::generate_for(&rcgen::PKCS_ED25519)?.serialize_pem()))
}

/// An authority that issues.
pub struct Authority {
    issuer: Issuer<'static, CaKey>,
    cert_pem: String,
    cert_der: Vec<u8>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority(key hidden)")
    }
}

/// What a device's certificate says.
#[derive(Debug, Clone)]
pub struct DeviceSubject {
    /// The device.
    pub id: DeviceId,
    /// What people call it.
    pub name: String,
    /// Its organisation.
    pub organisation: HsaId,
}

/// What a server's or a program's certificate is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Usage {
    /// Answers TLS.
    Server,
    /// Opens TLS.
    Client,
}

impl Authority {
    /// Reads an authority's certificate and key.
    pub fn from_pem(cert: &str, key: &str) -> Result<Self, PkiError> {
        Self::with_key(cert, CaKey::new(KeyPair::from_pem(key)?))
    }

    /// With a key that signs wherever it is.
    pub fn with_key(cert: &str, key: CaKey) -> Result<Self, PkiError> {
        let issuer = Issuer::from_ca_cert_pem(cert, key)?;
        let cert_der = der_of(cert)?;
        Ok(Self { issuer, cert_pem: cert.to_owned(), cert_der })
    }

    /// The authority's certificate.
    pub fn cert_pem(&self) -> &str {
        &self.cert_pem
    }

    /// The authority's certificate, its bytes.
    pub fn cert_der(&self) -> &[u8] {
        &self.cert_der
    }

    /// Issues a certificate for hosts (names or addresses).
    pub fn issue_host(
        &self,
        name: &str,
        hosts: &[String],
        usage: Usage,
        serial: &[u8; 16],
        now: Micros,
        days: u32,
    ) -> Result<Issued, PkiError> {
        let mut params = params(name, serial, now, days)?;
        params.subject_alt_names = hosts.iter().map(|host| host_name(host)).collect::<Result<_, _>>()?;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match usage {
            Usage::Server => ExtendedKeyUsagePurpose::ServerAuth,
            Usage::Client => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate()?;
        let cert = params.signed_by(&key, &self.issuer)?;
        Ok(issued(cert.pem(), cert.der(), &key))
    }

    /// Issues a device's certificate with a new key.
    pub fn issue_device(
        &self,
        subject: &DeviceSubject,
        serial: &[u8; 16],
        now: Micros,
        days: u32,
    ) -> Result<Issued, PkiError> {
        let key = KeyPair::generate()?;
        let cert = device_params(subject, serial, now, days)?.signed_by(&key, &self.issuer)?;
        Ok(issued(cert.pem(), cert.der(), &key))
    }

    /// Issues a device's certificate for the key of a request: as PEM, and its bytes.
    pub fn issue_device_for(
        &self,
        subject: &DeviceSubject,
        request: &Request,
        serial: &[u8; 16],
        now: Micros,
        days: u32,
    ) -> Result<(String, Vec<u8>), PkiError> {
        let cert = device_params(subject, serial, now, days)?.signed_by(request.key(), &self.issuer)?;
        Ok((cert.pem(), cert.der().to_vec()))
    }
}

/// A certificate's bytes.
pub fn der_of(pem: &str) -> Result<Vec<u8>, PkiError> {
    Ok(X509::from_pem(pem.as_bytes())?.to_der()?)
}

/// When a certificate issued at `now` begins to hold: a little earlier, for clocks that are late.
pub fn not_before(now: Micros) -> Micros {
    now - 5 * 60 * 1_000_000
}

/// When it ends.
pub fn not_after(now: Micros, days: u32) -> Micros {
    now.saturating_add(Micros::from(days) * 86_400 * 1_000_000)
}

/// How a PKCS#12 file is locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// AES-256-CBC under PBKDF2 (PBES2), SHA-256 MAC: what Windows 10 1709 and later, Android 12 and later, macOS 13 and
    /// later, Firefox and Chromium read.
    Modern,
    /// Triple DES and a SHA-1 MAC (RFC 7292, appendix C): what iOS and older macOS, Windows and Android ask for; they call a
    /// modern file's pass phrase wrong. The pass phrase has 100 random bits, and so the file is no weaker for it.
    Legacy,
}

/// Certificate, key and authority as PKCS#12.
pub fn pkcs12(
    issued: &Issued,
    authority_pem: &str,
    name: &str,
    pass_phrase: &str,
    lock: Lock,
) -> Result<Vec<u8>, PkiError> {
    let key = PKey::private_key_from_pem(issued.key_pem.as_bytes())?;
    let cert = X509::from_der(&issued.cert_der)?;
    let mut chain = Stack::new()?;
    chain.push(X509::from_pem(authority_pem.as_bytes())?)?;
    let name: String = name.chars().filter(|c| !c.is_control()).collect();
    let (cipher, digest) = match lock {
        Lock::Modern => (Nid::AES_256_CBC, MessageDigest::sha256()),
        Lock::Legacy => (Nid::PBE_WITHSHA1AND3_KEY_TRIPLEDES_CBC, MessageDigest::sha1()),
    };
    let archive = Pkcs12::builder()
        .name(&name)
        .pkey(&key)
        .cert(&cert)
        .ca(chain)
        .key_algorithm(cipher)
        .cert_algorithm(cipher)
        .key_iter(PKCS12_ROUNDS)
        .mac_iter(PKCS12_ROUNDS)
        .mac_md(digest)
        .build2(pass_phrase)?;
    Ok(archive.to_der()?)
}

/// The pass phrase has 100 random bits, so rounds add little; more than 10,000 make Windows slow.
const PKCS12_ROUNDS: u32 = 10_000;

fn device_params(
    subject: &DeviceSubject,
    serial: &[u8; 16],
    now: Micros,
    days: u32,
) -> Result<CertificateParams, PkiError> {
    let mut params = params(&subject.name, serial, now, days)?;
    params.distinguished_name.push(DnType::OrganizationName, subject.organisation.as_str());
    let uri = Ia5String::try_from(format!("urn:uuid:{}", subject.id))?;
    params.subject_alt_names = vec![SanType::URI(uri)];
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    params.use_authority_key_identifier_extension = true;
    Ok(params)
}

fn params(name: &str, serial: &[u8; 16], now: Micros, days: u32) -> Result<CertificateParams, PkiError> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from_slice(&positive(serial)));
    params.not_before = date(not_before(now))?;
    params.not_after = date(not_after(now, days))?;
    Ok(params)
}

/// A serial number is a positive integer (RFC 5280, 4.1.2.2).
pub fn positive(serial: &[u8; 16]) -> [u8; 16] {
    let mut positive = *serial;
    if let Some(first) = positive.first_mut() {
        *first = (*first & 0x7f) | 0x40;
    }
    positive
}

fn date(at: Micros) -> Result<OffsetDateTime, PkiError> {
    OffsetDateTime::from_unix_timestamp(at.div_euclid(1_000_000)).map_err(|_| PkiError::Time)
}

fn host_name(host: &str) -> Result<SanType, PkiError> {
    if let Ok(address) = host.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let form = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b"-.*".contains(&b))
        && !host.starts_with('.');
    if !form {
        return Err(PkiError::Host(host.to_owned()));
    }
    Ok(SanType::DnsName(Ia5String::try_from(host)?))
}

fn issued(cert_pem: String, cert_der: &[u8], key: &KeyPair) -> Issued {
    Issued {
        cert_pem,
        cert_der: cert_der.to_vec(),
        key_pem: Zeroizing::new(key.serialize_pem()),
        key_hash: KeyHash::of_spki(&key.subject_public_key_info()),
    }
}

#[cfg(test)]
mod tests;
