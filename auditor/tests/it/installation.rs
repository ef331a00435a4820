//! An installation of its own for each test, and a server that dies with it.

use crate::cluster::Cluster;
use auditor::accounts::totp::TotpSecret;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::directory::{ASSERTION_HEADER, Assertion, Entry, Message, Session};
use contract::id::{AccountId, CertFingerprint, DeviceId, HsaId};
use contract::way_back::RETURN_COOKIE;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;
use tempfile::TempDir;

pub const ORGANISATION: &str = "SE2321000016-39KJ";
/// Long enough for a slow machine; nothing waits for it to pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// Files and keys of an installation.
pub struct Installation {
    dir: TempDir,
    gateway: Vec<u8>,
    variables: Vec<(String, String)>,
    cluster: Option<Cluster>,
}

/// A user that can log in.
pub struct User {
    pub id: AccountId,
    pub password: String,
    pub totp: TotpSecret,
}

/// A device, as the gateway would know it.
#[derive(Clone)]
pub struct Device {
    pub id: DeviceId,
    pub fingerprint: CertFingerprint,
}

impl Installation {
    /// Its accounts lie in SQLite, or in PostgreSQL if this variable says so: the same tests run on both.
    pub fn new() -> Self {
        let on_postgres = std::env::var("GRINDVAKT_TEST_STORE").is_ok_and(|store| store == "postgres");
        Self::made(on_postgres.then(|| Cluster::start().expect("PostgreSQL is installed")))
    }

    /// Its accounts lie in PostgreSQL. None where that is not installed.
    pub fn on_postgres() -> Option<Self> {
        let cluster = Cluster::start();
        if cluster.is_none() {
            assert!(std::env::var_os("CI").is_none(), "PostgreSQL is needed: `make test` installs it");
            eprintln!("skipped: PostgreSQL is not installed");
        }
        cluster.map(|cluster| Self::made(Some(cluster)))
    }

