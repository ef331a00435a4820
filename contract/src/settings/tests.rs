use super::*;

fn problems(document: &Document) -> Vec<String> {
    document.finish().err().map(|p| p.0.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn all_mistakes_at_once_with_line_key_and_cure() {
    let text = "[node]\nname = 5\nnmae = \"x\"\n\n[journal]\nsegment_bytes = 10\nbudget = true\n\n[[route]]\npath = \"/a\"\n[[route]]\n";
    let document = Document::parse("g.toml", text, []);
    let root = document.root();
    let node = root.section("node");
    assert_eq!(node.required::<String>("name"), None);
    node.finish();
    let journal = root.section("journal");
    assert_eq!(journal.within("segment_bytes", 64_u64, 64, 1000), None);
    assert_eq!(journal.or("budget_bytes", 7_u64), Some(7));
    assert_eq!(journal.required::<bool>("sync"), None);
    journal.finish();
    for route in root.sections("route") {
        let _: Option<String> = route.required("path");
        route.finish();
    }
    let absent = root.section("tls");
    assert_eq!(absent.required::<String>("key"), None);
    root.finish();
    assert_eq!(
        problems(&document),
        [
            "g.toml:1: tls.key: is missing",
            "g.toml:2: node.name: is an integer, where a text is expected",
            "g.toml:3: node.nmae: is not a known key; did you mean \"name\"?",
            "g.toml:5: journal.sync: is missing",
            "g.toml:6: journal.segment_bytes: is 10, and must be 64 to 1000",
            "g.toml:7: journal.budget: is not a known key; known here: budget_bytes, segment_bytes, sync",
            "g.toml:11: route[1].path: is missing",
        ]
    );
}

#[test]
fn syntax_errors_are_named_with_their_lines() {
    let document = Document::parse("g.toml", "a = 1\nb = = 2\n[c\n", []);
    let found = problems(&document);
    assert!(found.iter().any(|p| p.starts_with("g.toml:2: ")), "{found:?}");
    assert!(found.iter().any(|p| p.starts_with("g.toml:3: ")), "{found:?}");
}

#[test]
fn the_environment_lies_over_the_file() {
    let over = overrides(
        "GATEWAY",
        [
            ("GATEWAY__JOURNAL__BUDGET_BYTES".to_owned(), "1_000".to_owned()),
            ("GATEWAY__NODE__NAME".to_owned(), "gw2".to_owned()),
            ("GATEWAY__NODE__HOSTS".to_owned(), "[\"a\", \"b\"]".to_owned()),
            ("GATEWAY__NODE__PORT".to_owned(), "many".to_owned()),
            ("OTHER__NODE__NAME".to_owned(), "no".to_owned()),
        ],
    );
    let document = Document::parse("g.toml", "[node]\nname = \"gw1\"\n", over);
    let node = document.root().section("node");
    assert_eq!(node.required::<String>("name").as_deref(), Some("gw2"));
    assert_eq!(node.required::<Vec<String>>("hosts").map(|h| h.len()), Some(2));
    assert_eq!(document.root().section("journal").required::<u64>("budget_bytes"), Some(1000));
    assert_eq!(node.required::<u16>("port"), None);
    assert_eq!(problems(&document), ["GATEWAY__NODE__PORT: node.port: is a text, where an integer is expected"]);
}

#[test]
fn words_and_paths() {
    let document = Document::parse("/etc/g/g.toml", "mode = \"fast\"\nkey = \"a.key\"\nids = [\"1\", \"x\"]\n", []);
    let root = document.root();
    assert_eq!(root.word("mode", None, &[("slow", 1), ("quick", 2)]), None);
    assert_eq!(root.path_required("key"), Some(PathBuf::from("/etc/g/a.key")));
    assert_eq!(root.parsed_list::<u8>("ids"), None);
    assert_eq!(root.word("other", Some(3), &[("a", 1)]), Some(3));
    root.finish();
    assert_eq!(
        problems(&document),
        [
            "/etc/g/g.toml:1: mode: is \"fast\", and must be one of: slow, quick",
            "/etc/g/g.toml:3: ids: \"x\": invalid digit found in string",
        ]
    );
}

#[test]
fn a_file_that_cannot_be_read_is_a_problem_like_others() {
    let document = Document::read(Path::new("/nowhere/g.toml"), []);
    assert!(problems(&document).iter().any(|p| p.starts_with("/nowhere/g.toml:1: cannot be read")));
}
