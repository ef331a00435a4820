//! Who is at the other end of a connection, and how many each address has.

use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;

/// The address at the other end. A request has it among its extensions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer(pub IpAddr);

impl Peer {
    /// Of a connection that has no address.
    pub const UNKNOWN: Self = Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED));

    /// What is counted as one: an address, or a /64 of IPv6, which is what one customer has.
    pub fn site(self) -> IpAddr {
        match self.0.to_canonical() {
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                IpAddr::V6(Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0))
            }
            address @ IpAddr::V4(_) => address,
        }
    }
}

/// Connections by where they come from. Bounded by the listener's connections.
#[derive(Debug, Clone)]
pub(super) struct Peers {
    most: Option<usize>,
    open: Open,
}

impl Peers {
    pub(super) fn new(most: Option<usize>) -> Self {
        Self { most, open: Arc::default() }
    }

    /// A place for a connection until it is dropped. None: that address has as many as it may.
    pub(super) fn place(&self, peer: Option<Peer>) -> Option<Place> {
        let (Some(most), Some(peer)) = (self.most, peer) else { return Some(Place(None)) };
        let site = peer.site();
        let mut open = self.open.lock();
        let count = open.entry(site).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Place(Some((site, Arc::clone(&self.open)))))
    }
}

/// A connection's place.
#[derive(Debug)]
pub(super) struct Place(Option<(IpAddr, Open)>);

/// How many connections of each address are open.
type Open = Arc<Mutex<HashMap<IpAddr, usize>>>;

impl Drop for Place {
    fn drop(&mut self) {
        let Some((site, open)) = &self.0 else { return };
        let mut open = open.lock();
        if let Some(count) = open.get_mut(site) {
            *count -= 1;
            if *count == 0 {
                open.remove(site);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(text: &str) -> Peer {
        Peer(text.parse().expect("an address"))
    }

    #[test]
    fn an_address_has_so_many_and_others_have_theirs() {
        let peers = Peers::new(Some(2));
        let first = peers.place(Some(peer("192.0.2.1")));
        let second = peers.place(Some(peer("::ffff:192.0.2.1")));
        assert!(first.is_some() && second.is_some());
        assert!(peers.place(Some(peer("192.0.2.1"))).is_none());
        assert!(peers.place(Some(peer("192.0.2.2"))).is_some() && peers.place(None).is_some());
        drop(first);
        assert!(peers.place(Some(peer("192.0.2.1"))).is_some());
        drop(second);
        assert!(peers.open.lock().is_empty(), "nothing is left of who has gone");
        let sites = ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].map(|text| peer(text).site());
        assert!(sites[0] == sites[1] && sites[0] != sites[2]);
        assert!((0..9).all(|_| Peers::new(None).place(Some(peer("192.0.2.1"))).is_some()));
    }
}
