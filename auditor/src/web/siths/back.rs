//! The way back from where a card was shown.

use super::begun::{Begun, CARD_COOKIE};
use super::hash;
use crate::clock;
use crate::store::{SeenCard, StoreError};
use crate::web::attempt::{Brought, How, LoginError, by, refuse};
use crate::web::form::well_formed;
use crate::web::known::Entered;
use crate::web::language::Language;
use crate::web::oidc::Trouble;
use crate::web::pages::{self, Wrong, gone, set_cookie};
use crate::web::{App, Caller, Secret, problem};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::id::AccountId;
use contract::record::{AuthMethod, Reason};
use serde::Deserialize;
use std::sync::Arc;

/// What a browser comes back with.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Came {
    #[serde(default)]
    code: Secret,
    lang: Option<String>,
}

/// Somebody comes back who has shown a card.
pub(in crate::web) async fn come_back(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    headers: HeaderMap,
    came: Result<Query<Came>, QueryRejection>,
) -> Response {
    if app.siths.is_none() {
        return problem(StatusCode::NOT_FOUND, "No cards are let in here");
    }
    let came = came.map(|Query(came)| came).unwrap_or_default();
    let language = Language::choose(came.lang.as_deref(), &headers);
    let entered = app.enter_by_card(&caller, &headers, &came).await;
    let trouble = match entered {
        Ok(Ok(Entered::In(opened))) => {
            let mut response = pages::inside(&headers, &opened);
            set_cookie(&mut response, &gone(CARD_COOKIE, "Lax"));
            return response;
        }
        Ok(Ok(Entered::Nobody(_) | Entered::Ended | Entered::Out)) => Trouble::Card,
        Ok(Err(reason)) => {
            tracing::info!(why = reason.as_str(), "a login with a SITHS card was refused");
            Trouble::Stale
        }
        Err(error) => {
            pages::log_failure(&error);
            Trouble::Busy
        }
    };
    let mut response = pages::page(&app, &caller, &headers, language, Some(Wrong::Elsewhere(trouble)));
    set_cookie(&mut response, &gone(CARD_COOKIE, "Lax"));
    response
}

impl App {
    /// Takes the code, and leads in whom it was made for. Whatever is refused is recorded.
    async fn enter_by_card(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        came: &Came,
    ) -> Result<Result<Entered, Reason>, LoginError> {
        let seen = match self.take_code(caller, headers, came).await? {
            Ok(seen) => seen,
            Err(reason) => return Ok(Err(reason)),
        };
        let how = How { method: AuthMethod::Siths, note: seen.note.clone() };
        let brought = Brought { acr: seen.level, note: seen.note, ..Brought::default() };
        let entered = self.enter(caller, &seen.hsa, &how, brought).await?;
        if let Entered::Nobody(word) = entered {
            let how = How { note: format!("{} {word}", how.note), ..how };
            let mut change = self.store.change(clock::now(), by(caller)).await?;
            refuse(&mut change, AccountId::NONE, Reason::NoAccount, &how).await?;
            change.commit().await?;
            self.metrics.login(Reason::NoAccount);
        }
        Ok(Ok(entered))
    }

    /// Takes the code where the login began that it was made for. It is used up in any case.
    async fn take_code(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        came: &Came,
    ) -> Result<Result<SeenCard, Reason>, StoreError> {
        let now = clock::now();
        let begun = pages::cookie(headers, CARD_COOKIE).and_then(|cookie| Begun::from_cookie(cookie, now));
        let state = begun.map(|begun| begun.state(&self.form, caller.assertion.device_cert)).unwrap_or_default();
        let mut change = self.store.change(now, by(caller)).await?;
        let taken = if well_formed(&came.code) {
            change.take_card_code(&hash(&came.code), &state).await?
        } else {
            Err(Reason::CodeUnknown)
        };
        if let Err(reason) = taken {
            let how = How { method: AuthMethod::Siths, note: String::new() };
            refuse(&mut change, AccountId::NONE, reason, &how).await?;
            self.metrics.login(reason);
        }
        change.commit().await?;
        Ok(taken)
    }
}
