//! How a certificate is answered: as RFC 7030 («EST») wants it, or as PEM for whoever asks for that.

use super::Given;
use crate::pki::pkcs7;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// The media type of a request (RFC 7030 4.2.1).
pub const REQUEST_TYPE: &str = "application/pkcs10";

const PEM_TYPE: &str = "application/pem-certificate-chain";
/// Other names that programs have for PEM.
const PEM_TYPES: [&str; 3] = [PEM_TYPE, "application/x-pem-file", "text/plain"];
const PKCS7_TYPE: &str = "application/pkcs7-mime; smime-type=certs-only";
const LINE: usize = 76;

/// How certificates are answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// PKCS#7 certs-only, in base64.
    Pkcs7,
    /// PEM.
    Pem,
}

impl Form {
    /// What an `Accept` header asks for: PEM if one of its names stands there, else PKCS#7.
    pub fn accepted(accept: Option<&str>) -> Self {
        let kinds = accept.unwrap_or_default().split(',').filter_map(|kind| kind.split(';').next());
        let pem = kinds.map(str::trim).any(|kind| PEM_TYPES.iter().any(|pem| pem.eq_ignore_ascii_case(kind)));
        if pem { Self::Pem } else { Self::Pkcs7 }
    }

    /// Its media type.
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Pkcs7 => PKCS7_TYPE,
            Self::Pem => PEM_TYPE,
        }
    }

    /// The answer to a request. PKCS#7 has the new certificate alone (RFC 7030 4.2.3), PEM the authority's after it.
    pub fn answer(self, given: &Given) -> String {
        match self {
            Self::Pkcs7 => base64_lines(&pkcs7::certs_only(&[&given.cert_der])),
            Self::Pem => format!("{}\n{}", given.cert_pem.trim_end(), given.authority_pem),
        }
    }

    /// The authority's certificate alone.
    pub fn authority(self, pem: &str, der: &[u8]) -> String {
        match self {
            Self::Pkcs7 => base64_lines(&pkcs7::certs_only(&[der])),
            Self::Pem => pem.to_owned(),
        }
    }
}

/// Base64 in lines, as RFC 2045 has it.
fn base64_lines(bytes: &[u8]) -> String {
    let digits = STANDARD.encode(bytes);
    let mut text = String::with_capacity(digits.len() + digits.len() / LINE + 2);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && at % LINE == 0 {
            text.push_str("\r\n");
        }
        text.push(digit);
    }
    text.push_str("\r\n");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pem_is_answered_to_who_asks_for_it() {
        for accept in ["application/x-pem-file", "text/html, Application/PEM-Certificate-Chain;q=0.9", "text/plain"] {
            assert_eq!(Form::accepted(Some(accept)), Form::Pem, "{accept}");
        }
        for accept in [None, Some("*/*"), Some("application/pkcs7-mime"), Some("")] {
            assert_eq!(Form::accepted(accept), Form::Pkcs7);
        }
    }

    #[test]
    fn lines_are_short_and_hold_all() {
        let text = base64_lines(&[7; 200]);
        assert!(text.lines().all(|line| line.len() <= LINE), "{text}");
        assert_eq!(STANDARD.decode(text.split_ascii_whitespace().collect::<String>()).expect("base64"), [7; 200]);
    }
}
