use super::*;
use crate::init::{InitArgs, init};

/// The example of config/, read in a folder that `auditor init` has filled.
fn example(change: impl FnOnce(String) -> String) -> Result<Config, Problems> {
    let dir = tempfile::tempdir().expect("a directory");
    init(&InitArgs { dir: dir.path().to_owned(), host: vec!["localhost".to_owned()] }, crate::clock::now())
        .expect("makes all");
    let text = change(include_str!("../../../config/auditor.toml").to_owned());
    let file = dir.path().join("auditor.toml");
    Config::parse(&file.to_string_lossy(), &text, [])
}

fn problems(change: impl FnOnce(String) -> String) -> Vec<String> {
    let problems = example(change).expect_err("mistakes");
    problems.0.iter().map(|p| format!("{}: {}", p.key, p.reason)).collect()
}

#[test]
fn the_example_reads() {
    let config = example(|text| text).expect("reads");
    assert_eq!(config.node.as_str(), "auditor");
    assert_eq!(config.session.limits, sessions::Limits { idle_s: 1800, absolute_s: 36_000, emergency_s: 900 });
    assert_eq!(config.login.lock, LockRule::default());
    assert_eq!(config.login.step_up_us, 300_000_000);
    assert_eq!(config.accounts.request_life_days, 30);
    assert_eq!(config.accounts.review, Review { months: 12, notice_days: 30, grace_days: 30 });
    assert!(matches!(config.internal.listen, Listen::Unix(_)));
    let shown = format!("{config:?}");
    assert!(shown.contains("Keys(hidden)"), "{shown}");
}

#[test]
fn the_script_of_pages_is_the_pinned_one_or_none() {
    assert!(example(|text| text).expect("reads").htmx.is_none());
    // Any file that is there.
    let named = |file: &str| format!("[pages]\nhtmx = \"{file}\"");
    let found = problems(|text| text.replace("[pages]", &named("secrets/master.key")));
    let told = "pages.htmx: names a file that is not the script";
    assert!(found.len() == 1 && found[0].starts_with(told) && found[0].contains("auditor fetch htmx"), "{found:#?}");
    let found = problems(|text| text.replace("[pages]", &named("none.js")));
    assert!(found.len() == 1 && found[0].contains("cannot be read"), "{found:#?}");
}

#[test]
fn every_mistake_is_named() {
    let found = problems(|text| {
        text.replace("name = \"auditor\"", "name = \"Auditor One\"")
            .replace("idle_s = 1800", "idle_s = 40000")
            .replace("certificate_days = 30", "certifcate_days = 30")
            .replace("secrets/master.key", "secrets/none.key")
            .replace("format = \"text\"", "format = \"xml\"")
            .replace("retention_years = 10", "retention_years = 2")
    });
    for (key, words) in [
        ("node.name", "a name is"),
        ("session.idle_s", "longer than absolute_s"),
        ("devices.certifcate_days", "did you mean \"certificate_days\""),
        ("keys.master_file", "cannot be read"),
        ("log.format", "must be one of: text, json"),
        ("clickhouse.retention_years", "must be 5 to 100"),
    ] {
        assert!(found.iter().any(|p| p.starts_with(key) && p.contains(words)), "{key}: {found:#?}");
    }
    assert_eq!(found.len(), 6, "{found:#?}");
}

#[test]
fn passkeys_need_a_name_and_may_be_left_out() {
    let line = "origin = \"https://localhost:8443\"\n";
    assert!(example(|text| text).expect("reads").login.origin.is_some());
    assert!(example(|text| text.replace(line, "")).expect("reads").login.origin.is_none());
    let found = problems(|text| text.replace(line, "origin = \"https://127.0.0.1:8443\"\n"));
    assert!(found.len() == 1 && found.iter().all(|p| p.starts_with("login.origin: ") && p.contains("no address")));
}

