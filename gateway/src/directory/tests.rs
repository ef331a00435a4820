use super::*;
use contract::directory::{AccountStanding, Commission, Grant};
use contract::id::{DeviceId, HsaId};
use contract::record::AuthMethod;
use uuid::Uuid;

const SECOND: Micros = 1_000_000;

pub(super) fn directory() -> Directory {
    let metrics = Metrics::register(&prometheus::Registry::new()).expect("registers");
    Directory::new(Duration::from_mins(15), metrics)
}

pub(super) fn device(n: u8) -> Device {
    Device {
        id: DeviceId::new(Uuid::from_u128(n.into())),
        fingerprint: CertFingerprint([n; 32]),
        organisation: HsaId::parse("SE2321000016-39KJ").expect("valid"),
        not_after: 1_000 * SECOND,
        revoked: None,
    }
}

fn account(n: u8, name: &str) -> Account {
    Account {
        id: AccountId::new(Uuid::from_u128(n.into())),
        standing: AccountStanding::Active,
        user_hsa: None,
        name: name.to_owned(),
        title: String::new(),
        grants: Vec::<Grant>::new(),
        roles: Vec::new(),
    }
}

pub(super) fn session(n: u8) -> Session {
    Session {
        key: SessionKey([n; 32]),
        account: account(1, "").id,
        device: device(1).id,
        created: 0,
        expires: 1_000 * SECOND,
        idle_s: 60,
        last_used: 0,
        auth_method: AuthMethod::PasswordTotp,
        acr: String::new(),
        commission: Commission::default(),
        ended: None,
    }
}

pub(super) fn change(epoch: u64, entry: Entry) -> Message {
    Message::Change { epoch: Epoch(epoch), at: 0, entry }
}

fn take(directory: &Directory, messages: impl IntoIterator<Item = Message>) {
    let mut seen = None;
    for message in messages {
        directory.take(message, 5 * SECOND, &mut seen);
    }
}

#[test]
fn a_snapshot_replaces_all_and_changes_follow() {
    let directory = directory();
    take(&directory, [change(1, Entry::Device(device(1))), change(2, Entry::Device(device(2)))]);
    assert_eq!(directory.epoch(), Epoch(2));
    take(
        &directory,
        [
            Message::SnapshotBegin,
            change(7, Entry::Device(device(2))),
            change(7, Entry::Device(device(3))),
            Message::SnapshotEnd { epoch: Epoch(7) },
        ],
    );
    assert!(directory.device(&CertFingerprint([1; 32])).is_none(), "not in the snapshot");
    assert!(directory.device(&CertFingerprint([3; 32])).is_some());
    assert_eq!(directory.epoch(), Epoch(7));
}

#[test]
fn a_snapshot_that_breaks_off_takes_nothing_away() {
    let directory = directory();
    take(&directory, [change(1, Entry::Device(device(1)))]);
    take(&directory, [Message::SnapshotBegin, change(9, Entry::Device(device(2)))]);
    assert!(directory.device(&CertFingerprint([1; 32])).is_some());
    assert_eq!(directory.epoch(), Epoch(1), "the next connection asks from what is whole");
}

#[test]
fn a_renewed_device_loses_its_old_certificate() {
    let directory = directory();
    let renewed = Device { fingerprint: CertFingerprint([9; 32]), ..device(1) };
    take(&directory, [change(1, Entry::Device(device(1))), change(2, Entry::Device(renewed))]);
    assert!(directory.device(&CertFingerprint([1; 32])).is_none());
    assert!(directory.device(&CertFingerprint([9; 32])).is_some());
}

