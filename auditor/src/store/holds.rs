//! Locks that people set, their end after a call-back, and the end of others' sessions.

use super::{By, Change, Office, StoreError};
use crate::accounts::{InvalidMove, State, Tries};
use crate::duties::{Action, Appointment, may_about_account};
use crate::forms::{Denied, Signature};
use crate::sealing::FieldKey;
use crate::sessions::End;
use contract::Micros;
use contract::id::{AccountId, SessionKey};
use contract::record::{AuthEventKind, Reason};

impl Change {
    /// Whether appointments reach an account by an action, by what this change sees of it.
    pub(super) async fn reached(
        &mut self,
        appointments: &[Appointment],
        action: Action,
        id: AccountId,
    ) -> Result<(), StoreError> {
        let (regions, grants) = (self.regions(id).await?, self.granted(id).await?);
        let (regions, registries) = (regions.iter().map(|of| of.region), grants.iter().map(|of| &of.registry));
        let reached = may_about_account(appointments, action, regions, registries);
        if reached { Ok(()) } else { Err(Denied::NotAppointed.into()) }
    }

    /// Whether who makes this change may do so to an account without signing: what only takes away must not wait.
    async fn keeper(&mut self, action: Action, id: AccountId) -> Result<(), StoreError> {
        let keeper = self.account(self.by.account).await?;
        if !matches!(keeper.state.at(self.at), State::Active { .. }) {
            return Err(InvalidMove { from: keeper.state.parts().0, action: "do this to another" }.into());
        }
        let appointments = self.in_force(keeper.id).await?;
        self.reached(&appointments, action, id).await
    }

    async fn lock(&mut self, id: AccountId) -> Result<(), StoreError> {
        self.keeper(Action::Lock, id).await?;
        let mut account = self.account(id).await?;
        account.state = account.state.at(self.at).lock(self.at, None)?;
        self.void_handout(id).await?;
        self.stop_account(&account, AuthEventKind::AccountLocked).await
    }

    async fn unlock(&mut self, key: &FieldKey, signature: &Signature, id: AccountId) -> Result<(), StoreError> {
        let actor = self.actor(key, signature).await?;
        self.reached(&actor.appointments, Action::Unlock, id).await?;
        let mut account = self.account(id).await?;
        actor.is_another_than(&self.person(key, &account).await?)?;
        account.state = account.state.unlock(self.at)?;
        account.tries = Tries::default();
        self.move_account(&account, AuthEventKind::AccountUnlocked, Reason::None).await
    }

    async fn end_sessions(&mut self, id: AccountId, which: Which) -> Result<(), StoreError> {
        let own = id == self.by.account;
        if !own {
            self.keeper(Action::Lock, id).await?;
        }
        match which {
            Which::All => self.end_sessions_of_account(id, End::Administrator).await,
            Which::AllBut(key) => self.end_other_sessions(id, key, End::Administrator).await,
            Which::One(key) => {
                let theirs = self.session_is_of(key, id).await?;
                let ended = theirs && self.end_session(key, End::Administrator).await?;
                if ended { Ok(()) } else { Err(StoreError::Absent("session")) }
            }
        }
    }
}

/// Which sessions of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of them.
    All,
    /// All but this one.
    AllBut(SessionKey),
    /// This one, which must be the account's.
    One(SessionKey),
}

impl Office {
    /// Locks an account until it is unlocked; its sessions and its handout end. For who may by duty, without a signature: it only takes
    /// away.
    pub async fn lock(&self, at: Micros, by: By, id: AccountId) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = change.lock(id).await;
        self.settle(change, done, Some(id), "lock").await
    }

    /// Unlocks an account, after a call-back to the number on file.
    pub async fn unlock(&self, at: Micros, by: By, signature: &Signature, id: AccountId) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = change.unlock(&self.key, signature, id).await;
        self.settle(change, done, Some(id), "unlock").await
    }

    /// Ends sessions: one's own, or those of an account that a duty to lock reaches.
    pub async fn end_sessions(&self, at: Micros, by: By, id: AccountId, which: Which) -> Result<(), StoreError> {
        let mut change = self.store.change(at, by).await?;
        let done = change.end_sessions(id, which).await;
        self.settle(change, done, Some(id), "end sessions").await
    }
}
