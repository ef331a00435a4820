//! `auditor handout`: credentials handed out from the command line.

use super::account::{begin, find};
use super::output::{Output, Table};
use super::{CliError, operator};
use crate::config::Config;
use crate::handout::{CalledBack, Channel, Part, Stage, State};
use crate::letter::Letter;
use crate::store::{Counter, Handout, Issue, Office, Sought, Store, StoreError};
use crate::{clock, init};
use clap::{Args, Subcommand};
use contract::Micros;
use contract::id::HandoutId;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;

#[derive(Debug, Subcommand)]
pub(super) enum HandoutCommand {
    /// Make credentials for an account, in two halves. Addresses and numbers are those of its application.
    Issue(IssueArgs),
    /// List credentials on their way, the oldest first.
    List {
        /// Only those that are: open, collected, spent, replaced or expired.
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// Only those with a half that goes by letter, sms, phone or fax.
        #[arg(long, value_parser = channel)]
        channel: Option<Channel>,
        /// Only those with a half that is waiting, printed, queued, sent, failed, delivered or gone.
        #[arg(long, value_parser = stage)]
        stage: Option<Stage>,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Write a half as a letter. The audit log tells that it was printed.
    Letter {
        #[command(flatten)]
        which: Which,
        /// The file to write, PDF; it must not be there.
        #[arg(long, value_name = "FILE")]
        out: PathBuf,
    },
    /// A letter is in the post.
    Posted {
        #[command(flatten)]
        which: Which,
    },
    /// Show the number to call; with --called-back, show a half once, to be read out.
    Called {
        #[command(flatten)]
        which: Which,
        /// You have called that number, and speak to the person now.
        #[arg(long)]
        called_back: bool,
    },
    /// Make a half anew, to go another way.
    Reroute {
        #[command(flatten)]
        which: Which,
        /// letter, sms, phone or fax.
        #[arg(long, value_parser = channel)]
        by: Channel,
    },
}

#[derive(Debug, Args)]
pub(super) struct IssueArgs {
    /// The account's id or user name.
    account: String,
    /// How the enrolment id goes.
    #[arg(long, value_parser = channel, default_value = "letter")]
    id_by: Channel,
    /// How the code goes: another way.
    #[arg(long, value_parser = channel, default_value = "sms")]
    code_by: Channel,
    /// You have called the number of the person's application: needed for a new second factor.
    #[arg(long)]
    called_back: bool,
}

#[derive(Debug, Args)]
pub(super) struct Which {
    /// The handout's id, as the list has it.
    handout: HandoutId,
    /// Which half: id or code.
    #[arg(long, value_parser = part)]
    half: Part,
}

fn channel(text: &str) -> Result<Channel, String> {
    Channel::parse(text).ok_or_else(|| "a channel is letter, sms, phone or fax".to_owned())
}

fn part(text: &str) -> Result<Part, String> {
    Part::parse(text).ok_or_else(|| "a half is id or code".to_owned())
}

fn state(text: &str) -> Result<State, String> {
    State::parse(text).ok_or_else(|| "they are open, collected, spent, replaced or expired".to_owned())
}

fn stage(text: &str) -> Result<Stage, String> {
    Stage::parse(text).ok_or_else(|| "a half is waiting, printed, queued, sent, failed, delivered or gone".to_owned())
}

pub(super) async fn run(
    command: HandoutCommand,
    config: &Config,
    store: &Store,
    output: Output,
) -> Result<(), CliError> {
    let life = Micros::from(config.accounts.request_life_days) * clock::DAY;
    let office = Office::new(store.clone(), Arc::clone(&config.keys.fields), life);
    let (key, totp) = (Arc::clone(&config.keys.handout), Arc::clone(&config.keys.totp));
    let counter = Counter::new(office, key, totp, config.handout.rule);
    let (now, by) = (clock::now(), operator::by());
    match command {
        HandoutCommand::Issue(args) => {
            let account = find(&mut begin(store).await?, &args.account).await?.id;
            let called_back = CalledBack::confirmed(args.called_back);
            let issue = Issue { account, id_by: args.id_by, code_by: args.code_by, called_back };
            let id = counter.issue(now, by, None, &issue).await?;
            show(store, output, id).await
        }
        HandoutCommand::List { state, channel, stage, limit } => {
            let sought = Sought { state, channel, stage, limit, ..Sought::default() };
            let all = store.handouts(&sought).await?;
            let head = ["handout", "account", "for", "state", "issued", "id", "code"];
            let table = Table::new(&head, &all, |handout| {
                let way = |part| {
                    let half = handout.half(part);
                    format!("{} {}", half.channel, half.stage)
                };
                vec![
                    handout.id.to_string(),
                    handout.account.to_string(),
                    handout.purpose.to_string(),
                    handout.state.to_string(),
                    clock::rfc3339(handout.issued),
                    way(Part::Id),
                    way(Part::Code),
                ]
            });
            output.write(&all.iter().map(value).collect::<Vec<_>>(), &table)
        }
        HandoutCommand::Letter { which, out } => {
            let printed = counter.print(now, by, None, (which.handout, which.half)).await?;
            let pdf = Letter::new(&config.handout, &config.app.help, &config.app.title, now).pdf(&printed);
            let failed = |source| CliError::File { path: out.clone(), source };
            init::write_new(&out, 0o600, &pdf).map_err(failed)?;
            let file = out.display().to_string();
            output.write(&json!({ "file": file }), &Table::line(&format!("{file} is written; print it, and remove it")))
        }
        HandoutCommand::Posted { which } => {
            counter.posted(now, by, None, (which.handout, which.half)).await?;
            show(store, output, which.handout).await
        }
        HandoutCommand::Called { which, called_back } => match CalledBack::confirmed(called_back) {
            None => {
                let to = counter.number(now, by, None, which.handout).await?;
                let pairs = [("name", to.name.as_str()), ("telephone", to.telephone.as_str())];
                output.write(&json!({ "name": to.name, "telephone": to.telephone }), &Table::pairs(&pairs))
            }
            Some(called) => {
                let half = counter.read_out(now, by, None, (which.handout, which.half), called).await?;
                output.write(&json!({ "half": *half }), &Table::pairs(&[(which.half.as_str(), half.as_str())]))
            }
        },
        HandoutCommand::Reroute { which, by: channel } => {
            counter.reroute(now, by, None, (which.handout, which.half), channel).await?;
            show(store, output, which.handout).await
        }
    }
}

async fn show(store: &Store, output: Output, id: HandoutId) -> Result<(), CliError> {
    let handout = store.handout(id).await?.ok_or(StoreError::Absent("handout"))?;
    let rows = Table::new(&["half", "by", "is"], &handout.halves, |half| {
        vec![half.part.to_string(), half.channel.to_string(), half.stage.to_string()]
    });
    output.write(&value(&handout), &rows.above(vec![format!("handout {id}")]))
}

fn value(handout: &Handout) -> Value {
    let halves = handout.halves.iter().map(|half| {
        json!({
            "half": half.part, "by": half.channel, "stage": half.stage, "since": clock::rfc3339(half.stage_at),
            "until": half.until.map(clock::rfc3339), "tries": half.tries, "next_try": half.next_try.map(clock::rfc3339),
        })
    });
    json!({
        "handout": handout.id, "account": handout.account, "purpose": handout.purpose, "state": handout.state,
        "issued": clock::rfc3339(handout.issued), "tries": handout.tries, "halves": halves.collect::<Vec<_>>(),
    })
}
