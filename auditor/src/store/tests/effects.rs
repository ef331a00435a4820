//! What forms do to accounts, and to whose.

use super::people::{by, change_to, denied, desk, end_of, grant, person, sign, told, vouched};
use super::{Bed, NOW, On, run};
use crate::accounts::State;
use crate::duties::Region;
use crate::forms::{Denied, Form, Move};
use crate::store::StoreError;
use contract::id::{AccountId, RegistryName};
use contract::record::{AuthEventKind, Reason, Right};

async fn what_takes_away_takes_at_once(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let anna = person(&store, 1, &["log_auditor"]).await;
    vouched(&store, anna, Region::Skane, Some(Right::ReadWrite)).await;
    let submitted = |form: Form| {
        let desk = &desk;
        async move {
            let draft = desk.office.begin(NOW, by(anna), form).await.expect("begins");
            desk.make(&draft, anna, Move::Submit).await.expect("submits")
        }
    };
    let rights = || async { store.grants(anna).await.expect("reads") };
    let narrower = submitted(change_to(anna, Some(Right::Read))).await;
    assert_eq!(rights().await, [grant(Right::Read)]);
    // It is refused: what was given up stays so, until somebody is asked for it.
    desk.make(&narrower, desk.approver, Move::Refuse("Kontakta kliniken".to_owned())).await.expect("refuses");
    assert_eq!(rights().await, [grant(Right::Read)]);
    let wider = submitted(change_to(anna, Some(Right::ReadWrite))).await;
    assert_eq!(rights().await, [grant(Right::Read)]);
    let wider = desk.forwarded(&wider).await;
    assert_eq!(rights().await, [grant(Right::Read)]);
    desk.make(&wider, desk.admin, Move::Execute).await.expect("executes");
    assert_eq!(rights().await, [grant(Right::ReadWrite)]);
    submitted(change_to(anna, None)).await;
    assert!(rights().await.is_empty());

    told(&store).await;
    let end = submitted(end_of(anna)).await;
    let account = store.account(anna).await.expect("reads").expect("is there");
    assert_eq!(account.state, State::Deregistered { at: NOW + 1 });
    assert!(store.appointments(Some(anna), false, 9).await.expect("reads").is_empty());
    let events = told(&store).await;
    assert_eq!(
        events.iter().map(|event| (event.kind, event.reason)).collect::<Vec<_>>(),
        [
            (AuthEventKind::AppointmentEnded, Reason::AccountClosed),
            (AuthEventKind::AccountClosed, Reason::ByForm),
            (AuthEventKind::FormSubmitted, Reason::None),
        ]
    );
    // The paper follows, also when it was sent back once: who hands it in again is another.
    let back = desk.make(&end, desk.approver, Move::SendBack("Datum saknas".to_owned())).await.expect("sends back");
    let mended = desk.office.mend(NOW + 1, by(desk.admin), (back.id, back.version), end_of(anna)).await;
    assert_eq!(denied(mended), Denied::NotYours);
    let again = desk.make(&back, desk.admin, Move::SubmitForAnother).await.expect("submits");
    let again = desk.forwarded(&again).await;
    let second = person(&store, 108, &["account_admin"]).await;
    desk.make(&again, second, Move::Execute).await.expect("executes");
}

/// A form says a region and a registry, but nobody reaches an account by saying one that is not its own.
async fn for_another_counts_what_the_account_has(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let elsewhere = person(&store, 105, &["approver:13", "registry_holder:annat"]).await;
    let (anna, bertil) = (person(&store, 1, &[]).await, person(&store, 2, &[]).await);
    vouched(&store, bertil, Region::Skane, Some(Right::Read)).await;
    let end = |account: AccountId, who: AccountId, region: Region, registry: &'static str| {
        let desk = &desk;
        async move {
            let registry = RegistryName::parse(registry).expect("valid");
            let form = Form { region, registry, ..end_of(account) };
            let draft = desk.office.begin(NOW, by(who), form).await?;
            desk.make(&draft, who, Move::SubmitForAnother).await
        }
    };
    // Nobody vouches for her, and she has no right anywhere.
    for (who, region, registry) in [
        (elsewhere, Region::Halland, "annat"),
        (desk.approver, Region::Skane, "fotled"),
        (desk.holder, Region::Skane, "fotled"),
    ] {
        assert_eq!(denied(end(anna, who, region, registry).await), Denied::NotAppointed);
    }
    assert!(matches!(end(bertil, elsewhere, Region::Halland, "fotled").await, Err(StoreError::Incomplete(_))));
    assert!(matches!(end(bertil, elsewhere, Region::Skane, "annat").await, Err(StoreError::Incomplete(_))));
    assert_eq!(denied(end(bertil, elsewhere, Region::Skane, "fotled").await), Denied::NotAppointed);
    end(anna, desk.admin, Region::Skane, "fotled").await.expect("an administrator reaches all");
    end(bertil, desk.holder, Region::Skane, "fotled").await.expect("by his right");
}

/// What was taken away later does not come back by what was asked for before.
async fn the_last_form_of_a_right_counts(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let anna = person(&store, 1, &[]).await;
    vouched(&store, anna, Region::Skane, Some(Right::Read)).await;
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::ReadWrite))).await.expect("begins");
    let wider = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    let wider = desk.forwarded(&wider).await;
    let draft = desk.office.begin(NOW + 2, by(desk.approver), change_to(anna, None)).await.expect("begins");
    let (seen, who) = ((draft.id, draft.version), desk.approver);
    let signature = Some(sign(who, NOW + 2));
    desk.office.make(NOW + 2, by(who), seen, Move::SubmitForAnother, signature, None).await.expect("submits");
    assert!(store.grants(anna).await.expect("reads").is_empty());
    let late = desk.make(&wider, desk.admin, Move::Execute).await;
    assert!(matches!(late, Err(StoreError::Overtaken)), "{late:?}");
    assert!(store.grants(anna).await.expect("reads").is_empty());
}

on_both![what_takes_away_takes_at_once, the_last_form_of_a_right_counts, for_another_counts_what_the_account_has,];
