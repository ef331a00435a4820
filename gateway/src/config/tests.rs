use super::*;
use std::fs;

/// The example settings, in a folder of their own beside the routes they name.
fn example() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config");
    for file in ["gateway.toml", "routes.toml"] {
        fs::copy(config.join(file), dir.path().join(file)).expect("copies");
    }
    dir
}

fn problems(result: Result<Config, Problems>) -> Vec<String> {
    result.err().map(|p| p.0.iter().map(ToString::to_string).collect()).unwrap_or_default()
}

#[test]
fn the_examples_are_in_order_and_hold_the_defaults() {
    let dir = example();
    let path = dir.path().join("gateway.toml");
    let config = Config::load(&path, []).expect("the example is in order");
    assert!(!config.routes.routes().is_empty());
    // What the example says of a key with a default is the default.
    let text = fs::read_to_string(&path).expect("reads");
    let defaulted = [
        "threads",
        "handshake_timeout_ms",
        "connections_max",
        "head_bytes_max",
        "idle_timeout_s",
        "drain_timeout_s",
        "stale_after_s",
        "segment_bytes",
        "budget_bytes",
        "gather_us",
        "commit_timeout_ms",
        "grace_s",
        "batch_rows_max",
        "batch_wait_ms",
        "timeout_ms",
        "spool_bytes_max",
    ];
    let bare: String =
        text.lines().filter(|l| !defaulted.iter().any(|k| l.starts_with(k))).collect::<Vec<_>>().join("\n");
    fs::write(&path, bare).expect("writes");
    let defaults = Config::load(&path, []).expect("defaults are in order");
    assert_eq!(format!("{:?}", config.limits), format!("{:?}", defaults.limits));
    assert_eq!(config.journal, defaults.journal);
    assert_eq!(
        format!("{:?}{:?}{:?}", config.clickhouse, config.auditor, config.witness),
        format!("{:?}{:?}{:?}", defaults.clickhouse, defaults.auditor, defaults.witness)
    );
}

#[test]
fn every_mistake_is_named_with_file_line_and_key() {
    let dir = example();
    let path = dir.path().join("gateway.toml");
    let text = fs::read_to_string(&path).expect("reads");
    let text = text
        .replace("name = \"gw1\"", "name = \"Not A Name\"")
        .replace("ops = \"127.0.0.1:9101\"", "ops = \"nowhere\"")
        .replace("grace_s = 3600", "grase_s = 3600")
        .replace("budget_bytes = 10737418240", "budget_bytes = 1000000")
        .replace("url = \"http://127.0.0.1:8123\"", "url = \"ftp://x\"");
    fs::write(&path, &text).expect("writes");
    fs::write(dir.path().join("routes.toml"), "[[route]]\nname = 5\n").expect("writes");
    let found = problems(Config::load(&path, []));
    for key in ["node.name", "listen.ops", "journal.grase_s", "journal.budget_bytes", "clickhouse.url"] {
        let line = text.lines().position(|l| l.trim_start().starts_with(key.rsplit('.').next().unwrap_or(key)));
        let place = format!("gateway.toml:{}: {key}: ", line.map_or(0, |l| l + 1));
        assert!(found.iter().any(|p| p.contains(&place)), "{place} is not among {found:#?}");
    }
    assert!(found.iter().any(|p| p.contains("did you mean \"grace_s\"")), "{found:#?}");
    assert!(found.iter().any(|p| p.contains("routes.toml:2: ")), "mistakes of the routes file, too: {found:#?}");
}

