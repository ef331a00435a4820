use super::super::ledger::Ledger;
use super::*;
use std::sync::Arc;

const REFS: [PatientRef; 3] = [PatientRef([1; 16]), PatientRef([2; 16]), PatientRef([3; 16])];

fn id(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn one(index: u32) -> Expect {
    Expect::Patients([index].into_iter().collect())
}

const USER: &str = "SE0000000000-P001";

fn asker() -> Arc<Asker> {
    Arc::new(Asker { user: Some(USER.to_owned()), device: id(77) })
}

fn row(request: u128, patient: PatientRef, denied: bool) -> Row {
    Row { request: id(request), patient, denied, user: USER.to_owned(), device: id(77) }
}

fn compare(entries: &[(u128, Expect, End)], lost: &[Expect], changes: &[u128], rows: &[Row]) -> Findings {
    let ledger = Ledger::default();
    for (request, expect, end) in entries {
        ledger.answered(id(*request), Entry { asker: asker(), expect: expect.clone(), end: *end });
    }
    for expect in lost {
        ledger.lost(&asker(), expect);
    }
    let mut comparison = Comparison::new(ledger.into_state(), &REFS, changes.iter().map(|n| id(*n)));
    for row in rows {
        comparison.add(row.clone());
    }
    comparison.finish()
}

#[test]
fn each_answer_with_its_row_is_clean() {
    let both = Expect::Patients([2, 0].into_iter().collect());
    let findings = compare(
        &[
            (1, one(0), End::Complete),
            (2, both, End::Aborted),
            (3, Expect::Refusal, End::Refused),
            (4, Expect::Unidentified, End::Complete),
            (5, Expect::Nothing, End::Complete),
            (6, one(1), End::Unavailable),
        ],
        &[one(1), one(1)],
        &[2, 7],
        &[
            row(1, REFS[0], false),
            row(2, REFS[0], false),
            row(2, REFS[2], false),
            row(3, REFS[1], true),
            row(4, PatientRef::NONE, false),
            row(7, REFS[1], false),
        ],
    );
    assert!(findings.is_clean(), "{findings:?}");
    assert_eq!((findings.disclosed, findings.refused, findings.aborted, findings.lost_recorded), (4, 1, 1, 1));
}

#[test]
fn each_kind_of_difference_is_found() {
    let disclosed = [(1, one(0), End::Complete)];
    assert_eq!(compare(&disclosed, &[], &[], &[]).missing, 1);
    assert_eq!(compare(&disclosed, &[], &[], &[row(1, REFS[0], false), row(1, REFS[0], false)]).doubled, 1);
    let other = compare(&disclosed, &[], &[], &[row(1, REFS[1], false)]);
    assert_eq!((other.missing, other.surplus), (1, 1));
    assert_eq!(compare(&disclosed, &[], &[], &[row(1, REFS[0], true)]).wrong, 1);
    assert_eq!(compare(&disclosed, &[], &[1, 9], &[row(1, REFS[0], false)]).changes_missing, 1);

    let refused = [(1, Expect::Refusal, End::Refused)];
    assert_eq!(compare(&refused, &[], &[], &[]).refused_missing, 1);
    let allowed = compare(&refused, &[], &[], &[row(1, PatientRef::NONE, false)]);
    assert_eq!((allowed.refused_missing, allowed.wrong), (1, 1));
}

#[test]
fn a_lost_request_may_have_one_record_but_never_two() {
    let rows = [row(1, REFS[0], false), row(2, REFS[0], false)];
    let lost_once = compare(&[], &[one(0)], &[], &rows);
    assert_eq!((lost_once.lost_recorded, lost_once.surplus), (1, 1));
    let twice_in_one = compare(&[], &[one(0)], &[], &[row(1, REFS[0], false), row(1, REFS[0], false)]);
    assert_eq!((twice_in_one.lost_recorded, twice_in_one.doubled), (1, 1));
    assert_eq!(compare(&[], &[], &[], &[row(1, PatientRef([9; 16]), false)]).surplus, 1);
}

#[test]
fn a_row_of_another_user_or_device_is_found() {
    let disclosed = [(1, one(0), End::Complete)];
    let of = |change: fn(&mut Row)| {
        let mut row = row(1, REFS[0], false);
        change(&mut row);
        row
    };
    let user = of(|row| row.user = "SE0000000000-P002".to_owned());
    let device = of(|row| row.device = id(78));
    for row in [&user, &device] {
        let findings = compare(&disclosed, &[], &[], std::slice::from_ref(row));
        assert_eq!((findings.misattributed, findings.missing, findings.is_clean()), (1, 0, false));
        // Of a lost request, too: nobody else's row stands for it.
        assert_eq!(compare(&[], &[one(0)], &[], std::slice::from_ref(row)).surplus, 1);
    }
    // Who is refused may be somebody whom the gateway does not tell: then the device counts alone.
    let stranger = Asker { user: None, device: id(77) };
    assert!(stranger.is("", id(77)) && stranger.is(USER, id(77)) && !stranger.is(USER, id(78)));
}
