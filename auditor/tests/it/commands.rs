//! The command line: what it makes, and how it fails.

use crate::installation::{Installation, ORGANISATION};
use openssl::pkcs12::Pkcs12;
use openssl::x509::X509;

#[test]
fn a_devices_pkcs12_file_opens_and_chains_to_the_authority() {
    let place = Installation::new();
    place.ok(&["device", "org-add", "--hsa", ORGANISATION, "--name", "Region"]);
    let out = place.path("devices").display().to_string();
    let phrase_file = place.path("phrase").display().to_string();
    let made = place.ok(&[
        "device",
        "enrol",
        "--org",
        ORGANISATION,
        "--name",
        "Ward 3",
        "--out",
        &out,
        "--file-name",
        "ward3",
        "--pass-phrase-file",
        &phrase_file,
    ]);
    assert!(made["pass_phrase"].is_null());
    let phrase = std::fs::read_to_string(&phrase_file).unwrap();
    let archive = Pkcs12::from_der(&std::fs::read(place.path("devices/ward3.p12")).unwrap()).unwrap();
    assert!(archive.parse2("").is_err());
    let parsed = archive.parse2(phrase.trim()).unwrap();
    let authority = X509::from_pem(&std::fs::read(place.path("pki/device-ca.pem")).unwrap()).unwrap();
    let cert = parsed.cert.unwrap();
    assert!(cert.verify(&authority.public_key().unwrap()).unwrap());
    assert!(cert.public_key().unwrap().public_eq(&parsed.pkey.unwrap()));
    let fingerprint = contract::id::CertFingerprint::of_der(&cert.to_der().unwrap());
    assert_eq!(made["fingerprint"].as_str(), Some(fingerprint.to_string().as_str()));
    let serial = cert.serial_number().to_bn().unwrap().to_hex_str().unwrap().to_lowercase();
    assert_eq!(made["serial"].as_str(), Some(serial.as_str()));
}

#[test]
fn an_enrolment_whose_files_cannot_be_written_enrols_nobody() {
    let place = Installation::new();
    place.device("ward3");
    let out = place.path("devices").display().to_string();
    let again = place.run(&[
        "device",
        "enrol",
        "--org",
        ORGANISATION,
        "--name",
        "ward3",
        "--out",
        &out,
        "--file-name",
        "ward3",
    ]);
    assert_eq!(again.status.code(), Some(1));
    assert_eq!(place.ok(&["device", "list"]).as_array().unwrap().len(), 1);
    let stranger = place.run(&["device", "enrol", "--org", "SE1655655942-1000", "--name", "x", "--out", &out]);
    assert_eq!(stranger.status.code(), Some(2), "no HSA-id");
    let stranger = place.run(&["device", "enrol", "--org", "SE2321000016-0000", "--name", "x", "--out", &out]);
    assert_eq!(stranger.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&stranger.stderr).contains("there is no such organisation"));
}

#[test]
fn accounts_move_as_their_states_allow() {
    let place = Installation::new();
    let made = place.ok(&["account", "create", "--user", "anna", "--name", "Anna", "--role", "account_admin"]);
    assert_eq!(made["state"], "created");
    assert!(made.get("password").is_none());
    let again = place.run(&["account", "create", "--user", "ANNA", "--name", "Another"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("there is such user name already"), "{again:?}");
    let lock = place.run(&["account", "lock", "anna"]);
    assert_eq!(lock.status.code(), Some(1));
    assert_eq!(String::from_utf8_lossy(&lock.stderr), "auditor: an account that is created cannot be locked\n");
    assert!(place.ok(&["account", "password", "anna"])["password"].is_string());
    assert_eq!(place.ok(&["account", "totp", "anna"])["state"], "handed_out");
    place.ok(&["account", "grant", "anna", "--registry", "journal", "--right", "read", "--to", "2030-01-01T00:00:00Z"]);
    let grants = place.ok(&["account", "grant", "anna", "--registry", "journal", "--remove"]);
    assert_eq!(grants["grants"].as_array().unwrap().len(), 0);
    assert_eq!(place.ok(&["account", "close", "anna"])["state"], "deregistered");
    assert_eq!(place.run(&["account", "close", "anna"]).status.code(), Some(1), "nobody has the name now");
    let new = place.ok(&["account", "create", "--user", "anna", "--name", "Anna"]);
    assert_ne!(new["account"], made["account"]);
}

#[test]
fn short_passwords_are_refused() {
    let place = Installation::new();
    let file = place.path("password");
    std::fs::write(&file, "short\n").unwrap();
    let refused = place.run(&[
        "account",
        "create",
        "--user",
        "anna",
        "--name",
        "Anna",
        "--password-file",
        file.to_str().unwrap(),
    ]);
    assert_eq!(refused.status.code(), Some(1));
    assert_eq!(place.ok(&["account", "list"]).as_array().unwrap().len(), 0);
}

#[test]
fn usage_and_completions() {
    let place = Installation::new();
    assert_eq!(place.run(&["account", "grant", "anna"]).status.code(), Some(2));
    assert_eq!(place.run(&["nonsense"]).status.code(), Some(2));
    let script = place.run(&["completions", "bash"]);
    assert!(script.status.success() && String::from_utf8_lossy(&script.stdout).contains("_auditor"));
    assert_eq!(place.ok(&["validate"])["valid"], true);
}
