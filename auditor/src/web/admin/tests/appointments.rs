//! Who is appointed to what.

use super::bed::Bed;
use crate::clock;
use contract::record::{AuthEventKind, Reason};
use serde_json::{Value, json};
use uuid::Uuid;

/// An appointment, as it is sent.
fn given(account: &impl std::fmt::Display, appointment: &str) -> Value {
    json!({ "account": account.to_string(), "appointment": appointment })
}

#[tokio::test]
async fn who_may_appoints_others_and_ends_it() {
    let bed = Bed::new().await;
    let admin = bed.signer(4, &["account_admin"]).await;
    let anna = bed.signer(1, &[]).await;
    let approver = given(&anna.id, "approver:12");
    let unsigned = bed.who(5, &["account_admin"]).await;
    bed.post(&unsigned, "/appointments", &approver).await.refused(401, "step_up_required");
    bed.told().await;
    let id = bed.post(&admin, "/appointments", &approver).await.is(201).json()["id"].as_str().expect("id").to_owned();
    bed.post(&admin, "/appointments", &approver).await.refused(409, "taken");
    bed.post(&admin, "/appointments", &given(&admin.id, "approver:12")).await.refused(403, "own");
    let nobody = bed.post(&admin, "/appointments", &given(&Uuid::from_u128(1), "approver:12")).await;
    nobody.refused(422, "invalid");
    assert_eq!(nobody.wrong(), [("/account".to_owned(), "refused".to_owned())]);
    let lacking = bed.post(&anna, "/appointments", &given(&admin.id, "approver:12")).await;
    lacking.refused(403, "not_appointed");
    assert_eq!(lacking.json()["duty"], "appoint");
    let events = bed.told().await;
    let told: Vec<_> = events.iter().map(|event| (event.kind, event.reason, event.by, event.account)).collect();
    assert_eq!(
        told,
        [
            (AuthEventKind::AppointmentGiven, Reason::None, admin.id, anna.id),
            (AuthEventKind::MoveDenied, Reason::Own, admin.id, admin.id),
            (AuthEventKind::MoveDenied, Reason::NotAppointed, anna.id, admin.id),
        ]
    );

    let end = format!("/appointments/{id}/end");
    bed.post(&anna, &end, &json!({ "why": "leaves" })).await.refused(403, "not_appointed");
    let ended = bed.post(&admin, &end, &json!({ "why": "leaves" })).await.is(200).json();
    assert_eq!((&ended["appointment"], &ended["ended_by"]), (&json!("approver:12"), &json!(admin.id.to_string())));
    bed.post(&admin, &end, &json!({ "why": "leaves" })).await.refused(404, "not_found");
    bed.post(&admin, "/appointments/x/end", &json!({ "why": "leaves" })).await.refused(404, "not_found");
}

#[tokio::test]
async fn one_sees_ones_own_and_who_appoints_sees_all() {
    let bed = Bed::new().await;
    let admin = bed.who(4, &["account_admin"]).await;
    let anna = bed.who(1, &["approver:12", "help_desk"]).await;
    let listed = |value: &Value| -> Vec<String> {
        let all = value["appointments"].as_array().expect("a list").iter();
        all.map(|given| given["appointment"].as_str().expect("a text").to_owned()).collect()
    };
    let own = bed.get(&anna, "/appointments").await.is(200).json();
    assert_eq!(listed(&own).len(), 2);
    bed.get(&anna, &format!("/appointments?account={}", admin.id)).await.refused(403, "not_appointed");
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = bed.get(&admin, &format!("/appointments?limit=1{cursor}")).await.is(200).json();
        seen.extend(listed(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    seen.sort();
    assert_eq!(seen, ["account_admin", "approver:12", "help_desk"]);
    let of = bed.get(&admin, &format!("/appointments?account={}&ended=true", admin.id)).await.is(200).json();
    assert_eq!(listed(&of), ["account_admin"]);
    for wrong in ["?ended=yes", "?account=x", "?cursor=x", "?queue=mine"] {
        bed.get(&admin, &format!("/appointments{wrong}")).await.refused(422, "invalid");
    }
}

#[tokio::test]
async fn an_appointment_is_whole_or_none() {
    let bed = Bed::new().await;
    let admin = bed.signer(4, &["account_admin"]).await;
    let anna = bed.who(1, &[]).await;
    let (later, now) = (clock::rfc3339(clock::now() + clock::DAY), clock::rfc3339(clock::now()));
    let fields = |wrong: &[(&str, &str)]| -> Vec<(String, String)> {
        wrong.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect()
    };
    for (sent, wrong) in [
        (json!({}), &[("/account", "missing"), ("/appointment", "missing")][..]),
        (
            json!({ "account": "x", "appointment": "root", "valid_from": "now", "given_by": "me" }),
            &[("/account", "form"), ("/appointment", "form"), ("/valid_from", "form"), ("/given_by", "unknown")],
        ),
        (
            json!({
                "account": anna.id, "appointment": "help_desk", "valid_from": later, "valid_to": now,
            }),
            &[("/valid_to", "period")],
        ),
    ] {
        let asked = bed.post(&admin, "/appointments", &sent).await;
        asked.refused(422, "invalid");
        assert_eq!(asked.wrong(), fields(wrong));
    }
}
