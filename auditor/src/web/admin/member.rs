//! Who asks: somebody who is logged in, in a session that lives, with an account in use. All else is refused before
//! it is read, and so is what another site made a browser send.

use super::body::is_json;
use super::problem::{Kind, Problem};
use crate::accounts::State;
use crate::clock;
use crate::store::{StoreError, Viewer};
use crate::web::{App, Caller};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use contract::id::{AccountId, SessionKey};
use contract::record::AuthMethod;
use std::sync::Arc;

/// Somebody who may ask.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) account: AccountId,
    pub(super) session: SessionKey,
    /// Their account and what they are appointed to now.
    pub(super) viewer: Viewer,
    pub(super) caller: Caller,
}

/// At most so many appointments of one account are looked at.
const APPOINTMENTS_MAX: u32 = 1_000;

/// Lets a request in only of a [`Member`].
pub(super) async fn known_member(Shared(app): Shared<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Problem::from(Kind::NotLoggedIn).into_response();
    };
    match member(&app, caller, request.method(), request.headers()).await {
        Ok(member) => {
            request.extensions_mut().insert(member);
            next.run(request).await
        }
        Err(problem) => problem.into_response(),
    }
}

async fn member(app: &App, caller: Caller, method: &Method, headers: &HeaderMap) -> Result<Member, Problem> {
    let now = clock::now();
    let (Some(id), Some(key)) = (caller.assertion.account, caller.assertion.session) else {
        return Err(Kind::NotLoggedIn.into());
    };
    // An assertion lives for a minute; what has ended since then has ended.
    let session = app.store.live_session(key, now).await.map_err(|error| failed(&error))?;
    let session = session.filter(|session| session.account == id && session.device == caller.assertion.device);
    let session = session.ok_or(Kind::NotLoggedIn)?;
    // A program shows its token itself; a browser sends its cookie with whatever any page makes it send.
    if session.auth_method != AuthMethod::Token && !asked_here(method, headers) {
        return Err(Kind::CrossSite.into());
    }
    let account = app.store.account(id).await.map_err(|error| failed(&error))?.ok_or(Kind::NotLoggedIn)?;
    if !matches!(account.state.at(now), State::Active { .. }) {
        return Err(Kind::AccountInactive.into());
    }
    let given = app.store.appointments(Some(id), false, APPOINTMENTS_MAX).await.map_err(|error| failed(&error))?;
    let appointments = given.into_iter().filter(|given| given.in_force(now)).map(|given| given.appointment).collect();
    let viewer = Viewer { account: id, appointments };
    Ok(Member { account: id, session: key, viewer, caller })
}

fn failed(error: &StoreError) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "a request of the administration failed");
    Kind::Unavailable.into()
}

/// A header that a browser lets no other site's page send without asking first.
const OWN_HEADER: &str = "x-requested-with";

/// Whether a browser says that one of our own pages, or the user, asked for this. What changes something has to say so,
/// and in a way that no other site's form can.
fn asked_here(method: &Method, headers: &HeaderMap) -> bool {
    let site = headers.get("sec-fetch-site");
    let here = site.is_some_and(|site| site == "same-origin" || site == "none");
    if method == Method::GET || method == Method::HEAD {
        return here || site.is_none();
    }
    let json = headers.get(header::CONTENT_TYPE).is_some_and(is_json);
    here && (json || headers.contains_key(OWN_HEADER))
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::{HeaderName, HeaderValue};

    #[test]
    fn what_another_site_can_make_a_browser_send_is_refused() {
        let asked = |method: Method, headers: &[(&'static str, &'static str)]| {
            let pair = |(name, value): &(&'static str, &'static str)| {
                (HeaderName::from_static(name), HeaderValue::from_static(value))
            };
            asked_here(&method, &headers.iter().map(pair).collect())
        };
        let json = ("content-type", "application/json; charset=utf-8");
        let own = ("x-requested-with", "grindvakt");
        for site in ["same-origin", "none"] {
            let site = ("sec-fetch-site", site);
            assert!(asked(Method::POST, &[site, json]));
            assert!(asked(Method::PUT, &[site, own]));
            assert!(asked(Method::GET, &[site]));
            assert!(!asked(Method::POST, &[site]));
            for form in
                ["application/x-www-form-urlencoded", "multipart/form-data", "text/plain", "text/application/json"]
            {
                assert!(!asked(Method::POST, &[site, ("content-type", form)]));
            }
        }
        for site in ["cross-site", "same-site", ""] {
            let site = ("sec-fetch-site", site);
            assert!(!asked(Method::POST, &[site, json, own]));
            assert!(!asked(Method::GET, &[site]));
        }
        assert!(!asked(Method::POST, &[json, own]), "a browser says where it comes from");
        assert!(asked(Method::GET, &[]));
    }
}
