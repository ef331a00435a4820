//! The application that stands behind the gateway: login, logout, and who one is.
//!
//! Every request carries the gateway's signed assertion, or gets 401. The pages work without scripts; only passkeys,
//! which browsers give to scripts alone, need one. Another, where it is set, lets lists change in place (`live`).

mod admin;
pub mod assertion;
mod attempt;
mod collect;
mod desk;
mod form;
mod icon;
mod instructions;
mod known;
mod language;
mod live;
mod member;
mod nowhere;
mod oidc;
mod outside;
mod page;
mod pages;
mod passkey;
mod renew;
mod siths;
mod texts;
mod throttle;

pub use attempt::LoginMetrics;
pub use oidc::OidcMetrics;
pub use siths::{CardMetrics, CardRefusals};

use crate::accounts::passkey::RelyingParty;
use crate::accounts::totp::TotpKey;
use crate::config::Login;
use crate::issuing::Desk;
use crate::provider::Provider;
use crate::sealing::RestKey;
use crate::sessions::Limits;
use crate::store::{Counter, Office, Store};
use assertion::Verifier;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use contract::Micros;
use contract::directory::{Assertion, CLIENT_ADDRESS_HEADER};
use contract::pseudonym::PseudonymKey;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use throttle::Throttle;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

/// What the application works with.
#[derive(Debug)]
pub struct App {
    store: Store,
    office: Office,
    issuing: Arc<Desk>,
    counter: Counter,
    handout: crate::config::Handout,
    instructions: crate::config::Instructions,
    /// A form that nobody has done anything with for so long has lapsed.
    request_life_us: Micros,
    accounts: crate::config::Accounts,
    verifier: Arc<Verifier>,
    totp: Arc<TotpKey>,
    passkeys: Arc<RestKey>,
    /// None: there are no passkeys here.
    party: Option<RelyingParty>,
    pseudonym: PseudonymKey,
    form: form::FormKey,
    oidc: oidc::Oidc,
    /// None: cards are shown nowhere.
    siths: Option<siths::Cards>,
    login: Login,
    limits: Limits,
    throttle: Throttle,
    checks: Semaphore,
    help: String,
    title: String,
    metrics: LoginMetrics,
    /// None: pages are loaded whole.
    live: Option<Arc<live::Live>>,
}

/// What [`App::new`] is made of.
#[derive(Debug)]
pub struct Parts {
    /// The store.
    pub store: Store,
    /// Where devices get certificates.
    pub issuing: Arc<Desk>,
    /// Verifies assertions.
    pub verifier: Arc<Verifier>,
    /// Keys.
    pub keys: crate::config::Keys,
    /// Login settings.
    pub login: Login,
    /// Session limits.
    pub limits: Limits,
    /// Whom users turn to.
    pub help: String,
    /// The installation's title.
    pub title: String,
    /// Counters.
    pub metrics: LoginMetrics,
    /// A form that nobody has done anything with for so long has lapsed.
    pub request_life_us: Micros,
    /// What time does with accounts.
    pub accounts: crate::config::Accounts,
    /// How credentials are handed out.
    pub handout: crate::config::Handout,
    /// What users accept before they do anything else.
    pub instructions: crate::config::Instructions,
}

impl App {
    /// Puts the application together.
    pub fn new(parts: Parts) -> Self {
        let office = Office::new(parts.store.clone(), parts.keys.fields, parts.request_life_us);
        let totp = Arc::clone(&parts.keys.totp);
        let form = form::FormKey::new(&parts.keys.form);
        Self {
            oidc: oidc::Oidc::new(&form, Vec::new(), None),
            siths: None,
            counter: Counter::new(office.clone(), parts.keys.handout, totp, parts.handout.rule),
            handout: parts.handout,
            instructions: parts.instructions,
            office,
            request_life_us: parts.request_life_us,
            accounts: parts.accounts,
            store: parts.store,
            issuing: parts.issuing,
            verifier: parts.verifier,
            totp: parts.keys.totp,
            passkeys: parts.keys.passkeys,
            party: parts.login.origin.as_ref().map(|origin| RelyingParty::new(origin, &parts.title)),
            pseudonym: parts.keys.pseudonym,
            form,
            limits: parts.limits,
            throttle: Throttle::new(parts.login.delay, parts.login.delay_max),
            checks: Semaphore::new(parts.login.checks_at_once),
            login: parts.login,
            help: parts.help,
            title: parts.title,
            metrics: parts.metrics,
            live: None,
        }
    }

    /// With identity providers that users may log in at.
    #[must_use]
    pub fn with_providers(mut self, providers: Vec<Arc<Provider>>, metrics: OidcMetrics) -> Self {
        self.oidc = oidc::Oidc::new(&self.form, providers, Some(metrics));
        self
    }

    /// With a listener that users show SITHS cards to, and where what it refuses is noted.
    #[must_use]
    pub fn with_cards(mut self, settings: &crate::config::Siths, refusals: Arc<CardRefusals>) -> Self {
        self.siths = Some(siths::Cards::new(settings, refusals));
        self
    }

