//! Sessions: one's own, and those of an account on its page.

use super::field::summary;
use super::leaf::{Button, Cell, Go, Leaf, Table};
use super::sent::{Again, At, Move, Undone};
use super::words;
use super::wrong::trouble;
use crate::duties::Action;
use crate::web::App;
use crate::web::admin::accounts::deeds;
use crate::web::admin::problem::Problem;
use crate::web::member::Member;
use crate::web::page::{Frame, Posted};
use crate::web::pages::see_other;
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::Uri;
use axum::response::Response;
use contract::directory::Session;
use contract::id::DeviceId;
use std::collections::HashMap;
use std::sync::Arc;

const PLACE: &str = "/admin/sessions";
const END: &str = "/admin/sessions/end";
/// Names of devices that a page looks up at most.
const DEVICES_MAX: usize = 20;

/// One's own sessions.
pub(super) async fn own(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    uri: Uri,
) -> Response {
    let done = uri.query().is_some_and(|query| query.split('&').any(|pair| pair == "done=sessions"));
    again(At { app: &app, member: &member, frame: &frame }, Again::default(), done).await
}

async fn again(at: At<'_>, again: Again, done: bool) -> Response {
    match leaf(at, &again, done).await {
        Ok(leaf) => leaf.page(again.status),
        Err(problem) => trouble(at.frame.clone(), &problem),
    }
}

async fn leaf(At { app, member, frame }: At<'_>, again: &Again, done: bool) -> Result<Leaf, Problem> {
    let open = app.sessions_of(member, member.account, "see sessions").await?;
    let mut devices = HashMap::new();
    for session in &open {
        if devices.len() < DEVICES_MAX && !devices.contains_key(&session.device) {
            let found = app.store.listed_device(session.device).await;
            let found = found.map_err(|error| Problem::from_store(&error, Action::SeeDevices))?;
            devices.extend(found.map(|listed| (session.device, listed.device.name)));
        }
    }
    let mut leaf = Leaf::new(frame.clone(), frame.say("sessions-heading"));
    leaf.done = done.then(|| frame.say("sessions-done"));
    leaf.told = summary(&again.wrong, &[]);
    leaf.intro = vec![frame.say("sessions-intro")];
    leaf.links = vec![
        Go::to(format!("/admin/accounts/{}", member.account), frame.say("sessions-account")),
        Go::to("/auth/passkeys", frame.say("sessions-passkeys")),
    ];
    leaf.tables = vec![table(frame, member, &open, END, &devices)];
    Ok(leaf)
}

/// Sessions, each with a button that ends it, and one for all.
pub(super) fn table(
    frame: &Frame,
    member: &Member,
    open: &[Session],
    end: &str,
    devices: &HashMap<DeviceId, String>,
) -> Table {
    let head =
        ["sessions-since", "sessions-device", "sessions-method", "sessions-used", "sessions-ends", "sessions-action"];
    let mut table = Table::new(frame, "sessions", ["sessions-open", "sessions-none"], &head);
    let line = |session: &Session| {
        let number = session.key.reference().to_string();
        let since = super::day::Shown::minute(session.created).text;
        let last = if session.key == member.session {
            Cell::text(frame.say("sessions-this"))
        } else {
            let of = frame.say_of("sessions-end-of", "since", since.as_str());
            let button = Button { to: end.to_owned(), hidden: vec![("session", number)], of };
            Cell::button(frame.say("sessions-end"), button)
        };
        vec![
            Cell::time(Some(session.created), frame.say("accounts-never")),
            Cell::text(devices.get(&session.device).cloned().unwrap_or_else(|| session.device.to_string())),
            Cell::text(frame.say(words::method(session.auth_method))),
            Cell::time(Some(session.last_used), frame.say("accounts-never")),
            Cell::time(Some(session.expires), frame.say("accounts-never")),
            last,
        ]
    };
    table.lines = open.iter().map(line).collect();
    let others = open.iter().filter(|session| session.key != member.session).count();
    if others > 1 {
        let of = frame.say("sessions-end-all").into_owned();
        let button = Button { to: end.to_owned(), hidden: Vec::new(), of };
        let mut line = vec![Cell::text(frame.say("sessions-all"))];
        line.extend((0..4).map(|_| Cell::text("")));
        line.push(Cell::button(frame.say("sessions-end-all"), button));
        table.lines.push(line);
    }
    table
}

/// Sessions of one's own that are to end.
pub(super) async fn end(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    frame: Frame,
    posted: Posted,
) -> Response {
    let at = At { app: &app, member: &member, frame: &frame };
    let sent = Move {
        to: END.to_owned(),
        back: PLACE.to_owned(),
        what: String::new(),
        names: &["session"],
        flags: &[],
        fields: Vec::new(),
    };
    let make = async |number| app.end_sessions(&member, member.account, number).await;
    match at.run(posted, sent, deeds::session, make).await {
        Ok(()) => see_other("/admin/sessions?done=sessions"),
        Err(Undone::Page(page)) => *page,
        Err(Undone::Again(tried)) => again(at, tried, false).await,
    }
}
