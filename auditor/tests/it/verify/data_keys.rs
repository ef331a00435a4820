//! The keys of the data: a row whose key is gone can no longer be read, and is named.

use super::log::log_to;
use super::{Place, key};
use contract::id::NodeName;
use contract::row::{KeyRow, Packed, SealRow};
use contract::seal::{Root, Stream, statement};
use uuid::Uuid;

#[test]
fn data_keys_that_are_gone_are_named() {
    let key = key();
    let place = Place::new(&key);
    let id = |number: u128| Uuid::from_u128(number);
    let (plain, _) = log_to(1, |_| &key, auditor::clock::now(), None);
    let mut rows = Packed::default();
    for mut row in plain.read().unwrap() {
        // Of some nobody's number is known, under no key and under one that may be gone.
        let (patient_key, sealed) = match row.seq {
            1..=20 => (id(1), 7),
            21..=40 => (id(2), 7),
            41..=45 => (Uuid::nil(), 7),
            _ => (id(3), 0),
        };
        (row.patient_key, row.patient_sealed) = (patient_key, [sealed; 37]);
        rows.push(&row);
    }
    let mut root = Root::default();
    rows.numbered(1, 1, |row, _| root.add(row));
    let node = NodeName::parse("gw1").unwrap();
    let mut seals = Packed::default();
    seals.push(&SealRow::new(statement(&node, Stream::Access, 1, 1, root, [0; 32], auditor::clock::now()), &key));
    let mut keys = Packed::default();
    for number in 1..=2 {
        keys.push(&KeyRow { key_id: id(number), node: node.text(), ts: 1, wrapped: "00".into() });
    }
    place.insert(&keys);
    place.insert(&rows);
    place.insert(&seals);
    let (intact, report) = place.verify(&[]);
    assert!(intact, "{report}");
    place.engine.run(&format!("ALTER TABLE data_key DELETE WHERE key_id = '{}'", id(2)));
    let (intact, report) = place.verify(&[]);
    let finding = serde_json::json!([{
        "kind": "data_key_missing", "node": "gw1", "stream": "access", "first": 21, "last": 40, "key": id(2).to_string()
    }]);
    assert!(!intact && report["findings"] == finding, "{report}");
    place.engine.run("TRUNCATE TABLE data_key");
    assert_eq!(place.verify(&[]).1["count"], 2);
}
