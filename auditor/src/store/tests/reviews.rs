//! The yearly review, and blocks.

use super::people::{by, id, office, person, same_person, sign, told, vouched};
use super::{Bed, NOW, On, device, organisation, run, session};
use crate::accounts::login::{LockRule, Verdict, judge_passkey};
use crate::accounts::{Account, State};
use crate::clock::SECOND;
use crate::duties::Region;
use crate::forms::{Denied, FormFault};
use crate::store::{By, Store, StoreError};
use contract::Micros;
use contract::id::{AccountId, SessionKey};
use contract::record::{AuthEventKind, AuthMethod, Reason};

async fn state(store: &Store, id: AccountId) -> State {
    store.account(id).await.expect("reads").expect("is there").state
}

async fn who_is_not_confirmed_rests_until_the_region_says_so(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let anna = person(&store, 1, &["approver:12"]).await;
    let approver = person(&store, 2, &["approver:12"]).await;
    let elsewhere = person(&store, 3, &["approver:13", "account_admin"]).await;
    vouched(&store, anna, Region::Skane, None).await;
    told(&store).await;
    assert!(store.to_remind(NOW - 1, 9).await.expect("reads").is_empty());
    let due = store.to_remind(NOW, 9).await.expect("reads");
    assert_eq!(due.iter().map(|due| (due.account, due.region)).collect::<Vec<_>>(), [(anna, Region::Skane)]);
    for first in [true, false] {
        let mut change = store.change(NOW + 1, By::program("test")).await.expect("begins");
        assert_eq!(change.remind(anna, Region::Skane, NOW).await.expect("notes"), first);
        change.commit().await.expect("commits");
    }
    assert!(store.to_remind(NOW, 9).await.expect("reads").is_empty(), "once");
    assert_eq!(store.to_confirm(Region::Skane, NOW, 9).await.expect("reads").len(), 1);
    assert!(store.to_confirm(Region::Halland, NOW, 9).await.expect("reads").is_empty());

    let at = NOW + 5;
    let denied = |result: Result<(), StoreError>| match result {
        Err(StoreError::Denied(denied)) => denied,
        other => panic!("{other:?}"),
    };
    let region = Region::Skane;
    let confirm = |who: AccountId, at: Micros| {
        let office = &office;
        async move { office.confirm(at, by(who), &sign(who, at), anna, region).await }
    };
    assert_eq!(denied(confirm(anna, at).await), Denied::Own);
    assert_eq!(denied(confirm(elsewhere, at).await), Denied::NotAppointed);
    let there = office.confirm(at, by(elsewhere), &sign(elsewhere, at), anna, Region::Halland).await;
    assert!(matches!(there, Err(StoreError::Absent(_))), "they do not vouch for her there");
    confirm(approver, at).await.expect("confirms");
    let known = store.regions(anna).await.expect("reads");
    assert_eq!(
        known.iter().map(|v| (v.confirmed, v.confirmed_by, v.reminded)).collect::<Vec<_>>(),
        [(at, approver, None)]
    );

    assert!(store.unconfirmed(at - 1, 9).await.expect("reads").is_empty());
    assert_eq!(store.unconfirmed(at, 9).await.expect("reads"), [anna]);
    for (before, rests) in [(at - 1, false), (at, true), (at, false)] {
        let mut change = store.change(NOW + 9, By::program("test")).await.expect("begins");
        assert_eq!(change.rest_unconfirmed(anna, before).await.expect("looks"), rests);
        change.commit().await.expect("commits");
    }
    assert_eq!(state(&store, anna).await, State::Dormant { since: NOW + 9 });
    assert!(store.unconfirmed(at, 9).await.expect("reads").is_empty(), "who rests already");
    let events = told(&store).await;
    assert_eq!(
        events.iter().map(|event| (event.kind, event.by, event.reason)).collect::<Vec<_>>(),
        [
            (AuthEventKind::ReviewDue, AccountId::NONE, Reason::None),
            (AuthEventKind::MoveDenied, anna, Reason::Own),
            (AuthEventKind::MoveDenied, elsewhere, Reason::NotAppointed),
            (AuthEventKind::AccountConfirmed, approver, Reason::None),
            (AuthEventKind::AccountChanged, AccountId::NONE, Reason::Unconfirmed),
        ]
    );

    let later = NOW + 20;
    let own = office.reactivate(later, by(anna), &sign(anna, later), anna, region).await;
    assert!(matches!(own, Err(StoreError::Move(_))), "who rests signs nothing");
    let other = office.reactivate(later, by(elsewhere), &sign(elsewhere, later), anna, region).await;
    assert_eq!(denied(other), Denied::NotAppointed);
    office.reactivate(later, by(approver), &sign(approver, later), anna, region).await.expect("reactivates");
    assert_eq!(state(&store, anna).await, State::Active { since: later });
    assert!(store.unconfirmed(later - 1, 9).await.expect("reads").is_empty());
    let again = office.reactivate(later, by(approver), &sign(approver, later), anna, region).await;
    assert!(matches!(again, Err(StoreError::Move(_))), "she is active");
}

