//! The table of duties, cell by cell against the interface: each role, each action that is served, in reach and
//! beyond it.

use super::bed::{Bed, Who, hsa, registry, sign};
use crate::clock;
use crate::duties::{ALLOWED, Action, Region, Role, allows, page};
use crate::forms::Move;
use crate::store::By;
use contract::id::AccountId;
use contract::record::Right;
use serde_json::{Value, json};
use std::path::Path;

#[test]
fn the_page_is_what_the_code_says() {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("ROLES.md");
    if std::env::var_os("GRINDVAKT_WRITE_PAGES").is_some() {
        std::fs::write(&file, page()).expect("writes");
    }
    let kept = std::fs::read_to_string(&file).unwrap_or_default();
    assert!(kept == page(), "{} is old: run this test with GRINDVAKT_WRITE_PAGES=1", file.display());
}

/// The appointment to a role that reaches what the cells are about, and one that does not, where roles have a reach.
fn reaching(role: Role) -> (&'static str, Option<&'static str>) {
    match role {
        Role::Approver => ("approver:12", Some("approver:14")),
        Role::RegistryHolder => ("registry_holder:fotled", Some("registry_holder:annat")),
        Role::AccountAdmin => ("account_admin", None),
        Role::DeviceAdmin => ("device_admin:SE2321000016-39KJ", Some("device_admin:SE2321000016-0001")),
        Role::LogReviewer => ("log_reviewer:SE2321000016-P00900", Some("log_reviewer:SE2321000016-P00901")),
        Role::LogAuditor => ("log_auditor", None),
        Role::HelpDesk => ("help_desk", None),
    }
}

/// The actions that the interface serves.
const SERVED: [Action; 18] = [
    Action::SeeRequest,
    Action::Deregister,
    Action::DecideForRegion,
    Action::Forward,
    Action::Execute,
    Action::SeeAccount,
    Action::Lock,
    Action::Unlock,
    Action::Block,
    Action::LiftBlock,
    Action::Reconfirm,
    Action::HandOut,
    Action::Appoint,
    Action::Import,
    Action::SeeDevices,
    Action::ManageDevices,
    Action::Review,
    Action::ReadLog,
];

#[test]
fn every_action_is_served() {
    assert!(ALLOWED.iter().all(|(action, _)| SERVED.contains(action)));
}

/// People of whom cells are about, and who bring forms to where they are decided on.
struct Stage {
    bed: Bed,
    anna: Who,
    approver: Who,
    holder: Who,
    admin: Who,
    number: u32,
}

