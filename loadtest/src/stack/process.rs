//! One program of the stack: started in a process group of its own, its output in a log file, killed with its keeper.
//!
//! Invariants
//! - No program outlives its keeper: dropped, it kills the whole group; dying itself, the kernel kills the program
//!   (`PR_SET_PDEATHSIG`). The kernel watches the thread that started a program, so one thread that lives as long as
//!   the keeper starts all of them.
//! - Each wait has a bound and ends early when the program does; its error carries the log's last lines.

mod unix;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// Why a program is not running as it should.
#[derive(Debug, thiserror::Error)]
pub enum ProcessError {
    /// It could not be started.
    #[error("{name} could not be started ({})", .program.display())]
    Start {
        /// Its name in the stack.
        name: String,
        /// The file.
        program: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It ended while it was waited for.
    #[error("{name} ended ({status}) before it {what}; the end of {}:\n{tail}", .log.display())]
    Ended {
        /// Its name in the stack.
        name: String,
        /// How it ended.
        status: String,
        /// What was waited for.
        what: &'static str,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// It did not do in time what was waited for.
    #[error("{name} has not {what} within {seconds} s; the end of {}:\n{tail}", .log.display())]
    Late {
        /// Its name in the stack.
        name: String,
        /// What was waited for.
        what: &'static str,
        /// For how long.
        seconds: u64,
        /// Its log.
        log: PathBuf,
        /// The log's last lines.
        tail: String,
    },
    /// A command that should have succeeded did not.
    #[error("{command}: {status}\n{output}")]
    Failed {
        /// The command line.
        command: String,
        /// Its exit.
        status: String,
        /// What it wrote to standard error.
        output: String,
    },
    /// The keeper's thread is gone.
    #[error("the keeper of processes has ended")]
    Keeper,
}

type Job = (Command, mpsc::Sender<std::io::Result<Child>>);

/// The thread that starts programs.
#[derive(Debug, Clone)]
pub struct Keeper(mpsc::Sender<Job>);

impl Keeper {
    /// Starts the thread; it ends when the last clone is dropped.
    pub fn start() -> std::io::Result<Self> {
        let (sender, jobs) = mpsc::channel::<Job>();
        std::thread::Builder::new().name("keeper".to_owned()).spawn(move || {
            for (mut command, answer) in jobs {
                let _ = answer.send(command.spawn());
            }
        })?;
        Ok(Self(sender))
    }

    fn spawn(&self, command: Command) -> Result<std::io::Result<Child>, ProcessError> {
        let (sender, answer) = mpsc::channel();
        self.0.send((command, sender)).map_err(|_| ProcessError::Keeper)?;
        answer.recv().map_err(|_| ProcessError::Keeper)
    }
}

/// How to start a program.
#[derive(Debug, Clone)]
pub struct Plan {
    /// Its name in the stack: `gateway`, `clickhouse`, …
    pub name: &'static str,
    /// The file to run.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where its output goes, appended.
    pub log: PathBuf,
    /// The file that it writes when it is ready; removed before each start.
    pub ready_file: PathBuf,
}

/// A program that was started.
#[derive(Debug)]
pub struct Process {
    plan: Plan,
    child: Child,
    // Last: the thread must outlive the child.
    _keeper: Keeper,
}

impl Process {
    /// Starts it.
    pub fn start(keeper: &Keeper, plan: Plan) -> Result<Self, ProcessError> {
        let start = |source| ProcessError::Start { name: plan.name.to_owned(), program: plan.program.clone(), source };
        match std::fs::remove_file(&plan.ready_file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(start(error)),
            _ => {}
        }
        let log = std::fs::File::options().create(true).append(true).open(&plan.log).map_err(start)?;
        let copy = log.try_clone().map_err(start)?;
        let mut command = Command::new(&plan.program);
        command.args(&plan.arguments).stdin(Stdio::null()).stdout(log).stderr(copy);
        unix::bind_to_keeper(&mut command);
        let child = keeper.spawn(command)?.map_err(start)?;
        Ok(Self { plan, child, _keeper: keeper.clone() })
    }

    /// Its name in the stack.
    pub fn name(&self) -> &'static str {
        self.plan.name
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// How to start it again.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// Whether it has ended by itself, and how.
    pub fn ended(&mut self) -> Option<String> {
        self.child.try_wait().ok().flatten().map(|status| status.to_string())
    }

    /// Waits for the ready file and gives its text.
    pub async fn ready(&mut self, limit: Duration) -> Result<String, ProcessError> {
        let file = self.plan.ready_file.clone();
        self.until("was ready", limit, async move || {
            std::fs::read_to_string(&file).ok().filter(|text| !text.trim().is_empty())
        })
        .await
    }

    /// Asks again and again until there is an answer, the program ends, or the time is up.
    pub async fn until<T>(
        &mut self,
        what: &'static str,
        limit: Duration,
        mut ask: impl AsyncFnMut() -> Option<T>,
    ) -> Result<T, ProcessError> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(answer) = ask().await {
                return Ok(answer);
            }
            let (name, log) = (self.plan.name.to_owned(), self.plan.log.clone());
            if let Some(status) = self.ended() {
                let tail = tail(&log);
                return Err(ProcessError::Ended { name, status, what, log, tail });
            }
            if Instant::now() >= deadline {
                let tail = tail(&log);
                return Err(ProcessError::Late { name, what, seconds: limit.as_secs(), log, tail });
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Kills it and all it started, as a power cut would: no chance to tidy up.
    pub fn kill(&mut self) {
        // Once it has been waited for, its number may be another's.
        if self.ended().is_none() {
            unix::signal_group(self.child.id(), unix::KILL);
            let _ = self.child.wait();
        }
    }

    /// Asks it to end, and kills it if it has not within the limit. True if it ended by itself.
    pub async fn stop(mut self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        if self.ended().is_none() {
            unix::signal_group(self.child.id(), unix::TERMINATE);
        }
        while Instant::now() < deadline {
            if self.ended().is_some() {
                return true;
            }
            tokio::time::sleep(POLL).await;
        }
        false
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

const POLL: Duration = Duration::from_millis(20);
const TAIL_LINES: usize = 25;
const TAIL_BYTES: u64 = 16 << 10;

/// The last lines of a log.
pub fn tail(log: &Path) -> String {
    use std::io::{Read as _, Seek as _, SeekFrom};
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    let text = read().unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let first = lines.len().saturating_sub(TAIL_LINES);
    lines.get(first..).unwrap_or_default().join("\n")
}

/// Runs a command to its end and gives what it wrote to standard output.
pub async fn output(program: &Path, arguments: &[String], limit: Duration) -> Result<String, ProcessError> {
    let command = format!("{} {}", program.file_name().unwrap_or_default().to_string_lossy(), arguments.join(" "));
    let start = |source| ProcessError::Start { name: command.clone(), program: program.to_owned(), source };
    let mut process = tokio::process::Command::new(program);
    process.args(arguments).stdin(Stdio::null()).kill_on_drop(true);
    match tokio::time::timeout(limit, process.output()).await {
        Err(_) => Err(ProcessError::Failed {
            command,
            status: format!("not done within {} s", limit.as_secs()),
            output: String::new(),
        }),
        Ok(Err(error)) => Err(start(error)),
        Ok(Ok(done)) if done.status.success() => Ok(String::from_utf8_lossy(&done.stdout).into_owned()),
        Ok(Ok(done)) => {
            let output = String::from_utf8_lossy(&done.stderr).trim_end().to_owned();
            Err(ProcessError::Failed { command, status: done.status.to_string(), output })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(dir: &Path, script: &str) -> Plan {
        Plan {
            name: "sample",
            program: PathBuf::from("/bin/sh"),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            log: dir.join("log"),
            ready_file: dir.join("ready"),
        }
    }

    #[tokio::test]
    async fn readiness_is_waited_for_and_a_kill_takes_the_whole_group() {
        let dir = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::start().expect("a thread");
        let script =
            format!("sleep 100 & echo $! > {0}/ready.part; mv {0}/ready.part {0}/ready; wait", dir.path().display());
        let mut process = Process::start(&keeper, plan(dir.path(), &script)).expect("starts");
        let inner = process.ready(Duration::from_secs(10)).await.expect("ready");
        process.kill();
        let deadline = Instant::now() + Duration::from_secs(5);
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", inner.trim())).unwrap_or_default();
        while !state().is_empty() && !state().contains(") Z ") {
            assert!(Instant::now() < deadline, "the inner process lives on");
            tokio::time::sleep(POLL).await;
        }
    }

    #[tokio::test]
    async fn an_early_end_is_told_with_the_last_lines() {
        let dir = tempfile::tempdir().expect("a folder");
        let keeper = Keeper::start().expect("a thread");
        let mut process = Process::start(&keeper, plan(dir.path(), "echo no such key >&2; exit 78")).expect("starts");
        let error = process.ready(Duration::from_secs(10)).await.expect_err("it ended").to_string();
        assert!(error.contains("78") && error.contains("no such key"), "{error}");
    }
}
