//! What recovery and readers make of torn tails, of decay and of a disk that refuses.

use super::*;
use crate::journal::sim::Faults;

fn path(first: u64) -> PathBuf {
    PathBuf::from(DIR).join(segment::file_name(first))
}

/// Offset of the first place where these bytes lie.
fn find(content: &[u8], needle: &[u8]) -> usize {
    content.windows(needle.len()).position(|window| window == needle).unwrap()
}

#[test]
fn a_damaged_committed_frame_is_a_gap_and_the_rest_is_read() {
    let sim = SimStorage::new(1);
    let mut parts = open(&sim);
    for payload in ["first", "second", "third", "fourth"] {
        commit(&mut parts, payload.as_bytes());
    }
    drop(parts);
    sim.corrupt(&path(1), |content| {
        let place = find(content, b"second");
        content[place] ^= 1;
    });
    for _ in 0..2 {
        let parts = open(&sim);
        assert_eq!(parts.recovery.gaps, [Gap::new(2, 2)]);
        assert_eq!(parts.recovery.next, 5);
        let items = read_all(&mut parts.journal.reader(Position::FIRST));
        assert_eq!(payloads(&items), ["first", "gap 2..=2", "third", "fourth"]);
    }
    assert!(sim.names().iter().any(|name| name.to_str().unwrap().ends_with(".seg.quarantined")));
}

