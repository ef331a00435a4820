use super::*;
use crate::id::DataKeyId;
use crate::pseudonym::{PatientRef, SealedIdentity};
use crate::record::{Activity, Actor, Asked, Decision, Initiator, Origin, PatientEntry, Purpose, Sensitivity, Source};
use std::net::Ipv6Addr;
use std::sync::Arc;
use uuid::Uuid;

pub(super) fn intent(request: u128, patients: usize, answered: Option<OutcomeKind>) -> Intent {
    let text = |t: &str| Text::from(t);
    let request = RequestId::new(Uuid::from_u128(request << 64));
    let entry = |i: usize| PatientEntry {
        reference: PatientRef([u8::try_from(i).unwrap_or(0) + 1; 16]),
        kind: 1,
        sealed: SealedIdentity::NONE,
        source: Source::Path,
        position: u32::try_from(i).unwrap_or(0),
        problem: Reason::None,
    };
    Intent {
        asked: Asked {
            at: 1_000,
            request,
            registry: text("sample"),
            system_hsa: text("SE2321000016-S"),
            route: text("/patients/{patient}"),
            method: text("GET"),
            activity: Activity::Read,
            purpose: Purpose::Care,
            initiator: Initiator::User,
            resource_type: text("journal"),
            sensitivity: Sensitivity::Normal,
            decision: Decision::Permit,
            reason: Reason::None,
            policy_epoch: 3,
        },
        actor: Arc::new(Actor::nobody()),
        origin: Origin { address: Ipv6Addr::LOCALHOST, country: *b"--", asn: 0 },
        key: DataKeyId::new(Uuid::from_u128(9)),
        patients: (0..patients).map(entry).collect(),
        terms: [PatientRef([8; 16])].into_iter().collect(),
        answered: answered.map(|kind| outcome(request, kind)),
    }
}

fn outcome(request: RequestId, kind: OutcomeKind) -> Outcome {
    Outcome { request, at: 2_000, status: 200, bytes: 10, duration_us: 1_000, kind }
}

fn fold() -> Fold {
    Fold::new(&NodeName::parse("gw1").expect("a name"), &"SE2321000016-T".into())
}

fn access(rows: &[Row]) -> Vec<(Phase, OutcomeKind)> {
    rows.iter()
        .filter_map(|row| match row {
            Row::Access(row) => Some((row.phase, row.outcome)),
            _ => None,
        })
        .collect()
}

#[test]
fn an_outcome_gives_one_row_per_patient_with_ids_of_their_own() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    let intent = intent(1, 3, None);
    fold.apply(10, kinds::INTENT, &intent.to_bytes(), &mut rows).expect("applies");
    assert!(rows.is_empty());
    assert_eq!(fold.resume_from(11), 10);
    let end = outcome(intent.asked.request, OutcomeKind::Complete);
    fold.apply(11, kinds::OUTCOME, &end.to_bytes(), &mut rows).expect("applies");
    assert_eq!(access(&rows), vec![(Phase::Whole, OutcomeKind::Complete); 3]);
    assert_eq!((fold.resume_from(12), fold.open()), (12, 0));
    let ids: std::collections::HashSet<_> =
        rows.iter().map(|row| if let Row::Access(row) = row { row.record_id } else { Uuid::nil() }).collect();
    assert_eq!(ids.len(), 3);
    // A second outcome for the same request changes nothing.
    fold.apply(12, kinds::OUTCOME, &end.to_bytes(), &mut rows).expect("applies");
    assert_eq!(rows.len(), 3);
}

#[test]
fn a_refusal_is_a_row_at_once() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    fold.apply(1, kinds::INTENT, &intent(1, 1, Some(OutcomeKind::Refused)).to_bytes(), &mut rows).expect("applies");
    assert_eq!(access(&rows), [(Phase::Whole, OutcomeKind::Refused)]);
    assert_eq!(fold.open(), 0);
}

#[test]
fn a_long_exchange_has_a_begin_and_an_end_row() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    let intent = intent(1, 1, None);
    let request = intent.asked.request;
    fold.apply(1, kinds::INTENT, &intent.to_bytes(), &mut rows).expect("applies");
    for kind in [OutcomeKind::Open, OutcomeKind::Open, OutcomeKind::Complete] {
        fold.apply(2, kinds::OUTCOME, &outcome(request, kind).to_bytes(), &mut rows).expect("applies");
    }
    assert_eq!(access(&rows), [(Phase::Begin, OutcomeKind::Open), (Phase::End, OutcomeKind::Complete)]);
    let [Row::Access(begin), Row::Access(end)] = rows.as_slice() else { unreachable!("two rows") };
    assert_ne!(begin.record_id, end.record_id);
}

