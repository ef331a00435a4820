//! The command line. Exit codes: 0 ok, 1 failed, 2 wrong usage, 78 bad settings.
//!
//! Commands that change accounts and devices work on the store; a server that runs notices at once.

mod account;
mod appointment;
mod device;
mod handout;
mod import;
mod operator;
mod output;
mod passkeys;
mod request;
mod session;

use crate::config::Config;
use crate::serve::ServeArgs;
use crate::store::{Store, StoreError};
use crate::{clock, engine, fetch, init, migrate, serve, verify};
use clap::{CommandFactory as _, Parser, Subcommand};
use contract::settings::Problems;
use output::{Output, Table};
use std::path::PathBuf;
use std::process::ExitCode;

/// Grindvakt's auditor: accounts, devices, login and the audit log's schema.
#[derive(Debug, Parser)]
#[command(name = "auditor", version, propagate_version = true, arg_required_else_help = true)]
pub struct Cli {
    /// The settings file.
    #[arg(long, global = true, value_name = "FILE", env = "AUDITOR_CONFIG", default_value = "auditor.toml")]
    config: PathBuf,
    /// How results are written.
    #[arg(long, global = true, value_enum, default_value_t = Output::Table)]
    output: Output,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the keys, certificates and settings that an installation needs and does not have yet.
    Init(init::InitArgs),
    /// Run the login application, the directory for gateways, and the shipping of events.
    Serve(ServeArgs),
    /// Bring ClickHouse's schema up to date.
    Migrate,
    /// Run the embedded ClickHouse.
    Clickhouse(engine::Args),
    /// Get what is not part of this program: the ClickHouse engine, country data.
    Fetch(fetch::Args),
    /// Make and change accounts.
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Appoint people to duties, and end appointments.
    #[command(subcommand)]
    Appointment(appointment::AppointmentCommand),
    /// List and show the forms of the account procedure.
    #[command(subcommand)]
    Request(request::RequestCommand),
    /// Hand out credentials in two halves, by letter, text message or telephone.
    #[command(subcommand)]
    Handout(handout::HandoutCommand),
    /// Enrol and revoke devices.
    #[command(subcommand)]
    Device(device::DeviceCommand),
    /// Bring in what other systems tell of people and units: all of a file, or nothing of it.
    Import(import::Import),
    /// List sessions, and end them.
    #[command(subcommand)]
    Session(session::SessionCommand),
    /// Check that the log in ClickHouse is what was sealed, row by row: exit code 1 if it is not.
    Verify(verify::VerifyArgs),
    /// Read the settings and name every mistake.
    Validate,
    /// Write a completion script for a shell.
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
enum CliError {
    #[error("{0}")]
    Settings(#[from] Problems),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Init(#[from] init::InitError),
    #[error(transparent)]
    Serve(#[from] serve::ServeError),
    #[error(transparent)]
    Migrate(#[from] migrate::MigrateError),
    #[error(transparent)]
    Engine(#[from] engine::Error),
    #[error(transparent)]
    Fetch(#[from] fetch::Error),
    #[error(transparent)]
    Pki(#[from] crate::pki::PkiError),
    #[error(transparent)]
    Password(#[from] crate::accounts::password::PasswordError),
    #[error(transparent)]
    Breached(#[from] crate::breached::BreachedError),
    #[error(transparent)]
    Totp(#[from] crate::accounts::totp::TotpError),
    #[error("{path} cannot be read or written", path = .path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    #[error("the result cannot be written")]
    Output(#[source] std::io::Error),
    #[error(transparent)]
    Verify(#[from] verify::VerifyError),
    #[error("the log is not what was sealed: {0} finding(s)")]
    NotIntact(u64),
    #[error("there are no [clickhouse] settings")]
    NoClickHouse,
    #[error("{0}")]
    Wrong(String),
    #[error("the runtime cannot be started")]
    Runtime(#[source] std::io::Error),
}

impl CliError {
    fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::NoClickHouse => 78,
            Self::Engine(error) => error.exit_code(),
            Self::Fetch(error) => error.exit_code(),
            _ => 1,
        }
    }
}

/// Runs the program.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::complain(&error);
            ExitCode::from(error.exit_code())
        }
    }
}

fn run(cli: Cli) -> Result<(), CliError> {
    let output = cli.output;
    match cli.command {
        Command::Init(args) => {
            let files = init::init(&args, clock::now())?;
            output.write(
                &files,
                &Table::new(&["file", "done", "what"], &files, |file| {
                    vec![file.file.display().to_string(), output::word(&file.done), file.what.to_owned()]
                }),
            )
        }
        Command::Validate => {
            read_config(&cli.config)?;
            output.write(&serde_json::json!({ "valid": true }), &Table::line("the settings are valid"))
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "auditor", &mut script);
            output::raw(&script)
        }
        Command::Clickhouse(args) => {
            log_to_stderr(tracing::Level::INFO, false);
            match engine::run(&args, || {})? {}
        }
        Command::Fetch(args) if args.only_where => {
            let places = fetch::places(&args)?;
            output.write(&places, &Table::new(&[], &places, |place| vec![place.display().to_string()]))
        }
        Command::Fetch(args) => Ok(fetch::run(&args)?),
        Command::Serve(args) => {
            let config = read_config(&cli.config)?;
            log_to_stderr(config.log.level, config.log.json);
            runtime()?.block_on(serve::serve(config, args))?;
            Ok(())
        }
        Command::Migrate => {
            let config = read_config(&cli.config)?;
            let settings = config.clickhouse.as_ref().ok_or(CliError::NoClickHouse)?;
            let steps = runtime()?.block_on(migrate::migrate(settings))?;
            output.write(
                &steps,
                &Table::new(&["number", "name", "applied"], &steps, |step| {
                    vec![
                        step.number.to_string(),
                        step.name.to_owned(),
                        if step.applied { "now" } else { "before" }.to_owned(),
                    ]
                }),
            )
        }
        Command::Verify(args) => {
            let config = read_config(&cli.config)?;
            let settings = config.clickhouse.as_ref().ok_or(CliError::NoClickHouse)?;
            let report = runtime()?.block_on(verify::verify(&config, settings, &args))?;
            output.write(&report, &verified(&report))?;
            if report.intact { Ok(()) } else { Err(CliError::NotIntact(report.count)) }
        }
        Command::Account(command) => {
            let config = read_config(&cli.config)?;
            runtime()?.block_on(async {
                let store = Store::open(&config.store).await?;
                let done = account::run(command, &config, &store, output).await;
                store.close().await;
                done
            })
        }
        Command::Appointment(command) => {
            let config = read_config(&cli.config)?;
            runtime()?.block_on(async {
                let store = Store::open(&config.store).await?;
                let done = appointment::run(command, &store, output).await;
                store.close().await;
                done
            })
        }
        Command::Request(command) => {
            let config = read_config(&cli.config)?;
            runtime()?.block_on(async {
                let store = Store::open(&config.store).await?;
                let done = request::run(command, &config, &store, output).await;
                store.close().await;
                done
            })
        }
        Command::Handout(command) => {
            let config = read_config(&cli.config)?;
            runtime()?.block_on(async {
                let store = Store::open(&config.store).await?;
                let done = handout::run(command, &config, &store, output).await;
                store.close().await;
                done
            })
        }
        Command::Import(args) => {
            let config = read_config(&cli.config)?;
            runtime()?.block_on(async {
                let store = Store::open(&config.store).await?;
                let done = import::run(args, &store, cli.output).await;
                store.close().await;
                done
            })
        }
        Command::Session(command) => {
            let config = read_config(&cli.config)?;
            runtime()?.block_on(async {
                let store = Store::open(&config.store).await?;
                let done = session::run(command, &store, output).await;
                store.close().await;
                done
            })
        }
        Command::Device(command) => {
            let config = read_config(&cli.config)?;
            runtime()?.block_on(async {
                let store = Store::open(&config.store).await?;
                let done = device::run(command, &config, &store, output).await;
                store.close().await;
                done
            })
        }
    }
}

fn read_config(path: &std::path::Path) -> Result<Config, CliError> {
    Ok(Config::read(path, std::env::vars())?)
}

/// What was verified, for people: and up to when.
fn verified(report: &verify::Report) -> Table {
    let mut until: Vec<String> = report.sealed_until.iter().map(verify::SealedUntil::text).collect();
    if !until.is_empty() && report.witness.is_none() {
        until.push(
            "Whether anything came after that, and was taken away with its seals, only a witness can tell.".to_owned(),
        );
    }
    verdict(report).above(until)
}

fn verdict(report: &verify::Report) -> Table {
    if report.intact {
        let of = |of: &verify::Waiting| format!("{} of {}", of.rows, of.node);
        let waiting = report.waiting_of.iter().map(of).collect::<Vec<_>>().join(" and ");
        let waiting = if waiting.is_empty() { waiting } else { format!(", {waiting} wait for their seal") };
        let of = |of: &verify::NeverSealed| format!("{} in {}", of.node, of.stream);
        let never = report.never_sealed.iter().map(of).collect::<Vec<_>>().join(" and ");
        let never = if never.is_empty() { never } else { format!("; there is no seal of {never}") };
        let witness = report.witness.map_or_else(String::new, |witness| {
            format!("; {} copies of the witness fit, {} seals have none", witness.copies, witness.without_copy)
        });
        let (rows, seals) = (report.rows, report.seals);
        return Table::line(&format!("{rows} rows under {seals} seals are what was sealed{waiting}{witness}{never}"));
    }
    Table::new(&["node", "table", "batch", "finding", "records"], &report.findings, |finding| {
        let batch = finding.batch.map(|batch| batch.to_string()).unwrap_or_default();
        let records = finding.records.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
        vec![finding.node.clone(), finding.stream.to_owned(), batch, finding.text(), records]
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, CliError> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)
}

fn log_to_stderr(level: tracing::Level, json: bool) {
    let builder = tracing_subscriber::fmt().with_max_level(level).with_writer(std::io::stderr);
    if json {
        builder.json().init();
    } else {
        builder.with_ansi(false).init();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_holds_together() {
        Cli::command().debug_assert();
    }
}
