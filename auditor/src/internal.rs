//! The internal listener: what gateways ask of the auditor. Unix socket or mutual TLS, never the network in the clear.

use crate::clock;
use crate::feed::Feed;
use crate::store::{By, Store, StoreError};
use axum::body::Body;
use axum::extract::{DefaultBodyLimit, Query, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use contract::directory::{Epoch, SessionAnswer, SessionQuestion, SessionsUsed};
use serde::Deserialize;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// Most entries of one report of use.
const USED_MAX: usize = 10_000;
/// A report's longest body: each entry has a key of 64 digits and a time.
const BODY_BYTES_MAX: usize = 2 << 20;
/// So many uses are stored in one transaction: others need their turn.
const USES_AT_ONCE: usize = 200;

#[derive(Clone)]
struct Internal {
    feed: Arc<Feed>,
    store: Store,
    stop: CancellationToken,
}

/// The internal listener's routes.
pub fn router(feed: Arc<Feed>, store: Store, stop: CancellationToken) -> Router {
    Router::new()
        .route("/internal/v1/directory", get(directory))
        .route("/internal/v1/session", post(session))
        .route("/internal/v1/activity", post(activity))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Internal { feed, store, stop })
}

#[derive(Debug, Deserialize)]
struct After {
    #[serde(default)]
    after: Epoch,
}

async fn directory(State(internal): State<Internal>, Query(query): Query<After>) -> Result<Response, Failed> {
    let stream = internal.feed.read(query.after, internal.stop.clone()).await?;
    let headers = [(header::CONTENT_TYPE, "application/x-ndjson"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(stream)).into_response())
}

async fn session(State(internal): State<Internal>, Json(question): Json<SessionQuestion>) -> Result<Response, Failed> {
    let session = internal.store.live_session(question.key, clock::now()).await?;
    let account = match &session {
        Some(session) => internal.store.directory_account(session.account, clock::now()).await?,
        None => None,
    };
    // Not earlier than what was read, and on its way to the gateway with the answer.
    let epoch = if session.is_some() { internal.feed.reach().await? } else { Epoch::default() };
    Ok(Json(SessionAnswer { session, account, epoch }).into_response())
}

async fn activity(State(internal): State<Internal>, Json(report): Json<SessionsUsed>) -> Result<Response, Failed> {
    if report.used.len() > USED_MAX || report.devices.len() > USED_MAX {
        return Ok((StatusCode::PAYLOAD_TOO_LARGE, "at most 10,000 entries a report\n").into_response());
    }
    for used in report.used.chunks(USES_AT_ONCE) {
        let mut change = internal.store.change(clock::now(), By::program("gateway")).await?;
        for (key, at) in used {
            change.use_session(*key, *at).await?;
        }
        change.commit().await?;
    }
    for used in report.devices.chunks(USES_AT_ONCE) {
        let mut change = internal.store.change(clock::now(), By::program("gateway")).await?;
        for (fingerprint, at) in used {
            change.use_device(*fingerprint, *at).await?;
        }
        change.commit().await?;
    }
    Ok(StatusCode::NO_CONTENT.into_response())
}

struct Failed(StoreError);

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl IntoResponse for Failed {
    fn into_response(self) -> Response {
        tracing::error!(error = &self.0 as &dyn std::error::Error, "an internal request failed");
        (StatusCode::SERVICE_UNAVAILABLE, "the account store does not answer\n").into_response()
    }
}
