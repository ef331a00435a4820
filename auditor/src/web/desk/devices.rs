//! Devices: the list that duties reach, and one of them.

pub(super) mod codes;
pub(super) mod enrol;
mod one;
pub(super) mod organisations;

pub(super) use one::{post, show};

use super::field::{Choice, Field, Input, summary};
use super::leaf::{Cell, Chosen, Filter, Go, Leaf, Next, Table, address, get};
use super::words;
use super::wrong::{trouble, whole};
use crate::clock;
use crate::duties::{Action, allows, organisations};
use crate::store::Listed;
use crate::web::App;
use crate::web::admin::devices::deeds::{List, ORDERS};
use crate::web::admin::devices::view::state;
use crate::web::admin::problem::{Kind, Problem};
use crate::web::admin::query::{Asked, Parameters};
use crate::web::member::Member;
use crate::web::page::Frame;
use axum::Extension;
use axum::extract::{Query, State as Shared};
use axum::http::StatusCode;
use axum::response::Response;
use contract::Micros;
use std::sync::Arc;

const LIST: &str = "/admin/devices";
const NAMES: [&str; 4] = ["search", "organisation", "state", "sort"];

/// Whether a duty of somebody's lets them see any devices.
pub(super) fn sees(member: &Member) -> bool {
    organisations(&member.viewer.appointments, Action::SeeDevices).is_none_or(|some| !some.is_empty())
}

/// Whether a duty of somebody's lets them enrol and revoke any.
pub(super) fn manages(member: &Member) -> bool {
    member.viewer.appointments.iter().any(|appointment| allows(appointment.kind(), Action::ManageDevices))
}

/// The list.
pub(super) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    asked: Asked,
) -> Response {
    let mut chosen = asked.map(|Query(asked)| asked).unwrap_or_default();
    chosen.retain(|(name, value)| !value.trim().is_empty() && name != "lang");
    match leaf(&app, &member, &frame, &chosen).await {
        Ok(leaf) => leaf.page(StatusCode::OK),
        Err(problem) if matches!(problem.kind(), Kind::Invalid | Kind::Malformed) => {
            match leaf(&app, &member, &frame, &[]).await {
                Ok(mut leaf) => {
                    leaf.told = summary(&[whole(&frame, "devices-wrong")], &[]);
                    leaf.page(StatusCode::BAD_REQUEST)
                }
                Err(problem) => trouble(frame, &problem),
            }
        }
        Err(problem) => trouble(frame, &problem),
    }
}

async fn leaf(app: &App, member: &Member, frame: &Frame, chosen: &Chosen) -> Result<Leaf, Problem> {
    let now = clock::now();
    let asked = Parameters::new(Ok(Query(chosen.to_vec())))?;
    let (found, next) = app.device_list(member, List::read(asked, now)?).await?;
    let head = ["devices-name", "devices-organisation", "devices-state", "devices-ends", "devices-used"];
    let mut table = Table::new(frame, "devices", ["devices-found", "devices-none"], &head);
    table.lines = found.iter().map(|listed| line(frame, listed, now)).collect();
    table.next = next.map(|next| Next::Get(address(LIST, &NAMES, chosen, &next)));
    table.first = (!get(chosen, "cursor").is_empty()).then(|| address(LIST, &NAMES, chosen, ""));
    let mut leaf = Leaf::new(frame.clone(), frame.say("devices-heading"));
    if manages(member) {
        leaf.links.push(Go::to("/admin/devices/new", frame.say("devices-enrol")));
    }
    leaf.links.push(Go::to("/admin/devices/codes", frame.say("devices-codes")));
    leaf.links.push(Go::to("/admin/devices/organisations", frame.say("devices-organisations")));
    leaf.tables = vec![table];
    Ok(leaf.with_list(Filter { to: LIST.to_owned(), post: false, fields: filter(frame, chosen) }))
}

fn line(frame: &Frame, listed: &Listed, now: Micros) -> Vec<Cell> {
    let device = &listed.device;
    vec![
        Cell::link(format!("{LIST}/{}", device.id), device.name.clone()),
        Cell::text(device.organisation.to_string()),
        Cell::text(frame.say(words::device_state(state(listed, now)))),
        Cell::time(Some(ends(listed)), frame.say("accounts-never")),
        Cell::time(listed.last_used, frame.say("accounts-never")),
    ]
}

/// When a device's last certificate ends.
fn ends(listed: &Listed) -> Micros {
    listed.next.map_or(listed.device.not_after, |next| next.not_after.max(listed.device.not_after))
}

fn filter(frame: &Frame, chosen: &Chosen) -> Vec<Field> {
    let states = [
        ("", "forms-list-any"),
        ("active", "devices-state-in-use"),
        ("expiring", "devices-state-expiring"),
        ("revoked", "devices-state-revoked"),
    ];
    let states = states.into_iter().map(|(value, key)| Choice::new(value, frame.say(key))).collect();
    let sorts = ORDERS.iter().map(|(name, _)| Choice::new(*name, frame.say(words::device_order(name)))).collect();
    let select = |name, key, choices| Field::line(frame, name, key).input(Input::Select(choices));
    let search = Field::line(frame, "search", "devices-search").hinted(frame, "devices-search-hint");
    let all = [
        search.input(Input::Line("search")),
        Field::line(frame, "organisation", "devices-organisation").hinted(frame, "forms-hsa-hint"),
        select("state", "devices-state", states),
        select("sort", "accounts-sort", sorts),
    ];
    let fill = |field: Field| {
        let name = field.name;
        field.with(get(chosen, name), &[])
    };
    all.into_iter().map(fill).collect()
}
