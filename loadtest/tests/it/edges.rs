//! Which way code may depend: each module's `crate::` paths, held against the tables below.
//!
//! A module is a file at the root of a crate's `src` with the folder of the same name. Paths are found in the text:
//! comments, texts in quotes and tests are left out, groups in braces are taken apart. Another module may be named by
//! `crate::` only, so that its edge is seen.
#![expect(clippy::indexing_slicing, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// What a crate's modules may name.
struct Rules {
    name: &'static str,
    /// A module, and the modules that it may name. A module that is not here is a mistake.
    may_name: &'static [(&'static str, &'static [&'static str])],
    /// Modules that name each other, and why they may.
    mutual: &'static [(&'static str, &'static str, &'static str)],
    /// Modules without clock, files, network or tasks: the same arguments give the same answer.
    pure: &'static [&'static str],
    /// Dependencies that only these modules may name.
    only_in: &'static [(&'static str, &'static [&'static str])],
}

const GATEWAY: Rules = Rules {
    name: "gateway",
    may_name: &[
        // Leaves: they name nothing of the gateway's.
        ("clock", &[]),
        ("console", &[]),
        ("geo", &[]),
        ("journal", &[]),
        ("keys", &["journal"]),
        ("task", &[]),
        // What a request means, and what is allowed.
        ("hygiene", &["route"]),
        ("route", &["hygiene"]),
        ("policy", &["route"]),
        ("patient", &["policy", "route"]),
        ("disclosure", &["patient", "route"]),
        ("problem", &["route"]),
        // Who is who.
        ("config", &["journal", "route"]),
        ("tls", &["directory"]),
        ("directory", &["clock", "config", "task", "tls"]),
        ("assertion", &["directory", "keys", "policy"]),
        // The record's way.
        ("recorder", &["clock", "journal", "keys", "task"]),
        ("witness", &["clock", "config", "journal", "task", "tls"]),
        ("shipper", &["clock", "journal", "keys", "task", "witness"]),
        ("journal_cli", &["clock", "config", "console", "journal", "keys", "shipper"]),
        ("seal_key_cli", &["config", "keys"]),
        // What is looked for where nothing is said.
        ("discover", &["disclosure", "patient", "route"]),
        // Connections and servers behind.
        ("client", &["clock", "directory", "task"]),
        ("upstream", &["config", "route", "task"]),
        ("listener", &["client", "clock", "config", "directory", "geo", "problem", "recorder", "task", "tls"]),
        // The whole.
        ("ops", &["clock", "config", "directory", "journal", "recorder", "shipper", "task", "tls"]),
        (
            "proxy",
            &[
                "assertion",
                "client",
                "clock",
                "config",
                "directory",
                "disclosure",
                "discover",
                "geo",
                "hygiene",
                "keys",
                "patient",
                "policy",
                "problem",
                "recorder",
                "route",
                "task",
                "upstream",
            ],
        ),
        // For fuzz/ alone.
        ("fuzzing", &["journal", "proxy"]),
        ("serve", ALL),
        ("cli", ALL),
        ("main", ALL),
        ("lib", ALL),
        // The simulation of the core: tests alone.
        ("sim", ALL),
    ],
    mutual: &[
        (
            "hygiene",
            "route",
            "a template is checked by the rules of paths; a request's hygiene asks its route's limits",
        ),
        ("directory", "tls", "a handshake asks the directory for revocations; the feed comes over mutual TLS"),
    ],
    pure: &["disclosure", "hygiene", "policy", "patient", "problem"],
    only_in: &[
        ("pingora", &["client", "listener", "proxy", "serve", "tls", "upstream"]),
        ("clickhouse", &["ops", "serve", "shipper"]),
        (
            "prometheus",
            &[
                "directory",
                "journal",
                "listener",
                "ops",
                "proxy",
                "recorder",
                "serve",
                "shipper",
                "sim",
                "upstream",
                "witness",
            ],
        ),
    ],
};

