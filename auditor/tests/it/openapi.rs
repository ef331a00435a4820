//! The administration's description is one that others' programs can read, and nothing is answered that it does not say: a
//! linter reads it (npm's `@redocly/cli`), and schemathesis asks the real program what it says can be asked, and what
//! cannot (`loadtest/openapi`).

mod requests;

use crate::handout;
use crate::installation::{Device, Installation, Request, Response, Server, User};
use auditor::accounts::{State, UserName};
use auditor::clock;
use auditor::config::Config;
use auditor::duties::Region;
use auditor::store::{By, Store};
use contract::directory::{ASSERTION_HEADER, Session};
use contract::record::{AuthEventKind, AuthMethod, Reason};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

const JSON: &str = "application/json";
const API: &str = "/admin/api/v1";

/// What is asked is the same each time, but for ids and times.
const SEED: u32 = 20_261_123;
/// For each operation; more with this variable.
const EXAMPLES: &str = "12";
const MORE: &str = "GRINDVAKT_EXAMPLES";
/// What may be refused each time: it needs a passkey, an opening in an emergency, or that others have left to it what it is about.
const UNREACHED: [&str; 6] =
    ["confirm_account", "execute_form", "lift_block", "reroute_half", "see_emergency", "step_up_by_passkey"];
/// So long at most, of which there is no need.
const LIMIT: Duration = Duration::from_mins(25);
/// An assertion lives for a minute.
const ANEW: Duration = Duration::from_secs(10);

const CHECKS: &str = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,\
                      response_headers_conformance,unsupported_method,allow_header_conformance";

/// Who asks, and what they are appointed to.
const PEOPLE: [(&str, &[&str]); 8] = [
    ("adam", &["account_admin", "device_admin"]),
    ("bea", &["account_admin", "device_admin"]),
    ("erik", &["approver:12"]),
    ("hilda", &["registry_holder:fotled"]),
    ("nils", &[]),
    ("help", &["help_desk"]),
    ("lotta", &["log_auditor"]),
    (SHOWS, &[]),
];

/// Shows codes, good ones and bad.
const SHOWS: &str = "sigrid";
/// So many others have accounts that nobody has used yet, and one is dormant.
const OTHERS: usize = 6;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../loadtest/openapi")
}

/// Node.js. None where it is not installed, which is said; in CI it has to be.
fn linter() -> Option<Command> {
    for tool in ["node", "npm"] {
        if Command::new(tool).arg("--version").output().is_err() {
            assert!(std::env::var_os("CI").is_none(), "{tool} is needed");
            eprintln!("skipped: {tool} is not installed");
            return None;
        }
    }
    if !folder().join("node_modules/.package-lock.json").exists() {
        let done = Command::new("npm").args(["ci", "--silent"]).current_dir(folder()).status().unwrap();
        assert!(done.success(), "npm ci in {}", folder().display());
    }
    let mut command = Command::new("node");
    command.arg("node_modules/@redocly/cli/bin/cli.js").current_dir(folder());
    // It asks nobody, and tells nobody anything.
    command.env("REDOCLY_TELEMETRY", "off").env("REDOCLY_SUPPRESS_UPDATE_NOTICE", "true");
    Some(command)
}

/// schemathesis, where `.ci/test` puts it.
fn schemathesis() -> Option<PathBuf> {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("openapi").join("bin/schemathesis");
    if program.is_file() {
        return Some(program);
    }
    assert!(std::env::var_os("CI").is_none(), "schemathesis is needed: `make test` installs it");
    eprintln!("skipped: schemathesis is not installed");
    None
}

/// People who are logged in.
struct People<'s> {
    server: &'s Server<'s>,
    device: Device,
    sessions: BTreeMap<&'static str, Session>,
    users: BTreeMap<&'static str, User>,
}

