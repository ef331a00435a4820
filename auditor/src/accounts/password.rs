//! Passwords: Argon2id, held as PHC strings.
//!
//! Hashing costs tens of milliseconds and 19 MiB: callers run it on blocking threads, a bounded number at a time.

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};

use zxcvbn::{Score, zxcvbn};

/// Fewest characters of a password.
pub const LENGTH_MIN: usize = 12;
/// Most bytes of a password: more is somebody's attempt to keep the processor busy.
pub const BYTES_MAX: usize = 256;

/// What passwords at Swedish hospitals are made of, which the estimator's English lists do not have.
const LOCAL: &str = "lösenord losenord hemlig hemligt sommar sommaren vinter vintern höst hösten host hosten vår våren var varen \
                     januari februari mars april maj juni juli augusti september oktober november december måndag tisdag \
                     onsdag torsdag fredag lördag söndag sjukhus sjukhuset vård vården vard patient journal klinik avdelning \
                     mottagning läkare sköterska sjuksköterska doktor region regionen landsting sverige stockholm göteborg \
                     malmö uppsala skåne halland grindvakt välkommen valkommen hejsan älskling alskling";

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
    /// Others would come upon it: a common one, a pattern, or made of the user's own names.
    #[error(
        "this password would be guessed: it is made of common words, names, dates or patterns; take four words or more that have \
         nothing to do with each other"
    )]
    Guessable,
    /// It is in the list of passwords that were stolen elsewhere.
    #[error("this password is in a list of stolen ones that attackers try: take another")]
    Breached,
    /// The hash function refused; not to be expected.
    #[error("the password cannot be hashed")]
    Hash(#[source] argon2::password_hash::Error),
}

fn argon2() -> Argon2<'static> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None).expect("invariant: the parameters are in Argon2's range");
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
}

/// Whether a text may be a password of somebody of whom others know these words: names, title, the system's name. There are
/// no rules for which characters it has (NIST SP 800-63B, 5.1.1.2); what counts is how soon somebody would come upon it.
pub fn acceptable(password: &str, known: &[&str]) -> Result<(), PasswordError> {
    length(password)?;
    // A name's parts are tried one by one.
    let parts: Vec<&str> = known
        .iter()
        .chain([&LOCAL])
        .flat_map(|text| text.split(|c: char| !c.is_alphanumeric()).chain([*text]))
        .collect();
    let known: Vec<&str> = parts.into_iter().filter(|part| part.chars().count() >= 3).collect();
    if zxcvbn(password, &known).score() < Score::Four { Err(PasswordError::Guessable) } else { Ok(()) }
}

fn length(password: &str) -> Result<(), PasswordError> {
    let right = password.chars().count() >= LENGTH_MIN && password.len() <= BYTES_MAX;
    if right { Ok(()) } else { Err(PasswordError::Length) }
}

/// Hashes a password with a salt of 16 random bytes.
pub fn hash(password: &str, salt: &[u8; 16]) -> Result<String, PasswordError> {
    length(password)?;
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
    fn what_others_would_come_upon_is_refused() {
        let known = ["anna.akesson", "Anna Åkesson", "Sjuksköterska", "Grindvakt"];
        // Long ones take no longer than short ones.
        let long = "krokus vindflöjel ".repeat(3) + &"sjutton torra granar bortom åsen ".repeat(5);
        let judged = |password: &str| acceptable(password, &known).map_err(|error| error.to_string());
        for good in ["korrekt häst batteri", "lampa-tvivel-sodavatten", "vG7!qz0p-Lx2w", &long] {
            assert_eq!(judged(good), Ok(()), "{good}");
        }
        for short_or_long in ["elva tecken", "", &"x".repeat(257)] {
            assert!(judged(short_or_long).is_err_and(|said| said.contains("12 characters")), "{short_or_long}");
        }
        for bad in [
            "passwordpassword",
            "qwertyuiop12",
            "123456789012",
            "aaaaaaaaaaaaaaaa",
            "annaakesson1",
            "Grindvakt2026",
            "AnnaGrindvakt",
            "Sjuksköterska1",
            "Sommaren2026!",
            "Välkommen123",
            "Lösenord2026!",
            "åäöåäöåäöåäöåäö",
            "a1b2c3a1b2c3a1b2c3",
        ] {
            assert!(judged(bad).is_err_and(|said| said.contains("guessed")), "{bad}");
        }
    }
}