const AUDITOR: Rules = Rules {
    name: "auditor",
    may_name: &[
        ("clock", &[]),
        ("random", &[]),
        ("sealing", &["random"]),
        ("fetch", &[]),
        ("breached", &[]),
        // The domain: pure, and blind to store and web.
        ("accounts", &["sealing"]),
        ("devices", &[]),
        ("sessions", &[]),
        ("duties", &[]),
        ("forms", &["duties"]),
        ("imports", &[]),
        ("emergencies", &[]),
        ("handout", &["accounts", "forms"]),
        // Files and programs.
        ("pki", &["devices", "random"]),
        ("init", &["accounts", "clock", "pki", "random"]),
        ("config", &["accounts", "clock", "devices", "fetch", "handout", "init", "sealing", "sessions", "store"]),
        ("engine", &["clock", "fetch"]),
        // The store, and what reads it.
        (
            "store",
            &[
                "accounts",
                "clock",
                "devices",
                "duties",
                "emergencies",
                "forms",
                "handout",
                "imports",
                "random",
                "sealing",
                "sessions",
            ],
        ),
        ("feed", &["clock", "store"]),
        ("lease", &["clock", "random", "store"]),
        ("outbox", &["clock", "config", "lease", "store"]),
        ("letter", &["clock", "config", "handout", "store"]),
        ("sms", &["clock", "config", "handout", "lease", "net", "store"]),
        ("migrate", &["clock", "config", "outbox"]),
        ("verify", &["clock", "config", "outbox"]),
        ("sweep", &["accounts", "clock", "config", "feed", "issuing", "lease", "sessions", "store"]),
        // Who gets a certificate.
        ("issuing", &["devices", "forms", "pki", "random", "store"]),
        ("enrol", &["clock", "devices", "issuing", "net", "pki", "store"]),
        ("net", &["config"]),
        ("internal", &["clock", "feed", "sessions", "store"]),
        ("ops", &["store"]),
        ("provider", &["accounts", "clock", "config"]),
        (
            "web",
            &[
                "accounts",
                "breached",
                "clock",
                "config",
                "devices",
                "duties",
                "emergencies",
                "forms",
                "handout",
                "imports",
                "issuing",
                "letter",
                "net",
                "pki",
                "provider",
                "random",
                "sealing",
                "sessions",
                "store",
            ],
        ),
        // The whole.
        ("serve", ALL),
        ("cli", ALL),
        ("main", ALL),
        ("lib", ALL),
    ],
    mutual: &[],
    pure: &["accounts", "devices", "duties", "emergencies", "forms", "handout", "imports", "sessions"],
    only_in: &[
        ("sqlx", &["store"]),
        ("clickhouse", &["migrate", "outbox", "verify"]),
        ("cryptoki", &["issuing"]),
        ("libloading", &["engine"]),
        ("openssl", &["cli", "pki"]),
        ("webauthn_rs", &["accounts"]),
    ],
};

const CONTRACT: Rules = Rules {
    name: "contract",
    may_name: &[
        ("wire", &[]),
        ("settings", &[]),
        ("instant", &[]),
        ("identity", &["wire"]),
        ("id", &["identity", "wire"]),
        ("pseudonym", &["id", "identity", "wire"]),
        ("record", &["id", "identity", "pseudonym", "row", "wire"]),
        ("row", &["id", "pseudonym", "record", "seal", "wire"]),
        ("seal", &["id", "wire"]),
        ("schema", &["record", "row", "seal"]),
        ("directory", &["emergency", "id", "record", "wire"]),
        ("emergency", &["id", "pseudonym", "record", "wire"]),
        ("way_back", &[]),
        ("lib", ALL),
    ],
    mutual: &[("record", "row", "rows are made from records; the codes of both stand in one place")],
    pure: &[
        "wire",
        "identity",
        "id",
        "instant",
        "pseudonym",
        "record",
        "row",
        "seal",
        "schema",
        "directory",
        "emergency",
        "way_back",
    ],
    only_in: &[],
};

/// Stands for every module: the few that put the whole together.
const ALL: &[&str] = &["*"];

/// Dependencies that contract must not have: it is what the programs agree on, not how they work.
const NOT_IN_CONTRACT: [&str; 9] =
    ["tokio", "pingora", "hyper", "axum", "sqlx", "clickhouse", "rustls", "clap", "openssl"];

/// Signs of a clock, of files, of the network or of tasks in a module that should be pure.
const IMPURE: [&str; 9] = [
    "std::fs::",
    "std::net::Tcp",
    "std::process::",
    "tokio::",
    ".await",
    "async fn",
    "SystemTime",
    "Instant::now",
    "crate::clock",
];

