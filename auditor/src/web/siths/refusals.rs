//! Who was refused where cards are shown, for the record.
//!
//! Anybody can come to that listener and be refused as often as they like. The first refusal of an address for a reason is
//! recorded at once; those that follow are counted, and recorded as one event with their number when [`WINDOW`] is over. So
//! nothing is left out, and a flood does not fill the store.

use crate::accounts::siths::CardFault;
use crate::clock;
use crate::net::Peer;
use crate::store::{By, Change, Store, StoreError};
use contract::id::AccountId;
use contract::record::{AuthEventKind, AuthMethod, Reason};
use parking_lot::Mutex;
use prometheus::{IntCounterVec, Opts, Registry};
use rustls::{CertificateError, Error};
use std::collections::HashMap;
use std::io;
use std::net::{IpAddr, Ipv6Addr};
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// Refusals of one address for one reason within this are one event.
const WINDOW: Duration = Duration::from_mins(1);
/// How often it is looked whether a window is over, and whether the store answers again.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// Addresses and reasons that are told apart; what is beyond is counted without its address.
const KINDS_MAX: usize = 1_000;

/// What the listener for cards counts.
#[derive(Debug, Clone)]
pub struct CardMetrics {
    cards: IntCounterVec,
}

impl CardMetrics {
    /// Registers the metrics.
    pub fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let cards = Opts::new("auditor_siths_cards_total", "Connections for logins with SITHS cards, by result");
        let metrics = Self { cards: IntCounterVec::new(cards, &["result"])? };
        registry.register(Box::new(metrics.cards.clone()))?;
        Ok(metrics)
    }

    fn count(&self, result: &'static str) {
        self.cards.with_label_values(&[result]).inc();
    }
}

