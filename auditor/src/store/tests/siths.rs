use super::*;
use crate::clock::SECOND;
use crate::store::SeenCard;

async fn take(store: &Store, at: Micros, code: u8, state: &str) -> Result<SeenCard, Reason> {
    let mut change = store.change(at, By::program("test")).await.expect("begins");
    let taken = change.take_card_code(&[code; 32], state).await.expect("looks");
    change.commit().await.expect("commits");
    taken
}

pub(super) async fn a_cards_code_is_good_once_for_its_login_and_for_a_while(bed: Bed) {
    let store = bed.open().await;
    let seen = SeenCard { hsa: organisation().hsa, level: "loa3".to_owned(), note: "card=4711".to_owned() };
    let until = NOW + 60 * SECOND;
    let mut change = store.change(NOW, By::program("test")).await.expect("begins");
    for code in 1..=4 {
        change.keep_card_code(&[code; 32], "mine", &seen, until).await.expect("keeps");
    }
    change.commit().await.expect("commits");
    assert_eq!(take(&store, until - 1, 1, "mine").await, Ok(seen.clone()));
    assert_eq!(take(&store, until - 1, 1, "mine").await, Err(Reason::CodeReplayed));
    assert_eq!(take(&store, until, 2, "mine").await, Err(Reason::CodeExpired));
    assert_eq!(take(&store, until - 1, 2, "mine").await, Err(Reason::CodeReplayed), "also by who was late");
    for wrong in ["another", ""] {
        let code = if wrong.is_empty() { 3 } else { 4 };
        assert_eq!(take(&store, NOW, code, wrong).await, Err(Reason::Forged));
        assert_eq!(take(&store, NOW, code, "mine").await, Err(Reason::CodeReplayed), "it is used up");
    }
    assert_eq!(take(&store, NOW, 9, "mine").await, Err(Reason::CodeUnknown));

    // It is forgotten in the end.
    let mut change = store.change(until + 2 * 3_600 * SECOND, By::program("test")).await.expect("begins");
    change.keep_card_code(&[5; 32], "mine", &seen, until).await.expect("keeps");
    change.commit().await.expect("commits");
    assert_eq!(take(&store, NOW, 1, "mine").await, Err(Reason::CodeUnknown));
}
