//! What the gateway recorded, read from ClickHouse once everything is there.

use crate::shared::Place;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A request as it was recorded.
#[derive(Debug, Clone, Default)]
pub(super) struct Record {
    pub(super) registry: String,
    pub(super) user: String,
    pub(super) method: String,
    pub(super) route: String,
    pub(super) permitted: bool,
    /// The client's address.
    pub(super) from: String,
    /// Pseudonyms of the patients.
    pub(super) patients: BTreeSet<String>,
    /// Something stands in a patient's place that is no patient's number, and the record says so.
    pub(super) unidentified: bool,
}

/// All that was recorded.
#[derive(Debug, Default)]
pub(super) struct Records {
    /// By the request's id.
    pub(super) requests: BTreeMap<String, Record>,
    /// Ids of events, with the addresses they came from.
    pub(super) events: BTreeMap<String, String>,
}

impl Records {
    pub(super) async fn read(place: &Place) -> Self {
        place.drained().await;
        let mut records = Self::default();
        let sql = "SELECT toString(request_id) AS id, registry, user_hsa, method, route, decision, patient_kind, \
                   lower(hex(patient_ref)) AS patient, toString(src_ip) AS src FROM access_log FINAL WHERE phase != 'begin'";
        for row in place.rows(sql).await {
            let text = |key: &str| row[key].as_str().unwrap().to_owned();
            let record = records.requests.entry(text("id")).or_insert_with(|| Record {
                registry: text("registry"),
                user: text("user_hsa"),
                method: text("method"),
                route: text("route"),
                permitted: row["decision"] == "permit",
                from: address(&row),
                patients: BTreeSet::new(),
                unidentified: false,
            });
            if row["patient_kind"] == 0 {
                record.unidentified = true;
            } else {
                record.patients.insert(text("patient"));
            }
        }
        let sql = "SELECT toString(event_id) AS id, toString(src_ip) AS src FROM auth_event FINAL";
        for row in place.rows(sql).await {
            records.events.insert(row["id"].as_str().unwrap().to_owned(), address(&row));
        }
        records
    }
}

fn address(row: &Value) -> String {
    row["src"].as_str().unwrap().trim_start_matches("::ffff:").to_owned()
}
