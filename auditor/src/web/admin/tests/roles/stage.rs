//! What somebody asks who tries an operation, and what has to be there for it.

use super::super::bed::{Answer, Bed, Who, hsa, registry, sign};
use crate::accounts::State;
use crate::clock;
use crate::duties::Region;
use crate::forms::Move;
use crate::issuing::tests::asked;
use crate::store::By;
use contract::id::AccountId;
use contract::record::{AuthEventKind, AuthMethod, Reason, Right};
use serde_json::{Value, json};

/// People of whom cells are about, and who bring things to where they are tried.
pub(super) struct Stage {
    bed: Bed,
    anna: Who,
    approver: Who,
    holder: Who,
    admin: Who,
    keeper: Who,
    number: u32,
}

impl Stage {
    pub(super) async fn new() -> Self {
        let bed = Bed::new().await;
        let anna = bed.who(1, &[]).await;
        bed.vouched(&anna, Right::Read).await;
        let (approver, holder) = (bed.who(2, &["approver:12"]).await, bed.who(3, &["registry_holder:fotled"]).await);
        let (admin, keeper) = (bed.signer(4, &["account_admin"]).await, bed.signer(5, &["device_admin"]).await);
        Self { bed, anna, approver, holder, admin, keeper, number: 100 }
    }

    /// Somebody who has just shown a second factor, appointed to this, or to nothing.
    pub(super) async fn signer(&self, number: u32, appointment: &str) -> Who {
        let appointments: &[&str] = if appointment.is_empty() { &[] } else { &[appointment] };
        self.bed.signer(number, appointments).await
    }

    /// What is answered to who tries an operation.
    pub(super) async fn attempt(&mut self, who: &Who, operation: &str) -> (u16, Value) {
        self.number += 1;
        let name = operation.split(' ').next().unwrap_or_default();
        let asked = match name {
            _ if name.ends_with("_form") => self.form(who, operation).await,
            _ if name.ends_with("_account") || name.ends_with("_lift") || name.ends_with("_block") => {
                self.account_deed(who, name).await
            }
            _ if name.contains("device") => self.device(who, name).await,
            "list_sessions" | "end_sessions" => self.sessions(who, name).await,
            "give_appointment" | "end_appointment" => self.appointment(who, name).await,
            "import" => self.bed.post(who, "/imports/units", &json!([])).await,
            "see_emergency" => {
                let id = self.bed.opened(&self.account_of_own().await, hsa(900)).await;
                self.bed.post(who, &format!("/emergencies/{id}/seen"), &json!({})).await
            }
            "list_emergencies" => self.bed.get(who, "/emergencies?unit=SE2321000016-P00777").await,
            _ => self.handout(who, operation).await,
        };
        let told = if asked.text.starts_with("%PDF") { Value::Null } else { asked.json() };
        (asked.status.as_u16(), told)
    }

    /// Somebody new.
    async fn account_of_own(&self) -> Who {
        self.bed.who(self.number + 2_000, &[]).await
    }

    /// An account of somebody new, whom region Skåne vouches for.
    async fn account(&self) -> AccountId {
        let who = self.account_of_own().await;
        self.bed.vouched(&who, Right::Read).await;
        who.id
    }

    async fn form(&self, who: &Who, operation: &str) -> Answer {
        let bed = &self.bed;
        if operation == "submit_form" {
            return self.end_of_another(who).await;
        }
        let form = bed.newcomer(self.number, Region::Skane).await;
        let id = form.id.to_string();
        let approved = async || bed.moved(&self.approver, &form, Move::Approve("Kollega".to_owned())).await;
        let because = json!({ "reason": "Fel klinik" });
        match operation {
            "read_form" => bed.get(who, &format!("/forms/{id}")).await,
            "approve_form" => bed.make(who, &id, "approve", json!({ "basis": "Kollega" })).await,
            "refuse_form" => bed.make(who, &id, "refuse", because).await,
            "return_form" => bed.make(who, &id, "return", because).await,
            "return_form approved" => {
                approved().await;
                bed.make(who, &id, "return", because).await
            }
            "forward_form" => {
                approved().await;
                bed.make(who, &id, "forward", json!({})).await
            }
            "execute_form" => {
                let approved = approved().await;
                bed.moved(&self.holder, &approved, Move::Forward).await;
                bed.make(who, &id, "execute", json!({ "user_name": format!("new{}", self.number) })).await
            }
            _ => panic!("{operation} is not tried"),
        }
    }

    /// Form 3 for another.
    async fn end_of_another(&self, who: &Who) -> Answer {
        let account = self.bed.who(self.number + 1_000, &[]).await;
        self.bed.vouched(&account, Right::Read).await;
        let registry = registry();
        let end = json!({
            "kind": "F3", "region": "12", "registry": registry.as_str(), "account": account.id, "reason": "Slutat",
        });
        let begun = self.bed.post(who, "/forms", &end).await;
        if begun.status.as_u16() != 201 {
            return begun;
        }
        self.bed.make(who, begun.json()["id"].as_str().expect("an id"), "submit", json!({})).await
    }

