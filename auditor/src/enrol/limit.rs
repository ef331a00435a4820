//! How often one address may try.

use crate::net::Peer;
use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use std::net::IpAddr;
use std::num::NonZeroU32;

/// Addresses that are remembered; with more at a time nobody gets in for a while.
const SITES_MAX: usize = 100_000;

/// Tries by where they come from.
pub(super) struct Limit(DefaultKeyedRateLimiter<IpAddr>);

impl std::fmt::Debug for Limit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Limit")
    }
}

impl Limit {
    pub(super) fn new(a_minute: u32) -> Self {
        Self(RateLimiter::keyed(Quota::per_minute(NonZeroU32::new(a_minute).unwrap_or(NonZeroU32::MIN))))
    }

    /// Whether there may be another try now.
    pub(super) fn allows(&self, peer: Peer) -> bool {
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

    #[test]
    fn one_address_has_its_tries_and_another_its_own() {
        let limit = Limit::new(3);
        let peer = |text: &str| Peer(text.parse().expect("an address"));
        let tries: Vec<bool> = (0..4).map(|_| limit.allows(peer("192.0.2.1"))).collect();
        assert_eq!(tries, [true, true, true, false]);
        assert!(limit.allows(peer("192.0.2.2")));
    }
}
