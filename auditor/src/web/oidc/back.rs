//! The way back from a provider.

use super::choose;
use super::enter::Person;
use super::sealed::{self, Begun, Choice, OIDC_COOKIE};
use super::trouble::{Refusal, Trouble};
use crate::accounts::oidc::{Told, claimed};
use crate::clock;
use crate::provider::Provider;
use crate::store::{AtProvider, StoreError};
use crate::web::attempt::{How, by, refuse};
use crate::web::language::Language;
use crate::web::pages::{self, Wrong, set_cookie};
use crate::web::{App, Caller, Secret, problem};
use axum::Extension;
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;
use contract::Micros;
use contract::id::AccountId;
use contract::record::AuthMethod;
use serde::Deserialize;
use std::sync::Arc;
use subtle::ConstantTimeEq as _;

/// What a provider sends a browser back with.
#[derive(Default, Deserialize)]
pub(in crate::web) struct Came {
    #[serde(default)]
    state: Secret,
    code: Option<Secret>,
    iss: Option<String>,
    error: Option<String>,
}

/// What follows.
enum Next {
    /// One person in one commission.
    Enter(Person),
    /// There is something to choose.
    Choose(Choice),
}

/// Somebody comes back from a provider.
pub(in crate::web) async fn come_back(
    State(app): State<Arc<App>>,
    Extension(caller): Extension<Caller>,
    Path(name): Path<String>,
    headers: HeaderMap,
    came: Result<Query<Came>, QueryRejection>,
) -> Response {
    let Some(provider) = app.oidc.named(&name) else {
        return problem(StatusCode::NOT_FOUND, "There is no such identity provider");
    };
    let came = came.map(|Query(came)| came).unwrap_or_default();
    let sealed = pages::cookie(&headers, OIDC_COOKIE).unwrap_or_default();
    let begun = app.oidc.open_begun(sealed, caller.assertion.device_cert, clock::now());
    let language = Language::choose(begun.as_ref().map(|begun| begun.language.as_str()), &headers);
    let next = match app.hear(&caller, provider, begun, &came).await {
        Ok(Ok(next)) => next,
        Ok(Err(refusal)) => return app.turn_away(&caller, provider, &headers, language, refusal).await,
        Err(error) => return app.cannot(&caller, &headers, language, &error),
    };
    match next {
        Next::Enter(person) => app.enter_or_say(&caller, provider, &headers, language, person).await,
        Next::Choose(choice) => {
            app.oidc.count(&provider.settings().name, "choice");
            choose::page(&app, &caller, language, &choice, None)
        }
    }
}

impl App {
    /// Hears what came: whether it is the answer to what was asked here, what it says, and whom it means.
    async fn hear(
        &self,
        caller: &Caller,
        provider: &Provider,
        begun: Option<Begun>,
        came: &Came,
    ) -> Result<Result<Next, Refusal>, StoreError> {
        let Some(begun) = begun.filter(|begun| {
            let same = begun.question.state.as_bytes().ct_eq(came.state.as_bytes());
            begun.provider == provider.settings().name.as_str() && bool::from(same)
        }) else {
            return Ok(Err(Refusal::stale("state")));
        };
        // Whatever becomes of it: it leads back once.
        let used = self.reference("state", &provider.settings().issuer, &begun.question.state);
        let mut change = self.store.change(clock::now(), by(caller)).await?;
        let fresh = change.answer_once(&used, begun.until).await?;
        change.commit().await?;
        if !fresh {
            return Ok(Err(Refusal::stale("replayed")));
        }
        match provider.is_its_answer(came.iss.as_deref()).await {
            Ok(true) => {}
            Ok(false) => {
                return Ok(Err(Refusal { trouble: Trouble::Unbelieved, ..Refusal::stale("issuer") }));
            }
            Err(error) => return Ok(Err(told_operators(provider, &error))),
        }
        if let Some(error) = &came.error {
            return Ok(Err(Refusal::said(error)));
        }
        let Some(code) = &came.code else { return Ok(Err(Refusal::stale("no_code"))) };
        match provider.answer(code, &begun.question).await {
            Ok(told) => self.whom(provider, told, begun.began()).await,
            Err(error) => Ok(Err(told_operators(provider, &error))),
        }
    }

