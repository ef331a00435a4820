//! `auditor clickhouse`: the real ClickHouse engine, embedded, behind ClickHouse's own HTTP interface on loopback.
//!
//! It is for installations without a ClickHouse server of their own. Gateways, auditors, Grafana and a person with
//! curl talk to it exactly as they would to a server, so nothing else in the system knows the difference.
//!
//! Invariants
//! - One process per data directory, by a lock of our own that the kernel frees when the process dies.
//! - An insert is committed only after its body has ended as HTTP says it ends. A broken connection stores nothing.
//! - A statement reaches neither files nor other hosts: the engine's read-only mode for reads, and a check of the
//!   text ([`sql`]) for everything. A client can not lift either.
//! - Text and parameters of a statement hold patients' pseudonyms. They are never logged; the log gets the class, the
//!   duration, the numbers of rows and the exception's code.
//!
//! Bounds
//! - Connections: 512. Statements at once: `--max-queries` (default 16), four times as many waiting, 30 s at most.
//! - Memory for one statement, beside the engine's own: text 1 MiB, form 16 MiB; an insert holds 4 + 1 pieces of at
//!   most 256 KiB and one compressed block (64 MiB at most, 256 KiB from the official client); an answer 1 MiB and at
//!   most 4 blocks of the engine. Formats that can not be streamed (JSON, Pretty, Parquet, …) are held whole, up to
//!   256 MiB. Idle, the process has some 200 MB resident, of which a quarter is its own.
//!
//! What it does not do: TLS (loopback only), sessions and temporary tables, external tables, users and row policies
//! beyond the three roles (who may read, reads every table; that a reader sees views only is for a real server),
//! `async_insert` (the engine ignores it), replication.

mod answer;
mod auth;
mod body;
mod codec;
mod error;
mod ffi;
mod http;
mod place;
mod query;
mod request;
mod sql;

use std::convert::Infallible;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use self::ffi::Library;
use self::place::DataDirectory;
use self::query::Engine;
use self::sql::Fence;

/// Run the embedded ClickHouse engine on a loopback address.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// Directory for the data. It is made if it does not exist; one process at a time can use it.
    #[arg(long, value_name = "DIR")]
    pub data: PathBuf,
    /// Loopback address and port for ClickHouse's HTTP interface; port 0 takes a free one.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:8123")]
    pub listen: SocketAddr,
    /// File with a line `user:key:role` for each user; roles are admin, insert (rows in, and reading) and read. There are no
    /// rights per table: who reads, reads all of them.
    #[arg(long, value_name = "FILE")]
    pub key_file: PathBuf,
    /// The engine's library (libchdb.so) [default: the one that `auditor fetch engine` got]
    #[arg(long, value_name = "FILE")]
    pub library: Option<PathBuf>,
    /// File that the port is written to as soon as the server answers.
    #[arg(long, value_name = "FILE")]
    pub port_file: Option<PathBuf>,
    /// Statements that run at once; four times as many may wait.
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub max_queries: u16,
    /// Seconds that running statements get to end after SIGTERM.
    #[arg(long, value_name = "SECONDS", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=600))]
    pub grace: u16,
}