impl<'s> People<'s> {
    /// Makes them, before the server starts.
    fn make(place: &Installation) -> BTreeMap<&'static str, User> {
        let made = PEOPLE.iter().enumerate().map(|(number, (name, appointments))| {
            let hsa = format!("SE2321000016-A{number:04}");
            let user = place.user_with(name, &["--hsa", &hsa]);
            for appointment in *appointments {
                place.ok(&["appointment", "add", name, appointment]);
            }
            (*name, user)
        });
        made.collect()
    }

    /// Others, whom things happen to.
    async fn others(place: &Installation) {
        let config = Config::read(&place.path("auditor.toml"), place.variables()).unwrap();
        let store = Store::open(&config.store).await.unwrap();
        for number in 0..=OTHERS {
            let (name, hsa) = (format!("other{number}"), format!("SE2321000016-B{number:04}"));
            place.user_with(&name, &["--hsa", &hsa]);
            let mut change = store.change(clock::now(), By::program("test")).await.unwrap();
            let mut account = change.account_by_name(&UserName::parse(&name).unwrap()).await.unwrap();
            change.confirm(account.id, Region::Skane, AuthMethod::None).await.unwrap();
            if number == OTHERS {
                account.state = State::Dormant { since: clock::now() };
                change.move_account(&account, AuthEventKind::AccountChanged, Reason::Unused).await.unwrap();
            }
            change.commit().await.unwrap();
        }
    }

    fn log_in(server: &'s Server<'s>, made: BTreeMap<&'static str, User>, device: Device) -> Self {
        let mut feed = server.follow(0);
        feed.snapshot();
        let mut people = Self { server, device, sessions: BTreeMap::new(), users: BTreeMap::new() };
        for (name, user) in made {
            let code = |after: i64| user.totp.code(clock::now() + after * clock::SECOND);
            let login = json!({ "user": name, "password": user.password, "code": code(0) }).to_string();
            assert_eq!(server.app(&people.device, Request::post("/auth/token", JSON, &login)).status, 200);
            let session = feed.session();
            people.sessions.insert(name, session);
            // Each code counts once: the next one is good already. Who shows them later has none to spare.
            if name != SHOWS {
                let code = json!({ "code": code(30) }).to_string();
                let shown = people.ask(name, Request::post(&format!("{API}/step-up"), JSON, &code));
                assert_eq!(shown.status, 200, "{}", shown.body);
            }
            people.users.insert(name, user);
        }
        people
    }

    fn ask(&self, name: &str, request: Request<'_>) -> Response {
        self.server.app_in(&self.device, self.sessions.get(name), request)
    }

    /// What the gateway vouches for now, and a code that is good now.
    fn tell(&self, place: &Path) {
        let vouched = |session| self.server.installation.assertion(&self.device, session);
        let mut assertions: BTreeMap<&str, String> =
            self.sessions.iter().map(|(name, session)| (*name, vouched(Some(session)))).collect();
        assertions.insert("nobody", vouched(None));
        // That of this half minute was the login's.
        let code = self.users[SHOWS].totp.code(clock::now() + 30 * clock::SECOND).clone();
        let told = json!({ "assertions": assertions, "code": code }).to_string();
        let (new, file) = (place.join("now.json.new"), place.join("now.json"));
        std::fs::write(&new, told).unwrap();
        std::fs::rename(new, file).unwrap();
    }
}

/// Method and path of each operation, by its name.
fn operations(description: &Value) -> BTreeMap<String, (String, String)> {
    let paths = description["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let item = item.as_object().unwrap().iter();
        item.map(|(method, operation)| {
            let name = operation["operationId"].as_str().unwrap().to_owned();
            (name, (method.to_ascii_uppercase(), path.clone()))
        })
    });
    operations.collect()
}

