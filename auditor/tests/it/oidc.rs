//! Login at a real identity provider: npm's `oidc-provider`, as it is and with its ID token exchanged on the way
//! (`loadtest/oidc`). What a token may not say is tried whole in `src/accounts/oidc` and `src/web/oidc`.

use crate::installation::{Device, Installation, Request, Response, Server, escape};
use contract::directory::{AccountStanding, Entry, Session};
use contract::id::HsaId;
use contract::record::AuthMethod;
use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};

const LEVEL: &str = "http://id.sambi.se/loa/loa3";
const SECRET: &str = "a secret of this test: +/&=";
const HSA: &str = "SE2321000016-39KJ";
const COOKIE: &str = "__Host-grindvakt-oidc";

/// A provider that runs.
struct Provider {
    process: Child,
    issuer: String,
}

impl Drop for Provider {
    fn drop(&mut self) {
        let _ended_already = self.process.kill();
        let _status = self.process.wait();
    }
}

impl Provider {
    /// Starts one. None where Node.js or npm is not installed, which is said; in CI they have to be.
    fn start() -> Option<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/oidc");
        for tool in ["node", "npm"] {
            if Command::new(tool).arg("--version").output().is_err() {
                assert!(std::env::var_os("CI").is_none(), "{tool} is needed");
                eprintln!("skipped: {tool} is not installed");
                return None;
            }
        }
        if !folder.join("node_modules/.package-lock.json").exists() {
            let done = Command::new("npm").args(["ci", "--silent"]).current_dir(&folder).status().unwrap();
            assert!(done.success(), "npm ci in {}", folder.display());
        }
        let told = serde_json::json!({
            "secret": SECRET, "level": LEVEL, "callback": "https://localhost:8443/auth/oidc/inera/callback",
        });
        let mut process = Command::new("node")
            .arg("provider.js")
            .arg(told.to_string())
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(process.stdout.take().unwrap()).lines().map(Result::unwrap);
        let issuer = lines.find(|line| line.starts_with("http://")).expect("the provider starts");
        std::thread::spawn(move || lines.count());
        Some(Self { process, issuer })
    }

    fn authority(&self) -> &str {
        self.issuer.strip_prefix("http://").unwrap()
    }
}

/// A browser, as far as it is needed here: it keeps the provider's cookies.
struct Browser<'p> {
    provider: &'p Provider,
    cookies: BTreeMap<String, String>,
}

impl<'p> Browser<'p> {
    fn new(provider: &'p Provider) -> Self {
        Self { provider, cookies: BTreeMap::new() }
    }

    /// Asks the provider.
    fn ask(&mut self, method: &str, url: &str, body: &str) -> Response {
        let path = url.strip_prefix(&self.provider.issuer).unwrap_or(url);
        let cookies: Vec<_> = self.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let mut stream = TcpStream::connect(self.provider.authority()).unwrap();
        write!(
            stream,
            "{method} {path} HTTP/1.1\r\nhost: {}\r\nconnection: close\r\ncookie: {}\r\ncontent-type: application/x-www-form-urlencoded\r\ncontent-length: {}\r\n\r\n{body}",
            self.provider.authority(),
            cookies.join("; "),
            body.len(),
        )
        .unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        let answer = Response { status, head: head.to_owned(), body: body.to_owned() };
        for set in answer.headers("set-cookie") {
            let (name, value) = set.split(';').next().unwrap().split_once('=').unwrap();
            if value.is_empty() {
                self.cookies.remove(name);
            } else {
                self.cookies.insert(name.to_owned(), value.to_owned());
            }
        }
        answer
    }

    /// Logs in as somebody, or turns back; where the provider sends the browser then.
    fn identify(&mut self, address: &str, person: Option<&str>) -> String {
        let mut to = address.to_owned();
        for _ in 0..8 {
            if to.starts_with("https://localhost:8443/") {
                return to.strip_prefix("https://localhost:8443").unwrap().to_owned();
            }
            if to.contains("/interaction/")
                && let Some(person) = person
            {
                to = format!("{to}?as={person}");
            }
            let answer = self.ask("GET", &to, "");
            assert!(matches!(answer.status, 302 | 303), "{to}: {} {}", answer.head, answer.body);
            answer.header("location").unwrap().clone_into(&mut to);
        }
        panic!("the provider sends around in a circle")
    }

