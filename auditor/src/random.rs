//! Random bytes from the operating system, for keys, tokens and ids.

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::Micros;
use zeroize::Zeroizing;

/// `N` random bytes that are wiped when dropped.
///
/// # Panics
/// If the operating system has none, which it always has once it runs: going on without would be worse.
pub fn secret<const N: usize>() -> Zeroizing<[u8; N]> {
    let mut bytes = Zeroizing::new([0; N]);
    SystemRandom::new().fill(bytes.as_mut_slice()).expect("invariant: the operating system has random bytes");
    bytes
}

/// A secret token of 32 random bytes in base64url: 43 characters.
pub fn token() -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(secret::<32>().as_slice()))
}

/// A new UUIDv7 for `at`: sorts by time.
pub fn uuid(at: Micros) -> uuid::Uuid {
    let millis = u64::try_from(at / 1_000).unwrap_or(0);
    let mut low = [0; 10];
    low.copy_from_slice(secret::<10>().as_slice());
    uuid::Builder::from_unix_timestamp_millis(millis, &low).into_uuid()
}

/// A pass phrase for people to type: four groups of five, 100 bits, without letters that look alike.
pub fn pass_phrase() -> Zeroizing<String> {
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    let mut phrase = Zeroizing::new(String::with_capacity(24));
    for (index, byte) in secret::<20>().iter().enumerate() {
        if index > 0 && index % 5 == 0 {
            phrase.push('-');
        }
        let letter = LETTERS.get(usize::from(byte & 31)).copied().unwrap_or(b'a');
        phrase.push(char::from(letter));
    }
    phrase
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms() {
        assert_eq!(token().len(), 43);
        assert_ne!(*token(), *token());
        assert_eq!(pass_phrase().len(), 23);
        let id = uuid(1_790_000_000_000_000);
        assert_eq!(id.get_version_num(), 7);
        assert!(uuid(1_790_000_000_001_000) > id);
    }
}
