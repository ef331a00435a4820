//! Requests that could mean two things, or are too large: refused, recorded, and not a byte of them forwarded.
//!
//! Each case is a request that would be answered but for one defect. It comes from a client address of its own, by
//! which its record is found, and bears its name in a header, by which it would be found among the bytes that the
//! sample registry is sent.
#![expect(clippy::indexing_slicing, reason = "tests")]

mod bodies;
mod cases;
mod heads;
mod http2;
mod ours;
mod pages;
mod patient_ids;

use crate::shared::{Place, Shared, set};
use crate::tap::Tap;
use crate::whole::until;
use crate::wire;
use bytes::Bytes;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use loadtest::client::login::Session;
use loadtest::client::{Body, Connection, Device, Protocol};
use loadtest::stack::Component;
use loadtest::stack::people::ANNA;
use serde_json::Value;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::time::{Duration, Instant};

const LIMIT: Duration = Duration::from_secs(20);
const DEVICE: &str = "mottagning";

/// A stack with a tap between gateway and sample registry, and a session.
struct Bench {
    place: Place,
    tap: Tap,
    device: Device,
    session: Session,
    tls: Arc<rustls::ClientConfig>,
}

static BENCH: Shared<Bench> = Shared::new();

impl Bench {
    async fn start() -> Self {
        let mut place = Place::start().await;
        let tap = Tap::open(place.stack.registry());
        place.edit("routes.toml", |routes| {
            let registries = routes["registry"].as_array_mut().unwrap();
            let registry = registries.iter_mut().find(|registry| registry["name"].as_str() != Some("auditor")).unwrap();
            registry["peers"] = vec![tap.address().to_string()].into();
        });
        place.edit("gateway.toml", |settings| set(settings, "limits", "head_timeout_ms", 1000));
        place.stack.restart(Component::Gateway).await.unwrap();
        let device = place.stack.device(DEVICE).unwrap();
        let session = place.stack.log_in(&ANNA, &device).await.unwrap();
        let (certificate, key) = place.stack.layout().device_files(DEVICE);
        let tls = Arc::new(wire::settings(&place.stack.layout().server_ca(), Some((&certificate, &key))));
        Self { place, tap, device, session, tls }
    }

    fn host(&self) -> String {
        self.place.stack.target().authority()
    }

    async fn open(&self, protocol: Protocol) -> Connection {
        Connection::open(&self.place.stack.target(), &self.device, protocol).await.unwrap()
    }
}

/// How a refusal is recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Record {
    /// A row of the access log, for a request that could be read.
    Row,
    /// An event, for what was none.
    Event,
}

fn stream(pieces: Vec<Vec<u8>>) -> Body {
    let pieces = pieces.into_iter().map(|piece| Ok(Frame::data(Bytes::from(piece))));
    BodyExt::boxed(StreamBody::new(futures_util::stream::iter(pieces)))
}

fn text<'v>(row: &'v Value, key: &str) -> &'v str {
    row[key].as_str().unwrap_or_default()
}

const COLUMNS: &str =
    "toString(request_id) AS request_id, decision, reason, status, outcome, patient_source, patient_kind";

/// What is recorded of an address: waits until there is something, for a while.
async fn told(bench: &Bench, record: Record, from: Ipv4Addr) -> Vec<Value> {
    let deadline = Instant::now() + LIMIT;
    let from = wire::shown(from);
    let sql = match record {
        Record::Row => format!("SELECT {COLUMNS} FROM access_log FINAL WHERE src_ip = toIPv6('{from}')"),
        Record::Event => format!(
            "SELECT toString(event_id) AS event_id, kind, reason FROM auth_event FINAL WHERE src_ip = toIPv6('{from}')"
        ),
    };
    loop {
        let rows = bench.place.rows(&sql).await;
        if !rows.is_empty() || Instant::now() >= deadline {
            return rows;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The one row of a request, when it is there.
async fn row(bench: &Bench, id: &str) -> Value {
    let sql = format!("SELECT {COLUMNS} FROM access_log FINAL WHERE request_id = '{id}'");
    until("the row is there", LIMIT, async || match bench.place.rows(&sql).await.as_slice() {
        [row] => Ok(row.clone()),
        other => Err(format!("{other:?}")),
    })
    .await
}
