//! `auditor appointment`: who is appointed to which duty.

use super::CliError;
use super::account::{begin, find};
use super::output::{Output, Table};
use crate::clock;
use crate::duties::{Appointment, Given, Why};
use crate::store::Store;
use clap::{Args, Subcommand};
use contract::Micros;
use contract::id::AppointmentId;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum AppointmentCommand {
    /// Appoint somebody: account_admin, approver:LÄNSKOD, registry_holder:REGISTRY, device_admin[:HSA-ID],
    /// log_reviewer:HSA-ID, log_auditor or help_desk.
    Add(Add),
    /// List appointments, the newest first.
    List {
        /// Only this account's: its id or user name.
        #[arg(long)]
        account: Option<String>,
        /// Also those that have ended.
        #[arg(long)]
        ended: bool,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// End an appointment.
    End {
        /// Its id, as the list has it.
        appointment: AppointmentId,
        /// Why: other_duty, leaves or mistake.
        #[arg(long, value_parser = why)]
        why: Why,
    },
}

#[derive(Debug, Args)]
pub(super) struct Add {
    /// The account's id or user name.
    account: String,
    /// To what.
    appointment: Appointment,
    /// From when, RFC 3339 [default: now].
    #[arg(long, value_parser = contract::instant::parse)]
    from: Option<Micros>,
    /// Until when, RFC 3339.
    #[arg(long, value_parser = contract::instant::parse)]
    to: Option<Micros>,
    /// Why: new_duty or other_duty.
    #[arg(long, value_parser = why, default_value = "new_duty")]
    why: Why,
}

fn why(text: &str) -> Result<Why, String> {
    let said = [Why::NewDuty, Why::OtherDuty, Why::Leaves, Why::Mistake];
    let names = || said.iter().map(|why| why.as_str()).collect::<Vec<_>>().join(", ");
    Why::parse(text).filter(|why| said.contains(why)).ok_or_else(|| format!("a reason is one of: {}", names()))
}

pub(super) async fn run(command: AppointmentCommand, store: &Store, output: Output) -> Result<(), CliError> {
    match command {
        AppointmentCommand::Add(args) => {
            let mut change = begin(store).await?;
            let account = find(&mut change, &args.account).await?;
            let from = args.from.unwrap_or(change.at());
            let id = change.appoint(account.id, &args.appointment, (from, args.to), args.why).await?;
            change.commit().await?;
            let (id, appointment) = (id.to_string(), args.appointment.to_string());
            let user = account.user_name.as_str();
            output.write(
                &json!({ "id": id, "account": account.id, "user": user, "appointment": appointment }),
                &Table::pairs(&[("id", id.as_str()), ("user", user), ("appointment", &appointment)]),
            )
        }
        AppointmentCommand::List { account, ended, limit } => {
            let of = match account {
                Some(text) => Some(find(&mut begin(store).await?, &text).await?.id),
                None => None,
            };
            list(&store.appointments(of, ended, limit).await?, store, output).await
        }
        AppointmentCommand::End { appointment, why } => {
            let mut change = begin(store).await?;
            let given = change.end_appointment(appointment, why).await?;
            change.commit().await?;
            output.write(&value(&given, ""), &Table::line(&format!("{} has ended", given.appointment)))
        }
    }
}

async fn list(all: &[Given], store: &Store, output: Output) -> Result<(), CliError> {
    let mut rows = Vec::with_capacity(all.len());
    for given in all {
        let user = store.account(given.account).await?.map(|account| account.user_name.as_str().to_owned());
        rows.push((given, user.unwrap_or_default()));
    }
    let values: Vec<Value> = rows.iter().map(|(given, user)| value(given, user)).collect();
    let head = ["id", "user", "appointment", "from", "to", "ended"];
    let table = Table::new(&head, &rows, |(given, user)| {
        let time = |at: Option<Micros>| at.map(clock::rfc3339).unwrap_or_default();
        vec![
            given.id.to_string(),
            user.clone(),
            given.appointment.to_string(),
            clock::rfc3339(given.valid_from),
            time(given.valid_to),
            time(given.ended),
        ]
    });
    output.write(&values, &table)
}

fn value(given: &Given, user: &str) -> Value {
    json!({
        "id": given.id, "account": given.account, "user": user, "appointment": given.appointment,
        "from": clock::rfc3339(given.valid_from), "to": given.valid_to.map(clock::rfc3339),
        "given": clock::rfc3339(given.given), "given_by": given.given_by,
        "ended": given.ended.map(clock::rfc3339), "ended_by": given.ended_by,
    })
}
