//! How long it takes to find a request's route.

use contract::settings::Document;
use criterion::{Criterion, criterion_group, criterion_main};
use gateway::route::Routes;
use http::Method;
use std::fmt::Write;
use std::hint::black_box;

/// A registry with 200 routes, as a large one has.
fn routes() -> Routes {
    let mut text = String::from(
        "[[registry]]\nname = \"r\"\nhosts = [\"r.example\", \"other.example\"]\npeers = [\"127.0.0.1:1\"]\n",
    );
    for i in 0..50 {
        for (j, path) in ["", "/{id}", "/{id}/notes", "/{id}/notes/{note}"].iter().enumerate() {
            let written = write!(
                text,
                "[[route]]\nname = \"r{i}-{j}\"\nregistry = \"r\"\nmethods = [\"GET\", \"POST\"]\npath = \"/api/things{i}{path}\"\nresource = \"x\"\npatient = {{ in = \"none\" }}\n"
            );
            written.expect("a String takes all");
        }
    }
    let document = Document::parse("routes.toml", &text, []);
    Routes::read(&document).expect("a good file")
}

fn route_match(c: &mut Criterion) {
    let routes = routes();
    let mut group = c.benchmark_group("route match");
    for (name, path) in [
        ("literal", "/api/things25"),
        ("one parameter", "/api/things25/191212121212"),
        ("two parameters", "/api/things25/191212121212/notes/7"),
        ("none", "/api/things25/191212121212/notes/7/x"),
    ] {
        group.bench_function(name, |b| {
            b.iter(|| routes.find(black_box("r.example"), black_box(&Method::GET), black_box(path.as_bytes())).is_ok());
        });
    }
    group.finish();
}

criterion_group!(benches, route_match);
criterion_main!(benches);
