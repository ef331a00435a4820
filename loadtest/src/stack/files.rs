//! The files of a stack: where they are, and the settings that its programs get.
//!
//! Settings are the examples of the repository's `config` folder with this stack's addresses and paths put in, so
//! that what the examples say is what runs here.

use super::people::{REGISTRY, SECOND};
use super::pki;
use super::ports::Ports;
use super::process::Plan;
use super::{Component, Settings, loopback};
use anyhow::Context as _;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// The host name by which the gateway is asked.
pub const HOST: &str = "localhost";
/// The host name of the second registry, in stacks that have one.
pub const SECOND_HOST: &str = "andra.localhost";
/// ClickHouse's database.
pub const DATABASE: &str = "grindvakt";

const GATEWAY_EXAMPLE: &str = include_str!("../../../config/gateway.toml");
const AUDITOR_EXAMPLE: &str = include_str!("../../../config/auditor.toml");
const ROUTES_EXAMPLE: &str = include_str!("../../../config/routes.toml");

/// The names by which the gateway is asked.
pub fn hosts(settings: &Settings) -> Vec<String> {
    let second = settings.second.map(|_| SECOND_HOST.to_owned());
    [HOST.to_owned()].into_iter().chain(second).chain(settings.more_hosts.iter().cloned()).collect()
}

/// What is used if it has been fetched.
#[derive(Debug, Clone, Default)]
pub struct Fetched {
    /// The countries of addresses.
    pub countries: Option<PathBuf>,
    /// The script by which lists change in place.
    pub htmx: Option<PathBuf>,
}

/// The folder of a stack.
#[derive(Debug, Clone)]
pub struct Layout {
    dir: PathBuf,
}

impl Layout {
    /// Makes the folder and those in it.
    pub fn new(dir: &Path) -> anyhow::Result<Self> {
        let make =
            |path: &Path| std::fs::create_dir_all(path).with_context(|| format!("{} cannot be made", path.display()));
        make(dir)?;
        let dir = dir.canonicalize().with_context(|| dir.display().to_string())?;
        for folder in ["gateway", "clickhouse", "devices", "logs", "run"] {
            make(&dir.join(folder))?;
        }
        Ok(Self { dir })
    }

    /// Takes the folder for one stack, as long as the file is held.
    pub fn lock(&self) -> anyhow::Result<File> {
        let file = File::create(self.dir.join("run/lock"))?;
        match file.try_lock() {
            Ok(()) => Ok(file),
            Err(TryLockError::WouldBlock) => anyhow::bail!("{} is used by another stack that runs", self.dir.display()),
            Err(TryLockError::Error(error)) => Err(error.into()),
        }
    }

    /// The folder itself.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Certificate and key of a device, PEM.
    pub fn device_files(&self, name: &str) -> (PathBuf, PathBuf) {
        (self.dir.join(format!("devices/{name}.pem")), self.dir.join(format!("devices/{name}.key")))
    }

    /// A device's certificate and key for browsers, PKCS#12.
    pub fn device_bundle(&self, name: &str) -> PathBuf {
        self.dir.join(format!("devices/{name}.p12"))
    }

    /// The authority that the gateway's certificate is of.
    pub fn server_ca(&self) -> PathBuf {
        self.dir.join("pki/server-ca.pem")
    }

    /// Certificate and key of the gateway, and the authority of devices.
    pub fn gateway_tls(&self) -> (PathBuf, PathBuf, PathBuf) {
        (self.dir.join("pki/gateway.pem"), self.dir.join("pki/gateway.key"), self.dir.join("pki/device-ca.pem"))
    }

    /// The folder of the certificates between the gateway and the second registry.
    pub fn upstream_pki(&self) -> PathBuf {
        self.dir.join("upstream")
    }

    /// The key of the installation's pseudonyms.
    pub fn pseudonym_key(&self) -> PathBuf {
        self.dir.join("secrets/pseudonym.key")
    }

    /// The password of ClickHouse's reader.
    pub fn reader_key(&self) -> PathBuf {
        self.dir.join("secrets/clickhouse-reader.password")
    }

    /// The password of the auditor at ClickHouse, who may do anything with the tables.
    pub fn administrator_key(&self) -> PathBuf {
        self.dir.join("secrets/clickhouse-auditor.password")
    }

    /// The password at the provider of text messages.
    fn sms_password(&self) -> PathBuf {
        self.dir.join("secrets/sms.password")
    }

