//! What the comparison reads: the gateway's backlog, ClickHouse's rows, the sample registry's list of changes.

use super::compare::{Comparison, Row};
use crate::backend::changes::{PAGE_MAX, PATH};
use crate::client::{Connection, Protocol, empty, plain, read_all};
use crate::stack::Stack;
use anyhow::Context as _;
use bytes::Bytes;
use contract::Micros;
use contract::pseudonym::PatientRef;
use std::time::{Duration, Instant};
use uuid::Uuid;

const POLL: Duration = Duration::from_millis(100);
const SEALS_LIMIT: Duration = Duration::from_mins(2);
const ANSWER_LIMIT: Duration = Duration::from_secs(10);
/// More than a part of the list has.
const LIST_BYTES_MAX: usize = 16 << 20;

/// Waits until everything that the gateway's journal holds is acknowledged by ClickHouse.
pub(super) async fn until_drained(stack: &mut Stack, limit: Duration) -> anyhow::Result<()> {
    let deadline = Instant::now() + limit;
    loop {
        if let Some(fallen) = stack.fallen() {
            anyhow::bail!(fallen);
        }
        let (_, body) = plain::get(stack.ops(), "/metrics").await.context("the gateway's metrics")?;
        let text = String::from_utf8_lossy(&body);
        let durable = metric(&text, "audit_journal_durable_sequence");
        let acked = metric(&text, "audit_journal_acked_sequence");
        let (Some(durable), Some(acked)) = (durable, acked) else {
            anyhow::bail!("the gateway's metrics do not tell the journal's backlog");
        };
        // The first is the last durable frame, the second the first that is not acknowledged.
        if acked > durable {
            return Ok(());
        }
        anyhow::ensure!(
            Instant::now() < deadline,
            "the gateway's backlog is not drained within {} s: frames up to {durable}, acknowledged below {acked}",
            limit.as_secs()
        );
        tokio::time::sleep(POLL).await;
    }
}

/// What `auditor verify` says of the log.
#[derive(serde::Deserialize)]
pub(super) struct Sealed {
    pub(super) rows: u64,
    /// How many things are wrong.
    pub(super) count: u64,
    findings: Vec<serde_json::Value>,
}

/// Has the auditor hold every row against its seal.
pub(super) async fn verify_seals(stack: &Stack) -> anyhow::Result<Sealed> {
    let mut program = tokio::process::Command::new(&stack.settings().programs.auditor);
    program.args(stack.layout().auditor_arguments(&["verify"])).kill_on_drop(true);
    let output =
        tokio::time::timeout(SEALS_LIMIT, program.output()).await.context("`auditor verify` does not end")??;
    let sealed: Sealed = serde_json::from_slice(&output.stdout)
        .with_context(|| format!("`auditor verify`: {}", String::from_utf8_lossy(&output.stderr).trim_end()))?;
    for finding in sealed.findings.iter().take(20) {
        crate::console::note(&format!("difference: {finding}"));
    }
    Ok(sealed)
}

/// The value of a metric without labels, whatever stands before its name.
fn metric(text: &str, name: &str) -> Option<u64> {
    text.lines().filter(|line| !line.starts_with('#')).find_map(|line| {
        let (key, value) = line.rsplit_once(' ')?;
        if key.ends_with(name) { value.parse().ok() } else { None }
    })
}

/// The changing requests that reached the sample registries.
pub(super) async fn changes(stack: &Stack) -> anyhow::Result<Vec<Uuid>> {
    let registry = stack.registry();
    let mut all = list(async |path: String| Ok(plain::get(registry, &path).await?.1)).await?;
    if let Some((target, device)) = stack.second_registry()? {
        let second = list(async |path: String| {
            let mut connection = Connection::open(&target, &device, Protocol::Http2).await?;
            let request = http::Request::get(path).body(empty())?;
            Ok(read_all(connection.send(request, ANSWER_LIMIT).await?, LIST_BYTES_MAX).await?)
        });
        all.extend(second.await.context("the second registry")?);
    }
    Ok(all)
}

/// Reads a list of changes, part by part.
async fn list(ask: impl AsyncFn(String) -> anyhow::Result<Bytes>) -> anyhow::Result<Vec<Uuid>> {
    let mut all = Vec::new();
    loop {
        let body = ask(format!("{PATH}?after={}", all.len())).await.context("the sample registry's changes")?;
        let before = all.len();
        for line in String::from_utf8_lossy(&body).lines() {
            all.push(Uuid::parse_str(line).context("the sample registry's changes")?);
        }
        if all.len() < before + PAGE_MAX {
            return Ok(all);
        }
    }
}

#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct Access {
    #[serde(with = "clickhouse::serde::uuid")]
    request_id: Uuid,
    patient_ref: [u8; 16],
    denied: u8,
    user_hsa: String,
    #[serde(with = "clickhouse::serde::uuid")]
    device: Uuid,
}

#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct Event {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
}

#[derive(Debug, clickhouse::Row, serde::Deserialize)]
struct Decision {
    said: String,
}

/// What the log says of a request, for a message: when it was decided, how, why, by which state of the directory.
pub(super) async fn recorded(clickhouse: &clickhouse::Client, request: Option<Uuid>) -> anyhow::Result<String> {
    let Some(request) = request else { return Ok(String::new()) };
    let sql = "SELECT concat(toString(ts), ' ', toString(decision), ' ', toString(reason), ' at state ', \
               toString(policy_epoch)) AS said FROM access_log FINAL WHERE request_id = ? ORDER BY ts LIMIT 1";
    let row = clickhouse.query(sql).bind(request.to_string()).fetch_optional::<Decision>().await;
    let row = row.context("ClickHouse's access_log")?;
    let said = row.map_or_else(|| "no record".to_owned(), |row| row.said);
    Ok(format!(", request {request}: {said}"))
}

/// Reads all rows of requests since the run began, in the order of their requests, and hands them to the comparison.
pub(super) async fn compare(
    clickhouse: &clickhouse::Client,
    since: Micros,
    comparison: &mut Comparison,
) -> anyhow::Result<()> {
    let refused = "SELECT event_id FROM auth_event FINAL WHERE kind IN ('request_refused', 'device_refused') \
                   AND ts >= fromUnixTimestamp64Micro(?)";
    let mut events = clickhouse.query(refused).bind(since).fetch::<Event>()?;
    while let Some(event) = events.next().await.context("ClickHouse's auth_event")? {
        comparison.add_refusal_event(event.event_id);
    }
    let access = "SELECT request_id, patient_ref, toUInt8(decision = 'deny') AS denied, user_hsa, device FROM access_log FINAL \
                  WHERE phase != 'end' AND ts >= fromUnixTimestamp64Micro(?) ORDER BY request_id";
    let mut rows = clickhouse.query(access).bind(since).fetch::<Access>()?;
    while let Some(row) = rows.next().await.context("ClickHouse's access_log")? {
        comparison.add(Row {
            request: row.request_id,
            patient: PatientRef(row.patient_ref),
            denied: row.denied != 0,
            user: row.user_hsa,
            device: row.device,
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metrics_are_found_behind_their_prefix() {
        let text = "# HELP grindvakt_acked_sequence x\ngrindvakt_acked_sequence 17\nother 4\n";
        assert_eq!(metric(text, "acked_sequence"), Some(17));
        assert_eq!(metric(text, "durable_sequence"), None);
    }
}
