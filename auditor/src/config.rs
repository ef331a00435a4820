//! The auditor's settings: `auditor.toml`, with `AUDITOR__SECTION__KEY` in the environment laid over it.
//!
//! Everything is read and checked before any port is bound. A value of these types is valid.

mod devices;
mod handout;
mod oidc;
mod pages;
mod siths;

pub use handout::{Handout, Instructions, Sms, SmsCallback};
pub use oidc::{ClientProof, Label, Oidc, OidcLogout, ProviderName, ProviderNameError, ServerFiles};
pub use pages::Htmx;
pub use siths::{CardFiles, Revocation, Siths};

use crate::accounts::Review;
use crate::accounts::login::LockRule;
use crate::accounts::passkey::Origin;
use crate::accounts::totp::TotpKey;
use crate::devices::AuthorityKey;
use crate::handout::HandoutKey;
use crate::sealing::{FieldKey, RestKey};
use crate::sessions;
use crate::store::{Place, Server};
use contract::Micros;
use contract::id::{HsaId, NodeName, RegistryName};
use contract::pseudonym::{PseudonymKey, secret_from_hex};
use contract::schema::Target;
use contract::seal::SealKey;
use contract::settings::{Document, Override, Problems, Section, overrides};
use rustls_pki_types::PrivatePkcs8KeyDer;
use rustls_pki_types::pem::PemObject as _;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use zeroize::Zeroizing;

/// The prefix of environment overrides.
pub const ENV_PREFIX: &str = "AUDITOR";

/// Where a listener listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listen {
    /// An address and a port; port 0 takes any free one.
    Tcp(SocketAddr),
    /// A Unix socket.
    Unix(PathBuf),
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// All settings.
#[derive(Debug)]
pub struct Config {
    /// This program's name in the audit log.
    pub node: NodeName,
    /// The installation's care provider, or empty.
    pub tenant: contract::Text,
    /// The login application.
    pub app: App,
    /// Where health and metrics are.
    pub ops: SocketAddr,
    /// Where gateways ask.
    pub internal: Internal,
    /// Where accounts lie.
    pub store: Place,
    /// Keys.
    pub keys: Keys,
    /// Signs the seals of this program's rows.
    pub seal: SealKey,
    /// Whose seals are believed, besides this program's own.
    pub seal_keys: Vec<NodeKey>,
    /// Login.
    pub login: Login,
    /// Identity providers that users may log in at.
    pub oidc: Vec<Oidc>,
    /// Where these tell of logouts. None: nowhere.
    pub oidc_logout: Option<OidcLogout>,
    /// Where browsers show SITHS cards. None: nowhere.
    pub siths: Option<Siths>,
    /// When accounts rest or end by themselves.
    pub accounts: Accounts,
    /// How credentials are handed out.
    pub handout: Handout,
    /// The provider of text messages; none: there are no text messages.
    pub sms: Option<Sms>,
    /// What users accept before they do anything else.
    pub instructions: Instructions,
    /// The script by which lists change in place; none: pages are loaded whole.
    pub htmx: Option<Htmx>,
    /// Sessions.
    pub session: Session,
    /// The device authority.
    pub devices: Devices,
    /// Where devices are enrolled by code; none: they are not.
    pub enrol: Option<Enrol>,
    /// ClickHouse; none: events wait.
    pub clickhouse: Option<ClickHouse>,
    /// Logs.
    pub log: Log,
}

/// The login application.
#[derive(Debug)]
pub struct App {
    /// Where it listens.
    pub listen: SocketAddr,
    /// This application's name as a registry: the audience of assertions to it.
    pub registry: RegistryName,
    /// Files with the public keys of gateways (JWK sets).
    pub gateway_keys: Vec<PathBuf>,
    /// Whom a user who cannot log in turns to: a line of text for the login page.
    pub help: String,
    /// What the page and authenticator applications call the installation.
    pub title: String,
    /// Connections at a time.
    pub connections_max: usize,
}

