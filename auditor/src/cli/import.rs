//! `auditor import`: data about people and units from other systems.

use super::CliError;
use super::account::begin;
use super::output::{Output, Table};
use crate::imports::{Feed, Format};
use crate::store::Store;
use clap::Args;
use serde_json::json;
use std::path::PathBuf;

/// More is no list of people.
const FILE_BYTES_MAX: u64 = 64 << 20;

#[derive(Debug, Args)]
pub(super) struct Import {
    /// What: employments (hsa, last_day), units (hsa, name, provider_hsa, valid_from, valid_to) or assignments (hsa,
    /// unit_hsa, title, valid_from, valid_to). Days as 2026-11-01; the last day counts; an end may be left empty.
    feed: Feed,
    /// The file: CSV with a line of names, or JSON if its name ends in .json.
    file: PathBuf,
    /// Only tell what would be done.
    #[arg(long)]
    dry_run: bool,
    /// At most so many accounts may end by it.
    #[arg(long, default_value_t = 20)]
    closes_at_most: usize,
}

pub(super) async fn run(args: Import, store: &Store, output: Output) -> Result<(), CliError> {
    let failed = |source| CliError::File { path: args.file.clone(), source };
    if std::fs::metadata(&args.file).map_err(failed)?.len() > FILE_BYTES_MAX {
        return Err(CliError::Wrong("the file is larger than 64 MiB: bring it in one part after the other".to_owned()));
    }
    let text = std::fs::read(&args.file).map_err(failed)?;
    let is_json = args.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let format = if is_json { Format::Json } else { Format::Csv };
    let rows = args.feed.read(&text, format).map_err(|faults| CliError::Wrong(faults.to_string()))?;
    let mut change = begin(store).await?;
    let done = change.import(&rows, args.closes_at_most).await?;
    if !args.dry_run {
        change.commit().await?;
    }
    let (rows, new) = (done.rows.to_string(), done.new.to_string());
    let (changed, closed) = (done.changed.to_string(), done.closed.to_string());
    output.write(
        &json!({
            "feed": args.feed.as_str(), "rows": done.rows, "new": done.new, "changed": done.changed,
            "closed": done.closed, "dry_run": args.dry_run,
        }),
        &Table::pairs(&[
            ("rows", rows.as_str()),
            ("new", &new),
            ("changed", &changed),
            ("accounts closed", &closed),
            ("kept", if args.dry_run { "no: a dry run" } else { "yes" }),
        ]),
    )
}
