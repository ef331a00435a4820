//! «Exempelregistret»: a sample registry to stand behind the gateway. All patients in it are synthetic.
//!
//! It answers HTTP/1.1 and HTTP/2 on loopback, over TLS ([`tls`]) or without (HTTP/2 then by prior knowledge), and knows
//! nothing of users or audit: like the real registries, it leaves that to what stands in front of it. Its patients follow from a seed
//! ([`crate::patients`]). What users write is kept in memory, bounded, and is gone when it stops.
//!
//! It keeps a list of the changing requests that reached it ([`changes`]), so that `loadtest verify` can check that
//! each of them has its record.

mod api;
pub mod changes;
mod coding;
mod fhir;
mod lists;
mod pages;
mod socket;
mod store;
pub mod tls;
mod transfer;

pub use fhir::PATIENT_HEADER;
pub use transfer::{SENT_TRAILER, document_byte};

use crate::patients::Population;
use anyhow::Context as _;
use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use store::Store;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

/// How the sample registry behaves.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Address to listen on; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// Seed of the synthetic patients.
    #[arg(long, default_value_t = crate::patients::SEED)]
    pub seed: u64,
    /// How many patients.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::patients::PATIENTS_MAX)))]
    pub patients: u32,
    /// Wait so long before each answer.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=DELAY_MS_MAX))]
    pub latency_ms: u64,
    /// Wait up to so much longer, differently for each request.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=DELAY_MS_MAX))]
    pub latency_jitter_ms: u64,
    /// Fill JSON answers about one patient up to this many bytes.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u64).range(0..=SIZE_MAX))]
    pub size: u64,
    /// Write the address listened on to this file once requests are served.
    #[arg(long)]
    pub port_file: Option<PathBuf>,
    /// Whether it speaks TLS.
    #[command(flatten)]
    pub tls: tls::TlsOptions,
}

/// A header of each of the registry's answers: tells them from the gateway's own.
pub const REGISTRY_HEADER: &str = "x-registry";
/// The longest delay that an option or a request's `delay_ms` may ask for.
pub const DELAY_MS_MAX: u64 = 10_000;
const SIZE_MAX: u64 = 16 << 20;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Serves until the process is ended.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let acceptor = options.tls.acceptor()?;
    let listener = TcpListener::bind(options.listen).await.with_context(|| {
        format!("--listen {} cannot be used; name another address or stop who has it", options.listen)
    })?;
    let address = listener.local_addr()?;
    let app = router(&options);
    if let Some(file) = &options.port_file {
        write_whole(file, &format!("{address}\n"))
            .with_context(|| format!("--port-file {} cannot be written; name another place", file.display()))?;
    }
    let scheme = if acceptor.is_some() { "https" } else { "http" };
    crate::console::note(&format!(
        "Exempelregistret: {scheme}://{address}/ ({} synthetic patients, seed {})",
        options.patients, options.seed
    ));
    serve(listener, acceptor, app).await
}

/// Writes a file so that a reader sees all of it or nothing.
pub fn write_whole(path: &std::path::Path, text: &str) -> std::io::Result<()> {
    let partial = path.with_extension("partial");
    std::fs::write(&partial, text)?;
    std::fs::rename(partial, path)
}

/// Accepts connections for ever, over TLS if there is an acceptor.
pub async fn serve(listener: TcpListener, acceptor: Option<TlsAcceptor>, app: Router) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file descriptors or the client gave up: the next accept may succeed.
                    tracing::warn!(%error, "accept failed");
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    continue;
                }
            },
            Some(_) = connections.join_next() => continue,
        };
        let _ = stream.set_nodelay(true);
        let (app, acceptor) = (app.clone(), acceptor.clone());
        connections.spawn(async move {
            match acceptor {
                None => converse(stream, app).await,
                Some(acceptor) => secure(stream, &acceptor, app).await,
            }
        });
    }
}

async fn secure(stream: TcpStream, acceptor: &TlsAcceptor, app: Router) {
    match tokio::time::timeout(HANDSHAKE_LIMIT, acceptor.accept(stream)).await {
        Ok(Ok(stream)) => converse(stream, app).await,
        Ok(Err(error)) => tracing::warn!(%error, "a TLS handshake failed"),
        Err(_) => tracing::warn!("a TLS handshake was not done in time"),
    }
}

/// Answers on one connection, HTTP/1.1 or HTTP/2, as its first bytes say.
async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, app: Router) {
    let mut builder = auto::Builder::new(TokioExecutor::new());
    builder.http2().max_concurrent_streams(1024);
    let service = TowerToHyperService::new(app);
    if let Err(error) = builder.serve_connection_with_upgrades(TokioIo::new(stream), service).await {
        tracing::debug!(error, "connection ended");
    }
}

/// All pages and interfaces of the registry.
pub fn router(options: &Options) -> Router {
    let store = Arc::new(Store::new(options));
    let coded = Router::new().merge(lists::routes()).merge(pages::unit_routes()).merge(api::unit_routes());
    Router::new()
        .merge(coded.layer(axum::middleware::from_fn(coding::code)))
        .merge(pages::routes())
        .merge(api::routes())
        .merge(fhir::routes())
        .merge(socket::routes())
        .merge(transfer::routes())
        .merge(changes::routes())
        .fallback(|| async { (StatusCode::NOT_FOUND, "Sidan finns inte i Exempelregistret.\n") })
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&store), observe))
        .with_state(store)
}

/// Notes changing requests and waits as the options or the request's `delay_ms` ask.
async fn observe(State(store): State<Arc<Store>>, request: Request, next: Next) -> Response {
    if changes::is_changing(request.method(), request.uri().path()) {
        store.changes.note(request.headers());
    }
    match delay(&store, request.uri().query().unwrap_or_default()) {
        Ok(Duration::ZERO) => {}
        Ok(wait) => tokio::time::sleep(wait).await,
        Err(answer) => return answer,
    }
    let mut response = next.run(request).await;
    response.headers_mut().insert(REGISTRY_HEADER, HeaderValue::from_static("exempelregistret"));
    response
}

#[expect(clippy::result_large_err, reason = "the error is the answer to send, made rarely")]
fn delay(store: &Store, query: &str) -> Result<Duration, Response> {
    let asked = query.split('&').find_map(|pair| pair.strip_prefix("delay_ms="));
    let millis = match asked.map(str::parse::<u64>) {
        None => store.latency_ms + jitter(store),
        Some(Ok(millis)) if millis <= DELAY_MS_MAX => millis,
        Some(_) => return Err((StatusCode::BAD_REQUEST, "delay_ms is 0 to 10000\n").into_response()),
    };
    Ok(Duration::from_millis(millis))
}

fn jitter(store: &Store) -> u64 {
    if store.jitter_ms == 0 {
        return 0;
    }
    let count = store.requests.fetch_add(1, Ordering::Relaxed);
    crate::rng::Rng::fork(store.population.seed, count).below(store.jitter_ms + 1)
}

impl Options {
    /// The registry's patients.
    pub fn population(&self) -> Population {
        Population { seed: self.seed, count: self.patients }
    }
}
