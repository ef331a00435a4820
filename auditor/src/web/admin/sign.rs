//! Signatures: a second factor that was shown in this session a short while ago.

use super::body::Fields;
use super::member::Member;
use super::problem::{Kind, Problem};
use super::{answer, refused};
use crate::accounts::State;
use crate::accounts::login::{Shown, Verdict, judge};
use crate::clock;
use crate::forms::Signature;
use crate::store::StoreError;
use crate::web::App;
use crate::web::attempt::{How, LoginError, by, settle};
use axum::Extension;
use axum::extract::State as Shared;
use axum::http::StatusCode;
use axum::response::Response;
use contract::Micros;
use contract::record::AuthMethod;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;
use zeroize::Zeroizing;

/// A code is never longer; longer texts are not looked at.
const CODE_BYTES_MAX: usize = 64;

/// A one-time code.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct StepUp {
    /// Of the authenticator application. It counts once.
    code: String,
}

/// An answered question to a passkey.
#[derive(ToSchema)]
#[expect(dead_code, reason = "says what a body has; it is read by `Fields`")]
pub(super) struct StepUpByPasskey {
    /// The question's ticket. It counts once.
    ticket: String,
    /// The browser's answer, as text: JSON in the form of WebAuthn's `AuthenticationResponseJSON`.
    answer: String,
}

/// A question to a passkey.
#[derive(Serialize, ToSchema)]
pub(super) struct Question {
    /// For the browser's `navigator.credentials.get`: an object in the form of WebAuthn's
    /// `CredentialRequestOptions`, as text.
    options: String,
    /// To be sent with the answer, within five minutes.
    ticket: String,
}

/// How long signatures can be made.
#[derive(Serialize, ToSchema)]
pub(super) struct SteppedUp {
    /// Until when, RFC 3339.
    until: String,
}

/// Shows a second factor, to sign with for a while. Wrong codes count, delay and lock like those of a login.
#[utoipa::path(
    post, path = "/step-up", tag = "session", operation_id = "step_up", request_body = StepUp,
    responses(
        (status = 200, description = "Signatures can be made in this session for a while", body = SteppedUp),
    )
)]
pub(super) async fn step_up(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    let code = fields.text("code").map(Zeroizing::new);
    fields.finish()?;
    let until = clock::rfc3339(app.step_up(&member, &code.unwrap_or_default()).await?);
    Ok(answer(StatusCode::OK, None, &SteppedUp { until }))
}

/// Asks for a passkey, to sign with for a while.
#[utoipa::path(
    post, path = "/step-up/question", tag = "session", operation_id = "step_up_question",
    responses((status = 200, description = "A question, for this session alone", body = Question))
)]
pub(super) async fn question(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    fields: Fields,
) -> Result<Response, Problem> {
    fields.finish()?;
    let (options, ticket) = app.ask_to_sign(&member).ok_or(Kind::NotFound)?.map_err(|error| {
        tracing::error!(error = &error as &dyn std::error::Error, "a passkey cannot be asked for");
        Kind::Unavailable
    })?;
    Ok(answer(StatusCode::OK, None, &Question { options: options.to_string(), ticket }))
}

/// Shows a passkey, to sign with for a while. What is refused counts, delays and locks like what is refused at a login.
#[utoipa::path(
    post, path = "/step-up/passkey", tag = "session", operation_id = "step_up_by_passkey",
    request_body = StepUpByPasskey,
    responses(
        (status = 200, description = "Signatures can be made in this session for a while", body = SteppedUp),
    )
)]
pub(super) async fn step_up_by_passkey(
    Shared(app): Shared<Arc<App>>,
    Extension(member): Extension<Member>,
    mut fields: Fields,
) -> Result<Response, Problem> {
    if app.party.is_none() {
        return Err(Kind::NotFound.into());
    }
    let (ticket, shown) = (fields.text("ticket"), fields.text("answer"));
    fields.finish()?;
    let (ticket, shown) = (ticket.unwrap_or_default(), Zeroizing::new(shown.unwrap_or_default()));
    let until = app.stepped_up(&member, async |now| app.show_passkey(&member, &ticket, &shown, now).await).await?;
    Ok(answer(StatusCode::OK, None, &SteppedUp { until: clock::rfc3339(until) }))
}

impl App {
    /// Somebody shows a code. Until when signatures can be made in their session.
    pub(in crate::web) async fn step_up(&self, member: &Member, code: &str) -> Result<Micros, Problem> {
        let code = if code.len() <= CODE_BYTES_MAX { code } else { "" };
        self.stepped_up(member, async |now| self.show_code(member, code, now).await).await
    }

    /// Lets somebody show a second factor: a refusal waits like that of a login.
    async fn stepped_up(
        &self,
        member: &Member,
        show: impl AsyncFnOnce(Micros) -> Result<bool, StoreError>,
    ) -> Result<Micros, Problem> {
        let account = self.store.account(member.account).await.map_err(|error| refused(&error))?;
        let account = account.ok_or(Kind::NotLoggedIn)?;
        let tried = self.pseudonym.user_name(account.user_name.as_str());
        let decide = async {
            let now = clock::now();
            if show(now).await? { Ok(now) } else { Err(LoginError::Refused) }
        };
        match self.in_turn(tried.0, &member.caller, decide).await {
            Ok(shown) => Ok(shown.saturating_add(self.login.step_up_us)),
            Err(LoginError::Refused) => Err(Kind::CodeRefused.into()),
            Err(LoginError::Busy) => Err(Kind::Unavailable.into()),
            // The session has ended in the meantime.
            Err(LoginError::Store(StoreError::Absent(_))) => Err(Kind::NotLoggedIn.into()),
            Err(LoginError::Store(error)) => Err(refused(&error)),
        }
    }

    /// Judges a code like that of a login whose password was right, and notes at the session that it was shown.
    async fn show_code(&self, member: &Member, code: &str, now: Micros) -> Result<bool, StoreError> {
        let mut change = self.store.change(now, by(&member.caller)).await?;
        let account = change.account(member.account).await?;
        let credential = change.credential(account.id).await?;
        let code = self.check_code(account.id, &credential, code, now);
        let (before, last_login) = (account.state, account.last_login);
        // A session is of an account that was in use; one that no longer is signs nothing.
        let shown = Shown { password: matches!(before.at(now), State::Active { .. }), code };
        let mut verdict = judge(account, shown, self.login.lock, now);
        if let Verdict::In { account, .. } = &mut verdict {
            // Signing is not logging in: whether an account rests is counted by logins.
            account.last_login = last_login;
        }
        let how = How { method: AuthMethod::PasswordTotp, note: "step-up".to_owned() };
        let settled = settle(&mut change, before, verdict, &how).await?;
        if settled.is_ok() {
            change.show_factor(member.session, AuthMethod::PasswordTotp).await?;
        }
        change.commit().await?;
        Ok(settled.is_ok())
    }

    /// A signature of a member, if a second factor was shown a short while ago.
    pub(super) async fn sign(&self, member: &Member, now: Micros) -> Result<Signature, Problem> {
        let stale = || Problem::step_up(self.login.step_up_us / clock::SECOND);
        let fresh = self.store.shown_factor(member.session).await.map_err(|error| refused(&error))?;
        fresh.ok_or_else(stale)?.sign(now, self.login.step_up_us).map_err(|_| stale())
    }
}
