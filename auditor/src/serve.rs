//! `auditor serve`: binds everything, runs everything, and drains on SIGTERM or SIGINT.
//!
//! If a part ends that should not, the whole ends: a program that serves logins but no longer tells gateways of
//! revocations must not look healthy.

use crate::config::{Config, InternalTls};
use crate::feed::{Feed, FeedMetrics};
use crate::lease::Keeper;
use crate::net::{BindError, Bound, Limits};
use crate::outbox::{OutboxMetrics, Shipper};
use crate::sms::{self, SmsMetrics};
use crate::store::{Counter, Office, Store, StoreError};
use crate::sweep::SweepMetrics;
use crate::web::assertion::Verifier;
use crate::web::{self, App, LoginMetrics};
use crate::{clock, init, internal, ops, sweep};
use arc_swap::ArcSwap;
use contract::Micros;
use contract::id::RegistryName;
use prometheus::Registry;
use rustls::RootCertStore;
use rustls::server::WebPkiClientVerifier;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Arguments of `auditor serve`.
#[derive(Debug, Clone, clap::Args)]
pub struct ServeArgs {
    /// File that the bound addresses are written to, as JSON, when everything is bound.
    #[arg(long, value_name = "FILE")]
    pub ready_file: Option<PathBuf>,
}

/// Why the server cannot run, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A listener.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Certificates of the internal listener.
    #[error("the internal listener's certificates cannot be used: {0}")]
    Tls(String),
    /// The provider of text messages.
    #[error(transparent)]
    Sms(#[from] sms::SetupError),
    /// Metrics; two of one name.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// A file or a signal handler.
    #[error("the server cannot be set up")]
    Setup(#[from] std::io::Error),
    /// A part ended unasked.
    #[error("{0} ended unasked")]
    Ended(&'static str),
}

const HEAD: Duration = Duration::from_secs(10);
/// The gateway keeps connections to the login application open for the next request.
const APP_HEAD: Duration = Duration::from_mins(2);
const STALL: Duration = Duration::from_secs(10);
const OPS_CONNECTIONS_MAX: usize = 64;
const CALLBACK_CONNECTIONS_MAX: usize = 64;
/// How long requests that run may take to end after SIGTERM.
const DRAIN: Duration = Duration::from_secs(15);
const LOOK_AT_FILES: Duration = Duration::from_secs(1);

/// Runs until a signal ends it.
pub async fn serve(config: Config, args: ServeArgs) -> Result<(), ServeError> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let registry = Registry::new();
    ops::build_info(&registry)?;
    let store = Store::open(&config.store).await?;
    store.of_node(&config.node).await?;
    let (keeper, lease) = Keeper::new(store.clone(), &registry)?;
    let (feed, watch) = Feed::start(store.clone(), FeedMetrics::register(&registry)?).await?;
    let verifier = Arc::new(Verifier::new(config.app.gateway_keys.clone(), &config.app.registry));
    reload_keys(&verifier, &config.app.registry);
    let tls = config.internal.tls.as_ref().map(internal_tls).transpose()?.map(|tls| Arc::new(ArcSwap::new(tls)));

    let app_bound = Bound::bind(&crate::config::Listen::Tcp(config.app.listen), None).await?;
    let ops_bound = Bound::bind(&crate::config::Listen::Tcp(config.ops), None).await?;
    let internal_bound = Bound::bind(&config.internal.listen, tls.clone()).await?;
    let callback = config.sms.as_ref().and_then(|sms| sms.callback.clone());
    let callback_bound = match &callback {
        Some(callback) => Some(Bound::bind(&crate::config::Listen::Tcp(callback.listen), None).await?),
        None => None,
    };
    if !config.app.listen.ip().is_loopback() {
        tracing::warn!("the login application listens beyond loopback without TLS: keep that network to the gateway");
    }

    let stop = CancellationToken::new();
    let request_life_us = Micros::from(config.accounts.request_life_days) * clock::DAY;
    let office = Office::new(store.clone(), Arc::clone(&config.keys.fields), request_life_us);
    let (key, totp) = (Arc::clone(&config.keys.handout), Arc::clone(&config.keys.totp));
    let counter = Counter::new(office, key, totp, config.handout.rule);
    let hours = config.handout.rule.quick_us / (3_600 * clock::SECOND);
    let texts = sms::Texts::new(config.handout.english, &config.app.title, hours);
    let provider = match config.sms {
        Some(settings) => Some((sms::Client::new(&settings)?, settings)),
        None => None,
    };
    let messages = sms::Worker::new(counter.clone(), provider, texts, SmsMetrics::register(&registry)?);
    let app = App::new(web::Parts {
        store: store.clone(),
        verifier: Arc::clone(&verifier),
        keys: config.keys,
        login: config.login,
        limits: config.session.limits,
        help: config.app.help,
        title: config.app.title,
        metrics: LoginMetrics::register(&registry)?,
        request_life_us,
        handout: config.handout,
        instructions: config.instructions,
    });
    let shipper = Shipper::new(
        store.clone(),
        config.clickhouse.as_ref(),
        config.node,
        config.tenant,
        config.seal,
        lease.clone(),
        OutboxMetrics::register(&registry)?,
    );
    let sweep_metrics = SweepMetrics::register(&registry)?;
    let times = sweep::Times { session: config.session, accounts: config.accounts };
    let limits = |connections_max| Limits { connections_max, head: HEAD, stall: STALL };
    let app_limits = Limits { head: APP_HEAD, ..limits(config.app.connections_max) };
    if let Some(file) = &args.ready_file {
        write_ready(file, &app_bound, &ops_bound, &internal_bound, callback_bound.as_ref())?;
    }
    tracing::info!(app = app_bound.name(), ops = ops_bound.name(), internal = internal_bound.name(), "ready");
    let _no_systemd = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let mut parts = JoinSet::new();
    let ended = |name: &'static str| move |()| Ok::<_, ServeError>(name);
    let router = web::router(Arc::new(app));
    parts.spawn(then(app_bound.serve(router, app_limits, stop.clone()), ended("the login application")));
    let router = internal::router(Arc::clone(&feed), store.clone(), stop.clone());
    let served = internal_bound.serve(router, limits(config.internal.connections_max), stop.clone());
    parts.spawn(then(served, ended("the internal listener")));
    let router = ops::router(store.clone(), registry, stop.clone());
    parts.spawn(then(
        ops_bound.serve(router, limits(OPS_CONNECTIONS_MAX), stop.clone()),
        ended("the operators' listener"),
    ));
    let follow = stop.clone();
    parts.spawn(then(async move { feed.run(watch, follow).await }, ended("the directory feed")));
    parts.spawn(then(keeper.run(stop.clone()), ended("the lease's keeper")));
    parts.spawn(then(shipper.run(stop.clone()), ended("the shipper")));
    if let (Some(bound), Some(callback)) = (callback_bound, &callback) {
        let router = sms::callback::router(counter, callback);
        let served = bound.serve(router, limits(CALLBACK_CONNECTIONS_MAX), stop.clone());
        parts.spawn(then(served, ended("the listener for text messages")));
    }
    parts.spawn(then(messages.run(lease.clone(), stop.clone()), ended("the sender of text messages")));
    parts.spawn(then(sweep::run(store.clone(), times, lease, sweep_metrics, stop.clone()), ended("the sweeper")));
    let files = look_at_files(verifier, config.app.registry, config.internal.tls.zip(tls), stop.clone());
    parts.spawn(then(files, ended("the watch over files")));

    let outcome = tokio::select! {
        _ = terminate.recv() => Ok(()),
        _ = interrupt.recv() => Ok(()),
        part = parts.join_next() => match part {
            Some(Ok(Ok(name))) => Err(ServeError::Ended(name)),
            Some(Ok(Err(error))) => Err(error),
            Some(Err(_)) | None => Err(ServeError::Ended("a part of the server")),
        },
    };
    tracing::info!("draining");
    let _no_systemd = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop.cancel();
    let drained = tokio::time::timeout(DRAIN, async { while parts.join_next().await.is_some() {} }).await;
    if drained.is_err() {
        tracing::warn!("some requests did not end in time and are cut");
    }
    parts.shutdown().await;
    store.close().await;
    outcome
}

async fn then<T, U>(future: impl Future<Output = T>, map: impl FnOnce(T) -> U) -> U {
    map(future.await)
}

/// Reads keys and certificates again when their files change.
async fn look_at_files(
    verifier: Arc<Verifier>,
    registry: RegistryName,
    tls: Option<(InternalTls, Arc<ArcSwap<rustls::ServerConfig>>)>,
    stop: CancellationToken,
) {
    let stamp = |files: &InternalTls| {
        [&files.cert, &files.key, &files.client_ca]
            .map(|file| std::fs::metadata(file).and_then(|meta| meta.modified()).ok())
    };
    let mut seen = tls.as_ref().map(|(files, _)| stamp(files));
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AT_FILES) => {}
        }
        reload_keys(&verifier, &registry);
        let Some((files, config)) = &tls else { continue };
        let now = Some(stamp(files));
        if now == seen {
            continue;
        }
        match internal_tls(files) {
            Ok(new) => {
                config.store(new);
                seen = now;
                tracing::info!("the internal listener's certificates were read again");
            }
            Err(error) => tracing::warn!(%error, "the old certificates stay in use"),
        }
    }
}

