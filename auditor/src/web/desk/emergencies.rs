//! Openings in emergencies, for who reviews them: by day, page by page, each marked as seen where it stands.

use super::day::{self, Shown};
use super::field::{Choice, Field, Input, Wrong};
use super::said::Names;
use super::words;
use super::wrong::trouble;
use crate::store::{Emergency, WantedEmergencies};
use crate::web::App;
use crate::web::admin::problem::Problem;
use crate::web::admin::query::{Asked, Parameters};
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble, page_of_list};
use crate::web::pages::see_other;
use askama::Template;
use axum::Extension;
use axum::extract::{Path, Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::id::HsaId;
use std::borrow::Cow;
use std::sync::Arc;

const LIST: &str = "/admin/emergencies";

/// A line of the list.
#[derive(Debug)]
struct Line {
    opened: Shown,
    until: Shown,
    who: String,
    units: String,
    registry: String,
    patient: String,
    why: Cow<'static, str>,
    words: String,
    seen: Option<(Shown, String)>,
    /// Where it is marked as seen.
    to: String,
    /// What is marked, for who does not see the page.
    mark_of: String,
}

#[derive(Template)]
#[template(path = "admin/emergencies.html")]
struct ListPage {
    frame: Frame,
    heading: Cow<'static, str>,
    done: Option<Cow<'static, str>>,
    wrong: Option<Cow<'static, str>>,
    fields: Vec<Field>,
    lines: Vec<Line>,
    next: Option<String>,
    first: Option<String>,
}

/// What an address chooses, as it was written.
#[derive(Debug, Default)]
struct Chosen(Vec<(String, String)>);

const FILTERS: [&str; 4] = ["unit", "seen", "from", "to"];

impl Chosen {
    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// An address with the same filters, from a place on.
    fn address(&self, cursor: Option<&str>) -> String {
        let plain = |value: &str| value.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let filters = FILTERS.into_iter().map(|name| (name, self.get(name)));
        let all = filters.filter(|(_, value)| !value.is_empty() && plain(value)).chain(cursor.map(|at| ("cursor", at)));
        let pairs: Vec<String> = all.map(|(name, value)| format!("{name}={value}")).collect();
        if pairs.is_empty() { LIST.to_owned() } else { format!("{LIST}?{}", pairs.join("&")) }
    }

    fn read(&self) -> Result<(Option<HsaId>, WantedEmergencies), Problem> {
        let mut asked = Parameters::new(Ok(Query(self.0.clone())))?;
        let unit = asked.parsed("unit", "an HSA-id", |text| HsaId::parse(text).ok());
        let wanted = WantedEmergencies {
            units: None,
            seen: asked.parsed("seen", "true or false", |text| text.parse().ok()),
            from: asked.parsed("from", "a date", day::begin),
            to: asked.parsed("to", "a date", day::end),
            after: asked.after("opened"),
            limit: asked.limit(),
        };
        asked.finish()?;
        Ok((unit, wanted))
    }
}

/// The list.
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    asked: Asked,
) -> Response {
    let mut asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let done = asked.iter().any(|(name, done)| name == "done" && done == "seen");
    let done = done.then(|| frame.say("emergencies-done"));
    asked.retain(|(name, value)| !value.is_empty() && name != "lang" && name != "done");
    let chosen = Chosen(asked);
    let (wanted, wrong) = match chosen.read() {
        Ok(wanted) => (Ok(wanted), None),
        // An address that somebody has changed by hand, or of long ago.
        Err(_) => (Chosen::default().read(), Some(frame.say("emergencies-wrong"))),
    };
    let status = if wrong.is_some() { StatusCode::BAD_REQUEST } else { StatusCode::OK };
    let shown = async {
        let (unit, wanted) = wanted?;
        let on = wanted.after.is_some();
        let (found, next) = app.emergency_list(&member, unit, wanted).await?;
        let people: Vec<_> = found.iter().filter_map(|of| of.seen).map(|(_, by)| by).collect();
        let names = Names::of(&app, &member, &people).await?;
        Ok::<_, Problem>(ListPage {
            heading: frame.say("emergencies-heading"),
            done,
            frame: frame.clone().of_list(wrong.is_some()),
            wrong,
            fields: fields(&frame, &chosen),
            lines: found.iter().map(|of| line(&frame, of, &names)).collect(),
            next: next.map(|next| chosen.address(Some(&next))),
            first: on.then(|| chosen.address(None)),
        })
    };
    match shown.await {
        Ok(shown) => page_of_list(status, &shown.frame, &shown),
        Err(problem) => trouble(frame, &problem),
    }
}

fn fields(frame: &Frame, chosen: &Chosen) -> Vec<Field> {
    let seen = vec![
        Choice::new("", frame.say("emergencies-any")),
        Choice::new("false", frame.say("emergencies-unseen")),
        Choice::new("true", frame.say("emergencies-seen")),
    ];
    let all = [
        Field::line(frame, "from", "emergencies-from").input(Input::Line("date")),
        Field::line(frame, "to", "emergencies-to").input(Input::Line("date")),
        Field::line(frame, "seen", "emergencies-state").input(Input::Select(seen)),
        Field::line(frame, "unit", "emergencies-unit"),
    ];
    let none: &[Wrong] = &[];
    let fill = |field: Field| {
        let name = field.name;
        field.with(chosen.get(name), none)
    };
    all.into_iter().map(fill).collect()
}

fn line(frame: &Frame, of: &Emergency, names: &Names) -> Line {
    let hsa = of.hsa.as_ref().map(|hsa| format!(", {hsa}")).unwrap_or_default();
    let mut units: Vec<String> = of.unit.iter().chain(&of.unit_asked).map(ToString::to_string).collect();
    units.dedup();
    let opened = Shown::minute(of.opened);
    let mark_of = [("name", of.name.as_str().into()), ("time", opened.text.as_str().into())];
    Line {
        mark_of: frame.language.say_with("emergencies-mark-of", mark_of),
        opened,
        until: Shown::minute(of.until),
        who: format!("{}{hsa}", of.name),
        units: units.join(", "),
        registry: of.registry.to_string(),
        patient: of.patient.to_string(),
        why: frame.say(words::emergency(of.why)),
        words: of.words.clone(),
        seen: of.seen.map(|(at, by)| (Shown::minute(at), names.get(frame, by))),
        to: format!("{LIST}/{}/seen", of.id),
    }
}

/// Marks one as seen.
pub(super) async fn see(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
    posted: Posted,
) -> Response {
    if posted.asked_for().is_err() {
        return Trouble::Unreadable.page(frame);
    }
    let Ok(id) = id.parse() else { return Trouble::NotFound.page(frame) };
    match app.see_emergency(&member, id).await {
        Ok(_) => see_other("/admin/emergencies?done=seen"),
        Err(problem) => trouble(frame, &problem),
    }
}
