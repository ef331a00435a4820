//! Accounts: found by who may see them, locked, blocked, confirmed; their sessions.

use super::bed::{Bed, Who, hsa};
use contract::record::{AuthEventKind, AuthMethod, Right};
use serde_json::{Value, json};

/// The names that a search finds, in order.
async fn found(bed: &Bed, who: &Who, wanted: Value) -> Vec<String> {
    let answer = bed.post(who, "/accounts/search", &wanted).await.is(200).json();
    let accounts = answer["accounts"].as_array().expect("a list");
    accounts.iter().map(|account| account["name"].as_str().expect("a name").to_owned()).collect()
}

#[tokio::test]
async fn a_search_finds_what_duties_reach() {
    let bed = Bed::new().await;
    let (anna, bo) = (bed.who(1, &[]).await, bed.who(2, &[]).await);
    bed.vouched(&anna, Right::Read).await;
    let admin = bed.who(3, &["account_admin"]).await;
    let (approver, elsewhere) = (bed.who(4, &["approver:12"]).await, bed.who(5, &["approver:14"]).await);
    let holder = bed.who(6, &["registry_holder:fotled"]).await;
    assert_eq!(found(&bed, &admin, json!({})).await.len(), 6);
    assert_eq!(found(&bed, &approver, json!({})).await, ["Person 1", "Person 4"]);
    assert_eq!(found(&bed, &elsewhere, json!({})).await, ["Person 5"]);
    assert_eq!(found(&bed, &holder, json!({})).await, ["Person 1", "Person 6"]);
    assert_eq!(found(&bed, &bo, json!({})).await, ["Person 2"], "one's own");
    assert_eq!(found(&bed, &bo, json!({ "text": "Person 1" })).await, [""; 0]);
    for text in ["person 2", "PERSON 2", "user2", hsa(2).as_str()] {
        assert_eq!(found(&bed, &admin, json!({ "text": text })).await, ["Person 2"], "{text}");
    }
    for text in ["%", "_", "\\", "'"] {
        assert_eq!(found(&bed, &admin, json!({ "text": text })).await, [""; 0], "{text}");
    }
    assert_eq!(found(&bed, &admin, json!({ "region": "12" })).await, ["Person 1"]);
    assert_eq!(found(&bed, &admin, json!({ "registry": "fotled" })).await, ["Person 1"]);
    bed.locked(bo.id).await;
    assert_eq!(found(&bed, &admin, json!({ "state": "locked" })).await, ["Person 2"]);
}

#[tokio::test]
async fn pages_follow_each_other_in_every_order() {
    let bed = Bed::new().await;
    let admin = bed.who(1, &["account_admin"]).await;
    for number in 2..8 {
        bed.who(number, &[]).await;
    }
    for sort in ["name", "newest", "unused", "rested"] {
        let whole = found(&bed, &admin, json!({ "sort": sort })).await;
        let (mut pieces, mut cursor) = (Vec::new(), Value::Null);
        for _ in 0..4 {
            let wanted = json!({ "sort": sort, "limit": "2", "cursor": cursor });
            let page = bed.post(&admin, "/accounts/search", &wanted).await.is(200).json();
            let names = page["accounts"].as_array().expect("a list").iter();
            pieces.extend(names.map(|account| account["name"].as_str().expect("a name").to_owned()));
            cursor = page["next"].clone();
        }
        assert!(cursor.is_null(), "{sort}");
        assert_eq!((pieces.len(), &pieces), (7, &whole), "{sort}");
    }
    let wanted = json!({ "sort": "nonsense", "limit": "101", "state": "x", "cursor": "!" });
    let wrong = bed.post(&admin, "/accounts/search", &wanted).await.is(422).wrong();
    assert_eq!(wrong.len(), 4, "{wrong:?}");
}

#[tokio::test]
async fn a_lock_ends_sessions_and_a_call_back_ends_the_lock() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let (admin, desk) = (bed.who(2, &["account_admin"]).await, bed.who(3, &["help_desk"]).await);
    let at = |what: &str| format!("/accounts/{}/{what}", anna.id);
    assert_eq!(bed.post(&desk, &at("lock"), &json!({})).await.is(200).json()["state"], "locked");
    bed.get(&anna, "/forms").await.refused(401, "not_logged_in");
    bed.post(&desk, &at("lock"), &json!({})).await.refused(409, "account_state");
    bed.post(&admin, &at("unlock"), &json!({ "called_back": false })).await.refused(422, "invalid");
    let yes = json!({ "called_back": true });
    bed.post(&admin, &at("unlock"), &yes).await.refused(401, "step_up_required");
    bed.shown(&admin, crate::clock::now()).await;
    bed.told().await;
    assert_eq!(bed.post(&admin, &at("unlock"), &yes).await.is(200).json()["state"], "active");
    let told = bed.told_of(AuthEventKind::AccountUnlocked).await;
    assert_eq!(told.iter().map(|event| (event.account, event.by)).collect::<Vec<_>>(), [(anna.id, admin.id)]);
}

