//! The three forms, from a draft to their execution.

use super::bed::{Bed, LIFE, NUMBER, Who, application, hsa, registry};
use crate::accounts::{State, UserName};
use crate::clock;
use crate::duties::Region;
use contract::record::{AuthEventKind, AuthMethod, Reason, Right};
use serde_json::{Value, json};

struct Five {
    bed: Bed,
    anna: Who,
    approver: Who,
    holder: Who,
    admin: Who,
    /// Has the same duties, elsewhere.
    outsider: Who,
}

impl Five {
    async fn new() -> Self {
        let bed = Bed::new().await;
        Self {
            anna: bed.signer(1, &[]).await,
            approver: bed.signer(2, &["approver:12"]).await,
            holder: bed.signer(3, &["registry_holder:fotled"]).await,
            admin: bed.signer(4, &["account_admin"]).await,
            outsider: bed.signer(5, &["approver:14", "registry_holder:annat"]).await,
            bed,
        }
    }

    /// Anna's application, submitted.
    async fn applied(&self) -> String {
        let form = self.draft(&application()).await;
        self.bed.make(&self.anna, &form, "submit", json!({})).await.is(200);
        form
    }

    async fn draft(&self, form: &Value) -> String {
        let begun = self.bed.post(&self.anna, "/forms", form).await.is(201);
        begun.json()["id"].as_str().expect("an id").to_owned()
    }
}

#[tokio::test]
async fn an_application_goes_its_way_by_five_people() {
    let five = Five::new().await;
    let Five { bed, anna, approver, holder, admin, outsider } = &five;
    let begun = bed.post(anna, "/forms", &application()).await.is(201);
    let form = begun.json()["id"].as_str().expect("an id").to_owned();
    let place = format!("/forms/{form}");
    assert_eq!(begun.headers["location"], format!("/admin/api/v1{place}"));
    assert_eq!(begun.tag(), "\"1\"");
    bed.get(approver, &place).await.refused(404, "not_found");

    let mut mended = application();
    mended["purpose"] = "Registrering och utdata".into();
    let again = bed.with_tag(anna, ("PUT", &place), "\"1\"", &mended).await.is(200);
    assert_eq!(again.tag(), "\"2\"");
    let submitted = bed.with_tag(anna, ("POST", &format!("{place}/submit")), "\"2\"", &json!({})).await.is(200);
    assert_eq!(submitted.json()["state"], "submitted");

    // The approver sends it back once, and what they said is read.
    bed.get(approver, &place).await.is(200);
    bed.make(approver, &form, "return", json!({ "reason": "Telefon saknas" })).await.is(200);
    let seen = bed.get(anna, &place).await.is(200).json();
    assert_eq!((&seen["head"]["state"], &seen["steps"][1]["words"]), (&json!("draft"), &json!("Telefon saknas")));
    bed.make(anna, &form, "submit", json!({})).await.is(200);
    bed.make(approver, &form, "approve", json!({ "basis": "Kollega sedan 2019" })).await.is(200);
    bed.make(holder, &form, "forward", json!({})).await.is(200);
    bed.get(outsider, &place).await.refused(404, "not_found");
    assert!(bed.store.grants(anna.id).await.expect("reads").is_empty());
    let done = bed.make(admin, &form, "execute", json!({})).await.is(200);
    assert_eq!(done.json()["account"], anna.id.to_string());

    let right = bed.store.grants(anna.id).await.expect("reads");
    assert_eq!(right.iter().map(|g| (&g.registry, g.right)).collect::<Vec<_>>(), [(&registry(), Right::Read)]);
    let seen = bed.get(anna, &place).await.is(200).json();
    let steps: Vec<_> = seen["steps"].as_array().expect("steps").iter().map(|step| step["did"].clone()).collect();
    assert_eq!(steps, ["submitted", "returned", "submitted", "approved", "forwarded", "executed"]);
    assert_eq!((&seen["number"], &seen["says"]["purpose"]), (&json!(NUMBER), &json!("Registrering och utdata")));

    // One's own form is read without an event, another's never.
    let events = bed.told().await;
    let of = |kind| events.iter().filter(|event| event.kind == kind).map(|event| event.by).collect::<Vec<_>>();
    assert_eq!(of(AuthEventKind::FormRevealed), [approver.id]);
    assert_eq!(of(AuthEventKind::FormExecuted), [admin.id]);
    assert_eq!(of(AuthEventKind::MoveDenied), [approver.id, outsider.id]);
    let signed = events.iter().filter(|event| event.kind == AuthEventKind::FormApproved);
    assert_eq!(signed.map(|event| event.auth_method).collect::<Vec<_>>(), [AuthMethod::PasswordTotp]);
}

