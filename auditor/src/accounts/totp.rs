//! The second factor: time-based one-time codes (RFC 6238: SHA-1, six digits, 30 seconds), and their secrets at rest.
//!
//! A code counts once: the step it belongs to is stored with the login, and no code of that step or an earlier one
//! is taken again. Secrets rest under AES-256-GCM, bound to their account.

use crate::sealing::{RestError, RestKey};
use contract::Micros;
use contract::id::AccountId;
use totp_rs::{Algorithm, Builder, Secret};
use zeroize::Zeroizing;

/// Seconds that a code is valid for.
pub const STEP_SECONDS: u64 = 30;
const SECRET_BYTES: usize = 20;

/// Why a second factor cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TotpError {
    /// The stored secret does not open: another key file, or another account's secret.
    #[error("the stored second factor does not open with this key")]
    Open,
    /// The text is not a secret.
    #[error("a second factor's secret is 20 bytes in base32: 32 letters and digits")]
    Form,
}

/// How a code compares with what is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CodeCheck {
    /// Right, of this step, and newer than the last one used.
    Right {
        /// The step.
        step: u64,
    },
    /// Right, but of a step that was used before.
    Replayed,
    /// Wrong.
    Wrong,
}

/// A second factor's secret.
pub struct TotpSecret(Zeroizing<[u8; SECRET_BYTES]>);

impl std::fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TotpSecret(hidden)")
    }
}

impl TotpSecret {
    /// Takes 20 random bytes.
    pub fn new(bytes: Zeroizing<[u8; SECRET_BYTES]>) -> Self {
        Self(bytes)
    }

    /// Compares a code typed at `now`, one step before and after allowed, where `last` is the last step used.
    pub fn check(&self, code: &str, now: Micros, last: u64) -> CodeCheck {
        let code: Zeroizing<String> = Zeroizing::new(code.chars().filter(|c| !c.is_whitespace()).collect());
        let seconds = u64::try_from(now / 1_000_000).unwrap_or(0);
        match self.generator("", None).check(&code, seconds) {
            Some(step) if step > last => CodeCheck::Right { step },
            Some(_) => CodeCheck::Replayed,
            None => CodeCheck::Wrong,
        }
    }

    /// The code at a time: for tests and for showing that a secret was taken over.
    pub fn code(&self, now: Micros) -> String {
        self.generator("", None).generate(u64::try_from(now / 1_000_000).unwrap_or(0)).to_string()
    }

    /// The address that authenticator applications read: `otpauth://totp/...`.
    pub fn otpauth_url(&self, issuer: &str, user: &str) -> Result<Zeroizing<String>, TotpError> {
        let issuer = issuer.replace(':', " ");
        self.generator(user, Some(&issuer)).to_url().map(Zeroizing::new).map_err(|_| TotpError::Form)
    }

    /// The secret as base32.
    pub fn to_base32(&self) -> Zeroizing<String> {
        Zeroizing::new(Secret::from(*self.0).to_base32())
    }

    /// Reads base32.
    pub fn from_base32(text: &str) -> Result<Self, TotpError> {
        let secret = Secret::try_from_base32(text.trim()).map_err(|_| TotpError::Form)?;
        let bytes = <[u8; SECRET_BYTES]>::try_from(secret.as_bytes()).map_err(|_| TotpError::Form)?;
        Ok(Self(Zeroizing::new(bytes)))
    }

    fn generator(&self, user: &str, issuer: Option<&str>) -> totp_rs::Totp {
        Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(6)
            .with_skew(1)
            .with_step_duration(STEP_SECONDS)
            .with_secret(Secret::from(*self.0))
            .with_account_name(user)
            .with_issuer(issuer)
            .build_noncompliant()
    }
}

/// The key that second factors rest under.
#[derive(Debug)]
pub struct TotpKey(RestKey);

impl TotpKey {
    /// Takes 32 secret bytes.
    pub fn new(secret: &[u8; 32]) -> Self {
        Self(RestKey::new(secret))
    }

    /// Seals a secret for `account` under a random nonce.
    pub fn seal(&self, account: AccountId, secret: &TotpSecret, nonce: &[u8; 12]) -> Result<Vec<u8>, TotpError> {
        self.0.seal(account.uuid().as_bytes(), secret.0.as_slice(), nonce).map_err(|RestError| TotpError::Open)
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(&self, account: AccountId, sealed: &[u8]) -> Result<TotpSecret, TotpError> {
        let plain = self.0.open(account.uuid().as_bytes(), sealed).map_err(|RestError| TotpError::Open)?;
        let bytes = <[u8; SECRET_BYTES]>::try_from(plain.as_slice()).map_err(|_| TotpError::Open)?;
        Ok(TotpSecret(Zeroizing::new(bytes)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    fn secret() -> TotpSecret {
        TotpSecret::new(Zeroizing::new(*b"12345678901234567890"))
    }

    /// RFC 6238, appendix B, the last six of its eight digits.
    #[test]
    fn the_rfcs_vectors() {
        for (seconds, code) in
            [(59, "287082"), (1_111_111_109, "081804"), (1_234_567_890, "005924"), (20_000_000_000, "353130")]
        {
            assert_eq!(secret().code(seconds * 1_000_000), code);
        }
    }

    #[test]
    fn a_code_counts_once_and_near_its_time_only() {
        let now = 1_111_111_109_000_000;
        let step = 1_111_111_109 / 30;
        assert_eq!(secret().check(" 081 804", now, 0), CodeCheck::Right { step });
        assert_eq!(secret().check("081804", now + 30_000_000, 0), CodeCheck::Right { step });
        assert_eq!(secret().check("081804", now + 61_000_000, 0), CodeCheck::Wrong);
        assert_eq!(secret().check("081804", now, step), CodeCheck::Replayed);
        assert_eq!(secret().check("081804", now, step + 1), CodeCheck::Replayed);
        for wrong in ["", "081805", "+81804", "0818040", "abcdef"] {
            assert_eq!(secret().check(wrong, now, 0), CodeCheck::Wrong, "{wrong}");
        }
    }

    #[test]
    fn a_sealed_secret_opens_for_its_account_only() {
        let key = TotpKey::new(&[3; 32]);
        let account = AccountId::new(Uuid::from_u128(1));
        let mut sealed = key.seal(account, &secret(), &[9; 12]).expect("seals");
        assert!(!sealed.windows(20).any(|w| w == b"12345678901234567890"));
        assert_eq!(*key.open(account, &sealed).expect("opens").0, *secret().0);
        assert_eq!(key.open(AccountId::new(Uuid::from_u128(2)), &sealed).err(), Some(TotpError::Open));
        assert_eq!(TotpKey::new(&[4; 32]).open(account, &sealed).err(), Some(TotpError::Open));
        if let Some(last) = sealed.last_mut() {
            *last ^= 1;
        }
        assert_eq!(key.open(account, &sealed).err(), Some(TotpError::Open));
        assert_eq!(key.open(account, &[]).err(), Some(TotpError::Open));
    }

    #[test]
    fn base32_and_url() {
        let text = secret().to_base32();
        assert_eq!(*TotpSecret::from_base32(&text).expect("reads").0, *secret().0);
        assert!(TotpSecret::from_base32("GEZDG").is_err());
        let url = secret().otpauth_url("Region: Nord", "anna").expect("writes");
        assert_eq!(
            *url,
            "otpauth://totp/Region%20%20Nord:anna?secret=GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ&issuer=Region%20%20Nord"
        );
    }
}
