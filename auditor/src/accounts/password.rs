//! Passwords: Argon2id, held as PHC strings.
//!
//! Hashing costs tens of milliseconds and 19 MiB: callers run it on blocking threads, a bounded number at a time.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

/// Fewest characters of a password.
pub const LENGTH_MIN: usize = 12;
/// Most bytes of a password: more is somebody's attempt to keep the processor busy.
pub const BYTES_MAX: usize = 256;

/// OWASP's first choice for Argon2id where 19 MiB are affordable.
const MEMORY_KIB: u32 = 19_456;
const PASSES: u32 = 2;
const LANES: u32 = 1;

/// A text is no password, or a hash could not be made.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too short or too long.
    #[error("a password has {LENGTH_MIN} characters or more, and at most {BYTES_MAX} bytes")]
    Length,
    /// The hash function refused; not to be expected.
    #[error("the password cannot be hashed")]
    Hash(#[source] argon2::password_hash::Error),
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("invariant: the parameters are in Argon2's range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Whether a text may be a password.
pub fn acceptable(password: &str) -> Result<(), PasswordError> {
    if password.chars().count() < LENGTH_MIN || password.len() > BYTES_MAX {
        return Err(PasswordError::Length);
    }
    Ok(())
}

/// Hashes a password with a salt of 16 random bytes.
pub fn hash(password: &str, salt: &[u8; 16]) -> Result<String, PasswordError> {
    acceptable(password)?;
    let hash = argon2().hash_password_with_salt(password.as_bytes(), salt).map_err(PasswordError::Hash)?;
    Ok(hash.to_string())
}

/// Whether a password is the one of `hash`. Takes as long for a wrong one, and for a `hash` that cannot be read.
pub fn verify(password: &str, hash: &str) -> bool {
    let Ok(parsed) = PasswordHash::new(hash) else {
        spend(password);
        return false;
    };
    argon2().verify_password(password.as_bytes(), &parsed).is_ok()
}

/// Works as long as [`verify`] and proves nothing: for user names that no account has.
pub fn spend(password: &str) {
    let mut out = [0; 32];
    let done = argon2().hash_password_into(password.as_bytes(), b"nobody's account", &mut out);
    debug_assert!(done.is_ok());
    std::hint::black_box(&out);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_right_password_opens() {
        let hash = hash("korrekt häst batteri", &[7; 16]).expect("hashes");
        assert!(hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{hash}");
        assert!(verify("korrekt häst batteri", &hash));
        assert!(!verify("korrekt hast batteri", &hash));
        assert!(!verify("korrekt häst batteri", "$argon2id$nonsense"));
    }

    #[test]
    fn lengths() {
        assert!(acceptable("elva tecken").is_err());
        assert!(acceptable("tolv tecken!").is_ok());
        assert!(acceptable(&"x".repeat(257)).is_err());
    }
}