    fn made(cluster: Option<Cluster>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let gateway = Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new()).unwrap().as_ref().to_vec();
        let made = Self { dir, gateway, variables: Vec::new(), cluster };
        let dir = made.path("").display().to_string();
        made.ok(&["init", "--dir", &dir, "--host", "localhost"]);
        if let Some(cluster) = &made.cluster {
            let settings = std::fs::read_to_string(made.path("auditor.toml")).unwrap();
            let there = format!("postgres_url = \"{}\"", cluster.url());
            let settings = settings.replace("sqlite_file = \"state/auditor.db\"", &there);
            assert!(settings.contains(&there));
            std::fs::write(made.path("auditor.toml"), settings).unwrap();
        }
        let pair = Ed25519KeyPair::from_pkcs8(&made.gateway).unwrap();
        let x = URL_SAFE_NO_PAD.encode(pair.public_key().as_ref());
        let jwks = serde_json::json!({ "keys": [{ "kty": "OKP", "crv": "Ed25519", "kid": "test", "alg": "EdDSA", "use": "sig", "x": x }] });
        // Where the gateway would put it.
        std::fs::create_dir(made.path("state/gateway")).unwrap();
        std::fs::write(made.path("state/gateway/jwks.json"), jwks.to_string()).unwrap();
        made.with("APP__LISTEN", "127.0.0.1:0")
            .with("OPS__LISTEN", "127.0.0.1:0")
            .with("LOGIN__REFUSAL_MS", "0")
            .with("LOGIN__DELAY_MS", "0")
    }

    /// With a setting of its own, from the environment.
    pub fn with(mut self, key: &str, value: &str) -> Self {
        self.variables.push((format!("AUDITOR__{key}"), value.to_owned()));
        self
    }

    /// The settings from the environment.
    pub fn variables(&self) -> Vec<(String, String)> {
        self.variables.clone()
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_auditor"));
        command.args(args).env("AUDITOR_CONFIG", self.path("auditor.toml")).envs(self.variables.iter().cloned());
        command
    }

    pub fn run(&self, args: &[&str]) -> Output {
        self.command(args).output().unwrap()
    }

    /// Runs a command that must succeed; its JSON.
    pub fn ok(&self, args: &[&str]) -> Value {
        let mut all = args.to_vec();
        all.extend(["--output", "json"]);
        let output = self.run(&all);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        serde_json::from_slice(&output.stdout).unwrap()
    }

    pub fn user(&self, name: &str) -> User {
        self.user_with(name, &[])
    }

    /// With more of what `auditor account create` takes.
    pub fn user_with(&self, name: &str, more: &[&str]) -> User {
        let create = ["account", "create", "--user", name, "--name", "Test User", "--generate-password", "--totp"];
        let made = self.ok(&[create.as_slice(), more].concat());
        User {
            id: made["account"].as_str().unwrap().parse().unwrap(),
            password: made["password"].as_str().unwrap().to_owned(),
            totp: TotpSecret::from_base32(made["totp_secret"].as_str().unwrap()).unwrap(),
        }
    }

    pub fn device(&self, name: &str) -> Device {
        let _there_already = self.run(&["device", "org-add", "--hsa", ORGANISATION, "--name", "Region"]);
        let out = self.path("devices").display().to_string();
        let made =
            self.ok(&["device", "enrol", "--org", ORGANISATION, "--name", name, "--out", &out, "--file-name", name]);
        Device {
            id: made["device"].as_str().unwrap().parse().unwrap(),
            fingerprint: made["fingerprint"].as_str().unwrap().to_owned().try_into().unwrap(),
        }
    }

    /// The database server that the accounts lie on.
    pub fn take_cluster(&mut self) -> Cluster {
        self.cluster.take().unwrap()
    }

    pub fn serve(&self) -> Server<'_> {
        self.serve_as("ready.json", &[])
    }

    /// One of several, with a ready file and settings of its own.
    pub fn serve_as(&self, ready: &str, variables: &[(&str, &str)]) -> Server<'_> {
        let ready = self.path(ready);
        let mut command = self.command(&["serve", "--ready-file", ready.to_str().unwrap()]);
        command.envs(variables.iter().copied());
        let mut process = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut log = BufReader::new(process.stderr.take().unwrap());
        let mut line = String::new();
        while !line.contains(" ready ") {
            line.clear();
            assert_ne!(log.read_line(&mut line).unwrap(), 0, "the server ended before it was ready");
        }
        std::thread::spawn(move || std::io::copy(&mut log, &mut std::io::sink()));
        let bound: Value = serde_json::from_slice(&std::fs::read(ready).unwrap()).unwrap();
        let address = |name: &str| bound[name].as_str().unwrap().to_owned();
        Server { installation: self, process, app: address("app"), ops: address("ops"), internal: address("internal") }
    }

    /// The gateway's assertion for a request of this device.
    pub fn assertion(&self, device: &Device, session: Option<&Session>) -> String {
        let now = jsonwebtoken::get_current_timestamp();
        let assertion = Assertion {
            iss: "gw-test".to_owned(),
            sub: format!("device:{}", device.id),
            aud: "auditor".to_owned(),
            iat: now,
            exp: now + 60,
            account: session.map(|session| session.account),
            session: session.map(|session| session.key),
            device: device.id,
            device_cert: device.fingerprint,
            device_org: HsaId::parse(ORGANISATION).unwrap(),
            user_hsa: None,
            name: None,
            care_unit: None,
            right: None,
            amr: None,
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some("test".to_owned());
        encode(&header, &assertion, &EncodingKey::from_ed_der(&self.gateway)).unwrap()
    }
}

