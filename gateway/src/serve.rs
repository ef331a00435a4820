//! `gateway serve`: puts all parts together, binds, runs, drains.
//!
//! Order of the start: keys and secrets are read, the journal is opened and what the last run left is recovered, the
//! ports are bound, and only then is a request taken. Order of the end (SIGTERM, SIGINT): no new connections, not ready,
//! exchanges under way may end, then the shipper sends what is durable, then the journal is closed.

use crate::assertion::Asserter;
use crate::client::Clients;
use crate::clock;
use crate::config::{Config, InternalAddress};
use crate::directory::client::Client as AuditorClient;
use crate::directory::disk::Kept;
use crate::directory::{self, Directory};
use crate::discover::{self, Finder};
use crate::geo::Geo;
use crate::journal::storage::Disk;
use crate::journal::{self, Journal, State};
use crate::keys::{NodeKeys, SealKeys};
use crate::listener::{self, Listener};
use crate::ops::Ops;
use crate::proxy::{self, Proxy};
use crate::recorder::flood::Floods;
use crate::recorder::sealer::{KEY_LIFE, Sealer};
use crate::recorder::{self, Recorder};
use crate::shipper::{self, Shipper};
use crate::tls::{self, Verifier};
use crate::upstream::Upstreams;
use crate::witness::{self, Spool, Witnesses};
use anyhow::Context as _;
use contract::pseudonym::{AuditorPublicKey, PseudonymKey};
use prometheus::{IntGauge, IntGaugeVec, Opts, Registry};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpSocket};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// Runs the gateway until it is told to stop.
pub async fn run(config: Config, ready_file: Option<PathBuf>) -> anyhow::Result<()> {
    let registry = Registry::new();
    let keys = NodeKeys::open(&config.node.state_dir, &config.node.name)?;
    let clickhouse_key = secret(&config.clickhouse.key_file)?;
    let pseudonyms = PseudonymKey::from_hex(&secret(&config.identity.pseudonym_key)?)
        .with_context(|| config.identity.pseudonym_key.display().to_string())?;
    let auditor_key = AuditorPublicKey::from_hex(&secret(&config.identity.auditor_public_key)?)
        .with_context(|| config.identity.auditor_public_key.display().to_string())?;
    certificate_ends(&registry, &config)?;
    let geo = Geo::open(config.geo_database.as_deref())?;
    let upstreams = Arc::new(Upstreams::new(&config.routes)?);
    upstreams.prepare().await;

    let directory = Arc::new(Directory::new(config.auditor.stale_after, directory::Metrics::register(&registry)?));
    let copy = Kept::new(config.node.state_dir.join("directory.ndjson"));
    match copy.load(&directory) {
        Ok(Some(at)) => {
            tracing::info!(age_s = (clock::now() - at) / 1_000_000, "the last directory was read from disk");
        }
        Ok(None) => {}
        Err(error) => tracing::warn!(error = &error as &dyn std::error::Error, "the last directory cannot be read"),
    }
    let auditor = Arc::new(AuditorClient::new(Arc::clone(&directory), &config.auditor.directory, copy)?);

    let journal = open_journal(&config, &registry)?;
    let witnesses = Witnesses::open(&config.journal.dir, &config.witness, witness::Metrics::register(&registry)?)?;
    // Before anything is appended: its book is compared with what the last run left.
    let spool = witnesses.as_ref().map(Witnesses::spool);
    let shipper = open_shipper(&config, &journal, keys.seal, (clickhouse_key, spool), &registry)?;
    let recorder = Recorder::new(journal.clone(), recorder::Metrics::register(&registry)?);
    recorder.started(clock::now())?.durable().await.context("the journal cannot be written")?;
    let sealer = Arc::new(Sealer::start(pseudonyms, auditor_key, recorder.clone(), clock::now()).await?);

    let clients = Arc::new(Clients::default());
    let floods = Arc::new(Floods::new(recorder.clone()));
    let asserter =
        Asserter::new(keys.assertion, config.identity.assertion_issuer.clone(), config.auditor.registry.clone());
    let jwks = asserter.jwks().to_owned();
    let finder = if config.discover {
        let opened = Finder::open(&config.node.state_dir, &config.routes, clock::now());
        let place = || format!("{} cannot be read", discover::path(&config.node.state_dir).display());
        Some(Arc::new(opened.with_context(place)?))
    } else {
        None
    };
    let proxy_metrics = Arc::new(proxy::Metrics::register(&registry, &config.routes)?);
    let proxy = Arc::new(Proxy::new(proxy::Parts {
        routes: Arc::new(config.routes),
        hosts: config.listen.hosts.clone(),
        directory: Arc::clone(&directory),
        auditor: Arc::clone(&auditor),
        recorder: recorder.clone(),
        sealer: Arc::clone(&sealer),
        floods: Arc::clone(&floods),
        clients: Arc::clone(&clients),
        upstreams: Arc::clone(&upstreams),
        asserter,
        help_contact: config.auditor.help_contact.clone(),
        limits: config.limits.clone(),
        finder: finder.clone(),
        metrics: proxy_metrics,
        empty: "".into(),
    }));

    let verifier = Verifier::new(tls::client_verifier(&config.tls.client_ca)?, Arc::clone(&directory));
    let listener = Listener::new(listener::Parts {
        tls: tls::server_config(&config.tls.certificate, &config.tls.key, Arc::new(verifier))?,
        application: proxy,
        clients: Arc::clone(&clients),
        floods: Arc::clone(&floods),
        geo,
        limits: config.limits.clone(),
        handshake_timeout: config.tls.handshake_timeout,
        metrics: listener::Metrics::register(&registry)?,
    });

    let sockets: Vec<TcpListener> =
        config.listen.https.iter().map(|address| bind(*address)).collect::<Result<_, _>>()?;
    let ops_socket = bind(config.listen.ops)?;
    let addresses: Vec<SocketAddr> = sockets.iter().map(TcpListener::local_addr).collect::<Result<_, _>>()?;
    let ops_address = ops_socket.local_addr()?;

    let (stop_sender, stop) = watch::channel(false);
    let (down_sender, down) = watch::channel(false);
    let ship_stop = CancellationToken::new();
    let shipping = crate::task::vital("shipper", shipper.run(ship_stop.clone()));
    let witness_stop = CancellationToken::new();
    let witnessing = witnesses.map(|witnesses| witnesses.run(&witness_stop)).unwrap_or_default();
    upstreams.watch(&stop);
    let following = spawn_directory(&auditor, &directory, &clients, &stop);
    spawn_upkeep(&recorder, &sealer, &floods, &listener, &upstreams, &stop);
    if let Some(finder) = &finder {
        spawn_saving(finder, &stop);
    }
    let ops = Arc::new(Ops {
        refresh: refresher(&registry, &clients, &upstreams)?,
        unready: readiness(&journal, &directory, &stop),
        jwks,
        registry,
    });
    let ops = crate::task::vital("ops", ops.run(ops_socket, down));
    for socket in sockets {
        crate::task::vital("listener", Arc::clone(&listener).run(socket, stop.clone()));
    }
    announce(ready_file.as_deref(), &addresses, ops_address)?;

    wait_for_signal().await?;
    tracing::info!("stopping: no new connections, exchanges under way may end");
    // Without a manager that listens there is nobody to tell.
    let _unmanaged = sd_notify::notify(&[sd_notify::NotifyState::Stopping]);
    stop_sender.send_replace(true);
    drain(&clients, config.limits.drain_timeout).await;
    floods.flush(clock::now());
    recorder.catch_up();
    if let Some(finder) = &finder {
        save_found(finder);
    }
    for task in following {
        // It ends by itself now; a panic in it has been logged.
        let _ended = task.await;
    }
    // The last outcomes wait for nobody: made durable now, they are still shipped.
    if let Ok(pending) = recorder.stopped(clock::now()) {
        let _unwritable = pending.durable().await;
    }
    ship_stop.cancel();
    let _ended = shipping.await;
    // What a witness does not take now it gets after the next start.
    witness_stop.cancel();
    let _late = tokio::time::timeout(WITNESS_STOP, futures_util::future::join_all(witnessing)).await;
    let closing = tokio::task::spawn_blocking(move || journal.close());
    closing.await.context("the journal could not be closed")?;
    down_sender.send_replace(true);
    let _ended = ops.await;
    tracing::info!("stopped");
    Ok(())
}

