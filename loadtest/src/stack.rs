//! The whole installation on one machine: sample registry, ClickHouse, auditor and gateway, each a process of its own.
//! If asked for, a second sample registry, to which the gateway speaks HTTP/2 over TLS and shows a certificate; or two
//! auditors over one PostgreSQL, each with a gateway that follows it and knows of the other.
//!
//! All of it lives in one folder: keys and certificates (made by `auditor init`), settings, data, logs. A folder that
//! was used before is used on: accounts, devices and data stay. Ports are loopback ports, chosen before the start, so
//! that a program that is killed and started again is where it was.
//!
//! Nothing outlives a [`Stack`]: see [`process`].

pub mod files;
pub mod people;
pub mod pki;
pub mod ports;
pub mod postgres;
pub mod process;

use crate::client::login::{Credentials, Session, log_in};
use crate::client::{ClientError, Device, Target, plain};
use crate::patients::Population;
use anyhow::Context as _;
use contract::pseudonym::PseudonymKey;
use files::{Fetched, Layout};
use people::{Enrolled, Person, Roster};
use ports::Ports;
use process::{Keeper, Plan, Process, ProcessError};
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A program of the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, clap::ValueEnum)]
pub enum Component {
    /// The sample registry.
    Registry,
    /// The second sample registry, in stacks that have one.
    SecondRegistry,
    /// The embedded ClickHouse.
    Clickhouse,
    /// The auditor.
    Auditor,
    /// The gateway.
    Gateway,
    /// The second auditor, in stacks of several.
    SecondAuditor,
    /// The second gateway, in stacks of several.
    SecondGateway,
}

impl Component {
    /// Every program, in the order in which they start.
    pub const ALL: [Self; 7] = [
        Self::Registry,
        Self::SecondRegistry,
        Self::Clickhouse,
        Self::Auditor,
        Self::SecondAuditor,
        Self::Gateway,
        Self::SecondGateway,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Registry => "registry",
            Self::SecondRegistry => "second-registry",
            Self::Clickhouse => "clickhouse",
            Self::Auditor => "auditor",
            Self::Gateway => "gateway",
            Self::SecondAuditor => "second-auditor",
            Self::SecondGateway => "second-gateway",
        }
    }
}

/// Where the programs are.
#[derive(Debug, Clone)]
pub struct Programs {
    /// The gateway.
    pub gateway: PathBuf,
    /// The auditor.
    pub auditor: PathBuf,
    /// This program, for the sample registry.
    pub loadtest: PathBuf,
}

impl Programs {
    /// All in the folder of the program that runs.
    pub fn beside_this() -> anyhow::Result<Self> {
        let this = std::env::current_exe().context("where this program is")?;
        let folder = this.parent().context("this program is in no folder")?.to_owned();
        Self::in_folder(&folder)
    }

    /// All in this folder.
    pub fn in_folder(folder: &Path) -> anyhow::Result<Self> {
        let find = |name: &str| {
            let path = folder.join(name);
            anyhow::ensure!(path.is_file(), "{} is not there: build it first (cargo build --release)", path.display());
            Ok(path)
        };
        Ok(Self { gateway: find("gateway")?, auditor: find("auditor")?, loadtest: find("loadtest")? })
    }
}

/// What to start.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The folder.
    pub dir: PathBuf,
    /// The programs.
    pub programs: Programs,
    /// The ports.
    pub ports: Ports,
    /// The sample registry's patients.
    pub population: Population,
    /// More arguments of the sample registry.
    pub registry_arguments: Vec<String>,
    /// The port of a second sample registry with the same patients, if there is to be one.
    pub second: Option<u16>,
    /// A second auditor and a second gateway, if there are to be any.
    pub several: Option<Several>,
    /// More host names by which the gateway is asked.
    pub more_hosts: Vec<String>,
    /// Who gets an account and on which devices they work.
    pub roster: Roster,
    /// Worker threads of the gateway; 0: one per processor.
    pub gateway_threads: u16,
    /// The port here of a provider of text messages, if there is to be one. A code is sent as soon as its letter is posted.
    pub sms: Option<u16>,
}