fn reload_keys(verifier: &Verifier, registry: &RegistryName) {
    let before = verifier.keys();
    for (file, error) in verifier.reload() {
        tracing::warn!(file = %file.display(), error = &error as &dyn std::error::Error, "no gateway keys from this file");
    }
    if verifier.keys() != before {
        tracing::info!(keys = verifier.keys(), registry = registry.as_str(), "gateway keys were read");
    }
}

/// TLS 1.3 with a client certificate of the internal authority.
fn internal_tls(files: &InternalTls) -> Result<Arc<rustls::ServerConfig>, ServeError> {
    let failed = |file: &Path, error: &dyn std::fmt::Display| ServeError::Tls(format!("{}: {error}", file.display()));
    let chain = CertificateDer::pem_file_iter(&files.cert)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| failed(&files.cert, &error))?;
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| failed(&files.key, &error))?;
    let mut roots = RootCertStore::empty();
    for cert in CertificateDer::pem_file_iter(&files.client_ca).map_err(|error| failed(&files.client_ca, &error))? {
        let cert = cert.map_err(|error| failed(&files.client_ca, &error))?;
        roots.add(cert).map_err(|error| failed(&files.client_ca, &error))?;
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let clients = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
        .build()
        .map_err(|error| failed(&files.client_ca, &error))?;
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13])
        .map_err(|error| failed(&files.cert, &error))?
        .with_client_cert_verifier(clients)
        .with_single_cert(chain, key)
        .map_err(|error| failed(&files.cert, &error))?;
    Ok(Arc::new(config))
}

fn write_ready(
    file: &Path,
    app: &Bound,
    ops: &Bound,
    internal: &Bound,
    callback: Option<&Bound>,
) -> std::io::Result<()> {
    let bound = [("app", Some(app)), ("ops", Some(ops)), ("internal", Some(internal)), ("sms", callback)];
    let named = bound.into_iter().filter_map(|(name, bound)| Some((name.to_owned(), bound?.name().into())));
    let ready = serde_json::Value::Object(named.collect());
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    init::write_new(file, 0o644, format!("{ready}\n").as_bytes())
}
