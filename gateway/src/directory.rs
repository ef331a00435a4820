//! The gateway's copy of the directory: devices, accounts, sessions, as the auditor last told.
//!
//! Every request asks this copy, on every connection, however old: a revocation is in force as soon as its change
//! has arrived. The copy is fed by [`client`], kept on disk by [`disk`] for a cold start, and read without locks that
//! outlive a look-up.
//!
//! Invariants:
//! - The epoch never goes back, but for a snapshot, which replaces all.
//! - When the auditor has not been heard for `stale_after`, [`Directory::fresh`] is false and policy lets nobody in.
//! - Memory is bounded by what the auditor keeps; ended sessions are dropped when the next snapshot leaves them out.

pub mod client;
pub mod disk;
mod metrics;

pub use metrics::Metrics;

use contract::directory::{Account, Device, Entry, Epoch, Message, Session};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId, RegistryName, SessionKey};
use contract::record::{Actor, Right};
use contract::{Micros, Text};
use dashmap::DashMap;
use parking_lot::Mutex;
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// A device with what the gateway remembers about it.
#[derive(Debug)]
pub struct KnownDevice {
    /// As the auditor told.
    pub device: Device,
    /// The actor of requests without a session.
    pub actor: Arc<Actor>,
    /// Assertions made for it, one per registry.
    pub assertions: Assertions,
    /// It is the device's next certificate: the auditor makes it the present one when it hears that it was used.
    pending: bool,
    /// When it was last used here.
    last_used: AtomicI64,
    /// What the auditor was last told of that.
    reported: AtomicI64,
}

impl KnownDevice {
    /// Notes a use.
    pub fn used(&self, now: Micros) {
        self.last_used.fetch_max(now, Ordering::Relaxed);
    }
}

/// A device's certificates: the present one, and one that it may have been given and not used yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Certificates {
    present: CertFingerprint,
    next: Option<CertFingerprint>,
}

impl Certificates {
    fn all(self) -> impl Iterator<Item = CertFingerprint> {
        std::iter::once(self.present).chain(self.next)
    }
}

/// A session with what the gateway remembers about it.
#[derive(Debug)]
pub struct KnownSession {
    /// As the auditor told.
    pub session: Session,
    /// The actor of its requests.
    pub actor: Arc<Actor>,
    /// Assertions made for it, one per registry.
    pub assertions: Assertions,
    /// When it was last used here.
    last_used: AtomicI64,
    /// What the auditor was last told of that.
    reported: AtomicI64,
}

impl KnownSession {
    /// When the session was last used, here or as far as the auditor has heard.
    pub fn last_used(&self) -> Micros {
        self.last_used.load(Ordering::Relaxed)
    }

    /// Notes a use.
    pub fn used(&self, now: Micros) {
        self.last_used.fetch_max(now, Ordering::Relaxed);
    }
}

/// Assertions that are still good, so that not every request costs a signature.
#[derive(Debug, Default)]
pub struct Assertions(Mutex<Vec<CachedAssertion>>);

#[derive(Debug, Clone)]
struct CachedAssertion {
    registry: RegistryName,
    right: Option<Right>,
    value: http::HeaderValue,
    good_until: Micros,
}

impl Assertions {
    /// The assertion for a right in a registry: one made before if it is good at `now`, else a new one.
    pub fn get(
        &self,
        registry: &RegistryName,
        right: Option<Right>,
        now: Micros,
        make: impl FnOnce() -> Option<(http::HeaderValue, Micros)>,
    ) -> Option<http::HeaderValue> {
        let mut cached = self.0.lock();
        if let Some(found) = cached.iter().find(|c| c.registry == *registry && c.right == right && c.good_until > now) {
            return Some(found.value.clone());
        }
        let (value, good_until) = make()?;
        cached.retain(|c| c.registry != *registry || c.right != right);
        cached.push(CachedAssertion { registry: registry.clone(), right, value: value.clone(), good_until });
        Some(value)
    }
}

/// How often the auditor is told that a device is in use, in microseconds.
const DEVICE_REPORT_EVERY: Micros = 60_000_000;

