//! The operators' listener: health, readiness, metrics, and the public keys. Plain HTTP, never reachable from outside.
//!
//! - `/healthz`: the process runs; 200 while it drains, too.
//! - `/readyz`: requests can be served: the journal takes records, the directory is fresh, and nobody has asked the
//!   gateway to stop. 503 with the reasons, one a line, else.
//! - `/metrics`: Prometheus' text format.
//! - `/jwks.json`: the keys that backends verify assertions with.

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use prometheus::{Encoder, Registry, TextEncoder};
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

/// Scrapes at once at the most.
const CONNECTIONS_MAX: usize = 32;

/// What the listener tells.
pub struct Ops {
    /// All metrics.
    pub registry: Registry,
    /// Brings gauges up to date that nobody else does.
    pub refresh: Box<dyn Fn() + Send + Sync>,
    /// Why requests cannot be served now; empty: they can.
    pub unready: Box<dyn Fn() -> Vec<&'static str> + Send + Sync>,
    /// The public keys.
    pub jwks: String,
}

impl Ops {
    /// Serves until told to stop.
    pub async fn run(self: Arc<Self>, socket: TcpListener, mut stop: watch::Receiver<bool>) {
        let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
        loop {
            let accepted = tokio::select! {
                accepted = socket.accept() => accepted,
                _ = stop.wait_for(|stop| *stop) => return,
            };
            let Ok((stream, _)) = accepted else {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            };
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let this = Arc::clone(&self);
            crate::task::spawn("ops connection", async move {
                let _place = place;
                let service = service_fn(move |request| {
                    let answer = this.answer(&request);
                    async move { Ok::<_, Infallible>(answer) }
                });
                let connection = http1::Builder::new()
                    .timer(TokioTimer::new())
                    .header_read_timeout(Duration::from_secs(10))
                    .serve_connection(TokioIo::new(stream), service);
                if let Err(error) = connection.await {
                    tracing::debug!(error = &error as &dyn std::error::Error, "an operators' connection ended");
                }
            });
        }
    }

    fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        if !matches!(*request.method(), Method::GET | Method::HEAD) {
            return text(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
        }
        match request.uri().path() {
            "/healthz" => text(StatusCode::OK, "ok\n"),
            "/readyz" => match (self.unready)().as_slice() {
                [] => text(StatusCode::OK, "ready\n"),
                reasons => text(StatusCode::SERVICE_UNAVAILABLE, &(reasons.join("\n") + "\n")),
            },
            "/metrics" => self.metrics(),
            "/jwks.json" => typed(StatusCode::OK, "application/jwk-set+json", self.jwks.clone().into_bytes()),
            _ => text(StatusCode::NOT_FOUND, "there are /healthz, /readyz, /metrics and /jwks.json\n"),
        }
    }

    fn metrics(&self) -> Response<Full<Bytes>> {
        (self.refresh)();
        let encoder = TextEncoder::new();
        let mut out = Vec::new();
        match encoder.encode(&self.registry.gather(), &mut out) {
            Ok(()) => typed(StatusCode::OK, encoder.format_type(), out),
            Err(_) => text(StatusCode::INTERNAL_SERVER_ERROR, "the metrics could not be written\n"),
        }
    }
}

fn text(status: StatusCode, body: &str) -> Response<Full<Bytes>> {
    typed(status, "text/plain; charset=utf-8", body.as_bytes().to_vec())
}

fn typed(status: StatusCode, kind: &str, body: Vec<u8>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    if let Ok(kind) = kind.parse() {
        response.headers_mut().insert(header::CONTENT_TYPE, kind);
    }
    response
}
