//! `loadtest run`: the whole installation on this machine with demo accounts, and how to try it. What `make run` calls.
//!
//! Everything is kept in one folder: a second start finds accounts, devices and data again.

mod codes;

use crate::client::login::Credentials;
use crate::client::totp::STEP_S;
use crate::console;
use crate::patients::{Population, SEED};
use crate::stack::files::{DATABASE, Layout};
use crate::stack::people::{ANNA, ELSA, Enrolled, Roster};
use crate::stack::ports::{Moved, Ports};
use crate::stack::{Programs, Settings, Stack};
use anyhow::Context as _;
use codes::Code;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};

/// How to run the demo.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// The folder for keys, accounts, data and logs.
    #[arg(long, default_value = "var")]
    pub dir: PathBuf,
    /// How many synthetic patients.
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(1..=i64::from(crate::patients::PATIENTS_MAX)))]
    pub patients: u32,
    /// Do not fetch the database engine, the country data and the script of lists; they are there.
    #[arg(long)]
    pub no_fetch: bool,
    /// Folder with the programs gateway, auditor and loadtest [default: this program's].
    #[arg(long)]
    pub programs: Option<PathBuf>,
}

/// Which code to show.
#[derive(Debug, Clone, clap::Args)]
pub struct CodeOptions {
    /// The demo's folder.
    #[arg(long, default_value = "var")]
    pub dir: PathBuf,
    /// The user.
    #[arg(long, default_value = ANNA.user)]
    pub user: String,
}

const DEVICE: &str = "mottagning";
const TICK: Duration = Duration::from_secs(1);

/// Runs the demo until it is interrupted.
pub async fn run(options: Options) -> anyhow::Result<()> {
    let mut interrupt = signal(SignalKind::interrupt()).context("signals")?;
    let mut terminate = signal(SignalKind::terminate()).context("signals")?;
    // While it starts, an interruption drops what there is, and with it every program.
    let mut stack = tokio::select! {
        stack = start(&options) => stack?,
        _ = interrupt.recv() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("interrupted"),
    };
    tell(&stack, &options)?;
    let fallen = tokio::select! {
        fallen = watch(&mut stack) => Some(fallen),
        _ = interrupt.recv() => None,
        _ = terminate.recv() => None,
    };
    console::progress_end();
    console::note("stopping …");
    stack.stop().await;
    if let Some(fallen) = fallen {
        anyhow::bail!(fallen);
    }
    console::note("stopped; the data are kept");
    Ok(())
}

async fn start(options: &Options) -> anyhow::Result<Stack> {
    // First of all: while another demo runs in this folder it has the ports, and that is not what is to be told.
    Layout::new(&options.dir)?.lock().map(drop)?;
    let programs = match &options.programs {
        Some(folder) => Programs::in_folder(folder)?,
        None => Programs::beside_this()?,
    };
    if !options.no_fetch {
        fetch(&programs.auditor).await?;
    }
    let (ports, moved) = Ports::demo()?;
    for Moved { what, wanted, chosen } in moved {
        console::note(&format!("port {wanted} for {what} is taken: using {chosen}"));
    }
    let settings = Settings {
        dir: options.dir.clone(),
        programs,
        ports,
        population: Population { seed: SEED, count: options.patients },
        registry_arguments: Vec::new(),
        second: None,
        several: None,
        more_hosts: Vec::new(),
        roster: Roster::demo(),
        gateway_threads: 0,
        sms: None,
    };
    Stack::start(settings, |step| console::note(&format!("starting: {step}"))).await
}

/// The auditor fetches the engine, the country data and the script of lists, and shows its own progress.
async fn fetch(auditor: &Path) -> anyhow::Result<()> {
    let status =
        tokio::process::Command::new(auditor).arg("fetch").stdin(Stdio::null()).kill_on_drop(true).status().await;
    let status = status.with_context(|| auditor.display().to_string())?;
    anyhow::ensure!(status.success(), "what is not shipped could not be fetched (auditor fetch: {status})");
    Ok(())
}

/// Shows the current code on a terminal; ends with the last lines of a program that ended unasked.
async fn watch(stack: &mut Stack) -> String {
    loop {
        if let Some(fallen) = stack.fallen() {
            return fallen;
        }
        if console::is_terminal()
            && let Ok(text) = code_now(stack, crate::clock::now_seconds())
        {
            console::progress(&text);
        }
        tokio::time::sleep(TICK).await;
    }
}

/// Prints a code of a user's that was not printed before, and waits for one if need be.
pub async fn code(options: CodeOptions) -> anyhow::Result<()> {
    let layout = Layout::new(&options.dir)?;
    let enrolled = Enrolled::load(&layout)?;
    let credentials = credentials(&enrolled, &options.user)?;
    loop {
        match codes::take(&layout, &options.user, crate::clock::now_seconds())? {
            Code::Step(step) => {
                console::say(&codes::code(credentials, step)?);
                return Ok(());
            }
            Code::In(seconds) => {
                console::note(&format!("a code is good for one login: waiting {seconds} s for the next one"));
                tokio::time::sleep(Duration::from_secs(seconds)).await;
            }
        }
    }
}

