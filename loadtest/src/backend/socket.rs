//! WebSockets: one that echoes and answers questions about patients, one that is about a single patient.

use super::api::patient_json;
use super::store::{NotFound, Store};
use axum::Router;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::extract::{Path, State};
use axum::response::Response;
use axum::routing::any;
use serde_json::{Value, json};
use std::sync::Arc;

pub(super) fn routes() -> Router<Arc<Store>> {
    Router::new().route("/ws", any(open)).route("/ws/patients/{patient}", any(open_patient))
}

async fn open(State(store): State<Arc<Store>>, upgrade: WebSocketUpgrade) -> Response {
    upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| talk(socket, store, None))
}

async fn open_patient(
    State(store): State<Arc<Store>>,
    Path(patient): Path<String>,
    upgrade: WebSocketUpgrade,
) -> Result<Response, NotFound> {
    let number = store.patient(&patient)?.id.expose().to_owned();
    Ok(upgrade.max_message_size(MESSAGE_BYTES_MAX).on_upgrade(move |socket| talk(socket, store, Some(number))))
}

const MESSAGE_BYTES_MAX: usize = 64 << 10;

/// Answers until the client leaves: `{"patient": …}` with that patient's data, all else with itself. A socket of a
/// single patient starts with that patient's data.
async fn talk(mut socket: WebSocket, store: Arc<Store>, patient: Option<String>) {
    if let Some(number) = patient {
        let Ok(text) = lookup(&store, &number) else { return };
        if socket.send(Message::Text(text.into())).await.is_err() {
            return;
        }
    }
    while let Some(Ok(message)) = socket.recv().await {
        let answer = match message {
            Message::Text(text) => Message::Text(answer(&store, &text).into()),
            Message::Binary(bytes) => Message::Binary(bytes),
            Message::Ping(_) | Message::Pong(_) => continue,
            Message::Close(_) => return,
        };
        if socket.send(answer).await.is_err() {
            return;
        }
    }
}

fn answer(store: &Store, text: &str) -> String {
    let question = serde_json::from_str::<Value>(text).ok();
    match question.as_ref().and_then(|q| q.get("patient")).and_then(Value::as_str) {
        None => text.to_owned(),
        Some(number) => lookup(store, number).unwrap_or_else(|_| json!({"error": "no such patient"}).to_string()),
    }
}

fn lookup(store: &Store, number: &str) -> Result<String, NotFound> {
    Ok(patient_json(store, store.patient(number)?, 0).to_string())
}