    /// With the script by which lists change in place.
    #[must_use]
    pub fn with_htmx(mut self, htmx: &crate::config::Htmx) -> Self {
        self.live = Some(Arc::new(live::Live::new(htmx)));
        self
    }
}

/// A request's sender, as the gateway vouches for it.
#[derive(Debug, Clone)]
struct Caller {
    assertion: Arc<Assertion>,
    address: Ipv6Addr,
}

/// Most bytes of a form or JSON body.
const BODY_BYTES_MAX: usize = 16 << 10;

/// The application's routes.
pub fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/auth/login", get(pages::show).post(pages::submit))
        .route("/auth/login/passkey", post(passkey::log_in))
        .route("/auth/login/passkey/question", post(passkey::question))
        .route("/auth/oidc/{name}", get(oidc::start))
        .route("/auth/oidc/{name}/callback", get(oidc::come_back))
        .route("/auth/oidc/{name}/choose", post(oidc::choose))
        .route("/auth/siths", get(siths::start))
        .route("/auth/siths/back", get(siths::come_back))
        .route("/auth/logout", post(pages::logout))
        .route("/auth/passkeys", get(passkey::show).post(passkey::add))
        .route("/auth/passkeys/confirm", post(passkey::confirm))
        .route("/auth/passkeys/new", post(passkey::new))
        .route("/auth/passkeys/rename", post(passkey::rename))
        .route("/auth/passkeys/remove", post(passkey::remove))
        .route("/auth/static/passkey.js", get(passkey::script))
        .route("/auth/static/htmx.js", get(live::htmx))
        .route("/auth/static/lists.js", get(live::lists))
        .route("/auth/renew", post(renew::renew))
        .route("/auth/token", post(pages::token))
        .route("/auth/me", get(pages::me))
        .route("/auth/collect", get(collect::show).post(collect::halves))
        .route("/auth/collect/own", post(collect::own))
        .route("/auth/collect/passkey", get(collect::passkey).post(collect::take))
        .route("/auth/collect/passkey/question", post(collect::question))
        .route("/auth/collect/done", get(collect::done))
        .route("/auth/static/style.css", get(pages::style))
        .route("/favicon.ico", get(icon::show))
        .fallback(nowhere::nowhere)
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .merge(admin::router(&app))
        .merge(desk::router(&app))
        .merge(instructions::router(&app))
        .merge(desk::emergency::router(&app))
        .merge(desk::open_router())
        .layer(middleware::from_fn_with_state(Arc::clone(&app), known_caller))
        .layer(middleware::map_response(harden))
        .with_state(app)
}

/// The routes of the listener where identity providers tell of logouts: it stands behind no gateway.
pub fn logout_router(app: Arc<App>) -> Router {
    oidc::logout_router(app)
}

/// The routes of the listener that browsers show SITHS cards to: it stands behind no gateway.
pub fn card_router(app: Arc<App>) -> Router {
    siths::router(app).layer(middleware::map_response(harden))
}

/// Lets a request in only with a valid assertion.
async fn known_caller(State(app): State<Arc<App>>, mut request: Request, next: Next) -> Response {
    match app.verifier.verify(request.headers()) {
        Ok(assertion) => {
            let address = client_address(request.headers());
            request.extensions_mut().insert(Caller { assertion: Arc::new(assertion), address });
            next.run(request).await
        }
        Err(error) => {
            app.metrics.unasserted(&error);
            tracing::debug!(error = &error as &dyn std::error::Error, "a request without a valid assertion");
            problem(StatusCode::UNAUTHORIZED, "This application is reached through its gateway only")
        }
    }
}

fn client_address(headers: &HeaderMap) -> Ipv6Addr {
    let address =
        headers.get(CLIENT_ADDRESS_HEADER).and_then(|value| value.to_str().ok()?.trim().parse::<IpAddr>().ok());
    match address {
        Some(IpAddr::V4(address)) => address.to_ipv6_mapped(),
        Some(IpAddr::V6(address)) => address,
        None => Ipv6Addr::UNSPECIFIED,
    }
}

/// What a page may do. No script, but for pages that say so.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
const SCRIPTED_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self'; \
                               form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Marks an answer that is a page with the script.
#[derive(Debug, Clone, Copy)]
struct Scripted;

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    (header::REFERRER_POLICY, "no-referrer"),
    (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
];

/// Headers that every answer has. What does not say otherwise is not kept by anybody.
async fn harden(mut response: Response) -> Response {
    let scripted = response.extensions().get::<Scripted>().is_some();
    let usual = HeaderValue::from_static(if scripted { SCRIPTED_POLICY } else { POLICY });
    let policy = response.extensions().get::<live::Policy>().map_or(usual, |policy| policy.0.clone());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    for (name, value) in SECURITY_HEADERS {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An error for programs: RFC 9457.
fn problem(status: StatusCode, title: &str) -> Response {
    let body = serde_json::json!({ "type": "about:blank", "title": title, "status": status.as_u16() });
    (status, [(header::CONTENT_TYPE, "application/problem+json")], body.to_string()).into_response()
}

/// A secret text that is wiped when dropped.
type Secret = Zeroizing<String>;
