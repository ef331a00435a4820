//! The three forms on their way: application, change and deregistration, from a draft to their execution.
//!
//! ```text
//! Draft ─submit─▶ Submitted ─approve─▶ Approved ─forward─▶ Forwarded ─execute─▶ Executed
//!   ▲               │ │ │                │ │                 │
//!   └───────────────┘ │ └─ refuse        │ └─ nothing for long ─▶ lapsed (drafts, too)
//!     send back  ◀────┼──────────────────┘
//! ```
//! A stage is a type: what a form cannot do where it stands does not compile. So is whose turn it is: a form comes onto
//! the [`ApproverDesk`], [`HolderDesk`] or [`ExecutorDesk`] of somebody whose duty it is, who is not the person it is
//! about, and has not decided on it before; and each desk has only what may be done there. The registry holder's has
//! nothing that grants.
//!
//! Pure: times and facts come as arguments.

mod content;
mod desk;
mod fault;
mod filed;
mod hidden;
pub mod rights;
mod signature;

pub use content::{Alteration, Application, Content, Deregistration, Form, Kind, Person};
pub use desk::{ApproverDesk, ExecutorDesk, HolderDesk};
pub use fault::{FormFault, check_line, check_words};
pub use filed::{Did, Made, Move, MoveError, State, Step, Stored, WrongState};
pub use signature::{Fresh, Signature, Stale};

use crate::duties::Appointment;
use contract::Micros;
use contract::directory::Grant;
use contract::id::AccountId;
use contract::record::Reason;

/// Somebody who acts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Actor {
    /// The account that they act by.
    pub account: AccountId,
    /// Who they are, as far as it is known.
    pub person: Person,
    /// Other accounts that may be theirs, of those by which something was decided before.
    pub others: Vec<AccountId>,
    /// What they were appointed to.
    pub appointments: Vec<Appointment>,
}

/// Why somebody may not do it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Denied {
    /// No appointment of theirs allows it there.
    #[error("you are not appointed to this, or not for this region or registry")]
    NotAppointed,
    /// It is about themselves.
    #[error("nobody decides on a form about themselves")]
    Own,
    /// Their account does not say who they are, so that nobody can tell whether it is about themselves.
    #[error("your account has no HSA-id: it cannot be told whether this is about yourself")]
    Unidentified,
    /// They have decided on it already, in another duty.
    #[error("you have decided on this form already: the next step is another person's")]
    Again,
    /// They have seen the other half of these credentials.
    #[error("you have seen the other half: another person prints or reads out this one")]
    OtherHalf,
    /// The signature is another's.
    #[error("the signature is another person's")]
    OtherSignature,
    /// It is not their form to submit.
    #[error("this form is submitted by the person it is about, or for them where that is allowed")]
    NotYours,
}

impl Actor {
    /// Whether an account may be theirs: what was done by it may have been done by them.
    pub fn may_have(&self, account: AccountId) -> bool {
        self.account == account || self.others.contains(&account)
    }

    /// Whether it is known that a decision is not about themselves.
    pub fn is_another_than(&self, subject: &Person) -> Result<(), Denied> {
        if subject.may_be(&self.person) {
            return Err(Denied::Own);
        }
        // Accounts differ also of one person.
        if self.person.hsa.is_some() { Ok(()) } else { Err(Denied::Unidentified) }
    }
}

impl Denied {
    /// Its code in the record.
    pub fn reason(self) -> Reason {
        match self {
            Self::NotAppointed => Reason::NotAppointed,
            Self::Own => Reason::Own,
            Self::Unidentified => Reason::Unidentified,
            Self::Again | Self::OtherHalf => Reason::DecidedBefore,
            Self::OtherSignature => Reason::OtherSignature,
            Self::NotYours => Reason::NotTheirs,
        }
    }
}

/// A form at a stage.
#[derive(Debug, PartialEq, Eq)]
pub struct Request<S> {
    form: Form,
    stage: S,
}

/// It is being written.
#[derive(Debug, PartialEq, Eq)]
pub struct Draft;

/// It waits for the region's approver.
#[derive(Debug, PartialEq, Eq)]
pub struct Submitted {
    /// By whom, when. None: by somebody without an account, on an enrolled device.
    pub by: Option<Signature>,
    /// When.
    pub at: Micros,
}

/// It waits for the registry's holder.
#[derive(PartialEq, Eq)]
pub struct Approved {
    /// What came before.
    pub submitted: Submitted,
    /// By whom, when.
    pub by: Signature,
    /// How the approver knows the person.
    pub basis: String,
}

