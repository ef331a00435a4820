//! What is done with accounts, asked for by a program or on a page: read, checked and signed here for both.

use super::super::body::Fields;
use super::super::member::Member;
use super::super::problem::{Kind, Problem};
use super::super::refused;
use super::look;
use crate::clock;
use crate::duties::{Action, Region};
use crate::handout::CalledBack;
use crate::sessions::over;
use crate::store::Which;
use crate::web::App;
use crate::web::attempt::by;
use contract::directory::Session;
use contract::id::AccountId;

/// What can be done with an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Deed {
    Lock,
    Unlock,
    Block,
    ProposeLift,
    Lift,
    Confirm,
    Reactivate,
}

/// A deed that was read.
#[derive(Debug)]
pub(in crate::web) enum Ready {
    Lock,
    /// The person was called back.
    Unlock,
    /// Why.
    Block(String),
    ProposeLift,
    Lift,
    Confirm(Region),
    Reactivate(Region),
}

impl Deed {
    /// All of them.
    pub(in crate::web) const ALL: [Self; 7] =
        [Self::Lock, Self::Unlock, Self::Block, Self::ProposeLift, Self::Lift, Self::Confirm, Self::Reactivate];

    /// Its name in addresses.
    pub(in crate::web) const fn as_str(self) -> &'static str {
        match self {
            Self::Lock => "lock",
            Self::Unlock => "unlock",
            Self::Block => "block",
            Self::ProposeLift => "propose-lift",
            Self::Lift => "lift",
            Self::Confirm => "confirm",
            Self::Reactivate => "reactivate",
        }
    }

    /// Its name, read.
    pub(in crate::web) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == name)
    }

    /// What is said with it. What is wrong is told, all at once.
    pub(in crate::web) fn read(self, mut fields: Fields) -> Result<Ready, Problem> {
        let region = |fields: &mut Fields| fields.parsed("region", "a region's code (länskod)", Region::parse);
        let ready = match self {
            Self::Lock => Some(Ready::Lock),
            Self::Unlock => {
                let said = CalledBack::confirmed(fields.needed_flag("called_back"));
                fields.finish()?;
                let words = "an account is unlocked after a call to the number on file";
                return said.map(|_| Ready::Unlock).ok_or_else(|| Problem::field("/called_back", "refused", words));
            }
            Self::Block => fields.words("reason").map(Ready::Block),
            Self::ProposeLift => Some(Ready::ProposeLift),
            Self::Lift => Some(Ready::Lift),
            Self::Confirm => region(&mut fields).map(Ready::Confirm),
            Self::Reactivate => region(&mut fields).map(Ready::Reactivate),
        };
        fields.finish()?;
        ready.ok_or_else(|| Kind::Invalid.into())
    }
}

/// At most so many sessions of one account are shown.
const SESSIONS_MAX: u32 = 200;

impl App {
    /// An account that a member may know of by a duty, or as their own; else that they tried is on record.
    pub(in crate::web) async fn known_account(
        &self,
        member: &Member,
        account: AccountId,
        duty: Action,
        wanted: &str,
    ) -> Result<(), Problem> {
        match look(self, member, account, duty).await? {
            Some(_) => Ok(()),
            None => self.hide(member, Some(account), wanted).await,
        }
    }

    /// Does it. All but a lock is signed: that only takes away.
    pub(in crate::web) async fn keep(&self, member: &Member, account: AccountId, ready: Ready) -> Result<(), Problem> {
        let (now, by, office) = (clock::now(), by(&member.caller), &self.office);
        if let Ready::Lock = ready {
            let done = office.lock(now, by, account).await;
            return done.map_err(|error| Problem::from_store(&error, Action::Lock));
        }
        let signature = &self.sign(member, now).await?;
        let (duty, done) = match ready {
            Ready::Lock => return Ok(()),
            Ready::Unlock => (Action::Unlock, office.unlock(now, by, signature, account).await),
            Ready::Block(reason) => (Action::Block, office.block(now, by, signature, account, &reason).await),
            Ready::ProposeLift => (Action::LiftBlock, office.propose_lift(now, by, signature, account).await),
            Ready::Lift => (Action::LiftBlock, office.lift(now, by, signature, account).await),
            Ready::Confirm(region) => (Action::Reconfirm, office.confirm(now, by, signature, account, region).await),
            Ready::Reactivate(region) => {
                (Action::Reconfirm, office.reactivate(now, by, signature, account, region).await)
            }
        };
        done.map_err(|error| Problem::from_store(&error, duty))
    }

    /// Sessions of an account that go on, for who may know of them.
    pub(in crate::web) async fn sessions_of(
        &self,
        member: &Member,
        account: AccountId,
        wanted: &str,
    ) -> Result<Vec<Session>, Problem> {
        self.known_account(member, account, Action::Lock, wanted).await?;
        let found = self.store.open_sessions(Some(account), SESSIONS_MAX).await;
        let mut sessions = found.map_err(|error| refused(&error))?;
        let now = clock::now();
        // What is over has ended, though the sweeper has not come by yet.
        sessions.retain(|session| over(session, now).is_none());
        Ok(sessions)
    }

    /// Ends sessions: one by its number, or all; of one's own all but the one that asks.
    pub(in crate::web) async fn end_sessions(
        &self,
        member: &Member,
        account: AccountId,
        number: Option<u64>,
    ) -> Result<(), Problem> {
        let which = match number {
            Some(number) => {
                let sessions = self.sessions_of(member, account, "end sessions").await?;
                let session = sessions.iter().find(|session| session.key.reference() == number);
                Which::One(session.ok_or(Kind::NotFound)?.key)
            }
            None if account == member.account => Which::AllBut(member.session),
            None => Which::All,
        };
        let done = self.office.end_sessions(clock::now(), by(&member.caller), account, which).await;
        done.map_err(|error| Problem::from_store(&error, Action::Lock))
    }
}

/// Which session, as a body says it.
pub(in crate::web) fn session(mut fields: Fields) -> Result<Option<u64>, Problem> {
    let number = fields.optional_parsed("session", "a session's number", |text| text.parse::<u64>().ok());
    fields.finish().map(|()| number)
}
