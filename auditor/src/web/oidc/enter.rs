//! In, for whom a provider knows and this installation too.

use super::back::how;
use super::sealed;
use super::trouble::{Refusal, Trouble};
use crate::accounts::login::judge_elsewhere;
use crate::clock;
use crate::provider::Provider;
use crate::store::AtProvider;
use crate::web::attempt::{Brought, LoginError, Opened, by, settle};
use crate::web::language::Language;
use crate::web::pages::{self, set_cookie};
use crate::web::{App, Caller};
use axum::http::HeaderMap;
use axum::response::Response;
use contract::directory::Commission;
use contract::id::HsaId;
use contract::record::{AuthMethod, Reason};

/// One person in one commission, as a provider says it.
pub(super) struct Person {
    pub(super) hsa: HsaId,
    /// None: the account's own.
    pub(super) commission: Option<Commission>,
    pub(super) acr: String,
    pub(super) at: AtProvider,
}

/// What became of somebody.
enum Entered {
    In(Opened),
    /// There is not one account.
    Nobody(&'static str),
    /// The account is not to be used; that is recorded.
    Out,
}

impl App {
    /// Leads somebody in, or to the login page that says why not.
    pub(super) async fn enter_or_say(
        &self,
        caller: &Caller,
        provider: &Provider,
        headers: &HeaderMap,
        language: Language,
        person: Person,
    ) -> Response {
        let name = &provider.settings().name;
        match self.enter(caller, provider, person).await {
            Ok(Entered::In(opened)) => {
                self.oidc.count(name, "in");
                let mut response = pages::inside(headers, &opened);
                set_cookie(&mut response, &sealed::forget());
                response
            }
            Ok(Entered::Nobody(word)) => {
                let refusal = Refusal { reason: Reason::NoAccount, word, trouble: Trouble::NoAccount };
                self.turn_away(caller, provider, headers, language, refusal).await
            }
            Ok(Entered::Out) => {
                self.oidc.count(name, "unusable");
                self.say(caller, headers, language, Trouble::Unusable)
            }
            Err(error) => {
                pages::log_failure(&error);
                self.say(caller, headers, language, Trouble::Busy)
            }
        }
    }

    async fn enter(&self, caller: &Caller, provider: &Provider, person: Person) -> Result<Entered, LoginError> {
        let now = clock::now();
        let mut change = self.store.change(now, by(caller)).await?;
        let mut accounts = change.accounts_by_hsa(&person.hsa).await?;
        let account = match (accounts.pop(), accounts.pop()) {
            (Some(account), None) => account,
            (None, _) => return Ok(Entered::Nobody("no_account")),
            (Some(_), Some(_)) => return Ok(Entered::Nobody("several_accounts")),
        };
        let before = account.state;
        let settled = settle(&mut change, before, judge_elsewhere(account, now), &how(provider, "")).await?;
        let brought = Brought {
            note: note(provider, &person),
            acr: person.acr,
            commission: person.commission,
            at: Some(person.at),
        };
        match self.let_in_with(change, caller, settled, AuthMethod::Oidc, brought).await {
            Ok(opened) => Ok(Entered::In(opened)),
            Err(LoginError::Refused) => Ok(Entered::Out),
            Err(error) => Err(error),
        }
    }
}

/// Where somebody logged in, and from which unit in which commission they will act.
fn note(provider: &Provider, person: &Person) -> String {
    let named = |word: &str, hsa: Option<&HsaId>| hsa.map(|hsa| format!("{word}={hsa}"));
    let commission = person.commission.as_ref();
    let parts = [
        Some(how(provider, "").note),
        named("commission", commission.and_then(|commission| commission.hsa.as_ref())),
        named("unit", commission.and_then(|commission| commission.care_unit.as_ref())),
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}
