//! Who asks: somebody who is logged in, in a session that lives, with an account in use.

use super::{App, Caller};
use crate::accounts::{Account, State};
use crate::clock;
use crate::store::{StoreError, Viewer};
use contract::id::{AccountId, SessionKey};
use contract::record::AuthMethod;

/// Somebody who may ask.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) account: AccountId,
    pub(super) session: SessionKey,
    /// How they logged in.
    pub(super) method: AuthMethod,
    /// Their account and what they are appointed to now.
    pub(super) viewer: Viewer,
    /// Whether they have to accept the security instructions first.
    pub(super) instructions_due: bool,
    pub(super) caller: Caller,
}

/// Why somebody may not.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unknown {
    /// No session, or one that has ended.
    NotLoggedIn,
    /// An account that is not in use.
    AccountInactive,
    /// It cannot be told now.
    Unavailable,
}

/// At most so many appointments of one account are looked at.
const APPOINTMENTS_MAX: u32 = 1_000;

impl App {
    /// Who asks.
    pub(super) async fn member(&self, caller: Caller) -> Result<Member, Unknown> {
        let now = clock::now();
        let (Some(id), Some(key)) = (caller.assertion.account, caller.assertion.session) else {
            return Err(Unknown::NotLoggedIn);
        };
        // An assertion lives for a minute; what has ended since then has ended.
        let session = self.store.live_session(key, now).await.map_err(failed)?;
        let session = session.filter(|session| session.account == id && session.device == caller.assertion.device);
        let session = session.ok_or(Unknown::NotLoggedIn)?;
        let account: Account = self.store.account(id).await.map_err(failed)?.ok_or(Unknown::NotLoggedIn)?;
        if !matches!(account.state.at(now), State::Active { .. }) {
            return Err(Unknown::AccountInactive);
        }
        let given = self.store.appointments(Some(id), false, APPOINTMENTS_MAX).await.map_err(failed)?;
        let appointments =
            given.into_iter().filter(|given| given.in_force(now)).map(|given| given.appointment).collect();
        let viewer = Viewer { account: id, appointments };
        let method = session.auth_method;
        let accepted = self.store.instructions_accepted(id).await.map_err(failed)?;
        let instructions_due = self.instructions.due(accepted);
        Ok(Member { account: id, session: key, method, viewer, instructions_due, caller })
    }
}

#[expect(clippy::needless_pass_by_value, reason = "an error ends here")]
fn failed(error: StoreError) -> Unknown {
    tracing::error!(error = &error as &dyn std::error::Error, "who asks cannot be told");
    Unknown::Unavailable
}