/// The internal listener.
#[derive(Debug)]
pub struct Internal {
    /// Where it listens.
    pub listen: Listen,
    /// Mutual TLS; always there for TCP.
    pub tls: Option<InternalTls>,
    /// Connections at a time.
    pub connections_max: usize,
}

/// Files of the internal listener's mutual TLS.
#[derive(Debug, Clone)]
pub struct InternalTls {
    /// The certificate chain, PEM.
    pub cert: PathBuf,
    /// The key, PEM.
    pub key: PathBuf,
    /// The authority of gateways' certificates, PEM.
    pub client_ca: PathBuf,
}

/// Keys that the auditor holds.
pub struct Keys {
    /// Seals second factors at rest.
    pub totp: Arc<TotpKey>,
    /// Seals personal data at rest.
    pub fields: Arc<FieldKey>,
    /// Seals passkeys at rest.
    pub passkeys: Arc<RestKey>,
    /// Signs forms.
    pub form: Zeroizing<[u8; 32]>,
    /// Keeps halves of credentials.
    pub handout: Arc<HandoutKey>,
    /// Pseudonyms, the same as the gateways'.
    pub pseudonym: PseudonymKey,
}

impl fmt::Debug for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keys(hidden)")
    }
}

/// Login.
#[derive(Debug, Clone)]
pub struct Login {
    /// Where users meet the login page: what passkeys are made for. None: there are no passkeys.
    pub origin: Option<Origin>,
    /// When wrong attempts lock an account.
    pub lock: LockRule,
    /// A refusal is answered no sooner than this after the attempt came in.
    pub refusal: Duration,
    /// Added for each refusal in a row, doubling.
    pub delay: Duration,
    /// The longest delay.
    pub delay_max: Duration,
    /// Password checks at a time.
    pub checks_at_once: usize,
    /// Passwords that were stolen elsewhere, if there is such a list.
    pub breached_file: Option<PathBuf>,
    /// A second factor that was shown for it is good for signatures for so long.
    pub step_up_us: Micros,
}

/// When accounts and forms rest or end by themselves.
#[derive(Debug, Clone, Copy)]
pub struct Accounts {
    /// Without a login for so many calendar months, an account goes dormant.
    pub dormant_months: u8,
    /// Not collected for so many calendar months, it lapses.
    pub lapse_months: u8,
    /// A form that nobody has done anything with for so many days lapses.
    pub request_life_days: u16,
    /// When regions confirm accounts.
    pub review: Review,
}

impl Accounts {
    /// What a region has not confirmed since then, it is to confirm by `now`: the time of notice has come.
    pub fn confirmed_before(&self, now: Micros) -> Micros {
        let notice = Micros::from(self.review.notice_days) * crate::clock::DAY;
        crate::clock::months_before(now.saturating_add(notice), self.review.months)
    }
}

/// Sessions.
#[derive(Debug, Clone, Copy)]
pub struct Session {
    /// How long they last.
    pub limits: sessions::Limits,
    /// Reports of use may come so late: the sweeper waits for them.
    pub report_grace: Duration,
    /// How often the sweeper looks.
    pub sweep_every: Duration,
}

/// The device authority.
#[derive(Debug, Clone)]
pub struct Devices {
    /// Its certificate, PEM.
    pub ca_cert: PathBuf,
    /// Where its key is.
    pub ca_key: AuthorityKey,
    /// How many days a device's certificate holds.
    pub days: u32,
    /// So many days after a certificate began, its device may have the next one.
    pub renew_from_day: u32,
    /// How many hours a code to enrol by is good.
    pub code_hours: u32,
    /// Where the certificate revocation list is written; none: nowhere.
    pub crl_file: Option<PathBuf>,
    /// How many hours a revocation list is good; half of that is the longest time to the next one.
    pub crl_hours: u32,
}

