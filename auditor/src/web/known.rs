//! In, for whom somebody else knows: an identity provider, or the authority of a card. The account is that of an HSA-id; none
//! is made here.

use super::attempt::{Brought, How, LoginError, Opened, by, settle};
use super::{App, Caller};
use crate::accounts::login::judge_elsewhere;
use crate::clock;
use contract::id::HsaId;

/// What became of somebody.
pub(super) enum Entered {
    /// In.
    In(Opened),
    /// There is not one account, which is to be recorded.
    Nobody(&'static str),
    /// The session at the provider has ended meanwhile, which is to be recorded.
    Ended,
    /// The account is not to be used; that is recorded.
    Out,
}

impl App {
    /// Leads whoever has an HSA-id into a session, with what their login has brought along.
    pub(super) async fn enter(
        &self,
        caller: &Caller,
        hsa: &HsaId,
        how: &How,
        brought: Brought,
    ) -> Result<Entered, LoginError> {
        let now = clock::now();
        let mut change = self.store.change(now, by(caller)).await?;
        if let Some(at) = &brought.at
            && change.ended_there(at).await?
        {
            return Ok(Entered::Ended);
        }
        let mut accounts = change.accounts_by_hsa(hsa).await?;
        let account = match (accounts.pop(), accounts.pop()) {
            (Some(account), None) => account,
            (None, _) => return Ok(Entered::Nobody("no_account")),
            (Some(_), Some(_)) => return Ok(Entered::Nobody("several_accounts")),
        };
        let before = account.state;
        let settled = settle(&mut change, before, judge_elsewhere(account, now), how).await?;
        match self.let_in_with(change, caller, settled, how.method, brought).await {
            Ok(opened) => Ok(Entered::In(opened)),
            Err(LoginError::Refused) => Ok(Entered::Out),
            Err(error) => Err(error),
        }
    }
}
