//! What is done with credentials on their way, asked for by a program or on a page: read, checked and signed here for both.

use super::super::body::Fields;
use super::super::member::Member;
use super::super::problem::{Kind, Problem};
use super::super::query::{Parameters, cursor};
use super::super::refused;
use crate::accounts::Account;
use crate::clock;
use crate::duties::{About, Action, may};
use crate::handout::{CalledBack, Channel, Delivery, PairError, Part, Purpose, Stage, State, Unreachable};
use crate::letter::Letter;
use crate::store::{Handout, Issue, Sought, StoreError};
use crate::web::App;
use crate::web::attempt::by;
use contract::id::{AccountId, HandoutId};
use zeroize::Zeroizing;

/// What can be done with a half.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Deed {
    Letter,
    Posted,
    Number,
    Called,
    Reroute,
}

/// A deed that was read.
#[derive(Debug, Clone, Copy)]
pub(in crate::web) enum Ready {
    Letter(Part),
    Posted(Part),
    Number,
    Called(Part, CalledBack),
    Reroute(Part, Channel),
}

/// What a deed gives, once.
pub(in crate::web) enum Handed {
    /// Nothing: it is done.
    Done,
    /// A letter, PDF.
    Letter(Vec<u8>),
    /// Whom to call, and where.
    Number(Delivery),
    /// A half to be read out, in groups.
    Half(Zeroizing<String>),
}

impl std::fmt::Debug for Handed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Handed(hidden)")
    }
}

const CHANNELS: &str = "letter, sms, phone or fax";

impl Deed {
    /// All of them.
    pub(in crate::web) const ALL: [Self; 5] = [Self::Letter, Self::Posted, Self::Number, Self::Called, Self::Reroute];

    /// Its name in addresses.
    pub(in crate::web) const fn as_str(self) -> &'static str {
        match self {
            Self::Letter => "letter",
            Self::Posted => "posted",
            Self::Number => "number",
            Self::Called => "called",
            Self::Reroute => "reroute",
        }
    }

    /// Its name, read.
    pub(in crate::web) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == name)
    }

    /// What is said with it. What is wrong is told, all at once.
    pub(in crate::web) fn read(self, mut fields: Fields) -> Result<Ready, Problem> {
        let part = fields.parsed("half", "id or code", Part::parse);
        let ready = match self {
            Self::Letter => part.map(Ready::Letter),
            Self::Posted => part.map(Ready::Posted),
            Self::Number => part.map(|_| Ready::Number),
            Self::Called => {
                let called = CalledBack::confirmed(fields.needed_flag("called_back"));
                fields.finish()?;
                let called = called.ok_or_else(|| {
                    let words = "a half is read out to who was called at the number of their form";
                    Problem::field("/called_back", "refused", words)
                })?;
                return part.map(|part| Ready::Called(part, called)).ok_or_else(|| Kind::Invalid.into());
            }
            Self::Reroute => {
                let channel = fields.parsed("channel", CHANNELS, Channel::parse);
                part.zip(channel).map(|(part, channel)| Ready::Reroute(part, channel))
            }
        };
        fields.finish()?;
        ready.ok_or_else(|| Kind::Invalid.into())
    }
}

/// How the halves go to an account, as a body says it.
pub(in crate::web) fn issue(account: AccountId, fields: &mut Fields) -> Issue {
    let id_by = fields.optional_parsed("id_by", CHANNELS, Channel::parse).unwrap_or(Channel::Letter);
    let code_by = fields.optional_parsed("code_by", CHANNELS, Channel::parse).unwrap_or(Channel::Sms);
    let called_back = CalledBack::confirmed(fields.flag("called_back"));
    Issue { account, id_by, code_by, called_back }
}

/// Which handouts are asked for.
pub(in crate::web) fn sought(mut asked: Parameters) -> Result<Sought, Problem> {
    let sought = Sought {
        state: asked.parsed("state", "open, collected, spent, replaced or expired", State::parse),
        account: asked.parsed("account", "an account's id", |text| text.parse().ok()),
        channel: asked.parsed("channel", CHANNELS, Channel::parse),
        stage: asked.parsed("stage", "waiting, printed, queued, sent, failed, delivered or gone", Stage::parse),
        after: asked.after::<HandoutId>("issued"),
        limit: asked.limit(),
    };
    asked.finish().map(|()| sought)
}

