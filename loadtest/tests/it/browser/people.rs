//! Those whom the browser's walks need besides the demo's: an account for each, made by the auditor's command.

use crate::whole;
use loadtest::patients::{CARE_PROVIDER, UNITS};
use loadtest::stack::Stack;
use std::process::Command;

/// Those by whom a form goes its way: an account for each, with what they are appointed to.
pub(super) fn procedure(stack: &Stack) -> serde_json::Value {
    serde_json::json!({
        "applicant": account(stack, "frida", "Frida Sökande", "SE0000000000-P011", None),
        "approver": account(stack, "gustav", "Gustav Godkännare", "SE0000000000-P012", Some("approver:12")),
        "holder": account(stack, "hanna", "Hanna Registerhållare", "SE0000000000-P013", Some("registry_holder:exempelregistret")),
        "admin": account(stack, "ivar", "Ivar Kontoadministratör", "SE0000000000-P014", Some("account_admin")),
    })
}

/// Those who work on the account of a fifth person, who has none yet.
pub(super) fn life(stack: &Stack) -> serde_json::Value {
    serde_json::json!({
        "approver": account(stack, "karin", "Karin Godkännare", "SE0000000000-P022", Some("approver:12")),
        "holder": account(stack, "lars", "Lars Registerhållare", "SE0000000000-P023", Some("registry_holder:exempelregistret")),
        "admin": account(stack, "maja", "Maja Kontoadministratör", "SE0000000000-P024", Some("account_admin")),
        "clerk": account(stack, "olle", "Olle Utlämnare", "SE0000000000-P025", Some("account_admin")),
    })
}

/// Who is refused a patient, one for each language, and who reviews the accesses of the unit that they act from.
pub(super) fn emergency(stack: &Stack) -> serde_json::Value {
    let (unit, name) = UNITS[0];
    let people =
        [("kerstin", "Kerstin Utanrätt", "SE0000000000-P015"), ("kajsa", "Kajsa Utanrätt", "SE0000000000-P026")];
    let refused = people.map(|(user, full, hsa)| {
        let told = account(stack, user, full, hsa, None);
        let commission = ["account", "commission", user, "--care-unit", unit, "--care-unit-name", name];
        let provider = ["--care-provider", CARE_PROVIDER, "--name", "Sjuksköterska"];
        let arguments = stack.layout().auditor_arguments(&[commission.as_slice(), &provider].concat());
        whole::run(Command::new(&stack.settings().programs.auditor).args(arguments));
        told
    });
    let appointment = format!("log_reviewer:{unit}");
    let reviewer = account(stack, "leif", "Leif Granskare", "SE0000000000-P016", Some(&appointment));
    serde_json::json!({ "refused": refused, "reviewer": reviewer })
}

/// Who looks for people in lists.
pub(super) fn lists(stack: &Stack) -> serde_json::Value {
    account(stack, "petra", "Petra Kontoadministratör", "SE0000000000-P017", Some("account_admin"))
}

/// The name of somebody that no name is like.
pub(super) fn found(stack: &Stack) -> &'static str {
    let name = "Qvarn Ensamstad";
    account(stack, "qvarn", name, "SE0000000000-P018", None);
    name
}

fn account(stack: &Stack, user: &str, name: &str, hsa: &str, appointment: Option<&str>) -> serde_json::Value {
    let mut arguments = vec!["account", "create", "--user", user, "--name", name, "--hsa", hsa];
    arguments.extend(["--title", "Sjuksköterska", "--generate-password", "--totp"]);
    arguments.extend(appointment.into_iter().flat_map(|appointment| ["--appoint", appointment]));
    let auditor = &stack.settings().programs.auditor;
    let told = whole::run(Command::new(auditor).args(stack.layout().auditor_arguments(&arguments)));
    // What it warns of comes after it.
    let mut values = serde_json::Deserializer::from_str(&told).into_iter::<serde_json::Value>();
    values.next().unwrap().unwrap()
}
