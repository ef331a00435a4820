//! In, for whom a provider knows and this installation too.

use super::back::how;
use super::sealed;
use super::trouble::{Refusal, Trouble};
use crate::provider::Provider;
use crate::store::AtProvider;
use crate::web::attempt::Brought;
use crate::web::known::Entered;
use crate::web::language::Language;
use crate::web::pages::{self, set_cookie};
use crate::web::{App, Caller};
use axum::http::HeaderMap;
use axum::response::Response;
use contract::directory::Commission;
use contract::id::HsaId;
use contract::record::Reason;

/// One person in one commission, as a provider says it.
pub(super) struct Person {
    pub(super) hsa: HsaId,
    /// None: the account's own.
    pub(super) commission: Option<Commission>,
    pub(super) acr: String,
    pub(super) at: AtProvider,
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
        let brought = Brought {
            note: note(provider, &person),
            acr: person.acr,
            commission: person.commission,
            at: Some(person.at),
        };
        match self.enter(caller, &person.hsa, &how(provider, ""), brought).await {
            Ok(Entered::In(opened)) => {
                self.oidc.count(name, "in");
                let mut response = pages::inside(headers, &opened);
                set_cookie(&mut response, &sealed::forget());
                response
            }
            Ok(Entered::Nobody(word)) => {
                let refusal = Refusal { reason: Reason::NoAccount, word, trouble: Trouble::NoUse };
                self.turn_away(caller, provider, headers, language, refusal).await
            }
            Ok(Entered::Ended) => self.turn_away(caller, provider, headers, language, Refusal::stale("ended")).await,
            Ok(Entered::Out) => {
                self.oidc.count(name, "unusable");
                self.say(caller, headers, language, Trouble::NoUse)
            }
            Err(error) => {
                pages::log_failure(&error);
                self.say(caller, headers, language, Trouble::Busy)
            }
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