/// What a stack with two auditors and two gateways needs besides.
#[derive(Debug, Clone)]
pub struct Several {
    /// The PostgreSQL database that both auditors share, as [`postgres::Cluster::url`] gives it.
    pub database: String,
    /// The second auditor's and the second gateway's ports; the others are not used.
    pub ports: Ports,
}

/// The running stack.
pub struct Stack {
    settings: Settings,
    layout: Layout,
    keeper: Keeper,
    running: Vec<(Component, Process)>,
    enrolled: Enrolled,
    _lock: File,
}

const READY_LIMIT: Duration = Duration::from_mins(1);
const COMMAND_LIMIT: Duration = Duration::from_mins(1);
/// ClickHouse starts as long as its data need to be read.
const CLICKHOUSE_LIMIT: Duration = Duration::from_mins(3);
const STOP_LIMIT: Duration = Duration::from_secs(15);

impl Stack {
    /// Starts everything; `tell` hears each step before it begins.
    pub async fn start(settings: Settings, tell: impl Fn(&str)) -> anyhow::Result<Self> {
        let layout = Layout::new(&settings.dir)?;
        let lock = layout.lock()?;
        let keeper = Keeper::start()?;
        let mut stack =
            Self { settings, layout, keeper, running: Vec::new(), enrolled: Enrolled::default(), _lock: lock };
        tell("keys and certificates");
        stack.auditor(&stack.layout.init_arguments(&files::hosts(&stack.settings))).await?;
        if stack.settings.second.is_some() {
            pki::Files::make(&stack.layout.upstream_pki(), files::HOST)?;
        }
        let fetched = Fetched { countries: stack.fetched("countries").await, htmx: stack.fetched("htmx").await };
        stack.layout.write_settings(&stack.settings, &fetched)?;
        for gateway in stack.gateways() {
            stack.command(&stack.settings.programs.gateway, &stack.layout.gateway_keys_arguments(*gateway)).await?;
        }
        tell("the sample registry");
        stack.launch(Component::Registry).await?;
        if stack.settings.second.is_some() {
            stack.launch(Component::SecondRegistry).await?;
        }
        tell("ClickHouse");
        stack.launch(Component::Clickhouse).await?;
        stack.auditor(&stack.layout.migrate_arguments()).await?;
        tell("accounts and devices");
        stack.enrolled = people::enrol(&stack.settings.roster, &stack.settings.programs.auditor, &stack.layout).await?;
        if stack.settings.second.is_some() {
            stack.grant_second().await?;
        }
        tell("the auditor");
        stack.launch(Component::Auditor).await?;
        if stack.settings.several.is_some() {
            stack.launch(Component::SecondAuditor).await?;
        }
        tell("the gateway");
        for gateway in stack.gateways() {
            stack.launch(*gateway).await?;
            stack.until_ready(*gateway).await?;
        }
        Ok(stack)
    }

