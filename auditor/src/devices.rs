//! Devices, their certificates, the organisations that they are enrolled for, and the codes that they are enrolled by.
//! Pure.

mod certificate;
mod code;
mod name;
mod token;
mod why;

pub use certificate::{Certificate, KeyHash, Renewal, TooEarly};
pub use code::{CODE_TRIES_MAX, Code, CodeError, CodeHash, CodeKey, DeviceCode};
pub use name::{DeviceName, DeviceNameError};
pub use token::{AuthorityKey, TokenPlace};
pub use why::Why;

use contract::Micros;
use contract::directory::{self, NextCertificate};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId};

/// A device: one client certificate holder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Its id.
    pub id: DeviceId,
    /// The organisation it is enrolled for.
    pub organisation: HsaId,
    /// What people call it.
    pub name: String,
    /// Its certificate's serial number, in hexadecimal digits.
    pub serial: String,
    /// SHA-256 of its certificate.
    pub fingerprint: CertFingerprint,
    /// From when its certificate holds.
    pub not_before: Micros,
    /// Until when its certificate holds.
    pub not_after: Micros,
    /// When it was enrolled.
    pub enrolled: Micros,
    /// Who enrolled it.
    pub enrolled_by: AccountId,
    /// When it was revoked, if it was.
    pub revoked: Option<Micros>,
}

/// The device is revoked already.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a device that is revoked cannot be revoked again")]
pub struct AlreadyRevoked;

impl Device {
    /// Revokes it: for good, a device that comes back is enrolled anew.
    pub fn revoke(self, now: Micros) -> Result<Self, AlreadyRevoked> {
        match self.revoked {
            None => Ok(Self { revoked: Some(now), ..self }),
            Some(_) => Err(AlreadyRevoked),
        }
    }

    /// The device as gateways see it, with the certificate that it may have been given besides.
    pub fn entry(&self, next: Option<NextCertificate>) -> directory::Device {
        directory::Device {
            id: self.id,
            fingerprint: self.fingerprint,
            organisation: self.organisation.clone(),
            not_after: self.not_after,
            revoked: self.revoked,
            next,
        }
    }
}

/// An organisation that has devices.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Organisation {
    /// Its HSA-id.
    pub hsa: HsaId,
    /// Its name.
    pub name: String,
    /// When it was added.
    pub created: Micros,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn revoked_once() {
        let device = Device {
            id: DeviceId::NONE,
            organisation: HsaId::parse("SE2321000016-39KJ").expect("valid"),
            name: "ward 3".to_owned(),
            serial: "01".to_owned(),
            fingerprint: CertFingerprint([1; 32]),
            not_before: 0,
            not_after: 9,
            enrolled: 1,
            enrolled_by: AccountId::NONE,
            revoked: None,
        };
        let revoked = device.revoke(5).expect("not yet revoked");
        assert_eq!(revoked.entry(None).revoked, Some(5));
        assert_eq!(revoked.revoke(6), Err(AlreadyRevoked));
    }
}
