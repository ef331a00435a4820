//! Where providers tell of logouts: OpenID Connect Back-Channel Logout 1.0.
//!
//! A provider has no client certificate of a device, so it cannot come through the gateway. This is a listener of its own,
//! with this one path, that takes nothing but tokens which a provider has signed for this program; it says nothing but
//! whether it was taken. The operators' listener is no place for what comes from outside.

use crate::accounts::oidc::TokenError;
use crate::clock;
use crate::net::{BODY, Limit, Peer, TooSlow, in_time};
use crate::provider::Provider;
use crate::store::{By, StoreError};
use crate::web::{App, Secret};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, FromRequest as _, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use contract::id::AccountId;
use contract::record::{AuthEventKind, Reason};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// Longest body: a token of 32 KiB and its name.
const BODY_BYTES_MAX: usize = 34 << 10;
/// So many tokens a second of one address are looked at, with as many at once after a quiet second: each costs a
/// signature's check. What plainly is no token does not count.
const RATE: NonZeroU32 = NonZeroU32::new(50).expect("invariant: it is not zero");

/// So many events a second tell of tokens that were refused: those between are counted in the next one.
const EVENTS: NonZeroU32 = NonZeroU32::new(1).expect("invariant: it is not zero");
/// So many of them at once after a quiet time.
const EVENTS_AT_ONCE: NonZeroU32 = NonZeroU32::new(10).expect("invariant: it is not zero");

struct Logouts {
    app: Arc<App>,
    rate: Limit,
    /// A body must be whole within this.
    within: Duration,
    events: DefaultDirectRateLimiter,
    /// Tokens that were refused and that no event has counted yet.
    untold: AtomicU32,
}

impl Logouts {
    /// A token that was refused is on record. Whoever sends many cannot fill the log: events come at a bounded rate, and
    /// each has the number of tokens since the one before.
    async fn refused(&self, provider: &str, why: &str) {
        self.untold.fetch_add(1, Ordering::Relaxed);
        if self.events.check().is_err() {
            return;
        }
        let count = self.untold.swap(0, Ordering::Relaxed);
        if count == 0 {
            return;
        }
        if let Err(error) = self.record(provider, why, count).await {
            self.untold.fetch_add(count, Ordering::Relaxed);
            tracing::error!(error = &error as &dyn std::error::Error, "a refused logout token is not recorded yet");
        }
    }

    async fn record(&self, provider: &str, why: &str, count: u32) -> Result<(), StoreError> {
        let mut change = self.app.store.change(clock::now(), By::program("oidc")).await?;
        let mut event = change.event(AuthEventKind::RequestRefused, AccountId::NONE);
        event.reason = Reason::ProviderAnswer;
        event.count = count;
        event.detail = format!("oidc logout provider={provider} {why}").into();
        change.record(event).await?;
        change.commit().await
    }
}

/// What a provider sends.
#[derive(Deserialize)]
struct Sent {
    logout_token: Secret,
}

/// The listener's routes.
pub(in crate::web) fn router(app: Arc<App>) -> Router {
    router_within(app, BODY)
}

/// The same, with another time for bodies.
pub(super) fn router_within(app: Arc<App>, within: Duration) -> Router {
    let events = RateLimiter::direct(Quota::per_second(EVENTS).allow_burst(EVENTS_AT_ONCE));
    Router::new().route("/oidc/{name}/logout", post(logout)).layer(DefaultBodyLimit::max(BODY_BYTES_MAX)).with_state(
        Arc::new(Logouts { app, rate: Limit::new(Quota::per_second(RATE)), within, events, untold: AtomicU32::new(0) }),
    )
}

/// What became of a token.
enum Done {
    /// So many sessions have ended; none is right, too.
    Ended(usize),
    Replayed,
}

async fn logout(State(logouts): State<Arc<Logouts>>, Path(name): Path<String>, request: Request) -> Response {
    let app = &logouts.app;
    let peer = request.extensions().get().copied().unwrap_or(Peer::UNKNOWN);
    let Some(provider) = app.oidc.named(&name) else { return answer(StatusCode::NOT_FOUND, Some("invalid_request")) };
    let sent = match in_time(logouts.within, Form::<Sent>::from_request(request, &())).await {
        Ok(Ok(Form(sent))) => sent,
        Ok(Err(_)) => return answer(StatusCode::BAD_REQUEST, Some("invalid_request")),
        Err(TooSlow) => return answer(StatusCode::REQUEST_TIMEOUT, Some("invalid_request")),
    };
    let count = |result| {
        if let Some(metrics) = &app.oidc.metrics {
            metrics.logout(&provider.settings().name, result);
        }
    };
    if !may_be_token(&sent.logout_token) {
        count(TokenError::Form.as_str());
        logouts.refused(provider.settings().name.as_str(), TokenError::Form.as_str()).await;
        return answer(StatusCode::BAD_REQUEST, Some("invalid_request"));
    }
    if !logouts.rate.allows(peer) {
        count("limited");
        return answer(StatusCode::TOO_MANY_REQUESTS, Some("temporarily_unavailable"));
    }
    let told = match provider.logout(&sent.logout_token).await {
        Ok(told) => told,
        Err(error) => {
            tracing::warn!(provider = name, error = &error as &dyn std::error::Error, "a logout token is not taken");
            count(error.as_str());
            let passing = error.is_passing();
            if !passing {
                logouts.refused(provider.settings().name.as_str(), error.as_str()).await;
            }
            let status = if passing { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::BAD_REQUEST };
            return answer(status, Some(if passing { "temporarily_unavailable" } else { "invalid_request" }));
        }
    };
    match app.end_at(provider, &told).await {
        Ok(Done::Ended(sessions)) => {
            tracing::info!(provider = name, sessions, "an identity provider has ended its session");
            count(if sessions == 0 { "none" } else { "ended" });
            answer(StatusCode::OK, None)
        }
        Ok(Done::Replayed) => {
            tracing::warn!(provider = name, "a logout token came again");
            count("replayed");
            logouts.refused(provider.settings().name.as_str(), "replayed").await;
            answer(StatusCode::BAD_REQUEST, Some("invalid_request"))
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a logout of an identity provider failed");
            count("failed");
            answer(StatusCode::SERVICE_UNAVAILABLE, Some("temporarily_unavailable"))
        }
    }
}

/// Whether a text has the three parts of a signed token.
fn may_be_token(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|byte| matches!(byte, b'-' | b'_') || byte.is_ascii_alphanumeric())
    };
    text.split('.').count() == 3 && text.split('.').all(part)
}

fn answer(status: StatusCode, error: Option<&str>) -> Response {
    let headers = [(header::CACHE_CONTROL, "no-store")];
    match error {
        None => (status, headers).into_response(),
        Some(error) => (status, headers, axum::Json(serde_json::json!({ "error": error }))).into_response(),
    }
}

impl App {
    /// Ends the sessions that rest on what a provider says has ended.
    async fn end_at(&self, provider: &Provider, told: &crate::accounts::oidc::Logout) -> Result<Done, StoreError> {
        let issuer = &provider.settings().issuer;
        let reference =
            |what: &str, said: &Option<String>| said.as_deref().map(|said| self.reference(what, issuer, said));
        let mut change = self.store.change(clock::now(), By::program("oidc")).await?;
        if !change.answer_once(&self.reference("logout token", issuer, &told.id), told.until).await? {
            return Ok(Done::Replayed);
        }
        let (session, subject) = (reference("session", &told.session), reference("subject", &told.subject));
        let ended = change.end_sessions_at(session, subject).await?;
        change.commit().await?;
        Ok(Done::Ended(ended))
    }
}
