//! When certificates end, for those who must renew them in time.

use super::{TlsError, certificates};
use std::path::Path;

/// Why the end of a certificate is not known.
#[derive(Debug, thiserror::Error)]
pub enum EndError {
    /// Its file is of no use.
    #[error("the file cannot be read")]
    File(#[from] TlsError),
    /// It is in the file, and cannot be taken apart.
    #[error("a certificate in the file cannot be read")]
    Certificate(#[from] x509_parser::nom::Err<x509_parser::error::X509Error>),
}

/// When the first of a PEM file's certificates ends, in seconds since the Unix epoch. All count: a chain is worth nothing
/// once one of it has ended, and an authority that has ended should be taken out.
pub fn first_end(path: &Path) -> Result<i64, EndError> {
    let mut first = i64::MAX;
    for der in certificates(path)? {
        let (_, certificate) = x509_parser::parse_x509_certificate(&der)?;
        first = first.min(certificate.validity().not_after.timestamp());
    }
    Ok(first)
}
