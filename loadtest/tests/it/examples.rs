//! The examples of `config/` name every key that the programs read.
#![expect(clippy::panic, reason = "tests")]

use std::collections::BTreeSet;
use std::path::Path;

/// How the programs read a key, up to the key's first quote.
const READS: [&str; 23] = [
    ".section(",
    ".sections(",
    ".parsed(",
    ".parsed_optional(",
    ".parsed_list(",
    ".required(",
    ".optional(",
    ".or(",
    ".within(",
    ".word(",
    ".path_required(",
    ".paths(",
    ".file(",
    ".files(",
    ".file_required(",
    ".file_optional(",
    "one_of(section, ",
    "existing(&tls, ",
    "existing(section, ",
    "secret(",
    "short(section, ",
    "short(&texts, ",
    "words(section, ",
];

/// Functions of the readers that take the section first and then a key.
const READS_OF_TIME: [&str; 3] = ["milliseconds(section, ", "millis(section, ", "seconds(section, "];

fn read(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The keys that a source reads.
fn keys(source: &str) -> BTreeSet<String> {
    // `.required::<String>("key")` as `.required("key")`.
    let mut plain = String::new();
    let mut rest = source;
    while let Some((before, after)) = rest.split_once("::<") {
        plain.push_str(before);
        // Only of method calls: `Vec::<String>::new()` has no key behind it anyway.
        rest = after.split_once(">(").map_or(after, |(_, after)| {
            plain.push('(');
            after
        });
    }
    plain.push_str(rest);
    let calls = READS.iter().chain(&READS_OF_TIME);
    calls
        .flat_map(|call| plain.split(*call).skip(1).collect::<Vec<_>>())
        .filter_map(|after| Some(after.trim_start().strip_prefix('"')?.split_once('"')?.0.to_owned()))
        .filter(|key| !key.is_empty() && key.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        .collect()
}

/// Whether a word stands in a text, not as a part of another.
fn stands(text: &str, word: &str) -> bool {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_').any(|other| other == word)
}

#[test]
fn every_key_that_a_program_reads_is_in_its_example() {
    for (sources, example, some) in [
        (&["gateway/src/config/read.rs"][..], "config/gateway.toml", ["head_timeout_ms", "auditor_public_key"]),
        (&["gateway/src/route/config.rs"], "config/routes.toml", ["anonymous_redirect", "connect_timeout_ms"]),
        (
            &[
                "auditor/src/config.rs",
                "auditor/src/config/devices.rs",
                "auditor/src/config/handout.rs",
                "auditor/src/config/oidc.rs",
                "auditor/src/config/pages.rs",
                "auditor/src/config/siths.rs",
            ],
            "config/auditor.toml",
            ["checks_at_once", "client_ca_file"],
        ),
    ] {
        let text = read(example);
        let keys: BTreeSet<String> = sources.iter().flat_map(|source| keys(&read(source))).collect();
        // The search above still finds what it is for.
        assert!(some.iter().all(|key| keys.contains(*key)), "{sources:?}: {keys:?}");
        let missing: Vec<_> = keys.iter().filter(|key| !stands(&text, key)).collect();
        assert!(missing.is_empty(), "{example} says nothing of {missing:?}");
    }
}

#[test]
fn variables_of_the_log_are_told() {
    let gateway = read("gateway/src/cli.rs");
    for variable in ["GATEWAY_LOG", "GATEWAY_LOG_FORMAT"] {
        assert!(stands(&gateway, variable) && stands(&read("config/gateway.toml"), variable), "{variable}");
    }
    assert!(stands(&read("config/auditor.toml"), "AUDITOR__LOG__LEVEL"));
}