#[test]
fn tcp_needs_mutual_tls_and_a_socket_none() {
    let listen = "listen = \"unix:state/internal.sock\"";
    let found = problems(|text| text.replace(listen, "listen = \"127.0.0.1:0\""));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found.iter().all(|p| p.contains("[internal.tls]")), "{found:?}");
    let tls = "[internal.tls]\ncert_file = \"pki/internal-server.pem\"\nkey_file = \"pki/internal-server.key\"\nclient_ca_file = \"pki/internal-ca.pem\"\n";
    let config = example(|text| text.replace(listen, &format!("listen = \"127.0.0.1:0\"\n{tls}"))).expect("reads");
    assert!(config.internal.tls.is_some());
    let found = problems(|text| text.replace(listen, &format!("{listen}\n{tls}")));
    assert_eq!(found.len(), 1, "{found:?}");
}

#[test]
fn devices_may_enrol_at_a_listener_of_its_own_if_there_is_one() {
    let config = example(|text| text).expect("reads");
    assert!(config.enrol.is_none(), "off unless it is asked for");
    let devices = config.devices;
    assert_eq!((devices.days, devices.renew_from_day, devices.code_hours, devices.crl_hours), (30, 20, 72, 24));
    assert!(devices.crl_file.is_none());
    let enrol = "[enrol]\nlisten = \"127.0.0.1:0\"\ncert_file = \"pki/internal-server.pem\"\n\
                 key_file = \"pki/internal-server.key\"\n";
    let enrol = |text: String| text + "\n" + enrol;
    assert_eq!(example(enrol).expect("reads").enrol.expect("is there").tries_a_minute, 10);
    let found = problems(|text| enrol(text) + "tries_a_minute = 0\n");
    assert!(found.len() == 1 && found.iter().all(|p| p.starts_with("enrol.tries_a_minute: ")), "{found:?}");
}

#[test]
fn a_seal_key_stands_here_or_in_a_file() {
    let file = "file = \"state/gateway/seal.pub\"";
    let key = format!("key = \"{}\"", "0f".repeat(32));
    let config = example(|text| text.replace(file, &key)).expect("reads");
    assert_eq!(config.seal_keys.first().map(|known| &known.key), Some(&PublicKey::Here([15; 32])));
    for (wrong, words) in [
        (format!("{file}\n{key}"), "seal_key[0].key: stands beside file"),
        ("key = \"0f\"".to_owned(), "seal_key[0].key: is not the public key of a node"),
        (String::new(), "seal_key[0].file: is missing"),
    ] {
        let found = problems(|text| text.replace(file, &wrong));
        assert!(found.len() == 1 && found.iter().all(|p| p.starts_with(words)), "{wrong}: {found:?}");
    }
}

#[test]
fn without_clickhouse_events_wait() {
    let config = example(|text| text.split("[clickhouse]").next().unwrap_or_default().to_owned()).expect("reads");
    assert!(config.clickhouse.is_none());
}

/// The provider of the example, which stands there as a comment, with files that are there.
fn with_provider(text: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != "#   [[oidc]]");
    let of_one = lines
        .take_while(|line| !line.starts_with("# Login with SITHS cards"))
        .filter_map(|line| line.strip_prefix("#   "));
    let without_key = of_one.filter(|line| !line.starts_with("client_key"));
    let section = without_key.collect::<Vec<_>>().join("\n");
    let section = section
        .replace("secrets/inera.secret", "secrets/clickhouse-auditor.password")
        .replace("pki/inera-ca.pem", "pki/device-ca.pem")
        .replace("pki/logout.", "pki/internal-server.");
    format!("{text}\n{section}\n")
}

#[test]
fn the_examples_provider_reads_and_is_as_usual() {
    let config = example(|text| with_provider(&text)).expect("reads");
    let [provider] = config.oidc.as_slice() else { panic!("{:?}", config.oidc) };
    assert_eq!((provider.name.as_str(), provider.max_age_s), ("inera", Some(28_800)));
    assert_eq!(provider.levels, ["http://id.sambi.se/loa/loa3"]);
    assert_eq!(provider.claims, crate::accounts::oidc::ClaimNames::default(), "the example names what is usual");
    assert!(matches!(provider.proof, ClientProof::Secret(_)));
    let logout = config.oidc_logout.as_ref().expect("a listener");
    assert_eq!((logout.connections_max, logout.tls.is_some()), (32, true));
    assert!(format!("{config:?}").contains("ClientProof(hidden)"));
    let config = example(|text| text).expect("reads");
    assert!(config.oidc.is_empty() && config.oidc_logout.is_none());
}

