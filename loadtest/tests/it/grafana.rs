//! Grafana's board and Prometheus' alerts, run: a real Prometheus scrapes the real programs, and each expression of each
//! panel gives data. An alert's expression may give nothing, but every metric that it names must exist.
#![expect(clippy::indexing_slicing, reason = "tests")]

use crate::whole;
use http::{Request, header};
use loadtest::client::login::Session;
use loadtest::client::{Connection, Protocol, empty, plain, read_all};
use loadtest::stack::people::{ANNA, CECILIA};
use loadtest::stack::ports::free_port;
use loadtest::stack::process::{Keeper, Plan, Process};
use loadtest::stack::{Stack, loopback};
use serde_json::Value;
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(20);
const SCRAPED_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test]
async fn every_expression_of_board_and_alerts_finds_its_metrics() {
    let Some(program) = whole::tool(&["prometheus"]) else { return };
    let (stack, dir) = whole::start(&[]).await;
    let keeper = Keeper::start().unwrap();
    let (prometheus, address) = prometheus(&keeper, &program, &stack, dir.path()).await;
    traffic(&stack).await;

    let board = board();
    let mut faults = Vec::new();
    let mut asked = 0;
    for (panel, target) in targets(&board) {
        asked += 1;
        let found = match target.get("expr").and_then(Value::as_str) {
            // Rates need two scrapes, and ClickHouse its rows: what is not there at once is asked for again.
            Some(expression) => patiently(async || data(address, &filled(expression)).await).await,
            None => patiently(async || rows(&stack, target["rawSql"].as_str().unwrap()).await).await,
        };
        if let Err(fault) = found {
            faults.push(format!("panel «{panel}»: {fault}"));
        }
    }
    assert!(asked > 40, "the board has panels");

    let names = metric_names(&stack).await;
    let expressions =
        targets(&board).into_iter().filter_map(|(_, target)| target["expr"].as_str().map(filled)).chain(alerts());
    for expression in expressions {
        if let Err(fault) = query(address, &expression).await {
            faults.push(fault);
        }
        for name in named(&expression) {
            if !names.contains(&name) {
                faults.push(format!("no program has the metric {name}: {expression}"));
            }
        }
    }
    assert!(faults.is_empty(), "\n{}\n", faults.join("\n"));
    drop(prometheus);
    stack.stop().await;
}

#[test]
fn the_board_is_one_that_people_can_read() {
    let board = board();
    let panels: Vec<&Value> = board["panels"].as_array().unwrap().iter().collect();
    let mut ids = BTreeSet::new();
    let mut titles = BTreeSet::new();
    let mut row = "";
    for panel in &panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "«{title}» has another panel's id");
        if panel["type"] == "row" {
            row = title;
            continue;
        }
        assert!(titles.insert((row, title)), "two panels «{title}»");
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "«{title}» says what it shows");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "«{title}» has a unit");
        assert!(!panel["targets"].as_array().unwrap().is_empty(), "«{title}» asks something");
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("grafana")
}

fn board() -> Value {
    serde_json::from_slice(&std::fs::read(folder().join("dashboards/operations.json")).unwrap()).unwrap()
}

fn targets(board: &Value) -> Vec<(String, &Value)> {
    let panels = board["panels"].as_array().unwrap().iter();
    panels
        .filter(|panel| panel["type"] != "row")
        .flat_map(|panel| {
            let title = panel["title"].as_str().unwrap().to_owned();
            panel["targets"].as_array().unwrap().iter().map(move |target| (title.clone(), target))
        })
        .collect()
}

/// An expression as Grafana sends it.
fn filled(expression: &str) -> String {
    expression.replace("$__rate_interval", "30s").replace("$gateway", ".*")
}

/// The alerts' expressions. The file is plain enough: an expression stands on one line.
fn alerts() -> Vec<String> {
    let text = std::fs::read_to_string(folder().join("alerts.yml")).unwrap();
    let alerts = text.lines().filter(|line| line.trim_start().starts_with("- alert:")).count();
    let found: Vec<String> =
        text.lines().filter_map(|line| line.trim_start().strip_prefix("expr: ")).map(str::to_owned).collect();
    assert_eq!(found.len(), alerts);
    found
}

