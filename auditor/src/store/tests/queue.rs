//! Who sees which forms, and appoints whom.

use super::people::{by, change_to, end_of, office, person, sign, vouched};
use super::{Bed, NOW, On, filled, run, session};
use crate::duties::{Region, Why};
use crate::forms::{Kind, Move, Stale, State};
use crate::store::{By, Heading, Order, Page, Queue, Store, StoreError, Viewer};
use contract::id::{AccountId, FormId, SessionKey};
use contract::record::{AuthMethod, Right};

async fn viewer(store: &Store, id: AccountId) -> Viewer {
    let given = store.appointments(Some(id), false, 100).await.expect("reads");
    Viewer { account: id, appointments: given.into_iter().map(|given| given.appointment).collect() }
}

fn ids(forms: &[Heading]) -> Vec<FormId> {
    forms.iter().map(|form| form.id).collect()
}

async fn page(store: &Store, who: &Viewer, queue: Queue) -> Vec<FormId> {
    let page = Page { queue, limit: 100, ..Page::default() };
    ids(&store.form_page(who, &page).await.expect("reads"))
}

/// What the list has is what one may know of, form by form, whoever one is; what waits is part of it.
async fn lists_have_what_one_may_know_of(bed: Bed) {
    let store = bed.open().await;
    let people = [
        person(&store, 1, &[]).await,
        person(&store, 2, &["approver:12"]).await,
        person(&store, 3, &["registry_holder:fotled"]).await,
        person(&store, 4, &["account_admin"]).await,
        person(&store, 5, &["approver:14", "registry_holder:annat"]).await,
        person(&store, 6, &["device_admin", "log_auditor", "help_desk"]).await,
        person(&store, 7, &["approver:12", "registry_holder:fotled", "account_admin"]).await,
    ];
    let [anna, approver, holder, ..] = people;
    for who in people {
        vouched(&store, who, Region::Skane, Some(Right::Read)).await;
    }
    let office = office(&store);
    let mut at = NOW;
    let mut forms = Vec::new();
    for (form, who, far) in [
        (change_to(anna, Some(Right::ReadWrite)), anna, 0),
        (change_to(anna, Some(Right::ReadWrite)), anna, 1),
        (change_to(anna, Some(Right::ReadWrite)), anna, 2),
        (change_to(people[6], Some(Right::ReadWrite)), people[6], 1),
        (change_to(people[3], Some(Right::ReadWrite)), people[3], 3),
        (end_of(people[5]), approver, 0),
    ] {
        at += 1;
        let mut form = office.begin(at, by(who), form).await.expect("begins");
        let steps = [(who, Move::Submit), (approver, Move::Approve("Kollega".to_owned())), (holder, Move::Forward)];
        for (who, step) in steps.into_iter().take(far) {
            at += 1;
            let seen = (form.id, form.version);
            form = office.make(at, by(who), seen, step, Some(sign(who, at)), None).await.expect("moves");
        }
        forms.push(form);
    }
    for who in people {
        let viewer = viewer(&store, who).await;
        let mut known: Vec<&Heading> = forms.iter().filter(|form| viewer.sees(form)).collect();
        known.sort_by_key(|form| (form.state_at, form.id));
        let all = page(&store, &viewer, Queue::All).await;
        assert_eq!(all, known.iter().map(|form| form.id).collect::<Vec<_>>(), "{viewer:?}");
        let mine: Vec<FormId> = known.iter().filter(|form| viewer.owns(form)).map(|form| form.id).collect();
        assert_eq!(page(&store, &viewer, Queue::Mine).await, mine);
        assert!(page(&store, &viewer, Queue::Waiting).await.iter().all(|form| all.contains(form)));
    }
    let waiting = async |who: AccountId| page(&store, &viewer(&store, who).await, Queue::Waiting).await;
    assert_eq!(waiting(anna).await, [forms[0].id]);
    assert_eq!(waiting(approver).await, [forms[1].id, forms[3].id, forms[5].id], "and a draft of their own");
    assert_eq!(waiting(holder).await, [forms[2].id]);
    assert!(waiting(people[3]).await.is_empty(), "it is about themselves");
    assert_eq!(waiting(people[6]).await, [forms[1].id, forms[2].id, forms[4].id], "not their own");
    assert!(waiting(people[4]).await.is_empty());
}

