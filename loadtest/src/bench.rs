//! What a request costs the gateway's process, next to a bare pingora proxy that records nothing ([`crate::bare`]).
//!
//! Rounds are interleaved, so that whatever else the machine does falls on both. What counts is the proxy process's
//! own CPU time per request: the load generator and the backend share the machine and do not enter it.

pub mod histogram;
pub mod load;
pub mod usage;

use crate::client::{Connection, Protocol, Target};
use crate::console;
use crate::patients::Population;
use crate::stack::people::{ANNA, Roster};
use crate::stack::ports::{Ports, free_port};
use crate::stack::process::{Keeper, Plan, Process};
use crate::stack::{Component, Programs, Settings, Stack, loopback};
use anyhow::Context as _;
use http::HeaderMap;
use load::{Figures, Load};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

/// How to measure.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Rounds of each proxy.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=50))]
    pub rounds: u32,
    /// Seconds of each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=60))]
    pub seconds: u64,
    /// Client connections.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1024))]
    pub connections: u16,
    /// Bytes of each answer's body.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u32).range(300..=1_048_576))]
    pub size: u32,
    /// HTTP/2 between client and proxy.
    #[arg(long)]
    pub http2: bool,
    /// Worker threads of each proxy.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    pub threads: u16,
    /// Open so many idle connections to each proxy and tell its memory, instead of measuring requests.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=20_000))]
    pub idle: Option<u32>,
    /// Compare answers that are looked into for patients with answers that are not, all of the gateway.
    #[arg(long, conflicts_with = "idle")]
    pub marked: bool,
    /// `json`: one line at the end.
    #[arg(long, value_enum, default_value_t = console::Output::Table)]
    pub output: console::Output,
    /// Folder with the programs gateway, auditor and loadtest [default: this program's].
    #[arg(long)]
    pub programs: Option<PathBuf>,
}

const PATIENTS: u32 = 1000;
const WARM_UP: Duration = Duration::from_secs(1);

/// Starts the stack, measures, prints.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let dir = tempfile::tempdir().context("a temporary folder")?;
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(folder)?,
        None => Programs::beside_this()?,
    };
    let settings = Settings {
        dir: dir.path().to_owned(),
        programs,
        ports: Ports::free()?,
        population: Population { seed: crate::patients::SEED, count: PATIENTS },
        registry_arguments: vec!["--size".to_owned(), options.size.to_string()],
        second: None,
        several: None,
        more_hosts: Vec::new(),
        roster: Roster::demo(),
        gateway_threads: options.threads,
        sms: None,
    };
    let stack = Stack::start(settings, |step| console::progress(&format!("starting: {step}"))).await?;
    let result = match options.idle {
        Some(count) => idle(&stack, count, &options).await,
        None => compare(&stack, &options).await,
    };
    stack.stop().await;
    result
}

/// One proxy's rounds.
struct Side {
    name: &'static str,
    load: Load,
    process: u32,
    open: Vec<Connection>,
    rounds: Vec<Round>,
}

/// One round.
#[derive(Debug, Clone, Copy, serde::Serialize)]
struct Round {
    cpu_us: f64,
    requests_per_s: f64,
    p50_us: u64,
    p99_us: u64,
    requests: u64,
    errors: u64,
}

impl Side {
    async fn round(&mut self, duration: Duration) -> anyhow::Result<Round> {
        let before = usage::cpu(self.process).with_context(|| format!("{} has ended", self.name))?;
        let (figures, open) = self.load.drive(std::mem::take(&mut self.open), duration).await;
        let after = usage::cpu(self.process).with_context(|| format!("{} has ended", self.name))?;
        self.open = open;
        anyhow::ensure!(
            figures.answers > 0,
            "{}: no request was answered with 200 ({} failed)",
            self.name,
            figures.errors
        );
        Ok(Round::of(&figures, after.saturating_sub(before)))
    }
}

impl Round {
    #[expect(clippy::cast_precision_loss, reason = "counts of one round are far below 2^52")]
    fn of(figures: &Figures, cpu: Duration) -> Self {
        Self {
            cpu_us: cpu.as_secs_f64() * 1e6 / figures.answers as f64,
            requests_per_s: figures.answers as f64 / figures.seconds,
            p50_us: figures.latency.quantile(500),
            p99_us: figures.latency.quantile(990),
            requests: figures.answers,
            errors: figures.errors,
        }
    }
}

