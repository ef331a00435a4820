//! A PostgreSQL server for one test: made in a folder of its own, reached by a socket there, gone with the test.

use std::fs::Permissions;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
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
        set(dir.path(), &["listen_addresses = ''", "fsync = off"]);
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

    /// From now on it listens on a port of this machine, with TLS by this certificate (PEM), for who knows the password.
    pub(crate) fn over_tls(&mut self, certificate: &str, key: &str, password: &str) -> u16 {
        let folder = self.dir.path();
        let text = format!("ALTER USER auditor PASSWORD '{password}'");
        let arguments = ["-h", &folder.display().to_string(), "-U", "auditor", "-q", "-c", &text, "postgres"];
        assert!(self.runner.command("psql", &arguments).status().expect("psql runs").success());
        let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a free port").port();
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = folder.join("data").join(name);
            std::fs::write(&path, text).expect("writes");
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).expect("is ours");
            let (uid, gid) = self.runner.other.unzip();
            chown(&path, uid, gid).expect("root gives it away");
        }
        std::fs::write(folder.join("data/pg_hba.conf"), "hostssl all all 127.0.0.1/32 scram-sha-256\n")
            .expect("writes");
        let listens = "listen_addresses = '127.0.0.1'";
        set(folder, &[listens, &format!("port = {port}"), "ssl = on", "password_encryption = 'scram-sha-256'"]);
        self.stop();
        self.go_on();
        port
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

/// Adds settings.
fn set(dir: &Path, lines: &[&str]) {
    let mut file = std::fs::OpenOptions::new().append(true).open(dir.join("data/postgresql.conf")).expect("is there");
    writeln!(file, "{}", lines.join("\n")).expect("takes settings");
}

/// Starts the server, and returns when it takes connections.
fn serve(runner: &Runner, dir: &Path) -> Child {
    let (folder, data) = (dir.display().to_string(), dir.join("data").display().to_string());
    let arguments = ["-D", &data, "-k", &folder];
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