/// The listener that devices without a certificate enrol at.
#[derive(Debug, Clone)]
pub struct Enrol {
    /// Where it listens.
    pub listen: SocketAddr,
    /// Its certificate chain, PEM.
    pub cert: PathBuf,
    /// Its key, PEM.
    pub key: PathBuf,
    /// Connections at a time.
    pub connections_max: usize,
    /// Tries a minute of one address.
    pub tries_a_minute: u32,
}

/// ClickHouse.
#[derive(Clone)]
pub struct ClickHouse {
    /// `http://host:port`.
    pub url: String,
    /// The user.
    pub user: String,
    /// The user's password.
    pub password: Zeroizing<String>,
    /// Where tables are.
    pub target: Target,
}

impl fmt::Debug for ClickHouse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClickHouse({} at {})", self.user, self.url)
    }
}

/// A public key that a node's seals are signed with, and from which its hand-overs are followed. A node may have several:
/// one for each key that nobody handed over to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeKey {
    /// The node.
    pub node: NodeName,
    /// The key.
    pub key: PublicKey,
}

/// Where a public key is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublicKey {
    /// In the settings.
    Here([u8; 32]),
    /// In a file, as `gateway keys` writes it: 64 hexadecimal digits.
    File(PathBuf),
}

/// Logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// JSON lines instead of text.
    pub json: bool,
    /// The least important level that is written.
    pub level: tracing::Level,
}

