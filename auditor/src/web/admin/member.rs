//! Lets in who may ask. All else is refused before it is read, and so is what another site made a browser send.

use super::body::is_json;
use super::problem::{Kind, Problem};
pub(super) use crate::web::member::Member;
use crate::web::member::Unknown;
use crate::web::pages::from_elsewhere;
use crate::web::{App, Caller};
use axum::extract::{Request, State as Shared};
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use contract::record::AuthMethod;
use std::sync::Arc;

/// Lets a request in only of a [`Member`].
pub(super) async fn known_member(Shared(app): Shared<Arc<App>>, mut request: Request, next: Next) -> Response {
    let Some(caller) = request.extensions().get::<Caller>().cloned() else {
        return Problem::from(Kind::NotLoggedIn).into_response();
    };
    let member = match app.member(caller).await {
        Ok(member) => member,
        Err(unknown) => return Problem::from(Kind::from(unknown)).into_response(),
    };
    // A program shows its token itself; a browser sends its cookie with whatever any page makes it send. A token that
    // was made a cookie of is sent by a browser, which says where it was asked to.
    let asked = match member.method {
        AuthMethod::Token => !from_elsewhere(request.headers()),
        _ => asked_here(request.method(), request.headers()),
    };
    if !asked {
        return Problem::from(Kind::CrossSite).into_response();
    }
    if member.instructions_due {
        return Problem::from(Kind::InstructionsDue).into_response();
    }
    request.extensions_mut().insert(member);
    next.run(request).await
}

impl From<Unknown> for Kind {
    fn from(unknown: Unknown) -> Self {
        match unknown {
            Unknown::NotLoggedIn => Self::NotLoggedIn,
            Unknown::AccountInactive => Self::AccountInactive,
            Unknown::Unavailable => Self::Unavailable,
        }
    }
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