    /// What is kept of the accounts made: passwords and secrets of demo users.
    pub fn credentials(&self) -> PathBuf {
        self.dir.join("secrets/demo-users.json")
    }

    /// Which of a demo user's one-time codes was handed out last.
    pub fn code_file(&self, user: &str) -> PathBuf {
        self.dir.join(format!("run/code-{user}"))
    }

    /// The auditor's settings.
    pub fn auditor_settings(&self) -> PathBuf {
        self.dir.join("auditor.toml")
    }

    fn settings_of(&self, component: Component) -> PathBuf {
        self.dir.join(match component {
            Component::SecondAuditor => "auditor-2.toml",
            Component::SecondGateway => "gateway-2.toml",
            Component::Gateway => "gateway.toml",
            _ => "auditor.toml",
        })
    }

    /// Arguments of `auditor init`, for a gateway of these names.
    pub fn init_arguments(&self, hosts: &[String]) -> Vec<String> {
        let mut all = words(&["init", "--dir", &text(&self.dir)]);
        for host in hosts.iter().map(String::as_str).chain(["127.0.0.1", "::1"]) {
            all.extend(words(&["--host", host]));
        }
        all
    }

    /// Arguments of `auditor migrate`.
    pub fn migrate_arguments(&self) -> Vec<String> {
        words(&["migrate", "--config", &text(&self.auditor_settings())])
    }

    /// Arguments of one of the auditor's commands that answer in JSON.
    pub fn auditor_arguments(&self, arguments: &[&str]) -> Vec<String> {
        let mut all = words(arguments);
        all.extend(words(&["--config", &text(&self.auditor_settings()), "--output", "json"]));
        all
    }

    /// Arguments of `gateway keys`, for the one or the other gateway.
    pub fn gateway_keys_arguments(&self, gateway: Component) -> Vec<String> {
        words(&["keys", "--config", &text(&self.settings_of(gateway))])
    }

    /// How to start a program.
    pub fn plan(&self, component: Component, settings: &Settings) -> Plan {
        let name = component.name();
        let ready_file = self.dir.join(format!("run/{name}.ready"));
        let ready = text(&ready_file);
        let programs = &settings.programs;
        let (program, arguments) = match component {
            Component::Registry => {
                let mut arguments = Self::backend(settings, settings.ports.registry, &ready);
                arguments.extend(settings.registry_arguments.iter().cloned());
                (&programs.loadtest, arguments)
            }
            Component::SecondRegistry => {
                let mut arguments = Self::backend(settings, settings.second.unwrap_or(0), &ready);
                let files = pki::Files::of(&self.upstream_pki());
                let (certificate, key) = (text(&files.server.0), text(&files.server.1));
                let authority = text(&files.authority);
                arguments.extend(words(&["--tls-cert", &certificate, "--tls-key", &key, "--client-ca", &authority]));
                (&programs.loadtest, arguments)
            }
            Component::Clickhouse => {
                let listen = loopback(settings.ports.clickhouse).to_string();
                let (data, keys) =
                    (text(&self.dir.join("clickhouse")), text(&self.dir.join("secrets/clickhouse.keys")));
                let arguments = words(&[
                    "clickhouse",
                    "--data",
                    &data,
                    "--listen",
                    &listen,
                    "--key-file",
                    &keys,
                    "--port-file",
                    &ready,
                ]);
                (&programs.auditor, arguments)
            }
            Component::Auditor | Component::SecondAuditor => (
                &programs.auditor,
                words(&["serve", "--config", &text(&self.settings_of(component)), "--ready-file", &ready]),
            ),
            Component::Gateway | Component::SecondGateway => (
                &programs.gateway,
                words(&["serve", "--config", &text(&self.settings_of(component)), "--ready-file", &ready]),
            ),
        };
        Plan { name, program: program.clone(), arguments, log: self.dir.join(format!("logs/{name}.log")), ready_file }
    }

    fn backend(settings: &Settings, port: u16, ready: &str) -> Vec<String> {
        let listen = loopback(port).to_string();
        let (seed, count) = (settings.population.seed.to_string(), settings.population.count.to_string());
        words(&["backend", "--listen", &listen, "--seed", &seed, "--patients", &count, "--port-file", ready])
    }