    /// Whom a token means that holds.
    async fn whom(&self, provider: &Provider, told: Told, begun: Micros) -> Result<Result<Next, Refusal>, StoreError> {
        let settings = provider.settings();
        let claimed = match claimed(&told.claims, &settings.claims) {
            Ok(claimed) => claimed,
            Err(fault) => return Ok(Err(fault.into())),
        };
        let at = AtProvider {
            session: told.session.as_deref().map(|session| self.reference("session", &settings.issuer, session)),
            subject: self.reference("subject", &settings.issuer, &told.subject),
            begun,
        };
        // Only what leads to an account is worth choosing.
        let mut ids = claimed.ids;
        if ids.len() > 1 {
            let known = self.store.hsa_ids_with_account(&ids).await?;
            if !known.is_empty() {
                ids = known;
            }
        }
        let (mut ids, mut commissions) = (ids, claimed.commissions);
        if ids.len() > 1 || commissions.len() > 1 {
            let name = settings.name.as_str();
            return Ok(Ok(Next::Choose(Choice::new(name, (ids, commissions), told.level, at, clock::now()))));
        }
        let Some(hsa) = ids.pop() else { return Ok(Err(crate::accounts::oidc::ClaimFault::NoHsa.into())) };
        Ok(Ok(Next::Enter(Person { hsa, commission: commissions.pop(), acr: told.level, at })))
    }

    /// Records a refusal, and shows the login page that says what to do.
    pub(super) async fn turn_away(
        &self,
        caller: &Caller,
        provider: &Provider,
        headers: &HeaderMap,
        language: Language,
        refusal: Refusal,
    ) -> Response {
        let name = &provider.settings().name;
        tracing::info!(provider = name.as_str(), why = refusal.word, "a login at the identity provider was refused");
        self.oidc.count(name, refusal.word);
        self.metrics.login(refusal.reason);
        if let Err(error) = self.record_refusal(caller, provider, refusal).await {
            return self.cannot(caller, headers, language, &error);
        }
        self.say(caller, headers, language, refusal.trouble)
    }

    async fn record_refusal(&self, caller: &Caller, provider: &Provider, refusal: Refusal) -> Result<(), StoreError> {
        let mut change = self.store.change(clock::now(), by(caller)).await?;
        refuse(&mut change, AccountId::NONE, refusal.reason, &how(provider, refusal.word)).await?;
        change.commit().await
    }

    /// The login page where the store does not answer.
    pub(super) fn cannot(
        &self,
        caller: &Caller,
        headers: &HeaderMap,
        language: Language,
        error: &StoreError,
    ) -> Response {
        tracing::error!(error = error as &dyn std::error::Error, "a login at an identity provider failed");
        self.say(caller, headers, language, Trouble::Busy)
    }

    /// The login page with what is wrong. What was begun is over.
    pub(super) fn say(&self, caller: &Caller, headers: &HeaderMap, language: Language, trouble: Trouble) -> Response {
        let mut response = pages::page(self, caller, headers, language, Some(Wrong::Elsewhere(trouble)));
        set_cookie(&mut response, &sealed::forget());
        response
    }
}

/// How somebody tries, for the record.
pub(super) fn how(provider: &Provider, word: &str) -> How {
    let note = format!("oidc={} {word}", provider.settings().name.as_str());
    How { method: AuthMethod::Oidc, note: note.trim_end().to_owned() }
}

/// Tells operators what is wrong with a provider or its answer. Nothing of it names a person.
fn told_operators(provider: &Provider, error: &crate::provider::ProviderError) -> Refusal {
    let name = provider.settings().name.as_str();
    tracing::warn!(
        provider = name,
        error = error as &dyn std::error::Error,
        "an identity provider's answer is of no use"
    );
    error.into()
}