    /// Logs out at the provider, as its own page does.
    fn log_out(&mut self) {
        let page = self.ask("GET", "/session/end", "");
        let secret = page.body.split("name=\"xsrf\" value=\"").nth(1).unwrap_or_else(|| panic!("{}", page.body));
        let secret = secret.split('"').next().unwrap().to_owned();
        let done = self.ask("POST", "/session/end/confirm", &format!("xsrf={secret}&logout=yes"));
        assert!(matches!(done.status, 302 | 303), "{} {}", done.head, done.body);
    }
}

/// An installation whose users may log in there.
fn place(provider: &Provider) -> Installation {
    let place = Installation::new();
    std::fs::write(place.path("secrets/inera.secret"), SECRET).unwrap();
    let mut settings = std::fs::read_to_string(place.path("auditor.toml")).unwrap();
    settings.push_str(&format!(
        "\n[[oidc]]\nname = \"inera\"\nlabel = {{ sv = \"SITHS\", en = \"SITHS\" }}\nissuer = \"{}\"\nclient_id = \"grindvakt\"\n\
         client_secret_file = \"secrets/inera.secret\"\nscopes = [\"openid\", \"commission\"]\nacr_values = [\"{LEVEL}\"]\n\
         [oidc_logout]\nlisten = \"127.0.0.1:0\"\n",
        provider.issuer,
    ));
    std::fs::write(place.path("auditor.toml"), settings).unwrap();
    place
}

/// Begins at the button: the cookie, and where to go.
fn begin(server: &Server<'_>, device: &Device) -> (String, String) {
    let sent = server.app(device, Request::get("/auth/oidc/inera?lang=en"));
    assert_eq!(sent.status, 303, "{}", sent.body);
    let cookie = sent.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    assert!(cookie.starts_with(COOKIE), "{cookie}");
    (cookie, sent.header("location").unwrap().to_owned())
}

/// Logs in there as somebody; what the callback answers, and the browser.
fn log_in<'p>(provider: &'p Provider, server: &Server<'_>, device: &Device, person: &str) -> (Response, Browser<'p>) {
    let (cookie, address) = begin(server, device);
    let mut browser = Browser::new(provider);
    let back = browser.identify(&address, Some(person));
    let answer = server.app(device, Request::get(&back).header("cookie", &cookie));
    (answer, browser)
}

/// Makes the account that the provider's people have, and makes it active by a first login.
fn account(place: &Installation, server: &Server<'_>, device: &Device) -> String {
    let made = place.ok(&[
        "account",
        "create",
        "--user",
        "anna",
        "--name",
        "Anna",
        "--hsa",
        HSA,
        "--generate-password",
        "--totp",
    ]);
    let totp = auditor::accounts::totp::TotpSecret::from_base32(made["totp_secret"].as_str().unwrap()).unwrap();
    let code = totp.code(auditor::clock::now());
    let inside = server.log_in(device, "anna", made["password"].as_str().unwrap(), &code, "/");
    assert_eq!(inside.status, 303, "{}", inside.body);
    made["account"].as_str().unwrap().to_owned()
}

#[test]
fn a_real_provider_lets_in_whom_it_knows_and_ends_what_it_ends() {
    let Some(provider) = Provider::start() else { return };
    let place = place(&provider);
    let device = place.device("ward3");
    let server = place.serve();
    let id = account(&place, &server, &device);
    let mut feed = server.follow(0);
    feed.snapshot();

    let bound: serde_json::Value = serde_json::from_slice(&std::fs::read(place.path("ready.json")).unwrap()).unwrap();
    let logouts = format!("http://{}/oidc/inera/logout", bound["oidc_logout"].as_str().unwrap());
    assert_eq!(Browser::new(&provider).ask("PUT", "/logout-address", &logouts).status, 200);
    let (inside, mut browser) = log_in(&provider, &server, &device, "anna");
    assert_eq!((inside.status, inside.header("location")), (303, Some("/")), "{}", inside.body);
    let session = feed.session();
    assert_eq!((session.account.to_string(), session.auth_method, session.acr.as_str()), (id, AuthMethod::Oidc, LEVEL));
    assert_eq!(session.commission.care_unit, Some(HsaId::parse("SE2321000016-1003").unwrap()));
    assert_eq!(session.commission.name, "Vård och behandling");

    // What is not in the ID token is asked for.
    let (inside, _) = log_in(&provider, &server, &device, "later");
    assert_eq!(inside.status, 303, "{}", inside.body);
    let other = feed.session();

    // The provider tells of a logout there; gateways hear of it by the directory.
    browser.log_out();
    let ended = feed.session();
    assert!(ended.key == session.key && ended.ended.is_some() && other.key != ended.key, "{ended:?}");
    assert_eq!(server.metric("auditor_oidc_logouts_total{provider=\"inera\",result=\"ended\"}").round() as i64, 1);
    assert_eq!(server.metric("auditor_oidc_logins_total{provider=\"inera\",result=\"in\"}").round() as i64, 2);
}

