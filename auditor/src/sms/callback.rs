//! What the provider tells of messages: `POST /sms/delivered/MESSAGE` with `id`, `status` and `delivered`, by Basic
//! authentication. It tells again until it gets 2xx, so the same word twice is as good as once, and so is one about a message
//! that is none any more.

use super::client::ID_BYTES_MAX;
use crate::clock;
use crate::config::SmsCallback;
use crate::handout::Stage;
use crate::net::{BODY, TooSlow, in_time};
use crate::store::{By, Counter};
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, FromRequest as _, Path, Request, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use contract::id::MessageId;
use serde::Deserialize;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;
use zeroize::Zeroizing;

/// Where it is, up to the message's id.
pub(super) const PATH: &str = "/sms/delivered/";
const BODY_BYTES_MAX: usize = 4 << 10;

struct Listener {
    counter: Counter,
    /// What the provider must show.
    basic: Zeroizing<String>,
}

#[derive(Deserialize)]
struct Told {
    id: String,
    status: String,
}

/// The listener's one route.
pub fn router(counter: Counter, settings: &SmsCallback) -> Router {
    let user = Zeroizing::new(format!("{}:{}", settings.user, *settings.password));
    let basic = Zeroizing::new(format!("Basic {}", STANDARD.encode(user.as_bytes())));
    Router::new()
        .route(&format!("{PATH}{{message}}"), post(told))
        .layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
        .with_state(Arc::new(Listener { counter, basic }))
}

async fn told(State(listener): State<Arc<Listener>>, Path(message): Path<String>, request: Request) -> Response {
    let shown = request.headers().get(header::AUTHORIZATION).map(HeaderValue::as_bytes).unwrap_or_default();
    if !bool::from(shown.ct_eq(listener.basic.as_bytes())) {
        return (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"sms\"")]).into_response();
    }
    // Only for who is the provider is a body waited for, and not for long.
    let told = match in_time(BODY, Form::<Told>::from_request(request, &())).await {
        Ok(Ok(Form(told))) => told,
        Ok(Err(_)) => return StatusCode::BAD_REQUEST.into_response(),
        Err(TooSlow) => return StatusCode::REQUEST_TIMEOUT.into_response(),
    };
    let word = match told.status.as_str() {
        "sent" => Stage::Sent,
        "delivered" => Stage::Delivered,
        "failed" => Stage::Failed,
        _ => return StatusCode::BAD_REQUEST.into_response(),
    };
    let Ok(id) = message.parse::<MessageId>() else { return StatusCode::NO_CONTENT.into_response() };
    if told.id.is_empty() || told.id.len() > ID_BYTES_MAX {
        return StatusCode::BAD_REQUEST.into_response();
    }
    let done = listener.counter.message_told(clock::now(), By::program("sms"), id, word, Some(&told.id)).await;
    match done {
        Ok(_) => StatusCode::NO_CONTENT.into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "what became of a text message cannot be kept");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}