/// A secret's file, without the line's end.
pub fn secret(path: &Path) -> anyhow::Result<Zeroizing<String>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(Zeroizing::new(Zeroizing::new(text).trim().to_owned()))
}

fn open_journal(config: &Config, registry: &Registry) -> anyhow::Result<Journal> {
    let metrics = journal::Metrics::new(registry)?;
    let (journal, recovery) = Journal::open(config.journal.clone(), Disk::storage(), metrics)?;
    tracing::info!(
        frames = recovery.frames,
        segments = recovery.segments,
        torn_bytes = recovery.torn_bytes,
        "the journal is open"
    );
    for gap in &recovery.gaps {
        tracing::error!(
            first = gap.first.sequence(),
            last = gap.last.sequence(),
            "records are damaged and set aside; run `gateway journal fsck` and keep the *.quarantined files"
        );
    }
    Ok(journal)
}

/// How ClickHouse is reached.
pub fn clickhouse(config: &Config, key: Zeroizing<String>) -> shipper::ClickHouse {
    let settings = &config.clickhouse;
    shipper::ClickHouse {
        url: settings.url.clone(),
        database: settings.database.clone(),
        user: settings.user.clone(),
        key,
    }
}

fn open_shipper(
    config: &Config,
    journal: &Journal,
    seal_keys: SealKeys,
    (key, witness): (Zeroizing<String>, Option<Spool>),
    registry: &Registry,
) -> anyhow::Result<Shipper> {
    let settings = shipper::Config {
        node: config.node.name.clone(),
        tenant: config.node.tenant.text(),
        clickhouse: clickhouse(config, key),
        rows_max: config.clickhouse.batch_rows_max,
        wait: config.clickhouse.batch_wait,
        ledger_path: ledger_path(&config.journal.dir),
        witness,
    };
    Ok(Shipper::open(journal.clone(), settings, seal_keys, shipper::Metrics::new(registry)?)?)
}