#[test]
fn records_name_the_user_and_device_as_they_are_now() {
    let directory = directory();
    take(
        &directory,
        [
            change(1, Entry::Device(device(1))),
            change(2, Entry::Session(session(1))),
            change(3, Entry::Account(account(1, "Anna"))),
        ],
    );
    let known = directory.session(&SessionKey([1; 32])).expect("known");
    known.used(44);
    assert_eq!(known.actor.user_name.as_ref(), "Anna");
    assert_eq!(known.actor.device_cert, CertFingerprint([1; 32]));
    let renewed = Device { fingerprint: CertFingerprint([9; 32]), ..device(1) };
    take(&directory, [change(4, Entry::Account(account(1, "Anna Berg"))), change(5, Entry::Device(renewed))]);
    let known = directory.session(&SessionKey([1; 32])).expect("known");
    assert_eq!(known.actor.user_name.as_ref(), "Anna Berg");
    assert_eq!(known.actor.device_cert, CertFingerprint([9; 32]));
    assert_eq!(known.last_used(), 44, "what is known of its use stays");
}

#[test]
fn freshness_ends_and_a_heartbeat_renews_it() {
    let directory = directory();
    assert!(!directory.fresh(901 * SECOND), "never heard");
    let mut seen = None;
    directory.take(Message::Heartbeat { epoch: Epoch(1), at: 0 }, 1_000 * SECOND, &mut seen);
    assert!(directory.fresh(1_900 * SECOND));
    assert!(!directory.fresh(1_901 * SECOND));
}

#[test]
fn use_is_reported_once() {
    let directory = directory();
    take(&directory, [change(1, Entry::Session(session(1))), change(2, Entry::Session(session(2)))]);
    directory.session(&SessionKey([1; 32])).expect("known").used(9);
    assert_eq!(directory.unreported(10), [(SessionKey([1; 32]), 9)]);
    assert!(directory.unreported(10).is_empty());
}

#[test]
fn a_learned_session_does_not_override_the_feed() {
    let directory = directory();
    let ended = Session { ended: Some(3), ..session(1) };
    take(&directory, [change(1, Entry::Session(ended))]);
    assert!(directory.learn(directory.snapshots(), session(1), Some(account(1, "Anna"))));
    assert_eq!(directory.session(&SessionKey([1; 32])).expect("known").session.ended, Some(3));
}

#[test]
fn a_session_that_ended_while_it_was_asked_for_does_not_come_back() {
    let directory = directory();
    take(&directory, [change(1, Entry::Device(device(1)))]);
    let asked = directory.snapshots();
    // It ended while the answer was on its way, and the snapshot leaves it out: no change will ever tell of it.
    take(&directory, [Message::SnapshotBegin, Message::SnapshotEnd { epoch: Epoch(3) }]);
    assert!(!directory.learn(asked, session(1), Some(account(1, "Anna"))));
    assert!(directory.session(&SessionKey([1; 32])).is_none());
    assert!(directory.account(account(1, "").id).is_none());
    assert!(directory.learn(directory.snapshots(), session(1), Some(account(1, "Anna"))), "asked again, it is known");
    assert!(directory.session(&SessionKey([1; 32])).is_some());
}

#[test]
fn the_copy_on_disk_comes_back_as_old_as_it_is() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("directory.ndjson");
    let directory_before = directory();
    take(
        &directory_before,
        [
            change(1, Entry::Account(account(1, "Anna"))),
            change(2, Entry::Device(device(1))),
            change(3, Entry::Session(session(1))),
        ],
    );
    disk::save(&directory_before, &path).expect("saves");
    let after = directory();
    assert_eq!(disk::load(&after, &path).expect("loads"), Some(5 * SECOND));
    assert!(after.session(&SessionKey([1; 32])).is_some());
    assert!(after.account(account(1, "").id).is_some());
    assert_eq!(after.epoch(), Epoch(0), "a snapshot is asked for");
    assert!(after.fresh(905 * SECOND) && !after.fresh(906 * SECOND));

    let text = std::fs::read_to_string(&path).expect("reads");
    let cut = text.lines().take(3).collect::<Vec<_>>().join("\n");
    std::fs::write(&path, cut).expect("writes");
    assert!(disk::load(&directory(), &path).is_err(), "a cut file is not believed");
    assert_eq!(disk::load(&directory(), &dir.path().join("none")).expect("no file is no error"), None);
}