#[test]
fn of_two_commissions_of_a_real_provider_one_is_chosen() {
    let Some(provider) = Provider::start() else { return };
    let place = place(&provider);
    let device = place.device("ward3");
    let server = place.serve();
    let account = account(&place, &server, &device);
    let hsa = "SE2321000016-39KX";
    place.ok(&["account", "create", "--user", "eva", "--name", "Eva", "--hsa", hsa, "--generate-password", "--totp"]);
    let mut feed = server.follow(0);
    feed.snapshot();
    let (page, _) = log_in(&provider, &server, &device, "two");
    assert_eq!(page.status, 200, "{}", page.body);
    assert!(page.body.contains("Forskning") && page.body.contains("Avdelning 2"), "{}", page.body);
    let cookie = page.headers("set-cookie").into_iter().find(|cookie| cookie.starts_with(COOKIE)).unwrap();
    let cookie = cookie.split(';').next().unwrap().to_owned();
    let ticket = page.body.split("name=\"ticket\" value=\"").nth(1).unwrap().split('"').next().unwrap().to_owned();
    let body = format!("ticket={}&commission=1&lang=en", escape(&ticket));
    let chosen = Request::post("/auth/oidc/inera/choose", "application/x-www-form-urlencoded", &body);
    let inside = server.app(&device, chosen.header("cookie", &cookie));
    assert_eq!(inside.status, 303, "{}", inside.body);
    let session: Session = feed.session();
    assert_eq!((session.account.to_string(), session.commission.name.as_str()), (account, "Forskning"));
    // An account that nobody has collected is none to log in to from elsewhere.
    let (refused, _) = log_in(&provider, &server, &device, "unknown");
    assert!(refused.status == 403 && refused.body.contains("no account can be used with it"), "{}", refused.body);
}

#[test]
fn what_does_not_hold_of_a_real_providers_answer_is_refused() {
    let Some(provider) = Provider::start() else { return };
    let place = place(&provider);
    let device = place.device("ward3");
    let server = place.serve();
    account(&place, &server, &device);
    let mut feed = server.follow(0);
    let (before, _) = feed.snapshot();
    assert!(before.iter().any(|entry| matches!(entry, Entry::Account(a) if a.standing == AccountStanding::Active)));
    let refused = |person: &str, words: &str, result: &str| {
        let (answer, _) = log_in(&provider, &server, &device, person);
        assert_eq!(answer.status, 403, "{person}: {}", answer.body);
        assert!(answer.body.contains(words), "{person}: {}", answer.body);
        let name = format!("auditor_oidc_logins_total{{provider=\"inera\",result=\"{result}\"}}");
        assert_eq!(server.metric(&name).round() as i64, 1, "{person}");
    };
    let unbelieved = "could not be trusted";
    refused("weak", "not strong enough", "level");
    refused("nonce", unbelieved, "nonce");
    refused("audience", unbelieved, "audience");
    refused("signature", unbelieved, "signature");
    refused("expired", unbelieved, "time");
    refused("nameless", "gave no HSA-id for you", "no_hsa");
    refused("unknown", "no account can be used with it", "no_account");

    // An answer that was used, one that another device brings, and a user who turned back.
    let (cookie, address) = begin(&server, &device);
    let back = Browser::new(&provider).identify(&address, Some("anna"));
    let come = |device: &Device| {
        server.app(device, Request::get(&back).header("cookie", &cookie).header("accept-language", "en"))
    };
    let other = place.device("ward4");
    let stale = "Begin again from here";
    let elsewhere = come(&other);
    assert!(elsewhere.status == 403 && elsewhere.body.contains(stale), "{}", elsewhere.body);
    assert_eq!(come(&device).status, 303);
    let again = come(&device);
    assert!(again.status == 403 && again.body.contains(stale), "{}", again.body);
    let (cookie, address) = begin(&server, &device);
    let back = Browser::new(&provider).identify(&address, None);
    let turned = server.app(&device, Request::get(&back).header("cookie", &cookie));
    assert!(turned.status == 403 && turned.body.contains("You cancelled the login"), "{}", turned.body);

    // Without its provider the login goes on in other ways.
    drop(provider);
    let page = server.app(&device, Request::get("/auth/login?lang=en"));
    assert!(page.status == 200 && page.body.contains("/auth/oidc/inera?lang=en"), "{}", page.body);
}
