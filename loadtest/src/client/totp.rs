//! The second factor: time-based one-time codes (RFC 6238), as an authenticator app shows them.

use totp_rs::{Builder, Secret, Totp};

/// The length of a step, in seconds.
pub const STEP_S: u64 = 30;

/// A user's authenticator.
pub struct Authenticator(Totp);

/// The secret is not base32.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the TOTP secret is not base32")]
pub struct SecretError;

impl Authenticator {
    /// From the secret as the enrolment shows it, in base32.
    pub fn from_base32(secret: &str) -> Result<Self, SecretError> {
        let secret = Secret::try_from_base32(secret.trim()).map_err(|_| SecretError)?;
        Ok(Self(Builder::new().with_secret(secret).with_step_duration(STEP_S).build_noncompliant()))
    }

    /// The code at a time, in seconds since the epoch.
    pub fn code(&self, seconds: u64) -> String {
        self.0.generate(seconds).to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_those_of_the_standard() {
        // RFC 6238 appendix B, SHA-1; the last six of its eight digits.
        let app = Authenticator::from_base32("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ").expect("base32");
        assert_eq!(app.code(59), "287082");
        assert_eq!(app.code(1_111_111_109), "081804");
        assert!(Authenticator::from_base32("not base32!").is_err());
    }
}