#[tokio::test]
async fn two_lift_a_block() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    let (first, second) = (bed.signer(2, &["account_admin"]).await, bed.signer(3, &["account_admin"]).await);
    let at = |what: &str| format!("/accounts/{}/{what}", anna.id);
    let nothing = json!({});
    bed.post(&first, &at("block"), &json!({ "reason": "" })).await.refused(422, "invalid");
    let blocked = bed.post(&first, &at("block"), &json!({ "reason": "Förlorad dator" })).await.is(200).json();
    assert_eq!((blocked["state"].as_str(), &blocked["lift_proposed_by"]), (Some("blocked"), &Value::Null));
    bed.post(&first, &at("lift"), &nothing).await.refused(404, "not_found");
    let proposed = bed.post(&first, &at("propose-lift"), &nothing).await.is(200).json();
    assert_eq!(proposed["lift_proposed_by"], json!(first.id));
    bed.post(&first, &at("lift"), &nothing).await.refused(403, "decided_before");
    assert_eq!(bed.post(&second, &at("lift"), &nothing).await.is(200).json()["state"], "active");
}

#[tokio::test]
async fn the_region_confirms_and_takes_into_use_again() {
    let bed = Bed::new().await;
    let anna = bed.who(1, &[]).await;
    bed.vouched(&anna, Right::Read).await;
    let approver = bed.signer(2, &["approver:12"]).await;
    let at = |what: &str| format!("/accounts/{}/{what}", anna.id);
    let region = json!({ "region": "12" });
    bed.told().await;
    bed.post(&approver, &at("confirm"), &region).await.is(200);
    assert_eq!(bed.told_of(AuthEventKind::AccountConfirmed).await.len(), 1);
    bed.post(&approver, &at("confirm"), &json!({ "region": "14" })).await.refused(403, "not_appointed");
    bed.post(&approver, &at("reactivate"), &region).await.refused(409, "account_state");
    let mut change = bed.change().await;
    let mut account = change.account(anna.id).await.expect("is there");
    account.state = account.state.go_dormant(change.at()).expect("in use");
    change.stop_account(&account, AuthEventKind::AccountChanged).await.expect("rests");
    change.commit().await.expect("commits");
    assert_eq!(bed.post(&approver, &at("reactivate"), &region).await.is(200).json()["state"], "active");
}

#[tokio::test]
async fn one_ends_ones_own_sessions_and_who_may_those_of_others() {
    let bed = Bed::new().await;
    let (anna, other) = (bed.who(1, &[]).await, bed.who(2, &[]).await);
    bed.vouched(&anna, Right::Read).await;
    let elsewhere = bed.session(anna.id, AuthMethod::Passkey).await;
    let holder = bed.who(3, &["registry_holder:fotled"]).await;
    let desk = bed.who(4, &["help_desk"]).await;
    let at = |what: &str| format!("/accounts/{}/{what}", anna.id);
    let listed = bed.get(&anna, &at("sessions")).await.is(200).json();
    let listed = listed["sessions"].as_array().expect("a list");
    assert_eq!(listed.len(), 2);
    assert_eq!(listed.iter().filter(|session| session["this"] == true).count(), 1);
    // Who may see an account does not for that see when its user is at work.
    for who in [&other, &holder] {
        bed.get(who, &at("sessions")).await.refused(404, "not_found");
        bed.post(who, &at("sessions/end"), &json!({})).await.refused(404, "not_found");
    }
    let number = json!({ "session": elsewhere.key.reference().to_string() });
    bed.post(&desk, &format!("/accounts/{}/sessions/end", other.id), &number).await.refused(404, "not_found");
    bed.post(&anna, &at("sessions/end"), &number).await.is(200);
    bed.post(&anna, &at("sessions/end"), &number).await.refused(404, "not_found");
    bed.session(anna.id, AuthMethod::Passkey).await;
    bed.post(&anna, &at("sessions/end"), &json!({})).await.is(200);
    let left = bed.get(&anna, &at("sessions")).await.is(200).json();
    assert_eq!(left["sessions"].as_array().map(Vec::len), Some(1), "the one that asks goes on");
    bed.told().await;
    bed.post(&desk, &at("sessions/end"), &json!({})).await.is(200);
    let told = bed.told_of(AuthEventKind::SessionEnded).await;
    assert_eq!(told.iter().map(|event| (event.account, event.by)).collect::<Vec<_>>(), [(anna.id, desk.id)]);
    bed.get(&anna, "/forms").await.refused(401, "not_logged_in");
}
