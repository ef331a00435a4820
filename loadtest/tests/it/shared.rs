//! One stack for all tests of a file, and what they ask it: accounts and devices made on the way, rows, metrics.
//!
//! The stack lives as long as a test holds it. It is shared by tests that do not disturb each other: each has accounts,
//! devices or client addresses of its own, and finds its rows by them.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

use crate::whole;
use http::{Request, Response, StatusCode};
use hyper::body::Incoming;
use loadtest::client::login::{Credentials, Session, log_in};
use loadtest::client::{Body, Connection, Device, Protocol, empty, plain, read_all};
use loadtest::patients::{CARE_PROVIDER, Patient};
use loadtest::stack::people::REGISTRY;
use loadtest::stack::postgres::Cluster;
use loadtest::stack::{Component, Stack, process};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::Mutex;
use toml::Table;

/// How long something may take that happens by itself.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);
const ANSWER_LIMIT: Duration = Duration::from_secs(20);
const ANSWER_BYTES_MAX: usize = 1 << 20;

/// A running stack and its folder.
pub(crate) struct Place {
    pub(crate) stack: Stack,
    dir: TempDir,
    // After the stack, whose auditors use it.
    _cluster: Option<Cluster>,
}

/// The place that the tests of a file share.
pub(crate) struct Shared<T>(Mutex<Weak<T>>);

impl<T> Shared<T> {
    pub(crate) const fn new() -> Self {
        Self(Mutex::const_new(Weak::new()))
    }

    /// The one that another test holds, or a new one.
    pub(crate) async fn get(&self, make: impl AsyncFnOnce() -> T) -> Arc<T> {
        let mut held = self.0.lock().await;
        if let Some(place) = held.upgrade() {
            return place;
        }
        let place = Arc::new(make().await);
        *held = Arc::downgrade(&place);
        place
    }
}

/// A device that the gateway knows.
pub(crate) struct Enrolled {
    id: String,
    device: Device,
    files: (PathBuf, PathBuf),
}

/// Somebody with an account, logged in on a device of their own.
pub(crate) struct Newcomer {
    pub(crate) user: String,
    pub(crate) device: Device,
    pub(crate) device_id: String,
    /// Certificate and key, PEM.
    pub(crate) files: (PathBuf, PathBuf),
    pub(crate) session: Session,
}

impl Place {
    /// Starts a stack.
    pub(crate) async fn start() -> Self {
        Self::start_as(&[]).await
    }

    /// Starts a stack whose gateway has more names.
    pub(crate) async fn start_as(more_hosts: &[&str]) -> Self {
        let (stack, dir) = whole::start(more_hosts).await;
        Self { stack, dir, _cluster: None }
    }

    /// Starts a stack with two auditors and two gateways. None where PostgreSQL is not installed.
    pub(crate) async fn start_several() -> Option<Self> {
        let (stack, dir, cluster) = whole::start_several().await?;
        Some(Self { stack, dir, _cluster: Some(cluster) })
    }

    /// Starts a stack whose gateway has other settings.
    pub(crate) async fn start_with(change: impl FnOnce(&Path, &mut Table)) -> Self {
        let mut place = Self::start().await;
        let dir = place.dir().to_owned();
        place.edit("gateway.toml", |settings| change(&dir, settings));
        place.stack.restart(Component::Gateway).await.unwrap();
        place
    }

    /// The stack's folder.
    pub(crate) fn dir(&self) -> &Path {
        self.dir.path()
    }

    /// Changes a settings file. It is read at the program's next start.
    pub(crate) fn edit(&self, file: &str, change: impl FnOnce(&mut Table)) {
        edit(&self.dir().join(file), change);
    }

    /// Runs a command of the auditor's, and gives what it says.
    pub(crate) async fn auditor(&self, arguments: &[&str]) -> Value {
        let settings = self.stack.layout().auditor_settings();
        let mut all: Vec<String> = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        all.extend([
            "--config".to_owned(),
            settings.to_str().unwrap().to_owned(),
            "--output".to_owned(),
            "json".to_owned(),
        ]);
        let said = process::output(&self.stack.settings().programs.auditor, &all, LIMIT).await;
        serde_json::from_str(&said.unwrap_or_else(|error| panic!("{error}"))).unwrap()
    }

    /// Makes an account that may read and write and a device, waits until the gateway knows both, and logs in.
    pub(crate) async fn newcomer(&self, name: &str) -> Newcomer {
        self.newcomer_on(name, &self.enrolled(name).await).await
    }

