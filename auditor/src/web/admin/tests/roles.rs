//! The table of duties, cell by cell against the interface: each role, each operation that is described, in reach and
//! beyond it.

mod stage;

use super::described;
use crate::duties::{ALLOWED, Action, Role, allows, page};
use serde_json::Value;
use stage::Stage;
use std::collections::BTreeSet;
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

/// What each operation is an action of. One that is of two stands twice, with what it is done to.
const SERVED: [(&str, Action); 39] = [
    ("read_form", Action::SeeRequest),
    ("submit_form", Action::Deregister),
    ("approve_form", Action::DecideForRegion),
    ("refuse_form", Action::DecideForRegion),
    ("return_form", Action::DecideForRegion),
    ("return_form approved", Action::Forward),
    ("forward_form", Action::Forward),
    ("execute_form", Action::Execute),
    ("read_account", Action::SeeAccount),
    ("list_sessions", Action::Lock),
    ("end_sessions", Action::Lock),
    ("lock_account", Action::Lock),
    ("unlock_account", Action::Unlock),
    ("issue_handout in use", Action::Unlock),
    ("block_account", Action::Block),
    ("propose_lift", Action::LiftBlock),
    ("lift_block", Action::LiftBlock),
    ("confirm_account", Action::Reconfirm),
    ("reactivate_account", Action::Reconfirm),
    ("issue_handout", Action::HandOut),
    ("list_handouts", Action::HandOut),
    ("read_handout", Action::HandOut),
    ("print_letter", Action::HandOut),
    ("mark_posted", Action::HandOut),
    ("show_number", Action::HandOut),
    ("read_out", Action::HandOut),
    ("reroute_half", Action::HandOut),
    ("give_appointment", Action::Appoint),
    ("end_appointment", Action::Appoint),
    ("import", Action::Import),
    ("read_device", Action::SeeDevices),
    ("issue_device_code", Action::ManageDevices),
    ("withdraw_device_code", Action::ManageDevices),
    ("enrol_device", Action::ManageDevices),
    ("enrol_device_file", Action::ManageDevices),
    ("renew_device_file", Action::ManageDevices),
    ("revoke_device", Action::ManageDevices),
    ("see_emergency", Action::Review),
    ("list_emergencies", Action::ReadLog),
];

/// What everybody may ask, of whom each sees what they may: tests of their own say what that is.
const OF_ONES_OWN: [&str; 13] = [
    "list_forms",
    "begin_form",
    "mend_form",
    "search_accounts",
    "list_appointments",
    "list_devices",
    "list_device_codes",
    "list_organisations",
    "add_organisation",
    "step_up",
    "step_up_question",
    "step_up_by_passkey",
    "describe",
];

#[test]
fn every_action_and_every_operation_is_tried() {
    assert!(ALLOWED.iter().all(|(action, _)| SERVED.iter().any(|(_, served)| served == action)));
    let named = SERVED.iter().map(|(operation, _)| operation.split(' ').next().unwrap_or_default());
    let named: BTreeSet<&str> = named.chain(OF_ONES_OWN).collect();
    let described: BTreeSet<String> = described::operations();
    assert_eq!(named, described.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn each_cell_of_the_table_is_what_the_interface_does() {
    let mut stage = Stage::new().await;
    let mut wrong = Vec::new();
    let nobody = stage.signer(50, "").await;
    for (operation, action) in SERVED {
        let (status, told) = stage.attempt(&nobody, operation).await;
        if !matches!(status, 403 | 404) {
            wrong.push(format!("nobody {action:?} by {operation}: {status} {told}"));
        }
    }
    for (index, role) in (0_u32..).zip(Role::ALL) {
        let (here, elsewhere) = reaching(role);
        let inside = stage.signer(60 + index, here).await;
        let outside = match elsewhere {
            Some(elsewhere) => Some(stage.signer(80 + index, elsewhere).await),
            None => None,
        };
        for (operation, action) in SERVED {
            let (status, told) = stage.attempt(&inside, operation).await;
            let is_as_said =
                if allows(role, action) { matches!(status, 200 | 201) } else { is_refused(status, &told, action) };
            if !is_as_said {
                wrong.push(format!("{role:?} {action:?} by {operation}: {status} {told}"));
            }
            let Some(outside) = &outside else { continue };
            let (status, told) = stage.attempt(outside, operation).await;
            if !is_refused(status, &told, action) {
                wrong.push(format!("elsewhere, {role:?} {action:?} by {operation}: {status} {told}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// It is not there for them, or they lack the duty, which is named.
fn is_refused(status: u16, told: &Value, action: Action) -> bool {
    match status {
        404 => told["type"] == "urn:grindvakt:problem:not_found",
        403 => told["duty"] == action.as_str(),
        _ => false,
    }
}