#[tokio::test]
async fn a_newcomer_gets_an_account_under_the_name_that_is_given() {
    let five = Five::new().await;
    let Five { bed, approver, holder, admin, .. } = &five;
    let form = bed.newcomer(9, Region::Skane).await.id.to_string();
    bed.make(approver, &form, "approve", json!({ "basis": "Kollega" })).await.is(200);
    bed.make(holder, &form, "forward", json!({})).await.is(200);
    let nameless = bed.make(admin, &form, "execute", json!({})).await;
    nameless.refused(422, "invalid");
    assert_eq!(nameless.wrong(), [("/user_name".to_owned(), "missing".to_owned())]);
    bed.make(admin, &form, "execute", json!({ "user_name": "user2" })).await.refused(409, "taken");
    let done = bed.make(admin, &form, "execute", json!({ "user_name": "bo.nyman" })).await.is(200);
    let made = bed.store.account_by_name(&UserName::parse("bo.nyman").expect("valid")).await.expect("reads");
    let made = made.expect("is there");
    assert_eq!((done.json()["account"].clone(), made.hsa), (json!(made.id.to_string()), Some(hsa(9))));
    assert!(matches!(made.state, State::Created { .. }));
    bed.make(admin, &form, "execute", json!({ "user_name": "bo2" })).await.refused(409, "wrong_state");
}

#[tokio::test]
async fn another_may_take_away_and_not_give() {
    let five = Five::new().await;
    let Five { bed, anna, approver, outsider, .. } = &five;
    bed.vouched(anna, Right::ReadWrite).await;
    let change = |right: &str| {
        json!({ "kind": "F2", "region": "12", "registry": "fotled", "account": anna.id, "right": right,
            "reason": "Ny roll" })
    };
    // Who may not submit for others does not learn whether there is such an account.
    for account in [anna.id.to_string(), uuid::Uuid::from_u128(1).to_string()] {
        let mut form = change("read");
        form["account"] = account.into();
        let asked = bed.post(outsider, "/forms", &form).await;
        asked.refused(403, "not_appointed");
        assert_eq!(asked.json()["duty"], "deregister");
    }
    let widening = bed.post(approver, "/forms", &change("read_write")).await.is(201).json();
    let narrowing = bed.post(approver, "/forms", &change("read")).await.is(201).json();
    let narrow = narrowing["id"].as_str().expect("an id");
    bed.make(approver, narrow, "submit", json!({})).await.is(200);
    assert_eq!(bed.store.grants(anna.id).await.expect("reads")[0].right, Right::Read, "at once");
    let wide = widening["id"].as_str().expect("an id");
    bed.make(approver, wide, "submit", json!({})).await.refused(403, "not_yours");
    bed.make(approver, narrow, "approve", json!({ "basis": "Känd" })).await.refused(403, "decided_before");

    let end = json!({ "kind": "F3", "region": "12", "registry": "fotled", "account": anna.id, "reason": "Slutat" });
    let end = bed.post(approver, "/forms", &end).await.is(201).json();
    bed.make(approver, end["id"].as_str().expect("an id"), "submit", json!({})).await.is(200);
    bed.get(anna, "/forms").await.refused(401, "not_logged_in");
}