/// The copy.
#[derive(Debug)]
pub struct Directory {
    devices: DashMap<CertFingerprint, Arc<KnownDevice>>,
    /// Which certificates each device has.
    fingerprints: DashMap<DeviceId, Certificates>,
    accounts: DashMap<AccountId, Arc<Account>>,
    sessions: DashMap<SessionKey, Arc<KnownSession>>,
    /// How many snapshots were taken. Held while one replaces all, and while a session that was asked for is put in.
    snapshots: Mutex<u64>,
    epoch: AtomicU64,
    heard: AtomicI64,
    stale_after: Micros,
    changes: watch::Sender<u64>,
    metrics: Metrics,
}

impl Directory {
    /// Starts empty and unheard of.
    pub fn new(stale_after: Duration, metrics: Metrics) -> Self {
        Self {
            devices: DashMap::new(),
            fingerprints: DashMap::new(),
            accounts: DashMap::new(),
            sessions: DashMap::new(),
            snapshots: Mutex::new(0),
            epoch: AtomicU64::new(0),
            heard: AtomicI64::new(0),
            stale_after: i64::try_from(stale_after.as_micros()).unwrap_or(i64::MAX),
            changes: watch::Sender::new(0),
            metrics,
        }
    }

    /// The device with this certificate.
    pub fn device(&self, fingerprint: &CertFingerprint) -> Option<Arc<KnownDevice>> {
        self.devices.get(fingerprint).map(|found| Arc::clone(&found))
    }

    /// The session with this key.
    pub fn session(&self, key: &SessionKey) -> Option<Arc<KnownSession>> {
        self.sessions.get(key).map(|found| Arc::clone(&found))
    }

    /// The account with this id.
    pub fn account(&self, id: AccountId) -> Option<Arc<Account>> {
        self.accounts.get(&id).map(|found| Arc::clone(&found))
    }

    /// The state of the copy.
    pub fn epoch(&self) -> Epoch {
        Epoch(self.epoch.load(Ordering::Acquire))
    }

    /// Whether the auditor has been heard lately enough to decide by the copy.
    pub fn fresh(&self, now: Micros) -> bool {
        now.saturating_sub(self.heard.load(Ordering::Acquire)) <= self.stale_after
    }

    /// For how long the copy is good without news, in microseconds.
    pub fn stale_after(&self) -> Micros {
        self.stale_after
    }

    /// When the auditor was last heard; 0: never.
    pub fn heard(&self) -> Micros {
        self.heard.load(Ordering::Acquire)
    }

