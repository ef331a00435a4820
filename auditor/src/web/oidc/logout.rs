//! Where providers tell of logouts: OpenID Connect Back-Channel Logout 1.0.
//!
//! A provider has no client certificate of a device, so it cannot come through the gateway. This is a listener of its own,
//! with this one path, that takes nothing but tokens which a provider has signed for this program; it says nothing but
//! whether it was taken. The operators' listener is no place for what comes from outside.

use crate::clock;
use crate::provider::Provider;
use crate::store::{By, StoreError};
use crate::web::{App, Secret};
use axum::Router;
use axum::extract::rejection::FormRejection;
use axum::extract::{DefaultBodyLimit, Form, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use serde::Deserialize;
use std::num::NonZeroU32;
use std::sync::Arc;

/// Longest body: a token of 32 KiB and its name.
const BODY_BYTES_MAX: usize = 34 << 10;
/// So many tokens a second are looked at, with as many at once after a quiet second: each costs a signature's check.
const RATE: NonZeroU32 = NonZeroU32::new(50).expect("invariant: it is not zero");

struct Logouts {
    app: Arc<App>,
    rate: DefaultDirectRateLimiter,
}

/// What a provider sends.
#[derive(Deserialize)]
struct Sent {
    logout_token: Secret,
}

/// The listener's routes.
pub(in crate::web) fn router(app: Arc<App>) -> Router {
    Router::new()
        .route("/oidc/{name}/logout", post(logout))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(Logouts { app, rate: RateLimiter::direct(Quota::per_second(RATE)) }))
}

/// What became of a token.
enum Done {
    /// So many sessions have ended; none is right, too.
    Ended(usize),
    Replayed,
}

async fn logout(
    State(logouts): State<Arc<Logouts>>,
    Path(name): Path<String>,
    sent: Result<Form<Sent>, FormRejection>,
) -> Response {
    let app = &logouts.app;
    if logouts.rate.check().is_err() {
        return answer(StatusCode::TOO_MANY_REQUESTS, Some("temporarily_unavailable"));
    }
    let Some(provider) = app.oidc.named(&name) else { return answer(StatusCode::NOT_FOUND, Some("invalid_request")) };
    let Ok(Form(sent)) = sent else { return answer(StatusCode::BAD_REQUEST, Some("invalid_request")) };
    let count = |result| {
        if let Some(metrics) = &app.oidc.metrics {
            metrics.logout(&provider.settings().name, result);
        }
    };
    let told = match provider.logout(&sent.logout_token).await {
        Ok(told) => told,
        Err(error) => {
            tracing::warn!(provider = name, error = &error as &dyn std::error::Error, "a logout token is not taken");
            count(error.as_str());
            let passing = error.is_passing();
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
            answer(StatusCode::BAD_REQUEST, Some("invalid_request"))
        }
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a logout of an identity provider failed");
            count("failed");
            answer(StatusCode::SERVICE_UNAVAILABLE, Some("temporarily_unavailable"))
        }
    }
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