async fn compare(stack: &Stack, options: &Options) -> anyhow::Result<()> {
    let device = stack.device("mottagning")?;
    let session = stack.log_in(&ANNA, &device).await?;
    let mut headers = HeaderMap::new();
    let (name, value) = session.header();
    headers.insert(name, value.parse().context("the session is no header value")?);

    let patients = Population { seed: crate::patients::SEED, count: PATIENTS }.patients();
    let paths = |tail: &str| patients.iter().map(|p| format!("/api/patients/{}{tail}", p.id.expose())).collect();
    let numbered = |below: &str| (0..patients.len()).map(|number| format!("{below}/{number}")).collect();
    let protocol = if options.http2 { Protocol::Http2 } else { Protocol::Http1 };
    let side = |name, target, process, paths: Vec<String>| {
        let load = Load {
            target,
            device: device.clone(),
            protocol,
            connections: options.connections.into(),
            paths: Arc::new(paths),
            headers: headers.clone(),
        };
        Side { name, load, process, open: Vec::new(), rounds: Vec::new() }
    };
    let gateway = stack.process_id(Component::Gateway).context("the gateway does not run")?;
    let mut bare = None;
    let mut sides = if options.marked {
        vec![
            side("unmarked", stack.target(), gateway, paths("/record")),
            side("by path", stack.target(), gateway, numbered("/api/records")),
            side("as text", stack.target(), gateway, numbered("/api/texts")),
            side("as FHIR", stack.target(), gateway, numbered("/fhir/records")),
        ]
    } else {
        let (process, target) = start_bare(stack, options.threads).await?;
        let id = process.id();
        bare = Some(process);
        vec![side("bare", target, id, paths("")), side("gateway", stack.target(), gateway, paths(""))]
    };
    for side in &mut sides {
        side.open = side.load.connect().await.with_context(|| format!("{}: no connection", side.name))?;
        side.round(WARM_UP).await?;
    }
    for number in 1..=options.rounds {
        for side in &mut sides {
            console::progress(&format!("round {number} of {}: {}", options.rounds, side.name));
            let round = side.round(Duration::from_secs(options.seconds)).await?;
            side.rounds.push(round);
        }
    }
    console::progress_end();
    report(&sides, options);
    // It was needed until here.
    drop(bare);
    Ok(())
}

async fn start_bare(stack: &Stack, threads: u16) -> anyhow::Result<(Process, Target)> {
    let port = free_port()?;
    let (certificate, key, client_ca) = stack.layout().gateway_tls();
    let path = |path: &std::path::Path| path.to_string_lossy().into_owned();
    let arguments = [
        ("--listen", loopback(port).to_string()),
        ("--peer", stack.registry().to_string()),
        ("--certificate", path(&certificate)),
        ("--key", path(&key)),
        ("--client-ca", path(&client_ca)),
        ("--threads", threads.to_string()),
    ];
    let plan = Plan {
        name: "bare proxy",
        program: stack.settings().programs.loadtest.clone(),
        arguments: std::iter::once("bare".to_owned())
            .chain(arguments.into_iter().flat_map(|(key, value)| [key.to_owned(), value]))
            .collect(),
        log: stack.layout().dir().join("logs/bare.log"),
        ready_file: stack.layout().dir().join("run/bare.ready"),
    };
    let mut bare = Process::start(&Keeper::start()?, plan)?;
    bare.until("listens", Duration::from_secs(20), async move || {
        tokio::net::TcpStream::connect(loopback(port)).await.ok()
    })
    .await?;
    Ok((bare, Target { address: loopback(port), host: crate::stack::files::HOST.to_owned() }))
}

