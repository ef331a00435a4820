//! Bad settings end the program before it binds anything.

use crate::installation::Installation;

#[test]
fn every_mistake_is_named_with_its_line_and_nothing_is_bound() {
    let place = Installation::new();
    let file = place.path("auditor.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let text =
        text.replace("listen = \"127.0.0.1:8082\"", "lisen = \"127.0.0.1:8082\"").replace("days = 30", "days = 0");
    std::fs::write(&file, &text).unwrap();
    let line = |words: &str| text.lines().position(|l| l.contains(words)).unwrap() + 1;
    let place = place.with("SESSION__IDLE_S", "soon");
    for args in [
        ["validate"].as_slice(),
        &["serve", "--ready-file", place.path("ready.json").to_str().unwrap()],
        &["account", "list"],
    ] {
        let output = place.run(args);
        assert_eq!(output.status.code(), Some(78), "{args:?}");
        let errors = String::from_utf8(output.stderr).unwrap();
        let name = file.display();
        for start in [
            format!("{name}:{}: app.lisen: ", line("lisen =")),
            format!("{name}:{}: devices.certificate_days: ", line("certificate_days")),
            "AUDITOR__SESSION__IDLE_S: session.idle_s: ".to_owned(),
        ] {
            assert!(errors.lines().any(|l| l.starts_with(&start)), "{start:?} in:\n{errors}");
        }
    }
    assert!(!place.path("ready.json").exists() && !place.path("state/internal.sock").exists());
}

#[test]
fn operators_see_health_readiness_and_metrics() {
    let place = Installation::new();
    let server = place.serve();
    assert_eq!(server.ask_ops("/healthz").status, 200);
    assert_eq!(server.ask_ops("/readyz").body, "ready\n");
    assert!(server.ask_ops("/metrics").body.contains("auditor_build_info{version="));
    assert_eq!(server.ask_ops("/nothing").status, 404);
    assert_eq!(server.terminate(), Some(0));
    assert!(!place.path("state/internal.sock").exists());
}
