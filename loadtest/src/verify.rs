//! `loadtest verify`: every answer that carried patient data has its record, exactly once, and nothing else has one.
//!
//! It starts the whole stack in a temporary folder with two sample registries, one behind HTTP/1.1, one behind HTTP/2
//! over mutual TLS, lets several users on several devices work through the real gateway, keeps its own ledger of what was
//! answered to whom, compares that with ClickHouse by the official client, and has `auditor verify` hold every row against
//! its seal. With `--kill` it kills programs (kill -9) every few seconds meanwhile. The seed of what happens is printed.

pub mod compare;
mod kill;
pub mod ledger;
pub mod plan;
mod rows;
pub mod traffic;

use crate::client::login::Session;
use crate::client::{Device, Protocol};
use crate::console;
use crate::patients::Population;
use crate::rng::Rng;
use crate::stack::people::{ANNA, BERTIL, CECILIA, DAVID, Person, Roster};
use crate::stack::ports::Ports;
use crate::stack::{Component, Programs, Settings, Stack};
use anyhow::Context as _;
use compare::{Comparison, Findings};
use ledger::{Asker, PatientIndex};
use plan::{Known, Standing};
use std::collections::{BTreeMap, HashMap};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;
use traffic::{Answered, Shared, Worker};
use uuid::Uuid;

/// How to verify.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// How long to send traffic.
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub seconds: u64,
    /// Kill this program (kill -9) every 2 to 5 seconds; can be given several times.
    #[arg(long, value_enum)]
    pub kill: Vec<Component>,
    /// ClickHouse is down all the while, and comes back when the traffic is over.
    #[arg(long)]
    pub clickhouse_away: bool,
    /// Seed of patients, traffic and kills [default: drawn anew and printed].
    #[arg(long)]
    pub seed: Option<u64>,
    /// How many users work at a time.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u16).range(8..=512))]
    pub workers: u16,
    /// `json`: one line at the end.
    #[arg(long, value_enum, default_value_t = console::Output::Table)]
    pub output: console::Output,
    /// Use this folder, whatever is in it already, and leave it behind [default: a temporary one].
    #[arg(long)]
    pub dir: Option<PathBuf>,
    /// Folder with the programs gateway, auditor and loadtest [default: this program's].
    #[arg(long)]
    pub programs: Option<PathBuf>,
}

/// What came of it: the findings, and figures of the run.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Report {
    /// The comparison.
    #[serde(flatten)]
    pub findings: Findings,
    /// Rows that are what was sealed, by `auditor verify`.
    pub sealed: u64,
    /// What it found to be wrong.
    pub seal_faults: u64,
    /// How often programs were killed.
    pub kills: u64,
    /// How often each.
    pub killed: BTreeMap<&'static str, u64>,
    /// The longest time that a killed program took until it was ready again, in milliseconds.
    pub restart_ms_max: u64,
    /// Requests sent.
    pub requests: u64,
    /// Of these, what went to the second registry, over HTTP/2 and TLS.
    pub second: u64,
    /// What of the registries' was answered, by kind: a kind that has fallen out of the traffic shows.
    pub answered: Answered,
    /// Requests per second.
    pub requests_per_s: u64,
    /// Exchanges that failed: no answer, or the gateway's own 5xx.
    pub errors: u64,
    /// Answers that should not have been: refused though allowed, let through though refused.
    pub odd: u64,
    /// How long the backlog took to drain at the end, in milliseconds.
    pub drain_ms: u64,
    /// The seed.
    pub seed: u64,
    /// How long traffic was sent.
    pub seconds: u64,
}

impl Report {
    /// Whether everything is as it should be.
    fn is_clean(&self) -> bool {
        self.findings.is_clean() && self.odd == 0 && self.seal_faults == 0
    }
}

const PATIENTS: u32 = 2000;
const DRAIN_LIMIT: Duration = Duration::from_mins(2);
const WORKERS_END_LIMIT: Duration = Duration::from_secs(45);

/// Runs it; true if there is no difference.
pub async fn run(options: Options) -> anyhow::Result<bool> {
    let seed = options.seed.unwrap_or_else(|| crate::clock::now_micros().unsigned_abs() & 0xffff_ffff);
    console::note(&format!("seed {seed}"));
    let temporary = if options.dir.is_none() { Some(tempfile::tempdir().context("a temporary folder")?) } else { None };
    let dir = match (&options.dir, &temporary) {
        (Some(dir), _) => dir.clone(),
        (None, Some(temporary)) => temporary.path().to_owned(),
        (None, None) => anyhow::bail!("no folder"),
    };
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(folder)?,
        None => Programs::beside_this()?,
    };
    let population = Population { seed, count: PATIENTS };
    let (ports, second) = Ports::free_and_one()?;
    let settings = Settings {
        dir,
        programs,
        ports,
        population,
        registry_arguments: Vec::new(),
        second: Some(second),
        several: None,
        more_hosts: Vec::new(),
        roster: Roster::demo(),
        gateway_threads: 0,
        sms: None,
    };
    let stack = Stack::start(settings, |step| console::progress(&format!("starting: {step}"))).await?;
    console::progress_end();
    let outcome = verify(stack, &options, population, seed).await;
    if let (Some(temporary), Err(_)) = (temporary, &outcome) {
        console::note(&format!("left behind for a look: {}", temporary.keep().display()));
    }
    let report = outcome?;
    tell(&report, options.output)?;
    Ok(report.is_clean())
}

