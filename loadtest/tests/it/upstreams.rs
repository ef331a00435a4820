//! What stands behind the gateway, good and bad: HTTP/2, TLS, several peers, kept connections, and backends that break
//! the rules. Whatever a backend does, a client sees its answer, or that there is none; never half of one as a whole,
//! never another's; and each access has its row.
#![expect(clippy::indexing_slicing, clippy::panic, reason = "tests")]

mod answers;
mod disclosed;
mod http2;
mod kept;
mod peers;
mod secured;
mod sockets;
mod uploads;

use crate::shared::{Place, builder, changes, patient, set};
use crate::whole::until;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use loadtest::client::login::Session;
use loadtest::client::{Body, ClientError, Connection, Device, Protocol, Target, empty, full};
use loadtest::stack::Component;
use loadtest::stack::people::{ANNA, REGISTRY};
use serde_json::Value;
use std::net::SocketAddr;
use std::time::Duration;
use toml::Table;

const LIMIT: Duration = Duration::from_secs(30);
const BOTH: [Protocol; 2] = [Protocol::Http1, Protocol::Http2];
const DEVICE: &str = "mottagning";

/// A registry that a test puts behind the gateway.
struct Behind {
    name: String,
    peers: Vec<SocketAddr>,
    /// More settings of the registry, TOML.
    settings: String,
    /// The host of its own under which a sample registry has its routes; a raw backend has `/NAME/{what}/{patient}` on
    /// the host that all share.
    host: Option<String>,
}

impl Behind {
    /// A raw backend.
    fn raw(name: &str, peers: &[SocketAddr]) -> Self {
        Self { name: name.to_owned(), peers: peers.to_vec(), settings: String::new(), host: None }
    }

    /// A sample registry, on the host NAME.localhost.
    fn sample(name: &str, peers: &[SocketAddr]) -> Self {
        Self { host: Some(format!("{name}.localhost")), ..Self::raw(name, peers) }
    }

    fn with(mut self, settings: &str) -> Self {
        self.settings.push_str(settings);
        self
    }

    fn add_to(&self, routes: &mut Table) {
        let of_sample = |table: &&toml::Value, key: &str| table[key].as_str() == Some(REGISTRY);
        let registries = routes["registry"].as_array_mut().unwrap();
        let mut registry: Table = self.settings.parse().unwrap();
        let host = self.host.as_deref().unwrap_or("localhost");
        registry.insert("name".to_owned(), self.name.clone().into());
        registry.insert("hosts".to_owned(), vec![host].into());
        let peers: Vec<String> = self.peers.iter().map(ToString::to_string).collect();
        registry.insert("peers".to_owned(), peers.into());
        registries.push(registry.into());
        let list = routes["route"].as_array_mut().unwrap();
        let mut more: Vec<toml::Value> = match self.host {
            Some(_) => list.iter().filter(|route| of_sample(route, "registry")).cloned().collect(),
            None => self.raw_routes(),
        };
        for (number, route) in more.iter_mut().enumerate() {
            let route = route.as_table_mut().unwrap();
            route.insert("name".to_owned(), format!("{}-{number}", self.name).into());
            route.insert("registry".to_owned(), self.name.clone().into());
        }
        list.extend(more);
    }

    fn raw_routes(&self) -> Vec<toml::Value> {
        let route = |path: &str, more: &str| -> toml::Value {
            let text = format!(
                "path = \"/{}{path}\"\nresource = \"patient\"\npatient = {{ in = \"path\", name = \"patient\" }}\n{more}",
                self.name
            );
            text.parse::<Table>().unwrap().into()
        };
        // Whom the answer names nobody has asked for.
        let marked = |path: &str, more: &str| -> toml::Value {
            let text = format!(
                "path = \"/{}{path}\"\nresource = \"list\"\nmethods = [\"GET\", \"HEAD\"]\nwebsocket = {}\n\
                 patient = {{ in = \"response\", json = [\"list[*].id\"], headers = [\"x-patient-id\"]{more} }}\n\
                 search_terms = [\"name\"]",
                self.name,
                path.starts_with("/socket"),
            );
            text.parse::<Table>().unwrap().into()
        };
        vec![
            route("/{what}/{patient}", "methods = [\"GET\", \"HEAD\"]"),
            route(
                "/{what}/{patient}",
                "methods = [\"POST\"]\nright = \"read_write\"\nactivity = \"write\"\nbody_bytes_max = 67108864",
            ),
            route("/changing/{what}/{patient}", "methods = [\"GET\"]\nright = \"read_write\"\nactivity = \"write\""),
            route("/ws/{what}/{patient}", "methods = [\"GET\"]\nwebsocket = true"),
            marked("/marked/{what}/{any}", ""),
            marked("/passing/{what}/{any}", ", unscanned = \"pass\""),
            marked("/socket/{what}/{any}", ""),
        ]
    }
}

/// A stack with more registries, and somebody who may use all of them.
struct Bench {
    place: Place,
    device: Device,
    session: Session,
}

/// What came of a request.
#[derive(Default)]
struct Got {
    /// 0: no answer came.
    status: u16,
    headers: HeaderMap,
    body: Vec<u8>,
    /// The body came to its end.
    whole: bool,
    trailers: Option<HeaderMap>,
}

impl std::fmt::Debug for Got {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let begin = &self.body[..self.body.len().min(80)];
        let (length, whole) = (self.body.len(), if self.whole { "whole" } else { "broken off" });
        write!(f, "{} {:?}, {length} bytes, {whole}: {:?}", self.status, self.headers, String::from_utf8_lossy(begin))
    }
}

impl Got {
    fn id(&self) -> &str {
        self.headers.get("x-request-id").map_or("", |id| id.to_str().unwrap())
    }

