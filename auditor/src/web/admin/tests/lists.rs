//! Queues, filters, order and pages.

use super::bed::{Answer, Bed, Who, application};
use crate::duties::Region;
use crate::forms::Move;
use serde_json::json;

fn ids(answer: &Answer) -> Vec<String> {
    let forms = answer.json()["forms"].as_array().cloned().expect("forms");
    forms.iter().map(|form| form["id"].as_str().expect("an id").to_owned()).collect()
}

async fn listed(bed: &Bed, who: &Who, query: &str) -> Vec<String> {
    ids(&bed.get(who, &format!("/forms{query}")).await.is(200))
}

#[tokio::test]
async fn each_sees_what_waits_for_them() {
    let bed = Bed::new().await;
    let approver = bed.signer(2, &["approver:12"]).await;
    let holder = bed.signer(3, &["registry_holder:fotled"]).await;
    let admin = bed.signer(4, &["account_admin"]).await;
    let desk = bed.signer(5, &["help_desk", "log_auditor"]).await;
    let form = bed.newcomer(10, Region::Skane).await;
    let elsewhere = bed.newcomer(11, Region::Halland).await.id.to_string();
    let id = form.id.to_string();
    let waiting = "?queue=waiting";
    assert_eq!(listed(&bed, &approver, waiting).await, [id.as_str()]);
    assert_eq!(listed(&bed, &approver, "").await, [id.as_str()]);
    assert_eq!(listed(&bed, &admin, "").await, [id.as_str(), &elsewhere]);
    assert!(listed(&bed, &admin, waiting).await.is_empty());
    let form = bed.moved(&approver, &form, Move::Approve("Kollega".to_owned())).await;
    assert!(listed(&bed, &approver, waiting).await.is_empty());
    assert_eq!(listed(&bed, &holder, waiting).await, [id.as_str()]);
    let form = bed.moved(&holder, &form, Move::SendBack("Telefon saknas".to_owned())).await;
    assert!(listed(&bed, &holder, waiting).await.is_empty());
    assert_eq!(form.state, crate::forms::State::Draft);
    for who in [&approver, &admin, &desk] {
        assert!(!listed(&bed, who, "").await.contains(&id), "a draft is its owners' alone");
    }
    assert!(listed(&bed, &desk, "").await.is_empty());
}

/// What somebody has done before it was sent back does not keep it from them; what they did since does.
#[tokio::test]
async fn a_form_that_was_sent_back_waits_again() {
    let bed = Bed::new().await;
    let anna = bed.signer(1, &[]).await;
    let both = bed.signer(2, &["approver:12", "registry_holder:fotled", "account_admin"]).await;
    let holder = bed.signer(3, &["registry_holder:fotled"]).await;
    let form = bed.post(&anna, "/forms", &application()).await.is(201).json()["id"].as_str().expect("an id").to_owned();
    let waiting = "?queue=waiting";
    assert_eq!(listed(&bed, &anna, waiting).await, [form.as_str()], "a draft waits for who wrote it");
    bed.make(&anna, &form, "submit", json!({})).await.is(200);
    assert!(listed(&bed, &anna, waiting).await.is_empty());
    assert_eq!(listed(&bed, &anna, "?queue=mine").await, [form.as_str()]);
    bed.make(&both, &form, "approve", json!({ "basis": "Kollega" })).await.is(200);
    assert!(listed(&bed, &both, waiting).await.is_empty(), "who approved does not forward");
    bed.make(&holder, &form, "return", json!({ "reason": "Telefon saknas" })).await.is(200);
    bed.make(&anna, &form, "submit", json!({})).await.is(200);
    assert_eq!(listed(&bed, &both, waiting).await, [form.as_str()]);
    bed.make(&both, &form, "approve", json!({ "basis": "Kollega" })).await.is(200);
    bed.make(&holder, &form, "forward", json!({})).await.is(200);
    assert!(listed(&bed, &both, waiting).await.is_empty(), "who approved does not execute");

    // One's own waits for others.
    let own = bed.post(&both, "/forms", &application()).await.is(201).json()["id"].as_str().expect("an id").to_owned();
    bed.make(&both, &own, "submit", json!({})).await.is(200);
    assert!(listed(&bed, &both, waiting).await.is_empty());
}

#[tokio::test]
async fn drafts_are_a_bounded_number() {
    let bed = Bed::new().await;
    let anna = bed.signer(1, &[]).await;
    let mut last = String::new();
    for _ in 0..50 {
        last = bed.post(&anna, "/forms", &application()).await.is(201).json()["id"].as_str().expect("an id").to_owned();
    }
    bed.post(&anna, "/forms", &application()).await.refused(409, "too_many");
    bed.make(&anna, &last, "submit", json!({})).await.is(200);
    bed.post(&anna, "/forms", &application()).await.is(201);
}

#[tokio::test]
async fn pages_join_in_every_order_and_filters_hold() {
    let bed = Bed::new().await;
    let admin = bed.who(4, &["account_admin"]).await;
    let mut all = Vec::new();
    for number in 10..17 {
        let region = if number % 2 == 0 { Region::Skane } else { Region::Halland };
        all.push(bed.newcomer(number, region).await.id.to_string());
    }
    let backwards: Vec<String> = all.iter().rev().cloned().collect();
    for (sort, expected) in [("waited", &all), ("moved", &backwards), ("oldest", &all), ("newest", &backwards)] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = bed.get(&admin, &format!("/forms?sort={sort}&limit=3{cursor}")).await.is(200);
            seen.extend(ids(&page));
            let Some(next) = page.json()["next"].as_str().map(str::to_owned) else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, *expected, "{sort}");
    }
    let skane = listed(&bed, &admin, "?region=12&state=submitted&kind=F1&registry=fotled").await;
    assert_eq!(skane, [all[0].as_str(), &all[2], &all[4], &all[6]]);
    for none in ["?region=14", "?state=draft", "?kind=F3", "?registry=annat", "?queue=mine"] {
        assert!(listed(&bed, &admin, none).await.is_empty(), "{none}");
    }
    let cursor = bed.get(&admin, "/forms?limit=1").await.json()["next"].as_str().expect("more").to_owned();
    for wrong in [
        "?limit=0",
        "?limit=101",
        "?limit=x",
        "?state=x",
        "?kind=f1",
        "?region=02",
        "?registry=%C3%A5",
        "?queue=x",
        "?sort=x",
        "?cursor=x",
        "?page=2",
        "?state=draft&state=draft",
        &format!("?sort=newest&cursor={cursor}"),
    ] {
        bed.get(&admin, &format!("/forms{wrong}")).await.refused(422, "invalid");
    }
    bed.get(&admin, "/forms?state=%ff").await.is(422);
}
