//! Devices, codes and organisations: who does what with them, and what is answered.

use super::bed::{Answer, Bed, Who};
use crate::clock;
use crate::devices::Code;
use crate::issuing::tests::asked;
use crate::store::By;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::id::{CertFingerprint, DeviceId};
use contract::record::{AuthEventKind, Reason};
use openssl::pkcs12::Pkcs12;
use openssl::x509::X509;
use serde_json::{Value, json};

const HERE: &str = "SE2321000016-39KJ";
const ELSEWHERE: &str = "SE2321000016-0001";

fn csr() -> String {
    String::from_utf8(asked().1).expect("text")
}

fn text<'v>(value: &'v Value, name: &str) -> &'v str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {value}"))
}

async fn enrolled(bed: &Bed, who: &Who, name: &str) -> Value {
    let body = json!({ "organisation": HERE, "name": name, "csr": csr() });
    bed.post(who, "/devices", &body).await.is(201).json()
}

#[tokio::test]
async fn a_device_is_enrolled_listed_and_revoked() {
    let bed = Bed::new().await;
    let admin = bed.signer(1, &["device_admin:SE2321000016-39KJ"]).await;
    let unsigned = bed.who(2, &["device_admin"]).await;
    let body = json!({ "organisation": HERE, "name": "Avd 4", "csr": csr() });
    bed.post(&unsigned, "/devices", &body).await.refused(401, "step_up_required");
    bed.told().await;
    let given = bed.post(&admin, "/devices", &body).await.is(201).json();
    let cert = X509::from_pem(text(&given, "certificate").as_bytes()).expect("a certificate");
    let authority = X509::from_pem(text(&given, "authority").as_bytes()).expect("a certificate");
    assert!(cert.verify(&authority.public_key().expect("has")).expect("runs"));
    bed.post(&admin, "/devices", &body).await.refused(409, "taken");

    let id = text(&given, "device").to_owned();
    let shown = bed.get(&admin, &format!("/devices/{id}")).await.is(200).json();
    assert_eq!((text(&shown, "state"), text(&shown, "name")), ("active", "Avd 4"));
    assert_eq!(text(&shown, "enrolled_by"), admin.id.to_string());
    let listed = bed.get(&admin, "/devices?search=avd%204&state=active&sort=expires").await.is(200).json();
    assert_eq!(listed["devices"], json!([shown]));

    let revoke = format!("/devices/{id}/revoke");
    let why = bed.post(&admin, &revoke, &json!({ "why": "boredom" })).await;
    assert_eq!(why.wrong(), [("/why".to_owned(), "form".to_owned())]);
    let revoked = bed.post(&admin, &revoke, &json!({ "why": "stolen" })).await.is(200).json();
    assert_eq!((text(&revoked, "state"), text(&revoked, "revoked_why")), ("revoked", "stolen"));
    bed.post(&admin, &revoke, &json!({ "why": "stolen" })).await.refused(409, "device_state");
    bed.post(&admin, &format!("/devices/{id}/renew"), &json!({ "form": "pkcs12" })).await.refused(409, "device_state");
    let told: Vec<_> = bed.told().await.into_iter().map(|event| (event.kind, event.by)).collect();
    assert_eq!(told, [(AuthEventKind::DeviceEnrolled, admin.id), (AuthEventKind::DeviceRevoked, admin.id)]);
}

#[tokio::test]
async fn a_file_is_answered_once_with_what_opens_it() {
    let bed = Bed::new().await;
    let admin = bed.signer(1, &["device_admin"]).await;
    for form in ["pkcs12", "pkcs12_legacy", "mobileconfig"] {
        let body = json!({ "organisation": HERE, "name": "Läsplatta", "form": form });
        let made = bed.post(&admin, "/device-files", &body).await.is(201);
        let made = made.json();
        let bytes = STANDARD.decode(text(&made, "content")).expect("base64");
        if form == "mobileconfig" {
            assert!(bytes.starts_with(b"<?xml") && text(&made, "file_name").ends_with(".mobileconfig"));
        } else {
            let archive = Pkcs12::from_der(&bytes).expect("reads");
            assert!(archive.parse2(text(&made, "pass_phrase")).expect("opens").pkey.is_some());
        }
        let id = text(&made, "device");
        let next = bed.post(&admin, &format!("/devices/{id}/renew"), &json!({ "form": form })).await.is(201).json();
        assert_eq!(text(&next, "device"), id);
        assert_ne!(next["content"], made["content"]);
        assert!(bed.get(&admin, &format!("/devices/{id}")).await.json()["next_not_after"].is_string());
    }
}

