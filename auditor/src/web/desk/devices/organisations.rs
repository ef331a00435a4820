//! Organisations that devices are enrolled for.

use super::LIST;
use crate::devices::Organisation;
use crate::duties::{Action, organisations};
use crate::web::App;
use crate::web::admin::devices::deeds;
use crate::web::admin::problem::Problem;
use crate::web::admin::query::{Asked, Parameters};
use crate::web::desk::field::{Field, summary};
use crate::web::desk::leaf::{Cell, Go, Leaf, Next, Offer, Table, kept};
use crate::web::desk::sent::{Again, At, Move, Undone};
use crate::web::desk::wrong::trouble;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::{Query, State as Shared};
use axum::response::Response;
use std::sync::Arc;

const PLACE: &str = "/admin/devices/organisations";

/// The list.
pub(in crate::web::desk) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    asked: Asked,
) -> Response {
    let mut asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let done = asked.iter().any(|(name, value)| name == "done" && value == "add");
    asked.retain(|(name, value)| !value.is_empty() && name == "cursor");
    again(At { app: &app, member: &member, frame: &frame }, asked, Again::default(), done).await
}

async fn again(at: At<'_>, asked: Vec<(String, String)>, again: Again, done: bool) -> Response {
    match leaf(at, asked, &again, done).await {
        Ok(leaf) => leaf.page(again.status),
        Err(problem) => trouble(at.frame.clone(), &problem),
    }
}

async fn leaf(at: At<'_>, asked: Vec<(String, String)>, again: &Again, done: bool) -> Result<Leaf, Problem> {
    let frame = at.frame;
    let began = !asked.is_empty();
    let (found, next) = at.app.organisation_list(at.member, Parameters::new(Ok(Query(asked)))?).await?;
    let head = ["devices-organisation-name", "forms-hsa", "accounts-created", "devices-of-organisation"];
    let mut table = Table::new(frame, "organisations", ["devices-organisations", "devices-organisations-none"], &head);
    table.lines = found.iter().map(|of| line(frame, of)).collect();
    table.next = next.map(|next| {
        let mut to = PLACE.to_owned();
        kept(&mut to, "cursor", &next);
        Next::Get(to)
    });
    table.first = began.then(|| PLACE.to_owned());
    let mut leaf = Leaf::new(frame.clone(), frame.say("devices-organisations"));
    leaf.done = done.then(|| frame.say("devices-done-organisation"));
    leaf.links = vec![Go::to(LIST, frame.say("devices-back"))];
    leaf.tables = vec![table];
    // Who enrols for all organisations adds any; who enrols for one adds that one, until it is there.
    let theirs = organisations(&at.member.viewer.appointments, Action::ManageDevices);
    let lacks = theirs.as_ref().is_none_or(|some| some.iter().any(|hsa| found.iter().all(|of| of.hsa != *hsa)));
    if lacks {
        let fill = |field: Field| {
            let value = again.typed.get(field.name).to_owned();
            field.with(&value, &again.wrong)
        };
        leaf.offers = vec![Offer {
            name: "add".to_owned(),
            to: PLACE.to_owned(),
            heading: frame.say("devices-organisation-add"),
            intro: frame.say("devices-organisation-intro"),
            hidden: Vec::new(),
            fields: fields(frame).into_iter().map(fill).collect(),
            second: false,
            files: false,
        }];
    }
    leaf.told = summary(&again.wrong, leaf.offers.first().map_or(&[], |offer| offer.fields.as_slice()));
    Ok(leaf)
}

fn line(frame: &Frame, of: &Organisation) -> Vec<Cell> {
    let mut to = LIST.to_owned();
    kept(&mut to, "organisation", of.hsa.as_str());
    vec![
        Cell::text(of.name.clone()),
        Cell::text(of.hsa.to_string()),
        Cell::time(Some(of.created), frame.say("accounts-never")),
        Cell::link(to, frame.say_of("devices-show-of", "name", of.name.as_str())),
    ]
}

fn fields(frame: &Frame) -> Vec<Field> {
    vec![
        Field::line(frame, "hsa", "forms-hsa").hinted(frame, "forms-hsa-hint"),
        Field::line(frame, "name", "devices-organisation-name"),
    ]
}

/// An organisation, sent.
pub(in crate::web::desk) async fn add(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let sent = Move {
        to: PLACE.to_owned(),
        back: PLACE.to_owned(),
        what: frame.say("devices-organisation-add").into_owned(),
        names: &["hsa", "name"],
        flags: &[],
        fields: fields(&frame),
    };
    let make = async |new| app.add_organisation(&member, new).await;
    match at.run(posted, sent, deeds::new_organisation, make).await {
        Ok(_) => see_other("/admin/devices/organisations?done=add"),
        Err(Undone::Page(page)) => *page,
        Err(Undone::Again(tried)) => again(at, Vec::new(), tried, false).await,
    }
}
