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
}
