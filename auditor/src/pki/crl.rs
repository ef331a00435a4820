//! The certificate revocation list (RFC 5280, 5), for others than our gateways: those hear of revocations by the directory.

use super::{Authority, PkiError, date};
use crate::devices::Why;
use contract::Micros;
use rcgen::{CertificateRevocationListParams, KeyIdMethod, RevocationReason, RevokedCertParams, SerialNumber};
use x509_parser::extensions::ParsedExtension;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// A certificate that ended before its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Revoked {
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// When.
    pub at: Micros,
    /// Why.
    pub why: Why,
}

/// When a list is from, and until when there is another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Updates {
    /// This one's time.
    pub this: Micros,
    /// There is another by then.
    pub next: Micros,
}

impl Authority {
    /// Signs a list. `number` rises from list to list.
    pub fn crl(&self, number: u64, revoked: &[Revoked], updates: Updates) -> Result<Vec<u8>, PkiError> {
        let revoked = revoked.iter().map(entry).collect::<Result<Vec<_>, PkiError>>()?;
        let params = CertificateRevocationListParams {
            this_update: date(updates.this)?,
            next_update: date(updates.next)?,
            crl_number: SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked,
            key_identifier_method: key_identifier(&self.cert_der).unwrap_or(KeyIdMethod::Sha256),
        };
        Ok(params.signed_by(&self.issuer)?.der().to_vec())
    }
}

fn entry(revoked: &Revoked) -> Result<RevokedCertParams, PkiError> {
    let serial = hex::decode(&revoked.serial).map_err(|_| PkiError::Serial)?;
    Ok(RevokedCertParams {
        serial_number: SerialNumber::from_slice(&serial),
        revocation_time: date(revoked.at)?,
        reason_code: reason(revoked.why),
        invalidity_date: None,
    })
}

/// The reason as RFC 5280, 5.3.1 names it. Who has a lost device may have its key.
fn reason(why: Why) -> Option<RevocationReason> {
    match why {
        Why::Lost | Why::Stolen | Why::KeyCompromised => Some(RevocationReason::KeyCompromise),
        Why::Replaced | Why::Superseded => Some(RevocationReason::Superseded),
        Why::OutOfUse => Some(RevocationReason::CessationOfOperation),
        Why::Leaves => Some(RevocationReason::AffiliationChanged),
        Why::Mistake => Some(RevocationReason::PrivilegeWithdrawn),
        Why::Unspecified => None,
    }
}

/// What the authority's certificate calls its key: the list must call it the same, whoever made that certificate.
fn key_identifier(der: &[u8]) -> Option<KeyIdMethod> {
    let (_, certificate) = X509Certificate::from_der(der).ok()?;
    certificate.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(id) => Some(KeyIdMethod::PreSpecified(id.0.to_vec())),
        _ => None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use openssl::x509::{CrlStatus, X509, X509Crl};

    const NOW: Micros = 1_790_000_000_000_000;

    #[test]
    fn openssl_reads_it_and_finds_what_is_revoked() {
        let made = crate::pki::authority("Test device CA", &[1; 16], NOW, 3650).expect("makes");
        let authority = Authority::from_pem(&made.cert_pem, &made.key_pem).expect("reads");
        let revoked = |serial: u8, why| Revoked { serial: hex::encode([serial; 16]), at: NOW - 1_000_000, why };
        let list = [revoked(0x41, Why::Stolen), revoked(0x42, Why::Unspecified)];
        let updates = Updates { this: NOW, next: NOW + 86_400_000_000 };
        let der = authority.crl(7, &list, updates).expect("signs");
        let crl = X509Crl::from_der(&der).expect("reads");
        let issuer = X509::from_der(&made.cert_der).expect("reads");
        assert!(crl.verify(&issuer.public_key().expect("has")).expect("runs"));
        assert!(crl.next_update().is_some());
        assert_eq!(crl.get_revoked().map(openssl::stack::StackRef::len), Some(2));
        let subject = |serial: u8| {
            let subject = crate::pki::DeviceSubject {
                id: contract::id::DeviceId::NONE,
                name: "ward 3".to_owned(),
                organisation: contract::id::HsaId::parse("SE2321000016-39KJ").expect("valid"),
            };
            let made = authority.issue_device(&subject, &[serial; 16], NOW, 30).expect("issues");
            X509::from_der(&made.cert_der).expect("reads")
        };
        assert!(matches!(crl.get_by_cert(&subject(0x41)), CrlStatus::Revoked(_)));
        assert!(matches!(crl.get_by_cert(&subject(0x43)), CrlStatus::NotRevoked));

        // What it says of itself: version 2, its number, the key by the authority's own name, and a reason where there is one.
        let (_, parsed) = x509_parser::revocation_list::CertificateRevocationList::from_der(&der).expect("reads");
        assert_eq!(parsed.crl_number().map(ToString::to_string), Some("7".to_owned()));
        let named = key_identifier(&made.cert_der);
        let Some(KeyIdMethod::PreSpecified(named)) = named else { panic!("no key identifier") };
        let told = parsed.extensions().iter().find_map(|extension| match extension.parsed_extension() {
            ParsedExtension::AuthorityKeyIdentifier(id) => id.key_identifier.as_ref().map(|id| id.0.to_vec()),
            _ => None,
        });
        assert_eq!(told, Some(named));
        let reasons: Vec<bool> = parsed.iter_revoked_certificates().map(|one| one.reason_code().is_some()).collect();
        assert_eq!(reasons, [true, false]);
        assert!(
            X509Crl::from_der(&authority.crl(8, &[], updates).expect("signs")).expect("reads").get_revoked().is_none()
        );
    }
}
