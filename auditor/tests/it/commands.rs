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
    let made = place.ok(&["account", "create", "--user", "anna", "--name", "Anna", "--appoint", "account_admin"]);
    assert_eq!(made["state"], "created");
    assert!(made.get("password").is_none());
    let again = place.run(&["account", "create", "--user", "ANNA", "--name", "Another"]);
    assert!(String::from_utf8_lossy(&again.stderr).contains("the user name \"anna\" is taken already"), "{again:?}");
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
fn a_commission_is_set_shown_and_taken_away() {
    let place = Installation::new();
    place.ok(&["account", "create", "--user", "anna", "--name", "Anna"]);
    let shown = || place.ok(&["account", "list"])[0]["commission"].clone();
    assert!(shown().is_null());
    let unit = "SE2321000016-U001";
    for (wrong, words) in [
        (vec!["--care-unit", "SE2321000016-U001"], "--care-provider"),
        (vec!["--care-unit", "U001", "--care-provider", ORGANISATION], "an HSA-id is"),
        (vec!["--care-unit", unit, "--care-provider", "SE2321000017-39KJ"], "check digit"),
        (vec!["--care-unit", unit, "--care-provider", ORGANISATION, "--none"], "cannot be used with"),
        (vec!["--care-unit", unit, "--care-provider", ORGANISATION, "--name", "a\nb"], "in one line"),
        (vec![], "--care-unit"),
    ] {
        let refused = place.run(&[["account", "commission", "anna"].as_slice(), &wrong].concat());
        assert_eq!(refused.status.code(), Some(2), "{wrong:?}");
        assert!(String::from_utf8_lossy(&refused.stderr).contains(words), "{wrong:?}: {refused:?}");
    }
    assert!(shown().is_null());
    let set = ["account", "commission", "anna", "--care-unit", "se2321000016-u001", "--care-provider", ORGANISATION];
    place.ok(&[set.as_slice(), &["--care-unit-name", "Ward 3", "--name", "Physician"]].concat());
    let commission = shown();
    assert_eq!(commission["care_unit"], unit);
    assert_eq!(commission["care_provider"], ORGANISATION);
    assert_eq!(commission["care_unit_name"], "Ward 3");
    assert_eq!(commission["name"], "Physician");
    assert_eq!(commission["purpose"], "Vård och behandling");
    let table = place.run(&["account", "list"]);
    assert!(String::from_utf8_lossy(&table.stdout).contains(unit));
    place.ok(&["account", "commission", "anna", "--none"]);
    assert!(shown().is_null());
}

#[test]
fn a_grant_that_cannot_work_is_given_with_a_note() {
    let place = Installation::new();
    place.ok(&["account", "create", "--user", "anna", "--name", "Anna"]);
    let notes = |args: &[&str]| {
        let output = place.run(&[["account"].as_slice(), args].concat());
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    // A name that nobody has used may be a slip, or the first of its kind.
    let first = notes(&["grant", "anna", "--registry", "journal", "--right", "read"]);
    assert!(first.contains("\"journal\" is a new name here (in use: auditor)"), "{first}");
    assert_eq!(notes(&["grant", "anna", "--registry", "journal", "--right", "read_write"]), "");
    assert_eq!(notes(&["grant", "anna", "--registry", "auditor", "--right", "read"]), "");
    let slip = notes(&["grant", "anna", "--registry", "jurnal", "--right", "read"]);
    assert!(slip.contains("(in use: journal, auditor)"), "{slip}");
    assert_eq!(notes(&["grant", "anna", "--registry", "jurnal", "--remove"]), "");

    // A grant for units needs the user to act from one of them.
    let limited = ["grant", "anna", "--registry", "journal", "--right", "read", "--unit", "SE2321000016-U001"];
    let alone = notes(&limited);
    assert!(alone.contains("anna acts from no unit") && alone.contains("auditor account commission anna"), "{alone}");
    let set = |unit| ["commission", "anna", "--care-unit", unit, "--care-provider", ORGANISATION];
    let elsewhere = notes(&set("SE2321000016-U002"));
    assert!(elsewhere.contains("anna acts from SE2321000016-U002"), "{elsewhere}");
    assert_eq!(notes(&set("SE2321000016-U001")), "");
    assert_eq!(notes(&limited), "");
}

#[test]
fn passwords_that_others_would_come_upon_are_refused() {
    let place = Installation::new();
    // SHA-1 of the second one below, among others.
    let stolen = "lampa-tvivel-sodavatten";
    let list = place.path("stolen").display().to_string();
    let mut hashes: Vec<String> =
        [stolen, "ett annat", "ett tredje"].map(|text| hex::encode_upper(openssl::sha::sha1(text.as_bytes()))).into();
    hashes.sort();
    std::fs::write(&list, format!("{}:3\r\n", hashes.join(":12\r\n"))).unwrap();
    let place = place.with("LOGIN__BREACHED_FILE", &list);
    let file = place.path("password").display().to_string();
    let create = ["account", "create", "--user", "anna", "--name", "Anna Åkesson", "--password-file", &file];
    for (password, told) in
        [("kort", "12 characters"), ("AnnaÅkesson2026", "would be guessed"), (stolen, "a list of stolen ones")]
    {
        std::fs::write(&file, format!("{password}\n")).unwrap();
        let refused = place.run(&create);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(told) && !said.contains(password), "{said}");
        assert_eq!(place.ok(&["account", "list"]).as_array().unwrap().len(), 0, "nothing is made");
    }
    std::fs::write(&file, "krokus vindflöjel granar\n").unwrap();
    assert!(place.run(&create).status.success());
    for password in ["AnnaÅkesson2026", stolen] {
        std::fs::write(&file, password).unwrap();
        assert!(!place.run(&["account", "password", "anna", "--password-file", &file]).status.success(), "{password}");
    }
    std::fs::write(&list, "lösenord\n").unwrap();
    let broken = place.run(&["account", "password", "anna", "--password-file", &file]);
    assert!(String::from_utf8_lossy(&broken.stderr).contains("near byte 0"), "{broken:?}");
}

#[test]
fn where_fetched_data_are_kept_is_told_without_fetching() {
    let place = Installation::new();
    let cache = place.path("cache");
    let ask = |args: &[&str]| {
        let output = place.command(args).env("GRINDVAKT_CACHE", &cache).output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let countries = ask(&["fetch", "countries", "--where"]);
    let path = std::path::Path::new(countries.trim_end());
    assert!(path.starts_with(&cache) && path.extension().is_some_and(|kind| kind == "mmdb"), "{countries}");
    assert!(ask(&["fetch", "htmx", "--where"]).trim_end().ends_with("htmx.min.js"));
    assert_eq!(ask(&["fetch", "--where"]).lines().count(), 3);
    assert!(!cache.exists(), "nothing was made");
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