impl Config {
    /// Reads the file and the environment.
    pub fn read(path: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Result<Self, Problems> {
        Self::from_document(&Document::read(path, overrides(ENV_PREFIX, environment)))
    }

    /// Reads a text, as if it stood in `file`.
    pub fn parse(file: &str, text: &str, over: impl IntoIterator<Item = Override>) -> Result<Self, Problems> {
        Self::from_document(&Document::parse(file, text, over))
    }

    fn from_document(document: &Document) -> Result<Self, Problems> {
        let root = document.root();
        let node = root.section("node");
        let name = node.parsed("name");
        let tenant = node.parsed_optional::<HsaId>("tenant");
        node.finish();
        let app = read_app(&root.section("app"));
        let ops = root.section("ops");
        let ops_listen = ops.parsed("listen");
        ops.finish();
        let internal = read_internal(&root.section("internal"));
        let store = read_store(&root.section("store"));
        let section = root.section("keys");
        let seal = read_seal(&section);
        let keys = read_keys(&section);
        let seal_keys = root.sections("seal_key").iter().map(read_node_key).collect::<Vec<_>>();
        let seal_keys: Option<Vec<NodeKey>> = seal_keys.into_iter().collect();
        let section = root.section("login");
        let login = read_login(&section);
        let providers = oidc::read(&root, &section);
        let siths =
            if root.has("siths") { siths::read(&root.section("siths"), &section).map(Some) } else { Some(None) };
        let accounts = read_accounts(&root.section("accounts"));
        let sms = if root.has("sms") { handout::read_sms(&root.section("sms")).map(Some) } else { Some(None) };
        let handout = handout::read_handout(&root.section("handout"), root.has("sms"));
        let instructions = handout::read_instructions(&root.section("instructions"));
        let htmx = pages::read(&root.section("pages"));
        let session = read_session(&root.section("session"));
        let devices = devices::read(&root.section("devices"));
        let enrol = if root.has("enrol") { devices::read_enrol(&root.section("enrol")).map(Some) } else { Some(None) };
        let clickhouse =
            if root.has("clickhouse") { read_clickhouse(&root.section("clickhouse")).map(Some) } else { Some(None) };
        let log = read_log(&root.section("log"));
        root.finish();
        document.finish()?;
        let config = (|| {
            let (oidc, oidc_logout) = providers?;
            Some(Self {
                node: name?,
                tenant: tenant?.map_or_else(|| contract::Text::from(""), |hsa| hsa.text()),
                app: app?,
                ops: ops_listen?,
                internal: internal?,
                store: store?,
                keys: keys?,
                seal: seal?,
                seal_keys: seal_keys?,
                login: login?,
                oidc,
                oidc_logout,
                siths: siths?,
                accounts: accounts?,
                handout: handout?,
                sms: sms?,
                instructions: instructions?,
                htmx: htmx?,
                session: session?,
                devices: devices?,
                enrol: enrol?,
                clickhouse: clickhouse?,
                log: log?,
            })
        })();
        Ok(config.expect("invariant: a setting that could not be read was noted"))
    }
}

fn read_store(section: &Section<'_>) -> Option<Place> {
    let place = match (section.has("sqlite_file"), section.has("postgres_url")) {
        (true, true) => {
            section.reject("postgres_url", "stands beside sqlite_file: the accounts lie in one of them");
            None
        }
        (_, true) => read_server(section).map(Place::Postgres),
        _ => section.path_required("sqlite_file").and_then(|path| {
            let folder = path.parent().is_some_and(|parent| parent.as_os_str().is_empty() || parent.is_dir());
            if !folder {
                section.reject("sqlite_file", "is in a folder that does not exist");
            }
            folder.then_some(Place::Sqlite(path))
        }),
    };
    section.finish();
    place
}

fn read_server(section: &Section<'_>) -> Option<Server> {
    let url: Option<String> = section.required("postgres_url");
    let password = if section.has("postgres_password_file") {
        section.file("postgres_password_file").map(|text| Some(Zeroizing::new(text.trim().to_owned())))
    } else {
        Some(None)
    };
    match Server::parse(&url?, password?) {
        Ok(server) => Some(server),
        Err(error) => {
            section.reject("postgres_url", error.to_string());
            None
        }
    }
}

fn read_app(section: &Section<'_>) -> Option<App> {
    let listen = section.parsed("listen");
    let registry = section.parsed("registry");
    let gateway_keys = section.paths("gateway_keys");
    let help = section.required("help");
    let title = section.or("title", "Grindvakt".to_owned());
    let connections_max = section.within("connections_max", 1024, 8, 65_536);
    if gateway_keys.as_ref().is_some_and(Vec::is_empty) {
        section.reject("gateway_keys", "names no file: without a gateway's keys nobody can log in");
    }
    section.finish();
    Some(App {
        listen: listen?,
        registry: registry?,
        gateway_keys: gateway_keys?,
        help: help?,
        title: title?,
        connections_max: connections_max?,
    })
}

fn read_internal(section: &Section<'_>) -> Option<Internal> {
    let text: Option<String> = section.required("listen");
    let listen = text.and_then(|text| {
        if let Some(path) = text.strip_prefix("unix:") {
            return Some(Listen::Unix(section.resolve(path)));
        }
        let address = text.parse().ok();
        if address.is_none() {
            section.reject("listen", format!("{text:?} is neither unix:PATH nor address:port"));
        }
        address.map(Listen::Tcp)
    });
    let tls = if section.has("tls") {
        let tls = section.section("tls");
        let (cert, key, ca) =
            (existing(&tls, "cert_file"), existing(&tls, "key_file"), existing(&tls, "client_ca_file"));
        tls.finish();
        (|| Some(InternalTls { cert: cert?, key: key?, client_ca: ca? }))()
    } else {
        None
    };
    match (&listen, section.has("tls")) {
        (Some(Listen::Tcp(_)), false) => {
            section.reject(
                "listen",
                "needs the [internal.tls] section: over TCP gateways are known by their certificates",
            );
        }
        (Some(Listen::Unix(_)), true) => section.reject("tls", "is of no use on a Unix socket: take it away"),
        _ => {}
    }
    let connections_max = section.within("connections_max", 256, 4, 65_536);
    section.finish();
    Some(Internal { listen: listen?, tls, connections_max: connections_max? })
}

/// The path of a file that is read later, and again when it changes: that it can be read is seen now.
fn existing(section: &Section<'_>, key: &str) -> Option<PathBuf> {
    let path = section.path_required(key)?;
    if let Err(error) = std::fs::read(&path) {
        section.reject(key, format!("{} cannot be read: {error}", path.display()));
        return None;
    }
    Some(path)
}

fn read_keys(section: &Section<'_>) -> Option<Keys> {
    let secret = |key: &str| {
        let text = section.file(key)?;
        let secret = secret_from_hex(&text);
        if let Err(error) = &secret {
            section.reject(key, error.to_string());
        }
        secret.ok()
    };
    let master = secret("master_file");
    let pseudonym = secret("pseudonym_file");
    section.finish();
    let master = master?;
    Some(Keys {
        totp: Arc::new(TotpKey::new(&derive(&master, b"grindvakt second factors v1"))),
        fields: Arc::new(FieldKey::new(&derive(&master, b"grindvakt personal data v1"))),
        passkeys: Arc::new(RestKey::new(&derive(&master, b"grindvakt passkeys v1"))),
        form: derive(&master, b"grindvakt forms v1"),
        handout: Arc::new(HandoutKey::new(&derive(&master, b"grindvakt handed out v1"))),
        pseudonym: PseudonymKey::new(&*pseudonym?),
    })
}

fn read_node_key(section: &Section<'_>) -> Option<NodeKey> {
    let node = section.parsed("node");
    let key = match (section.has("key"), section.has("file")) {
        (true, true) => {
            section.reject("key", "stands beside file: a section names one key, by either");
            None
        }
        (true, false) => section.required::<String>("key").and_then(|text| {
            let mut bytes = [0; 32];
            let read = hex::decode_to_slice(text.trim(), &mut bytes);
            if read.is_err() {
                section.reject(
                    "key",
                    "is not the public key of a node: 64 hexadecimal digits, as `gateway seal-key show` prints",
                );
            }
            read.ok().map(|()| PublicKey::Here(bytes))
        }),
        // The file is made by the gateway, maybe later: it is read when it is needed.
        (false, _) => section.path_required("file").map(PublicKey::File),
    };
    section.finish();
    Some(NodeKey { node: node?, key: key? })
}

fn read_seal(section: &Section<'_>) -> Option<SealKey> {
    let text = section.file("seal_file")?;
    let key = PrivatePkcs8KeyDer::from_pem_slice(text.as_bytes())
        .ok()
        .and_then(|der| SealKey::from_pkcs8(der.secret_pkcs8_der()).ok());
    if key.is_none() {
        section.reject("seal_file", "is no Ed25519 key in PKCS#8 PEM form");
    }
    key
}

/// A key for one purpose from the master key.
fn derive(master: &[u8; 32], purpose: &[u8]) -> Zeroizing<[u8; 32]> {
    let key = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, master);
    let mut derived = Zeroizing::new([0; 32]);
    derived.copy_from_slice(aws_lc_rs::hmac::sign(&key, purpose).as_ref());
    derived
}