/// The line that tells the demo user's code, for somebody at a browser.
fn code_now(stack: &Stack, now: u64) -> anyhow::Result<String> {
    let user = ANNA.user;
    let told = match codes::next(now, codes::last(stack.layout(), user)) {
        Code::Step(step) => {
            let code = codes::code(credentials(stack.enrolled(), user)?, step)?;
            // The auditor takes it until one step after its own.
            format!("{code}  (changes in {:>2} s", (step + 1) * STEP_S - now)
        }
        Code::In(seconds) => format!("in {seconds} s  (the last ones are given out"),
    };
    Ok(format!("{user}'s code now: {told}; good for one login; Ctrl-C stops everything)"))
}

fn credentials<'a>(enrolled: &'a Enrolled, user: &str) -> anyhow::Result<&'a Credentials> {
    enrolled.credentials.get(user).with_context(|| format!("there is no demo user {user}"))
}

fn tell(stack: &Stack, options: &Options) -> anyhow::Result<()> {
    let layout = stack.layout();
    let target = stack.target();
    let enrolled = stack.enrolled();
    let (anna, elsa) = (credentials(enrolled, ANNA.user)?, credentials(enrolled, ELSA.user)?);
    let pass_phrase = enrolled.devices.get(DEVICE).map(|device| device.pass_phrase.as_str()).unwrap_or_default();
    let now = crate::clock::now_seconds();
    // Given out as any other, so that the shell's line below does not get it a second time.
    let code = match codes::take(layout, ANNA.user, now)? {
        Code::Step(step) => format!("{}   (for {} s more)", codes::code(anna, step)?, (step + 1) * STEP_S - now),
        Code::In(seconds) => format!("(a new one in {seconds} s)"),
    };
    let patients = Population { seed: SEED, count: options.patients }.patients();
    let patient = patients.first().map(|patient| patient.id.expose().to_owned()).unwrap_or_default();
    let (certificate, key) = layout.device_files(DEVICE);
    let this = std::env::current_exe().context("where this program is")?;
    let curl = format!(
        "curl -s --cacert {} --cert {} --key {}",
        quoted(&layout.server_ca()),
        quoted(&certificate),
        quoted(&key)
    );
    let new_code = |user: &str| format!("{} code --dir {} --user {user}", quoted(&this), quoted(layout.dir()));
    let clickhouse = stack.clickhouse_url();
    let lines = [
        String::new(),
        "Grindvakt runs on this machine, in front of «Exempelregistret» (synthetic patients).".to_owned(),
        String::new(),
        format!("In a browser:  {}", target.url("/")),
        format!("  1. import the device's certificate   {}", layout.device_bundle(DEVICE).display()),
        format!("     its pass phrase                    {pass_phrase}"),
        format!(
            "  2. trust the demo's server authority  {}   (or click past the warning)",
            layout.server_ca().display()
        ),
        format!("  3. log in as   {}   password   {}   code   {code}", anna.user, anna.password),
        format!("     a new code:  {}", new_code(ANNA.user)),
        "     A code is good for one login; this gives each only once, and waits for the next if it must.".to_owned(),
        format!("  4. open        {}", target.url(&format!("/patients/{patient}"))),
        format!("     administrator: {}   password   {}", elsa.user, elsa.password),
        format!("     a code of hers:  {}", new_code(ELSA.user)),
        String::new(),
        "With curl: a token first, then a patient".to_owned(),
        format!(
            "  TOKEN=$({curl} {} -H 'content-type: application/json' -d '{{\"user\":\"{}\",\"password\":\"{}\",\"code\":\"'$({})'\"}}' | sed -n 's/.*\"token\":\"\\([^\"]*\\)\".*/\\1/p'); test -n \"$TOKEN\" || echo 'refused: the code may have been used in the browser; the same line again gets the next one'",
            target.url("/auth/token"),
            anna.user,
            anna.password,
            new_code(ANNA.user)
        ),
        format!("  {curl} -H \"Authorization: Bearer $TOKEN\" {}", target.url(&format!("/api/patients/{patient}"))),
        String::new(),
        "The access as it is recorded, a second or two later".to_owned(),
        format!(
            "  curl -s '{clickhouse}/?database={DATABASE}' -H 'X-ClickHouse-User: reader' -H \"X-ClickHouse-Key: $(cat {})\" --data-binary \"SELECT ts_local, user_hsa, care_unit_name, activity, method, route, patient, status, decision, outcome FROM access ORDER BY ts DESC LIMIT 3 FORMAT Vertical\"",
            quoted(&layout.reader_key())
        ),
        String::new(),
        format!("Logs: {}   Metrics: http://{}/metrics", layout.dir().join("logs").display(), stack.ops()),
        "Ctrl-C stops everything; the next start keeps the data.".to_owned(),
    ];
    for line in lines {
        console::say(&line);
    }
    Ok(())
}

/// A path as a shell word.
fn quoted(path: &Path) -> String {
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '/' | '.' | '-' | '_' | '+' | ':');
    if text.chars().all(plain) { text.into_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_in_use_is_told_before_anything_else() {
        let dir = tempfile::tempdir().expect("a folder");
        let _held = Layout::new(dir.path()).expect("makes").lock().expect("is free");
        // Had anything else come first, it would be that there are no programs.
        let options = Options {
            dir: dir.path().to_owned(),
            patients: 1,
            no_fetch: true,
            programs: Some(dir.path().join("none")),
        };
        let error = start(&options).await.err().expect("is refused").to_string();
        assert!(error.contains("is used by another stack that runs"), "{error}");
    }

    #[test]
    fn paths_become_shell_words() {
        assert_eq!(quoted(Path::new("/a/b-c.d")), "/a/b-c.d");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
