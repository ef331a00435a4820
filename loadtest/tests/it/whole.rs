//! The whole stack for one test: the programs of this build, free ports, a folder that is removed.
#![expect(clippy::panic, clippy::print_stderr, reason = "tests")]

use loadtest::patients::{Population, SEED};
use loadtest::stack::people::Roster;
use loadtest::stack::ports::Ports;
use loadtest::stack::postgres::{self, Cluster};
use loadtest::stack::process::Keeper;
use loadtest::stack::{Programs, Settings, Several, Stack};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub(crate) const POPULATION: Population = Population { seed: SEED, count: 200 };
/// Where the programs of another build lie: of the one that is shipped, for measuring.
const PROGRAMS: &str = "GRINDVAKT_PROGRAMS";
const POLL: Duration = Duration::from_millis(100);

/// Starts it, asked by these names, too. The engine is fetched if it is not in the cache.
pub(crate) async fn start(more_hosts: &[&str]) -> (Stack, TempDir) {
    start_with(Ports::free().unwrap(), more_hosts, None, None).await
}

/// Starts it with a provider of text messages at this port.
pub(crate) async fn start_with_sms(sms: u16) -> (Stack, TempDir) {
    start_with(Ports::free().unwrap(), &[], None, Some(sms)).await
}

/// Starts it with two auditors and two gateways. None where PostgreSQL is not installed.
pub(crate) async fn start_several() -> Option<(Stack, TempDir, Cluster)> {
    let Some(programs) = postgres::programs() else {
        assert!(std::env::var_os("CI").is_none(), "PostgreSQL is needed: `make test` installs it");
        eprintln!("skipped: PostgreSQL is not installed");
        return None;
    };
    let cluster = Cluster::start(&Keeper::start().unwrap(), &programs).await.unwrap();
    let (first, second) = Ports::free_for_two().unwrap();
    let several = Several { database: cluster.url(), ports: second };
    let (stack, dir) = start_with(first, &[], Some(several), None).await;
    Some((stack, dir, cluster))
}

async fn start_with(ports: Ports, more_hosts: &[&str], several: Option<Several>, sms: Option<u16>) -> (Stack, TempDir) {
    let other = std::env::var_os(PROGRAMS).map(PathBuf::from);
    let programs = Programs::in_folder(other.as_deref().unwrap_or(crate::program().parent().unwrap())).unwrap();
    for what in ["engine", "htmx"] {
        run(Command::new(&programs.auditor).args(["fetch", what]));
    }
    let dir = tempfile::tempdir().unwrap();
    let settings = Settings {
        dir: dir.path().to_owned(),
        programs,
        ports,
        population: POPULATION,
        registry_arguments: Vec::new(),
        second: None,
        several,
        more_hosts: more_hosts.iter().map(|host| (*host).to_owned()).collect(),
        roster: Roster::demo(),
        gateway_threads: 2,
        sms,
    };
    let stack = Stack::start(settings, |_| {}).await.unwrap_or_else(|error| panic!("{error:#}"));
    (stack, dir)
}

/// Asks again until there is an answer.
pub(crate) async fn until<T>(what: &str, limit: Duration, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let deadline = Instant::now() + limit;
    loop {
        match ask().await {
            Ok(answer) => return answer,
            Err(why) => assert!(Instant::now() < deadline, "not within {limit:?}: {what}: {why}"),
        }
        tokio::time::sleep(POLL).await;
    }
}

/// Runs a command to its end; its output is shown if it fails, and returned.
pub(crate) fn run(command: &mut Command) -> String {
    let output = command.output().unwrap_or_else(|error| panic!("{}: {error}", command.get_program().display()));
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}: {}\n{text}", command.get_program().display(), output.status);
    text
}

/// Where a program is that a test needs. Without it the test is skipped, but never in CI.
pub(crate) fn tool(names: &[&str]) -> Option<PathBuf> {
    let mut folders: Vec<PathBuf> =
        std::env::var_os("PATH").map(|path| std::env::split_paths(&path).collect()).unwrap_or_default();
    // Where Debian has servers, for others than root, too; and where `.ci/test` puts Python's tools.
    folders.push(PathBuf::from("/usr/sbin"));
    folders.push(Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("tools").join("bin"));
    let found =
        names.iter().flat_map(|name| folders.iter().map(move |folder| folder.join(name))).find(|path| path.is_file());
    if found.is_none() {
        assert!(std::env::var_os("CI").is_none(), "{} is needed: `make test` installs it", names.join(" or "));
        eprintln!("skipped: {} is not installed", names.join(" or "));
    }
    found
}

/// A Python with the pinned clickhouse-connect.
pub(crate) fn python() -> PathBuf {
    const VERSION: &str = "1.12.0";
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("loadtest-clickhouse-connect-{VERSION}"));
    let (python, done) = (place.join("bin/python"), place.join("done"));
    if !done.exists() {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place));
        let wanted = format!("clickhouse-connect=={VERSION}");
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", &wanted]));
        std::fs::write(&done, "").unwrap();
    }
    python
}