    fn is_problem(&self) -> bool {
        self.headers.get("content-type").is_some_and(|kind| kind == "application/problem+json")
    }
}

impl Bench {
    async fn start(behind: Vec<Behind>) -> Self {
        let hosts: Vec<&str> = behind.iter().filter_map(|behind| behind.host.as_deref()).collect();
        let mut place = Place::start_as(&hosts).await;
        // Rows are looked for often here.
        place.edit("gateway.toml", |settings| set(settings, "clickhouse", "batch_wait_ms", 50));
        place.edit("routes.toml", |routes| behind.iter().for_each(|behind| behind.add_to(routes)));
        for behind in &behind {
            let right = ["account", "grant", ANNA.user, "--registry", &behind.name, "--right", "read_write"];
            place.auditor(&right).await;
        }
        place.stack.restart(Component::Gateway).await.unwrap();
        let device = place.stack.device(DEVICE).unwrap();
        let session = place.stack.log_in(&ANNA, &device).await.unwrap();
        let bench = Self { place, device, session };
        // The first login has made the account active, and the feed is on its way with it.
        let known = format!("/api/patients/{}", number());
        until("the gateway knows the account", LIMIT, async || {
            match bench.ask("localhost", Protocol::Http1, bench.request("GET", &known)).await {
                got if got.status == 200 => Ok(()),
                got => Err(format!("{got:?}")),
            }
        })
        .await;
        bench
    }

    fn target(&self, host: &str) -> Target {
        Target { host: host.to_owned(), ..self.place.stack.target() }
    }

    async fn open(&self, host: &str, protocol: Protocol) -> Connection {
        Connection::open(&self.target(host), &self.device, protocol).await.unwrap()
    }

    /// A request without a body.
    fn request(&self, method: &str, path: &str) -> Request<Body> {
        self.builder(method, path).body(empty()).unwrap()
    }

    /// A request with a JSON body.
    fn posts(&self, path: &str) -> Request<Body> {
        self.builder("POST", path).header("content-type", "application/json").body(full(r#"{"drug":"prov"}"#)).unwrap()
    }

    fn builder(&self, method: &str, path: &str) -> http::request::Builder {
        builder(method, path, Some(&self.session)).header("accept", "application/json")
    }

    /// Sends a request on a connection of its own, and reads what comes.
    async fn ask(&self, host: &str, protocol: Protocol, request: Request<Body>) -> Got {
        let mut connection = self.open(host, protocol).await;
        self.ask_on(&mut connection, request).await
    }

    async fn ask_on(&self, connection: &mut Connection, request: Request<Body>) -> Got {
        self.ask_and(connection, request, || ()).await
    }

    /// The same; the first piece of the body is told of.
    async fn ask_and(&self, connection: &mut Connection, request: Request<Body>, mut first: impl FnMut()) -> Got {
        let name = format!("{} {}", request.method(), request.uri());
        let response = match connection.send(request, LIMIT).await {
            Ok(response) => response,
            Err(ClientError::Timeout(limit)) => panic!("{name}: no answer within {limit:?}"),
            Err(_) => return Got::default(),
        };
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let mut got = Got { status, headers, body: Vec::new(), whole: false, trailers: None };
        let mut body = response.into_body();
        loop {
            match tokio::time::timeout(LIMIT, body.frame()).await.unwrap_or_else(|_| panic!("{name}: the body stalls"))
            {
                None => {
                    got.whole = true;
                    return got;
                }
                Some(Err(_)) => return got,
                Some(Ok(frame)) => match frame.into_data() {
                    Ok(data) => {
                        if got.body.is_empty() {
                            first();
                        }
                        got.body.extend_from_slice(&data);
                    }
                    Err(frame) => got.trailers = frame.into_trailers().ok(),
                },
            }
        }
    }

    /// The one row of a request that has ended: how, and of this patient.
    async fn row(&self, id: &str) -> Value {
        let key = self.place.stack.pseudonym_key().unwrap();
        let patient = hex::encode(key.patient(&patient(0).id).0);
        let row = self.only_row(id).await;
        assert_eq!((row["patient"].as_str(), row["decision"].as_str()), (Some(patient.as_str()), Some("permit")));
        row
    }

    /// The one row of a request that has ended, or was refused.
    async fn only_row(&self, id: &str) -> Value {
        let sql = format!(
            "SELECT outcome, status, bytes, decision, reason, lower(hex(patient_ref)) AS patient FROM access_log FINAL \
             WHERE request_id = '{id}' AND phase != 'begin'"
        );
        until("the row is there", LIMIT, async || match self.place.rows(&sql).await.as_slice() {
            [row] => Ok(row.clone()),
            other => Err(format!("request {id}: {other:?}")),
        })
        .await
    }

    /// The request's row says that it ended in one of these ways; else what is wrong.
    async fn end_fault(&self, name: &str, got: &Got, outcomes: &[&str]) -> Option<String> {
        if got.status == 0 {
            return Some(format!("{name}: no answer, and so no id to find the row by"));
        }
        let row = self.row(got.id()).await;
        let good = outcomes.contains(&row["outcome"].as_str().unwrap());
        (!good).then(|| format!("{name}: {row}, expected {outcomes:?}; the client got {}", got.status))
    }

    /// The request's row says that it ended so.
    async fn ended(&self, name: &str, got: &Got, outcomes: &[&str]) {
        assert_eq!(self.end_fault(name, got, outcomes).await, None);
    }
}

/// The number of the patient that all requests here are about.
fn number() -> String {
    patient(0).id.expose().to_owned()
}

/// A raw backend's path.
fn path(registry: &str, what: &str) -> String {
    format!("/{registry}/{what}/{}", number())
}

fn is_success(got: &Got) -> bool {
    StatusCode::from_u16(got.status).unwrap().is_success() && got.whole
}
