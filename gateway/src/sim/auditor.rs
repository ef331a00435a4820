//! The auditor as the gateway meets it: who belongs, as it changes, and a feed of that which lags, breaks off, repeats
//! itself and sends snapshots.
//!
//! It keeps the history of everything, so that each admission can be held against what was true since the last news: the
//! gateway may know more than it was told as a whole, but never less.

use std::collections::BTreeMap;

use contract::Micros;
use contract::directory::{Account, AccountStanding, Commission, Device, Entry, Epoch, Grant, Message, Session};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId, RegistryName, SessionKey};
use contract::record::{AuthMethod, Right};
use uuid::Uuid;

use crate::journal::sim::SimStorage;

/// For ever, as far as a simulation goes.
const LATER: Micros = 4_000_000_000_000_000;

/// Who belongs, now and at every epoch before.
pub(super) struct Auditor {
    epoch: u64,
    changes: Vec<(u64, Entry)>,
    devices: BTreeMap<DeviceId, Device>,
    accounts: BTreeMap<AccountId, Account>,
    sessions: BTreeMap<SessionKey, Session>,
    /// Since which epoch something holds, or does not.
    history: BTreeMap<Claim, Vec<(u64, bool)>>,
    made: u64,
}

/// What an admission rests on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Claim {
    /// A device that is not revoked has this certificate.
    Device(CertFingerprint),
    /// The session has not ended.
    Session(SessionKey),
    /// The account is active and has a grant to read.
    MayRead(AccountId),
    /// The account is active and has a grant to change.
    MayChange(AccountId),
}

impl Auditor {
    /// Some people with devices and sessions.
    pub(super) fn new(sim: &SimStorage) -> Self {
        let mut auditor = Self {
            epoch: 0,
            changes: Vec::new(),
            devices: BTreeMap::new(),
            accounts: BTreeMap::new(),
            sessions: BTreeMap::new(),
            history: BTreeMap::new(),
            made: 0,
        };
        for number in 1..=PEOPLE {
            let right = if sim.below(4) == 0 { Right::Read } else { Right::ReadWrite };
            auditor.put(Entry::Device(device(number, 0)));
            auditor.put(Entry::Account(account(number, AccountStanding::Active, Some(right))));
        }
        for _ in 0..3 {
            auditor.log_in(sim, 0);
        }
        auditor
    }

    /// The present state.
    pub(super) fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Whether this held at any time from an epoch until now.
    pub(super) fn held_since(&self, claim: Claim, epoch: u64) -> bool {
        let history = self.history.get(&claim).map(Vec::as_slice).unwrap_or_default();
        let (then, later) = history.split_at(history.partition_point(|(at, _)| *at <= epoch));
        then.last().into_iter().chain(later).any(|(_, held)| *held)
    }

    /// A session, and the account behind it, if it is live: what a gateway is told that asks.
    pub(super) fn live(&self, key: SessionKey) -> Option<(Session, Option<Account>)> {
        let session = self.sessions.get(&key).filter(|session| session.ended.is_none())?;
        Some((session.clone(), self.accounts.get(&session.account).cloned()))
    }

    /// A certificate and a session that somebody shows: mostly such as belong together.
    pub(super) fn somebody(&self, sim: &SimStorage) -> (CertFingerprint, Option<SessionKey>) {
        // The latest are those that a gateway may not have heard of.
        let back = sim.below(1 + sim.below(self.sessions.len() as u64)) as usize;
        let session = self.sessions.values().nth_back(back).expect("there always is one");
        let certificate = self.devices[&session.device].fingerprint;
        match sim.below(24) {
            0 => (CertFingerprint([0xee; 32]), None),
            1 => (certificate, None),
            2 => (self.devices.values().next().expect("there are some").fingerprint, Some(session.key)),
            3 => (certificate, Some(SessionKey([0xee; 32]))),
            _ => (certificate, Some(session.key)),
        }
    }

    /// Something changes.
    pub(super) fn change(&mut self, sim: &SimStorage, now: Micros) {
        let number = 1 + sim.below(PEOPLE);
        match sim.below(12) {
            0..=3 => self.log_in(sim, now),
            4..=6 => {
                let live: Vec<_> = self.sessions.values().filter(|session| session.ended.is_none()).collect();
                if let Some(session) = live.get(sim.below(live.len() as u64 + 1) as usize) {
                    let ended = Session { ended: Some(now), ..(*session).clone() };
                    self.put(Entry::Session(ended));
                }
            }
            7 => {
                let present = self.devices[&device_id(number)].clone();
                self.put(Entry::Device(Device { revoked: Some(now), ..present }));
            }
            8 => {
                // Enrolled anew, or its certificate renewed.
                self.made += 1;
                let renewed = device(number, u8::try_from(self.made % 200).unwrap());
                self.put(Entry::Device(renewed));
            }
            9 => {
                let standing = [AccountStanding::Locked, AccountStanding::Blocked][sim.below(2) as usize];
                self.put(Entry::Account(account(number, standing, Some(Right::ReadWrite))));
            }
            10 => self.put(Entry::Account(account(number, AccountStanding::Active, None))),
            _ => {
                let right = if sim.below(3) == 0 { Right::Read } else { Right::ReadWrite };
                self.put(Entry::Account(account(number, AccountStanding::Active, Some(right))));
            }
        }
    }