    /// Enrols a device, and waits until the gateway knows it.
    pub(crate) async fn enrolled(&self, name: &str) -> Enrolled {
        let out = self.dir().join("devices");
        let arguments = [
            "device",
            "enrol",
            "--org",
            CARE_PROVIDER,
            "--name",
            name,
            "--out",
            out.to_str().unwrap(),
            "--file-name",
            name,
        ];
        let id = self.auditor(&arguments).await["device"].as_str().unwrap().to_owned();
        let device = self.stack.device(name).unwrap();
        whole::until("the gateway knows the device", LIMIT, async || {
            match self.ask(&device, Protocol::Http1, get("/static/style.css", None)).await {
                Ok((StatusCode::OK, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        Enrolled { id, device, files: self.stack.layout().device_files(name) }
    }

    /// Makes an account that may read and write, and logs in on a device.
    pub(crate) async fn newcomer_on(&self, name: &str, on: &Enrolled) -> Newcomer {
        let arguments =
            ["account", "create", "--user", name, "--name", "Nya Testsson", "--generate-password", "--totp"];
        let made = self.auditor(&arguments).await;
        self.auditor(&["account", "grant", name, "--registry", REGISTRY, "--right", "read_write"]).await;
        let text = |key: &str| made[key].as_str().unwrap().to_owned();
        let credentials =
            Credentials { user: name.to_owned(), password: text("password"), totp_secret: text("totp_secret") };
        let session = log_in(&self.stack.target(), &on.device, &credentials).await.unwrap();
        let newcomer = Newcomer {
            user: name.to_owned(),
            files: on.files.clone(),
            device: on.device.clone(),
            device_id: on.id.clone(),
            session,
        };
        // The grant may come after the session: it is asked for ahead of the feed.
        let path = format!("/api/patients/{}", patient(0).id.expose());
        whole::until("the gateway knows the grant", LIMIT, async || {
            match self.ask(&newcomer.device, Protocol::Http1, get(&path, Some(&newcomer.session))).await {
                Ok((StatusCode::OK, _)) => Ok(()),
                other => Err(format!("{other:?}")),
            }
        })
        .await;
        newcomer
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(
        &self,
        device: &Device,
        protocol: Protocol,
        request: Request<Body>,
    ) -> Result<(StatusCode, Vec<u8>), String> {
        let mut connection =
            Connection::open(&self.stack.target(), device, protocol).await.map_err(|error| error.to_string())?;
        let response = connection.send(request, ANSWER_LIMIT).await.map_err(|error| format!("{error:?}"))?;
        let status = response.status();
        Ok((status, read_all(response, ANSWER_BYTES_MAX).await.map_err(|error| error.to_string())?.to_vec()))
    }

    /// Rows of a query. Whole numbers of 64 bits come as texts.
    pub(crate) async fn rows(&self, sql: &str) -> Vec<Value> {
        let answer =
            async { self.stack.clickhouse().unwrap().query(sql).fetch_bytes("JSONEachRow")?.collect().await }.await;
        let bytes = answer.unwrap_or_else(|error| panic!("{sql}: {error}"));
        String::from_utf8(bytes.to_vec()).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The sum of a metric over its labels that contain `labels`; 0 if it is not there (yet).
    pub(crate) async fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, body) = plain::get(self.stack.ops(), "/metrics").await.unwrap();
        metric(std::str::from_utf8(&body).unwrap(), name, labels)
    }

    /// What `/readyz` says.
    pub(crate) async fn ready(&self) -> (StatusCode, String) {
        let (status, body) = plain::get(self.stack.ops(), "/readyz").await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    /// Waits until all that the gateway's journal holds is in ClickHouse.
    pub(crate) async fn drained(&self) {
        whole::until("the journal is drained", LIMIT, async || {
            let (durable, acked) = (
                self.metric("audit_journal_durable_sequence", "").await,
                self.metric("audit_journal_acked_sequence", "").await,
            );
            if acked > durable { Ok(()) } else { Err(format!("frames up to {durable}, acknowledged below {acked}")) }
        })
        .await;
    }
}

/// A patient of the sample registry.
pub(crate) fn patient(index: usize) -> Patient {
    whole::POPULATION.patients().swap_remove(index)
}

/// Changes a settings file.
pub(crate) fn edit(path: &Path, change: impl FnOnce(&mut Table)) {
    let mut table: Table = std::fs::read_to_string(path).unwrap().parse().unwrap();
    change(&mut table);
    std::fs::write(path, toml::to_string(&table).unwrap()).unwrap();
}

/// Sets `section.key`.
pub(crate) fn set(settings: &mut Table, section: &str, key: &str, value: impl Into<toml::Value>) {
    settings[section].as_table_mut().unwrap().insert(key.to_owned(), value.into());
}

fn metric(text: &str, name: &str, labels: &str) -> f64 {
    let of = |line: &str| {
        let (key, value) = line.rsplit_once(' ')?;
        let (found, with) = key.split_once('{').unwrap_or((key, ""));
        (found == name && with.contains(labels)).then(|| value.parse::<f64>().unwrap())
    };
    text.lines().filter(|line| !line.starts_with('#')).filter_map(of).sum()
}

/// A request for JSON.
pub(crate) fn get(path: &str, session: Option<&Session>) -> Request<Body> {
    builder("GET", path, session).header("accept", "application/json").body(empty()).unwrap()
}

/// A request, to be given a body.
pub(crate) fn builder(method: &str, path: &str, session: Option<&Session>) -> http::request::Builder {
    let builder = Request::builder().method(method).uri(path);
    match session.map(Session::header) {
        Some((name, value)) => builder.header(name, value),
        None => builder,
    }
}

/// The gateway's id of a request.
pub(crate) fn request_id(headers: &http::HeaderMap) -> String {
    headers["x-request-id"].to_str().unwrap().to_owned()
}

/// The requests that changed something at a sample registry, by their ids.
pub(crate) async fn changes(registry: SocketAddr) -> Vec<String> {
    let (_, list) = plain::get(registry, loadtest::backend::changes::PATH).await.unwrap();
    String::from_utf8(list.to_vec()).unwrap().lines().map(str::to_owned).collect()
}

/// Whether the sample registry gave this answer, and not the gateway.
pub(crate) fn from_registry(response: &Response<Incoming>) -> bool {
    response.headers().contains_key(loadtest::backend::REGISTRY_HEADER)
}

#[test]
fn metrics_are_summed_over_their_labels() {
    let text = "# HELP a_total x\na_total{kind=\"x\",reason=\"y\"} 2\na_total{kind=\"z\"} 3\na_total_b 9\nplain 4\n";
    assert!((metric(text, "a_total", "") - 5.0).abs() < f64::EPSILON);
    assert!((metric(text, "a_total", "kind=\"x\"") - 2.0).abs() < f64::EPSILON);
    assert!((metric(text, "plain", "") - 4.0).abs() < f64::EPSILON);
    assert!(metric(text, "absent", "").abs() < f64::EPSILON);
}
