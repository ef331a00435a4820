//! The process under test: started on a free port, stopped when its value is dropped.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use base64::Engine as _;
use clickhouse::Client;

/// A user of the server.
#[derive(Clone, Copy)]
pub(crate) struct User {
    pub(crate) name: &'static str,
    pub(crate) key: &'static str,
}

pub(crate) const ADMIN: User = User { name: "admin", key: "0123456789abcdef-admin" };
pub(crate) const INSERT: User = User { name: "gateway", key: "0123456789abcdef-insert" };
pub(crate) const READ: User = User { name: "look", key: "0123456789abcdef-read" };

const AUDITOR: &str = env!("CARGO_BIN_EXE_auditor");

/// A running server in a directory of its own.
pub(crate) struct Server {
    child: Child,
    port: u16,
    directory: tempfile::TempDir,
    arguments: Vec<String>,
}

impl Server {
    pub(crate) fn start() -> Self {
        Self::start_with(&[])
    }

    pub(crate) fn start_with(arguments: &[&str]) -> Self {
        fetch_once();
        let directory = tempfile::tempdir().expect("a directory");
        let mut keys = std::fs::File::options()
            .create_new(true)
            .write(true)
            .mode(0o600)
            .open(directory.path().join("keys"))
            .expect("a key file");
        for (user, role) in [(ADMIN, "admin"), (INSERT, "insert"), (READ, "read")] {
            writeln!(keys, "{}:{}:{role}", user.name, user.key).expect("written");
        }
        let arguments = arguments.iter().map(|argument| (*argument).to_owned()).collect();
        Self::run(directory, arguments)
    }

    fn run(directory: tempfile::TempDir, arguments: Vec<String>) -> Self {
        let port_file = directory.path().join("port");
        let _ = std::fs::remove_file(&port_file);
        let mut child = command(directory.path())
            .args(["--listen", "127.0.0.1:0", "--port-file"])
            .arg(&port_file)
            .args(&arguments)
            .stdout(Stdio::piped())
            .spawn()
            .expect("started");
        // The line comes when the server is ready, and the port file is there by then.
        let mut line = String::new();
        BufReader::new(child.stdout.take().expect("its stdout")).read_line(&mut line).expect("a line");
        let port = std::fs::read_to_string(&port_file).ok().and_then(|port| port.trim().parse().ok());
        let Some(port) = port.filter(|port| line.contains(&format!(":{port}"))) else {
            let _ = child.kill();
            let _ = child.wait();
            unreachable!("the server did not start: {line}");
        };
        Self { child, port, directory, arguments }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn client(&self, user: User) -> Client {
        Client::default()
            .with_url(format!("http://127.0.0.1:{}", self.port))
            .with_user(user.name)
            .with_password(user.key)
    }

    /// The head of a request by the administrator.
    pub(crate) fn head(&self, method: &str, target: &str, headers: &str) -> String {
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{}:{}", ADMIN.name, ADMIN.key));
        format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Basic {basic}\r\n{headers}\r\n",
            self.port
        )
    }

    /// The whole answer to a GET by the administrator.
    pub(crate) fn get(&self, target: &str) -> String {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).expect("connected");
        stream.write_all(self.head("GET", target, "Connection: close\r\n").as_bytes()).expect("sent");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("an answer");
        answer
    }

    /// Tells the server to end, and does not wait.
    pub(crate) fn terminate(&self) {
        let sent = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().expect("kill ran");
        assert!(sent.success());
    }

    /// Ends the server as an operator would, checks that it ends well, and starts it anew on the same data.
    pub(crate) fn restart(mut self) -> Self {
        self.terminate();
        let status = self.child.wait().expect("its status");
        assert_eq!(status.code(), Some(0), "SIGTERM is an orderly end");
        self.again()
    }

    /// Kills the server without a warning and starts it anew on the same data.
    pub(crate) fn kill_and_restart(mut self) -> Self {
        self.child.kill().expect("killed");
        self.child.wait().expect("its status");
        self.again()
    }

    fn again(mut self) -> Self {
        let directory = std::mem::replace(&mut self.directory, tempfile::tempdir().expect("a directory"));
        Self::run(directory, std::mem::take(&mut self.arguments))
    }

    /// Starts the program once more on the same data, and waits for its end.
    pub(crate) fn second_start(&self, arguments: &[&str]) -> Output {
        command(self.directory.path()).args(arguments).output().expect("it ran")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(directory: &Path) -> Command {
    let mut command = Command::new(AUDITOR);
    command
        .arg("clickhouse")
        .arg("--data")
        .arg(directory.join("data"))
        .arg("--key-file")
        .arg(directory.join("keys"))
        .stdin(Stdio::null());
    command
}

/// Gets the engine into the cache, if it is not there, and gives what the program said.
pub(crate) fn fetch() -> String {
    let output = Command::new(AUDITOR).args(["fetch", "engine"]).output().expect("it ran");
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{text}");
    text
}

fn fetch_once() {
    static FETCHED: OnceLock<String> = OnceLock::new();
    FETCHED.get_or_init(fetch);
}

/// A Python with the pinned clickhouse-connect.
pub(crate) fn python() -> PathBuf {
    const VERSION: &str = "1.12.0";
    let place = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("clickhouse-connect-{VERSION}"));
    let (python, done) = (place.join("bin/python"), place.join("done"));
    if done.exists() {
        return python;
    }
    let run = |command: &mut Command| {
        let output =
            command.output().unwrap_or_else(|error| unreachable!("python3 with venv is needed for this test: {error}"));
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&place));
    run(Command::new(&python).args(["-m", "pip", "install", "--quiet", &format!("clickhouse-connect=={VERSION}")]));
    std::fs::write(&done, "").expect("written");
    python
}