fn report(sides: &[Side], options: &Options) {
    let summary: Vec<(&str, Round)> = sides.iter().map(|side| (side.name, median_round(&side.rounds))).collect();
    let first = summary.first().map_or(f64::NAN, |(_, round)| round.cpu_us);
    let ratios: Vec<(&str, f64)> = summary.iter().skip(1).map(|(name, round)| (*name, round.cpu_us / first)).collect();
    match options.output {
        console::Output::Json => {
            let (rounds, protocol) = (options.rounds, if options.http2 { "http2" } else { "http1" });
            let sides: serde_json::Map<_, _> =
                summary.iter().map(|(name, round)| ((*name).to_owned(), serde_json::json!(round))).collect();
            let line = serde_json::json!({
                "protocol": protocol, "connections": options.connections, "size": options.size, "threads": options.threads,
                "rounds": rounds, "seconds": options.seconds, "medians": sides, "cpu_ratio": ratio(&ratios),
            });
            console::say(&line.to_string());
        }
        console::Output::Table => {
            console::say("            CPU µs/request  requests/s    p50 µs    p99 µs   errors   (medians)");
            for (name, round) in &summary {
                console::say(&format!(
                    "{name:<10} {:>15.1} {:>11.0} {:>9} {:>9} {:>8}",
                    round.cpu_us, round.requests_per_s, round.p50_us, round.p99_us, round.errors
                ));
            }
            let of = summary.first().map_or("", |(name, _)| *name);
            for (name, ratio) in ratios {
                console::say(&format!("CPU ratio {name} / {of}: {ratio:.2}"));
            }
        }
    }
}

/// One ratio as a number, several by their names.
fn ratio(ratios: &[(&str, f64)]) -> serde_json::Value {
    match ratios {
        [(_, one)] => serde_json::json!(one),
        several => several.iter().map(|(name, ratio)| ((*name).to_owned(), serde_json::json!(ratio))).collect(),
    }
}

/// Each figure's own median over the rounds; errors and requests are sums.
fn median_round(rounds: &[Round]) -> Round {
    Round {
        cpu_us: median(rounds.iter().map(|round| round.cpu_us)),
        requests_per_s: median(rounds.iter().map(|round| round.requests_per_s)),
        p50_us: median_whole(rounds.iter().map(|round| round.p50_us)),
        p99_us: median_whole(rounds.iter().map(|round| round.p99_us)),
        requests: rounds.iter().map(|round| round.requests).sum(),
        errors: rounds.iter().map(|round| round.errors).sum(),
    }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

fn median_whole(values: impl Iterator<Item = u64>) -> u64 {
    let mut values: Vec<u64> = values.collect();
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// Memory of a proxy before and with idle connections.
#[derive(Debug, Clone, Copy, serde::Serialize)]
struct Idle {
    closed: usize,
    rss_before_bytes: u64,
    rss_bytes: u64,
}

async fn idle(stack: &Stack, count: u32, options: &Options) -> anyhow::Result<()> {
    let gateway = stack.process_id(Component::Gateway).context("the gateway does not run")?;
    let (bare, bare_target) = start_bare(stack, options.threads).await?;
    let bare = idle_of(stack, "bare", &bare_target, bare.id(), count, options).await?;
    let gateway = idle_of(stack, "gateway", &stack.target(), gateway, count, options).await?;
    match options.output {
        console::Output::Json => {
            let line = serde_json::json!({"idle": count, "bare": bare, "gateway": gateway});
            console::say(&line.to_string());
        }
        console::Output::Table => {
            let mib = |bytes: u64| bytes / (1 << 20);
            for (name, idle) in [("bare", bare), ("gateway", gateway)] {
                console::say(&format!(
                    "{name}: {count} idle connections ({} closed by it): {} MiB resident, {} MiB before",
                    idle.closed,
                    mib(idle.rss_bytes),
                    mib(idle.rss_before_bytes)
                ));
            }
        }
    }
    Ok(())
}

async fn idle_of(
    stack: &Stack,
    name: &str,
    target: &Target,
    process: u32,
    count: u32,
    options: &Options,
) -> anyhow::Result<Idle> {
    let device = stack.device("mottagning")?;
    let resident = || usage::resident(process).with_context(|| format!("{name} has ended"));
    let rss_before_bytes = resident()?;
    let protocol = if options.http2 { Protocol::Http2 } else { Protocol::Http1 };
    let mut open = Vec::with_capacity(count as usize);
    for number in 1..=count {
        let connection = Connection::open(target, &device, protocol).await;
        open.push(connection.with_context(|| format!("{name}: connection {number}"))?);
        if number % 500 == 0 {
            console::progress(&format!("{name}: {number} connections"));
        }
    }
    console::progress_end();
    let rss_bytes = resident()?;
    let closed = open.iter().filter(|connection| connection.is_closed()).count();
    Ok(Idle { closed, rss_before_bytes, rss_bytes })
}