/// It waits for an account administrator.
#[derive(Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// What came before.
    pub approved: Approved,
    /// By whom, when.
    pub by: Signature,
}

/// It is done.
#[derive(Debug, PartialEq, Eq)]
pub struct Executed {
    /// What came before.
    pub forwarded: Forwarded,
    /// By whom, when.
    pub by: Signature,
}

/// It ended without being done.
#[derive(PartialEq, Eq)]
pub struct Refused {
    /// By whom, when.
    pub by: Signature,
    /// Why: the person it is about reads it.
    pub reason: String,
}

/// It was sent back: it is a draft again.
#[derive(PartialEq, Eq)]
pub struct Returned {
    /// By whom, when.
    pub by: Signature,
    /// What is to be mended.
    pub reason: String,
}

/// What a form does to an account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Order {
    /// Make an account with this right.
    Create(Application),
    /// Give it these rights in the form's registry, and no others there.
    Set(AccountId, Vec<Grant>),
    /// Close it.
    Close(AccountId),
}

impl<S> Request<S> {
    /// What it says.
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// Where it stands.
    pub fn stage(&self) -> &S {
        &self.stage
    }

    /// One that was read from where it was kept: what led there was done then.
    fn kept(form: Form, stage: S) -> Self {
        Self { form, stage }
    }
}

/// A form that was submitted, and what it does at once.
pub type Begun = (Request<Submitted>, Option<Order>);

impl Request<Draft> {
    /// A form about a person.
    pub fn new(form: Form) -> Self {
        Self { form, stage: Draft }
    }

    /// The person submits their own form, by their account. What it takes away it takes away at once: form 3 closes the
    /// account, form 2 leaves only the rights that were `held` and are wanted. `held`: in the form's registry.
    pub fn submit(self, actor: &Actor, signature: Signature, held: &[Grant]) -> Result<Begun, Denied> {
        if !self.form.subject.may_be(&actor.person) {
            return Err(Denied::NotYours);
        }
        self.begin(actor, signature, held)
    }

    /// Somebody submits form 3 or a narrower form 2 for another: an approver of the region, the registry's holder, or an
    /// account administrator.
    pub fn submit_for(self, actor: &Actor, signature: Signature, held: &[Grant]) -> Result<Begun, Denied> {
        let takes_only = match &self.form.content {
            Content::Application(_) => false,
            Content::Alteration(change) => !rights::widens(held, &change.rights),
            Content::Deregistration(_) => true,
        };
        if !takes_only {
            return Err(Denied::NotYours);
        }
        let action = crate::duties::Action::Deregister;
        if !crate::duties::may(&actor.appointments, action, &self.form.about()) {
            return Err(Denied::NotAppointed);
        }
        self.begin(actor, signature, held)
    }

    /// A first application of somebody without an account, on an enrolled device.
    pub fn submit_without_account(self, now: Micros) -> Result<Request<Submitted>, Denied> {
        match self.form.content {
            Content::Application(_) if self.form.subject.account.is_none() => {
                Ok(Request { form: self.form, stage: Submitted { by: None, at: now } })
            }
            _ => Err(Denied::NotYours),
        }
    }

    fn begin(self, actor: &Actor, signature: Signature, held: &[Grant]) -> Result<Begun, Denied> {
        let signature = signed(actor, signature)?;
        // Whose form it is has been checked by its subject: it must not be about another account.
        if self.form.content.account().is_some_and(|account| self.form.subject.account != Some(account)) {
            return Err(Denied::NotYours);
        }
        let order = match &self.form.content {
            Content::Application(_) => None,
            Content::Alteration(change) => Some(Order::Set(change.account, rights::at_once(held, &change.rights))),
            Content::Deregistration(end) => Some(Order::Close(end.account)),
        };
        let at = signature.at();
        Ok((Request { form: self.form, stage: Submitted { by: Some(signature), at } }, order))
    }
}

/// Whether nothing was done for so long that it has lapsed. `since`: when the stage began.
pub fn has_lapsed(since: Micros, now: Micros, life_us: Micros) -> bool {
    now.saturating_sub(since) >= life_us
}

/// A signature, if it is the actor's.
fn signed(actor: &Actor, signature: Signature) -> Result<Signature, Denied> {
    if signature.account() == actor.account { Ok(signature) } else { Err(Denied::OtherSignature) }
}

#[cfg(test)]
mod tests;
