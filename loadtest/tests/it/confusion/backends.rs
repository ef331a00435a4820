//! The programs behind the gateway: nginx, HAProxy, gunicorn and uvicorn, on Unix sockets of a folder of their own. Each is
//! set to forgive what it can, and writes what it understood of each request to its log.

use super::seen::{self, Seen, Spelling};
use super::{haproxy, nginx, python};
use crate::whole;
use loadtest::stack::process::{Keeper, Plan, Process};
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::net::UnixStream;

const READY_WITHIN: Duration = Duration::from_secs(20);
const STOPPED_WITHIN: Duration = Duration::from_secs(20);

/// Where the programs are.
pub(super) struct Programs {
    nginx: PathBuf,
    haproxy: PathBuf,
    gunicorn: PathBuf,
    uvicorn: PathBuf,
}

impl Programs {
    /// All of them; without one the test is skipped, but never in CI.
    pub(super) fn find() -> Option<Self> {
        Some(Self {
            nginx: whole::tool(&["nginx"])?,
            haproxy: whole::tool(&["haproxy"])?,
            gunicorn: whole::tool(&["gunicorn"])?,
            uvicorn: whole::tool(&["uvicorn"])?,
        })
    }
}

/// One running program.
pub(super) struct Backend {
    name: &'static str,
    process: Process,
    spelling: Spelling,
}

/// A socket of a program: a registry of the gateway's.
#[derive(Debug, Clone)]
pub(super) struct Socket {
    /// The registry's name.
    pub(super) name: &'static str,
    /// The program's.
    pub(super) of: &'static str,
    pub(super) path: PathBuf,
    /// It speaks HTTP/2.
    pub(super) http2: bool,
}

impl Socket {
    /// The host under which the registry is reached.
    pub(super) fn host(&self) -> String {
        format!("{}.localhost", self.name)
    }

    fn new(dir: &Path, name: &'static str, of: &'static str, http2: bool) -> Self {
        Self { name, of, path: dir.join(format!("{name}.sock")), http2 }
    }
}

/// Starts all, and waits until they listen.
pub(super) async fn start(programs: &Programs, keeper: &Keeper, dir: &Path) -> (Vec<Backend>, Vec<Socket>) {
    let sockets = vec![
        Socket::new(dir, "nginx", "nginx", false),
        Socket::new(dir, "nginx2", "nginx", true),
        Socket::new(dir, "haproxy", "haproxy", false),
        Socket::new(dir, "haproxy2", "haproxy", true),
        Socket::new(dir, "gunicorn", "gunicorn", false),
        Socket::new(dir, "uvicorn", "uvicorn", false),
    ];
    let plan = |name: &'static str, program: &Path, arguments: Vec<String>| Plan {
        name,
        program: program.to_owned(),
        arguments,
        log: dir.join(format!("{name}.log")),
        ready_file: dir.join(format!("{name}.ready")),
    };
    let app = dir.join("app.py");
    std::fs::write(&app, include_str!("app.py")).unwrap();
    let plans = [
        (plan("nginx", &programs.nginx, nginx::arguments(dir, &sockets)), Spelling::Plain),
        (plan("haproxy", &programs.haproxy, haproxy::arguments(dir, &sockets)), Spelling::Hex),
        (plan("gunicorn", &programs.gunicorn, python::gunicorn(dir, &sockets)), Spelling::Hex),
        (plan("uvicorn", &programs.uvicorn, python::uvicorn(dir, &sockets)), Spelling::Hex),
    ];
    let mut backends = Vec::new();
    for (plan, spelling) in plans {
        let name = plan.name;
        backends.push(Backend { name, process: Process::start(keeper, plan).unwrap(), spelling });
    }
    for socket in &sockets {
        let backend = backends.iter_mut().find(|backend| backend.name == socket.of).unwrap();
        let path = &socket.path;
        let listens = backend.process.until("listens", READY_WITHIN, async || UnixStream::connect(path).await.ok());
        listens.await.unwrap();
    }
    (backends, sockets)
}

impl Backend {
    /// Stops it, so that its log is whole, and gives what it understood.
    pub(super) async fn stop(self) -> Vec<Seen> {
        let log = self.process.plan().log.clone();
        assert!(self.process.stop(STOPPED_WITHIN).await, "{} does not end", self.name);
        seen::read(&log, self.spelling)
    }
}