/// Prometheus with the repository's rules, and the stack's addresses in place of those in its settings.
async fn prometheus(keeper: &Keeper, program: &Path, stack: &Stack, dir: &Path) -> (Process, SocketAddr) {
    let settings = std::fs::read_to_string(folder().join("prometheus.yml")).unwrap();
    let settings = settings
        .replace("gateway:9101", &stack.ops().to_string())
        .replace("auditor:9481", &loopback(stack.settings().ports.auditor_ops).to_string())
        .replace("alerts.yml", folder().join("alerts.yml").to_str().unwrap())
        .replace("15s", "1s");
    let file = dir.join("prometheus.yml");
    std::fs::write(&file, settings).unwrap();
    let address = loopback(free_port().unwrap());
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let arguments = vec![
        format!("--config.file={}", text(&file)),
        format!("--storage.tsdb.path={}", text(&dir.join("prometheus"))),
        format!("--web.listen-address={address}"),
    ];
    let plan = Plan {
        name: "prometheus",
        program: program.to_owned(),
        arguments,
        log: dir.join("prometheus.log"),
        ready_file: dir.join("prometheus.ready"),
    };
    let mut process = Process::start(keeper, plan).unwrap();
    process
        .until("was ready", SCRAPED_WITHIN, async move || match plain::get(address, "/-/ready").await {
            Ok((status, _)) if status.is_success() => Some(()),
            _ => None,
        })
        .await
        .unwrap();
    (process, address)
}

/// Something of everything: reads, a list, refusals, a handshake without a certificate, a revoked device.
async fn traffic(stack: &Stack) {
    let patients = whole::POPULATION.patients();
    let target = stack.target();
    let (here, there) = (stack.device("mottagning").unwrap(), stack.device("avdelning").unwrap());
    let anna = stack.log_in(&ANNA, &here).await.unwrap();
    let cecilia = stack.log_in(&CECILIA, &there).await.unwrap();
    for protocol in [Protocol::Http1, Protocol::Http2] {
        for (device, session) in [(&here, Some(&anna)), (&there, Some(&cecilia)), (&here, None)] {
            let mut connection = Connection::open(&target, device, protocol).await.unwrap();
            for patient in patients.iter().take(20) {
                for path in [format!("/api/patients/{}", patient.id.expose()), "/there/is/no/such/page".to_owned()] {
                    let mut request = Request::get(path).header(header::ACCEPT, "application/json");
                    if let Some((name, value)) = session.map(Session::header) {
                        request = request.header(name, value);
                    }
                    let response = connection.send(request.body(empty()).unwrap(), LIMIT).await.unwrap();
                    let _ = read_all(response, 1 << 20).await.unwrap();
                }
            }
        }
    }
    // A client that speaks no TLS at all: a handshake that is refused.
    assert!(plain::get(target.address, "/").await.is_err(), "the gateway speaks TLS only");
    let auditor = &stack.settings().programs.auditor;
    let settings = stack.layout().auditor_settings();
    let device = stack.enrolled().devices["avdelning"].device.clone();
    whole::run(std::process::Command::new(auditor).args(["device", "revoke", &device, "--config"]).arg(settings));
}

/// Asks until there is data or the time is up.
async fn patiently(mut ask: impl AsyncFnMut() -> Result<(), String>) -> Result<(), String> {
    let deadline = std::time::Instant::now() + SCRAPED_WITHIN;
    loop {
        match ask().await {
            Ok(()) => return Ok(()),
            Err(why) if std::time::Instant::now() >= deadline => return Err(why),
            Err(_) => tokio::time::sleep(Duration::from_millis(250)).await,
        }
    }
}

/// The expression gives at least one series.
async fn data(address: SocketAddr, expression: &str) -> Result<(), String> {
    match query(address, expression).await?.as_array() {
        Some(series) if !series.is_empty() => Ok(()),
        _ => Err(format!("no data: {expression}")),
    }
}

