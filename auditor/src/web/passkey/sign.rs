//! Signing with a passkey: it is shown again in the session that signs.

use super::proof::For;
use super::ticket::{self, Aim};
use crate::accounts::passkey::PasskeyError;
use crate::clock;
use crate::store::StoreError;
use crate::web::App;
use crate::web::attempt::{How, by, refuse};
use crate::web::form::Bound;
use crate::web::member::Member;
use contract::Micros;
use contract::record::{AuthMethod, Reason};
use serde_json::Value;

impl App {
    /// A question to a member's passkey: options for the browser, and the ticket to send with the answer. None: there are no
    /// passkeys here.
    pub(in crate::web) fn ask_to_sign(&self, member: &Member) -> Option<Result<(Value, String), PasskeyError>> {
        let (to, device) = (Bound::Session(member.session), member.caller.assertion.device_cert);
        let asked = self.party.as_ref()?.ask();
        Some(asked.map(|question| {
            let ticket = ticket::make(&self.form, Aim::Sign, to, device, &question.state, clock::now());
            (question.options, ticket)
        }))
    }

    /// Judges an answer like one of a login, and notes at the session that a second factor was shown. False: it is refused,
    /// which is on record. One to a question of another session, or on another device, is.
    pub(in crate::web) async fn show_passkey(
        &self,
        member: &Member,
        ticket: &str,
        answer: &str,
        now: Micros,
    ) -> Result<bool, StoreError> {
        let Some(party) = &self.party else { return Ok(false) };
        let (to, device) = (Bound::Session(member.session), member.caller.assertion.device_cert);
        let mut change = self.store.change(now, by(&member.caller)).await?;
        let Some(ticket) = ticket::read(&self.form, ticket, Aim::Sign, to, device, now) else {
            let how = How { method: AuthMethod::Passkey, note: "step-up ticket".to_owned() };
            refuse(&mut change, member.account, Reason::Forged, &how).await?;
            change.commit().await?;
            return Ok(false);
        };
        let settled = self.prove(&mut change, party, (&ticket, answer), For::Sign(member.account)).await?;
        if settled.is_ok() {
            change.show_factor(member.session, AuthMethod::Passkey).await?;
        }
        change.commit().await?;
        Ok(settled.is_ok())
    }
}
