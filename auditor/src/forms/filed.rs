//! A form as it is kept: where it stands follows from what was done with it.

use super::{
    Actor, Approved, Denied, Draft, Executed, Form, FormFault, Forwarded, Order, Refused, Request, Signature,
    Submitted, fault,
};
use contract::Micros;
use contract::directory::Grant;
use contract::id::AccountId;
use contract::record::{AuthEventKind, AuthMethod};
use contract::wire_enum;

wire_enum! {
    /// Where a form stands.
    pub enum State {
        /// UTKAST: it is being written, or was sent back.
        Draft = 1 => "draft",
        /// INSKICKAD.
        Submitted = 2 => "submitted",
        /// GODKÄND_REGION.
        Approved = 3 => "approved",
        /// VIDAREBEFORDRAD.
        Forwarded = 4 => "forwarded",
        /// VERKSTÄLLD.
        Executed = 5 => "executed",
        /// AVSLAGEN.
        Refused = 6 => "refused",
        /// FÖRFALLEN.
        Lapsed = 7 => "lapsed",
    }
}

impl State {
    /// Whether nothing leads out of it.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Executed | Self::Refused | Self::Lapsed)
    }
}

wire_enum! {
    /// What was done with a form.
    pub enum Did {
        /// It was submitted.
        Submitted = 1 => "submitted",
        /// It was approved in the region.
        Approved = 2 => "approved",
        /// It was forwarded by the registry's holder.
        Forwarded = 3 => "forwarded",
        /// It was executed.
        Executed = 4 => "executed",
        /// It was sent back.
        Returned = 5 => "returned",
        /// It was refused.
        Refused = 6 => "refused",
        /// Nothing was done for long.
        Lapsed = 7 => "lapsed",
    }
}

impl Did {
    /// The event that tells of it.
    pub const fn event(self) -> AuthEventKind {
        match self {
            Self::Submitted => AuthEventKind::FormSubmitted,
            Self::Approved => AuthEventKind::FormApproved,
            Self::Forwarded => AuthEventKind::FormForwarded,
            Self::Executed => AuthEventKind::FormExecuted,
            Self::Returned => AuthEventKind::FormReturned,
            Self::Refused => AuthEventKind::FormRefused,
            Self::Lapsed => AuthEventKind::FormLapsed,
        }
    }
}

/// One thing that was done with a form.
#[derive(Clone, PartialEq, Eq)]
pub struct Step {
    /// What.
    pub did: Did,
    /// By whom; [`AccountId::NONE`]: by somebody without an account, or by time.
    pub by: AccountId,
    /// When.
    pub at: Micros,
    /// By which means the second factor was shown.
    pub method: AuthMethod,
    /// How the approver knows the person, or why it was sent back or refused.
    pub words: Option<String>,
}

impl Step {
    fn signature(&self) -> Signature {
        Signature::kept(self.by, self.at, self.method)
    }
}

/// A form, and where it stands.
#[derive(Debug, PartialEq, Eq)]
pub enum Stored {
    /// See [`State::Draft`].
    Draft(Request<Draft>),
    /// See [`State::Submitted`].
    Submitted(Request<Submitted>),
    /// See [`State::Approved`].
    Approved(Request<Approved>),
    /// See [`State::Forwarded`].
    Forwarded(Request<Forwarded>),
    /// See [`State::Executed`].
    Executed(Request<Executed>),
    /// See [`State::Refused`].
    Refused(Request<Refused>),
    /// See [`State::Lapsed`].
    Lapsed(Form),
}

/// What somebody wants to do with a form.
#[derive(Clone, PartialEq, Eq)]
pub enum Move {
    /// Submit one's own.
    Submit,
    /// Submit one that takes away, for another.
    SubmitForAnother,
    /// Submit a first application without an account.
    SubmitWithoutAccount,
    /// Approve it, and say how one knows the person.
    Approve(String),
    /// Refuse it, and say why.
    Refuse(String),
    /// Send it back, and say what is to be mended.
    SendBack(String),
    /// Forward it.
    Forward,
    /// Execute it.
    Execute,
}

