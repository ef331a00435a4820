//! A PostgreSQL server of one's own: made anew in a folder of its own, reached by a Unix socket there, gone with its keeper.
//!
//! PostgreSQL does not run as root, so root starts it as another user of this machine, by `setpriv`.

use super::process::{Keeper, Plan, Process, ProcessError, output};
use anyhow::Context as _;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tempfile::TempDir;

/// The owner of the cluster and its databases; who reaches the socket is believed.
const USER: &str = "grindvakt";
/// Where Debian has the programs, a folder for each version.
const DEBIAN: &str = "/usr/lib/postgresql";
const COMMAND_LIMIT: Duration = Duration::from_mins(1);
const START_LIMIT: Duration = Duration::from_mins(1);

/// Where PostgreSQL's programs are, if it is installed: the newest version of Debian's, or those on the path.
pub fn programs() -> Option<PathBuf> {
    let has = |folder: &Path| ["initdb", "postgres", "pg_ctl"].iter().all(|program| folder.join(program).is_file());
    let versions = fs::read_dir(DEBIAN).into_iter().flatten().flatten().map(|entry| entry.path());
    let newest = versions.filter(|version| has(&version.join("bin"))).max_by_key(|version| {
        version.file_name().and_then(|name| name.to_str()).and_then(|name| name.parse::<u32>().ok())
    });
    newest
        .map(|version| version.join("bin"))
        .or_else(|| std::env::split_paths(&std::env::var_os("PATH")?).find(|folder| has(folder)))
}

/// A running server.
#[derive(Debug)]
pub struct Cluster {
    process: Process,
    // After the process: it works in it.
    dir: TempDir,
    /// Stops it at once, and tidies up behind it.
    end: (PathBuf, Vec<String>),
}

impl Cluster {
    /// Makes a cluster with PostgreSQL's `programs` and starts it.
    pub async fn start(keeper: &Keeper, programs: &Path) -> anyhow::Result<Self> {
        let dir = tempfile::Builder::new().prefix("pg").tempdir().context("a folder for PostgreSQL")?;
        let runner = Runner::for_owner_of(dir.path())?;
        let data = dir.path().join("data").display().to_string();
        let (program, arguments) = runner.command(
            &programs.join("initdb"),
            &[
                "--pgdata",
                &data,
                "--username",
                USER,
                "--auth=trust",
                "--no-sync",
                "--encoding=UTF8",
                "--locale=C.UTF-8",
            ],
        );
        output(&program, &arguments, COMMAND_LIMIT).await?;
        let socket = dir.path().display().to_string();
        let (program, arguments) = runner.command(
            &programs.join("postgres"),
            &["-D", &data, "-k", &socket, "-c", "listen_addresses=", "-c", "fsync=off", "-c", "max_connections=60"],
        );
        let plan = Plan {
            name: "postgres",
            program,
            arguments,
            log: dir.path().join("log"),
            ready_file: dir.path().join("unused"),
        };
        let process = Process::start(keeper, plan)?;
        let end =
            runner.command(&programs.join("pg_ctl"), &["stop", "--silent", "--mode=immediate", "--pgdata", &data]);
        let mut cluster = Self { process, dir, end };
        cluster.ready().await?;
        Ok(cluster)
    }

    /// Waits until it takes connections, as its own note says.
    async fn ready(&mut self) -> Result<(), ProcessError> {
        let note = self.dir.path().join("data/postmaster.pid");
        let ready = async move || {
            let text = fs::read_to_string(&note).ok()?;
            text.lines().last().is_some_and(|line| line.trim() == "ready").then_some(())
        };
        self.process.until("took connections", START_LIMIT, ready).await
    }

    /// The address of the database that each cluster has.
    pub fn url(&self) -> String {
        format!("postgres://{USER}@localhost/postgres?host={}", self.dir.path().display())
    }

    /// Kills it as a power cut would.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Starts a killed one again.
    pub async fn restart(&mut self, keeper: &Keeper) -> anyhow::Result<()> {
        self.process.kill();
        // What a killed server leaves behind must not be taken for the new one's.
        let _gone = fs::remove_file(self.dir.path().join("data/postmaster.pid"));
        self.process = Process::start(keeper, self.process.plan().clone())?;
        Ok(self.ready().await?)
    }
}

impl Drop for Cluster {
    /// A server that is killed leaves a piece of shared memory behind.
    fn drop(&mut self) {
        let (program, arguments) = &self.end;
        let _either = std::process::Command::new(program).args(arguments).stderr(std::process::Stdio::null()).status();
    }
}

/// As whom PostgreSQL runs.
struct Runner(Option<(u32, u32)>);

impl Runner {
    /// As ourselves, or if we are root as another, to whom the folder is given.
    fn for_owner_of(dir: &Path) -> anyhow::Result<Self> {
        if fs::metadata(dir)?.uid() != 0 {
            return Ok(Self(None));
        }
        let users = fs::read_to_string("/etc/passwd").context("the users of this machine")?;
        let user = ["postgres", "nobody"].iter().find_map(|name| {
            let mut fields = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        });
        let (uid, gid) = user.context("PostgreSQL does not run as root, and there is neither postgres nor nobody")?;
        chown(dir, Some(uid), Some(gid))?;
        Ok(Self(Some((uid, gid))))
    }

    fn command(&self, program: &Path, arguments: &[&str]) -> (PathBuf, Vec<String>) {
        let own = arguments.iter().map(|argument| (*argument).to_owned());
        let Some((uid, gid)) = self.0 else { return (program.to_owned(), own.collect()) };
        // Another user's process is no longer told of its parent's end, unless it asks again.
        let mut all = vec![format!("--reuid={uid}"), format!("--regid={gid}")];
        all.extend(["--clear-groups", "--pdeathsig=KILL", "--"].map(str::to_owned));
        all.push(program.display().to_string());
        all.extend(own);
        ("setpriv".into(), all)
    }
}
