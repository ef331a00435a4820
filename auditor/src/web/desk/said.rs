//! What a form says and what was done with it, for people to read.

use super::day::{self, Shown};
use super::words;
use crate::forms::{Content, Did, State, Step};
use crate::store::{Filed, Heading};
use crate::web::App;
use crate::web::admin::problem::Problem;
use crate::web::language::Language;
use crate::web::member::Member;
use crate::web::page::Frame;
use contract::Micros;
use contract::directory::Grant;
use contract::id::AccountId;
use contract::identity::PatientId;
use std::borrow::Cow;
use std::collections::HashMap;

/// Something that a form says.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) label: Cow<'static, str>,
    pub(super) text: String,
}

/// Something that was done with it.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) did: Cow<'static, str>,
    pub(super) at: Shown,
    pub(super) who: String,
    pub(super) said: Option<String>,
}

/// The accounts that a page tells of, by name where the member may see it.
#[derive(Debug, Default)]
pub(super) struct Names(HashMap<AccountId, Known>);

#[derive(Debug)]
struct Known {
    name: String,
    grants: Vec<Grant>,
}

/// Names that one page looks up at most.
const NAMES_MAX: usize = 60;

impl Names {
    /// Looks accounts up.
    pub(super) async fn of(app: &App, member: &Member, ids: &[AccountId]) -> Result<Self, Problem> {
        let mut names = HashMap::new();
        for id in ids {
            if id.is_none() || names.contains_key(id) || names.len() == NAMES_MAX {
                continue;
            }
            if let Some((account, grants, _)) = app.visible_account(member, *id).await? {
                names.insert(*id, Known { name: account.name, grants });
            }
        }
        Ok(Self(names))
    }

    /// Of all whom a form's page tells of.
    pub(super) async fn in_form(app: &App, member: &Member, filed: &Filed) -> Result<Self, Problem> {
        let did = filed.steps.iter().map(|step| step.by);
        let all: Vec<AccountId> = filed.heading.account.into_iter().chain(did).collect();
        Self::of(app, member, &all).await
    }

    /// An account by name, else by its id.
    pub(super) fn get(&self, frame: &Frame, id: AccountId) -> String {
        match self.0.get(&id) {
            Some(known) if !known.name.is_empty() => known.name.clone(),
            _ => frame.say_of("forms-by-account", "account", id.to_string()),
        }
    }
}

fn row(frame: &Frame, key: &'static str, text: impl Into<String>) -> Row {
    Row { label: frame.say(key), text: text.into() }
}

fn given(frame: &Frame, key: &'static str, text: Option<&str>) -> Option<Row> {
    text.map(|text| row(frame, key, text))
}

/// What a form says.
pub(super) fn rows(frame: &Frame, filed: &Filed, names: &Names) -> Vec<Row> {
    let form = filed.stored.form();
    let hsa = form.subject.hsa.as_ref().map(contract::id::HsaId::as_str);
    let mut rows = Vec::new();
    match &form.content {
        Content::Application(of) => {
            rows.push(row(frame, "forms-name", &of.name));
            rows.extend(given(frame, "forms-number", form.subject.number.as_ref().map(PatientId::expose)));
            rows.extend(given(frame, "forms-hsa", hsa));
            rows.push(row(frame, "forms-title", &of.title));
            rows.push(row(frame, "forms-region", form.region.name()));
            rows.push(row(frame, "forms-unit", &of.unit.0));
            rows.push(row(frame, "forms-unit-hsa", of.unit.1.as_str()));
            rows.push(row(frame, "forms-address", of.address.join("\n")));
            rows.push(row(frame, "forms-telephone", &of.telephone));
            rows.extend(given(frame, "forms-mobile", of.mobile.as_deref()));
            rows.extend(given(frame, "forms-email", of.email.as_deref()));
            rows.push(row(frame, "forms-registry", form.registry.as_str()));
            rows.push(row(frame, "forms-right", frame.say(words::right(of.right))));
            rows.push(row(frame, "forms-valid-from", day::day(of.valid_from)));
            rows.extend(of.valid_to.map(|to| row(frame, "forms-valid-to", day::last_day(to))));
            rows.push(row(frame, "forms-purpose", &of.purpose));
        }
        Content::Alteration(of) => {
            rows.push(row(frame, "forms-account", names.get(frame, of.account)));
            rows.extend(given(frame, "forms-hsa", hsa));
            rows.push(row(frame, "forms-region", form.region.name()));
            rows.push(row(frame, "forms-registry", form.registry.as_str()));
            if let Some(known) = names.0.get(&of.account) {
                let mut held = known.grants.iter().filter(|grant| grant.registry == form.registry);
                rows.push(row(frame, "forms-right-now", right(frame, held.next())));
            }
            rows.push(row(frame, "forms-right-after", right(frame, of.rights.first())));
            rows.push(row(frame, "forms-reason", &of.reason));
        }
        Content::Deregistration(of) => {
            rows.push(row(frame, "forms-account", names.get(frame, of.account)));
            rows.extend(given(frame, "forms-hsa", hsa));
            rows.push(row(frame, "forms-region", form.region.name()));
            rows.push(row(frame, "forms-registry", form.registry.as_str()));
            rows.push(row(frame, "forms-reason", &of.reason));
        }
    }
    rows
}

/// A right, with its units and times.
pub(super) fn right(frame: &Frame, grant: Option<&Grant>) -> String {
    let Some(grant) = grant else { return frame.say("forms-right-none").into_owned() };
    let units: Vec<&str> = grant.units.iter().map(contract::id::HsaId::as_str).collect();
    let units = if units.is_empty() { frame.say("forms-units-all").into_owned() } else { units.join(", ") };
    format!("{}\n{units}\n{}", frame.say(words::right(grant.right)), period(frame, grant.valid_from, grant.valid_to))
}

/// From when until when.
pub(super) fn period(frame: &Frame, from: Micros, to: Option<Micros>) -> String {
    let from = day::day(from);
    match to {
        None => frame.say_of("home-from", "from", from),
        Some(to) => {
            let values = [("from", from.into()), ("to", day::last_day(to).into())];
            frame.language.say_with("home-from-to", values)
        }
    }
}

/// What was done with a form, in order.
pub(super) fn stages(frame: &Frame, member: &Member, filed: &Filed, names: &Names) -> Vec<Stage> {
    let stage = |step: &Step| Stage {
        did: frame.say(words::did(step.did)),
        at: Shown::minute(step.at),
        who: who(frame, member, step, names),
        said: step.words.clone(),
    };
    filed.steps.iter().map(stage).collect()
}

fn who(frame: &Frame, member: &Member, step: &Step, names: &Names) -> String {
    match step.by {
        by if by == member.account => frame.say("forms-by-you").into_owned(),
        by if !by.is_none() => names.get(frame, by),
        _ if step.did == Did::Lapsed => frame.say("forms-by-time").into_owned(),
        _ => frame.say("forms-by-device").into_owned(),
    }
}

/// What comes next for a form.
pub(super) fn next(speaks: impl Into<Language>, form: &Heading, state: State) -> String {
    let values = [("region", form.region.name().into()), ("registry", form.registry.as_str().into())];
    speaks.into().say_with(words::next(state), values)
}
