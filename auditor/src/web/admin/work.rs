//! What is done for somebody, asked for by a program or on a page: read, checked and signed here for both. How an
//! answer looks is left to who asks.

use super::body::Fields;
use super::member::Member;
use super::problem::{Kind, Problem};
use super::refused;
use crate::accounts::UserName;
use crate::clock;
use crate::duties::{About, Action, may};
use crate::forms::{self, Form, Move, State};
use crate::store::{Filed, Heading, Page, Queue, StoreError};
use crate::web::App;
use crate::web::attempt::by;
use contract::id::{AccountId, FormId};
use contract::record::{AuthEventKind, Reason};

/// Drafts of one account at a time.
const DRAFTS_MAX: u32 = 50;

/// What can be done with a form.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::web) enum Deed {
    Submit,
    Approve,
    Refuse,
    Return,
    Forward,
    Execute,
}

/// A move that was read, and the duty that it needs.
#[derive(Debug)]
pub(in crate::web) struct Ready {
    made: Move,
    duty: Action,
    user_name: Option<UserName>,
}

impl Deed {
    /// All, in the order of the procedure.
    pub(in crate::web) const ALL: [Self; 6] =
        [Self::Submit, Self::Approve, Self::Refuse, Self::Return, Self::Forward, Self::Execute];

    /// Its name in addresses.
    pub(in crate::web) const fn as_str(self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::Approve => "approve",
            Self::Refuse => "refuse",
            Self::Return => "return",
            Self::Forward => "forward",
            Self::Execute => "execute",
        }
    }

    /// Its name, read.
    pub(in crate::web) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|deed| deed.as_str() == name)
    }

    /// What somebody says in words who does it, by the field's name.
    pub(in crate::web) const fn words(self) -> Option<&'static str> {
        match self {
            Self::Approve => Some("basis"),
            Self::Refuse | Self::Return => Some("reason"),
            Self::Submit | Self::Forward | Self::Execute => None,
        }
    }

    /// The move and what it needs, read from what was sent.
    pub(in crate::web) fn read(self, mut fields: Fields, form: &Heading, me: AccountId) -> Result<Ready, Problem> {
        let words = self.words().and_then(|name| fields.words(name)).unwrap_or_default();
        let name = "a user name: 3 to 64 letters a-z, digits, '.', '_', '-' or '@'";
        let user_name = match self {
            Self::Execute => fields.optional_parsed("user_name", name, |text| UserName::parse(text).ok()),
            _ => None,
        };
        fields.finish()?;
        if self == Self::Execute && user_name.is_none() && makes_account(form) {
            return Err(Problem::field("/user_name", "missing", "a new account needs a user name"));
        }
        let (made, duty) = match self {
            Self::Submit if form.account == Some(me) || form.kind == forms::Kind::Application => {
                (Move::Submit, Action::Deregister)
            }
            Self::Submit => (Move::SubmitForAnother, Action::Deregister),
            Self::Approve => (Move::Approve(words), Action::DecideForRegion),
            Self::Refuse => (Move::Refuse(words), Action::DecideForRegion),
            // Whose it is depends on where the form stands.
            Self::Return if form.state == State::Approved => (Move::SendBack(words), Action::Forward),
            Self::Return => (Move::SendBack(words), Action::DecideForRegion),
            Self::Forward => (Move::Forward, Action::Forward),
            Self::Execute => (Move::Execute, Action::Execute),
        };
        Ok(Ready { made, duty, user_name })
    }
}

/// Whether a form's execution makes an account.
pub(in crate::web) fn makes_account(form: &Heading) -> bool {
    form.kind == forms::Kind::Application && form.account.is_none()
}

impl App {
    /// Makes a move with a form as it was seen, at a version.
    pub(in crate::web) async fn make(
        &self,
        member: &Member,
        seen: (FormId, i64),
        ready: Ready,
    ) -> Result<Heading, Problem> {
        let now = clock::now();
        let signature = self.sign(member, now).await?;
        let Ready { made, duty, user_name } = ready;
        let made = self.office.make(now, by(&member.caller), seen, made, Some(signature), user_name.as_ref()).await;
        made.map_err(|error| Problem::from_store(&error, duty))
    }

