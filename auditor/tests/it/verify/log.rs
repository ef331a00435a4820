//! A log as a gateway would have sent it: batches of rows, and their seals.

use contract::id::{DataKeyId, NodeName, RequestId};
use contract::pseudonym::{PatientRef, SealedIdentity};
use contract::record::{
    Activity, Actor, Asked, Decision, Initiator, Intent, Origin, Outcome, OutcomeKind, PatientEntry, Purpose, Reason,
    Sensitivity, Source,
};
use contract::row::{AccessRow, Fold, Packed, Record, Row, SealRow, kinds};
use contract::seal::{Root, SealKey, Stream, statement};
use contract::wire::Wire as _;
use std::net::Ipv6Addr;
use std::sync::Arc;
use uuid::Uuid;

pub(super) const BATCHES: u64 = 20;
pub(super) const ROWS: u64 = 50;

fn intent(number: u64, at: i64) -> Intent {
    let text = |text: &str| contract::Text::from(text);
    let request = RequestId::new(Uuid::from_u128(u128::from(number) << 64));
    let patient = PatientEntry {
        reference: PatientRef([u8::try_from(number % 250).unwrap() + 1; 16]),
        kind: 1,
        sealed: SealedIdentity::NONE,
        source: Source::Path,
        position: 0,
        problem: Reason::None,
    };
    let outcome =
        Outcome { request, at: at + 900, status: 200, bytes: 1024, duration_us: 900, kind: OutcomeKind::Complete };
    Intent {
        asked: Asked {
            at,
            request,
            registry: text("sample"),
            system_hsa: text(""),
            route: text("/patients/{patient}"),
            method: text("GET"),
            activity: Activity::Read,
            purpose: Purpose::Care,
            initiator: Initiator::User,
            resource_type: text("patient"),
            sensitivity: Sensitivity::Normal,
            decision: Decision::Permit,
            reason: Reason::None,
            policy_epoch: 1,
        },
        actor: Arc::new(Actor::nobody()),
        origin: Origin { address: Ipv6Addr::LOCALHOST, country: *b"--", asn: 0 },
        key: DataKeyId::new(Uuid::from_u128(9)),
        patients: [patient].into_iter().collect(),
        terms: [].into_iter().collect(),
        answered: Some(outcome),
    }
}

/// A gateway's rows and seals, as it would have sent them.
pub(super) fn log(key: &SealKey, now: i64) -> (Packed<AccessRow>, Packed<SealRow>) {
    log_of(|_| key, now, None)
}

/// The same with a key for each batch; in one row something else may stand than usual.
pub(super) fn log_of<'a>(
    key: impl Fn(u64) -> &'a SealKey,
    now: i64,
    other: Option<u64>,
) -> (Packed<AccessRow>, Packed<SealRow>) {
    log_to(BATCHES, key, now, other)
}

/// The same with so many batches.
pub(super) fn log_to<'a>(
    batches: u64,
    key: impl Fn(u64) -> &'a SealKey,
    now: i64,
    other: Option<u64>,
) -> (Packed<AccessRow>, Packed<SealRow>) {
    let node = NodeName::parse("gw1").unwrap();
    let (mut all, mut seals) = (Packed::default(), Packed::default());
    let mut fold = Fold::new(&node, &"SE2321000016-T".into());
    let mut previous = [0; 32];
    for batch in 1..=batches {
        let (mut rows, mut folded) = (Packed::<AccessRow>::default(), Vec::new());
        let first = (batch - 1) * ROWS + 1;
        for number in first..first + ROWS {
            let at = now - 1_000_000_000 + i64::try_from(number).unwrap() * 1_000;
            let mut intent = intent(number, at);
            if other == Some(number) {
                intent.asked.purpose = Purpose::Statistics;
            }
            fold.apply(number, kinds::INTENT, &intent.to_bytes(), &mut folded).unwrap();
        }
        for row in &folded {
            if let Row::Access(row) = row {
                rows.push(row);
            }
        }
        let mut root = Root::default();
        rows.numbered(first, batch, |row, _| root.add(row));
        let statement = statement(&node, Stream::Access, batch, first, root, previous, now);
        previous = statement.chain();
        seals.push(&SealRow::new(statement, key(batch)));
        for row in rows.read().unwrap() {
            all.push(&row);
        }
    }
    (all, seals)
}

/// Those of them that are of these batches.
pub(super) fn part<R: Record>(all: &Packed<R>, wanted: impl Fn(&R) -> bool) -> Packed<R> {
    let mut part = Packed::default();
    all.read().unwrap().iter().filter(|row| wanted(row)).for_each(|row| part.push(row));
    part
}