    /// The feed's lines for a gateway that has heard all up to `after`: where a connection begins perhaps a snapshot.
    pub(super) fn lines(&self, after: u64, begins: bool, sim: &SimStorage) -> Vec<Message> {
        let since = |epoch: u64| self.changes.iter().filter(move |(at, _)| *at > epoch);
        let told =
            |(epoch, entry): &(u64, Entry)| Message::Change { epoch: Epoch(*epoch), at: 0, entry: entry.clone() };
        if !begins || after > 0 && sim.below(3) > 0 {
            // Now and then the same again: that must change nothing.
            let mut lines = Vec::new();
            for change in since(after) {
                lines.extend(std::iter::repeat_n(told(change), 1 + usize::from(sim.below(8) == 0)));
            }
            return lines;
        }
        let epoch = Epoch(self.epoch);
        let entry = |entry| Message::Change { epoch, at: 0, entry };
        let devices = self.devices.values().filter(|device| device.revoked.is_none()).cloned().map(Entry::Device);
        let sessions = self.sessions.values().filter(|session| session.ended.is_none()).cloned().map(Entry::Session);
        let accounts = self.accounts.values().cloned().map(Entry::Account);
        let begin = std::iter::once(Message::SnapshotBegin);
        let all = begin.chain(devices.chain(accounts).chain(sessions).map(entry));
        all.chain([Message::SnapshotEnd { epoch }]).collect()
    }

    fn log_in(&mut self, sim: &SimStorage, now: Micros) {
        let number = 1 + sim.below(PEOPLE);
        self.made += 1;
        let mut key = [0; 32];
        key[..8].copy_from_slice(&self.made.to_be_bytes());
        self.put(Entry::Session(Session {
            key: SessionKey(key),
            account: account_id(number),
            device: device_id(number),
            created: now,
            expires: LATER,
            idle_s: u32::MAX,
            last_used: now,
            auth_method: AuthMethod::PasswordTotp,
            acr: String::new(),
            commission: Commission::default(),
            ended: None,
        }));
    }

    fn put(&mut self, entry: Entry) {
        self.epoch += 1;
        let epoch = self.epoch;
        let mut note = |claim, holds| self.history.entry(claim).or_default().push((epoch, holds));
        match &entry {
            Entry::Device(device) => {
                if let Some(old) = self.devices.insert(device.id, device.clone())
                    && old.fingerprint != device.fingerprint
                {
                    note(Claim::Device(old.fingerprint), false);
                }
                note(Claim::Device(device.fingerprint), device.revoked.is_none());
            }
            Entry::Account(account) => {
                let has = |right: &[Right]| {
                    account.standing == AccountStanding::Active
                        && account.grants.iter().any(|grant| right.contains(&grant.right))
                };
                note(Claim::MayRead(account.id), has(&[Right::Read, Right::ReadWrite]));
                note(Claim::MayChange(account.id), has(&[Right::ReadWrite]));
                self.accounts.insert(account.id, account.clone());
            }
            Entry::Session(session) => {
                note(Claim::Session(session.key), session.ended.is_none());
                self.sessions.insert(session.key, session.clone());
            }
        }
        self.changes.push((epoch, entry));
    }
}

fn device_id(number: u64) -> DeviceId {
    DeviceId::new(Uuid::from_u128(0x1000 + u128::from(number)))
}

fn account_id(number: u64) -> AccountId {
    AccountId::new(Uuid::from_u128(0x2000 + u128::from(number)))
}

fn device(number: u64, certificate: u8) -> Device {
    let mut fingerprint = [certificate; 32];
    fingerprint[0] = u8::try_from(number).unwrap();
    Device {
        id: device_id(number),
        fingerprint: CertFingerprint(fingerprint),
        organisation: HsaId::parse("SE2321000016-39KJ").unwrap(),
        not_after: LATER,
        revoked: None,
        next: None,
    }
}

fn account(number: u64, standing: AccountStanding, right: Option<Right>) -> Account {
    let registry = RegistryName::parse("reg").unwrap();
    let grant = |right| Grant { registry, right, units: Vec::new(), valid_from: 0, valid_to: None };
    Account {
        id: account_id(number),
        standing,
        user_hsa: None,
        name: format!("User {number}"),
        title: String::new(),
        grants: right.map(grant).into_iter().collect(),
        roles: Vec::new(),
        openings: Vec::new(),
        instructions_due: false,
    }
}

/// People, each with a device and an account.
const PEOPLE: u64 = 4;
