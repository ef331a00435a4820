//! Where cards are shown. TLS has seen to it that a card's authority is one of the settings', that it holds and is not revoked
//! ([`crate::net::card_tls`]); here it is read whose card it is and whether it is of a kind that is let in.
//!
//! A card of the wrong kind gets a page that says so, for a broken connection would tell its user nothing. Nobody learns here
//! whether there is an account.

use super::{CODE_LIFE, Cards, hash};
use crate::accounts::siths::{Card, CardFault};
use crate::clock;
use crate::net::{ClientCertificate, Peer};
use crate::random;
use crate::store::{By, SeenCard, StoreError};
use crate::web::form::well_formed;
use crate::web::language::Language;
use crate::web::pages::see_other;
use crate::web::{App, problem};
use askama::Template;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse as _, Response};
use axum::routing::get;
use axum::{Extension, Router};
use serde::Deserialize;
use std::sync::Arc;
use zeroize::Zeroizing;

#[derive(Template)]
#[template(path = "card.html")]
struct CardPage<'a> {
    language: Language,
    title: &'a str,
    help: &'a str,
    /// The main host.
    main: String,
    key: &'static str,
    /// Whether another certificate would do.
    other: bool,
}

/// What a login takes along.
#[derive(Default, Deserialize)]
struct Asked {
    #[serde(default)]
    state: String,
    lang: Option<String>,
}

/// The listener's routes.
pub(in crate::web) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/", get(show))
        .fallback(|| async { problem(StatusCode::NOT_FOUND, "There is nothing here") })
        .layer(map_response(close))
        .with_state(app)
}

/// Each login shows the card anew: no connection is used again.
async fn close(mut response: Response) -> Response {
    response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    response
}

async fn show(
    State(app): State<Arc<App>>,
    peer: Option<Extension<Peer>>,
    certificate: Option<Extension<ClientCertificate>>,
    headers: HeaderMap,
    asked: Result<Query<Asked>, QueryRejection>,
) -> Response {
    let (Some(cards), Some(Extension(certificate))) = (&app.siths, certificate) else {
        return problem(StatusCode::FORBIDDEN, "A card is needed");
    };
    if !is_host(&headers, cards) {
        return problem(StatusCode::MISDIRECTED_REQUEST, "This is another host");
    }
    let asked = asked.map(|Query(asked)| asked).unwrap_or_default();
    let language = Language::choose(asked.lang.as_deref(), &headers);
    if !well_formed(&asked.state) {
        return page(&app, language, StatusCode::FORBIDDEN, "siths-page-stale");
    }
    let card = match Card::read(&certificate.0, &cards.policies) {
        Ok(card) => card,
        Err(fault) => {
            cards.refusals.card(peer.map(|Extension(peer)| peer), fault);
            return page(&app, language, StatusCode::FORBIDDEN, key(fault));
        }
    };
    match app.hand_over(&asked.state, &card).await {
        Ok(code) => {
            cards.refusals.seen();
            let main = app.main();
            see_other(&format!("{main}/auth/siths/back?code={}&lang={}", code.as_str(), language.tag()))
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a card cannot be handed over to the login");
            page(&app, language, StatusCode::SERVICE_UNAVAILABLE, "siths-page-busy")
        }
    }
}

impl App {
    /// Keeps whom a card was seen of, and gives the code for it.
    async fn hand_over(&self, state: &str, card: &Card) -> Result<Zeroizing<String>, StoreError> {
        let code = random::token();
        let seen = SeenCard {
            hsa: card.hsa.clone(),
            level: card.level.clone(),
            note: format!("card={} policy={}", card.serial, card.policy),
        };
        let mut change = self.store.change(clock::now(), By::program("siths")).await?;
        let until = change.at().saturating_add(CODE_LIFE);
        change.keep_card_code(&hash(&code), state, &seen, until).await?;
        change.commit().await?;
        Ok(code)
    }

    /// The main host, as browsers know it. The settings have it wherever they have cards.
    fn main(&self) -> String {
        self.login.origin.as_ref().map(ToString::to_string).unwrap_or_default()
    }
}

/// Whether a request is for the host that the settings name.
fn is_host(headers: &HeaderMap, cards: &Cards) -> bool {
    let mut hosts = headers.get_all(header::HOST).iter();
    let own = cards.origin.strip_prefix("https://").unwrap_or_default();
    let host = hosts.next().and_then(|host| host.to_str().ok());
    host.is_some_and(|host| host.eq_ignore_ascii_case(own)) && hosts.next().is_none()
}

fn page(app: &App, language: Language, status: StatusCode, key: &'static str) -> Response {
    let other = !matches!(key, "siths-page-stale" | "siths-page-busy");
    let page = CardPage { language, title: &app.title, help: &app.help, main: app.main(), key, other };
    let Ok(html) = page.render() else {
        return problem(StatusCode::INTERNAL_SERVER_ERROR, "The page cannot be shown");
    };
    (status, Html(html)).into_response()
}

const fn key(fault: CardFault) -> &'static str {
    match fault {
        CardFault::Form => "siths-page-form",
        CardFault::Purpose => "siths-page-purpose",
        CardFault::Function => "siths-page-function",
        CardFault::Policy => "siths-page-policy",
        CardFault::NoHsa => "siths-page-no-hsa",
    }
}