#[tokio::test]
async fn nobody_decides_about_themselves_or_twice() {
    let five = Five::new().await;
    let Five { bed, anna, approver, admin, .. } = &five;
    let both = bed.signer(6, &["approver:12", "registry_holder:fotled", "account_admin"]).await;
    let own = bed.post(&both, "/forms", &application()).await.is(201).json();
    let own = own["id"].as_str().expect("an id");
    bed.make(&both, own, "submit", json!({})).await.is(200);
    bed.make(&both, own, "approve", json!({ "basis": "Jag" })).await.refused(403, "own");
    let form = five.applied().await;
    bed.make(anna, &form, "approve", json!({ "basis": "Jag" })).await.refused(403, "not_appointed");
    bed.make(&both, &form, "approve", json!({ "basis": "Kollega" })).await.is(200);
    bed.make(&both, &form, "forward", json!({})).await.refused(403, "decided_before");
    for who in [approver, admin] {
        let asked = bed.make(who, &form, "forward", json!({})).await;
        asked.refused(403, "not_appointed");
        assert_eq!(asked.json()["duty"], "forward");
    }
    let denied = bed.told_of(AuthEventKind::MoveDenied).await;
    let reasons: Vec<_> = denied.iter().map(|event| event.reason).collect();
    let no = Reason::NotAppointed;
    assert_eq!(reasons, [Reason::Own, no, Reason::DecidedBefore, no, no]);
}

#[tokio::test]
async fn of_two_at_once_one_is_first() {
    let five = Five::new().await;
    let Five { bed, anna, approver, .. } = &five;
    let second = bed.signer(6, &["approver:12"]).await;
    let form = five.applied().await;
    let place = format!("/forms/{form}");
    let (approve, refuse) = (format!("{place}/approve"), format!("{place}/refuse"));
    let (basis, reason) = (json!({ "basis": "Kollega" }), json!({ "reason": "Okänd" }));
    let (one, other) = tokio::join!(
        bed.with_tag(approver, ("POST", &approve), "\"2\"", &basis),
        bed.with_tag(&second, ("POST", &refuse), "\"2\"", &reason),
    );
    let mut seen = [one.status.as_u16(), other.status.as_u16()];
    seen.sort_unstable();
    assert_eq!(seen, [200, 412]);

    let draft = five.draft(&application()).await;
    let place = format!("/forms/{draft}");
    bed.with_tag(anna, ("PUT", &place), "\"1\"", &application()).await.is(200);
    bed.with_tag(anna, ("PUT", &place), "\"1\"", &application()).await.refused(412, "changed");
    bed.with_tag(anna, ("POST", &format!("{place}/submit")), "\"1\"", &json!({})).await.refused(412, "changed");
    for (method, path) in [("PUT", place.clone()), ("POST", format!("{place}/submit"))] {
        let body = if method == "PUT" { application() } else { json!({}) };
        let asked = bed.ask(Some(anna), (method, &path), &super::bed::BROWSER, body.to_string()).await;
        asked.refused(428, "precondition_required");
        for tag in ["*", "2", "W/\"2\"", "\"2\", \"3\"", "\"\""] {
            bed.with_tag(anna, (method, &path), tag, &body).await.refused(400, "malformed");
        }
    }
    // It has been submitted: it is no longer theirs to write.
    bed.make(anna, &draft, "submit", json!({})).await.is(200);
    bed.with_tag(anna, ("PUT", &place), "\"3\"", &application()).await.refused(409, "wrong_state");
}

#[tokio::test]
async fn what_nobody_does_anything_with_has_lapsed() {
    let five = Five::new().await;
    let Five { bed, anna, .. } = &five;
    bed.vouched(anna, Right::Read).await;
    let (old, young) = (clock::now() - LIFE - 1, clock::now() - LIFE + clock::DAY);
    for (at, refused) in [(old, true), (young, false)] {
        let form = bed.own_end(anna, at).await.id.to_string();
        let waiting = bed.get(anna, "/forms?queue=waiting").await.is(200).json();
        assert_eq!(waiting["forms"].as_array().map(Vec::len), Some(usize::from(!refused)));
        let asked = bed.make(anna, &form, "submit", json!({})).await;
        if refused {
            asked.refused(409, "wrong_state");
        } else {
            asked.is(200);
        }
    }
}