/// Why the engine does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// An address that others could reach.
    #[error(
        "--listen {0}: only loopback addresses (127.0.0.1, [::1]) are allowed: the interface has no TLS; put a real ClickHouse server where several machines need one"
    )]
    NotLoopback(SocketAddr),
    /// The key file is not usable.
    #[error(transparent)]
    Keys(#[from] auth::Error),
    /// The data directory or the port file is not usable.
    #[error(transparent)]
    Place(#[from] place::Error),
    /// The library is not there.
    #[error("{}: the engine is not there; get it with `auditor fetch engine`, or name it with --library", .0.display())]
    NoLibrary(PathBuf),
    /// Neither a cache directory nor `--library`.
    #[error(transparent)]
    Cache(#[from] crate::fetch::Error),
    /// The engine did not start.
    #[error("the engine did not start: {0}")]
    Engine(String),
    /// The address is taken, or not ours.
    #[error("{0} can not be listened on")]
    Listen(SocketAddr, #[source] std::io::Error),
    /// Threads or signal handlers could not be set up.
    #[error("the server could not be set up")]
    Setup(#[source] std::io::Error),
}

impl Error {
    /// The process's exit code: 78 for a wrong configuration, otherwise 1.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::NotLoopback(_) | Self::Keys(_) => 78,
            _ => 1,
        }
    }
}

/// Runs the engine until SIGTERM or SIGINT, then ends the process itself with code 0: the engine's threads can not be
/// ended any other way. `flush` is called right before, for logs that are still in memory.
///
/// To be called outside of any async runtime.
pub fn run(args: &Args, flush: impl FnOnce()) -> Result<Infallible, Error> {
    if !args.listen.ip().is_loopback() {
        return Err(Error::NotLoopback(args.listen));
    }
    let users = auth::Users::read(&args.key_file)?;
    let library = match &args.library {
        Some(library) => library.clone(),
        None => crate::fetch::engine_path(None)?,
    };
    let data = DataDirectory::open(&args.data)?;
    let library = library.canonicalize().map_err(|_| Error::NoLibrary(library))?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(usize::from(args.max_queries) + 8)
        .thread_name("clickhouse-http")
        .enable_all()
        .build()
        .map_err(Error::Setup)?;
    // The port is taken before the engine starts, but nothing is accepted: who connects early waits.
    let listener =
        runtime.block_on(TcpListener::bind(args.listen)).map_err(|source| Error::Listen(args.listen, source))?;
    let address = listener.local_addr().map_err(Error::Setup)?;

    let library = Library::load(&library).map_err(|error| Error::Engine(chain(&error)))?;
    let (engine, timezone) = start(library, &data)?;
    // One connection stays open, so that the engine keeps its tables loaded between two requests.
    let kept = engine.connect().map_err(|error| Error::Engine(error.message().to_owned()))?;
    let version = engine.library.version();
    let refused = engine.fence.len();
    let server = Arc::new(http::Server::new(engine, users, usize::from(args.max_queries), &timezone));
    if let Some(path) = &args.port_file {
        place::write_port(path, address.port())?;
    }
    tracing::debug!(refused, "functions that reach outside are refused");
    announce(&format!("ClickHouse {version} answers at http://{address}"));

    let ended = runtime.block_on(async {
        let stop = stop_signal().map_err(Error::Setup)?;
        Ok::<_, Error>(server.serve(listener, stop, Duration::from_secs(args.grace.into())).await)
    })?;
    if ended {
        drop(kept);
        tracing::info!("the engine has ended");
    } else {
        // What was not committed by now never is; the data directory survives a kill at any point.
        tracing::warn!("statements were still running when the time to end was up");
    }
    flush();
    ffi::exit_now(0)
}

/// Opens the data and asks the engine what it needs to know.
fn start(library: Arc<Library>, data: &DataDirectory) -> Result<(Engine, String), Error> {
    let wrong = |error: ffi::Error| Error::Engine(chain(&error));
    let data = data.engine();
    let mut connection = library.connect(&data).map_err(wrong)?;
    let mut rows = |sql: &str| -> Result<Vec<String>, Error> {
        let block = connection.query(sql.as_bytes(), "TSV", &[]).map_err(wrong)?;
        Ok(String::from_utf8_lossy(block.data()).lines().map(str::to_owned).collect())
    };
    let timezone = rows("SELECT timezone()")?.pop().unwrap_or_default();
    let functions = rows("SELECT name FROM system.table_functions")?;
    let scalar = rows("SELECT name FROM system.functions")?;
    if functions.len() < 10 || scalar.len() < 100 {
        return Err(Error::Engine("the engine does not say which functions it has".to_owned()));
    }
    drop(connection);
    Ok((Engine { library, data, fence: Fence::new(functions.into_iter(), scalar.into_iter()) }, timezone))
}

/// Ends at SIGTERM or SIGINT.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

/// The one line for whoever waits for the server.
fn announce(line: &str) {
    let mut out = std::io::stdout().lock();
    // Nobody listening is no reason to stop.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(error) = next {
        text.push_str(": ");
        text.push_str(&error.to_string());
        next = error.source();
    }
    text
}
