//! How fast response bodies are scanned for patients.

use contract::identity::{Series, Year};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gateway::disclosure::scan::{Form, Hit, Scanner};
use gateway::patient::Reading;
use gateway::route::FieldPath;
use std::hint::black_box;

/// A body of about `bytes` bytes: items between a head and a tail.
fn list(head: &str, item: impl Fn(usize) -> String, separator: &str, tail: &str, bytes: usize) -> String {
    let mut body = head.to_owned();
    for index in 0.. {
        if body.len() >= bytes {
            break;
        }
        if index > 0 {
            body.push_str(separator);
        }
        body.push_str(&item(index));
    }
    body + tail
}

/// An entry of a registry: short numbers, dates, times, UUIDs, and an identity if one is given.
fn visit(index: usize, identity: &str) -> String {
    let (day, minute) = (index % 28 + 1, index % 60);
    format!(
        r#"{{"id":{index},"uuid":"3f2504e0-4f89-41d3-9a0c-{:012x}","name":"Testa Exempelsson {index}",{identity}"unit":{{"hsaId":"SE0000000000-E001","name":"Exempelmottagningen Norr","tags":["a","b",{minute}]}},"date":"2024-03-{day:02}","updated":"2024-03-{day:02}T12:{minute:02}:07.123Z","created":{},"examination":"Spirometri","fev1":{}.{minute},"result":"Normal, inga \"avvikelser\" noterade vid bes\u00f6ket","weight":null,"done":true}}"#,
        index * 7919,
        1_732_301_234_567 + index as u64 * 1000,
        index % 5,
    )
}

fn row(index: usize) -> String {
    format!(
        "<tr class=\"row odd\"><td><a href=\"/visits/{index}\">Testa Exempelsson</a></td><td>2024-03-{:02} 12:34</td><td>Exempelmottagningen Norr</td><td class=\"n\">{}.5 kg</td></tr>\n",
        index % 28 + 1,
        index % 100
    )
}

fn resource(index: usize) -> String {
    format!(
        r#"{{"fullUrl":"https://r.example/fhir/Observation/{index}","resource":{{"resourceType":"Observation","id":"{index}","meta":{{"versionId":"1","lastUpdated":"2024-03-01T12:00:00Z"}},"status":"final","category":[{{"coding":[{{"system":"http://terminology.hl7.org/CodeSystem/observation-category","code":"vital-signs"}}]}}],"code":{{"coding":[{{"system":"http://loinc.org","code":"20150-9","display":"FEV1"}}],"text":"FEV1"}},"subject":{{"reference":"Patient/{}","display":"Testa Exempelsson"}},"effectiveDateTime":"2024-03-01","valueQuantity":{{"value":3.{},"unit":"L","system":"http://unitsofmeasure.org","code":"L"}}}}}}"#,
        identity(index / 4),
        index % 10
    )
}

/// A synthetic identity: serial numbers 980 to 999 are customary for tests.
fn identity(index: usize) -> String {
    let stem = format!("19{:02}{:02}{:02}98{}", 30 + index % 60, index % 12 + 1, index % 28 + 1, index % 10);
    let fits = |text: &String| contract::identity::parse(text, Year(2026)).is_ok();
    (0..10).map(|check| format!("{stem}{check}")).find(fits).expect("one fits")
}

fn paths(texts: &[&str]) -> std::sync::Arc<[FieldPath]> {
    texts.iter().map(|text| FieldPath::parse(text).expect("a path")).collect()
}

fn scan(form: &Form, body: &[u8]) -> Vec<Hit> {
    let mut scanner = Scanner::new(form.clone(), Reading { year: Year(2026), series: Series::default() });
    let mut hits = Vec::new();
    // As a connection reads.
    for piece in body.chunks(16 * 1024) {
        scanner.push(piece, &mut hits).expect("reads");
    }
    scanner.finish(&mut hits).expect("whole");
    hits
}

fn response_scan(c: &mut Criterion) {
    let mut group = c.benchmark_group("response scan");
    // Longer ones that name nobody are none that may pass.
    for (size, bytes) in [("64 KiB", 64 * 1024)] {
        let without = list("{\"total\":1,\"items\":[", |index| visit(index, ""), ",", "]}", bytes);
        let shown = |index: usize| visit(index, &format!("\"personnummer\":\"{}\",", identity(index)));
        let with = list("{\"total\":1,\"items\":[", shown, ",", "]}", bytes);
        let html = list("<!doctype html><table>", row, "", "</table>", bytes);
        let bundle = list("{\"resourceType\":\"Bundle\",\"entry\":[", resource, ",", "]}", bytes);
        let note = format!("{{\"items\":[{{\"note\":\"{}\"}}]}}", "inga avvikelser. ".repeat(bytes / 17));
        let items = Form::Json(paths(&["items[*].personnummer"]));
        for (name, form, body, hit) in [
            ("text, JSON without", &Form::Text, &without, false),
            ("text, JSON with", &Form::Text, &with, true),
            ("text, HTML", &Form::Text, &html, false),
            ("json, without", &items, &without, false),
            ("json, elsewhere", &Form::Json(paths(&["results[*].personnummer"])), &without, false),
            ("json, long strings", &items, &note, false),
            ("json, with", &items, &with, true),
            ("fhir", &Form::Fhir, &bundle, true),
        ] {
            let named = scan(form, body.as_bytes()).iter().any(|hit| matches!(hit, Hit::Patient { .. }));
            assert_eq!(named, hit, "{name}");
            group.throughput(Throughput::Bytes(body.len() as u64));
            group.bench_function(format!("{name}, {size}"), |b| b.iter(|| scan(form, black_box(body.as_bytes()))));
        }
    }
    group.finish();
}

criterion_group!(benches, response_scan);
criterion_main!(benches);
