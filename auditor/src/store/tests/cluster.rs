//! A PostgreSQL server for one test: made in a folder of its own, reached by a socket there, gone with the test.

use std::io::{BufRead as _, BufReader, Read as _};
use std::os::unix::fs::{MetadataExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use tempfile::TempDir;

pub(crate) struct Cluster {
    server: Child,
    dir: TempDir,
    runner: Runner,
}

impl Cluster {
    /// None where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        let runner = Runner::new()?;
        let dir = tempfile::tempdir().expect("a folder");
        if let Some((uid, gid)) = runner.other {
            chown(dir.path(), Some(uid), Some(gid)).expect("root gives it away");
        }
        let data = dir.path().join("data").display().to_string();
        let made = runner
            .command("initdb", &["-D", &data, "-U", "auditor", "-A", "trust", "-N", "-E", "UTF8", "--locale=C.UTF-8"])
            .output()
            .expect("initdb runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let server = serve(&runner, dir.path());
        Some(Self { server, dir, runner })
    }

    /// Ends it as a power cut would.
    pub(crate) fn stop(&mut self) {
        let data = self.dir.path().join("data").display().to_string();
        let _either = self.runner.command("pg_ctl", &["stop", "-s", "-m", "immediate", "-D", &data]).status();
        let _either = self.server.wait();
    }

    /// Starts it again.
    pub(crate) fn go_on(&mut self) {
        self.server = serve(&self.runner, self.dir.path());
    }

    pub(crate) fn url(&self) -> String {
        format!("postgres://auditor@localhost/postgres?host={}", self.dir.path().display())
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Starts the server, and returns when it takes connections.
fn serve(runner: &Runner, dir: &Path) -> Child {
    let (folder, data) = (dir.display().to_string(), dir.join("data").display().to_string());
    let arguments = ["-D", &data, "-k", &folder, "-c", "listen_addresses=", "-c", "fsync=off"];
    let mut server = runner.command("postgres", &arguments).stderr(Stdio::piped()).spawn().expect("PostgreSQL starts");
    let mut said = BufReader::new(server.stderr.take().expect("piped"));
    let mut line = String::new();
    while !line.contains("ready to accept connections") {
        line.clear();
        assert!(said.read_line(&mut line).expect("reads") > 0, "PostgreSQL ended before it was ready");
    }
    // What it says later nobody reads, but it must be able to.
    std::thread::spawn(move || said.read_to_end(&mut Vec::new()));
    server
}

/// Where the programs are, and as whom they run: not as root.
struct Runner {
    programs: PathBuf,
    other: Option<(u32, u32)>,
}

impl Runner {
    fn new() -> Option<Self> {
        let has = |folder: &PathBuf| folder.join("initdb").is_file();
        let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
        let programs = debian
            .map(|version| version.path().join("bin"))
            .find(has)
            .or_else(|| std::env::split_paths(&std::env::var_os("PATH")?).find(has))?;
        let root = std::fs::metadata("/proc/self").expect("is there").uid() == 0;
        let users = std::fs::read_to_string("/etc/passwd").expect("is there");
        let ids = |name: &str| {
            let mut fields = users.lines().find(|line| line.split(':').next() == Some(name))?.split(':').skip(2);
            Some((fields.next()?.parse().ok()?, fields.next()?.parse().ok()?))
        };
        let other = root.then(|| ids("postgres").or_else(|| ids("nobody")).expect("another user"));
        Some(Self { programs, other })
    }

    /// The kernel kills it, too, should the test be killed.
    fn command(&self, program: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new("setpriv");
        if let Some((uid, gid)) = self.other {
            command.args([format!("--reuid={uid}"), format!("--regid={gid}"), "--clear-groups".to_owned()]);
        }
        command.arg("--pdeathsig=KILL").arg("--").arg(self.programs.join(program)).args(arguments);
        command.current_dir(Path::new("/"));
        command
    }
}
