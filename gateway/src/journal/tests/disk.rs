//! The journal with its threads, on a real disk.

use super::*;
use storage::Disk;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_callers_get_their_receipts_and_a_reader_sees_all() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, recovery) = Journal::open(small_config(dir.path()), Disk::storage(), metrics()).unwrap();
    assert_eq!(recovery, Recovery { next: 1, acked: 1, ..Recovery::default() });
    let mut reader = journal.reader(Position::FIRST);
    let mut callers = tokio::task::JoinSet::new();
    for caller in 0..64_u8 {
        let journal = journal.clone();
        callers.spawn(async move {
            for _ in 0..10 {
                let receipt = journal.append(FrameKind::Intent, |out| out.push(caller)).unwrap().await.unwrap();
                assert!(receipt.position() < journal.durable_end());
            }
        });
    }
    let mut seen = 0;
    while seen < 640 {
        assert!(reader.wait_for_new().await);
        for item in read_all(&mut reader) {
            seen += 1;
            assert!(matches!(item, Item::Frame(frame) if frame.position == Position::new(seen)));
        }
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    journal.append_lazy(FrameKind::Outcome, |_| ()).unwrap();
    journal.close();
    assert!(reader.wait_for_new().await, "closing writes what is pending");
    assert_eq!(read_all(&mut reader).len(), 1);
    assert!(!reader.wait_for_new().await, "and then it is over");
    assert_eq!(journal.append(FrameKind::Intent, |_| ()).err(), Some(AppendError::Closed));
    let (_, recovery) = Journal::open(small_config(dir.path()), Disk::storage(), metrics()).unwrap();
    assert_eq!((recovery.frames, recovery.next), (641, 642));
}

#[test]
fn tickets_are_woken_on_a_runtime_that_outlives_the_first() {
    let dir = tempfile::tempdir().unwrap();
    let (journal, _) = Journal::open(small_config(dir.path()), Disk::storage(), metrics()).unwrap();
    for _ in 0..3 {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).build().unwrap();
        runtime.block_on(async {
            let mut callers = tokio::task::JoinSet::new();
            for _ in 0..32 {
                let ticket = journal.append(FrameKind::Intent, |_| ()).unwrap();
                callers.spawn(ticket);
            }
            while let Some(done) = callers.join_next().await {
                let _receipt = done.unwrap().unwrap();
            }
        });
    }
}

#[test]
fn a_second_opener_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let (first, _) = Journal::open(small_config(dir.path()), Disk::storage(), metrics()).unwrap();
    let second = Journal::open(small_config(dir.path()), Disk::storage(), metrics());
    assert!(matches!(second, Err(OpenError::Locked { .. })));
    drop(first);
    assert!(Journal::open(small_config(dir.path()), Disk::storage(), metrics()).is_ok());
}

#[test]
fn settings_that_make_no_sense_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let config = Config { segment_bytes: 1, ..small_config(dir.path()) };
    let refused = Journal::open(config, Disk::storage(), metrics());
    assert!(matches!(refused, Err(OpenError::Config { setting: "segment_bytes", .. })));
}

/// A segment of format version 1 as it was written once stays readable. `GRINDVAKT_WRITE_GOLDEN=1` writes it anew, for
/// the next version's file.
#[test]
fn the_golden_segment_of_version_1_stays_readable() {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/journal_v1.seg");
    let dir = tempfile::tempdir().unwrap();
    if std::env::var_os("GRINDVAKT_WRITE_GOLDEN").is_some() {
        let mut parts = Journal::open_parts(small_config(dir.path()), Disk::storage(), metrics()).unwrap();
        for (index, kind) in FrameKind::ALL.into_iter().enumerate() {
            let _ticket = parts.journal.append(kind, |out| out.extend_from_slice(kind.name().as_bytes())).unwrap();
            if index != 2 {
                parts.committer.step(Duration::ZERO);
            }
        }
        drop(parts.committer);
        std::fs::copy(dir.path().join(segment::file_name(1)), &golden).unwrap();
        return;
    }
    std::fs::copy(golden, dir.path().join(segment::file_name(1))).unwrap();
    let storage = Disk::storage();
    let mut reader = offline_reader(&storage, dir.path(), Position::OLDEST).unwrap();
    let items = read_all(&mut reader);
    let expected = FrameKind::ALL.into_iter().zip(1..).map(|(kind, sequence)| {
        Item::Frame(Frame { position: Position::new(sequence), kind, payload: kind.name().as_bytes().to_vec() })
    });
    assert_eq!(items, expected.collect::<Vec<_>>());
    let recovery = inspect(&storage, dir.path()).unwrap();
    assert_eq!((recovery.frames, recovery.next, recovery.torn_bytes), (5, 6, 0));
    // It is also a log that a journal goes on writing.
    let mut parts = Journal::open_parts(small_config(dir.path()), storage, metrics()).unwrap();
    assert_eq!(commit(&mut parts, b"next"), Position::new(6));
}