/// Where the shipper's book is: with the journal it belongs to.
pub(crate) fn ledger_path(journal: &Path) -> PathBuf {
    journal.join("shipper.ledger")
}

fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let bound = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        socket.listen(4096)
    };
    bound().with_context(|| format!("cannot listen on {address}"))
}

fn spawn_directory(
    auditor: &Arc<AuditorClient>,
    directory: &Arc<Directory>,
    clients: &Arc<Clients>,
    stop: &watch::Receiver<bool>,
) -> Vec<tokio::task::JoinHandle<()>> {
    let (follower, reporter, keeper) = (Arc::clone(auditor), Arc::clone(auditor), Arc::clone(auditor));
    let (follow_stop, report_stop, keep_stop) = (stop.clone(), stop.clone(), stop.clone());
    let (watched, clients, mut cut_stop) = (Arc::clone(directory), Arc::clone(clients), stop.clone());
    let mut changes = directory.changes();
    vec![
        crate::task::vital("directory feed", async move { follower.follow(follow_stop).await }),
        crate::task::vital("session report", async move { reporter.report(report_stop).await }),
        crate::task::vital("directory on disk", async move { keeper.keep(keep_stop).await }),
        crate::task::vital("revocation", async move {
            loop {
                // Each change; and each second, for rights that end by time.
                tokio::select! {
                    told = changes.changed() => if told.is_err() { return },
                    () = tokio::time::sleep(Duration::from_secs(1)) => {}
                    _ = cut_stop.wait_for(|stop| *stop) => return,
                }
                let now = clock::now();
                let belongs = |fingerprint: &_| watched.device(fingerprint).is_none_or(|d| d.device.revoked.is_none());
                let cut = clients.cut_unentitled(belongs, now);
                if cut > 0 {
                    tracing::info!(cut, "connections were cut because a right behind them ended");
                }
            }
        }),
    ]
}

