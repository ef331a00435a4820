use super::*;
use crate::store::{AtProvider, Reference, TOLD_KEPT};

/// Anna's sessions 2 to 5 at a provider, beside her session 1 with a password.
async fn at_provider(bed: &Bed) -> (Store, Account) {
    let (store, anna, ward) = filled(bed).await;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let (mine, other): (Reference, Reference) = ([1; 32], [9; 32]);
    for (number, session, subject) in
        [(2, Some([2; 32]), mine), (3, Some([3; 32]), mine), (4, None, mine), (5, Some([2; 32]), other)]
    {
        let opened = Session { auth_method: AuthMethod::Oidc, ..super::session(number, &anna, &ward) };
        change.open_session_noted(&opened, "oidc=inera").await.expect("opens");
        change.note_provider(opened.key, AtProvider { session, subject, begun: NOW }).await.expect("notes");
    }
    change.commit().await.expect("commits");
    (store, anna)
}

async fn end(store: &Store, session: Option<Reference>, subject: Option<Reference>) -> usize {
    let mut change = store.change(NOW + 5, By::program("oidc")).await.expect("begins");
    let ended = change.end_sessions_at(session, subject).await.expect("ends");
    change.commit().await.expect("commits");
    ended
}

async fn live(store: &Store) -> Vec<u8> {
    let mut live: Vec<u8> = store.open_sessions(None, 10).await.expect("reads").iter().map(|s| s.key.0[0]).collect();
    live.sort_unstable();
    live
}

pub(super) async fn a_providers_session_ends_those_that_rest_on_it(bed: Bed) {
    let (store, anna) = at_provider(&bed).await;
    assert_eq!(end(&store, Some([7; 32]), None).await, 0);
    assert_eq!(end(&store, None, Some([7; 32])).await, 0);
    assert_eq!(end(&store, None, None).await, 0);
    assert_eq!(live(&store).await, [1, 2, 3, 4, 5]);
    assert_eq!(end(&store, Some([2; 32]), Some([9; 32])).await, 1, "that of this person");
    assert_eq!(live(&store).await, [1, 2, 3, 4]);
    assert_eq!(end(&store, Some([2; 32]), Some([1; 32])).await, 2, "and what the provider gave no name");
    assert_eq!(live(&store).await, [1, 3]);
    assert_eq!(end(&store, Some([2; 32]), None).await, 0, "they have ended");
    assert_eq!(end(&store, None, Some([1; 32])).await, 1);
    assert_eq!(live(&store).await, [1], "another way of logging in rests on nobody");

    let events = store.batch(100).await.expect("reads").expect("events").events;
    let events: Vec<_> = events.into_iter().map(|(_, event)| event).collect();
    let ended: Vec<_> = events.iter().filter(|event| event.kind == AuthEventKind::SessionEnded).collect();
    assert_eq!(ended.len(), 4);
    assert!(ended.iter().all(
        |event| (&*event.detail, event.auth_method, event.account) == ("oidc provider", AuthMethod::Oidc, anna.id)
    ));
    assert!(events.iter().any(|event| event.kind == AuthEventKind::Login && &*event.detail == "test oidc=inera"));
    let told = entries(&store).await;
    let known = told.iter().filter(|entry| matches!(entry, Entry::Session(_))).count();
    assert_eq!(known, 1, "gateways hear of it");
    // What is forgotten takes its note along.
    store.forget(NOW + 6, 1).await.expect("forgets");
    assert_eq!(live(&store).await, [1]);
}

pub(super) async fn a_logout_is_remembered_for_logins_under_way(bed: Bed) {
    let store = bed.open().await;
    let (mine, other): (Reference, Reference) = ([1; 32], [9; 32]);
    // At NOW + 5: one of a session, one of a session of a person, one of a person.
    end(&store, Some([2; 32]), None).await;
    end(&store, Some([3; 32]), Some(mine)).await;
    end(&store, None, Some(other)).await;
    let ended = async |at, session, subject, begun| {
        let mut change = store.change(at, By::program("test")).await.expect("begins");
        change.ended_there(&AtProvider { session, subject, begun }).await.expect("reads")
    };
    let (now, before, after) = (NOW + 9, NOW + 1, NOW + 6);
    for (session, subject, begun, expected) in [
        (Some([2; 32]), mine, before, true),
        (Some([2; 32]), mine, after, true),
        (Some([3; 32]), mine, before, true),
        (Some([3; 32]), other, after, false),
        (Some([4; 32]), mine, before, false),
        (Some([4; 32]), other, before, true),
        (Some([4; 32]), other, after, false),
        (None, mine, before, true),
        (None, mine, after, false),
        (None, [7; 32], before, false),
    ] {
        assert_eq!(ended(now, session, subject, begun).await, expected, "{session:?} {subject:?} {begun}");
    }
    let late = NOW + 6 + TOLD_KEPT;
    assert!(!ended(late, Some([2; 32]), mine, before).await, "no login takes so long");
}

pub(super) async fn an_account_is_found_by_its_hsa_id(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    let hsa = organisation().hsa;
    let found = change.accounts_by_hsa(&hsa).await.expect("reads");
    assert_eq!(found.iter().map(|account| account.id).collect::<Vec<_>>(), [anna.id]);
    for number in 2..5 {
        change.create_account(&account(number, &format!("anna{number}"))).await.expect("creates");
    }
    assert_eq!(change.accounts_by_hsa(&hsa).await.expect("reads").len(), 2, "enough to see that it is not one");
    for (number, state) in
        [(2, State::Deregistered { at: NOW }), (3, State::Lapsed { at: NOW }), (4, State::Blocked { since: NOW })]
    {
        let closed = Account { state, ..account(number, &format!("anna{number}")) };
        change.store_tries(&closed).await.expect("stores");
    }
    let found = change.accounts_by_hsa(&hsa).await.expect("reads");
    assert_eq!(found.len(), 2, "who is closed does not count, who is blocked does");
    let nobody = HsaId::parse("SE2321000016-1XXX").expect("valid");
    assert!(change.accounts_by_hsa(&nobody).await.expect("reads").is_empty());
}
