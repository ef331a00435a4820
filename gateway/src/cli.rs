//! The command line.

use crate::config::Config;
use crate::journal::storage::Disk;
use crate::journal_cli::{self, CliError};
use crate::keys::{NodeKeys, SealKeys};
use crate::shipper::resend;
use crate::{console, discover, seal_key_cli, serve, tls};
use clap::{CommandFactory, Parser, Subcommand};
use contract::settings::Problems;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

/// A reverse proxy in front of health registries: lets in who belongs, and records every access to a patient's data
/// before a byte of it leaves.
#[derive(Debug, Parser)]
#[command(name = "gateway", version)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve requests until told to stop.
    Serve {
        /// The settings file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
        /// Write the addresses to this file (JSON) when requests are taken.
        #[arg(long)]
        ready_file: Option<PathBuf>,
    },
    /// Check the settings and the routes; every mistake is named with its line.
    Validate {
        /// The settings file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Make this node's keys if it has none, and print the public ones.
    Keys {
        /// The settings file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
    },
    /// Show the key that seals this node's records, or let another take its place.
    SealKey {
        /// The settings file.
        #[arg(long, default_value = "gateway.toml", global = true)]
        config: PathBuf,
        #[command(flatten)]
        args: seal_key_cli::Args,
    },
    /// Look into a journal, with or without a gateway running on it.
    Journal {
        /// The settings file.
        #[arg(long, default_value = "gateway.toml", global = true)]
        config: PathBuf,
        #[command(flatten)]
        args: journal_cli::Args,
    },
    /// Show which routes disclosed patients without being marked, and what they should say. The gateway must run with
    /// `enabled = true` in [discover].
    Discover {
        /// The settings file.
        #[arg(long, default_value = "gateway.toml")]
        config: PathBuf,
        /// How to show it.
        #[arg(long, value_enum, default_value_t = journal_cli::Output::Table)]
        output: journal_cli::Output,
    },
    /// Print a completion script for a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
}

/// Exit status: the settings are wrong (`EX_CONFIG` of sysexits).
const BAD_CONFIG: u8 = 78;

/// Runs the program.
pub fn run() -> ExitCode {
    tls::install_provider();
    let cli = Cli::parse();
    match cli.command {
        Command::Serve { config, ready_file } => match load(&config, Config::load_to_serve) {
            Ok(config) => serve_until_told(config, ready_file),
            Err(code) => code,
        },
        Command::Validate { config } => match load(&config, Config::load_to_serve) {
            Ok(config) => {
                console::line(format_args!(
                    "the settings are in order: {} registries, {} routes",
                    config.routes.registries().len(),
                    config.routes.routes().len()
                ));
                ExitCode::SUCCESS
            }
            Err(code) => code,
        },
        Command::Keys { config } => match load(&config, Config::load) {
            Ok(config) => match NodeKeys::open(&config.node.state_dir, &config.node.name) {
                Ok(keys) => {
                    console::line(format_args!("{}", keys.assertion.jwks()));
                    ExitCode::SUCCESS
                }
                Err(error) => failed(&error),
            },
            Err(code) => code,
        },
        Command::SealKey { config, args } => match load(&config, Config::load) {
            Ok(config) => match seal_key_cli::run(&args, &config.node, &mut std::io::stdout().lock()) {
                Ok(()) => ExitCode::SUCCESS,
                Err(error) => failed(&error),
            },
            Err(code) => code,
        },
        // A lost certificate is no reason not to look into the journal.
        Command::Journal { config, args } => match load(&config, Config::load) {
            Ok(config) => look_into_journal(&config, &args),
            Err(code) => code,
        },
        Command::Discover { config, output } => match load(&config, Config::load) {
            Ok(config) => discovered(&config, output),
            Err(code) => code,
        },
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "gateway", &mut script);
            console::raw(&script);
            ExitCode::SUCCESS
        }
    }
}

fn look_into_journal(config: &Config, args: &journal_cli::Args) -> ExitCode {
    let places =
        journal_cli::Places { dir: config.journal.dir.clone(), ledger: serve::ledger_path(&config.journal.dir) };
    match journal_cli::run(args, &places, || shipped(config), &mut std::io::stdout().lock()) {
        Ok(journal_cli::Health::Sound) => ExitCode::SUCCESS,
        Ok(journal_cli::Health::Damaged) => ExitCode::FAILURE,
        Err(error) => failed(&error),
    }
}

/// What was shipped from here, and where to.
fn shipped(config: &Config) -> Result<resend::Source, CliError> {
    let key = serve::secret(&config.clickhouse.key_file).map_err(|error| CliError::Key(error.into()))?;
    let keys = SealKeys::look(&Disk::storage(), &config.node.state_dir, &config.node.name)?;
    Ok(resend::Source {
        dir: config.journal.dir.clone(),
        ledger: serve::ledger_path(&config.journal.dir),
        id: config.journal.node,
        node: config.node.name.clone(),
        tenant: config.node.tenant.text(),
        clickhouse: serve::clickhouse(config, key),
        hand_overs: keys.map(|seen| seen.history).unwrap_or_default(),
    })
}

fn discovered(config: &Config, output: journal_cli::Output) -> ExitCode {
    let path = discover::path(&config.node.state_dir);
    match discover::Seen::read(&path) {
        Ok(seen) if seen.since == 0 && !config.discover => {
            console::error(format_args!(
                "nothing has been looked at: set `enabled = true` in [discover] of the settings, and start the gateway anew"
            ));
            ExitCode::FAILURE
        }
        Ok(seen) => {
            let as_json = matches!(output, journal_cli::Output::Json);
            console::raw(discover::show(&seen, &config.routes, as_json).as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            console::error(format_args!("{} cannot be read: {error}", path.display()));
            ExitCode::FAILURE
        }
    }
}

fn load(path: &Path, how: impl FnOnce(&Path, std::env::Vars) -> Result<Config, Problems>) -> Result<Config, ExitCode> {
    how(path, std::env::vars()).map_err(|problems| {
        console::error(format_args!("{problems}"));
        ExitCode::from(BAD_CONFIG)
    })
}

fn serve_until_told(config: Config, ready_file: Option<PathBuf>) -> ExitCode {
    start_log();
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.enable_all();
    if let Some(threads) = config.node.threads {
        builder.worker_threads(threads);
    }
    let result = builder
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(serve::run(config, ready_file)));
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => failed(AsRef::<dyn std::error::Error>::as_ref(&error)),
    }
}

/// The log goes to standard error. pingora's own lines below warnings are never shown: they hold heads of requests.
fn start_log() {
    let filter = EnvFilter::try_from_env("GATEWAY_LOG").unwrap_or_else(|_| EnvFilter::new("info"));
    let filter = ["pingora_core", "pingora_proxy", "pingora_load_balancing", "h2", "hyper", "rustls", "tokio_rustls"]
        .into_iter()
        .filter_map(|module| format!("{module}=warn").parse().ok())
        .fold(filter, EnvFilter::add_directive);
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    // Colours are for a terminal; in a file they are noise.
    let log = log.with_ansi(std::io::IsTerminal::is_terminal(&std::io::stderr()));
    if std::env::var("GATEWAY_LOG_FORMAT").is_ok_and(|format| format == "json") {
        log.json().init();
    } else {
        log.init();
    }
}

fn failed(error: &dyn std::error::Error) -> ExitCode {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    console::error(format_args!("{text}"));
    ExitCode::FAILURE
}
