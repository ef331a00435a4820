//! `gateway/JOURNAL.md` has every message of the journal and its surroundings, and none that is no more.
//!
//! Messages are found in the text of the sources: what `#[error("…")]` says, what is logged as an error or a warning, and
//! what `gateway journal fsck` finds. What stands in braces is another each time, and may have another name on the page.
#![expect(clippy::panic, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// Files, each with the folder of the same name, whose messages are on the page.
const SOURCES: [&str; 6] = ["journal", "journal_cli", "keys", "recorder", "shipper", "witness"];

/// What stands right before a message, or before the `format!` of it.
const SAID: [&str; 4] = ["#[error(", "what: format!(", "let what = format!(", "push(finding("];

/// What stands before a message and perhaps fields.
const LOGGED: [&str; 2] = ["tracing::error!(", "tracing::warn!("];

#[test]
fn the_page_has_every_message_and_no_other() {
    let page = read("gateway/JOURNAL.md");
    let told: BTreeSet<String> = spans(&page).map(|(_, span)| shape(span)).collect();
    let mut given: BTreeMap<String, String> = BTreeMap::new();
    for path in files() {
        let source = read(&path);
        for message in messages(&source) {
            given.entry(shape(&message)).or_insert_with(|| format!("{path}: {message}"));
        }
    }
    for known in [
        "the journal is full",
        "{}; nothing is lost, it is tried again",
        "{} is kept",
        "{}, in ClickHouse; run `auditor migrate`",
    ] {
        assert!(given.contains_key(known), "the search above does not find `{known}` any more");
    }
    let missing: Vec<&String> =
        given.iter().filter(|(shape, _)| !told.contains(*shape)).map(|(_, place)| place).collect();
    assert!(missing.is_empty(), "gateway/JOURNAL.md does not have, in backticks:\n{missing:#?}");
    let stale: Vec<String> = heads(&page).into_iter().filter(|head| !given.contains_key(head)).collect();
    assert!(stale.is_empty(), "gateway/JOURNAL.md explains what no source says:\n{stale:#?}");
}

#[test]
fn the_page_names_alerts_and_metrics_that_are_there() {
    let page = read("gateway/JOURNAL.md");
    let alerts = read("grafana/alerts.yml");
    let records = alerts.split("- name: grindvakt-access").next().unwrap_or_default();
    for alert in records.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")) {
        assert!(page.contains(&format!("`{alert}`")), "the page does not name the alert {alert}");
    }
    let sources: String = files().iter().map(|path| read(path)).collect();
    let words = spans(&page).map(|(_, span)| span.split(' ').next().unwrap_or_default());
    for metric in words.filter(|word| word.starts_with("audit_")) {
        assert!(sources.contains(&format!("\"{metric}\"")), "there is no metric {metric}");
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The sources without their tests.
fn files() -> Vec<String> {
    let mut files = Vec::new();
    for source in SOURCES {
        files.push(format!("gateway/src/{source}.rs"));
        collect(&format!("gateway/src/{source}"), &mut files);
    }
    files
}

fn collect(folder: &str, files: &mut Vec<String>) {
    for entry in std::fs::read_dir(root().join(folder)).into_iter().flatten() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let path = format!("{folder}/{name}");
        if entry.file_type().unwrap().is_dir() {
            collect(&path, files);
        } else if Path::new(&name).extension().is_some_and(|kind| kind == "rs") && !path.contains("tests") {
            files.push(path);
        }
    }
}

fn messages(source: &str) -> Vec<String> {
    let after = |openers: &[&'static str]| -> Vec<&str> {
        openers.iter().flat_map(|opener| source.split(*opener).skip(1).collect::<Vec<_>>()).collect()
    };
    let said = after(&SAID).into_iter().filter_map(|text| {
        let text = text.trim_start();
        Some(literal(&mut text.strip_prefix("format!(").unwrap_or(text).strip_prefix('"')?.chars()))
    });
    let logged = after(&LOGGED).into_iter().filter_map(logged);
    // One that is nothing but what it stands for has no words of its own.
    said.chain(logged).filter(|text| shape(text).contains(char::is_alphabetic)).collect()
}

/// The first text that is an argument by itself, not the value of a field.
fn logged(arguments: &str) -> Option<String> {
    let mut depth = 1_u32;
    let mut before = '(';
    let mut rest = arguments.chars();
    while let Some(c) = rest.next() {
        match c {
            '(' => depth += 1,
            ')' if depth == 1 => return None,
            ')' => depth -= 1,
            '"' => {
                let text = literal(&mut rest);
                if before == ',' || before == '(' {
                    return Some(text);
                }
            }
            _ => {}
        }
        if !c.is_whitespace() {
            before = c;
        }
    }
    None
}

/// The rest of a text in quotes, as it is when it runs.
fn literal(rest: &mut std::str::Chars<'_>) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        match c {
            '"' => break,
            '\\' => match rest.next() {
                // Goes on in the next line.
                Some('\n') => *rest = rest.as_str().trim_start().chars(),
                other => text.extend(other),
            },
            c => text.push(c),
        }
    }
    text
}

/// A message with nothing in its braces and one blank where there are several.
fn shape(message: &str) -> String {
    let mut shape = String::new();
    let mut inside = false;
    for c in message.split_whitespace().collect::<Vec<_>>().join(" ").chars() {
        if c == '}' {
            inside = false;
        }
        if !inside {
            shape.push(c);
        }
        if c == '{' {
            inside = true;
        }
    }
    shape
}

/// What stands in backticks, with the text before it: as many backticks end it as began it.
fn spans(page: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = page;
    std::iter::from_fn(move || {
        let (before, after) = rest.split_once('`')?;
        let more = after.len() - after.trim_start_matches('`').len();
        let (_, after) = after.split_at(more);
        let (span, after) = after.split_once("`".repeat(more + 1).as_str())?;
        rest = after;
        Some((before, span))
    })
}

/// The messages with which items of lists begin: `one`, `another`: what it means.
fn heads(page: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let mut head = false;
    for (before, span) in spans(page) {
        let item = before.lines().last().is_some_and(|line| line.trim_start() == "- ");
        head = item || (head && before.trim() == ",");
        if head {
            heads.push(shape(span));
        }
    }
    heads
}
