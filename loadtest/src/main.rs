//! The `loadtest` program: see the library's documentation.

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Sample registry, demo, end-to-end check and benches of Grindvakt.
#[derive(Parser)]
#[command(version, about)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve «Exempelregistret», a registry of synthetic patients.
    Backend(loadtest::backend::Options),
    /// Start the whole installation on this machine, with demo accounts, and say how to try it.
    Run(loadtest::run::Options),
    /// Print a demo user's current one-time code.
    Code(loadtest::run::CodeOptions),
    /// Check under load that every answer with patient data has its record, exactly once.
    Verify(loadtest::verify::Options),
    /// Measure what a request costs the gateway, next to a bare proxy.
    Bench(loadtest::bench::Options),
    /// The bare proxy of the bench.
    #[command(hide = true)]
    Bare(loadtest::bare::Options),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    let done = match arguments.command {
        // pingora makes its own runtimes.
        Command::Bare(options) => loadtest::bare::run(&options).map(|()| true),
        command => in_runtime(command),
    };
    match done {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => fail(&error),
    }
}

/// True if all is well.
fn in_runtime(command: Command) -> anyhow::Result<bool> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        match command {
            Command::Backend(options) => loadtest::backend::run(options).await.map(|()| true),
            Command::Run(options) => loadtest::run::run(options).await.map(|()| true),
            Command::Verify(options) => Box::pin(unless_interrupted(loadtest::verify::run(options))).await,
            Command::Bench(options) => Box::pin(unless_interrupted(loadtest::bench::run(options))).await.map(|()| true),
            Command::Code(options) => unless_interrupted(loadtest::run::code(options)).await.map(|()| true),
            Command::Bare(_) => Ok(true),
        }
    })
}

/// An interruption drops the work, and with it every program that it started.
async fn unless_interrupted<T>(work: impl Future<Output = anyhow::Result<T>>) -> anyhow::Result<T> {
    let mut terminate = tokio::signal::unix::signal(tokio::signal::unix::SignalKind::terminate())?;
    tokio::select! {
        done = work => done,
        _ = tokio::signal::ctrl_c() => anyhow::bail!("interrupted"),
        _ = terminate.recv() => anyhow::bail!("interrupted"),
    }
}

fn fail(error: &anyhow::Error) -> ExitCode {
    loadtest::console::note(&format!("loadtest: {error:#}"));
    ExitCode::FAILURE
}