    fn gateways(&self) -> &'static [Component] {
        let all = &[Component::Gateway, Component::SecondGateway];
        if self.settings.several.is_some() { all } else { &all[..1] }
    }

    /// Something that is used if it has been fetched; without it all runs all the same.
    async fn fetched(&self, what: &str) -> Option<PathBuf> {
        let told = self.auditor(&files::where_arguments(what)).await.ok()?;
        Some(PathBuf::from(told.trim_end())).filter(|path| path.is_file())
    }

    async fn command(&self, program: &Path, arguments: &[String]) -> Result<String, ProcessError> {
        process::output(program, arguments, COMMAND_LIMIT).await
    }

    async fn auditor(&self, arguments: &[String]) -> Result<String, ProcessError> {
        self.command(&self.settings.programs.auditor, arguments).await
    }

    /// Whoever has a right in the sample registry has the same in the second.
    async fn grant_second(&self) -> Result<(), ProcessError> {
        for person in &self.settings.roster.people {
            if let Some(right) = person.right {
                let words = ["account", "grant", person.user, "--registry", people::SECOND, "--right", right.as_str()];
                self.auditor(&self.layout.auditor_arguments(&words)).await?;
            }
        }
        Ok(())
    }

    async fn launch(&mut self, component: Component) -> Result<(), ProcessError> {
        let plan = self.layout.plan(component, &self.settings);
        self.launch_plan(component, plan).await
    }

    async fn launch_plan(&mut self, component: Component, plan: Plan) -> Result<(), ProcessError> {
        let mut process = Process::start(&self.keeper, plan)?;
        let limit = if component == Component::Clickhouse { CLICKHOUSE_LIMIT } else { READY_LIMIT };
        process.ready(limit).await?;
        self.running.retain(|(other, _)| *other != component);
        self.running.push((component, process));
        Ok(())
    }

    /// A gateway is ready when it knows the directory and can write its journal.
    async fn until_ready(&mut self, gateway: Component) -> anyhow::Result<()> {
        let ops = if gateway == Component::Gateway { self.ops() } else { self.second_ops()? };
        let Some((_, process)) = self.running.iter_mut().find(|(component, _)| *component == gateway) else {
            return Ok(());
        };
        process
            .until("was ready by /readyz", READY_LIMIT, async move || match plain::get(ops, "/readyz").await {
                Ok((status, _)) if status.is_success() => Some(()),
                _ => None,
            })
            .await?;
        Ok(())
    }

    /// Kills a program as a power cut would (kill -9 of its process group).
    pub fn kill(&mut self, component: Component) {
        if let Some((_, process)) = self.running.iter_mut().find(|(other, _)| *other == component) {
            process.kill();
        }
    }

    /// Kills a program that is to stay away for a while.
    pub fn take_away(&mut self, component: Component) {
        self.kill(component);
        self.running.retain(|(other, _)| *other != component);
    }

    /// Starts a killed program again, and waits until it is ready.
    pub async fn restart(&mut self, component: Component) -> anyhow::Result<()> {
        self.kill(component);
        self.launch(component).await?;
        if matches!(component, Component::Gateway | Component::SecondGateway) {
            self.until_ready(component).await?;
        }
        Ok(())
    }

    /// A program that ended without being asked to, with its log's last lines.
    pub fn fallen(&mut self) -> Option<String> {
        self.running.iter_mut().find_map(|(component, process)| {
            let status = process.ended()?;
            let log = &process.plan().log;
            Some(format!(
                "{} ended ({status}); the end of {}:\n{}",
                component.name(),
                log.display(),
                process::tail(log)
            ))
        })
    }

    /// Stops everything in order: the gateway first, so that it can drain, ClickHouse after those who write to it.
    pub async fn stop(mut self) {
        use Component::{Auditor, Clickhouse, Gateway, Registry, SecondAuditor, SecondGateway, SecondRegistry};
        for component in [SecondGateway, Gateway, SecondAuditor, Auditor, Clickhouse, Registry, SecondRegistry] {
            if let Some(position) = self.running.iter().position(|(other, _)| *other == component) {
                let (_, process) = self.running.swap_remove(position);
                if !process.stop(STOP_LIMIT).await {
                    tracing::warn!(component = component.name(), "did not end in time and was killed");
                }
            }
        }
    }

    /// The process id of a program.
    pub fn process_id(&self, component: Component) -> Option<u32> {
        self.running.iter().find(|(other, _)| *other == component).map(|(_, process)| process.id())
    }

    /// Where the gateway answers.
    pub fn target(&self) -> Target {
        Target { address: loopback(self.settings.ports.https), host: files::HOST.to_owned() }
    }

    /// Where the second gateway answers, in stacks of several.
    pub fn target_of_second(&self) -> anyhow::Result<Target> {
        Ok(Target { address: loopback(self.several()?.ports.https), ..self.target() })
    }

    /// The second gateway's listener for health and metrics, in stacks of several.
    pub fn second_ops(&self) -> anyhow::Result<SocketAddr> {
        Ok(loopback(self.several()?.ports.gateway_ops))
    }

    /// The auditors' listeners for health and metrics: the first's, and in stacks of several the second's.
    pub fn auditors_ops(&self) -> Vec<SocketAddr> {
        let second = self.settings.several.as_ref().map(|several| several.ports);
        [Some(self.settings.ports), second].into_iter().flatten().map(|ports| loopback(ports.auditor_ops)).collect()
    }

    fn several(&self) -> anyhow::Result<&Several> {
        self.settings.several.as_ref().context("this stack has one gateway")
    }

    /// Where the second registry is reached, through the gateway.
    pub fn second_target(&self) -> Target {
        Target { host: files::SECOND_HOST.to_owned(), ..self.target() }
    }

    /// The gateway's own listener for health and metrics.
    pub fn ops(&self) -> SocketAddr {
        loopback(self.settings.ports.gateway_ops)
    }

    /// The sample registry itself.
    pub fn registry(&self) -> SocketAddr {
        loopback(self.settings.ports.registry)
    }

    /// The second registry itself, and the device that it lets in: the gateway's part.
    pub fn second_registry(&self) -> anyhow::Result<Option<(Target, Device)>> {
        let Some(port) = self.settings.second else { return Ok(None) };
        let files = pki::Files::of(&self.layout.upstream_pki());
        let device = Device::load(&files.client.0, &files.client.1, &files.authority)?;
        Ok(Some((Target { address: loopback(port), host: files::HOST.to_owned() }, device)))
    }

    /// The folder's files.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What was asked for.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Accounts and devices.
    pub fn enrolled(&self) -> &Enrolled {
        &self.enrolled
    }

    /// A device of the roster.
    pub fn device(&self, name: &str) -> Result<Device, ClientError> {
        let (certificate, key) = self.layout.device_files(name);
        Device::load(&certificate, &key, &self.layout.server_ca())
    }

    /// Logs a person in on a device.
    pub async fn log_in(&self, person: &Person, device: &Device) -> anyhow::Result<Session> {
        let credentials: &Credentials =
            self.enrolled.credentials.get(person.user).with_context(|| format!("{} has no account", person.user))?;
        log_in(&self.target(), device, credentials).await.with_context(|| format!("{} cannot log in", person.user))
    }

    /// The key of the installation's pseudonyms.
    pub fn pseudonym_key(&self) -> anyhow::Result<PseudonymKey> {
        let text = std::fs::read_to_string(self.layout.pseudonym_key()).context("the pseudonym key")?;
        Ok(PseudonymKey::from_hex(&text)?)
    }

    /// ClickHouse's HTTP interface.
    pub fn clickhouse_url(&self) -> String {
        format!("http://{}", loopback(self.settings.ports.clickhouse))
    }

    /// A client of ClickHouse that may only read.
    pub fn clickhouse(&self) -> anyhow::Result<clickhouse::Client> {
        self.clickhouse_as("reader", &self.layout.reader_key())
    }

    /// A client of ClickHouse that may change and delete: for tests of what such changes do.
    pub fn clickhouse_administrator(&self) -> anyhow::Result<clickhouse::Client> {
        self.clickhouse_as("auditor", &self.layout.administrator_key())
    }

    fn clickhouse_as(&self, user: &str, key: &Path) -> anyhow::Result<clickhouse::Client> {
        let key = std::fs::read_to_string(key).with_context(|| format!("the key of ClickHouse's {user}"))?;
        Ok(clickhouse::Client::default()
            .with_url(self.clickhouse_url())
            .with_user(user)
            .with_password(key.trim())
            .with_database(files::DATABASE))
    }
}

/// A port of this machine.
pub fn loopback(port: u16) -> SocketAddr {
    SocketAddr::from((Ipv4Addr::LOCALHOST, port))
}
