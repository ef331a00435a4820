//! How long it takes to find a request's patients.

use contract::id::DataKeyId;
use contract::identity::{Series, Year};
use contract::pseudonym::{AuditorPrivateKey, DataKey, PseudonymKey};
use contract::settings::Document;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use gateway::patient::{Input, Reading, extract};
use gateway::route::Routes;
use http::{HeaderMap, Method};
use std::fmt::Write;
use std::hint::black_box;
use uuid::Uuid;
use zeroize::Zeroizing;

fn routes() -> Routes {
    let mut text = String::from("[[registry]]\nname = \"r\"\nhosts = [\"r\"]\npeers = [\"a:1\"]\n");
    for (name, place, field) in [
        ("path", "path", "id"),
        ("query", "query", "identifier"),
        ("json", "json", "entry[*].resource.subject.identifier.value"),
    ] {
        let written = write!(
            text,
            "[[route]]\nname = \"{name}\"\nregistry = \"r\"\nmethods = [\"POST\"]\npath = \"/{name}/{{id}}\"\nresource = \"x\"\npatient = {{ in = \"{place}\", name = \"{field}\" }}\n"
        );
        written.expect("a String takes all");
    }
    Routes::read(&Document::parse("routes.toml", &text, [])).expect("a good file")
}

/// A Bundle of about 64 KiB about one patient.
fn bundle() -> String {
    let entry = format!(
        r#"{{"fullUrl":"urn:uuid:1","resource":{{"resourceType":"Observation","status":"final","note":[{{"text":"{}"}}],"subject":{{"identifier":{{"system":"urn:oid:1.2.752.129.2.1.3.1","value":"191212121212"}}}}}}}}"#,
        "x \\n ".repeat(40)
    );
    let count = 64 * 1024 / (entry.len() + 1);
    format!(r#"{{"resourceType":"Bundle","entry":[{}]}}"#, vec![entry; count].join(","))
}

fn patient_extraction(c: &mut Criterion) {
    let routes = routes();
    let headers = HeaderMap::new();
    let reading = Reading { year: Year(2026), series: Series::default() };
    let bundle = bundle();
    let query = "_count=10&identifier=urn%3Aoid%3A1.2.752.129.2.1.3.1%7C191212121212";
    let mut group = c.benchmark_group("patient extraction");
    for (name, path, query, body) in [
        ("path", "/path/191212121212", None, None),
        ("query", "/query/x", Some(query.as_bytes()), None),
        ("json 64 KiB", "/json/x", None, Some(bundle.as_bytes())),
    ] {
        let matched = routes.find("r", &Method::POST, path.as_bytes()).expect("a route");
        let input = Input { params: &matched.params, path: path.as_bytes(), query, headers: &headers, body };
        assert_eq!(extract(matched.route, &input, reading).found().len(), 1, "{name}");
        group.throughput(Throughput::Bytes(body.map_or(path.len(), <[u8]>::len) as u64));
        group.bench_function(name, |b| b.iter(|| extract(matched.route, black_box(&input), reading)));
    }
    let (_, public) = AuditorPrivateKey::derive(&Zeroizing::new([7; 32]));
    let (key, _) = DataKey::make(DataKeyId::new(Uuid::from_u128(5)), &Zeroizing::new([9; 32]), &public).expect("a key");
    let refs = PseudonymKey::new(&[1; 32]);
    let matched = routes.find("r", &Method::POST, b"/path/191212121212").expect("a route");
    let input =
        Input { params: &matched.params, path: b"/path/191212121212", query: None, headers: &headers, body: None };
    group.throughput(Throughput::Elements(1));
    group.bench_function("path, with pseudonym and seal", |b| {
        b.iter(|| extract(matched.route, black_box(&input), reading).into_entries(&refs, &key));
    });
    group.finish();
}

criterion_group!(benches, patient_extraction);
criterion_main!(benches);