async fn pages_join_and_filters_hold(bed: Bed) {
    let store = bed.open().await;
    let admin = person(&store, 4, &["account_admin"]).await;
    let anna = person(&store, 1, &[]).await;
    vouched(&store, anna, Region::Skane, Some(Right::Read)).await;
    let office = office(&store);
    let mut forms = Vec::new();
    for at in [1, 2, 2, 2, 3] {
        forms.push(office.begin(NOW + at, by(anna), end_of(anna)).await.expect("begins"));
    }
    let own = viewer(&store, anna).await;
    for order in [Order::Waited, Order::Moved, Order::Oldest, Order::Newest] {
        let whole = Page { order, limit: 100, ..Page::default() };
        let whole = ids(&store.form_page(&own, &whole).await.expect("reads"));
        let (mut joined, mut after) = (Vec::new(), None);
        loop {
            let page = Page { order, after, limit: 2, ..Page::default() };
            let found = store.form_page(&own, &page).await.expect("reads");
            let Some(last) = found.last() else { break };
            after = Some((order.key(last), last.id));
            joined.extend(ids(&found));
        }
        assert_eq!((joined.len(), joined), (5, whole), "{order:?}");
    }
    let some = Page { kind: Some(Kind::Deregistration), state: Some(State::Draft), limit: 9, ..Page::default() };
    assert_eq!(store.form_page(&own, &some).await.expect("reads").len(), 5);
    let late = Page { queue: Queue::Waiting, left_since: NOW + 2, ..some.clone() };
    assert_eq!(ids(&store.form_page(&own, &late).await.expect("reads")), [forms[4].id], "the rest has lapsed");
    let none = Page { kind: Some(Kind::Application), ..some };
    assert!(store.form_page(&own, &none).await.expect("reads").is_empty());
    assert!(page(&store, &viewer(&store, admin).await, Queue::All).await.is_empty(), "drafts are their owners'");
}

async fn appointments_come_in_pages(bed: Bed) {
    let store = bed.open().await;
    let admin = person(&store, 4, &["account_admin"]).await;
    let anna = person(&store, 1, &["approver:12", "help_desk"]).await;
    let whole = store.appointment_page(None, true, None, 9).await.expect("reads");
    let (mut joined, mut after) = (Vec::new(), None);
    loop {
        let page = store.appointment_page(None, true, after, 1).await.expect("reads");
        let Some(last) = page.last() else { break };
        after = Some((last.given, last.id));
        joined.extend(page);
    }
    assert_eq!((joined.len(), joined), (3, whole));
    assert_eq!(store.appointment_page(Some(anna), false, None, 9).await.expect("reads").len(), 2);
    let mut change = store.change(NOW + 1, By::program("test")).await.expect("begins");
    let own = store.appointment_page(Some(admin), false, None, 9).await.expect("reads");
    change.end_appointment(own[0].id, Why::Leaves).await.expect("ends");
    change.commit().await.expect("commits");
    assert_eq!(store.appointment_page(Some(admin), false, None, 9).await.expect("reads"), []);
    assert_eq!(store.appointment_page(Some(admin), true, None, 9).await.expect("reads").len(), 1);
}

async fn a_second_factor_is_the_sessions_own(bed: Bed) {
    let (store, anna, device) = filled(&bed).await;
    let (one, second) = (SessionKey([1; 32]), session(2, &anna, &device));
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    change.open_session(&second).await.expect("opens");
    change.commit().await.expect("commits");
    let shown = async |key| store.shown_factor(key).await.expect("reads");
    assert!(shown(one).await.is_none());
    let mut change = store.change(NOW + 5, By::program("test")).await.expect("begins");
    change.show_factor(one, AuthMethod::PasswordTotp).await.expect("notes");
    change.commit().await.expect("commits");
    assert!(shown(second.key).await.is_none());
    let signature = shown(one).await.expect("was shown").sign(NOW + 10, 5).expect("fresh");
    assert_eq!((signature.account(), signature.method()), (anna.id, AuthMethod::PasswordTotp));
    assert_eq!(shown(one).await.expect("was shown").sign(NOW + 11, 5), Err(Stale));
    let mut change = store.change(NOW + 6, By::program("test")).await.expect("begins");
    change.end_session(one, crate::sessions::End::Logout).await.expect("ends");
    assert!(matches!(change.show_factor(one, AuthMethod::Passkey).await, Err(StoreError::Absent(_))));
    change.commit().await.expect("commits");
    assert!(shown(one).await.is_none());
}

on_both![
    lists_have_what_one_may_know_of,
    pages_join_and_filters_hold,
    appointments_come_in_pages,
    a_second_factor_is_the_sessions_own,
];
