//! A signature needs a second factor that was just shown, in the same session.

use super::bed::{Bed, STEP_UP, Who};
use crate::accounts::State;
use crate::clock;
use crate::duties::Region;
use contract::record::{AuthEventKind, AuthMethod, Reason};
use serde_json::json;

#[tokio::test]
async fn a_move_waits_for_a_second_factor_that_was_just_shown() {
    let bed = Bed::new().await;
    let approver = bed.who(2, &["approver:12"]).await;
    let form = bed.newcomer(1, Region::Skane).await.id.to_string();
    let approve = || bed.make(&approver, &form, "approve", json!({ "basis": "Kollega" }));
    let asked = approve().await;
    asked.refused(401, "step_up_required");
    assert_eq!(asked.json()["step_up"], "/admin/api/v1/step-up");
    let challenge = asked.headers["www-authenticate"].to_str().expect("text");
    assert_eq!(challenge, "Bearer error=\"insufficient_user_authentication\", max_age=300");

    // Long ago; and in another session of the same account.
    bed.shown(&approver, clock::now() - STEP_UP - clock::SECOND).await;
    approve().await.refused(401, "step_up_required");
    let other = Who { session: bed.session(approver.id, AuthMethod::PasswordTotp).await, ..approver.clone() };
    bed.shown(&other, clock::now()).await;
    approve().await.refused(401, "step_up_required");

    let code = approver.secret.code(clock::now());
    let shown = bed.post(&approver, "/step-up", &json!({ "code": code })).await.is(200);
    assert!(shown.json()["until"].is_string());
    approve().await.is(200);
}

#[tokio::test]
async fn a_code_counts_once_and_wrong_ones_lock() {
    let bed = Bed::new().await;
    let who = bed.who(1, &[]).await;
    let code = who.secret.code(clock::now());
    bed.post(&who, "/step-up", &json!({ "code": code })).await.is(200);
    assert_eq!(bed.store.account(who.id).await.expect("reads").expect("is there").last_login, None);
    bed.told().await;
    bed.post(&who, "/step-up", &json!({ "code": code })).await.refused(403, "code_refused");
    for wrong in ["", "000 000 0", &"1".repeat(1_000)] {
        bed.post(&who, "/step-up", &json!({ "code": wrong })).await.refused(403, "code_refused");
    }
    let events = bed.told_of(AuthEventKind::LoginFailed).await;
    let reasons: Vec<_> = events.iter().map(|event| (event.reason, event.detail.as_ref(), event.account)).collect();
    assert_eq!(reasons[0], (Reason::CodeReplayed, "app step-up", who.id));
    assert!(reasons[1..].iter().all(|told| *told == (Reason::BadSecondFactor, "app step-up", who.id)), "{reasons:?}");
    bed.post(&who, "/step-up", &json!({ "code": "x" })).await.refused(403, "code_refused");
    let account = bed.store.account(who.id).await.expect("reads").expect("is there");
    assert!(matches!(account.state, State::Locked { .. }), "{:?}", account.state);
    bed.get(&who, "/forms").await.refused(403, "account_inactive");
    assert_eq!(bed.told_of(AuthEventKind::AccountLocked).await.len(), 1);
}

/// Of two who send the same code at once, one is let through.
#[tokio::test]
async fn a_code_that_is_sent_twice_at_once_counts_once() {
    let bed = Bed::new().await;
    let who = bed.who(1, &[]).await;
    let sent = json!({ "code": who.secret.code(clock::now()) });
    let (one, other) = tokio::join!(bed.post(&who, "/step-up", &sent), bed.post(&who, "/step-up", &sent));
    let mut seen = [one.status.as_u16(), other.status.as_u16()];
    seen.sort_unstable();
    assert_eq!(seen, [200, 403]);
}
