//! Requests that may be done: what somebody who has the duty would send.

use crate::installation::ORGANISATION;
use serde_json::{Value, json};

/// Requests that somebody who may would send, by the name of their operation: who, about one of which list, with what;
/// and what is done before where the list is empty.
pub(super) fn good() -> Value {
    let application = json!({
        "kind": "F1", "region": "12", "registry": "fotled", "hsa": "SE2321000016-N$N", "name": "Anna Åkesson",
        "title": "sjuksköterska", "unit": "Ortopedkliniken", "unit_hsa": "SE2321000016-P00900",
        "address": ["Barngatan 4", "221 00 Lund"], "telephone": "046-10 00 00", "right": "read",
        "valid_to": "2099-01-01", "purpose": "Registrering",
    });
    let forms = |state: &str| json!(["GET", format!("/forms?state={state}")]);
    let accounts = |state: &str| json!(["POST", "/accounts/search", { "state": state }]);
    let handouts = |asked: &str| json!(["GET", format!("/handouts?state=open&{asked}")]);
    let (devices, codes) = (json!(["GET", "/devices?state=active&search=made"]), json!(["GET", "/device-codes"]));
    let skane = json!({ "region": "12" });
    let device = |more: Value| {
        let mut device = json!({ "organisation": ORGANISATION, "name": "made $N" });
        device.as_object_mut().unwrap().append(&mut more.as_object().unwrap().clone());
        device
    };
    let empty = json!({});
    let good = [
        ("describe", json!({ "who": "nils" })),
        ("step_up", json!({ "who": "sigrid", "body": { "code": "$CODE" } })),
        ("list_forms", json!({ "who": "erik" })),
        ("begin_form", json!({ "who": "nils", "body": application })),
        ("read_form", json!({ "after": "submit_form", "who": "erik", "pick": forms("submitted") })),
        (
            "mend_form",
            json!({ "after": "begin_form", "who": "nils", "pick": forms("draft"), "seen": true, "body": application }),
        ),
        (
            "submit_form",
            json!({ "after": "begin_form", "who": "nils", "pick": forms("draft"), "seen": true, "body": empty }),
        ),
        (
            "approve_form",
            json!({ "after": "submit_form", "who": "erik", "pick": forms("submitted"), "seen": true, "body": { "basis": "Kollega" } }),
        ),
        (
            "refuse_form",
            json!({ "after": "submit_form", "who": "erik", "pick": forms("submitted"), "seen": true, "body": { "reason": "Fel" } }),
        ),
        (
            "return_form",
            json!({ "after": "submit_form", "who": "erik", "pick": forms("submitted"), "seen": true, "body": { "reason": "Fel" } }),
        ),
        (
            "forward_form",
            json!({ "after": "approve_form", "who": "hilda", "pick": forms("approved"), "seen": true, "body": empty }),
        ),
        (
            "execute_form",
            json!({ "after": "forward_form", "who": "adam", "pick": forms("forwarded"), "seen": true, "body": { "user_name": "made$N" } }),
        ),
        ("list_emergencies", json!({ "who": "lotta" })),
        ("list_appointments", json!({ "who": "adam" })),
        (
            "give_appointment",
            json!({ "who": "adam", "body": { "appointment": "log_reviewer:SE2321000016-U$N" }, "picked": ["account", accounts("handed_out")], }),
        ),
        (
            "end_appointment",
            json!({ "after": "give_appointment", "who": "bea", "pick": ["GET", "/appointments"], "body": { "why": "mistake" } }),
        ),
        ("import", json!({ "who": "adam", "path": { "feed": "units" }, "body": [] })),
        ("search_accounts", json!({ "who": "adam", "body": { "text": "a" } })),
        ("read_account", json!({ "who": "help", "pick": accounts("handed_out") })),
        ("lock_account", json!({ "who": "help", "pick": accounts("handed_out"), "body": empty })),
        (
            "unlock_account",
            json!({ "after": "lock_account", "who": "adam", "pick": accounts("locked_unused"), "body": { "called_back": true } }),
        ),
        (
            "block_account",
            json!({ "who": "adam", "pick": accounts("handed_out"), "body": { "reason": "En händelse" } }),
        ),
        (
            "propose_lift",
            json!({ "after": "block_account", "who": "adam", "pick": accounts("blocked"), "body": empty }),
        ),
        ("lift_block", json!({ "after": "propose_lift", "who": "bea", "pick": accounts("blocked"), "body": empty })),
        ("confirm_account", json!({ "who": "erik", "pick": accounts("handed_out"), "body": skane })),
        ("reactivate_account", json!({ "who": "erik", "pick": accounts("dormant"), "body": skane })),
        ("list_sessions", json!({ "who": "adam", "pick": accounts("handed_out") })),
        ("end_sessions", json!({ "who": "adam", "pick": accounts("handed_out"), "body": empty })),
        ("list_organisations", json!({ "who": "adam" })),
        ("add_organisation", json!({ "who": "adam", "body": { "hsa": "SE2321000016-O$N", "name": "Region" } })),
        ("list_devices", json!({ "who": "adam" })),
        ("enrol_device", json!({ "who": "adam", "body": device(json!({ "csr": request_of_a_certificate() })) })),
        ("read_device", json!({ "after": "enrol_device_file", "who": "adam", "pick": devices })),
        ("enrol_device_file", json!({ "who": "adam", "body": device(json!({ "form": "mobileconfig" })) })),
        (
            "renew_device_file",
            json!({ "after": "enrol_device_file", "who": "adam", "pick": devices, "body": { "form": "pkcs12" } }),
        ),
        (
            "revoke_device",
            json!({ "after": "enrol_device_file", "who": "adam", "pick": devices, "body": { "why": "replaced" } }),
        ),
        ("list_device_codes", json!({ "who": "adam" })),
        ("issue_device_code", json!({ "who": "adam", "body": device(empty.clone()) })),
        ("withdraw_device_code", json!({ "after": "issue_device_code", "who": "adam", "pick": codes, "body": empty })),
        ("list_handouts", json!({ "who": "adam" })),
        (
            "issue_handout",
            json!({ "who": "adam", "body": { "id_by": "letter", "code_by": "phone" }, "picked": ["account", json!(["POST", "/accounts/search", { "text": "anna" }])], }),
        ),
        ("read_handout", json!({ "after": "issue_handout", "who": "adam", "pick": handouts("") })),
        (
            "print_letter",
            json!({ "after": "issue_handout", "who": "adam", "pick": handouts("channel=letter"), "body": { "half": "id" } }),
        ),
        (
            "mark_posted",
            json!({ "after": "print_letter", "who": "adam", "pick": handouts("stage=printed"), "body": { "half": "id" } }),
        ),
        (
            "show_number",
            json!({ "after": "issue_handout", "who": "bea", "pick": handouts("channel=phone"), "body": { "half": "code" } }),
        ),
        (
            "read_out",
            json!({ "after": "issue_handout", "who": "bea", "pick": handouts("channel=phone"), "body": { "half": "code", "called_back": true } }),
        ),
        (
            "reroute_half",
            json!({ "after": "issue_handout", "who": "adam", "pick": handouts("channel=phone"), "body": { "half": "code", "channel": "phone" } }),
        ),
    ];
    good.into_iter().map(|(operation, request)| (operation.to_owned(), request)).collect()
}

fn request_of_a_certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    rcgen::CertificateParams::default().serialize_request(&key).unwrap().pem().unwrap()
}
