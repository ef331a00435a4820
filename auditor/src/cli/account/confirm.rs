//! `auditor account confirm` and `reactivate`: what a region has said, told by the command line.

use super::{Which, begin, find, show};
use crate::cli::CliError;
use crate::cli::output::{Output, Table};
use crate::clock;
use crate::duties::Region;
use crate::store::Store;
use clap::Args;
use contract::record::AuthMethod;
use serde_json::json;

#[derive(Debug, Args)]
pub(in crate::cli) struct Confirm {
    /// The account's id or user name.
    account: String,
    /// The region, by its code (länskod), as 12.
    #[arg(long, value_parser = crate::cli::request::region)]
    region: Region,
    /// The region no longer vouches for the account.
    #[arg(long)]
    remove: bool,
}

pub(super) async fn reactivate(which: &Which, store: &Store, output: Output) -> Result<(), CliError> {
    let mut change = begin(store).await?;
    let id = find(&mut change, &which.account).await?.id;
    let account = change.reactivate(id).await?;
    for vouched in change.regions(id).await? {
        change.confirm(id, vouched.region, AuthMethod::None).await?;
    }
    change.commit().await?;
    show(output, &account, "", None)
}

pub(super) async fn confirm(args: Confirm, store: &Store, output: Output) -> Result<(), CliError> {
    let mut change = begin(store).await?;
    let account = find(&mut change, &args.account).await?;
    if args.remove {
        change.leave_region(account.id, args.region).await?;
    } else {
        change.confirm(account.id, args.region, AuthMethod::None).await?;
    }
    change.commit().await?;
    let regions = store.regions(account.id).await?;
    let value = regions
        .iter()
        .map(|known| json!({ "region": known.region, "confirmed": clock::rfc3339(known.confirmed) }))
        .collect::<Vec<_>>();
    output.write(
        &json!({ "account": account.id, "regions": value }),
        &Table::new(&["region", "confirmed"], &regions, |known| {
            vec![known.region.name().to_owned(), clock::rfc3339(known.confirmed)]
        }),
    )
}