#[test]
fn values_that_cannot_work_are_mistakes() {
    let dir = example();
    let path = dir.path().join("gateway.toml");
    for (key, value, why) in [
        ("LISTEN__HOSTS", "[\"https://bad host/\"]", "listen.hosts: \"https://bad host/\" is no host name"),
        ("LISTEN__HOSTS", "[\"\"]", "listen.hosts: \"\" is no host name"),
        ("LISTEN__OPS", "0.0.0.0:8443", "listen.ops: is an address of https, too"),
        ("CLICKHOUSE__URL", "http://", "clickhouse.url: must be http://HOST:PORT"),
        ("CLICKHOUSE__DATABASE", "a b; drop", "clickhouse.database: must be letters"),
        ("WITNESS__URL", "http://witness.example/", "witness.url: must be https://HOST"),
        ("WITNESS__URL", "https://user:pass@witness.example/", "witness.url: must be https://HOST"),
        ("WITNESS__URL", "witness", "witness.url: must be https://HOST"),
        ("WITNESS__CA", "pki/ca.pem", "witness.ca: is for the witness' url"),
        ("WITNESS__TOKEN_FILE", "token", "witness.token_file: is for the witness' url"),
        ("WITNESS__TIMEOUT_MS", "5", "witness.timeout_ms: is 5, and must be 100 to 60000"),
        ("WITNESS__SPOOL_BYTES_MAX", "5", "witness.spool_bytes_max: is 5, and must be"),
        ("WITNESS__FIEL", "x", "did you mean \"file\""),
        ("AUDITOR__DIRECTORY", "[]", "auditor.directory: names 0 auditors, and must name 1 to 8"),
        (
            "AUDITOR__DIRECTORY",
            "[\"unix:a\", \"unix:b\", \"unix:./a\"]",
            "auditor.directory: names \"unix:./a\" twice; leave one out",
        ),
        ("AUDITOR__DIRECTORY", "[\"unix:a\", \"b\"]", "auditor.directory: is \"b\", and must be unix:PATH or https://"),
        ("AUDITOR__DIRECTORY", "[\"unix:a\", 5]", "auditor.directory: item 2 is an integer, where a text is expected"),
        ("AUDITOR__DIRECTORY", "5", "auditor.directory: is an integer, where a text is expected, or a list of such"),
        ("AUDITOR__CA", "ca.pem", "auditor.ca: is not a known key"),
        ("AUDITOR__REGISTRY", "nosuch", "auditor.registry: nosuch is no registry of the routes"),
    ] {
        let https = ("GATEWAY__LISTEN__HTTPS".to_owned(), "[\"0.0.0.0:8443\"]".to_owned());
        let found = problems(Config::load(&path, [https, (format!("GATEWAY__{key}"), value.to_owned())]));
        assert!(found.len() == 1 && found.iter().any(|p| p.contains(why)), "{key}: {found:?}");
    }
}

#[test]
fn witnesses_are_a_file_an_endpoint_or_both() {
    let dir = example();
    let path = dir.path().join("gateway.toml");
    let with = |list: &[(&str, &str)]| {
        let list: Vec<_> =
            list.iter().map(|(key, value)| (format!("GATEWAY__WITNESS__{key}"), (*value).to_owned())).collect();
        Config::load(&path, list).expect("in order").witness
    };
    let none = with(&[]);
    assert!(none.file.is_none() && none.url.is_none());
    let both = with(&[("FILE", "seals.ndjson"), ("URL", "https://witness.example/seals"), ("CA", "ca.pem")]);
    assert_eq!(both.file.as_deref(), Some(dir.path().join("seals.ndjson").as_path()));
    let url = both.url.expect("a url");
    assert_eq!((url.uri.path(), url.ca.as_deref()), ("/seals", Some(dir.path().join("ca.pem").as_path())));
    assert!(with(&[("URL", "http://127.0.0.1:8080/")]).url.is_some_and(|url| url.ca.is_none()));
}

#[test]
fn of_a_file_that_is_not_there_only_that_is_said() {
    let found = problems(Config::load(std::path::Path::new("/nowhere/gateway.toml"), []));
    assert!(matches!(found.as_slice(), [one] if one.contains("cannot be read")), "{found:?}");
}