fn spawn_upkeep<A: listener::Application>(
    recorder: &Recorder,
    sealer: &Arc<Sealer>,
    floods: &Arc<Floods>,
    listener: &Arc<Listener<A>>,
    upstreams: &Arc<Upstreams>,
    stop: &watch::Receiver<bool>,
) {
    let (sealer, mut key_stop) = (Arc::clone(sealer), stop.clone());
    crate::task::vital("data key", async move {
        let mut pause = Duration::from_micros(KEY_LIFE.unsigned_abs());
        loop {
            tokio::select! {
                () = tokio::time::sleep(pause) => {}
                _ = key_stop.wait_for(|stop| *stop) => return,
            }
            pause = match sealer.renew(clock::now()).await {
                Ok(()) => Duration::from_micros(KEY_LIFE.unsigned_abs()),
                Err(error) => {
                    tracing::error!(error = &error as &dyn std::error::Error, "no new data key; the old one goes on");
                    Duration::from_secs(10)
                }
            };
        }
    });
    let (floods, listener, upstreams) = (Arc::clone(floods), Arc::clone(listener), Arc::clone(upstreams));
    let (recorder, mut tidy_stop) = (recorder.clone(), stop.clone());
    crate::task::vital("tidying", async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(1)) => {}
                _ = tidy_stop.wait_for(|stop| *stop) => return,
            }
            floods.flush(clock::now());
            recorder.catch_up();
            listener.tidy();
            upstreams.tidy();
        }
    });
}

/// Writes now and then what was discovered.
fn spawn_saving(finder: &Arc<Finder>, stop: &watch::Receiver<bool>) {
    let (finder, mut stop) = (Arc::clone(finder), stop.clone());
    crate::task::vital("discovery", async move {
        loop {
            tokio::select! {
                () = tokio::time::sleep(Duration::from_secs(5)) => {}
                _ = stop.wait_for(|stop| *stop) => return,
            }
            let finder = Arc::clone(&finder);
            // A panic in it has been logged.
            let _done = tokio::task::spawn_blocking(move || save_found(&finder)).await;
        }
    });
}

fn save_found(finder: &Finder) {
    if let Err(error) = finder.save() {
        tracing::warn!(%error, "what was discovered cannot be written");
    }
}

fn readiness(
    journal: &Journal,
    directory: &Arc<Directory>,
    stop: &watch::Receiver<bool>,
) -> Box<dyn Fn() -> Vec<&'static str> + Send + Sync> {
    let (journal, directory, stop) = (journal.clone(), Arc::clone(directory), stop.clone());
    Box::new(move || {
        let journal = match journal.state() {
            State::Healthy => None,
            State::Failing => Some("the journal cannot be written"),
            State::Full => Some("the journal is full"),
        };
        let directory = (!directory.fresh(clock::now())).then_some("the directory is stale: the auditor is not heard");
        let stopping = (*stop.borrow()).then_some("the gateway is stopping");
        [journal, directory, stopping].into_iter().flatten().collect()
    })
}