async fn a_block_is_lifted_by_two(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let anna = person(&store, 1, &["account_admin"]).await;
    let approver = person(&store, 2, &["approver:12"]).await;
    let (one, two) = (person(&store, 3, &["account_admin"]).await, person(&store, 4, &["account_admin"]).await);
    let elsewhere = person(&store, 5, &["approver:13", "registry_holder:fotled"]).await;
    vouched(&store, anna, Region::Skane, None).await;
    let ward = device(1);
    let account = store.account(anna).await.expect("reads").expect("is there");
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.add_organisation(&organisation()).await.expect("adds");
    change.enrol_device(&ward).await.expect("enrols");
    change.open_session(&session(1, &account, &ward)).await.expect("opens");
    change.commit().await.expect("commits");
    told(&store).await;
    let why = "Kortet låg kvar i läsaren hos Bertil";
    let block = |who: AccountId, why: &'static str| office_block(&office, who, anna, why);
    assert!(matches!(block(elsewhere, why).await, Err(StoreError::Denied(Denied::NotAppointed))));
    assert!(matches!(block(approver, " ").await, Err(StoreError::Fault(FormFault::Text(_)))));
    block(approver, why).await.expect("blocks");
    assert_eq!(state(&store, anna).await, State::Blocked { since: NOW });
    assert_eq!(store.live_session(SessionKey([1; 32]), NOW).await.expect("reads"), None);
    assert_eq!(office.block_reason(anna).await.expect("opens").as_deref(), Some(why));
    assert!(matches!(block(one, why).await, Err(StoreError::Move(_))), "she is blocked");

    let propose = |who: AccountId| {
        let office = &office;
        async move { office.propose_lift(NOW, by(who), &sign(who, NOW), anna).await }
    };
    let lift = |who: AccountId| {
        let office = &office;
        async move { office.lift(NOW, by(who), &sign(who, NOW), anna).await }
    };
    assert!(matches!(lift(one).await, Err(StoreError::Absent(_))), "nobody has proposed it");
    assert!(matches!(propose(approver).await, Err(StoreError::Denied(Denied::NotAppointed))));
    assert!(matches!(propose(anna).await, Err(StoreError::Move(_))), "who is blocked signs nothing");
    propose(one).await.expect("proposes");
    assert!(matches!(propose(two).await, Err(StoreError::Taken(_))));
    assert!(matches!(lift(one).await, Err(StoreError::Denied(Denied::Again))));
    assert!(matches!(lift(approver).await, Err(StoreError::Denied(Denied::NotAppointed))));
    assert_eq!(state(&store, anna).await, State::Blocked { since: NOW });
    lift(two).await.expect("lifts");
    assert_eq!(state(&store, anna).await, State::Active { since: NOW });
    assert_eq!(store.block(anna).await.expect("reads"), None);
    let events = told(&store).await;
    let done: Vec<_> = events.iter().filter(|event| event.kind != AuthEventKind::MoveDenied).collect();
    assert_eq!(
        done.iter().map(|event| (event.kind, event.by, event.reason)).collect::<Vec<_>>(),
        [
            (AuthEventKind::AccountBlocked, approver, Reason::Incident),
            (AuthEventKind::SessionEnded, approver, Reason::None),
            (AuthEventKind::LiftProposed, one, Reason::None),
            (AuthEventKind::BlockLifted, two, Reason::None),
        ]
    );
    assert!(events.iter().all(|event| !event.detail.contains("Bertil")), "why is sealed, not told");
    assert_eq!(events.len() - done.len(), 4);
    // A second block is another: nobody's earlier proposal counts for it.
    block(one, why).await.expect("blocks");
    assert!(matches!(lift(two).await, Err(StoreError::Absent(_))));
}

async fn an_account_is_after_a_block_what_it_was_before(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let (one, two) = (person(&store, 3, &["account_admin"]).await, person(&store, 4, &["account_admin"]).await);
    let lock = |unused, until| State::Locked { since: NOW - 1, until, unused, held: NOW - 7 };
    for (number, before) in (10..).zip([
        State::Created { at: NOW - 9 },
        State::HandedOut { at: NOW - 9 },
        State::Active { since: NOW - 9 },
        State::Dormant { since: NOW - 9 },
        lock(false, None),
        lock(true, None),
        lock(false, Some(NOW + 5)),
    ]) {
        let who = person(&store, number, &[]).await;
        let mut change = store.change(NOW, By::program("test")).await.expect("begins");
        let account = change.account(who).await.expect("is there");
        change.store_tries(&Account { state: before, ..account }).await.expect("stores");
        change.commit().await.expect("commits");
        office_block(&office, one, who, "Misstanke").await.expect("blocks");
        assert_eq!(state(&store, who).await, State::Blocked { since: NOW });
        office.propose_lift(NOW, by(one), &sign(one, NOW), who).await.expect("proposes");
        office.lift(NOW, by(two), &sign(two, NOW), who).await.expect("lifts");
        assert_eq!(state(&store, who).await, before);
    }
}

