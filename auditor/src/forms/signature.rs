//! Signatures: a decision counts only from somebody who has just shown a second factor.

use contract::Micros;
use contract::id::AccountId;
use contract::record::AuthMethod;

/// Somebody has shown a second factor. Made where it is checked, and nowhere else.
#[derive(Debug)]
pub struct Fresh {
    account: AccountId,
    at: Micros,
    method: AuthMethod,
}

/// The second factor was shown too long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("show your second factor again, and then sign")]
pub struct Stale;

impl Fresh {
    /// After a check of a second factor that succeeded at `at`.
    pub fn after_check(account: AccountId, at: Micros, method: AuthMethod) -> Self {
        Self { account, at, method }
    }

    /// Signs, once, if it was not longer ago than `life_us`.
    pub fn sign(self, now: Micros, life_us: Micros) -> Result<Signature, Stale> {
        let age = now.saturating_sub(self.at);
        if !(0..=life_us).contains(&age) {
            return Err(Stale);
        }
        Ok(Signature { account: self.account, at: now, method: self.method })
    }
}

/// Who signed, when, by which means. Used once: it is neither cloned nor copied.
#[derive(Debug, PartialEq, Eq)]
pub struct Signature {
    account: AccountId,
    at: Micros,
    method: AuthMethod,
}

impl Signature {
    /// Who.
    pub fn account(&self) -> AccountId {
        self.account
    }

    /// When.
    pub fn at(&self) -> Micros {
        self.at
    }

    /// By which means the second factor was shown.
    pub fn method(&self) -> AuthMethod {
        self.method
    }

    /// One that was read from where it was kept.
    pub(super) fn kept(account: AccountId, at: Micros, method: AuthMethod) -> Self {
        Self { account, at, method }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    #[test]
    fn a_second_factor_is_good_for_a_while_and_not_from_the_future() {
        let who = AccountId::new(Uuid::from_u128(1));
        let fresh = || Fresh::after_check(who, 100, AuthMethod::Passkey);
        assert_eq!(fresh().sign(100, 50), Ok(Signature::kept(who, 100, AuthMethod::Passkey)));
        assert_eq!(fresh().sign(150, 50), Ok(Signature::kept(who, 150, AuthMethod::Passkey)));
        assert_eq!(fresh().sign(151, 50), Err(Stale));
        assert_eq!(fresh().sign(99, 50), Err(Stale));
    }
}
