//! One-time codes that devices are enrolled by, until they are used or withdrawn. They themselves are not shown again.

use super::enrol::NEW;
use super::{LIST, manages};
use crate::clock;
use crate::devices::DeviceCode;
use crate::duties::Action;
use crate::web::App;
use crate::web::admin::body::Fields;
use crate::web::admin::device_codes::state;
use crate::web::admin::devices::reaches;
use crate::web::admin::query::{Asked, Parameters};
use crate::web::desk::field::summary;
use crate::web::desk::leaf::{Button, Cell, Go, Leaf, Next, Table, kept};
use crate::web::desk::sent::{Again, At, Move, Undone};
use crate::web::desk::words;
use crate::web::desk::wrong::trouble;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted, Trouble};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::{Path, Query, State as Shared};
use axum::response::Response;
use contract::Micros;
use contract::id::DeviceCodeId;
use std::sync::Arc;

pub(super) const CODES: &str = "/admin/devices/codes";

/// The codes that have not been used.
pub(in crate::web::desk) async fn list(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    asked: Asked,
) -> Response {
    let mut asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let done = asked.iter().any(|(name, value)| name == "done" && value == "withdraw");
    asked.retain(|(name, value)| !value.is_empty() && name == "cursor");
    let at = At { app: &app, member: &member, frame: &frame };
    code_list(at, asked, Again::default(), done).await
}

async fn code_list(at: At<'_>, asked: Vec<(String, String)>, again: Again, done: bool) -> Response {
    let frame = at.frame;
    let began = !asked.is_empty();
    let found = match Parameters::new(Ok(Query(asked))) {
        Ok(asked) => at.app.code_list(at.member, asked).await,
        Err(problem) => Err(problem),
    };
    let (found, next) = match found {
        Ok(found) => found,
        Err(problem) => return trouble(frame.clone(), &problem),
    };
    let now = clock::now();
    let head = ["devices-name", "devices-organisation", "devices-code-begins", "devices-state", "devices-code-until"];
    let mut table = Table::new(frame, "codes", ["devices-codes", "devices-codes-none"], &head);
    let withdraws = manages(at.member);
    if withdraws {
        table.head.push(frame.say("sessions-action"));
    }
    table.lines = found.iter().map(|code| code_line(at, code, now, withdraws)).collect();
    table.next = next.map(|next| {
        let mut to = CODES.to_owned();
        kept(&mut to, "cursor", &next);
        Next::Get(to)
    });
    table.first = began.then(|| CODES.to_owned());
    let mut leaf = Leaf::new(frame.clone(), frame.say("devices-codes"));
    leaf.told = summary(&again.wrong, &[]);
    leaf.done = done.then(|| frame.say("devices-done-withdraw"));
    leaf.intro = vec![frame.say("devices-codes-intro")];
    leaf.links = vec![Go::to(LIST, frame.say("devices-back"))];
    if withdraws {
        leaf.links.push(Go::to(NEW, frame.say("devices-enrol")));
    }
    leaf.tables = vec![table];
    leaf.page(again.status)
}

fn code_line(at: At<'_>, code: &DeviceCode, now: Micros, withdraws: bool) -> Vec<Cell> {
    let frame = at.frame;
    let mut line = vec![
        Cell::text(code.name.clone()),
        Cell::text(code.organisation.to_string()),
        Cell::text(code.prefix.clone()),
        Cell::text(frame.say(words::code_state(state(code, now)))),
        Cell::time(Some(code.expires), frame.say("accounts-never")),
    ];
    if withdraws {
        let of = frame.say_of("devices-withdraw-of", "name", code.name.as_str());
        let button = Button { to: format!("{CODES}/{}/withdraw", code.id), hidden: Vec::new(), of };
        let mine = reaches(at.member, Action::ManageDevices, &code.organisation);
        line.push(if mine { Cell::button(frame.say("devices-withdraw"), button) } else { Cell::text("") });
    }
    line
}

/// A code that is to be good no more.
pub(in crate::web::desk) async fn withdraw(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    Path(id): Path<String>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let Ok(code) = id.parse::<DeviceCodeId>() else { return Trouble::NotFound.page(frame) };
    let sent = Move {
        to: format!("{CODES}/{id}/withdraw"),
        back: CODES.to_owned(),
        what: frame.say("devices-withdraw").into_owned(),
        names: &[],
        flags: &[],
        fields: Vec::new(),
    };
    let make = async |()| app.withdraw_code(&member, code).await;
    match at.run(posted, sent, Fields::finish, make).await {
        Ok(()) => see_other("/admin/devices/codes?done=withdraw"),
        Err(Undone::Page(page)) => *page,
        Err(Undone::Again(tried)) => code_list(at, Vec::new(), tried, false).await,
    }
}
