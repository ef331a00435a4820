//! The witness: copies of the seals, kept where whoever has key and database does not reach.

use super::log::{ROWS, log, log_of};
use super::{Place, each, key, kinds_of};

#[test]
fn a_log_that_was_sealed_anew_with_the_right_key_is_found_by_a_witness() {
    let key = key();
    let place = Place::new(&key);
    let now = auditor::clock::now();
    let (rows, seals) = log(&key, now);
    place.insert(&rows);
    place.insert(&seals);
    let file = place.installation.path("seals.ndjson");
    let copies: Vec<Vec<u8>> = seals.read().unwrap().iter().map(|seal| seal.copy().line().unwrap()).collect();
    // The last one is on its way, and a crash has left its traces.
    std::fs::write(&file, [&copies[..19].concat(), &copies[4][..99], b"\n", &copies[4..19].concat()].concat()).unwrap();
    let with_witness = ["--witness", file.to_str().unwrap()];
    let (intact, report) = place.verify(&with_witness);
    assert!(intact, "{report}");
    let said = serde_json::json!({ "copies": 19, "unreadable": 1, "without_copy": 1 });
    assert_eq!(report["witness"], said);

    // Whoever has the key and the database changes a row of batch 17, and seals all from there on anew.
    let place_of = 16 * ROWS + 7;
    let (other_rows, other_seals) = log_of(|_| &key, now, Some(place_of));
    for table in ["access_log", "access_seal"] {
        place.engine.run(&format!("TRUNCATE TABLE {table}"));
    }
    place.insert(&other_rows);
    place.insert(&other_seals);
    let (intact, report) = place.verify(&[]);
    assert!(intact, "by itself the log is in order: {report}");
    let (_, report) = place.verify(&with_witness);
    assert_eq!(kinds_of(&report), each("seal_replaced", 17..=19));

    // Or takes the last ones away, rows and seals.
    place.engine.run("ALTER TABLE access_seal DELETE WHERE batch > 17");
    place.engine.run("ALTER TABLE access_log DELETE WHERE batch > 17");
    assert!(place.verify(&[]).0);
    let (_, report) = place.verify(&with_witness);
    let wanted = [each("seal_replaced", [17]), each("seal_gone", 18..=19)].concat();
    assert_eq!(kinds_of(&report), wanted);
    // Or everything.
    for table in ["access_log", "access_seal"] {
        place.engine.run(&format!("TRUNCATE TABLE {table}"));
    }
    assert!(place.verify(&[]).0);
    assert_eq!(kinds_of(&place.verify(&with_witness).1), each("seal_gone", 1..=19));

    let output = place.installation.run(&["verify", "--witness", "/nowhere"]);
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere cannot be read"));
}