#[test]
fn modules_name_only_what_their_table_allows() {
    let mut faults = Vec::new();
    for rules in [GATEWAY, AUDITOR, CONTRACT] {
        check(&rules, &mut faults);
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
}

#[test]
fn crates_depend_one_way() {
    let manifest = |name: &str| -> toml::Table {
        std::fs::read_to_string(root().join(name).join("Cargo.toml")).unwrap().parse().unwrap()
    };
    let depends = |name: &str, on: &str| {
        let manifest = manifest(name);
        ["dependencies", "dev-dependencies", "build-dependencies"]
            .iter()
            .filter_map(|kind| manifest.get(*kind)?.as_table())
            .any(|table| table.keys().any(|key| key == on || (on == "pingora" && key.starts_with("pingora"))))
    };
    for (name, on) in [("gateway", "auditor"), ("auditor", "gateway"), ("gateway", "loadtest"), ("auditor", "loadtest")]
    {
        assert!(!depends(name, on), "{name} must not depend on {on}");
    }
    for on in NOT_IN_CONTRACT.into_iter().chain(["gateway", "auditor", "loadtest"]) {
        assert!(!depends("contract", on), "contract must not depend on {on}");
    }
    assert!(!depends("auditor", "pingora"), "only the gateway proxies");
    assert!(
        !depends("loadtest", "gateway") && !depends("loadtest", "auditor"),
        "loadtest tests the programs from outside"
    );
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn check(rules: &Rules, faults: &mut Vec<String>) {
    let src = root().join(rules.name).join("src");
    let sources = sources(&src);
    let modules: BTreeSet<&str> = sources.iter().map(|source| source.module.as_str()).collect();
    let mut edges: BTreeMap<&str, BTreeSet<String>> = BTreeMap::new();
    for source in &sources {
        let place = format!("{}/src/{}", rules.name, source.path.display());
        let Some((_, allowed)) = rules.may_name.iter().find(|(module, _)| *module == source.module) else {
            faults.push(format!("{place}: module {} is not in the table of loadtest/tests/it/edges.rs", source.module));
            continue;
        };
        for target in paths(&source.code, source.depth) {
            // A macro or type of the crate's root is not a module.
            if target == source.module || !modules.contains(target.as_str()) {
                continue;
            }
            if !allowed.contains(&target.as_str()) && *allowed != ALL {
                faults.push(format!("{place}: {} must not name {target}", source.module));
            }
            if *allowed != ALL {
                edges.entry(source.module.as_str()).or_default().insert(target);
            }
        }
        for (dependency, places) in rules.only_in {
            if names_dependency(&source.code, dependency) && !places.contains(&source.module.as_str()) {
                faults.push(format!("{place}: {} must not name {dependency}", source.module));
            }
        }
        if rules.pure.contains(&source.module.as_str()) {
            for sign in IMPURE.iter().filter(|sign| source.code.contains(**sign)) {
                faults.push(format!("{place}: {} is pure, and has `{sign}`", source.module));
            }
        }
    }
    for (left, right, _) in rules.mutual {
        if let Some(targets) = edges.get_mut(left) {
            targets.remove(*right);
        }
    }
    if let Some(circle) = circle(&edges) {
        faults.push(format!("{}: modules name each other in a circle: {}", rules.name, circle.join(" -> ")));
    }
}

/// A file of a crate, without comments, texts and tests.
struct Source {
    path: PathBuf,
    module: String,
    depth: usize,
    code: String,
}

fn sources(src: &Path) -> Vec<Source> {
    let mut found = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            let is_tests = path.file_stem().is_some_and(|stem| stem == "tests");
            if path.is_dir() && !is_tests {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") && !is_tests {
                let path_in = path.strip_prefix(src).unwrap().to_owned();
                let first = path_in.components().next().unwrap().as_os_str().to_str().unwrap();
                let module = first.strip_suffix(".rs").unwrap_or(first).to_owned();
                let depth = if first == "lib.rs" || first == "main.rs" { 0 } else { path_in.components().count() };
                let code = bare(&std::fs::read_to_string(&path).unwrap());
                found.push(Source { path: path_in, module, depth, code });
            }
        }
    }
    found
}

/// Code without comments, texts in quotes, and what follows the tests' heading.
fn bare(text: &str) -> String {
    let text = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(next) = rest.chars().next() {
        let skip = if rest.starts_with("//") {
            rest.find('\n').unwrap_or(rest.len())
        } else if let Some(hashes) = raw_string(rest) {
            let close = format!("\"{}", "#".repeat(hashes));
            let open = hashes + 2;
            rest[open..].find(&close).map_or(rest.len(), |end| open + end + close.len())
        } else if next == '"' {
            quoted(rest)
        } else if rest.starts_with("'\"'") {
            3
        } else {
            out.push(next);
            rest = &rest[next.len_utf8()..];
            continue;
        };
        rest = &rest[skip..];
    }
    out
}

