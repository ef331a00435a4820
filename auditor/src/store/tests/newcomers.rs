//! Applications of people without an account, on both databases.

use super::people::{application, by, desk, told};
use super::{Bed, NOW, On, run};
use crate::clock::DAY;
use crate::forms::{Denied, FormFault, Move, State, WrongState};
use crate::store::StoreError;
use contract::id::AccountId;

async fn an_application_is_found_by_its_code_and_mended_when_it_was_sent_back(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let nobody = || by(AccountId::NONE);
    let case = desk.office.apply(NOW, nobody(), application()).await.expect("takes it");
    assert_eq!((case.heading.state, case.heading.account), (State::Submitted, None));
    let find = async |number: &str, secret: &str| desk.office.case(NOW, nobody(), number, secret).await.expect("reads");
    assert_eq!(find(&case.number, &case.secret).await, Some(case.heading.id));
    for (number, secret) in
        [(case.number.as_str(), "0000000000000000"), ("00000000", case.secret.as_str()), ("", ""), (&case.number, "")]
    {
        assert_eq!(find(number, secret).await, None);
    }
    let seen = (case.heading.id, case.heading.version);
    let early = desk.office.apply_again(NOW, nobody(), seen, application()).await;
    assert!(matches!(early, Err(StoreError::State(WrongState { state: State::Submitted, .. }))), "{early:?}");
    let form = desk.make(&case.heading, desk.approver, Move::SendBack("Vilken klinik?".to_owned())).await;
    let form = form.expect("sends back");
    let seen = (form.id, form.version);
    let own = desk.office.apply_again(NOW + 2, by(desk.admin), seen, application()).await;
    assert!(matches!(own, Err(StoreError::Denied(Denied::NotYours))), "{own:?}");
    let again = desk.office.apply_again(NOW + 2, nobody(), seen, application()).await.expect("submits anew");
    assert_eq!((again.state, again.version), (State::Submitted, form.version + 2));
    let raced = desk.office.apply_again(NOW + 2, nobody(), seen, application()).await;
    assert!(matches!(raced, Err(StoreError::Raced(_))), "{raced:?}");
    desk.forwarded(&again).await;

    // What somebody with an account has begun is no newcomer's.
    let draft = desk.office.begin(NOW, by(desk.admin), application()).await.expect("begins");
    let others = desk.office.apply_again(NOW, nobody(), (draft.id, draft.version), application()).await;
    assert!(matches!(others, Err(StoreError::Denied(Denied::NotYours))), "{others:?}");
}

async fn who_has_no_account_says_who_they_are(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let nobody = || by(AccountId::NONE);
    let mut unknown = application();
    unknown.subject.number = None;
    let refused = desk.office.apply(NOW, nobody(), unknown).await;
    assert!(matches!(refused, Err(StoreError::Fault(FormFault::Number))), "{refused:?}");
    let case = desk.office.apply(NOW, nobody(), application()).await.expect("takes it");
    let form = desk.make(&case.heading, desk.approver, Move::SendBack("Vilken klinik?".to_owned())).await;
    let form = form.expect("sends back");
    let mut unknown = application();
    unknown.subject.number = None;
    let refused = desk.office.apply_again(NOW + 2, nobody(), (form.id, form.version), unknown).await;
    assert!(matches!(refused, Err(StoreError::Fault(FormFault::Number))), "{refused:?}");
}

async fn applications_of_a_device_are_bounded_and_lapse(bed: Bed) {
    let store = bed.open().await;
    let desk = desk(&store).await;
    let nobody = || by(AccountId::NONE);
    let mut last = None;
    for _ in 0..crate::store::APPLICATIONS_A_DAY {
        last = Some(desk.office.apply(NOW, nobody(), application()).await.expect("takes it"));
    }
    told(&store).await;
    let more = desk.office.apply(NOW, nobody(), application()).await;
    assert!(matches!(more, Err(StoreError::TooMany(_))), "{more:?}");
    let elsewhere = crate::store::By::program("app");
    desk.office.apply(NOW, elsewhere, application()).await.expect("another device");
    desk.office.apply(NOW + DAY, nobody(), application()).await.expect("another day");
    let with_account = desk.office.apply(NOW, by(desk.admin), application()).await;
    assert!(matches!(with_account, Err(StoreError::Denied(Denied::NotYours))), "{with_account:?}");

    let last = last.expect("one").heading;
    let form = desk.make(&last, desk.approver, Move::SendBack("Vilken klinik?".to_owned())).await.expect("sends back");
    let late = desk.office.apply_again(NOW + 31 * DAY, nobody(), (form.id, form.version), application()).await;
    assert!(matches!(late, Err(StoreError::State(WrongState { state: State::Lapsed, .. }))), "{late:?}");
}

on_both![
    an_application_is_found_by_its_code_and_mended_when_it_was_sent_back,
    who_has_no_account_says_who_they_are,
    applications_of_a_device_are_bounded_and_lapse,
];