/// What is one event within a window.
type Kind = (IpAddr, Reason, &'static str);

/// How often something was refused.
#[derive(Debug, Default)]
struct Count {
    waiting: u64,
    recorded: Option<Instant>,
}

/// Refusals that are to be recorded.
#[derive(Debug)]
pub struct CardRefusals {
    counts: Mutex<HashMap<Kind, Count>>,
    told: Notify,
    metrics: CardMetrics,
}

impl CardRefusals {
    /// None so far.
    pub fn new(metrics: CardMetrics) -> Self {
        Self { counts: Mutex::default(), told: Notify::new(), metrics }
    }

    /// A handshake that has failed. Who went away in the midst of it was not refused.
    pub fn handshake(&self, peer: Option<Peer>, error: Option<&io::Error>) {
        let Some(error) = error else { return self.metrics.count("slow") };
        let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
        match tls.and_then(refusal) {
            Some((reason, word)) => self.note(peer, reason, word),
            None => self.metrics.count("gone"),
        }
    }

    /// A card that is of the wrong kind.
    pub(super) fn card(&self, peer: Option<Peer>, fault: CardFault) {
        self.note(peer, fault.reason(), fault.as_str());
    }

    /// A card that was handed over to the login.
    pub(super) fn seen(&self) {
        self.metrics.count("seen");
    }

    fn note(&self, peer: Option<Peer>, reason: Reason, word: &'static str) {
        self.metrics.count(reason.as_str());
        let nowhere = IpAddr::V6(Ipv6Addr::UNSPECIFIED);
        let mut kind = (peer.map_or(nowhere, |peer| peer.0.to_canonical()), reason, word);
        let mut counts = self.counts.lock();
        if counts.len() >= KINDS_MAX && !counts.contains_key(&kind) {
            kind.0 = nowhere;
        }
        counts.entry(kind).or_default().waiting += 1;
        drop(counts);
        self.told.notify_one();
    }

    /// Records until `stop`, and then what is left.
    pub async fn run(&self, store: &Store, stop: CancellationToken) {
        while !stop.is_cancelled() {
            let _soon = tokio::select! {
                () = stop.cancelled() => break,
                told = tokio::time::timeout(LOOK_EVERY, self.told.notified()) => told,
            };
            self.record_or_say(store, Some(WINDOW)).await;
        }
        self.record_or_say(store, None).await;
    }

    async fn record_or_say(&self, store: &Store, window: Option<Duration>) {
        if let Err(error) = self.record(store, window).await {
            tracing::error!(error = &error as &dyn std::error::Error, "refused cards could not be recorded yet");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Records what waits and was not recorded within `window`. What cannot be recorded waits on.
    async fn record(&self, store: &Store, window: Option<Duration>) -> Result<(), StoreError> {
        let now = Instant::now();
        let due = self.due(window, now);
        if due.is_empty() {
            return Ok(());
        }
        let mut change = store.change(clock::now(), By::program("siths")).await?;
        for (kind, times) in &due {
            record(&mut change, *kind, *times).await?;
        }
        change.commit().await?;
        let mut counts = self.counts.lock();
        for (kind, times) in due {
            let count = counts.entry(kind).or_default();
            count.waiting = count.waiting.saturating_sub(times);
            count.recorded = Some(now);
        }
        Ok(())
    }

    /// What is to be recorded now, how often each. What is long past is forgotten.
    fn due(&self, window: Option<Duration>, now: Instant) -> Vec<(Kind, u64)> {
        let over = |count: &Count| match (window, count.recorded) {
            (Some(window), Some(recorded)) => now.saturating_duration_since(recorded) >= window,
            _ => true,
        };
        let mut due = Vec::new();
        self.counts.lock().retain(|kind, count| {
            if count.waiting > 0 && over(count) {
                due.push((*kind, count.waiting));
            }
            count.waiting > 0 || !over(count)
        });
        due
    }
}

async fn record(change: &mut Change, (address, reason, word): Kind, times: u64) -> Result<(), StoreError> {
    let mut event = change.event(AuthEventKind::LoginFailed, AccountId::NONE);
    event.origin.address = match address {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    event.reason = reason;
    event.auth_method = AuthMethod::Siths;
    let times = if times > 1 { format!(" times={times}") } else { String::new() };
    event.detail = format!("{} {word}{times}", event.detail).into();
    change.record(event).await
}

/// Why a handshake was refused, and a word about it. None: it broke off.
fn refusal(error: &Error) -> Option<(Reason, &'static str)> {
    Some(match error {
        Error::NoCertificatesPresented => (Reason::CertAbsent, "no_certificate"),
        Error::InvalidCertificate(fault) => match fault {
            CertificateError::Expired | CertificateError::ExpiredContext { .. } => (Reason::CertExpired, "expired"),
            CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
                (Reason::CertExpired, "not_yet")
            }
            CertificateError::Revoked => (Reason::CertRevoked, "revoked"),
            CertificateError::UnknownIssuer => (Reason::CertForeign, "authority"),
            CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
                (Reason::CertPurpose, "purpose")
            }
            // Nobody knows whether it is revoked: the operator's lists are old, or not of this authority.
            CertificateError::UnknownRevocationStatus => (Reason::CertBroken, "no_list"),
            CertificateError::ExpiredRevocationList | CertificateError::ExpiredRevocationListContext { .. } => {
                (Reason::CertBroken, "old_list")
            }
            _ => (Reason::CertBroken, "certificate"),
        },
        Error::PeerIncompatible(_) => (Reason::TlsVersion, "version"),
        Error::AlertReceived(_) => return None,
        _ => (Reason::CertBroken, "handshake"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::Place;

    #[tokio::test]
    async fn a_flood_is_one_event_with_its_number() {
        let dir = tempfile::tempdir().expect("a folder");
        let store = Store::open(&Place::Sqlite(dir.path().join("a.db"))).await.expect("opens");
        let metrics = CardMetrics::register(&Registry::new()).expect("registers");
        let refusals = CardRefusals::new(metrics);
        let peer = |text: &str| Some(Peer(text.parse().expect("an address")));
        refusals.card(peer("192.0.2.1"), CardFault::Policy);
        refusals.record(&store, Some(WINDOW)).await.expect("records");
        for _ in 0..37 {
            refusals.card(peer("192.0.2.1"), CardFault::Policy);
        }
        refusals.card(peer("192.0.2.2"), CardFault::Policy);
        refusals.record(&store, Some(WINDOW)).await.expect("records");
        // The window of the others is not over; at the end all of them are recorded, once.
        for _ in 0..2 {
            refusals.record(&store, None).await.expect("records");
        }
        let batch = store.batch(100).await.expect("reads").expect("events");
        let one = |event: &contract::record::AuthEvent| (event.origin.address.to_string(), event.detail.to_string());
        let told: Vec<_> = batch.events.iter().map(|(_, event)| one(event)).collect();
        let of = |address: &str, detail: &str| (format!("::ffff:{address}"), detail.to_owned());
        let (first, other) = (of("192.0.2.1", "siths policy"), of("192.0.2.2", "siths policy"));
        assert_eq!(told, [first, other, of("192.0.2.1", "siths policy times=37")]);
        // Many addresses do not take more memory.
        for number in 0..u32::try_from(KINDS_MAX).expect("fits") + 10 {
            refusals.card(Some(Peer(IpAddr::V4(number.into()))), CardFault::NoHsa);
        }
        assert!(refusals.counts.lock().len() <= KINDS_MAX + 1);
        refusals.record(&store, None).await.expect("records");
        refusals.record(&store, None).await.expect("records");
        assert!(refusals.counts.lock().is_empty(), "what is past is forgotten");
    }
}