/// How many `#` a raw string that begins here has.
fn raw_string(rest: &str) -> Option<usize> {
    let after = rest.strip_prefix('r')?;
    let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
    (after.as_bytes().get(hashes) == Some(&b'"')).then_some(hashes)
}

/// The length of the quoted text that begins here.
fn quoted(rest: &str) -> usize {
    let mut escaped = false;
    for (position, byte) in rest.bytes().enumerate().skip(1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => return position + 1,
            _ => {}
        }
    }
    rest.len()
}

/// The first parts of all paths from the crate's root.
fn paths(code: &str, depth: usize) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let up = "super::".repeat(depth);
    let starts = |prefix: &str| {
        let prefix = prefix.to_owned();
        code.match_indices(&prefix)
            .map(|(position, _)| (position, position + prefix.len()))
            .filter(|(position, _)| !code[..*position].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':'))
            .map(|(_, end)| end)
            .collect::<Vec<_>>()
    };
    let mut ends = starts("crate::");
    if depth > 0 {
        ends.extend(starts(&up));
    }
    for end in ends {
        let rest = code[end..].trim_start();
        match rest.strip_prefix('{') {
            Some(group) => found.extend(group_heads(group)),
            None => found.extend(word(rest)),
        }
    }
    found
}

/// The first word of each item of a group in braces.
fn group_heads(group: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut level, mut item) = (0_u32, String::new());
    for character in group.chars() {
        match character {
            '}' if level == 0 => break,
            '{' => level += 1,
            '}' => level -= 1,
            ',' if level == 0 => heads.extend(word(std::mem::take(&mut item).trim())),
            _ if level == 0 => item.push(character),
            _ => {}
        }
    }
    heads.extend(word(item.trim()));
    heads
}

fn word(text: &str) -> Option<String> {
    let word: String = text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    (!word.is_empty()).then_some(word)
}

fn names_dependency(code: &str, dependency: &str) -> bool {
    code.match_indices(dependency).any(|(position, _)| {
        let (before, after) = (&code[..position], &code[position + dependency.len()..]);
        !before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.')
            && (after.starts_with("::") || (before.trim_end().ends_with("use") && after.starts_with(';')))
    })
}

/// A circle of modules, if there is one.
fn circle(edges: &BTreeMap<&str, BTreeSet<String>>) -> Option<Vec<String>> {
    fn walk<'a>(
        edges: &'a BTreeMap<&str, BTreeSet<String>>,
        module: &'a str,
        way: &mut Vec<&'a str>,
        done: &mut BTreeSet<&'a str>,
    ) -> Option<Vec<String>> {
        if let Some(position) = way.iter().position(|seen| *seen == module) {
            return Some(way[position..].iter().chain([&module]).map(|name| (*name).to_owned()).collect());
        }
        if !done.insert(module) {
            return None;
        }
        way.push(module);
        let found =
            edges.get(module).and_then(|targets| targets.iter().find_map(|target| walk(edges, target, way, done)));
        way.pop();
        found
    }
    let mut done = BTreeSet::new();
    edges.keys().find_map(|module| walk(edges, module, &mut Vec::new(), &mut done))
}

#[test]
fn paths_are_found_in_code_and_not_elsewhere() {
    let code = bare(
        "//! [`crate::never`]\nuse crate::one::Two;\nuse crate::{three::{self, Four}, five};\nuse super::six::Seven;\n\
         fn f() { let _ = \"crate::quoted\"; let _ = r#\"crate::raw\"#; crate::eight::g(); $crate::nine!(); mycrate::ten(); }\n\
         #[cfg(test)]\nmod tests {\n    use crate::eleven;\n}\n",
    );
    let found: Vec<String> = paths(&code, 1).into_iter().collect();
    assert_eq!(found, ["eight", "five", "nine", "one", "six", "three"]);
    assert!(!paths(&code, 2).contains("six"));
    assert!(names_dependency("use clickhouse::Client;", "clickhouse"));
    assert!(!names_dependency("config.clickhouse.url; crate::clickhouse::x(); contract::clickhouse::y", "clickhouse"));
}

#[test]
fn circles_are_found() {
    let edges = |list: &[(&'static str, &[&str])]| -> BTreeMap<&'static str, BTreeSet<String>> {
        list.iter().map(|(from, to)| (*from, to.iter().map(|name| (*name).to_owned()).collect())).collect()
    };
    assert_eq!(circle(&edges(&[("a", &["b", "c"]), ("b", &["c"]), ("c", &[])])), None);
    assert!(circle(&edges(&[("a", &["b"]), ("b", &["c"]), ("c", &["a"])])).is_some());
}