#[tokio::test]
async fn a_code_is_answered_once_and_can_be_withdrawn() {
    let bed = Bed::new().await;
    let admin = bed.signer(1, &["device_admin"]).await;
    let body = json!({ "organisation": HERE, "name": "Avd 5" });
    let made = bed.post(&admin, "/device-codes", &body).await.is(201).json();
    let code = Code::parse(text(&made, "code")).expect("a code");
    let listed = bed.get(&admin, "/device-codes").await.is(200);
    assert!(!listed.text.contains(text(&made, "code")), "it is not shown again");
    let open = listed.json()["codes"].as_array().cloned().expect("a list");
    assert_eq!((open.len(), text(&open[0], "prefix"), text(&open[0], "state")), (1, code.prefix(), "open"));
    let withdraw = format!("/device-codes/{}/withdraw", text(&made, "id"));
    bed.post(&admin, &withdraw, &json!({})).await.is(200);
    bed.post(&admin, &withdraw, &json!({})).await.refused(404, "not_found");
    assert_eq!(bed.get(&admin, "/device-codes").await.json()["codes"], json!([]));
}

/// Of another organisation nothing is there, and that somebody asked is on record.
#[tokio::test]
async fn one_sees_and_does_what_ones_duties_reach() {
    let bed = Bed::new().await;
    let all = bed.signer(1, &["device_admin"]).await;
    let here = bed.signer(2, &["device_admin:SE2321000016-39KJ"]).await;
    let elsewhere = bed.signer(3, &["device_admin:SE2321000016-0001"]).await;
    let desk = bed.signer(4, &["help_desk"]).await;
    let nobody = bed.signer(5, &["account_admin"]).await;
    let other = json!({ "hsa": ELSEWHERE, "name": "En annan" });
    bed.post(&here, "/organisations", &other).await.refused(403, "not_appointed");
    bed.post(&elsewhere, "/organisations", &other).await.is(201);
    bed.post(&all, "/organisations", &other).await.refused(409, "taken");
    let given = enrolled(&bed, &here, "Avd 1").await;
    let id = text(&given, "device").to_owned();
    bed.post(&elsewhere, "/device-codes", &json!({ "organisation": ELSEWHERE, "name": "Avd 9" })).await.is(201);

    let names = |answer: Answer, list: &str, name: &str| -> Vec<String> {
        let found = answer.is(200).json()[list].as_array().cloned().expect("a list");
        found.iter().map(|one| text(one, name).to_owned()).collect()
    };
    for (who, devices, codes, organisations) in [
        (&all, 2, 1, vec![ELSEWHERE, HERE]),
        (&here, 2, 0, vec![HERE]),
        (&elsewhere, 0, 1, vec![ELSEWHERE]),
        (&desk, 2, 1, vec![ELSEWHERE, HERE]),
    ] {
        assert_eq!(names(bed.get(who, "/devices").await, "devices", "id").len(), devices);
        assert_eq!(names(bed.get(who, "/device-codes").await, "codes", "id").len(), codes);
        assert_eq!(names(bed.get(who, "/organisations").await, "organisations", "hsa"), organisations);
    }
    for path in ["/devices", "/device-codes", "/organisations"] {
        bed.get(&nobody, path).await.refused(403, "not_appointed");
    }
    bed.get(&here, &format!("/devices?organisation={ELSEWHERE}")).await.refused(403, "not_appointed");
    bed.told().await;
    bed.get(&elsewhere, &format!("/devices/{id}")).await.refused(404, "not_found");
    bed.post(&elsewhere, &format!("/devices/{id}/revoke"), &json!({ "why": "lost" })).await.refused(404, "not_found");
    let revoke = bed.post(&desk, &format!("/devices/{id}/revoke"), &json!({ "why": "lost" })).await;
    revoke.refused(403, "not_appointed");
    assert_eq!(revoke.json()["duty"], "manage_devices");
    let code = json!({ "organisation": HERE, "name": "Avd 2" });
    bed.post(&elsewhere, "/device-codes", &code).await.refused(403, "not_appointed");
    let told = bed.told().await;
    assert_eq!(told.len(), 4);
    assert!(told.iter().all(|event| event.kind == AuthEventKind::MoveDenied && event.reason == Reason::NotAppointed));
    assert!(bed.get(&here, &format!("/devices/{id}")).await.json()["revoked"].is_null());
}