async fn verify(mut stack: Stack, options: &Options, population: Population, seed: u64) -> anyhow::Result<Report> {
    let since = crate::clock::now_micros();
    let key = stack.pseudonym_key()?;
    let patients = population.patients();
    let known: Arc<Vec<Known>> =
        Arc::new(patients.iter().map(|patient| Known::new(patient, key.patient(&patient.id))).collect());
    let numbered =
        known.iter().zip(0..).filter_map(|(patient, index)| Some((patient.number.as_bytes().try_into().ok()?, index)));
    let numbers = Arc::new(numbered.collect());
    let cast = Cast::log_in(&stack).await?;
    let shared = Arc::new(Shared::default());
    let mut workers = JoinSet::new();
    for number in 0..u64::from(options.workers) {
        let worker = cast.worker(&stack, number, seed, (Arc::clone(&known), Arc::clone(&numbers)));
        workers.spawn(worker.run(Arc::clone(&shared)));
    }

    if options.clickhouse_away {
        stack.take_away(Component::Clickhouse);
    }
    let start = Instant::now();
    let end = start + Duration::from_secs(options.seconds);
    let mut killer = kill::Killer::new(Rng::fork(seed, u64::MAX), options.kill.clone());
    let mut worked = killer.work(&mut stack, end, || progress(&shared, start)).await;
    if worked.is_ok()
        && let Some(fallen) = stack.fallen()
    {
        worked = Err(anyhow::anyhow!(fallen));
    }
    let sent_for = start.elapsed();
    shared.stop.store(true, Ordering::Relaxed);
    let ended = tokio::time::timeout(WORKERS_END_LIMIT, async {
        while let Some(done) = workers.join_next().await {
            done.context("a worker panicked")?;
        }
        anyhow::Ok(())
    });
    let ended = ended.await;
    console::progress_end();
    worked?;
    ended.context("workers did not end in time")??;
    if options.clickhouse_away {
        stack.restart(Component::Clickhouse).await?;
    }

    console::progress("waiting for the gateway's backlog");
    let drain = Instant::now();
    rows::until_drained(&mut stack, DRAIN_LIMIT).await?;
    let drained = drain.elapsed();
    let references: Vec<_> = known.iter().map(|patient| patient.reference).collect();
    let (requests, errors) = (shared.ledger.requests(), shared.errors.load(Ordering::Relaxed));
    let second = shared.second.load(Ordering::Relaxed);
    let shared = Arc::into_inner(shared).context("a worker still holds the ledger")?;
    let (state, answered) = (shared.ledger.into_state(), shared.answered.into_inner());
    for (what, request) in &state.oddities {
        let recorded = rows::recorded(&stack.clickhouse()?, *request).await?;
        console::note(&format!("odd: {what}{recorded}"));
    }
    let odd = state.odd;
    let changes = rows::changes(&stack).await?;
    let mut comparison = Comparison::new(state, &references, changes);
    rows::compare(&stack.clickhouse()?, since, &mut comparison).await?;
    let findings = comparison.finish();
    console::progress_end();
    for example in &findings.examples {
        console::note(&format!("difference: {example}"));
    }
    console::progress("checking the seals");
    let sealed = rows::verify_seals(&stack).await?;
    console::progress_end();
    stack.stop().await;
    Ok(Report {
        findings,
        sealed: sealed.rows,
        seal_faults: sealed.count,
        kills: killer.kills.values().sum(),
        killed: killer.kills.iter().map(|(component, count)| (component.name(), *count)).collect(),
        restart_ms_max: millis(killer.slowest_restart),
        requests,
        second,
        answered,
        requests_per_s: requests * 1000 / millis(sent_for).max(1),
        errors,
        odd,
        drain_ms: millis(drained),
        seed,
        seconds: options.seconds,
    })
}