    /// Writes the settings of gateway, routes and auditor.
    pub fn write_settings(&self, settings: &Settings, fetched: &Fetched) -> anyhow::Result<()> {
        let countries = fetched.countries.as_deref();
        self.write("routes.toml", &self.routes(settings)?)?;
        self.write("gateway.toml", &self.gateway(settings, countries)?)?;
        let mut auditor = self.auditor(settings)?;
        if let Some(htmx) = &fetched.htmx {
            set(&mut auditor, "pages", "htmx", text(htmx));
        }
        if settings.sms.is_some() {
            // The provider is one of a test's own, which asks nobody who they are.
            crate::backend::write_whole(&self.sms_password(), "any")?;
        }
        self.write("auditor.toml", &auditor)?;
        let Some(several) = &settings.several else { return Ok(()) };
        self.write("gateway-2.toml", &self.second_gateway(&several.ports, self.gateway(settings, countries)?))?;
        self.write("auditor-2.toml", &self.second_auditor(&several.ports, auditor))
    }

    /// What is different for the second gateway.
    fn second_gateway(&self, ports: &Ports, mut gateway: Table) -> Table {
        set(&mut gateway, "node", "name", SECOND_NODE);
        set(&mut gateway, "node", "state_dir", text(&self.dir.join("gateway-2")));
        set(&mut gateway, "listen", "https", vec![loopback(ports.https).to_string()]);
        set(&mut gateway, "listen", "ops", loopback(ports.gateway_ops).to_string());
        set(&mut gateway, "auditor", "directory", vec![self.internal(SECOND_SOCKET), self.internal(SOCKET)]);
        set(&mut gateway, "journal", "dir", text(&self.dir.join("gateway-2/journal")));
        gateway
    }

    /// What is different for the second auditor.
    fn second_auditor(&self, ports: &Ports, mut auditor: Table) -> Table {
        set(&mut auditor, "app", "listen", loopback(ports.auditor).to_string());
        set(&mut auditor, "ops", "listen", loopback(ports.auditor_ops).to_string());
        set(&mut auditor, "internal", "listen", self.internal(SECOND_SOCKET));
        auditor
    }

    fn write(&self, name: &str, table: &Table) -> anyhow::Result<()> {
        let path = self.dir.join(name);
        let text =
            format!("# Written at each start of the stack; changes made here are lost.\n\n{}", toml::to_string(table)?);
        crate::backend::write_whole(&path, &text).with_context(|| path.display().to_string())
    }

    fn routes(&self, settings: &Settings) -> anyhow::Result<Table> {
        let mut routes: Table = ROUTES_EXAMPLE.parse().context("routes.toml")?;
        let registries =
            routes.get_mut("registry").and_then(Value::as_array_mut).context("routes.toml has no registry")?;
        for registry in registries.iter_mut().filter_map(Value::as_table_mut) {
            let mut peers = match registry.get("name").and_then(Value::as_str) {
                Some("auditor") => vec![settings.ports.auditor],
                _ => vec![settings.ports.registry],
            };
            if peers == [settings.ports.auditor] {
                peers.extend(settings.several.as_ref().map(|several| several.ports.auditor));
            }
            let peers: Vec<String> = peers.into_iter().map(|port| loopback(port).to_string()).collect();
            registry.insert("peers".to_owned(), Value::from(peers));
        }
        if let Some(port) = settings.second {
            self.add_second(&mut routes, port).context("routes.toml")?;
        }
        Ok(routes)
    }

    /// The sample registry once more, with its routes: on another host, behind HTTP/2 over TLS.
    fn add_second(&self, routes: &mut Table, port: u16) -> Option<()> {
        let is = |table: &Value, key: &str| table.get(key).and_then(Value::as_str) == Some(REGISTRY);
        let files = pki::Files::of(&self.upstream_pki());
        let mut tls = Table::new();
        for (key, value) in [
            ("ca", text(&files.authority)),
            ("server_name", HOST.to_owned()),
            ("certificate", text(&files.client.0)),
            ("key", text(&files.client.1)),
        ] {
            tls.insert(key.to_owned(), value.into());
        }
        let registries = routes.get_mut("registry")?.as_array_mut()?;
        let mut second = registries.iter().find(|registry| is(registry, "name"))?.as_table()?.clone();
        second.insert("name".to_owned(), SECOND.into());
        second.insert("hosts".to_owned(), vec![SECOND_HOST].into());
        second.insert("peers".to_owned(), vec![loopback(port).to_string()].into());
        second.insert("protocol".to_owned(), "http2".into());
        second.insert("tls".to_owned(), tls.into());
        registries.push(second.into());
        let list = routes.get_mut("route")?.as_array_mut()?;
        let mut more: Vec<Value> = list.iter().filter(|route| is(route, "registry")).cloned().collect();
        for route in more.iter_mut().filter_map(Value::as_table_mut) {
            let name = route.get("name")?.as_str()?.to_owned();
            route.insert("name".to_owned(), format!("{name}-2").into());
            route.insert("registry".to_owned(), SECOND.into());
        }
        list.extend(more);
        Some(())
    }