#[test]
fn a_linter_finds_nothing_in_the_description() {
    let Some(mut linter) = linter() else { return };
    let place = Installation::new();
    let made = People::make(&place);
    let device = place.device("ward3");
    let server = place.serve();
    let people = People::log_in(&server, made, device);
    let file = place.path("openapi.json");
    std::fs::write(&file, people.ask("nils", Request::get(&format!("{API}/openapi.json"))).body).unwrap();
    let lint = linter.args(["lint", "--config", "redocly.yaml", "--format", "stylish"]).arg(&file).output().unwrap();
    let said = String::from_utf8_lossy(&lint.stdout).into_owned() + &String::from_utf8_lossy(&lint.stderr);
    // What it would warn of is an error, by its settings.
    assert!(lint.status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_answered_that_is_not_described() {
    let Some(program) = schemathesis() else { return };
    // Codes are shown as often as schemathesis likes.
    let place = Installation::new().with("LOGIN__STEP_UP_S", "3600").with("LOGIN__FAILURES_MAX", "10");
    let made = People::make(&place);
    People::others(&place).await;
    // Somebody whom credentials can be handed out to.
    handout::applied(&place).await;
    let device = place.device("ward3");
    let server = place.serve();
    let people = People::log_in(&server, made, device);
    let description = people.ask("nils", Request::get(&format!("{API}/openapi.json")));
    let (folder, url) = (place.path("asked"), format!("http://{}{API}", server.app));
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("openapi.json"), &description.body).unwrap();
    let names: Vec<&str> = PEOPLE.iter().map(|(name, _)| *name).collect();
    let mut own: Vec<String> = people.users.values().map(|user| user.id.to_string()).collect();
    own.push(people.device.id.to_string());
    let operations = operations(&description.json());
    let told = json!({
        "url": url, "header": ASSERTION_HEADER, "people": names, "own": own, "seed": SEED,
        "good": requests::good(), "operations": operations,
    });
    std::fs::write(folder.join("told.json"), told.to_string()).unwrap();
    people.tell(&folder);

    let said = std::fs::File::create(folder.join("said")).unwrap();
    let examples = std::env::var(MORE).unwrap_or_else(|_| EXAMPLES.to_owned());
    let mut asking = Command::new(program)
        .args(["run", "openapi.json", "--url", &url, "--checks", CHECKS, "--seed", &SEED.to_string()])
        .args(["--max-examples", &examples, "--phases", "examples,coverage,fuzzing,stateful", "--workers", "1"])
        .args(["--continue-on-failure", "--no-color", "--generation-database", "none", "--request-timeout", "30"])
        .args(["--suppress-health-check", "all", "--warnings", "off"])
        .current_dir(&folder)
        .env("SCHEMATHESIS_HOOKS", self::folder().join("hooks.py"))
        .env("GRINDVAKT_PLACE", &folder)
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .stdout(Stdio::from(said.try_clone().unwrap()))
        .stderr(Stdio::from(said))
        .spawn()
        .unwrap();
    let (process, begun) = (asking.id(), Instant::now());
    let (ended, waits) = std::sync::mpsc::channel();
    std::thread::spawn(move || ended.send(asking.wait()));
    let status = loop {
        match waits.recv_timeout(ANEW.min(LIMIT.saturating_sub(begun.elapsed()))) {
            Ok(status) => break status.unwrap(),
            Err(_) if begun.elapsed() >= LIMIT => {
                let _killed = Command::new("kill").arg(process.to_string()).status();
                break waits.recv().unwrap().unwrap();
            }
            Err(_) => people.tell(&folder),
        }
    };
    let said = std::fs::read_to_string(folder.join("said")).unwrap();
    let seen: BTreeMap<String, BTreeMap<u16, u64>> =
        serde_json::from_slice(&std::fs::read(folder.join("seen.json")).unwrap_or_else(|_| panic!("{said}"))).unwrap();
    for (operation, answers) in &seen {
        println!("{operation}: {answers:?}");
    }
    assert!(status.success(), "{said}");

    // What was asked was not only refused.
    let done: BTreeSet<&str> = seen
        .iter()
        .filter(|(_, answers)| answers.keys().any(|status| (200..300).contains(status)))
        .map(|(operation, _)| operation.as_str())
        .collect();
    let refused: Vec<&String> = operations.keys().filter(|name| !done.contains(name.as_str())).collect();
    println!("never done: {refused:?}");
    assert!(refused.iter().all(|name| UNREACHED.contains(&name.as_str())), "never done: {refused:?}");
}
