//! Credentials handed out by the interface.

use super::bed::{Bed, Who};
use contract::record::{AuthEventKind, Reason};
use serde_json::{Value, json};

async fn staff(bed: &Bed) -> (Who, Who, Who) {
    (
        bed.who(2, &["approver:12"]).await,
        bed.who(3, &["registry_holder:fotled"]).await,
        bed.signer(4, &["account_admin"]).await,
    )
}

fn ids(page: &Value) -> Vec<String> {
    let all = page["handouts"].as_array().expect("a list").iter();
    all.map(|one| one["id"].as_str().expect("an id").to_owned()).collect()
}

#[tokio::test]
async fn a_letter_and_a_call_hand_an_account_out() {
    let bed = Bed::new().await;
    let (approver, holder, admin) = staff(&bed).await;
    let account = bed.made((&approver, &holder, &admin), 100).await;
    bed.told().await;
    let issued = bed.post(&admin, "/handouts", &json!({ "account": account, "code_by": "phone" })).await.is(201).json();
    let id = issued["id"].as_str().expect("an id").to_owned();
    assert_eq!((&issued["state"], &issued["purpose"]), (&json!("open"), &json!("first")));
    let at = |name: &str| format!("/handouts/{id}/{name}");
    let half = |half: &str| json!({ "half": half });

    bed.post(&admin, &at("posted"), &half("id")).await.refused(409, "wrong_stage");
    let letter = bed.post(&admin, &at("letter"), &half("id")).await.is(200);
    assert_eq!(letter.headers["content-type"], "application/pdf");
    assert!(letter.text.starts_with("%PDF-1."));
    bed.post(&admin, &at("letter"), &half("code")).await.refused(409, "wrong_stage");
    let queue = bed.get(&admin, "/handouts?channel=letter&stage=printed").await.is(200).json();
    assert_eq!(ids(&queue), std::slice::from_ref(&id));
    bed.post(&admin, &at("posted"), &half("id")).await.is(200);
    let calls = bed.get(&admin, "/handouts?channel=phone&stage=waiting&state=open").await.is(200).json();
    assert_eq!(ids(&calls), std::slice::from_ref(&id));

    let told = bed.post(&admin, &at("number"), &half("code")).await.is(200).json();
    assert_eq!((&told["name"], &told["telephone"]), (&json!("Bo Nyman"), &json!("046-10 00 00")));
    let silent = bed.post(&admin, &at("called"), &json!({ "half": "code", "called_back": false })).await;
    silent.refused(422, "invalid");
    let called = json!({ "half": "code", "called_back": true });
    bed.post(&admin, &at("called"), &called).await.refused(403, "other_half");
    let second = bed.signer(9, &["account_admin"]).await;
    let read = bed.post(&second, &at("called"), &called).await.is(200).json();
    assert_eq!(read["half"].as_str().map(str::len), Some(9));
    bed.post(&admin, &at("called"), &called).await.refused(409, "wrong_stage");
    let shown = bed.get(&admin, &format!("/handouts/{id}")).await.is(200).json();
    assert_eq!(shown["halves"][0]["stage"], "gone");
    assert!(!shown.to_string().contains(read["half"].as_str().expect("a half")));
    let seen = bed.get(&admin, &format!("/accounts/{account}")).await.is(200).json();
    assert_eq!(seen["state"], "handed_out");
    let kinds: Vec<_> = bed.told().await.into_iter().map(|event| event.kind).collect();
    for kind in [AuthEventKind::CredentialsIssued, AuthEventKind::CredentialsSent, AuthEventKind::FormRevealed] {
        assert!(kinds.contains(&kind), "{kinds:?}");
    }
}

#[tokio::test]
async fn who_has_not_the_duty_or_no_fresh_factor_hands_out_nothing() {
    let bed = Bed::new().await;
    let (approver, holder, admin) = staff(&bed).await;
    let account = bed.made((&approver, &holder, &admin), 100).await;
    let issue = json!({ "account": account, "code_by": "phone" });
    let stale = bed.who(5, &["account_admin"]).await;
    bed.post(&stale, "/handouts", &issue).await.refused(401, "step_up_required");
    let desk = bed.signer(6, &["help_desk"]).await;
    bed.told().await;
    let lacking = bed.post(&desk, "/handouts", &issue).await;
    lacking.refused(403, "not_appointed");
    assert_eq!(lacking.json()["duty"], "hand_out");
    let denied = bed.told_of(AuthEventKind::MoveDenied).await;
    assert_eq!(
        denied.iter().map(|event| (event.reason, event.by)).collect::<Vec<_>>(),
        [(Reason::NotAppointed, desk.id)]
    );
    bed.get(&desk, "/handouts").await.refused(403, "not_appointed");
    let id = bed.post(&admin, "/handouts", &issue).await.is(201).json()["id"].as_str().expect("an id").to_owned();
    bed.get(&desk, &format!("/handouts/{id}")).await.refused(403, "not_appointed");
    for name in ["letter", "posted", "number"] {
        let asked = bed.post(&desk, &format!("/handouts/{id}/{name}"), &json!({ "half": "id" })).await;
        asked.refused(403, "not_appointed");
        let asked = bed.post(&stale, &format!("/handouts/{id}/{name}"), &json!({ "half": "id" })).await;
        asked.refused(401, "step_up_required");
    }
}

#[tokio::test]
async fn channels_are_two_and_never_e_mail() {
    let bed = Bed::new().await;
    let (approver, holder, admin) = staff(&bed).await;
    let account = bed.made((&approver, &holder, &admin), 100).await;
    for (id_by, code_by) in [("letter", "letter"), ("fax", "phone"), ("letter", "sms")] {
        let asked = json!({ "account": account, "id_by": id_by, "code_by": code_by });
        let asked = bed.post(&admin, "/handouts", &asked).await;
        asked.refused(422, "invalid");
        assert_eq!(asked.wrong(), [(String::new(), "refused".to_owned())], "{id_by} {code_by}");
    }
    for word in ["email", "e-mail", "mail", ""] {
        let asked = bed.post(&admin, "/handouts", &json!({ "account": account, "code_by": word })).await;
        assert_eq!(asked.wrong(), [("/code_by".to_owned(), "form".to_owned())], "{word}");
    }
    let nobody =
        bed.post(&admin, "/handouts", &json!({ "account": uuid::Uuid::from_u128(1), "code_by": "phone" })).await;
    assert_eq!(nobody.wrong(), [("/account".to_owned(), "refused".to_owned())]);
    let unknown = format!("/handouts/{}", uuid::Uuid::from_u128(1));
    bed.get(&admin, &unknown).await.refused(404, "not_found");
    bed.post(&admin, &format!("{unknown}/posted"), &json!({ "half": "id" })).await.refused(404, "not_found");
    let mut seen = Vec::new();
    for _ in 0..3 {
        bed.post(&admin, "/handouts", &json!({ "account": account, "code_by": "phone" })).await.is(201);
    }
    let mut cursor = String::new();
    loop {
        let page = bed.get(&admin, &format!("/handouts?limit=1{cursor}")).await.is(200).json();
        seen.extend(ids(&page));
        let Some(next) = page["next"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    assert_eq!(seen.len(), 3);
    assert_eq!(ids(&bed.get(&admin, "/handouts?state=open").await.is(200).json()).len(), 1, "two were replaced");
}