    /// A form with what stands in it. That somebody reads another's is on record.
    pub(in crate::web) async fn read_form(&self, member: &Member, form: FormId) -> Result<Filed, Problem> {
        let heading = self.visible(member, form, "see").await?;
        let filed = if member.viewer.owns(&heading) {
            self.office.read(form).await
        } else {
            self.office.reveal(clock::now(), by(&member.caller), form).await
        };
        let filed = filed.map_err(|error| refused(&error))?;
        // It may have become another's draft in the meantime.
        if !member.viewer.sees(&filed.heading) {
            return self.hide(member, filed.heading.account, &format!("see form={form}")).await;
        }
        Ok(filed)
    }

    /// Begins a form.
    pub(in crate::web) async fn begin_form(&self, member: &Member, form: Form) -> Result<Heading, Problem> {
        for_whom(member, &form)?;
        self.room(member).await?;
        self.office.begin(clock::now(), by(&member.caller), form).await.map_err(|error| about(&error))
    }

    /// Writes a draft anew, as it was seen at a version.
    pub(in crate::web) async fn mend_form(
        &self,
        member: &Member,
        seen: (FormId, i64),
        form: Form,
    ) -> Result<Heading, Problem> {
        for_whom(member, &form)?;
        let mended = self.office.mend(clock::now(), by(&member.caller), seen, form).await;
        mended.map_err(|error| refused(&error))
    }

    /// Whether somebody may begin another form: drafts are kept until they lapse, and are a bounded number.
    async fn room(&self, member: &Member) -> Result<(), Problem> {
        let (queue, state) = (Queue::Mine, Some(State::Draft));
        let drafts = Page { queue, state, limit: DRAFTS_MAX, ..Page::default() };
        let drafts = self.store.form_page(&member.viewer, &drafts).await.map_err(|error| refused(&error))?;
        if drafts.len() < DRAFTS_MAX as usize { Ok(()) } else { Err(Kind::TooMany.into()) }
    }

    /// A form that a member may know of. If they may not, that they tried is on record, and it is not there for them.
    pub(in crate::web) async fn visible(
        &self,
        member: &Member,
        form: FormId,
        wanted: &str,
    ) -> Result<Heading, Problem> {
        let found = self.store.form(form).await.map_err(|error| refused(&error))?;
        let (heading, _) = found.ok_or(Kind::NotFound)?;
        if member.viewer.sees(&heading) {
            return Ok(heading);
        }
        self.hide(member, heading.account, &format!("{wanted} form={form}")).await
    }

    /// Records that somebody asked for what they may not know of.
    pub(in crate::web) async fn hide<T>(
        &self,
        member: &Member,
        about: Option<AccountId>,
        wanted: &str,
    ) -> Result<T, Problem> {
        let recorded = async {
            let mut change = self.store.change(clock::now(), by(&member.caller)).await?;
            let mut event = change.event(AuthEventKind::MoveDenied, about.unwrap_or(AccountId::NONE));
            event.reason = Reason::NotAppointed;
            event.detail = format!("{} {wanted}", event.detail).into();
            change.record(event).await?;
            change.commit().await
        };
        recorded.await.map_err(|error: StoreError| refused(&error))?;
        Err(Kind::NotFound.into())
    }
}

/// Whether somebody may write a form about this account: their own, or one that they may submit forms for. Nobody else
/// learns whether there is such an account.
fn for_whom(member: &Member, form: &Form) -> Result<(), Problem> {
    let own = form.subject.account == Some(member.account);
    if own || may(&member.viewer.appointments, Action::Deregister, &form.about()) {
        return Ok(());
    }
    Err(Problem::lacking(Action::Deregister))
}

/// Whether somebody may appoint others.
pub(in crate::web) fn appoints(member: &Member) -> bool {
    may(&member.viewer.appointments, Action::Appoint, &About::default())
}

/// What the store says to a form about an account.
fn about(error: &StoreError) -> Problem {
    match error {
        StoreError::Absent(_) => Problem::field("/account", "refused", "there is no such account"),
        error => refused(error),
    }
}
