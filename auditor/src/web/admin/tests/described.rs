//! The description says what the router serves, and what it answers.

use super::super::{BASE, openapi, routes};
use super::bed::{Answer, Bed};
use crate::duties::Region;
use axum::http::header;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static API: LazyLock<Value> =
    LazyLock::new(|| serde_json::from_str(&openapi::text().expect("writes")).expect("is JSON"));

/// The names of all operations.
pub(super) fn operations() -> BTreeSet<String> {
    let of = |path: &Value| path.as_object().cloned().unwrap_or_default().into_iter().map(|(_, operation)| operation);
    let all = API["paths"].as_object().into_iter().flatten().flat_map(|(_, path)| of(path));
    all.filter_map(|operation| operation["operationId"].as_str().map(str::to_owned)).collect()
}

/// An answer is one that the description names, of the form that it says.
pub(super) fn holds(method: &str, path: &str, answer: &Answer) {
    assert_eq!(answer.headers[header::CACHE_CONTROL], "no-store", "{path}");
    let path = path.split('?').next().unwrap_or_default();
    let Some(known) = routes().into_iter().map(|(known, _)| known).find(|known| fits(known, path)) else {
        assert_eq!(answer.status.as_u16(), 404, "{path} is not served");
        return;
    };
    let operation = &API["paths"][known][method.to_ascii_lowercase()];
    if operation.is_null() {
        assert_eq!(answer.status.as_u16(), 405, "{method} {known} is not described");
        return;
    }
    let response = &operation["responses"][answer.status.as_u16().to_string()];
    assert!(!response.is_null(), "{method} {known} does not say that it answers {}: {}", answer.status, answer.text);
    let kind = answer.headers[header::CONTENT_TYPE].to_str().expect("text");
    let content = &response["content"][kind];
    assert!(!content.is_null(), "{method} {known} {} says nothing of {kind}", answer.status);
    if !content["schema"].is_null() {
        fits_schema(&content["schema"], &answer.json(), &format!("{method} {known} {}", answer.status));
    }
}

fn fits(known: &str, path: &str) -> bool {
    let (known, path): (Vec<_>, Vec<_>) = (known.split('/').collect(), path.split('/').collect());
    known.len() == path.len() && known.iter().zip(&path).all(|(known, path)| known == path || known.starts_with('{'))
}

/// What of JSON Schema the description uses.
fn fits_schema(schema: &Value, value: &Value, place: &str) {
    if let Some(name) = schema["$ref"].as_str() {
        let name = name.strip_prefix("#/components/schemas/").expect("ours");
        let schema = &API["components"]["schemas"][name];
        assert!(!schema.is_null(), "{place}: there is no {name}");
        return fits_schema(schema, value, place);
    }
    for several in ["oneOf", "anyOf"] {
        if let Some(schemas) = schema[several].as_array() {
            let fitting =
                schemas.iter().any(|schema| std::panic::catch_unwind(|| fits_schema(schema, value, place)).is_ok());
            assert!(fitting, "{place}: {value} is none of {schema}");
            return;
        }
    }
    // An object of several parts: none knows the others' fields.
    if let Some(parts) = schema["allOf"].as_array() {
        let mut fields = value.as_object().cloned().expect("an object");
        for part in parts {
            let part = part["$ref"].as_str().map_or(part, |name| {
                &API["components"]["schemas"][name.strip_prefix("#/components/schemas/").expect("ours")]
            });
            let known = part["properties"].as_object().expect("properties");
            let own = known.keys().filter_map(|name| fields.remove_entry(name)).collect();
            fits_schema(part, &Value::Object(own), place);
        }
        assert!(fields.is_empty(), "{place}: {fields:?} is not described");
        return;
    }
    let kinds: Vec<&str> = match &schema["type"] {
        Value::String(kind) => vec![kind],
        Value::Array(kinds) => kinds.iter().filter_map(Value::as_str).collect(),
        _ => panic!("{place}: {schema} says no type"),
    };
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    assert!(kinds.contains(&kind), "{place}: {value} is not {kinds:?}");
    if let Some(values) = schema["enum"].as_array() {
        assert!(values.contains(value), "{place}: {value} is none of {values:?}");
    }
    if let Value::Array(values) = value {
        for value in values {
            fits_schema(&schema["items"], value, place);
        }
    }
    if let Value::Object(fields) = value {
        let known = schema["properties"].as_object().expect("properties");
        for (name, value) in fields {
            let schema = known.get(name).unwrap_or_else(|| panic!("{place}: {name} is not described"));
            fits_schema(schema, value, &format!("{place} {name}"));
        }
        for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
            assert!(fields.contains_key(name), "{place}: {name} is missing");
        }
    }
}

