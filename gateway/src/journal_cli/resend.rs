//! `gateway journal resend`: sends again what ClickHouse has lost.

use std::io::{IsTerminal as _, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::{Micros, instant};
use serde_json::json;

use super::{CliError, Health, Output};
use crate::console;
use crate::journal::storage::{Disk, Storage};
use crate::shipper::resend::{self, Lost, Range, Resent, Source, Unnoted};

/// Which batches.
#[derive(Debug, Clone, clap::Args)]
pub struct ResendArgs {
    /// Only what was sealed from this time on: a date (2026-11-01) or RFC 3339 (2026-11-01T12:00:00Z) [default: all]
    #[arg(long, value_parser = instant::parse)]
    pub since: Option<Micros>,
    /// Only what was sealed before this time [default: all]
    #[arg(long, value_parser = instant::parse)]
    pub until: Option<Micros>,
    /// Send nothing, say what is absent; exit code 1 if something is
    #[arg(long)]
    pub check: bool,
}

/// Asks ClickHouse for what was shipped, and sends again what is absent.
pub fn resend(args: &ResendArgs, output: Output, source: &Source, out: &mut dyn Write) -> Result<Health, CliError> {
    let storage: Arc<dyn Storage> = Disk::storage();
    let range =
        Range { from: args.since.unwrap_or(Micros::MIN), to: args.until.unwrap_or(Micros::MAX), look_only: args.check };
    let resent = resend::again(&storage, source, range, progress())?;
    if output == Output::Json {
        writeln!(out, "{}", json!(resent))?;
    } else {
        table(&resent, args.check, out)?;
    }
    let well = resent.is_whole() && (resent.absent == 0 || !args.check);
    Ok(if well { Health::Sound } else { Health::Damaged })
}

/// What takes longer than two seconds shows how far it is: on a terminal in one line, else in a line now and then.
fn progress() -> impl FnMut(u64, u64) {
    let terminal = std::io::stderr().is_terminal();
    let (pause, end) = if terminal { (Duration::from_millis(200), "\r") } else { (Duration::from_secs(10), "\n") };
    let begun = Instant::now();
    let mut said: Option<Instant> = None;
    move |done, all| {
        let last = done == all && said.is_some() && terminal;
        if begun.elapsed() > Duration::from_secs(2) && (last || said.is_none_or(|said| said.elapsed() > pause)) {
            console::progress(format_args!("{done} of {all} batches asked for{}", if last { "\n" } else { end }));
            said = Some(Instant::now());
        }
    }
}

fn table(resent: &Resent, look_only: bool, out: &mut dyn Write) -> Result<(), CliError> {
    let mut line = |name: &str, value: &dyn std::fmt::Display| writeln!(out, "{name:<30}{value}");
    match resent.noted_from {
        Some(at) => line("batches noted since", &instant::text(at))?,
        None => line("batches noted", &"none: this node has shipped nothing yet, or an earlier version has")?,
    }
    line("batches asked for", &resent.batches)?;
    if resent.counted > 0 {
        line("only counted, frames are gone", &resent.counted)?;
    }
    line("with something absent", &resent.absent)?;
    line(if look_only { "can be sent again" } else { "sent again" }, &resent.sent)?;
    line("  rows of access_log", &resent.access_rows)?;
    line("  rows of auth_event", &resent.auth_rows)?;
    line("  seals", &resent.seals)?;
    line("cannot be sent again", &resent.lost_count())?;
    batches(&resent.lost, out)?;
    if resent.lost_count() > 0 {
        writeln!(
            out,
            "The journal has their frames no more: put back a copy of ClickHouse, or of the journal's directory."
        )?;
    }
    if resent.counted > 0 {
        writeln!(
            out,
            "Of batches that were only counted, as many rows are there as were sent; `auditor verify` says whether they are the same."
        )?;
    }
    if !resent.unmended.is_empty() {
        writeln!(out, "sent, and still not as they were sealed:")?;
        batches(&resent.unmended, out)?;
        writeln!(
            out,
            "Something is absent again, or rows are there that the gateway has not sent (also under the numbers of its own); \
             nothing was deleted. Run `auditor verify`: it names them."
        )?;
    }
    if !resent.unnoted.is_empty() {
        writeln!(out, "shipped, but not noted (any more), so not asked for:")?;
        for Unnoted { table, first, last, from, to } in &resent.unnoted {
            let time = |at: Option<Micros>| at.map_or_else(|| "-".to_owned(), instant::text);
            writeln!(out, "  batches {first} to {last} of {table}, sealed between {} and {}", time(*from), time(*to))?;
        }
        writeln!(out, "Whether ClickHouse has them `auditor verify` says; --since and --until leave them out.")?;
    }
    if !resent.book {
        writeln!(
            out,
            "The shipper's book is missing, or of a later version: what was shipped last, and not noted, is not known."
        )?;
    }
    Ok(())
}

fn batches(named: &[Lost], out: &mut dyn Write) -> Result<(), CliError> {
    for batch in named {
        let number = |batch: Option<u64>| batch.map_or_else(|| "-".to_owned(), |batch| batch.to_string());
        let (access, auth) = (number(batch.access_batch), number(batch.auth_batch));
        writeln!(out, "  {}  batch {access} of access_log, {auth} of auth_event", instant::text(batch.at))?;
    }
    Ok(())
}
