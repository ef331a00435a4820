//! `auditor session`: who is logged in, and an end to it.

use super::CliError;
use super::account::{begin, find};
use super::output::{Output, Table};
use crate::clock;
use crate::sessions::{End, over};
use crate::store::Store;
use clap::{Args, Subcommand};
use serde_json::json;

/// The most that are looked through for one.
const SESSIONS_MAX: u32 = 100_000;

#[derive(Debug, Subcommand)]
pub(super) enum SessionCommand {
    /// List sessions that go on, the last used first. `session` is the number that the audit log has.
    List {
        /// Only this account's: its id or user name.
        #[arg(long)]
        account: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// End a session, or all of an account: at every gateway, at once.
    End(Which),
}

#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
pub(super) struct Which {
    /// The session's number, as in the list and in the audit log.
    #[arg(long)]
    session: Option<u64>,
    /// All sessions of an account: its id or user name.
    #[arg(long)]
    account: Option<String>,
}

pub(super) async fn run(command: SessionCommand, store: &Store, output: Output) -> Result<(), CliError> {
    match command {
        SessionCommand::List { account, limit } => list(account.as_deref(), limit, store, output).await,
        SessionCommand::End(which) => end(which, store, output).await,
    }
}

async fn list(account: Option<&str>, limit: u32, store: &Store, output: Output) -> Result<(), CliError> {
    let account = match account {
        Some(text) => Some(find(&mut begin(store).await?, text).await?.id),
        None => None,
    };
    let now = clock::now();
    let mut rows = Vec::new();
    for session in store.open_sessions(account, limit).await? {
        // Its time is over; the sweeper has not come by yet.
        if over(&session, now).is_some() {
            continue;
        }
        let user = store.account(session.account).await?.map(|account| account.user_name.as_str().to_owned());
        let device = store.device(session.device).await?.map(|device| device.name);
        rows.push((session, user.unwrap_or_default(), device.unwrap_or_default()));
    }
    let values: Vec<_> = rows
        .iter()
        .map(|(session, user, device)| {
            json!({
                "session": session.key.reference(), "account": session.account, "user": user, "device": session.device,
                "device_name": device, "since": clock::rfc3339(session.created),
                "last_used": clock::rfc3339(session.last_used), "ends": clock::rfc3339(session.expires),
                "method": session.auth_method,
            })
        })
        .collect();
    let head = ["session", "user", "device", "since", "last used", "ends at the latest", "method"];
    let table = Table::new(&head, &rows, |(session, user, device)| {
        vec![
            session.key.reference().to_string(),
            user.clone(),
            device.clone(),
            clock::rfc3339(session.created),
            clock::rfc3339(session.last_used),
            clock::rfc3339(session.expires),
            session.auth_method.as_str().to_owned(),
        ]
    });
    output.write(&values, &table)
}

async fn end(which: Which, store: &Store, output: Output) -> Result<(), CliError> {
    let sessions = store.open_sessions(None, SESSIONS_MAX).await?;
    let mut change = begin(store).await?;
    let account = match &which.account {
        Some(text) => Some(find(&mut change, text).await?.id),
        None => None,
    };
    let meant = sessions
        .iter()
        .filter(|session| account == Some(session.account) || which.session == Some(session.key.reference()));
    let mut ended = Vec::new();
    for session in meant {
        if change.end_session(session.key, End::Administrator).await? {
            ended.push(session.key.reference());
        }
    }
    if ended.is_empty() && which.session.is_some() {
        return Err(CliError::Wrong("there is no such session, or it has ended".to_owned()));
    }
    change.commit().await?;
    let said =
        format!("{} ended", if ended.len() == 1 { "1 session".into() } else { format!("{} sessions", ended.len()) });
    output.write(&json!({ "ended": ended }), &Table::line(&said))
}