    /// Tells of every change from now on: the number counts up.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.subscribe()
    }

    /// Takes one line of the feed. Within a snapshot, `seen` gathers what it holds.
    pub fn take(&self, message: Message, now: Micros, seen: &mut Option<Seen>) {
        match message {
            Message::SnapshotBegin => *seen = Some(Seen::default()),
            Message::Change { epoch, at, entry } => {
                if let Some(seen) = seen {
                    seen.note(&entry);
                } else {
                    self.metrics.propagated(now.saturating_sub(at));
                }
                self.put(entry);
                if seen.is_none() {
                    self.advance(epoch, now);
                }
            }
            Message::SnapshotEnd { epoch } => {
                if let Some(seen) = seen.take() {
                    let mut snapshots = self.snapshots.lock();
                    *snapshots += 1;
                    self.devices.retain(|key, _| seen.devices.contains(key));
                    self.fingerprints.retain(|_, held| seen.devices.contains(&held.present));
                    self.accounts.retain(|key, _| seen.accounts.contains(key));
                    self.sessions.retain(|key, _| seen.sessions.contains(key));
                }
                self.advance(epoch, now);
            }
            Message::Heartbeat { epoch, .. } => {
                self.heard.store(now, Ordering::Release);
                self.metrics.heard(epoch, now);
            }
        }
        self.metrics.sizes(self.devices.len(), self.accounts.len(), self.sessions.len());
    }

    /// How many snapshots were taken: to be noted before a session is asked for.
    pub fn snapshots(&self) -> u64 {
        *self.snapshots.lock()
    }

    /// Takes a session that was asked for, ahead of the feed, when `snapshots` had been taken. False: there has been one
    /// since. What has ended is left out of it, and of that the answer, which may be older, knows nothing.
    #[must_use]
    pub fn learn(&self, snapshots: u64, session: Session, account: Option<Account>) -> bool {
        let taken = self.snapshots.lock();
        if *taken != snapshots {
            return false;
        }
        if let Some(account) = account {
            // The feed may know better already: it alone replaces.
            self.accounts.entry(account.id).or_insert_with(|| Arc::new(account));
        }
        let key = session.key;
        let known = Arc::new(self.know(session));
        self.sessions.entry(key).or_insert(known);
        true
    }

    /// The sessions used since they were last reported, at most `limit`, marked as reported.
    pub fn unreported(&self, limit: usize) -> Vec<(SessionKey, Micros)> {
        let mut used = Vec::new();
        for session in &self.sessions {
            let (last, reported) = (session.last_used(), session.reported.load(Ordering::Relaxed));
            if last > reported {
                session.reported.store(last, Ordering::Relaxed);
                used.push((*session.key(), last));
                if used.len() >= limit {
                    break;
                }
            }
        }
        used
    }

    /// The devices' certificates used since that was last reported, at most `limit`, marked as reported. Of one that is in use
    /// all the time it is told now and then only; that one is used for the first time is told at once.
    pub fn unreported_devices(&self, limit: usize) -> Vec<(CertFingerprint, Micros)> {
        let mut used = Vec::new();
        for device in &self.devices {
            let (last, reported) = (device.last_used.load(Ordering::Relaxed), device.reported.load(Ordering::Relaxed));
            if last > reported.saturating_add(DEVICE_REPORT_EVERY) {
                device.reported.store(last, Ordering::Relaxed);
                used.push((*device.key(), last));
                if used.len() >= limit {
                    break;
                }
            }
        }
        used
    }

    /// Everything, as a snapshot's lines would tell it: for the copy on disk.
    pub fn entries(&self) -> Vec<Entry> {
        // What a device has been given besides stands in its own entry.
        let devices = self.devices.iter().filter(|d| !d.pending).map(|d| Entry::Device(d.device.clone()));
        let accounts = self.accounts.iter().map(|a| Entry::Account(Account::clone(&a)));
        let sessions = self.sessions.iter().map(|s| {
            let mut session = s.session.clone();
            session.last_used = session.last_used.max(s.last_used());
            Entry::Session(session)
        });
        devices.chain(accounts).chain(sessions).collect()
    }

    fn advance(&self, epoch: Epoch, now: Micros) {
        self.epoch.store(epoch.0, Ordering::Release);
        self.heard.store(now, Ordering::Release);
        self.metrics.heard(epoch, now);
        self.changes.send_modify(|count| *count = count.wrapping_add(1));
    }

    fn put(&self, entry: Entry) {
        match entry {
            Entry::Device(device) => {
                let as_it_was = |known: &KnownDevice| !known.pending && known.device == device;
                if self.devices.get(&device.fingerprint).is_some_and(|known| as_it_was(&known)) {
                    // The many of a snapshot that have not changed cost nothing.
                    return;
                }
                let id = device.id;
                let held = Certificates { present: device.fingerprint, next: device.next.map(|next| next.fingerprint) };
                if let Some(next) = device.next {
                    let next = Device {
                        fingerprint: next.fingerprint,
                        not_after: next.not_after,
                        next: None,
                        ..device.clone()
                    };
                    self.put_certificate(next, true);
                }
                self.put_certificate(device, false);
                // A renewed device has another certificate: the old one must not stay good.
                for old in self.fingerprints.insert(id, held).into_iter().flat_map(Certificates::all) {
                    if !held.all().any(|kept| kept == old) {
                        self.devices.remove_if(&old, |_, known| known.device.id == id);
                    }
                }
                self.renew_sessions(|session| session.device == id);
            }
            Entry::Account(account) => {
                let id = account.id;
                if self.account(id).is_some_and(|known| *known == account) {
                    return;
                }
                self.accounts.insert(id, Arc::new(account));
                self.renew_sessions(|session| session.account == id);
            }
            Entry::Session(session) => {
                let key = session.key;
                let fresh = self.know(session);
                if let Some(old) = self.session(&key) {
                    fresh.used(old.last_used());
                }
                self.sessions.insert(key, Arc::new(fresh));
            }
        }
    }

    fn put_certificate(&self, device: Device, pending: bool) {
        let actor = Arc::new(Actor {
            device: device.id,
            device_cert: device.fingerprint,
            device_org: device.organisation.text(),
            ..Actor::nobody()
        });
        let old = self.device(&device.fingerprint);
        let seen = |of: fn(&KnownDevice) -> &AtomicI64| {
            AtomicI64::new(old.as_deref().map_or(0, |old| of(old).load(Ordering::Relaxed)))
        };
        let known = KnownDevice {
            actor,
            assertions: Assertions::default(),
            pending,
            last_used: seen(|old| &old.last_used),
            reported: seen(|old| &old.reported),
            device,
        };
        self.devices.insert(known.device.fingerprint, Arc::new(known));
    }

    /// Makes sessions anew: their actor and assertions carry what accounts and devices say.
    fn renew_sessions(&self, affected: impl Fn(&Session) -> bool) {
        let affected: Vec<Arc<KnownSession>> =
            self.sessions.iter().filter(|s| affected(&s.session)).map(|s| Arc::clone(&s)).collect();
        for old in affected {
            let fresh = self.know(old.session.clone());
            fresh.used(old.last_used());
            self.sessions.insert(old.session.key, Arc::new(fresh));
        }
    }

    fn know(&self, session: Session) -> KnownSession {
        let account = self.account(session.account);
        let device = self.fingerprints.get(&session.device).and_then(|held| self.device(&held.present));
        let nobody = Actor::nobody();
        let text = |id: &Option<HsaId>| id.as_ref().map_or_else(|| nobody.acr.clone(), HsaId::text);
        let commission = &session.commission;
        let actor = Actor {
            account: session.account,
            user_hsa: text(&account.as_ref().and_then(|a| a.user_hsa.clone())),
            user_name: account.as_ref().map_or_else(|| nobody.user_name.clone(), |a| Text::from(a.name.as_str())),
            user_title: account.as_ref().map_or_else(|| nobody.user_title.clone(), |a| Text::from(a.title.as_str())),
            commission_hsa: text(&commission.hsa),
            commission_name: commission.name.as_str().into(),
            commission_purpose: commission.purpose.as_str().into(),
            care_provider_hsa: text(&commission.care_provider),
            care_unit_hsa: text(&commission.care_unit),
            care_unit_name: commission.care_unit_name.as_str().into(),
            session: session.key.reference(),
            auth_method: session.auth_method,
            acr: session.acr.as_str().into(),
            device: session.device,
            device_cert: device.as_ref().map_or(nobody.device_cert, |d| d.device.fingerprint),
            device_org: device.map_or(nobody.device_org, |d| d.device.organisation.text()),
        };
        KnownSession {
            last_used: AtomicI64::new(session.last_used),
            reported: AtomicI64::new(session.last_used),
            actor: Arc::new(actor),
            assertions: Assertions::default(),
            session,
        }
    }
}

/// What a snapshot held so far.
#[derive(Debug, Default)]
pub struct Seen {
    devices: HashSet<CertFingerprint>,
    accounts: HashSet<AccountId>,
    sessions: HashSet<SessionKey>,
}

impl Seen {
    fn note(&mut self, entry: &Entry) {
        match entry {
            Entry::Device(device) => {
                self.devices.insert(device.fingerprint);
                self.devices.extend(device.next.map(|next| next.fingerprint));
            }
            Entry::Account(account) => {
                self.accounts.insert(account.id);
            }
            Entry::Session(session) => {
                self.sessions.insert(session.key);
            }
        }
    }
}

#[cfg(test)]
mod tests;