#[test]
fn a_damaged_length_does_not_hide_the_frames_behind_it() {
    let sim = SimStorage::new(2);
    let mut parts = open(&sim);
    for payload in ["first", "second", "third"] {
        commit(&mut parts, payload.as_bytes());
    }
    drop(parts);
    sim.corrupt(&path(1), |content| {
        let place = find(content, b"first") - 28;
        content[place..place + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    });
    let parts = open(&sim);
    let items = read_all(&mut parts.journal.reader(Position::OLDEST));
    assert_eq!(payloads(&items), ["gap 1..=1", "second", "third"]);
}

#[test]
fn damage_to_the_last_batch_is_a_torn_tail() {
    let sim = SimStorage::new(3);
    let mut parts = open(&sim);
    commit(&mut parts, b"first");
    commit(&mut parts, b"second");
    drop(parts);
    sim.corrupt(&path(1), |content| {
        let place = find(content, b"second");
        content[place] ^= 1;
    });
    let mut parts = open(&sim);
    assert_eq!((parts.recovery.gaps.len(), parts.recovery.torn_bytes), (0, 40));
    assert_eq!(commit(&mut parts, b"other"), Position::new(2));
    assert_eq!(payloads(&read_all(&mut parts.journal.reader(Position::FIRST))), ["first", "other"]);
}

#[test]
fn a_segment_without_header_is_a_gap_and_no_sequence_comes_twice() {
    let sim = SimStorage::new(4);
    // The last batch of each life moves to the next life's segment.
    let mut parts = open(&sim);
    commit(&mut parts, b"first");
    commit(&mut parts, b"second");
    drop(parts);
    drop(open(&sim));
    sim.corrupt(&path(1), |content| content[..8192].fill(7));
    sim.corrupt(&path(2), |content| content[..4096].fill(7));
    let mut parts = open(&sim);
    assert_eq!(payloads(&read_all(&mut parts.journal.reader(Position::FIRST))), ["gap 1..=1", "second"]);
    commit(&mut parts, b"third");
    drop(parts);
    let last = sim.names().into_iter().rfind(|name| name.extension().is_some_and(|end| end == "seg")).unwrap();
    sim.corrupt(&last, |content| content[..8192].fill(7));
    let parts = open(&sim);
    assert!(parts.recovery.next > 3);
    assert_eq!(parts.recovery.gaps.last().unwrap().last.next().sequence(), parts.recovery.next);
}

#[test]
fn a_missing_segment_is_a_gap() {
    let sim = SimStorage::new(5);
    for payload in ["first", "second", "third", "fourth"] {
        let mut parts = open(&sim);
        commit(&mut parts, payload.as_bytes());
    }
    shared(&sim).remove(&path(2)).unwrap();
    let parts = open(&sim);
    assert_eq!(parts.recovery.gaps, [Gap::new(2, 2)]);
    let items = read_all(&mut parts.journal.reader(Position::FIRST));
    assert_eq!(payloads(&items), ["first", "gap 2..=2", "third", "fourth"]);
}

#[test]
fn another_nodes_segments_are_refused() {
    let sim = SimStorage::new(6);
    commit(&mut open(&sim), b"first");
    let config = Config { node: [9; 16], ..small_config(DIR) };
    let refused = Journal::open_parts(config, sim.storage(), metrics());
    assert!(matches!(refused, Err(OpenError::OtherNode { .. })));
}

#[test]
fn a_failed_sync_refuses_appends_until_the_frames_are_in_another_segment() {
    let sim = SimStorage::new(7);
    let mut parts = open(&sim);
    commit(&mut parts, b"first");
    let ticket = parts.journal.append(FrameKind::Intent, |out| out.extend_from_slice(b"second")).unwrap();
    sim.set_faults(Faults { sync_fails: 1000, ..Faults::NONE });
    assert!(matches!(parts.committer.step(Duration::ZERO), Step::Failed(_)));
    assert!(!ticket.is_durable());
    assert_eq!(parts.journal.state(), State::Failing);
    assert_eq!(parts.journal.append(FrameKind::Outcome, |_| ()).err(), Some(AppendError::Unavailable));
    sim.set_faults(Faults::NONE);
    assert_eq!(parts.committer.step(Duration::ZERO), Step::Committed);
    assert_eq!(parts.journal.state(), State::Healthy);
    assert_eq!(ticket.try_receipt().ok().unwrap().position(), Position::new(2));
    drop(parts);
    sim.power_cut();
    let parts = open(&sim);
    assert_eq!(payloads(&read_all(&mut parts.journal.reader(Position::FIRST))), ["first", "second"]);
}

#[test]
fn a_stalled_commit_times_out_and_a_late_success_heals() {
    let sim = SimStorage::new(8);
    let mut parts = open(&sim);
    let mut ticket = parts.journal.append(FrameKind::Intent, |_| ()).unwrap();
    sim.advance(Duration::from_secs(3));
    parts.journal.expire(sim.storage().monotonic());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = std::pin::Pin::new(&mut ticket).poll(&mut context);
    assert_eq!(polled, std::task::Poll::Ready(Err(CommitError::Timeout)));
    // Somebody new gets the whole time, and the old frame is recorded all the same.
    let second = parts.journal.append(FrameKind::Intent, |_| ()).unwrap();
    assert_eq!(parts.committer.step(Duration::ZERO), Step::Committed);
    assert_eq!(second.try_receipt().ok().unwrap().position(), Position::new(2));
}

#[test]
fn above_the_high_water_mark_only_intents_are_refused() {
    let sim = SimStorage::new(9);
    let config = Config { budget_bytes: 128 << 10, high_water_bytes: 64 << 10, ..small_config(DIR) };
    let mut parts = Journal::open_parts(config, sim.storage(), metrics()).unwrap();
    let fill = |out: &mut Vec<u8>| out.resize(3000, 1);
    while parts.journal.append(FrameKind::Intent, fill).is_ok() {
        parts.committer.step(Duration::ZERO);
    }
    assert_eq!(parts.journal.append(FrameKind::Intent, fill).err(), Some(AppendError::Full));
    assert_eq!(parts.journal.state(), State::Full);
    parts.journal.append_lazy(FrameKind::Outcome, fill).unwrap();
    sim.advance(Duration::from_secs(1));
    assert_eq!(parts.committer.step(sim.storage().monotonic()), Step::Committed);
    parts.journal.ack(parts.journal.durable_end()).unwrap();
    parts.keeper.step(Duration::ZERO).unwrap();
    assert_eq!(parts.journal.state(), State::Healthy);
    commit(&mut parts, b"again");
}

#[test]
fn what_ends_something_is_taken_beyond_the_budget() {
    let sim = SimStorage::new(9);
    let config = Config { budget_bytes: 128 << 10, high_water_bytes: 64 << 10, ..small_config(DIR) };
    let mut parts = Journal::open_parts(config, sim.storage(), metrics()).unwrap();
    let fill = |out: &mut Vec<u8>| out.resize(3000, 1);
    while parts.journal.append_lazy(FrameKind::AuthEvent, fill).is_ok() {
        sim.advance(Duration::from_secs(1));
        parts.committer.step(sim.storage().monotonic());
    }
    assert_eq!(parts.journal.append_lazy(FrameKind::AuthEvent, fill).err(), Some(AppendError::Full));
    // Without them the ack mark would stand still for ever: the first ends an exchange, the second all that a start finds.
    parts.journal.append_lazy(FrameKind::Outcome, |_| ()).unwrap();
    let started = parts.journal.append(FrameKind::Marker, |_| ()).unwrap();
    assert_eq!(parts.committer.step(sim.storage().monotonic()), Step::Committed);
    assert!(started.try_receipt().is_ok());
}

#[test]
fn a_full_disk_is_full_not_failing_and_comes_back() {
    let sim = SimStorage::new(10);
    let mut parts = open(&sim);
    sim.set_faults(Faults { capacity_bytes: 20 << 10, ..Faults::NONE });
    let big = |out: &mut Vec<u8>| out.resize(12_000, 1);
    let ticket = parts.journal.append(FrameKind::Intent, big).unwrap();
    assert!(matches!(parts.committer.step(Duration::ZERO), Step::Failed(_)));
    assert_eq!(parts.journal.state(), State::Full);
    assert_eq!(parts.journal.append(FrameKind::Outcome, |_| ()).err(), Some(AppendError::Full));
    sim.set_faults(Faults::NONE);
    assert_eq!(parts.committer.step(Duration::ZERO), Step::Committed);
    assert_eq!(parts.journal.state(), State::Healthy);
    assert!(ticket.is_durable());
}

#[test]
fn lazy_frames_wait_for_their_time_or_for_company() {
    let sim = SimStorage::new(11);
    let mut parts = open(&sim);
    parts.journal.append_lazy(FrameKind::Outcome, |_| ()).unwrap();
    assert_eq!(parts.committer.step(Duration::ZERO), Step::Wait(Duration::from_millis(50)));
    assert_eq!(parts.committer.step(Duration::from_millis(50)), Step::Committed);
    parts.journal.append_lazy(FrameKind::Outcome, |_| ()).unwrap();
    assert_eq!(commit(&mut parts, b"urgent"), Position::new(3));
}

#[test]
fn after_a_crowd_the_next_commit_gathers_and_one_alone_never_waits() {
    let sim = SimStorage::new(13);
    let mut parts = open(&sim);
    let append = |parts: &Parts| parts.journal.append(FrameKind::Intent, |_| ()).unwrap();
    let at = Duration::from_micros;
    for now in [0, 1, 2] {
        let _alone = append(&parts);
        assert_eq!(parts.committer.step(at(now)), Step::Committed);
    }
    let crowd: Vec<_> = (0..4).map(|_| append(&parts)).collect();
    assert_eq!(parts.committer.step(at(100)), Step::Committed);
    let next = append(&parts);
    assert_eq!(parts.committer.step(at(600)), Step::Gather(at(1_500)));
    let company = append(&parts);
    assert!(!next.is_durable());
    assert_eq!(parts.committer.step(at(2_100)), Step::Committed);
    assert!(crowd.iter().chain([&next, &company]).all(Ticket::is_durable));
    // They were two: the crowd has gone.
    let _alone = append(&parts);
    assert_eq!(parts.committer.step(at(2_101)), Step::Committed);
}

#[test]
fn frames_are_bounded() {
    let sim = SimStorage::new(12);
    let parts = open(&sim);
    let huge = parts.journal.append(FrameKind::Intent, |out| out.resize(PAYLOAD_BYTES_MAX + 1, 0));
    assert_eq!(huge.err(), Some(AppendError::TooLarge { bytes: PAYLOAD_BYTES_MAX + 1 }));
    let fill = |out: &mut Vec<u8>| out.resize(10_000, 0);
    let _ticket = parts.journal.append(FrameKind::Intent, fill).unwrap();
    assert_eq!(parts.journal.append(FrameKind::Intent, fill).err(), Some(AppendError::Busy));
}

#[test]
fn a_ledger_keeps_the_old_record_or_the_new_one_through_any_crash() {
    for seed in 0..2000 {
        let sim = SimStorage::new(seed);
        let path = PathBuf::from(DIR).join("batch.ledger");
        let (mut stored, mut tried) = (0, 0);
        for _ in 0..4 {
            let faults = Faults { crash_after: Some(sim.below(16)), sync_fails: 100, ..Faults::NONE };
            sim.set_faults(faults);
            if let Ok((mut ledger, record)) = Ledger::open(&sim.storage(), &path, 100) {
                let found = u8::try_from(record.len()).unwrap();
                assert!(record.iter().all(|byte| *byte == found));
                assert!((stored..=tried).contains(&found), "seed {seed}: {found} is not in {stored}..={tried}");
                // What was handed out must stay.
                stored = found;
                while !sim.crashed() {
                    tried = stored + 1;
                    if ledger.store(&vec![tried; tried.into()]).is_ok() {
                        stored = tried;
                    }
                }
            }
            if sim.below(2) == 0 { sim.kill() } else { sim.power_cut() }
        }
        let (_, record) = Ledger::open(&sim.storage(), &path, 5000).unwrap();
        assert!((stored..=tried).contains(&u8::try_from(record.len()).unwrap()), "seed {seed}");
    }
}