fn disclosure(request: RequestId, patients: std::ops::Range<usize>) -> Disclosure {
    let entry = |i: usize| PatientEntry {
        reference: PatientRef([u8::try_from(i % 200).unwrap_or(0) + 1; 16]),
        kind: 1,
        sealed: SealedIdentity::NONE,
        source: Source::Response,
        position: u32::try_from(i).unwrap_or(0),
        problem: Reason::None,
    };
    let key = DataKeyId::new(Uuid::from_u128(10));
    Disclosure { request, at: 1_500, status: 200, bytes: 5, key, patients: patients.map(entry).collect() }
}

fn searched() -> Intent {
    let mut intent = intent(1, 0, None);
    intent.patients.push(PatientEntry::unidentified(Source::Response, Reason::PatientInResponse));
    intent
}

/// Phase, position, reason, key and status of the rows.
fn told(rows: &[Row]) -> Vec<(Phase, Option<u32>, Reason, u16)> {
    rows.iter()
        .filter_map(|row| match row {
            Row::Access(row) => {
                let named = row.patient_kind != 0;
                assert_eq!(row.patient_key, if named { Uuid::from_u128(10) } else { Uuid::nil() });
                Some((row.phase, named.then_some(row.position), row.reason, row.status))
            }
            _ => None,
        })
        .collect()
}

#[test]
fn who_is_disclosed_gets_a_row_with_the_outcome_and_stands_for_the_row_of_nobody() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    let intent = searched();
    let request = intent.asked.request;
    fold.apply(1, kinds::INTENT, &intent.to_bytes(), &mut rows).expect("applies");
    for patients in [0..2, 2..3] {
        fold.apply(2, kinds::DISCLOSURE, &disclosure(request, patients).to_bytes(), &mut rows).expect("applies");
    }
    assert!(rows.is_empty());
    fold.apply(4, kinds::OUTCOME, &outcome(request, OutcomeKind::Aborted).to_bytes(), &mut rows).expect("applies");
    assert_eq!(told(&rows), [0, 1, 2].map(|i| (Phase::Whole, Some(i), Reason::None, 200)));
    let ids: std::collections::HashSet<_> =
        rows.iter().map(|row| if let Row::Access(row) = row { row.record_id } else { Uuid::nil() }).collect();
    assert_eq!(ids.len(), 3);
    // What comes behind the end belongs to nobody.
    fold.apply(5, kinds::DISCLOSURE, &disclosure(request, 3..4).to_bytes(), &mut rows).expect("applies");
    assert_eq!((rows.len(), fold.open()), (3, 0));
}

#[test]
fn an_answer_that_names_nobody_has_its_row() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    let intent = searched();
    fold.apply(1, kinds::INTENT, &intent.to_bytes(), &mut rows).expect("applies");
    let end = outcome(intent.asked.request, OutcomeKind::Complete);
    fold.apply(2, kinds::OUTCOME, &end.to_bytes(), &mut rows).expect("applies");
    assert_eq!(told(&rows), [(Phase::Whole, None, Reason::PatientInResponse, 200)]);
}

#[test]
fn of_a_long_list_the_first_get_their_rows_while_it_goes_on() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    let intent = searched();
    let request = intent.asked.request;
    fold.apply(1, kinds::INTENT, &intent.to_bytes(), &mut rows).expect("applies");
    let many = 3 * WAITING_MAX + 10;
    for first in (0..many).step_by(100) {
        let some = disclosure(request, first..many.min(first + 100));
        fold.apply(2, kinds::DISCLOSURE, &some.to_bytes(), &mut rows).expect("applies");
        assert!(rows.len() + WAITING_MAX >= many.min(first + 100), "what waits is bounded");
    }
    fold.apply(4, kinds::OUTCOME, &outcome(request, OutcomeKind::Complete).to_bytes(), &mut rows).expect("applies");
    let told = told(&rows);
    assert_eq!(
        told.iter().filter_map(|row| row.1).collect::<Vec<_>>(),
        (0..u32::try_from(many).unwrap_or(0)).collect::<Vec<_>>()
    );
    let during = told.iter().filter(|row| row.0 == Phase::During).count();
    assert_eq!((during, told.len()), (3 * WAITING_MAX, many), "the last tell how it ended");
}

