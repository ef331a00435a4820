//! Whose turn it is. A form comes onto a desk only of somebody whose duty it is, who is not the person it is about, and
//! who has not decided on it before, by this account or another of theirs; and a desk has no more than may be done there.

use super::{
    Actor, Approved, Content, Denied, Draft, Executed, Forwarded, Order, Refused, Request, Returned, Signature,
    Submitted, signed,
};
use crate::duties::{Action, may};
use contract::id::AccountId;

/// The region's approver decides.
#[derive(Debug, PartialEq, Eq)]
pub struct ApproverDesk<'a> {
    request: Request<Submitted>,
    actor: &'a Actor,
}

/// The registry's holder receives.
#[derive(Debug, PartialEq, Eq)]
pub struct HolderDesk<'a> {
    request: Request<Approved>,
    actor: &'a Actor,
}

/// An account administrator executes.
#[derive(Debug, PartialEq, Eq)]
pub struct ExecutorDesk<'a> {
    request: Request<Forwarded>,
    actor: &'a Actor,
}

impl<S> Request<S> {
    fn allows(&self, actor: &Actor, action: Action, before: &[Option<AccountId>]) -> Result<(), Denied> {
        if !may(&actor.appointments, action, &self.form.about()) {
            return Err(Denied::NotAppointed);
        }
        actor.is_another_than(&self.form.subject)?;
        if before.iter().flatten().any(|account| actor.may_have(*account)) {
            return Err(Denied::Again);
        }
        Ok(())
    }
}

impl Request<Submitted> {
    /// Onto the desk of an approver of the region, who has not submitted it for the person.
    pub fn before_approver(self, actor: &Actor) -> Result<ApproverDesk<'_>, Denied> {
        self.allows(actor, Action::DecideForRegion, &[self.stage.by.as_ref().map(Signature::account)])?;
        Ok(ApproverDesk { request: self, actor })
    }
}

impl Request<Approved> {
    /// Onto the desk of the registry's holder, who is not the approver.
    pub fn before_holder(self, actor: &Actor) -> Result<HolderDesk<'_>, Denied> {
        self.allows(actor, Action::Forward, &[Some(self.stage.by.account())])?;
        Ok(HolderDesk { request: self, actor })
    }
}

impl Request<Forwarded> {
    /// Onto the desk of an account administrator, who is neither the approver nor who forwarded it.
    pub fn before_executor(self, actor: &Actor) -> Result<ExecutorDesk<'_>, Denied> {
        let before = [Some(self.stage.approved.by.account()), Some(self.stage.by.account())];
        self.allows(actor, Action::Execute, &before)?;
        Ok(ExecutorDesk { request: self, actor })
    }
}

impl ApproverDesk<'_> {
    /// Approves it. `basis`: how the approver knows the person.
    pub fn approve(self, signature: Signature, basis: String) -> Result<Request<Approved>, Denied> {
        let by = signed(self.actor, signature)?;
        let stage = Approved { submitted: self.request.stage, by, basis };
        Ok(Request { form: self.request.form, stage })
    }

    /// Refuses it, for good.
    pub fn refuse(self, signature: Signature, reason: String) -> Result<Request<Refused>, Denied> {
        let by = signed(self.actor, signature)?;
        Ok(Request { form: self.request.form, stage: Refused { by, reason } })
    }

    /// Sends it back, to be mended and submitted again.
    pub fn send_back(self, signature: Signature, reason: String) -> Result<(Request<Draft>, Returned), Denied> {
        let by = signed(self.actor, signature)?;
        Ok((Request { form: self.request.form, stage: Draft }, Returned { by, reason }))
    }
}

impl HolderDesk<'_> {
    /// Forwards it, as it is.
    pub fn forward(self, signature: Signature) -> Result<Request<Forwarded>, Denied> {
        let by = signed(self.actor, signature)?;
        Ok(Request { form: self.request.form, stage: Forwarded { approved: self.request.stage, by } })
    }

    /// Sends it back, because something is missing in it.
    pub fn send_back(self, signature: Signature, reason: String) -> Result<(Request<Draft>, Returned), Denied> {
        let by = signed(self.actor, signature)?;
        Ok((Request { form: self.request.form, stage: Draft }, Returned { by, reason }))
    }
}

impl ExecutorDesk<'_> {
    /// Executes it: what it gives, it gives now.
    pub fn execute(self, signature: Signature) -> Result<(Request<Executed>, Order), Denied> {
        let by = signed(self.actor, signature)?;
        let form = &self.request.form;
        let order = match &form.content {
            Content::Application(application) => match form.subject.account {
                None => Order::Create(application.clone()),
                Some(account) => Order::Set(account, vec![application.grant(form.registry.clone())]),
            },
            Content::Alteration(change) => Order::Set(change.account, change.rights.clone()),
            Content::Deregistration(end) => Order::Close(end.account),
        };
        let stage = Executed { forwarded: self.request.stage, by };
        Ok((Request { form: self.request.form, stage }, order))
    }
}