impl Stage {
    async fn new() -> Self {
        let bed = Bed::new().await;
        let anna = bed.who(1, &[]).await;
        bed.vouched(&anna, Right::Read).await;
        let (approver, holder) = (bed.who(2, &["approver:12"]).await, bed.who(3, &["registry_holder:fotled"]).await);
        let admin = bed.signer(4, &["account_admin"]).await;
        Self { bed, anna, approver, holder, admin, number: 100 }
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

    /// What somebody asks who tries an action, and what they get if they may.
    async fn attempt(&mut self, who: &Who, action: Action) -> (u16, Value) {
        let bed = &self.bed;
        self.number += 1;
        let form = bed.newcomer(self.number, Region::Skane).await;
        let approved = || bed.moved(&self.approver, &form, Move::Approve("Kollega".to_owned()));
        let id = form.id.to_string();
        let asked = match action {
            Action::SeeRequest => bed.get(who, &format!("/forms/{id}")).await,
            Action::Deregister => {
                let account = bed.who(self.number + 1_000, &[]).await;
                bed.vouched(&account, Right::Read).await;
                let registry = registry();
                let end = json!({
                    "kind": "F3", "region": "12", "registry": registry.as_str(), "account": account.id,
                    "reason": "Slutat",
                });
                let begun = bed.post(who, "/forms", &end).await;
                if begun.status.as_u16() == 201 {
                    bed.make(who, begun.json()["id"].as_str().expect("an id"), "submit", json!({})).await
                } else {
                    begun
                }
            }
            Action::DecideForRegion => bed.make(who, &id, "approve", json!({ "basis": "Kollega" })).await,
            Action::Forward => {
                approved().await;
                bed.make(who, &id, "forward", json!({})).await
            }
            Action::Execute => {
                let approved = approved().await;
                bed.moved(&self.holder, &approved, Move::Forward).await;
                bed.make(who, &id, "execute", json!({ "user_name": format!("new{}", self.number) })).await
            }
            Action::SeeAccount => bed.get(who, &format!("/accounts/{}", self.anna.id)).await,
            Action::Lock => {
                let id = self.account().await;
                bed.post(who, &format!("/accounts/{id}/lock"), &json!({})).await
            }
            Action::Unlock => {
                let id = self.account().await;
                bed.locked(id).await;
                bed.post(who, &format!("/accounts/{id}/unlock"), &json!({ "called_back": true })).await
            }
            Action::Block => {
                let id = self.account().await;
                bed.post(who, &format!("/accounts/{id}/block"), &json!({ "reason": "Förlorad dator" })).await
            }
            Action::LiftBlock => {
                let id = self.account().await;
                let by = By { account: self.admin.id, ..By::program("app") };
                let now = clock::now();
                bed.office.block(now, by, &sign(self.admin.id, now), id, "Förlorad dator").await.expect("blocks");
                bed.post(who, &format!("/accounts/{id}/propose-lift"), &json!({})).await
            }
            Action::Reconfirm => {
                let id = self.account().await;
                bed.post(who, &format!("/accounts/{id}/confirm"), &json!({ "region": "12" })).await
            }
            Action::HandOut => {
                let staff = (&self.approver, &self.holder, &self.admin);
                let account = bed.made(staff, self.number + 2_000).await;
                bed.post(who, "/handouts", &json!({ "account": account, "code_by": "phone" })).await
            }
            Action::Appoint => {
                let given = json!({
                    "account": self.anna.id, "appointment": format!("log_reviewer:SE2321000016-U{}", self.number),
                });
                bed.post(who, "/appointments", &given).await
            }
            Action::Import => bed.post(who, "/imports/units", &json!([])).await,
            Action::SeeDevices => bed.get(who, &format!("/devices/{}", bed.device.id)).await,
            Action::ManageDevices => {
                let code = json!({
                    "organisation": bed.device.organisation, "name": format!("ward {}", self.number),
                });
                bed.post(who, "/device-codes", &code).await
            }
            Action::Review => {
                let id = bed.opened(&self.account_of_own().await, hsa(900)).await;
                bed.post(who, &format!("/emergencies/{id}/seen"), &json!({})).await
            }
            Action::ReadLog => bed.get(who, "/emergencies?unit=SE2321000016-P00777").await,
        };
        (asked.status.as_u16(), asked.json())
    }
}

#[tokio::test]
async fn each_cell_of_the_table_is_what_the_interface_does() {
    let mut stage = Stage::new().await;
    let nobody = stage.bed.signer(50, &[]).await;
    for action in SERVED {
        let (status, told) = stage.attempt(&nobody, action).await;
        assert!(matches!(status, 403 | 404), "nobody {action:?}: {status} {told}");
    }
    for (index, role) in (0_u32..).zip(Role::ALL) {
        let (here, elsewhere) = reaching(role);
        let inside = stage.bed.signer(60 + index, &[here]).await;
        let outside = match elsewhere {
            Some(elsewhere) => Some(stage.bed.signer(80 + index, &[elsewhere]).await),
            None => None,
        };
        for action in SERVED {
            let (status, told) = stage.attempt(&inside, action).await;
            let cell = format!("{role:?} {action:?}: {status} {told}");
            if allows(role, action) {
                assert!(matches!(status, 200 | 201), "{cell}");
            } else {
                refused(status, &told, action, &cell);
            }
            let Some(outside) = &outside else { continue };
            let (status, told) = stage.attempt(outside, action).await;
            refused(status, &told, action, &format!("elsewhere, {role:?} {action:?}: {status} {told}"));
        }
    }
}

/// It is not there for them, or they lack the duty, which is named.
fn refused(status: u16, told: &Value, action: Action, cell: &str) {
    match status {
        404 => assert_eq!(told["type"], "urn:grindvakt:problem:not_found", "{cell}"),
        403 => assert_eq!(told["duty"], action.as_str(), "{cell}"),
        _ => panic!("{cell}"),
    }
}
