//! The directory feed: any lines, and what the copy holds behind them.

use contract::directory::{Entry, LINE_BYTES_MAX, Message};
use gateway::directory::{Directory, Metrics};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// The most lines of one input.
const LINES_MAX: usize = 128;

/// Lines of a feed. Those that are none would end the connection, and are left out.
pub fn directory(data: &[u8]) {
    let metrics = Metrics::register(&prometheus::Registry::new()).expect("registers");
    let directory = Directory::new(Duration::from_secs(60), metrics);
    let mut seen = None;
    let mut snapshot: Option<Vec<Entry>> = None;
    let mut now = 1;
    for line in data.split(|byte| *byte == b'\n').take(LINES_MAX) {
        assert!(line.len() <= LINE_BYTES_MAX);
        let Ok(message) = serde_json::from_slice::<Message>(line) else { continue };
        let text = serde_json::to_string(&message).expect("what was read can be written");
        assert_eq!(serde_json::from_str::<Message>(&text).ok().as_ref(), Some(&message), "a line keeps its form");
        now += 1;
        directory.take(message.clone(), now, &mut seen);
        assert!(directory.fresh(now) || directory.heard() < now - 1);
        match message {
            Message::SnapshotBegin => snapshot = Some(Vec::new()),
            Message::Change { epoch, entry, .. } => {
                known(&directory, &entry);
                match &mut snapshot {
                    Some(entries) => entries.push(entry),
                    None => assert_eq!(directory.epoch(), epoch),
                }
            }
            Message::SnapshotEnd { epoch } => {
                assert_eq!((directory.epoch(), directory.heard()), (epoch, now));
                if let Some(entries) = snapshot.take() {
                    only(&directory, &entries);
                }
            }
            Message::Heartbeat { .. } => assert_eq!(directory.heard(), now),
        }
        whole(&directory);
    }
    again(&directory);
}

/// What was just told is known, as it was told.
fn known(directory: &Directory, entry: &Entry) {
    match entry {
        Entry::Device(device) => {
            let known = directory.device(&device.fingerprint).expect("known");
            assert_eq!(known.device, *device);
            assert_eq!((known.actor.device, known.actor.device_cert), (device.id, device.fingerprint));
        }
        Entry::Account(account) => assert_eq!(*directory.account(account.id).expect("known"), *account),
        Entry::Session(session) => {
            let known = directory.session(&session.key).expect("known");
            assert_eq!((known.actor.account, known.actor.device), (session.account, session.device));
            assert!(known.last_used() >= session.last_used);
        }
    }
}

/// What is not in a snapshot is gone behind it.
fn only(directory: &Directory, told: &[Entry]) {
    for entry in directory.entries() {
        let here = told.iter().any(|told| match (told, &entry) {
            (Entry::Device(told), Entry::Device(here)) => told.fingerprint == here.fingerprint,
            (Entry::Account(told), Entry::Account(here)) => told.id == here.id,
            (Entry::Session(told), Entry::Session(here)) => told.key == here.key,
            _ => false,
        });
        assert!(here, "an entry outlives its snapshot");
    }
}

/// A device has one certificate, and the actor of each session says what account and device say.
fn whole(directory: &Directory) {
    let mut certificates = HashSet::new();
    for entry in directory.entries() {
        match entry {
            Entry::Device(device) => assert!(certificates.insert(device.id), "a device with two certificates"),
            Entry::Account(_) => {}
            Entry::Session(session) => {
                let known = directory.session(&session.key).expect("an entry");
                let name = directory.account(session.account).map_or_else(String::new, |account| account.name.clone());
                assert!(directory.account(session.account).is_none() || *known.actor.user_name == *name, "an old name");
            }
        }
    }
}

/// Told as a snapshot, the entries make the same copy.
fn again(directory: &Directory) {
    let metrics = Metrics::register(&prometheus::Registry::new()).expect("registers");
    let copy = Directory::new(Duration::from_secs(60), metrics);
    let mut seen = None;
    let epoch = directory.epoch();
    copy.take(Message::SnapshotBegin, 1, &mut seen);
    for entry in directory.entries() {
        copy.take(Message::Change { epoch, at: 0, entry }, 1, &mut seen);
    }
    copy.take(Message::SnapshotEnd { epoch }, 1, &mut seen);
    let lines = |directory: &Directory| {
        let mut lines: HashMap<String, usize> = HashMap::new();
        for entry in directory.entries() {
            *lines.entry(serde_json::to_string(&entry).expect("writes")).or_default() += 1;
        }
        lines
    };
    assert_eq!(lines(&copy), lines(directory), "a snapshot keeps all");
}