async fn one_person_with_two_accounts_does_not_lift_a_block_alone(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let anna = person(&store, 1, &[]).await;
    let (one, other) = (person(&store, 3, &["account_admin"]).await, person(&store, 4, &["account_admin"]).await);
    same_person(&store, one, other).await;
    office_block(&office, one, anna, "Misstanke").await.expect("blocks");
    office.propose_lift(NOW, by(one), &sign(one, NOW), anna).await.expect("proposes");
    let alone = office.lift(NOW, by(other), &sign(other, NOW), anna).await;
    assert!(matches!(alone, Err(StoreError::Denied(Denied::Again))), "{alone:?}");
    let second = person(&store, 5, &["account_admin"]).await;
    office.lift(NOW, by(second), &sign(second, NOW), anna).await.expect("lifts");
}

/// A block from before it was kept what the account was.
async fn an_old_block_is_lifted_as_it_was_then(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let anna = person(&store, 1, &[]).await;
    let (one, two) = (person(&store, 3, &["account_admin"]).await, person(&store, 4, &["account_admin"]).await);
    office_block(&office, one, anna, "Misstanke").await.expect("blocks");
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    sqlx::query("UPDATE account_block SET before = NULL, before_at = NULL")
        .execute(&mut *change.tx)
        .await
        .expect("updates");
    change.commit().await.expect("commits");
    office.propose_lift(NOW, by(one), &sign(one, NOW), anna).await.expect("proposes");
    office.lift(NOW + 3, by(two), &sign(two, NOW + 3), anna).await.expect("lifts");
    assert_eq!(state(&store, anna).await, State::Active { since: NOW + 3 });
}

/// Five wrong tries lock for a quarter of an hour. Who calls the help desk then is locked for good.
async fn who_has_locked_themselves_can_be_locked_by_the_help_desk(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let anna = person(&store, 1, &[]).await;
    let desk = person(&store, 2, &["help_desk"]).await;
    let rule = LockRule::default();
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let mut account = change.account(anna).await.expect("is there");
    for _ in 0..rule.failures_max {
        let Verdict::Refused { account: next, .. } = judge_passkey(account, Err(Reason::Forged), rule, NOW) else {
            unreachable!("wrong")
        };
        account = next;
    }
    assert!(matches!(account.state, State::Locked { until: Some(_), .. }), "{:?}", account.state);
    change.stop_account(&account, AuthEventKind::AccountLocked).await.expect("locks");
    change.commit().await.expect("commits");
    office.lock(NOW + 1, by(desk), anna).await.expect("locks");
    let later = state(&store, anna).await.at(NOW + rule.lock_us + 60 * SECOND);
    assert!(matches!(later, State::Locked { until: None, .. }), "{later:?}");
    assert!(matches!(office.lock(NOW + 2, by(desk), anna).await, Err(StoreError::Move(_))), "she is locked");
}

async fn office_block(
    office: &crate::store::Office,
    who: AccountId,
    account: AccountId,
    why: &str,
) -> Result<(), StoreError> {
    office.block(NOW, by(who), &sign(who, NOW), account, why).await
}

/// An administrator who is the same person under another account is the same person.
async fn nobody_lifts_their_own_block(bed: Bed) {
    let store = bed.open().await;
    let office = office(&store);
    let anna = person(&store, 1, &[]).await;
    let admin = person(&store, 2, &["account_admin"]).await;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let mut second = change.account(anna).await.expect("is there");
    second.id = id(9);
    second.user_name = crate::accounts::UserName::parse("anna-again").expect("valid");
    change.create_account(&second).await.expect("creates");
    let appointment = crate::duties::Appointment::AccountAdmin;
    change.appoint(second.id, &appointment, (NOW, None), crate::duties::Why::NewDuty).await.expect("appoints");
    change.confirm(anna, Region::Skane, AuthMethod::None).await.expect("confirms");
    change.commit().await.expect("commits");
    office_block(&office, admin, anna, "Misstanke").await.expect("blocks");
    let own = office.propose_lift(NOW, by(second.id), &sign(second.id, NOW), anna).await;
    assert!(matches!(own, Err(StoreError::Denied(Denied::Own))));
    office.propose_lift(NOW, by(admin), &sign(admin, NOW), anna).await.expect("proposes");
    let own = office.lift(NOW, by(second.id), &sign(second.id, NOW), anna).await;
    assert!(matches!(own, Err(StoreError::Denied(Denied::Own))));
}

on_both![
    who_is_not_confirmed_rests_until_the_region_says_so,
    a_block_is_lifted_by_two,
    an_account_is_after_a_block_what_it_was_before,
    an_old_block_is_lifted_as_it_was_then,
    one_person_with_two_accounts_does_not_lift_a_block_alone,
    who_has_locked_themselves_can_be_locked_by_the_help_desk,
    nobody_lifts_their_own_block,
];
