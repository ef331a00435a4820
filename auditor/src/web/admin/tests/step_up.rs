//! A signature needs a second factor that was just shown, in the same session.

use super::bed::{Bed, STEP_UP, Who};
use crate::accounts::State;
use crate::clock;
use crate::duties::Region;
use contract::record::{AuthEventKind, AuthMethod, Reason};
use serde_json::{Value, json};

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

/// A question to somebody's passkey: what the browser is asked, and the ticket.
async fn question(bed: &Bed, who: &Who) -> (Value, String) {
    let asked = bed.post(who, "/step-up/question", &json!({})).await.is(200).json();
    let text = |name: &str| asked[name].as_str().expect("a text").to_owned();
    (serde_json::from_str(&text("options")).expect("JSON"), text("ticket"))
}

#[tokio::test]
async fn a_passkey_signs_once_for_each_answer_in_the_session_that_was_asked() {
    let bed = Bed::new().await;
    let approver = bed.who(2, &["approver:12"]).await;
    let stranger = bed.who(3, &[]).await;
    let (mut soft, mut foreign) = (bed.give(&approver, 1).await, bed.give(&stranger, 2).await);
    let form = bed.newcomer(1, Region::Skane).await.id.to_string();
    let approve = || bed.make(&approver, &form, "approve", json!({ "basis": "Kollega" }));
    let show = async |who: &Who, ticket: &str, answer: &str| {
        bed.post(who, "/step-up/passkey", &json!({ "ticket": ticket, "answer": answer })).await
    };
    bed.told().await;

    let (options, ticket) = question(&bed, &approver).await;
    let answer = soft.get(&options);
    // In another session of the same account, and of another account.
    let other = Who { session: bed.session(approver.id, AuthMethod::Passkey).await, ..approver.clone() };
    for who in [&other, &stranger] {
        show(who, &ticket, &answer).await.refused(403, "code_refused");
    }
    // Somebody else's passkey, and one that has not verified its user.
    let (asked, foreigns) = question(&bed, &approver).await;
    show(&approver, &foreigns, &foreign.get(&asked)).await.refused(403, "code_refused");
    let (asked, unverified) = question(&bed, &approver).await;
    soft.verifies = false;
    show(&approver, &unverified, &soft.get(&asked)).await.refused(403, "code_refused");
    soft.verifies = true;
    approve().await.refused(401, "step_up_required");

    show(&approver, &ticket, &answer).await.is(200);
    show(&approver, &ticket, &answer).await.refused(403, "code_refused");
    let account = bed.store.account(approver.id).await.expect("reads").expect("is there");
    assert_eq!(account.last_login, None, "signing is no login");
    approve().await.is(200);

    let events = bed.told().await;
    let of = |kind| events.iter().filter(move |event| event.kind == kind);
    let refused: Vec<_> =
        of(AuthEventKind::LoginFailed).map(|event| (event.account, event.reason, event.detail.as_ref())).collect();
    assert_eq!(
        refused,
        [
            (approver.id, Reason::Forged, "app step-up ticket"),
            (stranger.id, Reason::Forged, "app step-up ticket"),
            (approver.id, Reason::BadCredentials, "app step-up unknown"),
            (approver.id, Reason::BadSecondFactor, "app step-up unverified"),
            (approver.id, Reason::CodeReplayed, "app step-up replayed"),
        ]
    );
    let signed: Vec<_> = of(AuthEventKind::FormApproved).map(|event| event.auth_method).collect();
    assert_eq!(signed, [AuthMethod::Passkey]);
}

#[tokio::test]
async fn wrong_passkeys_lock_like_wrong_codes() {
    let bed = Bed::new().await;
    let who = bed.who(1, &[]).await;
    let mut soft = bed.give(&who, 1).await;
    soft.verifies = false;
    for _ in 0..5 {
        let (options, ticket) = question(&bed, &who).await;
        let sent = json!({ "ticket": ticket, "answer": soft.get(&options) });
        bed.post(&who, "/step-up/passkey", &sent).await.refused(403, "code_refused");
    }
    let account = bed.store.account(who.id).await.expect("reads").expect("is there");
    assert!(matches!(account.state, State::Locked { .. }), "{:?}", account.state);
}
