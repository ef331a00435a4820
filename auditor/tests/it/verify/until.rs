//! Up to when the log is sealed.

use super::log::{ROWS, log_to};
use super::{Place, each, key, kinds_of};
use serde_json::json;

#[test]
fn how_far_the_log_is_sealed_is_said_and_an_old_end_is_a_finding_if_asked() {
    let key = key();
    let place = Place::new(&key);
    let hour_ago = auditor::clock::now() - 3_600_000_000;
    let (rows, seals) = log_to(2, |_| &key, hour_ago, None);
    place.insert(&rows);
    place.insert(&seals);
    let until = |batch: u64| {
        let at = auditor::clock::rfc3339(hour_ago);
        json!([{ "node": "gw1", "stream": "access", "batch": batch, "number": batch * ROWS, "at": at }])
    };
    let (intact, report) = place.verify(&[]);
    assert!(intact && report["sealed_until"] == until(2), "{report}");
    let never = report["never_sealed"].as_array().unwrap();
    assert!(never.contains(&json!({ "node": "gw1", "stream": "auth" })), "{report}");
    assert!(!never.iter().any(|of| of["stream"] == "access"), "{report}");
    let text = |args: &[&str]| String::from_utf8(place.installation.run(args).stdout).unwrap();
    let said = text(&["verify"]);
    let line = format!("gw1, access: sealed until {}, row {}", auditor::clock::rfc3339(hour_ago), 2 * ROWS);
    assert!(said.contains(&line) && said.contains("gw1 in auth") && said.contains("witness"), "{said}");

    assert!(place.verify(&["--max-age", "2h"]).0);
    let (intact, report) = place.verify(&["--max-age", "30m"]);
    assert!(!intact && kinds_of(&report) == each("seal_old", [2]), "{report}");
    let said = text(&["verify", "--max-age", "30m"]);
    assert!(said.contains("the newest seal") && said.contains(&line), "{said}");

    // The tail is cut: what is left is in order, and ends earlier. When all is gone, nothing is new enough.
    for table in ["access_log", "access_seal"] {
        place.engine.run(&format!("ALTER TABLE {table} DELETE WHERE batch > 1"));
    }
    let (intact, report) = place.verify(&[]);
    assert!(intact && report["sealed_until"] == until(1), "{report}");
    for table in ["access_log", "access_seal"] {
        place.engine.run(&format!("TRUNCATE TABLE {table}"));
    }
    assert!(place.verify(&[]).0);
    let (intact, report) = place.verify(&["--max-age", "2h"]);
    assert!(!intact && kinds_of(&report) == each("seal_old", [0]), "{report}");
    assert!(!place.installation.run(&["verify", "--max-age", "15"]).status.success());
}