fn refresher(
    registry: &Registry,
    clients: &Arc<Clients>,
    upstreams: &Arc<Upstreams>,
) -> anyhow::Result<Box<dyn Fn() + Send + Sync>> {
    let info = IntGaugeVec::new(Opts::new("build_info", "The program and its version"), &["program", "version"])?;
    info.with_label_values(&["gateway", env!("CARGO_PKG_VERSION")]).set(1);
    let peers =
        IntGaugeVec::new(Opts::new("upstream_peers", "Servers of a registry, by state"), &["registry", "state"])?;
    let open = IntGauge::new("clients_open", "Connections whose handshake has succeeded")?;
    registry.register(Box::new(info))?;
    registry.register(Box::new(peers.clone()))?;
    registry.register(Box::new(open.clone()))?;
    let (clients, upstreams) = (Arc::clone(clients), Arc::clone(upstreams));
    Ok(Box::new(move || {
        open.set(i64::try_from(clients.len()).unwrap_or(i64::MAX));
        for (name, well, all) in upstreams.health() {
            let set = |state: &str, count: usize| {
                peers.with_label_values(&[name, state]).set(i64::try_from(count).unwrap_or(i64::MAX));
            };
            set("well", well);
            set("unwell", all.saturating_sub(well));
        }
    }))
}

/// Shows when the certificates end that were read: they are used until the next start, whatever is in their files then.
fn certificate_ends(registry: &Registry, config: &Config) -> anyhow::Result<()> {
    let ends = IntGaugeVec::new(
        Opts::new("tls_certificate_expiry_seconds", "When the first of these certificates ends, Unix time"),
        &["which"],
    )?;
    registry.register(Box::new(ends.clone()))?;
    let first = |which: &str, path: &Path| match tls::first_end(path) {
        Ok(end) => {
            let gauge = ends.with_label_values(&[which]);
            // A gauge that was not set is 0, which no certificate's end is.
            gauge.set(if gauge.get() == 0 { end } else { gauge.get().min(end) });
        }
        // Who uses the certificate says what is wrong; not to know its end is no reason not to serve.
        Err(error) => tracing::warn!(which, error = &error as &dyn std::error::Error, "a certificate's end is unknown"),
    };
    first("server", &config.tls.certificate);
    config.tls.client_ca.iter().for_each(|path| first("device_ca", path));
    for address in &config.auditor.directory {
        if let InternalAddress::Tls { ca, certificate, .. } = address {
            first("auditor_ca", ca);
            first("auditor_client", certificate);
        }
    }
    for tls in config.routes.registries().iter().filter_map(|registry| registry.tls.as_ref()) {
        first("registry_ca", &tls.ca);
        tls.client.iter().for_each(|client| first("registry_client", &client.certificate));
    }
    Ok(())
}

/// Tells that requests are taken: to systemd, and to whoever started this with `--ready-file`.
fn announce(ready_file: Option<&Path>, https: &[SocketAddr], ops: SocketAddr) -> anyhow::Result<()> {
    tracing::info!(https = ?https, %ops, "serving");
    if let Some(path) = ready_file {
        let ready = serde_json::json!({
            "https": https.first().map(ToString::to_string),
            "ops": ops.to_string(),
        });
        let temporary = path.with_extension("tmp");
        std::fs::write(&temporary, ready.to_string())
            .and_then(|()| std::fs::rename(&temporary, path))
            .with_context(|| format!("{} cannot be written", path.display()))?;
    }
    let _unmanaged = sd_notify::notify(&[sd_notify::NotifyState::Ready]);
    Ok(())
}

async fn wait_for_signal() -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}

/// Waits until no connection is open, or for so long.
async fn drain(clients: &Arc<Clients>, limit: Duration) {
    let drained = async {
        while !clients.is_empty() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if tokio::time::timeout(limit, drained).await.is_err() {
        tracing::warn!(open = clients.len(), "connections are still open; they end now");
        clients.cut_all();
    }
}

/// How long witnesses may take at the end.
const WITNESS_STOP: Duration = Duration::from_secs(3);