#[test]
fn a_providers_mistakes_are_named() {
    let origin = "origin = \"https://localhost:8443\"\n";
    let secret = "client_secret_file = \"secrets/clickhouse-auditor.password\"";
    for (from, to, words) in [
        (origin, "", "login.origin: is missing: identity providers"),
        ("name = \"inera\"", "name = \"Inera\"", "oidc[0].name: "),
        ("issuer = \"https://idp.inera.se:443/oidc\"", "issuer = \"http://idp.inera.se\"", "oidc[0].issuer: "),
        ("acr_values = [\"http://id.sambi.se/loa/loa3\"]", "", "oidc[0].acr_values: is missing"),
        ("acr_values = [\"http://id.sambi.se/loa/loa3\"]", "acr_values = [\"a b\"]", "oidc[0].acr_values: is a list"),
        (secret, "", "oidc[0].client_secret_file: is missing"),
        (secret, "client_key_file = \"secrets/seal.pub\"", "oidc[0].client_key_file: secrets/seal.pub"),
        (secret, "client_key_file = \"pki/device-ca.pem\"", "oidc[0].client_key_file: is no private key"),
        ("hsa_id = ", "hsaid = ", "oidc[0].claims.hsaid: is not a known key; did you mean \"hsa_id\""),
        (
            "listen = \"127.0.0.1:8083\"\ncert_file = \"pki/internal-server.pem\"\nkey_file = \"pki/internal-server.key\"",
            "listen = \"0.0.0.0:8083\"",
            "oidc_logout.listen: is not of this machine",
        ),
    ] {
        let found = problems(|text| {
            let whole = with_provider(&text);
            assert!(whole.contains(from), "{from}");
            whole.replace(from, to)
        });
        let told = |found: &[String]| found.iter().any(|p| p.contains(words.split(' ').next().unwrap_or_default()));
        assert!(found.len() == 1 && told(&found), "{words}: {found:?}");
    }
    let twice = problems(|text| {
        let whole = with_provider(&text);
        let section = whole[text.len()..].split("[oidc_logout]").next().expect("a section").to_owned();
        format!("{whole}\n{section}")
    });
    assert_eq!(twice, ["oidc[1].name: is another provider's, too"]);
    let alone = problems(|text| format!("{text}\n[oidc_logout]\nlisten = \"127.0.0.1:0\"\n"));
    assert!(alone.len() == 1 && alone[0].contains("of no use without a provider"), "{alone:?}");
}

#[test]
fn the_authoritys_key_is_in_a_file_or_in_a_token() {
    let file = "ca_key_file = \"pki/device-ca.key\"\n";
    let token = "[devices.ca_token]\nmodule = \"pki/device-ca.pem\"\ntoken = \"grindvakt\"\nkey = \"device CA\"\npin_file = \"pin\"\n";
    let config = example(|text| format!("{}\n{token}", text.replace(file, ""))).expect("reads");
    let AuthorityKey::Token(place) = &config.devices.ca_key else { panic!("{:?}", config.devices.ca_key) };
    assert_eq!((place.token.as_str(), place.key.as_str()), ("grindvakt", "device CA"));
    assert!(place.pin_file.is_absolute() || place.pin_file.ends_with("pin"));
    assert!(matches!(example(|text| text).expect("reads").devices.ca_key, AuthorityKey::File(_)));
    let both = problems(|text| format!("{text}\n{token}"));
    assert!(both.len() == 1 && both[0].starts_with("devices.ca_key_file: stands beside"), "{both:?}");
    let module =
        problems(|text| format!("{}\n{}", text.replace(file, ""), token.replace("pki/device-ca.pem", "none.so")));
    assert!(module.len() == 1 && module[0].starts_with("devices.ca_token.module: "), "{module:?}");
}

