//! A device's certificates: what is kept of them, and when another may be had.
//!
//! A renewal gives a device its *next* certificate. The present one stays good until the next one is first used, which
//! gateways report, or until its own end: so an answer that got lost on the way locks nobody out, and who has a copy of
//! the old key has it for as short a time as can be. Asked for again, another next certificate takes the first one's
//! place.

use contract::Micros;
use contract::id::CertFingerprint;
use std::fmt;

const DAY: Micros = 86_400 * 1_000_000;

/// SHA-256 of a public key (its SubjectPublicKeyInfo, RFC 5280 4.1): the same key is known again in whatever certificate
/// it stands.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyHash(pub [u8; 32]);

impl KeyHash {
    /// Of a SubjectPublicKeyInfo's DER bytes.
    pub fn of_spki(der: &[u8]) -> Self {
        let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, der);
        let mut hash = [0; 32];
        hash.copy_from_slice(digest.as_ref());
        Self(hash)
    }
}

impl fmt::Display for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for KeyHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (first, _) = self.0.split_at(4);
        write!(f, "KeyHash({})", hex::encode(first))
    }
}

/// What is kept of a certificate that was issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Certificate {
    /// Its serial number, in hexadecimal digits.
    pub serial: String,
    /// SHA-256 of it.
    pub fingerprint: CertFingerprint,
    /// SHA-256 of its key; none: issued by a version that did not keep it.
    pub key: Option<KeyHash>,
    /// From when it holds.
    pub not_before: Micros,
    /// Until when it holds.
    pub not_after: Micros,
}

/// When a device may have its next certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Renewal {
    /// So many days after the present one began.
    pub from_day: u32,
}

/// It is too early for another certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is too early for another certificate")]
pub struct TooEarly {
    /// From when there is one.
    pub from: Micros,
}

impl Renewal {
    /// From when a certificate that holds for this time may be followed by another. One that holds for a shorter time than
    /// usual may be from when two thirds of it are over.
    pub fn from(self, not_before: Micros, not_after: Micros) -> Micros {
        let usual = Micros::from(self.from_day) * DAY;
        let life = not_after.saturating_sub(not_before).max(0);
        not_before.saturating_add(usual.min(life / 3 * 2))
    }

    /// Whether it is time.
    pub fn check(self, not_before: Micros, not_after: Micros, now: Micros) -> Result<(), TooEarly> {
        let from = self.from(not_before, not_after);
        if now < from { Err(TooEarly { from }) } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn from_day_twenty_and_of_short_ones_when_a_third_is_left() {
        let renewal = Renewal { from_day: 20 };
        assert_eq!(renewal.check(0, 30 * DAY, 20 * DAY), Ok(()));
        assert_eq!(renewal.check(0, 30 * DAY, 20 * DAY - 1), Err(TooEarly { from: 20 * DAY }));
        assert_eq!(renewal.from(0, 3 * DAY), 2 * DAY);
        assert_eq!(renewal.from(0, 825 * DAY), 20 * DAY);
        assert_eq!(renewal.from(5, 0), 5, "one that never held may be followed at once");
    }
}
