//! What stands in the fields of one of the three forms, as it is typed, and how the interface reads it.

use super::day;
use crate::forms::{Content, Form, Kind};
use crate::web::admin::body::Fields;
use crate::web::page::Typed;
use contract::Micros;
use contract::id::AccountId;
use contract::identity::PatientId;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// The fields of each form.
const APPLICATION: [&str; 16] = [
    "name",
    "number",
    "hsa",
    "title",
    "region",
    "unit",
    "unit_hsa",
    "address",
    "telephone",
    "mobile",
    "email",
    "registry",
    "right",
    "valid_from",
    "valid_to",
    "purpose",
];
const ALTERATION: [&str; 8] = ["user_name", "region", "registry", "right", "units", "valid_from", "valid_to", "reason"];
const DEREGISTRATION: [&str; 4] = ["user_name", "region", "registry", "reason"];
/// What a page's form has besides.
const OWN: [&str; 2] = ["form", "version"];

/// A form's fields as they are typed. Its `Debug` does not show them.
#[derive(Clone)]
pub(super) struct Sheet {
    kind: Kind,
    values: BTreeMap<&'static str, String>,
    /// Names of fields that no such form has.
    strange: Vec<String>,
}

impl std::fmt::Debug for Sheet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Sheet({})", self.kind)
    }
}

const fn names(kind: Kind) -> &'static [&'static str] {
    match kind {
        Kind::Application => &APPLICATION,
        Kind::Alteration => &ALTERATION,
        Kind::Deregistration => &DEREGISTRATION,
    }
}

impl Sheet {
    pub(super) fn new(kind: Kind) -> Self {
        Self { kind, values: BTreeMap::new(), strange: Vec::new() }
    }

    /// What somebody typed.
    pub(super) fn typed(kind: Kind, typed: &Typed) -> Self {
        let known = names(kind);
        let values = known.iter().map(|name| (*name, typed.get(name).replace("\r\n", "\n"))).collect();
        let strange = typed.names().filter(|name| !known.contains(name) && !OWN.contains(name)).map(str::to_owned);
        Self { kind, values, strange: strange.collect() }
    }

    /// What was kept, to be changed.
    pub(super) fn kept(form: &Form) -> Self {
        let mut sheet = Self::new(form.content.kind());
        sheet.set("region", form.region.as_str());
        sheet.set("registry", form.registry.as_str());
        match &form.content {
            Content::Application(kept) => {
                sheet.set("name", &kept.name);
                sheet.set("number", form.subject.number.as_ref().map_or("", PatientId::expose));
                sheet.set("hsa", form.subject.hsa.as_ref().map_or("", |hsa| hsa.as_str()));
                sheet.set("title", &kept.title);
                sheet.set("unit", &kept.unit.0);
                sheet.set("unit_hsa", kept.unit.1.as_str());
                sheet.set("address", kept.address.join("\n"));
                sheet.set("telephone", &kept.telephone);
                sheet.set("mobile", kept.mobile.as_deref().unwrap_or_default());
                sheet.set("email", kept.email.as_deref().unwrap_or_default());
                sheet.set("right", kept.right.as_str());
                sheet.set("valid_from", day::day(kept.valid_from));
                sheet.set("valid_to", kept.valid_to.map(day::last_day).unwrap_or_default());
                sheet.set("purpose", &kept.purpose);
            }
            Content::Alteration(kept) => {
                sheet.set("reason", &kept.reason);
                sheet.set("right", "none");
                if let Some(grant) = kept.rights.first() {
                    let units: Vec<&str> = grant.units.iter().map(contract::id::HsaId::as_str).collect();
                    sheet.set("right", grant.right.as_str());
                    sheet.set("units", units.join("\n"));
                    sheet.set("valid_from", day::day(grant.valid_from));
                    sheet.set("valid_to", grant.valid_to.map(day::last_day).unwrap_or_default());
                }
            }
            Content::Deregistration(kept) => sheet.set("reason", &kept.reason),
        }
        sheet
    }

    pub(super) fn get(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    pub(super) fn set(&mut self, name: &'static str, value: impl Into<String>) {
        self.values.insert(name, value.into());
    }

    /// Without something that a page keeps beside the form.
    pub(super) fn without(&self, name: &str) -> Self {
        let mut sheet = self.clone();
        sheet.values.remove(name);
        sheet
    }

    /// As the interface reads it, about an account if the form says which.
    pub(super) fn fields(&self, account: Option<AccountId>, now: Micros) -> Fields {
        let today = day::day(now);
        let mut map = Map::new();
        map.insert("kind".to_owned(), self.kind.as_str().into());
        if let Some(account) = account {
            map.insert("account".to_owned(), account.to_string().into());
        }
        for (name, value) in &self.values {
            // Which account it is about was looked up by it.
            if value.is_empty() || *name == "user_name" {
                continue;
            }
            // From now on: midnight may be before what somebody holds already, and so be more than that.
            if *name == "valid_from" && *value == today {
                continue;
            }
            let moment = |at: Option<_>| at.map_or_else(|| value.clone(), contract::instant::text);
            let value = match *name {
                "address" | "units" => {
                    Value::from(value.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>())
                }
                "valid_from" => moment(day::begin(value)).into(),
                "valid_to" => moment(day::end(value)).into(),
                _ => value.as_str().into(),
            };
            map.insert((*name).to_owned(), value);
        }
        for name in &self.strange {
            // By a name that nothing else has: it is told as unknown, whatever it is.
            map.insert(format!("?{name}"), Value::Null);
        }
        Fields::typed(map)
    }
}
