//! What somebody can do with a form, for its page. The forms themselves decide when it is done.

use crate::accounts::Account;
use crate::duties::{Action, may};
use crate::forms::{Kind, Signature, Stored};
use crate::store::Filed;
use crate::web::admin::work::Deed;
use crate::web::member::Member;
use contract::id::AccountId;

/// What somebody can do, or why not although it is their duty.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// These.
    Theirs(&'static [Deed]),
    /// Why not: a text's key.
    Not(&'static str),
    /// It is another's turn, or nobody's.
    Others,
}

/// Whether it is a member's turn, and what they can do. `lapsed`: nobody has done anything for too long.
pub(super) fn turn(member: &Member, me: &Account, filed: &Filed, lapsed: bool) -> Turn {
    let by = |signature: &Signature| signature.account();
    let (duty, deeds, before): (Action, &'static [Deed], Vec<Option<AccountId>>) = match &filed.stored {
        Stored::Draft(_) => return draft(member, filed, lapsed),
        Stored::Submitted(form) => (
            Action::DecideForRegion,
            &[Deed::Approve, Deed::Return, Deed::Refuse],
            vec![form.stage().by.as_ref().map(by)],
        ),
        Stored::Approved(form) => (Action::Forward, &[Deed::Forward, Deed::Return], vec![Some(by(&form.stage().by))]),
        Stored::Forwarded(form) => {
            let stage = form.stage();
            (Action::Execute, &[Deed::Execute], vec![Some(by(&stage.approved.by)), Some(by(&stage.by))])
        }
        Stored::Executed(_) | Stored::Refused(_) | Stored::Lapsed(_) => return Turn::Others,
    };
    let form = filed.stored.form();
    if !may(&member.viewer.appointments, duty, &form.about()) {
        return Turn::Others;
    }
    let subject = &form.subject;
    let own = subject.account == Some(me.id) || subject.hsa.is_some() && subject.hsa == me.hsa;
    if lapsed {
        Turn::Not("forms-why-lapsed")
    } else if own {
        Turn::Not("forms-why-own")
    } else if me.hsa.is_none() {
        Turn::Not("forms-why-unidentified")
    } else if before.contains(&Some(me.id)) {
        Turn::Not("forms-why-again")
    } else {
        Turn::Theirs(deeds)
    }
}

fn draft(member: &Member, filed: &Filed, lapsed: bool) -> Turn {
    let heading = &filed.heading;
    if !member.viewer.owns(heading) {
        return Turn::Others;
    }
    let form = filed.stored.form();
    let own = heading.account == Some(member.account) || heading.kind == Kind::Application;
    if lapsed {
        Turn::Not("forms-why-lapsed")
    } else if own || may(&member.viewer.appointments, Action::Deregister, &form.about()) {
        Turn::Theirs(&[Deed::Submit])
    } else {
        Turn::Not("forms-why-not-yours")
    }
}