    fn gateway(&self, settings: &Settings, countries: Option<&Path>) -> anyhow::Result<Table> {
        let mut gateway: Table = GATEWAY_EXAMPLE.parse().context("gateway.toml")?;
        let (certificate, key, client_ca) = self.gateway_tls();
        set(&mut gateway, "node", "state_dir", text(&self.dir.join("gateway")));
        set(&mut gateway, "node", "threads", i64::from(settings.gateway_threads));
        set(&mut gateway, "listen", "https", vec![loopback(settings.ports.https).to_string()]);
        set(&mut gateway, "listen", "ops", loopback(settings.ports.gateway_ops).to_string());
        set(&mut gateway, "listen", "hosts", hosts(settings));
        set(&mut gateway, "tls", "certificate", text(&certificate));
        set(&mut gateway, "tls", "key", text(&key));
        set(&mut gateway, "tls", "client_ca", vec![text(&client_ca)]);
        // All load comes from one address here, and from few devices.
        set(&mut gateway, "limits", "connections_per_address", 20_000);
        set(&mut gateway, "limits", "handshakes_per_address_per_s", 10_000);
        set(&mut gateway, "limits", "requests_per_device_per_s", 500_000);
        set(&mut gateway, "auditor", "directory", self.internal(SOCKET));
        if settings.several.is_some() {
            set(&mut gateway, "auditor", "directory", vec![self.internal(SOCKET), self.internal(SECOND_SOCKET)]);
        }
        set(&mut gateway, "identity", "pseudonym_key", text(&self.pseudonym_key()));
        set(&mut gateway, "identity", "auditor_public_key", text(&self.dir.join("pki/identity.pub")));
        set(&mut gateway, "journal", "dir", text(&self.dir.join("gateway/journal")));
        set(&mut gateway, "clickhouse", "url", format!("http://{}", loopback(settings.ports.clickhouse)));
        set(&mut gateway, "clickhouse", "database", DATABASE);
        set(&mut gateway, "clickhouse", "key_file", text(&self.dir.join("secrets/clickhouse-gateway.password")));
        if let Some(countries) = countries {
            set(&mut gateway, "geo", "database", text(countries));
        }
        set(&mut gateway, "routes", "file", text(&self.dir.join("routes.toml")));
        Ok(gateway)
    }

    fn auditor(&self, settings: &Settings) -> anyhow::Result<Table> {
        let mut auditor: Table = AUDITOR_EXAMPLE.parse().context("auditor.toml")?;
        set(&mut auditor, "app", "listen", loopback(settings.ports.auditor).to_string());
        let folders: &[&str] = if settings.several.is_some() { &["gateway", "gateway-2"] } else { &["gateway"] };
        let key_sets: Vec<String> =
            folders.iter().map(|folder| text(&self.dir.join(folder).join("jwks.json"))).collect();
        set(&mut auditor, "app", "gateway_keys", key_sets);
        set(&mut auditor, "ops", "listen", loopback(settings.ports.auditor_ops).to_string());
        set(&mut auditor, "login", "origin", format!("https://{HOST}:{}", settings.ports.https));
        set(&mut auditor, "internal", "listen", self.internal(SOCKET));
        if let Some(several) = &settings.several {
            let store = auditor.get_mut("store").and_then(Value::as_table_mut).context("auditor.toml has no store")?;
            *store = Table::from_iter([("postgres_url".to_owned(), several.database.clone().into())]);
        }
        set(&mut auditor, "clickhouse", "url", format!("http://{}", loopback(settings.ports.clickhouse)));
        set(&mut auditor, "clickhouse", "database", DATABASE);
        if let Some(port) = settings.sms {
            set(&mut auditor, "handout", "sms_after_h", 0);
            set(&mut auditor, "sms", "url", format!("http://{}/a1/sms", loopback(port)));
            set(&mut auditor, "sms", "user", "demo");
            set(&mut auditor, "sms", "password_file", text(&self.sms_password()));
            set(&mut auditor, "sms", "from", "Registret");
        }
        let keys = auditor.get_mut("seal_key").and_then(Value::as_array_mut).context("auditor.toml has no seal_key")?;
        for key in keys.iter_mut().filter_map(Value::as_table_mut) {
            key.insert("file".to_owned(), text(&self.dir.join("gateway/seal.pub")).into());
        }
        if settings.several.is_some() {
            let file = text(&self.dir.join("gateway-2/seal.pub"));
            keys.push(
                Table::from_iter([("node".to_owned(), SECOND_NODE.into()), ("file".to_owned(), file.into())]).into(),
            );
        }
        Ok(auditor)
    }

