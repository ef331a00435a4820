use super::*;
use contract::directory::{AccountStanding, Commission, Grant, NextCertificate};
use contract::id::{DeviceId, HsaId};
use contract::record::AuthMethod;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
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
        next: None,
    }
}

pub(super) fn account(n: u8, name: &str) -> Account {
    Account {
        id: AccountId::new(Uuid::from_u128(n.into())),
        standing: AccountStanding::Active,
        user_hsa: None,
        name: name.to_owned(),
        title: String::new(),
        grants: Vec::<Grant>::new(),
        roles: Vec::new(),
        openings: Vec::new(),
        instructions_due: false,
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
fn a_device_has_two_certificates_until_the_auditor_says_that_the_new_one_counts() {
    let directory = directory();
    let (old, new, newer) = (CertFingerprint([1; 32]), CertFingerprint([9; 32]), CertFingerprint([8; 32]));
    let next = |fingerprint| Some(NextCertificate { fingerprint, not_after: 2_000 * SECOND });
    let known = |fingerprint: &CertFingerprint| directory.device(fingerprint).map(|known| known.device.clone());
    take(&directory, [change(1, Entry::Device(device(1)))]);
    take(&directory, [change(2, Entry::Device(Device { next: next(new), ..device(1) }))]);
    assert_eq!(known(&old).expect("still good").not_after, 1_000 * SECOND);
    let given = known(&new).expect("good already");
    assert_eq!((given.id, given.not_after, given.next), (device(1).id, 2_000 * SECOND, None));

    // It asked again, because the first answer was lost.
    take(&directory, [change(3, Entry::Device(Device { next: next(newer), ..device(1) }))]);
    assert!(known(&old).is_some() && known(&new).is_none() && known(&newer).is_some());

    // The copy on disk and a snapshot tell the same.
    let entries = directory.entries();
    assert_eq!(entries, [Entry::Device(Device { next: next(newer), ..device(1) })]);
    let snapshot = entries.into_iter().map(|entry| change(4, entry));
    let snapshot = std::iter::once(Message::SnapshotBegin).chain(snapshot);
    take(&directory, snapshot.chain([Message::SnapshotEnd { epoch: Epoch(4) }]));
    assert!(known(&old).is_some() && known(&newer).is_some());

    directory.device(&newer).expect("known").used(100 * SECOND);
    assert_eq!(directory.unreported_devices(10), [(newer, 100 * SECOND)], "the first use is told at once");
    directory.device(&newer).expect("known").used(101 * SECOND);
    assert!(directory.unreported_devices(10).is_empty(), "the next only after a while");
    let counts = Device { fingerprint: newer, not_after: 2_000 * SECOND, ..device(1) };
    take(&directory, [change(5, Entry::Device(counts.clone()))]);
    assert!(known(&old).is_none());
    assert_eq!(known(&newer), Some(counts.clone()));
    directory.device(&newer).expect("known").used(161 * SECOND);
    assert_eq!(directory.unreported_devices(10), [(newer, 161 * SECOND)], "what was reported is not forgotten");

    let revoked = Device { revoked: Some(1), next: next(new), ..counts };
    take(&directory, [change(6, Entry::Device(revoked))]);
    assert!([newer, new].iter().all(|of| known(of).is_some_and(|device| device.revoked.is_some())), "both with it");
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
    let disk = disk::Kept::new(path.clone());
    assert!(disk.wants_whole());
    // What somebody else has left in its place does not say who may read it.
    std::fs::write(path.with_extension("tmp"), "").expect("writes");
    std::fs::set_permissions(path.with_extension("tmp"), Permissions::from_mode(0o644)).expect("sets");
    disk.save(&directory_before).expect("saves");
    assert_eq!(std::fs::metadata(&path).expect("there").permissions().mode() & 0o777, 0o600);
    assert!(!disk.wants_whole());
    let after = directory();
    assert_eq!(disk.load(&after).expect("loads"), Some(5 * SECOND));
    assert!(after.session(&SessionKey([1; 32])).is_some());
    assert!(after.account(account(1, "").id).is_some());
    assert_eq!(after.epoch(), Epoch(0), "a snapshot is asked for");
    assert!(after.fresh(905 * SECOND) && !after.fresh(906 * SECOND));

    let text = std::fs::read_to_string(&path).expect("reads");
    let cut = text.lines().take(3).collect::<Vec<_>>().join("\n");
    std::fs::write(&path, cut).expect("writes");
    assert!(disk.load(&directory()).is_err(), "a cut file is not believed");
    let none = disk::Kept::new(dir.path().join("none"));
    assert_eq!(none.load(&directory()).expect("no file is no error"), None);
}

#[test]
fn what_was_taken_away_stays_so_on_disk_at_once() {
    let dir = tempfile::tempdir().expect("a folder");
    let path = dir.path().join("directory.ndjson");
    let disk = disk::Kept::new(path.clone());
    let now = directory();
    take(&now, [change(1, Entry::Device(device(1))), change(2, Entry::Session(session(1)))]);
    disk.save(&now).expect("saves");
    let ended = Session { ended: Some(7 * SECOND), ..session(1) };
    disk.add(&change(3, Entry::Session(ended))).expect("adds");
    disk.add(&Message::Heartbeat { epoch: Epoch(3), at: 9 * SECOND }).expect("adds");
    let loaded = |wanted: Micros| {
        let after = directory();
        assert_eq!(disk.load(&after).expect("loads"), Some(wanted));
        after
    };
    let after = loaded(9 * SECOND);
    assert_eq!(after.session(&SessionKey([1; 32])).expect("there").session.ended, Some(7 * SECOND));

    // Killed while a line was being added: what stands before it counts.
    let text = std::fs::read_to_string(&path).expect("reads");
    std::fs::write(&path, &text[..text.len() - 5]).expect("writes");
    assert!(loaded(5 * SECOND).session(&SessionKey([1; 32])).expect("there").session.ended.is_some());
}

#[test]
fn what_changes_while_the_file_is_written_is_in_it() {
    let dir = tempfile::tempdir().expect("a folder");
    let disk = disk::Kept::new(dir.path().join("directory.ndjson"));
    let (now, count) = (directory(), 2_000_u128);
    disk.save(&now).expect("saves");
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for n in 1..=count {
                let added = Account { id: AccountId::new(Uuid::from_u128(n)), ..account(1, "") };
                let added = change(1, Entry::Account(added));
                take(&now, [added.clone()]);
                disk.add(&added).expect("adds");
            }
            done.store(true, Ordering::Release);
        });
        let mut saves = 0;
        while !done.load(Ordering::Acquire) || saves == 0 {
            disk.save(&now).expect("saves");
            saves += 1;
        }
    });
    let after = directory();
    disk.load(&after).expect("loads");
    let missing: Vec<u128> =
        (1..=count).filter(|n| after.account(AccountId::new(Uuid::from_u128(*n))).is_none()).collect();
    assert_eq!(missing, Vec::<u128>::new());
}
