//! Where one comes to: who one is, what waits, how one's own forms stand, and where one can go.

use super::day::Shown;
use super::list::{Line, line};
use super::{devices, handouts, reviews, said, words, wrong};
use crate::clock;
use crate::duties::{self, Action, allows};
use crate::forms::State;
use crate::store::{Listed, Order, Page, Queue, Sought};
use crate::web::App;
use crate::web::admin::devices::deeds::List as Devices;
use crate::web::admin::emergencies::reviews as sees_emergencies;
use crate::web::admin::forms::List;
use crate::web::admin::handouts::deeds::sought;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::admin::query::Parameters;
use crate::web::admin::work::appoints;
use crate::web::member::Member;
use crate::web::page::{Frame, page};
use askama::Template;
use axum::Extension;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use std::borrow::Cow;
use std::sync::Arc;

/// The most that is counted of a queue.
const COUNT_MAX: u32 = 99;
/// So many of one's own forms are shown.
const OWN_MAX: u32 = 10;

/// A queue in which something waits.
#[derive(Debug)]
struct Waiting {
    to: String,
    name: Cow<'static, str>,
    count: String,
    oldest: Shown,
}

/// A device whose certificate ends soon.
#[derive(Debug)]
struct Expiring {
    to: String,
    name: String,
    ends: Shown,
}

#[derive(Template)]
#[template(path = "admin/start.html")]
struct StartPage {
    frame: Frame,
    heading: Cow<'static, str>,
    name: String,
    title: String,
    hsa: Option<String>,
    duties: Vec<String>,
    rights: Vec<(String, String)>,
    waiting: Vec<Waiting>,
    expiring: Vec<Expiring>,
    own: Vec<Line>,
    appoints: bool,
}

/// The start page.
pub(super) async fn show(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
) -> Response {
    match start(&app, &member, frame.clone()).await {
        Ok(shown) => page(StatusCode::OK, &shown),
        Err(problem) => wrong::trouble(frame, &problem),
    }
}

async fn start(app: &App, member: &Member, frame: Frame) -> Result<StartPage, Problem> {
    let me = app.visible_account(member, member.account).await?;
    let (me, grants, _) = me.ok_or(Kind::NotLoggedIn)?;
    let own = Page { queue: Queue::Mine, order: Order::Moved, limit: OWN_MAX, ..Page::default() };
    let (own, _) = app.form_list(member, &List { page: own, sort: "moved" }).await?;
    let now = clock::now();
    let held = grants.iter().filter(|grant| grant.valid_to.is_none_or(|to| now < to));
    let rights = held.map(|grant| (grant.registry.as_str().to_owned(), said::right(&frame, Some(grant))));
    let duties = member.viewer.appointments.iter().map(|of| words::appointment(frame.language, of));
    Ok(StartPage {
        heading: frame.say("start-heading"),
        name: me.name.clone(),
        title: me.title.clone(),
        hsa: me.hsa.as_ref().map(ToString::to_string),
        duties: duties.collect(),
        rights: rights.collect(),
        waiting: all_waiting(app, member, &frame).await?,
        expiring: expiring(app, member).await?,
        own: own.iter().map(|form| line(&frame, member, form)).collect(),
        appoints: appoints(member),
        frame,
    })
}

/// All in which something waits for a member: forms, credentials to hand out, accounts to confirm.
async fn all_waiting(app: &App, member: &Member, frame: &Frame) -> Result<Vec<Waiting>, Problem> {
    let mut all = waiting(app, member, frame).await?;
    let many = |count: usize, more: bool| {
        if more { frame.say_of("home-more", "count", count) } else { count.to_string() }
    };
    if handouts::hands_out(member) {
        for (key, query) in handouts::QUEUES {
            let asked = query.split('&').filter_map(|pair| pair.split_once('='));
            let asked = asked.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
            let sought = Sought { limit: COUNT_MAX, ..sought(Parameters::new(Ok(Query(asked)))?)? };
            let (found, more) = app.handout_list(member, sought).await?;
            let Some(oldest) = found.first() else { continue };
            all.push(Waiting {
                to: format!("/admin/handouts?{query}"),
                name: frame.say(key),
                count: many(found.len(), more.is_some()),
                oldest: Shown::minute(oldest.issued),
            });
        }
    }
    for region in reviews::regions(member) {
        let found = app.to_confirm(region).await?;
        let Some(oldest) = found.first() else { continue };
        all.push(Waiting {
            to: "/admin/reviews".to_owned(),
            name: format!("{}: {}", frame.say("home-reviews"), region.name()).into(),
            count: many(found.len(), found.len() >= reviews::SHOWN_MAX as usize),
            oldest: Shown::minute(oldest.confirmed),
        });
    }
    Ok(all)
}

/// Devices of theirs that end soon.
async fn expiring(app: &App, member: &Member) -> Result<Vec<Expiring>, Problem> {
    if !devices::sees(member) {
        return Ok(Vec::new());
    }
    let (found, _) = app.device_list(member, Devices::soon(clock::now(), OWN_MAX)).await?;
    let line = |listed: &Listed| Expiring {
        to: format!("/admin/devices/{}", listed.device.id),
        name: listed.device.name.clone(),
        ends: Shown::minute(listed.device.not_after),
    };
    Ok(found.iter().map(line).collect())
}

/// The queues in which something waits for a member.
async fn waiting(app: &App, member: &Member, frame: &Frame) -> Result<Vec<Waiting>, Problem> {
    let may = |action| member.viewer.appointments.iter().any(|appointment| allows(appointment.kind(), action));
    let queues = [
        (State::Draft, "home-queue-draft", true),
        (State::Submitted, "home-queue-submitted", may(Action::DecideForRegion)),
        (State::Approved, "home-queue-approved", may(Action::Forward)),
        (State::Forwarded, "home-queue-forwarded", may(Action::Execute)),
    ];
    let mut all = Vec::new();
    for (state, key, _) in queues.into_iter().filter(|(_, _, theirs)| *theirs) {
        let page = Page { queue: Queue::Waiting, state: Some(state), limit: COUNT_MAX, ..Page::default() };
        let (found, more) = app.form_list(member, &List { page, sort: "waited" }).await?;
        let Some(oldest) = found.first() else { continue };
        let count = found.len();
        all.push(Waiting {
            to: format!("/admin/forms?queue=waiting&state={}", state.as_str()),
            name: frame.say(key),
            count: if more.is_some() { frame.say_of("home-more", "count", count) } else { count.to_string() },
            oldest: Shown::minute(oldest.state_at),
        });
    }
    if sees_emergencies(member) {
        let units = duties::units(&member.viewer.appointments);
        let unseen = app.store.emergencies_unseen(units.as_deref()).await;
        let unseen = unseen.map_err(|error| Problem::from_store(&error, Action::Review))?;
        if let (count, Some(oldest)) = unseen {
            all.push(Waiting {
                to: "/admin/emergencies?seen=false".to_owned(),
                name: frame.say("home-queue-emergencies"),
                count: count.to_string(),
                oldest: Shown::minute(oldest),
            });
        }
    }
    Ok(all)
}