#[test]
fn a_long_exchange_tells_whom_it_discloses_as_it_goes() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    let intent = searched();
    let request = intent.asked.request;
    fold.apply(1, kinds::INTENT, &intent.to_bytes(), &mut rows).expect("applies");
    fold.apply(2, kinds::DISCLOSURE, &disclosure(request, 0..1).to_bytes(), &mut rows).expect("applies");
    fold.apply(3, kinds::OUTCOME, &outcome(request, OutcomeKind::Open).to_bytes(), &mut rows).expect("applies");
    let begun = [(Phase::Begin, None, Reason::None, 200), (Phase::During, Some(0), Reason::None, 200)];
    assert_eq!(told(&rows), begun);
    fold.apply(4, kinds::DISCLOSURE, &disclosure(request, 1..2).to_bytes(), &mut rows).expect("applies");
    assert_eq!(told(&rows).last(), Some(&(Phase::During, Some(1), Reason::None, 200)));
    fold.apply(5, kinds::OUTCOME, &outcome(request, OutcomeKind::Complete).to_bytes(), &mut rows).expect("applies");
    assert_eq!(told(&rows).last(), Some(&(Phase::End, None, Reason::None, 200)));
    assert_eq!(rows.len(), 4);
}

#[test]
fn a_start_tells_whom_an_answer_may_have_disclosed() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    let intent = searched();
    fold.apply(1, kinds::INTENT, &intent.to_bytes(), &mut rows).expect("applies");
    let some = disclosure(intent.asked.request, 0..2);
    fold.apply(2, kinds::DISCLOSURE, &some.to_bytes(), &mut rows).expect("applies");
    fold.apply(3, kinds::MARKER, &Marker::Started { at: 9_000 }.to_bytes(), &mut rows).expect("applies");
    assert_eq!(access(&rows), vec![(Phase::Whole, OutcomeKind::Unknown); 2]);
}

#[test]
fn a_start_closes_what_was_open_in_the_order_of_its_frames() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    for (sequence, request) in [(5, 7), (6, 3), (7, 5)] {
        fold.apply(sequence, kinds::INTENT, &intent(request, 1, None).to_bytes(), &mut rows).expect("applies");
    }
    assert_eq!(fold.resume_from(8), 5);
    fold.apply(8, kinds::MARKER, &Marker::Started { at: 9_000 }.to_bytes(), &mut rows).expect("applies");
    assert_eq!(access(&rows), vec![(Phase::Whole, OutcomeKind::Unknown); 3]);
    let order: Vec<_> =
        rows.iter().map(|row| if let Row::Access(row) = row { row.request_id.as_u128() >> 64 } else { 0 }).collect();
    assert_eq!(order, [7, 3, 5]);
    assert_eq!(fold.resume_from(9), 9);
}

/// Exchanges of every kind, some of which end long after others began.
fn long_ones() -> Vec<(u8, Vec<u8>)> {
    let mut frames = vec![(kinds::MARKER, Marker::Started { at: 1 }.to_bytes())];
    let ids: Vec<_> = (1..=6_u128).map(|number| RequestId::new(Uuid::from_u128(number << 64))).collect();
    let end = |id, kind| (kinds::OUTCOME, outcome(id, kind).to_bytes());
    for (number, id) in (1..).zip(&ids) {
        let mut intent = intent(number, usize::from(number % 2 == 0), None);
        if number % 2 == 1 {
            intent.patients.push(PatientEntry::unidentified(Source::Response, Reason::PatientInResponse));
        }
        frames.push((kinds::INTENT, intent.to_bytes()));
        frames.push((kinds::DISCLOSURE, disclosure(*id, 0..2).to_bytes()));
        if number % 3 == 0 {
            frames.push(end(*id, OutcomeKind::Open));
        }
        frames.push((kinds::INTENT, self::intent(number + 100, 1, Some(OutcomeKind::Refused)).to_bytes()));
    }
    frames.extend(ids.iter().map(|id| (kinds::DISCLOSURE, disclosure(*id, 2..3).to_bytes())));
    frames.extend(ids.iter().rev().take(4).map(|id| end(*id, OutcomeKind::Aborted)));
    frames.push((kinds::MARKER, Marker::Started { at: 9_000 }.to_bytes()));
    frames
}

