//! Whether somebody may do something with devices; and that they tried, if they may not.

use crate::accounts::{InvalidMove, State};
use crate::duties::{About, Action, may};
use crate::forms::{Denied, Signature};
use crate::store::{Change, Store, StoreError};
use contract::id::{AccountId, HsaId};
use contract::record::AuthEventKind;

impl Change {
    /// Whether who signs may manage the devices of an organisation, now.
    pub async fn manages_devices(&mut self, signature: &Signature, of: &HsaId) -> Result<(), StoreError> {
        let id = signature.account();
        if id.is_none() || id != self.by.account {
            return Err(Denied::OtherSignature.into());
        }
        let account = self.account(id).await?;
        if !matches!(account.state.at(self.at), State::Active { .. }) {
            return Err(InvalidMove { from: account.state.parts().0, action: "sign" }.into());
        }
        let about = About { organisation: Some(of.clone()), ..About::default() };
        if may(&self.in_force(id).await?, Action::ManageDevices, &about) {
            Ok(())
        } else {
            Err(Denied::NotAppointed.into())
        }
    }
}

impl Store {
    /// Gives a change up. What somebody wanted who may not is recorded all the same.
    pub async fn give_up(
        &self,
        change: Change,
        error: &StoreError,
        about: Option<AccountId>,
        what: &str,
    ) -> Result<(), StoreError> {
        let (at, by) = change.undo().await?;
        let StoreError::Denied(denied) = error else { return Ok(()) };
        let mut change = self.change(at, by).await?;
        let mut event = change.event(AuthEventKind::MoveDenied, about.unwrap_or(AccountId::NONE));
        event.reason = denied.reason();
        event.detail = format!("{} {what}", change.by.channel).into();
        change.record(event).await?;
        change.commit().await
    }
}