/// Whether it is somebody's duty to hand out credentials.
pub(in crate::web) fn hands_out(member: &Member) -> Result<(), Problem> {
    let may = may(&member.viewer.appointments, Action::HandOut, &About::default());
    if may { Ok(()) } else { Err(Problem::lacking(Action::HandOut)) }
}

/// What the store says, with what pages say of it.
fn wrong(error: &StoreError, duty: Action) -> Problem {
    let said = match error {
        StoreError::Pair(PairError::Same) => Some("problem-pair-same"),
        StoreError::Pair(PairError::Papers) => Some("problem-pair-papers"),
        StoreError::Pair(PairError::FaxOff) | StoreError::NoWay(Unreachable::Fax) => Some("problem-no-fax"),
        StoreError::Pair(PairError::SmsOff) => Some("problem-no-sms"),
        StoreError::NoWay(Unreachable::Mobile) => Some("problem-no-mobile"),
        StoreError::Incomplete(_) => Some("problem-no-application"),
        _ => None,
    };
    Problem::from_store(error, duty).said(said)
}

impl App {
    /// Credentials on their way, and where the next page begins.
    pub(in crate::web) async fn handout_list(
        &self,
        member: &Member,
        mut sought: Sought,
    ) -> Result<(Vec<Handout>, Option<String>), Problem> {
        hands_out(member)?;
        let limit = sought.limit;
        sought.limit = limit.saturating_add(1);
        let mut found = self.store.handouts(&sought).await.map_err(|error| refused(&error))?;
        let more = found.len() > limit as usize;
        found.truncate(limit as usize);
        let next = found.last().filter(|_| more).map(|last| cursor("issued", last.issued, &last.id));
        Ok((found, next))
    }

    /// Where the halves are, for whose duty it is to hand them out.
    pub(in crate::web) async fn handout(&self, member: &Member, id: HandoutId) -> Result<Handout, Problem> {
        hands_out(member)?;
        self.find_handout(id).await
    }

    /// Where the halves are.
    pub(in crate::web) async fn find_handout(&self, id: HandoutId) -> Result<Handout, Problem> {
        let found = self.store.handout(id).await.map_err(|error| refused(&error))?;
        found.ok_or_else(|| Kind::NotFound.into())
    }

    /// Makes credentials.
    pub(in crate::web) async fn issue_handout(&self, member: &Member, issue: &Issue) -> Result<HandoutId, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        match self.counter.issue(now, by(&member.caller), Some(&signature), issue).await {
            Ok(id) => Ok(id),
            Err(StoreError::Absent(_)) => Err(Problem::field("/account", "refused", "there is no such account")),
            Err(error) => Err(wrong(&error, self.duty_for(issue.account).await)),
        }
    }

    /// The duty that handing out to an account takes.
    async fn duty_for(&self, account: AccountId) -> Action {
        let account: Option<Account> = self.store.account(account).await.ok().flatten();
        match account.map(|account| Purpose::of(account.state.at(clock::now()))) {
            Some(Ok(Purpose::Reset)) => Action::Unlock,
            _ => Action::HandOut,
        }
    }

    /// Does something with a half.
    pub(in crate::web) async fn hand(&self, member: &Member, id: HandoutId, ready: Ready) -> Result<Handed, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let (signature, by, counter) = (Some(&signature), by(&member.caller), &self.counter);
        let done = match ready {
            Ready::Letter(part) => counter
                .print(now, by, signature, (id, part))
                .await
                .map(|printed| Handed::Letter(Letter::new(&self.handout, &self.help, &self.title, now).pdf(&printed))),
            Ready::Posted(part) => counter.posted(now, by, signature, (id, part)).await.map(|()| Handed::Done),
            Ready::Number => counter.number(now, by, signature, id).await.map(Handed::Number),
            Ready::Called(part, called) => {
                counter.read_out(now, by, signature, (id, part), called).await.map(Handed::Half)
            }
            Ready::Reroute(part, channel) => {
                counter.reroute(now, by, signature, (id, part), channel).await.map(|()| Handed::Done)
            }
        };
        done.map_err(|error| wrong(&error, Action::HandOut))
    }
}