#[test]
fn what_is_carried_over_stands_for_the_frames_before() {
    let frames = long_ones();
    let read = |fold: &mut Fold, from: usize, to: usize| {
        let mut rows = Vec::new();
        for (at, (kind, payload)) in frames.iter().enumerate().take(to).skip(from) {
            fold.apply(at as u64, *kind, payload, &mut rows).expect("applies");
        }
        rows
    };
    let node = NodeName::parse("gw1").expect("a name");
    let (mut carried, mut restarts) = (0, 0);
    for at in 0..=frames.len() {
        let mut first = fold();
        read(&mut first, 0, at);
        for below in 0..=at {
            let carry = first.carry(at as u64, below as u64);
            carried += carry.exchanges.len();
            let carry = Carry::from_bytes(&carry.to_bytes()).expect("reads");
            let mut second = Fold::with(&node, &"SE2321000016-T".into(), carry.clone());
            assert_eq!(second.resume_from(at as u64), below as u64);
            // What is wanted begins at `at`; what is read again before gives nothing new.
            read(&mut second, below, at);
            let open = |fold: &Fold| (fold.open(), fold.oldest_open());
            assert_eq!(open(&first), open(&second), "{below}, {at}");
            // Carried over once more, before or after the state was taken up.
            let third = Fold::with(&node, &"SE2321000016-T".into(), second.carry(at as u64, below as u64));
            restarts += 1;
            let mut wanted = fold();
            read(&mut wanted, 0, at);
            let wanted = read(&mut wanted, at, frames.len());
            for mut fold in [second, third] {
                read(&mut fold, below, at);
                assert_eq!(read(&mut fold, at, frames.len()), wanted, "{below}, {at}");
                assert!(at == frames.len() || fold.resume_from(999) == 999, "{below}, {at}");
            }
        }
    }
    assert!(carried > 500 && restarts > 500, "{carried}, {restarts}");
}

#[test]
fn of_an_id_that_stands_there_twice_the_later_counts() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    for sequence in [3, 7] {
        fold.apply(sequence, kinds::INTENT, &intent(1, 1, None).to_bytes(), &mut rows).expect("applies");
    }
    assert_eq!((fold.resume_from(8), fold.open(), fold.carry(8, 8).exchanges.len()), (7, 1, 1));
    let end = outcome(intent(1, 1, None).asked.request, OutcomeKind::Complete);
    fold.apply(8, kinds::OUTCOME, &end.to_bytes(), &mut rows).expect("applies");
    assert_eq!((fold.resume_from(9), rows.len()), (9, 1));
}

#[test]
fn the_first_frames_of_what_is_carried_over_are_not_needed() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    fold.apply(5, kinds::INTENT, &intent(1, 1, None).to_bytes(), &mut rows).expect("applies");
    fold.apply(9, kinds::INTENT, &intent(2, 1, None).to_bytes(), &mut rows).expect("applies");
    assert_eq!(fold.resume_from(10), 5);
    fold.carried(8);
    assert_eq!(fold.resume_from(10), 8);
    let end = outcome(intent(1, 1, None).asked.request, OutcomeKind::Complete);
    fold.apply(10, kinds::OUTCOME, &end.to_bytes(), &mut rows).expect("applies");
    assert_eq!(fold.resume_from(11), 9, "the other began behind it");
}

#[test]
fn a_damaged_frame_is_an_error_that_names_it() {
    let (mut fold, mut rows) = (fold(), Vec::new());
    assert_eq!(
        fold.apply(4, kinds::INTENT, &[1, 2], &mut rows),
        Err(FrameError::Payload { sequence: 4, source: WireError::Short })
    );
    assert_eq!(fold.apply(4, 99, &[], &mut rows), Err(FrameError::Kind { sequence: 4, kind: 99 }));
}

#[test]
fn bytes_of_a_record_do_not_change() {
    let bytes = intent(1, 2, Some(OutcomeKind::Refused)).to_bytes();
    insta::assert_snapshot!(hex::encode(blake3::hash(&bytes).as_bytes()));
    assert_eq!(Intent::from_bytes(&bytes).map(|i| i.to_bytes()), Ok(bytes));
    let bytes = disclosure(RequestId::new(Uuid::from_u128(5)), 0..2).to_bytes();
    insta::assert_snapshot!(hex::encode(blake3::hash(&bytes).as_bytes()));
    assert_eq!(Disclosure::from_bytes(&bytes).map(|d| d.to_bytes()), Ok(bytes));
}