#[tokio::test]
async fn every_route_is_described_and_everything_described_is_there() {
    let bed = Bed::new().await;
    let who = bed.who(1, &[]).await;
    assert_eq!(API["openapi"].as_str().map(|version| version.starts_with("3.1")), Some(true));
    assert_eq!(API["servers"][0]["url"], BASE);
    let mut served: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for (path, _) in routes() {
        for method in ["GET", "PUT", "POST", "DELETE", "PATCH"] {
            let headers = super::bed::BROWSER;
            let asked = path.replace("{id}", "x");
            if bed.ask(Some(&who), (method, &asked), &headers, "{}".to_owned()).await.status.as_u16() != 405 {
                served.entry(path).or_default().insert(method.to_ascii_lowercase());
            }
        }
    }
    let described = API["paths"].as_object().expect("paths").iter();
    let described: BTreeMap<&str, BTreeSet<String>> = described
        .map(|(path, item)| (path.as_str(), item.as_object().expect("operations").keys().cloned().collect()))
        .collect();
    assert_eq!(served, described);
    let told = bed.get(&who, "/openapi.json").await.is(200);
    assert_eq!(told.json(), *API);
}

/// Bodies have the fields that the description says, and no others; those that it asks for, they need.
#[tokio::test]
async fn bodies_are_read_as_described() {
    let bed = Bed::new().await;
    let all = bed.signer(1, &["account_admin", "approver:12", "device_admin"]).await;
    let form = bed.newcomer(9, Region::Skane).await.id;
    for (schema, path, kind) in [
        ("SentApplication", "/forms".to_owned(), Some("F1")),
        ("SentAlteration", "/forms".to_owned(), Some("F2")),
        ("SentDeregistration", "/forms".to_owned(), Some("F3")),
        ("StepUp", "/step-up".to_owned(), None),
        ("StepUpByPasskey", "/step-up/passkey".to_owned(), None),
        ("SentAppointment", "/appointments".to_owned(), None),
        ("SentOrganisation", "/organisations".to_owned(), None),
        ("SentDevice", "/devices".to_owned(), None),
        ("SentDeviceFile", "/device-files".to_owned(), None),
        ("SentNextFile", format!("/devices/{form}/renew"), None),
        ("SentRevocation", format!("/devices/{form}/revoke"), None),
        ("SentDeviceCode", "/device-codes".to_owned(), None),
        ("SentEnd", format!("/appointments/{form}/end"), None),
        ("Basis", format!("/forms/{form}/approve"), None),
        ("Because", format!("/forms/{form}/refuse"), None),
        ("Because", format!("/forms/{form}/return"), None),
        ("Execution", format!("/forms/{form}/execute"), None),
        ("SentHandout", "/handouts".to_owned(), None),
        ("SentHalf", format!("/handouts/{form}/letter"), None),
        ("SentHalf", format!("/handouts/{form}/posted"), None),
        ("SentHalf", format!("/handouts/{form}/number"), None),
        ("SentCall", format!("/handouts/{form}/called"), None),
        ("SentWay", format!("/handouts/{form}/reroute"), None),
    ] {
        let described = &API["components"]["schemas"][schema];
        let fields: BTreeSet<&str> =
            described["properties"].as_object().expect("fields").keys().map(String::as_str).collect();
        let required: BTreeSet<&str> =
            described["required"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let asked = async |body: Value| {
            let answer = bed.with_tag(&all, ("POST", &path), "\"2\"", &body).await;
            let wrong = answer.wrong();
            wrong.into_iter().map(|(field, code)| (field.trim_start_matches('/').to_owned(), code)).collect::<Vec<_>>()
        };
        let mut body = serde_json::json!({ "unheard": 7 });
        for field in &fields {
            body[*field] = 7.into();
        }
        if let Some(kind) = kind {
            body["kind"] = kind.into();
        }
        let wrong = asked(body.clone()).await;
        let read: BTreeSet<&str> =
            wrong.iter().filter(|(_, code)| code != "unknown").map(|(field, _)| field.as_str()).collect();
        assert_eq!(read, fields, "{schema} {wrong:?}");
        assert!(wrong.contains(&("unheard".to_owned(), "unknown".to_owned())), "{schema}");
        let empty =
            kind.map_or(serde_json::json!({ "unheard": 7 }), |kind| serde_json::json!({ "kind": kind, "unheard": 7 }));
        let wrong = asked(empty).await;
        let missing: BTreeSet<&str> =
            wrong.iter().filter(|(_, code)| code == "missing").map(|(field, _)| field.as_str()).collect();
        assert_eq!(missing, required, "{schema} {wrong:?}");
    }
}

/// Each operation has a name and words of its own, and each field some words.
#[test]
fn everything_is_said_in_words() {
    let mut names = BTreeSet::new();
    for (path, item) in API["paths"].as_object().expect("paths") {
        for (method, operation) in item.as_object().expect("operations") {
            let name = operation["operationId"].as_str().expect("a name");
            assert!(names.insert(name), "{method} {path}: {name} is another's");
            assert!(operation["summary"].is_string(), "{method} {path}");
        }
    }
    for (name, schema) in API["components"]["schemas"].as_object().expect("schemas") {
        for (field, said) in schema["properties"].as_object().into_iter().flatten() {
            let words = said["description"].is_string() || said["$ref"].is_string() || said["oneOf"].is_array();
            assert!(words, "{name} {field}");
        }
    }
}
