//! Passkeys on the web: login and signatures with them, and a page where users see, add, rename and remove their own.
//!
//! A browser's script fetches a question, asks the authenticator, and sends the answer with an ordinary form; so what
//! follows, refusals too, is as with a password. The question's state comes back in a [`ticket`], which is good for one
//! answer.

mod add;
mod login;
mod own;
mod proof;
mod sign;
#[cfg(test)]
pub(super) mod tests;
mod texts;
pub(super) mod ticket;

pub(super) use add::{add, confirm, new};
pub(super) use login::{log_in, question};
pub(super) use own::{remove, rename, show};
pub(super) use texts::PasskeyTexts;

use super::problem;
use crate::accounts::passkey::{PasskeyError, Question};
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::json;

/// The script.
pub(super) async fn script() -> Response {
    let headers =
        [(header::CONTENT_TYPE, "text/javascript; charset=utf-8"), (header::CACHE_CONTROL, "private, max-age=3600")];
    (headers, include_str!("../../templates/passkey.js")).into_response()
}

/// What the script gets: options for the browser, and the ticket to send with the answer.
pub(super) fn asked(question: Result<Question, PasskeyError>, ticket: impl FnOnce(&str) -> String) -> Response {
    match question {
        Ok(question) => Json(json!({ "options": question.options, "ticket": ticket(&question.state) })).into_response(),
        Err(error) => {
            tracing::error!(error = &error as &dyn std::error::Error, "a passkey cannot be asked for");
            problem(StatusCode::INTERNAL_SERVER_ERROR, "No passkey can be asked for")
        }
    }
}

/// Where there are no passkeys: the settings name no origin for them.
pub(super) fn none_here() -> Response {
    problem(StatusCode::NOT_FOUND, "There are no passkeys here")
}
