//! The three forms through the store: who makes which move.

use super::people::{
    KNOWN, NAME, NUMBER, STREET, by, change_to, denied, desk, grant, hsa, person, same_person, sign, told, vouched,
};
use super::{Bed, NOW, On, run};
use crate::accounts::{State, UserName};
use crate::clock::DAY;
use crate::duties::{Region, Why};
use crate::forms::{Content, Denied, Did, Move, State as Stage, WrongState};
use crate::store::{By, Filed, Heading, StoreError};
use contract::directory::Grant;
use contract::id::AccountId;
use contract::record::{AuthEventKind, AuthMethod, Reason, Right};

async fn an_application_makes_an_account_when_it_is_executed(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    told(&store).await;
    let form = desk.forwarded(&desk.applied().await).await;
    assert_eq!(store.account_by_name(&UserName::parse("anna").expect("valid")).await.expect("reads"), None);
    let form = desk.make(&form, desk.admin, Move::Execute).await.expect("executes");
    assert_eq!((form.state, form.version), (Stage::Executed, 5));
    let account = form.account.expect("is made");
    let made = store.account(account).await.expect("reads").expect("is there");
    assert_eq!((made.state, made.hsa, made.name.as_str()), (State::Created { at: NOW + 1 }, Some(hsa(1)), NAME));
    let right = Grant { valid_to: Some(NOW + 400 * DAY), ..grant(Right::Read) };
    assert_eq!(store.grants(account).await.expect("reads"), [right]);
    let regions = store.regions(account).await.expect("reads");
    assert_eq!(
        regions.iter().map(|v| (v.region, v.confirmed_by)).collect::<Vec<_>>(),
        [(Region::Skane, desk.approver)]
    );

    let events = told(&store).await;
    let seen: Vec<_> = events.iter().map(|e| (e.kind, e.by, e.auth_method)).collect();
    let passkey = AuthMethod::Passkey;
    assert_eq!(
        seen,
        [
            (AuthEventKind::FormSubmitted, AccountId::NONE, AuthMethod::None),
            (AuthEventKind::FormApproved, desk.approver, passkey),
            (AuthEventKind::FormForwarded, desk.holder, passkey),
            (AuthEventKind::AccountCreated, desk.admin, AuthMethod::None),
            (AuthEventKind::GrantChanged, desk.admin, AuthMethod::None),
            (AuthEventKind::FormExecuted, desk.admin, passkey),
        ]
    );
    assert!(events.iter().skip(3).all(|event| event.account == account));
    for event in &events {
        for secret in [NAME, NUMBER, STREET, KNOWN] {
            assert!(!event.detail.contains(secret), "{}", event.detail);
        }
    }

    let Filed { stored, steps, .. } = desk.office.read(form.id).await.expect("reads");
    let Content::Application(said) = &stored.form().content else { panic!("an application") };
    assert_eq!((said.name.as_str(), said.address.len()), (NAME, 2));
    assert_eq!(
        steps.iter().map(|step| step.did).collect::<Vec<_>>(),
        [Did::Submitted, Did::Approved, Did::Forwarded, Did::Executed]
    );
    assert_eq!(steps.get(1).and_then(|step| step.words.as_deref()), Some(KNOWN));
    // Seen from the command line or a queue: no words.
    let (heading, outside) = store.form(form.id).await.expect("reads").expect("is there");
    assert_eq!(heading, form);
    assert!(outside.iter().all(|step| step.words.is_none()));
    assert!(told(&store).await.is_empty(), "reading for one's work is no event");
    desk.office.reveal(NOW + 2, by(desk.admin), form.id).await.expect("reads");
    assert_eq!(told(&store).await.iter().map(|e| e.kind).collect::<Vec<_>>(), [AuthEventKind::FormRevealed]);

    // The same person does not get another account.
    let again = desk.forwarded(&desk.applied().await).await;
    assert!(matches!(desk.make(&again, desk.admin, Move::Execute).await, Err(StoreError::Taken("HSA-id"))));
}

