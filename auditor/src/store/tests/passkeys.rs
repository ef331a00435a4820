use super::*;
use crate::accounts::passkey::PasskeyId;

fn passkey(number: u8, account: &Account) -> Passkey {
    Passkey {
        id: hex::encode([number; 32]).parse::<PasskeyId>().expect("an id"),
        account: account.id,
        credential: vec![number, 0, 255],
        name: "Min telefon".to_owned(),
        created: NOW,
        last_used: None,
        ended: None,
    }
}

async fn change(store: &Store, at: Micros) -> Change {
    store.change(at, By::program("test")).await.expect("begins")
}

pub(super) async fn a_passkey_is_found_used_renamed_and_removed(bed: Bed) {
    let (store, anna, _) = filled(&bed).await;
    let (first, second) = (passkey(1, &anna), passkey(2, &anna));
    let mut begun = change(&store, NOW + 1).await;
    begun.add_passkey(&first).await.expect("adds");
    begun.add_passkey(&second).await.expect("adds");
    assert_eq!(begun.passkey(&first.id).await.expect("reads"), Some(first.clone()));
    begun.commit().await.expect("commits");
    assert_eq!(store.passkeys(anna.id).await.expect("reads"), [first.clone(), second.clone()]);
    assert!(store.passkeys(account(9, "other").id).await.expect("reads").is_empty());
    let again = change(&store, NOW + 2).await.add_passkey(&first).await;
    assert!(matches!(again, Err(StoreError::Taken("passkey"))), "{again:?}");

    let mut begun = change(&store, NOW + 3).await;
    begun.use_passkey(&first.id, None).await.expect("notes");
    begun.use_passkey(&second.id, Some(&[7])).await.expect("notes");
    begun.rename_passkey(anna.id, &first.id, "Nyckeln").await.expect("renames");
    begun.end_passkey(anna.id, &second.id).await.expect("ends");
    // Another's is none of one's own, and what is removed stays so.
    for (owner, id) in [(account(9, "other").id, &first.id), (anna.id, &second.id)] {
        let renamed = begun.rename_passkey(owner, id, "x").await;
        assert!(matches!(renamed, Err(StoreError::Absent("passkey"))), "{renamed:?}");
        let ended = begun.end_passkey(owner, id).await;
        assert!(matches!(ended, Err(StoreError::Absent("passkey"))), "{ended:?}");
    }
    begun.commit().await.expect("commits");
    let expected = Passkey { name: "Nyckeln".to_owned(), last_used: Some(NOW + 3), ..first };
    assert_eq!(store.passkeys(anna.id).await.expect("reads"), [expected]);
    let removed = change(&store, NOW + 4).await.passkey(&second.id).await.expect("reads").expect("is known");
    assert_eq!((removed.ended, removed.credential), (Some(NOW + 3), vec![7]));
    let told: Vec<_> = store.batch(100).await.expect("reads").expect("events").events;
    let told: Vec<_> = told.iter().filter(|(_, event)| event.kind == AuthEventKind::CredentialsSet).collect();
    let words: Vec<_> = told.iter().map(|(_, event)| event.detail.to_string()).collect();
    assert_eq!(words, ["test passkey added", "test passkey added", "test passkey renamed", "test passkey removed"]);
    assert!(told.iter().all(|(_, event)| event.account == anna.id));
}

pub(super) async fn a_question_is_answered_once(bed: Bed) {
    let (store, _, _) = filled(&bed).await;
    let mut begun = change(&store, NOW).await;
    assert!(begun.answer_once(&[1; 32], NOW + 10).await.expect("notes"));
    assert!(!begun.answer_once(&[1; 32], NOW + 10).await.expect("notes"));
    begun.commit().await.expect("commits");
    let mut begun = change(&store, NOW + 10).await;
    assert!(!begun.answer_once(&[1; 32], NOW + 10).await.expect("notes"), "not by another either");
    assert!(begun.answer_once(&[2; 32], NOW + 20).await.expect("notes"));
    begun.commit().await.expect("commits");
    // What nobody would take any more is forgotten.
    let mut begun = change(&store, NOW + 11).await;
    assert!(begun.answer_once(&[1; 32], NOW + 10).await.expect("notes"));
}

pub(super) async fn of_an_accounts_sessions_one_may_stay(bed: Bed) {
    let (store, anna, ward) = filled(&bed).await;
    let (kept, other) = (session(1, &anna, &ward), session(2, &anna, &ward));
    let mut begun = change(&store, NOW + 1).await;
    begun.open_session(&other).await.expect("opens");
    begun.end_other_sessions(anna.id, kept.key, End::Account).await.expect("ends");
    begun.commit().await.expect("commits");
    let open = store.open_sessions(Some(anna.id), 9).await.expect("reads");
    assert_eq!(open.iter().map(|session| session.key).collect::<Vec<_>>(), [kept.key]);
}