async fn query(address: SocketAddr, expression: &str) -> Result<Value, String> {
    let escaped = percent_encoding::utf8_percent_encode(expression, percent_encoding::NON_ALPHANUMERIC);
    let (status, body) =
        plain::get(address, &format!("/api/v1/query?query={escaped}")).await.map_err(|error| error.to_string())?;
    let answer: Value = serde_json::from_slice(&body).map_err(|error| format!("{status}: {error}"))?;
    if answer["status"] != "success" {
        return Err(format!("{}: {expression}", answer["error"]));
    }
    Ok(answer["data"]["result"].clone())
}

/// A statement to ClickHouse gives rows, asked as Grafana asks: for a reader, with its macros filled in.
async fn rows(stack: &Stack, sql: &str) -> Result<(), String> {
    let mut sql = sql.to_owned();
    while let Some(start) = sql.find("$__timeFilter(") {
        let end = start + sql[start..].find(')').ok_or("an open macro")?;
        let column = sql[start + "$__timeFilter(".len()..end].to_owned();
        sql.replace_range(
            start..=end,
            &format!("({column} >= now() - INTERVAL 3 HOUR AND {column} <= now() + INTERVAL 1 MINUTE)"),
        );
    }
    assert!(!sql.contains("$_"), "a macro that is not filled in: {sql}");
    let client = stack.clickhouse().map_err(|error| error.to_string())?;
    let count = client.query(&format!("SELECT count() FROM ({sql})")).fetch_one::<u64>().await;
    match count {
        Ok(0) => Err(format!("no rows: {sql}")),
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{error}: {sql}")),
    }
}

/// What the programs expose, and what they would expose once it has happened: a counter by reason shows itself with its
/// first reason only, so the names in the programs' text count too.
async fn metric_names(stack: &Stack) -> BTreeSet<String> {
    let mut names = BTreeSet::from(["up".to_owned()]);
    for address in [stack.ops(), loopback(stack.settings().ports.auditor_ops)] {
        let (_, text) = plain::get(address, "/metrics").await.unwrap();
        for line in String::from_utf8_lossy(&text).lines().filter(|line| !line.starts_with('#')) {
            names.extend(line.split(['{', ' ']).next().map(str::to_owned));
        }
    }
    let mut folders: Vec<PathBuf> =
        ["gateway/src", "auditor/src"].map(|src| folder().parent().unwrap().join(src)).to_vec();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(text) = std::fs::read_to_string(&path)
                && text.contains("Vec::new(")
            {
                names.extend(text.split('"').skip(1).step_by(2).filter(|word| is_name(word)).map(str::to_owned));
            }
        }
    }
    names
}

fn is_name(word: &str) -> bool {
    word.contains('_') && word.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

/// The metrics that an expression names: words that are no function, no keyword, no label and no unit.
fn named(expression: &str) -> BTreeSet<String> {
    let mut names = BTreeSet::new();
    let (mut word, mut in_braces, mut in_quotes) = (String::new(), false, false);
    for character in expression.chars().chain([' ']) {
        match character {
            '"' => in_quotes = !in_quotes,
            _ if in_quotes => {}
            '{' => in_braces = true,
            '}' => in_braces = false,
            _ if in_braces => {}
            c if c.is_ascii_alphanumeric() || c == '_' => {
                word.push(c);
                continue;
            }
            _ => {}
        }
        let taken = std::mem::take(&mut word);
        if character != '(' && (is_name(&taken) || taken == "up") {
            names.insert(taken);
        }
    }
    names
}

#[test]
fn metrics_are_told_from_the_rest_of_an_expression() {
    let found = |expression| named(expression).into_iter().collect::<Vec<_>>();
    assert_eq!(
        found("histogram_quantile(0.9, sum by (le, registry) (rate(request_seconds_bucket{instance=~\".*\"}[30s])))"),
        ["request_seconds_bucket"]
    );
    assert_eq!(
        found("max by (instance) (audit_a / audit_b) > 0.8 or up{job=\"gateway\"} == 0"),
        ["audit_a", "audit_b", "up"]
    );
    assert_eq!(filled("x{instance=~\"$gateway\"}[$__rate_interval]"), "x{instance=~\".*\"}[30s]");
    assert!(alerts().len() > 5);
}