    async fn account_deed(&self, who: &Who, name: &str) -> Answer {
        let bed = &self.bed;
        if name == "read_account" {
            return bed.get(who, &format!("/accounts/{}", self.anna.id)).await;
        }
        let id = self.account().await;
        let at = |what: &str| format!("/accounts/{id}/{what}");
        match name {
            "lock_account" => bed.post(who, &at("lock"), &json!({})).await,
            "unlock_account" => {
                bed.locked(id).await;
                bed.post(who, &at("unlock"), &json!({ "called_back": true })).await
            }
            "block_account" => bed.post(who, &at("block"), &json!({ "reason": "Förlorad dator" })).await,
            "propose_lift" | "lift_block" => {
                let by = By { account: self.admin.id, ..By::program("app") };
                let now = clock::now();
                bed.office.block(now, by, &sign(self.admin.id, now), id, "Förlorad dator").await.expect("blocks");
                if name == "propose_lift" {
                    return bed.post(who, &at("propose-lift"), &json!({})).await;
                }
                bed.post(&self.admin, &at("propose-lift"), &json!({})).await.is(200);
                bed.post(who, &at("lift"), &json!({})).await
            }
            "confirm_account" => bed.post(who, &at("confirm"), &json!({ "region": "12" })).await,
            "reactivate_account" => {
                let mut change = bed.change().await;
                let mut account = change.account(id).await.expect("is there");
                account.state = account.state.go_dormant(change.at()).expect("in use");
                change.stop_account(&account, AuthEventKind::AccountChanged).await.expect("rests");
                change.commit().await.expect("commits");
                bed.post(who, &at("reactivate"), &json!({ "region": "12" })).await
            }
            _ => panic!("{name} is not tried"),
        }
    }

    async fn sessions(&self, who: &Who, name: &str) -> Answer {
        let id = self.account().await;
        let path = format!("/accounts/{id}/sessions");
        if name == "list_sessions" {
            return self.bed.get(who, &path).await;
        }
        self.bed.session(id, AuthMethod::PasswordTotp).await;
        self.bed.post(who, &format!("{path}/end"), &json!({})).await
    }

    async fn appointment(&self, who: &Who, name: &str) -> Answer {
        let bed = &self.bed;
        let unit = format!("log_reviewer:SE2321000016-U{}", self.number);
        let given = json!({ "account": self.anna.id, "appointment": unit });
        if name == "give_appointment" {
            return bed.post(who, "/appointments", &given).await;
        }
        let given = bed.post(&self.admin, "/appointments", &given).await.is(201).json();
        let id = given["id"].as_str().expect("an id");
        bed.post(who, &format!("/appointments/{id}/end"), &json!({ "why": "leaves" })).await
    }

    async fn device(&self, who: &Who, name: &str) -> Answer {
        let bed = &self.bed;
        let of = |more: Value| {
            let mut body = json!({ "organisation": bed.device.organisation, "name": format!("ward {}", self.number) });
            let fields = body.as_object_mut().expect("an object");
            fields.extend(more.as_object().cloned().unwrap_or_default());
            body
        };
        let csr = || json!({ "csr": String::from_utf8(asked().1).expect("text") });
        match name {
            "read_device" => return bed.get(who, &format!("/devices/{}", bed.device.id)).await,
            "issue_device_code" => return bed.post(who, "/device-codes", &of(json!({}))).await,
            "enrol_device" => return bed.post(who, "/devices", &of(csr())).await,
            "enrol_device_file" => return bed.post(who, "/device-files", &of(json!({ "form": "pkcs12" }))).await,
            "withdraw_device_code" => {
                let made = bed.post(&self.keeper, "/device-codes", &of(json!({}))).await.is(201).json();
                let id = made["id"].as_str().expect("an id");
                return bed.post(who, &format!("/device-codes/{id}/withdraw"), &json!({})).await;
            }
            _ => {}
        }
        let made = bed.post(&self.keeper, "/devices", &of(csr())).await.is(201).json();
        let id = made["device"].as_str().expect("an id");
        match name {
            "renew_device_file" => bed.post(who, &format!("/devices/{id}/renew"), &json!({ "form": "pkcs12" })).await,
            "revoke_device" => bed.post(who, &format!("/devices/{id}/revoke"), &json!({ "why": "lost" })).await,
            _ => panic!("{name} is not tried"),
        }
    }

    async fn handout(&self, who: &Who, operation: &str) -> Answer {
        let bed = &self.bed;
        if operation == "list_handouts" {
            return bed.get(who, "/handouts").await;
        }
        let staff = (&self.approver, &self.holder, &self.admin);
        let account = bed.made_with(staff, self.number + 2_000, Some("070-000 00 00")).await;
        let issue = json!({ "account": account, "code_by": "phone", "called_back": true });
        if operation == "issue_handout in use" {
            let mut change = bed.change().await;
            let mut used = change.account(account).await.expect("is there");
            used.state = State::Active { since: change.at() };
            change.move_account(&used, AuthEventKind::AccountChanged, Reason::None).await.expect("moves");
            change.commit().await.expect("commits");
        }
        if operation.starts_with("issue_handout") {
            return bed.post(who, "/handouts", &issue).await;
        }
        let issued = bed.post(&self.admin, "/handouts", &issue).await.is(201).json();
        let id = issued["id"].as_str().expect("an id");
        let at = |name: &str| format!("/handouts/{id}/{name}");
        let half = |half: &str| json!({ "half": half });
        if matches!(operation, "mark_posted" | "show_number" | "read_out") {
            bed.post(&self.admin, &at("letter"), &half("id")).await.is(200);
        }
        if matches!(operation, "show_number" | "read_out") {
            bed.post(&self.admin, &at("posted"), &half("id")).await.is(200);
        }
        match operation {
            "read_handout" => bed.get(who, &format!("/handouts/{id}")).await,
            "print_letter" => bed.post(who, &at("letter"), &half("id")).await,
            "mark_posted" => bed.post(who, &at("posted"), &half("id")).await,
            "show_number" => bed.post(who, &at("number"), &half("code")).await,
            "read_out" => bed.post(who, &at("called"), &json!({ "half": "code", "called_back": true })).await,
            "reroute_half" => bed.post(who, &at("reroute"), &json!({ "half": "code", "channel": "sms" })).await,
            _ => panic!("{operation} is not tried"),
        }
    }
}