async fn who_may_not_is_refused_and_on_record(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let everything = ["approver:12", "registry_holder:fotled", "account_admin"];
    let anna = person(&store, 1, &everything).await;
    let all = person(&store, 105, &everything).await;
    let elsewhere = person(&store, 106, &["approver:13", "registry_holder:annat"]).await;
    vouched(&store, anna, Region::Skane, None).await;
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::Read))).await.expect("begins");
    assert_eq!(denied(desk.make(&draft, all, Move::Submit).await), Denied::NotYours);
    let form = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    told(&store).await;

    let approve = || Move::Approve(KNOWN.to_owned());
    assert_eq!(denied(desk.make(&form, anna, approve()).await), Denied::Own);
    assert_eq!(denied(desk.make(&form, elsewhere, approve()).await), Denied::NotAppointed);
    assert_eq!(denied(desk.make(&form, desk.holder, approve()).await), Denied::NotAppointed);
    let seen = (form.id, form.version);
    let another = Some(sign(desk.approver, NOW + 1));
    let forged = desk.office.make(NOW + 1, by(all), seen, approve(), another, None).await;
    assert_eq!(denied(forged), Denied::OtherSignature);
    let unsigned = desk.office.make(NOW + 1, by(desk.approver), seen, approve(), None, None).await;
    assert_eq!(denied(unsigned), Denied::NotYours);
    let events = told(&store).await;
    assert!(events.iter().all(|event| event.kind == AuthEventKind::MoveDenied && event.account == anna));
    assert_eq!(
        events.iter().map(|event| (event.by, event.reason)).collect::<Vec<_>>(),
        [
            (anna, Reason::Own),
            (elsewhere, Reason::NotAppointed),
            (desk.holder, Reason::NotAppointed),
            (all, Reason::OtherSignature),
            (desk.approver, Reason::NotTheirs),
        ]
    );

    // All three duties in one hand are good for one step of a form.
    let form = desk.make(&form, all, approve()).await.expect("approves");
    assert_eq!(denied(desk.make(&form, all, Move::Forward).await), Denied::Again);
    assert_eq!(denied(desk.make(&form, elsewhere, Move::Forward).await), Denied::NotAppointed);
    let form = desk.make(&form, desk.holder, Move::Forward).await.expect("forwards");
    for (who, why) in [
        (all, Denied::Again),
        (anna, Denied::Own),
        (desk.holder, Denied::NotAppointed),
        (desk.approver, Denied::NotAppointed),
    ] {
        assert_eq!(denied(desk.make(&form, who, Move::Execute).await), why);
    }
    assert!(store.grants(anna).await.expect("reads").is_empty());
    assert!(desk.make(&form, desk.admin, Move::Execute).await.is_ok());
    assert_eq!(store.grants(anna).await.expect("reads"), [grant(Right::Read)]);

    // An appointment that has ended is none, and neither has one who is not in use.
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::ReadWrite))).await.expect("begins");
    let form = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    let given = store.appointments(Some(desk.approver), false, 9).await.expect("reads");
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.end_appointment(given.first().expect("one").id, Why::Leaves).await.expect("ends");
    let mut dormant = change.account(all).await.expect("is there");
    dormant.state = State::Dormant { since: NOW };
    change.move_account(&dormant, AuthEventKind::AccountChanged, Reason::None).await.expect("moves");
    change.commit().await.expect("commits");
    assert_eq!(denied(desk.make(&form, desk.approver, approve()).await), Denied::NotAppointed);
    assert!(matches!(desk.make(&form, all, approve()).await, Err(StoreError::Move(_))));
}

async fn one_person_with_two_accounts_does_one_step(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let everything = ["approver:12", "registry_holder:fotled", "account_admin"];
    let second = person(&store, 105, &everything).await;
    same_person(&store, desk.approver, second).await;
    let form = desk.make(&desk.applied().await, desk.approver, Move::Approve(KNOWN.to_owned())).await;
    let form = form.expect("approves");
    assert_eq!(denied(desk.make(&form, second, Move::Forward).await), Denied::Again);
    let form = desk.make(&form, desk.holder, Move::Forward).await.expect("forwards");
    assert_eq!(denied(desk.make(&form, second, Move::Execute).await), Denied::Again);
    desk.make(&form, desk.admin, Move::Execute).await.expect("executes");
}

async fn a_move_on_what_has_changed_does_nothing(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let second = person(&store, 107, &["account_admin"]).await;
    let form = desk.forwarded(&desk.applied().await).await;
    desk.make(&form, desk.admin, Move::Execute).await.expect("executes");
    told(&store).await;
    assert!(matches!(desk.make(&form, second, Move::Execute).await, Err(StoreError::Raced("form"))));
    let now = Heading { version: form.version + 1, ..form.clone() };
    let state = Stage::Executed;
    assert!(matches!(
        desk.make(&now, second, Move::Execute).await,
        Err(StoreError::State(WrongState { state: found, .. })) if found == state
    ));
    assert!(told(&store).await.is_empty(), "nothing has happened");
    assert_eq!(store.accounts(9).await.expect("reads").len(), 5);

    // Two at the same time: one of them.
    let other = desk.forwarded(&desk.applied().await).await;
    let refuse = || desk.make(&other, desk.approver, Move::Refuse("Okänd".to_owned()));
    assert!(matches!(refuse().await, Err(StoreError::State(_))), "it is past the approver");
    let anna = person(&store, 50, &[]).await;
    vouched(&store, anna, Region::Skane, Some(Right::ReadWrite)).await;
    let draft = desk.office.begin(NOW, by(anna), change_to(anna, Some(Right::Read))).await.expect("begins");
    let form = desk.make(&draft, anna, Move::Submit).await.expect("submits");
    let (approve, refuse) = (Move::Approve(KNOWN.to_owned()), Move::Refuse("Okänd".to_owned()));
    let both = tokio::join!(desk.make(&form, desk.approver, approve), desk.make(&form, desk.approver, refuse));
    assert_eq!(u8::from(both.0.is_ok()) + u8::from(both.1.is_ok()), 1, "{both:?}");
}

on_both![
    an_application_makes_an_account_when_it_is_executed,
    who_may_not_is_refused_and_on_record,
    one_person_with_two_accounts_does_one_step,
    a_move_on_what_has_changed_does_nothing,
];
