//! `auditor account passkeys`: which passkeys an account has, and an end to those that were lost.

use super::CliError;
use super::account::{begin, find};
use super::output::{Output, Table};
use crate::accounts::passkey::PasskeyId;
use crate::clock;
use crate::sessions::End;
use crate::store::Store;
use clap::Args;
use serde_json::json;

#[derive(Debug, Args)]
pub(super) struct Passkeys {
    /// The account's id or user name.
    account: String,
    /// Remove this one, for good: its id, as the list has it. The account's sessions end.
    #[arg(long, value_name = "ID")]
    remove: Option<PasskeyId>,
    /// Remove all of them.
    #[arg(long, conflicts_with = "remove")]
    remove_all: bool,
}

pub(super) async fn run(args: Passkeys, store: &Store, output: Output) -> Result<(), CliError> {
    let mut change = begin(store).await?;
    let account = find(&mut change, &args.account).await?.id;
    let passkeys = change.passkeys(account).await?;
    let meant: Vec<PasskeyId> = match args.remove {
        Some(id) => vec![id],
        None if args.remove_all => passkeys.iter().map(|passkey| passkey.id).collect(),
        None => Vec::new(),
    };
    for id in &meant {
        change.end_passkey(account, id).await?;
    }
    if meant.is_empty() {
        drop(change);
    } else {
        change.end_sessions_of_account(account, End::Account).await?;
        change.commit().await?;
    }
    let left: Vec<_> = passkeys.into_iter().filter(|passkey| !meant.contains(&passkey.id)).collect();
    let last_used = |used: Option<_>| used.map(clock::rfc3339);
    let values: Vec<_> = left
        .iter()
        .map(|passkey| {
            json!({
                "passkey": passkey.id.to_string(), "name": passkey.name, "created": clock::rfc3339(passkey.created),
                "last_used": last_used(passkey.last_used),
            })
        })
        .collect();
    let table = Table::new(&["passkey", "name", "created", "last used"], &left, |passkey| {
        vec![
            passkey.id.to_string(),
            passkey.name.clone(),
            clock::rfc3339(passkey.created),
            last_used(passkey.last_used).unwrap_or_default(),
        ]
    });
    output.write(&json!({ "account": account, "passkeys": values }), &table)
}
