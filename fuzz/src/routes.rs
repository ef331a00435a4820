//! Routes: any file is read or refused with reasons, and a path's route is the one that a plain matcher picks.

use contract::settings::Document;
use gateway::route::{NoMatch, PARAMS_MAX, Params, Routes, Template};
use http::Method;
use std::fmt::Write;

/// The most templates and paths of one input.
const LINES_MAX: usize = 24;

/// `f`: a file. Else lines: templates (after `+` for POST, else GET), an empty line, paths.
pub fn routes(data: &[u8]) {
    match data {
        [b'f', rest @ ..] => file(rest),
        _ => matching(data),
    }
}

fn file(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let document = Document::parse("routes.toml", text, []);
    let routes = Routes::read(&document);
    let mistakes = document.finish();
    assert_eq!(routes.is_some(), mistakes.is_ok(), "routes, or reasons: {mistakes:?}");
    let Some(routes) = routes else { return };
    for route in routes.routes() {
        let registry = routes.registries().get(route.registry.index()).expect("its registry");
        assert!(registry.hosts.iter().all(|host| routes.serves(host)));
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Segment {
    Literal(Vec<u8>),
    Parameter,
    Rest,
}

struct Line {
    name: String,
    method: Method,
    segments: Vec<Segment>,
}

fn segments(template: &str) -> Vec<Segment> {
    let segment = |text: &str| match text.strip_prefix('{') {
        None => Segment::Literal(text.as_bytes().to_vec()),
        Some(name) if name.starts_with('*') => Segment::Rest,
        Some(_) => Segment::Parameter,
    };
    template.split('/').skip(1).map(segment).collect()
}

fn matching(data: &[u8]) {
    let mut lines = data.split(|byte| *byte == b'\n');
    let mut text = "[[registry]]\nname = \"r\"\nhosts = [\"h\"]\npeers = [\"a:1\"]\n".to_owned();
    let mut table: Vec<Line> = Vec::new();
    for line in lines.by_ref().take_while(|line| !line.is_empty()).take(LINES_MAX) {
        let (method, line) = match line {
            [b'+', rest @ ..] => (Method::POST, rest),
            _ => (Method::GET, line),
        };
        let Ok(template) = std::str::from_utf8(line) else { continue };
        if template.parse::<Template>().is_err() {
            continue;
        }
        let segments = segments(template);
        // The same for the same method is a mistake of the file.
        if table.iter().any(|line| line.segments == segments && line.method == method) {
            continue;
        }
        let name = format!("r{}", table.len());
        write!(
            text,
            "[[route]]\nname = \"{name}\"\nregistry = \"r\"\nmethods = [\"{method}\"]\npath = \"{template}\"\nresource = \"x\"\npatient = {{ in = \"none\" }}\n"
        )
        .expect("a String takes all");
        table.push(Line { name, method, segments });
    }
    let document = Document::parse("routes.toml", &text, []);
    let routes = Routes::read(&document).unwrap_or_else(|| panic!("{:?}", document.finish()));
    for path in lines.take(LINES_MAX) {
        for method in [Method::GET, Method::POST, Method::HEAD] {
            compare(&routes, &table, &method, path);
        }
    }
}

fn compare(routes: &Routes, table: &[Line], method: &Method, path: &[u8]) {
    let found = routes.find("h", method, path);
    assert_eq!(routes.find("H", method, path).is_ok(), found.is_ok(), "a host in another case");
    let asked: Vec<&[u8]> = path.split(|byte| *byte == b'/').skip(1).collect();
    let rooted = path.first() == Some(&b'/');
    let best = |fits: fn(&[Segment], &[&[u8]]) -> bool| {
        table.iter().filter(|line| rooted && fits(&line.segments, &asked)).min_by_key(|line| rank(&line.segments))
    };
    // Who looks at case, and who does not: what they disagree on has no route.
    let strict = best(|segments, asked| fit(segments, asked, |a, b| a == b));
    let loose = best(|segments, asked| fit(segments, asked, <[u8]>::eq_ignore_ascii_case));
    let told = || path.escape_ascii().to_string();
    match &found {
        Ok(matched) => {
            let strict = strict.unwrap_or_else(|| panic!("no template fits {}", told()));
            let here = table.iter().find(|line| line.name == matched.route.name.as_str()).expect("a route");
            assert_eq!(here.segments, strict.segments, "another fits better: {}", told());
            assert!(here.method == *method || (*method == Method::HEAD && here.method == Method::GET));
            params(here, &matched.params, path, &asked);
            let loose = loose.expect("what fits strictly fits");
            // A file may itself have two literals that differ in case only; it then means both.
            let means_both = table.iter().any(|line| is_twin_of(&line.segments, &loose.segments));
            assert!(
                means_both || rank(&loose.segments) == rank(&strict.segments),
                "reached by another case: {}",
                told()
            );
        }
        Err(NoMatch::MethodNotAllowed { allow }) => {
            let strict = strict.unwrap_or_else(|| panic!("no template fits {}", told()));
            for line in table.iter().filter(|line| line.segments == strict.segments) {
                let verb = gateway::route::Verb::of(&line.method).expect("known");
                assert!(allow.contains(verb), "its method is allowed");
                assert_ne!(line.method, *method, "its method is allowed");
            }
        }
        Err(NoMatch::NoRoute) => {
            if let (Some(strict), Some(loose)) = (strict, loose) {
                let twin = table.iter().any(|line| is_twin(&line.segments, &asked));
                assert!(twin || strict.segments != loose.segments, "it has a route: {}", told());
            }
        }
        Err(NoMatch::UnknownHost) => panic!("the host is known"),
    }
}

/// Whether two templates have literals at one place that differ in case only.
fn is_twin_of(segments: &[Segment], others: &[Segment]) -> bool {
    segments.iter().zip(others).any(|pair| match pair {
        (Segment::Literal(one), Segment::Literal(other)) => one != other && one.eq_ignore_ascii_case(other),
        _ => false,
    })
}

/// Whether a literal segment is like the path's but for its case, wherever the rest leads.
fn is_twin(segments: &[Segment], asked: &[&[u8]]) -> bool {
    segments.iter().zip(asked).any(
        |(segment, asked)| matches!(segment, Segment::Literal(bytes) if bytes != asked && bytes.eq_ignore_ascii_case(asked)),
    )
}

/// Literal segments win over parameters, those over the rest, from left to right.
fn rank(segments: &[Segment]) -> Vec<u8> {
    let rank = |segment: &Segment| match segment {
        Segment::Literal(_) => 0,
        Segment::Parameter => 1,
        Segment::Rest => 2,
    };
    segments.iter().map(rank).collect()
}

fn fit(segments: &[Segment], asked: &[&[u8]], same: fn(&[u8], &[u8]) -> bool) -> bool {
    match (segments, asked) {
        ([Segment::Rest], [_, ..]) | ([], []) => true,
        ([Segment::Literal(bytes), segments @ ..], [first, asked @ ..]) => {
            same(bytes, first) && fit(segments, asked, same)
        }
        ([Segment::Parameter, segments @ ..], [first, asked @ ..]) => !first.is_empty() && fit(segments, asked, same),
        _ => false,
    }
}

fn params(line: &Line, params: &Params, path: &[u8], asked: &[&[u8]]) {
    let mut index = 0;
    for (position, segment) in line.segments.iter().enumerate() {
        let wanted = match segment {
            Segment::Literal(_) => continue,
            Segment::Parameter => asked.get(position).map(|segment| segment.to_vec()),
            Segment::Rest => asked.get(position..).map(|rest| rest.join(&b'/')),
        };
        assert_eq!(params.get(index, path), wanted.as_deref(), "another parameter");
        index += 1;
    }
    assert_eq!(params.len(), index);
    assert!(index <= PARAMS_MAX);
}
