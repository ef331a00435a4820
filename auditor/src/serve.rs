//! `auditor serve`: binds everything, runs everything, and drains on SIGTERM or SIGINT.
//!
//! If a part ends that should not, the whole ends: a program that serves logins but no longer tells gateways of
//! revocations must not look healthy.

mod certificates;

use crate::config::{Config, OidcLogout, Revocation, ServerFiles, Siths};
use crate::devices::Renewal;
use crate::feed::{Feed, FeedMetrics};
use crate::issuing::{AuthorityPlace, CrlRules, Desk, Rules};
use crate::lease::Keeper;
use crate::net::{BindError, Bound, CardTlsError, Limits, card_tls};
use crate::outbox::{OutboxMetrics, Shipper};
use crate::provider::Provider;
use crate::sms::{self, SmsMetrics};
use crate::store::{Counter, Office, Store, StoreError};
use crate::sweep::{DeviceMetrics, SweepMetrics};
use crate::web::assertion::Verifier;
use crate::web::{self, App, CardMetrics, CardRefusals, LoginMetrics, OidcMetrics};
use crate::{clock, enrol, init, internal, ops, sweep};
use arc_swap::ArcSwap;
use certificates::{Watched, internal_tls, server_tls};
use contract::Micros;
use contract::id::RegistryName;
use prometheus::Registry;
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
    /// Certificates of a listener.
    #[error("a listener's certificates cannot be used: {0}")]
    Tls(String),
    /// Files of the listener for cards.
    #[error("the listener for SITHS cards cannot be set up")]
    Cards(#[from] CardTlsError),
    /// The provider of text messages.
    #[error(transparent)]
    Sms(#[from] sms::SetupError),
    /// Metrics; two of one name.
    #[error("the metrics cannot be registered")]
    Metrics(#[from] prometheus::Error),
    /// An identity provider.
    #[error("an identity provider cannot be set up")]
    Provider(#[from] crate::provider::SetupError),
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
/// Of one address at the enrolment listener: programs of one site that come out of one address.
const ENROL_CONNECTIONS_OF_ONE_MAX: usize = 16;
/// Of one address at the listener for logouts, where it has a certificate and no proxy in front: a provider's servers.
const LOGOUT_CONNECTIONS_OF_ONE_MAX: usize = 8;
const CALLBACK_CONNECTIONS_MAX: usize = 64;
/// Within a handshake with a card its user finds certificate and code.
const CARD_HEAD: Duration = Duration::from_mins(2);
/// Of one address at the listener for cards: a whole hospital may come out of one.
const CARD_CONNECTIONS_OF_ONE_MAX: usize = 128;
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
    let providers = providers(&config)?;
    let tls = config.internal.tls.as_ref().map(internal_tls).transpose()?.map(|tls| Arc::new(ArcSwap::new(tls)));

    let app_bound = Bound::bind(&crate::config::Listen::Tcp(config.app.listen), None).await?;
    let ops_bound = Bound::bind(&crate::config::Listen::Tcp(config.ops), None).await?;
    let internal_bound = Bound::bind(&config.internal.listen, tls.clone()).await?;
    let callback = config.sms.as_ref().and_then(|sms| sms.callback.clone());
    let callback_bound = match &callback {
        Some(callback) => Some(Bound::bind(&crate::config::Listen::Tcp(callback.listen), None).await?),
        None => None,
    };
    let mut watched: Vec<_> =
        config.internal.tls.zip(tls).map(|(files, tls)| Watched::internal(files, tls)).into_iter().collect();
    let enrol_bound = match &config.enrol {
        Some(enrol) => {
            let files = ServerFiles { cert: enrol.cert.clone(), key: enrol.key.clone() };
            let tls = Some(server_certificates("the enrolment listener", &files, &mut watched)?);
            Some(Bound::bind(&crate::config::Listen::Tcp(enrol.listen), tls).await?)
        }
        None => None,
    };
    let logouts = match &config.oidc_logout {
        Some(logout) => Some(logout_listener(logout, &mut watched).await?),
        None => None,
    };
    let cards = match &config.siths {
        Some(siths) => {
            let refusals = Arc::new(CardRefusals::new(CardMetrics::register(&registry)?));
            Some((card_listener(siths, &refusals, &mut watched).await?, siths, refusals))
        }
        None => None,
    };
    if !config.app.listen.ip().is_loopback() {
        tracing::warn!("the login application listens beyond loopback without TLS: keep that network to the gateway");
    }

    let stop = CancellationToken::new();
    let request_life_us = Micros::from(config.accounts.request_life_days) * clock::DAY;
    let desk = Arc::new(Desk::new(
        store.clone(),
        AuthorityPlace::new(config.devices.ca_cert.clone(), &config.devices.ca_key),
        Rules {
            days: config.devices.days,
            renewal: Renewal { from_day: config.devices.renew_from_day },
            code_life_us: Micros::from(config.devices.code_hours) * 3_600 * clock::SECOND,
        },
        &config.keys.form,
        &config.app.title,
    ));
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
        issuing: Arc::clone(&desk),
        verifier: Arc::clone(&verifier),
        keys: config.keys,
        login: config.login,
        limits: config.session.limits,
        help: config.app.help,
        title: config.app.title,
        metrics: LoginMetrics::register(&registry)?,
        request_life_us,
        accounts: config.accounts,
        handout: config.handout,
        instructions: config.instructions,
    })
    .with_providers(providers, OidcMetrics::register(&registry)?);
    let app = match &cards {
        Some((_, settings, refusals)) => app.with_cards(settings, Arc::clone(refusals)),
        None => app,
    };
    let app = Arc::new(match &config.htmx {
        Some(htmx) => app.with_htmx(htmx),
        None => app,
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
    let limits = |connections_max| Limits { connections_max, head: HEAD, stall: STALL, of_one_address: None };
    let app_limits = Limits { head: APP_HEAD, ..limits(config.app.connections_max) };
    if let Some(file) = &args.ready_file {
        let others = [
            ("enrol", enrol_bound.as_ref()),
            ("sms", callback_bound.as_ref()),
            ("oidc_logout", logouts.as_ref().map(|(bound, _)| bound)),
            ("siths", cards.as_ref().map(|((bound, _), ..)| bound)),
        ];
        write_ready(file, (&app_bound, &ops_bound, &internal_bound), &others)?;
    }
    // Those that are not configured are left out.
    tracing::info!(
        app = app_bound.name(),
        ops = ops_bound.name(),
        internal = internal_bound.name(),
        enrol = enrol_bound.as_ref().map(Bound::name),
        sms = callback_bound.as_ref().map(Bound::name),
        oidc_logout = logouts.as_ref().map(|(bound, _)| bound.name()),
        "ready"
    );
    let _no_systemd = sd_notify::notify(&[sd_notify::NotifyState::Ready]);

    let mut parts = JoinSet::new();
    let ended = |name: &'static str| move |()| Ok::<_, ServeError>(name);
    if let Some((bound, limits)) = logouts {
        let served = bound.serve(web::logout_router(Arc::clone(&app)), limits, stop.clone());
        parts.spawn(then(served, ended("the listener for logouts of identity providers")));
    }
    if let Some(((bound, limits), _, refusals)) = cards {
        let served = bound.serve(web::card_router(Arc::clone(&app)), limits, stop.clone());
        parts.spawn(then(served, ended("the listener for SITHS cards")));
        let (store, stop) = (store.clone(), stop.clone());
        let recorded = async move { refusals.run(&store, stop).await };
        parts.spawn(then(recorded, ended("the record of refused SITHS cards")));
    }
    let router = web::router(app);
    parts.spawn(then(app_bound.serve(router, app_limits, stop.clone()), ended("the login application")));
    let router = internal::router(Arc::clone(&feed), store.clone(), stop.clone());
    let served = internal_bound.serve(router, limits(config.internal.connections_max), stop.clone());
    parts.spawn(then(served, ended("the internal listener")));
    let device_metrics = DeviceMetrics::register(&registry)?;
    let router = ops::router(store.clone(), registry, stop.clone()).merge(enrol::crl_router(store.clone()));
    parts.spawn(then(
        ops_bound.serve(router, limits(OPS_CONNECTIONS_MAX), stop.clone()),
        ended("the operators' listener"),
    ));
    if let (Some(bound), Some(enrol)) = (enrol_bound, &config.enrol) {
        let of_one_address = Some(ENROL_CONNECTIONS_OF_ONE_MAX);
        let limits = Limits { of_one_address, ..limits(enrol.connections_max) };
        let router = enrol::router(Arc::clone(&desk), enrol.tries_a_minute);
        parts.spawn(then(bound.serve(router, limits, stop.clone()), ended("the enrolment listener")));
    }
    let crl = CrlRules { life_us: Micros::from(config.devices.crl_hours) * 3_600 * clock::SECOND };
    let care = sweep::DeviceCare { desk, crl, file: config.devices.crl_file, metrics: device_metrics };
    let every = config.session.sweep_every;
    parts.spawn(then(care.run(every, lease.clone(), stop.clone()), ended("the care of devices")));
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
    let files = look_at_files(verifier, config.app.registry, watched, stop.clone());
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

/// The identity providers of the settings.
fn providers(config: &Config) -> Result<Vec<Arc<Provider>>, ServeError> {
    let Some(origin) = &config.login.origin else { return Ok(Vec::new()) };
    let provider = |settings: &crate::config::Oidc| Provider::new(settings.clone(), &origin.to_string()).map(Arc::new);
    Ok(config.oidc.iter().map(provider).collect::<Result<_, _>>()?)
}

/// A listener's certificates, which are watched from now on.
fn server_certificates(
    what: &'static str,
    files: &ServerFiles,
    watched: &mut Vec<Watched>,
) -> Result<Arc<ArcSwap<rustls::ServerConfig>>, ServeError> {
    let tls = Arc::new(ArcSwap::new(server_tls(&files.cert, &files.key)?));
    watched.push(Watched::server(what, files.clone(), Arc::clone(&tls)));
    Ok(tls)
}

/// Binds the listener where identity providers tell of logouts.
async fn logout_listener(logout: &OidcLogout, watched: &mut Vec<Watched>) -> Result<(Bound, Limits), ServeError> {
    let tls = match &logout.tls {
        Some(files) => Some(server_certificates("the listener for logouts of identity providers", files, watched)?),
        None => None,
    };
    let bound = Bound::bind(&crate::config::Listen::Tcp(logout.listen), tls).await?;
    // Behind a proxy all come from one address.
    let of_one_address = logout.tls.as_ref().map(|_| LOGOUT_CONNECTIONS_OF_ONE_MAX);
    Ok((bound, Limits { connections_max: logout.connections_max, head: HEAD, stall: STALL, of_one_address }))
}

/// Binds the listener that cards are shown to.
async fn card_listener(
    siths: &Siths,
    refusals: &Arc<CardRefusals>,
    watched: &mut Vec<Watched>,
) -> Result<(Bound, Limits), ServeError> {
    let tls = Arc::new(ArcSwap::new(card_tls(&siths.files)?));
    if siths.files.revocation == Revocation::None {
        tracing::warn!("revoked SITHS cards are let in: the settings say revocation = \"none\"");
    }
    watched.push(Watched::cards(siths.files.clone(), Arc::clone(&tls)));
    let heard = Arc::clone(refusals);
    let bound = Bound::bind(&crate::config::Listen::Tcp(siths.listen), Some(tls)).await?;
    let bound = bound.telling(Arc::new(move |peer, error| heard.handshake(peer, error)));
    let of_one_address = Some(CARD_CONNECTIONS_OF_ONE_MAX);
    Ok((bound, Limits { connections_max: siths.connections_max, head: CARD_HEAD, stall: STALL, of_one_address }))
}

/// Reads keys and certificates again when their files change.
async fn look_at_files(
    verifier: Arc<Verifier>,
    registry: RegistryName,
    mut watched: Vec<Watched>,
    stop: CancellationToken,
) {
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(LOOK_AT_FILES) => {}
        }
        reload_keys(&verifier, &registry);
        for certificates in &mut watched {
            certificates.look();
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

fn write_ready(
    file: &Path,
    (app, ops, internal): (&Bound, &Bound, &Bound),
    others: &[(&str, Option<&Bound>)],
) -> std::io::Result<()> {
    let mut ready = serde_json::json!({ "app": app.name(), "ops": ops.name(), "internal": internal.name() });
    for (name, bound) in others {
        if let (Some(bound), Some(ready)) = (bound, ready.as_object_mut()) {
            ready.insert((*name).to_owned(), bound.name().into());
        }
    }
    match std::fs::remove_file(file) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    init::write_new(file, 0o644, format!("{ready}\n").as_bytes())
}