    /// The address of an auditor's socket: in the folder, unless its path would be longer than a socket's may be (108
    /// bytes).
    fn internal(&self, name: &str) -> String {
        let here = self.dir.join("state").join(name);
        if here.as_os_str().len() <= SOCKET_PATH_MAX {
            return format!("unix:{}", text(&here));
        }
        let mut short = hex::encode(<sha2::Sha256 as sha2::Digest>::digest(text(&self.dir).as_bytes()));
        short.truncate(16);
        format!("unix:{}", text(&std::env::temp_dir().join(format!("grindvakt-{short}-{name}"))))
    }
}

const SOCKET: &str = "internal.sock";
const SECOND_SOCKET: &str = "internal-2.sock";
/// The second gateway, in the audit log.
const SECOND_NODE: &str = "gw2";
const SOCKET_PATH_MAX: usize = 100;

/// Arguments of the auditor's command that says where something that is fetched is kept.
pub(super) fn where_arguments(what: &str) -> Vec<String> {
    words(&["fetch", what, "--where"])
}

fn set(table: &mut Table, section: &str, key: &str, value: impl Into<Value>) {
    let section = table.entry(section).or_insert_with(|| Value::Table(Table::new()));
    if let Some(section) = section.as_table_mut() {
        section.insert(key.to_owned(), value.into());
    }
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|word| (*word).to_owned()).collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::patients::Population;
    use crate::stack::Programs;
    use crate::stack::people::Roster;
    use crate::stack::ports::Ports;

    #[test]
    fn the_examples_take_this_stacks_addresses() {
        let dir = tempfile::tempdir().expect("a folder");
        let layout = Layout::new(dir.path()).expect("makes");
        let none = PathBuf::from("none");
        let settings = Settings {
            dir: dir.path().to_owned(),
            programs: Programs { gateway: none.clone(), auditor: none.clone(), loadtest: none },
            ports: Ports::DEMO,
            population: Population { seed: 1, count: 1 },
            registry_arguments: Vec::new(),
            second: Some(8083),
            several: None,
            more_hosts: Vec::new(),
            roster: Roster::demo(),
            gateway_threads: 1,
            sms: None,
        };
        layout.write_settings(&settings, &Fetched::default()).expect("writes");
        let routes = std::fs::read_to_string(dir.path().join("routes.toml")).expect("is there");
        assert!(["127.0.0.1:8081", "127.0.0.1:8082", "127.0.0.1:8083"].iter().all(|peer| routes.contains(peer)));
        let gateway = std::fs::read_to_string(dir.path().join("gateway.toml")).expect("is there");
        for example in ["\"pki/", "\"secrets/", "\"state/", ":state/", "\"routes.toml\""] {
            assert!(!gateway.contains(example), "a path of the example is left, {example}: {gateway}");
        }
        // Loopback addresses have no country; that the data are used elsewhere is seen by the setting.
        assert!(!gateway.contains("database = \"/"), "{gateway}");
        let named = |name: &str| Some(PathBuf::from(name));
        let fetched = Fetched { countries: named("/data/countries.mmdb"), htmx: named("/data/htmx.min.js") };
        layout.write_settings(&settings, &fetched).expect("writes");
        let gateway: Table =
            std::fs::read_to_string(dir.path().join("gateway.toml")).expect("is there").parse().expect("reads");
        let database = gateway.get("geo").and_then(|geo| geo.get("database")).and_then(Value::as_str);
        assert_eq!(database, Some("/data/countries.mmdb"));
        let auditor = std::fs::read_to_string(dir.path().join("auditor.toml")).expect("is there");
        assert!(auditor.contains("htmx = \"/data/htmx.min.js\""), "{auditor}");
    }
}