impl Move {
    /// In a word, for messages and the record.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Submit => "submit",
            Self::SubmitForAnother => "submit_for_another",
            Self::SubmitWithoutAccount => "submit_without_account",
            Self::Approve(_) => "approve",
            Self::Refuse(_) => "refuse",
            Self::SendBack(_) => "send_back",
            Self::Forward => "forward",
            Self::Execute => "execute",
        }
    }
}

/// A move that a form does not allow where it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{action} is not what can be done with a form that is {state}")]
pub struct WrongState {
    /// Where it stands.
    pub state: State,
    /// What was to be done.
    pub action: &'static str,
}

/// Why a move is not made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum MoveError {
    /// Who wants it may not.
    #[error(transparent)]
    Denied(#[from] Denied),
    /// Not where the form stands.
    #[error(transparent)]
    State(#[from] WrongState),
    /// Something is wrong with what was written.
    #[error(transparent)]
    Fault(#[from] FormFault),
}

/// A move that was made.
#[derive(Debug)]
pub struct Made {
    /// Where the form stands now.
    pub stored: Stored,
    /// What was done.
    pub step: Step,
    /// What it does to an account, now.
    pub order: Option<Order>,
}

impl Stored {
    /// Where a form stands after these steps. None: no form can have come by them.
    pub fn replay(form: Form, steps: &[Step]) -> Option<Self> {
        let mut at = Self::Draft(Request::new(form));
        for step in steps {
            let words = step.words.clone().unwrap_or_default();
            at = match (at, step.did) {
                (Self::Draft(Request { form, .. }), Did::Submitted) => {
                    let by = (!step.by.is_none()).then(|| step.signature());
                    Self::Submitted(Request::kept(form, Submitted { by, at: step.at }))
                }
                (Self::Submitted(Request { form, stage }), Did::Approved) => {
                    let stage = Approved { submitted: stage, by: step.signature(), basis: words };
                    Self::Approved(Request::kept(form, stage))
                }
                (Self::Submitted(Request { form, .. }), Did::Refused) => {
                    Self::Refused(Request::kept(form, Refused { by: step.signature(), reason: words }))
                }
                (Self::Submitted(Request { form, .. }) | Self::Approved(Request { form, .. }), Did::Returned) => {
                    Self::Draft(Request::new(form))
                }
                (Self::Approved(Request { form, stage }), Did::Forwarded) => {
                    Self::Forwarded(Request::kept(form, Forwarded { approved: stage, by: step.signature() }))
                }
                (Self::Forwarded(Request { form, stage }), Did::Executed) => {
                    Self::Executed(Request::kept(form, Executed { forwarded: stage, by: step.signature() }))
                }
                (open, Did::Lapsed) if !open.state().is_final() => Self::Lapsed(open.into_form()),
                _ => return None,
            };
        }
        Some(at)
    }

    /// Where it stands.
    pub const fn state(&self) -> State {
        match self {
            Self::Draft(_) => State::Draft,
            Self::Submitted(_) => State::Submitted,
            Self::Approved(_) => State::Approved,
            Self::Forwarded(_) => State::Forwarded,
            Self::Executed(_) => State::Executed,
            Self::Refused(_) => State::Refused,
            Self::Lapsed(_) => State::Lapsed,
        }
    }

    /// What it says.
    pub fn form(&self) -> &Form {
        match self {
            Self::Draft(request) => request.form(),
            Self::Submitted(request) => request.form(),
            Self::Approved(request) => request.form(),
            Self::Forwarded(request) => request.form(),
            Self::Executed(request) => request.form(),
            Self::Refused(request) => request.form(),
            Self::Lapsed(form) => form,
        }
    }

    /// What it says, taken out.
    pub fn into_form(self) -> Form {
        match self {
            Self::Draft(request) => request.form,
            Self::Submitted(request) => request.form,
            Self::Approved(request) => request.form,
            Self::Forwarded(request) => request.form,
            Self::Executed(request) => request.form,
            Self::Refused(request) => request.form,
            Self::Lapsed(form) => form,
        }
    }

    /// The approver's signature, of a form that was executed.
    pub fn approval(&self) -> Option<&Signature> {
        match self {
            Self::Executed(request) => Some(&request.stage().forwarded.approved.by),
            _ => None,
        }
    }

    /// Makes a move: the one place where the steps of the three forms meet the desks. `who`: the actor and their
    /// signature; none without an account. `held`: the account's rights in the form's registry.
    pub fn make(
        self,
        who: Option<(&Actor, Signature)>,
        wanted: Move,
        held: &[Grant],
        now: Micros,
    ) -> Result<Made, MoveError> {
        let wrong = WrongState { state: self.state(), action: wanted.name() };
        let Some((actor, signature)) = who else {
            return match (self, wanted) {
                (Self::Draft(draft), Move::SubmitWithoutAccount) => {
                    let stored = Self::Submitted(draft.submit_without_account(now)?);
                    let step = Step {
                        did: Did::Submitted,
                        by: AccountId::NONE,
                        at: now,
                        method: AuthMethod::None,
                        words: None,
                    };
                    Ok(Made { stored, step, order: None })
                }
                (_, Move::SubmitWithoutAccount) => Err(wrong.into()),
                _ => Err(Denied::NotYours.into()),
            };
        };
        let (at, method) = (signature.at(), signature.method());
        let step = |did, words| Step { did, by: actor.account, at, method, words };
        Ok(match (self, wanted) {
            (Self::Draft(draft), Move::Submit) => {
                let (request, order) = draft.submit(actor, signature, held)?;
                Made { stored: Self::Submitted(request), step: step(Did::Submitted, None), order }
            }
            (Self::Draft(draft), Move::SubmitForAnother) => {
                let (request, order) = draft.submit_for(actor, signature, held)?;
                Made { stored: Self::Submitted(request), step: step(Did::Submitted, None), order }
            }
            (Self::Submitted(request), Move::Approve(basis)) => {
                let desk = request.before_approver(actor)?;
                fault::check_words("how the person is known", &basis)?;
                let request = desk.approve(signature, basis.clone())?;
                Made { stored: Self::Approved(request), step: step(Did::Approved, Some(basis)), order: None }
            }
            (Self::Submitted(request), Move::Refuse(reason)) => {
                let desk = request.before_approver(actor)?;
                fault::check_words("the reason", &reason)?;
                let request = desk.refuse(signature, reason.clone())?;
                Made { stored: Self::Refused(request), step: step(Did::Refused, Some(reason)), order: None }
            }
            (Self::Submitted(request), Move::SendBack(reason)) => {
                let desk = request.before_approver(actor)?;
                fault::check_words("the reason", &reason)?;
                let (draft, returned) = desk.send_back(signature, reason)?;
                Made { stored: Self::Draft(draft), step: step(Did::Returned, Some(returned.reason)), order: None }
            }
            (Self::Approved(request), Move::SendBack(reason)) => {
                let desk = request.before_holder(actor)?;
                fault::check_words("the reason", &reason)?;
                let (draft, returned) = desk.send_back(signature, reason)?;
                Made { stored: Self::Draft(draft), step: step(Did::Returned, Some(returned.reason)), order: None }
            }
            (Self::Approved(request), Move::Forward) => {
                let request = request.before_holder(actor)?.forward(signature)?;
                Made { stored: Self::Forwarded(request), step: step(Did::Forwarded, None), order: None }
            }
            (Self::Forwarded(request), Move::Execute) => {
                let (request, order) = request.before_executor(actor)?.execute(signature)?;
                Made { stored: Self::Executed(request), step: step(Did::Executed, None), order: Some(order) }
            }
            _ => return Err(wrong.into()),
        })
    }
}
