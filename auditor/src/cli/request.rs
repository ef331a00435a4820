//! `auditor request`: the forms of the account procedure, from outside; what stands in one only where that is asked for, and on
//! record.

use super::output::{Output, Table};
use super::{CliError, operator};
use crate::clock;
use crate::config::Config;
use crate::duties::Region;
use crate::forms::{Content, Form, State, Step};
use crate::store::{Filed, Heading, Office, Store, StoreError, Wanted};
use clap::Subcommand;
use contract::Micros;
use contract::id::{FormId, RegistryName};
use contract::identity::PatientId;
use serde_json::{Value, json};

#[derive(Debug, Subcommand)]
pub(super) enum RequestCommand {
    /// List forms, those that have waited longest first. Tells no names, numbers or addresses.
    List {
        /// Only those that stand there: draft, submitted, approved, forwarded, executed, refused or lapsed.
        #[arg(long, value_parser = state)]
        state: Option<State>,
        /// Only those of this region, by its code (länskod), as 12.
        #[arg(long, value_parser = region)]
        region: Option<Region>,
        /// Only those of this registry.
        #[arg(long)]
        registry: Option<RegistryName>,
        /// At most so many.
        #[arg(long, default_value_t = 1000)]
        limit: u32,
    },
    /// Show a form, and what was done with it.
    Show {
        /// Its id, as the list has it.
        request: FormId,
        /// Also what stands in it, and what people said: personal data. The audit log tells that it was shown.
        #[arg(long)]
        reveal: bool,
    },
}

fn state(text: &str) -> Result<State, String> {
    let names = || State::ALL.iter().map(|state| state.as_str()).collect::<Vec<_>>().join(", ");
    State::parse(text).ok_or_else(|| format!("a form is one of: {}", names()))
}

pub(super) fn region(text: &str) -> Result<Region, String> {
    let names = || Region::ALL.iter().map(|region| region.as_str()).collect::<Vec<_>>().join(", ");
    Region::parse(text).ok_or_else(|| format!("a region is one of: {}", names()))
}

pub(super) async fn run(
    command: RequestCommand,
    config: &Config,
    store: &Store,
    output: Output,
) -> Result<(), CliError> {
    match command {
        RequestCommand::List { state, region, registry, limit } => {
            let wanted = Wanted { state, region, registry, account: None };
            let all = store.forms(&wanted, limit).await?;
            let head = ["request", "form", "state", "since", "region", "registry", "account"];
            let table = Table::new(&head, &all, |form| {
                vec![
                    form.id.to_string(),
                    form.kind.to_string(),
                    form.state.to_string(),
                    clock::rfc3339(form.state_at),
                    form.region.name().to_owned(),
                    form.registry.to_string(),
                    form.account.map(|id| id.to_string()).unwrap_or_default(),
                ]
            });
            output.write(&all.iter().map(outside).collect::<Vec<_>>(), &table)
        }
        RequestCommand::Show { request, reveal: false } => {
            let (heading, steps) = store.form(request).await?.ok_or(StoreError::Absent("form"))?;
            show(output, &heading, &steps, None)
        }
        RequestCommand::Show { request, reveal: true } => {
            let life = Micros::from(config.accounts.request_life_days) * clock::DAY;
            let office = Office::new(store.clone(), config.keys.fields.clone(), life);
            let Filed { heading, stored, steps } = office.reveal(clock::now(), operator::by(), request).await?;
            show(output, &heading, &steps, Some(stored.form()))
        }
    }
}

fn outside(form: &Heading) -> Value {
    json!({
        "request": form.id, "form": form.kind, "state": form.state, "since": clock::rfc3339(form.state_at),
        "region": form.region, "registry": form.registry, "account": form.account,
        "begun": clock::rfc3339(form.created), "begun_by": form.created_by, "version": form.version,
    })
}

fn show(output: Output, heading: &Heading, steps: &[Step], form: Option<&Form>) -> Result<(), CliError> {
    let mut value = outside(heading);
    let done = steps.iter().map(|step| {
        let mut done = json!({
            "step": step.did, "at": clock::rfc3339(step.at), "by": step.by, "method": step.method,
        });
        if form.is_some() {
            add(&mut done, "said", step.words.clone().into());
        }
        done
    });
    let done: Vec<Value> = done.collect();
    add(&mut value, "steps", done.into());
    if let Some(form) = form {
        add(&mut value, "says", inside(form));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    lines("", &value, &mut pairs);
    let pairs: Vec<(&str, &str)> = pairs.iter().map(|(name, text)| (name.as_str(), text.as_str())).collect();
    output.write(&value, &Table::pairs(&pairs))
}

fn add(value: &mut Value, name: &str, part: Value) {
    if let Some(object) = value.as_object_mut() {
        object.insert(name.to_owned(), part);
    }
}

/// A value as lines of names and texts.
fn lines(name: &str, value: &Value, into: &mut Vec<(String, String)>) {
    let below = |part: &str| if name.is_empty() { part.to_owned() } else { format!("{name}.{part}") };
    match value {
        Value::Object(parts) => parts.iter().for_each(|(part, value)| lines(&below(part), value, into)),
        Value::Array(parts) => {
            parts.iter().enumerate().for_each(|(part, value)| lines(&below(&(part + 1).to_string()), value, into));
        }
        Value::Null => {}
        Value::String(text) => into.push((name.to_owned(), text.clone())),
        other => into.push((name.to_owned(), other.to_string())),
    }
}

/// What stands in a form.
fn inside(form: &Form) -> Value {
    let mut value = match &form.content {
        Content::Application(form) => json!({
            "name": form.name, "title": form.title, "unit": form.unit.0, "unit_hsa": form.unit.1,
            "address": form.address, "telephone": form.telephone, "mobile": form.mobile, "email": form.email,
            "right": form.right, "from": clock::rfc3339(form.valid_from), "to": form.valid_to.map(clock::rfc3339),
            "purpose": form.purpose,
        }),
        Content::Alteration(form) => json!({ "rights": form.rights, "reason": form.reason }),
        Content::Deregistration(form) => json!({ "reason": form.reason }),
    };
    add(&mut value, "hsa", form.subject.hsa.as_ref().map(ToString::to_string).into());
    add(&mut value, "number", form.subject.number.as_ref().map(PatientId::expose).into());
    value
}