/// The listener for cards of the example, which stands there as a comment, with files that are there.
fn with_cards(text: &str) -> String {
    let lines = text.lines().skip_while(|line| *line != "#   [siths]");
    let section = lines.take_while(|line| !line.starts_with("[accounts]")).filter_map(|line| line.strip_prefix("#   "));
    let section = section.collect::<Vec<_>>().join("\n");
    let section = section
        .replace("pki/siths-server.", "pki/internal-server.")
        .replace("pki/siths-person-ca.pem", "pki/device-ca.pem")
        .replace("state/siths-person-hsa-3.crl", "pki/device-ca.pem");
    format!("{text}\n{section}\n")
}

#[test]
fn the_examples_listener_for_cards_reads_and_its_mistakes_are_named() {
    let config = example(|text| with_cards(&text)).expect("reads");
    let siths = config.siths.as_ref().expect("a listener");
    assert_eq!((siths.origin.to_string().as_str(), siths.connections_max), ("https://siths.example.se:8445", 256));
    assert!(matches!(&siths.files.revocation, Revocation::Lists(lists) if lists.len() == 1));
    let [policy] = siths.policies.as_slice() else { panic!("{:?}", siths.policies) };
    assert_eq!(
        (policy.id.to_string().as_str(), policy.level.as_str()),
        ("1.2.752.74.8.512", "http://id.sambi.se/loa/loa3")
    );
    assert!(example(|text| text).expect("reads").siths.is_none());
    let lists = "crl_files = [\"pki/device-ca.pem\"]";
    let none = example(|text| with_cards(&text).replace(lists, "revocation = \"none\"")).expect("reads");
    assert_eq!(none.siths.expect("a listener").files.revocation, Revocation::None);
    let policy = "[[siths.policy]]\noid = \"1.2.752.74.8.512\"\nacr = \"http://id.sambi.se/loa/loa3\"";
    for (from, to, words) in [
        ("\norigin = \"https://localhost:8443\"\n", "\n", "login.origin: is missing: whoever has shown"),
        ("https://siths.example.se:8445", "https://localhost:8443", "siths.origin: is login.origin"),
        ("https://siths.example.se:8445", "http://siths.example.se", "siths.origin: "),
        (lists, "", "siths.crl_files: is missing"),
        (lists, "crl_files = []", "siths.crl_files: names no file"),
        (lists, "crl_files = [\"pki/nothing.crl\"]", "siths.crl_files: "),
        (lists, &format!("{lists}\nrevocation = \"none\""), "siths.revocation: stands beside crl_files"),
        (lists, "revocation = \"ocsp\"", "siths.revocation: is \"ocsp\", and must be one of: none"),
        (policy, "", "siths.policy: is needed 1 to 20 times"),
        ("1.2.752.74.8.512", "loa3", "siths.policy[0].oid: "),
        ("acr = \"http://id.sambi.se/loa/loa3\"", "acr = \"\"", "siths.policy[0].acr: "),
    ] {
        let found = problems(|text| {
            let whole = with_cards(&text);
            assert!(whole.contains(from), "{from}");
            whole.replace(from, to)
        });
        assert!(found.len() == 1 && found[0].starts_with(words), "{words}: {found:?}");
    }
}

#[test]
fn a_key_signs_instead_of_a_secret() {
    let dir = tempfile::tempdir().expect("a directory");
    let file = dir.path().join("client.key");
    for (algorithm, expected) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, jsonwebtoken::Algorithm::ES256),
        (&rcgen::PKCS_ED25519, jsonwebtoken::Algorithm::EdDSA),
    ] {
        let key = rcgen::KeyPair::generate_for(algorithm).expect("makes");
        std::fs::write(&file, key.serialize_pem()).expect("writes");
        let line = format!("client_key_file = {:?}\nclient_key_id = \"2026\"", file.display().to_string());
        let config = example(|text| {
            with_provider(&text).replace("client_secret_file = \"secrets/clickhouse-auditor.password\"", &line)
        })
        .expect("reads");
        let proof = config.oidc.first().map(|provider| provider.proof.clone());
        assert!(
            matches!(&proof, Some(ClientProof::Key { algorithm, id, .. }) if *algorithm == expected && id.as_deref() == Some("2026")),
            "{expected:?}"
        );
    }
}