#[test]
fn the_environment_replaces_values() {
    let dir = example();
    let path = dir.path().join("gateway.toml");
    let over = [("GATEWAY__NODE__NAME".to_owned(), "gw7".to_owned()), ("OTHER".to_owned(), "x".to_owned())];
    let config = Config::load(&path, over).expect("in order");
    assert_eq!(config.node.name.as_str(), "gw7");
    let over = [("GATEWAY__LISTEN__OPS".to_owned(), "x".to_owned())];
    assert!(problems(Config::load(&path, over)).iter().any(|p| p.starts_with("GATEWAY__LISTEN__OPS: listen.ops: ")));
}

#[test]
fn the_auditor_over_tls_needs_a_port_and_certificates() {
    let dir = example();
    let path = dir.path().join("gateway.toml");
    let over = |value: &str| [("GATEWAY__AUDITOR__DIRECTORY".to_owned(), value.to_owned())];
    let found = problems(Config::load(&path, over("https://auditor.example")));
    for key in ["auditor.ca", "auditor.certificate", "auditor.key"] {
        assert!(found.iter().any(|p| p.contains(&format!("{key}: is missing"))), "{found:?}");
    }
    assert!(found.iter().any(|p| p.contains("must name a port")), "{found:?}");
    assert!(problems(Config::load(&path, over("gopher"))).iter().any(|p| p.contains("must be unix:PATH or https://")));
}

#[test]
fn auditors_are_one_or_several_of_either_form() {
    let dir = example();
    let path = dir.path().join("gateway.toml");
    let read = |list: &[(&str, &str)]| {
        let over = list.iter().map(|(key, value)| (format!("GATEWAY__AUDITOR__{key}"), (*value).to_owned()));
        Config::load(&path, over.collect::<Vec<_>>())
    };
    assert!(matches!(read(&[]).expect("in order").auditor.directory.as_slice(), [InternalAddress::Unix(_)]));
    let both = ("DIRECTORY", "[\"https://a.example:1\", \"unix:a\", \"https://b.example:1/\"]");
    let files = [("CA", "ca.pem"), ("CERTIFICATE", "gateway.pem"), ("KEY", "gateway.key")];
    let config = read(&[&[both][..], &files].concat()).expect("in order");
    let place = |address: &InternalAddress| match address {
        InternalAddress::Unix(path) => path.display().to_string(),
        InternalAddress::Tls { authority, host, ca, .. } => format!("{host} {authority} {}", ca.display()),
    };
    let places: Vec<_> = config.auditor.directory.iter().map(place).collect();
    let (ca, socket) = (dir.path().join("ca.pem"), dir.path().join("a"));
    let tls = |host: &str| format!("{host} {host}:1 {}", ca.display());
    assert_eq!(places, [tls("a.example"), socket.display().to_string(), tls("b.example")]);

    let found = problems(read(&[both]));
    let missing = ["ca", "certificate", "key"].map(|key| format!("auditor.{key}: is missing"));
    assert!(found.len() == 3 && missing.iter().all(|m| found.iter().any(|p| p.contains(m))), "{found:?}");

    let list = |count: usize| format!("{:?}", (0..count).map(|n| format!("unix:{n}")).collect::<Vec<_>>());
    assert_eq!(read(&[("DIRECTORY", &list(8))]).expect("in order").auditor.directory.len(), 8);
    let found = problems(read(&[("DIRECTORY", &list(9))]));
    let said = "GATEWAY__AUDITOR__DIRECTORY: auditor.directory: names 9 auditors, and must name 1 to 8";
    assert_eq!(found, [said]);
    let twice = ("DIRECTORY", "[\"https://a.example:1\", \"https://A.example:1/\"]");
    let found = problems(read(&[&[twice][..], &files].concat()));
    assert!(matches!(found.as_slice(), [one] if one.contains("names \"https://A.example:1/\" twice")), "{found:?}");
}
