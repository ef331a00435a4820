//! Floods: equal events are listed once and then counted, so that nobody fills the journal from outside.
//!
//! The first event of a kind, reason, address and certificate in a second is written at once; what follows is counted
//! and written as one event with its count when the second is over. Certificates of refused handshakes are not told
//! apart: anybody can make as many as they like. At most [`SOURCES_MAX`] sources are told apart; beyond that, events
//! are counted under no address and no certificate. Nothing is dropped uncounted.

use super::Recorder;
use contract::Micros;
use contract::id::{CertFingerprint, RequestId};
use contract::record::{AuthEvent, AuthEventKind, Origin, Reason};
use dashmap::DashMap;
use std::net::Ipv6Addr;
use uuid::Uuid;

/// Addresses and certificates that are told apart within one second.
pub const SOURCES_MAX: usize = 4_096;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Key {
    kind: AuthEventKind,
    reason: Reason,
    address: Ipv6Addr,
    certificate: CertFingerprint,
}

/// Counts events that may come in floods.
pub struct Floods {
    recorder: Recorder,
    counts: DashMap<Key, (u32, AuthEvent)>,
}

impl Floods {
    /// Writes through this recorder.
    pub fn new(recorder: Recorder) -> Self {
        Self { recorder, counts: DashMap::new() }
    }

    /// Takes an event.
    pub fn event(&self, mut event: AuthEvent) {
        if self.counts.len() >= SOURCES_MAX {
            event.origin = Origin::UNKNOWN;
            event.device_cert = CertFingerprint::NONE;
        }
        let certificate = match event.kind {
            AuthEventKind::HandshakeRefused => CertFingerprint::NONE,
            _ => event.device_cert,
        };
        let key = Key { kind: event.kind, reason: event.reason, address: event.origin.address, certificate };
        let mut entry = self.counts.entry(key).or_insert_with(|| (0, event.clone()));
        let (count, last) = entry.value_mut();
        *count = count.saturating_add(event.count);
        *last = event.clone();
        let first = *count == event.count;
        drop(entry);
        if first {
            self.recorder.event(&event);
        }
    }

    /// Writes what was counted beyond the first of each, and starts anew. To be called each second.
    pub fn flush(&self, now: Micros) {
        let keys: Vec<Key> = self.counts.iter().map(|entry| *entry.key()).collect();
        for key in keys {
            let Some((_, (count, mut event))) = self.counts.remove(&key) else { continue };
            if count > 1 {
                event.count = count - 1;
                event.at = now;
                event.id = RequestId::new(Uuid::now_v7());
                self.recorder.event(&event);
            }
        }
    }
}