fn read_login(section: &Section<'_>) -> Option<Login> {
    let origin = section.parsed_optional("origin");
    let usual = LockRule::default();
    let failures_max = section.within("failures_max", usual.failures_max, 3, 10);
    let lock_minutes = section.within("lock_minutes", 15, 1, 24 * 60);
    let locks_max = section.within("locks_max", usual.locks_max, 1, 10);
    let refusal_ms = section.within("refusal_ms", 400, 0, 10_000);
    let delay_ms = section.within("delay_ms", 250, 0, 10_000);
    let delay_max_ms = section.within("delay_max_ms", 8_000, 0, 60_000);
    let checks_at_once = section.within("checks_at_once", 4, 1, 64);
    let breached_file = section.file_optional("breached_file");
    let step_up_s: Option<Micros> = section.within("step_up_s", 300, 30, 3600);
    section.finish();
    Some(Login {
        origin: origin?,
        lock: LockRule { failures_max: failures_max?, lock_us: lock_minutes? * 60_000_000, locks_max: locks_max? },
        refusal: Duration::from_millis(refusal_ms?),
        delay: Duration::from_millis(delay_ms?),
        delay_max: Duration::from_millis(delay_max_ms?),
        checks_at_once: checks_at_once?,
        breached_file: breached_file?,
        step_up_us: step_up_s? * crate::clock::SECOND,
    })
}