#[tokio::test]
async fn bad_fields_and_parameters_are_named() {
    let bed = Bed::new().await;
    let admin = bed.signer(1, &["device_admin"]).await;
    let fields = |wrong: &[(&str, &str)]| -> Vec<(String, String)> {
        wrong.iter().map(|(field, code)| ((*field).to_owned(), (*code).to_owned())).collect()
    };
    for (path, body, wrong) in [
        (
            "/devices",
            json!({ "organisation": "x", "name": "a\nb", "csr": "none", "days": 900 }),
            &[("/organisation", "form"), ("/name", "form"), ("/csr", "form"), ("/days", "unknown")][..],
        ),
        ("/device-files", json!({ "organisation": HERE, "name": "x", "form": "jks" }), &[("/form", "form")]),
        ("/device-codes", json!({ "organisation": "SE2321000016-0000", "name": "x" }), &[("/organisation", "refused")]),
        ("/organisations", json!({ "hsa": "SE1", "name": "" }), &[("/hsa", "form"), ("/name", "text")]),
    ] {
        let asked = bed.post(&admin, path, &body).await;
        asked.refused(422, "invalid");
        assert_eq!(asked.wrong(), fields(wrong), "{path}");
    }
    for wrong in ["?sort=name", "?state=dead", "?search=", "?organisation=x", "?limit=0", "?cursor=x", "?x=1"] {
        bed.get(&admin, &format!("/devices{wrong}")).await.refused(422, "invalid");
    }
    for nothing in ["/devices/x", "/devices/00000000-0000-0000-0000-000000000001"] {
        bed.get(&admin, nothing).await.refused(404, "not_found");
    }
}

#[tokio::test]
async fn pages_of_devices_join() {
    let bed = Bed::new().await;
    let admin = bed.signer(1, &["device_admin"]).await;
    for number in 0..4 {
        enrolled(&bed, &admin, &format!("Avd {number}")).await;
    }
    for sort in ["newest", "expires", "unused"] {
        let ids = |page: &Value| -> Vec<String> {
            let found = page["devices"].as_array().cloned().expect("a list");
            found.iter().map(|one| text(one, "id").to_owned()).collect()
        };
        let whole = ids(&bed.get(&admin, &format!("/devices?sort={sort}")).await.is(200).json());
        let (mut paged, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = bed.get(&admin, &format!("/devices?sort={sort}&limit=2{cursor}")).await.is(200).json();
            paged.extend(ids(&page));
            let Some(next) = page["next"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!((paged.len(), &paged), (5, &whole), "{sort}");
    }
}

/// A device gets its next certificate through the gateway, by the one that it shows.
#[tokio::test]
async fn a_device_renews_itself_by_its_certificate() {
    let bed = Bed::new().await;
    let long_ago = clock::now() - 20 * clock::DAY;
    let request = crate::pki::Request::read(&asked().1).expect("a request");
    let (ward, asker) = (crate::issuing::tests::ward(), crate::issuing::Asker::Operator);
    let first = bed.issuing().enrol_request(long_ago, By::program("test"), asker, &ward, &request).await;
    let first = first.expect("enrols");
    let by = |device: DeviceId, cert: CertFingerprint| bed.assertion_by(None, device, cert);
    let mine = by(first.device, first.certificate.fingerprint);
    let kind = ("content-type", "application/pkcs10");
    let ask = async |assertion: &str, headers: &[(&str, &str)], body: String| {
        bed.raw(assertion, ("POST", "/auth/renew"), headers, body).await
    };
    let given = ask(&mine, &[kind], csr()).await;
    assert_eq!(given.status.as_u16(), 200, "{}", given.text);
    assert_eq!(given.headers["content-type"], "application/pkcs7-mime; smime-type=certs-only");
    let pem = ask(&mine, &[kind, ("accept", "application/pem-certificate-chain")], csr()).await;
    let next = X509::stack_from_pem(pem.text.as_bytes()).expect("certificates");
    let next = CertFingerprint::of_der(&next[0].to_der().expect("writes"));

    // The next one is the present one from when it is shown; it has just begun.
    let early = ask(&by(first.device, next), &[kind], csr()).await;
    assert_eq!(early.status.as_u16(), 409, "{}", early.text);
    let wait: i64 = early.headers["retry-after"].to_str().expect("text").parse().expect("a number");
    assert!((19 * 86_400..=20 * 86_400).contains(&wait), "{wait}");

    for (assertion, headers, body, status) in [
        (&mine, &[("content-type", "text/plain")][..], csr(), 415),
        (&mine, &[], csr(), 415),
        (&mine, &[kind, ("sec-fetch-site", "cross-site")], csr(), 403),
        (&mine, &[kind], "none".to_owned(), 400),
        (&by(first.device, CertFingerprint([7; 32])), &[kind], csr(), 403),
        (&by(DeviceId::NONE, first.certificate.fingerprint), &[kind], csr(), 403),
    ] {
        let answer = ask(assertion, headers, body).await;
        assert_eq!(answer.status.as_u16(), status, "{headers:?} {}", answer.text);
    }
}
