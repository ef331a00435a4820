//! What other systems tell of people and units.

use super::people::{by, hsa, office, person, sign, told};
use super::{Bed, NOW, On, run};
use crate::accounts::State;
use crate::clock::DAY;
use crate::forms::Denied;
use crate::imports::{Feed, Format, Imported, Rows, What};
use crate::store::{By, Store, StoreError, Wish};
use contract::record::{AuthEventKind, Reason};

fn rows(feed: Feed, lines: &[String]) -> Rows {
    let text = format!("{}\n{}\n", feed.columns().join(","), lines.join("\n"));
    feed.read(text.as_bytes(), Format::Csv).expect("a table")
}

async fn import(store: &Store, rows: &Rows, closes_max: usize) -> Result<Imported, StoreError> {
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let done = change.import(rows, closes_max).await?;
    change.commit().await?;
    Ok(done)
}

fn day(days: i64) -> String {
    contract::instant::text(NOW + days * DAY)[..10].to_owned()
}

async fn an_account_ends_with_its_users_employment(bed: Bed) {
    let store = bed.open().await;
    let (gone, leaves, stays) =
        (person(&store, 1, &[]).await, person(&store, 2, &[]).await, person(&store, 3, &[]).await);
    told(&store).await;
    // Their account is of this very day: an end before it is that of another employment.
    let earlier = rows(Feed::Employments, &[format!("{},{}", hsa(1), day(-2))]);
    assert_eq!(import(&store, &earlier, 9).await.expect("imports").closed, 0);
    let list = rows(
        Feed::Employments,
        &[format!("{},{}", hsa(1), day(0)), format!("{},{}", hsa(2), day(3)), format!("{},", hsa(3))],
    );
    let later = import(&store, &list, 1).await;
    assert!(matches!(later, Err(StoreError::ClosesTooMany(1))), "two will end by it: {later:?}");
    let done = import(&store, &list, 9).await.expect("imports");
    assert_eq!(done, Imported { rows: 3, new: 2, changed: 1, closed: 0 });
    assert_eq!(import(&store, &list, 9).await.expect("imports"), Imported { rows: 3, ..Imported::default() });
    assert!(store.employment_over(NOW, 9).await.expect("reads").is_empty(), "the last day counts");
    assert_eq!(store.employment_over(NOW + DAY, 9).await.expect("reads"), [gone]);
    assert_eq!(store.employment_over(NOW + 4 * DAY, 9).await.expect("reads"), [gone, leaves]);

    let later = NOW + 4 * DAY;
    let mut change = store.change(later, By::program("test")).await.expect("begins");
    let again = change.import(&list, 1).await;
    assert!(matches!(again, Err(StoreError::ClosesTooMany(1))), "{again:?}");
    drop(change);
    told(&store).await;
    let mut change = store.change(later, By::program("test")).await.expect("begins");
    assert_eq!(change.import(&list, 2).await.expect("imports").closed, 2);
    change.commit().await.expect("commits");
    for (who, open) in [(gone, false), (leaves, false), (stays, true)] {
        let state = store.account(who).await.expect("reads").expect("is there").state;
        assert_eq!(matches!(state, State::Active { .. }), open);
    }
    let closed: Vec<_> = told(&store)
        .await
        .into_iter()
        .filter(|event| event.kind == AuthEventKind::AccountClosed)
        .map(|event| (event.account, event.reason))
        .collect();
    assert_eq!(closed, [(gone, Reason::EmploymentEnded), (leaves, Reason::EmploymentEnded)]);
}

async fn units_come_before_who_works_there(bed: Bed) {
    let store = bed.open().await;
    let unit = |number: u128, name: &str, from: &str, to: &str| {
        format!("{},{name},SE2321000016-39KJ,{from},{to}", hsa(number))
    };
    let works = |number: u128, unit: u128| format!("{},{},läkare,2026-01-01,", hsa(number), hsa(unit));
    let assignments = rows(Feed::Assignments, &[works(1, 900), works(1, 901)]);
    let refused = import(&store, &assignments, 0).await;
    let Err(StoreError::Rows(faults)) = refused else { panic!("{refused:?}") };
    assert_eq!(
        faults.told.iter().map(|f| (f.line, f.what)).collect::<Vec<_>>(),
        [(2, What::Absent), (3, What::Absent)]
    );

    let units = rows(Feed::Units, &[unit(900, "A", "2026-01-01", ""), unit(901, "B", "2026-01-01", "")]);
    assert_eq!(import(&store, &units, 0).await.expect("imports").new, 2);
    assert_eq!(import(&store, &assignments, 0).await.expect("imports").new, 2);
    assert_eq!(store.units(NOW, 9).await.expect("reads").len(), 2);

    // A new name from a day on: the old one has to end in the same file.
    let renamed = rows(Feed::Units, &[unit(900, "C", "2026-06-01", "")]);
    let refused = import(&store, &renamed, 0).await;
    let Err(StoreError::Rows(faults)) = refused else { panic!("{refused:?}") };
    assert_eq!((faults.told[0].line, faults.told[0].what), (2, What::Overlap));
    let both = rows(Feed::Units, &[unit(900, "C", "2026-06-01", ""), unit(900, "A", "2026-01-01", "2026-05-31")]);
    let done = import(&store, &both, 0).await.expect("imports");
    assert_eq!((done.new, done.changed), (1, 1));
    let names: Vec<_> = store.units(NOW, 9).await.expect("reads").into_iter().map(|unit| unit.name).collect();
    assert_eq!(names, ["C", "B"]);
}

async fn who_may_not_imports_nothing_and_a_dry_run_keeps_nothing(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let (anna, admin) = (person(&store, 1, &["approver:12"]).await, person(&store, 2, &["account_admin"]).await);
    let units = rows(Feed::Units, &[format!("{},A,SE2321000016-39KJ,2026-01-01,", hsa(900))]);
    let wish = |dry_run| Wish { dry_run, closes_max: 0 };
    told(&store).await;
    let denied = office.import(NOW, by(anna), &sign(anna, NOW), &units, wish(false)).await;
    assert!(matches!(denied, Err(StoreError::Denied(Denied::NotAppointed))), "{denied:?}");
    for (dry_run, left) in [(true, 0), (false, 1)] {
        let done = office.import(NOW, by(admin), &sign(admin, NOW), &units, wish(dry_run)).await.expect("imports");
        assert_eq!(done.new, 1);
        assert_eq!(store.units(NOW, 9).await.expect("reads").len(), left, "dry run: {dry_run}");
    }
    let kinds: Vec<_> = told(&store).await.into_iter().map(|event| (event.kind, event.by)).collect();
    assert_eq!(kinds, [(AuthEventKind::MoveDenied, anna), (AuthEventKind::DataImported, admin)]);
}

on_both![
    an_account_ends_with_its_users_employment,
    units_come_before_who_works_there,
    who_may_not_imports_nothing_and_a_dry_run_keeps_nothing,
];
