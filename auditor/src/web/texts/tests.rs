use super::*;
use std::collections::BTreeSet;
use std::path::Path;

/// The keys of a language's files. Every file must be whole.
fn keys(files: &[&str]) -> BTreeSet<String> {
    let mut keys = BTreeSet::new();
    for file in files {
        FluentResource::try_new((*file).to_owned()).unwrap_or_else(|(_, errors)| panic!("{errors:?} in {file}"));
        for line in file.lines() {
            let Some((key, _)) = line.split_once(" =") else { continue };
            if key.starts_with(|c: char| c.is_ascii_lowercase()) {
                assert!(keys.insert(key.to_owned()), "{key} stands there twice");
            }
        }
    }
    keys
}

/// All texts below a folder whose names end so.
fn read(folder: &Path, ending: &str, into: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            read(&path, ending, into);
        } else if path.to_string_lossy().ends_with(ending) {
            into.push(std::fs::read_to_string(&path).expect("a text"));
        }
    }
}

#[test]
fn both_languages_have_the_same_keys() {
    assert_eq!(keys(SWEDISH), keys(ENGLISH));
}

#[test]
fn every_file_is_read() {
    let mut files = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("texts"), ".ftl", &mut files);
    assert_eq!(files.len(), SWEDISH.len() + ENGLISH.len());
}

#[test]
fn what_is_asked_for_is_there_and_what_is_there_is_asked_for() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    read(&root.join("templates"), ".html", &mut sources);
    read(&root.join("src/web"), ".rs", &mut sources);
    let known = keys(SWEDISH);
    // A key is asked for as a text of its own, in code or in a template.
    let quoted: BTreeSet<&str> = sources.iter().flat_map(|source| source.split('"')).collect();
    for source in &sources {
        for asked in source.split(".say(\"").skip(1).chain(source.split(".say_with(\"").skip(1)) {
            let key = asked.split('"').next().expect("a text");
            assert!(known.contains(key), "no file has {key}");
        }
    }
    for key in &known {
        assert!(quoted.contains(key.as_str()), "nobody asks for {key}");
    }
}

#[test]
fn values_stand_in_a_text() {
    let text = Language::English.say_with("page-title", [("page", "A".into()), ("title", "B".into())]);
    assert_eq!(text, "A – B");
    let absent = "no-such-key";
    assert_eq!(Language::Swedish.say(absent), absent);
}
