//! How often one address may try.

use super::Peer;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;

/// Addresses that are remembered; with more at a time nobody gets in for a while.
const SITES_MAX: usize = 100_000;

/// Tries by where they come from.
pub struct Limit(DefaultKeyedRateLimiter<IpAddr>);

impl std::fmt::Debug for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limit")
    }
}

impl Limit {
    /// As many as `quota` says, of each address.
    pub fn new(quota: Quota) -> Self {
        Self(RateLimiter::keyed(quota))
    }

    /// Whether there may be another try now.
    pub fn allows(&self, peer: Peer) -> bool {
        if self.0.len() >= SITES_MAX {
            self.0.retain_recent();
            if self.0.len() >= SITES_MAX {
                return false;
            }
        }
        self.0.check_key(&peer.site()).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::num::NonZeroU32;

    #[test]
    fn one_address_has_its_tries_and_another_its_own() {
        let limit = Limit::new(Quota::per_minute(NonZeroU32::new(3).expect("is not zero")));
        let peer = |text: &str| Peer(text.parse().expect("an address"));
        let tries: Vec<bool> = (0..4).map(|_| limit.allows(peer("192.0.2.1"))).collect();
        assert_eq!(tries, [true, true, true, false]);
        assert!(limit.allows(peer("192.0.2.2")));
    }
}