fn read_accounts(section: &Section<'_>) -> Option<Accounts> {
    let dormant_months = section.within("dormant_months", 9, 3, 12);
    let lapse_months = section.within("lapse_months", 3, 1, 12);
    let request_life_days = section.within("request_life_days", 30, 1, 365);
    let months = section.within("review_months", 12, 1, 24);
    let notice_days = section.within("review_notice_days", 30, 0, 90);
    let grace_days = section.within("review_grace_days", 30, 0, 90);
    section.finish();
    Some(Accounts {
        dormant_months: dormant_months?,
        lapse_months: lapse_months?,
        request_life_days: request_life_days?,
        review: Review { months: months?, notice_days: notice_days?, grace_days: grace_days? },
    })
}

fn read_session(section: &Section<'_>) -> Option<Session> {
    let idle_s: Option<u32> = section.within("idle_s", 30 * 60, 1, 12 * 3600);
    let absolute_s: Option<u32> = section.within("absolute_s", 10 * 3600, 1, 24 * 3600);
    if let (Some(idle), Some(absolute)) = (idle_s, absolute_s)
        && idle > absolute
    {
        section.reject("idle_s", format!("is {idle}, longer than absolute_s = {absolute}"));
    }
    let emergency_minutes: Option<u32> = section.within("emergency_minutes", 15, 1, 60);
    let report_grace_s = section.within("report_grace_s", 60, 0, 3600);
    let sweep_every_ms = section.within("sweep_every_ms", 5_000, 50, 600_000);
    section.finish();
    Some(Session {
        limits: sessions::Limits { idle_s: idle_s?, absolute_s: absolute_s?, emergency_s: emergency_minutes? * 60 },
        report_grace: Duration::from_secs(report_grace_s?),
        sweep_every: Duration::from_millis(sweep_every_ms?),
    })
}

fn read_clickhouse(section: &Section<'_>) -> Option<ClickHouse> {
    let url: Option<String> = section.required("url");
    if let Some(url) = &url {
        let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['@', ' ', '?', '#'])) {
            section.reject("url", format!("{url:?} is not http://host:port or https://host:port"));
        }
    }
    let user = section.or("user", "auditor".to_owned());
    let password = section.file("password_file");
    let database = section.or("database", "grindvakt".to_owned());
    let cluster = section.optional::<String>("cluster");
    let retention_years = section.within("retention_years", 10, 5, 100);
    let target = (|| Some(Target { database: database?, cluster, retention_years: retention_years? }))();
    if let (Some(target), Some(first)) = (&target, contract::schema::MIGRATIONS.first())
        && let Err(error) = target.statements(first)
    {
        section.reject("database", error.to_string());
    }
    section.finish();
    Some(ClickHouse { url: url?, user: user?, password: Zeroizing::new(password?.trim().to_owned()), target: target? })
}

fn read_log(section: &Section<'_>) -> Option<Log> {
    let json = section.word("format", Some(false), &[("text", false), ("json", true)]);
    let level = section.word(
        "level",
        Some(tracing::Level::INFO),
        &[
            ("error", tracing::Level::ERROR),
            ("warn", tracing::Level::WARN),
            ("info", tracing::Level::INFO),
            ("debug", tracing::Level::DEBUG),
        ],
    );
    section.finish();
    Some(Log { json: json?, level: level? })
}

#[cfg(test)]
mod tests;
