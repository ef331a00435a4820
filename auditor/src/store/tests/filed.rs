//! Forms as they are kept: about whom, how long, and sealed.

use super::people::{
    KNOWN, LIFE, NAME, NUMBER, STREET, application, by, change_to, denied, desk, end_of, hsa, id, person, sign, told,
    vouched,
};
use super::{Bed, NOW, On, run};
use crate::clock::DAY;
use crate::duties::Region;
use crate::forms::{Denied, Form, Move, State as Stage, WrongState};
use crate::sealing::FieldKey;
use crate::store::{By, Office, StoreError, Wanted};
use contract::id::{AccountId, FormId, RegistryName};
use contract::record::{AuthEventKind, Reason, Right};
use sqlx::Row;
use std::sync::Arc;

async fn forms_are_about_whom_and_what_they_say(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let (anna, bertil) = (person(&store, 1, &[]).await, person(&store, 2, &[]).await);
    vouched(&store, anna, Region::Skane, Some(Right::Read)).await;
    let begin = |form: Form| desk.office.begin(NOW, by(anna), form);
    // Whose form it is stands in it twice.
    let mut two = change_to(bertil, None);
    two.subject.account = Some(anna);
    assert!(matches!(begin(two).await, Err(StoreError::Fault(_))));
    // Another registry's rights are another registry's.
    let mut other = change_to(anna, Some(Right::ReadWrite));
    other.registry = RegistryName::parse("annat").expect("valid");
    assert!(matches!(begin(other).await, Err(StoreError::Fault(_))));
    // A region where nobody vouches for them does not decide.
    let region = Region::Halland;
    assert!(matches!(begin(Form { region, ..change_to(anna, None) }).await, Err(StoreError::Incomplete(_))));
    let mut end = end_of(anna);
    end.registry = RegistryName::parse("annat").expect("valid");
    assert!(matches!(begin(end).await, Err(StoreError::Incomplete(_))));
    assert!(matches!(begin(end_of(id(99))).await, Err(StoreError::Absent("account"))));
    // The HSA-id is the account's, whatever stands there.
    let mut own = change_to(anna, None);
    own.subject.hsa = Some(hsa(77));
    let form = begin(own).await.expect("begins");
    let filed = desk.office.read(form.id).await.expect("reads");
    assert_eq!(filed.stored.form().subject.hsa, Some(hsa(1)));
    let heading = filed.heading;
    // A draft is mended by whose it is, and stays of its kind.
    let seen = (heading.id, heading.version);
    let mend = |who: AccountId, form: Form| desk.office.mend(NOW, by(who), seen, form);
    assert_eq!(denied(mend(bertil, change_to(anna, None)).await), Denied::NotYours);
    assert!(matches!(mend(anna, end_of(anna)).await, Err(StoreError::Incomplete(_))));
    let mended = mend(anna, change_to(anna, Some(Right::Read))).await.expect("mends");
    assert_eq!(mended.version, 2);
    assert!(matches!(mend(anna, change_to(anna, None)).await, Err(StoreError::Raced("form"))));
    assert!(matches!(desk.make(&mended, anna, Move::Approve(KNOWN.to_owned())).await, Err(StoreError::State(_))));
    let all = store.forms(&Wanted { account: Some(anna), ..Wanted::default() }, 9).await.expect("reads");
    assert_eq!(all, [mended]);
    let none = Wanted { state: Some(Stage::Approved), region: Some(Region::Skane), ..Wanted::default() };
    assert!(store.forms(&none, 9).await.expect("reads").is_empty());
}

async fn what_nobody_does_anything_with_lapses(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let (waits, draft) = (desk.applied().await, application());
    let draft = desk.office.begin(NOW + DAY, by(AccountId::NONE), draft).await.expect("begins");
    told(&store).await;
    // Before the sweeper has come by.
    let late = NOW + LIFE;
    let wanted = Move::Approve(KNOWN.to_owned());
    let seen = (waits.id, waits.version);
    let moved = desk.office.make(late, by(desk.approver), seen, wanted, Some(sign(desk.approver, late)), None).await;
    assert!(matches!(moved, Err(StoreError::State(WrongState { state: Stage::Lapsed, .. }))), "{moved:?}");
    assert_eq!(store.forms_left(late - LIFE, 9).await.expect("reads"), [waits.id]);
    assert!(store.forms_left(late - LIFE - 1, 9).await.expect("reads").is_empty());
    for (form, first) in [(waits.id, true), (draft.id, false), (waits.id, false)] {
        let mut change = store.change(late, By::program("test")).await.expect("begins");
        assert_eq!(change.lapse_form(form, late - LIFE).await.expect("looks"), first);
        change.commit().await.expect("commits");
    }
    let state = |id: FormId| {
        let store = &store;
        async move { store.form(id).await.expect("reads").expect("is there").0.state }
    };
    assert_eq!((state(waits.id).await, state(draft.id).await), (Stage::Lapsed, Stage::Draft));
    assert!(matches!(desk.office.read(waits.id).await.expect("reads").stored, crate::forms::Stored::Lapsed(_)));
    let events = told(&store).await;
    assert_eq!(
        events.iter().map(|e| (e.kind, e.reason)).collect::<Vec<_>>(),
        [(AuthEventKind::FormLapsed, Reason::NoAction)]
    );
}

/// Who has the database has no name, number or address of a form, and nothing that was said.
async fn what_stands_in_a_form_is_sealed(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let form = desk.forwarded(&desk.applied().await).await;
    let mut bytes = Vec::new();
    let rows = sqlx::query("SELECT form FROM request").fetch_all(&store.pool).await.expect("reads");
    bytes.extend(rows.iter().flat_map(|row| row.get::<Vec<u8>, _>("form")));
    let rows = sqlx::query("SELECT words FROM request_step WHERE words IS NOT NULL").fetch_all(&store.pool).await;
    bytes.extend(rows.expect("reads").iter().flat_map(|row| row.get::<Vec<u8>, _>("words")));
    assert!(bytes.len() > 400);
    if let Bed::Sqlite(dir) = &bed {
        for file in std::fs::read_dir(dir.path()).expect("a folder") {
            bytes.extend(std::fs::read(file.expect("an entry").path()).expect("reads"));
        }
        assert!(bytes.windows(36).any(|part| part == form.id.to_string().as_bytes()), "it is the database");
    }
    for secret in [NAME, NUMBER, STREET, KNOWN, "046-10 00 00", "Ortopedkliniken"] {
        let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
        assert!(!found, "{secret} is readable");
    }
    // Another key opens nothing, and no cell opens in another's place.
    let other = Office::new(store.clone(), Arc::new(FieldKey::new(&[8; 32])), LIFE);
    assert!(matches!(other.read(form.id).await, Err(StoreError::Sealed(_))));
    let second = desk.applied().await;
    sqlx::query("UPDATE request SET form = (SELECT form FROM request WHERE id = $1) WHERE id = $2")
        .bind(form.id.to_string())
        .bind(second.id.to_string())
        .execute(&store.pool)
        .await
        .expect("writes");
    assert!(matches!(desk.office.read(second.id).await, Err(StoreError::Sealed(_))));
    // What stands beside the seal is held against what is in it.
    sqlx::query("UPDATE request SET region = '13' WHERE id = $1")
        .bind(form.id.to_string())
        .execute(&store.pool)
        .await
        .expect("writes");
    assert!(matches!(desk.office.read(form.id).await, Err(StoreError::Damaged("form"))));
}

on_both![
    forms_are_about_whom_and_what_they_say,
    what_nobody_does_anything_with_lapses,
    what_stands_in_a_form_is_sealed,
];
