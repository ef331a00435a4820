//! What a member can do with an account, for its page. That they may is decided in the store.

use super::Seen;
use crate::accounts::State;
use crate::clock;
use crate::duties::{About, Action, Region, may};
use crate::handout::Purpose;
use crate::web::App;
use crate::web::admin::accounts::deeds::Deed;
use crate::web::desk::field::{Choice, Field, Input};
use crate::web::desk::leaf::Offer;
use crate::web::desk::{handouts, paper, words};
use crate::web::member::Member;
use crate::web::page::Frame;
use std::borrow::Cow;

/// What they can do, and why nothing, if it were their duty.
pub(super) fn offers(
    app: &App,
    member: &Member,
    frame: &Frame,
    seen: &Seen,
) -> (Vec<Offer>, Option<Cow<'static, str>>) {
    let state = seen.account.state.at(clock::now());
    let regions = vouchers(member, seen);
    let duties = [Action::Lock, Action::Unlock, Action::Block, Action::LiftBlock, Action::HandOut];
    let any = !regions.is_empty() || duties.into_iter().any(|action| seen.may(member, action));
    if !any || state.is_final() {
        return (Vec::new(), None);
    }
    if seen.is_own() {
        return (Vec::new(), Some(frame.say("accounts-why-own")));
    }
    let mut offers = Vec::new();
    let mut why_not = None;
    let known = seen.me.hsa.is_some();
    for deed in deeds(member, seen, state, &regions) {
        // What somebody decides on about another, they do as who they are.
        if known || matches!(deed, Deed::Lock | Deed::Block) {
            offers.push(offer(frame, seen, deed, &regions));
        } else {
            why_not = Some(frame.say("accounts-why-unidentified"));
        }
    }
    if let State::Blocked { .. } = state
        && seen.block.as_ref().is_some_and(|block| block.proposed_by == Some(member.account))
    {
        why_not = Some(frame.say("accounts-why-again"));
    }
    if let Ok(purpose) = Purpose::of(state)
        && seen.may(member, if purpose == Purpose::Reset { Action::Unlock } else { Action::HandOut })
        && known
    {
        offers.push(handouts::to_issue(app, frame, seen.account.id, purpose));
    }
    (offers, why_not)
}

/// The regions that vouch for the account, of those for which the member speaks.
fn vouchers(member: &Member, seen: &Seen) -> Vec<Region> {
    let theirs = |region: &Region| {
        let about = About { region: Some(*region), ..About::default() };
        may(&member.viewer.appointments, Action::Reconfirm, &about)
    };
    seen.regions.iter().map(|of| of.region).filter(theirs).collect()
}

fn deeds(member: &Member, seen: &Seen, state: State, regions: &[Region]) -> Vec<Deed> {
    let may = |action| seen.may(member, action);
    let proposed = seen.block.as_ref().and_then(|block| block.proposed_by);
    let all = [
        (Deed::Reactivate, !regions.is_empty() && state.reactivate(0).is_ok()),
        (Deed::Confirm, !regions.is_empty() && state.reactivate(0).is_err()),
        (Deed::Unlock, may(Action::Unlock) && state.unlock(0).is_ok()),
        (Deed::ProposeLift, may(Action::LiftBlock) && state.lift_block(None, 0).is_ok() && proposed.is_none()),
        (Deed::Lift, may(Action::LiftBlock) && proposed.is_some_and(|by| by != member.account)),
        (Deed::Lock, may(Action::Lock) && state.lock(0, None).is_ok()),
        (Deed::Block, may(Action::Block) && state.block(0).is_ok()),
    ];
    all.into_iter().filter(|(_, can)| *can).map(|(deed, _)| deed).collect()
}

fn offer(frame: &Frame, seen: &Seen, deed: Deed, regions: &[Region]) -> Offer {
    let [heading, intro, _] = words::account_deed(deed);
    let one = match (deed, regions) {
        (Deed::Confirm | Deed::Reactivate, [one]) => Some(*one),
        _ => None,
    };
    Offer {
        name: deed.as_str().to_owned(),
        to: format!("/admin/accounts/{}/{}", seen.account.id, deed.as_str()),
        heading: frame.say(heading),
        intro: frame.say(intro),
        hidden: one.map(|region| ("region", region.as_str().to_owned())).into_iter().collect(),
        fields: if one.is_some() { Vec::new() } else { fields(frame, deed, regions) },
        second: matches!(deed, Deed::Lock | Deed::Block),
        files: false,
    }
}

/// What one fills in for a deed.
pub(super) fn fields(frame: &Frame, deed: Deed, regions: &[Region]) -> Vec<Field> {
    match deed {
        Deed::Unlock => vec![called_back(frame)],
        Deed::Block => {
            vec![paper::words(frame, "reason", "accounts-block-reason").hinted(frame, "accounts-block-hint")]
        }
        Deed::Confirm | Deed::Reactivate => {
            let choices = regions.iter().map(|region| Choice::new(region.as_str(), region.name())).collect();
            vec![Field::line(frame, "region", "forms-region").input(Input::Radio(choices))]
        }
        Deed::Lock | Deed::ProposeLift | Deed::Lift => Vec::new(),
    }
}

/// The box by which somebody says that they called back.
pub(in crate::web::desk) fn called_back(frame: &Frame) -> Field {
    let mark = Input::Mark(frame.say("called-back-yes"));
    Field::line(frame, "called_back", "called-back").input(mark)
}