fn progress(shared: &Shared, start: Instant) {
    console::progress(&format!(
        "{:>4} s  {} requests, {} answered, {} failed",
        start.elapsed().as_secs(),
        shared.ledger.requests(),
        shared.ledger.len(),
        shared.errors.load(Ordering::Relaxed)
    ));
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn tell(report: &Report, output: console::Output) -> anyhow::Result<()> {
    if output == console::Output::Json {
        console::say(&serde_json::to_string(report)?);
        return Ok(());
    }
    let findings = &report.findings;
    console::say(&format!(
        "{} requests ({} a second, {} to the second registry), {} failed, {} kills (slowest restart {} ms), backlog drained in {} ms, seed {}",
        report.requests,
        report.requests_per_s,
        report.second,
        report.errors,
        report.kills,
        report.restart_ms_max,
        report.drain_ms,
        report.seed
    ));
    console::say(&format!(
        "disclosed {}, of these missing {}, doubled {}; surplus {}; wrong {}; of another {}; broken off {}",
        findings.disclosed,
        findings.missing,
        findings.doubled,
        findings.surplus,
        findings.wrong,
        findings.misattributed,
        findings.aborted
    ));
    console::say(&format!(
        "refused {}, of these unrecorded {}; changes {}, of these unrecorded {}; odd answers {}",
        findings.refused, findings.refused_missing, findings.changes, findings.changes_missing, report.odd
    ));
    let counts = |of: &BTreeMap<&str, u64>| {
        of.iter().map(|(name, count)| format!("{name} {count}")).collect::<Vec<_>>().join(", ")
    };
    let answered = &report.answered;
    console::say(&format!(
        "answered: {}; coded: {}; broken off by the client: {}",
        counts(&answered.kinds),
        counts(&answered.codings),
        answered.left
    ));
    console::say(&format!("{} rows under seals, {} faults", report.sealed, report.seal_faults));
    let verdict = if report.is_clean() { "no difference" } else { "DIFFERENCES" };
    console::say(verdict);
    Ok(())
}

/// A device and its id.
struct Desk {
    device: Device,
    id: Uuid,
}

impl Desk {
    fn of(stack: &Stack, name: &str) -> anyhow::Result<Self> {
        let enrolled = stack.enrolled().devices.get(name).with_context(|| format!("there is no device {name}"))?;
        let id = Uuid::parse_str(&enrolled.device).with_context(|| format!("the id of device {name}"))?;
        Ok(Self { device: stack.device(name)?, id })
    }
}

/// The patients, and where in their list each number stands.
type Patients = (Arc<Vec<Known>>, Arc<HashMap<[u8; 12], PatientIndex>>);

/// Who works: each person with a login, on the device of the login.
struct Cast {
    members: Vec<Member>,
}

struct Member {
    device: Device,
    asker: Arc<Asker>,
    standing: Standing,
    session: Option<Session>,
}

impl Cast {
    async fn log_in(stack: &Stack) -> anyhow::Result<Self> {
        let (here, there) = (Desk::of(stack, "mottagning")?, Desk::of(stack, "avdelning")?);
        let member = |desk: &Desk, standing, person: &Person, session: &Session| {
            // Of who uses another's session, the record may say either: nobody, or whose session it is.
            let user = (standing != Standing::Stranger).then(|| person.hsa.to_owned());
            Member {
                device: desk.device.clone(),
                asker: Arc::new(Asker { user, device: desk.id }),
                standing,
                session: Some(session.clone()),
            }
        };
        let anna = stack.log_in(&ANNA, &here.device).await?;
        let bertil = stack.log_in(&BERTIL, &there.device).await?;
        let cecilia = stack.log_in(&CECILIA, &there.device).await?;
        let david = stack.log_in(&DAVID, &here.device).await?;
        // Most do what they may; of each kind of wrong there is some.
        let members = vec![
            member(&here, Standing::Writer, &ANNA, &anna),
            member(&there, Standing::Writer, &BERTIL, &bertil),
            member(&there, Standing::Reader, &CECILIA, &cecilia),
            member(&here, Standing::Writer, &ANNA, &anna),
            member(&there, Standing::Writer, &BERTIL, &bertil),
            member(&there, Standing::Reader, &CECILIA, &cecilia),
            member(&here, Standing::Outsider, &DAVID, &david),
            // Anna's session on another device than her own.
            member(&there, Standing::Stranger, &ANNA, &anna),
            member(&here, Standing::Writer, &ANNA, &anna),
            member(&there, Standing::Writer, &BERTIL, &bertil),
            Member {
                device: here.device.clone(),
                asker: Arc::new(Asker { user: Some(String::new()), device: here.id }),
                standing: Standing::Stranger,
                session: None,
            },
        ];
        Ok(Self { members })
    }

    fn worker(&self, stack: &Stack, number: u64, seed: u64, (patients, numbers): Patients) -> Worker {
        let position = usize::try_from(number).unwrap_or(0) % self.members.len().max(1);
        let member = self.members.get(position).expect("invariant: the cast has members");
        Worker {
            targets: [stack.target(), stack.second_target()],
            asker: Arc::clone(&member.asker),
            device: member.device.clone(),
            protocol: if number.is_multiple_of(3) { Protocol::Http2 } else { Protocol::Http1 },
            standing: member.standing,
            session: member
                .session
                .clone()
                .map(|session| if number.is_multiple_of(2) { session.in_cookie() } else { session }),
            patients,
            numbers,
            seed: seed ^ number.wrapping_mul(0x5851_f42d_4c95_7f2d),
        }
    }
}
