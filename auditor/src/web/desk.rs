//! The administration's pages, `/admin`. They work without scripts; lists may have some besides. What may be done is
//! decided where the interface for programs asks too: in the store, with `duties` and the forms themselves.

mod account;
mod accounts;
mod apply;
mod appointments;
mod day;
mod devices;
mod emergencies;
pub(super) mod emergency;
mod field;
mod handout;
mod handouts;
mod imports;
mod leaf;
mod list;
mod moves;
mod paper;
mod reviews;
mod said;
mod sent;
mod sessions;
mod sheet;
mod show;
mod start;
mod step;
#[cfg(test)]
mod tests;
mod turn;
mod words;
mod write;
mod wrong;

use super::admin::emergencies::reviews as sees_emergencies;
use super::member::{Member, Unknown};
use super::page::{Frame, Link, Trouble, chosen, remember};
use super::pages::{see_other, set_cookie};
use super::{App, Caller, problem};
use crate::duties::{Action, allows};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State as Shared};
use axum::http::StatusCode;
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get, post};
use contract::way_back::{WayBack, set_return_cookie};
use std::sync::Arc;

/// Most bytes of a form.
const BODY_BYTES_MAX: usize = 64 << 10;

/// The pages' routes.
pub(super) fn router(app: &Arc<App>) -> Router<Arc<App>> {
    Router::new()
        .route("/admin", get(start::show).fallback(wrong_method))
        .route("/admin/", any(async || see_other("/admin")))
        .merge(forms())
        .merge(things())
        .route("/admin/{*rest}", any(nothing))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .layer(middleware::from_fn(super::instructions::first))
        .layer(middleware::from_fn_with_state(Arc::clone(app), known_member))
}

/// Forms on their way, appointments, and openings in emergencies.
fn forms() -> Router<Arc<App>> {
    let routes = [
        ("/admin/forms", get(list::list)),
        ("/admin/forms/new/{paper}", get(write::new).post(write::begin)),
        ("/admin/forms/{id}", get(show::show)),
        ("/admin/forms/{id}/edit", get(write::edit).post(write::mend)),
        ("/admin/forms/{id}/{deed}", post(moves::post)),
        ("/admin/appointments", get(appointments::list)),
        ("/admin/appointments/new", get(appointments::new).post(appointments::give)),
        ("/admin/appointments/{id}/end", get(appointments::ending).post(appointments::end)),
        ("/admin/emergencies", get(emergencies::list)),
        ("/admin/emergencies/{id}/seen", post(emergencies::see)),
    ];
    routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route.fallback(wrong_method)))
}

/// Accounts, their credentials, sessions and devices, and tables about people.
fn things() -> Router<Arc<App>> {
    let import = post(imports::post).layer(DefaultBodyLimit::max(imports::BODY_BYTES_MAX));
    let routes = [
        ("/admin/accounts", get(accounts::list).post(accounts::search)),
        ("/admin/accounts/{id}", get(account::show)),
        ("/admin/accounts/{id}/{deed}", post(account::post)),
        ("/admin/reviews", get(reviews::list)),
        ("/admin/sessions", get(sessions::own)),
        ("/admin/sessions/end", post(sessions::end)),
        ("/admin/handouts", get(handouts::list)),
        ("/admin/handouts/{id}", get(handout::show)),
        ("/admin/handouts/{id}/{deed}", post(handout::post)),
        ("/admin/devices", get(devices::list)),
        ("/admin/devices/new", get(devices::enrol::new)),
        ("/admin/devices/new/{way}", post(devices::enrol::post)),
        ("/admin/devices/codes", get(devices::codes::list)),
        ("/admin/devices/codes/{id}/withdraw", post(devices::codes::withdraw)),
        ("/admin/devices/organisations", get(devices::organisations::list).post(devices::organisations::add)),
        ("/admin/devices/{id}", get(devices::show)),
        ("/admin/devices/{id}/{deed}", post(devices::post)),
        ("/admin/imports", get(imports::show).merge(import)),
    ];
    routes.into_iter().fold(Router::new(), |router, (path, route)| router.route(path, route.fallback(wrong_method)))
}

/// Pages before anybody is logged in, on an enrolled device.
pub(super) fn open_router() -> Router<Arc<App>> {
    Router::new()
        .route("/auth/apply", get(apply::show).post(apply::submit))
        .route("/auth/apply/case", get(apply::case).post(apply::open))
        .route("/auth/apply/case/mend", post(apply::mend))
        .route("/auth/apply/case/leave", post(apply::leave))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

/// The menu of somebody: what their duties lead them to.
pub(super) fn links(member: &Member) -> Vec<Link> {
    let allowed = |action| member.viewer.appointments.iter().any(|of| allows(of.kind(), action));
    let all = [
        (true, Link { to: "/admin", key: "link-start" }),
        (true, Link { to: "/admin/forms", key: "forms-link" }),
        (allowed(Action::SeeAccount), Link { to: "/admin/accounts", key: "accounts-heading" }),
        (allowed(Action::Reconfirm), Link { to: "/admin/reviews", key: "reviews-heading" }),
        (allowed(Action::HandOut), Link { to: "/admin/handouts", key: "handouts-heading" }),
        (allowed(Action::SeeDevices), Link { to: "/admin/devices", key: "devices-heading" }),
        (sees_emergencies(member), Link { to: "/admin/emergencies", key: "emergencies-link" }),
        (allowed(Action::Import), Link { to: "/admin/imports", key: "imports-heading" }),
        (true, Link { to: "/admin/appointments", key: "forms-link-appointments" }),
        (true, Link { to: "/admin/sessions", key: "sessions-heading" }),
    ];
    all.into_iter().filter(|(theirs, _)| *theirs).map(|(_, link)| link).collect()
}

/// Lets a request in only of a member, and remembers the language that it chooses.
pub(super) async fn known_member(Shared(app): Shared<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return problem(StatusCode::UNAUTHORIZED, "Not logged in");
    };
    let language = chosen(request.uri());
    match app.member(caller).await {
        Ok(member) => {
            request.extensions_mut().insert(member);
            let mut response = next.run(request).await;
            if let Some(language) = language {
                remember(&mut response, language);
            }
            response
        }
        // The login says whom to ask about an account that is not in use.
        Err(Unknown::NotLoggedIn | Unknown::AccountInactive) => log_in(&request),
        Err(Unknown::Unavailable) => problem(StatusCode::SERVICE_UNAVAILABLE, "This does not answer now"),
    }
}

/// Sends somebody to the login, and remembers where they wanted to go if they only looked.
fn log_in(request: &Request) -> Response {
    let mut response = see_other("/auth/login");
    let wanted = request.uri().path_and_query().filter(|_| request.method().is_safe());
    if let Some(way) = wanted.and_then(|wanted| WayBack::parse(wanted.as_str())) {
        set_cookie(&mut response, &set_return_cookie(Some(&way)));
    }
    response
}

async fn nothing(frame: Frame) -> Response {
    Trouble::NotFound.page(frame)
}

async fn wrong_method(frame: Frame) -> Response {
    Trouble::Method.page(frame)
}