/// A server that runs.
pub struct Server<'i> {
    pub installation: &'i Installation,
    process: Child,
    pub app: String,
    pub ops: String,
    pub internal: String,
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Server<'_> {
    /// Ends the server as systemd would; its exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.process.wait().unwrap().code()
    }

    /// Sends the program a signal, by its name.
    pub fn signal(&self, name: &str) {
        let process = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &process]).status().unwrap().success());
    }

    pub fn socket(&self) -> PathBuf {
        Path::new(self.internal.strip_prefix("unix:").unwrap()).to_owned()
    }

    /// A request to the login application, with the device's assertion.
    pub fn app(&self, device: &Device, request: Request<'_>) -> Response {
        self.app_in(device, None, request)
    }

    /// The same in a session.
    pub fn app_in(&self, device: &Device, session: Option<&Session>, request: Request<'_>) -> Response {
        let assertion = self.installation.assertion(device, session);
        request.header(ASSERTION_HEADER, &assertion).send(TcpStream::connect(&self.app).unwrap())
    }

    pub fn ask_internal(&self, request: Request<'_>) -> Response {
        request.send(UnixStream::connect(self.socket()).unwrap())
    }

    pub fn ask_ops(&self, path: &str) -> Response {
        Request::get(path).send(TcpStream::connect(&self.ops).unwrap())
    }

    /// A metric's value, by its whole name with labels.
    pub fn metric(&self, name: &str) -> f64 {
        let text = self.ask_ops("/metrics").body;
        let line =
            text.lines().find(|line| line.split(' ').next() == Some(name)).unwrap_or_else(|| panic!("no {name}"));
        line.split(' ').nth(1).unwrap().parse().unwrap()
    }

    /// Follows the directory from a state.
    pub fn follow(&self, after: u64) -> Feed {
        let mut stream = UnixStream::connect(self.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /internal/v1/directory?after={after} HTTP/1.1\r\nHost: auditor\r\n\r\n").unwrap();
        Feed { lines: BufReader::new(Box::new(stream)) }
    }

    /// Logs in by the page, with a way back that the browser brings as `to`; the response to the form.
    pub fn log_in(&self, device: &Device, user: &str, password: &str, code: &str, to: &str) -> Response {
        let form = self.form(device);
        self.send_form(device, &form, user, password, code, to)
    }

    /// Opens the page: cookie and field of its form.
    pub fn form(&self, device: &Device) -> (String, String) {
        let page = self.app(device, Request::get("/auth/login?lang=en"));
        assert_eq!(page.status, 200);
        let cookie = page.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
        let field = page.body.split("name=\"form\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
        (cookie, field)
    }

    pub fn send_form(
        &self,
        device: &Device,
        (cookie, field): &(String, String),
        user: &str,
        password: &str,
        code: &str,
        to: &str,
    ) -> Response {
        let parts = [("user", user), ("password", password), ("code", code), ("form", field), ("lang", "en")];
        let body: Vec<_> = parts.iter().map(|(name, value)| format!("{name}={}", escape(value))).collect();
        let body = body.join("&");
        // As the gateway would have set it; the application is not to believe it.
        let way = URL_SAFE_NO_PAD.encode(to);
        let cookies = format!("{cookie}; {RETURN_COOKIE}={way}");
        let request =
            Request::post("/auth/login", "application/x-www-form-urlencoded", &body).header("cookie", &cookies);
        self.app(device, request)
    }
}

pub fn escape(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// The directory's lines.
pub struct Feed {
    lines: BufReader<Box<dyn Read + Send>>,
}

impl Feed {
    pub fn over(stream: Box<dyn Read + Send>) -> Self {
        Self { lines: BufReader::new(stream) }
    }

    /// The next message. Chunk sizes and heads of the HTTP answer are not JSON, and are passed over.
    pub fn next(&mut self) -> Option<Message> {
        loop {
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            if line.starts_with('{') {
                return Some(serde_json::from_str(&line).unwrap());
            }
        }
    }

    /// Messages until one that fits, inclusive.
    pub fn until(&mut self, fits: impl Fn(&Message) -> bool) -> Vec<Message> {
        let mut seen = Vec::new();
        loop {
            let message = self.next().expect("the feed goes on");
            let done = fits(&message);
            seen.push(message);
            if done {
                return seen;
            }
        }
    }

    /// The whole snapshot; its epoch.
    pub fn snapshot(&mut self) -> (Vec<Entry>, u64) {
        assert_eq!(self.next(), Some(Message::SnapshotBegin));
        let messages = self.until(|message| matches!(message, Message::SnapshotEnd { .. }));
        let epoch = messages.iter().find_map(|message| match message {
            Message::SnapshotEnd { epoch } => Some(epoch.0),
            _ => None,
        });
        (messages.into_iter().filter_map(entry).collect(), epoch.unwrap())
    }

    /// The next change; heartbeats are passed over.
    pub fn change(&mut self) -> (Entry, u64) {
        let messages = self.until(|message| matches!(message, Message::Change { .. }));
        match messages.into_iter().next_back() {
            Some(Message::Change { epoch, entry, .. }) => (entry, epoch.0),
            other => panic!("{other:?}"),
        }
    }

    /// The next change of a session.
    pub fn session(&mut self) -> Session {
        loop {
            if let (Entry::Session(session), _) = self.change() {
                return session;
            }
        }
    }
}

fn entry(message: Message) -> Option<Entry> {
    match message {
        Message::Change { entry, .. } => Some(entry),
        _ => None,
    }
}

/// A request.
pub struct Request<'r> {
    head: String,
    body: &'r str,
}

impl<'r> Request<'r> {
    pub fn get(path: &str) -> Self {
        Self { head: format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n"), body: "" }
    }

    pub fn post(path: &str, kind: &str, body: &'r str) -> Self {
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\ncontent-type: {kind}\r\ncontent-length: {length}\r\n"
        );
        Self { head, body }
    }

    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.head.push_str(&format!("{name}: {value}\r\n"));
        self
    }

    pub fn send(self, mut stream: impl Read + Write) -> Response {
        write!(stream, "{}\r\n{}", self.head, self.body).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        let answer = String::from_utf8(answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Response { status, head: head.to_owned(), body: body.to_owned() }
    }
}

/// An answer.
#[derive(Debug)]
pub struct Response {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Response {
    pub fn headers(&self, name: &str) -> Vec<&str> {
        let pairs = self.head.lines().filter_map(|line| line.split_once(": "));
        pairs.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value).collect()
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers(name).first().copied()
    }

    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
