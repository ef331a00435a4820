//! Events reach ClickHouse, the real engine, each once, and sealed. Needs `auditor fetch engine` to have run once.

use crate::installation::Installation;
use crate::started::Engine;

#[test]
fn events_wait_for_clickhouse_and_arrive_once_and_sealed() {
    let place = Installation::new();
    let engine = Engine::start(&place, "127.0.0.1:0");
    let address = engine.address.clone();
    let place = place.with("CLICKHOUSE__URL", &format!("http://{address}"));
    let steps = place.ok(&["migrate"]);
    assert!(steps.as_array().unwrap().iter().all(|step| step["applied"] == true));
    let steps = place.ok(&["migrate"]);
    assert!(steps.as_array().unwrap().iter().all(|step| step["applied"] == false));
    drop(engine);

    let user = place.user("anna");
    let device = place.device("ward3");
    let server = place.serve();
    while server.metric("auditor_outbox_tries_total{result=\"failed\"}") < 1.0 {}
    assert!(server.metric("auditor_outbox_events") >= 4.0);
    let answer = server.log_in(&device, "anna", &user.password, &user.totp.code(auditor::clock::now()), "/");
    assert_eq!(answer.status, 303, "logins go on without ClickHouse");
    let engine = Engine::start(&place, &address);
    while server.metric("auditor_outbox_events") > 0.0 {}

    let rows =
        engine.ask("SELECT seq, kind, reason, toString(account) AS account, detail FROM auth_event ORDER BY seq");
    let numbers: Vec<_> = rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, (1..=numbers.len() as u64).collect::<Vec<_>>(), "gapless, none twice");
    let login = rows.iter().find(|row| row["kind"] == "login").unwrap();
    assert_eq!(login["account"].as_str(), Some(user.id.to_string().as_str()));
    // What was done on the command line names the system's user who did it.
    let me = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().map(|user| user.name);
    let me = me.unwrap_or_else(|| nix::unistd::getuid().to_string());
    for kind in ["account_created", "credentials_set", "account_changed", "device_enrolled"] {
        let row = rows.iter().find(|row| row["kind"] == kind).unwrap();
        assert!(row["detail"].as_str().unwrap().starts_with(&format!("cli user={me}")), "{row}");
    }
    let seals = engine.ask("SELECT batch, first, last, lower(hex(previous)) AS previous, lower(hex(key)) AS key FROM access_seal ORDER BY batch");
    assert_eq!(
        seals.first().map(|seal| (seal["first"].as_u64(), seal["previous"].as_str())),
        Some((Some(1), Some("0".repeat(64).as_str())))
    );
    assert_eq!(seals.last().and_then(|seal| seal["last"].as_u64()), numbers.last().copied());
    let public = std::fs::read_to_string(place.path("pki/seal-auditor.pub")).unwrap();
    assert!(seals.iter().all(|seal| seal["key"].as_str() == Some(public.trim())));
}
